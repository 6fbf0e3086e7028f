//! Damaged and lying files: refused or half read, in bounded time, without a panic.

use std::path::Path;
use std::time::{Duration, Instant};

use symbols::elf::Elf;
use symbols::{GoTable, Lines, LinesLimits, Names, NamesLimits, debugfile, demangle};
use testkit::rng::Rng;

use crate::programs::Workshop;

const ROUNDS: usize = 10_000;
/// No damage may cost more than this, on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(5);

/// An ELF file without section headers: a segment of code from 0x1000 to 0x10000000, and `table`
/// in a segment behind it.
pub(crate) fn program(table: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&62_u16.to_le_bytes());
    file.extend_from_slice(&1_u32.to_le_bytes());
    for word in [0x1000_u64, 64, 0] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 2, 64, 0, 0] {
        file.extend_from_slice(&half.to_le_bytes());
    }
    let mut segment = |flags: u32, offset: u64, svma: u64, in_file: u64, in_memory: u64| {
        file.extend_from_slice(&1_u32.to_le_bytes());
        file.extend_from_slice(&flags.to_le_bytes());
        for word in [offset, svma, svma, in_file, in_memory, 0x1000] {
            file.extend_from_slice(&word.to_le_bytes());
        }
    };
    let size = table.len() as u64;
    segment(5, 0, 0x1000, 64, 0x1000_0000);
    segment(4, 0x1000, 0x2000_0000, size, size);
    file.resize(0x1000, 0);
    file.extend_from_slice(table);
    file
}

/// Changes some bytes: single ones, runs, and numbers where headers may have them.
pub(crate) fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..1 + rng.below(8) {
        if bytes.is_empty() {
            return;
        }
        let near = if rng.chance(30) { bytes.len().min(512) } else { bytes.len() };
        let at = rng.below(near);
        match rng.below(6) {
            0 => bytes[at] = rng.draw() as u8,
            1 => bytes[at] ^= 1 << rng.below(8),
            2 => {
                let end = (at + rng.below(64)).min(bytes.len());
                bytes[at..end].fill(*rng.pick(&[0, 0xff, 0x80, 0x41]));
            }
            3 => {
                let at = at & !7;
                let number = *rng.pick(&[0, 1, u64::MAX, 1 << 63, 1 << 31, 0xffff_ffff, 1 << 20]);
                if let Some(place) = bytes.get_mut(at..at + 8) {
                    place.copy_from_slice(&number.to_le_bytes());
                }
            }
            4 if rng.chance(20) => bytes.truncate(at),
            _ => {
                let from = rng.below(bytes.len());
                let size = rng.below(64).min(bytes.len() - from.max(at));
                bytes.copy_within(from..from + size, at);
            }
        }
    }
}

/// Asks everything that is asked of a file.
fn ask(elf: &Elf, rng: &mut Rng) {
    let limits = NamesLimits { bytes: 1 << 20, ..NamesLimits::default() };
    let names = Names::build(elf, Some(elf), &limits);
    assert!(names.bytes() <= (1 << 20) + 64 * 1024, "{}", names.bytes());
    let mut asked = vec![0, u64::MAX, elf.entry()];
    asked.extend(elf.segments().iter().map(|it| it.svma.wrapping_add(rng.draw() % 0x10000)));
    asked.extend(names.iter().take(20).map(|it| it.start));
    for &svma in &asked {
        if let Some(found) = names.lookup(svma) {
            assert!(found.start <= svma);
            drop(demangle(&found.name));
        }
    }
    let _ = debugfile::candidates(elf, Path::new("/usr/bin/a"));
    for found in symbols::go_functions(elf, &["main.a", "main.work", "fmt.(*pp).doPrintln"]) {
        assert!(found.start < elf.size() && found.returns.iter().all(|at| *at < elf.size()));
    }
    if let Ok(table) = GoTable::read(elf) {
        for svma in table.functions().take(50).map(|it| it.start).chain([0, 0x1234, u64::MAX]) {
            let _ = (table.lookup(svma), table.line(svma));
        }
    }
    if let Ok(lines) =
        Lines::build(elf, None, &LinesLimits { bytes: 64 << 20, ..LinesLimits::default() })
    {
        for &svma in &asked {
            assert!(lines.frames(svma).len() <= 256);
        }
    }
}

