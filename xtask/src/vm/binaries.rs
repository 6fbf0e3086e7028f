//! Builds what runs in the guest: the kernel tests of every crate, and our own programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Context, Failure, Result};
use crate::json::Json;
use crate::place;
use crate::run;

/// Folders whose members may have kernel tests.
const FOLDERS: [&str; 3] = ["signals", "controls", "crates"];

/// One program of kernel tests.
pub(super) struct KernelTests {
    /// The crate's name, and of `kernel_WHAT` also what: `CRATE-WHAT`.
    pub(super) name: String,
    pub(super) executable: PathBuf,
}

/// What the crates with kernel tests ask of the guest, each in a file `tests/vm.needs`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Needs {
    pub(super) modules: Vec<String>,
    pub(super) packages: Vec<String>,
}

/// Builds the kernel tests of the workspace.
pub(super) fn kernel_tests() -> Result<Vec<KernelTests>> {
    if crates_with_tests().is_empty() {
        return Ok(Vec::new());
    }
    let mut cargo = place::cargo();
    cargo.args(["test", "--no-run", "--locked", "--workspace", "--test", "kernel*"]);
    let mut tests = Vec::new();
    let mut wrong = None;
    let status = run::lines(cargo.arg("--message-format=json-render-diagnostics"), |line| {
        match artifact(line) {
            Ok(found) => tests.extend(found),
            Err(failure) => wrong = Some(failure),
        }
    })?;
    match wrong {
        _ if !status.success() => Err(Failure::new("the kernel tests do not build")),
        Some(failure) => Err(failure),
        None => {
            tests.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(tests)
        }
    }
}

/// Builds our own programs, as far as there are any yet, and hands back where they are.
pub(super) fn programs() -> Result<Vec<PathBuf>> {
    let has = |name: &&str| place::root().join("crates").join(name).join("Cargo.toml").is_file();
    let names: Vec<&str> = ["fathom", "testkit"].into_iter().filter(has).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    // The whole workspace as `test` builds it: for these alone cargo would join other features,
    // and build half of what they stand on a second time.
    run::through(place::cargo().args(["build", "--workspace", "--locked", "--bins"]))?;
    Ok(names.into_iter().map(place::built).filter(|program| program.is_file()).collect())
}

/// What all kernel tests together need in the guest.
pub(super) fn needs() -> Result<Needs> {
    let mut needs = Needs::default();
    for folder in crates_with_tests() {
        let file = folder.join("tests/vm.needs");
        if let Ok(text) = fs::read_to_string(&file) {
            needs.read(&text).context(|| file.display().to_string())?;
        }
    }
    Ok(needs)
}

/// The libraries that a program loads, as this machine finds them.
pub(crate) fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    // A program that needs none makes ldd fail, and that is no failure.
    let output = Command::new("ldd").arg(program).output().context(|| "starting ldd".into())?;
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(line) = text.lines().find(|line| line.contains("not found")) {
        return Err(Failure::new(format!("{}: {}", program.display(), line.trim())));
    }
    Ok(text.lines().filter_map(library).collect())
}

impl Needs {
    fn read(&mut self, text: &str) -> Result<()> {
        for (number, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            match line.split_whitespace().collect::<Vec<_>>()[..] {
                [] => {}
                ["module", name] => self.modules.push(name.into()),
                ["package", name] => self.packages.push(name.into()),
                _ => {
                    let text = format!(
                        "line {}: `module NAME` or `package NAME`, not `{}`",
                        number + 1,
                        line.trim()
                    );
                    return Err(Failure::new(text));
                }
            }
        }
        Ok(())
    }
}

fn crates_with_tests() -> Vec<PathBuf> {
    let members = FOLDERS.iter().filter_map(|folder| fs::read_dir(place::root().join(folder)).ok());
    let folders = members.flatten().flatten().map(|entry| entry.path());
    folders.filter(|folder| folder.join("tests/kernel.rs").is_file()).collect()
}

/// The kernel tests that this line of cargo's tells of.
fn artifact(line: &str) -> Result<Option<KernelTests>> {
    if !line.starts_with('{') {
        return Ok(None);
    }
    let message = Json::parse(line)?;
    let executable = message.get("executable").text();
    let target = message.get("target");
    let is_test = target.get("kind").list().iter().any(|kind| kind.text() == "test");
    let part = target.get("name").text().strip_prefix("kernel");
    let Some(part) = part.filter(|_| is_test && !executable.is_empty()) else { return Ok(None) };
    let folder = Path::new(message.get("manifest_path").text()).parent();
    let name = folder.and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let name = format!("{name}{}", part.replace('_', "-"));
    Ok(Some(KernelTests { name, executable: executable.into() }))
}

/// `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` or `/lib64/ld-linux-x86-64.so.2 (0x…)`
fn library(line: &str) -> Option<PathBuf> {
    let line = line.trim();
    let path = line.split_once(" => ").map_or(line, |(_, path)| path);
    let path = path.rsplit_once(" (").map_or(path, |(path, _)| path);
    path.starts_with('/').then(|| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_off_ldd() {
        let path = |line| library(line).map(|path| path.display().to_string());
        assert_eq!(
            path("\tlibc.so.6 => /lib/libc.so.6 (0x00007f)").as_deref(),
            Some("/lib/libc.so.6")
        );
        assert_eq!(
            path("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)").as_deref(),
            Some("/lib64/ld-linux-x86-64.so.2")
        );
        assert_eq!(path("\tlinux-vdso.so.1 (0x00007ffd)"), None);
        assert_eq!(path("\tstatically linked"), None);
    }

    #[test]
    fn needs_are_words_and_a_wrong_one_is_named() {
        let mut needs = Needs::default();
        needs.read("# for namespaces\nmodule veth\n\npackage iproute2 # ip\n").unwrap();
        assert_eq!(
            needs,
            Needs { modules: vec!["veth".into()], packages: vec!["iproute2".into()] }
        );
        let failure = needs.read("module veth\nmodul x\n").unwrap_err();
        assert_eq!(failure.to_string(), "line 2: `module NAME` or `package NAME`, not `modul x`");
    }

    #[test]
    fn the_executable_of_a_kernel_test_is_found() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/w/signals/file/Cargo.toml","target":{"kind":["test"],"name":"kernel"},"executable":"/t/kernel-1"}"#;
        let found = artifact(line).unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.executable), ("file", PathBuf::from("/t/kernel-1")));
        let named = |name| artifact(&line.replace("\"kernel\"", name)).unwrap();
        assert!(named("\"decode\"").is_none());
        assert_eq!(named("\"kernel_containers\"").unwrap().name, "file-containers");
        assert!(artifact("   Compiling x").unwrap().is_none());
    }
}
