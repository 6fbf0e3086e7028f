//! One column of a batch: values of one storage, and which of them are missing.

use std::net::IpAddr;

use crate::{Kind, ProcessKey, Storage};

/// The values of one column, in row order.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The values; where a row is null, a zero or empty placeholder stands.
    pub data: Data,
    /// One entry for each row, true where it is null; empty as long as no row is.
    nulls: Vec<bool>,
}

/// A column's values by storage.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Unsigned numbers.
    Uint(Vec<u64>),
    /// Signed numbers.
    Int(Vec<i64>),
    /// Yes or no.
    Bool(Vec<bool>),
    /// Byte strings: where each ends, and all of them end to end.
    Text {
        /// The end of each value in `bytes`.
        ends: Vec<u32>,
        /// All values, end to end.
        bytes: Vec<u8>,
    },
    /// Addresses, IPv4 mapped into IPv6.
    Ip(Vec<[u8; 16]>),
    /// Process keys.
    Process(Vec<ProcessKey>),
}

/// A Rust type that a column can hold. `Option<T>` makes the column nullable.
pub trait Cell {
    /// The storage that takes the value.
    const STORAGE: Storage;
    /// Whether the value may be missing.
    const NULLABLE: bool = false;
    /// Appends the value.
    fn push(self, column: &mut Column);
}

impl Column {
    /// An empty column for values of `kind`.
    pub fn new(kind: Kind) -> Column {
        let data = match kind.storage() {
            Storage::Uint => Data::Uint(Vec::new()),
            Storage::Int => Data::Int(Vec::new()),
            Storage::Bool => Data::Bool(Vec::new()),
            Storage::Text => Data::Text { ends: Vec::new(), bytes: Vec::new() },
            Storage::Ip => Data::Ip(Vec::new()),
            Storage::Process => Data::Process(Vec::new()),
        };
        Column { data, nulls: Vec::new() }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Uint(values) => values.len(),
            Data::Int(values) => values.len(),
            Data::Bool(values) => values.len(),
            Data::Text { ends, .. } => ends.len(),
            Data::Ip(values) => values.len(),
            Data::Process(values) => values.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `row` has no value.
    pub fn is_null(&self, row: usize) -> bool {
        self.nulls.get(row).copied().unwrap_or(false)
    }

    /// Appends a row without a value.
    pub fn push_null(&mut self) {
        let row = self.len();
        match &mut self.data {
            Data::Uint(values) => values.push(0),
            Data::Int(values) => values.push(0),
            Data::Bool(values) => values.push(false),
            Data::Text { ends, bytes } => ends.push(bytes.len() as u32),
            Data::Ip(values) => values.push([0; 16]),
            Data::Process(values) => values.push(ProcessKey::default()),
        }
        self.nulls.resize(row, false);
        self.nulls.push(true);
    }

    /// The bytes of a text column's `row`; empty in a column of another storage.
    pub fn text(&self, row: usize) -> &[u8] {
        match &self.data {
            Data::Text { ends, bytes } => {
                let start = if row == 0 { 0 } else { ends[row - 1] as usize };
                &bytes[start..ends[row] as usize]
            }
            _ => &[],
        }
    }

    /// The values of `rows` alone, in that order.
    pub fn select(&self, rows: &[usize]) -> Column {
        fn of<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&row| values[row]).collect()
        }
        let data = match &self.data {
            Data::Uint(values) => Data::Uint(of(values, rows)),
            Data::Int(values) => Data::Int(of(values, rows)),
            Data::Bool(values) => Data::Bool(of(values, rows)),
            Data::Ip(values) => Data::Ip(of(values, rows)),
            Data::Process(values) => Data::Process(of(values, rows)),
            Data::Text { .. } => {
                let (mut ends, mut bytes) = (Vec::with_capacity(rows.len()), Vec::new());
                for &row in rows {
                    bytes.extend_from_slice(self.text(row));
                    ends.push(bytes.len() as u32);
                }
                Data::Text { ends, bytes }
            }
        };
        let nulls = if self.nulls.is_empty() { Vec::new() } else { of(&self.nulls, rows) };
        Column { data, nulls }
    }

    /// Keeps the null mask as long as the values; called after each value.
    fn pushed(&mut self) {
        if !self.nulls.is_empty() {
            self.nulls.push(false);
        }
    }
}

/// The derive checks the storage at compile time, so a mismatch here cannot come from a table.
fn mismatch(column: &Column, value: Storage) -> ! {
    panic!("a {value:?} value was pushed to the column {column:?}")
}

macro_rules! number_cell {
    ($storage:ident, $wide:ty: $($narrow:ty),+) => {$(
        impl Cell for $narrow {
            const STORAGE: Storage = Storage::$storage;
            #[inline]
            fn push(self, column: &mut Column) {
                let Data::$storage(values) = &mut column.data else {
                    mismatch(column, Self::STORAGE)
                };
                values.push(<$wide>::from(self));
                column.pushed();
            }
        }
    )+};
}

number_cell!(Uint, u64: u8, u16, u32, u64);
number_cell!(Int, i64: i8, i16, i32, i64);
number_cell!(Bool, bool: bool);
number_cell!(Process, ProcessKey: ProcessKey);

impl Cell for &[u8] {
    const STORAGE: Storage = Storage::Text;
    #[inline]
    fn push(self, column: &mut Column) {
        let Data::Text { ends, bytes } = &mut column.data else { mismatch(column, Self::STORAGE) };
        bytes.extend_from_slice(self);
        ends.push(bytes.len() as u32);
        column.pushed();
    }
}

impl Cell for &str {
    const STORAGE: Storage = Storage::Text;
    #[inline]
    fn push(self, column: &mut Column) {
        self.as_bytes().push(column);
    }
}

impl Cell for IpAddr {
    const STORAGE: Storage = Storage::Ip;
    fn push(self, column: &mut Column) {
        let Data::Ip(values) = &mut column.data else { mismatch(column, Self::STORAGE) };
        values.push(match self {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        });
        column.pushed();
    }
}

/// A text that decoding does not know: the column is filled in later, row by row, or stays null.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Later;

impl Cell for Later {
    const STORAGE: Storage = Storage::Text;
    const NULLABLE: bool = true;
    #[inline]
    fn push(self, column: &mut Column) {
        column.push_null();
    }
}

impl<T: Cell> Cell for Option<T> {
    const STORAGE: Storage = T::STORAGE;
    const NULLABLE: bool = true;
    #[inline]
    fn push(self, column: &mut Column) {
        match self {
            Some(value) => value.push(column),
            None => column.push_null(),
        }
    }
}
