//! Rows of many tables on their way to batches in which each has its process.

use std::sync::Arc;

use schema::{Batch, COMMON, Decoded, Origin, Process, Table};

use super::ages::Ages;
use super::family::{Family, Told};

/// Rows as they come, in any order.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    parts: Vec<Part>,
    /// Of each row its time, its part and its place there, as they came.
    rows: Vec<(i64, u32, u32)>,
}

/// Rows of one table and one node.
#[derive(Debug)]
struct Part {
    node: Arc<str>,
    rows: Decoded,
    told: Vec<Told>,
}

/// The places of the common columns that [`Told`] has: the executable, and where it runs.
pub(super) const EXE: usize = 6;
pub(super) const PLACE: usize = 7;
const _: () = assert!(COMMON.len() == PLACE + 5);

impl Turn {
    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows of `table` and `node` so far, for one more to be appended by [`Turn::append`].
    pub(super) fn part(&mut self, table: &'static Table, node: &str) -> usize {
        let is = |part: &Part| std::ptr::eq(part.rows.table, table) && *part.node == *node;
        self.parts.iter().position(is).unwrap_or_else(|| {
            let rows = Decoded::new(table);
            self.parts.push(Part { node: node.into(), rows, told: Vec::new() });
            self.parts.len() - 1
        })
    }

    /// Appends a row to a part; `fill` appends a value to each of its columns, and where it fails
    /// the turn must not be used any more.
    pub(super) fn append<E>(
        &mut self,
        part: usize,
        origin: Origin,
        told: Told,
        fill: impl FnOnce(&mut Decoded) -> Result<(), E>,
    ) -> Result<(), E> {
        let Part { rows, told: all, .. } = &mut self.parts[part];
        self.rows.push((origin.time, part as u32, rows.len() as u32));
        rows.origin.push(origin);
        all.push(told);
        fill(rows)
    }

    /// Gives each row its process, in the order of their times; equal times stay as they came.
    pub(crate) fn finish(mut self, family: &mut Family, ages: &Ages) -> Vec<Arc<Batch>> {
        self.rows.sort_by_key(|(time, ..)| *time);
        let mut processes: Vec<Vec<Option<Arc<Process>>>> =
            self.parts.iter().map(|part| vec![None; part.rows.len()]).collect();
        for &(time, part, row) in &self.rows {
            let (at, row) = (part as usize, row as usize);
            let Part { rows, told, .. } = &self.parts[at];
            ages.note(rows.origin[row].process, time);
            processes[at][row] = Some(family.process(rows, row, &told[row]));
        }
        let batch = |(part, processes): (Part, Vec<Option<Arc<Process>>>)| {
            let processes = processes.into_iter().flatten().collect();
            Arc::new(part.rows.with_processes(part.node, processes))
        };
        self.parts.into_iter().zip(processes).map(batch).collect()
    }
}
