//! `test`: every test that this machine can run, then the kernel matrix, then the truth about both.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process;

use crate::cli::Command;
use crate::command_line::{Flag, Words};
use crate::failure::{Context, Failure, Result};
use crate::json::Json;
use crate::place;
use crate::run::{self, say};
use crate::servers::{self, Servers};
use crate::setup::{self, Scope};
use crate::tally::{End, NotRun, Reader, Tally};
use crate::{k8s, python, tidy, vm};

pub(crate) const COMMAND: Command = Command {
    name: "test",
    usage: "[--no-vm] [--k8s] [FILTER]",
    about: "Sets up, builds, and runs every test that this machine can run, then the kernel matrix",
    more: "FILTER selects tests whose names contain it. What could not run is listed by name with the\n\
           reason and never counted as passed; what fails is run once more by itself, and named as flaky\n\
           if it passes then; with FATHOM_REQUIRE_VM=1 a kernel of the matrix that\n\
           cannot be booted is a failure. Tests with a real Kubernetes API server run where it has been\n\
           built before; --k8s builds it (minutes, once). The last line is `N passed, N failed[, N skipped]`.",
    flags: &[
        Flag { name: "--no-vm", value: "", doc: "leave out the kernel matrix" },
        Flag { name: "--k8s", value: "", doc: "build the Kubernetes API server that tests use" },
    ],
    examples: &[
        ("test", "everything"),
        ("test --no-vm cgroup", "tests about cgroups, on this machine's kernel only"),
    ],
    run,
};

fn run(words: &Words) -> Result<()> {
    let filter = words.at_most_one_name("FILTER")?;
    let mut tally = Tally::default();
    if filter.is_none() {
        house(&mut tally)?;
    }
    setup::ensure(Scope::default())?;
    say("building every crate and test");
    run::through(place::cargo().args(["build", "--workspace", "--locked", "--bins"]))?;
    let programs = build()?;
    let k8s = if words.has("--k8s") { kubernetes(&mut tally) } else { k8s::kept() };
    // Tests that cannot have it say so by name.
    let sets = [&python::READERS, &python::CLIENTS, &python::MORE_CLIENTS];
    let python =
        sets.map(|set| python::ensure(set).map_err(|failure| say(failure.to_string())).ok());
    let python = python.into_iter().flatten().next();
    let servers = servers::ensure().map_err(|failure| say(failure.to_string())).ok();
    say("running the tests on this machine");
    let parts = Parts { k8s, python, servers };
    tally.add(host(&programs, &parts, filter)?);
    let no_vm = words.has("--no-vm").then(|| "--no-vm was given".to_string());
    tally.add(matrix(filter, no_vm)?);
    tally.print();
    println!("\n{}", tally.line());
    if tally.failed.is_empty() { Ok(()) } else { Err(Failure::new("not every test passed")) }
}

/// The rules of the house count as one test.
fn house(tally: &mut Tally) -> Result<()> {
    match tidy::findings()?.len() {
        0 => tally.passed += 1,
        count => tally.failed.push(format!("tidy: {count} findings")),
    }
    Ok(())
}

/// What was asked for and cannot be had is a failure; all other tests run in spite of it.
fn kubernetes(tally: &mut Tally) -> Option<k8s::Parts> {
    let parts = k8s::ensure();
    parts.map_err(|failure| tally.failed.push(format!("k8s: {failure}"))).ok()
}

/// What tests are given besides themselves, as far as it could be had.
struct Parts {
    k8s: Option<k8s::Parts>,
    python: Option<PathBuf>,
    servers: Option<Servers>,
}

/// A test program.
struct Program {
    name: String,
    /// Its package's, in which it is run.
    folder: PathBuf,
}

/// Builds the test programs; hands them back by their paths.
fn build() -> Result<BTreeMap<PathBuf, Program>> {
    let mut programs = BTreeMap::new();
    let mut cargo = place::cargo();
    cargo.args([
        "test",
        "--no-run",
        "--workspace",
        "--locked",
        "--message-format=json-render-diagnostics",
    ]);
    let status = run::lines(&mut cargo, |line| {
        if let Ok(message) = Json::parse(line)
            && !message.get("executable").text().is_empty()
        {
            let package = PathBuf::from(message.get("manifest_path").text());
            let folder = package.parent().unwrap_or(Path::new("")).to_path_buf();
            let package = folder.file_name().unwrap_or_default().to_string_lossy();
            let target = message.get("target").get("name").text();
            let kind = message
                .get("target")
                .get("kind")
                .list()
                .first()
                .map(Json::text)
                .unwrap_or_default();
            let name =
                if kind == "test" { format!("{package}::{target}") } else { package.into_owned() };
            programs.insert(message.get("executable").text().into(), Program { name, folder });
        }
    })?;
    if status.success() { Ok(programs) } else { Err(Failure::new("the tests do not build")) }
}

