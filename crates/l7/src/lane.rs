//! One direction of a connection: bytes by position, in order, with holes.

use std::collections::{BTreeMap, VecDeque};

use crate::coverage::{Class, Coverage, Why};

/// The bytes of one direction that were not consumed yet.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    /// The position of the first byte held; `None` until the first byte is known.
    at: Option<u64>,
    /// The position behind the last byte that is in order, holes included.
    end: u64,
    /// Bytes from `at` on.
    front: Vec<u8>,
    /// How many bytes of `front` were consumed already.
    gone: usize,
    /// What comes behind `front`: a hole first, if there is anything.
    behind: VecDeque<Segment>,
    /// Chunks behind a position that is missing.
    late: BTreeMap<u64, Late>,
    /// When bytes came: each mark is for those before its position, back to the mark before.
    marks: VecDeque<Mark>,
    /// When the last bytes were consumed.
    consumed: u64,
    /// How many bytes are held, late ones included.
    held: usize,
}

#[derive(Debug)]
enum Segment {
    Seen(Vec<u8>),
    Hole(u64, Why),
}

#[derive(Debug)]
struct Late {
    size: u64,
    data: Vec<u8>,
    why: Why,
    time: u64,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    end: u64,
    time: u64,
}

/// How many marks are kept; more are made one.
const MOST_MARKS: usize = 4096;

/// How many late chunks are kept.
const MOST_LATE: usize = 256;

impl Lane {
    /// A lane whose first byte is known to be at position 0.
    pub(crate) fn from_start() -> Lane {
        Lane { at: Some(0), ..Lane::default() }
    }

    /// Takes up what a call moved. Of bytes that exceed `room`, only their number is kept.
    pub(crate) fn add(
        &mut self,
        position: u64,
        size: u64,
        data: &[u8],
        time: u64,
        room: usize,
        books: &mut Coverage,
    ) {
        let data = &data[..data.len().min(usize::try_from(size).unwrap_or(usize::MAX))];
        if self.at.is_none() {
            self.at = Some(position);
            self.end = position;
        }
        let known = self.end.saturating_sub(position).min(size);
        books.repeated += known;
        let (position, size) = (position + known, size - known);
        if size == 0 {
            return;
        }
        let data = data.get(known as usize..).unwrap_or_default();
        // What comes to an empty lane is read at once, and mostly gone at once.
        let full = self.held > 0 && data.len() > room.saturating_sub(self.held);
        let (data, why) = match full {
            true => (&[][..], Why::Refused),
            false => (data, Why::Cut),
        };
        if position > self.end {
            self.add_late(position, Late { size, data: data.to_vec(), why, time }, books);
            return;
        }
        self.append(size, data, why, time, books);
        self.join_late(books);
    }

    /// Gives up waiting for a position that is missing, if bytes behind it came before `until`.
    pub(crate) fn give_up(&mut self, until: u64, books: &mut Coverage) {
        while let Some((&position, late)) = self.late.first_key_value() {
            if late.time > until && self.late.len() < MOST_LATE {
                return;
            }
            let missing = position.saturating_sub(self.end);
            if missing > 0 {
                self.mark(missing, late.time);
                self.hole(missing, Why::Lost);
                books.moved += missing;
            }
            self.join_late(books);
        }
    }

    /// Nothing will come any more, and it went up to `position`, if that is known; `why` says what
    /// became of what was not told.
    pub(crate) fn ends_at(
        &mut self,
        position: Option<u64>,
        why: Why,
        time: u64,
        books: &mut Coverage,
    ) {
        self.give_up(u64::MAX, books);
        let missing = position.unwrap_or(0).saturating_sub(self.end);
        if missing > 0 && self.at.is_some() {
            self.mark(missing, time);
            self.hole(missing, why);
            books.moved += missing;
        }
    }

    /// Whether bytes wait for a position that is missing.
    pub(crate) fn waits(&self) -> bool {
        !self.late.is_empty()
    }

