//! `demo`: from a fresh clone to live rows from the kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command as Process;

use crate::cli::Command;
use crate::failure::{Context, Failure, Result};
use crate::json::Json;
use crate::place;
use crate::run::{self, say};
use crate::setup::{self, Scope};
use crate::{python, servers, vm};

pub(crate) const COMMAND: Command = Command {
    name: "demo",
    usage: "[--vm]",
    about: "Sets up, builds, and shows what a small real workload does, as the kernel saw it",
    more: "Loading BPF needs root: without it sudo is used. Where this machine's kernel or privileges\n\
           do not allow it, the same runs in a QEMU guest, and that is said.",
    flags: &[crate::command_line::Flag {
        name: "--vm",
        value: "",
        doc: "in the guest even if this machine could",
    }],
    examples: &[("demo", "from a fresh clone"), ("demo --vm", "on a kernel of the matrix")],
    run: |words| {
        words.nothing_more()?;
        demo(words.has("--vm"))
    },
};

/// What is asked about the workload.
const QUESTIONS: &[&str] = &[
    "SELECT comm, count(*) AS runs FROM process_exec GROUP BY comm ORDER BY runs DESC, comm LIMIT 5",
    "SELECT time, pid, comm, path_resolved FROM file_open WHERE created ORDER BY time LIMIT 5",
];

/// The kernel that the guest boots: the one that most users of today's stable Debian have.
const GUEST_KERNEL: &str = "6.12";

fn demo(in_guest: bool) -> Result<()> {
    setup::ensure(Scope::default())?;
    say("building fathom (a development build; from a clean clone this is minutes)");
    run::through(
        place::cargo().args(["build", "--locked", "-p", "fathom", "-p", "testkit", "--bins"]),
    )?;
    let (fathom, testkit) = (place::built("fathom"), place::built("testkit"));
    if in_guest {
        return guest();
    }
    match why_not_here(&fathom) {
        Some(reason) => {
            say(format!("this machine cannot show it ({reason}): it runs in a QEMU guest instead"));
            guest()
        }
        None => here(&fathom, &testkit),
    }
}

fn here(fathom: &Path, testkit: &Path) -> Result<()> {
    say(format!("{} observe -- {} demo", shown(fathom), shown(testkit)));
    // cargo sets a library path for itself; it would make every program's start noisy.
    let mut observe = as_root(fathom)?;
    observe.args(["observe", "--"]).arg(testkit).arg("demo").env_remove("LD_LIBRARY_PATH");
    run::through(&mut observe)?;
    println!();
    requested(fathom, testkit)?;
    println!();
    remembered(fathom, testkit)?;
    println!();
    say(format!("{} doctor", shown(fathom)));
    run::through(as_root(fathom)?.arg("doctor"))
}

/// A small shop of real servers: what each said to whom, then only what failed.
fn requested(fathom: &Path, testkit: &Path) -> Result<()> {
    let parts = servers::ensure().and_then(|it| Ok((it, python::ensure(&python::CLIENTS)?)));
    let parts = parts.and_then(|(servers, python)| servers.environment(&python));
    let environment = match parts {
        Ok(environment) => environment,
        Err(failure) => {
            say(format!(
                "requests are not shown, since their servers cannot be had here: {failure}"
            ));
            return Ok(());
        }
    };
    say(
        "a shop: nginx, a Python server behind it over TLS, which asks Redis, PostgreSQL and a gRPC service",
    );
    let all: &[&str] = &[];
    for (conditions, orders) in [(all, "2"), (&["--where", "error", "--where", "role=client"], "7")]
    {
        let shop = ["requests", "shop", "--alone", "--rate", "10", "--calls", orders];
        let words = [&["observe", "request"], conditions].concat();
        let (fathom_shown, testkit_shown) = (shown(fathom), shown(testkit));
        say(format!("{fathom_shown} {} -- {testkit_shown} {}", words.join(" "), shop.join(" ")));
        let mut observe = as_root(fathom)?;
        observe.args(words).arg("--").args(&environment).arg(testkit).args(shop);
        run::through(observe.env_remove("LD_LIBRARY_PATH"))?;
        println!();
    }
    Ok(())
}

/// The first workload recorded, put into a store, and asked about.
fn remembered(fathom: &Path, testkit: &Path) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("fathom-demo-{}", std::process::id()));
    let (capture, store) = (folder.join("capture"), folder.join("store"));
    fs::create_dir_all(&folder).context(|| folder.display().to_string())?;
    let mut record = as_root(fathom)?;
    record.arg("capture").arg(&capture).arg("--").arg(testkit).arg("demo");
    run::output(record.env_remove("LD_LIBRARY_PATH"))?;
    run::output(as_root(fathom)?.arg("replay").arg(&capture).arg("--store").arg(&store))?;
    for sql in QUESTIONS {
        say(format!("{} query \"{sql}\"", shown(fathom)));
        let mut query = as_root(fathom)?;
        query.args(["query", "--no-completeness", "--data"]).arg(&store).arg(sql);
        run::through(&mut query)?;
        println!();
    }
    run::through(as_root(fathom)?.arg("verify").arg("--data").arg(&store))?;
    println!();
    detected(fathom, &folder)?;
    println!();
    profiled(fathom, &store)?;
    // What root made, root removes.
    run::through(setup::as_root("rm")?.arg("-r").arg(&folder))
}

