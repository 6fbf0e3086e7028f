//! Rules: new ones, and changes of old ones.

use std::collections::BTreeSet;

use super::super::collection::{Collection, RawRule};
use super::super::diagnostic::{Place, code};
use super::super::exception::{self, Exception};
use super::super::keys::Keys;
use super::super::near::did_you_mean;
use super::super::report::Report;
use super::super::ruleset::Priority;
use super::super::traced::Traced;
use super::{Override, appends, both, join, nothing_there, overrides};

/// The source whose events are here.
pub(in super::super) const SOURCE: &str = "syscall";

const KEYS: [&str; 17] = [
    "rule",
    "desc",
    "condition",
    "output",
    "priority",
    "tags",
    "source",
    "enabled",
    "exceptions",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
    "capture_events",
    "capture_filesize",
    "override",
    "append",
];
const NEEDED: [&str; 4] = ["condition", "output", "desc", "priority"];
const APPENDABLE: [&str; 5] = ["condition", "output", "desc", "tags", "exceptions"];
const REPLACEABLE: [&str; 13] = [
    "condition",
    "output",
    "desc",
    "priority",
    "tags",
    "exceptions",
    "enabled",
    "warn_evttypes",
    "skip-if-unknown-filter",
    "capture",
    "capture_duration",
    "capture_events",
    "capture_filesize",
];

/// Takes in a rule.
pub(super) fn rule(
    name: &Traced,
    keys: &Keys<'_>,
    collection: &mut Collection,
    report: &mut Report,
) {
    keys.check(&KEYS, report);
    if take(name, keys, collection, report).is_none() {
        collection.rules.refuse(name.text());
    }
}

/// None where something is wrong with it, and was told.
fn take(
    name: &Traced,
    keys: &Keys<'_>,
    collection: &mut Collection,
    report: &mut Report,
) -> Option<()> {
    let append = appends(keys, report)?;
    let overrides = overrides(keys, &APPENDABLE, &REPLACEABLE, report)?;
    both(keys, append, &overrides, report)?;
    if append || !overrides.is_empty() {
        return change(name, keys, append, &overrides, collection, report);
    }
    if NEEDED.iter().any(|key| keys.has(key)) {
        return define(name, keys, collection, report);
    }
    if !keys.has("enabled") {
        return missing(keys, report);
    }
    let enabled = keys.flag("enabled", true, report)?;
    report
        .warning(code::DEPRECATED_ITEM, keys.at("enabled"), &keys.subject, "`enabled` alone is old")
        .help("write `override:` with `enabled: replace` in it, too");
    existing(name, keys, collection, report)?.enabled = enabled;
    Some(())
}

fn define(
    name: &Traced,
    keys: &Keys<'_>,
    collection: &mut Collection,
    report: &mut Report,
) -> Option<()> {
    if NEEDED.iter().any(|key| !keys.has(key)) {
        return missing(keys, report);
    }
    let said = Said::read(keys, &|_| true, false, report)?;
    let source = match keys.has("source") {
        true => keys.text("source", report)?.text(),
        false => SOURCE,
    };
    let at = if keys.has("source") { keys.at("source") } else { keys.place };
    if let Some(before) = collection.rules.get(name.text())
        && before.value.source != source
    {
        let message = format!("this rule was for the source `{}` before", before.value.source);
        report.error(code::VALIDATE, at, &keys.subject, message);
        return None;
    }
    if source != SOURCE {
        let message = format!("there are no events of the source `{source}`: the rule is left out");
        report
            .warning(code::UNKNOWN_SOURCE, at, &keys.subject, message)
            .help(did_you_mean(source, [SOURCE]));
    }
    let rule = RawRule {
        description: said.description?.text().to_owned(),
        source: source.to_owned(),
        condition: said.condition?.clone(),
        output: said.output?,
        priority: said.priority?,
        tags: said.tags.unwrap_or_default(),
        enabled: said.enabled.unwrap_or(true),
        skip_if_unknown_filter: said.skip_if_unknown_filter.unwrap_or(false),
        warn_evttypes: said.warn_evttypes.unwrap_or(true),
        exceptions: said.exceptions.unwrap_or_default(),
    };
    let now = collection.tick();
    collection.rules.define(name.text(), keys.place, now, rule);
    Some(())
}

fn missing(keys: &Keys<'_>, report: &mut Report) -> Option<()> {
    for key in NEEDED.iter().filter(|key| !keys.has(key)) {
        let message = format!("the key `{key}` is missing");
        report.error(code::YAML_VALIDATE, keys.place, &keys.subject, message);
    }
    None
}

