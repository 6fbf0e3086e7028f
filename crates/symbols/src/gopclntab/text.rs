//! Where Go's code begins, which the table of functions does not say since Go 1.26, and which in
//! a program that also has C is not where the section of code begins.

use crate::elf::Elf;

/// Where the runtime's own record of a module, which begins with a pointer to the table, says it.
const TEXT_IN_MODULE: u64 = 176;
/// Sections where that record may be, by version and the linker's mode.
const MODULES: [&str; 4] = [".go.module", ".noptrdata", ".data", ".data.rel.ro"];
/// Few things besides that record point to the table.
const TRIES: usize = 16;
const SECTION_BYTES: u64 = 256 << 20;
const R_X86_64_RELATIVE: u32 = 8;

/// The first address of Go's code, for the table at `svma`, whose header has `stated` for it. The
/// first answer that is `within` the code is believed.
pub(super) fn find(elf: &Elf, svma: u64, stated: u64, within: impl Fn(u64) -> bool) -> Option<u64> {
    let fits = |text: &u64| within(*text);
    Some(stated)
        .filter(|&text| text != 0)
        .filter(fits)
        .or_else(|| from_module(elf, svma, &within))
        .or_else(|| from_relocations(elf, svma, &within))
        .or_else(|| elf.section_range(".text").map(|(text, _)| text).filter(fits))
}

/// From a record whose pointers are in the file.
fn from_module(elf: &Elf, table: u64, within: impl Fn(u64) -> bool) -> Option<u64> {
    MODULES.iter().find_map(|name| {
        let section = elf.section_within(name, SECTION_BYTES).ok()?;
        let text = |(place, _)| word(&section.data, place * 8 + TEXT_IN_MODULE as usize);
        let words = section.data.chunks_exact(8).enumerate();
        let mut texts = words.filter(|(_, word)| **word == table.to_le_bytes()).filter_map(text);
        texts.find(|&text| within(text))
    })
}

/// From a record whose pointers are only made when the program is loaded.
fn from_relocations(elf: &Elf, table: u64, within: impl Fn(u64) -> bool) -> Option<u64> {
    let section = elf.section_within(".rela.dyn", SECTION_BYTES).ok()?;
    let pointers = || section.data.chunks_exact(24).filter_map(pointer);
    let modules = pointers().filter(|&(_, to)| to == table).take(TRIES);
    let mut texts = modules.filter_map(|(module, _)| {
        let at = module.checked_add(TEXT_IN_MODULE)?;
        pointers().find(|&(from, _)| from == at).map(|(_, text)| text)
    });
    texts.find(|&text| within(text))
}

/// Where a relocation writes the address of something in this file, and which.
fn pointer(entry: &[u8]) -> Option<(u64, u64)> {
    let kind = word(entry, 8)? as u32;
    (kind == R_X86_64_RELATIVE).then_some((word(entry, 0)?, word(entry, 16)?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}
