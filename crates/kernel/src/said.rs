//! What libbpf and the verifier say, and whom they mean.

use std::sync::{Mutex, PoisonError};

use libbpf_rs::PrintLevel;

use crate::Signal;

/// What libbpf said since it was last asked. It prints from wherever it is called, through one
/// function pointer, so the place is a static.
static SAID: Mutex<String> = Mutex::new(String::new());

/// The program that a failure speaks of.
pub(crate) fn culprit(signal: &'static Signal, log: &str, error: &str) -> Option<&'static str> {
    let said = |line: &str| {
        let (_, after) = line.split_once("prog '")?;
        let (name, rest) = after.split_once('\'')?;
        let rungs = signal.hooks.iter().flat_map(|hook| hook.rungs);
        let rung = rungs.clone().find(|rung| rung.program == name)?;
        rest.contains("fail").then_some(rung.program)
    };
    log.lines().chain(error.lines()).find_map(said)
}

/// One line out of a long log: the verifier's last word before its statistics.
pub(crate) fn summary(log: &str, error: &anyhow::Error) -> String {
    let mut verdict = log.lines().filter(|line| {
        let line = line.trim();
        !line.is_empty()
            && !line.starts_with("libbpf:")
            && !line.starts_with("processed ")
            && !line.starts_with("--")
    });
    let missing = log.lines().find(|line| line.contains("failed to find"));
    let words = missing.or(verdict.next_back()).map(str::trim).unwrap_or_default();
    let words = words.trim_start_matches("libbpf: ");
    if words.is_empty() { format!("{error:#}") } else { words.to_string() }
}

/// What libbpf said since it was last asked.
pub(crate) fn said() -> String {
    std::mem::take(&mut *SAID.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Keeps what libbpf says for [`Rejection`], instead of letting it print.
pub(crate) fn quiet() {
    fn keep(_: PrintLevel, text: String) {
        let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() < 1 << 20 {
            said.push_str(&text);
        }
    }
    libbpf_rs::set_print(Some((PrintLevel::Warn, keep)));
}
