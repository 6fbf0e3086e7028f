//! Rules, compiled for the tables that there are.
//!
//! Each distinct comparison is compiled once, however many rules make it, and each event asks it at
//! most once. For every event of every table each rule is cut down to what is still open once the
//! event is known: a rule that cannot match it is not asked at all.

use std::collections::{BTreeMap, HashMap};

use schema::Table;

use crate::columns::{Columns, EVENTS};
use crate::compare::Comparison;
use crate::fields::{self, ArgumentRule, FIELDS, Id, argument_names};
use crate::language::{
    Check, Condition, Diagnostic, Operand, Operator, Place, Priority, Rule, Ruleset, Severity,
};
use crate::narrow::narrow;
use crate::output::Output;
use crate::transform::Taken;

/// Rules as events are asked about them.
#[derive(Debug)]
pub struct Program {
    pub(crate) rules: Vec<Compiled>,
    pub(crate) atoms: Vec<Atom>,
    pub(crate) tables: Vec<Asked>,
    /// The host names that rules compare addresses with.
    pub(crate) hosts: Vec<String>,
    pub(crate) matching: Matching,
}

/// Whether one event may fire more than one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Matching {
    /// The first rule that matches is the only one, as in Falco.
    #[default]
    First,
    /// All that match.
    All,
}

/// What is compiled, and how.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether one event may fire more than one rule.
    pub matching: Matching,
    /// Rules less bad than this are left out.
    pub priority: Priority,
    /// Whether outputs are followed by container and pod, as Falco does it by default.
    pub append_workload: bool,
}

impl Default for Options {
    fn default() -> Options {
        let matching = Matching::First;
        Options { matching, priority: Priority::Debug, append_workload: true }
    }
}

/// One rule that is asked.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) rule: Rule,
    pub(crate) output: Output,
    pub(crate) whole: Node,
    /// The events that it may match, for those who list rules.
    pub(crate) events: Vec<&'static str>,
}

/// One comparison.
#[derive(Debug)]
pub(crate) struct Atom {
    pub(crate) left: Taken,
    pub(crate) comparison: Comparison,
    /// As it was written, a long list cut.
    pub(crate) text: String,
}

/// A condition over atoms.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Always(bool),
    All(Box<[Node]>),
    Any(Box<[Node]>),
    Not(Box<Node>),
    Atom(u32),
}

/// A table, and for each of its events the rules that may match it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) columns: Columns,
    pub(crate) rules: Vec<Vec<(u32, Node)>>,
}

/// Compiles what is enabled and not below the priority. A rule with an error is not in the program.
pub fn compile(
    ruleset: &Ruleset,
    tables: &[&'static Table],
    options: &Options,
) -> (Program, Vec<Diagnostic>) {
    let mut compiler = Compiler::default();
    let mut rules = Vec::new();
    let wanted =
        ruleset.rules.iter().filter(|rule| rule.enabled && rule.priority <= options.priority);
    for rule in wanted {
        if let Some(compiled) = compiler.rule(rule, options) {
            rules.push(compiled);
        }
    }
    let Compiler { atoms, mut diagnostics, hosts, .. } = compiler;
    let mut asked = Vec::new();
    for columns in tables.iter().filter_map(|table| Columns::of(table)) {
        let of_event = |event: &&'static str| {
            let open = |(at, rule): (usize, &mut Compiled)| {
                let left = narrow(&rule.whole, &columns, event, &atoms);
                if left == Node::Always(false) {
                    return None;
                }
                if !rule.events.contains(event) {
                    rule.events.push(event);
                }
                Some((at as u32, left))
            };
            rules.iter_mut().enumerate().filter_map(open).collect()
        };
        let of_events = columns.events.iter().map(of_event).collect();
        asked.push(Asked { columns, rules: of_events });
    }
    for rule in &rules {
        never(rule, tables, &mut diagnostics);
    }
    let matching = options.matching;
    (Program { rules, atoms, tables: asked, hosts, matching }, diagnostics)
}

impl Program {
    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The host names that rules compare addresses with.
    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// The tables whose rows have to be looked at: those that some rule may match, and those that
    /// tell what rules have to remember.
    pub fn tables(&self) -> Vec<&'static Table> {
        let matched = |it: &&Asked| it.rules.iter().any(|rules| !rules.is_empty());
        let names: Vec<&str> =
            self.tables.iter().filter(matched).map(|it| it.columns.table.name).collect();
        let any = |subject: &str| names.iter().any(|name| name.starts_with(subject));
        let remembered = |name: &str| match name {
            _ if names.is_empty() => false,
            "process_fork" | "process_exec" | "process_exit" | "process_chdir"
            | "credential_change" | "capability_change" => true,
            "file_link" | "file_mount" | "file_umount" | "file_unlink" => any("file_"),
            "socket_connect" | "socket_accept" | "socket_listen" | "socket_close" => {
                any("socket_") || any("fd_")
            }
            _ => false,
        };
        let asked = self.tables.iter().map(|it| it.columns.table);
        asked.filter(|table| names.contains(&table.name) || remembered(table.name)).collect()
    }

    /// The rules, in the order in which they are asked, each with the events that it may match and
    /// its comparisons.
    pub fn rules(&self) -> impl Iterator<Item = Listed<'_>> {
        self.rules.iter().enumerate().map(|(place, compiled)| {
            let (mut atoms, mut open) = (Vec::new(), Vec::new());
            gather(&compiled.whole, &mut atoms);
            let left = self.tables.iter().flat_map(|table| table.rules.iter().flatten());
            left.filter(|(rule, _)| *rule as usize == place)
                .for_each(|(_, node)| gather(node, &mut open));
            let text = |at: &u32| self.atoms[*at as usize].text.as_str();
            Listed {
                rule: &compiled.rule,
                events: &compiled.events,
                atoms: atoms.iter().map(text).collect(),
                asked: atoms.iter().filter(|at| open.contains(at)).map(text).collect(),
            }
        })
    }
}

