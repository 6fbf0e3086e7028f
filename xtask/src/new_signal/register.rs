//! Where signals are listed, and how a new one gets its line in each, in order.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure, Result};

/// A list: its file, how its lines begin, and the new line.
const LISTS: &[(&str, &str, &str)] = &[
    ("Cargo.toml", "signal-", "signal-@name@ = { path = \"signals/@name@\" }"),
    ("crates/fathom/Cargo.toml", "signal-", "signal-@name@ = { workspace = true }"),
    ("crates/fathom/src/signals.rs", "&signal_", "&signal_@name@::@NAME@,"),
];

/// What every list is to hold once it has the new signal.
pub(super) fn plan(root: &Path, name: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut planned = Vec::new();
    for (file, prefix, line) in LISTS {
        let path = root.join(file);
        let line = super::filled(line, name);
        let text = fs::read_to_string(&path).context(|| (*file).to_string())?;
        let text = insert(&text, prefix, &line).ok_or_else(|| {
            Failure::new(format!(
                "{file}: no line begins with `{prefix}`, so where does `{line}` go?"
            ))
        })?;
        planned.push((path, text));
    }
    Ok(planned)
}

/// The text with the line among those that begin like it, in order, indented as they are.
/// A line that is there already stays alone.
fn insert(text: &str, prefix: &str, new: &str) -> Option<String> {
    if text.lines().any(|line| line.trim() == new) {
        return Some(text.into());
    }
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    let first = lines.iter().position(|line| line.trim_start().starts_with(prefix))?;
    let indent = lines[first].len() - lines[first].trim_start().len();
    let listed = lines[first..].iter().take_while(|line| line.trim_start().starts_with(prefix));
    let before = listed.filter(|line| line.trim_start() < new).count();
    lines.insert(first + before, " ".repeat(indent) + new);
    Some(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_goes_where_it_belongs() {
        let text = "pub static SIGNALS: &[&Signal] = &[\n    &signal_file::FILE,\n    &signal_socket::SOCKET,\n];\n";
        let middle = insert(text, "&signal_", "&signal_process::PROCESS,").unwrap();
        let words: Vec<&str> = middle.lines().map(str::trim).collect();
        assert_eq!(
            words[1..4],
            ["&signal_file::FILE,", "&signal_process::PROCESS,", "&signal_socket::SOCKET,"]
        );
        assert!(middle.contains("\n    &signal_process"));
        let last = insert(text, "&signal_", "&signal_zone::ZONE,").unwrap();
        assert!(last.contains("SOCKET,\n    &signal_zone::ZONE,\n];"));
        let first = insert(text, "&signal_", "&signal_block::BLOCK,").unwrap();
        assert!(first.contains("[\n    &signal_block::BLOCK,\n    &signal_file"));
        assert_eq!(insert(&first, "&signal_", "&signal_block::BLOCK,").unwrap(), first);
    }

    #[test]
    fn a_list_that_is_not_there_is_said() {
        assert_eq!(insert("nothing\n", "signal-", "signal-x"), None);
    }
}
