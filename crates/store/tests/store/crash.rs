//! A crash at any moment: what was on disk is there afterwards, whole and once.
//!
//! A child writes numbered rows and tells after each turn how many are on disk; it is killed at
//! random moments. Time is an argument of the store, so a turn of the child is two seconds long.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use store::{Catalogue, Options, VerifyOptions, verify};

use crate::sample::{TABLES, at, deeds, numbers, open, options, others};

const FOLDER: &str = "FATHOM_TEST_STORE";
const KILLS: u64 = 200;
/// A folder is given up after so many kills: reading it all each time would take longer and longer.
const KILLS_OF_A_FOLDER: u64 = 10;

#[test]
fn two_hundred_kills_lose_nothing_that_was_on_disk() {
    let mut dice = Dice::new();
    let (mut folder, mut rows) = (tempfile::tempdir().unwrap(), 0);
    let mut recovered = 0;
    for kill in 0..KILLS {
        if kill % KILLS_OF_A_FOLDER == 0 {
            (folder, rows) = (tempfile::tempdir().unwrap(), 0);
        }
        let told = write_and_die(folder.path(), Duration::from_micros(dice.below(60_000)));
        let told = told.max(rows);
        let report = verify(folder.path(), &VerifyOptions::default()).unwrap();
        assert!(report.is_sound(), "after kill {kill}: {report:#?}");

        // Whoever reads it before an agent mends it finds the same.
        let (reader, _) = Catalogue::read_only(folder.path(), TABLES).unwrap();
        let seen = numbers(&reader, "file_open");
        drop(reader);
        let mut store = open(|| options(folder.path()), at(0));
        let there = numbers(store.catalogue(), "file_open");
        assert_eq!(seen, there, "after kill {kill}");
        let whole = there.iter().enumerate().all(|(at, number)| at as u64 == *number);
        assert!(whole, "after kill {kill}: a row is missing or there twice");
        assert!(there.len() as u64 >= told, "after kill {kill}: {} of {told} rows", there.len());
        let few = numbers(store.catalogue(), "other_deed");
        let whole = few.iter().enumerate().all(|(at, number)| at as u64 == *number);
        assert!(whole, "after kill {kill}: a row of the other table is missing or there twice");
        recovered += there.len() as u64 - rows;
        rows = there.len() as u64;
        let alarming = store.words().into_iter().find(|word| matches!(word, store::Word::Warn(_)));
        assert_eq!(alarming, None, "after kill {kill}");
    }
    assert!(recovered > KILLS, "only {recovered} rows were written in all");
}

/// Not a test: what the child does. Without its folder it does nothing.
#[test]
fn child_writes() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let quick = || Options { hot: 256 << 10, ..options(Path::new(&folder)) };
    let mut store = open(quick, at(0));
    let mut next = numbers(store.catalogue(), "file_open").len() as u64;
    // Numbered by itself: which table is on disk first is not promised.
    let other = numbers(store.catalogue(), "other_deed").len() as u64;
    let mut out = std::io::stdout();
    for turn in 1.. {
        store.append(deeds(next..next + 37), at(turn * 2_000));
        store.append(others(other + turn - 1..other + turn), at(turn * 2_000));
        store.turn(at(turn * 2_000 + 1_900));
        next += 37;
        // A line of its own: the harness of the tests writes to the same pipe.
        writeln!(out, "\non disk {next}").unwrap();
    }
}

/// Runs a child for so long after it has begun; returns how many rows it told of.
fn write_and_die(folder: &Path, after: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_writes", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (tell, told) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let counts = lines.map_while(Result::ok);
        let mut counts =
            counts.filter_map(|line| line.strip_prefix("on disk ")?.parse::<u64>().ok());
        if let Some(first) = counts.next() {
            let _ = tell.send(());
            return counts.last().unwrap_or(first);
        }
        0
    });
    told.recv_timeout(Duration::from_secs(60)).expect("the child begins");
    let begun = Instant::now();
    while begun.elapsed() < after {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Random enough to kill at another moment each time.
pub struct Dice(u64);

impl Dice {
    pub fn new() -> Dice {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64 | 1;
        println!("the seed is {seed}");
        Dice(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
