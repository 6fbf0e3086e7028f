//! Ways to a receiver.

mod lines;
mod pem;
mod program;
mod syslog;
mod web;

use std::sync::Arc;
use std::time::Duration;

use crate::shape::{Alerts, Event, Filled, Logs, Message, Plain, Shape};
use crate::{Notice, Receiver, Request, Secret, To};
use lines::Lines;
use program::Piped;
use syslog::Logged;
use web::Web;

pub(crate) use web::Client;

/// Carries notices to one receiver.
pub(crate) trait Carrier: Send {
    /// How many it takes at once.
    fn most(&self) -> usize {
        1
    }

    /// Carries them, in their order, and says how many of them the receiver refused.
    fn carry(&mut self, notices: &[Arc<Notice>]) -> Result<usize, Trouble>;

    /// No more come.
    fn finish(&mut self) {}
}

/// Why notices did not arrive.
#[derive(Debug, PartialEq)]
pub(crate) enum Trouble {
    /// They never will.
    Refused {
        /// What to count them under.
        reason: &'static str,
        /// For people.
        words: String,
    },
    /// Another try may do better.
    Later {
        /// How many arrived all the same: the first ones.
        delivered: usize,
        /// How long the receiver asked us to wait.
        after: Option<Duration>,
        /// For people.
        words: String,
    },
}

impl Trouble {
    /// Nothing arrived; it may later.
    pub(crate) fn later(words: String) -> Trouble {
        Trouble::Later { delivered: 0, after: None, words }
    }
}

/// The way to `receiver`. Errors are about its configuration: nobody has to be reachable yet.
pub(crate) fn open(receiver: &Receiver) -> Result<Box<dyn Carrier>, String> {
    Ok(match &receiver.to {
        To::Stdout(config) => Box::new(Lines::stdout(config)?),
        To::File(config) => Box::new(Lines::file(config)?),
        To::Program(config) => Box::new(Piped::new(config)?),
        To::Syslog(config) => Box::new(Logged::new(config)?),
        To::Http(it) => by_http(&it.url, &it.request, Plain(it.format.clone()))?,
        To::Slack(it) => by_http(&it.url, &it.request, Message)?,
        To::Pagerduty(it) => {
            if it.routing_key.is_empty() {
                return Err("there is no routing_key".to_string());
            }
            by_http(&it.url, &it.request, Event { routing_key: it.routing_key.clone() })?
        }
        To::Alertmanager(it) => {
            if let Some(name) = it.labels.keys().find(|name| !Alerts::is_label(name)) {
                return Err(format!("`{name}` is no label: it may have letters, digits and _"));
            }
            let (labels, lasts) = (it.labels.clone(), it.lasts.0);
            by_http(&it.url, &it.request, Alerts { labels, lasts })?
        }
        To::Webhook(it) => by_http(&it.url, &it.request, Filled::new(it)?)?,
        To::Otlp(it) => by_http(&it.url, &it.request, Logs { most: it.batch.max(1) as usize })?,
    })
}

fn by_http(
    url: &Secret,
    request: &Request,
    shape: impl Shape + 'static,
) -> Result<Box<dyn Carrier>, String> {
    Ok(Box::new(Web::new(url.clone(), request.clone(), Box::new(shape))?))
}
