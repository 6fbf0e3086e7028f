//! Lists, which are put into conditions as text, before these are read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::super::collection::{List, Named};
use super::super::diagnostic::{Place, code};
use super::super::report::Report;
use super::super::traced::Traced;

/// How many items a list may come to.
const MOST_ITEMS: usize = 100_000;
/// How long a condition may get, in bytes, and all of them together.
const LONGEST: usize = 4 << 20;
const LONGEST_TOGETHER: usize = 64 << 20;

/// What stands around a name.
const DELIMITERS: [u8; 8] = *b" \t\n\r(),=";
const BLANKS: [u8; 4] = *b" \t\n\r";

/// All lists.
pub(super) struct Lists<'a> {
    /// In the order in which they are put in.
    lists: Vec<Whole<'a>>,
    places: HashMap<&'a str, usize>,
    written: usize,
}

/// A list with the items of the lists in it.
struct Whole<'a> {
    name: &'a str,
    shared: Arc<str>,
    place: &'a Place,
    /// The items as they stand in a condition.
    text: String,
    /// Whether it is a list at all; one that was refused, and told, refuses what uses it.
    good: bool,
    used: bool,
}

impl<'a> Lists<'a> {
    pub(super) fn new(named: &'a Named<List>, report: &mut Report) -> Lists<'a> {
        let all = named.all();
        // The items of each; a list in a list is seen where it was there first. That order has no
        // circles, but the items of a list that was changed later may be of lists behind it.
        let mut items: Vec<Option<Vec<&str>>> = vec![None; all.len()];
        let mut used = vec![false; all.len()];
        for at in 0..all.len() {
            expand(at, named, &mut items, &mut used, &mut Vec::new());
        }
        let mut lists = Vec::with_capacity(all.len());
        for ((entry, items), used) in all.iter().zip(items).zip(used) {
            let mut items = items.unwrap_or_default();
            let (name, place) = (entry.name.as_str(), &entry.place);
            let good = items.len() <= MOST_ITEMS;
            if !good {
                let message = format!("the list comes to more than {MOST_ITEMS} items");
                report.error(code::VALIDATE, place, &format!("list \"{name}\""), message);
                items.clear();
            }
            let text: Vec<String> = items.into_iter().map(quoted).collect();
            let text = text.join(", ");
            lists.push(Whole { name, shared: name.into(), place, text, good, used });
        }
        let places = lists.iter().enumerate().map(|(at, list)| (list.name, at)).collect();
        Lists { lists, places, written: 0 }
    }

    /// The text with the items of every list where its name stands.
    pub(super) fn put_in(
        &mut self,
        condition: &Traced,
        subject: &str,
        report: &mut Report,
    ) -> Option<Traced> {
        let mut condition = condition.clone();
        let mut named: BTreeSet<usize> = self.named(condition.text()).collect();
        while let Some(at) = named.pop_first() {
            // An item that is the name of a list is one only for those that come later.
            let more: Vec<usize> = self.named(&self.lists[at].text).filter(|&it| it > at).collect();
            named.extend(more);
            let list = &mut self.lists[at];
            let Some(parts) = list.parts(condition.text()) else { continue };
            list.used = true;
            if !list.good {
                return None;
            }
            let length: usize =
                parts.iter().map(|part| part.until - part.from + list.text.len() + 2).sum();
            self.written += length;
            if length > LONGEST || self.written > LONGEST_TOGETHER {
                let message = format!("the list `{}` makes conditions too long", list.name);
                report.error(code::COMPILE_CONDITION, condition.home(), subject, message);
                return None;
            }
            condition = list.join(&condition, &parts);
        }
        Some(condition)
    }

    /// The lists whose names stand in a text.
    fn named(&self, text: &str) -> impl Iterator<Item = usize> {
        text.split(|it: char| u8::try_from(it).is_ok_and(|it| DELIMITERS.contains(&it)))
            .filter_map(|word| self.places.get(word).copied())
    }

    pub(super) fn warn_of_unused(&self, report: &mut Report) {
        for list in self.lists.iter().filter(|list| !list.used) {
            let subject = format!("list \"{}\"", list.name);
            let message = "no condition and no other list uses it";
            report.warning(code::UNUSED_LIST, list.place, &subject, message);
        }
    }
}

/// A part of a condition, and where behind it the name of a list stands.
struct Part {
    from: usize,
    until: usize,
    name: Option<usize>,
}

impl Whole<'_> {
    /// The condition around every place where the list is named; None where it is not.
    fn parts(&self, text: &str) -> Option<Vec<Part>> {
        let bytes = text.as_bytes();
        let delimits =
            |at: Option<&u8>| at.is_none_or(|byte| BLANKS.contains(byte) || b"(),=".contains(byte));
        let mut parts = Vec::new();
        let (mut from, mut search) = (0, 0);
        while let Some(found) = text.get(search..).and_then(|rest| rest.find(self.name)) {
            let name = search + found;
            let behind = name + self.name.len();
            let before = name.checked_sub(1).and_then(|at| bytes.get(at));
            if !delimits(before) || !delimits(bytes.get(behind)) {
                search = name + text[name..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
            let (mut until, mut next) = (name, behind);
            while until > from && BLANKS.contains(&bytes[until - 1]) {
                until -= 1;
            }
            while next < bytes.len() && BLANKS.contains(&bytes[next]) {
                next += 1;
            }
            // No items take a comma with them.
            if self.text.is_empty() {
                if until > from && bytes[until - 1] == b',' {
                    until -= 1;
                } else if bytes.get(next) == Some(&b',') {
                    next += 1;
                }
            }
            parts.push(Part { from, until, name: Some(name) });
            (from, search) = (next, next);
        }
        if parts.is_empty() {
            return None;
        }
        parts.push(Part { from, until: text.len(), name: None });
        Some(parts)
    }

    fn join(&self, condition: &Traced, parts: &[Part]) -> Traced {
        let mut whole = Traced::new(condition.home().clone());
        for part in parts {
            whole.append(&condition.slice(part.from..part.until));
            let Some(name) = part.name else { continue };
            let place = condition.origin(name).place;
            let list = Some(&self.shared);
            whole.add(" ", &place, list);
            whole.add(&self.text, &place, list);
            whole.add(" ", &place, list);
        }
        whole
    }
}

/// Puts the items of the lists that a list names in their place.
fn expand<'a>(
    at: usize,
    named: &'a Named<List>,
    items: &mut Vec<Option<Vec<&'a str>>>,
    used: &mut [bool],
    path: &mut Vec<usize>,
) {
    if items[at].is_some() {
        return;
    }
    let entry = &named.all()[at];
    path.push(at);
    let mut whole = Vec::new();
    for item in &entry.value.items {
        let inner = named.find(item).filter(|&inner| named.all()[inner].first < entry.last);
        match inner {
            // A circle, or a chain that nobody writes: what is left is a text like any other.
            Some(inner) if path.contains(&inner) || path.len() > 64 => whole.push(item.as_str()),
            Some(inner) => {
                used[inner] = true;
                expand(inner, named, items, used, path);
                whole.extend(items[inner].iter().flatten());
            }
            None => whole.push(item.as_str()),
        }
        if whole.len() > MOST_ITEMS {
            break;
        }
    }
    path.pop();
    items[at] = Some(whole);
}

/// An item as it stands in a condition: in quotes where it has blanks, or nothing, and none.
fn quoted(item: &str) -> String {
    let bare = (item.contains(' ') && !item.starts_with(['"', '\''])) || item.is_empty();
    if bare { format!("\"{item}\"") } else { item.to_owned() }
}