    /// Whether bytes were lost that were not consumed yet, or may have been.
    pub(crate) fn lacks(&self) -> bool {
        let lost = |segment: &Segment| matches!(segment, Segment::Hole(_, Why::Lost));
        self.waits() || self.behind.iter().any(lost)
    }

    /// The bytes at the front, up to a hole.
    pub(crate) fn front(&self) -> &[u8] {
        &self.front[self.gone..]
    }

    /// The hole that comes behind the front.
    pub(crate) fn hole_behind(&self) -> Option<u64> {
        match self.behind.front() {
            Some(Segment::Hole(length, _)) => Some(*length),
            _ => None,
        }
    }

    /// The position behind the last byte that is in order.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// How many bytes there are, holes included.
    pub(crate) fn available(&self) -> u64 {
        self.end - self.at.unwrap_or(self.end)
    }

    /// How many bytes of memory are held.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// When the first byte came.
    pub(crate) fn first_time(&self) -> Option<u64> {
        self.marks.front().map(|mark| mark.time)
    }

    /// When the bytes came that were consumed last.
    pub(crate) fn last_time(&self) -> u64 {
        self.consumed
    }

    /// Consumes up to `length` bytes, holes included; says how many it were.
    pub(crate) fn consume(&mut self, length: u64, class: Class, books: &mut Coverage) -> u64 {
        let length = length.min(self.available());
        let mut left = length;
        while left > 0 {
            let seen =
                (self.front.len() - self.gone).min(usize::try_from(left).unwrap_or(usize::MAX));
            if seen > 0 {
                self.gone += seen;
                self.held -= seen;
                left -= seen as u64;
                books.seen(class, seen as u64);
            }
            if self.gone == self.front.len() {
                self.front.clear();
                self.gone = 0;
            }
            if left == 0 {
                break;
            }
            match self.behind.pop_front() {
                Some(Segment::Seen(bytes)) => self.front = bytes,
                Some(Segment::Hole(size, why)) => {
                    let taken = size.min(left);
                    left -= taken;
                    books.unseen(class, why, taken);
                    if size > taken {
                        self.behind.push_front(Segment::Hole(size - taken, why));
                    }
                }
                // `available` says that there is more; there cannot be.
                None => break,
            }
        }
        if self.front.is_empty()
            && matches!(self.behind.front(), Some(Segment::Seen(_)))
            && let Some(Segment::Seen(bytes)) = self.behind.pop_front()
        {
            self.front = bytes;
        }
        // What is in front is moved rarely, not with every message.
        if self.gone > 4096 && self.gone * 2 > self.front.len() {
            self.front.drain(..self.gone);
            self.gone = 0;
        }
        let at = self.at.unwrap_or(self.end) + length;
        self.at = Some(at);
        if length > 0 {
            self.settle_marks(at);
        }
        length
    }

    /// Lets go of memory that is not used.
    pub(crate) fn shrink(&mut self) {
        // Holes hold nothing, and still have to be accounted for.
        if self.available() == 0 && self.late.is_empty() {
            self.front = Vec::new();
            self.behind = VecDeque::new();
            self.marks.shrink_to_fit();
        }
    }

    fn add_late(&mut self, position: u64, late: Late, books: &mut Coverage) {
        if self.late.len() >= MOST_LATE {
            self.give_up(0, books);
        }
        if self.late.contains_key(&position) {
            books.repeated += late.size;
            return;
        }
        self.held += late.data.len();
        self.late.insert(position, late);
    }

    /// Takes up late chunks that are in order now.
    fn join_late(&mut self, books: &mut Coverage) {
        while let Some(late) = self.late.first_entry() {
            if *late.key() > self.end {
                return;
            }
            let (position, late) = late.remove_entry();
            self.held -= late.data.len();
            let known = (self.end - position).min(late.size);
            books.repeated += known;
            if late.size > known {
                let data = late.data.get(known as usize..).unwrap_or_default();
                self.append(late.size - known, data, late.why, late.time, books);
            }
        }
    }