fn try_all(rounds: usize, whole: &[u8], seed: u64, wrap: impl Fn(&[u8]) -> Vec<u8>) {
    let mut rng = Rng::new(seed);
    let (mut opened, mut longest) = (0, Duration::ZERO);
    for round in 0..rounds {
        let mut bytes = whole.to_vec();
        damage(&mut rng, &mut bytes);
        let started = Instant::now();
        if let Ok(elf) = Elf::from_bytes(wrap(&bytes)) {
            opened += 1;
            ask(&elf, &mut rng);
        }
        let took = started.elapsed();
        assert!(took < LONGEST, "round {round} took {took:?}");
        longest = longest.max(took);
    }
    println!("{opened} of {rounds} were opened; the longest took {longest:?}");
    assert!(opened > rounds / 10);
}

#[test]
fn damaged_programs_are_borne() {
    let Some(shop) = Workshop::new("damaged_programs_are_borne", &["g++"]) else { return };
    shop.write(
        "a.cc",
        "#include <cstdlib>\n\
         template <class T> static inline T twice(T n) { return n + n; }\n\
         template <class T> __attribute__((noinline)) T more(T n) { return twice(n) * 3; }\n\
         int main(int n, char **s) { return more(n) + more<long>(atol(s[0])) > 5; }\n",
    );
    shop.run("g++ -O2 -g -Wl,-z,norelro -o a a.cc");
    let whole = std::fs::read(shop.path("a")).expect("read");
    try_all(ROUNDS, &whole, 1, <[u8]>::to_vec);
}

/// Damage within what is compressed, with the checksums of xz out of the way.
#[test]
fn damaged_small_tables_are_borne() {
    let test = "damaged_small_tables_are_borne";
    let Some(shop) = Workshop::new(test, &["gcc", "objcopy", "xz"]) else { return };
    shop.write(
        "a.c",
        "int one(int n) { return n; }\nint main(int n, char **s) { return one(n); }\n",
    );
    shop.run("gcc -o a a.c");
    shop.run("xz --keep --check=none a");
    let packed = std::fs::read(shop.path("a.xz")).expect("read");
    shop.run("objcopy --strip-all a stripped");
    let mut rng = Rng::new(2);
    shop.run("objcopy --add-section .gnu_debugdata=a.xz stripped b");
    let whole = std::fs::read(shop.path("b")).expect("read");
    let at = whole.windows(packed.len()).position(|it| it == packed).expect("the section");
    let mut longest = Duration::ZERO;
    for _ in 0..2000 {
        let mut bytes = whole.clone();
        for _ in 0..1 + rng.below(3) {
            bytes[at + 12 + rng.below(packed.len() - 12)] = rng.draw() as u8;
        }
        let started = Instant::now();
        let elf = Elf::from_bytes(bytes).expect("the file around is whole");
        let _ = Names::build(&elf, None, &NamesLimits::default());
        longest = longest.max(started.elapsed());
    }
    println!("the longest took {longest:?}");
    assert!(longest < LONGEST);
}

/// Go's tables of all layouts, with functions and lines that are known.
#[test]
fn go_tables_of_all_layouts_are_read() {
    for layout in [12, 16, 18, 20] {
        let elf = Elf::from_bytes(program(&go_table(layout))).expect("an ELF file");
        let table = GoTable::read(&elf).unwrap_or_else(|error| panic!("{layout}: {error}"));
        let found: Vec<_> = table.functions().map(|it| (it.name, it.start, it.end)).collect();
        let expected =
            [("main.a", 0x2000, 0x2100), ("main.b", 0x2100, 0x2180), ("c.d", 0x2180, 0x2200)];
        assert_eq!(found, expected, "{layout}");
        assert_eq!(table.lookup(0x1fff), None);
        assert_eq!(table.lookup(0x2200), None);
        assert_eq!(table.line(0x2000), Some(("/src/a.go", 10)), "{layout}");
        assert_eq!(table.line(0x200f), Some(("/src/a.go", 10)), "{layout}");
        assert_eq!(table.line(0x2010), Some(("/src/b.go", 8)), "{layout}");
        assert_eq!(table.line(0x217f), Some(("/src/b.go", 8)), "{layout}");
        assert_eq!(table.line(0x21ff), Some(("/src/b.go", 8)), "{layout}");
        let names = Names::build(&elf, None, &NamesLimits::default());
        assert_eq!(names.lookup(0x2105).expect("a function").name, "main.b", "{layout}");
        assert_eq!((names.len(), names.is_complete()), (3, true));
    }
}

