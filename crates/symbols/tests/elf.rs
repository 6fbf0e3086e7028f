//! What is read of real ELF files.

use std::fs::File;

use symbols::elf::{Elf, ElfError};

#[test]
fn this_test_is_a_program() {
    let elf = open("/proc/self/exe");
    assert!(elf.is_position_independent());
    assert!(elf.interpreter().expect("an interpreter").contains("ld-linux"));
    let code = elf.segments().iter().find(|segment| segment.executable).expect("code");
    assert_eq!(elf.svma_of_offset(code.offset), Some(code.svma));
    assert_eq!(elf.svma_of_offset(code.offset & !0xfff), Some(code.svma - code.offset % 0x1000));
    assert_eq!(elf.offset_of_svma(code.svma + 1), Some(code.offset + 1));
    assert!(elf.svma_of_offset(elf.entry()).is_some());
    let (svma, size) = elf.section_range(".eh_frame").expect("frames");
    let section = elf.section(".eh_frame").expect("frames");
    assert_eq!((section.svma, section.data.len() as u64), (svma, size));
    assert_eq!(elf.read_svma(svma, 16).expect("there"), section.data[..16]);
    assert!(elf.section(".bss").is_none() && elf.section_range(".bss").is_some());
    assert!(elf.section(".none").is_none());
}

/// What is found without section headers is what the section headers say.
#[test]
fn sections_are_found_without_their_headers() {
    let path = "/lib/x86_64-linux-gnu/libc.so.6";
    let Ok(mut bytes) = std::fs::read(path) else {
        return println!("not run: sections_are_found_without_their_headers: no {path}");
    };
    let whole = open(path);
    bytes[40..48].fill(0);
    let bare = Elf::from_bytes(bytes).expect("an ELF file");
    assert_eq!(bare.build_id(), whole.build_id());
    assert!(bare.build_id().is_some());
    for name in [".dynsym", ".dynstr", ".eh_frame_hdr", ".dynamic"] {
        assert_eq!(bare.section(name), whole.section(name), "{name}");
    }
    let (bare, whole) = (bare.section(".eh_frame"), whole.section(".eh_frame"));
    let (bare, whole) = (bare.expect("frames"), whole.expect("frames"));
    assert_eq!(bare.svma, whole.svma);
    assert!(bare.data.starts_with(&whole.data));
}

#[test]
fn what_is_no_elf_file_is_said() {
    assert!(matches!(Elf::from_bytes(Vec::new()), Err(ElfError::NotElf)));
    assert!(matches!(Elf::from_bytes(vec![0; 1 << 20]), Err(ElfError::NotElf)));
    let directory = File::open("/tmp").expect("a directory");
    assert!(matches!(Elf::open(directory), Err(ElfError::NotAFile)));
    let mut bytes = std::fs::read("/proc/self/exe").expect("read");
    bytes.truncate(100);
    assert!(matches!(Elf::from_bytes(bytes.clone()), Err(ElfError::Truncated { .. })));
    bytes[4] = 1;
    assert!(matches!(Elf::from_bytes(bytes), Err(ElfError::Unsupported(_))));
}

/// A section header that says 2^63 bytes asks for no memory.
#[test]
fn sizes_that_lie_are_not_believed() {
    let mut bytes = std::fs::read("/proc/self/exe").expect("read");
    let at = u64::from_le_bytes(bytes[40..48].try_into().expect("8")) as usize;
    let count = u16::from_le_bytes([bytes[60], bytes[61]]) as usize;
    let names = u16::from_le_bytes([bytes[62], bytes[63]]) as usize;
    for index in (0..count).filter(|&index| index != names) {
        let size_at = at + index * 64 + 32;
        bytes[size_at..size_at + 8].copy_from_slice(&(1u64 << 63).to_le_bytes());
    }
    let elf = Elf::from_bytes(bytes).expect("an ELF file");
    let error = elf.section_within(".eh_frame", u64::MAX).expect_err("too large");
    assert!(matches!(error, ElfError::TooLarge { .. }), "{error}");
    assert_eq!(elf.section_range(".eh_frame").map(|(_, size)| size), Some(1 << 63));
}

/// Compressed sections hold what uncompressed ones do, whatever the way.
#[test]
fn compressed_sections_are_read() {
    let test = "compressed_sections_are_read";
    let directory = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = directory.join("compressed.c");
    std::fs::write(&source, "int main(int argc, char **argv) { return argv[argc - 1][0]; }")
        .expect("written");
    let build = |how: &str| {
        let path = directory.join(format!("compressed-{how}"));
        let mut gcc = std::process::Command::new("gcc");
        gcc.args(["-g", &format!("-Wl,--compress-debug-sections={how}"), "-o"]);
        let built = gcc.arg(&path).arg(&source).status();
        let built = built.is_ok_and(|status| status.success());
        built.then(|| open(path.to_str().expect("a name")))
    };
    let Some(plain) = build("none") else { return println!("not run: {test}: gcc") };
    for how in ["zlib", "zlib-gnu", "zstd"] {
        let Some(compressed) = build(how) else {
            println!("not run: {test}: gcc has no {how}");
            continue;
        };
        assert!(compressed.size() != plain.size(), "{how}: nothing was compressed");
        for name in [".debug_info", ".debug_str", ".debug_line"] {
            assert_eq!(compressed.section(name), plain.section(name), "{how} {name}");
        }
        let error = compressed.section_within(".debug_str", 10).expect_err("too large");
        assert!(matches!(error, ElfError::TooLarge { .. }), "{error}");
    }
}

fn open(path: &str) -> Elf {
    Elf::open(File::open(path).expect("a file")).expect("an ELF file")
}