/// Changes a rule that is there: with `append: true`, or by what stands under `override`.
fn change(
    name: &Traced,
    keys: &Keys<'_>,
    append: bool,
    overrides: &[Override],
    collection: &mut Collection,
    report: &mut Report,
) -> Option<()> {
    if append && !keys.has("condition") && !keys.has("exceptions") {
        let message = "what is appended to a rule is a `condition` or `exceptions`";
        report.error(code::VALIDATE, keys.place, &keys.subject, message);
        return None;
    }
    if let Some(missing) = overrides.iter().find(|it| !keys.has(&it.key)) {
        let message = format!("`{0}` is under `override`, but there is no `{0}`", missing.key);
        report.error(code::YAML_VALIDATE, &missing.place, &keys.subject, message);
        return None;
    }
    let named = |key: &str| overrides.iter().any(|it| it.key == key);
    if !append && let Some(key) = REPLACEABLE.iter().find(|key| keys.has(key) && !named(key)) {
        let message = format!("`{key}` is given, but is not under `override`");
        report
            .error(code::YAML_VALIDATE, keys.at(key), &keys.subject, message)
            .help(format!("write `{key}: replace` there"));
        return None;
    }
    let added = |key: &str| match append {
        true => key == "condition" || key == "exceptions",
        false => overrides.iter().any(|it| it.key == key && it.append),
    };
    let replaced = |key: &str| overrides.iter().any(|it| it.key == key && !it.append);
    let adds = Said::read(keys, &added, true, report)?;
    let replaces = Said::read(keys, &replaced, false, report)?;
    existing(name, keys, collection, report)?;
    let now = collection.tick();
    let rule = collection.rules.get_mut(name.text())?;
    rule.last = now;
    adds.add_to(&mut rule.value, report)?;
    replaces.put_into(&mut rule.value);
    Some(())
}

fn existing<'a>(
    name: &Traced,
    keys: &Keys<'_>,
    collection: &'a mut Collection,
    report: &mut Report,
) -> Option<&'a mut RawRule> {
    let rules = &mut collection.rules;
    if rules.get(name.text()).is_none() {
        nothing_there(keys, name, rules, report);
        return None;
    }
    rules.get_mut(name.text()).map(|entry| &mut entry.value)
}

/// What an item says of a rule; only those keys that were asked for.
#[derive(Default)]
struct Said<'a> {
    description: Option<&'a Traced>,
    condition: Option<&'a Traced>,
    output: Option<Traced>,
    priority: Option<Priority>,
    tags: Option<BTreeSet<String>>,
    enabled: Option<bool>,
    skip_if_unknown_filter: Option<bool>,
    warn_evttypes: Option<bool>,
    exceptions: Option<Vec<Exception>>,
}

impl<'a> Said<'a> {
    /// None where a value is wrong, and was told.
    fn read(
        keys: &Keys<'a>,
        wanted: &dyn Fn(&str) -> bool,
        appended: bool,
        report: &mut Report,
    ) -> Option<Said<'a>> {
        let mut said = Said::default();
        let before = report.found.len();
        let asked = |key: &str| keys.has(key) && wanted(key);
        if asked("condition") {
            said.condition = keys.text("condition", report);
        }
        if asked("output") {
            said.output = keys.text("output", report).map(Traced::trim);
        }
        if asked("desc") {
            said.description = keys.text("desc", report);
        }
        if asked("priority") {
            said.priority = keys.text("priority", report).and_then(|it| priority(it, keys, report));
        }
        if asked("tags") {
            said.tags = keys
                .texts("tags", report)
                .map(|tags| tags.iter().map(|tag| tag.text().to_owned()).collect());
        }
        if asked("enabled") {
            said.enabled = keys.flag("enabled", true, report);
        }
        if asked("warn_evttypes") {
            said.warn_evttypes = keys.flag("warn_evttypes", true, report);
        }
        if asked("skip-if-unknown-filter") {
            said.skip_if_unknown_filter = keys.flag("skip-if-unknown-filter", false, report);
        }
        if asked("exceptions") {
            said.exceptions = exception::read(keys, appended, report);
        }
        // Captures are Falco's own files of events: they are checked and not made.
        if asked("capture") {
            keys.flag("capture", false, report);
        }
        for key in ["capture_duration", "capture_events", "capture_filesize"] {
            if asked(key) {
                keys.whole_number(key, report);
            }
        }
        (!report.errs_since(before)).then_some(said)
    }

    fn add_to(self, rule: &mut RawRule, report: &mut Report) -> Option<()> {
        if let Some(condition) = self.condition {
            join(&mut rule.condition, condition);
        }
        if let Some(output) = self.output {
            join(&mut rule.output, &output);
        }
        if let Some(description) = self.description {
            rule.description.push(' ');
            rule.description.push_str(description.text());
        }
        rule.tags.extend(self.tags.unwrap_or_default());
        exception::append(&mut rule.exceptions, self.exceptions.unwrap_or_default(), report)
            .then_some(())
    }

    fn put_into(self, rule: &mut RawRule) {
        fn put<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        put(&mut rule.condition, self.condition.cloned());
        put(&mut rule.output, self.output);
        put(&mut rule.description, self.description.map(|it| it.text().to_owned()));
        put(&mut rule.priority, self.priority);
        put(&mut rule.tags, self.tags);
        put(&mut rule.enabled, self.enabled);
        put(&mut rule.skip_if_unknown_filter, self.skip_if_unknown_filter);
        put(&mut rule.warn_evttypes, self.warn_evttypes);
        put(&mut rule.exceptions, self.exceptions);
    }
}

fn priority(text: &Traced, keys: &Keys<'_>, report: &mut Report) -> Option<Priority> {
    let priority = Priority::named(text.text());
    if priority.is_none() {
        let names = Priority::ALL.map(Priority::name);
        let near = did_you_mean(text.text(), names);
        let help = match near.is_empty() {
            true => format!("there are {}", names.join(", ")),
            false => near,
        };
        let message = format!("`{}` is not a priority", text.text());
        let place: &Place = text.home();
        report.error(code::YAML_VALIDATE, place, &keys.subject, message).help(help);
    }
    priority
}
