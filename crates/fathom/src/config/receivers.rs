//! Receivers of alerts, as keys: they are declared where alerts are delivered.

use deliver::Receiver;
use serde::de::{Deserialize, Deserializer};

use super::keys::{About, Setting};

impl Setting for Receiver {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Receiver, D::Error> {
        Receiver::deserialize(from)
    }

    fn print(&self, _: usize, out: &mut String) {
        // What cannot be written as YAML cannot have been read from it.
        out.push_str(&serde_saphyr::to_string(self).unwrap_or_default());
    }

    fn keys(key: &str, out: &mut Vec<String>) {
        out.push(key.to_string());
    }

    fn set(&mut self, _: &str, text: &str) -> Result<(), String> {
        *self = serde_saphyr::from_str(text).map_err(super::problem::words)?;
        Ok(())
    }

    fn about(out: &mut Vec<About>) {
        // In short: docs/alerts.md has what stands below them.
        let keys: [(&str, &[&str], &str); 6] = [
            ("name", &["What it is called in metrics, and its queue's folder."], "the kind"),
            ("priority", &["Alerts of this priority and worse are sent to it."], "debug"),
            (
                "waiting",
                &[
                    "How many alerts wait in memory; beyond them the newest are",
                    "dropped and counted.",
                ],
                "4096",
            ),
            ("disk", &["How much waits on disk, for receivers by HTTP; 0 is none."], "64MiB"),
            ("backoff", &["Pauses before another try."], "{first: 500ms, most: 30s}"),
            ("to", &["What it is, with the keys of its kind: {http: {url: …}}."], "{stdout: {}}"),
        ];
        let about =
            |(name, doc, default): (_, _, &str)| About { name, doc, default: default.into() };
        out.extend(keys.map(about));
    }
}
