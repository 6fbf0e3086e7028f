//! What is kept of requests of single namespaces: `{payments: {read: false}, dev: {bodies: 1KiB}}`.

use std::collections::BTreeMap;
use std::fmt::Write;

use protocols::Policy;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::keys::{About, Setting, Word};
use super::values::quoted;
use super::{Requests, Size, Text};

/// Namespaces by name, each with what is kept there.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Namespaces(pub BTreeMap<String, Keep>);

/// What is kept of a namespace's requests; what is not given is as for all.
#[derive(Debug, Clone, PartialEq, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keep {
    /// Whether they are read at all.
    #[serde(deserialize_with = "given")]
    pub read: Option<bool>,
    /// Whether all headers are kept.
    #[serde(deserialize_with = "given")]
    pub headers: Option<bool>,
    /// Headers of which nothing is kept.
    #[serde(deserialize_with = "given")]
    pub denied_headers: Option<Vec<Text>>,
    /// Whether values in the queries of URLs are kept.
    #[serde(deserialize_with = "given")]
    pub query_values: Option<bool>,
    /// Whether literals of SQL and keys of caches are kept.
    #[serde(deserialize_with = "given")]
    pub literals: Option<bool>,
    /// How many bytes are kept of each body.
    #[serde(deserialize_with = "given")]
    pub bodies: Option<Size>,
}

/// Whether a namespace can be called so.
fn is_name(name: &str) -> bool {
    let fits = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(fits)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

impl Requests {
    /// What may be kept where no namespace says something else.
    pub(super) fn policy(&self) -> Policy {
        Policy {
            headers: self.headers,
            denied_headers: self.denied_headers.iter().map(|it| it.0.to_lowercase()).collect(),
            query_values: self.query_values,
            literals: self.literals,
            bodies: self.bodies.0 as usize,
        }
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let most = self.message.0;
        let too_much = |size: Size| size.0 > most;
        let words = |size: Size| {
            format!("{size} is more than is copied of a message, which is {}", self.message)
        };
        if too_much(self.bodies) {
            return Err(("requests.bodies", words(self.bodies)));
        }
        for (name, keep) in &self.namespaces.0 {
            if let Some(size) = keep.bodies.filter(|it| too_much(*it)) {
                return Err(("requests.namespaces", format!("{name}: bodies: {}", words(size))));
            }
            if !is_name(name) {
                let words = format!(
                    "`{name}` is no namespace: its name is up to 63 small letters, digits and `-`"
                );
                return Err(("requests.namespaces", words));
            }
        }
        Ok(())
    }
}

impl Keep {
    /// What may be kept, where `all` says what is not given; `None` where nothing is read.
    pub fn policy(&self, all: &Requests) -> Option<Policy> {
        let Keep { read, headers, denied_headers, query_values, literals, bodies } = self;
        let whole = all.policy();
        let denied = denied_headers.as_ref();
        read.unwrap_or(true).then(|| Policy {
            headers: headers.unwrap_or(whole.headers),
            denied_headers: denied.map_or(whole.denied_headers, |denied| {
                denied.iter().map(|it| it.0.to_lowercase()).collect()
            }),
            query_values: query_values.unwrap_or(whole.query_values),
            literals: literals.unwrap_or(whole.literals),
            bodies: bodies.map_or(whole.bodies, |it| it.0 as usize),
        })
    }

    /// As YAML in one line.
    fn show(&self) -> String {
        let Keep { read, headers, denied_headers, query_values, literals, bodies } = self;
        let list = |it: &Vec<Text>| {
            let words: Vec<String> = it.iter().map(Word::show).collect();
            format!("[{}]", words.join(", "))
        };
        let keys = [
            ("read", read.map(|it| it.show())),
            ("headers", headers.map(|it| it.show())),
            ("denied_headers", denied_headers.as_ref().map(list)),
            ("query_values", query_values.map(|it| it.show())),
            ("literals", literals.map(|it| it.show())),
            ("bodies", bodies.map(|it| it.show())),
        ];
        let given = keys.into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", value?)));
        format!("{{{}}}", given.collect::<Vec<_>>().join(", "))
    }
}

impl Setting for Namespaces {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Namespaces, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Namespaces;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("namespaces by name: {dev: {bodies: 1KiB}}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Namespaces, A::Error> {
                let mut names = BTreeMap::new();
                while let Some((name, keep)) = map.next_entry::<String, Option<Keep>>()? {
                    names.insert(name, keep.unwrap_or_default());
                }
                Ok(Namespaces(names))
            }
        }
        from.deserialize_map(Names)
    }

    fn print(&self, depth: usize, out: &mut String) {
        if self.0.is_empty() {
            out.push_str(" {}\n");
            return;
        }
        out.push('\n');
        let indent = "  ".repeat(depth);
        for (name, keep) in &self.0 {
            let _ = writeln!(out, "{indent}{}: {}", quoted(name), keep.show());
        }
    }

    fn keys(key: &str, out: &mut Vec<String>) {
        out.push(key.to_string());
    }

    fn set(&mut self, _: &str, text: &str) -> Result<(), String> {
        let Item(read) = serde_saphyr::from_str(text).map_err(super::problem::words)?;
        *self = read;
        Ok(())
    }

    fn about(out: &mut Vec<About>) {
        let keys: [(&str, &'static [&'static str]); 2] = [
            ("read", &["Whether its requests are read at all; their bytes are counted."]),
            ("…", &["headers, denied_headers, query_values, literals, bodies: as above."]),
        ];
        let defaults = ["true", "what holds for all"];
        out.extend(keys.into_iter().zip(defaults).map(|((name, doc), default)| About {
            name,
            doc,
            default: default.to_string(),
        }));
    }
}

/// [`Namespaces`] to serde.
struct Item(Namespaces);

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Item, D::Error> {
        Namespaces::read(from).map(Item)
    }
}

/// A key that is there.
fn given<'de, D: Deserializer<'de>, T: Setting>(from: D) -> Result<Option<T>, D::Error> {
    T::read(from).map(Some)
}
