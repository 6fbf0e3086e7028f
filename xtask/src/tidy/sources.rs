//! What a source file may be called, how long it may be, and what may stand in it.

use std::fs;
use std::path::Path;

use super::lexer::{self, Line};
use super::{Finding, Package};
use crate::failure::{Context, Result};
use crate::place;
use crate::run::say;

/// Names that say nothing about what is inside.
const DRAWERS: [&str; 10] = [
    "util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "handler",
    "handlers",
];

/// Where code that the compiler cannot check may be.
const UNSAFE_ROOMS: [&str; 3] = [
    "crates/kernel/",
    "crates/wire/",
    // A test's attacker: it rewrites an address while the kernel reads it, which safe Rust forbids.
    "signals/socket/tests/kernel/act.rs",
];

/// Words of unfinished work, in code and in comments. Here they stand in strings, which do not count.
const UNFINISHED_CODE: [&str; 3] = ["todo!", "unimplemented!", "#[ignore"];
const UNFINISHED_COMMENT: [&str; 2] = ["FIXME", "XXX"];

const LONGEST_MAIN: usize = 60;
const LONG: usize = 500;

/// How far above a block its reason may stand: a statement may begin a few lines earlier.
const REASON_ABOVE: usize = 5;

/// Folders with nothing of ours in them to check.
const NOT_OURS: [&str; 4] = ["target", "node_modules", "vmlinux", "dist"];

/// What breaks a rule in any source file.
pub(super) fn check(packages: &[Package]) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for file in files()? {
        findings.extend(name(&file));
        if file.ends_with(".rs") {
            let path = place::root().join(&file);
            let text = fs::read_to_string(&path).context(|| file.clone())?;
            findings.extend(rust(&file, &text));
            if is_crate_root(&file, packages)
                && !may_be_unsafe(&file)
                && !text.contains("#![forbid(unsafe_code)]")
            {
                findings.push(Finding::new(&file, 1, "lacks #![forbid(unsafe_code)]"));
            }
        }
    }
    Ok(findings)
}

