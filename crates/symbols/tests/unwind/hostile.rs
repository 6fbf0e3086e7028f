//! Files that are damaged, and files that lie: time and memory stay bounded, and nothing panics.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use crate::copied::{Copied, Mapped};
use symbols::elf::Elf;
use symbols::unwind::{Limits, UnwindTable};
use symbols::walk::{self, Code, Registers};

use crate::oracle::memory;

/// Damaged files of each of two kinds.
const CASES: u64 = 5_000;
/// No file may take longer; those below are some kilobytes.
const LONGEST: Duration = Duration::from_secs(2);

/// Random numbers that are the same each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        memory(self.0)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// A small library with all that there is to be read.
fn small() -> Vec<u8> {
    std::fs::read("/lib64/ld-linux-x86-64.so.2")
        .or_else(|_| std::fs::read("/proc/self/exe"))
        .expect("a program")
}

/// Overwrites some bytes of `range`, with extremes as often as with anything.
fn damage(bytes: &mut [u8], range: std::ops::Range<usize>, random: &mut Random) {
    for _ in 0..1 + random.below(8) {
        let at = range.start + random.below(range.len());
        let with = match random.below(4) {
            0 => vec![0xff; 8],
            1 => vec![0; 8],
            2 => random.next().to_le_bytes().to_vec(),
            _ => vec![random.next() as u8],
        };
        for (byte, with) in bytes[at..].iter_mut().zip(with) {
            *byte = with;
        }
    }
}

/// Reads all that can be read of a file.
fn read_all(bytes: Vec<u8>) {
    let started = Instant::now();
    let Ok(elf) = Elf::from_bytes(bytes) else { return };
    let _ = (elf.build_id(), elf.interpreter(), elf.svma_of_offset(4096));
    for name in [".eh_frame", ".eh_frame_hdr", ".dynsym", ".dynstr", ".dynamic", ".debug_info"] {
        let _ = (elf.section(name), elf.section_range(name));
    }
    let limits = Limits { rows: 1 << 20, ..Limits::default() };
    if let Ok((table, report)) = UnwindTable::build(&elf, &limits) {
        assert!(report.rows <= limits.rows + (1 << 17) && table.bytes() < 64 << 20, "{report:?}");
        walk_anywhere(&elf, &table);
    }
    assert!(started.elapsed() < LONGEST, "{:?}", started.elapsed());
}

/// Walks over a stack of random words, many of them addresses in the code.
fn walk_anywhere(elf: &Elf, table: &UnwindTable) {
    let code = elf.segments().iter().find(|segment| segment.executable);
    let Some(code) = code.filter(|code| code.memory_size > 0) else { return };
    let end = code.svma.saturating_add(code.memory_size);
    let word = |address: u64| match memory(address) {
        random if random.is_multiple_of(2) => code.svma.wrapping_add(random % code.memory_size),
        random => 0x7000_0000 + random % 4096,
    };
    for pc in (0..8).map(|turn| code.svma.wrapping_add(memory(turn) % code.memory_size)) {
        let all = Some(std::array::from_fn(|register| memory(register as u64)));
        let registers = Registers { pc, sp: 0x7000_0000, fp: 0x7000_0100, all };
        let at = |pc: u64| match pc >= code.svma && pc < end {
            true => Code::Table { table, bias: 0 },
            false => Code::NoTable,
        };
        let (addresses, _) = walk::walk(&registers, 512, at, |address| Some(word(address)));
        assert!((1..=512).contains(&addresses.len()));
    }
}

#[test]
fn damaged_headers() {
    let whole = small();
    let mut random = Random(1);
    let sections = u64::from_le_bytes(*whole[40..].first_chunk().expect("8")) as usize;
    for _ in 0..CASES {
        let mut bytes = whole.clone();
        match random.below(3) {
            0 => damage(&mut bytes, 0..64, &mut random),
            1 => damage(&mut bytes, 64..64 + 12 * 56, &mut random),
            _ => damage(&mut bytes, sections..whole.len(), &mut random),
        }
        read_all(bytes);
    }
}

#[test]
fn damaged_frames() {
    let whole = small();
    let elf = Elf::from_bytes(whole.clone()).expect("an ELF file");
    let range = |name| {
        let (svma, size) = elf.section_range(name).expect("there");
        let at = elf.offset_of_svma(svma).expect("in the file") as usize;
        at..at + size as usize
    };
    let (frames, header) = (range(".eh_frame"), range(".eh_frame_hdr"));
    let mut random = Random(2);
    for case in 0..CASES {
        let mut bytes = whole.clone();
        let range = if case % 8 == 0 { &header } else { &frames };
        for _ in 0..1 + random.below(4) {
            damage(&mut bytes, range.clone(), &mut random);
        }
        if case % 3 == 0 {
            // No section headers: all of it is found by what the frames' header says.
            bytes[40..48].fill(0);
        }
        if case % 16 == 0 {
            unwind_copied(&bytes, &mut random);
        }
        read_all(bytes);
    }
}

