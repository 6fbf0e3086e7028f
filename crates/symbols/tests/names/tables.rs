//! Symbol tables, against `nm`.

use std::collections::{HashMap, HashSet};

use symbols::elf::Elf;
use symbols::{Names, NamesLimits};

use crate::programs::{Listed, Workshop, nm};

const PROGRAM: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int data_symbol = 7;
__attribute__((noinline)) static int one(int n) { return n * data_symbol; }
__attribute__((noinline)) int two(int n) { return one(n) + 1; }
__attribute__((noinline, weak)) int three(int n) { return two(n) + 1; }
int three_again(int n) __attribute__((alias("three")));
__attribute__((noinline, cold)) int rare(int n) { if (n > 3) abort(); return n; }
asm(".text\n.type bare,@function\nbare:\n nop\n nop\n nop\n ret\n"
    ".type sized,@function\nsized:\n nop\nlabel:\n nop\n ret\n.size sized, .-sized\n");
int main(int argc, char **argv) {
    char *copy = strdup(argv[0]);
    printf("%s %d\n", copy, three(argc) + rare(argc) + three_again(argc));
    return 0;
}
"#;

/// Every function that `nm` lists is found at its first, middle and last byte, by one of the
/// names that it has there.
pub(crate) fn agree(names: &Names, listed: &[Listed]) {
    let mut at: HashMap<u64, HashSet<&str>> = HashMap::new();
    for it in listed.iter().filter(|it| it.size > 0) {
        at.entry(it.start).or_default().insert(&it.name);
    }
    assert!(!at.is_empty(), "nm lists nothing");
    for it in listed.iter().filter(|it| it.size > 0) {
        let found = names.lookup(it.start).unwrap_or_else(|| panic!("nothing at {it:?}"));
        assert!(found.exact && found.start == it.start, "{found:?} for {it:?}");
        assert!(at[&it.start].contains(found.name.as_str()), "{found:?} for {it:?}");
        for svma in [it.start + it.size / 2, it.start + it.size - 1] {
            let found = names.lookup(svma).unwrap_or_else(|| panic!("nothing in {it:?}"));
            assert!(found.exact && svma < found.start + found.size, "{found:?} for {it:?}");
            // Another function may lie within this one.
            let known =
                at.get(&found.start).is_some_and(|names| names.contains(found.name.as_str()));
            assert!(known || found.start > it.start, "{found:?} for {it:?}");
        }
    }
}

#[test]
fn every_function_of_a_c_program_is_found() {
    let Some(shop) = Workshop::new("every_function_of_a_c_program_is_found", &["gcc", "nm"]) else {
        return;
    };
    shop.write("a.c", PROGRAM);
    for options in ["-O2", "-O0 -no-pie", "-O2 -static", "-O1 -static-pie"] {
        shop.run(&format!("gcc {options} -w -o a a.c"));
        let names = Names::build(&shop.open("a"), None, &NamesLimits::default());
        assert!(names.is_complete() && names.lost() == 0, "{options}");
        agree(&names, &nm(&shop, "", "a"));
        assert!(names.iter().all(|it| it.name != "data_symbol" && it.name != "label"), "{options}");
        let name = |wanted: &str| names.iter().find(|it| it.name == wanted);
        assert!(name("three").is_none() && name("three_again").is_some(), "global before weak");
        let bare = name("bare").expect("a function without a size");
        assert!(bare.size >= 4 && names.lookup(bare.start + 3).expect("it").name == "bare");
    }
}

#[test]
fn addresses_that_are_no_code_have_no_name() {
    let Some(shop) = Workshop::new("addresses_that_are_no_code_have_no_name", &["gcc"]) else {
        return;
    };
    shop.write("a.c", PROGRAM);
    shop.run("gcc -O2 -w -o a a.c");
    let elf = shop.open("a");
    let names = Names::build(&elf, None, &NamesLimits::default());
    for segment in elf.segments() {
        let within = names.lookup(segment.svma + segment.memory_size / 2).is_some();
        assert_eq!(within, segment.executable, "{segment:?}");
        assert!(
            names.lookup(segment.svma + segment.memory_size).is_none() || segment.memory_size == 0
        );
    }
    assert_eq!(names.lookup(u64::MAX), None);
    assert_eq!(names.lookup(0), None);
}

/// The caller can tell a function from what merely lies behind it.
#[test]
fn what_lies_behind_a_function_is_not_called_that_function() {
    let name = "what_lies_behind_a_function_is_not_called_that_function";
    let Some(shop) = Workshop::new(name, &["gcc", "strip"]) else { return };
    shop.write("a.c", "int seen(int n){return n+1;} static int hidden(int n){return n*n;} int (*keep)(int)=hidden;");
    shop.run("gcc -O2 -fno-toplevel-reorder -shared -fPIC -o a.so a.c");
    let whole = Names::build(&shop.open("a.so"), None, &NamesLimits::default());
    let hidden = whole.iter().find(|it| it.name == "hidden").expect("a symbol").start;
    shop.run("strip a.so");
    let names = Names::build(&shop.open("a.so"), None, &NamesLimits::default());
    assert!(!names.is_complete());
    let seen = names.iter().find(|it| it.name == "seen").expect("a dynamic symbol");
    assert!(hidden > seen.start, "the compiler put them the other way round");
    let found = names.lookup(hidden).expect("the nearest");
    assert_eq!((found.name.as_str(), found.exact), ("seen", false));
}

#[test]
fn symbols_over_the_budget_are_lost_and_counted() {
    let Some(shop) = Workshop::new("symbols_over_the_budget_are_lost_and_counted", &["gcc"]) else {
        return;
    };
    shop.write("a.c", PROGRAM);
    shop.run("gcc -O2 -w -static -o a a.c");
    let elf = shop.open("a");
    let whole = Names::build(&elf, None, &NamesLimits::default());
    let limits = NamesLimits { bytes: 4096, ..NamesLimits::default() };
    let few = Names::build(&elf, None, &limits);
    assert!(few.bytes() <= 4096 + 256, "{}", few.bytes());
    assert_eq!(few.len() + few.lost() as usize, whole.len());
    let smallest = few.iter().map(|it| it.size).min().expect("some");
    let kept: HashSet<u64> = few.iter().map(|it| it.start).collect();
    let largest_lost = whole.iter().filter(|it| !kept.contains(&it.start)).map(|it| it.size).max();
    assert!(largest_lost <= Some(smallest));
    let limits = NamesLimits { symbols: 10, ..NamesLimits::default() };
    assert!(Names::build(&elf, None, &limits).lost() > 100);
}

/// The C library, the dynamic linker and Python as they are installed.
#[test]
fn exported_functions_of_libraries_are_found() {
    let Some(shop) = Workshop::new("exported_functions_of_libraries_are_found", &["nm"]) else {
        return;
    };
    for path in [
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
    ] {
        let Ok(bytes) = std::fs::read(path) else { continue };
        let names =
            Names::build(&Elf::from_bytes(bytes).expect(path), None, &NamesLimits::default());
        agree(&names, &nm(&shop, "-D", path));
    }
}
