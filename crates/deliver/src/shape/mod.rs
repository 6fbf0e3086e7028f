//! How alerts look to those who get them by HTTP: what a request has, and what an answer means.

mod alertmanager;
pub(crate) mod falco;
mod otlp;
mod pagerduty;
mod slack;
mod webhook;

use std::sync::Arc;

use crate::carry::Trouble;
use crate::{Falco, Notice};

/// A service that takes alerts by HTTP.
pub(crate) trait Shape: Send {
    /// How many alerts one request has at most.
    fn most(&self) -> usize {
        1
    }

    /// What stands behind the configured address.
    fn path(&self) -> &'static str {
        ""
    }

    /// The method.
    fn method(&self) -> &str {
        "POST"
    }

    /// The body's type.
    fn content_type(&self) -> &str {
        "application/json"
    }

    /// The body for some alerts, no more than [`Shape::most`].
    fn body(&self, notices: &[Arc<Notice>]) -> Result<Vec<u8>, Trouble>;

    /// Whether another try may do better after this status, which is no success.
    fn is_passing(&self, status: u16) -> bool {
        matches!(status, 408 | 429 | 500..)
    }

    /// How many of the alerts were refused although the request as a whole was not.
    fn refused(&self, _answer: &[u8]) -> usize {
        0
    }
}

pub(crate) use alertmanager::Alerts;
pub(crate) use otlp::Logs;
pub(crate) use pagerduty::Event;
pub(crate) use slack::Message;
pub(crate) use webhook::Filled;

/// Falco's object, one to a request.
pub(crate) struct Plain(pub(crate) Falco);

impl Shape for Plain {
    fn content_type(&self) -> &str {
        if self.0.json { "application/json" } else { "text/plain" }
    }

    fn body(&self, notices: &[Arc<Notice>]) -> Result<Vec<u8>, Trouble> {
        Ok(falco::lines(notices, &self.0).trim_end().as_bytes().to_vec())
    }
}

/// The first `most` characters of `text`, with an ellipsis where some are left out.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most.saturating_sub(1)) {
        Some((at, last)) if at + last.len_utf8() < text.len() => format!("{}…", &text[..at]),
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("größer", 6), "größer");
        assert_eq!(shortened("größer", 5), "größ…");
        assert_eq!(shortened("", 5), "");
    }
}
