//! A message to Slack's incoming webhook: a coloured attachment with the fields beside each other.

use std::sync::Arc;

use detect::language::Priority;
use serde_json::{Value, json};

use super::{Shape, falco, shortened};
use crate::Notice;
use crate::carry::Trouble;

/// One message for each alert.
pub(crate) struct Message;

/// Slack cuts texts off, each kind somewhere else; this fits all of them.
const TEXT_MOST: usize = 2_900;
/// More fields than these make a message that nobody reads.
const FIELDS_MOST: usize = 30;

impl Shape for Message {
    fn body(&self, notices: &[Arc<Notice>]) -> Result<Vec<u8>, Trouble> {
        let message = notices.first().map(|notice| message(notice)).unwrap_or_default();
        Ok(message.to_string().into_bytes())
    }
}

fn message(notice: &Notice) -> Value {
    let priority = notice.priority.name();
    let text = escaped(&shortened(&notice.output, TEXT_MOST));
    let own = [
        ("rule", notice.rule.to_string()),
        ("priority", priority.to_string()),
        ("hostname", notice.hostname.to_string()),
        ("tags", notice.tags.join(", ")),
    ];
    let others = notice.fields.iter().filter_map(|(name, _)| Some((&**name, notice.text(name)?)));
    let fields: Vec<Value> = own
        .into_iter()
        .chain(others)
        .filter(|(_, value)| !value.is_empty())
        .take(FIELDS_MOST)
        .map(|(name, value)| {
            let value = shortened(&value, TEXT_MOST);
            json!({"title": name, "value": escaped(&value), "short": value.len() <= 40})
        })
        .collect();
    json!({
        "text": format!("*{priority}* {}", escaped(&notice.rule)),
        "attachments": [{
            "fallback": format!("{priority} {text}"),
            "color": color(notice.priority),
            "text": text,
            "fields": fields,
            "footer": format!("fathom · {}", falco::time(notice)),
            "ts": notice.time / 1_000_000_000,
        }],
    })
}

fn color(priority: Priority) -> &'static str {
    match priority {
        Priority::Emergency | Priority::Alert => "#8b0000",
        Priority::Critical | Priority::Error => "danger",
        Priority::Warning => "warning",
        Priority::Notice => "#1e90ff",
        Priority::Informational | Priority::Debug => "#9e9e9e",
    }
}

/// The three characters that mean something to Slack: with them, an alert's text could mention
/// everybody, or link somewhere.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::sample;

    #[test]
    fn a_message_is_as_slack_takes_it() {
        let body = Message.body(&[Arc::new(sample())]).unwrap();
        let message: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(message["text"], "*Notice* Terminal shell in container");
        let attachment = &message["attachments"][0];
        assert_eq!(
            attachment["text"],
            "A shell was spawned &lt;in&gt; \"web\" | container_id=3ad7"
        );
        assert_eq!(attachment["ts"], 1_795_334_400);
        assert_eq!(attachment["color"], "#1e90ff");
        let fields = attachment["fields"].as_array().unwrap();
        assert_eq!(
            fields[0],
            json!({"title": "rule", "value": "Terminal shell in container", "short": true})
        );
        assert!(fields.iter().any(|it| it["title"] == "proc.pid" && it["value"] == "42"));
        assert!(fields.iter().all(|it| it["title"] != "user.loginname"));
    }

    #[test]
    fn nobody_is_mentioned_by_what_an_attacker_typed() {
        let notice = Notice { output: "<!channel> & x".repeat(1000), ..sample() };
        let message = message(&notice);
        let text = message["attachments"][0]["text"].as_str().unwrap();
        assert!(text.starts_with("&lt;!channel&gt; &amp; x"));
        assert!(text.ends_with('…'));
    }
}
