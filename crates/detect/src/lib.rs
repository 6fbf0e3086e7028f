//! Detection: rules in Falco's language over the rows of the schema, and the alerts they make.
//!
//! [`language`] reads rule files into a [`language::Ruleset`]: what each rule says once its lists,
//! macros and exceptions are resolved. It knows no fields.
#![forbid(unsafe_code)]

pub mod language;
