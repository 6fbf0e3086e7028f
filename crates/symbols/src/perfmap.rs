//! What a just-in-time compiler says of its code: the map that it writes to `/tmp/perf-PID.map`.
//!
//! A line for each function, `START SIZE NAME` with both numbers in hexadecimal, appended as
//! functions are compiled. The file belongs to the watched process: it may be of any size, say
//! anything, and change at any time.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

/// The functions of one such file, read piece by piece as it grows.
#[derive(Debug, Default)]
pub struct PerfMap {
    limits: PerfMapLimits,
    /// By start; they do not overlap.
    codes: BTreeMap<u64, Code>,
    names: String,
    /// Bytes of `names` that belong to no function any more.
    stale: usize,
    /// Which function came when: the larger the newer.
    age: u64,
    /// How far the file was read: to the end of a line, but for a line that is passed over.
    position: u64,
    /// The bytes before `position`, by which a file that was written anew is known.
    before: Vec<u8>,
    /// Within a line that is too long to be kept.
    skipping: bool,
    bad: u64,
    forgotten: u64,
}

/// How much of such a file is read and kept.
#[derive(Debug, Clone, Copy)]
pub struct PerfMapLimits {
    /// Bytes read by one [`PerfMap::refresh`].
    pub read: usize,
    /// Functions kept; when there are more, the older half is forgotten.
    pub functions: usize,
    /// Bytes of names kept; when there are more, the older half of the functions is forgotten.
    pub names: usize,
}

/// What a [`PerfMap::refresh`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Bytes that were read.
    pub bytes: usize,
    /// Functions that were new.
    pub added: usize,
    /// Whether there is more to read.
    pub more: bool,
}

/// A function that was compiled while its program ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerfSymbol<'a> {
    /// Its name as the compiler gave it.
    pub name: &'a str,
    /// Where it begins.
    pub start: u64,
}

#[derive(Debug, Clone, Copy)]
struct Code {
    /// Where this piece of it ends, exclusive.
    end: u64,
    /// How far this piece is behind the function's start: not 0 where a newer one lies over it.
    behind: u64,
    name: u32,
    length: u16,
    age: u64,
}

/// Names longer than this, in bytes, are cut.
const NAME: usize = 1024;
/// Longer lines than this are passed over.
const LINE: usize = 64 * 1024;
/// How many bytes before the place where reading goes on have to be as they were.
const BEFORE: usize = 64;

impl Default for PerfMapLimits {
    fn default() -> PerfMapLimits {
        PerfMapLimits { read: 16 << 20, functions: 1 << 18, names: 32 << 20 }
    }
}

impl PerfMap {
    /// An empty one.
    pub fn new(limits: PerfMapLimits) -> PerfMap {
        // Fewer bytes at a time would never come to the end of a long line; more names could not
        // be numbered.
        let read = limits.read.max(4 * LINE);
        let names = limits.names.min(u32::MAX as usize);
        PerfMap { limits: PerfMapLimits { read, names, ..limits }, ..PerfMap::default() }
    }

    /// Reads what was appended to `file` since the last time, as much as the limits allow. A file
    /// that is not the continuation of what was read is read from its start, and what it said
    /// before is forgotten.
    pub fn refresh(&mut self, file: &mut (impl Read + Seek)) -> io::Result<Refreshed> {
        if !self.continues(file)? {
            *self =
                PerfMap { bad: self.bad, forgotten: self.forgotten, ..PerfMap::new(self.limits) };
        }
        file.seek(SeekFrom::Start(self.position))?;
        let mut done = Refreshed::default();
        let mut chunk = Vec::new();
        while done.bytes < self.limits.read {
            let wanted = (2 * LINE).min(self.limits.read - done.bytes);
            let read = file.by_ref().take(wanted as u64).read_to_end(&mut chunk)?;
            done.bytes += read;
            if read == 0 {
                return Ok(done);
            }
            let used = self.take(&chunk, &mut done.added);
            self.position += used as u64;
            self.remember(&chunk[..used]);
            chunk.drain(..used);
        }
        done.more = file.by_ref().take(1).read(&mut [0])? == 1;
        Ok(done)
    }

