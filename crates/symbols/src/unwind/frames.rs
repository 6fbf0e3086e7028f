//! The entries of `.eh_frame` and `.debug_frame`: one for each function.

use std::collections::HashMap;

use gimli::{
    BaseAddresses, CommonInformationEntry, EndianSlice, FrameDescriptionEntry, LittleEndian,
    UnwindSection,
};

use super::evaluate::{self, Common, State, Unsupported};
use super::rule::Rule;
use super::{BuildError, Report};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Heads that are kept parsed; a library has some dozens.
const MOST_HEADS: usize = 1024;

/// A function: its addresses, and where its entry is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Function {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Where it is described; of two that describe a function the first counts.
    pub(super) from: From,
    /// In its section; the number of the function, for Go.
    pub(super) offset: u32,
}

/// Where a function is described.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum From {
    EhFrame,
    Go,
    DebugFrame,
}

/// A section of entries.
pub(super) struct Frames<'a, S> {
    section: S,
    bytes: &'a [u8],
    bases: BaseAddresses,
    from: From,
    /// Heads of functions (CIE) by their place; None is one that cannot be read.
    heads: HashMap<usize, Option<Head<'a>>>,
}

/// What functions of a kind begin with.
#[derive(Clone)]
struct Head<'a> {
    entry: CommonInformationEntry<Bytes<'a>>,
    common: Common,
    initial: State,
}

impl<'a, S: UnwindSection<Bytes<'a>>> Frames<'a, S>
where
    S::Offset: std::convert::From<usize>,
{
    pub(super) fn new(section: S, bytes: &'a [u8], bases: BaseAddresses, from: From) -> Self {
        Frames { section, bytes, bases, from, heads: HashMap::new() }
    }

    /// Appends all functions that there are in `code`.
    pub(super) fn list(
        &mut self,
        code: &Code,
        functions: &mut Vec<Function>,
        most: usize,
        report: &mut Report,
    ) -> Result<(), BuildError> {
        let from = self.from;
        let debug = from == From::DebugFrame;
        let mut at = 0;
        while let Some(entry) = Entry::at(self.bytes, at, debug) {
            let Entry { next, kind } = entry;
            match kind {
                Kind::Padding if debug => {}
                // The end of `.eh_frame`.
                Kind::Padding => break,
                Kind::Head => {}
                Kind::Function => match self.parse(at) {
                    Some((entry, _)) => {
                        report.functions += 1;
                        let (start, size) = (entry.initial_address(), entry.len());
                        match code.clip(start, start.saturating_add(size)) {
                            Some(end) => {
                                let offset = at as u32;
                                functions.push(Function { start, end, from, offset });
                            }
                            None => report.outside += 1,
                        }
                    }
                    None => {
                        report.functions += 1;
                        report.unreadable += 1;
                    }
                },
            }
            if functions.len() > most {
                return Err(BuildError::TooManyRows { most });
            }
            at = next;
        }
        // An entry that reaches beyond the section ends the list as well.
        if at < self.bytes.len() && Entry::at(self.bytes, at, debug).is_none() {
            report.unreadable += 1;
        }
        Ok(())
    }

    /// Gives the ranges of a function with their rules to `range`.
    pub(super) fn ranges(
        &mut self,
        function: &Function,
        report: &mut Report,
        mut range: impl FnMut(u64, u64, Rule) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let Some((entry, head)) = self.parse(function.offset as usize) else { return Ok(()) };
        let Frames { section, bases, .. } = &*self;
        let instructions = entry.instructions(section, bases);
        let addresses = (function.start, function.end);
        let each = |start: u64, end: u64, state: &State| {
            let rule = state.rule(section, &head.common).unwrap_or_else(|why| {
                match why {
                    Unsupported::Cfa => report.unsupported_cfa += 1,
                    Unsupported::ReturnAddress => report.unsupported_return += 1,
                }
                Rule::UNSUPPORTED
            });
            range(start, end, rule)
        };
        let stopped = evaluate::ranges(addresses, instructions, &head.common, &head.initial, each)?;
        if let Some(at) = stopped {
            report.damaged += 1;
            range(at, function.end, Rule::UNSUPPORTED)?;
        }
        Ok(())
    }

    /// Where `function`, once it has begun, keeps its caller's rbx: an offset from its frame's
    /// address.
    pub(super) fn saved_rbx(&mut self, function: &Function) -> Option<i64> {
        if function.from != self.from {
            return None;
        }
        let (entry, head) = self.parse(function.offset as usize)?;
        let instructions = entry.instructions(&self.section, &self.bases);
        let mut saved = None;
        let addresses = (function.start, function.end);
        let each = |_, _, state: &State| {
            saved = saved.or(state.saved_rbx());
            Ok::<_, BuildError>(())
        };
        evaluate::ranges(addresses, instructions, &head.common, &head.initial, each).ok()?;
        saved
    }

    /// The entry of a function, with its head.
    fn parse(&mut self, at: usize) -> Option<(FrameDescriptionEntry<Bytes<'a>>, Head<'a>)> {
        let Frames { section, bases, heads, .. } = self;
        let partial = section.partial_fde_from_offset(bases, S::Offset::from(at)).ok()?;
        let place = gimli::UnwindOffset::into(partial.cie_offset());
        if heads.len() >= MOST_HEADS && !heads.contains_key(&place) {
            heads.clear();
        }
        let head = heads
            .entry(place)
            .or_insert_with(|| read_head(section, bases, S::Offset::from(place)))
            .clone()?;
        let entry = partial.parse(|_, _, _| Ok(head.entry.clone())).ok()?;
        Some((entry, head))
    }
}

