//! Go programs, against Go's own tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use symbols::elf::Elf;
use symbols::{GoTable, Lines, LinesLimits, Names, NamesLimits};
use testkit::watch::not_run;

use crate::programs::{Workshop, open};

const PROGRAM: &str = r#"package main

import (
	"fmt"
	"os"
	"sort"
)

type pair[K comparable, V any] struct {
	key   K
	value V
}

//go:noinline
func (p *pair[K, V]) String() string { return fmt.Sprint(p.key, p.value) }

//go:noinline
func work(n int) int {
	all := make([]int, n)
	for i := range all {
		all[i] = (i * 7919) % 1000
	}
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	return all[n/2]
}

func main() {
	p := &pair[string, int]{"a", work(len(os.Args) + 10)}
	fmt.Println(p)
}
"#;

const CGO: &str = r#"package main

// static int twice(int n) { return 2 * n; }
import "C"
import "fmt"

func main() { fmt.Println(C.twice(21)) }
"#;

/// The `go` that tests are told of by `FATHOM_GO`, or that is installed.
fn go(test: &str) -> Option<PathBuf> {
    let told = std::env::var_os("FATHOM_GO").map(PathBuf::from);
    let go = told.unwrap_or_else(|| PathBuf::from("go"));
    if Command::new(&go).arg("version").output().is_ok_and(|output| output.status.success()) {
        return Some(go);
    }
    not_run(test, "no go: FATHOM_GO does not name one, and none is installed");
    None
}

/// A directory in which a Go program can be built.
fn workshop(test: &str, program: &str, tools: &[&str]) -> Option<(Workshop, PathBuf)> {
    let go = go(test)?;
    let shop = Workshop::new(test, tools)?;
    shop.write("main.go", program);
    shop.write("go.mod", "module example.org/a\n\ngo 1.21\n");
    Some((shop, go))
}

fn build(shop: &Workshop, go: &Path, options: &[&str]) {
    let cache = shop.folder.parent().expect("a parent").join("go-cache");
    let mut command = Command::new(go);
    command.current_dir(&shop.folder).args(["build", "-o", "a"]).args(options);
    command.env("GOCACHE", cache).env("GOPATH", shop.path("path")).env("HOME", &shop.folder);
    command.env("GOFLAGS", "-mod=mod").env("GOPROXY", "off").env("GOTOOLCHAIN", "local");
    let output = command.output().expect("go");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The functions that `go tool nm` lists of `file`.
fn listed(shop: &Workshop, go: &Path, file: &str) -> Vec<(u64, String)> {
    let text = shop.command(go.to_str().expect("a path"), ["tool", "nm", "-n", file]);
    let functions = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let start = u64::from_str_radix(words.next()?, 16).ok()?;
        let kind = words.next()?;
        let name = line.split_once(&format!(" {kind} "))?.1.to_owned();
        matches!(kind, "T" | "t").then_some((start, name))
    });
    functions.collect()
}

/// All of the table's functions are where `listed` has them, and nearly all of Go's are in it.
fn agree(table: &GoTable, listed: &[(u64, String)]) {
    let mut wrong = Vec::new();
    for function in table.functions() {
        let here = listed.iter().filter(|(start, _)| *start == function.start);
        let names: Vec<&str> = here.map(|(_, name)| name.as_str()).collect();
        // The table has dots for the shapes of type parameters.
        let known = |name: &&str| same(name, function.name);
        if !names.iter().any(known) {
            wrong.push((function, names));
        }
    }
    assert!(wrong.len() * 200 <= table.len(), "{} of {}: {wrong:?}", wrong.len(), table.len());
    for wanted in ["main.main", "runtime.mallocgc", "runtime.mstart", "fmt.(*pp).doPrintln"] {
        let (start, _) = listed.iter().find(|(_, name)| same(name, wanted)).expect(wanted);
        let found = table.lookup(*start).expect(wanted);
        assert_eq!((found.name, found.start), (wanted, *start));
        assert_eq!(table.lookup(found.end - 1), Some(found));
    }
}

fn same(listed: &str, stored: &str) -> bool {
    // Assembler functions keep how they are called in their symbol only.
    let listed = listed.strip_suffix(".abi0").unwrap_or(listed);
    let bare = |name: &str| name.split('[').next().unwrap_or(name).to_owned();
    listed == stored || listed.contains('[') && bare(listed) == bare(stored)
}

