//! Records as bytes: the head that every record has, and reading without trusting a length.
//!
//! A record comes from the kernel or from a capture file, so nothing in it is believed: every
//! read is bounded, and what does not fit is [`Malformed`], counted by the caller, never a panic.
#![forbid(unsafe_code)]

mod call;
mod path;
mod reader;

pub use call::call_name;
pub use generated::*;
pub use path::{PATH_MARKS, differs, join_base, join_names, normalize, path_marks};
pub use reader::{Malformed, Reader, Tail};

#[allow(missing_docs)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/wire.rs"));
}

impl RecordHeader {
    /// How many bytes the head has.
    pub const SIZE: usize = size_of::<RecordHeader>();
}
