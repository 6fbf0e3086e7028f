//! `vm`: boots real kernels under emulation and runs the kernel tests on each.
//!
//! Four kernels of Debian's, from the oldest that we carry to the newest there is. Each
//! boots from a file tree made here, in memory, without a disk and without KVM, in seconds.
//! It is the only place where the rungs that this machine's own kernel refuses can be tried.

mod binaries;
mod cpio;
mod fetch;
mod guest;
mod image;
mod init;
mod matrix;
mod modules;
mod packages;
mod qemu;
mod results;

use std::path::PathBuf;

use crate::cli::Command;
use crate::command_line::{Flag, Words};
use crate::failure::{Failure, Result};
use crate::setup::{self, Scope};
use crate::suggest;
use crate::tally::Tally;

pub(crate) const COMMAND: Command = Command {
    name: "vm",
    usage: "[FLAGS] [TEST] | --kernel NAME [FLAGS] -- CMD…",
    about: "Boots the kernel matrix in QEMU and runs the kernel tests, or one command, in it",
    more: "The kernels are 5.10, 6.1, 6.12 and sid: Debian's packages, fetched once, unpacked and not\n\
           installed. TEST selects tests whose names contain it. What the programs print is kept in\n\
           target/vm/KERNEL.log, the kernel's messages in KERNEL.messages.log, `fathom doctor` in\n\
           KERNEL.doctor.txt. A crate asks for modules and packages in its tests/vm.needs, with lines\n\
           `module NAME` and `package NAME`.",
    flags: &[
        Flag { name: "--kernel", value: "NAME[,NAME]", doc: "only these kernels" },
        Flag {
            name: "--modules",
            value: "NAME[,NAME]",
            doc: "load these kernel modules, and what they need",
        },
        Flag {
            name: "--packages",
            value: "NAME[,NAME]",
            doc: "unpack these Debian packages, and what they need",
        },
        Flag {
            name: "--with",
            value: "FILE[,FILE]",
            doc: "put these programs of this machine into /usr/bin",
        },
        Flag { name: "--timeout", value: "SECONDS", doc: "how long one kernel may take (2100)" },
        Flag { name: "--memory", value: "MB", doc: "the guest's memory (2048)" },
        Flag { name: "--cpus", value: "N", doc: "the guest's processors (2)" },
        Flag { name: "--jobs", value: "N", doc: "kernels that run at once (2)" },
        Flag { name: "--refresh", value: "", doc: "look for newer kernels now" },
    ],
    examples: &[
        ("vm", "every kernel test on every kernel"),
        ("vm --kernel 5.10 exec", "the tests about exec, on the oldest"),
        ("vm --kernel sid --modules overlay -- fathom doctor", "one command"),
        ("vm --kernel 6.1 --packages strace -- strace -c ls", "with a tool of Debian's"),
    ],
    run,
};

/// Everything that a run can be told.
pub(crate) struct Options {
    pub(crate) kernels: Vec<String>,
    pub(crate) modules: Vec<String>,
    pub(crate) packages: Vec<String>,
    pub(crate) with: Vec<PathBuf>,
    pub(crate) filter: Option<String>,
    pub(crate) seconds: u64,
    pub(crate) memory_mb: u64,
    pub(crate) cpus: u64,
    pub(crate) jobs: u64,
    pub(crate) refresh: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kernels: fetch::MATRIX.iter().map(|line| line.name.to_string()).collect(),
            modules: Vec::new(),
            packages: Vec::new(),
            with: Vec::new(),
            filter: None,
            seconds: 2100,
            memory_mb: 2048,
            cpus: 2,
            // A guest is one thread: two keep two cores busy.
            jobs: 2,
            refresh: false,
        }
    }
}

pub(crate) use binaries::libraries;

/// Runs the kernel tests on the kernels asked for and prints the matrix. A kernel that cannot
/// be had is listed as not run.
pub(crate) fn tests(options: &Options) -> Result<Tally> {
    matrix::tests(options)
}

/// Runs one command in one guest with what it prints passed through; hands back its exit code.
pub(crate) fn command(options: &Options, command: &[String]) -> Result<u8> {
    matrix::command(options, command)
}

fn run(words: &Words) -> Result<()> {
    let mut options = options(words)?;
    setup::ensure(Scope { vm: true, ..Scope::default() })?;
    if !words.command.is_empty() {
        if options.kernels.len() != 1 || !words.names.is_empty() {
            return Err(Failure::usage("a command runs on one kernel: --kernel NAME -- CMD…"));
        }
        return match command(&options, &words.command)? {
            0 => Ok(()),
            code => {
                Err(Failure::with_code(code, format!("the command ended with exit code {code}")))
            }
        };
    }
    options.filter = words.at_most_one_name("TEST")?.map(str::to_string);
    let tally = tests(&options)?;
    tally.print();
    println!("\n{}", tally.line());
    if tally.failed.is_empty() { Ok(()) } else { Err(Failure::new("not every kernel test passed")) }
}

fn options(words: &Words) -> Result<Options> {
    let mut options = Options::default();
    let asked = words.list("--kernel");
    for name in &asked {
        let known = || fetch::MATRIX.iter().map(|line| line.name);
        if !known().any(|line| line == name) {
            let (names, hint) =
                (known().collect::<Vec<_>>().join(", "), suggest::hint(name, known()));
            return Err(Failure::usage(format!(
                "there is no kernel \"{name}\" here, only {names}{hint}"
            )));
        }
    }
    if !asked.is_empty() {
        options.kernels = asked;
    }
    options.modules = words.list("--modules");
    options.packages = words.list("--packages");
    options.with = words.list("--with").into_iter().map(PathBuf::from).collect();
    options.seconds = words.number("--timeout", options.seconds)?;
    options.memory_mb = words.number("--memory", options.memory_mb)?;
    options.cpus = words.number("--cpus", options.cpus)?;
    options.jobs = words.number("--jobs", options.jobs)?.max(1);
    options.refresh = words.has("--refresh");
    Ok(options)
}
