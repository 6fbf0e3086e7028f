//! Telling the head of the store's chain to somebody outside of the node: whoever keeps it can prove
//! later that nothing before it was changed, even where all of the node was.

use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api::client::{Client, ClientTls};
use serde_json::json;
use store::Head;

use super::log::Log;
use crate::config;

/// Who is told of the head.
pub(super) struct Witness {
    node: String,
    heads: SyncSender<serde_json::Value>,
}

/// One that takes longer is given up; the next head says all that this one said.
const PATIENCE: Duration = Duration::from_secs(10);

impl Witness {
    /// The one that `config` names, told by a thread of its own; none where nobody is named.
    pub(super) fn start(config: &config::Memory, node: &str, log: &Log) -> Result<Option<Witness>> {
        let url = config.witness.0.as_str();
        if url.is_empty() {
            return Ok(None);
        }
        let (scheme, rest) = url.split_once("://").context("store.witness is no URL")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = if scheme == "https" { 443 } else { 80 };
        let named = authority.rsplit_once(':').is_some_and(|(_, it)| it.parse::<u16>().is_ok());
        let address = match named {
            true => format!("{scheme}://{authority}"),
            false => format!("{scheme}://{authority}:{port}"),
        };
        ensure!(!authority.is_empty(), "store.witness is no URL");
        let ca = &config.witness_ca.0;
        let ca = (!ca.is_empty()).then(|| ca.into());
        let tls = ClientTls { ca, ..ClientTls::default() };
        let client = Client::new(&address, &tls, None).context("store.witness")?;
        let (heads, told) = mpsc::sync_channel(1);
        let (path, log) = (format!("/{path}"), log.clone());
        let thread = thread::Builder::new().name("fathom-witness".into());
        let tell = move || {
            let mut failing = false;
            while let Ok(head) = told.recv() {
                let begun = Instant::now();
                let client = client.clone().stopped_by(move || begun.elapsed() > PATIENCE);
                match client.post(&path, &head) {
                    Ok(()) => failing = false,
                    // Once, not at each head.
                    Err(error) if !std::mem::replace(&mut failing, true) => {
                        log.warn(format_args!("the head of the chain could not be told: {error}"));
                    }
                    Err(_) => {}
                }
            }
        };
        thread.spawn(tell).context("cannot start the thread for store.witness")?;
        Ok(Some(Witness { node: node.to_string(), heads }))
    }

    /// Tells of `head`; one that is still being told is enough.
    pub(super) fn tell(&self, head: Head) {
        let (sequence, hash) = (head.sequence, head.hash_text());
        let body = json!({
            "node": self.node, "sequence": sequence, "hash": hash, "head": head.to_string(),
        });
        let _ = self.heads.try_send(body);
    }
}
