//! The table as the kernel side reads it: blocks of 256 bytes, the values of one BPF array.
//!
//! ```text
//! block 0       head: start of the first page (u64), pages, directory_at, rules_at, rows_at,
//!               rows, rules (u32 each); the `_at` are numbers of blocks
//! directory     u32 first_row[pages + 1], 64 in a block
//! rules         8 bytes each (Rule::encode), 32 in a block
//! rows          u32 each, 64 in a block: low half the low 16 bits of the address, high half the
//!               number of the rule that holds from there on
//! ```
//!
//! A page is 64 KiB of addresses. Its rows are sorted, and the first of them is at its start, so
//! the last row at or below an address is always there. A page without rows has no rules.

use std::collections::HashMap;

use super::BuildError;
use super::rule::Rule;

/// The size of a block in bytes.
pub const BLOCK: usize = 256;
/// Addresses in a page.
pub(super) const PAGE: u64 = 1 << 16;

const WORDS: usize = BLOCK / 4;
const RULES: usize = BLOCK / Rule::SIZE;
const DIRECTORY_AT: usize = 1;
/// Rules have numbers of 16 bits; the last is kept for "unsupported".
const MOST_RULES: usize = 65_535;

/// Takes ranges of addresses with their rules, in order, and packs them.
pub(super) struct Builder {
    start: u64,
    first_row: Vec<u32>,
    rows: Vec<u32>,
    rules: Vec<[u8; Rule::SIZE]>,
    numbers: HashMap<[u8; Rule::SIZE], u16>,
    /// Rules that were just used, by a hash of their bytes.
    recent: [([u8; Rule::SIZE], u16); 256],
    /// The rule that holds from the last row on, and where its range ends.
    last: u16,
    end: u64,
    most_rows: usize,
    /// Ranges whose rule was one too many.
    pub(super) overflown: u64,
}

impl Builder {
    /// For addresses from `start` on.
    pub(super) fn new(start: u64, most_rows: usize) -> Builder {
        let start = start & !(PAGE - 1);
        let none = Rule::NONE.encode();
        Builder {
            start,
            first_row: Vec::new(),
            rows: Vec::new(),
            rules: vec![none],
            numbers: HashMap::from([(none, 0)]),
            recent: [(none, 0); 256],
            last: 0,
            end: start,
            most_rows,
            overflown: 0,
        }
    }

    /// `rule` holds in `start..end`, which is not empty and not before an earlier range's end.
    pub(super) fn range(&mut self, start: u64, end: u64, rule: Rule) -> Result<(), BuildError> {
        debug_assert!(self.end <= start && start < end);
        let number = self.number(rule);
        if start > self.end {
            self.put(self.end, 0);
        }
        self.put(start, number);
        self.end = end;
        if self.rows.len() > self.most_rows {
            return Err(BuildError::TooManyRows { most: self.most_rows });
        }
        Ok(())
    }

    /// The finished blocks, with the numbers of rows and rules.
    pub(super) fn finish(mut self) -> (Vec<[u8; BLOCK]>, usize, usize) {
        self.put(self.end, 0);
        let pages = self.first_row.len();
        self.first_row.push(self.rows.len() as u32);
        let rules_at = DIRECTORY_AT + self.first_row.len().div_ceil(WORDS);
        let rows_at = rules_at + self.rules.len().div_ceil(RULES);
        let mut blocks = vec![[0; BLOCK]; rows_at + self.rows.len().div_ceil(WORDS)];
        let head = Head {
            start: self.start,
            pages: pages as u32,
            rules_at: rules_at as u32,
            rows_at: rows_at as u32,
            rows: self.rows.len() as u32,
            rules: self.rules.len() as u32,
        };
        blocks[0] = head.encode();
        let words = |blocks: &mut [[u8; BLOCK]], words: &[u32]| {
            let bytes = blocks.as_flattened_mut().chunks_exact_mut(4);
            bytes.zip(words).for_each(|(to, word)| to.copy_from_slice(&word.to_le_bytes()));
        };
        words(&mut blocks[DIRECTORY_AT..rules_at], &self.first_row);
        words(&mut blocks[rows_at..], &self.rows);
        let rules = blocks[rules_at..rows_at].as_flattened_mut().chunks_exact_mut(Rule::SIZE);
        rules.zip(&self.rules).for_each(|(to, rule)| to.copy_from_slice(rule));
        (blocks, self.rows.len(), self.rules.len())
    }

