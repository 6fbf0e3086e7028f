//! Sections found without section headers: what the program headers and the dynamic segment say.
//!
//! A file may have lost its section headers (`sstrip`, packers), and the vDSO of some kernels has
//! none; what the loader and the C++ runtime need to find is there all the same.

use object::elf;

use super::source::number;
use super::{Elf, Found, Place};

/// Size of an entry of the dynamic segment, and of one of the dynamic symbol table.
const DYNAMIC_ENTRY: usize = 16;
const SYMBOL: u64 = 24;
/// A dynamic segment is some dozens of entries.
const DYNAMIC_BYTES: u64 = 1 << 20;

/// The section `name`, as far as it can be told without section headers.
pub(super) fn find(elf: &Elf, name: &str) -> Option<Found> {
    match name {
        ".eh_frame_hdr" => {
            let header = elf.program(elf::PT_GNU_EH_FRAME)?;
            Some(plain(header.svma, header.offset, header.file_size))
        }
        ".eh_frame" => eh_frame(elf),
        ".dynamic" => {
            let header = elf.program(elf::PT_DYNAMIC)?;
            Some(plain(header.svma, header.offset, header.file_size))
        }
        ".dynsym" => {
            let dynamic = Dynamic::read(elf)?;
            let count = dynamic.symbols(elf)?;
            at(elf, dynamic.get(elf::DT_SYMTAB)?, count.checked_mul(SYMBOL)?)
        }
        ".dynstr" => {
            let dynamic = Dynamic::read(elf)?;
            at(elf, dynamic.get(elf::DT_STRTAB)?, dynamic.get(elf::DT_STRSZ)?)
        }
        _ => None,
    }
}

/// The header for the frames holds a pointer to them; they end with a terminator, so where the
/// segment ends will do as their end.
fn eh_frame(elf: &Elf) -> Option<Found> {
    let header = elf.program(elf::PT_GNU_EH_FRAME)?;
    let bytes = elf.source.read(header.offset, header.file_size.min(12)).ok()?;
    if bytes.first() != Some(&1) {
        return None;
    }
    let pointer = match gimli::DwEhPe(*bytes.get(1)?) {
        // Relative to the pointer's own place, or to the header's; in practice the first.
        gimli::DwEhPe(0x1b) => header.svma.checked_add(4)?.wrapping_add(signed(&bytes)?),
        gimli::DwEhPe(0x3b) => header.svma.wrapping_add(signed(&bytes)?),
        gimli::DwEhPe(0x03) => number::<4>(&bytes, 4)?,
        gimli::DwEhPe(0x04) => number::<8>(&bytes, 4)?,
        _ => return None,
    };
    let segment = elf.segments().iter().find(|segment| segment.holds(pointer))?;
    at(elf, pointer, segment.svma.checked_add(segment.file_size)?.checked_sub(pointer)?)
}

fn signed(bytes: &[u8]) -> Option<u64> {
    Some(number::<4>(bytes, 4)? as u32 as i32 as i64 as u64)
}

/// The pairs of the dynamic segment.
struct Dynamic(Vec<(u64, u64)>);

impl Dynamic {
    fn read(elf: &Elf) -> Option<Dynamic> {
        let header = elf.program(elf::PT_DYNAMIC)?;
        let size = header.file_size.min(DYNAMIC_BYTES);
        let bytes = elf.source.read(header.offset, size).ok()?;
        let pairs = bytes
            .chunks_exact(DYNAMIC_ENTRY)
            .filter_map(|entry| Some((number::<8>(entry, 0)?, number::<8>(entry, 8)?)))
            .take_while(|&(tag, _)| tag != elf::DT_NULL.0 as u64);
        Some(Dynamic(pairs.collect()))
    }

    fn get(&self, tag: elf::DynamicTag) -> Option<u64> {
        self.0.iter().find(|&&(is, _)| is == tag.0 as u64).map(|&(_, value)| value)
    }

    /// How many dynamic symbols there are: only the hash tables say so.
    fn symbols(&self, elf: &Elf) -> Option<u64> {
        if let Some(hash) = self.get(elf::DT_HASH) {
            return number::<4>(&elf.read_svma(hash, 8)?, 4);
        }
        gnu_hash_symbols(elf, self.get(elf::DT_GNU_HASH)?)
    }
}

/// The symbols of a GNU hash table: the last bucket's chain ends with a set lowest bit, and no
/// symbol comes behind it.
fn gnu_hash_symbols(elf: &Elf, table: u64) -> Option<u64> {
    let head = elf.read_svma(table, 16)?;
    let buckets = number::<4>(&head, 0)?;
    let first = number::<4>(&head, 4)?;
    let filter = number::<4>(&head, 8)?.checked_mul(8)?;
    let at = table.checked_add(16)?.checked_add(filter)?;
    let lists = elf.read_svma(at, buckets.checked_mul(4)?)?;
    let last = lists.chunks_exact(4).filter_map(|bucket| number::<4>(bucket, 0)).max()?;
    if last < first {
        return Some(first);
    }
    let chains = at.checked_add(buckets * 4)?;
    let mut symbol = last;
    loop {
        // A page at a time: chains are short, but nothing says that they are.
        let from = chains.checked_add((symbol - first).checked_mul(4)?)?;
        let piece = elf.read_svma_up_to(from, 4096)?;
        if piece.len() < 4 {
            return None;
        }
        for hash in piece.chunks_exact(4) {
            symbol += 1;
            if hash[0] & 1 == 1 {
                return Some(symbol);
            }
        }
    }
}

fn at(elf: &Elf, svma: u64, size: u64) -> Option<Found> {
    Some(plain(svma, elf.offset_of_svma(svma)?, size))
}

fn plain(svma: u64, offset: u64, size: u64) -> Found {
    Found { svma, place: Place::File { offset, size }, compressed: false }
}
