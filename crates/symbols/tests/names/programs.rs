//! Programs that the tests build with this machine's compilers.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use symbols::elf::Elf;
use testkit::watch::not_run;

/// A directory for what one test builds.
pub(crate) struct Workshop {
    pub(crate) folder: PathBuf,
}

impl Workshop {
    /// An empty directory of the test `name`, if this machine has all of `tools`; else a note.
    pub(crate) fn new(name: &str, tools: &[&str]) -> Option<Workshop> {
        for tool in tools {
            if Command::new(tool).arg("--version").output().is_err() {
                not_run(name, &format!("no {tool}"));
                return None;
            }
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("names").join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a directory");
        Some(Workshop { folder })
    }

    pub(crate) fn write(&self, file: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("written");
        path
    }

    /// Runs a command in the directory; gives what it wrote.
    pub(crate) fn run(&self, line: &str) -> String {
        let mut words = line.split_ascii_whitespace();
        let tool = words.next().expect("a command");
        self.command(tool, words)
    }

    pub(crate) fn command(
        &self,
        tool: &str,
        words: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> String {
        let mut command = Command::new(tool);
        command.current_dir(&self.folder).args(words);
        let output = command.output().expect(tool);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    pub(crate) fn open(&self, file: &str) -> Elf {
        open(&self.path(file))
    }
}

pub(crate) fn open(path: &Path) -> Elf {
    Elf::open(File::open(path).expect("a file")).expect("an ELF file")
}

/// A function as `nm -S` lists it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) start: u64,
    pub(crate) size: u64,
    pub(crate) name: String,
}

/// The functions with a size that `nm` lists of a file, with these options.
pub(crate) fn nm(shop: &Workshop, options: &str, file: &str) -> Vec<Listed> {
    let text = shop.run(&format!("nm -S --defined-only {options} {file}"));
    let listed = text.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [start, size, kind, name] = words[..] else { return None };
        let hexadecimal = |word| u64::from_str_radix(word, 16).ok();
        let name = name.split('@').next().unwrap_or(name).to_owned();
        let listed = Listed { start: hexadecimal(start)?, size: hexadecimal(size)?, name };
        ["t", "T", "w", "W", "i"].contains(&kind).then_some(listed)
    });
    listed.collect()
}
