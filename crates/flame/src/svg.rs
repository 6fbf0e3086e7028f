//! A flame graph as one SVG file: a picture as it stands, and with a small script that zooms, searches
//! and says what is under the pointer, in a browser. It asks nobody for anything.

use std::io::{self, BufWriter, Write};

use crate::diff::Diff;
use crate::frame::{FrameKind, Name, base_name};
use crate::layout::{Placed, What, place};
use crate::palette::Colour;
use crate::profile::Profile;
use crate::tree::{Tree, View};
use crate::value::{ValueKind, grouped, percent, span};

/// How it is drawn.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// The line at the top.
    pub title: String,
    /// What is looked at.
    pub view: View,
    /// Pixels.
    pub width: u32,
    /// The root at the top and the leaves below it, instead of flames.
    pub from_top: bool,
    /// The narrowest box, as a part of the whole; siblings below it are drawn together as `…`.
    pub narrowest: f64,
    /// Levels that are drawn.
    pub deepest: usize,
}

impl Default for Drawing {
    /// 1,200 pixels, flames, nothing below 0.1 %, 250 levels.
    fn default() -> Drawing {
        Drawing {
            title: "CPU profile".into(),
            view: View::default(),
            width: 1200,
            from_top: false,
            narrowest: 0.001,
            deepest: 250,
        }
    }
}

/// Draws `profile`.
pub fn write(profile: &Profile, drawing: &Drawing, out: impl Write) -> io::Result<()> {
    let tree = Tree::of(profile, &drawing.view);
    let notes = vec![about(profile, tree.value())];
    let lost = match profile.about.lost {
        0 => String::new(),
        lost => format!("{} samples were lost and are not in the picture.", grouped(lost)),
    };
    Sheet { tree: &tree, drawing, notes, foot: lost, diff: None }.write(out)
}

/// Draws how two profiles differ: the width of a box is the mean of both shares, its colour how its
/// share changed.
pub fn write_diff(diff: &Diff, drawing: &Drawing, out: impl Write) -> io::Result<()> {
    let side = |word: &str, side: crate::diff::Side| {
        let spent = diff.value().plain(side.whole);
        match side.duration.as_nanos() {
            0 => format!("{word}: {spent}"),
            nanoseconds => format!("{word}: {spent} in {}", span(nanoseconds as u64)),
        }
    };
    let notes = vec![side("before", diff.before()), side("after", diff.after())];
    let foot = "Widths are the mean of both shares; colours say how a share changed.".into();
    Sheet { tree: diff.tree(), drawing, notes, foot, diff: Some(diff) }.write(out)
}

/// What was spent, and in which time.
pub(crate) fn about(profile: &Profile, value: ValueKind) -> String {
    let total = profile.total();
    let mut words = vec![value.plain(total.get(value))];
    if value != ValueKind::Samples {
        words[0] += match value {
            ValueKind::OffCpu => " off the CPU",
            _ => " of CPU time",
        };
        words.push(ValueKind::Samples.plain(total.samples));
    }
    let watched = profile.about.duration.as_nanos();
    if watched > 0 {
        words.push(format!("in {}", span(watched as u64)));
    }
    words.join(" · ")
}

const ROW: f64 = 18.0;
const SIDE: f64 = 12.0;
const HEAD: f64 = 74.0;
const FOOT: f64 = 46.0;
/// How wide a character is at 12 pixels, in the widest of the fonts.
const CHARACTER: f64 = 7.25;

struct Sheet<'a> {
    tree: &'a Tree,
    drawing: &'a Drawing,
    notes: Vec<String>,
    foot: String,
    diff: Option<&'a Diff>,
}

