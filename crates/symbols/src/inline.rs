//! Source files and lines, and the functions that the compiler put into others.
//!
//! From a binary's DWARF, or from Go's own table where there is none. It takes seconds and
//! hundreds of megabytes for the largest binaries: only for what somebody looks at.

mod guard;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use addr2line::Context;
use gimli::{Dwarf, EndianArcSlice, LittleEndian, SectionId};

use crate::demangle;
use crate::elf::{Elf, ElfError};
use crate::gopclntab::GoTable;

/// What stands in the source for the instructions of one binary.
pub struct Lines {
    source: Source,
    bytes: usize,
}

/// A function at an address, whether it was called or put into the one that comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineFrame {
    /// Its readable name.
    pub function: Option<String>,
    /// The path of the source file as the compiler was told.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
}

/// How much is read for lines.
#[derive(Debug, Clone, Copy)]
pub struct LinesLimits {
    /// Bytes of all sections of debug information together, decompressed.
    pub bytes: u64,
    /// Bytes of instructions for lines, of all units together. Some of them take 24 bytes of
    /// memory when their unit is asked for.
    pub lines: u64,
    /// Entries of lists of addresses, of all functions together.
    pub ranges: u64,
    /// How long a first look at all of it may take.
    pub time: Duration,
}

/// Why there are no lines.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// Neither DWARF nor a table of Go functions.
    #[error("no debug information")]
    Missing,
    /// There is more of it than is read.
    #[error("more than {max} bytes of debug information")]
    TooLarge {
        /// The limit.
        max: u64,
    },
    /// Few bytes of it stand for more work than is done.
    #[error("the debug information asks for too much {0}")]
    TooMuch(&'static str),
    /// It contradicts itself.
    #[error("the debug information is damaged: {0}")]
    Damaged(#[from] gimli::Error),
}

type Reader = EndianArcSlice<LittleEndian>;

enum Source {
    /// Locked, since it remembers what was asked for.
    Dwarf(Box<Mutex<Context<Reader>>>),
    Go(GoTable),
}

/// No chain of functions within functions is longer.
const DEPTH: usize = 256;

impl Default for LinesLimits {
    fn default() -> LinesLimits {
        LinesLimits {
            bytes: 512 << 20,
            lines: 64 << 20,
            ranges: 16 << 20,
            time: Duration::from_secs(20),
        }
    }
}

impl Lines {
    /// Reads the debug information of `elf`, which is the binary itself or the separate file that
    /// belongs to it. `supplement` is the file that some of it was moved to (`dwz`), if it was.
    pub fn build(
        elf: &Elf,
        supplement: Option<&Elf>,
        limits: &LinesLimits,
    ) -> Result<Lines, LinesError> {
        let has = |name: &str| elf.section_range(name).is_some();
        if !has(".debug_info") && !has(".zdebug_info") {
            let table = GoTable::read(elf).map_err(|_| LinesError::Missing)?;
            return Ok(Lines { bytes: table.bytes(), source: Source::Go(table) });
        }
        let mut left = limits.bytes;
        let mut dwarf = Dwarf::load(|section| load(elf, section, &mut left, limits))?;
        if let Some(supplement) = supplement {
            dwarf.load_sup(|section| load(supplement, section, &mut left, limits))?;
        }
        guard::check(&dwarf, limits)?;
        // The reader is careful, but not with sums of addresses: in a build that minds, they panic.
        let context = catch_unwind(AssertUnwindSafe(|| Context::from_dwarf(dwarf)));
        let context = context.map_err(|_| LinesError::TooMuch("address space"))??;
        let bytes = (limits.bytes - left) as usize;
        Ok(Lines { source: Source::Dwarf(Box::new(Mutex::new(context))), bytes })
    }

    /// What stands at `svma`: the function that was put into others the deepest first, the one
    /// that has an address of its own last (whose symbol may say its name in full where this does
    /// not). Empty where nothing is known.
    pub fn frames(&self, svma: u64) -> Vec<InlineFrame> {
        match &self.source {
            // The reader asks for the address behind this one.
            Source::Dwarf(_) if svma == u64::MAX => Vec::new(),
            Source::Dwarf(context) => {
                let context = context.lock().unwrap_or_else(PoisonError::into_inner);
                catch_unwind(AssertUnwindSafe(|| frames(&context, svma))).unwrap_or_default()
            }
            Source::Go(table) => table
                .lookup(svma)
                .map(|function| go(table, function.name, svma))
                .into_iter()
                .collect(),
        }
    }

    /// The memory that the sections take; what was found in them comes on top.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

fn go(table: &GoTable, function: &str, svma: u64) -> InlineFrame {
    let (file, line) = table.line(svma).unzip();
    InlineFrame { function: Some(function.to_owned()), file: file.map(str::to_owned), line }
}

fn frames(context: &Context<Reader>, svma: u64) -> Vec<InlineFrame> {
    let mut found = Vec::new();
    let Ok(mut frames) = context.find_frames(svma).skip_all_loads() else { return found };
    while let Ok(Some(frame)) = frames.next()
        && found.len() < DEPTH
    {
        let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
        let location = frame.location.as_ref();
        found.push(InlineFrame {
            function: name.map(|name| demangle(&name).into_owned()),
            file: location.and_then(|location| location.file).map(str::to_owned),
            line: location.and_then(|location| location.line),
        });
    }
    found
}

/// A section of `elf`, for which `left` bytes may be taken; an empty one where it is missing.
fn load(
    elf: &Elf,
    section: SectionId,
    left: &mut u64,
    limits: &LinesLimits,
) -> Result<Reader, LinesError> {
    let data = match elf.section_within(section.name(), *left) {
        Ok(section) => section.data,
        Err(ElfError::TooLarge { .. }) => return Err(LinesError::TooLarge { max: limits.bytes }),
        // Of a damaged file what can be read is read.
        Err(_) => Vec::new(),
    };
    *left -= data.len() as u64;
    Ok(Reader::new(Arc::from(data), LittleEndian))
}
