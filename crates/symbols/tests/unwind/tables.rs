//! Tables say what gimli says.

use std::time::Instant;

use gimli::UnwindContext;
use symbols::elf::Elf;
use symbols::unwind::{BLOCK, BuildError, Cfa, Fp, Limits, Report, Rule, UnwindTable};

use crate::binaries;
use crate::oracle::{self, Caller, Frame, Oracle};

/// Functions of a binary that are compared, spread over all of it, and addresses in each.
const FUNCTIONS: usize = 20_000;
const ADDRESSES: u64 = 12;

#[test]
fn tables_say_what_gimli_says() {
    for path in binaries::all("tables_say_what_gimli_says") {
        let elf = binaries::open(&path);
        let started = Instant::now();
        let (table, report) = UnwindTable::build(&elf, &Limits::default()).expect("a table");
        let took = started.elapsed();
        println!(
            "{}: {} functions, {} rows, {} rules, {} bytes ({:.2} a row), {took:.0?}; {report:?}",
            path.display(),
            report.functions,
            report.rows,
            report.rules,
            table.bytes(),
            table.bytes() as f64 / report.rows as f64,
        );
        assert_eq!(table.bytes(), table.blocks().len() * BLOCK);
        compare(&elf, &table, &report);
    }
}

#[test]
fn the_vdso_has_a_table() {
    let (elf, _) = binaries::vdso();
    let (table, report) = UnwindTable::build(&elf, &Limits::default()).expect("a table");
    assert!(report.rows > 1 && report.unreadable == 0, "{report:?}");
    compare(&elf, &table, &report);
}

/// Programs and threads begin in functions that have no caller.
#[test]
fn where_stacks_begin_there_is_no_caller() {
    let elf = binaries::open("/proc/self/exe".as_ref());
    let (table, _) = UnwindTable::build(&elf, &Limits::default()).expect("a table");
    assert_eq!(table.rule_at(elf.entry()), Rule::END);
}

/// The C library restores registers after a signal, and its entries know how the kernel saved them.
#[test]
fn signals_are_known() {
    let path = "/lib/x86_64-linux-gnu/libc.so.6";
    if !std::path::Path::new(path).exists() {
        return println!("not run: signals_are_known: no {path}");
    }
    let elf = binaries::open(path.as_ref());
    let (table, _) = UnwindTable::build(&elf, &Limits::default()).expect("a table");
    let text = elf.section(".text").expect("code");
    // mov $15, %rax; syscall
    let restore = b"\x48\xc7\xc0\x0f\x00\x00\x00\x0f\x05";
    let at = text.data.windows(restore.len()).position(|bytes| bytes == restore);
    let at = text.svma + at.expect("the call") as u64;
    for svma in [at - 1, at, at + 8] {
        assert_eq!(table.rule_at(svma).cfa, Cfa::Signal(40), "{svma:#x}");
    }
}

#[test]
fn limits_are_kept() {
    let elf = binaries::open("/proc/self/exe".as_ref());
    let build = |limits: Limits| UnwindTable::build(&elf, &limits).map(|_| ());
    let all = Limits::default();
    let rows = build(Limits { rows: 1000, ..all.clone() });
    assert!(matches!(rows, Err(BuildError::TooManyRows { most: 1000 })), "{rows:?}");
    let functions = build(Limits { functions: 10, ..all.clone() });
    assert!(matches!(functions, Err(BuildError::TooManyRows { most: 10 })), "{functions:?}");
    let pages = build(Limits { pages: 1, ..all.clone() });
    assert!(matches!(pages, Err(BuildError::TooWide { .. })), "{pages:?}");
    let bytes = build(Limits { section_bytes: 1000, ..all });
    assert!(matches!(bytes, Err(BuildError::Elf(_))), "{bytes:?}");
}

/// At random addresses of each function, and between functions.
fn compare(elf: &Elf, table: &UnwindTable, report: &Report) {
    let oracle = Oracle::new(elf);
    let functions = oracle.functions();
    let mut context = UnwindContext::new();
    let mut seed = 1;
    let mut random = move || {
        seed += 1;
        oracle::memory(seed)
    };
    let (mut compared, mut unsupported, mut corrected) = (0, 0, 0);
    for index in (0..functions.len()).step_by(functions.len().div_ceil(FUNCTIONS)) {
        let function = &functions[index];
        let next = functions.get(index + 1).map_or(u64::MAX, |next| next.start);
        let before = index.checked_sub(1).map_or(0, |index| functions[index].start);
        if function.start == before || function.start == next || function.start >= function.end {
            // Folded functions: which entry counts is not for this test to say.
            continue;
        }
        let end = function.end.min(next);
        let edges = [function.start, end - 1];
        let inside = (0..ADDRESSES).map(|_| function.start + random() % (end - function.start));
        for pc in edges.into_iter().chain(inside.collect::<Vec<_>>()) {
            let mut frame = Frame { pc, registers: std::array::from_fn(|_| random()) };
            let rule = table.rule_at(pc);
            if let Cfa::DerefSp { at, .. } = rule.cfa {
                // What is called saved rbx there, where the rule is for return addresses.
                let saved = frame.registers[7].wrapping_add_signed(at.into());
                frame.registers[3] = oracle::memory(saved);
            }
            let Some(said) = oracle::by_rule(rule, &frame) else {
                unsupported += 1;
                continue;
            };
            let Some(mut truth) = oracle.caller(function, &mut context, &frame) else {
                panic!("{pc:#x}: {rule:?}, and gimli does not know");
            };
            // A frame pointer may be saved in a way that has no place in a table.
            if let (Caller::Frame { fp: None, .. }, Caller::Frame { fp, .. }) = (&said, &mut truth)
            {
                *fp = None;
            }
            compared += 1;
            // At a function's end a saved rbp that is the caller's again is not believed.
            let at_end = Rule { cfa: Cfa::Sp(8), fp: Fp::Same };
            if let (Caller::Frame { fp: is, .. }, Caller::Frame { fp, .. }) = (&said, &mut truth)
                && rule == at_end
                && fp != is
            {
                corrected += 1;
                *fp = *is;
            }
            assert_eq!(said, truth, "{pc:#x}: {rule:?}");
        }
        if end < next {
            assert_eq!(table.rule_at(end), Rule::NONE, "{end:#x}");
        }
    }
    println!("    {compared} addresses compared, {unsupported} unsupported, {corrected} corrected");
    assert!(corrected * 500 <= compared, "{corrected} of {compared} corrected");
    let share = unsupported as f64 / (compared + unsupported) as f64;
    assert!(compared > 0 && share < 0.02, "{unsupported} of {compared} unsupported: {report:?}");
}
