//! What is done to a value before it is compared.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::fields::{self, Chosen, Event, FieldInfo, FieldKind};
use crate::getopt;
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
    /// The letters of the options, and the one whose value is taken.
    Getopt(Vec<u8>, Option<u8>),
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
                Transformer::Getopt(letters, which) => {
                    let which = which.and_then(|it| u8::try_from(it).ok());
                    Step::Getopt(letters.clone().into_bytes(), which)
                }
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
            Seen::Several(all) if matches!(self, Step::Getopt(..)) => {
                let words: Vec<_> = all.iter().filter_map(Seen::shown).collect();
                Cow::Owned(words.join(" ").into_bytes())
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
            Step::Getopt(letters, which) => {
                let words = bytes.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
                let words: Vec<&[u8]> = words.collect();
                match *which {
                    Some(which) => {
                        getopt::one(&words, letters, which).map_or(Seen::Nothing, Seen::owned)
                    }
                    None => {
                        let found = getopt::all(&words, letters);
                        Seen::Several(found.into_iter().map(Seen::owned).collect())
                    }
                }
            }
        }
    }
}
