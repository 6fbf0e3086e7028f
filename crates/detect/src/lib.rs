//! Detection: rules in Falco's language over the rows of the schema, and the alerts they make.
//!
//! [`language`] reads rule files into a [`language::Ruleset`]: what each rule says once its lists,
//! macros and exceptions are resolved. It knows no fields. [`compile`] turns that into a [`Program`]
//! for the tables that there are: fields, types and sets are found once and for all. A [`Detector`]
//! is one worker's: it asks the program about batches and tells [`Alert`]s.
//!
//! Nothing here does I/O: who users and hosts are is asked of [`Names`].
#![forbid(unsafe_code)]

mod alert;
mod columns;
mod compare;
mod detector;
mod fields;
mod getopt;
pub mod language;
mod memo;
mod names;
mod narrow;
pub mod novelty;
mod output;
mod program;
mod state;
mod transform;
mod value;

pub use alert::{Alert, AlertRow, RuleInfo};
pub use detector::{Cost, Detector};
pub use fields::{ArgumentRule, FIELDS, FieldInfo, FieldKind, View};
pub use names::{Nameless, Names};
pub use output::OutputValue;
pub use program::{Listed, Matching, Options, Program, compile};
