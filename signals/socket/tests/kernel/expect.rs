//! Rows as lines of text, and whether what was seen is just that.

use std::collections::BTreeMap;

use crate::harness::{Row, Seen};

/// Expects `seen` to have a row for every line of `expected`, and no other; else the difference.
pub(crate) fn rows(seen: &Seen, expected: &str) -> Result<(), String> {
    let lines: Vec<&str> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let mut left: Vec<&Row> = seen.rows.iter().collect();
    let mut names = BTreeMap::new();
    let mut missing = Vec::new();
    for line in lines {
        match left.iter().position(|row| fits(row, line, seen, &mut names)) {
            Some(at) => drop(left.remove(at)),
            None => missing.push(line),
        }
    }
    let others = seen.rows.iter().filter(|row| row.pid != seen.pid).count();
    if missing.is_empty() && left.is_empty() && others == 0 {
        return Ok(());
    }
    let list = |rows: Vec<String>| rows.join("\n  ");
    Err(format!(
        "{others} rows of other processes\nmissing:\n  {}\nnot expected:\n  {}\nall:\n  {}\nsaid: {:?}",
        missing.join("\n  "),
        list(left.iter().map(|row| row.to_string()).collect()),
        list(seen.rows.iter().map(|row| row.to_string()).collect()),
        seen.said,
    ))
}

/// Whether the row is the one that the line speaks of; `$name`s are bound only if it is.
fn fits(row: &Row, line: &str, seen: &Seen, names: &mut BTreeMap<String, String>) -> bool {
    let mut words = line.split_whitespace();
    if words.next() != Some(row.table) {
        return false;
    }
    let mut bound = Vec::new();
    for word in words {
        let (key, wanted) = word.split_once('=').expect("key=value");
        let actual =
            row.values.get(key).unwrap_or_else(|| panic!("no column {key} in {}", row.table));
        let fits = match wanted {
            "#" => actual.parse::<u64>().is_ok_and(|number| number > 0),
            _ if wanted.starts_with('$') => match names.get(wanted) {
                Some(known) => known == actual,
                None => {
                    let taken = names.values().any(|known| known == actual);
                    bound.push((wanted.to_string(), actual.clone()));
                    !taken
                }
            },
            _ if wanted.starts_with('{') => {
                let name = wanted.trim_matches(['{', '}']);
                seen.said.get(name).unwrap_or_else(|| panic!("the act did not say {name}"))
                    == actual
            }
            _ if wanted.starts_with('(') => {
                wanted.trim_matches(['(', ')']).split('|').any(|one| one == actual)
            }
            _ => wanted == actual,
        };
        if !fits {
            return false;
        }
    }
    names.extend(bound);
    true
}
