//! A list of attributes that grows.

use prost::bytes::Bytes;

use super::message::{AnyValue, KeyValue, Value};

/// Attributes, each key once.
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    /// A text; one that is empty says nothing.
    pub(super) fn text(&mut self, key: &'static str, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.set(key, Value::Text(text));
        }
    }

    /// A text, if there is one.
    pub(super) fn text_if(&mut self, key: &'static str, text: Option<impl Into<String>>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// A number, if there is one.
    pub(super) fn number_if(&mut self, key: &'static str, number: Option<u64>) {
        if let Some(number) = number {
            self.set(key, Value::Number(i64::try_from(number).unwrap_or(i64::MAX)));
        }
    }

    /// That it is so, if it is.
    pub(super) fn flag(&mut self, key: &'static str, is_so: bool) {
        if is_so {
            self.set(key, Value::Bool(true));
        }
    }

    /// Takes `others` whose keys are not there.
    pub(super) fn fill_in(&mut self, others: &[(String, String)]) {
        for (key, text) in others {
            if !text.is_empty() && !self.0.iter().any(|known| known.key == key.as_bytes()) {
                self.push(Bytes::copy_from_slice(key.as_bytes()), Value::Text(text.clone()));
            }
        }
    }

    fn set(&mut self, key: &'static str, value: Value) {
        self.push(Bytes::from_static(key.as_bytes()), value);
    }

    fn push(&mut self, key: Bytes, value: Value) {
        debug_assert!(self.0.iter().all(|known| known.key != key), "{key:?} stands there twice");
        let value = Some(AnyValue { value: Some(value) });
        self.0.push(KeyValue { key, value });
    }
}