fn host(
    programs: &BTreeMap<PathBuf, Program>,
    parts: &Parts,
    filter: Option<&str>,
) -> Result<Tally> {
    let log = place::target().join("not-run.log");
    fs::write(&log, "").context(|| log.display().to_string())?;
    // Both streams into one pipe: cargo names the program on one, the program prints on the other.
    let (reader, writer) = std::io::pipe().context(|| "making a pipe".into())?;
    let mut cargo = place::cargo();
    cargo.args(["test", "--workspace", "--locked", "--no-fail-fast"]).args(filter);
    cargo.env("FATHOM_NOT_RUN_LOG", &log);
    parts.tell(&mut cargo)?;
    cargo.stdin(process::Stdio::null());
    cargo.stdout(writer.try_clone().context(|| "sharing a pipe".into())?).stderr(writer);
    let mut child = cargo.spawn().context(|| "starting cargo test".into())?;
    // The command holds the writing ends, and the reading below ends when they are all closed.
    drop(cargo);
    let mut sections = Sections::new(programs);
    for line in BufReader::new(reader).split(b'\n').map_while(std::io::Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if !sections.read(&line) {
            println!("{line}");
        }
    }
    let status = child.wait().context(|| "waiting for cargo test".into())?;
    let said = fs::read_to_string(&log).unwrap_or_default();
    let mut tally = sections.finish(said.lines().filter_map(NotRun::read).collect());
    tally.again(|name| passes(name, programs, parts).unwrap_or(false));
    if !status.success() && tally.failed.is_empty() && tally.flaky.is_empty() {
        tally.failed.push(format!("cargo test: {status}, though no test failed"));
    }
    Ok(tally)
}

impl Parts {
    /// Tells tests where all of it is.
    fn tell(&self, tests: &mut process::Command) -> Result<()> {
        tests.env("FATHOM_BIN", place::built("fathom"));
        tests.env("FATHOM_TESTKIT", place::built("testkit"));
        if let Some(parts) = &self.k8s {
            parts.tell(tests);
        }
        if let Some(python) = &self.python {
            tests.env(python::VARIABLE, python);
            let go = python.with_file_name("go");
            if run::find("go").is_none() && go.is_file() {
                tests.env("FATHOM_GO", go);
            }
        }
        if let Some(servers) = &self.servers {
            tests.env("PATH", servers.path()?);
        }
        Ok(())
    }
}

/// Runs a test by itself; whether it passed.
fn passes(name: &str, programs: &BTreeMap<PathBuf, Program>, parts: &Parts) -> Result<bool> {
    let found = name.rsplit_once(' ').and_then(|(program, test)| {
        Some((programs.iter().find(|(_, it)| it.name == program)?, test))
    });
    // Tests in comments have no program.
    let Some(((path, program), test)) = found else { return Ok(false) };
    say(format!("once more: {name}"));
    let mut command = process::Command::new(path);
    command.args(["--exact", test]).current_dir(&program.folder);
    parts.tell(&mut command)?;
    let mut reader = Reader::default();
    run::lines(&mut command, |line| {
        reader.read(line);
        println!("{line}");
    })?;
    Ok(reader.finish() == [(test.to_string(), End::Passed)])
}

/// Runs a test by itself on the kernel on which it failed; whether it passed.
fn passes_in_guest(name: &str) -> Result<bool> {
    let words: Vec<&str> = name.split(' ').collect();
    let [kernel, _, test] = words[..] else { return Ok(false) };
    if !vm::Options::default().kernels.iter().any(|it| it == kernel) {
        return Ok(false);
    }
    say(format!("once more: {name}"));
    let (kernels, filter) = (vec![kernel.to_string()], Some(test.to_string()));
    let tally = vm::tests(&vm::Options { kernels, filter, ..vm::Options::default() })?;
    Ok(tally.passed > 0 && tally.failed.is_empty())
}