#[test]
fn functions_of_a_go_program_are_found_stripped_or_not() {
    let test = "functions_of_a_go_program_are_found_stripped_or_not";
    let Some((shop, go)) = workshop(test, PROGRAM, &[]) else { return };
    for mode in ["exe", "pie"] {
        let mode = format!("-buildmode={mode}");
        build(&shop, &go, &[&mode]);
        let listed = listed(&shop, &go, "a");
        let elf = shop.open("a");
        agree(&GoTable::read(&elf).expect("a table"), &listed);
        let whole = Names::build(&elf, None, &NamesLimits::default());
        build(&shop, &go, &[&mode, "-ldflags=-s -w"]);
        let elf = shop.open("a");
        assert!(elf.section_range(".symtab").is_none());
        agree(&GoTable::read(&elf).expect("a table"), &listed);
        let names = Names::build(&elf, None, &NamesLimits::default());
        assert!(names.is_complete() && names.len() > 1000);
        let main = |names: &Names| {
            let main = names.iter().find(|it| it.name == "main.work").expect("main.work");
            main.start
        };
        assert_eq!(main(&names), main(&whole));
        assert!(names.lookup(main(&names) + 20).expect("main.work").name == "main.work");
    }
}

/// Where functions return, against `go tool objdump`; stripped or not.
#[test]
fn places_in_a_go_program_are_those_of_its_tools() {
    let test = "places_in_a_go_program_are_those_of_its_tools";
    const NAMES: [&str; 4] = ["main.work", "fmt.(*pp).doPrintln", "fmt.Fprintln", "no.such"];
    let Some((shop, go)) = workshop(test, PROGRAM, &[]) else { return };
    for mode in ["exe", "pie"] {
        let mode = format!("-buildmode={mode}");
        build(&shop, &go, &[&mode]);
        let elf = shop.open("a");
        let found = symbols::go_functions(&elf, &NAMES);
        assert_eq!(found.len(), 3, "{found:?}");
        for function in &found {
            let of = regex(function.name);
            let go = go.to_str().expect("a path");
            let text = shop.command(go, ["tool", "objdump", "-s", &of, "a"]);
            let listed: Vec<(u64, Vec<&str>)> = text
                .lines()
                .filter_map(|line| {
                    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
                    let svma = u64::from_str_radix(words.first()?.strip_prefix("0x")?, 16).ok()?;
                    Some((elf.offset_of_svma(svma)?, words[2..].to_vec()))
                })
                .collect();
            let returns = listed.iter().filter(|(_, words)| words[0] == "RET").map(|(at, _)| *at);
            assert_eq!(function.returns, returns.collect::<Vec<_>>(), "{}", function.name);
            // Right behind the first jump, which is that of the check.
            let jump = listed.iter().position(|(_, words)| words[0] == "JBE").expect("a check");
            assert_eq!(function.start, listed[jump + 1].0, "{}", function.name);
        }
        build(&shop, &go, &[&mode, "-ldflags=-s -w"]);
        let stripped = shop.open("a");
        let again = symbols::go_functions(&stripped, &NAMES);
        let shape = |all: &[symbols::GoPlaces]| -> Vec<_> {
            all.iter()
                .map(|it| {
                    let from = |at: &u64| at - it.start;
                    (it.name, it.returns.iter().map(from).collect::<Vec<u64>>())
                })
                .collect()
        };
        assert_eq!(shape(&again), shape(&found));
    }
}

/// A name as `go tool objdump` looks for it.
fn regex(name: &str) -> String {
    let escaped = name.replace('.', "\\.").replace('(', "\\(").replace(')', "\\)");
    format!("^{}$", escaped.replace('*', "\\*"))
}

