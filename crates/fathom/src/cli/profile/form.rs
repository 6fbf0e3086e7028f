//! The files a profile is written to, by what they are called.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flame::html::Page;
use flame::svg::Drawing;
use flame::{Diff, Profile, ValueKind, View, folded, html, pprof, svg};

use crate::cli::Usage;

/// One file, and how it is written.
#[derive(Debug)]
pub(super) struct Form {
    path: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Svg,
    Html,
    Pprof,
    Folded,
}

/// By ending.
const KINDS: &[(&str, Kind)] = &[
    (".svg", Kind::Svg),
    (".html", Kind::Html),
    (".pb.gz", Kind::Pprof),
    (".pprof", Kind::Pprof),
    (".folded", Kind::Folded),
];

/// Of so few samples each is drawn.
const FEW: u64 = 50;

impl Form {
    /// The form that the file's ending asks for.
    pub(super) fn of(path: &Path) -> Result<Form> {
        let name = path.to_string_lossy();
        let kind = KINDS.iter().find(|(ending, _)| name.ends_with(ending)).map(|&(_, kind)| kind);
        let kind = kind.ok_or_else(|| {
            let endings: Vec<_> = KINDS.iter().map(|(ending, _)| *ending).collect();
            Usage(format!("{name}: a profile's file ends in one of {}", endings.join(", ")))
        })?;
        Ok(Form { path: path.to_path_buf(), kind })
    }

    /// Whether the file can be written; what is in it stays.
    pub(super) fn try_out(&self) -> Result<()> {
        let opened = File::options().append(true).create(true).open(&self.path);
        opened.map(drop).with_context(|| self.cannot())
    }

    /// Writes a profile.
    pub(super) fn write(&self, profile: &Profile, view: &View) -> Result<()> {
        self.fill(|out| match self.kind {
            Kind::Svg => svg::write(profile, &drawing(profile, view), out),
            Kind::Html => html::write(profile, &page(profile.leading(), view), out),
            Kind::Pprof => pprof::write(profile, out),
            Kind::Folded => folded::write(profile, view, out),
        })
    }

    /// Writes how two profiles differ. pprof has no form for it.
    pub(super) fn write_diff(
        &self,
        before: &Profile,
        after: &Profile,
        diff: &Diff,
        view: &View,
    ) -> Result<()> {
        let value = after.leading();
        if self.kind == Kind::Pprof {
            let say = "pprof compares by itself: go tool pprof -diff_base BEFORE AFTER";
            return Err(Usage(format!("{}: {say}", self.path.display())).into());
        }
        self.fill(|out| match self.kind {
            Kind::Svg => svg::write_diff(diff, &drawing(after, view), out),
            Kind::Html => html::write_diff(before, after, &page(value, view), out),
            Kind::Folded | Kind::Pprof => folded::write_diff(diff, out),
        })
    }

    fn fill(&self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
        let file = File::create(&self.path).with_context(|| self.cannot())?;
        let mut out = BufWriter::new(file);
        write(&mut out).and_then(|()| out.flush()).with_context(|| self.cannot())
    }

    fn cannot(&self) -> String {
        format!("cannot write {}", self.path.display())
    }
}

fn drawing(profile: &Profile, view: &View) -> Drawing {
    let all = Drawing::default();
    // A picture is of what happens more than once; the other forms have the rest.
    let samples = profile.total().samples;
    let narrowest =
        if samples < FEW { all.narrowest } else { all.narrowest.max(1.1 / samples as f64) };
    Drawing { title: title(profile.leading()), view: view.clone(), narrowest, ..all }
}

fn page(value: ValueKind, view: &View) -> Page {
    Page { title: title(value), view: view.clone(), ..Page::default() }
}

fn title(value: ValueKind) -> String {
    match value {
        ValueKind::OffCpu => "What threads wait for".into(),
        ValueKind::Cpu | ValueKind::Samples => "Where CPU time goes".into(),
    }
}
