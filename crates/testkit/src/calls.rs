//! A program that makes just the system calls that it is told, and nothing else: no C library makes
//! others, or makes one of them in every thread.
//!
//! A word of its command line is a call: its number and its arguments. An argument is a number, `rN`
//! (the result of word N), `@N+M` (the address of byte M in buffer N), `*N+M` (the 32-bit number
//! there) or `'text'`. `=@N+M V` and `#@N+M V` write a number of 32 or 64 bits. With `?N` in front a
//! word is done only where word N gave 0, as a fork does in the child; with `!N` only elsewhere; with
//! `%` it is a 32-bit call. At the end it prints what each word gave, one on a line.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/calls"));

/// What the program is called, and so the `comm` of its rows.
pub const NAME: &str = "calls";

/// Writes the program into `folder`, which is made anew; gives its path.
pub fn write(folder: &Path) -> io::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let path = folder.join(NAME);
    let mut file = File::options().create_new(true).write(true).mode(0o755).open(&path)?;
    file.write_all(PROGRAM)?;
    Ok(path)
}
