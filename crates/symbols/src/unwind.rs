//! Unwind tables: for each address of a binary, how to get from its frame to the caller's.
//!
//! Compilers describe this in `.eh_frame`, as programs for each function, or in `.debug_frame`; Go
//! has the sizes of its frames in a table of its own. [`UnwindTable::build`] evaluates them all and
//! packs what a walk needs into blocks that the kernel side searches ([`blocks`] has their form). A
//! row is 4 bytes; identical neighbours are one row.
//!
//! Where two functions claim an address, the one that begins later has it, as for the runtimes
//! that search `.eh_frame_hdr`. Between functions nothing is known ([`Cfa::None`]).

mod blocks;
mod calls;
mod evaluate;
mod expression;
mod frames;
mod go;
mod rule;

use gimli::{BaseAddresses, DebugFrame, EhFrame, EndianSlice, LittleEndian};

pub use blocks::BLOCK;
pub use rule::{Cfa, Fp, Rule};

use crate::elf::{Elf, ElfError};
use blocks::Builder;
use calls::{Calls, InRbx};
use frames::{Code, Frames, From, Function};
use go::Go;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// What a table may become, and what may be read for it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest section of entries, in bytes.
    pub section_bytes: u64,
    /// The most functions.
    pub functions: usize,
    /// The most rows.
    pub rows: usize,
    /// The most pages of 64 KiB from the first function to the last.
    pub pages: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { section_bytes: 128 << 20, functions: 4 << 20, rows: 8 << 20, pages: 1 << 16 }
    }
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The file cannot be read.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// No function is described.
    #[error("it does not say how to unwind its frames")]
    NoFrames,
    /// There are more functions or rows than [`Limits`] allow.
    #[error("more than {most} rows")]
    TooManyRows {
        /// The limit.
        most: usize,
    },
    /// The code is spread over more addresses than [`Limits`] allow.
    #[error("its functions are {pages} pages apart")]
    TooWide {
        /// Pages of 64 KiB from the first function to the last.
        pages: u64,
    },
}

/// What became of a binary's entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Functions that are described.
    pub functions: u64,
    /// Of these, how many cannot be read at all.
    pub unreadable: u64,
    /// How many are not in the code (removed by the linker, mostly) or empty.
    pub outside: u64,
    /// How many are hidden by another that begins at the same address.
    pub hidden: u64,
    /// How many have instructions that make no sense, from some address on.
    pub damaged: u64,
    /// Ranges where the frame's address is said in a way that has no place in a table.
    pub unsupported_cfa: u64,
    /// Ranges where the return address is.
    pub unsupported_return: u64,
    /// Ranges whose rule was one too many.
    pub too_many_rules: u64,
    /// Rows of the table.
    pub rows: usize,
    /// Different rules of the table, with that for "nothing is known".
    pub rules: usize,
}

/// The unwind table of a binary.
#[derive(Clone)]
pub struct UnwindTable {
    blocks: Vec<[u8; BLOCK]>,
}

impl UnwindTable {
    /// Evaluates all that `elf` says of its frames.
    pub fn build(elf: &Elf, limits: &Limits) -> Result<(UnwindTable, Report), BuildError> {
        let mut report = Report::default();
        let eh = section(elf, ".eh_frame", limits)?;
        let go = Go::read(elf);
        let debug = match go {
            // What Go's linker writes there knows nothing of frame pointers and stacks' ends.
            Some(_) => (0, Vec::new()),
            None => section(elf, ".debug_frame", limits)?,
        };
        let (eh_bytes, debug_bytes) = (eh.1.as_slice(), debug.1.as_slice());
        let eh_section = EhFrame::new(eh_bytes, LittleEndian);
        let mut debug_section = DebugFrame::new(debug_bytes, LittleEndian);
        debug_section.set_address_size(8);
        let eh = Frames::new(eh_section, eh_bytes, bases(elf, eh.0), From::EhFrame);
        let debug =
            Frames::new(debug_section, debug_bytes, BaseAddresses::default(), From::DebugFrame);
        let mut described = Described { eh, debug, go, functions: Vec::new() };
        described.list(&code(elf), limits, &mut report)?;

        let listed = report.clone();
        let (mut builder, in_rbx) = described.pack(limits, &Calls::default(), &mut report)?;
        let Described { eh, functions, .. } = &mut described;
        let calls = in_rbx.calls(elf, functions, |function| eh.saved_rbx(function));
        if !calls.is_empty() {
            report = listed;
            (builder, _) = described.pack(limits, &calls, &mut report)?;
        }
        report.too_many_rules = builder.overflown;
        let (blocks, rows, rules) = builder.finish();
        report.rows = rows;
        report.rules = rules;
        Ok((UnwindTable { blocks }, report))
    }

