//! What is profiled: loads of our own, each one command.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use testkit::profile::programs;

use crate::place;
use crate::work::{self, Work};

/// A command that ends by itself.
#[derive(Debug, Clone)]
pub(crate) struct Load(Vec<OsString>);

/// Programs that are copied to be strangers: large ones and small ones.
const COPIED: &[&str] = &["/bin/bash", "/usr/bin/python3", "/usr/bin/perl", "/usr/bin/gawk"];
/// What makes each of them work for a moment.
const SHELL: &str = "i=0; while [ $i -lt 60000 ]; do i=$((i+1)); done";
const PYTHON: &str = "x = 0\nfor i in range(2000000): x += i";
const PERL: &str = "for ($i = 0; $i < 3000000; $i++) { $x += $i }";
const AWK: &str = "BEGIN { for (i = 0; i < 2000000; i++) x += i }";

impl Load {
    /// The words of it.
    pub(crate) fn words(&self) -> &[OsString] {
        &self.0
    }

    /// An errand of this program.
    fn errand(words: &[&str]) -> Result<Load> {
        let own = [place::own()?.into(), "errand".into()];
        Ok(Load(own.into_iter().chain(words.iter().map(OsString::from)).collect()))
    }

    fn and(mut self, words: impl IntoIterator<Item = OsString>) -> Load {
        self.0.extend(words);
        self
    }
}

/// A build on all CPUs, again and again for so many seconds.
pub(crate) fn build(home: &Path, seconds: u32) -> Result<Load> {
    let folder = home.join("sources");
    fs::create_dir(&folder)?;
    work::write_sources(&folder, 12)?;
    let words = ["again", "--seconds", &seconds.to_string(), "--"];
    Ok(Load::errand(&words)?.and(Work::Build { folder }.words()?))
}

/// A build, and beside it programs with names and deep stacks of their own.
pub(crate) fn mixed(home: &Path, seconds: u32) -> Result<Load> {
    let folder = home.join("sources");
    fs::create_dir(&folder)?;
    work::write_sources(&folder, 12)?;
    let words = ["again", "--seconds", &seconds.to_string(), "--beside", "--"];
    let mut load = Load::errand(&words)?.and(Work::Build { folder }.words()?);
    for name in ["c-plain", "c-static-pie", "rust-unwind", "threads", "plt", "aligned"] {
        let program = programs::find(name).context("no such program")?;
        // Without its compiler there is one program less.
        if let Ok(built) = program.build() {
            load.0.extend([",".into(), built.file.into(), "1".into()]);
        }
    }
    Ok(load)
}

/// So many programs, none of which has the build-id of another, run once each on all CPUs.
pub(crate) fn strangers(home: &Path, count: usize) -> Result<Load> {
    let images: Vec<(&str, Vec<u8>)> =
        COPIED.iter().filter_map(|path| Some((*path, fs::read(path).ok()?))).collect();
    anyhow::ensure!(!images.is_empty(), "none of {} is here", COPIED.join(", "));
    let mut load = Load::errand(&["all", "--"])?;
    for number in 0..count {
        let (path, image) = &images[number % images.len()];
        let name = path.rsplit('/').next().unwrap_or(path);
        let file = home.join(format!("{name}-{number}"));
        // A copy keeps its permissions, then it becomes another file by its build-id.
        fs::copy(path, &file).with_context(|| format!("copying {path}"))?;
        let mut image = image.clone();
        rename_build(&mut image, number as u32 + 1);
        fs::write(&file, image)?;
        let words: &[&str] = match name {
            "python3" => &["-c", PYTHON],
            "perl" => &["-e", PERL],
            "gawk" => &[AWK],
            _ => &["-c", SHELL],
        };
        if number > 0 {
            load.0.push(",".into());
        }
        load.0.push(file.into());
        load.0.extend(words.iter().map(OsString::from));
    }
    Ok(load)
}

/// Threads that wake each other through pipes, so often in a second.
pub(crate) fn switches(rate: u32, seconds: u32) -> Result<Load> {
    let (rate, seconds) = (rate.to_string(), seconds.to_string());
    Load::errand(&["switch", "--rate", &rate, "--seconds", &seconds])
}

/// How often a second threads were switched, as that load says: `switch … rate=N`.
pub(crate) fn rate(out: &str) -> Option<f64> {
    out.lines().find_map(|line| line.split_once("rate=")?.1.trim().parse().ok())
}

/// Writes a number into the file's build-id, behind the head of its note: a name of four bytes,
/// 20 bytes of id, type 3, `GNU`.
fn rename_build(image: &mut [u8], number: u32) {
    const HEAD: &[u8] = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0";
    let found = image.windows(HEAD.len()).position(|window| window == HEAD);
    if let Some(id) = found.and_then(|at| image.get_mut(at + HEAD.len()..at + HEAD.len() + 4)) {
        id.copy_from_slice(&number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_another_build() {
        let mut image =
            b"\x7fELF....\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0aaaabbbbccccddddeeee".to_vec();
        rename_build(&mut image, 7);
        assert!(image.ends_with(b"GNU\0\x07\0\0\0bbbbccccddddeeee"));
        rename_build(&mut image[..30], 8);
        rename_build(&mut [], 8);
    }

    #[test]
    fn the_rate_is_read() {
        assert_eq!(rate("READY\nswitch seconds=3.0 rate=99000\n"), Some(99_000.0));
        assert_eq!(rate("nothing"), None);
    }
}