#[test]
fn damaged_go_tables_are_borne() {
    for (place, layout) in [12, 16, 18, 20].into_iter().enumerate() {
        try_all(ROUNDS / 4, &go_table(layout), 10 + place as u64, program);
    }
}

/// Three functions, each of whose lines are 10 in `/src/a.go` for 16 bytes, then 8 in `/src/b.go`.
fn go_table(layout: u32) -> Vec<u8> {
    let (magic, width) = match layout {
        12 => (0xfb_u8, 8),
        16 => (0xfa, 8),
        18 => (0xf0, 4),
        _ => (0xf1, 4),
    };
    let entries = [0_u64, 0x100, 0x180, 0x200];
    let text = if layout >= 18 { 0x2000 } else { 0 };
    let start = |entry: u64| if layout >= 18 { entry } else { 0x2000 + entry };
    let mut file = vec![magic, 0xff, 0xff, 0xff, 0, 0, 1, 8];
    let head = match layout {
        12 => 16,
        16 => 8 + 7 * 8,
        _ => 8 + 8 * 8,
    };
    // Parts that the places of others need, in this order behind the header and, for the first
    // layout, the list of functions.
    let list = (2 * 3 + 1) * width;
    let names = b"main.a\0main.b\0c.d\0\0\0".to_vec();
    let files = b"/src/a.go\0/src/b.go\0\0\0\0\0".to_vec();
    // A line is told as the change since the one before, which begins with -1; twice the size,
    // less one where it is negative.
    let first = u8::from(layout == 12);
    let file_values = vec![2 * (1 + first), 16, 2, 0xf0, 0x03, 0];
    let line_values = vec![22, 16, 3, 0xf0, 0x03, 0];
    let values = [vec![0], file_values, line_values, vec![0; 3]].concat();
    let units = [0_u32, 10].iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<u8>>();
    let function = |place: usize, name_at: u32, value_at: u32| {
        let mut function = Vec::new();
        let entry = start(entries[place]);
        function.extend_from_slice(&entry.to_le_bytes()[..width]);
        let name = name_at + [0, 7, 14][place];
        for field in [name, 0, 0, 0, value_at + 1, value_at + 7, 0, 0, 0] {
            function.extend_from_slice(&field.to_le_bytes());
        }
        function
    };
    let listed = |functions_at: usize, size: usize| {
        let mut listed = Vec::new();
        for (place, &entry) in entries.iter().enumerate() {
            listed.extend_from_slice(&start(entry).to_le_bytes()[..width]);
            if place < 3 {
                let at = (functions_at + place * size) as u64;
                listed.extend_from_slice(&at.to_le_bytes()[..width]);
            }
        }
        listed
    };
    let size = function(0, 0, 0).len();
    if layout == 12 {
        file.extend_from_slice(&3_u64.to_le_bytes());
        let functions_at = head + list + 4;
        let names_at = functions_at + 3 * size;
        let values_at = names_at + names.len();
        let files_at = values_at + values.len();
        let list_of_files = files_at + files.len();
        file.extend(listed(functions_at, size));
        file.extend_from_slice(&(list_of_files as u32).to_le_bytes());
        for place in 0..3 {
            file.extend(function(place, names_at as u32, values_at as u32));
        }
        file.extend([names, values, files].concat());
        for word in [3, files_at as u32, files_at as u32 + 10] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        return file;
    }
    let mut words = vec![3_u64, 2];
    if layout >= 18 {
        words.push(text);
    }
    let mut at = head;
    for part in [names.len(), units.len(), files.len(), values.len(), 0] {
        words.push(at as u64);
        at += part;
    }
    for word in words {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend([names, units, files, values].concat());
    file.extend(listed(list, size));
    for place in 0..3 {
        file.extend(function(place, 0, 0));
    }
    file
}
