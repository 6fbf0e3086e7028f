//! The programs: their sources, and how this machine's compilers build them.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::symbols::{self, Symbols};

/// A program, and how it is built.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its name, and its file's.
    pub name: &'static str,
    /// Commands, run where all sources are. A tool's name may be `a|b`: the first that is there.
    steps: &'static [&'static str],
    /// The file whose names its places have, where it has none of its own.
    twin: Option<&'static str>,
}

/// A program that was built.
#[derive(Debug)]
pub struct Built {
    /// Where it and what belongs to it is.
    pub directory: PathBuf,
    /// The program.
    pub file: PathBuf,
    /// The names of its places, where it was stripped of them.
    pub symbols: Symbols,
}

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("programs/", $name)))),*]
    };
}

/// The sources by their files' names.
const SOURCES: &[(&str, &str)] = sources![
    "Chain.java",
    "burn.h",
    "chain.c",
    "chain.cpp",
    "chain.go",
    "chain.js",
    "chain.py",
    "chain.rs",
    "https.go",
    "kernel.c",
    "load.c",
    "plt.c",
    "plugin.c",
    "signal.c",
    "spawn.c",
    "threads.c",
    "tiny.c",
    "waits.c",
];

/// The file with the names that a program was stripped of.
const SYMBOLS: &str = "symbols";

const CLANG: &str = "clang|clang-21|clang-20|clang-19|clang-18|clang-17|clang-16|clang-15|clang-14";

