//! Rows of a table that says itself what of them a person is shown.

use schema::{Kind, Row, Table, Value};
use unicode_width::UnicodeWidthStr;

use super::parts::{Eye, Part, Shape, parts};
use super::{GAP, Line, Style, human};

/// What is shown of the rows of one table: cells, the one that has all the room that is left, what failed,
/// and what is told only where it is so.
#[derive(Debug)]
pub(crate) struct Brief {
    cells: Vec<Cell>,
    subject: Option<Cell>,
    error: Option<Part>,
    notes: Vec<Part>,
}

#[derive(Debug)]
struct Cell {
    /// Who asked whom, where the value is one of the two.
    role: Option<usize>,
    parts: Vec<Part>,
    /// Whether all parts are shown, or the first that has a value.
    joined: bool,
    /// The widest until now, so that few lines are out of line.
    width: usize,
    /// No value gets more.
    most: usize,
    right: bool,
}

/// The width of an address and a port, with an arrow: most have no more digits.
const ENDPOINT: usize = 17;
/// No word or name is given more.
const WORD: usize = 24;

impl Brief {
    /// What `table` says of itself, if it does.
    pub(crate) fn of(table: &'static Table) -> Option<Brief> {
        let mut brief = Brief { cells: vec![], subject: None, error: None, notes: vec![] };
        for word in table.brief {
            if let Some(name) = word.strip_suffix('!') {
                brief.error = part(table, name);
            } else if let Some(name) = word.strip_suffix('?') {
                brief.notes.extend(part(table, name));
            } else {
                brief.cells.extend(Cell::new(table, word));
            }
        }
        brief.subject = brief.cells.pop();
        brief.subject.is_some().then_some(brief)
    }

    pub(crate) fn head(&self, line: &mut Line) {
        for cell in &self.cells {
            let mut name = Line::default();
            name.put(Style::Bold, cell.name().to_uppercase());
            cell.put(name, line);
        }
        if let Some(cell) = &self.subject {
            line.put(Style::Bold, cell.name().to_uppercase());
        }
    }

    /// Adds the cells to `line`.
    pub(crate) fn cells(&mut self, eye: &mut Eye, row: Row<'_>, line: &mut Line) {
        for cell in &mut self.cells {
            let value = cell.see(eye, row);
            cell.width = cell.width.max(value.width().min(cell.most));
            cell.put(value.cut(cell.most), line);
        }
    }

    /// What the row is about.
    pub(crate) fn subject(&self, eye: &mut Eye, row: Row<'_>) -> Line {
        self.subject.as_ref().map(|cell| cell.see(eye, row)).unwrap_or_default()
    }

    /// How it failed.
    pub(crate) fn failure(&self, eye: &mut Eye, row: Row<'_>) -> Line {
        let mut line = Line::default();
        if let Some(error) = self.error.as_ref().filter(|error| !error.is_null(row)) {
            line.put(Style::Red, "✗ ");
            line.append(eye.see(error, row, usize::MAX));
        }
        line.trim()
    }

    /// What is told only where it is so.
    pub(crate) fn notes(&self, row: Row<'_>) -> impl Iterator<Item = &Part> {
        self.notes.iter().filter(move |part| !part.is_idle(row))
    }
}

impl Cell {
    /// None where `table` has nothing of it.
    fn new(table: &'static Table, word: &str) -> Option<Cell> {
        let (role, names) = match word.split_once('>') {
            Some((role, names)) => (table.field(role), names),
            None => (None, word),
        };
        let joined = names.contains('+');
        let parts: Vec<Part> =
            names.split(['+', '|']).filter_map(|name| part(table, name)).collect();
        let last = parts.last()?;
        let kind = table.fields[last.column()].kind;
        let (least, most, right) = match (last.shape, kind) {
            (Shape::Endpoint { .. }, _) => (ENDPOINT, 2 * WORD, false),
            (_, Kind::Duration) => (7, 7, true),
            _ => (0, WORD, false),
        };
        let mut cell = Cell { role, parts, joined, width: 0, most, right };
        cell.width = least.max(cell.name().width());
        Some(cell)
    }

    /// Both names of what is joined; of several the shortest, which is what they are.
    fn name(&self) -> String {
        let mut names: Vec<&str> = self.parts.iter().map(|part| part.name).collect();
        if !self.joined {
            names.sort_by_key(|name| name.len());
            names.truncate(1);
        }
        names.join(" ")
    }

    fn see(&self, eye: &mut Eye, row: Row<'_>) -> Line {
        let mut line = Line::default();
        let values: Vec<&Part> = self.parts.iter().filter(|part| !part.is_null(row)).collect();
        let text = |part: &Part| human::text(row.batch.columns[part.column()].text(row.index));
        if values.is_empty() {
            return line;
        }
        if let Some(role) = self.role {
            let asks = row.batch.columns[role].value(row.index) == Value::Text(b"client");
            line.put(Style::Dim, if asks { "→ " } else { "← " });
        }
        if !self.joined {
            line.append(eye.see(values[0], row, usize::MAX));
            return line;
        }
        for (at, part) in values.iter().enumerate() {
            // A statement begins with what it does: once is enough.
            let told = |next: &&&Part| text(next).starts_with(&text(part));
            if values.get(at + 1).is_some_and(|next| told(&next)) {
                continue;
            }
            line.put(Style::Plain, if line.width() > 0 { " " } else { "" });
            line.append(eye.see(part, row, usize::MAX));
        }
        line
    }

    fn put(&self, value: Line, line: &mut Line) {
        let spaces = self.width.saturating_sub(value.width());
        let before = if self.right { spaces } else { 0 };
        line.put(Style::Plain, " ".repeat(before));
        line.append(value);
        line.put(Style::Plain, " ".repeat(spaces - before));
        line.put(Style::Plain, GAP);
    }
}

fn part(table: &'static Table, name: &str) -> Option<Part> {
    parts(table).into_iter().find(|part| part.name == name)
}
