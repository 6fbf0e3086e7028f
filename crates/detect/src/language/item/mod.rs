//! The items of a file, one after the other, into the collection.

mod required;
mod rule;

pub(super) use rule::SOURCE;

use super::collection::{Collection, List, Macro, Named};
use super::diagnostic::{Place, code};
use super::keys::Keys;
use super::near::did_you_mean;
use super::report::Report;
use super::traced::Traced;
use super::yaml::{Content, Node};

/// The keys that say what an item is; of several, the first here counts.
const KINDS: [&str; 5] =
    ["required_engine_version", "required_plugin_versions", "list", "macro", "rule"];
const LIST_KEYS: [&str; 4] = ["list", "items", "append", "override"];
const MACRO_KEYS: [&str; 4] = ["macro", "condition", "append", "override"];

/// Takes in the documents of one file.
pub(super) fn read(documents: &[Node], collection: &mut Collection, report: &mut Report) {
    for document in documents.iter().filter(|document| !document.is_null()) {
        let Content::List(items) = &document.content else {
            let kind = document.kind();
            report
                .error(
                    code::YAML_VALIDATE,
                    &document.place,
                    "",
                    format!("a file of rules is a list of items, not {kind}"),
                )
                .help("put a `- ` in front of each item");
            continue;
        };
        for item in items.iter().filter(|item| !item.is_null()) {
            self::item(item, collection, report);
        }
    }
}

fn item(item: &Node, collection: &mut Collection, report: &mut Report) {
    let Some(mut keys) = Keys::of(item, "", report) else { return };
    let Some(kind) = KINDS.into_iter().find(|kind| keys.has(kind)) else {
        let first = keys.all().next().map_or("", |(key, _)| key.text());
        report
            .warning(code::UNKNOWN_ITEM, &item.place, "", "this item is none that is known")
            .help(did_you_mean(first, KINDS));
        return;
    };
    match kind {
        "required_engine_version" => required::engine(&keys, report),
        "required_plugin_versions" => required::plugins(&keys, report),
        _ => {
            keys.subject = kind.to_owned();
            let Some(name) = keys.text(kind, report) else { return };
            keys.subject = format!("{kind} \"{}\"", name.text());
            match kind {
                "list" => list(name, &keys, collection, report),
                "macro" => condition_macro(name, &keys, collection, report),
                _ => rule::rule(name, &keys, collection, report),
            }
        }
    }
}

fn list(name: &Traced, keys: &Keys<'_>, collection: &mut Collection, report: &mut Report) {
    keys.check(&LIST_KEYS, report);
    let sign = |it: char| it.is_whitespace() || "()\"'=,".contains(it);
    if name.text().contains(sign) {
        let message = "the name of a list has no blanks, quotes, parentheses, `=` or `,`";
        report.error(code::YAML_VALIDATE, name.home(), &keys.subject, message);
        return collection.lists.refuse(name.text());
    }
    if !keys.has("items") {
        let message = "the key `items` is missing";
        report.error(code::YAML_VALIDATE, keys.place, &keys.subject, message);
    }
    let items = keys.texts("items", report);
    let (Some(items), Some(append)) = (items, change(keys, "items", report)) else {
        return collection.lists.refuse(name.text());
    };
    let items: Vec<String> = items.iter().map(|item| item.text().to_owned()).collect();
    let now = collection.tick();
    if !append {
        return collection.lists.define(name.text(), keys.place, now, List { items });
    }
    match collection.lists.get_mut(name.text()) {
        Some(entry) => {
            entry.value.items.extend(items);
            entry.last = now;
        }
        None => nothing_there(keys, name, &collection.lists, report),
    }
}

