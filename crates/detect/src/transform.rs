//! What is done to a value before it is compared.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fields::{self, Chosen, Event, FieldInfo, FieldKind};
use crate::language::{Field, Transformer};
use crate::value::Seen;

/// A field with its transformers, as a comparison takes it.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) field: Chosen,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    ToLower,
    ToUpper,
    Base64,
    Basename,
    Len,
    Join(Vec<u8>, Vec<Taken>),
    Getopt(Vec<u8>),
}

impl Taken {
    /// Finds the field, and what kind of value comes out; else says what is wrong and what to do.
    pub(crate) fn of(
        field: &Field,
    ) -> Result<(Taken, FieldKind, &'static FieldInfo), (String, String)> {
        let (info, chosen) = fields::find(&field.name, field.argument.as_ref())?;
        let mut kind = info.kind;
        let mut steps = Vec::new();
        for transformer in &field.transformers {
            kind =
                if *transformer == Transformer::Len { FieldKind::Number } else { FieldKind::Text };
            steps.push(match transformer {
                Transformer::ToLower => Step::ToLower,
                Transformer::ToUpper => Step::ToUpper,
                Transformer::Base64 => Step::Base64,
                Transformer::Basename => Step::Basename,
                Transformer::Len => Step::Len,
                Transformer::Getopt(name) => Step::Getopt(name.clone().into_bytes()),
                Transformer::Join(between, others) => {
                    let others = others.iter().map(|other| Ok(Taken::of(other)?.0));
                    Step::Join(
                        between.clone().into_bytes(),
                        others.collect::<Result<_, (String, String)>>()?,
                    )
                }
            });
        }
        Ok((Taken { field: chosen, steps }, kind, info))
    }

    /// Reads the field of `event`, transforms it, and hands it over.
    pub(crate) fn with<T>(&self, event: &Event<'_>, then: impl FnOnce(&Seen<'_>) -> T) -> T {
        let seen = fields::read(&self.field, event);
        if self.steps.is_empty() {
            return then(&seen);
        }
        let seen = self.steps.iter().fold(seen, |seen, step| step.take(seen, event));
        then(&seen)
    }

    /// Whether nothing is done to the field.
    pub(crate) fn is_plain(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Step {
    fn take<'a>(&self, seen: Seen<'a>, event: &Event<'_>) -> Seen<'a> {
        let bytes = match seen {
            Seen::Nothing => return Seen::Nothing,
            Seen::Several(all) if matches!(self, Step::Len) => {
                return Seen::number(all.len() as i64);
            }
            Seen::Several(all) => {
                return Seen::Several(all.into_iter().map(|one| self.take(one, event)).collect());
            }
            Seen::Text(bytes) => bytes,
            other => Cow::Owned(other.shown().unwrap_or_default().into_owned().into_bytes()),
        };
        match self {
            Step::ToLower => Seen::owned(bytes.to_ascii_lowercase()),
            Step::ToUpper => Seen::owned(bytes.to_ascii_uppercase()),
            Step::Base64 => STANDARD.decode(&*bytes).map_or(Seen::Nothing, Seen::owned),
            Step::Basename => {
                let from = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |it| it + 1);
                Seen::owned(&bytes[from..])
            }
            Step::Len => Seen::number(bytes.len() as i64),
            Step::Join(between, others) => {
                let mut joined = bytes.into_owned();
                for other in others {
                    joined.extend_from_slice(between);
                    other.with(event, |seen| {
                        joined.extend_from_slice(seen.shown().unwrap_or_default().as_bytes());
                    });
                }
                Seen::owned(joined)
            }
            Step::Getopt(name) => option(&bytes, name).map_or(Seen::Nothing, Seen::owned),
        }
    }
}

/// The value behind an option: `-x VALUE`, `-xVALUE`, `--long VALUE`, `--long=VALUE`.
fn option(line: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let dashes: &[u8] = if name.len() == 1 { b"-" } else { b"--" };
    while let Some(word) = words.next() {
        let Some(rest) = word.strip_prefix(dashes).and_then(|rest| rest.strip_prefix(name)) else {
            continue;
        };
        return match rest {
            [] => words.next().map(<[u8]>::to_vec),
            [b'=', value @ ..] => Some(value.to_vec()),
            value if name.len() == 1 => Some(value.to_vec()),
            _ => continue,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_their_values() {
        let of = |line: &str, name: &str| {
            option(line.as_bytes(), name.as_bytes()).map(|it| String::from_utf8(it).unwrap())
        };
        assert_eq!(of("-l 80 -p 22", "p").as_deref(), Some("22"));
        assert_eq!(of("-p22", "p").as_deref(), Some("22"));
        assert_eq!(of("--port=22", "port").as_deref(), Some("22"));
        assert_eq!(of("--port 22", "port").as_deref(), Some("22"));
        assert_eq!(of("--portal x", "port"), None);
    }
}
