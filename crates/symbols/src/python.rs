//! Python: where an interpreter keeps its frames, what its functions are called, and how its frames
//! and those of C come in one stack.
//!
//! The kernel side (`signals/profile/python.bpf.h`) walks an interpreter's frames by [`Offsets`] and
//! tells each function once. [`Codes`] keeps what was told; [`join`] puts the frames where C has the
//! interpreter's loop.

mod among;
mod code;
mod lines;
mod merge;
mod offsets;

pub(crate) use among::among;
pub use code::{Code, Codes};
pub use merge::{Joined, Whose, join};
pub use offsets::{Interpreter, Offsets, PythonError, Version};
