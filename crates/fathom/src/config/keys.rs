//! A key: one declaration gives its name, its documentation, its default, how it is read, how it
//! is printed, and its environment variable.

use std::fmt::Write;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A value of the configuration, or a section of it.
pub(super) trait Setting: Sized {
    /// Reads it from YAML.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;

    /// Appends what stands behind `key:`, with the end of the line.
    fn print(&self, depth: usize, out: &mut String);

    /// Appends every key at or below `key`.
    fn keys(key: &str, out: &mut Vec<String>);

    /// Takes the value of the key at or below this from `text`, as an environment variable says
    /// it. There is such a key.
    fn set(&mut self, key: &str, text: &str) -> Result<(), String>;

    /// What a list's elements consist of, for their documentation.
    fn about(_out: &mut Vec<About>) {}
}

/// A value that one word says.
pub(super) trait Word: Sized {
    /// What may stand there, after "write".
    const ALLOWED: &'static str;

    /// Reads it; the error says what is wrong with `text`.
    fn parse(text: &str) -> Result<Self, String>;

    /// The word, as YAML.
    fn show(&self) -> String;
}

/// What a key is to a reader.
#[derive(Debug, Clone)]
pub(super) struct About {
    /// Its name.
    pub(super) name: &'static str,
    /// Its documentation, line by line.
    pub(super) doc: &'static [&'static str],
    /// Its default, as YAML.
    pub(super) default: String,
}

/// Declares sections: structs whose fields are settings, each with its documentation and default.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])+
        $name:ident {
            $( $(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr, )+
        }
    )+) => { $(
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[serde(deserialize_with = "crate::config::keys::Setting::read")]
                pub $field: $type,
            )+
        }

        impl Default for $name {
            fn default() -> $name {
                $name { $( $field: $default, )+ }
            }
        }

        impl $crate::config::keys::Setting for $name {
            fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<$name, D::Error> {
                // A section whose keys are all commented out is null to YAML.
                let read: Option<$name> = serde::Deserialize::deserialize(from)?;
                Ok(read.unwrap_or_default())
            }

            fn print(&self, depth: usize, out: &mut String) {
                if depth > 0 {
                    out.push('\n');
                }
                $(
                    let doc: &[&str] = &[$( $doc ),+];
                    $crate::config::keys::print_key(depth, doc, stringify!($field), &self.$field, out);
                )+
            }

            fn keys(key: &str, out: &mut Vec<String>) {
                let dot = if key.is_empty() { "" } else { "." };
                $( <$type>::keys(&format!("{key}{dot}{}", stringify!($field)), out); )+
            }

            fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
                let (first, rest) = key.split_once('.').unwrap_or((key, ""));
                match first {
                    $( stringify!($field) => self.$field.set(rest, text), )+
                    _ => Err(format!("there is no key `{first}`")),
                }
            }

            fn about(out: &mut Vec<$crate::config::keys::About>) {
                let new = $name::default();
                $(
                    let mut default = String::new();
                    new.$field.print(0, &mut default);
                    out.push($crate::config::keys::About {
                        name: stringify!($field),
                        doc: &[$( $doc ),+],
                        default: default.trim().to_string(),
                    });
                )+
            }
        }
    )+ };
}
pub(super) use sections;

/// Makes a [`Word`] a [`Setting`].
macro_rules! words {
    ($($type:ty),+ $(,)?) => { $(
        impl $crate::config::keys::Setting for $type {
            fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                from.deserialize_str($crate::config::keys::WordVisitor(std::marker::PhantomData))
            }

            fn print(&self, _: usize, out: &mut String) {
                out.push(' ');
                out.push_str(&$crate::config::keys::Word::show(self));
                out.push('\n');
            }

            fn keys(key: &str, out: &mut Vec<String>) {
                out.push(key.to_string());
            }

            fn set(&mut self, _: &str, text: &str) -> Result<(), String> {
                *self = $crate::config::keys::Word::parse(text)?;
                Ok(())
            }
        }
    )+ };
}
pub(super) use words;

/// Reads a [`Word`].
pub(super) struct WordVisitor<T>(pub(super) std::marker::PhantomData<T>);

impl<T: Word> Visitor<'_> for WordVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(T::ALLOWED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        T::parse(text).map_err(E::custom)
    }
}

/// A list of words stands on one line, a list of sections on several.
impl<T: Setting> Setting for Vec<T> {
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
        struct List<T>(std::marker::PhantomData<T>);
        impl<'de, T: Setting> Visitor<'de> for List<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list: [one, other]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(Item(item)) = list.next_element()? {
                    items.push(item);
                }
                Ok(items)
            }
        }
        from.deserialize_seq(List(std::marker::PhantomData))
    }

    fn print(&self, depth: usize, out: &mut String) {
        let mut parts = Vec::new();
        T::about(&mut parts);
        let mut texts = self.iter().map(|item| {
            let mut text = String::new();
            item.print(0, &mut text);
            text
        });
        if parts.is_empty() || self.is_empty() {
            let texts: Vec<_> = texts.map(|text| text.trim().to_string()).collect();
            let _ = writeln!(out, " [{}]", texts.join(", "));
            return;
        }
        out.push('\n');
        let indent = "  ".repeat(depth);
        texts.all(|text| {
            // The documentation of the parts stands above the list, once.
            let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            for (at, line) in lines.enumerate() {
                let mark = if at == 0 { "- " } else { "  " };
                let _ = writeln!(out, "{indent}{mark}{line}");
            }
            true
        });
    }

    fn keys(key: &str, out: &mut Vec<String>) {
        out.push(key.to_string());
    }

    fn set(&mut self, _: &str, text: &str) -> Result<(), String> {
        // `a,b` is as good as `[a, b]`.
        let text = text.trim();
        let list =
            if text.starts_with(['[', '-']) { text.to_string() } else { format!("[{text}]") };
        let Item(items) = serde_saphyr::from_str(&list).map_err(super::problem::words)?;
        *self = items;
        Ok(())
    }

    fn about(out: &mut Vec<About>) {
        T::about(out);
    }
}

/// A [`Setting`] to serde.
struct Item<T>(T);

impl<'de, T: Setting> Deserialize<'de> for Item<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Item<T>, D::Error> {
        T::read(from).map(Item)
    }
}

/// Appends a key with its documentation above it.
pub(super) fn print_key<T: Setting>(
    depth: usize,
    doc: &[&str],
    name: &str,
    value: &T,
    out: &mut String,
) {
    let indent = "  ".repeat(depth);
    if depth == 0 {
        out.push('\n');
    }
    for line in doc {
        let _ = writeln!(out, "{indent}#{line}");
    }
    let mut parts = Vec::new();
    T::about(&mut parts);
    let mut list = Vec::new();
    T::keys("", &mut list);
    // Only a list's parts are told here; a section's are told where they stand.
    if list == [""] {
        for About { name, doc, default } in parts {
            for (at, line) in doc.iter().enumerate() {
                let name = if at == 0 { format!("{name}:") } else { String::new() };
                let _ = writeln!(out, "{indent}#   {name:<15}{}", line.trim_start());
            }
            let _ = writeln!(out, "{indent}#   {:<15}Default: {default}", "");
        }
    }
    let _ = write!(out, "{indent}{name}:");
    value.print(depth + 1, out);
}
