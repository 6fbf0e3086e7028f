//! Which line an instruction is from: the table that code objects have from 3.11 on.
//!
//! It is a list of entries, each for one to eight units of two bytes of instructions, in their order.
//! An entry's first byte has its highest bit set, four bits of kind, and three of length; what
//! follows has the lines and columns. Lines are counted on from entry to entry.

/// Bytes of an instruction's unit.
const UNIT: u32 = 2;
const LAST_SHORT: u8 = 9;
const FIRST_ONE_LINE: u8 = 10;
const NO_COLUMNS: u8 = 13;
const LONG: u8 = 14;

/// The line of the instruction at `instruction` bytes; none where it has none, or where the table was
/// cut before it.
pub(super) fn line(table: &[u8], first_line: u32, instruction: u32) -> Option<u32> {
    let mut table = Bytes(table);
    let mut line = i64::from(first_line);
    let mut end = 0u32;
    loop {
        let head = table.next()?;
        if head & 0x80 == 0 {
            return None;
        }
        let kind = head >> 3 & 15;
        let mut has_line = true;
        match kind {
            0..=LAST_SHORT => {
                table.next()?;
            }
            FIRST_ONE_LINE..NO_COLUMNS => {
                line += i64::from(kind - FIRST_ONE_LINE);
                table.next()?;
                table.next()?;
            }
            NO_COLUMNS => line += table.signed()?,
            LONG => {
                line += table.signed()?;
                for _ in 0..3 {
                    table.number()?;
                }
            }
            _ => has_line = false,
        }
        end = end.saturating_add((u32::from(head & 7) + 1) * UNIT);
        if instruction < end {
            return u32::try_from(line).ok().filter(|_| has_line);
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// Six bits a byte, the lowest first; the seventh says that there are more.
    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..36).step_by(6) {
            let byte = self.next()?;
            number |= u64::from(byte & 0x3f) << shift;
            if byte & 0x40 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The lowest bit is the sign.
    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        let size = (number >> 1) as i64;
        Some(if number & 1 == 1 { -size } else { size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `def f():` in line 10, then `a = 1` in 11 (short), `b = 2` in 12 (one line), nothing, and a long
    /// one that goes back to 9.
    const TABLE: &[u8] = &[
        0xe8,
        0x00, // NO_COLUMNS, one unit, +0
        0x80 | 11 << 3,
        4,
        5, // one line on
        0x80 | 3 << 3 | 1,
        0x21, // two units, the same line
        0x80 | 12 << 3,
        0,
        1,              // two lines on
        0x80 | 15 << 3, // none
        0x80 | 14 << 3,
        0x09,
        0x01,
        0x41,
        0x01,
        0x02, // -4
    ];

    #[test]
    fn lines_are_counted_on() {
        let lines: Vec<_> = (0..8).map(|unit| line(TABLE, 10, unit * 2)).collect();
        let some = |it| Some(it);
        let expected = [some(10), some(11), some(11), some(11), some(13), None, some(9), None];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_table_that_was_cut_knows_what_it_still_has() {
        for end in 0..TABLE.len() {
            for unit in 0..8 {
                let cut = line(&TABLE[..end], 10, unit * 2);
                assert!(cut.is_none() || cut == line(TABLE, 10, unit * 2));
            }
        }
        assert_eq!(line(&[0xff; 100], 10, 4000), None);
        assert_eq!(line(&[0xf0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1, 0), None);
        // Before the first line of all.
        assert_eq!(line(&[0x80 | 13 << 3, 0x15], 3, 0), None);
    }
}
