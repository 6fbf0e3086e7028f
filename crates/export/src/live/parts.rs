//! What of a table is shown where, found from the kinds and names of its columns.
//!
//! Columns that belong together become one part: `path` with `dir` (where a relative one starts),
//! `path_resolved` and `path_differs`; `peer_ip` with `peer_port`. No table is known by name.

use schema::{Field, Kind, Row, Sensitivity, Table, Unit, Value};

use unicode_width::UnicodeWidthStr;

use super::human;
use super::ink::{Line, Style, cut_middle};
use schema::plain::{self, Clock};

/// One or more columns that are shown as one.
#[derive(Debug)]
pub(crate) struct Part {
    /// What it is called: the column's name, or what the columns' names share.
    pub(crate) name: &'static str,
    pub(crate) rank: Rank,
    pub(crate) shape: Shape,
}

/// How much a part says of its row, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// What the row is about.
    Subject,
    /// How it failed.
    Error,
    /// What else is worth a word.
    Note,
    /// Ids of users and processes, and permissions: a narrow table shows them.
    Id,
    /// What only a machine wants.
    Machine,
}

/// Which columns make the part, by their places in the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Path { given: usize, dir: Option<usize>, resolved: Option<usize>, differs: Option<usize> },
    Endpoint { ip: usize, port: Option<usize> },
    Column(usize),
}

/// Between a path as it was given and the file that it leads to.
const LEADS_TO: &str = " ⇒ ";

/// What shows values: it holds what they have in common.
#[derive(Debug)]
pub(crate) struct Eye {
    pub(crate) clock: Clock,
    pub(crate) hide_personal: bool,
}

/// The parts of `table`, in the order of its columns.
pub(crate) fn parts(table: &'static Table) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut taken = Vec::new();
    for (at, field) in table.fields.iter().enumerate() {
        let find = |base: &str, ending: &str| table.field(&format!("{base}{ending}"));
        let base = field.name.strip_suffix("_ip");
        let shape = match field.kind {
            _ if taken.contains(&at) => continue,
            Kind::Path => Shape::Path {
                given: at,
                dir: field.name.strip_suffix("path").and_then(|base| find(base, "dir")),
                resolved: find(field.name, "_resolved"),
                differs: find(field.name, "_differs"),
            },
            Kind::Ip => Shape::Endpoint { ip: at, port: base.and_then(|base| find(base, "_port")) },
            _ => Shape::Column(at),
        };
        match shape {
            Shape::Path { dir, resolved, differs, .. } => {
                taken.extend([dir, resolved, differs].into_iter().flatten());
            }
            Shape::Endpoint { port, .. } => taken.extend(port),
            Shape::Column(_) => {}
        }
        let name = base.filter(|_| field.kind == Kind::Ip).unwrap_or(field.name);
        let first_path = parts.iter().find(|part| part.is_path());
        let rank = if turns(table, field) { Rank::Subject } else { rank(field, first_path) };
        parts.push(Part { name, rank, shape });
    }
    parts
}

/// The least telling rank that `table` has room for: a wide one keeps its ids to itself.
pub(crate) fn least_rank(table: &Table) -> Rank {
    const NARROW: usize = 12;
    if table.fields.len() <= NARROW { Rank::Id } else { Rank::Note }
}

fn rank(field: &Field, first_path: Option<&Part>) -> Rank {
    match field.kind {
        Kind::Path => match first_path {
            None => Rank::Subject,
            // Where the first path goes: `rename(path, new_path)`, `mount(source, target)`.
            Some(first) if is_second(field.name, first.name) => Rank::Subject,
            Some(_) => Rank::Note,
        },
        Kind::Text if first_path.is_some() && field.name == "target" => Rank::Subject,
        Kind::Args | Kind::Ip => Rank::Subject,
        Kind::Errno => Rank::Error,
        Kind::Uint if field.unit == Unit::None => Rank::Machine,
        Kind::Uid | Kind::Gid | Kind::Pid | Kind::Mode => Rank::Id,
        Kind::Process | Kind::Device | Kind::Capabilities => Rank::Machine,
        _ => Rank::Note,
    }
}

/// Whether a column `name` tells the other end of what a path in the column `first` begins.
fn is_second(name: &str, first: &str) -> bool {
    name.strip_prefix("new_") == Some(first)
        || name == "target"
        || matches!(first, "target" | "source")
}

/// Whether `field` is one side of what changes in a row: `old_state` and `new_state`.
fn turns(table: &Table, field: &Field) -> bool {
    let other = match field.name.split_once('_') {
        Some(("old", name)) => format!("new_{name}"),
        Some(("new", name)) => format!("old_{name}"),
        _ => return false,
    };
    table.field(&other).is_some()
}

impl Part {
    pub(crate) fn is_path(&self) -> bool {
        matches!(self.shape, Shape::Path { .. })
    }

    /// The column that the part is named after.
    pub(crate) fn column(&self) -> usize {
        match self.shape {
            Shape::Path { given: at, .. } | Shape::Endpoint { ip: at, .. } | Shape::Column(at) => {
                at
            }
        }
    }