fn read_head<'a, S: UnwindSection<Bytes<'a>>>(
    section: &S,
    bases: &BaseAddresses,
    at: S::Offset,
) -> Option<Head<'a>> {
    let entry = section.cie_from_offset(bases, at).ok()?;
    let common = Common {
        code_factor: entry.code_alignment_factor(),
        data_factor: entry.data_alignment_factor(),
        return_column: entry.return_address_register() == gimli::X86_64::RA,
        signal: entry.is_signal_trampoline(),
    };
    let initial = evaluate::initial(entry.instructions(section, bases), &common).ok()?;
    Some(Head { entry, common, initial })
}

/// An entry, as its first bytes tell.
struct Entry {
    /// Where the next begins.
    next: usize,
    kind: Kind,
}

enum Kind {
    Padding,
    Head,
    Function,
}

impl Entry {
    /// None where the section ends, or the entry would reach beyond it.
    fn at(bytes: &[u8], at: usize, debug: bool) -> Option<Entry> {
        let short = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?);
        let (body, size, wide) = match short {
            0 => return Some(Entry { next: at + 4, kind: Kind::Padding }),
            u32::MAX => (at + 12, u64::from_le_bytes(*bytes.get(at + 4..)?.first_chunk()?), true),
            size => (at + 4, size.into(), false),
        };
        let next = body.checked_add(usize::try_from(size).ok()?)?;
        let body = bytes.get(body..next)?;
        let kind = match (debug, wide) {
            (false, _) => body.first_chunk() == Some(&[0; 4]),
            (true, false) => body.first_chunk() == Some(&[0xff; 4]),
            (true, true) => body.first_chunk() == Some(&[0xff; 8]),
        };
        Some(Entry { next, kind: if kind { Kind::Head } else { Kind::Function } })
    }
}

/// Where there is code: ranges of addresses in order, apart from each other.
pub(super) struct Code(Vec<(u64, u64)>);

impl Code {
    pub(super) fn new(ranges: impl Iterator<Item = (u64, u64)>) -> Code {
        let mut ranges: Vec<_> = ranges.filter(|(start, end)| start < end).collect();
        ranges.sort_unstable();
        ranges.dedup_by(|next, last| {
            let touch = next.0 <= last.1;
            if touch {
                last.1 = last.1.max(next.1);
            }
            touch
        });
        Code(ranges)
    }

    /// The end of the part of `start..end` that is code, if `start` is.
    pub(super) fn clip(&self, start: u64, end: u64) -> Option<u64> {
        let behind = self.0.partition_point(|range| range.0 <= start);
        let range = self.0[..behind].last()?;
        (start < range.1 && start < end).then(|| end.min(range.1))
    }
}
