//! Rows as JSON, one object a line.
//!
//! Every row of a table has the same keys in the same order: `table`, the common columns, the
//! table's own columns. What is not known is `null`. Values are told by their kind: times in
//! RFC 3339, spans in nanoseconds, errors and signals by name, sets as arrays of names,
//! permissions in octal, argument vectors as arrays.

use std::sync::Arc;

use schema::{
    COMMON, Field, FlagNames, Kind, Process, Row, Sensitivity, Table, Value, common_value,
};

use crate::{Format, Options, escape};
use schema::plain::{self, Clock, words};

/// Writes rows as JSON lines.
#[derive(Debug)]
pub struct Json {
    options: Options,
    clock: Clock,
    common: Vec<Key>,
    tables: Vec<Keys>,
    /// The columns that follow from the process alone, for the process of the row before: rows
    /// of one process come in bursts.
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    process: Arc<Process>,
    /// How many names its container had: more may have come since.
    names: usize,
    text: Vec<u8>,
}

/// The first common column that follows from the process alone, as do all after it.
const FROM_PROCESS: usize = 6;

/// What is the same in every row of a table.
#[derive(Debug)]
struct Keys {
    table: &'static Table,
    /// `{"table":"file_open"`
    start: Vec<u8>,
    own: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    /// `,"path":`
    text: Vec<u8>,
    kind: Kind,
    hidden: bool,
}

impl Json {
    /// A writer of JSON lines.
    pub fn new(options: Options) -> Json {
        let common = COMMON.iter().map(|field| Key::new(field, options)).collect();
        Json { options, clock: Clock::new(), common, tables: Vec::new(), last: None }
    }

    /// The place of the keys of `table`.
    fn keys(&mut self, table: &'static Table) -> usize {
        let known = self.tables.iter().position(|keys| std::ptr::eq(keys.table, table));
        known.unwrap_or_else(|| {
            self.tables.push(Keys::new(table, self.options));
            self.tables.len() - 1
        })
    }
}

impl Format for Json {
    fn row(&mut self, row: Row<'_>, out: &mut Vec<u8>) {
        let Row { batch, index } = row;
        let at = self.keys(batch.table);
        let Json { clock, common, tables, last, .. } = self;
        let keys = &tables[at];
        let mut put = |out: &mut Vec<u8>, key: &Key, value| {
            out.extend_from_slice(&key.text);
            if key.hidden {
                hidden(out, key.kind, value)
            } else {
                visible(out, clock, key.kind, value)
            }
        };

        out.extend_from_slice(&keys.start);
        for (at, key) in common[..FROM_PROCESS].iter().enumerate() {
            put(out, key, common_value(batch, index, at));
        }
        let process = &batch.process[index];
        // Asked before they are written: a name that comes meanwhile is written again.
        let names = process.container.as_ref().map_or(0, |it| it.names.known());
        match last {
            Some(last) if Arc::ptr_eq(&last.process, process) && last.names == names => {
                out.extend_from_slice(&last.text);
            }
            _ => {
                let start = out.len();
                for (at, key) in common.iter().enumerate().skip(FROM_PROCESS) {
                    put(out, key, common_value(batch, index, at));
                }
                let text = last.take().map_or_else(Vec::new, |last| last.text);
                let last = last.insert(Last { process: process.clone(), names, text });
                last.text.clear();
                last.text.extend_from_slice(&out[start..]);
            }
        }
        for (key, column) in keys.own.iter().zip(&batch.columns) {
            put(out, key, column.value(index));
        }
        out.extend_from_slice(b"}\n");
    }
}

impl Keys {
    fn new(table: &'static Table, options: Options) -> Keys {
        let mut start = b"{\"table\":".to_vec();
        escape::string(&mut start, table.name.as_bytes());
        let own = table.fields.iter().map(|field| Key::new(field, options)).collect();
        Keys { table, start, own }
    }
}

impl Key {
    fn new(field: &Field, options: Options) -> Key {
        let mut text = b",".to_vec();
        escape::string(&mut text, field.name.as_bytes());
        text.push(b':');
        let hidden = options.hide_personal && field.sensitivity == Sensitivity::Personal;
        Key { text, kind: field.kind, hidden }
    }
}

/// Appends `value` as its kind says.
#[inline]
fn visible(out: &mut Vec<u8>, clock: &mut Clock, kind: Kind, value: Value<'_>) {
    match (value, kind) {
        (Value::Null, _) => out.extend_from_slice(b"null"),
        (Value::Text(bytes), Kind::Args) => args(out, bytes),
        (Value::Text(bytes), _) => escape::string(out, bytes),
        (Value::Uint(bits), Kind::Flags(names)) => set(out, names, bits),
        (Value::Uint(bits), Kind::Capabilities) => set(out, words::CAPABILITIES, bits),
        (Value::Uint(_), Kind::Mode | Kind::Device)
        | (Value::Int(_), Kind::Time | Kind::Errno | Kind::Signal)
        | (Value::Ip(_) | Value::Process(_), _) => {
            // None of these has a letter that JSON escapes.
            out.push(b'"');
            plain::write(out, clock, kind, value);
            out.push(b'"');
        }
        (Value::Bool(_) | Value::Uint(_) | Value::Int(_), _) => {
            plain::write(out, clock, kind, value)
        }
    }
}

fn set(out: &mut Vec<u8>, names: FlagNames, bits: u64) {
    list(out, |entry| {
        let left = words::flags(names, bits, |name| entry(name.as_bytes()));
        if left != 0 {
            entry(format!("{left:#x}").as_bytes());
        }
    });
}

fn args(out: &mut Vec<u8>, bytes: &[u8]) {
    list(out, |entry| plain::args(bytes).for_each(entry));
}

/// Appends an array of the strings that `tell` gives to its argument.
fn list(out: &mut Vec<u8>, tell: impl FnOnce(&mut dyn FnMut(&[u8]))) {
    out.push(b'[');
    let mut first = true;
    tell(&mut |text| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        escape::string(out, text);
    });
    out.push(b']');
}

/// A hidden value keeps its shape, so that readers need no second schema.
fn hidden(out: &mut Vec<u8>, kind: Kind, value: Value<'_>) {
    match (value, kind) {
        (Value::Null, _) => out.extend_from_slice(b"null"),
        (_, Kind::Args) => list(out, |entry| entry(crate::HIDDEN.as_bytes())),
        _ => escape::string(out, crate::HIDDEN.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_after_from_process_are_the_processes() {
        let names: Vec<_> = COMMON[FROM_PROCESS..].iter().map(|field| field.name).collect();
        assert_eq!(names, ["exe", "container", "image", "pod", "namespace", "workload"]);
    }
}
