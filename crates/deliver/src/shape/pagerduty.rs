//! An event for PagerDuty's Events API v2.

use std::sync::Arc;

use detect::language::Priority;
use serde_json::{Map, Value, json};

use super::{Shape, falco, shortened};
use crate::carry::Trouble;
use crate::{Notice, Secret};

/// One trigger for each alert.
pub(crate) struct Event {
    /// The integration key.
    pub(crate) routing_key: Secret,
}

/// PagerDuty refuses longer summaries.
const SUMMARY_MOST: usize = 1024;
/// PagerDuty refuses longer keys.
const KEY_MOST: usize = 255;

impl Shape for Event {
    fn body(&self, notices: &[Arc<Notice>]) -> Result<Vec<u8>, Trouble> {
        let key = self.routing_key.read().map_err(|error| Trouble::later(error.to_string()))?;
        let event = notices.first().map(|notice| event(notice, &key)).unwrap_or_default();
        Ok(event.to_string().into_bytes())
    }
}

fn event(notice: &Notice, routing_key: &str) -> Value {
    let summary = format!("{}: {}", notice.rule, notice.output);
    let mut details: Map<String, Value> = notice.fields.iter().cloned().collect();
    details.insert("output".to_string(), json!(notice.output));
    details.insert("tags".to_string(), json!(*notice.tags));
    details.insert("fathom".to_string(), notice.context.clone());
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": dedup_key(notice),
        "client": "Fathom",
        "payload": {
            "summary": shortened(&summary, SUMMARY_MOST),
            "source": &*notice.hostname,
            "severity": severity(notice.priority),
            "timestamp": falco::time(notice),
            "component": notice.text("k8s.pod.name").or_else(|| notice.text("container.name")),
            "group": notice.text("k8s.ns.name"),
            "class": &*notice.rule,
            "custom_details": details,
        },
    })
}

/// What makes two alerts one incident: the rule, and where it fired.
fn dedup_key(notice: &Notice) -> String {
    let place = ["k8s.pod.uid", "k8s.pod.name", "container.id"];
    let place = place.iter().find_map(|name| notice.text(name)).unwrap_or_default();
    let key = format!("fathom/{}/{place}/{}", notice.hostname, notice.rule);
    match key.len() <= KEY_MOST {
        true => key,
        // What is cut off must still make a difference.
        false => {
            let end = format!("~{:08x}", crc32fast::hash(key.as_bytes()));
            let mut at = KEY_MOST - end.len();
            while !key.is_char_boundary(at) {
                at -= 1;
            }
            format!("{}{end}", &key[..at])
        }
    }
}

fn severity(priority: Priority) -> &'static str {
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical => "critical",
        Priority::Error => "error",
        Priority::Warning => "warning",
        Priority::Notice | Priority::Informational | Priority::Debug => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::sample;

    #[test]
    fn an_event_is_as_pagerduty_takes_it() {
        let shape = Event { routing_key: Secret::new("0123456789abcdef0123456789abcdef") };
        let body = shape.body(&[Arc::new(sample())]).unwrap();
        let event: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(event["routing_key"], "0123456789abcdef0123456789abcdef");
        assert_eq!(event["event_action"], "trigger");
        assert_eq!(event["dedup_key"], "fathom/node-1/web-1/Terminal shell in container");
        let payload = &event["payload"];
        let summary = payload["summary"].as_str().unwrap();
        assert!(summary.starts_with("Terminal shell in container: A shell was"), "{summary}");
        assert_eq!(payload["source"], "node-1");
        assert_eq!(payload["severity"], "info");
        assert_eq!(payload["timestamp"], "2026-11-22T08:00:00.123456789Z");
        assert_eq!((&payload["component"], &payload["group"]), (&json!("web-1"), &json!("shop")));
        assert_eq!(payload["custom_details"]["proc.pid"], 42);
        assert_eq!(payload["custom_details"]["fathom"]["lost"], 0);
    }

    #[test]
    fn limits_are_kept_and_keys_stay_different() {
        let long = |end: &str| Notice { rule: ("ü".repeat(300) + end).into(), ..sample() };
        let (one, other) = (dedup_key(&long("a")), dedup_key(&long("b")));
        assert!(one != other && one.len() <= KEY_MOST && other.len() <= KEY_MOST);
        let notice = Notice { output: "x".repeat(5000), ..sample() };
        let summary = event(&notice, "k")["payload"]["summary"].as_str().unwrap().to_string();
        assert_eq!(summary.chars().count(), SUMMARY_MOST);
    }

    #[test]
    fn a_key_that_cannot_be_read_is_tried_again() {
        let shape = Event { routing_key: Secret::new("file:/nowhere/key") };
        let trouble = shape.body(&[Arc::new(sample())]).unwrap_err();
        assert!(matches!(trouble, Trouble::Later { .. }), "{trouble:?}");
    }
}
