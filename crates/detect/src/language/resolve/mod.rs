//! From what the files say to rules: lists are put in, macros and exceptions resolved.

mod lists;
mod macros;

use super::collection::{Collection, Entry, RawRule};
use super::condition::Condition;
use super::diagnostic::code;
use super::exception;
use super::grammar::{self, Expression};
use super::item::SOURCE;
use super::report::Report;
use super::ruleset::{Rule, Text};
use super::traced::Traced;
use lists::Lists;
use macros::Macros;

/// Fields that have said nothing since Falco sees a call only when it returns.
const OLD_FIELDS: [&str; 6] = [
    "evt.dir",
    "evt.latency",
    "evt.latency.s",
    "evt.latency.ns",
    "evt.latency.human",
    "evt.wait_latency",
];

/// The rules of a collection.
pub(super) fn rules(collection: &Collection, report: &mut Report) -> Vec<Rule> {
    let before = report.found.len();
    let failed_before = report.errs_since(0);
    let mut lists = Lists::new(&collection.lists, report);
    let mut macros = Macros::new(&collection.macros, &mut lists, report);
    let mut rules = Vec::new();
    for entry in collection.rules.all().iter().filter(|entry| entry.value.source == SOURCE) {
        let subject = format!("rule \"{}\"", entry.name);
        let output = output(entry, &subject, report);
        if let Some(condition) = condition(&entry.value, &subject, &mut lists, &mut macros, report)
        {
            warn_of_old_fields(&condition, &subject, report);
            rules.push(rule(entry, condition, output));
        }
    }
    // What a refused rule refers to is not unused.
    if !failed_before && !report.errs_since(before) {
        macros.warn_of_unused(report);
        lists.warn_of_unused(report);
    }
    rules
}

/// A condition that stands alone, without lists and macros.
pub(super) fn alone(text: &Traced, report: &mut Report) -> Option<Condition> {
    let collection = Collection::default();
    let mut lists = Lists::new(&collection.lists, report);
    let mut macros = Macros::new(&collection.macros, &mut lists, report);
    macros.resolve(&parse(text, "", report)?, "", report)
}

fn condition(
    rule: &RawRule,
    subject: &str,
    lists: &mut Lists<'_>,
    macros: &mut Macros<'_>,
    report: &mut Report,
) -> Option<Condition> {
    let written = exception::condition(&rule.condition, &rule.exceptions, report)?;
    let text = lists.put_in(&written, subject, report)?;
    let expression = parse(&text, subject, report)?;
    macros.resolve(&expression, subject, report)
}

fn parse(text: &Traced, subject: &str, report: &mut Report) -> Option<Expression> {
    grammar::parse(text)
        .map_err(|refusal| {
            let place = &refusal.origin.place;
            report
                .error(code::COMPILE_CONDITION, place, subject, refusal.told())
                .help(refusal.help);
        })
        .ok()
}

fn output(entry: &Entry<RawRule>, subject: &str, report: &mut Report) -> Text {
    const INFO: &str = "%container.info";
    let written = &entry.value.output;
    let mut output = Traced::new(written.home().clone());
    let mut from = 0;
    for (at, _) in written.text().match_indices(INFO) {
        if from == 0 {
            let place = written.origin(at).place;
            let message = "`%container.info` is old and says nothing";
            report.warning(code::DEPRECATED_ITEM, &place, subject, message).help("leave it out");
        }
        output.append(&written.slice(from..at));
        from = at + INFO.len();
    }
    output.append(&written.slice(from..written.text().len()));
    output.into()
}

fn warn_of_old_fields(condition: &Condition, subject: &str, report: &mut Report) {
    condition.checks(&mut |check| {
        let name = check.field.name.as_str();
        if OLD_FIELDS.contains(&name) {
            let message =
                format!("the field `{name}` is old: there are no events of a call's start");
            let place = &check.field.place;
            report.warning(code::DEPRECATED_ITEM, place, subject, message).help("leave it out");
        }
    });
}

fn rule(entry: &Entry<RawRule>, condition: Condition, output: Text) -> Rule {
    let raw = &entry.value;
    Rule {
        name: entry.name.clone(),
        place: entry.place.clone(),
        description: raw.description.clone(),
        source: raw.source.clone(),
        condition,
        written: raw.condition.text().to_owned(),
        output,
        priority: raw.priority,
        tags: raw.tags.iter().cloned().collect(),
        enabled: raw.enabled,
        skip_if_unknown_filter: raw.skip_if_unknown_filter,
        warn_evttypes: raw.warn_evttypes,
    }
}
