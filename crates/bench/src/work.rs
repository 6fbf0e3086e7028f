//! Workloads, and what they say they took.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::place;

/// Something to do while being watched or not.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// One of testkit's storms.
    Storm { storm: &'static str, count: usize, threads: usize },
    /// Connecting a UDP socket, which hardly does anything but the call.
    Reconnect { count: usize },
    /// Compiling the C files in a folder.
    Build { folder: PathBuf },
}

/// What a workload says it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Took {
    /// By the workload's own clock, from its first operation to its last; the mean of all runs.
    pub(crate) ns_per_op: f64,
    /// CPU time of it and all its children; of the whole run, its start and end included.
    pub(crate) cpu_seconds: f64,
    /// How many operations in all.
    pub(crate) count: f64,
}

impl Work {
    pub(crate) fn storm(storm: &'static str, count: usize) -> Work {
        Work::Storm { storm, count, threads: 1 }
    }

    /// The words that start it.
    pub(crate) fn words(&self) -> Result<Vec<OsString>> {
        Ok(match self {
            Work::Storm { storm, count, threads } => {
                let (count, threads) = (count.to_string(), threads.to_string());
                let words = ["storm", storm, "--count", &count, "--threads", &threads];
                [place::testkit()?.into()].into_iter().chain(words.map(OsString::from)).collect()
            }
            Work::Reconnect { count } => {
                let words = ["errand", "reconnect", "--count", &count.to_string()];
                [place::own()?.into()].into_iter().chain(words.map(OsString::from)).collect()
            }
            Work::Build { folder } => {
                let jobs = std::thread::available_parallelism().map_or(1, usize::from).to_string();
                let words = ["errand".into(), "build".into(), folder.into()];
                let jobs = ["--jobs".into(), jobs.into()];
                [place::own()?.into()].into_iter().chain(words).chain(jobs).collect()
            }
        })
    }

    /// It, several times in a row, started by an errand that adds their CPU time.
    pub(crate) fn timed(&self, times: usize, cgroup: Option<&Path>) -> Result<Command> {
        let mut command = Command::new(place::own()?);
        command.args(["errand", "timed"]);
        if let Some(cgroup) = cgroup {
            command.arg("--cgroup").arg(cgroup);
        }
        command.arg("--").args(self.words()?);
        for _ in 1..times {
            command.arg(",").args(self.words()?);
        }
        Ok(command)
    }
}

impl Took {
    /// Reads lines `NAME count=N seconds=S ns_per_op=X`, and `cpu seconds=S`.
    pub(crate) fn parse(out: &str) -> Result<Took> {
        let value = |line: &str, key: &str| {
            let word = line.split_whitespace().find_map(|word| word.strip_prefix(key))?;
            word.parse::<f64>().ok()
        };
        let timed = out.lines().filter(|line| line.contains("ns_per_op="));
        let runs: Option<Vec<[f64; 2]>> =
            timed.map(|it| Some([value(it, "count=")?, value(it, "ns_per_op=")?])).collect();
        let runs = runs.filter(|runs| !runs.is_empty());
        let runs = runs.with_context(|| format!("no time in {out:?}"))?;
        let cpu = out.lines().filter(|line| line.starts_with("cpu "));
        Ok(Took {
            ns_per_op: runs.iter().map(|[_, each]| each).sum::<f64>() / runs.len() as f64,
            cpu_seconds: cpu.filter_map(|it| value(it, "seconds=")).next().unwrap_or(f64::NAN),
            count: runs.iter().map(|[count, _]| count).sum(),
        })
    }

    /// CPU time of one operation, in nanoseconds.
    pub(crate) fn cpu_per_op(&self) -> f64 {
        self.cpu_seconds * 1e9 / self.count
    }
}

/// Writes `files` C files that need a real compiler's real work: headers to read, functions to
/// optimise. The same ones each time.
pub(crate) fn write_sources(folder: &Path, files: usize) -> Result<()> {
    const FUNCTIONS: usize = 40;
    for file in 0..files {
        let mut text =
            String::from("#include <math.h>\n#include <pthread.h>\n#include <signal.h>\n");
        text += "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <sys/socket.h>\n";
        for number in 0..FUNCTIONS {
            let (seed, rounds) = (file * 7919 + number * 31 + 1, number % 13 + 3);
            writeln!(
                text,
                "int f{file}_{number}(const char *s, int n) {{\n\
                 \tchar b[64]; unsigned h = {seed}u; int i, j;\n\
                 \tfor (i = 0; s[i] && i < n; i++) {{\n\
                 \t\th = (h ^ (unsigned char)s[i]) * 16777619u;\n\
                 \t\tfor (j = 0; j < {rounds}; j++) h += (h << j) ^ (h >> (31 - j)) ^ {number}u;\n\
                 \t\tswitch (h % 7) {{ case 0: h ^= {seed}u; break; case 1: h += strlen(s); break;\n\
                 \t\tcase 2: h -= i; break; case 3: h *= 3; break; default: h = ~h; }}\n\t}}\n\
                 \tsnprintf(b, sizeof(b), \"%u %d {number}\", h, n); return atoi(b);\n}}"
            )?;
        }
        if file == 0 {
            text += "int main(int c, char **v) { return f0_0(v[0], c) & 1; }\n";
        }
        fs::write(folder.join(format!("part{file:03}.c")), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_took_is_read() {
        let took =
            Took::parse("open count=200 seconds=0.3 ns_per_op=1821\ncpu seconds=0.25\n").unwrap();
        assert_eq!(took, Took { ns_per_op: 1821.0, cpu_seconds: 0.25, count: 200.0 });
        let both = "exec count=2 seconds=0 ns_per_op=10\nexec count=2 seconds=0 ns_per_op=30\n";
        let took = Took::parse(both).unwrap();
        assert_eq!((took.ns_per_op, took.count, took.cpu_seconds.is_nan()), (20.0, 4.0, true));
        assert!(Took::parse("nothing").is_err());
    }
}
