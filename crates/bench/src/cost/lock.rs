//! `signals/NAME/verifier.lock`: how many instructions the verifier walks through, by kernel and
//! program. A change that makes it walk further shows up in the diff.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};

use crate::place;

const HEAD: &str = "# Instructions that the verifier walks through, by kernel and program (its limit is 1000000).\n\
                    # Written by `cargo xtask bench cost`; a kernel that was not run keeps its section.\n";

/// Writes the section of this kernel and keeps the others.
pub(super) fn write(signal: &str, verified: &BTreeMap<String, u32>) -> Result<()> {
    // Before Linux 5.16 the kernel does not tell.
    if verified.is_empty() {
        return Ok(());
    }
    let path = place::root().join("signals").join(signal).join("verifier.lock");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")
        .context("cannot read the kernel's name")?;
    let old = fs::read_to_string(&path).unwrap_or_default();
    let new = with_section(&old, kernel.trim(), verified);
    fs::write(&path, new).with_context(|| format!("cannot write {}", path.display()))
}

fn with_section(old: &str, kernel: &str, verified: &BTreeMap<String, u32>) -> String {
    let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut section = None;
    for line in old.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = Some(sections.entry(name).or_default()),
            None => section.iter_mut().for_each(|lines| lines.push(line.to_string())),
        }
    }
    let lines = verified.iter().map(|(program, count)| format!("{program} = {count}"));
    sections.insert(kernel, lines.collect());
    let mut text = HEAD.to_string();
    for (kernel, lines) in sections {
        // Writing to a string does not fail.
        let _ = write!(text, "\n[{kernel}]\n{}\n", lines.join("\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_others_stay() {
        let verified = |count| BTreeMap::from([("file_open".to_string(), count)]);
        let old = with_section("", "6.1", &verified(7));
        let both = with_section(&old, "5.10", &verified(9));
        let new = with_section(&both, "6.1", &verified(8));
        assert_eq!(new, format!("{HEAD}\n[5.10]\nfile_open = 9\n\n[6.1]\nfile_open = 8\n"));
    }
}
