//! Prometheus' text format.

use std::fmt::{self, Display, Write};

/// The text format: a family's help and type, then its samples.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) text: String,
    family: &'static str,
}

impl Page {
    /// A page that goes on behind `text`.
    pub(crate) fn after(text: String) -> Page {
        Page { text, family: "" }
    }

    pub(crate) fn counter(&mut self, name: &'static str, help: &str) {
        self.start(name, "counter", help);
    }

    pub(crate) fn gauge(&mut self, name: &'static str, help: &str) {
        self.start(name, "gauge", help);
    }

    pub(crate) fn histogram(&mut self, name: &'static str, help: &str) {
        self.start(name, "histogram", help);
    }

    fn start(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        self.add(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// A line of the family that was begun last.
    pub(crate) fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.sample_of("", labels, value);
    }

    /// A line of it whose name goes on, as those of histograms do.
    pub(crate) fn sample_of(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (at, (name, text)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            self.add(format_args!("{name}=\""));
            for letter in text.chars() {
                match letter {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    letter => self.text.push(letter),
                }
            }
            self.text.push('"');
        }
        self.text.push_str(if labels.is_empty() { "" } else { "}" });
        self.add(format_args!(" {value}\n"));
    }

    fn add(&mut self, text: fmt::Arguments<'_>) {
        self.text.write_fmt(text).expect("a string takes every write");
    }
}
