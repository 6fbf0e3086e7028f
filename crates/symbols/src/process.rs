//! What a process consists of: which code is mapped where.

use std::ops::Range;
use std::rc::Rc;

use crate::Binary;

/// Mapped code.
#[derive(Clone)]
pub(crate) struct Mapping {
    /// Its addresses.
    pub(crate) range: Range<u64>,
    /// What it is.
    pub(crate) code: Code,
}

/// What mapped code is.
#[derive(Clone)]
pub(crate) enum Code {
    /// Part of a binary.
    Binary {
        /// The binary.
        binary: Rc<Binary>,
        /// What was added to the binary's own addresses.
        bias: u64,
    },
    /// From no file: made by the process itself.
    Made,
    /// From a file that could not be read, or that nobody has looked at yet.
    Unread,
}

/// The mappings of a process, by address; shared with the processes that it forks.
#[derive(Clone, Default)]
pub(crate) struct Mappings(Rc<Vec<Mapping>>);

/// More than this are not kept; generated code can be in any number of pieces.
const MOST: usize = 65_536;

impl Mappings {
    /// Those given, in any order.
    pub(crate) fn new(mut mappings: Vec<Mapping>) -> Mappings {
        mappings.sort_by_key(|mapping| mapping.range.start);
        mappings.truncate(MOST);
        Mappings(Rc::new(mappings))
    }

    /// All of them, by address.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Mapping> {
        self.0.iter()
    }

    /// The mapping that `address` is in.
    pub(crate) fn find(&self, address: u64) -> Option<&Mapping> {
        let behind = self.0.partition_point(|mapping| mapping.range.start <= address);
        let mapping = self.0.get(behind.checked_sub(1)?)?;
        mapping.range.contains(&address).then_some(mapping)
    }

    /// Puts `mapping` in place of what it overlaps, of which the rest stays; whether there was any such.
    pub(crate) fn put(&mut self, mapping: Mapping) -> bool {
        let all = Rc::make_mut(&mut self.0);
        let first = all.partition_point(|it| it.range.end <= mapping.range.start);
        let behind = first + all[first..].partition_point(|it| it.range.start < mapping.range.end);
        let replaced = behind > first;
        if all.len() < MOST || replaced {
            let rest = |of: Option<&Mapping>, range: Range<u64>| {
                of.filter(|_| !range.is_empty()).map(|it| Mapping { range, code: it.code.clone() })
            };
            let overlapped = &all[first..behind];
            let below = overlapped.first().map_or(0..0, |it| it.range.start..mapping.range.start);
            let above = overlapped.last().map_or(0..0, |it| mapping.range.end..it.range.end);
            let below = rest(overlapped.first(), below);
            let above = rest(overlapped.last(), above);
            let new = below.into_iter().chain([mapping]).chain(above);
            all.splice(first..behind, new.collect::<Vec<_>>());
        }
        replaced
    }

    /// Whether any is of a binary with this number.
    pub(crate) fn holds(&self, number: u32) -> bool {
        self.iter()
            .any(|it| matches!(&it.code, Code::Binary { binary, .. } if binary.number == number))
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the code of any is still to be read.
    pub(crate) fn lacks(&self) -> bool {
        self.0.is_empty() || self.iter().any(|it| matches!(it.code, Code::Unread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(range: Range<u64>) -> Mapping {
        Mapping { range, code: Code::Made }
    }

    #[test]
    fn what_is_mapped_over_others_replaces_them() {
        let mut mappings = Mappings::new(vec![made(31..40), made(10..20)]);
        let shared = mappings.clone();
        assert!(!mappings.put(made(20..30)));
        assert!(mappings.put(made(15..31)));
        let ranges: Vec<_> = mappings.iter().map(|it| it.range.clone()).collect();
        assert_eq!(ranges, [10..15, 15..31, 31..40]);
        assert!(mappings.put(made(33..35)));
        let ranges: Vec<_> = mappings.iter().map(|it| it.range.clone()).collect();
        assert_eq!(ranges, [10..15, 15..31, 31..33, 33..35, 35..40]);
        assert_eq!(shared.iter().count(), 2, "a forked process keeps its own");
        assert!(mappings.find(9).is_none());
        assert!(mappings.find(15).is_some_and(|it| it.range == (15..31)));
        assert!(mappings.find(40).is_none());
    }
}