impl Sheet<'_> {
    fn write(&self, out: impl Write) -> io::Result<()> {
        let mut out = BufWriter::new(out);
        let boxes = place(self.tree, self.drawing.narrowest, self.drawing.deepest);
        let levels = boxes.iter().map(|at| at.depth).max().unwrap_or(0) + 1;
        let width = f64::from(self.drawing.width.max(300));
        let height = HEAD + levels as f64 * ROW + FOOT;
        writeln!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n\
             <style>{STYLE}</style>\n\
             <rect class=\"sheet\" width=\"100%\" height=\"100%\"/>\n\
             <text class=\"title\" x=\"{SIDE}\" y=\"26\">{title}</text>\n\
             <text class=\"quiet\" x=\"{SIDE}\" y=\"44\">{notes}</text>",
            title = escaped(&self.drawing.title),
            notes = escaped(&self.notes.join(" → ")),
        )?;
        self.legend(&boxes, &mut out)?;
        let (right, below) = (width - SIDE, height - FOOT + 20.0);
        writeln!(
            out,
            "<g id=\"controls\" class=\"control\" visibility=\"hidden\">\
             <text id=\"all\" x=\"{all}\" y=\"26\" role=\"button\" tabindex=\"0\">whole</text>\
             <text id=\"search\" x=\"{right}\" y=\"26\" role=\"button\" tabindex=\"0\" \
             text-anchor=\"end\">search</text></g>\n\
             <text id=\"found\" class=\"quiet\" x=\"{right}\" y=\"44\" text-anchor=\"end\"></text>\n\
             <g id=\"boxes\" data-from=\"{SIDE}\" data-width=\"{inner}\">",
            all = right - 120.0,
            inner = width - 2.0 * SIDE,
        )?;
        for at in &boxes {
            self.box_(at, levels, width, &mut out)?;
        }
        writeln!(
            out,
            "</g>\n<text id=\"detail\" class=\"detail\" x=\"{SIDE}\" y=\"{below}\"></text>\n\
             <text class=\"quiet\" x=\"{SIDE}\" y=\"{lowest}\">{foot}</text>\n\
             <script><![CDATA[{SCRIPT}]]></script>\n</svg>",
            lowest = below + 16.0,
            foot = escaped(&self.foot),
        )?;
        out.flush()
    }

    /// What the colours mean: of those that are there.
    fn legend(&self, boxes: &[Placed], out: &mut impl Write) -> io::Result<()> {
        let mut entries: Vec<(String, Colour)> = Vec::new();
        if self.diff.is_some() {
            for (word, change) in [("shrank", -1.0), ("unchanged", 0.0), ("grew", 1.0)] {
                entries.push((word.into(), Colour::of_change(change)));
            }
        } else {
            for kind in FrameKind::ALL {
                let shown = boxes.iter().any(|at| match at.what {
                    What::Node(node) => node > 0 && self.tree.name(node).kind == kind,
                    What::Rest(_) => false,
                });
                if shown {
                    entries.push((kind.word().into(), Colour::of_kind(kind)));
                }
            }
        }
        let mut x = SIDE;
        for (word, colour) in entries {
            writeln!(
                out,
                "<rect x=\"{x:.1}\" y=\"53\" width=\"11\" height=\"11\" rx=\"2\" fill=\"{}\"/>\
                 <text class=\"quiet\" x=\"{:.1}\" y=\"63\">{word}</text>",
                colour.hex(),
                x + 16.0,
            )?;
            x += 16.0 + word.len() as f64 * CHARACTER + 18.0;
        }
        Ok(())
    }

    fn box_(&self, at: &Placed, levels: usize, width: f64, out: &mut impl Write) -> io::Result<()> {
        let inner = width - 2.0 * SIDE;
        let (x, wide) = (SIDE + at.from * inner, at.width * inner);
        let level = if self.drawing.from_top { at.depth } else { levels - 1 - at.depth };
        let y = HEAD + level as f64 * ROW;
        let (name, title, colour) = match at.what {
            What::Node(0) => {
                ("all".into(), self.title(0, "all"), Colour::of_kind(FrameKind::Group))
            }
            What::Node(node) => {
                let name = self.tree.name(node);
                (name.text().into_owned(), self.title(node, &with_place(name)), self.colour(node))
            }
            What::Rest(count) => {
                let title = format!("…\n{count} calls too small to draw\n{:.2}%", at.width * 100.0);
                ("…".into(), title, Colour::of_kind(FrameKind::Unknown))
            }
        };
        let dark = if colour.is_dark() { " class=\"dark\"" } else { "" };
        let label = clipped(&name, wide);
        writeln!(
            out,
            "<g{dark}><title>{}</title><rect x=\"{x:.2}\" y=\"{y}\" width=\"{:.2}\" height=\"{}\" \
             fill=\"{}\"/><text x=\"{:.2}\" y=\"{}\">{}</text></g>",
            escaped(&title),
            (wide - 0.6).max(0.3),
            ROW - 1.0,
            colour.hex(),
            x + 3.5,
            y + 12.8,
            escaped(&label),
        )
    }

    fn colour(&self, node: usize) -> Colour {
        let Some(diff) = self.diff else { return Colour::of(self.tree.name(node)) };
        // Ten percentage points are the strongest colour, whatever else there is.
        Colour::of_change(diff.points(self.tree.nodes()[node].total) / 10.0)
    }

    /// What the pointer is told: the name's lines, then the numbers.
    fn title(&self, node: usize, name: &str) -> String {
        let found = self.tree.nodes()[node];
        let whole = self.tree.nodes()[0].total;
        let value = self.tree.value();
        let share = |weights: [u64; 2], side: usize| percent(weights[side], whole[side]);
        match self.diff {
            None => format!(
                "{name}\n{:.2}% · {} · self {:.2}%",
                share(found.total, 0),
                value.plain(found.total[0]),
                share(found.own, 0),
            ),
            Some(diff) => {
                let cores = diff.cores(found.total);
                let cores = cores.map(|cores| format!(" · {cores:+.3} cores")).unwrap_or_default();
                format!(
                    "{name}\n{:.2}% → {:.2}% ({:+.2} points){cores} · self {:+.2} points",
                    share(found.total, 0),
                    share(found.total, 1),
                    diff.points(found.total),
                    diff.points(found.own),
                )
            }
        }
    }
}

