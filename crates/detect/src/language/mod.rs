//! Falco's rule language: files in, resolved rules out, and everything that is wrong with them.

mod condition;
mod diagnostic;
mod ruleset;

pub use condition::{Argument, Check, Condition, Field, Modifier, Operand, Operator, Transformer};
pub use diagnostic::{Diagnostic, Place, Severity};
pub use ruleset::{Priority, Rule, Ruleset, Text};
