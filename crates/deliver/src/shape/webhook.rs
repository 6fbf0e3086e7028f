//! A body from a template.

use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::{Map, Value, json};

use super::{Shape, falco};
use crate::carry::Trouble;
use crate::{Falco, Notice, Webhook};

/// One request for each alert.
pub(crate) struct Filled {
    method: String,
    content_type: String,
    template: Environment<'static>,
}

/// The template's name.
const BODY: &str = "body";

impl Filled {
    /// Reads the template; the error says what is wrong with it, and in which line.
    pub(crate) fn new(config: &Webhook) -> Result<Filled, String> {
        if !matches!(&*config.method, "POST" | "PUT") {
            return Err(format!("`{}` is no method for it; write POST or PUT", config.method));
        }
        let source = match config.body.is_empty() {
            true => "{{ alert }}".to_string(),
            false => config.body.clone(),
        };
        let mut template = Environment::new();
        // Bodies are JSON or text, not pages: the template says what is to be escaped.
        template.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        template.set_undefined_behavior(UndefinedBehavior::Chainable);
        template.add_template_owned(BODY, source).map_err(|error| format!("body: {error}"))?;
        let (method, content_type) = (config.method.clone(), config.content_type.clone());
        Ok(Filled { method, content_type, template })
    }

    fn fill(&self, notice: &Notice) -> Result<String, minijinja::Error> {
        let fields: Map<String, Value> = notice.fields.iter().cloned().collect();
        let format = Falco { fathom: true, ..Falco::default() };
        let known = json!({
            "time": falco::time(notice),
            "rule": &*notice.rule,
            "priority": notice.priority.name(),
            "source": &*notice.source,
            "hostname": &*notice.hostname,
            "output": falco::output(notice, &format),
            "message": notice.output,
            "tags": *notice.tags,
            "fields": fields,
            "context": notice.context,
            "alert": falco::line(notice, &format),
        });
        self.template.get_template(BODY)?.render(minijinja::Value::from(Serde(known)))
    }
}

impl Shape for Filled {
    fn method(&self) -> &str {
        &self.method
    }

    fn content_type(&self) -> &str {
        &self.content_type
    }

    fn body(&self, notices: &[Arc<Notice>]) -> Result<Vec<u8>, Trouble> {
        let filled = notices.first().map(|notice| self.fill(notice)).transpose();
        let filled = filled.map_err(|error| Trouble::Refused {
            reason: "template",
            words: format!("the template could not be filled: {error}"),
        })?;
        Ok(filled.unwrap_or_default().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::sample;

    fn filled(body: &str) -> Result<String, Trouble> {
        let shape = Filled::new(&Webhook { body: body.to_string(), ..Webhook::default() }).unwrap();
        shape.body(&[Arc::new(sample())]).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn a_template_is_filled_and_stays_json() {
        let body = "{\"text\": {{ message|tojson }}, \"pid\": {{ fields[\"proc.pid\"] }}, \
                    \"pod\": \"{{ fields['k8s.pod.name'] }}\", \"tree\": {{ context.tree|tojson }},\
                    \"tags\": \"{{ tags|join('+') }}\", \"none\": \"{{ fields['no.such'] }}\"}";
        let value: Value = serde_json::from_str(&filled(body).unwrap()).unwrap();
        assert_eq!(value["text"], sample().output);
        assert_eq!(value["pid"], 42);
        assert_eq!(value["pod"], "web-1");
        assert_eq!(value["tree"], json!(["systemd", "nginx", "sh"]));
        assert_eq!((&value["tags"], &value["none"]), (&json!("shell+T1059+container"), &json!("")));
    }

    #[test]
    fn without_a_template_it_is_the_alert() {
        let value: Value = serde_json::from_str(&filled("").unwrap()).unwrap();
        assert_eq!(value["rule"], "Terminal shell in container");
        assert_eq!(value["fathom"]["lost"], 0);
    }

    #[test]
    fn what_is_no_template_is_said_at_the_start() {
        let config = |body: &str, method: &str| {
            let (body, method) = (body.to_string(), method.to_string());
            Filled::new(&Webhook { body, method, ..Webhook::default() }).err()
        };
        let error = config("{{ rule", "POST").unwrap();
        assert!(error.contains("body") && error.contains("syntax error"), "{error}");
        assert!(config("", "GET").unwrap().contains("write POST or PUT"));
        assert_eq!(config("", "PUT"), None);
    }

    #[test]
    fn one_that_cannot_be_filled_is_counted() {
        let error = Filled::new(&Webhook { body: "{{ 1 / 0 }}".into(), ..Webhook::default() });
        let trouble = error.unwrap().body(&[Arc::new(sample())]).unwrap_err();
        assert!(matches!(trouble, Trouble::Refused { reason: "template", .. }), "{trouble:?}");
    }
}
