//! Functions as tables state them, and the choice of those that are kept.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use crate::elf::Elf;
use crate::starts::Starts;
use crate::text::Text;

use super::{Names, NamesLimits};

/// What was found so far.
pub(super) struct Candidates {
    pub(super) limits: NamesLimits,
    list: Vec<Candidate>,
    /// The texts that names are in.
    texts: Vec<Vec<u8>>,
    /// Segments, and within them sections, of code.
    segments: Vec<(u64, u64)>,
    sections: Vec<(u64, u64)>,
    /// How many more bytes of names are looked at.
    left: usize,
    lost: u64,
}

/// A name for an address.
#[derive(Clone, Copy)]
struct Candidate {
    start: u64,
    /// 0 where nobody said.
    size: u64,
    at: u32,
    length: u32,
    text: u8,
    trust: Trust,
}

/// How much a table's word counts against another's about the same address, the better the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Trust {
    /// Not known to be a function.
    pub(super) untyped: bool,
    pub(super) scope: Scope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// Go's own name for its function: the same whether the program is stripped or not.
    Go,
    Global,
    Local,
    Weak,
    /// The binary's own word for its code comes before those of others' tables.
    Other,
}

/// Longer names are cut. Names of templates do reach some thousand bytes.
const NAME: usize = 8 * 1024;
/// As many bytes of names are looked at even where few may be kept.
const SCANNED: usize = 64 << 20;
/// What a function takes besides its name.
const FIXED: usize = 8;

impl Candidates {
    pub(super) fn new(elf: &Elf, limits: &NamesLimits) -> Candidates {
        let code = elf.segments().iter().filter(|segment| segment.executable);
        let mut segments: Vec<(u64, u64)> = code
            .filter_map(|it| Some((it.svma, it.svma.checked_add(it.memory_size)?)))
            .filter(|(from, to)| from < to)
            .collect();
        segments.sort_unstable();
        let sections =
            elf.code_sections().filter_map(|(svma, size)| Some((svma, svma.checked_add(size)?)));
        let mut sections: Vec<(u64, u64)> = sections.filter(|(from, to)| from < to).collect();
        sections.sort_unstable();
        // Places in the text of all names are numbers of four bytes.
        let limits = NamesLimits { bytes: limits.bytes.min(1 << 30), ..*limits };
        Candidates {
            limits,
            list: Vec::new(),
            texts: Vec::new(),
            segments,
            sections,
            left: limits.bytes * 4 + SCANNED,
            lost: 0,
        }
    }

    /// Takes in a text that names will be said to be in; gives its number. None when there are
    /// more texts than any binary has.
    pub(super) fn text(&mut self, text: Vec<u8>) -> Option<u8> {
        let number = u8::try_from(self.texts.len()).ok()?;
        u32::try_from(text.len()).ok()?;
        self.texts.push(text);
        Some(number)
    }

    /// A function whose name begins at `at` in `text` and ends with a zero. What is not in code,
    /// or has no name, is passed over.
    pub(super) fn add(&mut self, text: u8, at: u32, start: u64, size: u64, trust: Trust) {
        if !self.is_code(start) {
            return;
        }
        let bytes = self.texts[usize::from(text)].get(at as usize..).unwrap_or_default();
        let bytes = &bytes[..bytes.len().min(NAME).min(self.left)];
        let length = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        if length == 0 {
            self.lost += u64::from(self.left == 0);
            return;
        }
        self.left -= length;
        self.list.push(Candidate { start, size, at, length: length as u32, text, trust });
    }

    /// The best names so far of the functions that begin at `starts`, as far as there are any.
    pub(super) fn names_of(&self, starts: HashSet<u64>) -> HashMap<u64, String> {
        let mut best: HashMap<u64, &Candidate> = HashMap::new();
        for it in self.list.iter().filter(|it| starts.contains(&it.start)) {
            let known = best.entry(it.start).or_insert(it);
            if it.trust < known.trust {
                *known = it;
            }
        }
        best.into_iter().map(|(start, it)| (start, self.name(it).into_owned())).collect()
    }

