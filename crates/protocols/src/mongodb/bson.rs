//! BSON as far as it is there: names of fields and where their values begin; values that are not asked
//! for are passed over by their length.

use crate::prefix::Prefix;

/// The fields of a document, in their order. Ends where the document does, or is cut or unsound.
#[derive(Debug, Clone)]
pub(super) struct Document<'a> {
    rest: Prefix<'a>,
    /// Whether its end was reached.
    pub ended: bool,
}

/// A field.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'a> {
    pub name: &'a [u8],
    kind: u8,
    /// Its value's bytes, and perhaps more behind.
    value: Prefix<'a>,
}

/// Kinds of values.
const DOUBLE: u8 = 1;
const TEXT: u8 = 2;
const DOCUMENT: u8 = 3;
const ARRAY: u8 = 4;
const BOOLEAN: u8 = 8;
const INT32: u8 = 16;
const INT64: u8 = 18;

/// The shortest document: its length and its end, in bytes.
pub(super) const SHORTEST: u32 = 5;

impl<'a> Document<'a> {
    /// The document that begins here. `None` if not even its length is there, or that is none.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Document<'a>> {
        let mut rest = Prefix::new(bytes);
        let length = rest.le32().filter(|&length| length >= SHORTEST)?;
        let end = (length as usize).min(bytes.len());
        Some(Document { rest: Prefix::new(&bytes[4..end]), ended: false })
    }
}

impl<'a> Iterator for Document<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let kind = self.rest.u8()?;
        if kind == 0 {
            self.ended = true;
            self.rest = Prefix::new(&[]);
            return None;
        }
        let name = self.rest.until_zero()?;
        let value = self.rest;
        // What is cut is the last that is seen.
        let _ = pass_over(kind, &mut self.rest);
        Some(Field { name, kind, value })
    }
}

impl<'a> Field<'a> {
    /// Its text, if all of it is there.
    pub(super) fn text(mut self) -> Option<&'a [u8]> {
        let length = self.value.le32().filter(|_| self.kind == TEXT)?;
        self.value.take(length.checked_sub(1)? as usize)
    }

    /// What is there of its text.
    pub(super) fn cut_text(mut self) -> Option<&'a [u8]> {
        let length = self.value.le32().filter(|_| self.kind == TEXT)?;
        let text = self.value.rest();
        Some(&text[..text.len().min((length as usize).saturating_sub(1))])
    }

    /// A number of any kind, or a boolean.
    pub(super) fn number(mut self) -> Option<i64> {
        match self.kind {
            DOUBLE => self.value.le64().map(|bits| f64::from_bits(bits) as i64),
            INT32 => self.value.le32().map(|number| i64::from(number as i32)),
            INT64 => self.value.le64().map(|number| number as i64),
            BOOLEAN => self.value.u8().map(i64::from),
            _ => None,
        }
    }

    /// The document or array that it is.
    pub(super) fn document(self) -> Option<Document<'a>> {
        matches!(self.kind, DOCUMENT | ARRAY).then(|| Document::new(self.value.rest()))?
    }
}

/// Whether this may begin a field: a kind, then a name. `None` where there are too few bytes.
pub(super) fn field_begins(bytes: &[u8]) -> Option<bool> {
    let (kind, name) = bytes.split_first()?;
    if matches!(kind, 1..=0x13 | 0x7f | 0xff) { name_begins(name) } else { Some(false) }
}

/// Whether this may be a name with a zero behind it. `None` where there are too few bytes.
pub(super) fn name_begins(name: &[u8]) -> Option<bool> {
    let end = name.iter().take(LONGEST_NAME).position(|&byte| byte == 0);
    let printed = |name: &[u8]| name.iter().all(|&byte| byte.is_ascii_graphic());
    match end {
        Some(end) => Some(end > 0 && printed(&name[..end])),
        None if name.len() < LONGEST_NAME && printed(name) => None,
        None => Some(false),
    }
}

/// The longest name that a command's first field may have, in bytes.
const LONGEST_NAME: usize = 48;

fn pass_over(kind: u8, rest: &mut Prefix) -> Option<()> {
    let length = match kind {
        0x06 | 0x0a | 0x7f | 0xff => 0,
        BOOLEAN => 1,
        INT32 => 4,
        DOUBLE | 0x09 | 0x11 | INT64 => 8,
        0x07 => 12,
        0x13 => 16,
        TEXT | 0x0d | 0x0e => u64::from(rest.le32()?),
        0x0c => u64::from(rest.le32()?) + 12,
        0x05 => u64::from(rest.le32()?) + 1,
        DOCUMENT | ARRAY | 0x0f => u64::from(rest.le32()?).checked_sub(4)?,
        0x0b => {
            rest.until_zero()?;
            rest.until_zero()?;
            0
        }
        // How long others are is not known: nothing behind them is.
        _ => u64::MAX,
    };
    rest.skip(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &[u8] =
        b"\x37\0\0\0\x02find\0\x04\0\0\0jo\xc3\0\x03a\0\x05\0\0\0\0\x10n\0\x07\0\0\0\
        \x05b\0\x02\0\0\0\0xy\x08y\0\x01\x0bz\0q\0i\0\0";

    #[test]
    fn fields_in_order() {
        let mut document = Document::new(SAID).unwrap();
        let names: Vec<_> = document.by_ref().map(|field| field.name).collect();
        let expected: [&[u8]; 6] = [b"find", b"a", b"n", b"b", b"y", b"z"];
        assert_eq!((names, document.ended), (expected.to_vec(), true));
        let first = Document::new(SAID).unwrap().next().unwrap();
        assert_eq!((first.text(), first.number()), (Some(&b"jo\xc3"[..]), None));
        assert_eq!(Document::new(SAID).unwrap().nth(2).unwrap().number(), Some(7));
        assert!(Document::new(SAID).unwrap().nth(1).unwrap().document().is_some());
    }

    #[test]
    fn cut_anywhere() {
        for end in 0..SAID.len() {
            let Some(mut document) = Document::new(&SAID[..end]) else {
                assert!(end < 4);
                continue;
            };
            let names = document.by_ref().count();
            assert!(names <= 6 && !document.ended, "{end}");
            assert_eq!(names > 0, end >= 10, "{end}");
        }
    }
}
