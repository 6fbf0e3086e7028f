//! Lines of a table: shares as numbers and as a bar, a function, its binary.

use super::paint::{BOLD, DIM, Line, PLAIN, Sheet, Style, shaded};
use super::{MATCH, SELECTED, WHITE, text};
use crate::frame::Name;
use crate::palette::Colour as Tone;
use crate::value::{ValueKind, percent};

/// The columns of a table in the width that there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    bar: usize,
    time: usize,
    name: usize,
    binary: usize,
}

/// A line of a table.
pub(super) struct Entry<'a> {
    pub(super) name: &'a Name,
    /// What is spent in itself; none where there is no such number.
    pub(super) own: Option<u64>,
    pub(super) total: u64,
    /// What 100 % are.
    pub(super) whole: u64,
    pub(super) selected: bool,
    pub(super) found: bool,
    /// Whether it is what the others are listed for.
    pub(super) central: bool,
}

/// `100.0% ` twice, and the mark before them.
const NUMBERS: usize = 2 + 7 + 8;

impl Columns {
    pub(super) fn of(width: usize) -> Columns {
        let (bar, time) = match width {
            0..50 => (0, 0),
            50..90 => (10, 0),
            90..140 => (16, 10),
            _ => (30, 10),
        };
        let gap = |width: usize| if width > 0 { width + 2 } else { 0 };
        let left = width.saturating_sub(NUMBERS + 1 + gap(bar) + gap(time) + 2);
        let binary = if left < 30 { 0 } else { (left / 4).clamp(10, 40) };
        Columns { bar, time, name: left.saturating_sub(gap(binary)), binary }
    }

    pub(super) fn head(&self, own: &str, total: &str, value: ValueKind, line: &mut Line) {
        let time = if value == ValueKind::Samples { "samples" } else { "time" };
        line.put(DIM, &format!("  {own:>6} {total:>7}  "));
        if self.bar > 0 {
            line.fill(DIM, ' ', self.bar + 2);
        }
        if self.time > 0 {
            line.put(DIM, &format!("{time:>0$}  ", self.time));
        }
        line.put(DIM, "  function");
        if self.binary > 0 {
            let column = line.width() + (self.name + 2).saturating_sub("function".len());
            line.skip_to(column, DIM);
            line.put(DIM, "binary");
        }
    }

    pub(super) fn row(&self, entry: &Entry<'_>, value: ValueKind, sheet: &mut Sheet) {
        let mut line = sheet.line();
        let base = match entry.selected && sheet.coloured() {
            true => Style::on(SELECTED, WHITE),
            false => PLAIN,
        };
        let share = |weight: u64| format!("{:.1}%", percent(weight, entry.whole));
        let own = entry.own.map(share).unwrap_or_default();
        line.put(base, if entry.selected { "> " } else { "  " });
        line.put(base.bold(), &format!("{own:>6}"));
        line.put(base, &format!(" {:>7}  ", share(entry.total)));
        if self.bar > 0 {
            bar(entry, self.bar, base, sheet.coloured(), &mut line);
            line.put(base, "  ");
        }
        if self.time > 0 {
            let spent = match value {
                ValueKind::Samples => crate::value::grouped(entry.own.unwrap_or(entry.total)),
                _ => value.plain(entry.own.unwrap_or(entry.total)),
            };
            line.put(base, &format!("{spent:>0$}  ", self.time));
        }
        if sheet.coloured() {
            line.put(Style { back: base.back, ..Style::ink(Tone::of(entry.name).0) }, "▌");
            line.put(base, " ");
        } else {
            line.put(base, "  ");
        }
        let from = line.width();
        let style = match entry.found {
            true if sheet.coloured() => Style::on(MATCH, WHITE).bold(),
            _ => Style { bold: entry.central, ..base },
        };
        if !sheet.coloured() && entry.found {
            line.put(base, "*");
        }
        let room = (from + self.name).saturating_sub(line.width());
        let shown = entry.name.text();
        line.put(style, &text::clipped_within(if shown.is_empty() { "all" } else { &shown }, room));
        if self.binary > 0 {
            line.skip_to(from + self.name + 2, base);
            let binary = entry.name.binary.as_deref().unwrap_or_default();
            line.put(Style { dim: !entry.selected, ..base }, &text::clipped(binary, self.binary));
        }
        if entry.selected {
            line.skip_to(sheet.width, base);
        }
        sheet.push(line);
    }
}

