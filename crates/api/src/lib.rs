//! The doors: metrics, health and tables over HTTP, SQL over HTTP and Arrow Flight SQL, live
//! tails; and the client of the first.
//!
//! Async inside, as few rooms are. Each door runs on one thread of its own; the rest of the agent
//! gives it a [`Source`] and knows nothing of it. It takes facts out and lets no intent in.
//!
//! Both doors are the same but for what is behind them: one way to listen (`door`), one to tell
//! who is there ([`Access`]), one measure of how much each may ask ([`Limits`]), and one way for a
//! query from its asking to its audit row (`asked`).
#![forbid(unsafe_code)]

mod access;
mod asked;
mod audit;
pub mod client;
mod desk;
mod door;
mod encode;
mod flight;
mod limits;
mod refusal;
mod routes;
mod sql;
mod subject;
mod tail;
mod tls;
mod watched;

use std::sync::Arc;

use schema::Table;

pub use access::{Access, AccessError};
pub use audit::{AgentQuery, Audit};
pub use door::{Door, Doorway, ServeError, serve, serve_flight};
pub use limits::Limits;
pub use tls::Tls;

/// Where answers come from. Each call is a snapshot and should take milliseconds at most: a
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

    /// What answers SQL; none where nothing is stored.
    fn engine(&self) -> Option<Arc<query::Engine>>;

    /// The tables whose rows can be followed as they come.
    fn followed(&self) -> Vec<&'static Table>;

    /// The rows of `table` from now on; none where there is no agent behind this. The
    /// subscription drops and counts what its reader is too slow for.
    fn tail(&self, table: &'static Table) -> Option<bus::Subscription>;

    /// A query has ended, well or not.
    fn audit(&self, audit: Audit);

    /// Something is wrong at a door that goes on with what it had: a certificate that cannot be
    /// read any more. One sentence, for the log.
    fn warn(&self, what: String);
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
