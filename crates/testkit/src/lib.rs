//! What tests and benches of Fathom run on: workloads that keep their own log, and the
//! comparison of such a log with the rows that Fathom printed.
//!
//! - [`workload`] does real operations and says what rows they must make;
//! - [`truth`] compares those with the rows that came, one to one;
//! - the other modules are small workloads with one purpose each: a demonstration, tight loops
//!   for benches, a path that changes while it is being opened, and many idle processes;
//! - [`profile`] is programs whose profile is known, and the judge of profiles;
//! - [`requests`] is real clients of real servers, and the judge of what is told of their calls;
//! - [`cluster`] is a real Kubernetes API server with pods that are real processes.
#![forbid(unsafe_code)]

pub mod bytes;
pub mod calls;
pub mod child;
pub mod cluster;
pub mod columns;
pub mod evade;
pub mod flip;
pub mod fuzz;
pub mod hooks;
pub mod log;
pub mod profile;
pub mod requests;
pub mod rng;
pub mod shop;
pub mod sleepers;
pub mod storm;
pub mod truth;
pub mod watch;
pub mod workload;