fn condition_macro(
    name: &Traced,
    keys: &Keys<'_>,
    collection: &mut Collection,
    report: &mut Report,
) {
    keys.check(&MACRO_KEYS, report);
    let letters = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let starts = name.text().starts_with(|it: char| it.is_ascii_alphabetic());
    if !starts || !name.text().chars().all(letters) {
        let message = "the name of a macro is made of letters, digits and `_`, a letter first";
        report.error(code::YAML_VALIDATE, name.home(), &keys.subject, message);
        return collection.macros.refuse(name.text());
    }
    let condition = keys.text("condition", report);
    let (Some(condition), Some(append)) = (condition, change(keys, "condition", report)) else {
        return collection.macros.refuse(name.text());
    };
    let now = collection.tick();
    if !append {
        let condition = condition.clone();
        return collection.macros.define(name.text(), keys.place, now, Macro { condition });
    }
    match collection.macros.get_mut(name.text()) {
        Some(entry) => {
            join(&mut entry.value.condition, condition);
            entry.last = now;
        }
        None => nothing_there(keys, name, &collection.macros, report),
    }
}

/// Whether an item that has only `key` adds to it; None where that cannot be said.
fn change(keys: &Keys<'_>, key: &str, report: &mut Report) -> Option<bool> {
    let append = appends(keys, report)?;
    let overrides = overrides(keys, &[key], &[key], report)?;
    both(keys, append, &overrides, report)?;
    Some(append || overrides.iter().any(|it| it.append))
}

/// The old way to add to something: `append: true`.
fn appends(keys: &Keys<'_>, report: &mut Report) -> Option<bool> {
    let append = keys.flag("append", false, report)?;
    if append {
        report
            .warning(code::DEPRECATED_ITEM, keys.at("append"), &keys.subject, "`append` is old")
            .help("write `override:` with `condition: append` (or `items: append`) in it");
    }
    Some(append)
}

fn both(keys: &Keys<'_>, append: bool, overrides: &[Override], report: &mut Report) -> Option<()> {
    if !append || overrides.is_empty() {
        return Some(());
    }
    let message = "`append: true` and `override` do not go together";
    report
        .error(code::YAML_VALIDATE, keys.at("append"), &keys.subject, message)
        .help("leave `append` out");
    None
}

/// One entry under `override`.
struct Override {
    key: String,
    place: Place,
    append: bool,
}

/// What stands under `override`, if anything does.
fn overrides(
    keys: &Keys<'_>,
    appendable: &[&str],
    replaceable: &[&str],
    report: &mut Report,
) -> Option<Vec<Override>> {
    let Some(node) = keys.get("override") else { return Some(Vec::new()) };
    let entries = Keys::of(node, &keys.subject, report)?;
    let mut overrides = Vec::new();
    for (key, value) in entries.all() {
        let name = key.text();
        let operation = value.scalar().map_or("", Traced::text);
        let (add, put) = (appendable.contains(&name), replaceable.contains(&name));
        let wrong = match operation {
            _ if !add && !put => format!("`{name}` cannot be overridden"),
            "append" if !add => format!("`{name}` cannot be appended to: use `replace`"),
            "append" | "replace" => {
                let (key, place) = (name.to_owned(), key.home().clone());
                overrides.push(Override { key, place, append: operation == "append" });
                continue;
            }
            _ => {
                let ways = if add { "`append` or `replace`" } else { "`replace`" };
                let message = format!("`{name}` takes {ways} here, not `{operation}`");
                report.error(code::YAML_VALIDATE, &value.place, &keys.subject, message);
                return None;
            }
        };
        report
            .error(code::YAML_VALIDATE, key.home(), &keys.subject, wrong)
            .help(did_you_mean(name, replaceable.iter().copied()));
        return None;
    }
    if overrides.is_empty() {
        let message = "there is nothing under `override`";
        report.error(code::YAML_VALIDATE, keys.at("override"), &keys.subject, message);
        return None;
    }
    Some(overrides)
}

/// Puts a text behind another, with a blank between them.
fn join(text: &mut Traced, more: &Traced) {
    text.add(" ", more.home(), None);
    text.append(more);
}

fn nothing_there<T>(keys: &Keys<'_>, name: &Traced, named: &Named<T>, report: &mut Report) {
    if !named.was_refused(name.text()) {
        let message = "there is nothing of this name to change so far";
        let guess = report.guess(name.text(), named.names());
        report.error(code::VALIDATE, name.home(), &keys.subject, message).help(guess);
    }
}
