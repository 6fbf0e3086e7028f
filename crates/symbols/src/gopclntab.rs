//! What Go's runtime knows of a program's functions: the table `pclntab`, which every Go program
//! carries, stripped or not.
//!
//! Four layouts are in use, told apart by a magic number: those of Go 1.2, 1.16, 1.18 and 1.20.
//! From 1.18 on functions are numbered from the start of Go's code, which is not in the table any
//! more since 1.26; `text` finds it.

mod frames;
mod text;

use crate::elf::Elf;
pub(crate) use frames::GoStack;

/// The functions, files and lines of a Go program.
pub struct GoTable {
    data: Vec<u8>,
    layout: Layout,
    /// The address that functions are numbered from; 0 before 1.18.
    text: u64,
    count: usize,
    /// Where these begin in `data`.
    names: usize,
    units: usize,
    files: usize,
    values: usize,
    functions: usize,
}

/// A function of a Go program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GoFunction<'a> {
    /// Its name with the path of its package.
    pub name: &'a str,
    /// Its first address (svma).
    pub start: u64,
    /// The address behind it, which may be padding's end.
    pub end: u64,
}

/// Why there is no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GoTableError {
    /// No such table: not a Go program.
    #[error("no table of Go functions")]
    Missing,
    /// It contradicts itself.
    #[error("the table of Go functions is damaged: {0}")]
    Damaged(&'static str),
    /// Where Go's code begins cannot be told.
    #[error("where Go's code begins cannot be told")]
    NoText,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Layout {
    Go12,
    Go16,
    Go18,
    Go20,
}

/// What the table begins with, least significant byte first: the magic number, two zeros, and for
/// x86-64 instructions of any length and pointers of 8 bytes.
const HEADS: [([u8; 8], Layout); 4] = [
    ([0xfb, 0xff, 0xff, 0xff, 0, 0, 1, 8], Layout::Go12),
    ([0xfa, 0xff, 0xff, 0xff, 0, 0, 1, 8], Layout::Go16),
    ([0xf0, 0xff, 0xff, 0xff, 0, 0, 1, 8], Layout::Go18),
    ([0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8], Layout::Go20),
];
/// Sections that hold it, by the linker's mode.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];
/// Sections that only Go programs have.
const MARKS: [&str; 2] = [".go.buildinfo", ".note.go.buildid"];
/// A larger table is not read, and not looked for in more bytes than this.
const TABLE_BYTES: u64 = 512 << 20;
/// How much of a file is searched at a time.
const PIECE: u64 = 1 << 20;
/// How many things that begin as a table does are looked at.
const TRIES: usize = 16;
/// Longer names are not taken: no compiler makes them.
const NAME: usize = 8 * 1024;
/// One function has no more pieces of a line than this.
const STEPS: usize = 1 << 20;

impl GoTable {
    /// The table of `elf`: by its section, or where that has lost its name, by how it begins.
    pub fn read(elf: &Elf) -> Result<GoTable, GoTableError> {
        let section = SECTIONS.iter().find_map(|name| elf.section_within(name, TABLE_BYTES).ok());
        if let Some(section) = section {
            return GoTable::unplaced(section.data)?.place(elf, section.svma);
        }
        let is_go = MARKS.iter().any(|name| elf.section_range(name).is_some());
        if !is_go && elf.section_range(".shstrtab").is_some() {
            return Err(GoTableError::Missing);
        }
        let (svma, table) = search(elf).ok_or(GoTableError::Missing)?;
        table.place(elf, svma)
    }

    /// The table, which is at `svma`, with its functions where they are.
    fn place(mut self, elf: &Elf, svma: u64) -> Result<GoTable, GoTableError> {
        if self.layout < Layout::Go18 {
            return Ok(self);
        }
        let first = self.entry(0).unwrap_or(0);
        // The last address is behind the last function.
        let last = self.entry(self.count).unwrap_or(0).saturating_sub(1);
        let code = |svma| elf.segments().iter().any(|it| it.executable && holds(it, svma));
        let within = |text: u64| {
            [first, last].iter().all(|&entry| text.checked_add(entry).is_some_and(code))
        };
        self.text = text::find(elf, svma, self.word(2), within).ok_or(GoTableError::NoText)?;
        Ok(self)
    }

    /// The table in `data`, its functions numbered from 0.
    fn unplaced(data: Vec<u8>) -> Result<GoTable, GoTableError> {
        let head = data.get(..8).ok_or(GoTableError::Damaged("cut short"))?;
        let layout = HEADS.iter().find(|(magic, _)| magic == head);
        let &(_, layout) = layout.ok_or(GoTableError::Damaged("an unknown head"))?;
        let size = data.len();
        let mut table = GoTable {
            data,
            layout,
            text: 0,
            count: 0,
            names: 0,
            units: 0,
            files: 0,
            values: 0,
            functions: 0,
        };
        let count = table.word(0);
        if layout == Layout::Go12 {
            table.functions = 16;
        } else {
            // The later layouts have a word more before the offsets.
            let first = if layout == Layout::Go16 { 2 } else { 3 };
            let offset = |word: usize| {
                let offset = usize::try_from(table.word(first + word)).ok();
                offset.filter(|&offset| offset < size).ok_or(GoTableError::Damaged("an offset"))
            };
            let parts = (offset(0)?, offset(1)?, offset(2)?, offset(3)?, offset(4)?);
            (table.names, table.units, table.files, table.values, table.functions) = parts;
        }
        let room = size.saturating_sub(table.functions) / (2 * table.width());
        // Behind the last function there is one more address.
        table.count = usize::try_from(count)
            .ok()
            .filter(|&count| {
                count > 0
                    && count <= room
                    && table.functions + (2 * count + 1) * table.width() <= size
            })
            .ok_or(GoTableError::Damaged("the number of functions"))?;
        if layout == Layout::Go12 {
            let at = table.functions + (2 * table.count + 1) * table.width();
            table.files = table.u32(at).ok_or(GoTableError::Damaged("cut short"))? as usize;
        }
        Ok(table)
    }

    /// How many functions there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none; never, for a table that could be read.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether functions take their arguments in registers, as they do since 1.17; so far back the
    /// table only tells since 1.18.
    pub fn has_register_calls(&self) -> bool {
        self.layout >= Layout::Go18
    }

    /// All functions by address; those whose entry is damaged are left out.
    pub fn functions(&self) -> impl Iterator<Item = GoFunction<'_>> {
        (0..self.count).filter_map(|place| self.function(place))
    }

    /// The function at `svma`.
    pub fn lookup(&self, svma: u64) -> Option<GoFunction<'_>> {
        let found = self.function(self.find(svma)?)?;
        (svma < found.end).then_some(found)
    }

    /// The source file and the line, from 1, of the instruction at `svma`.
    pub fn line(&self, svma: u64) -> Option<(&str, u32)> {
        let place = self.find(svma)?;
        let start = self.start(place)?;
        if svma >= self.start(place + 1)? {
            return None;
        }
        let line = self.value(self.field(place, 6)?, start, svma)?;
        let file = self.value(self.field(place, 5)?, start, svma)?;
        Some((self.file(place, file)?, u32::try_from(line).ok()?))
    }

    /// The memory that it takes.
    pub fn bytes(&self) -> usize {
        self.data.capacity()
    }

    fn function(&self, place: usize) -> Option<GoFunction<'_>> {
        let (start, end) = (self.start(place)?, self.start(place + 1)?);
        let name = self.names.checked_add(self.field(place, 1)? as usize)?;
        let name = self.string(name)?;
        (start < end && !name.is_empty()).then_some(GoFunction { name, start, end })
    }

    /// The place of the last function that does not begin behind `svma`.
    fn find(&self, svma: u64) -> Option<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            if self.start(middle)? <= svma { low = middle + 1 } else { high = middle }
        }
        low.checked_sub(1)
    }

    fn start(&self, place: usize) -> Option<u64> {
        self.text.checked_add(self.entry(place)?)
    }

    /// The start of a function as the table has it; at `count`, the end of the last.
    fn entry(&self, place: usize) -> Option<u64> {
        self.uint(self.functions + 2 * place * self.width())
    }

    /// The number `n` of 4 bytes behind the start in a function's entry.
    fn field(&self, place: usize, n: usize) -> Option<u32> {
        let offset = self.uint(self.functions + (2 * place + 1) * self.width())?;
        let base = if self.layout == Layout::Go12 { 0 } else { self.functions };
        let at = base.checked_add(usize::try_from(offset).ok()?)?;
        self.u32(at.checked_add(self.width() + (n - 1) * 4)?)
    }

    /// What the pairs of (how much more, for how many bytes) at `offset` say of `svma`.
    fn value(&self, offset: u32, start: u64, svma: u64) -> Option<i32> {
        let mut rest = self.data.get(self.values.checked_add(offset as usize)?..)?;
        let (mut value, mut at) = (-1_i32, start);
        for step in 0..STEPS {
            let change = varint(&mut rest)?;
            if change == 0 && step > 0 {
                return None;
            }
            let size = i32::try_from(change >> 1).ok()?;
            value = value.wrapping_add(if change & 1 == 1 { !size } else { size });
            at = at.checked_add(u64::from(varint(&mut rest)?))?;
            if svma < at {
                return Some(value);
            }
        }
        None
    }

    fn file(&self, place: usize, file: i32) -> Option<&str> {
        let file = usize::try_from(file).ok()?;
        if self.layout == Layout::Go12 {
            // Numbered from 1: the first word says how many there are.
            let at = self.files.checked_add(file.checked_mul(4)?)?;
            return self.string(self.u32(at).filter(|_| file > 0)? as usize);
        }
        let unit = (self.field(place, 8)? as usize).checked_add(file)?;
        let offset = self.u32(self.units.checked_add(unit.checked_mul(4)?)?)?;
        let at = self.files.checked_add(offset as usize)?;
        self.string(at).filter(|_| offset != u32::MAX)
    }

    fn string(&self, at: usize) -> Option<&str> {
        let rest = self.data.get(at..)?;
        let rest = &rest[..rest.len().min(NAME)];
        let end = rest.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&rest[..end]).ok()
    }

    /// The size of a number in the list of functions.
    fn width(&self) -> usize {
        if self.layout >= Layout::Go18 { 4 } else { 8 }
    }

    fn uint(&self, at: usize) -> Option<u64> {
        match self.width() {
            4 => self.u32(at).map(u64::from),
            _ => Some(u64::from_le_bytes(*self.data.get(at..)?.first_chunk()?)),
        }
    }

    fn u32(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.data.get(at..)?.first_chunk()?))
    }

    /// The word `n` of the header; 0 where it is cut short.
    fn word(&self, n: usize) -> u64 {
        let bytes = self.data.get(8 + n * 8..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

fn holds(segment: &crate::elf::Segment, svma: u64) -> bool {
    svma >= segment.svma && svma - segment.svma < segment.memory_size
}

fn varint(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u32;
    for shift in (0..35).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The first table in a segment that is not code, and its address.
fn search(elf: &Elf) -> Option<(u64, GoTable)> {
    let (mut left, mut tries) = (TABLE_BYTES, TRIES);
    for segment in elf.segments().iter().filter(|segment| !segment.executable) {
        let mut at = segment.svma.checked_next_multiple_of(8)?;
        let end = segment.svma.checked_add(segment.file_size)?;
        while at < end && left > 0 {
            let size = PIECE.min(end - at);
            // Tables begin at multiples of 32, so no head is cut by the end of a piece.
            let piece = elf.read_svma(at, size)?;
            for (place, head) in piece.chunks_exact(8).enumerate() {
                if !HEADS.iter().any(|(magic, _)| magic == head) || tries == 0 {
                    continue;
                }
                tries -= 1;
                let svma = at + place as u64 * 8;
                let data = elf.read_svma(svma, (end - svma).min(TABLE_BYTES));
                if let Some(Ok(table)) = data.map(GoTable::unplaced) {
                    return Some((svma, table));
                }
            }
            at += size;
            left = left.saturating_sub(size);
        }
    }
    None
}