    /// Whether the row has no value here.
    pub(crate) fn is_null(&self, row: Row<'_>) -> bool {
        let null = |at: usize| row.batch.columns[at].is_null(row.index);
        match self.shape {
            Shape::Path { given, resolved, .. } => null(given) && resolved.is_none_or(null),
            Shape::Endpoint { ip: at, .. } | Shape::Column(at) => null(at),
        }
    }

    /// Whether the row's value says nothing that its absence would not say.
    pub(crate) fn is_idle(&self, row: Row<'_>) -> bool {
        let value = |at: usize| row.batch.columns[at].value(row.index);
        let nothing = |at: usize| matches!(value(at), Value::Null | Value::Text(b""));
        if let Shape::Path { given, resolved, .. } = self.shape {
            return nothing(given) && resolved.is_none_or(nothing);
        }
        let field = &row.batch.table.fields[self.column()];
        match (value(self.column()), field.kind) {
            (Value::Bool(false), _) | (Value::Null | Value::Text(b""), _) => true,
            (Value::Uint(0), Kind::Flags(_)) => true,
            (Value::Uint(0), _) => field.unit == Unit::Count,
            (Value::Uint(pid), Kind::Pid) => {
                pid == u64::from(row.batch.origin[row.index].process.pid)
            }
            _ => false,
        }
    }
}

impl Eye {
    /// The part's value in `row`; paths are shortened to `width` columns.
    pub(crate) fn see(&mut self, part: &Part, row: Row<'_>, width: usize) -> Line {
        let mut line = Line::default();
        let value = |at: usize| row.batch.columns[at].value(row.index);
        match part.shape {
            Shape::Path { given, dir, resolved, differs } => {
                let known = resolved.filter(|at| value(*at) != Value::Null);
                let two = differs.is_some_and(|at| value(at) == Value::Bool(true));
                let start = dir.filter(|at| known.is_none() && value(*at) != Value::Null);
                match (known, start.filter(|at| !self.hides(row, *at))) {
                    (Some(known), _) if two && value(given) != Value::Null => {
                        let (from, to) = (self.text(row, given), self.text(row, known));
                        let room = width.saturating_sub(LEADS_TO.width());
                        // Each has half of the room, and what the other does not need of its half.
                        let share = |other: &str| room - other.width().min(room / 2);
                        line.put(Style::Plain, cut_middle(&from, share(&to)));
                        line.put(Style::Dim, LEADS_TO);
                        line.put(Style::Yellow, cut_middle(&to, share(&from)));
                    }
                    (None, Some(dir)) => {
                        let (dir, given) = (self.text(row, dir), self.text(row, given));
                        let whole = format!("{}/{given}", dir.trim_end_matches('/'));
                        line.put(Style::Plain, cut_middle(&whole, width));
                    }
                    (known, _) => {
                        let path = self.text(row, known.unwrap_or(given));
                        line.put(Style::Plain, cut_middle(&path, width));
                    }
                }
            }
            Shape::Endpoint { ip, port } => {
                let address = self.text(row, ip);
                let port = port.map(|at| self.text(row, at)).filter(|port| !port.is_empty());
                line.put(
                    Style::Plain,
                    match port {
                        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
                        Some(port) => format!("{address}:{port}"),
                        None => address,
                    },
                );
            }
            Shape::Column(at) => {
                let style = match row.batch.table.fields[at].kind {
                    Kind::Errno => Style::Red,
                    Kind::Signal => Style::Yellow,
                    _ => Style::Plain,
                };
                line.put(style, self.text(row, at));
            }
        }
        line
    }

    /// The arguments in `row` as they follow the file at `path`: its name is not told twice.
    pub(crate) fn see_args(&mut self, args: &Part, path: &Part, row: Row<'_>) -> Line {
        let text = |at: usize| row.batch.columns[at].text(row.index);
        let vector = text(args.column());
        let first = plain::args(vector).next().unwrap_or_default();
        let Shape::Path { given, resolved, .. } = path.shape else {
            return self.see(args, row, usize::MAX);
        };
        let mut paths = std::iter::once(given).chain(resolved).map(text);
        let is_name =
            |path: &[u8]| path == first || path.rsplit(|byte| *byte == b'/').next() == Some(first);
        if self.hides(row, args.column()) || !paths.any(is_name) {
            return self.see(args, row, usize::MAX);
        }
        let mut line = Line::default();
        line.put(Style::Plain, human::text(&plain::shell(plain::args(vector).skip(1))));
        line
    }

    fn text(&mut self, row: Row<'_>, at: usize) -> String {
        let field = &row.batch.table.fields[at];
        let value = row.batch.columns[at].value(row.index);
        if value != Value::Null && self.hides(row, at) {
            return crate::HIDDEN.to_string();
        }
        human::value(&mut self.clock, field, value)
    }

    fn hides(&self, row: Row<'_>, at: usize) -> bool {
        self.hide_personal && row.batch.table.fields[at].sensitivity == Sensitivity::Personal
    }
}
