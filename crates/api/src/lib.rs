//! The HTTP door: metrics, health, and what the tables are.
//!
//! Async inside, as few rooms are. It runs on one thread of its own; the rest of the agent
//! gives it a [`Source`] and knows nothing of it. It takes facts out and lets no intent in.
#![forbid(unsafe_code)]

mod door;
mod routes;

pub use door::{Door, ServeError, serve};

/// Where answers come from. Each call is a snapshot and should take milliseconds at most: the
/// door has one thread.
pub trait Source: Send + Sync {
    /// The metrics, in Prometheus' text format 0.0.4.
    fn metrics(&self) -> String;

    /// Whether the agent works.
    fn health(&self) -> Health;

    /// Whether the agent sees all that it was told to see.
    fn ready(&self) -> Readiness;

    /// The tables' description, as JSON.
    fn tables(&self) -> String;
}

/// Whether the agent works; where it does not, a restart may help.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// What is wrong; nothing where it is well.
    pub problems: Vec<String>,
}

/// Whether the agent sees all that it was told to see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What is not there yet; nothing once it is ready.
    pub waiting_for: Vec<String>,
}
