//! `.gnu_debugdata`: a small ELF file with the symbols that were stripped, compressed with xz.

use std::io::{self, Write};

use crate::elf::Elf;

/// More compressed bytes are not looked at.
const PACKED: u64 = 32 << 20;

/// The small file within `elf`, if it is at most `max` bytes.
pub(super) fn read(elf: &Elf, max: u64) -> Option<Elf> {
    let packed = elf.section_within(".gnu_debugdata", PACKED).ok()?.data;
    // The decoder holds a whole block in memory before it gives a byte away, so that what it
    // would give is told beforehand.
    let size = unpacked_size(&packed)?;
    if size > max {
        return None;
    }
    let mut unpacked = Bounded { bytes: Vec::new(), max: size as usize };
    lzma_rs::xz_decompress(&mut packed.as_slice(), &mut unpacked).ok()?;
    Elf::from_bytes(unpacked.bytes).ok()
}

/// How many bytes a file of the xz format holds, by the heads of its pieces.
fn unpacked_size(file: &[u8]) -> Option<u64> {
    const STREAM_HEADER: usize = 12;
    let check = match file.get(7)? & 0xf {
        0 => 0,
        1 => 4,
        4 => 8,
        10 => 32,
        _ => return None,
    };
    let (mut at, mut size) = (STREAM_HEADER, 0);
    loop {
        // The head's size in fours, less one; 0 is where the index begins.
        let head = usize::from(*file.get(at)?);
        if head == 0 {
            return Some(size);
        }
        let block = at;
        at += (head + 1) * 4;
        size += block_size(file, &mut at)?;
        at = block + (at - block).next_multiple_of(4) + check;
    }
}

/// How many bytes the pieces from `at` hold; leaves `at` behind the last.
fn block_size(file: &[u8], at: &mut usize) -> Option<u64> {
    let mut size = 0;
    loop {
        let head = file.get(*at..)?;
        let short = |place: usize| {
            Some(usize::from(*head.get(place)?) << 8 | usize::from(*head.get(place + 1)?))
        };
        let control = *head.first()?;
        match control {
            0 => {
                *at += 1;
                return Some(size);
            }
            1 | 2 => {
                let plain = short(1)? + 1;
                size += plain as u64;
                *at += 3 + plain;
            }
            0x80.. => {
                let unpacked = (usize::from(control & 0x1f) << 16 | short(1)?) + 1;
                let packed = short(3)? + 1;
                size += unpacked as u64;
                // New properties take a byte.
                *at += if control >= 0xc0 { 6 } else { 5 } + packed;
            }
            _ => return None,
        }
    }
}

/// A file in memory that refuses to grow beyond its size.
struct Bounded {
    bytes: Vec<u8>,
    max: usize,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + part.len() > self.max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
