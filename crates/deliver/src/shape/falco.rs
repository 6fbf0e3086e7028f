//! Falco's shapes: the JSON object and the line of text.

use std::sync::Arc;

use schema::plain::rfc3339;
use serde_json::{Map, Value, json};

use crate::{Falco, Notice};

/// Alerts as lines, each with its line feed.
pub(crate) fn lines(notices: &[Arc<Notice>], format: &Falco) -> String {
    notices.iter().map(|notice| line(notice, format) + "\n").collect()
}

/// One alert as a line, without its line feed.
pub(crate) fn line(notice: &Notice, format: &Falco) -> String {
    if format.json {
        return object(notice, format).to_string();
    }
    // A file's name may have a line feed, and what follows it must not look like another alert.
    let text = output(notice, format);
    if text.contains(['\n', '\r']) {
        return text.replace('\n', "\\n").replace('\r', "\\r");
    }
    text
}

/// One alert as Falco's object. The keys come out in the order of the alphabet, as Falco's do.
pub(crate) fn object(notice: &Notice, format: &Falco) -> Value {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_string(), value);
    put("hostname", json!(&*notice.hostname));
    put("priority", json!(notice.priority.name()));
    put("rule", json!(&*notice.rule));
    put("source", json!(&*notice.source));
    put("time", json!(time(notice)));
    if format.json_include_output_property {
        put("output", json!(output(notice, format)));
    }
    if format.json_include_message_property {
        put("message", json!(notice.output));
    }
    if format.json_include_tags_property {
        // A set to Falco.
        let mut tags = notice.tags.to_vec();
        tags.sort();
        tags.dedup();
        put("tags", json!(tags));
    }
    if format.json_include_output_fields_property {
        put("output_fields", Value::Object(fields(notice, format)));
    }
    if format.fathom {
        put("fathom", notice.context.clone());
    }
    // Sorted by hand: whether a map sorts depends on who else is in the build.
    let mut sorted: Vec<(String, Value)> = object.into_iter().collect();
    sorted.sort_by(|(one, _), (other, _)| one.cmp(other));
    Value::Object(sorted.into_iter().collect())
}

/// The message with its time and priority: `08:00:00.123456789: Warning …`.
pub(crate) fn output(notice: &Notice, format: &Falco) -> String {
    let time = time(notice);
    let stamp = match format.time_format_iso_8601 {
        true => format!("{}+0000", time.trim_end_matches('Z')),
        false => time[11..].trim_end_matches('Z').to_string(),
    };
    format!("{stamp}: {} {}", notice.priority.name(), notice.output)
}

/// When it happened: `2026-11-22T08:00:00.123456789Z`.
pub(crate) fn time(notice: &Notice) -> String {
    rfc3339(i64::try_from(notice.time).unwrap_or(i64::MAX))
}

/// The fields of the output, and of what stands before it: the time.
fn fields(notice: &Notice, format: &Falco) -> Map<String, Value> {
    let mut fields = notice.fields.clone();
    let of_prefix = if format.time_format_iso_8601 { "evt.time.iso8601" } else { "evt.time" };
    fields.push((of_prefix.to_string(), json!(notice.time)));
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::sample;

    #[test]
    fn the_object_is_falcos() {
        assert_eq!(
            line(&sample(), &Falco::default()),
            "{\"hostname\":\"node-1\",\
             \"output\":\"08:00:00.123456789: Notice A shell was spawned <in> \\\"web\\\" | \
             container_id=3ad7\",\
             \"output_fields\":{\"container.id\":\"3ad7b26ded6d\",\
             \"evt.time\":1795334400123456789,\"k8s.ns.name\":\"shop\",\
             \"k8s.pod.name\":\"web-1\",\"proc.is_exe_writable\":false,\"proc.pid\":42,\
             \"user.loginname\":null},\
             \"priority\":\"Notice\",\"rule\":\"Terminal shell in container\",\
             \"source\":\"syscall\",\"tags\":[\"T1059\",\"container\",\"shell\"],\
             \"time\":\"2026-11-22T08:00:00.123456789Z\"}"
        );
    }

    #[test]
    fn each_part_can_be_left_out() {
        let format = Falco {
            json_include_output_property: false,
            json_include_message_property: true,
            json_include_tags_property: false,
            json_include_output_fields_property: false,
            fathom: true,
            ..Falco::default()
        };
        assert_eq!(
            line(&sample(), &format),
            "{\"fathom\":{\"lost\":0,\"tree\":[\"systemd\",\"nginx\",\"sh\"]},\
             \"hostname\":\"node-1\",\
             \"message\":\"A shell was spawned <in> \\\"web\\\" | container_id=3ad7\",\
             \"priority\":\"Notice\",\"rule\":\"Terminal shell in container\",\
             \"source\":\"syscall\",\"time\":\"2026-11-22T08:00:00.123456789Z\"}"
        );
    }

    #[test]
    fn the_line_is_falcos() {
        let mut format = Falco { json: false, ..Falco::default() };
        assert_eq!(
            line(&sample(), &format),
            "08:00:00.123456789: Notice A shell was spawned <in> \"web\" | container_id=3ad7"
        );
        let split = Notice { output: "a\nb\r".to_string(), ..sample() };
        assert_eq!(line(&split, &format), "08:00:00.123456789: Notice a\\nb\\r");
        format.time_format_iso_8601 = true;
        let text = line(&sample(), &format);
        assert!(text.starts_with("2026-11-22T08:00:00.123456789+0000: Notice A shell"), "{text}");
    }
}