    /// From `at` on rule `number` holds.
    fn put(&mut self, at: u64, number: u16) {
        if number == self.last {
            return;
        }
        let page = ((at - self.start) / PAGE) as usize;
        let low = (at - self.start) % PAGE;
        while self.first_row.len() < page {
            self.open_page(self.last != 0);
        }
        // "Nothing is known" at a page's start is what a page without rows says.
        if low > 0 || number != 0 {
            if self.first_row.len() == page {
                self.open_page(low > 0);
            }
            self.rows.push(low as u32 | u32::from(number) << 16);
        }
        self.last = number;
    }

    /// Begins the next page, with a row for the rule that reaches into it or without rows.
    fn open_page(&mut self, reaches: bool) {
        self.first_row.push(self.rows.len() as u32);
        if reaches {
            self.rows.push(u32::from(self.last) << 16);
        }
    }

    fn number(&mut self, rule: Rule) -> u16 {
        let bytes = rule.encode();
        let hash = u64::from_le_bytes(bytes).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        if self.recent[hash as usize].0 == bytes {
            return self.recent[hash as usize].1;
        }
        let number = match self.numbers.get(&bytes) {
            Some(&number) => number,
            None if self.rules.len() < MOST_RULES - 1 => self.add(bytes),
            None => {
                self.overflown += 1;
                let unsupported = Rule::UNSUPPORTED.encode();
                match self.numbers.get(&unsupported) {
                    Some(&number) => return number,
                    None => return self.add(unsupported),
                }
            }
        };
        self.recent[hash as usize] = (bytes, number);
        number
    }

    fn add(&mut self, rule: [u8; Rule::SIZE]) -> u16 {
        let number = self.rules.len() as u16;
        self.rules.push(rule);
        self.numbers.insert(rule, number);
        number
    }
}

/// Block 0.
#[derive(Debug, Clone, Copy)]
struct Head {
    start: u64,
    pages: u32,
    rules_at: u32,
    rows_at: u32,
    rows: u32,
    rules: u32,
}

impl Head {
    fn encode(self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(&self.start.to_le_bytes());
        let words =
            [self.pages, DIRECTORY_AT as u32, self.rules_at, self.rows_at, self.rows, self.rules];
        for (to, word) in block[8..].chunks_exact_mut(4).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        block
    }
}

/// The rule at an address, read from the blocks as the kernel side does.
pub(super) fn rule_at(blocks: &[[u8; BLOCK]], svma: u64) -> Option<Rule> {
    let head = blocks.first()?;
    let start = u64::from_le_bytes(*head.first_chunk()?);
    let pages = word(blocks, 0, 2)?;
    let directory_at = word(blocks, 0, 3)?;
    let rules_at = word(blocks, 0, 4)?;
    let rows_at = word(blocks, 0, 5)?;
    let inside = svma.checked_sub(start)?;
    let page = u32::try_from(inside / PAGE).ok().filter(|&page| page < pages)?;
    let low = (inside % PAGE) as u32;
    let mut first = word(blocks, directory_at, page)?;
    let mut behind = word(blocks, directory_at, page + 1)?;
    if first == behind {
        return None;
    }
    // The first row is at the page's start, so it is never too far.
    while behind - first > 1 {
        let middle = first + (behind - first) / 2;
        if word(blocks, rows_at, middle)? & 0xffff <= low {
            first = middle;
        } else {
            behind = middle;
        }
    }
    let number = word(blocks, rows_at, first)? >> 16;
    let block = blocks.get(rules_at as usize + number as usize / RULES)?;
    let at = number as usize % RULES * Rule::SIZE;
    Some(Rule::decode(*block[at..].first_chunk()?))
}

