//! Rows that are not live: from captures, from lines of JSON, from a store. They come as they did
//! when they were live, batches with a process for each row, so that rules can be asked about them.
//!
//! A capture has all that the kernel said, and goes through the same stream as live records. Lines
//! and stored rows have lost what no column tells: processes are rebuilt from the rows of their
//! forks and execs (`family`), values from their text (`value`).

mod ages;
mod capture;
mod family;
mod lines;
#[cfg(test)]
mod samples;
mod stored;
mod turn;
mod value;

pub(crate) use ages::Ages;
pub(crate) use capture::Capture;
pub(crate) use family::Family;
pub(crate) use lines::Lines;
pub(crate) use stored::append as append_stored;
pub(crate) use turn::Turn;
