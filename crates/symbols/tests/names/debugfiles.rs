//! Symbols that were moved to other files.

use std::fs;
use std::path::Path;

use symbols::elf::Limits;
use symbols::{Names, NamesLimits, debugfile};

use crate::programs::{Workshop, nm};
use crate::tables::agree;

const PROGRAM: &str = "\
#include <stdio.h>
static __attribute__((noinline)) int inner(int n) { return n * 3 + 1; }
__attribute__((noinline)) int outer(int n) { return inner(n) + 1; }
int main(int argc, char **argv) { printf(\"%d\\n\", outer(argc)); return 0; }
";
const TOOLS: &[&str] = &["gcc", "nm", "objcopy"];

/// Builds `usr/bin/a` without symbols, and `a.debug` with them.
fn build(shop: &Workshop, options: &str) {
    shop.write("a.c", PROGRAM);
    fs::create_dir_all(shop.path("usr/bin")).expect("a directory");
    shop.run(&format!("gcc -O2 -g {options} -o a a.c"));
    shop.run("objcopy --only-keep-debug a a.debug");
    shop.run("objcopy --strip-all --add-gnu-debuglink=a.debug a usr/bin/a");
}

#[test]
fn a_debug_file_is_found_by_link_and_checksum() {
    let Some(shop) = Workshop::new("a_debug_file_is_found_by_link_and_checksum", TOOLS) else {
        return;
    };
    build(&shop, "-Wl,--build-id=none");
    let elf = shop.open("usr/bin/a");
    let binary = Path::new("/usr/bin/a");
    let find = || debugfile::find(&elf, binary, &shop.folder, &Limits::default());
    assert!(find().is_none());
    assert!(!Names::build(&elf, None, &NamesLimits::default()).is_complete());
    for place in ["usr/bin/a.debug", "usr/bin/.debug/a.debug", "usr/lib/debug/usr/bin/a.debug"] {
        let path = shop.write(place, fs::read(shop.path("a.debug")).expect("read"));
        let found = find().unwrap_or_else(|| panic!("nothing at {place}"));
        assert_eq!(found.path, Path::new("/").join(place));
        let names = Names::build(&elf, Some(&found.elf), &NamesLimits::default());
        assert!(names.is_complete());
        agree(&names, &nm(&shop, "", "a"));
        // One other byte, and it is not the file that was meant.
        let mut other = fs::read(&path).expect("read");
        *other.last_mut().expect("bytes") ^= 1;
        fs::write(&path, other).expect("written");
        assert!(find().is_none(), "{place}");
        fs::remove_file(path).expect("removed");
    }
}

#[test]
fn a_debug_file_is_found_by_build_id() {
    let Some(shop) = Workshop::new("a_debug_file_is_found_by_build_id", TOOLS) else { return };
    build(&shop, "-Wl,--build-id=0xab0123456789");
    let elf = shop.open("usr/bin/a");
    let find = || debugfile::find(&elf, Path::new("/usr/bin/a"), &shop.folder, &Limits::default());
    let place = "usr/lib/debug/.build-id/ab/0123456789.debug";
    let candidates = debugfile::candidates(&elf, Path::new("/usr/bin/a"));
    assert_eq!(candidates[0], Path::new("/").join(place));
    // The binary itself has its build-id too, but no symbols.
    shop.write(place, fs::read(shop.path("usr/bin/a")).expect("read"));
    assert!(find().is_none());
    shop.write(place, fs::read(shop.path("a.debug")).expect("read"));
    let found = find().expect("by its build-id");
    agree(&Names::build(&elf, Some(&found.elf), &NamesLimits::default()), &nm(&shop, "", "a"));
    // That of another build is not taken.
    build(&shop, "-Wl,--build-id=0xcd0123456789");
    shop.write(place, fs::read(shop.path("a.debug")).expect("read"));
    assert!(find().is_none());
}

/// A container's links lead within the container, and its pipes keep nobody waiting.
#[test]
fn nothing_outside_of_the_root_is_opened() {
    let Some(shop) =
        Workshop::new("nothing_outside_of_the_root_is_opened", &["gcc", "nm", "objcopy", "mkfifo"])
    else {
        return;
    };
    build(&shop, "-Wl,--build-id=0xab0123456789");
    let elf = shop.open("usr/bin/a");
    let root = shop.path("root");
    let folder = root.join("usr/lib/debug/.build-id/ab");
    fs::create_dir_all(&folder).expect("a directory");
    let find = || debugfile::find(&elf, Path::new("/usr/bin/a"), &root, &Limits::default());
    let link = folder.join("0123456789.debug");
    std::os::unix::fs::symlink(shop.path("a.debug"), &link).expect("a link");
    assert!(fs::metadata(&link).is_ok() && find().is_none(), "a link that leads out");
    fs::remove_file(&link).expect("removed");
    std::os::unix::fs::symlink("../../../../../../../../../../a.debug", &link).expect("a link");
    assert!(find().is_none());
    fs::copy(shop.path("a.debug"), root.join("a.debug")).expect("copied");
    assert!(find().is_some(), "a link that leads nowhere but within");
    fs::remove_file(&link).expect("removed");
    shop.command("mkfifo", [&link]);
    assert!(find().is_none(), "a pipe");
}

#[test]
fn a_shared_supplement_is_found_by_its_build_id() {
    let test = "a_shared_supplement_is_found_by_its_build_id";
    let Some(shop) = Workshop::new(test, TOOLS) else { return };
    build(&shop, "-Wl,--build-id=0xab0123456789");
    shop.write("link", b"../../usr/shared/s.debug\0\xab\x01\x23\x45\x67\x89");
    shop.run("objcopy --add-section .gnu_debugaltlink=link a.debug b.debug");
    let elf = shop.open("b.debug");
    let path = Path::new("/usr/bin/b.debug");
    let find = || debugfile::supplement(&elf, path, &shop.folder, &Limits::default());
    assert!(find().is_none());
    for place in ["usr/shared/s.debug", "usr/lib/debug/.build-id/ab/0123456789.debug"] {
        shop.write(place, fs::read(shop.path("a.debug")).expect("read"));
        let found = find().unwrap_or_else(|| panic!("nothing at {place}"));
        assert_eq!(found.elf.build_id(), elf.build_id());
        fs::remove_file(shop.path(place)).expect("removed");
    }
    build(&shop, "-Wl,--build-id=0xcd0123456789");
    shop.write("usr/shared/s.debug", fs::read(shop.path("a.debug")).expect("read"));
    assert!(find().is_none(), "another build");
}

#[test]
fn compressed_symbols_in_the_binary_are_found() {
    let name = "compressed_symbols_in_the_binary_are_found";
    let Some(shop) = Workshop::new(name, &["gcc", "nm", "objcopy", "xz"]) else { return };
    build(&shop, "");
    shop.run("objcopy -S --keep-symbol=inner --keep-symbol=outer --keep-symbol=main a.debug small");
    let listed = nm(&shop, "", "small");
    assert_eq!(listed.len(), 3);
    for check in ["crc32", "crc64", "none"] {
        shop.run(&format!("xz --keep --force --check={check} small"));
        shop.run("objcopy --add-section .gnu_debugdata=small.xz usr/bin/a packed");
        let names = Names::build(&shop.open("packed"), None, &NamesLimits::default());
        assert!(names.is_complete(), "{check}");
        agree(&names, &listed);
    }
    let limits = NamesLimits { unpacked: 1000, ..NamesLimits::default() };
    assert!(!Names::build(&shop.open("packed"), None, &limits).is_complete());
}

/// A few kilobytes that unpack to gigabytes are not unpacked.
#[test]
fn a_bomb_is_not_unpacked() {
    let Some(shop) = Workshop::new("a_bomb_is_not_unpacked", &["gcc", "nm", "objcopy", "xz"])
    else {
        return;
    };
    build(&shop, "");
    let zeros = fs::File::create(shop.path("zeros")).expect("a file");
    zeros.set_len(256 << 20).expect("a sparse file");
    shop.run("xz -0 zeros");
    shop.run("objcopy --add-section .gnu_debugdata=zeros.xz usr/bin/a packed");
    let elf = shop.open("packed");
    let started = std::time::Instant::now();
    assert!(!Names::build(&elf, None, &NamesLimits::default()).is_complete());
    let took = started.elapsed();
    assert!(took.as_secs() < 3, "{took:?}");
}
