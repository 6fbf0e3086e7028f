//! Rows of one table in columns of their own.

use schema::{Kind, Row, Table, Unit};

use super::parts::{Eye, Part, Rank, least_rank, parts};
use super::{COMM, GAP, Line, PID, Style, TIME};

/// The columns of one table that are shown, and how wide.
#[derive(Debug)]
pub(crate) struct Grid {
    cells: Vec<Cell>,
    /// Whether values are cut to their columns, because the terminal has a width.
    cuts: bool,
}

#[derive(Debug)]
struct Cell {
    part: Part,
    width: usize,
    /// How many columns more are of use.
    stretch: usize,
    right: bool,
}

impl Grid {
    /// As many columns of `table` as `room` holds: the telling ones first.
    pub(crate) fn new(table: &'static Table, room: usize) -> Grid {
        let mut left = room.saturating_sub(TIME + PID + COMM + 3 * GAP.len());
        let mut cells: Vec<(usize, Cell)> =
            parts(table).into_iter().map(|part| Cell::new(table, part)).enumerate().collect();
        // A failure has to be seen, so its column is the first to find room.
        cells.sort_by_key(|(_, cell)| (cell.part.rank != Rank::Error, cell.part.rank));
        cells.retain(|(_, cell)| {
            let taken = cell.width + GAP.len();
            let wanted = room == usize::MAX || cell.part.rank <= least_rank(table);
            let fits = wanted && taken <= left;
            left -= if fits { taken } else { 0 };
            fits
        });
        cells.sort_by_key(|(place, _)| *place);
        let mut cells: Vec<Cell> = cells.into_iter().map(|(_, cell)| cell).collect();
        let cuts = room != usize::MAX;
        if cuts {
            share(&mut cells, left);
        }
        Grid { cells, cuts }
    }

    pub(crate) fn head(&self, line: &mut Line) {
        for (at, cell) in self.cells.iter().enumerate() {
            let mut name = Line::default();
            name.put(Style::Bold, cell.part.name.to_uppercase());
            self.put(at, name, line);
        }
    }

    pub(crate) fn row(&self, eye: &mut Eye, row: Row<'_>, line: &mut Line) {
        for (at, cell) in self.cells.iter().enumerate() {
            let mut value = Line::default();
            if cell.part.is_null(row) {
                value.put(Style::Dim, "-");
            } else {
                let width = if self.cuts { cell.width } else { usize::MAX };
                value = eye.see(&cell.part, row, width);
            }
            self.put(at, value, line);
        }
    }

    /// Adds one value in its column. Without room to keep to, a long value moves those after it.
    fn put(&self, at: usize, value: Line, line: &mut Line) {
        let cell = &self.cells[at];
        let value = if self.cuts { value.cut(cell.width) } else { value };
        let spaces = cell.width.saturating_sub(value.width());
        let before = if cell.right { spaces } else { 0 };
        line.put(Style::Plain, " ".repeat(before));
        line.append(value);
        line.put(Style::Plain, " ".repeat(spaces - before));
        line.put(Style::Plain, GAP);
    }
}

impl Cell {
    fn new(table: &Table, part: Part) -> Cell {
        let field = &table.fields[part.column()];
        let (least, right) = match (field.kind, field.unit) {
            (Kind::Path, _) => (20, false),
            (Kind::Args, _) => (24, false),
            (Kind::Ip, _) => (21, false),
            (Kind::Text, _) => (11, false),
            (Kind::Errno, _) => (12, false),
            (Kind::Signal, _) => (8, false),
            (Kind::Flags(_), _) => (18, false),
            (Kind::Capabilities, _) => (20, false),
            (Kind::Process, _) => (32, false),
            (Kind::Time, _) => (30, false),
            (Kind::Bool, _) => (5, false),
            (Kind::Mode, _) => (7, true),
            (Kind::Duration, _) | (_, Unit::Bytes | Unit::Nanoseconds) => (7, true),
            (Kind::Device, _) => (7, true),
            (Kind::Uint, Unit::None) => (20, true),
            _ => (7, true),
        };
        let width = least.max(part.name.len());
        let stretch = match field.kind {
            Kind::Path | Kind::Args => usize::MAX,
            Kind::Ip => "[2001:db8:1111:2222:3333:4444:5555:6666]:65535".len() - 21,
            Kind::Flags(_) => 8,
            _ => 0,
        };
        Cell { part, width, stretch, right }
    }
}

/// Gives `left` columns to the cells that have a use for them, the easily satisfied ones first.
fn share(cells: &mut [Cell], mut left: usize) {
    let mut growing: Vec<&mut Cell> = cells.iter_mut().filter(|cell| cell.stretch > 0).collect();
    growing.sort_by_key(|cell| cell.stretch);
    let mut waiting = growing.len();
    for cell in growing {
        let share = (left / waiting).min(cell.stretch);
        cell.width += share;
        left -= share;
        waiting -= 1;
    }
}
