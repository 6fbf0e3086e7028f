//! The kernel's own functions, those of its modules and BPF programs, as `/proc/kallsyms` lists them.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, BufRead, Read};

use crate::starts::Starts;
use crate::text::Text;

/// What is at the kernel's addresses. A copy of one moment: modules and BPF programs come and go,
/// and who holds it decides when to read again.
#[derive(Debug, Clone)]
pub struct KernelNames {
    starts: Starts,
    names: Text,
    /// The place of each one's module in `modules`.
    owners: Box<[u16]>,
    modules: Box<[Box<str>]>,
    hidden: bool,
    lost: u64,
}

/// A function of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelSymbol<'a> {
    /// Its name; of a BPF program the name that its author gave it, where there is one.
    pub name: String,
    /// The module that it is in: `bpf` for BPF programs, none for the kernel itself.
    pub module: Option<&'a str>,
    /// Where it begins.
    pub start: u64,
}

/// Longer lines than this are passed over; the kernel's own names end at 512 bytes.
const LINE: usize = 4 * 1024;
/// More functions than this are not kept: the largest kernels have 300,000.
const FUNCTIONS: usize = 4 << 20;
/// More bytes of names than this are not kept.
const NAMES: usize = 256 << 20;
/// No function is this long: an address so far behind the last start before it is in none.
const LONGEST: u64 = 16 << 20;

impl KernelNames {
    /// Reads the text of `/proc/kallsyms`. Lines of another shape, and all beyond a bound on
    /// functions and bytes that no kernel comes near, are passed over and counted.
    pub fn parse(text: impl BufRead) -> io::Result<KernelNames> {
        let mut reading = Reading::default();
        reading.lines(text)?;
        Ok(reading.finish())
    }

    /// The function at `address`.
    pub fn lookup(&self, address: u64) -> Option<KernelSymbol<'_>> {
        let place = self.starts.find(address)?;
        let start = self.starts.at(place);
        if address - start >= LONGEST {
            return None;
        }
        let module = match self.owners[place] {
            0 => None,
            owner => Some(&*self.modules[usize::from(owner) - 1]),
        };
        let name = self.names.get(place);
        let name = program(&name, module).map(str::to_owned).unwrap_or(name);
        Some(KernelSymbol { name, module, start })
    }

    /// Whether the kernel shows no addresses (`kernel.kptr_restrict`, or a lack of `CAP_SYSLOG`).
    pub fn hidden(&self) -> bool {
        self.hidden
    }

    /// How many functions are kept.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lines that were no symbol, or for which there was no more room.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The memory that they take.
    pub fn bytes(&self) -> usize {
        let modules: usize = self.modules.iter().map(|name| name.len() + 16).sum();
        self.starts.bytes() + self.names.bytes() + self.owners.len() * 2 + modules
    }
}

impl fmt::Display for KernelSymbol<'_> {
    /// `name`, or `name [module]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.module {
            Some(module) => write!(f, "{} [{module}]", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The author's name of a BPF program, which the kernel lists as `bpf_prog_TAG_name`, the tag
/// being 16 hexadecimal digits. A program need not have one.
fn program<'a>(name: &'a str, module: Option<&str>) -> Option<&'a str> {
    if module != Some("bpf") {
        return None;
    }
    let (tag, author) = name.strip_prefix("bpf_prog_")?.split_once('_')?;
    let plain = tag.len() == 16 && tag.bytes().all(|digit| digit.is_ascii_hexdigit());
    (plain && !author.is_empty()).then_some(author)
}

/// What was read so far.
#[derive(Default)]
struct Reading {
    found: Vec<Found>,
    names: String,
    modules: Vec<Box<str>>,
    places: HashMap<Box<str>, u16>,
    /// Symbols with an address other than 0, and all.
    shown: u64,
    seen: u64,
    lost: u64,
}

/// A function, with its name still in the order of reading.
struct Found {
    start: u64,
    from: u32,
    length: u16,
    owner: u16,
    global: bool,
}