/// The name with its binary or file in a second line.
fn with_place(name: &Name) -> String {
    let file = name.file.as_deref();
    let place = match (name.binary.as_deref(), file) {
        (Some(binary), Some(file)) => format!("{binary} · {}", base_name(file)),
        (Some(place), None) | (None, Some(place)) => place.into(),
        (None, None) => return name.text().into_owned(),
    };
    format!("{}\n{place}", name.text())
}

/// As much of `text` as fits into `width` pixels.
fn clipped(text: &str, width: f64) -> String {
    let room = ((width - 6.0) / CHARACTER).floor();
    if room < 2.0 {
        return String::new();
    }
    let room = room as usize;
    if text.chars().count() <= room {
        return text.into();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

/// `text` as XML: what is markup is escaped, what XML has no place for is replaced.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            control if control.is_control() => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

const STYLE: &str = include_str!("svg/picture.css");
const SCRIPT: &str = include_str!("svg/picture.js");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::sketch;

    fn drawn(profile: &Profile) -> String {
        let mut out = Vec::new();
        write(profile, &Drawing::default(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn names_are_never_markup() {
        let hostile = "</title></text></svg><script>alert(1)</script>\"'&\u{0}]]>";
        let mut profile = Profile::default();
        let frame = profile.frame(crate::Frame { function: hostile.into(), ..Default::default() });
        let stack = profile.stack([frame]);
        let labels = profile.labels([("comm", hostile.into())]);
        profile.add(stack, labels, crate::Values::cpu(1, 1));
        let mut drawing = Drawing { title: hostile.into(), ..Drawing::default() };
        drawing.view.groups.push(hostile.into());
        let mut out = Vec::new();
        write(&profile, &drawing, &mut out).unwrap();
        let picture = String::from_utf8(out).unwrap();
        assert_eq!(picture.matches("<script").count(), 1);
        assert_eq!(picture.matches("</svg>").count(), 1);
        assert!(!picture.contains('\u{0}'));
        assert!(picture.contains("&lt;script&gt;alert(1)"));
    }

    #[test]
    fn it_says_what_is_lost_and_what_is_small() {
        let mut lines = String::from("app;main;hot 100000\n");
        (0..5000).for_each(|at| lines += &format!("app;main;cold{at} 1\n"));
        let mut profile = sketch(&lines);
        profile.about.lost = 1234;
        let picture = drawn(&profile);
        assert!(picture.contains("1,234 samples were lost"));
        assert!(picture.contains("5000 calls too small to draw"));
        assert!(picture.contains(">hot</text>"));
        assert!(picture.len() < 12_000, "{}", picture.len());
        assert!(!drawn(&sketch("app;main 1\n")).contains("lost"));
    }

    #[test]
    fn texts_fit_their_boxes() {
        assert_eq!(clipped("abcdef", 10.0), "");
        assert_eq!(clipped("abcdef", 6.0 + 3.1 * CHARACTER), "ab…");
        assert_eq!(clipped("abcdef", 6.0 + 6.1 * CHARACTER), "abcdef");
    }

    #[test]
    fn a_difference_has_its_own_colours() {
        let (before, after) = (sketch("app;a 90\napp;b 10\n"), sketch("app;a 10\napp;b 90\n"));
        let diff = Diff::of(&before, &after, &View::default());
        let mut out = Vec::new();
        write_diff(&diff, &Drawing::default(), &mut out).unwrap();
        let picture = String::from_utf8(out).unwrap();
        assert!(picture.contains(&Colour::of_change(1.0).hex()));
        assert!(picture.contains(&Colour::of_change(-1.0).hex()));
        assert!(picture.contains("90.00% → 10.00% (-80.00 points)"), "{picture}");
    }
}
