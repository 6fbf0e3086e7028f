//! What indices stand for: the fields that everybody knows, and those that were said before.

use std::borrow::Cow;
use std::collections::VecDeque;

/// The fields that were said before and may be said again by their number, newest first.
///
/// Numbers count from the newest field, so what was said before a connection was taken up, or in
/// a block that was lost, leaves those that came later right: older numbers are holes. A table
/// that keeps more than its owner does is never wrong either, for nobody says those numbers.
///
/// What was lost may have had no fields at all. So older ones are kept in doubt, see `shape.rs`.
#[derive(Debug)]
pub(super) struct Table {
    slots: VecDeque<Slot>,
    /// How many of the newest are certain.
    sure: usize,
    older: Older,
    /// Whether any had to go to make room.
    full: bool,
    /// The sum of the slots' sizes, as the RFC counts them.
    size: usize,
    /// How large that may become.
    most: usize,
    /// How many bytes of memory the slots hold.
    held: usize,
}

/// A name that is kept: most are known ones.
pub(super) type Name = Cow<'static, [u8]>;

/// What is made of fields that are older than something that was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Older {
    /// There are none.
    None,
    /// Nothing: so many blocks came since that do not show that the numbers are the same.
    Doubted(u8),
    /// It showed that they are.
    Believed,
}

/// Blocks after which older fields are forgotten.
const MOST_DOUBTED: u8 = 32;

/// What is known of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    /// Its name and value.
    Field(Name, Box<[u8]>),
    /// That it is none of those whose value is wanted; its size, and what its name comes to.
    Unwanted(usize, u32),
    /// Its value, in bytes, and no name: the name stands in a place that was not seen.
    Hole(usize),
}

/// What a number stands for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'t> {
    Field(&'t [u8], &'t [u8]),
    Unwanted,
    Hole,
}

/// How large a table is if nobody says otherwise.
const USUAL: usize = 4096;

/// How large a table may become here, whatever its owner says.
const MOST: usize = 64 * 1024;

/// What a field weighs besides its bytes, as the RFC has it.
const EACH: usize = 32;

impl Table {
    pub(super) fn new() -> Table {
        let (slots, older) = (VecDeque::new(), Older::None);
        Table { slots, sure: 0, older, full: false, size: 0, most: USUAL, held: 0 }
    }

    /// What stands at a number: 1 to 61 for what everybody knows. Never 0.
    pub(super) fn get(&self, index: u64) -> Said<'_> {
        let Some(index) = usize::try_from(index).ok().and_then(|index| index.checked_sub(1)) else {
            return Said::Hole;
        };
        if let Some((name, value)) = KNOWN.get(index) {
            return Said::Field(name, value);
        }
        let at = index - KNOWN.len();
        match self.slots.get(at).filter(|_| at < self.sure || self.older == Older::Believed) {
            Some(Slot::Field(name, value)) => Said::Field(name, value),
            Some(Slot::Unwanted(..)) => Said::Unwanted,
            Some(Slot::Hole(_)) | None => Said::Hole,
        }
    }

    /// Whether what stands at a number is certain, if anything does.
    pub(super) fn is_sure(&self, index: u64) -> bool {
        index <= (KNOWN.len() + self.sure) as u64
    }

    /// What the name at a number comes to, if nothing was said since it was last certain.
    pub(super) fn name_at(&self, index: u64) -> Option<u32> {
        let index = usize::try_from(index).ok()?.checked_sub(1)?;
        match KNOWN_SUMS.get(index) {
            Some(sum) => Some(*sum),
            None => match self.slots.get(index - KNOWN.len())? {
                Slot::Field(name, _) => Some(sum(name)),
                Slot::Unwanted(_, sum) => Some(*sum),
                Slot::Hole(_) => None,
            },
        }
    }

    /// Whether what stands at a number, if nothing was said since, is what every call of gRPC says.
    pub(super) fn is_called(&self, index: u64) -> bool {
        let at = usize::try_from(index).ok().and_then(|index| index.checked_sub(KNOWN.len() + 1));
        let Some(Slot::Field(name, value)) = at.and_then(|at| self.slots.get(at)) else {
            return false;
        };
        **name == *b"content-type" && value.starts_with(b"application/grpc")
    }

    /// Whether there are fields that are neither certain nor believed.
    pub(super) fn doubts(&self) -> bool {
        matches!(self.older, Older::Doubted(_))
    }

    /// A block showed how many fields were said where something was lost, or did not show it.
    ///
    /// In a table that is full, fields are said again when they had to go, so that the same shape
    /// may come back with other numbers. Such a table is never believed; it heals by itself.
    pub(super) fn judge(&mut self, unseen: Option<u64>) {
        let roomy = !self.full && self.size <= self.most / 2;
        match (self.older, unseen) {
            (Older::Doubted(_), Some(unseen)) if roomy => {
                self.older = Older::Believed;
                for _ in 0..unseen {
                    self.size += EACH;
                    self.held += Slot::Hole(0).held();
                    self.slots.insert(self.sure, Slot::Hole(0));
                }
            }
            (Older::Doubted(blocks), _) if blocks < MOST_DOUBTED => {
                self.older = Older::Doubted(blocks + 1);
            }
            (Older::Doubted(_), _) => {
                while self.slots.len() > self.sure {
                    self.drop_oldest();
                }
                self.older = Older::None;
            }
            (Older::None | Older::Believed, _) => {}
        }
    }

    /// A field is said that may be said again by number.
    pub(super) fn insert(&mut self, slot: Slot) {
        let size = slot.size();
        if size > self.most {
            // So does its owner: it is not kept, and there is no room for anything else.
            self.shrink_to(0);
            return;
        }
        self.shrink_to(self.most - size);
        self.size += size;
        self.held += slot.held();
        self.slots.push_front(slot);
        self.sure += 1;
    }

    /// The owner says how large its table is from here on.
    pub(super) fn resize(&mut self, most: u64) {
        self.most = usize::try_from(most).map_or(MOST, |most| most.min(MOST));
        self.shrink_to(self.most);
    }

    /// The owner is allowed a table of this size. It may use it before it says so.
    pub(super) fn allow(&mut self, most: u32) {
        self.most = self.most.max((most as usize).min(MOST));
    }

    /// Bytes were not seen: if they said fields, what is known has other numbers now.
    pub(super) fn forget(&mut self) {
        self.sure = 0;
        self.older = if self.slots.is_empty() { Older::None } else { Older::Doubted(0) };
    }

    /// Roughly how many bytes of memory are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    fn shrink_to(&mut self, most: usize) {
        while self.size > most && !self.slots.is_empty() {
            self.drop_oldest();
            self.full = !self.slots.is_empty();
        }
        self.sure = self.sure.min(self.slots.len());
        if self.sure == self.slots.len() {
            self.older = Older::None;
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.slots.pop_back() {
            self.size -= oldest.size();
            self.held -= oldest.held();
        }
    }
}

