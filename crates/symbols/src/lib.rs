//! Binaries: which are mapped where, what is at an address, and how to find a frame's caller.
#![forbid(unsafe_code)]

mod binary;
pub mod debugfile;
mod demangle;
pub mod elf;
mod functions;
mod gofunctions;
mod gopclntab;
mod images;
mod inline;
mod kernel;
mod lru;
pub mod maps;
mod names;
mod naming;
mod perfmap;
mod prefix;
mod proc;
mod process;
pub mod python;
mod starts;
mod tables;
mod text;
pub mod unwind;
pub mod walk;

pub use binary::Binary;
pub use demangle::demangle;
pub use functions::functions;
pub use gofunctions::{GoPlaces, go_functions};
pub use gopclntab::{GoFunction, GoTable, GoTableError};
pub use images::{Images, Limits, Spot};
pub use inline::{InlineFrame, Lines, LinesError, LinesLimits};
pub use kernel::{KernelNames, KernelSymbol};
pub use lru::Lru;
pub use names::{Names, NamesLimits, Symbol};
pub use naming::{Naming, Place, PlaceKind};
pub use perfmap::{PerfMap, PerfMapLimits, PerfSymbol, Refreshed};
pub use tables::Told;
