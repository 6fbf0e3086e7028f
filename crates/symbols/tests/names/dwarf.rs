//! Debug information that is made to hurt: few bytes that stand for endless work.

use std::time::{Duration, Instant};

use symbols::{Lines, LinesError, LinesLimits};

use crate::programs::Workshop;

/// A unit from 0x1000 to 0x2000, whose line program is at 0.
const UNIT: u8 = 1;
/// A function from 0x1000 to 0x2000.
const FUNCTION: u8 = 2;
/// A function within the one that it lies in, with nothing said of it.
const WITHIN: u8 = 3;
/// A function within, at the addresses that the list at 0 has.
const LISTED: u8 = 4;

/// The table of what these numbers mean.
fn abbreviations() -> Vec<u8> {
    let (unit, function, within) = (0x11, 0x2e, 0x1d);
    let (low, high, lines, ranges) = ([0x11, 0x01], [0x12, 0x07], [0x10, 0x17], [0x55, 0x17]);
    let entry = |number: u8, tag: u8, attributes: &[[u8; 2]]| {
        [&[number, tag, 1], attributes.as_flattened(), &[0, 0]].concat()
    };
    [
        entry(UNIT, unit, &[low, high, lines]),
        entry(FUNCTION, function, &[low, high]),
        entry(WITHIN, within, &[]),
        entry(LISTED, within, &[ranges]),
        vec![0],
    ]
    .concat()
}

/// A unit of version 4 with a function in it and `entries` in that, without their ends.
fn unit(abbreviations: u32, entries: &[u8]) -> Vec<u8> {
    let mut unit = vec![4, 0];
    unit.extend_from_slice(&abbreviations.to_le_bytes());
    unit.push(8);
    for number in [UNIT, FUNCTION] {
        unit.push(number);
        unit.extend_from_slice(&0x1000_u64.to_le_bytes());
        unit.extend_from_slice(&0x1000_u64.to_le_bytes());
        if number == UNIT {
            unit.extend_from_slice(&0_u32.to_le_bytes());
        }
    }
    unit.extend_from_slice(entries);
    [&(unit.len() as u32).to_le_bytes(), &unit[..]].concat()
}

/// A line program of version 4 with `size` instructions, each of which makes a row.
fn lines(size: usize) -> Vec<u8> {
    let header = [1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 0];
    let mut program = vec![4, 0];
    program.extend_from_slice(&(header.len() as u32).to_le_bytes());
    program.extend_from_slice(&header);
    program.resize(program.len() + size, 0x20);
    [&(program.len() as u32).to_le_bytes(), &program[..]].concat()
}

/// Lines of a program with these sections.
fn build(
    shop: &Workshop,
    sections: &[(&str, Vec<u8>)],
    limits: &LinesLimits,
) -> Result<Lines, LinesError> {
    shop.write("a.c", "int main(void) { return 0; }\n");
    shop.run("gcc -no-pie -o a a.c");
    for (name, bytes) in sections {
        shop.write("section", bytes);
        shop.run(&format!("objcopy --add-section .debug_{name}=section a"));
    }
    Lines::build(&shop.open("a"), None, limits)
}

#[track_caller]
fn refused(built: Result<Lines, LinesError>, what: &str) {
    let error = built.err().expect("refused");
    assert!(matches!(error, LinesError::TooMuch(much) if much == what), "{error}");
}

/// What these sections say is read as it is meant, where it is of a sane size.
#[test]
fn functions_deep_within_others_are_read_to_a_depth() {
    let test = "functions_deep_within_others_are_read_to_a_depth";
    let Some(shop) = Workshop::new(test, &["gcc", "objcopy"]) else { return };
    let sections = |depth: usize| {
        let ends = vec![0; depth + 2];
        let info = unit(0, &[vec![WITHIN; depth], ends].concat());
        [("abbrev", abbreviations()), ("info", info), ("line", lines(100))]
    };
    let lines = build(&shop, &sections(100), &LinesLimits::default()).expect("sane");
    assert_eq!(lines.frames(0x1010).len(), 1);
    // Each level takes a call of the reader's: this many would end the process.
    refused(build(&shop, &sections(10_000_000), &LinesLimits::default()), "nesting");
}

#[test]
fn lines_and_lists_that_all_name_are_counted_for_each() {
    let test = "lines_and_lists_that_all_name_are_counted_for_each";
    let Some(shop) = Workshop::new(test, &["gcc", "objcopy"]) else { return };
    let limits = LinesLimits { lines: 1 << 20, ranges: 1 << 16, ..LinesLimits::default() };
    let units: Vec<u8> = (0..200).flat_map(|_| unit(0, &[0, 0])).collect();
    let with = |info: &[u8], size: usize| {
        vec![("abbrev", abbreviations()), ("info", info.to_vec()), ("line", lines(size))]
    };
    assert!(build(&shop, &with(&units, 1000), &limits).is_ok());
    refused(build(&shop, &with(&units, 10_000), &limits), "lines");

    let list: Vec<u8> = (0..1000_u64)
        .flat_map(|n| [0x1000 + 2 * n, 0x1001 + 2 * n])
        .chain([0, 0])
        .flat_map(u64::to_le_bytes)
        .collect();
    let all = |count: usize| {
        let entries: Vec<u8> = (0..count).flat_map(|_| [LISTED, 0, 0, 0, 0, 0]).collect();
        let mut sections = with(&unit(0, &[&entries[..], &[0, 0]].concat()), 10);
        sections.push(("ranges", list.clone()));
        sections
    };
    assert!(build(&shop, &all(10), &limits).is_ok());
    refused(build(&shop, &all(100), &limits), "ranges");
}

/// Each unit has its own table of abbreviations, and all are the rest of one long one.
#[test]
fn units_with_endless_tables_take_bounded_time() {
    let test = "units_with_endless_tables_take_bounded_time";
    let Some(shop) = Workshop::new(test, &["gcc", "objcopy"]) else { return };
    // Numbers of two and three bytes, each once: a table of 100,000 entries.
    let mut table = abbreviations();
    table.pop();
    for number in 200..100_000_u32 {
        let mut rest = number;
        while rest >= 0x80 {
            table.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        table.extend_from_slice(&[rest as u8, 0x1d, 0, 0, 0]);
    }
    table.push(0);
    let units: Vec<u8> = (0..200_000).flat_map(|_| unit(0, &[0, 0])).collect();
    let sections = [("abbrev", table), ("info", units)];
    let limits = LinesLimits { time: Duration::from_millis(300), ..LinesLimits::default() };
    let started = Instant::now();
    refused(build(&shop, &sections, &limits), "time");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}
