//! The line form that rows of all tables share.

use schema::{Kind, Row, Table};
use unicode_width::UnicodeWidthStr;

use super::brief::Brief;
use super::parts::{Eye, Part, Rank, Shape, least_rank, parts};
use super::{GAP, Line, Style, common, human};

/// What is shown of rows of many tables.
#[derive(Debug)]
pub(crate) struct Detail {
    /// The width of the longest table's name.
    event: usize,
    tables: Vec<Entry>,
    /// The subjects of tables (`file`, `socket`), each with its colour by its place.
    subjects: Vec<&'static str>,
}

#[derive(Debug)]
struct Entry {
    table: &'static Table,
    style: Style,
    parts: Vec<Part>,
    /// What the table says itself of what is shown.
    brief: Option<Brief>,
}

/// Columns for the subject that a long failure cannot take.
const LEAST_SUBJECT: usize = 12;
const PALETTE: [Style; 4] = [Style::Green, Style::Cyan, Style::Magenta, Style::Blue];

impl Detail {
    pub(crate) fn new(tables: &[&'static Table]) -> Detail {
        let event = tables.iter().map(|table| table.name.len()).max().unwrap_or(16);
        let mut detail = Detail { event, tables: Vec::new(), subjects: Vec::new() };
        for table in tables {
            detail.place(table);
        }
        detail
    }

    pub(crate) fn head(&self, line: &mut Line) {
        line.put(Style::Bold, format!("{:<1$}{GAP}DETAIL", "EVENT", self.event));
    }

    /// Adds the event and the detail of `row` to `line`, which has `room` columns in all.
    pub(crate) fn row(&mut self, eye: &mut Eye, row: Row<'_>, room: usize, line: &mut Line) {
        let place = self.place(row.batch.table);
        let Entry { table, style, parts, brief } = &mut self.tables[place];
        line.put(*style, format!("{:<1$}{GAP}", table.name, self.event));
        match brief {
            Some(brief) => tell_brief(eye, brief, row, room, line),
            None => {
                let told = (failure(eye, parts, row), notes(eye, table, parts, row));
                tell(told, room, line, |left| subject(eye, parts, row, left));
            }
        }
    }

    /// The entry of `table`.
    fn place(&mut self, table: &'static Table) -> usize {
        let known = self.tables.iter().position(|entry| std::ptr::eq(entry.table, table));
        known.unwrap_or_else(|| {
            let subject = table.name.split('_').next().unwrap_or_default();
            if !self.subjects.contains(&subject) {
                self.subjects.push(subject);
            }
            let at = self.subjects.iter().position(|known| *known == subject).unwrap_or(0);
            let style = PALETTE[at % PALETTE.len()];
            let (parts, brief) = (parts(table), Brief::of(table));
            self.tables.push(Entry { table, style, parts, brief });
            self.tables.len() - 1
        })
    }
}

/// Adds what a table with a brief shows of `row`.
pub(crate) fn tell_brief(
    eye: &mut Eye,
    brief: &mut Brief,
    row: Row<'_>,
    room: usize,
    line: &mut Line,
) {
    brief.cells(eye, row, line);
    let subject = brief.subject(eye, row);
    // What a server says of a failure may be long: what failed keeps half of the room, if it needs it.
    let left = room.saturating_sub(line.width());
    let rest = left.saturating_sub(subject.width() + GAP.len()).max(left / 2);
    let failure = brief.failure(eye, row).cut(rest.max(LEAST_SUBJECT));
    let mut notes: Vec<Line> = brief.notes(row).map(|part| note(eye, part, row)).collect();
    notes.extend(place_of(row));
    tell((failure, notes), room, line, |_| subject);
}

/// Adds the subject, the failure and the notes, as far as `room` columns hold them.
fn tell(
    (failure, notes): (Line, Vec<Line>),
    room: usize,
    line: &mut Line,
    subject: impl FnOnce(usize) -> Line,
) {
    // A long subject is cut before its failure is.
    let gap = if failure.width() > 0 { GAP.len() } else { 0 };
    let after = failure.width() + gap + if notes.is_empty() { 0 } else { MORE.width() };
    let left = room.saturating_sub(line.width() + after).max(LEAST_SUBJECT);
    let subject = subject(left).cut(left);

    let mut told = vec![subject, failure];
    told.retain(|part| part.width() > 0);
    let certain = told.len();
    told.extend(notes);
    let last = told.len().saturating_sub(1);
    for (at, part) in told.into_iter().enumerate() {
        let gap = if at == 0 { "" } else { GAP };
        // A note is shown in full or not at all: half a number would be another number.
        let more = if at == last { 0 } else { MORE.width() };
        if at >= certain && line.width() + gap.len() + part.width() + more > room {
            line.put(Style::Dim, MORE);
            break;
        }
        line.put(Style::Plain, gap);
        line.append(part);
    }
}

/// Says that there were notes for which there was no room.
const MORE: &str = " …";

/// The parts of `rank` that say something in `row`.
fn shown<'a>(parts: &'a [Part], rank: Rank, row: Row<'a>) -> impl Iterator<Item = &'a Part> {
    parts.iter().filter(move |part| part.rank == rank && !part.is_idle(row))
}

fn failure(eye: &mut Eye, parts: &[Part], row: Row<'_>) -> Line {
    let mut line = Line::default();
    for part in shown(parts, Rank::Error, row) {
        line.put(Style::Red, "✗ ");
        line.append(eye.see(part, row, usize::MAX));
    }
    line
}

/// What the row is about: paths, arguments, addresses.
fn subject(eye: &mut Eye, parts: &[Part], row: Row<'_>, room: usize) -> Line {
    // Paths share the room, and shrink only where they do not fit.
    let paths = shown(parts, Rank::Subject, row).filter(|part| part.is_path());
    let each = room / paths.count().max(1);
    let mut line = Line::default();
    let mut before: Option<&Part> = None;
    for part in shown(parts, Rank::Subject, row) {
        let joint = match (before.map(|part| part.shape), part.shape) {
            (None, _) => "",
            (Some(Shape::Path { .. }), Shape::Path { .. }) => match before {
                // A link is written as what it holds, then where it is: `ln -s target path`.
                Some(first) if first.name == "target" => " ← ",
                _ => " → ",
            },
            (Some(Shape::Column(_)), Shape::Column(_)) if part.name.starts_with("new_") => " → ",
            (Some(Shape::Endpoint { .. }), Shape::Endpoint { .. }) => " ↔ ",
            (Some(Shape::Path { .. }), _) if part.name == "target" => " → ",
            (Some(Shape::Path { .. }), _) => " ",
            _ => GAP,
        };
        let is_args = row.batch.table.fields[part.column()].kind == Kind::Args;
        let seen = match before {
            Some(path) if is_args => eye.see_args(part, path, row),
            _ => eye.see(part, row, each.saturating_sub(joint.width())),
        };
        line.put(Style::Dim, joint);
        line.append(seen);
        before = Some(part);
    }
    line
}

/// What else is worth a word: numbers and flags, then words, then what is likely long.
fn notes(eye: &mut Eye, table: &Table, parts: &[Part], row: Row<'_>) -> Vec<Line> {
    let least = least_rank(table);
    let is_note = |part: &&Part| (Rank::Note..=least).contains(&part.rank) && !part.is_idle(row);
    let mut told: Vec<&Part> = parts.iter().filter(is_note).collect();
    told.sort_by_key(|part| (part.is_path(), table.fields[part.column()].kind == Kind::Text));
    let mut notes: Vec<Line> = told.into_iter().map(|part| note(eye, part, row)).collect();
    notes.extend(place_of(row));
    notes
}

/// A value with its name, where the value alone would not tell what it is.
fn note(eye: &mut Eye, part: &Part, row: Row<'_>) -> Line {
    let mut line = Line::default();
    match row.batch.table.fields[part.column()].kind {
        Kind::Bool => line.put(Style::Yellow, part.name),
        Kind::Flags(_) | Kind::Signal => line.append(eye.see(part, row, usize::MAX)),
        _ => {
            line.put(Style::Dim, format!("{} ", part.name));
            line.append(eye.see(part, row, usize::MAX));
        }
    }
    line
}

/// The pod that the row comes from, or at least its container.
fn place_of(row: Row<'_>) -> Option<Line> {
    let text = |name| common(row, name).map(human::text);
    let place = match (text("namespace"), text("pod"), text("container")) {
        (Some(namespace), Some(pod), _) => format!("pod {namespace}/{pod}"),
        (None, Some(pod), _) => format!("pod {pod}"),
        (_, None, Some(id)) => format!("container {}", id.chars().take(12).collect::<String>()),
        (_, None, None) => return None,
    };
    let mut line = Line::default();
    line.put(Style::Dim, place);
    Some(line)
}
