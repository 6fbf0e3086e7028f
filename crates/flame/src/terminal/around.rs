//! What stands around the panes: what is watched, where one is, what is selected, which keys there are.

use std::time::Duration;

use super::paint::{BOLD, DIM, Line, PLAIN, Sheet, Style};
use super::{WHITE, text};
use crate::frame::{FrameKind, Name, base_name};
use crate::palette::Colour as Tone;
use crate::value::{grouped, percent};

/// What the caller knows of the profile and the profile does not.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    /// What is watched: `make -j2`, `pod shop/cart-0`.
    pub what: String,
    /// How long until now.
    pub lasted: Duration,
    /// Samples until now.
    pub samples: u64,
    /// Samples that were taken and lost on the way.
    pub lost: u64,
    /// Samples whose stacks are not whole, where that is known.
    pub cut: Option<u64>,
}

const JOINT: &str = " · ";
const WARN: [u8; 3] = [255, 196, 77];

/// The first line.
pub(super) fn head(watched: &Watched, paused: bool, sheet: &mut Sheet) {
    let base = match sheet.coloured() {
        true => Style::on(Tone::of_kind(FrameKind::Group).0, WHITE),
        false => PLAIN,
    };
    let warn = match sheet.coloured() {
        true => Style { fore: Some(WARN), ..base.bold() },
        false => base,
    };
    let mut line = sheet.line();
    line.put(base, " ");
    let paused = if paused { " paused " } else { "" };
    let facts = facts(watched);
    // The number of samples, and what was lost, give way last.
    let mut kept: Vec<&(u8, String)> = facts.iter().collect();
    let width = |kept: &[&(u8, String)]| -> usize {
        kept.iter().map(|(_, words)| text::width(words, 99) + 3).sum()
    };
    let least = text::width(&watched.what, 24) + paused.len() + 2;
    while width(&kept) + least > sheet.width && !kept.is_empty() {
        let worst = kept.iter().map(|(rank, _)| *rank).max().unwrap_or(0);
        kept.retain(|(rank, _)| *rank != worst);
    }
    let room = sheet.width.saturating_sub(width(&kept) + paused.len() + 1);
    line.put(base.bold(), &text::clipped_within(&watched.what, room));
    line.put(warn, paused);
    let from = (sheet.width + 2).saturating_sub(width(&kept));
    line.skip_to(from, base);
    for (at, (_, words)) in kept.iter().enumerate() {
        if at > 0 {
            line.put(base, JOINT);
        }
        let style = if words.ends_with(" lost") && watched.lost > 0 { warn } else { base };
        line.put(style, words);
    }
    line.skip_to(sheet.width, base);
    sheet.push(line);
}

/// What there is to say of the profile, each with a rank: what has a high one gives way first.
fn facts(watched: &Watched) -> Vec<(u8, String)> {
    let seconds = watched.lasted.as_secs();
    let lasted = match seconds {
        0..60 => format!("{:.1} s", watched.lasted.as_secs_f64()),
        60..3600 => format!("{}:{:02} min", seconds / 60, seconds % 60),
        _ => format!("{}:{:02} h", seconds / 3600, seconds / 60 % 60),
    };
    let samples = match watched.samples {
        1 => "1 sample".to_string(),
        samples => format!("{} samples", grouped(samples)),
    };
    let mut facts = vec![(0, samples), (2, lasted)];
    if let Some(cut) = watched.cut.filter(|_| watched.samples > 0) {
        let whole = watched.samples.saturating_sub(cut);
        facts.push((3, format!("{:.1}% whole stacks", percent(whole, watched.samples))));
    }
    match watched.lost {
        0 => facts.push((4, "none lost".into())),
        lost => facts.push((1, format!("{} lost", grouped(lost)))),
    }
    facts
}

/// A part of the second line that can be chosen.
pub(super) fn tab(word: &str, active: bool, coloured: bool, line: &mut Line) {
    match (active, coloured) {
        (true, true) => {
            line.put(Style::on([226, 229, 233], [16, 20, 24]).bold(), &format!(" {word} "))
        }
        (true, false) => line.put(PLAIN, &format!("[{word}]")),
        (false, _) => line.put(PLAIN, &format!(" {word} ")),
    }
}

/// What is selected: its name, and what it costs.
pub(super) struct Told<'a> {
    pub(super) name: Option<&'a Name>,
    /// What matters most comes first.
    pub(super) numbers: Vec<String>,
}

