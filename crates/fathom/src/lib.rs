//! The composition root: the only crate that names all others.
//!
//! `session` puts the parts together (kernel, scope, identity, workers, bus); `stream` is what a
//! worker does; `cli` is what a user meets. Nothing below knows of this crate.
#![forbid(unsafe_code)]

pub mod agent;
pub mod capture;
pub mod cgroups;
pub mod cli;
pub mod config;
pub mod detection;
mod filling;
pub mod follow;
pub mod monitor;
pub mod node;
mod offline;
pub mod peers;
pub mod profiling;
pub mod requests;
pub mod session;
pub mod signals;
pub mod stream;
mod tls;
pub mod waiting;
