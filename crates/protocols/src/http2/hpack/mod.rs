//! HPACK: fields of headers, many of them said by a number (RFC 7541).
//!
//! This decoder tolerates a past that it did not see. A number that stands for something unseen is
//! a hole; all others are right. A block that was cut gives the fields that are there.

mod huffman;
mod shape;
mod table;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use shape::Shapes;
use table::{Said, Slot, Table};

use crate::Side;

/// One side's fields, decoded in the order in which they are said.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    shapes: Shapes,
    /// Whether the value of a field with this name is wanted; others are not kept.
    wants: fn(&[u8]) -> bool,
}

/// A field of a header block.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Field<'b> {
    /// Its name and value.
    Known(&'b [u8], &'b [u8]),
    /// The same, if nothing was said in bytes that were lost before: all points to that.
    Believed(&'b [u8], &'b [u8]),
    /// One that was said by a number, or whose name was, and what that stands for was not seen.
    Hole,
}

/// What the next field of a block is, as far as it says so by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// None: the size of the table.
    Size,
    /// One that only a request, or only a response, begins with: who says those.
    Begins(Side),
    /// One that stands behind those.
    Other,
    /// One that is said by a number whose meaning only the one side's decoder knows.
    Unknown,
}

/// Bytes that are no fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// The longest string that is believed, in bytes.
const LONGEST: u64 = 64 * 1024;

/// The longest value that is kept to be said again. More are not worth their memory.
const LONGEST_KEPT: usize = 2048;

impl Decoder {
    /// A decoder of a side that said nothing yet, or of which nothing was seen.
    pub(super) fn new(wants: fn(&[u8]) -> bool) -> Decoder {
        Decoder { table: Table::new(), shapes: Shapes::default(), wants }
    }

    /// A block begins that is there whole.
    pub(super) fn begin(&mut self, block: &[u8]) {
        self.shapes.look(block, &mut self.table);
    }

    /// Hands over the fields that are there whole and wanted; says how many bytes they were.
    pub(super) fn decode(
        &mut self,
        block: &[u8],
        mut each: impl FnMut(Field<'_>),
    ) -> Result<usize, Broken> {
        let (mut name, mut value) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(first) = block.get(at) {
            let rest = &block[at..];
            let used = match first {
                0x80.. => self.indexed(rest, &mut each)?,
                0x20..0x40 => {
                    let size = integer(rest, 5)?;
                    size.map(|(size, used)| {
                        self.table.resize(size);
                        used
                    })
                }
                _ => self.literal(rest, &mut name, &mut value, &mut each)?,
            };
            match used {
                Some(used) => at += used,
                None => break,
            }
        }
        Ok(at)
    }

    /// The field that begins here and is cut, as far as its value is there.
    pub(super) fn cut<'b>(&'b self, rest: &'b [u8]) -> Option<(Cow<'b, [u8]>, Vec<u8>)> {
        let form =
            *rest.first().filter(|first| **first < 0x80 && !(0x20..0x40).contains(*first))?;
        let (index, used) = integer(rest, prefix(form)).ok()??;
        let mut rest = &rest[used..];
        let name = match self.name(index) {
            _ if index == 0 => {
                let mut name = Vec::new();
                let used = string(rest, &mut name).ok()??;
                rest = &rest[used..];
                Cow::Owned(name)
            }
            Said::Field(name, _) if self.table.is_sure(index) => Cow::Borrowed(name),
            Said::Field(..) | Said::Unwanted | Said::Hole => return None,
        };
        let (length, used) = integer(rest, 7).ok()??;
        let there = &rest[used..];
        let there = &there[..there.len().min(usize::try_from(length).unwrap_or(usize::MAX))];
        let mut value = Vec::new();
        match rest[0] & 0x80 {
            0 => value.extend_from_slice(there),
            _ => huffman::decode(there, false, &mut value).ok()?,
        }
        Some((name, value))
    }

    /// Fields were said that were not seen.
    pub(super) fn forget(&mut self) {
        self.table.forget();
    }

    /// The other side allows numbers for so many bytes of fields.
    pub(super) fn allow(&mut self, size: u32) {
        self.table.allow(size);
    }

    /// Roughly how many bytes of memory are held.
    pub(super) fn held(&self) -> usize {
        self.table.held()
    }