impl Reading {
    fn lines(&mut self, mut text: impl BufRead) -> io::Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            if text.by_ref().take(LINE as u64).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            let whole = line.last() == Some(&b'\n');
            if !whole && line.len() == LINE {
                text.skip_until(b'\n')?;
                self.lost += 1;
                continue;
            }
            if self.line(line.trim_ascii_end()).is_none() {
                self.lost += 1;
            }
        }
    }

    /// Takes one line, `ADDRESS KIND NAME` with perhaps `\t[MODULE]` behind.
    fn line(&mut self, line: &[u8]) -> Option<()> {
        let line = std::str::from_utf8(line).ok()?;
        let mut words = line.split_ascii_whitespace();
        let start = u64::from_str_radix(words.next()?, 16).ok()?;
        let kind = words.next()?;
        let name = words.next()?;
        let module = match words.next() {
            Some(word) => Some(word.strip_prefix('[')?.strip_suffix(']')?),
            None => None,
        };
        self.seen += 1;
        self.shown += u64::from(start != 0);
        // Data, and what is numbered within each CPU's own area, is no code.
        if start == 0 || !matches!(kind, "t" | "T" | "w" | "W") {
            return Some(());
        }
        if self.found.len() == FUNCTIONS || self.names.len() + name.len() > NAMES {
            return None;
        }
        let owner = match module {
            Some(module) => self.owner(module)?,
            None => 0,
        };
        let (from, length) = (self.names.len() as u32, name.len() as u16);
        self.names.push_str(name);
        self.found.push(Found { start, from, length, owner, global: kind == "T" });
        Some(())
    }

    /// The place of a module's name, from 1.
    fn owner(&mut self, module: &str) -> Option<u16> {
        if let Some(&place) = self.places.get(module) {
            return Some(place);
        }
        let place = u16::try_from(self.modules.len() + 1).ok()?;
        self.modules.push(module.into());
        self.places.insert(module.into(), place);
        Some(place)
    }

    fn finish(self) -> KernelNames {
        let Reading { mut found, names, modules, shown, seen, lost, .. } = self;
        let name = |it: &Found| &names[it.from as usize..it.from as usize + usize::from(it.length)];
        // Of several names of one function the first of these: a global one, one with fewer
        // underscores in front, a short one.
        found.sort_unstable_by(|a, b| {
            let rank = |it: &Found| {
                let name = name(it);
                let under = name.len() - name.trim_start_matches('_').len();
                (it.start, !it.global, under, name.len())
            };
            rank(a).cmp(&rank(b)).then_with(|| name(a).cmp(name(b)))
        });
        found.dedup_by_key(|it| it.start);
        KernelNames {
            starts: Starts::new(found.iter().map(|it| it.start)),
            names: Text::new(found.iter().map(name)),
            owners: found.iter().map(|it| it.owner).collect(),
            modules: modules.into_boxed_slice(),
            hidden: seen > 0 && shown == 0,
            lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
0000000000000000 D __per_cpu_start
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t __pfx_do_one
ffffffff81000110 t __do_one_thing
ffffffff81000110 t do_one_thing
ffffffff81000110 W do_another
ffffffff81000200 T schedule
ffffffff82000000 D jiffies
ffffffffc0001000 t ext4_read\t[ext4]
ffffffffc0100000 t bpf_prog_6deef7357e7b4530_sd_devices\t[bpf]
ffffffffc0100100 t bpf_prog_6deef7357e7b4530\t[bpf]
ffffffffc0100200 t bpf_trampoline_6442\t[bpf]
";

    #[test]
    fn functions_modules_and_programs_are_told_apart() {
        let names = KernelNames::parse(TEXT.as_bytes()).unwrap();
        let shown = |address| names.lookup(address).map(|symbol| symbol.to_string());
        assert_eq!(shown(0xffffffff80ffffff), None);
        assert_eq!(shown(0xffffffff81000001).as_deref(), Some("_text"));
        assert_eq!(shown(0xffffffff81000115).as_deref(), Some("do_another"));
        assert_eq!(shown(0xffffffff810002ff).as_deref(), Some("schedule"));
        assert_eq!(shown(0xffffffffc0001008).as_deref(), Some("ext4_read [ext4]"));
        assert_eq!(shown(0xffffffffc0100000).as_deref(), Some("sd_devices [bpf]"));
        assert_eq!(shown(0xffffffffc0100108).as_deref(), Some("bpf_prog_6deef7357e7b4530 [bpf]"));
        assert_eq!(shown(0xffffffffc0100208).as_deref(), Some("bpf_trampoline_6442 [bpf]"));
        assert_eq!(shown(0xffffffff8f000000), None, "too far from any function");
        assert!(!names.hidden());
        assert_eq!((names.len(), names.lost()), (8, 0));
    }

    #[test]
    fn zeros_alone_say_that_the_kernel_hides_them() {
        let text = "0000000000000000 T _text\n0000000000000000 t foo\t[bar]\n";
        let names = KernelNames::parse(text.as_bytes()).unwrap();
        assert!(names.hidden() && names.is_empty());
        assert_eq!(names.lookup(0), None);
        assert!(!KernelNames::parse(&b""[..]).unwrap().hidden());
    }

    #[test]
    fn what_is_no_line_of_it_is_counted() {
        let long = format!("ffffffff81000000 T {}\n", "a".repeat(3 * LINE));
        let text = format!(
            "{long}nonsense\nffffffff81000000 T\n\nffffffff81000000 T a [b\nffffffff81000040 T c"
        );
        let names = KernelNames::parse(text.as_bytes()).unwrap();
        assert_eq!((names.len(), names.lost()), (1, 5));
        assert_eq!(names.lookup(0xffffffff81000041).unwrap().name, "c");
    }
}