/// The `index`th word from block `at` on.
fn word(blocks: &[[u8; BLOCK]], at: u32, index: u32) -> Option<u32> {
    let block = blocks.get(at as usize + index as usize / WORDS)?;
    Some(u32::from_le_bytes(*block[index as usize % WORDS * 4..].first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::rule::{Cfa, Fp};
    use super::*;

    fn rule(offset: i32) -> Rule {
        Rule { cfa: Cfa::Sp(offset), fp: Fp::Same }
    }

    fn build(ranges: &[(u64, u64, i32)]) -> (Vec<[u8; BLOCK]>, usize, usize) {
        let mut builder = Builder::new(ranges[0].0, 1 << 20);
        for &(start, end, offset) in ranges {
            builder.range(start, end, rule(offset)).expect("room");
        }
        builder.finish()
    }

    #[test]
    fn identical_neighbours_are_one_row() {
        let (_, rows, rules) = build(&[(0x10, 0x20, 8), (0x20, 0x30, 8), (0x30, 0x40, 16)]);
        // The page's start, two ranges, and the end.
        assert_eq!((rows, rules), (4, 3));
    }

    #[test]
    fn a_rule_reaches_through_pages() {
        let (blocks, rows, _) = build(&[(0x1_0000, 0x5_0000, 8), (0x9_0010, 0x9_0020, 16)]);
        assert_eq!(rows, 4 + 3);
        for (svma, offset) in [(0x1_0000, 8), (0x3_1234, 8), (0x4_ffff, 8), (0x9_0010, 16)] {
            assert_eq!(rule_at(&blocks, svma), Some(rule(offset)), "{svma:#x}");
        }
        for svma in [0, 0xffff, 0x5_0000, 0x7_0000, 0x9_0000, 0x9_0020, 0xa_0000, u64::MAX] {
            assert!(rule_at(&blocks, svma).is_none_or(|rule| rule == Rule::NONE), "{svma:#x}");
        }
    }

    #[test]
    fn rules_beyond_the_last_are_unsupported() {
        let mut builder = Builder::new(0, 1 << 20);
        for number in 0..70_000u64 {
            builder.range(number * 4, number * 4 + 4, rule(number as i32)).expect("room");
        }
        assert_eq!(builder.overflown, 70_000 - 65_533);
        let (blocks, _, rules) = builder.finish();
        assert_eq!(rules, MOST_RULES);
        assert_eq!(rule_at(&blocks, 4 * 65_532), Some(rule(65_532)));
        assert_eq!(rule_at(&blocks, 4 * 65_533), Some(Rule::UNSUPPORTED));
        assert_eq!(rule_at(&blocks, 4 * 69_999), Some(Rule::UNSUPPORTED));
    }

    proptest! {
        /// What was put in is found, at each edge of each range.
        #[test]
        fn ranges_are_found(steps in prop::collection::vec((0u64..0x3_0000, 1u64..0x3_0000, 0i32..4), 1..60)) {
            let mut ranges = Vec::new();
            let mut at = 0x40_1230;
            for (gap, size, offset) in steps {
                // Half of the ranges begin where the last ended.
                let start = at + if gap % 2 == 0 { 0 } else { gap };
                ranges.push((start, start + size, offset));
                at = start + size;
            }
            let (blocks, _, _) = build(&ranges);
            let expected = |svma: u64| {
                let range = ranges.iter().find(|range| range.0 <= svma && svma < range.1);
                range.map_or(Rule::NONE, |range| rule(range.2))
            };
            for &(start, end, _) in &ranges {
                for svma in [start - 1, start, start + 1, end - 1, end, end + 1, start | 0xffff, end & !0xffff] {
                    prop_assert_eq!(rule_at(&blocks, svma).unwrap_or(Rule::NONE), expected(svma));
                }
            }
        }
    }
}
