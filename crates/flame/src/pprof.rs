//! pprof: the form that `go tool pprof` and most profile stores read, in gzip.
//!
//! An inlined function is a line of its caller's location, as the format has it, so that
//! `go tool pprof` marks it `(inline)`. Addresses are the binaries' own. What the format has no word
//! for, the kind of a frame, is told from its binary and file when a profile is read back.

mod message;
mod read;
mod write;

pub use read::{Limits, Problem, read};
pub use write::write;