    /// The blocks, as the kernel side takes them: the values of an array, from 0 on.
    pub fn blocks(&self) -> &[[u8; BLOCK]] {
        &self.blocks
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK
    }

    /// The rule at an address, read from the blocks as the kernel side reads them.
    pub fn rule_at(&self, svma: u64) -> Rule {
        blocks::rule_at(&self.blocks, svma).unwrap_or(Rule::NONE)
    }
}

impl std::fmt::Debug for UnwindTable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("UnwindTable").field("blocks", &self.blocks.len()).finish()
    }
}

/// The functions of a binary, and all that describes them.
struct Described<'a> {
    eh: Frames<'a, EhFrame<Bytes<'a>>>,
    debug: Frames<'a, DebugFrame<Bytes<'a>>>,
    go: Option<Go>,
    /// In order, apart from each other.
    functions: Vec<Function>,
}

impl Described<'_> {
    fn list(
        &mut self,
        code: &Code,
        limits: &Limits,
        report: &mut Report,
    ) -> Result<(), BuildError> {
        let functions = &mut self.functions;
        self.eh.list(code, functions, limits.functions, report)?;
        self.debug.list(code, functions, limits.functions, report)?;
        if let Some(go) = &self.go {
            go.list(code, functions, limits.functions, report)?;
        }
        put_in_order(functions, report);
        let (Some(first), Some(last)) = (functions.first(), functions.last()) else {
            return Err(BuildError::NoFrames);
        };
        let pages = last.end.div_ceil(blocks::PAGE) - first.start / blocks::PAGE;
        if pages > limits.pages {
            return Err(BuildError::TooWide { pages });
        }
        Ok(())
    }

    /// Evaluates all functions. Also gives the ranges whose frames are in rbx.
    fn pack(
        &mut self,
        limits: &Limits,
        calls: &Calls,
        report: &mut Report,
    ) -> Result<(Builder, InRbx), BuildError> {
        let start = self.functions.first().map_or(0, |function| function.start);
        let mut builder = Builder::new(start, limits.rows);
        let mut in_rbx = InRbx::default();
        for function in &self.functions {
            let range = |start, end, rule: Rule| match rule.cfa {
                Cfa::Register { register: calls::RBX, .. } => {
                    in_rbx.note(start, end, rule);
                    calls.split((start, end), rule, |start, end, rule| {
                        builder.range(start, end, rule)
                    })
                }
                _ => builder.range(start, end, rule),
            };
            match (function.from, &self.go) {
                (From::EhFrame, _) => self.eh.ranges(function, report, range)?,
                (From::DebugFrame, _) => self.debug.ranges(function, report, range)?,
                (From::Go, Some(go)) => go.ranges(function, report, range)?,
                (From::Go, None) => {}
            }
        }
        Ok((builder, in_rbx))
    }
}

/// The address and the bytes of a section; no bytes where there is none.
fn section(elf: &Elf, name: &str, limits: &Limits) -> Result<(u64, Vec<u8>), ElfError> {
    // Entries are named by offsets of 32 bits.
    match elf.section_within(name, limits.section_bytes.min(u32::MAX.into())) {
        Ok(section) => Ok((section.svma, section.data)),
        Err(ElfError::NoSection) => Ok((0, Vec::new())),
        Err(error) => Err(error),
    }
}

/// What the pointers of `.eh_frame` may be relative to.
fn bases(elf: &Elf, eh_frame: u64) -> BaseAddresses {
    let start = |name| elf.section_range(name).map_or(0, |(svma, _)| svma);
    BaseAddresses::default()
        .set_eh_frame(eh_frame)
        .set_eh_frame_hdr(start(".eh_frame_hdr"))
        .set_text(start(".text"))
        .set_got(start(".got"))
}

fn code(elf: &Elf) -> Code {
    let segments = elf.segments().iter().filter(|segment| segment.executable);
    Code::new(segments.map(|segment| {
        (segment.svma, segment.svma.saturating_add(segment.memory_size.max(segment.file_size)))
    }))
}

/// Sorts functions and ends each where the next begins. Of those that begin at one address the
/// first counts.
fn put_in_order(functions: &mut Vec<Function>, report: &mut Report) {
    functions.sort_unstable_by_key(|function| (function.start, function.from, function.offset));
    let all = functions.len();
    functions.dedup_by_key(|function| function.start);
    report.hidden = (all - functions.len()) as u64;
    for index in 1..functions.len() {
        let next = functions[index].start;
        let function = &mut functions[index - 1];
        function.end = function.end.min(next);
    }
}