/// What is spent in the function itself, and paler what is spent below it, to an eighth of a cell.
fn bar(entry: &Entry<'_>, width: usize, base: Style, coloured: bool, line: &mut Line) {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let own = if entry.own.is_none() { entry.total } else { entry.own.unwrap_or(0) };
    if !coloured {
        let cells =
            |weight: u64| (percent(weight, entry.whole) / 100.0 * width as f64).round() as usize;
        let (own, total) = (cells(own).min(width), cells(entry.total).min(width));
        line.fill(base, '#', own);
        line.fill(base, '-', total.saturating_sub(own));
        return line.fill(base, ' ', width - own.max(total));
    }
    let eighths =
        |weight: u64| (percent(weight, entry.whole) / 100.0 * width as f64 * 8.0).round() as usize;
    let (own, total) = (eighths(own).min(width * 8), eighths(entry.total).min(width * 8));
    let strong = Tone::of(entry.name).0;
    let pale = shaded(strong, -0.42);
    let ink = |fore, back| Style { fore: Some(fore), back, ..PLAIN };
    let end = line.width() + width;
    line.fill(ink(strong, base.back), '█', own / 8);
    if own % 8 > 0 {
        // The cell in which one colour becomes the other.
        let back =
            if total.div_ceil(8) > own / 8 && total - own >= 4 { Some(pale) } else { base.back };
        line.put(ink(strong, back), EIGHTHS[own % 8]);
    }
    let done = own.div_ceil(8);
    if total / 8 > done {
        line.fill(ink(pale, base.back), '█', total / 8 - done);
    }
    if total % 8 > 0 && total / 8 >= done {
        line.put(ink(pale, base.back), EIGHTHS[total % 8]);
    }
    line.skip_to(end, base);
}

/// A heading across the whole line.
pub(super) fn heading(words: &str, name: &str, sheet: &mut Sheet) {
    let mut line = sheet.line();
    let rule = if sheet.coloured() { '─' } else { '-' };
    line.fill(DIM, rule, 1);
    line.put(DIM, " ");
    line.put(BOLD, words);
    if !name.is_empty() {
        line.put(PLAIN, " ");
        let room = line.left().saturating_sub(2);
        line.put(PLAIN, &text::fitted(name, room));
    }
    line.put(DIM, " ");
    let left = line.left();
    line.fill(DIM, rule, left);
    sheet.push(line);
}

/// The first of `count` lines to show in `height`, so that `at` is seen, in the middle if it can be.
pub(super) fn first_shown(at: usize, count: usize, height: usize) -> usize {
    at.saturating_sub(height / 2).min(count.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_fill_the_width() {
        for width in 0..300 {
            let Columns { bar, time, name, binary } = Columns::of(width);
            let gaps = 2 * [bar, time, binary].iter().filter(|&&width| width > 0).count();
            let sum = NUMBERS + bar + time + name + binary + gaps + 2;
            assert!(name == 0 || sum < width || width < 30, "{width}: {sum}");
            assert!(width < 40 || name >= 16, "{width}: {name}");
        }
    }

    #[test]
    fn what_is_selected_is_in_sight() {
        for (at, count, height) in [(0, 5, 10), (99, 100, 10), (50, 100, 10), (3, 4, 1), (0, 0, 0)]
        {
            let first = first_shown(at, count, height);
            assert!(first <= at && (at < first + height || height == 0), "{at} {count} {height}");
        }
    }
}
