//! The stubs through which a binary calls functions of others: no symbols name them, but each
//! jumps to where a relocation puts the address of a named function.

use std::collections::HashMap;

use crate::elf::Elf;

use super::candidates::{Candidates, Scope, Trust};
use super::table;

/// Sections of stubs. In the first, stubs may jump on by the number of their relocation.
const SECTIONS: [&str; 3] = [".plt", ".plt.sec", ".plt.got"];
/// The most that a stub takes; in `.plt.got` some take half of it.
const STUB: usize = 16;
/// Longer names are not taken.
const NAME: usize = 4096;
const RELOCATION: usize = 24;
const R_X86_64_GLOB_DAT: u32 = 6;
const R_X86_64_JUMP_SLOT: u32 = 7;
const R_X86_64_IRELATIVE: u32 = 37;
/// What stubs begin with where indirect jumps are guarded.
const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// Adds the stubs of `elf`, named `NAME@plt`.
pub(super) fn stubs(elf: &Elf, into: &mut Candidates) {
    let limit = into.limits.table;
    let read = |name: &str| elf.section_within(name, limit).ok();
    let sections: Vec<_> = SECTIONS.iter().filter_map(|name| Some((*name, read(name)?))).collect();
    if sections.is_empty() {
        return;
    }
    let bytes = |name: &str| read(name).map(|section| section.data).unwrap_or_default();
    let (symbols, names) = (bytes(".dynsym"), bytes(".dynstr"));
    let lazy = bytes(".rela.plt");
    // Relocations of data are many; they matter only where stubs take their addresses from there.
    let eager = if sections.iter().any(|(name, _)| *name == ".plt.got") {
        bytes(".rela.dyn")
    } else {
        Vec::new()
    };
    let most = into.limits.symbols;
    let lazily = lazy.len() / RELOCATION;
    let relocations = || Relocation::all(&lazy).chain(Relocation::all(&eager)).take(most);
    let own = into.names_of(relocations().filter_map(|it| it.own()).collect());
    let mut text = Vec::new();
    // The slot that a relocation fills, and where in `text` its stub's name is.
    let mut slots: HashMap<u64, u32> = HashMap::new();
    let mut order = Vec::new();
    for (place, relocation) in relocations().enumerate() {
        let at = text.len() as u32;
        let name = match relocation.own() {
            Some(function) => own.get(&function).map(String::as_bytes),
            None => relocation.name(&symbols, &names),
        };
        if let Some(name) = name.filter(|name| text.len() + name.len() < into.limits.bytes) {
            text.extend_from_slice(name);
            text.extend_from_slice(b"@plt\0");
            slots.insert(relocation.slot, at);
        }
        if place < lazily {
            order.push(name.map(|_| at));
        }
    }
    let Some(text) = into.text(text) else { return };
    let trust = Trust { untyped: false, scope: Scope::Other };
    for (name, section) in sections {
        let size =
            if name == ".plt.got" && !section.data.starts_with(&ENDBR64) { STUB / 2 } else { STUB };
        for (place, stub) in section.data.chunks_exact(size).enumerate() {
            let start = section.svma.wrapping_add((place * size) as u64);
            let by_slot = || slots.get(&slot(stub, start)?).copied();
            let by_number = || order.get(number(stub)?).copied().flatten();
            if let Some(at) = by_slot().or_else(by_number) {
                into.add(text, at, start, size as u64, trust);
            }
        }
    }
}

/// The slot that a stub at `start` jumps through: `jmp *DISPLACEMENT(%rip)`.
fn slot(stub: &[u8], start: u64) -> Option<u64> {
    let at = stub.windows(6).position(|code| code[..2] == [0xff, 0x25])?;
    let displacement = i32::from_le_bytes(*stub.get(at + 2..)?.first_chunk()?);
    Some(start.wrapping_add(at as u64 + 6).wrapping_add(i64::from(displacement) as u64))
}

/// The number of the relocation that a stub leaves to the linker: `push NUMBER`.
fn number(stub: &[u8]) -> Option<usize> {
    let code = stub.strip_prefix(&ENDBR64).unwrap_or(stub);
    let (&0x68, rest) = code.split_first()? else { return None };
    Some(u32::from_le_bytes(*rest.first_chunk()?) as usize)
}

/// A relocation that fills a slot with the address of a function.
struct Relocation {
    slot: u64,
    kind: u32,
    symbol: u32,
    addend: u64,
}

impl Relocation {
    fn all(table: &[u8]) -> impl Iterator<Item = Relocation> {
        table.chunks_exact(RELOCATION).filter_map(Relocation::parse)
    }

    fn parse(bytes: &[u8]) -> Option<Relocation> {
        let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        let (slot, info, addend) = (word(0)?, word(8)?, word(16)?);
        Some(Relocation { slot, kind: info as u32, symbol: (info >> 32) as u32, addend })
    }

    /// The function of this file that chooses, when the file is loaded, whose address it is.
    fn own(&self) -> Option<u64> {
        (self.kind == R_X86_64_IRELATIVE).then_some(self.addend)
    }

    /// The name of the function of another file whose address it is.
    fn name<'a>(&self, symbols: &[u8], names: &'a [u8]) -> Option<&'a [u8]> {
        if !matches!(self.kind, R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT) {
            return None;
        }
        let at = (self.symbol as usize).checked_mul(table::SYMBOL)?;
        let entry = table::entries(symbols.get(at..)?).next()?;
        let name = names.get(entry.name as usize..)?;
        let name = &name[..name.len().min(NAME)];
        let end = name.iter().position(|&byte| byte == 0).filter(|&end| end > 0)?;
        Some(&name[..end])
    }
}
