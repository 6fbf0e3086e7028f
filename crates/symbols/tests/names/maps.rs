//! Perf maps and `/proc/kallsyms`: the machine's own, giant ones and damaged ones.

use std::fs::File;
use std::io::{BufReader, Cursor};
use std::time::{Duration, Instant};

use symbols::{KernelNames, PerfMap, PerfMapLimits};
use testkit::rng::Rng;
use testkit::watch::not_run;

use crate::hostile::damage;
use crate::programs::Workshop;

const ROUNDS: usize = 10_000;

/// Every function that this machine's kernel lists has a name at its address.
#[test]
fn functions_of_this_kernel_are_found() {
    let test = "functions_of_this_kernel_are_found";
    let Ok(text) = std::fs::read_to_string("/proc/kallsyms") else {
        return not_run(test, "no /proc/kallsyms");
    };
    let started = Instant::now();
    let names = KernelNames::parse(text.as_bytes()).expect("read");
    let took = started.elapsed();
    if names.hidden() {
        return not_run(test, "this kernel hides its addresses");
    }
    println!("kernel: {} functions, {} bytes, {took:?}", names.len(), names.bytes());
    assert_eq!(names.lost(), 0);
    let mut at = std::collections::HashMap::<u64, Vec<&str>>::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        if matches!(words[1], "t" | "T" | "w" | "W") {
            at.entry(u64::from_str_radix(words[0], 16).expect("an address"))
                .or_default()
                .push(words[2]);
        }
    }
    for (start, listed) in at {
        let found = names.lookup(start).unwrap_or_else(|| panic!("nothing at {start:x}"));
        assert_eq!(found.start, start);
        let known = listed.iter().any(|name| *name == found.name || name.ends_with(&found.name));
        assert!(known, "{found:?}: {listed:?}");
    }
}

/// What Node.js writes of its own code.
#[test]
fn a_map_of_node_is_read() {
    let Some(shop) = Workshop::new("a_map_of_node_is_read", &["node"]) else { return };
    shop.write(
        "a.js",
        "function hot(n) { let s = 0; for (let i = 0; i < n; i++) s += Math.sqrt(i); return s }\n\
         let s = 0; for (let i = 0; i < 2000; i++) s += hot(1000);\n\
         console.log(process.pid);\n",
    );
    let pid = shop.run("node --perf-basic-prof a.js");
    let path = format!("/tmp/perf-{}.map", pid.trim());
    let mut file = File::open(&path).expect("a map");
    let mut map = PerfMap::default();
    let read = map.refresh(&mut file).expect("read");
    println!("{read:?}, {} functions, {} bytes", map.len(), map.bytes());
    let text = std::fs::read_to_string(&path).expect("read");
    std::fs::remove_file(&path).expect("removed");
    let line = text.lines().rfind(|line| line.contains("hot")).expect("hot");
    let start = u64::from_str_radix(line.split(' ').next().expect("a start"), 16).expect("hex");
    assert!(map.lookup(start).expect("hot").name.contains("hot"));
    assert_eq!(map.bad(), 0);
}

#[test]
fn a_sparse_map_of_two_gigabytes_is_bounded() {
    let Some(shop) = Workshop::new("a_sparse_map_of_two_gigabytes_is_bounded", &[]) else { return };
    shop.write("map", "1000 10 a\n");
    let mut file = File::options().read(true).write(true).open(shop.path("map")).expect("a file");
    file.set_len(2 << 30).expect("a sparse file");
    let limits = PerfMapLimits { read: 1 << 20, ..PerfMapLimits::default() };
    let mut map = PerfMap::new(limits);
    for _ in 0..5 {
        let started = Instant::now();
        let read = map.refresh(&mut file).expect("read");
        assert!(read.more && read.bytes <= limits.read, "{read:?}");
        assert!(started.elapsed() < Duration::from_secs(1));
    }
    assert_eq!((map.len(), map.bad()), (1, 1));
    assert!(map.bytes() < 4096);
}