const fn program(name: &'static str, steps: &'static [&'static str]) -> Program {
    Program { name, steps, twin: None }
}

/// All of them.
pub const PROGRAMS: &[Program] = &[
    program("c-pointers", &["cc -O2 -fno-omit-frame-pointer chain.c -o c-pointers"]),
    program("c-plain", &["cc -O2 -fomit-frame-pointer chain.c -o c-plain"]),
    program("c-clang", &["CLANG -O2 -fomit-frame-pointer chain.c -o c-clang"]),
    // No tables for its own functions: only their frame pointers tell of callers.
    program(
        "c-tableless",
        &["cc -O2 -fno-omit-frame-pointer -DFRAMED \
           -fno-asynchronous-unwind-tables -fno-unwind-tables chain.c -o c-tableless"],
    ),
    program("c-static", &["cc -O2 -static chain.c -o c-static"]),
    program("c-static-pie", &["cc -O2 -static-pie chain.c -o c-static-pie"]),
    program("c-fixed", &["cc -O2 -no-pie chain.c -o c-fixed"]),
    program("c-gold", &["cc -O2 -fuse-ld=gold chain.c -o c-gold"]),
    program("c-musl", &["musl-gcc -O2 chain.c -o c-musl"]),
    program(
        "big-frames",
        &["cc -O2 -fomit-frame-pointer -DFRAME_BYTES=40000 chain.c -o big-frames"],
    ),
    program("aligned", &["cc -O2 -fomit-frame-pointer -DREALIGN -mavx chain.c -o aligned"]),
    program(
        "debug-link",
        &[
            "cc -O2 -g chain.c -o debug-link",
            "objcopy --only-keep-debug debug-link debug-link.debug",
            "objcopy --strip-all --add-gnu-debuglink=debug-link.debug debug-link",
        ],
    ),
    program("dynamic-names", &["cc -O2 -rdynamic -s chain.c -o dynamic-names"]),
    Program {
        twin: Some("nameless.twin"),
        ..program(
            "nameless",
            &["cc -O2 -DROUNDS=20001 chain.c -o nameless.twin", "strip nameless.twin -o nameless"],
        )
    },
    // The section headers' place and number are wiped from the file's head.
    Program {
        twin: Some("sectionless.twin"),
        ..program(
            "sectionless",
            &[
                "cc -O2 -DROUNDS=20002 chain.c -o sectionless.twin",
                "strip sectionless.twin -o sectionless",
                "dd if=/dev/zero of=sectionless bs=1 seek=40 count=8 conv=notrunc status=none",
                "dd if=/dev/zero of=sectionless bs=1 seek=60 count=4 conv=notrunc status=none",
            ],
        )
    },
    program(
        "other",
        &["cc -O1 -Dleaf=cold_leaf -Dhot_a=cold_a -Dhot_b=cold_b -Dhot_c=cold_c -Drec=cold_rec \
           -Ddispatch=cold_dispatch chain.c -o other"],
    ),
    program("signal", &["cc -O2 -fomit-frame-pointer signal.c -o signal"]),
    program(
        "plt",
        &[
            "cc -O2 -fPIC -shared tiny.c -o libtiny.so",
            "cc -O2 -fomit-frame-pointer plt.c -o plt -L. -ltiny -Wl,-z,lazy -Wl,-rpath,$ORIGIN",
        ],
    ),
    program(
        "plt-sec",
        &[
            "cc -O2 -fPIC -shared -fcf-protection tiny.c -o libtiny.so",
            "cc -O2 -fomit-frame-pointer -fcf-protection plt.c -o plt-sec -L. -ltiny -Wl,-z,lazy \
             -Wl,-z,ibtplt -Wl,-rpath,$ORIGIN",
        ],
    ),
    program(
        "load",
        &[
            "cc -O2 -fPIC -shared plugin.c -o one.so",
            "cc -O2 -fPIC -shared -DSECOND plugin.c -o two.so",
            "cc -O2 load.c -o load -ldl",
        ],
    ),
    program("spawn", &["cc -O2 spawn.c -o spawn"]),
    program("threads", &["cc -O2 threads.c -o threads -pthread"]),
    program("kernel", &["cc -O2 kernel.c -o kernel"]),
    program("waits", &["cc -O2 waits.c -o waits -pthread"]),
    program("cpp-inlined", &["c++ -O2 -g chain.cpp -o cpp-inlined"]),
    program("rust-unwind", &["rustc --edition 2024 -C opt-level=3 chain.rs -o rust-unwind"]),
    program(
        "rust-abort",
        &["rustc --edition 2024 -C opt-level=3 -C panic=abort chain.rs -o rust-abort"],
    ),
    program(
        "rust-tableless",
        &["rustc --edition 2024 -C opt-level=3 -C panic=abort -C force-unwind-tables=no \
           -C force-frame-pointers=yes chain.rs -o rust-tableless"],
    ),
    program("go", &["go build -o go chain.go"]),
    Program {
        twin: None,
        ..program("go-stripped", &["go build -ldflags=-s -o go-stripped chain.go"])
    },
    // For the cases of requests.
    program("go-https", &["go build -o go-https https.go"]),
    program("java", &["javac -d . Chain.java", "cp Chain.class java"]),
];

/// The program of this name.
pub fn find(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}

/// The directory with all sources, for what is not compiled.
pub fn sources() -> Result<PathBuf> {
    kept("sources", hash(&SOURCES), write_sources)
}

/// A tool on the PATH; `go` is where `FATHOM_GO` says if it says anything.
pub fn tool(names: &str) -> Result<PathBuf> {
    if let Some(go) = env::var_os("FATHOM_GO").filter(|_| names == "go") {
        return Ok(PathBuf::from(go));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let names_in_turn = names.split('|');
    let mut files = names_in_turn.flat_map(|name| folders.iter().map(move |it| it.join(name)));
    let found = files.find(|file| file.is_file());
    found.with_context(|| format!("{} is not installed", names.split('|').next().unwrap_or(names)))
}

impl Program {
    /// Builds it, unless that was done before, be it on another machine: then nothing that it is
    /// built with has to be installed.
    pub fn build(&self) -> Result<Built> {
        let directory = kept(self.name, hash(&(SOURCES, self.steps)), |directory| {
            write_sources(directory)?;
            self.steps.iter().try_for_each(|step| run(step, directory))?;
            match self.twin {
                Some(twin) => symbols::list(&directory.join(twin), &directory.join(SYMBOLS)),
                None => Ok(()),
            }
        })?;
        let symbols = match self.twin {
            Some(_) => Symbols::read(&directory.join(SYMBOLS), self.name)?,
            None => Symbols::default(),
        };
        Ok(Built { file: directory.join(self.name), directory, symbols })
    }
}

fn tool_name(step: &str) -> &str {
    match step.split_whitespace().next().unwrap_or_default() {
        "CLANG" => CLANG,
        name => name,
    }
}

fn run(step: &str, directory: &Path) -> Result<()> {
    let mut command = Command::new(tool(tool_name(step))?);
    command.args(step.split_whitespace().skip(1)).current_dir(directory).stdin(Stdio::null());
    // Go wants a home, and is to fetch nothing.
    let cache = directory.with_file_name("go-cache");
    command.env("GOCACHE", &cache).env("GOPATH", cache.join("path")).env("GOFLAGS", "-trimpath");
    command.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("CGO_ENABLED", "0");
    let said = command.output()?;
    if !said.status.success() {
        bail!("`{step}` ended with {}: {}", said.status, String::from_utf8_lossy(&said.stderr));
    }
    Ok(())
}

fn write_sources(directory: &Path) -> Result<()> {
    SOURCES.iter().try_for_each(|(name, text)| Ok(fs::write(directory.join(name), text)?))
}

/// A directory of this name that `fill` filled, now or earlier.
fn kept(name: &str, hash: u64, fill: impl Fn(&Path) -> Result<()>) -> Result<PathBuf> {
    let place = place();
    let directory = place.join(format!("{name}-{hash:016x}"));
    if directory.exists() {
        return Ok(directory);
    }
    // Others may be at it, too: whoever is ready first gives it its name.
    let own =
        place.join(format!(".{name}-{}-{:?}", std::process::id(), std::thread::current().id()));
    fs::create_dir_all(&own)?;
    let filled = fill(&own).and_then(|()| match fs::rename(&own, &directory) {
        Err(error) if !directory.exists() => Err(error.into()),
        _ => Ok(()),
    });
    let _ = fs::remove_dir_all(&own);
    filled.map(|()| directory)
}

/// Where built programs are kept: `FATHOM_TRUTH`, or `truth` in the target directory that this
/// program lies in, or in the temporary one.
fn place() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    let target = own.ancestors().find(|it| it.join("CACHEDIR.TAG").exists());
    let target = target.map_or_else(|| env::temp_dir().join("fathom-truth"), |it| it.join("truth"));
    env::var_os("FATHOM_TRUTH").map_or(target, PathBuf::from)
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
