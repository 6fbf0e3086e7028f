//! An alert as receivers get it.

use std::borrow::Cow;
use std::sync::Arc;

use detect::language::Priority;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One finished alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// When it happened, in nanoseconds since the epoch.
    pub time: u64,
    /// The rule's name.
    pub rule: Arc<str>,
    /// How bad it is.
    pub priority: Priority,
    /// The source of the event: `syscall`.
    pub source: Arc<str>,
    /// The node.
    pub hostname: Arc<str>,
    /// What the rule says, rendered, without time and priority: what Falco calls the message.
    pub output: String,
    /// The rule's tags.
    pub tags: Arc<[String]>,
    /// The fields that the output names, with their values, in its order.
    pub fields: Vec<(String, Value)>,
    /// What only Fathom knows: the processes above, what matched, how complete the sight was, the
    /// pod.
    pub context: Value,
}

/// A notice in a queue on disk. Keys are short, and absent ones have defaults, so that another
/// version of the agent can read it.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    time: u64,
    rule: Cow<'a, str>,
    priority: Cow<'a, str>,
    source: Cow<'a, str>,
    hostname: Cow<'a, str>,
    output: Cow<'a, str>,
    #[serde(default)]
    tags: Cow<'a, [String]>,
    #[serde(default)]
    fields: Cow<'a, [(String, Value)]>,
    #[serde(default)]
    context: Cow<'a, Value>,
}

impl Notice {
    /// The value of the field `name`; none where it is not there or null.
    pub fn field(&self, name: &str) -> Option<&Value> {
        let (_, value) = self.fields.iter().find(|(field, _)| field == name)?;
        (!value.is_null()).then_some(value)
    }

    /// The value of the field `name` as text; none where it is not there, null or empty.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let text = match self.field(name)? {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (!text.is_empty() && text != "<NA>").then_some(text)
    }

    /// As a queue on disk keeps it.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let kept = Kept {
            time: self.time,
            rule: Cow::Borrowed(&self.rule),
            priority: Cow::Borrowed(self.priority.name()),
            source: Cow::Borrowed(&self.source),
            hostname: Cow::Borrowed(&self.hostname),
            output: Cow::Borrowed(&self.output),
            tags: Cow::Borrowed(&self.tags),
            fields: Cow::Borrowed(&self.fields),
            context: Cow::Borrowed(&self.context),
        };
        serde_json::to_vec(&kept).expect("texts and JSON values are JSON")
    }

    /// Reads what [`Notice::to_bytes`] wrote; none where it is something else.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Notice> {
        let kept: Kept<'_> = serde_json::from_slice(bytes).ok()?;
        Some(Notice {
            time: kept.time,
            rule: kept.rule.into(),
            priority: Priority::named(&kept.priority)?,
            source: kept.source.into(),
            hostname: kept.hostname.into(),
            output: kept.output.into_owned(),
            tags: kept.tags.into_owned().into(),
            fields: kept.fields.into_owned(),
            context: kept.context.into_owned(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn sample() -> Notice {
        Notice {
            time: 1_795_334_400_123_456_789,
            rule: "Terminal shell in container".into(),
            priority: Priority::Notice,
            source: "syscall".into(),
            hostname: "node-1".into(),
            output: "A shell was spawned <in> \"web\" | container_id=3ad7".into(),
            tags: vec!["shell".to_string(), "T1059".to_string(), "container".to_string()].into(),
            fields: vec![
                ("proc.pid".into(), json!(42)),
                ("container.id".into(), json!("3ad7b26ded6d")),
                ("k8s.ns.name".into(), json!("shop")),
                ("k8s.pod.name".into(), json!("web-1")),
                ("user.loginname".into(), json!(null)),
                ("proc.is_exe_writable".into(), json!(false)),
            ],
            context: json!({"tree": ["systemd", "nginx", "sh"], "lost": 0}),
        }
    }

    #[test]
    fn what_is_kept_on_disk_reads_back() {
        let notice = sample();
        assert_eq!(Notice::from_bytes(&notice.to_bytes()), Some(notice));
        assert_eq!(Notice::from_bytes(b"{}"), None);
        assert_eq!(Notice::from_bytes(b"\xff"), None);
    }

    #[test]
    fn what_another_version_left_out_has_a_default() {
        let old = br#"{"time":1,"rule":"r","priority":"Error","source":"s","hostname":"h",
                       "output":"o","new":1}"#;
        let notice = Notice::from_bytes(old).unwrap();
        assert_eq!((&*notice.rule, notice.priority), ("r", Priority::Error));
        assert!(notice.fields.is_empty());
    }
}