/// A rule, for those who list them.
#[derive(Debug)]
pub struct Listed<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The events that it may match.
    pub events: &'a [&'static str],
    /// Its comparisons, each once.
    pub atoms: Vec<&'a str>,
    /// Those of them that are asked of events; what the others say follows from the event's kind,
    /// and was decided when the rules were compiled.
    pub asked: Vec<&'a str>,
}

#[derive(Default)]
struct Compiler {
    atoms: Vec<Atom>,
    known: HashMap<String, u32>,
    diagnostics: Vec<Diagnostic>,
    hosts: Vec<String>,
}

impl Compiler {
    fn rule(&mut self, rule: &Rule, options: &Options) -> Option<Compiled> {
        let before = self.diagnostics.len();
        let whole = self.condition(&rule.condition, rule);
        let output = Output::parse(&rule.output.text, options.append_workload);
        let output = output.map_err(|(message, help)| {
            self.report(rule, "LOAD_ERR_COMPILE_OUTPUT", &rule.output.place, message, help);
        });
        let failed = self.diagnostics[before..].iter().any(|it| it.severity == Severity::Error);
        let (Some(whole), Ok(output), false) = (whole, output, failed) else {
            if rule.skip_if_unknown_filter {
                for diagnostic in &mut self.diagnostics[before..] {
                    diagnostic.severity = Severity::Warning;
                }
            }
            return None;
        };
        Some(Compiled { rule: rule.clone(), output, whole, events: Vec::new() })
    }

    fn condition(&mut self, condition: &Condition, rule: &Rule) -> Option<Node> {
        let mut parts = |parts: &[Condition]| {
            let all: Vec<_> = parts.iter().map(|part| self.condition(part, rule)).collect();
            all.into_iter().collect::<Option<Box<[Node]>>>()
        };
        match condition {
            Condition::And(all) => Some(Node::All(parts(all)?)),
            Condition::Or(all) => Some(Node::Any(parts(all)?)),
            Condition::Not(part) => Some(Node::Not(Box::new(self.condition(part, rule)?))),
            Condition::Check(check) => self.check(check, rule).map(Node::Atom),
        }
    }

    fn check(&mut self, check: &Check, rule: &Rule) -> Option<u32> {
        let code = "LOAD_ERR_COMPILE_CONDITION";
        let (left, kind, info) = match Taken::of(&check.field) {
            Ok(found) => found,
            Err((message, help)) => {
                self.report(rule, code, &check.field.place, message, help);
                return None;
            }
        };
        let text = written(check);
        if let Some(&known) = self.known.get(&text.0) {
            return Some(known);
        }
        let compiled = match &check.with {
            Operand::Field(field) => match Taken::of(field) {
                Ok((other, ..)) => Ok(Comparison::Field(check.operator, Box::new(other))),
                Err((message, help)) => {
                    self.report(rule, code, &field.place, message, help);
                    return None;
                }
            },
            Operand::Nothing => Comparison::of(kind, check.operator, None, &[]).map_err(Into::into),
            Operand::Value(value) => {
                let values = std::slice::from_ref(value);
                Comparison::of(kind, check.operator, check.modifier, values).map_err(Into::into)
            }
            Operand::List(values) => {
                Comparison::of(kind, check.operator, check.modifier, values).map_err(Into::into)
            }
        };
        let comparison = match compiled {
            Ok(comparison) => comparison,
            Err((message, help)) => {
                self.report(rule, code, &check.place, message, help);
                return None;
            }
        };
        if matches!(info.id, Id::FdCipName | Id::FdSipName | Id::FdLipName | Id::FdRipName) {
            match &check.with {
                Operand::Value(host) => self.hosts.push(host.clone()),
                Operand::List(hosts) => self.hosts.extend(hosts.iter().cloned()),
                _ => {}
            }
        }
        if info.argument == ArgumentRule::NeedsKey && info.id == Id::EvtArg {
            self.look_for_argument(check, rule);
        }
        if info.id == Id::Novel && !FIELDS.iter().any(|it| it.name == left.field.key) {
            let message = format!("there is no field `{}` to be new", left.field.key);
            self.report(rule, code, &check.field.place, message, String::new());
            return None;
        }
        let place = self.atoms.len() as u32;
        self.atoms.push(Atom { left, comparison, text: text.1 });
        self.known.insert(text.0, place);
        Some(place)
    }

