//! The live table: rows for a person at a terminal.
//!
//! Rows of several tables share one line form: `TIME PID COMM EVENT DETAIL`, where the detail
//! tells what the row is about, how it failed, and what else is worth a word. Rows of a single
//! table have columns of their own. Both are found from the table's description, or the table says
//! itself what is shown.

mod brief;
mod detail;
mod grid;
pub mod human;
pub mod ink;
mod parts;

use schema::{Row, Table, Value, common_value};
use unicode_width::UnicodeWidthStr;

use crate::{Format, Options};
use brief::Brief;
use detail::{Detail, tell_brief};
use grid::Grid;
use ink::{Line, Style, cut_end};
use parts::Eye;
use schema::plain::Clock;

/// Where the live table is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Whether it shows colour, and the user wants it.
    pub colour: bool,
    /// Its width in columns; lines are not cut where there is none.
    pub width: Option<u16>,
    /// Whether all columns of a single table are shown, as wide as they are.
    pub whole: bool,
}

/// Writes rows as lines for a person.
#[derive(Debug)]
pub struct Live {
    terminal: Terminal,
    eye: Eye,
    body: Body,
}

#[derive(Debug)]
enum Body {
    /// Rows of many tables, each with its name and its detail.
    Many(Detail),
    /// Rows of one table, in columns.
    One(Grid),
    /// Rows of one table that says itself what is shown.
    Brief(Brief),
}

impl Live {
    /// A writer for rows of `tables`; a single one gets columns of its own.
    pub fn new(tables: &[&'static Table], terminal: Terminal, options: Options) -> Live {
        let eye = Eye { clock: Clock::new(), hide_personal: options.hide_personal };
        let body = match tables {
            [table] => match Brief::of(table).filter(|_| !terminal.whole) {
                Some(brief) => Body::Brief(brief),
                None => Body::One(Grid::new(table, terminal.room())),
            },
            _ => Body::Many(Detail::new(tables)),
        };
        Live { terminal, eye, body }
    }

    fn finish(&self, line: Line, out: &mut Vec<u8>) {
        line.trim().cut(self.terminal.room()).write(out, self.terminal.colour);
    }
}

impl Terminal {
    fn room(self) -> usize {
        self.width.filter(|_| !self.whole).map_or(usize::MAX, usize::from)
    }
}

impl Format for Live {
    fn head(&mut self, out: &mut Vec<u8>) {
        let mut line = Line::default();
        line.put(Style::Bold, format!("{:<TIME$}  {:>PID$}  {:<COMM$}  ", "TIME", "PID", "COMM"));
        match &self.body {
            Body::Many(detail) => detail.head(&mut line),
            Body::One(grid) => grid.head(&mut line),
            Body::Brief(brief) => brief.head(&mut line),
        }
        self.finish(line, out);
    }

    fn row(&mut self, row: Row<'_>, out: &mut Vec<u8>) {
        let mut line = start(&mut self.eye.clock, row);
        let room = self.terminal.room();
        match &mut self.body {
            Body::Many(detail) => detail.row(&mut self.eye, row, room, &mut line),
            Body::One(grid) => grid.row(&mut self.eye, row, &mut line),
            Body::Brief(brief) => tell_brief(&mut self.eye, brief, row, room, &mut line),
        }
        self.finish(line, out);
    }
}

/// Between columns.
const GAP: &str = "  ";
const TIME: usize = 12;
const PID: usize = 7;
/// Most names are shorter, and the kernel cuts them at 15.
const COMM: usize = 12;

/// The columns that every line begins with.
fn start(clock: &mut Clock, row: Row<'_>) -> Line {
    let mut line = Line::default();
    let origin = &row.batch.origin[row.index];
    let mut time = Vec::new();
    clock.write_of_day(&mut time, origin.time);
    line.put(Style::Dim, String::from_utf8_lossy(&time).into_owned());
    line.put(Style::Plain, format!("{GAP}{:>PID$}{GAP}", origin.process.pid));
    let from = line.width();
    let comm = common(row, "comm").map(human::text).unwrap_or_default();
    line.put(Style::Bold, fitted(&comm, COMM));
    line.pad_to(from + COMM);
    line.put(Style::Plain, GAP);
    line
}

/// The text of the common column `name`.
fn common<'a>(row: Row<'a>, name: &str) -> Option<&'a [u8]> {
    let at = schema::COMMON.iter().position(|field| field.name == name)?;
    match common_value(row.batch, row.index, at) {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn fitted(text: &str, width: usize) -> String {
    if text.width() <= width { text.to_string() } else { cut_end(text, width) }
}
