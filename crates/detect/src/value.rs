//! Values as rules compare them.

use std::borrow::Cow;
use std::net::IpAddr;

/// What a field is at one event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Seen<'a> {
    /// It has no value: every comparison with it is false, `!=` too.
    Nothing,
    Text(Cow<'a, [u8]>),
    Number(i128),
    Bool(bool),
    Ip(IpAddr),
    /// Several, of which any may match: all ancestors, both ends.
    Several(Vec<Seen<'a>>),
}

impl<'a> Seen<'a> {
    pub(crate) fn text(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Seen<'a> {
        Seen::Text(Cow::Borrowed(text.as_ref()))
    }

    pub(crate) fn owned(text: impl Into<Vec<u8>>) -> Seen<'a> {
        Seen::Text(Cow::Owned(text.into()))
    }

    pub(crate) fn number(number: impl Into<i128>) -> Seen<'a> {
        Seen::Number(number.into())
    }

    /// The value, or nothing.
    pub(crate) fn maybe<T>(value: Option<T>, as_seen: impl FnOnce(T) -> Seen<'a>) -> Seen<'a> {
        value.map_or(Seen::Nothing, as_seen)
    }

    /// Nothing becomes none, so that another reader can be asked.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Seen::Nothing)
    }

    /// As an output shows it.
    pub(crate) fn shown(&self) -> Option<Cow<'_, str>> {
        match self {
            Seen::Nothing => None,
            Seen::Text(bytes) => Some(legible(bytes)),
            Seen::Number(number) => Some(number.to_string().into()),
            Seen::Bool(value) => Some(if *value { "true" } else { "false" }.into()),
            Seen::Ip(address) => Some(address.to_string().into()),
            Seen::Several(all) => {
                let shown: Vec<_> = all.iter().filter_map(Seen::shown).collect();
                (!shown.is_empty()).then(|| shown.join(",").into())
            }
        }
    }
}

/// Bytes as text: what is no UTF-8 as `\xNN`, control characters escaped, so that nobody can forge
/// a line of a log.
fn legible(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains(char::is_control) => Cow::Borrowed(text),
        _ => schema::Text(bytes).to_string().into(),
    }
}