    fn append(&mut self, size: u64, data: &[u8], why: Why, time: u64, books: &mut Coverage) {
        books.moved += size;
        self.mark(size, time);
        if !data.is_empty() {
            self.held += data.len();
            match self.behind.back_mut() {
                None => self.front.extend_from_slice(data),
                Some(Segment::Seen(bytes)) => bytes.extend_from_slice(data),
                Some(Segment::Hole(..)) => self.behind.push_back(Segment::Seen(data.to_vec())),
            }
        }
        self.end += data.len() as u64;
        let missing = size - data.len() as u64;
        if missing > 0 {
            self.hole(missing, why);
        }
    }

    fn hole(&mut self, length: u64, why: Why) {
        self.end += length;
        if let Some(Segment::Hole(before, same)) = self.behind.back_mut()
            && *same == why
        {
            *before += length;
            return;
        }
        self.behind.push_back(Segment::Hole(length, why));
    }

    /// Marks the next `length` bytes, before they are added.
    fn mark(&mut self, length: u64, time: u64) {
        let end = self.end + length;
        let full = self.marks.len() >= MOST_MARKS;
        match self.marks.back_mut() {
            Some(mark) if mark.time == time || full => *mark = Mark { end, time },
            _ => self.marks.push_back(Mark { end, time }),
        }
    }

    /// Drops marks of what was consumed, up to the position `at`.
    fn settle_marks(&mut self, at: u64) {
        while let Some(mark) = self.marks.front().copied() {
            self.consumed = mark.time;
            if mark.end > at {
                break;
            }
            self.marks.pop_front();
            if mark.end == at {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(lane: &mut Lane, books: &mut Coverage, position: u64, data: &[u8], time: u64) {
        lane.add(position, data.len() as u64, data, time, 1 << 16, books);
    }

    #[test]
    fn bytes_are_put_in_order() {
        let (mut lane, mut books) = (Lane::from_start(), Coverage::default());
        add(&mut lane, &mut books, 3, b"def", 20);
        assert!(lane.front().is_empty() && lane.waits());
        add(&mut lane, &mut books, 0, b"abc", 10);
        add(&mut lane, &mut books, 4, b"ef", 30);
        assert_eq!((lane.front(), lane.first_time()), (&b"abcdef"[..], Some(10)));
        assert_eq!((books.moved, books.repeated), (6, 2));
        assert_eq!(lane.consume(4, Class::Read, &mut books), 4);
        assert_eq!((lane.last_time(), lane.first_time()), (20, Some(20)));
        assert_eq!((lane.front(), books.read, lane.held()), (&b"ef"[..], 4, 2));
    }

    #[test]
    fn what_never_comes_is_a_hole() {
        let (mut lane, mut books) = (Lane::from_start(), Coverage::default());
        add(&mut lane, &mut books, 0, b"ab", 10);
        add(&mut lane, &mut books, 5, b"fg", 20);
        lane.give_up(19, &mut books);
        assert!(lane.waits());
        lane.give_up(20, &mut books);
        assert_eq!((lane.front(), lane.hole_behind(), lane.available()), (&b"ab"[..], Some(3), 7));
        lane.consume(6, Class::Read, &mut books);
        assert_eq!((lane.front(), books.read, books.spanned, books.moved), (&b"g"[..], 3, 3, 7));
    }

    #[test]
    fn what_was_not_copied_or_not_kept_is_a_hole() {
        let (mut lane, mut books) = (Lane::default(), Coverage::default());
        lane.add(100, 10, b"abcd", 10, 8, &mut books);
        lane.add(110, 6, b"efghij", 11, 8, &mut books);
        assert_eq!((lane.front(), lane.hole_behind()), (&b"abcd"[..], Some(6)));
        lane.consume(u64::MAX, Class::Skipped, &mut books);
        assert_eq!((books.skipped, books.cut, books.refused), (4, 6, 6));
        assert_eq!(books.moved, books.settled());
    }
}
