//! Symbol tables of ELF files, and Go's table of functions, as candidates.

use object::elf;

use crate::elf::{Elf, ElfError, Section};
use crate::gopclntab::GoTable;

use super::candidates::{Candidates, Scope, Trust};

/// The size of a symbol.
pub(super) const SYMBOL: usize = 24;

/// An entry of a symbol table.
pub(super) struct Entry {
    pub(super) name: u32,
    info: u8,
    section: u16,
    value: u64,
    size: u64,
}

/// Adds the functions of `.symtab`; gives whether there is one.
pub(super) fn static_symbols(elf: &Elf, into: &mut Candidates) -> bool {
    add(elf, ".symtab", ".strtab", into).is_some()
}

/// Adds the functions of `.dynsym`, to which others can link.
pub(super) fn dynamic_symbols(elf: &Elf, into: &mut Candidates) {
    add(elf, ".dynsym", ".dynstr", into);
}

/// Adds the functions of a Go program.
pub(super) fn go_functions(go: &GoTable, into: &mut Candidates) {
    let mut text = Vec::new();
    let mut found = Vec::new();
    let mut functions = go.functions();
    for function in functions.by_ref().take(into.limits.symbols) {
        if text.len() as u64 + function.name.len() as u64 > into.limits.table {
            into.lose(1);
            continue;
        }
        found.push((text.len() as u32, function.start, function.end - function.start));
        text.extend_from_slice(function.name.as_bytes());
        text.push(0);
    }
    into.lose(functions.count());
    let Some(text) = into.text(text) else { return };
    for (at, start, size) in found {
        into.add(text, at, start, size, Trust { untyped: false, scope: Scope::Go });
    }
}

/// The entries of a symbol table's bytes.
pub(super) fn entries(table: &[u8]) -> impl Iterator<Item = Entry> {
    table.chunks_exact(SYMBOL).filter_map(Entry::parse)
}

fn add(elf: &Elf, table: &str, names: &str, into: &mut Candidates) -> Option<()> {
    let table = match elf.section_within(table, into.limits.table) {
        Ok(section) => section.data,
        Err(ElfError::TooLarge { size, .. }) => {
            into.lose(size as usize / SYMBOL);
            return None;
        }
        Err(_) => return None,
    };
    let Ok(Section { data: names, .. }) = elf.section_within(names, into.limits.table) else {
        into.lose(table.len() / SYMBOL);
        return None;
    };
    let all = table.len() / SYMBOL;
    into.lose(all.saturating_sub(into.limits.symbols));
    let text = into.text(names)?;
    for entry in entries(&table).take(into.limits.symbols) {
        if let Some(trust) = entry.trust() {
            into.add(text, entry.name, entry.value, entry.size, trust);
        }
    }
    // A table without symbols is what remains of one that was stripped.
    (all > 1).then_some(())
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Entry> {
        Some(Entry {
            name: u32::from_le_bytes(*bytes.first_chunk()?),
            info: *bytes.get(4)?,
            section: u16::from_le_bytes(*bytes.get(6..)?.first_chunk()?),
            value: u64::from_le_bytes(*bytes.get(8..)?.first_chunk()?),
            size: u64::from_le_bytes(*bytes.get(16..)?.first_chunk()?),
        })
    }

    /// How far it is to be trusted; none for what is no function of this file.
    fn trust(&self) -> Option<Trust> {
        let kind = elf::SymbolType(self.info & 0xf);
        let untyped = match kind {
            elf::STT_FUNC | elf::STT_GNU_IFUNC => false,
            elf::STT_NOTYPE => true,
            _ => return None,
        };
        let scope = match elf::SymbolBind(self.info >> 4) {
            elf::STB_GLOBAL => Scope::Global,
            elf::STB_LOCAL => Scope::Local,
            elf::STB_WEAK => Scope::Weak,
            _ => Scope::Other,
        };
        let defined = self.section != elf::SHN_UNDEF.0 && self.section != elf::SHN_ABS.0;
        defined.then_some(Trust { untyped, scope })
    }
}
