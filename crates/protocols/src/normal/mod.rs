//! Resources without what differs from call to call, so that calls can be counted by them.

mod path;
mod sql;

pub use path::{key, path};
pub use sql::{Dialect, Sql, sql};
