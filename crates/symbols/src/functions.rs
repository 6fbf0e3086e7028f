//! Where functions stand that are looked for by their names.

use crate::elf::Elf;

/// The offset in the file of each of `names` that `elf` defines: from `.dynsym`, and from `.symtab`
/// where it was not stripped. In no order; a name that is defined twice is given once.
pub fn functions(elf: &Elf, names: &[&'static str]) -> Vec<(&'static str, u64)> {
    let mut found: Vec<(&'static str, u64)> = Vec::new();
    for (symbols, strings) in [(".dynsym", ".dynstr"), (".symtab", ".strtab")] {
        let Ok(symbols) = elf.section_within(symbols, MOST) else { continue };
        let Ok(strings) = elf.section_within(strings, MOST) else { continue };
        for symbol in symbols.data.chunks_exact(SYMBOL) {
            let Some((name, address)) = defined(symbol, &strings.data, names) else { continue };
            let known = found.iter().any(|(it, _)| *it == name);
            if !known && let Some(offset) = elf.offset_of_svma(address) {
                found.push((name, offset));
            }
        }
    }
    found
}

/// Tables that are larger are not looked at.
const MOST: u64 = 64 << 20;
/// Of an `Elf64_Sym`.
const SYMBOL: usize = 24;
const STT_FUNC: u8 = 2;

fn defined(symbol: &[u8], strings: &[u8], names: &[&'static str]) -> Option<(&'static str, u64)> {
    let is_function = symbol[4] & 0xf == STT_FUNC;
    let address = u64::from_le_bytes(*symbol[8..].first_chunk()?);
    if !is_function || address == 0 {
        return None;
    }
    let at = u32::from_le_bytes(*symbol.first_chunk()?) as usize;
    let text = strings.get(at..)?;
    let name = names
        .iter()
        .find(|name| text.starts_with(name.as_bytes()) && text.get(name.len()) == Some(&0));
    name.map(|name| (*name, address))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn what_the_c_library_exports_is_found() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("our own");
        let libc = maps.split_whitespace().find(|word| word.contains("/libc.so"));
        let elf = Elf::open(File::open(libc.expect("we use it")).expect("it is there"));
        let found = functions(&elf.expect("it is ELF"), &["malloc", "no_such_function", "free"]);
        let mut names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert_eq!(names, ["free", "malloc"]);
        assert!(found.iter().all(|(_, offset)| *offset > 0));
    }
}