/// The fallback for copied stacks reads the same bytes.
fn unwind_copied(bytes: &[u8], random: &mut Random) {
    let Ok(elf) = Elf::from_bytes(bytes.to_vec()) else { return };
    let mut copied = Copied::new(1 << 20);
    if copied.add(1, &elf).is_err() {
        return;
    }
    let code = elf.segments().iter().find(|segment| segment.executable).expect("code");
    let range = code.svma..code.svma + code.memory_size;
    let mapped = [Mapped { binary: 1, range, bias: 0 }];
    let words = (0..512).flat_map(|_| match random.below(2) {
        0 => (code.svma + random.next() % code.memory_size).to_le_bytes(),
        _ => (0x1000 + random.next() % 4096).to_le_bytes(),
    });
    let stack: Vec<u8> = words.collect();
    for _ in 0..8 {
        let pc = code.svma + random.next() % code.memory_size;
        let registers = Registers { pc, sp: 0x1100, fp: 0x1200, all: None };
        let (addresses, _) = copied.unwind(&mapped, &registers, 128, 0x1000, &stack);
        assert!((1..=128).contains(&addresses.len()));
    }
}

/// Go's table of functions, in the largest Go program at hand.
#[test]
fn damaged_tables_of_go() {
    let paths = std::env::var("PATH").unwrap_or_default();
    let go =
        paths.split(':').map(|path| format!("{path}/go")).find_map(|go| std::fs::read(go).ok());
    let Some(whole) = go else { return println!("not run: damaged_tables_of_go: no go") };
    let elf = Elf::from_bytes(whole.clone()).expect("an ELF file");
    let (svma, size) = elf.section_range(".gopclntab").expect("a table");
    let at = elf.offset_of_svma(svma).expect("in the file") as usize;
    let mut random = Random(3);
    for case in 0..60 {
        let mut bytes = whole.clone();
        for _ in 0..1 << random.below(12) {
            damage(&mut bytes, at..at + size as usize, &mut random);
        }
        if case % 2 == 0 {
            damage(&mut bytes, at..at + 80, &mut random);
        }
        let started = Instant::now();
        let elf = Elf::from_bytes(bytes).expect("an ELF file");
        if let Ok((table, _)) = UnwindTable::build(&elf, &Limits::default()) {
            assert!(table.bytes() < 64 << 20, "{}", table.bytes());
        }
        assert!(started.elapsed() < 5 * LONGEST, "{:?}", started.elapsed());
    }
}

#[test]
fn files_that_are_cut_short() {
    let whole = small();
    for end in (0..whole.len()).step_by(whole.len() / 500) {
        read_all(whole[..end].to_vec());
    }
    for end in 0..1024 {
        read_all(whole[..end].to_vec());
    }
}

/// A gigabyte of nothing behind headers that say it is all frames.
#[test]
fn a_gigabyte_of_zeros() {
    let whole = small();
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("zeros");
    let sections = u64::from_le_bytes(*whole[40..].first_chunk().expect("8")) as usize;
    for (kind, size) in [("all", 1u64 << 30), ("as much as is read", 100 << 20)] {
        let mut bytes = whole.clone();
        let count = u16::from_le_bytes([whole[60], whole[61]]) as usize;
        let names = u16::from_le_bytes([whole[62], whole[63]]) as usize;
        for index in (1..count).filter(|&index| index != names) {
            let at = sections + index * 64;
            bytes[at + 24..at + 32].copy_from_slice(&(whole.len() as u64).to_le_bytes());
            bytes[at + 32..at + 40].copy_from_slice(&size.to_le_bytes());
        }
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.expect("a file");
        file.write_all_at(&bytes, 0).expect("written");
        file.set_len((1 << 30) + whole.len() as u64).expect("long");
        let started = Instant::now();
        let elf = Elf::open(file).expect("an ELF file");
        let error = UnwindTable::build(&elf, &Limits::default()).expect_err("no table");
        println!("{kind}: {error} after {:?}", started.elapsed());
        assert!(started.elapsed() < LONGEST);
    }
    let _ = std::fs::remove_file(&path);
}

/// A file that shrinks while it is read.
#[test]
fn a_file_that_shrinks() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("shrinks");
    std::fs::write(&path, small()).expect("written");
    let elf = Elf::open(File::open(&path).expect("a file")).expect("an ELF file");
    File::options().write(true).open(&path).expect("a file").set_len(100).expect("shorter");
    let error = UnwindTable::build(&elf, &Limits::default()).expect_err("no table");
    assert!(error.to_string().contains("cut short"), "{error}");
    let _ = std::fs::remove_file(&path);
}
