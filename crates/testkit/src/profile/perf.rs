//! The other profiler: `perf`, watching a child of its own and nothing else.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::folded::{Folded, Stack};

/// How perf is to find callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwinding {
    /// By DWARF tables, from 16 KiB of each stack.
    Dwarf,
    /// By frame pointers.
    FramePointers,
}

/// The words that make perf sample what comes behind them, 99 times a second of CPU time, and
/// write into `data`.
pub fn record_words(data: &Path, unwinding: Unwinding) -> Vec<String> {
    let graph = match unwinding {
        Unwinding::Dwarf => "dwarf,16384",
        Unwinding::FramePointers => "fp",
    };
    let words =
        ["perf", "record", "-q", "-e", "cpu-clock", "-F", "99", "--call-graph", graph, "-o"];
    let words = words.map(str::to_string).into_iter();
    words.chain([data.display().to_string(), "--".to_string()]).collect()
}

/// Runs `command` under perf, and gives its profile. `data` is perf's own file.
pub fn record<Word: AsRef<OsStr>>(
    command: &[Word],
    data: &Path,
    unwinding: Unwinding,
) -> Result<Folded> {
    let words = record_words(data, unwinding);
    let mut perf = Command::new(&words[0]);
    perf.args(&words[1..]).args(command).stdin(Stdio::null()).stdout(Stdio::null());
    let said = perf.output().context("cannot start perf")?;
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(said.status.success(), "perf record ended with {}: {told}", said.status);
    read(data)
}

/// The profile in perf's file `data`, without inlined frames, which take perf very long.
pub fn read(data: &Path) -> Result<Folded> {
    let mut script = Command::new("perf");
    script.args(["script", "--no-inline", "-F", "comm,tid,ip,sym,dso", "-i"]).arg(data);
    let text = data.with_extension("script");
    let file = fs::File::create(&text)?;
    let said = script.stdin(Stdio::null()).stdout(file).output().context("cannot start perf")?;
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(said.status.success(), "perf script ended with {}: {told}", said.status);
    let folded = fold(&String::from_utf8_lossy(&fs::read(&text)?));
    let _ = fs::remove_file(&text);
    folded
}

/// Folds the text of `perf script -F comm,tid,ip,sym,dso`: a line `comm tid`, a line for each
/// frame, innermost first, and an empty line behind each sample.
pub fn fold(text: &str) -> Result<Folded> {
    let mut stacks: BTreeMap<(String, Vec<String>), u64> = BTreeMap::new();
    let samples = text.split("\n\n").map(|it| it.trim_matches('\n')).filter(|it| !it.is_empty());
    for sample in samples {
        let mut lines = sample.lines();
        let head = lines.next().unwrap_or_default().trim();
        let comm = head.rsplit_once(' ').map_or(head, |(comm, _)| comm.trim());
        let frames: Option<Vec<String>> = lines.map(frame).collect();
        let mut frames = frames.with_context(|| format!("no frames: {sample}"))?;
        frames.reverse();
        *stacks.entry((comm.to_string(), frames)).or_default() += 1;
    }
    let stack = |((comm, frames), weight)| Stack { comm, frames, weight };
    Ok(Folded { stacks: stacks.into_iter().map(stack).collect() })
}

/// Reads `ADDRESS NAME (FILE)`. A name may have blanks and parentheses in it.
fn frame(line: &str) -> Option<String> {
    let (_, rest) = line.trim().split_once(' ')?;
    let rest = rest.strip_suffix(')')?;
    let (name, file) = rest.strip_suffix(" (deleted)").unwrap_or(rest).rsplit_once(" (")?;
    let own = file.rsplit('/').next().unwrap_or(file);
    let kernel = file.starts_with("[kernel") || file.starts_with("[guest") || file.ends_with(".ko");
    Some(match name {
        "[unknown]" if own != "[unknown]" => format!("[{}]", own.trim_matches(['[', ']'])),
        name if kernel => format!("{}_[k]", name.replace(';', ":")),
        name => name.replace(';', ":"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_perf_says_is_folded() {
        let text = "my prog 42 \n\tffffffff81000000 do_syscall_64 ([kernel.kallsyms])\n\
                    \t    7f00 f(int, (anonymous namespace)::T) (/usr/lib/libx.so.1)\n\
                    \t    1060 _start (/tmp/a (deleted))\n\n\
                    my prog 42 \n\t 7ffd [unknown] ([vdso])\n\t 1234 [unknown] (/tmp/bare)\n\
                    \t 0 [unknown] ([unknown])\n\n";
        let folded = fold(text).unwrap();
        assert_eq!(
            folded.text(),
            "my prog;[unknown];[bare];[vdso] 1\n\
             my prog;_start;f(int, (anonymous namespace)::T);do_syscall_64_[k] 1\n"
        );
        assert!(fold("prog 1\nnonsense\n\n").is_err());
        assert_eq!(fold("").unwrap(), Folded::default());
    }
}
