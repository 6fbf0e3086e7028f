//! What the agent counts of itself: above all, the drop ledger.
//!
//! Every stage of the stream keeps `taken = passed + dropped{reason}` for each table, in the
//! [`Ledger`]. Loss may happen; silent loss is a bug.
#![forbid(unsafe_code)]

mod ledger;
mod usage;

pub use ledger::{Account, Counter, Entry, Ledger, Side};
pub use usage::Usage;
