//! The table of costs in a signal's README, between two comments.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use crate::figure::number;
use crate::machine::Machine;
use crate::place;

const BEGIN: &str = "<!-- cost -->";
const END: &str = "<!-- /cost -->";

/// Fills the table, if there is a README. `costs` is nanoseconds in scope and out of scope.
pub(super) fn write(
    signal: &str,
    costs: &BTreeMap<String, (f64, f64)>,
    verified: &BTreeMap<String, u32>,
) -> Result<()> {
    let path = place::root().join("signals").join(signal).join("README.md");
    let Ok(old) = fs::read_to_string(&path) else { return Ok(()) };
    let new = with_table(&old, &table(costs, verified));
    fs::write(&path, new).with_context(|| format!("cannot write {}", path.display()))
}

fn table(costs: &BTreeMap<String, (f64, f64)>, verified: &BTreeMap<String, u32>) -> String {
    let mut text = format!("Measured by `cargo xtask bench cost` on: {}\n\n", Machine::here());
    text += "| program | in scope | out of scope | verified instructions |\n";
    text += "|---|---:|---:|---:|\n";
    for (program, (inside, outside)) in costs {
        let count = verified.get(program).map_or("not known".to_string(), u32::to_string);
        let [inside, outside] = [inside, outside].map(|time| number(time.round()));
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{program}` | {inside} ns | {outside} ns | {count} |");
    }
    text
}

fn with_table(old: &str, table: &str) -> String {
    let whole = format!("{BEGIN}\n{table}{END}");
    match (old.find(BEGIN), old.find(END)) {
        (Some(begin), Some(end)) if begin < end => {
            format!("{}{whole}{}", &old[..begin], &old[end + END.len()..])
        }
        _ => format!("{}\n\n## Cost\n\n{whole}\n", old.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_put_between_the_marks_and_nothing_else_changes() {
        let old = format!("# File\n\n{BEGIN}\nold\n{END}\n\nmore\n");
        assert_eq!(with_table(&old, "new\n"), format!("# File\n\n{BEGIN}\nnew\n{END}\n\nmore\n"));
        let added = with_table("# File\n", "new\n");
        assert_eq!(added, format!("# File\n\n## Cost\n\n{BEGIN}\nnew\n{END}\n"));
        assert_eq!(with_table(&added, "new\n"), added);
    }
}