    /// An argument that no event has is a typing error, most likely.
    fn look_for_argument(&mut self, check: &Check, rule: &Rule) {
        let name = check.field.name.strip_prefix("evt.arg.").map(str::to_string);
        let name = name.or_else(|| match &check.field.argument {
            Some(crate::language::Argument::Key(key)) => Some(key.clone()),
            _ => None,
        });
        let Some(name) = name else { return };
        let all: Vec<&str> = EVENTS.iter().flat_map(|(table, _)| argument_names(table)).collect();
        if all.contains(&name.as_str()) {
            return;
        }
        let help = fields::near(&name, all).map(|near| format!("did you mean `evt.arg.{near}`?"));
        self.diagnostics.push(Diagnostic {
            severity: Severity::Warning,
            code: "LOAD_UNKNOWN_ARGUMENT",
            place: check.field.place.clone(),
            subject: format!("rule \"{}\"", rule.name),
            message: format!("no event has an argument `{name}`: this is never true"),
            help: help.unwrap_or_default(),
        });
    }

    fn report(
        &mut self,
        rule: &Rule,
        code: &'static str,
        place: &Place,
        message: String,
        help: String,
    ) {
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            code,
            place: place.clone(),
            subject: format!("rule \"{}\"", rule.name),
            message,
            help,
        });
    }
}

impl From<crate::compare::Wrong> for (String, String) {
    fn from(wrong: crate::compare::Wrong) -> (String, String) {
        (wrong.message, wrong.help)
    }
}

/// A comparison as text: once in full, and once for people.
fn written(check: &Check) -> (String, String) {
    let field = field_text(&check.field);
    let modifier = match check.modifier {
        None => "",
        Some(crate::language::Modifier::OneOf) => " oneof",
        Some(crate::language::Modifier::AnyOf) => " anyof",
        Some(crate::language::Modifier::AllOf) => " allof",
    };
    let start = format!("{field} {}{modifier}", check.operator.name());
    match &check.with {
        Operand::Nothing => (start.clone(), start),
        Operand::Value(value) => (format!("{start} {value:?}"), format!("{start} {value}")),
        Operand::Field(other) => {
            let text = format!("{start} val({})", field_text(other));
            (text.clone(), text)
        }
        Operand::List(values) => {
            const SHOWN: usize = 4;
            let more = if values.len() > SHOWN { ", …" } else { "" };
            let shown = values.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
            (format!("{start} {values:?}"), format!("{start} ({}{more})", shown.join(", ")))
        }
    }
}

fn field_text(field: &crate::language::Field) -> String {
    let argument = match &field.argument {
        None => String::new(),
        Some(crate::language::Argument::Index(index)) => format!("[{index}]"),
        Some(crate::language::Argument::Key(key)) => format!("[{key}]"),
    };
    let text = format!("{}{argument}", field.name);
    field.transformers.iter().fold(text, |text, step| format!("{step:?}({text})").to_lowercase())
}

/// A rule that no event can match is worth a warning.
fn never(rule: &Compiled, tables: &[&'static Table], diagnostics: &mut Vec<Diagnostic>) {
    if !rule.events.is_empty() {
        return;
    }
    let mut asked: BTreeMap<String, ()> = BTreeMap::new();
    rule.rule.condition.checks(&mut |check| {
        if check.field.name == "evt.type" && check.operator != Operator::NotEqual {
            let values = match &check.with {
                Operand::Value(value) => std::slice::from_ref(value),
                Operand::List(values) => values,
                _ => &[],
            };
            asked.extend(values.iter().map(|value| (value.clone(), ())));
        }
    });
    let seen = |event: &str| {
        let of = EVENTS.iter().find(|(_, events)| events.contains(&event));
        of.is_some_and(|(table, _)| tables.iter().any(|it| it.name == *table))
    };
    let unseen: Vec<String> = asked.into_keys().filter(|event| !seen(event)).collect();
    let help = match unseen.is_empty() {
        true => "its comparisons exclude each other".to_string(),
        false => format!("Fathom does not see: {}", unseen.join(", ")),
    };
    diagnostics.push(Diagnostic {
        severity: Severity::Warning,
        code: "LOAD_NEVER_TRUE",
        place: rule.rule.place.clone(),
        subject: format!("rule \"{}\"", rule.rule.name),
        message: "no event that Fathom sees can match this rule".to_string(),
        help,
    });
}

fn gather(node: &Node, atoms: &mut Vec<u32>) {
    match node {
        Node::Always(_) => {}
        Node::Not(inner) => gather(inner, atoms),
        Node::All(parts) | Node::Any(parts) => parts.iter().for_each(|part| gather(part, atoms)),
        Node::Atom(at) => {
            if !atoms.contains(at) {
                atoms.push(*at);
            }
        }
    }
}
