//! Values one at a time, for whoever writes rows out.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::{Batch, Column, Data, Field, ProcessKey, common_value};

/// One value of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// There is none.
    Null,
    /// An unsigned number.
    Uint(u64),
    /// A signed number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// Bytes, nearly always UTF-8.
    Text(&'a [u8]),
    /// An address.
    Ip(IpAddr),
    /// A process.
    Process(ProcessKey),
}

/// One row of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The batch.
    pub batch: &'a Batch,
    /// The row's place in it.
    pub index: usize,
}

/// Bytes shown as text: UTF-8 as it is, any other byte and control characters as `\xNN`.
pub struct Text<'a>(pub &'a [u8]);

impl Column {
    /// The value of `row`.
    pub fn value(&self, row: usize) -> Value<'_> {
        if self.is_null(row) {
            return Value::Null;
        }
        match &self.data {
            Data::Uint(values) => Value::Uint(values[row]),
            Data::Int(values) => Value::Int(values[row]),
            Data::Bool(values) => Value::Bool(values[row]),
            Data::Text { .. } => Value::Text(self.text(row)),
            Data::Ip(values) => {
                let v6 = Ipv6Addr::from(values[row]);
                Value::Ip(v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4))
            }
            Data::Process(values) => Value::Process(values[row]),
        }
    }
}

impl Batch {
    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        (0..self.len()).map(|index| Row { batch: self, index })
    }
}

impl<'a> Row<'a> {
    /// Every field with its value: the common ones first, then the table's own.
    pub fn fields(self) -> impl Iterator<Item = (&'static Field, Value<'a>)> {
        let common = crate::COMMON
            .iter()
            .enumerate()
            .map(move |(at, field)| (field, common_value(self.batch, self.index, at)));
        common.chain(self.own())
    }

    /// The table's own fields with their values.
    pub fn own(self) -> impl Iterator<Item = (&'static Field, Value<'a>)> {
        let columns = self.batch.columns.iter().map(move |column| column.value(self.index));
        self.batch.table.fields.iter().zip(columns)
    }

    /// The value of the field `name`, common or the table's own.
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        self.fields().find(|(field, _)| field.name == name).map(|(_, value)| value)
    }
}

impl<'a> Value<'a> {
    /// The text, where the value is one.
    pub fn text(self) -> Option<&'a [u8]> {
        match self {
            Value::Text(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The number, where the value is one that an `i64` can hold.
    pub fn number(self) -> Option<i64> {
        match self {
            Value::Uint(value) => i64::try_from(value).ok(),
            Value::Int(value) => Some(value),
            _ => None,
        }
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    letter if letter.is_control() => write!(f, "{}", letter.escape_default())?,
                    letter => f.write_char(letter)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}