/// The lines of the selection, as many as `height`.
pub(super) fn told(told: &Told<'_>, height: usize, sheet: &mut Sheet) {
    let name = told.name.map(Name::text).filter(|name| !name.is_empty());
    let name = name.as_deref().unwrap_or("all");
    let place = told.name.map(place).unwrap_or_default();
    let mut line = sheet.line();
    line.put(PLAIN, " ");
    let beside = if height == 1 { text::width(name, 14) + 2 } else { 0 };
    let mut numbers = told.numbers.clone();
    let width = |numbers: &[String]| text::width(&numbers.join(JOINT), 99);
    while numbers.len() > 1 && width(&numbers) + beside + 1 > line.left() {
        numbers.pop();
    }
    let room = line.left().saturating_sub(1);
    match height {
        0 => return,
        1 => {
            let room = room.saturating_sub(width(&numbers) + 1).max(8);
            line.put(BOLD, &text::clipped_within(name, room));
            line.put(PLAIN, "  ");
            line.put_right(PLAIN, &numbers.join(JOINT));
        }
        _ => {
            line.put(BOLD, &text::clipped_within(name, room));
            sheet.push(line);
            line = sheet.line();
            line.put(PLAIN, &format!(" {}", numbers.join(JOINT)));
            if !place.is_empty() && line.left() > 12 {
                line.put(DIM, JOINT);
                let room = line.left();
                line.put(DIM, &text::clipped_within(&place, room));
            }
        }
    }
    sheet.push(line);
}

/// Its binary and its file.
fn place(name: &Name) -> String {
    let file = name.file.as_deref().map(base_name);
    let places = [name.binary.as_deref(), file].into_iter().flatten();
    places.collect::<Vec<_>>().join(JOINT)
}

/// Keys with what they do, as many as there is room for.
pub(super) fn keys(keys: &[(&str, &str)], sheet: &mut Sheet) {
    let mut line = sheet.line();
    for (key, word) in keys {
        let need = text::width(key, 99) + text::width(word, 99) + 4;
        if need > line.left() {
            break;
        }
        line.put(PLAIN, " ");
        line.put(BOLD, key);
        line.put(DIM, &format!(" {word} "));
    }
    sheet.push(line);
}

/// The line in which one types what to search for.
pub(super) fn prompt(search: &str, sheet: &mut Sheet) {
    let mut line = sheet.line();
    line.put(BOLD, " /");
    let tail: String = {
        // Its end, where one types.
        let room = sheet.width.saturating_sub(4);
        let count = search.chars().count();
        search.chars().skip(count.saturating_sub(room)).collect()
    };
    line.put(PLAIN, &tail);
    line.put(BOLD, if sheet.coloured() { "▏" } else { "_" });
    let hint = "enter keeps it · esc ends it ";
    if line.left() > hint.len() + 2 {
        line.put_right(DIM, hint);
    }
    sheet.push(line);
}

/// All keys.
pub(super) fn help(height: usize, sheet: &mut Sheet) {
    const KEYS: [(&str, &str); 17] = [
        ("t f", "functions, flame graph"),
        ("tab", "the next pane"),
        ("arrows", "move; also h j k l"),
        ("enter", "zoom in, or its callers"),
        ("z", "show it in the flame graph"),
        ("u esc", "out again, back"),
        ("c", "its callers and calls"),
        ("/", "search functions, binaries"),
        ("n N", "next and previous found"),
        ("i", "inverted: leaves first"),
        ("s", "sort by self or total"),
        ("g", "group by the next label"),
        ("v", "CPU time, waiting, samples"),
        ("p", "pause the picture"),
        ("pgup pgdn", "by pages"),
        ("home end", "to the first, to the last"),
        ("q", "end"),
    ];
    let columns =
        if sheet.width >= 90 || height < KEYS.len() + 2 && sheet.width >= 70 { 2 } else { 1 };
    let lines = KEYS.len().div_ceil(columns);
    if height > lines + 1 {
        let line = sheet.line();
        sheet.push(line);
    }
    for at in 0..lines.min(height) {
        let mut line = sheet.line();
        for column in 0..columns {
            let Some((key, words)) = KEYS.get(column * lines + at) else { continue };
            line.skip_to(column * (sheet.width / 2), PLAIN);
            line.put(BOLD, &format!("  {key:>9}  "));
            line.put(PLAIN, words);
        }
        sheet.push(line);
    }
    legend(height.saturating_sub(lines + 2), sheet);
}

/// What the colours mean, where there are colours and room.
fn legend(height: usize, sheet: &mut Sheet) {
    if height < 2 || !sheet.coloured() {
        return;
    }
    let line = sheet.line();
    sheet.push(line);
    let mut line = sheet.line();
    line.put(PLAIN, "  ");
    for kind in FrameKind::ALL {
        line.put(Style::on(Tone::of_kind(kind).0, WHITE), "  ");
        line.put(PLAIN, &format!(" {}  ", kind.word()));
    }
    sheet.push(line);
}
