//! The binaries that the tests use, as far as this machine has them.

use std::fs::File;
use std::path::{Path, PathBuf};

use symbols::elf::Elf;

/// Small and large, C, C++, Rust and assembler.
pub(crate) fn all(test: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = [
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
        "/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
        "/usr/bin/python3.11",
        "/usr/bin/node",
        "/usr/lib/x86_64-linux-gnu/libLLVM.so.19.1",
        "/proc/self/exe",
    ]
    .map(PathBuf::from)
    .to_vec();
    paths.extend(rust_libraries());
    paths.retain(|path| {
        let there = path.exists();
        if !there {
            println!("not run: {test}: no {}", path.display());
        }
        there
    });
    paths
}

/// The compiler's own libraries: the largest that there are.
fn rust_libraries() -> Vec<PathBuf> {
    let sysroot = std::process::Command::new("rustc").args(["--print", "sysroot"]).output();
    let Ok(sysroot) = sysroot else { return Vec::new() };
    let sysroot = String::from_utf8_lossy(&sysroot.stdout).trim().to_owned();
    let Ok(entries) = std::fs::read_dir(Path::new(&sysroot).join("lib")) else { return Vec::new() };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // There is also a linker script among them.
            path.metadata().is_ok_and(|meta| meta.len() > 1 << 20)
                && (name.starts_with("librustc_driver") || name.starts_with("libLLVM"))
        })
        .collect();
    paths.sort();
    paths
}

pub(crate) fn open(path: &Path) -> Elf {
    Elf::open(File::open(path).expect("a file")).expect("an ELF file")
}

/// The library that the kernel maps into each process, and its address in this one.
pub(crate) fn vdso() -> (Elf, u64) {
    use std::os::unix::fs::FileExt;
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let line = maps.lines().find(|line| line.ends_with("[vdso]")).expect("a vDSO");
    let range = line.split_once(' ').expect("a line").0;
    let (start, end) = range.split_once('-').expect("a range");
    let parse = |number| u64::from_str_radix(number, 16).expect("a number");
    let (start, end) = (parse(start), parse(end));
    let mut bytes = vec![0; (end - start) as usize];
    File::open("/proc/self/mem").expect("mem").read_exact_at(&mut bytes, start).expect("read");
    (Elf::from_bytes(bytes).expect("an ELF file"), start)
}
