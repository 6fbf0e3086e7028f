//! Figures: a number, what it should be, and whether it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::spread;

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
    Exactly(f64),
}

/// The figures of one bench, printed as they come.
pub(crate) struct Report {
    bench: &'static str,
    figures: Vec<Value>,
    samples: BTreeMap<String, Vec<f64>>,
    notes: Vec<String>,
}

impl Target {
    fn parts(self) -> (&'static str, f64) {
        match self {
            Target::Below(bound) => ("<", bound),
            Target::AtMost(bound) => ("<=", bound),
            Target::Above(bound) => (">", bound),
            Target::AtLeast(bound) => (">=", bound),
            Target::Exactly(bound) => ("==", bound),
        }
    }

    fn is_met(self, value: f64) -> bool {
        match self {
            Target::Below(bound) => value < bound,
            Target::AtMost(bound) => value <= bound,
            Target::Above(bound) => value > bound,
            Target::AtLeast(bound) => value >= bound,
            Target::Exactly(bound) => value == bound,
        }
    }
}

impl Report {
    pub(crate) fn new(bench: &'static str) -> Report {
        Report { bench, figures: Vec::new(), samples: BTreeMap::new(), notes: Vec::new() }
    }

    /// Prints and keeps a figure. It is named `BENCH.NAME`.
    pub(crate) fn figure(&mut self, name: &str, value: f64, unit: &str, target: Target) {
        let name = self.full(name);
        println!("{}", line(&name, value, unit, target));
        let (op, bound) = target.parts();
        self.figures.push(json!({
            "name": name, "value": value, "unit": unit,
            "target": { "op": op, "value": bound }, "met": target.is_met(value),
        }));
    }

    /// Prints and keeps the median of `samples` as a figure, and the samples themselves.
    pub(crate) fn median(&mut self, name: &str, samples: &[f64], unit: &str, target: Target) {
        if samples.is_empty() {
            return self.not_taken(name, "no sample was taken".to_string());
        }
        self.figure(name, spread::median(samples), unit, target);
        self.samples(name, samples);
        self.note(format!("{}: {}", self.full(name), spread::describe(samples)));
    }

    /// Keeps raw samples.
    pub(crate) fn samples(&mut self, name: &str, samples: &[f64]) {
        self.samples.entry(self.full(name)).or_default().extend(samples);
    }

    /// Says why a figure could not be taken.
    pub(crate) fn not_taken(&mut self, name: &str, reason: String) {
        let name = self.full(name);
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        println!("figure {name} - not-taken {reason}");
        self.figures.push(json!({ "name": name, "not_taken": reason }));
    }

    /// Prints and keeps what helps to understand the figures.
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        println!("# {text}");
        self.notes.push(text);
    }

    /// Writes the bench's file.
    pub(crate) fn keep(&self, folder: &Path, machine: &Machine, quick: bool) -> Result<()> {
        let path = folder.join(format!("{}.json", self.bench));
        let whole = json!({
            "bench": self.bench, "quick": quick, "machine": machine.to_json(),
            "figures": self.figures, "notes": self.notes, "samples": self.samples,
        });
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, format!("{whole:#}\n")))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn full(&self, name: &str) -> String {
        if name.is_empty() { self.bench.to_string() } else { format!("{}.{name}", self.bench) }
    }
}

fn line(name: &str, value: f64, unit: &str, target: Target) -> String {
    let (op, bound) = target.parts();
    let verdict = if target.is_met(value) { "met" } else { "missed" };
    format!("figure {name} {} {unit} target {op} {bound} {verdict}", number(value))
}

/// As many digits as mean something.
pub(crate) fn number(value: f64) -> String {
    if value.fract() == 0.0 || value.abs() >= 100.0 {
        format!("{value:.0}")
    } else if value.abs() >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_what_the_contract_says() {
        let text = line("overhead.open", 1.5239, "ratio", Target::AtMost(2.0));
        assert_eq!(text, "figure overhead.open 1.524 ratio target <= 2 met");
        let text = line("pipeline.rows", 912_345.6, "rows/s", Target::AtLeast(1e6));
        assert_eq!(text, "figure pipeline.rows 912346 rows/s target >= 1000000 missed");
    }

    #[test]
    fn not_a_number_meets_nothing() {
        assert!(!Target::AtMost(1.0).is_met(f64::NAN) && !Target::Above(1.0).is_met(f64::NAN));
    }
}