/// Something that Fathom's own rules are about, done in `folder`, and what they say.
fn detected(fathom: &Path, folder: &Path) -> Result<()> {
    let attack = "cat /etc/shadow > /dev/null; ln -s /etc/shadow link; cat link > /dev/null";
    let capture = folder.join("attack");
    let mut record = as_root(fathom)?;
    record.arg("capture").arg(&capture).args(["--", "sh", "-c", attack]).current_dir(folder);
    run::output(record.env_remove("LD_LIBRARY_PATH"))?;
    say(format!("{} rules backtest rules --capture …   ({attack})", shown(fathom)));
    let mut rules = as_root(fathom)?;
    rules.args(["rules", "backtest"]).arg(place::root().join("rules"));
    run::through(rules.arg("--capture").arg(&capture))
}

/// Where the CPU time of a large question to `store` goes, as a table and a picture.
fn profiled(fathom: &Path, store: &Path) -> Result<()> {
    let picture = place::target().join("demo.svg");
    let sql = "SELECT count(*) FROM file_open a, file_open b, file_open c WHERE a.path < b.path AND b.path < c.path";
    say(format!("{} profile -o target/demo.svg -- fathom query \"{sql}\"", shown(fathom)));
    let mut profile = as_root(fathom)?;
    profile.args(["profile", "--no-inlines", "--top", "8", "-o"]).arg(&picture).arg("--");
    profile.arg(fathom).args(["query", "--no-completeness", "--data"]).arg(store).arg(sql);
    run::through(profile.env_remove("LD_LIBRARY_PATH"))
}

fn guest() -> Result<()> {
    setup::ensure(Scope { vm: true, ..Scope::default() })?;
    say("requests are not shown in it: the guest has no servers");
    let options = vm::Options { kernels: vec![GUEST_KERNEL.into()], ..vm::Options::default() };
    let script = "fathom observe -- testkit demo && echo && fathom capture c -- testkit demo && \
                  fathom replay c --store s && \
                  fathom query --data s 'SELECT comm, count(*) AS runs FROM process_exec GROUP BY comm' && \
                  echo && fathom doctor";
    match vm::command(&options, &["sh".into(), "-c".into(), script.into()])? {
        0 => Ok(()),
        code => Err(Failure::new(format!("the demo ended with exit code {code} in the guest"))),
    }
}

/// Why BPF cannot be shown on this machine, if so. The doctor knows; this only asks it.
fn why_not_here(fathom: &Path) -> Option<String> {
    let mut doctor = match as_root(fathom) {
        Ok(doctor) => doctor,
        Err(failure) => return Some(failure.to_string()),
    };
    match run::output(doctor.args(["doctor", "--format", "json"])) {
        Err(failure) => Some(format!("fathom doctor fails: {failure}")),
        Ok(report) => essential_missing(&report),
    }
}

/// The first capability that is both essential and missing, with the doctor's reason. The
/// report is one object, or one a line, holding objects anywhere inside.
fn essential_missing(report: &str) -> Option<String> {
    let whole = Json::parse(report).map(|json| vec![json]);
    let values = whole
        .unwrap_or_else(|_| report.lines().filter_map(|line| Json::parse(line).ok()).collect());
    values.iter().find_map(missing_in)
}

fn missing_in(value: &Json) -> Option<String> {
    let state = [value.get("state").text(), value.get("status").text()];
    if *value.get("essential") == Json::Bool(true) && state.contains(&"missing") {
        let name = [value.get("capability").text(), value.get("name").text()].concat();
        let why = [value.get("why").text(), value.get("reason").text()].concat();
        return Some(format!("{name} is missing: {why}"));
    }
    match value {
        Json::List(items) => items.iter().find_map(missing_in),
        Json::Object(pairs) => pairs.iter().find_map(|(_, inner)| missing_in(inner)),
        _ => None,
    }
}

fn as_root(program: &Path) -> Result<Process> {
    setup::as_root(&program.to_string_lossy())
}

/// A path as one would type it here.
fn shown(path: &Path) -> String {
    let here: PathBuf = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_decides_whether_it_runs_here() {
        let bad = r#"{"capabilities":[{"capability":"load","essential":true,"state":"missing","why":"not root"}]}"#;
        assert_eq!(essential_missing(bad).as_deref(), Some("load is missing: not root"));
        let lines = "{\"capability\":\"lsm\",\"essential\":false,\"state\":\"missing\"}\n{\"capability\":\"load\",\"essential\":true,\"state\":\"available\"}\n";
        assert_eq!(essential_missing(lines), None);
    }
}