    fn indexed(
        &self,
        rest: &[u8],
        each: &mut impl FnMut(Field<'_>),
    ) -> Result<Option<usize>, Broken> {
        let Some((index, used)) = integer(rest, 7)? else {
            return Ok(None);
        };
        match self.table.get(index) {
            _ if index == 0 => return Err(Broken),
            Said::Field(name, value) if (self.wants)(name) => {
                each(match self.table.is_sure(index) {
                    true => Field::Known(name, value),
                    false => Field::Believed(name, value),
                });
            }
            Said::Field(..) | Said::Unwanted => {}
            Said::Hole => each(Field::Hole),
        }
        Ok(Some(used))
    }

    fn literal(
        &mut self,
        rest: &[u8],
        name: &mut Vec<u8>,
        value: &mut Vec<u8>,
        each: &mut impl FnMut(Field<'_>),
    ) -> Result<Option<usize>, Broken> {
        let form = rest[0];
        let Some((index, mut used)) = integer(rest, prefix(form))? else {
            return Ok(None);
        };
        name.clear();
        value.clear();
        if index == 0 {
            match string(&rest[used..], name)? {
                Some(length) => used += length,
                None => return Ok(None),
            }
        }
        match string(&rest[used..], value)? {
            Some(length) => used += length,
            None => return Ok(None),
        }
        let slot = {
            let sure = self.table.is_sure(index);
            let (known, name) = match self.name(index) {
                _ if index == 0 => (true, &name[..]),
                Said::Field(name, _) => (true, name),
                Said::Unwanted => (sure, &b""[..]),
                Said::Hole => (false, &b""[..]),
            };
            let size = name.len() + value.len();
            match (known, (self.wants)(name)) {
                (true, true) if !sure => {
                    each(Field::Believed(name, value));
                    Slot::Hole(size)
                }
                (false, _) | (true, false) if !sure || !known => {
                    each(Field::Hole);
                    Slot::Hole(size)
                }
                (_, false) => {
                    let named = self.table.name_at(index).filter(|_| index != 0);
                    Slot::Unwanted(size, named.unwrap_or_else(|| table::sum(name)))
                }
                (_, true) => {
                    each(Field::Known(name, value));
                    match value.len() <= LONGEST_KEPT {
                        true if form & 0x40 != 0 => {
                            Slot::Field(table::name(name), value.as_slice().into())
                        }
                        _ => Slot::Hole(size),
                    }
                }
            }
        };
        if form & 0x40 != 0 {
            self.table.insert(slot);
        }
        Ok(Some(used))
    }

    fn name(&self, index: u64) -> Said<'_> {
        self.table.get(index)
    }
}

/// The next field of a block, and how long it is. `None` if it is cut.
pub(super) fn next(block: &[u8]) -> Result<Option<(Next, usize)>, Broken> {
    let form = block.first().copied().unwrap_or_default();
    let (bits, strings) = match form {
        0x80.. => (7, 0),
        0x20..0x40 => (5, 0),
        _ => (prefix(form), 1),
    };
    let Some((index, mut used)) = integer(block, bits)? else {
        return Ok(None);
    };
    let mut name = Vec::new();
    if strings > 0 && index == 0 {
        match string(&block[used..], &mut name)? {
            Some(length) => used += length,
            None => return Ok(None),
        }
    }
    let next = match (index, &name[..]) {
        _ if bits == 5 => Next::Size,
        (0, []) => return Err(Broken),
        (8..=14, _) | (_, b":status") => Next::Begins(Side::Server),
        (1..=7, _) | (_, [b':', ..]) => Next::Begins(Side::Client),
        (0 | 15..=61, _) => Next::Other,
        _ => Next::Unknown,
    };
    // What tells most need not be there whole.
    if strings > 0 && next == Next::Unknown {
        match integer(&block[used..], 7)? {
            Some((length, front)) if length <= LONGEST => used += front + length as usize,
            Some(_) => return Err(Broken),
            None => return Ok(None),
        }
    }
    Ok(if used <= block.len() { Some((next, used)) } else { None })
}

/// How many bits of a literal's first byte are the number of its name.
fn prefix(form: u8) -> u32 {
    if form & 0x40 != 0 { 6 } else { 4 }
}

/// A number that begins in the lower `prefix` bits; and its length. `None` if it is cut.
fn integer(bytes: &[u8], prefix: u32) -> Result<Option<(u64, usize)>, Broken> {
    let full = (1_u64 << prefix) - 1;
    let Some(first) = bytes.first() else {
        return Ok(None);
    };
    let mut value = u64::from(*first) & full;
    if value < full {
        return Ok(Some((value, 1)));
    }
    for (at, byte) in bytes[1..].iter().enumerate() {
        if at >= 5 {
            return Err(Broken);
        }
        value += u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 2)));
        }
    }
    if bytes.len() > 5 { Err(Broken) } else { Ok(None) }
}

/// Appends a string to `out`; says how long it is with its length. `None` if it is cut.
fn string(bytes: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, Broken> {
    let Some((length, used)) = integer(bytes, 7)? else {
        return Ok(None);
    };
    if length > LONGEST {
        return Err(Broken);
    }
    let end = used + length as usize;
    let Some(coded) = bytes.get(used..end) else {
        return Ok(None);
    };
    match bytes[0] & 0x80 {
        0 => out.extend_from_slice(coded),
        _ => huffman::decode(coded, true, out).map_err(|huffman::NoCode| Broken)?,
    }
    Ok(Some(end))
}