/// Files and lines, against `go tool addr2line`.
#[test]
fn lines_of_a_go_program_are_those_of_its_tools() {
    let test = "lines_of_a_go_program_are_those_of_its_tools";
    let Some((shop, go)) = workshop(test, PROGRAM, &[]) else { return };
    build(&shop, &go, &["-ldflags=-w"]);
    let elf = shop.open("a");
    let lines = Lines::build(&elf, None, &LinesLimits::default()).expect("Go's own table");
    let table = GoTable::read(&elf).expect("a table");
    let step = table.len() / 200;
    let asked: Vec<u64> = table
        .functions()
        .step_by(step.max(1))
        .chain(table.functions().filter(|it| it.name.starts_with("main.")))
        .flat_map(|it| [it.start, it.start + (it.end - it.start) / 2])
        .collect();
    let text: String = asked.iter().map(|svma| format!("{svma:#x}\n")).collect();
    shop.write("asked", text);
    let go = go.to_str().expect("a path");
    let answers = shop.command("sh", ["-c", &format!("{go} tool addr2line a < asked")]);
    let mut answers = answers.lines();
    let mut known = 0;
    for svma in asked {
        let function = answers.next().expect("a function");
        let place = answers.next().expect("a line");
        let frames = lines.frames(svma);
        let [frame] = &frames[..] else { panic!("{frames:?} at {svma:#x}") };
        if place.starts_with('?') || place == ":-1" {
            continue;
        }
        known += 1;
        let ours =
            format!("{}:{}", frame.file.as_deref().unwrap_or("?"), frame.line.unwrap_or_default());
        assert_eq!(ours, place, "{svma:#x}");
        assert!(same(function, frame.function.as_deref().unwrap_or_default()), "{frame:?}");
    }
    assert!(known > 200, "only {known} places are known");
}

/// With C in it, and position-independent, Go's code does not begin where the section of code
/// does, and the table has no section of its own name any more.
#[test]
fn go_with_c_in_it_is_found() {
    let test = "go_with_c_in_it_is_found";
    let Some((shop, go)) = workshop(test, CGO, &["gcc", "strip", "objcopy"]) else { return };
    for mode in ["-buildmode=pie", "-buildmode=exe"] {
        build(&shop, &go, &[mode, "-ldflags=-linkmode=external"]);
        let listed = listed(&shop, &go, "a");
        agree(&GoTable::read(&shop.open("a")).expect("a table"), &listed);
        shop.run("strip a");
        agree(&GoTable::read(&shop.open("a")).expect("a table"), &listed);
        // A linker that gathers sections takes the name, too.
        shop.run("objcopy --rename-section .gopclntab=.rodata.more a b");
        agree(&GoTable::read(&shop.open("b")).expect("a table"), &listed);
    }
}

/// A table as old linkers wrote it: Go's own test has one.
#[test]
fn a_table_of_an_old_version_is_read() {
    let test = "a_table_of_an_old_version_is_read";
    let Some(go) = go(test) else { return };
    let Some(shop) = Workshop::new(test, &["gzip"]) else { return };
    let root = shop.command(go.to_str().expect("a path"), ["env", "GOROOT"]);
    let packed = PathBuf::from(root.trim()).join("src/debug/gosym/testdata/pcln115.gz");
    let Ok(bytes) = std::fs::read(&packed) else {
        return not_run(test, "this Go comes without its tests");
    };
    shop.write("a.gz", bytes);
    shop.run("gzip -d a.gz");
    let table = std::fs::read(shop.path("a")).expect("read");
    let elf = Elf::from_bytes(crate::hostile::program(&table)).expect("an ELF file");
    let table = GoTable::read(&elf).expect("a table of Go 1.15");
    let main = table.functions().find(|it| it.name == "main.main").expect("main.main");
    assert_eq!(table.lookup(main.start + 1), Some(main));
    let (file, line) = table.line(main.start).expect("a line");
    assert!(file.ends_with(".go") && line > 0, "{file}:{line}");
}

/// What takes most of the time with a large Go program: Go's own.
#[test]
fn a_large_go_program_is_read_in_time() {
    let test = "a_large_go_program_is_read_in_time";
    let Some(go) = go(test) else { return };
    let Some(shop) = Workshop::new(test, &[]) else { return };
    let path = shop.command(go.to_str().expect("a path"), ["env", "GOROOT"]);
    let elf = open(&PathBuf::from(path.trim()).join("bin/go"));
    let started = std::time::Instant::now();
    let names = Names::build(&elf, None, &NamesLimits::default());
    println!("go: {} functions, {} bytes, {:?}", names.len(), names.bytes(), started.elapsed());
    assert!(names.len() > 5000 && started.elapsed().as_secs() < 10);
}
