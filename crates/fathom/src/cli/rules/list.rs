//! `fathom rules list`: what rules ask, where that is decided, and what it costs.

use std::collections::HashMap;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use detect::language::Rule;
use detect::novelty::{Limits, Novelty};
use detect::{
    ArgumentRule, Cost, Detector, FIELDS, FieldInfo, FieldKind, Listed, Nameless, Options,
};
use export::ink::{Line, Style as Ink};
use serde_json::{Value, json};

use super::super::output;
use super::files::Rules;
use super::{Style, say};
use crate::offline;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Files or folders of rules, as `fathom rules check` takes them
    #[arg(required_unless_present = "fields", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show each comparison too, and where it is made
    #[arg(short, long)]
    verbose: bool,
    /// Run this capture through the rules, and show how often each was asked and what that took
    #[arg(long, value_name = "CAPTURE")]
    cost: Option<PathBuf>,
    /// Show the fields that rules may ask for
    #[arg(long, conflicts_with_all = ["files", "verbose", "cost"])]
    fields: bool,
    /// How to write it
    #[arg(short = 'o', long = "format", value_enum, default_value = "text", value_name = "FORMAT")]
    format: Style,
}

/// One rule with all there is to show of it.
struct Shown<'a> {
    listed: &'a Listed<'a>,
    enabled: bool,
    cost: Option<Cost>,
}

/// Events that a line names.
const NAMED: usize = 4;