    /// The function at `address`.
    pub fn lookup(&self, address: u64) -> Option<PerfSymbol<'_>> {
        let (&from, code) = self.codes.range(..=address).next_back()?;
        let start = from - code.behind;
        (address < code.end).then(|| PerfSymbol { name: self.name(code), start })
    }

    /// How many functions are kept, or pieces of functions where newer ones lie over them.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Lines that were no function.
    pub fn bad(&self) -> u64 {
        self.bad
    }

    /// Functions that had to go for newer ones elsewhere.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The memory that it takes, about.
    pub fn bytes(&self) -> usize {
        // Nodes of the tree are three quarters full in the middle.
        self.codes.len() * (size_of::<u64>() + size_of::<Code>()) * 4 / 3 + self.names.capacity()
    }

    /// Whether what was read is still before the place where reading goes on.
    fn continues(&self, file: &mut (impl Read + Seek)) -> io::Result<bool> {
        let Some(from) = self.position.checked_sub(self.before.len() as u64) else {
            return Ok(false);
        };
        file.seek(SeekFrom::Start(from))?;
        let mut now = Vec::new();
        file.by_ref().take(self.before.len() as u64).read_to_end(&mut now)?;
        Ok(now == self.before)
    }

    fn remember(&mut self, read: &[u8]) {
        self.before.extend_from_slice(&read[read.len().saturating_sub(BEFORE)..]);
        self.before.drain(..self.before.len().saturating_sub(BEFORE));
    }

    /// Takes the whole lines of `chunk`, and what can only be passed over; gives how many bytes
    /// that were.
    fn take(&mut self, chunk: &[u8], added: &mut usize) -> usize {
        let mut used = 0;
        while let Some(length) = chunk[used..].iter().position(|&byte| byte == b'\n') {
            let line = &chunk[used..used + length];
            used += length + 1;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            match self.line(line) {
                Some(()) => *added += 1,
                None => self.bad += 1,
            }
        }
        if chunk.len() - used > LINE {
            self.bad += u64::from(!self.skipping);
            self.skipping = true;
        }
        if self.skipping { chunk.len() } else { used }
    }

    fn line(&mut self, line: &[u8]) -> Option<()> {
        let (start, rest) = hexadecimal(line)?;
        let (size, name) = hexadecimal(rest)?;
        let end = start.checked_add(size).filter(|_| size > 0)?;
        let name = String::from_utf8_lossy(&name[..name.len().min(NAME)]);
        if name.is_empty() {
            return None;
        }
        while self.codes.len() >= self.limits.functions
            || self.names.len() + name.len() > self.limits.names
        {
            match self.stale {
                0 if self.codes.is_empty() => return None,
                stale if stale * 2 > self.names.len() => self.tidy(),
                _ => self.forget(),
            }
        }
        self.clear(start, end);
        let (at, length) = (self.names.len() as u32, name.len() as u16);
        self.names.push_str(&name);
        self.age += 1;
        self.codes.insert(start, Code { end, behind: 0, name: at, length, age: self.age });
        Some(())
    }

    /// Makes room from `start` to `end`: what lies there is not there any more.
    fn clear(&mut self, start: u64, end: u64) {
        let before = self.codes.range_mut(..start).next_back();
        if let Some((&from, old)) = before.filter(|(_, old)| old.end > start) {
            let behind = *old;
            old.end = start;
            if behind.end > end {
                let behind = Code { behind: behind.behind + (end - from), ..behind };
                self.codes.insert(end, behind);
                return;
            }
        }
        while let Some((&from, &old)) = self.codes.range(start..end).next() {
            self.codes.remove(&from);
            if old.end > end {
                self.codes.insert(end, Code { behind: old.behind + (end - from), ..old });
                return;
            }
            // Another piece may have the same name: then a few bytes are thought stale that are
            // not, until names are put together anew.
            self.stale = (self.stale + usize::from(old.length)).min(self.names.len());
        }
    }

    /// Forgets the older half of the functions.
    fn forget(&mut self) {
        let mut ages: Vec<u64> = self.codes.values().map(|code| code.age).collect();
        let middle = ages.len() / 2;
        let (_, &mut newest, _) = ages.select_nth_unstable(middle);
        let all = self.codes.len();
        self.codes.retain(|_, code| code.age > newest);
        self.forgotten += (all - self.codes.len()) as u64;
        self.tidy();
    }

    /// Puts the names together anew, without those that nobody has.
    fn tidy(&mut self) {
        let mut names = String::new();
        for code in self.codes.values_mut() {
            let at = code.name as usize;
            code.name = names.len() as u32;
            names.push_str(&self.names[at..at + usize::from(code.length)]);
        }
        self.names = names;
        self.stale = 0;
    }

    fn name(&self, code: &Code) -> &str {
        &self.names[code.name as usize..code.name as usize + usize::from(code.length)]
    }
}

