//! What a rule that fired says.

use std::sync::Arc;

use schema::{Batch, Event, Process, ProcessKey};

use crate::fields::View;
use crate::language::Priority;
use crate::output::OutputValue;

/// A row that a rule matched.
#[derive(Debug, Clone)]
pub struct Alert {
    /// What the rule says of itself.
    pub rule: Arc<RuleInfo>,
    /// The row.
    pub batch: Arc<Batch>,
    /// Its place in the batch.
    pub row: usize,
    /// Falco's name for the event.
    pub event: &'static str,
    /// Which name of the thing the rule matched.
    pub view: View,
    /// What the alert says, without time and priority.
    pub message: String,
    /// The fields of the message, in order.
    pub fields: Vec<(String, OutputValue)>,
    /// The comparisons that were true, each with the value that it saw.
    pub matched: Vec<(String, String)>,
    /// How many like it were not told since the last that was.
    pub repeated: u64,
}

/// What a rule says of itself, shared by its alerts.
#[derive(Debug, PartialEq)]
pub struct RuleInfo {
    /// Its name.
    pub name: String,
    /// How bad it is.
    pub priority: Priority,
    /// Its tags.
    pub tags: Vec<String>,
    /// The source of its events.
    pub source: String,
}

/// A rule fired. The row's process is the one that did it, its time is the event's.
#[derive(Event)]
#[event(table = "alert", since = "0.1")]
pub struct AlertRow<'a> {
    /// The rule.
    #[event(kind = Text)]
    pub rule: &'a str,
    /// `Emergency`, `Alert`, `Critical`, `Error`, `Warning`, `Notice`, `Informational` or `Debug`.
    #[event(kind = Text)]
    pub priority: &'static str,
    /// What the rule says of the event, as Falco renders it.
    #[event(kind = Text, personal)]
    pub message: &'a str,
    /// The event, by Falco's name (`execve`, `openat`).
    #[event(kind = Text)]
    pub event: &'static str,
    /// The table that has the event's own row, of the same time and process.
    #[event(kind = Text)]
    pub event_table: &'static str,
    /// The rule's tags, with commas between them.
    #[event(kind = Text)]
    pub tags: &'a str,
    /// The MITRE ATT&CK ids among them.
    #[event(kind = Text)]
    pub mitre: &'a str,
    /// The process and its ancestors, the oldest first: `systemd(1) > sshd(801) > sh(4711)`.
    #[event(kind = Text)]
    pub ancestry: &'a str,
    /// The comparisons that were true, each with the value that it saw: `COMPARISON [VALUE]; …`.
    #[event(kind = Text, personal)]
    pub matched: &'a str,
    /// Which name of a file or program matched: `given` by the process, `resolved` by the kernel, or
    /// an `alias`: what another name of the same file was before.
    #[event(kind = Text)]
    pub view: &'static str,
    /// The fields of the message and their values, as a JSON object.
    #[event(kind = Text, personal)]
    pub output_fields: &'a str,
    /// How many alerts of the same rule, process and message were not told since the last.
    #[event(kind = Uint, unit = Count)]
    pub repeated: u64,
    /// Records that the agent lost in the second before it was told: 0 says that nothing was missed.
    #[event(kind = Uint, unit = Count)]
    pub lost: u64,
}

impl Alert {
    /// The process that did it.
    pub fn process(&self) -> &Arc<Process> {
        &self.batch.process[self.row]
    }

    /// When, in nanoseconds since 1970.
    pub fn time(&self) -> i64 {
        self.batch.origin[self.row].time
    }

    /// The MITRE ATT&CK ids among the rule's tags: `T1059.004`, `TA0003`.
    pub fn mitre(&self) -> Vec<&str> {
        let is_id = |tag: &&String| {
            let digits = tag.strip_prefix("TA").or_else(|| tag.strip_prefix('T'));
            let is_number =
                |it: &str| it.chars().all(|letter| letter.is_ascii_digit() || letter == '.');
            digits.is_some_and(|digits| digits.len() >= 4 && is_number(digits))
        };
        self.rule.tags.iter().filter(is_id).map(String::as_str).collect()
    }

    /// The process and its ancestors, the oldest first.
    pub fn ancestry(&self) -> String {
        let process = self.process();
        let of = |key: ProcessKey, comm: &str| format!("{comm}({})", key.pid);
        let above = process.ancestors.iter().rev().map(|it| of(it.key, &it.comm));
        let all: Vec<String> = above.chain([of(process.key, &process.facts.comm)]).collect();
        all.join(" > ")
    }

    /// The message's fields as a JSON object.
    pub fn fields_json(&self) -> serde_json::Map<String, serde_json::Value> {
        self.fields.iter().map(|(name, value)| (name.clone(), value.json())).collect()
    }

    /// The comparisons that were true, in one line.
    pub fn why(&self) -> String {
        let one = |(text, value): &(String, String)| format!("{text} [{value}]");
        self.matched.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// Hands the alert as a row to `push`. `lost` is what the agent lost in the second before.
    pub fn row(&self, lost: u64, push: impl FnOnce(AlertRow<'_>)) {
        let fields = serde_json::Value::Object(self.fields_json()).to_string();
        push(AlertRow {
            rule: &self.rule.name,
            priority: self.rule.priority.name(),
            message: &self.message,
            event: self.event,
            event_table: self.batch.table.name,
            tags: &self.rule.tags.join(","),
            mitre: &self.mitre().join(","),
            ancestry: &self.ancestry(),
            matched: &self.why(),
            view: self.view.name(),
            output_fields: &fields,
            repeated: self.repeated,
            lost,
        });
    }
}

impl OutputValue {
    /// As JSON has it.
    pub fn json(&self) -> serde_json::Value {
        match self {
            OutputValue::Null => serde_json::Value::Null,
            OutputValue::Bool(value) => (*value).into(),
            OutputValue::Text(text) => text.as_str().into(),
            OutputValue::Number(number) => i64::try_from(*number)
                .map(serde_json::Value::from)
                .or_else(|_| u64::try_from(*number).map(serde_json::Value::from))
                .unwrap_or_else(|_| number.to_string().into()),
        }
    }
}
