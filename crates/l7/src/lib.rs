//! The engine under requests: bytes of connections in, requests out.
//!
//! [`Engine`] is given what the kernel side saw of sockets: [`Chunk`]s with their positions, and when
//! connections open and close. It puts bytes in order, finds out what is spoken, has it read by a
//! conversation of `protocols`, pairs requests with responses and stamps them. It does no I/O and
//! reads no clock.
//!
//! Nothing is lost silently: each byte that a connection moved ends in exactly one count of a
//! [`Coverage`], and each request in exactly one [`Outcome`].
#![forbid(unsafe_code)]

mod chunk;
mod connection;
mod coverage;
mod datagrams;
mod engine;
mod lane;
mod limits;
mod look;
mod pairs;
mod request;
mod rows;
mod ruling;
mod stream;

pub use chunk::{Chunk, Closed, Direction, Ends, Key, Opened};
pub use coverage::{Coverage, Covered};
pub use engine::Engine;
pub use limits::Limits;
pub use request::{Outcome, Request, Times};
pub use rows::{CoverageRow, tables};
pub use ruling::Ruling;
