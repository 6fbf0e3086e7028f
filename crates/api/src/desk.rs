//! What every request of one door is answered with.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, Uri};
use query::Engine;

use crate::Source;
use crate::access::{Keeper, Peer, Who};
use crate::limits::Gate;
use crate::refusal::Refusal;

/// What every request of one door is answered with.
pub(crate) struct Desk {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) keeper: Keeper,
    pub(crate) gate: Gate,
    /// `http` or `flight`.
    pub(crate) door: &'static str,
}

impl Desk {
    /// Whether `peer` may ask this, and who it is.
    pub(crate) fn judge(
        &self,
        peer: &Peer,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<Who, Refusal> {
        let warn = |what| self.source.warn(what);
        self.keeper.judge(peer, uri, headers, Instant::now(), warn)
    }

    /// What answers SQL.
    pub(crate) fn engine(&self) -> Result<Arc<Engine>, Refusal> {
        self.source.engine().ok_or(Refusal::NoStore)
    }

    /// Counts one query of `who`.
    pub(crate) fn admit(&self, who: &Who) -> Result<(), Refusal> {
        self.gate.query(&who.0, Instant::now()).map_err(Refusal::TooOften)
    }
}
