//! Alerts for Alertmanager's API v2.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use schema::plain::rfc3339;
use serde_json::{Value, json};

use super::{Shape, falco};
use crate::Notice;
use crate::carry::Trouble;

/// Some alerts to a request.
pub(crate) struct Alerts {
    /// Labels that each gets besides.
    pub(crate) labels: BTreeMap<String, String>,
    /// How long each lasts from when it is sent.
    pub(crate) lasts: Duration,
}

/// The fields that tell where it happened, and what they are called as labels.
const PLACES: [(&str, &str); 5] = [
    ("k8s.ns.name", "namespace"),
    ("k8s.pod.name", "pod"),
    ("container.id", "container_id"),
    ("container.name", "container"),
    ("container.image.repository", "image"),
];

impl Shape for Alerts {
    fn most(&self) -> usize {
        64
    }

    fn path(&self) -> &'static str {
        "/api/v2/alerts"
    }

    fn body(&self, notices: &[Arc<Notice>]) -> Result<Vec<u8>, Trouble> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let until = nanos(now + self.lasts);
        let alerts: Value = notices.iter().map(|notice| self.alert(notice, until)).collect();
        Ok(alerts.to_string().into_bytes())
    }
}

impl Alerts {
    fn alert(&self, notice: &Notice, until: i64) -> Value {
        // Labels say which alert it is: those of one rule and place are one to Alertmanager.
        let mut labels = BTreeMap::from([
            ("alertname".to_string(), notice.rule.to_string()),
            ("rule".to_string(), notice.rule.to_string()),
            ("priority".to_string(), notice.priority.name().to_lowercase()),
            ("severity".to_string(), notice.priority.name().to_lowercase()),
            ("source".to_string(), notice.source.to_string()),
            ("node".to_string(), notice.hostname.to_string()),
        ]);
        for (field, label) in PLACES {
            labels.extend(notice.text(field).map(|value| (label.to_string(), value)));
        }
        labels.extend(self.labels.clone());
        // One without a value is as good as none to Alertmanager.
        labels.retain(|_, value| !value.is_empty());
        json!({
            "labels": labels,
            "annotations": {
                "summary": &*notice.rule,
                "description": notice.output,
                "tags": notice.tags.join(","),
                "fathom": notice.context.to_string(),
            },
            "startsAt": falco::time(notice),
            "endsAt": rfc3339(until),
        })
    }

    /// Whether Prometheus would take `name` as a label's.
    pub(crate) fn is_label(name: &str) -> bool {
        let mut bytes = name.bytes();
        bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::sample;

    #[test]
    fn alerts_are_as_alertmanager_takes_them() {
        let labels = [("cluster", "east"), ("none", "")];
        let labels = labels.map(|(name, value)| (name.to_string(), value.to_string())).into();
        let shape = Alerts { labels, lasts: Duration::from_secs(300) };
        let body = shape.body(&[Arc::new(sample()), Arc::new(sample())]).unwrap();
        let alerts: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(alerts.as_array().unwrap().len(), 2);
        let alert = &alerts[0];
        assert_eq!(
            alert["labels"],
            json!({
                "alertname": "Terminal shell in container",
                "rule": "Terminal shell in container",
                "priority": "notice",
                "severity": "notice",
                "source": "syscall",
                "node": "node-1",
                "namespace": "shop",
                "pod": "web-1",
                "container_id": "3ad7b26ded6d",
                "cluster": "east",
            })
        );
        assert_eq!(alert["startsAt"], "2026-11-22T08:00:00.123456789Z");
        assert!(alert["endsAt"].as_str().unwrap().ends_with('Z'));
        let annotations = alert["annotations"].as_object().unwrap();
        assert!(annotations.values().all(Value::is_string));
    }

    #[test]
    fn labels_have_plain_names() {
        assert!(["a", "_x9", "Node"].into_iter().all(Alerts::is_label));
        assert!(["", "9a", "k8s.pod", "ü"].into_iter().all(|name| !Alerts::is_label(name)));
    }
}