impl Slot {
    fn size(&self) -> usize {
        EACH + match self {
            Slot::Field(name, value) => name.len() + value.len(),
            Slot::Unwanted(size, _) | Slot::Hole(size) => *size,
        }
    }

    fn held(&self) -> usize {
        size_of::<Slot>()
            + match self {
                Slot::Field(Cow::Owned(name), value) => name.len() + value.len(),
                Slot::Field(Cow::Borrowed(_), value) => value.len(),
                Slot::Unwanted(..) | Slot::Hole(_) => 0,
            }
    }
}

/// A number that names have in common only by chance (FNV-1a).
pub(super) const fn sum(name: &[u8]) -> u32 {
    let (mut sum, mut at) = (0x811c_9dc5_u32, 0);
    while at < name.len() {
        sum = (sum ^ name[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    sum
}

/// What the names come to that everybody knows.
static KNOWN_SUMS: [u32; KNOWN.len()] = {
    let (mut sums, mut at) = ([0; KNOWN.len()], 0);
    while at < KNOWN.len() {
        sums[at] = sum(KNOWN[at].0);
        at += 1;
    }
    sums
};

/// A name without a copy, where it is one that everybody knows.
pub(super) fn name(name: &[u8]) -> Name {
    match KNOWN.iter().find(|(known, _)| *known == name) {
        Some((known, _)) => Cow::Borrowed(known),
        None => Cow::Owned(name.to_vec()),
    }
}

/// The fields that everybody knows, by their numbers from 1 (RFC 7541, appendix A).
const KNOWN: [(&[u8], &[u8]); 61] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &'static str, value: &str) -> Slot {
        Slot::Field(Cow::Borrowed(name.as_bytes()), value.as_bytes().into())
    }

    #[test]
    fn the_newest_has_the_lowest_number() {
        let mut table = Table::new();
        table.insert(field("a", "1"));
        table.insert(Slot::Unwanted(10, 0));
        table.insert(field("b", "2"));
        assert_eq!(table.get(2), Said::Field(b":method", b"GET"));
        assert_eq!(table.get(61), Said::Field(b"www-authenticate", b""));
        assert_eq!(table.get(62), Said::Field(b"b", b"2"));
        assert_eq!(table.get(63), Said::Unwanted);
        assert_eq!(table.get(64), Said::Field(b"a", b"1"));
        assert_eq!((table.get(65), table.get(0)), (Said::Hole, Said::Hole));
    }

    #[test]
    fn the_oldest_go_first() {
        let mut table = Table::new();
        table.resize(3 * (32 + 2));
        for value in ["1", "2", "3", "4"] {
            table.insert(field("a", value));
        }
        assert_eq!((table.get(64), table.get(65)), (Said::Field(b"a", b"2"), Said::Hole));
        table.resize(2 * (32 + 2));
        assert_eq!((table.get(63), table.get(64)), (Said::Field(b"a", b"3"), Said::Hole));
        // What does not fit at all empties it.
        table.insert(Slot::Hole(100));
        assert_eq!((table.get(62), table.held()), (Said::Hole, 0));
    }

    #[test]
    fn it_is_bounded() {
        let mut table = Table::new();
        table.resize(u64::MAX);
        for _ in 0..10_000 {
            table.insert(field("a", &"x".repeat(100)));
        }
        assert!(table.held() <= 2 * MOST && table.size <= MOST);
        table.allow(u32::MAX);
        assert_eq!(table.most, MOST);
    }
}