/// The matrix. What keeps it from running at all is a reason, not an end.
fn matrix(filter: Option<&str>, mut reason: Option<String>) -> Result<Tally> {
    let required = env::var_os("FATHOM_REQUIRE_VM").is_some_and(|value| value == "1");
    if reason.is_none() && (setup::has_apt() || required) {
        reason = setup::ensure(Scope { vm: true, ..Scope::default() })
            .err()
            .map(|failure| failure.to_string());
    } else if reason.is_none() {
        reason = Some("the kernels come from Debian's packages, and there is no apt here".into());
    }
    let mut tally = Tally::default();
    match reason {
        Some(reason) => tally.skip("vm", reason),
        None => {
            say("running the kernel tests on every kernel of the matrix");
            let options =
                vm::Options { filter: filter.map(str::to_string), ..vm::Options::default() };
            tally.add(vm::tests(&options)?);
            tally.again(|name| passes_in_guest(name).unwrap_or(false));
        }
    }
    if required {
        let (kernels, others) =
            tally.skipped.into_iter().partition(|skipped| skipped.name.starts_with("vm"));
        tally.skipped = others;
        let kernels: Vec<NotRun> = kernels;
        tally
            .failed
            .extend(kernels.into_iter().map(|NotRun { name, reason }| format!("{name}: {reason}")));
    }
    Ok(tally)
}

/// What `cargo test` prints, cut at the programs that it runs.
struct Sections<'a> {
    programs: &'a BTreeMap<PathBuf, Program>,
    done: Vec<(String, Vec<(String, End)>)>,
    name: String,
    reader: Reader,
}

impl<'a> Sections<'a> {
    fn new(programs: &'a BTreeMap<PathBuf, Program>) -> Self {
        Self { programs, done: Vec::new(), name: String::new(), reader: Reader::default() }
    }

    /// Takes in a line; whether it can be left out of what the user sees.
    fn read(&mut self, line: &str) -> bool {
        let text = line.trim_start();
        if let Some(path) = text.strip_prefix("Running ").and_then(|rest| rest.split_once(" (")) {
            let path = place::root().join(path.1.trim_end_matches(')'));
            let program = self.programs.get(&path).map(|it| it.name.clone());
            self.begin(program.unwrap_or_else(|| path.display().to_string()));
        } else if let Some(name) = text.strip_prefix("Doc-tests ") {
            self.begin(format!("{name}::doc"));
        }
        // One line a program says enough; hundreds of `ok` would hide what is not.
        let told = self.reader.read(line);
        (told && line.ends_with(" ok"))
            || line.trim().is_empty()
            || (line.starts_with("running ") && line.contains(" test"))
    }

    fn begin(&mut self, name: String) {
        let reader = std::mem::take(&mut self.reader);
        let name = std::mem::replace(&mut self.name, name);
        self.done.push((name, reader.finish()));
        let _ = std::io::stdout().flush();
    }

    fn finish(mut self, mut not_run: Vec<NotRun>) -> Tally {
        self.begin(String::new());
        let mut tally = Tally::default();
        for (program, ends) in &self.done {
            tally.take(program, ends, &mut not_run);
        }
        // What fits no test is still something that did not run.
        tally.skipped.extend(not_run);
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_apart_by_program() {
        let path = place::root().join("target/debug/deps/kernel-1f");
        let program = Program { name: "file::kernel".into(), folder: PathBuf::new() };
        let programs = BTreeMap::from([(path.clone(), program)]);
        let mut sections = Sections::new(&programs);
        let text = format!(
            "     Running tests/kernel.rs ({})\n\nrunning 2 tests\ntest open ... ok\ntest rename ... FAILED\n\
             \n   Doc-tests wire\n\nrunning 1 test\ntest src/lib.rs - x (line 1) ... ok\n",
            path.display()
        );
        let shown: Vec<&str> = text.lines().filter(|line| !sections.read(line)).collect();
        assert_eq!(shown.len(), 3, "{shown:?}");
        let tally =
            sections.finish(vec![NotRun { name: "open".into(), reason: "needs root".into() }]);
        assert_eq!(tally.failed, ["file::kernel rename"]);
        assert_eq!(tally.skipped[0].name, "file::kernel open");
        assert_eq!(tally.line(), "1 passed, 1 failed, 1 skipped");
    }
}