/// A map of two gigabytes of good lines is read in bounded turns, and little of it is kept.
#[test]
fn a_full_map_of_two_gigabytes_is_bounded() {
    let mut map = PerfMap::new(PerfMapLimits { functions: 10_000, ..PerfMapLimits::default() });
    let mut endless = Endless { at: 0, line: 32, size: 2 << 30 };
    let started = Instant::now();
    let mut added = 0;
    for _ in 0..4 {
        let read = map.refresh(&mut endless).expect("read");
        assert!(read.more && read.bytes <= 16 << 20);
        added += read.added;
    }
    assert_eq!(map.len() + map.forgotten() as usize, added);
    assert!(map.len() <= 10_000 && map.bytes() < 4 << 20);
    println!("{added} lines in {:?}", started.elapsed());
}

/// A file that says of each line another function.
struct Endless {
    at: u64,
    line: u64,
    size: u64,
}

impl std::io::Read for Endless {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let mut done = 0;
        while done < into.len() && self.at < self.size {
            let number = self.at / self.line;
            let line = format!("{:012x} 10 {:015x}\n", number * 16, number);
            let rest = &line.as_bytes()[(self.at % self.line) as usize..];
            let size = rest.len().min(into.len() - done);
            into[done..done + size].copy_from_slice(&rest[..size]);
            done += size;
            self.at += size as u64;
        }
        Ok(done)
    }
}

impl std::io::Seek for Endless {
    fn seek(&mut self, to: std::io::SeekFrom) -> std::io::Result<u64> {
        let std::io::SeekFrom::Start(at) = to else { panic!("only from the start") };
        self.at = at;
        Ok(at)
    }
}

/// Against a plain model: every address has what the last line that covers it says.
#[test]
fn any_lines_give_what_a_plain_model_gives() {
    let mut rng = Rng::new(3);
    for _ in 0..300 {
        let (mut map, mut text) = (PerfMap::default(), String::new());
        let mut model = vec![None; 256];
        for number in 0..rng.below(60) {
            let (start, size) = (rng.below(200), 1 + rng.below(50));
            text.push_str(&format!("{start:x} {size:x} f{number}\n"));
            model[start..start + size].fill(Some((number, start)));
            if rng.chance(20) {
                map.refresh(&mut Cursor::new(&text)).expect("read");
            }
        }
        map.refresh(&mut Cursor::new(&text)).expect("read");
        for (address, known) in model.iter().enumerate() {
            let found = map.lookup(address as u64).map(|it| (it.name.to_owned(), it.start));
            let known = known.map(|(number, start)| (format!("f{number}"), start as u64));
            assert_eq!(found, known, "{address:x} of {text}");
        }
    }
}

#[test]
fn damaged_maps_are_borne() {
    let mut rng = Rng::new(4);
    let whole: String =
        (0..200_u64).map(|n| format!("{:x} {:x} f{n}\n", n * 64, 1 + n % 64)).collect();
    let limits = PerfMapLimits { functions: 100, names: 500, ..PerfMapLimits::default() };
    let mut map = PerfMap::new(limits);
    let mut text = whole.clone().into_bytes();
    for round in 0..ROUNDS {
        if rng.chance(30) {
            text = whole.clone().into_bytes();
            map = PerfMap::new(limits);
        }
        damage(&mut rng, &mut text);
        text.extend_from_slice(b"10 10 more\n");
        map.refresh(&mut Cursor::new(&text)).expect("read");
        // Newer functions may lie within older ones and cut them in two.
        assert!(map.len() <= 101, "round {round}: {}", map.len());
        let _ = (map.lookup(rng.draw()), map.lookup(rng.draw() % 12800), map.lookup(u64::MAX));
    }
}

#[test]
fn damaged_kernel_lists_are_borne() {
    let mut rng = Rng::new(5);
    let whole: String = (0..200_u64)
        .map(|n| {
            format!(
                "{:016x} {} f{n}{}\n",
                (1 << 63) + n * 64,
                ["t", "T", "W", "d"][n as usize % 4],
                ["", "\t[m]", "\t[bpf]"][n as usize % 3]
            )
        })
        .collect();
    for _ in 0..ROUNDS {
        let mut text = whole.clone().into_bytes();
        damage(&mut rng, &mut text);
        let names = KernelNames::parse(BufReader::with_capacity(64, &text[..])).expect("read");
        assert!(names.len() <= 200);
        let _ = (names.lookup(rng.draw()), names.lookup((1 << 63) + rng.draw() % 12800));
        let _ = (names.lookup(0), names.lookup(u64::MAX));
    }
}