    /// Counts symbols that were not even looked at.
    pub(super) fn lose(&mut self, symbols: usize) {
        self.lost += symbols as u64;
    }

    /// Chooses, and puts together what is kept.
    pub(super) fn finish(mut self, complete: bool) -> Names {
        self.choose();
        self.fill();
        self.fit();
        let kept = &self.list;
        Names {
            starts: Starts::new(kept.iter().map(|it| it.start)),
            sizes: kept.iter().map(|it| u32::try_from(it.size).unwrap_or(u32::MAX)).collect(),
            text: Text::new(kept.iter().map(|it| self.name(it))),
            code: self.segments.into_boxed_slice(),
            complete,
            lost: self.lost,
        }
    }

    /// One name for each address; no labels within functions.
    fn choose(&mut self) {
        let mut list = std::mem::take(&mut self.list);
        list.sort_by(|a, b| {
            let rank = |it: &Candidate| {
                let name = self.bytes(it);
                let under = name.iter().take_while(|&&byte| byte == b'_').count();
                (it.start, it.size == 0, it.trust, name.contains(&b'.'), under, it.length)
            };
            rank(a).cmp(&rank(b)).then_with(|| self.bytes(a).cmp(self.bytes(b)))
        });
        list.dedup_by_key(|it| it.start);
        let mut reached = 0;
        list.retain(|it| {
            let label = it.size == 0 && it.trust.untyped && it.start < reached;
            reached = reached.max(it.start.saturating_add(it.size));
            !label
        });
        self.list = list;
    }

    /// Gives a size to those that have none, and cuts sizes that go beyond the code.
    fn fill(&mut self) {
        let mut next = u64::MAX;
        for place in (0..self.list.len()).rev() {
            let Candidate { start, size, .. } = self.list[place];
            let room = self.end_of_code(start) - start;
            let size = if size == 0 { room.min(next - start) } else { size.min(room) };
            self.list[place].size = size;
            next = start;
        }
        self.list.retain(|it| it.size > 0);
    }

    /// Lets the smallest functions go until the rest fits.
    fn fit(&mut self) {
        let cost = |it: &Candidate| it.length as usize + FIXED;
        let mut all: usize = self.list.iter().map(cost).sum();
        if all <= self.limits.bytes {
            return;
        }
        let before = self.list.len();
        self.list.sort_by_key(|it| Reverse(it.size));
        while all > self.limits.bytes
            && let Some(smallest) = self.list.pop()
        {
            all -= cost(&smallest);
        }
        self.list.sort_by_key(|it| it.start);
        self.lost += (before - self.list.len()) as u64;
    }

    fn is_code(&self, svma: u64) -> bool {
        let holds = |ranges: &[(u64, u64)]| around(ranges, svma).is_some();
        holds(&self.segments) && (self.sections.is_empty() || holds(&self.sections))
    }

    /// Where the section of `svma`, which is code, ends.
    fn end_of_code(&self, svma: u64) -> u64 {
        let end = |ranges: &[(u64, u64)]| around(ranges, svma).unwrap_or(u64::MAX);
        end(&self.segments).min(end(&self.sections))
    }

    /// Its name; one that is no text in as many bytes, so that what it takes is known beforehand.
    fn name(&self, it: &Candidate) -> Cow<'_, str> {
        let bytes = self.bytes(it);
        let plain = |&byte: &u8| if byte.is_ascii() { char::from(byte) } else { '?' };
        std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().map(plain).collect(), Cow::Borrowed)
    }

    fn bytes(&self, it: &Candidate) -> &[u8] {
        &self.texts[usize::from(it.text)][it.at as usize..it.at as usize + it.length as usize]
    }
}

/// The end of the one of the sorted `ranges` that `svma` is in.
fn around(ranges: &[(u64, u64)], svma: u64) -> Option<u64> {
    let behind = ranges.partition_point(|&(from, _)| from <= svma);
    let &(_, to) = ranges.get(behind.checked_sub(1)?)?;
    (svma < to).then_some(to)
}