const WHERE: &str = "\
Which processes are watched is decided in the kernel. A comparison `by table` is settled by the kind
of event when rules are compiled, and costs nothing; one `by the worker` is made for each such event,
in user space, by the agent's worker that read it.
";

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let colour = output::looks(io::stdout().is_terminal()).colour;
    if arguments.fields {
        say(&fields(arguments.format, colour))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut enabled: HashMap<String, bool> = HashMap::new();
    // A rule that is turned off is shown with all it would ask.
    let rules = Rules::of(&arguments.files, &Options::default(), |loaded| {
        for rule in &mut loaded.ruleset.rules {
            enabled.insert(rule.name.clone(), std::mem::replace(&mut rule.enabled, true));
        }
    })?;
    let rules = rules.sound()?;
    let costs = match &arguments.cost {
        None => HashMap::new(),
        // What is turned off costs nothing, so it is not asked here.
        Some(capture) => costs(Rules::read(&arguments.files, &Options::default())?, capture)?,
    };
    let listed: Vec<Listed<'_>> = rules.program.rules().collect();
    let mut shown: Vec<Shown<'_>> = listed
        .iter()
        .map(|listed| Shown {
            listed,
            enabled: enabled.get(&listed.rule.name).copied().unwrap_or(true),
            cost: costs.get(&listed.rule.name).copied(),
        })
        .collect();
    if arguments.cost.is_some() {
        shown.sort_by_key(|it| std::cmp::Reverse(it.cost.unwrap_or_default().time));
    }
    let text = match arguments.format {
        Style::Json => format!("{}\n", json(&shown)),
        Style::Text if arguments.verbose => verbose(&shown, colour),
        Style::Text if arguments.cost.is_some() => cost_lines(&shown, colour),
        Style::Text => lines(&shown, colour),
    };
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What each rule did over a capture.
fn costs(rules: Rules, capture: &Path) -> Result<HashMap<String, Cost>> {
    let player = offline::Capture::open(capture)?;
    let names = Arc::new(Nameless { boot: player.boot() });
    let novelty = Arc::new(Novelty::new(Limits::default()));
    let mut detector = Detector::new(Arc::new(rules.program), names, novelty);
    detector.time_all();
    let ended = player.play(|turn| {
        detector.detect(turn, |_| {});
        Ok(())
    })?;
    ended.notes().iter().for_each(|note| eprintln!("fathom: {note}"));
    Ok(detector.costs().map(|(name, cost)| (name.to_string(), cost)).collect())
}

fn lines(shown: &[Shown<'_>], colour: bool) -> String {
    let head = ["PRIORITY", "RULE", "EVENTS", "TAGS"].map(String::from);
    let rows = shown.iter().map(|it| {
        let rule = it.listed.rule;
        let name = format!("{}{}", rule.name, if it.enabled { "" } else { " (disabled)" });
        let priority = rule.priority.name().to_string();
        [priority, name, events(it.listed.events), rule.tags.join(", ")]
    });
    grid(head, rows, colour)
}

fn cost_lines(shown: &[Shown<'_>], colour: bool) -> String {
    let head = ["RULE", "ASKED", "MATCHED", "NS/EVENT", "ALL"].map(String::from);
    let rows = shown.iter().filter(|it| it.enabled).map(|it| {
        let cost = it.cost.unwrap_or_default();
        let all = export::human::duration(cost.time.as_nanos() as u64);
        [
            it.listed.rule.name.clone(),
            cost.asked.to_string(),
            cost.matched.to_string(),
            each(&cost).to_string(),
            all,
        ]
    });
    grid(head, rows, colour)
}

/// Nanoseconds for each event.
fn each(cost: &Cost) -> u64 {
    (cost.time.as_nanos() as u64).checked_div(cost.timed).unwrap_or(0)
}

/// Columns as wide as they need to be; the last is not padded.
fn grid<const N: usize>(
    head: [String; N],
    rows: impl Iterator<Item = [String; N]>,
    colour: bool,
) -> String {
    let rows: Vec<[String; N]> = [head].into_iter().chain(rows).collect();
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let mut line = Line::default();
        let mut end = 0;
        for (cell, width) in row.iter().zip(&widths) {
            line.pad_to(end);
            line.put(if number == 0 { Ink::Bold } else { Ink::Plain }, cell.as_str());
            end += width + 2;
        }
        line.trim().write(&mut out, colour);
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn events(all: &[&str]) -> String {
    match all.len() {
        0 => "none".to_string(),
        count if count > NAMED + 1 => format!("{}, … {count}", all[..NAMED].join(", ")),
        _ => all.join(", "),
    }
}

fn verbose(shown: &[Shown<'_>], colour: bool) -> String {
    let mut out = Vec::new();
    for Shown { listed, enabled, cost } in shown {
        let rule = listed.rule;
        let mut put = |style, label: &str, text: &str| {
            let mut line = Line::default();
            line.put(Ink::Plain, if label.is_empty() { "" } else { "  " });
            line.put(Ink::Dim, label);
            line.pad_to(if label.is_empty() { 0 } else { 12 });
            line.put(style, text);
            line.write(&mut out, colour);
        };
        put(Ink::Bold, "", &rule.name);
        put(Ink::Plain, "place", &rule.place.to_string());
        let disabled = if *enabled { "" } else { ", disabled" };
        put(Ink::Plain, "priority", &format!("{}{disabled}", rule.priority.name()));
        if !rule.tags.is_empty() {
            put(Ink::Plain, "tags", &rule.tags.join(", "));
        }
        put(Ink::Plain, "about", &one_line(&rule.description));
        put(Ink::Plain, "events", &listed.events.join(", "));
        for atom in &listed.atoms {
            let worker = listed.asked.contains(atom);
            put(Ink::Plain, if worker { "by worker" } else { "by table" }, atom);
        }
        if let Some(cost) = cost {
            let Cost { asked, matched, .. } = cost;
            let text = format!("asked {asked}, matched {matched}, {} ns/event", each(cost));
            put(Ink::Plain, "cost", &text);
        }
        put(Ink::Plain, "", "");
    }
    String::from_utf8_lossy(&out).into_owned() + WHERE
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn json(shown: &[Shown<'_>]) -> Value {
    let one = |it: &Shown<'_>| {
        let Listed { rule, events, atoms, asked } = it.listed;
        let Rule { name, place, description, source, priority, tags, output, written, .. } = rule;
        let by = |atom: &&str| if asked.contains(atom) { "worker" } else { "table" };
        let atoms = atoms.iter().map(|atom| json!({"comparison": atom, "by": by(atom)}));
        let mut value = json!({
            "rule": name,
            "file": &*place.file,
            "line": place.line,
            "description": description,
            "source": source,
            "priority": priority.name(),
            "tags": tags,
            "enabled": it.enabled,
            "condition": written,
            "output": output.text,
            "events": events,
            "comparisons": atoms.collect::<Vec<_>>(),
        });
        if let Some(cost) = it.cost {
            value["cost"] = json!({
                "asked": cost.asked,
                "matched": cost.matched,
                "ns_per_event": each(&cost),
                "ns": cost.time.as_nanos() as u64,
            });
        }
        value
    };
    Value::Array(shown.iter().map(one).collect())
}

fn fields(style: Style, colour: bool) -> String {
    match style {
        Style::Text => {
            let head = ["FIELD", "TYPE", "WHAT IT SAYS"].map(String::from);
            let row = |it: &FieldInfo| {
                [
                    format!("{}{}", it.name, brackets(it.argument)),
                    kind(it.kind).into(),
                    it.doc.into(),
                ]
            };
            grid(head, FIELDS.iter().map(row), colour)
        }
        Style::Json => {
            let one = |it: &FieldInfo| {
                json!({
                    "field": it.name,
                    "argument": brackets(it.argument),
                    "type": kind(it.kind),
                    "doc": it.doc,
                })
            };
            format!("{}\n", Value::Array(FIELDS.iter().map(one).collect()))
        }
    }
}

/// What may or has to stand behind a field's name.
fn brackets(rule: ArgumentRule) -> &'static str {
    match rule {
        ArgumentRule::None => "",
        ArgumentRule::Index => "[N]?",
        ArgumentRule::NeedsIndex => "[N]",
        ArgumentRule::NeedsKey => "[NAME]",
    }
}

fn kind(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Text => "text",
        FieldKind::Number => "number",
        FieldKind::Bool => "bool",
        FieldKind::Ip => "address",
        FieldKind::Net => "network",
    }
}
