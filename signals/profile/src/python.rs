//! What the kernel side tells of Python: frames, and what functions are called.

use schema::{PythonCode, PythonFrame};
use wire::{Malformed, Reader, Tail};

use crate::record::{self, ProfileCodeRecord};

/// The frames behind a stack.
pub(crate) fn frames(tail: &mut Tail<'_>, count: u16) -> Result<Vec<PythonFrame>, Malformed> {
    let (words, _) = tail.take(u32::from(count) * 16)?.as_chunks::<8>();
    let (pairs, _) = words.as_chunks::<2>();
    Ok(pairs.iter().map(|&[code, place]| frame(code, u64::from_ne_bytes(place))).collect())
}

fn frame(code: [u8; 8], place: u64) -> PythonFrame {
    let marks = place as u32 & 0xff;
    PythonFrame {
        code: u64::from_ne_bytes(code),
        instruction: (marks & record::PROFILE_CODE_NO_PLACE == 0).then_some((place >> 8) as u32),
        entry: marks & record::PROFILE_CODE_ENTRY != 0,
    }
}

/// What a function is called.
pub(crate) fn code(reader: Reader<'_>) -> Result<PythonCode, Malformed> {
    let (record, mut tail) = reader.record::<ProfileCodeRecord>()?;
    let ProfileCodeRecord {
        header: _,
        code,
        space,
        first_line,
        table_size: _,
        name_bytes,
        file_bytes,
        table_bytes,
        name_kind,
        file_kind,
        spare: _,
    } = record;
    Ok(PythonCode {
        space,
        code,
        name: text(tail.take(u32::from(name_bytes))?, name_kind),
        file: text(tail.take(u32::from(file_bytes))?, file_kind),
        first_line,
        lines: tail.take(u32::from(table_bytes))?.to_vec(),
    })
}

/// A text as the interpreter has it: all letters are as wide as its widest has to be.
fn text(bytes: &[u8], width: u8) -> String {
    match width {
        1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
        2 => letters(bytes, |letter: [u8; 2]| u32::from(u16::from_ne_bytes(letter))),
        4 => letters(bytes, u32::from_ne_bytes),
        _ => String::new(),
    }
}

fn letters<const WIDTH: usize>(bytes: &[u8], number: fn([u8; WIDTH]) -> u32) -> String {
    let (letters, _) = bytes.as_chunks();
    let known = |letter: &[u8; WIDTH]| char::from_u32(number(*letter));
    letters.iter().map(|letter| known(letter).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_width() {
        assert_eq!(text(b"f.<locals>.g", 1), "f.<locals>.g");
        assert_eq!(text(b"\xe4b", 1), "\u{e4}b");
        let wide = ['\u{3bb}', 'x'].map(|letter| (letter as u32 as u16).to_ne_bytes()).concat();
        assert_eq!(text(&wide, 2), "\u{3bb}x");
        let widest = ['\u{1f40d}', 'x'].map(|letter| (letter as u32).to_ne_bytes()).concat();
        assert_eq!(text(&widest, 4), "\u{1f40d}x");
        // Half a letter at the end, half of a pair, no letter at all, and no such width.
        assert_eq!(text(&widest[..5], 4), "\u{1f40d}");
        assert_eq!(text(&0xd800u16.to_ne_bytes(), 2), "\u{fffd}");
        assert_eq!(text(&[0xff; 4], 4), "\u{fffd}");
        assert_eq!(text(b"abc", 3), "");
    }

    #[test]
    fn places_and_marks() {
        let code = 0x7f00_0000_1000u64;
        let is = |place| frame(code.to_ne_bytes(), place);
        assert_eq!(is(0x1234 << 8), PythonFrame { code, instruction: Some(0x1234), entry: false });
        assert_eq!(is(0x1201), PythonFrame { code, instruction: Some(0x12), entry: true });
        assert_eq!(is(0x1203), PythonFrame { code, instruction: None, entry: true });
    }
}
