//! What files of rules come to.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use detect::language::{Diagnostic, Loaded, Severity, Source, load};
use detect::{Options, Program, compile};
use export::ink::{Line, Style};

use super::super::output;
use crate::detection::files;
use crate::signals;

/// Rules that were read and compiled, and everything that is wrong with them.
pub(super) struct Rules {
    pub(super) sources: Vec<Source>,
    pub(super) loaded: Loaded,
    pub(super) program: Program,
    /// In the order of the files; each place and complaint once.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// What a folder has for each rule of ours, in a folder of its own.
pub(super) const RULE: &str = "rule.yaml";

impl Rules {
    /// Reads what `paths` name. An error is what cannot be read at all.
    pub(super) fn read(paths: &[PathBuf], options: &Options) -> Result<Rules> {
        Rules::of(paths, options, |_| {})
    }

    /// The same; what is loaded is shown to `change` before it is compiled.
    pub(super) fn of(
        paths: &[PathBuf],
        options: &Options,
        change: impl FnOnce(&mut Loaded),
    ) -> Result<Rules> {
        let sources = files::read(paths)?;
        let mut loaded = load(&sources);
        change(&mut loaded);
        let (program, more) = compile(&loaded.ruleset, &signals::node_tables(), options);
        let mut diagnostics: Vec<Diagnostic> =
            loaded.diagnostics.iter().cloned().chain(more).collect();
        let file =
            |it: &Diagnostic| sources.iter().position(|source| *source.name == *it.place.file);
        diagnostics.sort_by_cached_key(|it| (file(it), it.place.line, it.place.column));
        // What is wrong in a macro is wrong in each rule that uses it.
        diagnostics.dedup_by(|it, other| {
            it.place == other.place && it.code == other.code && it.message == other.message
        });
        Ok(Rules { sources, loaded, program, diagnostics })
    }

    /// How many of the complaints are so bad.
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|it| it.severity == severity).count()
    }

    /// Fails where there are errors, which are told then; warnings are not.
    pub(super) fn sound(self) -> Result<Rules> {
        let errors = self.count(Severity::Error);
        if errors > 0 {
            let only = self.diagnostics.iter().filter(|it| it.severity == Severity::Error);
            let looks = output::looks(io::stderr().is_terminal());
            eprint!("{}", rendered(only, &self.sources, looks.colour));
            bail!("the rules have {}", super::counted(errors, "error"));
        }
        Ok(self)
    }
}

/// Complaints as people read them.
pub(super) fn rendered<'a>(
    diagnostics: impl Iterator<Item = &'a Diagnostic>,
    sources: &[Source],
    colour: bool,
) -> String {
    let mut out = Vec::new();
    for diagnostic in diagnostics {
        let loud = match diagnostic.severity {
            Severity::Error => Style::Red,
            Severity::Warning => Style::Yellow,
        };
        for (at, text) in diagnostic.render(sources).lines().enumerate() {
            let mut line = Line::default();
            // The first line is `error[CODE]: what`; the others have a margin with a mark.
            let (start, style, rest) = match text.split_once(": ") {
                Some((start, _)) if at == 0 => (start, loud, Style::Bold),
                _ => match text.find(['>', '|', '=']) {
                    Some(mark) => (&text[..=mark], Style::Blue, Style::Plain),
                    None => ("", Style::Plain, Style::Plain),
                },
            };
            line.put(style, start);
            let behind = &text[start.len()..];
            let is_mark = style == Style::Blue && behind.trim() == "^";
            line.put(if is_mark { loud } else { rest }, behind);
            line.write(&mut out, colour);
        }
        out.push(b'\n');
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What is in a folder, by name.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let place = folder.display();
    let read = fs::read_dir(folder).with_context(|| format!("cannot read {place}"))?;
    let all = read.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, io::Error>>();
    let mut all = all.with_context(|| format!("cannot read {place}"))?;
    all.sort();
    Ok(all)
}