/// The number that `text` begins with, up to a space, and what is behind the space.
fn hexadecimal(text: &[u8]) -> Option<(u64, &[u8])> {
    let space = text.iter().position(|&byte| byte == b' ')?;
    let digits = std::str::from_utf8(&text[..space]).ok()?;
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    // `from_str_radix` would take a sign.
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    Some((u64::from_str_radix(digits, 16).ok()?, &text[space + 1..]))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(map: &mut PerfMap, text: &str) -> Refreshed {
        map.refresh(&mut Cursor::new(text)).unwrap()
    }

    fn at(map: &PerfMap, address: u64) -> Option<(&str, u64)> {
        map.lookup(address).map(|symbol| (symbol.name, symbol.start))
    }

    #[test]
    fn only_what_was_appended_is_read() {
        let mut map = PerfMap::default();
        let first = "1000 100 LazyCompile:*a /x y.js:1:2\n0x2000 0x10 b\n30";
        assert_eq!(read(&mut map, first), Refreshed { bytes: first.len(), added: 2, more: false });
        assert_eq!(at(&map, 0x10ff), Some(("LazyCompile:*a /x y.js:1:2", 0x1000)));
        assert_eq!(at(&map, 0x1100), None);
        let second = format!("{first}00 8 c\n");
        assert_eq!(read(&mut map, &second), Refreshed { bytes: 9, added: 1, more: false });
        assert_eq!(
            (at(&map, 0x200f), at(&map, 0x3000)),
            (Some(("b", 0x2000)), Some(("c", 0x3000)))
        );
    }

    #[test]
    fn the_newest_wins_where_they_overlap() {
        let mut map = PerfMap::default();
        read(&mut map, "100 100 old\n150 10 inner\n1f0 20 behind\n80 90 before\n");
        let expected = [
            (0x80, "before", 0x80),
            (0x10f, "before", 0x80),
            (0x110, "old", 0x100),
            (0x150, "inner", 0x150),
            (0x160, "old", 0x100),
            (0x1ef, "old", 0x100),
            (0x1f0, "behind", 0x1f0),
        ];
        for (address, name, start) in expected {
            assert_eq!(at(&map, address), Some((name, start)), "{address:x}");
        }
        read(&mut map, "100 100 old\n150 10 inner\n1f0 20 behind\n80 90 before\n0 1000 all\n");
        assert_eq!((map.len(), at(&map, 0x155)), (1, Some(("all", 0))));
    }

    #[test]
    fn a_file_written_anew_is_read_anew() {
        let mut map = PerfMap::default();
        read(&mut map, "100 10 a\n200 10 b\n");
        read(&mut map, "300 10 c\n");
        assert_eq!((map.len(), at(&map, 0x300)), (1, Some(("c", 0x300))));
        read(&mut map, "400 10 d\n500 10 e\n600 10 f\n");
        assert_eq!((map.len(), at(&map, 0x300), at(&map, 0x400)), (3, None, Some(("d", 0x400))));
    }

    #[test]
    fn bad_lines_are_counted() {
        let mut map = PerfMap::default();
        let long = "9".repeat(LINE * 5);
        read(
            &mut map,
            &format!("x\n100 0 a\n100 10 \n+1 +1 a\nffffffffffffffff 2 a\n{long}\n1 1 good\n"),
        );
        assert_eq!((map.bad(), map.len()), (6, 1));
    }

    #[test]
    fn the_older_half_goes_when_there_are_too_many() {
        let mut map = PerfMap::new(PerfMapLimits { functions: 100, ..PerfMapLimits::default() });
        let lines: String = (0..1000).map(|n| format!("{:x} 10 f{n}\n", n * 16)).collect();
        read(&mut map, &lines);
        assert!(map.len() <= 100 && map.forgotten() as usize + map.len() == 1000);
        assert_eq!(at(&map, 999 * 16), Some(("f999", 999 * 16)));
        assert_eq!(at(&map, 0), None);
    }

    #[test]
    fn names_of_replaced_functions_take_no_room_for_ever() {
        let mut map = PerfMap::new(PerfMapLimits { names: 4096, ..PerfMapLimits::default() });
        let lines: String = (0..10_000).map(|n| format!("1000 10 function_{n}\n")).collect();
        read(&mut map, &lines);
        assert_eq!((map.len(), map.forgotten()), (1, 0));
        assert_eq!(at(&map, 0x1000), Some(("function_9999", 0x1000)));
        assert!(map.bytes() < 16 * 1024);
    }
}
