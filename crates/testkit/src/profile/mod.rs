//! Programs whose profile is known, and the judge of profiles.
//!
//! - [`programs`] are sources in many languages and shapes, built by this machine's compilers;
//! - [`cases`] says how each is run and what its profile has to be;
//! - [`folded`] reads a profile's folded text, in which every profiler can write;
//! - [`judge`] compares the two: shares, chains of calls, completeness;
//! - [`fathom`] runs our own profiler on a case;
//! - [`perf`] is the other profiler, to try the judge on and to compare with.

pub mod cases;
pub mod chain;
pub mod fathom;
pub mod folded;
pub mod frame;
pub mod judge;
pub mod perf;
pub mod programs;
pub mod symbols;