fn files() -> Result<Vec<String>> {
    let root = place::root();
    let (mut found, mut pending) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).context(|| folder.display().to_string())? {
            let entry = entry.context(|| folder.display().to_string())?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || NOT_OURS.contains(&name.as_str()) {
                continue;
            }
            // Links lead to what is checked where it is, or to what is not ours.
            let kind = entry.file_type().context(|| name.clone())?;
            if kind.is_dir() {
                pending.push(entry.path());
            } else if kind.is_file() && [".rs", ".c", ".h"].iter().any(|end| name.ends_with(end)) {
                let path = entry.path();
                found
                    .push(path.strip_prefix(&root).unwrap_or(&path).to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The file's own name and those of its folders.
fn name(file: &str) -> Option<Finding> {
    let words = file.split('/').map(|part| part.split('.').next().unwrap_or(part));
    let drawer = words.into_iter().find(|word| DRAWERS.contains(word))?;
    Some(Finding::new(file, 1, format!("\"{drawer}\" says nothing about what is inside")))
}

fn rust(file: &str, text: &str) -> Vec<Finding> {
    let lines = lexer::lines(text);
    let length = text.lines().count();
    let mut findings = Vec::new();
    if file.ends_with("src/main.rs") && length > LONGEST_MAIN {
        findings.push(Finding::new(
            file,
            length,
            format!("{length} lines; a main.rs has {LONGEST_MAIN} at most"),
        ));
    }
    if length > LONG {
        say(format!("tidy: {file} has {length} lines: are there two things in it?"));
    }
    for (at, line) in lines.iter().enumerate() {
        let mut found = |what: String| findings.push(Finding::new(file, at + 1, what));
        for word in UNFINISHED_CODE.iter().filter(|word| line.code.contains(**word)) {
            found(format!("{word}: unfinished work is not kept here"));
        }
        for word in UNFINISHED_COMMENT.iter().filter(|word| has_word(&line.comment, word)) {
            found(format!("{word}: unfinished work is not kept here"));
        }
        if has_word(&line.code, "unsafe") {
            if !may_be_unsafe(file) {
                found("unsafe code outside crates/kernel and crates/wire".into());
            } else if !has_reason(&lines, at) {
                found("unsafe code without a SAFETY comment above it".into());
            }
        }
    }
    findings
}

/// A block or an impl says why it is sound; a declaration (`unsafe fn`) asks that of others,
/// in its documentation.
fn has_reason(lines: &[Line], at: usize) -> bool {
    let code = &lines[at].code;
    if code.contains("unsafe fn") || code.contains("unsafe extern") {
        return true;
    }
    let mut from = at.saturating_sub(REASON_ABOVE);
    // A long reason begins further up.
    while from > 0 && lines[from].code.trim().is_empty() && !lines[from].comment.is_empty() {
        from -= 1;
    }
    lines[from..=at].iter().any(|line| line.comment.contains("SAFETY"))
}

fn may_be_unsafe(file: &str) -> bool {
    UNSAFE_ROOMS.iter().any(|room| file.starts_with(room))
}

fn is_crate_root(file: &str, packages: &[Package]) -> bool {
    packages.iter().any(|package| {
        let inside = Path::new(file).strip_prefix(&package.folder).ok().and_then(Path::to_str);
        inside.is_some_and(|inside| {
            matches!(inside, "src/lib.rs" | "src/main.rs")
                || inside
                    .strip_prefix("src/bin/")
                    .is_some_and(|name| !name.contains('/') || name.ends_with("/main.rs"))
        })
    })
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(file: &str, text: &str) -> Vec<String> {
        rust(file, text).into_iter().map(|finding| finding.to_string()).collect()
    }

    #[test]
    fn drawers_are_found_by_name() {
        assert!(name("crates/bus/src/utils.rs").is_some());
        assert!(name("crates/bus/tests/common/mod.rs").is_some());
        assert!(name("bpf/fathom/helper.bpf.h").is_some());
        assert!(name("crates/bus/src/handle.rs").is_none());
    }

    #[test]
    fn unsafe_code_has_its_rooms_and_its_reasons() {
        assert_eq!(
            says("crates/bus/src/a.rs", "fn f() {}\nunsafe { g() }"),
            ["crates/bus/src/a.rs:2: unsafe code outside crates/kernel and crates/wire"]
        );
        assert_eq!(says("crates/wire/src/a.rs", "unsafe { g() }").len(), 1);
        assert!(
            says("crates/wire/src/a.rs", "// SAFETY: checked above\nlet x =\n    unsafe { g() };")
                .is_empty()
        );
        assert!(
            says(
                "crates/bus/src/a.rs",
                "#![forbid(unsafe_code)] // no unsafe\nlet a = \"unsafe\";"
            )
            .is_empty()
        );
    }

    #[test]
    fn unfinished_work_is_found() {
        assert_eq!(says("a.rs", "fn f() { todo!() }").len(), 1);
        assert_eq!(says("a.rs", &format!("// {}: later", UNFINISHED_COMMENT[0])).len(), 1);
        assert_eq!(says("a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}").len(), 1);
        assert!(says("a.rs", "let a = \"todo!\"; // todo! is not allowed in code").is_empty());
    }

    #[test]
    fn a_main_is_short() {
        assert_eq!(says("crates/fathom/src/main.rs", &"\n".repeat(61)).len(), 1);
        assert!(says("crates/fathom/src/agent.rs", &"\n".repeat(61)).is_empty());
    }

    #[test]
    fn the_roots_of_crates_are_known() {
        let packages =
            [Package { name: "bus".into(), folder: "crates/bus".into(), dependencies: Vec::new() }];
        let roots = [
            "crates/bus/src/lib.rs",
            "crates/bus/src/bin/bench.rs",
            "crates/bus/src/bin/x/main.rs",
        ];
        assert!(roots.iter().all(|file| is_crate_root(file, &packages)));
        assert!(!is_crate_root("crates/bus/src/bin/x/part.rs", &packages));
    }
}
