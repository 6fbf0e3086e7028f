//! The functions of one binary: what is at an address.
//!
//! Compact, since hundreds of these are held at once: for each function its start and size in
//! four bytes each, and its name, as the linker has it, compressed with those around it. So a name
//! costs some ten microseconds to read: who asks for an address again and again remembers it.

mod candidates;
mod debugdata;
mod plt;
mod table;

use crate::elf::Elf;
use crate::gopclntab::GoTable;
use crate::starts::Starts;
use crate::text::Text;

use candidates::Candidates;

/// The functions of one binary by address (svma).
#[derive(Debug, Clone)]
pub struct Names {
    starts: Starts,
    sizes: Box<[u32]>,
    text: Text,
    /// The segments of code, from and to.
    code: Box<[(u64, u64)]>,
    complete: bool,
    lost: u64,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name as it is stored: mangled, with `@plt` behind it for a stub that leads there.
    pub name: String,
    /// Its first address (svma).
    pub start: u64,
    /// Its size in bytes; of one whose size nobody said, up to what comes behind it.
    pub size: u64,
    /// Whether the address asked for is inside of it. If not, it is only the nearest function
    /// before the address, and says where that is, not what.
    pub exact: bool,
}

/// How much is read and kept of one binary's names.
#[derive(Debug, Clone, Copy)]
pub struct NamesLimits {
    /// Bytes of functions and their names, before they are compressed to about a quarter; the
    /// smallest functions are lost first.
    pub bytes: usize,
    /// Symbols read of each table.
    pub symbols: usize,
    /// Bytes read of each table and of each table's names.
    pub table: u64,
    /// Bytes that a compressed table (`.gnu_debugdata`) may turn out to be.
    pub unpacked: u64,
}

impl Default for NamesLimits {
    fn default() -> NamesLimits {
        NamesLimits { bytes: 128 << 20, symbols: 4 << 20, table: 256 << 20, unpacked: 64 << 20 }
    }
}

/// How many functions before an address are asked whether they reach over it: functions seldom
/// lie within others.
const BEHIND: usize = 8;

impl Names {
    /// Gathers the functions of `elf`, and of `debug`, the file that its symbols were moved to.
    /// Tables that are missing or damaged give nothing; a file without any gives no names.
    pub fn build(elf: &Elf, debug: Option<&Elf>, limits: &NamesLimits) -> Names {
        let mut found = Candidates::new(elf, limits);
        let mut complete = table::static_symbols(elf, &mut found);
        if let Some(debug) = debug.filter(|_| !complete) {
            complete = table::static_symbols(debug, &mut found);
        }
        if !complete {
            table::dynamic_symbols(elf, &mut found);
            if let Some(small) = debugdata::read(elf, limits.unpacked) {
                complete = table::static_symbols(&small, &mut found);
            }
        }
        if let Ok(go) = GoTable::read(elf) {
            table::go_functions(&go, &mut found);
            complete = true;
        }
        plt::stubs(elf, &mut found);
        found.finish(complete)
    }

    /// The function at `svma`, or else the nearest one before it in the same segment of code.
    /// None for an address that is not code.
    pub fn lookup(&self, svma: u64) -> Option<Symbol> {
        let &(from, _) = self.code.iter().find(|(from, to)| (*from..*to).contains(&svma))?;
        let nearest = self.starts.find(svma)?;
        let reaches = |&place: &usize| svma - self.starts.at(place) < u64::from(self.sizes[place]);
        let place = (nearest.saturating_sub(BEHIND)..=nearest).rev().find(reaches);
        let (place, exact) = place.map_or((nearest, false), |place| (place, true));
        let (start, size) = (self.starts.at(place), u64::from(self.sizes[place]));
        (start >= from).then(|| Symbol { name: self.text.get(place), start, size, exact })
    }

    /// All functions, by address.
    pub fn iter(&self) -> impl Iterator<Item = Symbol> {
        self.text.iter().zip(&self.sizes).enumerate().map(|(place, (name, &size))| Symbol {
            name,
            start: self.starts.at(place),
            size: u64::from(size),
            exact: true,
        })
    }

    /// How many functions there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether these are all functions, and not only those that others can link to. If not, a
    /// separate debug file would tell more.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Functions that were found and that there was no room for.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The memory that they take.
    pub fn bytes(&self) -> usize {
        self.starts.bytes() + self.sizes.len() * 4 + self.text.bytes() + self.code.len() * 16
    }
}
