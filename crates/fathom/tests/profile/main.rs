//! `fathom profile` on programs whose profile is known. Nothing is watched but the command itself.

mod forms;
mod table;
