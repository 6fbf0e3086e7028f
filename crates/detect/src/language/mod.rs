//! Falco's rule language: files in, resolved rules out, and everything that is wrong with them.
//!
//! ```text
//! text ─▶ yaml ─▶ item ─▶ collection ─▶ resolve ─▶ Ruleset
//!                                        lists (as text) ─▶ grammar ─▶ macros
//! ```

mod collection;
mod condition;
mod diagnostic;
mod exception;
mod grammar;
mod item;
mod keys;
mod load;
mod near;
mod report;
mod resolve;
mod ruleset;
mod source;
mod traced;
mod version;
mod yaml;

pub use condition::{Argument, Check, Condition, Field, Modifier, Operand, Operator, Transformer};
pub use diagnostic::{Diagnostic, Place, Severity, code};
pub use load::{Loaded, load, parse_condition};
pub use ruleset::{Priority, Rule, Ruleset, Text};
pub use source::Source;
