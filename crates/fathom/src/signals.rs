//! The table of contents: every signal of this build, sorted. Adding one is one line here.

use kernel::Signal;
use schema::Table;

use crate::{detection, monitor};

/// Every signal, in alphabetical order.
pub static SIGNALS: &[&Signal] = &[
    &signal_file::FILE,
    &signal_privilege::PRIVILEGE,
    &signal_process::PROCESS,
    &signal_socket::SOCKET,
];

/// Every table that this build can fill, sorted by name.
pub fn tables() -> Vec<&'static Table> {
    let own = monitor::TABLES.iter().chain(monitor::STORED).copied();
    sorted(node_tables().into_iter().chain(detection::TABLES.iter().copied()).chain(own))
}

/// The tables that tell of the node, and not of the agent itself.
pub fn node_tables() -> Vec<&'static Table> {
    sorted(SIGNALS.iter().flat_map(|signal| signal.tables).copied())
}

fn sorted(tables: impl Iterator<Item = &'static Table>) -> Vec<&'static Table> {
    let mut tables: Vec<_> = tables.collect();
    tables.sort_by_key(|table| table.name);
    tables
}

/// The signals needed to fill `tables`, in the order in which they are to be attached.
///
/// The process signal is always one of them, since every row has a process, and it comes first:
/// programs on one tracepoint run in the order of their attaching, and an exec is to be told
/// before what else is said at the same moment.
pub fn needed(tables: &[&'static Table]) -> Vec<&'static Signal> {
    let process: &'static Signal = &signal_process::PROCESS;
    let fills = |signal: &&'static Signal| {
        let asked_for = |table: &&Table| tables.iter().any(|it| std::ptr::eq(*it, *table));
        !std::ptr::eq(*signal, process) && signal.tables.iter().any(asked_for)
    };
    [process].into_iter().chain(SIGNALS.iter().copied().filter(fills)).collect()
}
