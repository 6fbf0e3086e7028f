//! The machine that figures were taken on.

use std::fmt;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

/// What a reader has to know of it.
#[derive(Debug)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory: String,
    pub(crate) kernel: String,
    distribution: String,
    date: String,
    load: String,
    peers: Vec<(&'static str, String)>,
}

impl Machine {
    pub(crate) fn here() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let value = line.map(|rest| rest.trim_start_matches([' ', '\t', ':', '=']));
            value.unwrap_or("not known").trim_matches('"').to_string()
        };
        let peers = [("strace", "-V"), ("bpftrace", "--version"), ("perf", "--version")];
        Machine {
            cpu: field(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: field(&read("/proc/meminfo"), "MemTotal"),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_string(),
            distribution: field(&read("/etc/os-release"), "PRETTY_NAME"),
            date: first_line("date", &["-u", "+%Y-%m-%d %H:%M:%S UTC"]),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_string(),
            peers: peers.map(|(name, flag)| (name, first_line(name, &[flag]))).to_vec(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let Machine { cpu, cores, memory, kernel, distribution, date, load, peers } = self;
        let peers: serde_json::Map<String, Value> =
            peers.iter().map(|(name, version)| (name.to_string(), json!(version))).collect();
        json!({
            "cpu": cpu, "cores": cores, "memory": memory, "kernel": kernel,
            "distribution": distribution, "date": date, "load_at_start": load, "peers": peers,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { cpu, cores, memory, kernel, distribution, date, load, .. } = self;
        write!(
            f,
            "{cpu}, {cores} cores, {memory}; Linux {kernel}, {distribution}; {date}; load {load}"
        )
    }
}

/// What a program says first; why not, where it says nothing.
fn first_line(program: &str, words: &[&str]) -> String {
    match Command::new(program).args(words).output() {
        Ok(said) => {
            let text = String::from_utf8_lossy(&said.stdout).into_owned();
            text.lines().next().unwrap_or_default().to_string()
        }
        Err(_) => "not installed".to_string(),
    }
}
