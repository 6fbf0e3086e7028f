//! Profiles: stacks with weights, and their forms (pprof, folded, SVG, HTML, OTLP, tables).
//!
//! A [`Profile`] is filled with frames, stacks and labels, each interned, and samples of them.
//! [`Tree`] is the call tree that it makes, [`Top`] its functions and [`Diff`] how another profile
//! differs. The forms are written to any [`std::io::Write`]:
//!
//! | form | |
//! |---|---|
//! | [`folded`] | a line for each stack, written and read |
//! | [`pprof`] | what `go tool pprof` reads, written and read |
//! | [`svg`] | a flame graph as a picture |
//! | [`html`] | a page with the whole profile in it, to be searched |
//! | [`otlp`] | a request of OpenTelemetry's profiles signal |
//! | [`layout`] | where boxes stand, for whoever draws them elsewhere |
//! | [`terminal`] | what a person sees of it in a terminal while it grows |
//!
//! Nothing here opens a file or asks for the time.
#![forbid(unsafe_code)]

mod diff;
pub mod folded;
mod frame;
pub mod html;
pub mod layout;
mod names;
pub mod otlp;
mod palette;
pub mod pprof;
mod profile;
#[cfg(test)]
mod sketch;
pub mod svg;
pub mod terminal;
mod top;
mod tree;
mod value;

pub use diff::{Change, Diff, Side};
pub use frame::{Frame, FrameKind, Name};
pub use profile::{About, FrameId, Label, LabelValue, LabelsId, Mapping, Profile, Sample, StackId};
pub use top::{Row, Top};
pub use tree::{Node, Tree, View};
pub use value::{ValueKind, Values};
