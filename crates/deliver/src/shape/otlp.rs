//! Log records of OpenTelemetry, as `/v1/logs` takes them in JSON.

use std::sync::Arc;
use std::time::SystemTime;

use detect::language::Priority;
use serde_json::{Value, json};

use super::Shape;
use crate::Notice;
use crate::carry::Trouble;

/// Some records to a request.
pub(crate) struct Logs {
    /// How many.
    pub(crate) most: usize,
}

impl Shape for Logs {
    fn most(&self) -> usize {
        self.most
    }

    fn path(&self) -> &'static str {
        "/v1/logs"
    }

    fn body(&self, notices: &[Arc<Notice>]) -> Result<Vec<u8>, Trouble> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = now.as_nanos() as u64;
        // A batch on disk may be of a node that was called otherwise.
        let resources: Vec<Value> = notices
            .chunk_by(|one, other| one.hostname == other.hostname)
            .map(|chunk| resource(chunk, now))
            .collect();
        Ok(json!({ "resourceLogs": resources }).to_string().into_bytes())
    }

    /// The protocol names those that may be tried again.
    fn is_passing(&self, status: u16) -> bool {
        matches!(status, 408 | 429 | 502 | 503 | 504)
    }

    fn refused(&self, answer: &[u8]) -> usize {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        // A 64-bit number is a text in this mapping; some write a number all the same.
        let refused = &answer["partialSuccess"]["rejectedLogRecords"];
        let number = refused.as_u64().or_else(|| refused.as_str()?.parse().ok());
        usize::try_from(number.unwrap_or(0)).unwrap_or(usize::MAX)
    }
}

fn resource(notices: &[Arc<Notice>], now: u64) -> Value {
    let host = notices.first().map_or("", |it| &*it.hostname);
    let records: Vec<Value> = notices.iter().map(|notice| record(notice, now)).collect();
    json!({
        "resource": {"attributes": [
            pair("service.name", &json!("fathom")),
            pair("host.name", &json!(host)),
        ]},
        "scopeLogs": [{
            "scope": {"name": "fathom.alerts", "version": env!("CARGO_PKG_VERSION")},
            "logRecords": records,
        }],
    })
}

fn record(notice: &Notice, now: u64) -> Value {
    let own = [
        ("rule", json!(&*notice.rule)),
        ("priority", json!(notice.priority.name())),
        ("source", json!(&*notice.source)),
        ("tags", json!(*notice.tags)),
        ("fathom", notice.context.clone()),
    ];
    let own = own.iter().map(|(name, value)| pair(name, value));
    let fields = notice.fields.iter().filter(|(_, value)| !value.is_null());
    let fields = fields.map(|(name, value)| pair(name, value));
    json!({
        "timeUnixNano": notice.time.to_string(),
        "observedTimeUnixNano": now.to_string(),
        "severityNumber": severity(notice.priority),
        "severityText": notice.priority.name(),
        "body": {"stringValue": notice.output},
        "attributes": own.chain(fields).collect::<Vec<Value>>(),
    })
}

fn pair(key: &str, value: &Value) -> Value {
    json!({"key": key, "value": any(value)})
}

/// A value with its type beside it.
fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(flag) => json!({"boolValue": flag}),
        Value::Number(number) => match number.as_i64() {
            Some(number) => json!({"intValue": number.to_string()}),
            None if number.is_u64() => json!({"stringValue": number.to_string()}),
            None => json!({"doubleValue": number}),
        },
        Value::String(text) => json!({"stringValue": text}),
        Value::Array(list) => {
            json!({"arrayValue": {"values": list.iter().map(any).collect::<Vec<_>>()}})
        }
        Value::Object(map) => {
            let pairs: Vec<Value> = map.iter().map(|(key, value)| pair(key, value)).collect();
            json!({"kvlistValue": {"values": pairs}})
        }
    }
}

/// The number of the syslog severity of that name, as the log data model maps them.
fn severity(priority: Priority) -> u32 {
    match priority {
        Priority::Emergency => 21,
        Priority::Alert => 19,
        Priority::Critical => 18,
        Priority::Error => 17,
        Priority::Warning => 13,
        Priority::Notice => 10,
        Priority::Informational => 9,
        Priority::Debug => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::sample;

    #[test]
    fn records_are_as_collectors_take_them() {
        let other = Notice { hostname: "node-2".into(), ..sample() };
        let notices = [sample(), sample(), other].map(Arc::new);
        let body = Logs { most: 100 }.body(&notices).unwrap();
        let request: Value = serde_json::from_slice(&body).unwrap();
        let resources = request["resourceLogs"].as_array().unwrap();
        assert_eq!(resources.len(), 2);
        assert_eq!(
            resources[0]["resource"]["attributes"],
            json!([
                {"key": "service.name", "value": {"stringValue": "fathom"}},
                {"key": "host.name", "value": {"stringValue": "node-1"}},
            ])
        );
        let records = resources[0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
        assert_eq!(records.len(), 2);
        let record = &records[0];
        assert_eq!(record["timeUnixNano"], "1795334400123456789");
        assert_eq!(
            (&record["severityNumber"], &record["severityText"]),
            (&json!(10), &json!("Notice"))
        );
        let attributes = record["attributes"].as_array().unwrap();
        let find = |key: &str| attributes.iter().find(|it| it["key"] == key).map(|it| &it["value"]);
        assert_eq!(find("proc.pid"), Some(&json!({"intValue": "42"})));
        assert_eq!(find("proc.is_exe_writable"), Some(&json!({"boolValue": false})));
        assert_eq!(find("user.loginname"), None);
        let tags = &find("tags").unwrap()["arrayValue"]["values"];
        assert_eq!(tags[0], json!({"stringValue": "shell"}));
        let context = &find("fathom").unwrap()["kvlistValue"]["values"];
        assert!(context.as_array().unwrap().contains(&json!(
            {"key": "lost", "value": {"intValue": "0"}}
        )));
    }

    #[test]
    fn records_that_were_refused_are_counted() {
        let shape = Logs { most: 1 };
        assert_eq!(shape.refused(br#"{"partialSuccess":{"rejectedLogRecords":"2"}}"#), 2);
        assert_eq!(shape.refused(br#"{"partialSuccess":{"rejectedLogRecords":3}}"#), 3);
        assert_eq!(shape.refused(br#"{"partialSuccess":{}}"#), 0);
        assert_eq!(shape.refused(b"{}"), 0);
        assert_eq!(shape.refused(b"not JSON"), 0);
    }
}
