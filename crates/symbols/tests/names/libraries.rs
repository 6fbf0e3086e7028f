//! What the names of large binaries take, and how long it takes to gather them.

use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use symbols::elf::Elf;
use symbols::{Lines, LinesLimits, Names, NamesLimits, demangle};
use testkit::watch::not_run;

use crate::programs::open;

/// Large binaries, as far as this machine has them.
fn found() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = [
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
        "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
        "/usr/lib/x86_64-linux-gnu/libLLVM-14.so.1",
        "/usr/bin/python3.11",
        "/usr/bin/node",
        "/proc/self/exe",
    ]
    .map(PathBuf::from)
    .into();
    let rust = std::process::Command::new("rustc").args(["--print", "sysroot"]).output();
    let root = rust.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let folder = std::fs::read_dir(PathBuf::from(root.unwrap_or_default()).join("lib"));
    paths.extend(folder.into_iter().flatten().flatten().map(|entry| entry.path()));
    // A linker's script may be called as a library is.
    paths.retain(|path| File::open(path).is_ok_and(|file| Elf::open(file).is_ok()));
    paths
}

#[test]
fn names_of_large_binaries_take_little() {
    let mut largest = 0;
    for path in found() {
        let elf = open(&path);
        let started = Instant::now();
        let names = Names::build(&elf, None, &NamesLimits::default());
        let took = started.elapsed();
        let each = names.bytes() / names.len().max(1);
        println!(
            "{}: {} MB, {} functions, {} bytes, {each} each, {took:?}, complete: {}, lost {}",
            path.display(),
            elf.size() >> 20,
            names.len(),
            names.bytes(),
            names.is_complete(),
            names.lost(),
        );
        let text: usize = names.iter().map(|it| it.name.len()).sum();
        let starts: Vec<u64> = names.iter().map(|it| it.start).collect();
        let started = Instant::now();
        let asked = starts.iter().step_by(starts.len() / 100).filter_map(|&it| names.lookup(it));
        let asked = asked.count() as u32;
        let each = started.elapsed() / asked;
        println!("  names: {text} bytes before they are compressed, one is read in {each:?}");
        // How well depends on which of zlib's kin is built in.
        assert!(names.bytes() <= text * 2 / 3 + names.len() * 8 + 1024, "{}", path.display());
        assert!(took.as_secs() < 20, "{}", path.display());
        assert!(names.len() > 100, "{}", path.display());
        largest = largest.max(names.len());
    }
    if largest < 10_000 {
        not_run("names_of_large_binaries_take_little", "this machine has no large binary");
    }
}

/// This very program: its names, and where a function of it stands in its source.
#[test]
fn this_test_finds_itself() {
    let elf = open("/proc/self/exe".as_ref());
    let names = Names::build(&elf, None, &NamesLimits::default());
    let found = names.iter().find(|it| demangle(&it.name).ends_with("libraries::marked"));
    let found = found.expect("a function of this test");
    let started = Instant::now();
    let lines = Lines::build(&elf, None, &LinesLimits::default()).expect("lines");
    let (built, started) = (started.elapsed(), Instant::now());
    let frames = lines.frames(found.start + 1);
    println!("{} bytes of lines in {built:?}, asked in {:?}", lines.bytes(), started.elapsed());
    let own = frames.last().expect("a frame");
    assert!(own.file.as_deref().is_some_and(|it| it.ends_with("names/libraries.rs")), "{frames:?}");
    assert!((MARK..MARK + 10).contains(&own.line.expect("a line")), "{frames:?}");
    assert!(marked(3) == 10);
}

const MARK: u32 = line!();
#[inline(never)]
fn marked(n: u32) -> u32 {
    std::hint::black_box(n) * 3 + 1
}
