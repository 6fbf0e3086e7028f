//! Receivers of alerts and of profiles, as keys: they are declared where these are delivered.

use deliver::{Receiver, Upload};
use serde::de::{Deserialize, Deserializer};

use super::keys::{About, Setting};

/// What is declared in another room, and documented here in short: keys with their words and defaults.
macro_rules! declared_elsewhere {
    ($type:ty { $($name:literal: $doc:expr, $default:literal;)+ }) => {
        impl Setting for $type {
            fn read<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                <$type>::deserialize(from)
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
                $( out.push(About { name: $name, doc: &$doc, default: $default.into() }); )+
            }
        }
    };
}

// docs/alerts.md has what stands below these.
declared_elsewhere!(Receiver {
    "name": ["What it is called in metrics, and its queue's folder."], "the kind";
    "priority": ["Alerts of this priority and worse are sent to it."], "debug";
    "waiting": [
        "How many alerts wait in memory; beyond them the newest are",
        "dropped and counted.",
    ], "4096";
    "disk": ["How much waits on disk, for receivers by HTTP; 0 is none."], "64MiB";
    "backoff": ["Pauses before another try."], "{first: 500ms, most: 30s}";
    "to": ["What it is, with the keys of its kind: {http: {url: …}}."], "{stdout: {}}";
});

declared_elsewhere!(Upload {
    "url": ["Its address; may be `file:PATH`."], "''";
    "form": ["otlp, or pprof as Pyroscope takes it."], "otlp";
    "every": ["How much time each covers."], "10s";
    "request": ["How requests are made; docs/alerts.md has the keys."], "{}";
});
