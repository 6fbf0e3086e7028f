//! The table of contents: every signal of this build, sorted. Adding one is one line here.

use kernel::Signal;
use schema::Table;

use crate::{detection, monitor, requests};

/// Every signal, in alphabetical order.
pub static SIGNALS: &[&Signal] = &[
    &signal_file::FILE,
    &signal_privilege::PRIVILEGE,
    &signal_process::PROCESS,
    &signal_profile::PROFILE,
    &signal_socket::SOCKET,
    &signal_stream::STREAM,
];

/// Every table that this build can fill, sorted by name.
pub fn tables() -> Vec<&'static Table> {
    let own = monitor::TABLES.iter().chain(monitor::STORED).copied();
    let seen = SIGNALS.iter().flat_map(|signal| signal.tables).copied();
    let derived = detection::TABLES.iter().copied().chain(requests::tables());
    sorted(seen.chain(derived).chain(own))
}

/// The tables that tell of what happens on the node: neither of the agent itself, nor samples.
pub fn node_tables() -> Vec<&'static Table> {
    let told = SIGNALS.iter().filter(|signal| !std::ptr::eq(**signal, &signal_profile::PROFILE));
    sorted(told.flat_map(|signal| signal.tables).copied())
}

/// What outputs get where `told` are the tables that were named: samples of profiles and requests only
/// where some of theirs are among those, all else in any case.
pub fn named(told: &[&'static Table]) -> Vec<&'static Table> {
    let of =
        |list: &[&'static Table], table: &Table| list.iter().any(|it| std::ptr::eq(*it, table));
    let requests: Vec<_> = requests::tables().collect();
    let apart = [signal_profile::PROFILE.tables.to_vec(), requests];
    let mut tables = tables();
    for group in apart.into_iter().filter(|group| !group.iter().any(|it| of(told, it))) {
        tables.retain(|table| !of(&group, table));
    }
    tables
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
    let stream: &'static Signal = &signal_stream::STREAM;
    let requests = requests::is_wanted(tables).then_some(stream);
    [process].into_iter().chain(SIGNALS.iter().copied().filter(fills)).chain(requests).collect()
}
