//! The store: what the node remembers.
//!
//! ```text
//! batches ─▶ memory ──────────────────▶ segments (Parquet, TABLE/HOUR/…)  ─▶ merged ─▶ dropped
//!              │   every 2 s                 ▲ every minute, or when memory is full
//!              └─▶ journal (what no segment has yet)
//! every change of a segment is a line of the chain (chain.log), written before it is done
//! ```
//!
//! One [`Store`] writes, on one thread. Readers have a [`Catalogue`]: for each table the batches in
//! memory and the [`Segment`]s, as a snapshot. Rows can be read 200 ms after they came; a crash
//! loses those of the last 2 seconds; what was written is whole or not there at all, once.
//! [`verify`] tells whether anything was changed since.
#![forbid(unsafe_code)]

mod catalogue;
mod chain;
mod columns;
mod coverage;
mod hot;
mod journal;
mod key;
mod listing;
mod merge;
mod record;
mod recover;
mod retain;
mod segment;
mod store;
mod verify;
mod write;

pub use catalogue::{Catalogue, Contents, Rows};
pub use chain::{CHAIN, Entry, Event, Head, Written};
pub use columns::{arrow_schema, data_type, to_arrow};
pub use coverage::AgentCoverage;
pub use key::{BadKey, Key, PublicKey};
pub use merge::rows_of;
pub use recover::OpenError;
pub use segment::{Damaged, Opened, Segment};
pub use store::{Bounds, Moment, Options, Size, Store, Word};
pub use verify::{Finding, Misfit, VerifyOptions, VerifyReport, verify};
pub use write::write_segments;
