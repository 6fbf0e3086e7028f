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
        let sections = deliver::reference();
        let receiver = sections.into_iter().find(|(name, _)| *name == "receiver");
        for key in receiver.map(|(_, keys)| keys).unwrap_or_default() {
            let default = key.default.to_string();
            out.push(About { name: key.name, doc: key.doc, default });
        }
    }
}
