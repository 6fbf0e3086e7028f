//! The whole agent against workloads that keep their own log: what happened and what was told
//! agree one to one. On this host and on every kernel of the matrix.

#[path = "kernel/capabilities.rs"]
mod capabilities;
#[path = "kernel/stacks.rs"]
mod stacks;

use std::collections::BTreeSet;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::hooks::Hooks;
use testkit::log::{self, LogEntry};
use testkit::truth::{Report, Rung, compare_with};
use testkit::watch::not_run;

/// Operations in one run: fewer in the guest, whose processor is emulated.
fn operations() -> usize {
    let asked = std::env::var("FATHOM_TRUTH_OPS").ok().and_then(|ops| ops.parse().ok());
    asked.unwrap_or(if std::env::var_os("FATHOM_VM").is_some() { 1_000 } else { 100_000 })
}

#[test]
fn files_are_told_one_to_one() {
    truth("files_are_told_one_to_one", "files", &["file"]);
}

#[test]
fn processes_are_told_one_to_one() {
    truth("processes_are_told_one_to_one", "processes", &["file", "process"]);
}

/// Every call, every state, every datagram's exchange and every end, to the byte. What a rung
/// cannot tell is asked of those that can: see `testkit::hooks`.
#[test]
fn connections_are_told_one_to_one() {
    truth("connections_are_told_one_to_one", "sockets", &["file", "process", "socket"]);
}

/// Another thread keeps rewriting the path while it is being opened: the kernel's own path has
/// to be that of the file that was opened, every time.
#[test]
fn a_rewritten_path_does_not_deceive() {
    let test = "a_rewritten_path_does_not_deceive";
    let Some(place) = Place::new(test) else { return };
    let count = operations().min(10_000).to_string();
    if !place.observe(test, &["file_open"], &["flip", "--count", &count]) {
        return;
    }
    let file =
        |name: &str| BufReader::new(fs::File::open(place.path(name)).expect("it was written"));
    let opened: Vec<testkit::flip::Opened> = log::read(file("log")).expect("a log");
    let rows: Vec<Value> = log::read(file("rows")).expect("rows");
    assert_eq!(opened.len(), operations().min(10_000));
    let mut deceived = 0;
    for open in &opened {
        let is_it = |row: &&Value| {
            row["pid"] == open.pid && row["inode"] == open.inode && row["fd"] == open.fd
        };
        let row = rows.iter().filter(is_it).find(|row| row["path_resolved"] == *open.path);
        assert!(row.is_some(), "no row says that {} was opened", open.path);
    }
    for row in &rows {
        let (given, resolved) = (&row["path"], &row["path_resolved"]);
        deceived += usize::from(!resolved.is_null() && given != resolved);
    }
    println!("the caller's path was another one than what was opened in {deceived} rows");
}

/// Killed in the middle, the agent leaves nothing attached and nothing in the way.
#[test]
fn after_a_kill_it_runs_again_at_once() {
    let test = "after_a_kill_it_runs_again_at_once";
    let Some(place) = Place::new(test) else { return };
    let mut killed = place.fathom();
    killed.args(["observe", "file_open", "-o", "json", "--to"]).arg(place.path("rows"));
    killed.args(["--", "/bin/sh", "-c", "while :; do : < /dev/null; done"]);
    let mut killed = killed.stderr(Stdio::null()).spawn().expect("it starts");
    let rows = place.path("rows");
    wait_until("the first row", || fs::metadata(&rows).is_ok_and(|about| about.len() > 0));
    let shell = child_of(killed.id());
    killed.kill().expect("our own child");
    killed.wait().expect("our own child");
    let mut again = place.fathom();
    again.args(["observe", "file_open", "-q", "--", "/bin/true"]);
    let again = again.output().expect("it runs");
    assert!(again.status.success(), "{again:?}");
    // The workload lost its observer, not its life; it is ours, so we end it.
    if let Some(shell) = shell {
        let ended = Command::new("kill").arg(shell.to_string()).status().expect("kill runs");
        assert!(ended.success());
    }
}

/// Processes in cgroups that are made below a watched one are watched from their first instruction.
#[test]
fn what_is_made_below_is_watched() {
    let test = "what_is_made_below_is_watched";
    let Some(place) = Place::new(test) else { return };
    let script = "own=$(sed -n 's/^0:://p' /proc/self/cgroup); \
        mount=$(sed -n 's/^[^ ]* \\([^ ]*\\) cgroup2 .*/\\1/p' /proc/mounts | head -n 1); \
        mkdir -p $mount$own/one/two || exit 1; \
        sh -c 'echo $$ > '$mount$own'/one/two/cgroup.procs; exec /bin/true below'; \
        rmdir $mount$own/one/two $mount$own/one";
    let mut command = place.fathom();
    command.args(["observe", "process_exec", "-o", "json", "--to"]).arg(place.path("rows"));
    let output = command.args(["--", "/bin/sh", "-c", script]).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let rows = fs::read_to_string(place.path("rows")).expect("rows");
    let below = rows.lines().filter(|row| row.contains(r#""args":["/bin/true","below"]"#));
    assert_eq!(below.count(), 1, "{rows}");
}

#[test]
fn a_full_disk_is_said_and_counted() {
    let Some(place) = Place::new("a_full_disk_is_said_and_counted") else { return };
    if !Path::new("/dev/full").exists() {
        return not_run("a_full_disk_is_said_and_counted", "there is no /dev/full here");
    }
    let mut command = place.fathom();
    command.args(["observe", "process_exec", "-o", "json", "--to", "/dev/full", "--", "/bin/true"]);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("disk_full") && said.contains("No space left"), "{said}");
}

#[test]
fn the_commands_own_code_comes_through() {
    let Some(place) = Place::new("the_commands_own_code_comes_through") else { return };
    let run = |script: &str| -> Output {
        let mut command = place.fathom();
        command.args(["observe", "process_exit", "-q", "-o", "json", "--to"]);
        command.arg(place.path("rows"));
        command.args(["--", "/bin/sh", "-c", script]).output().expect("it runs")
    };
    assert_eq!(run("echo out; exit 7").stdout, b"out\n");
    assert_eq!(run("exit 7").status.code(), Some(7));
    assert_eq!(run("kill -TERM $$").status.code(), Some(143));
}

#[test]
fn a_capture_gives_the_same_rows_again() {
    let Some(place) = Place::new("a_capture_gives_the_same_rows_again") else { return };
    let capture = place.path("capture");
    let mut command = place.fathom();
    command.arg("capture").arg(&capture);
    command.args(["--", "/bin/sh", "-c", "cat /etc/passwd > /dev/null; /bin/true; exit 3"]);
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let replay = |file: &Path| -> Output {
        let mut command = place.fathom();
        command.arg("replay").arg(file).args(["-o", "json"]).output().expect("it runs")
    };
    let whole = replay(&capture);
    assert!(whole.status.success(), "{whole:?}");
    let rows: Vec<Value> = log::read(BufReader::new(&whole.stdout[..])).expect("rows");
    let exits = rows.iter().filter(|row| row["table"] == "process_exit");
    assert!(exits.clone().any(|row| row["exit_code"] == 3), "{rows:?}");
    assert!(rows.iter().any(|row| row["path"] == "/etc/passwd" && row["exe"] != Value::Null));

    // Fewer of them, as `observe` has it.
    let fewer = |conditions: &[&str]| {
        let mut command = place.fathom();
        command.arg("replay").arg(&capture).args(["-o", "json"]).args(conditions);
        command.output().expect("it runs")
    };
    let ended = fewer(&["--where", "exit_code=3"]);
    let ended: Vec<Value> = log::read(BufReader::new(&ended.stdout[..])).expect("rows");
    assert_eq!(ended.len(), exits.filter(|row| row["exit_code"] == 3).count(), "{ended:?}");
    assert!(ended.iter().all(|row| row["table"] == "process_exit" && row["exit_code"] == 3));
    let unknown = fewer(&["-w", "exit_cod=3"]);
    assert_eq!(unknown.status.code(), Some(2), "{unknown:?}");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("did you mean `exit_code`?"));
    let filled = fewer(&["-w", "exit_code", "--store", "x"]);
    assert_eq!(filled.status.code(), Some(2), "{filled:?}");

    // Cut off, and with a byte changed: what came before is told, and where it ends.
    let bytes = fs::read(&capture).expect("the capture");
    let damaged = place.path("damaged");
    fs::write(&damaged, &bytes[..bytes.len() - 3]).expect("written");
    let cut = replay(&damaged);
    assert_eq!(cut.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&cut.stderr).contains("in the middle of a frame"), "{cut:?}");
    let mut changed = bytes.clone();
    let middle = bytes.len() / 2;
    changed[middle] ^= 0x55;
    fs::write(&damaged, &changed).expect("written");
    let corrupt = replay(&damaged);
    assert_eq!(corrupt.status.code(), Some(1), "{corrupt:?}");
    assert!(String::from_utf8_lossy(&corrupt.stderr).contains("checksum"), "{corrupt:?}");
}

/// What user space finds out for itself, such as the end of an exchange of datagrams, is in a
/// capture as well: replayed, it agrees with the workload's log like the rows of the moment.
#[test]
fn a_capture_of_connections_agrees_one_to_one() {
    let test = "a_capture_of_connections_agrees_one_to_one";
    let Some(place) = Place::new(test) else { return };
    let operations = (operations() / 5).to_string();
    let mut command = place.fathom();
    command.arg("capture").arg(place.path("capture")).arg("--").arg(&place.testkit);
    command.args(["run", "--seed", "9", "--threads", "2", "--mix", "sockets"]);
    command.args(["--ops", &operations, "--log"]).arg(place.path("log"));
    let output = command.env_remove("LD_LIBRARY_PATH").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    if let Some(loss) = said.lines().find(|line| line.contains("fathom: lost ")) {
        assert!(loss.contains("program in kernel: recursion"), "{said}");
        return not_run(test, &format!("this kernel preempts tracing programs: {loss}"));
    }
    let mut command = place.fathom();
    command.arg("replay").arg(place.path("capture")).args(["-o", "json", "--to"]);
    let output = command.arg(place.path("rows")).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    agree(test, &place);
}

/// The cgroup of the command disappears while it is watched, with all that is in it.
#[test]
fn a_cgroup_may_go_while_it_is_watched() {
    let Some(place) = Place::new("a_cgroup_may_go_while_it_is_watched") else { return };
    let Some(mount) = kernel::cgroup2_mount() else { return };
    let cgroup = mount.join(format!("fathom-test-{}", std::process::id()));
    fs::create_dir(&cgroup).expect("a cgroup of our own");
    let mut command = place.fathom();
    command.args(["observe", "process_exec", "-o", "json", "--for", "700ms", "--cgroup"]);
    command.arg(&cgroup);
    let observer =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    fs::remove_dir(&cgroup).expect("it is empty");
    let output = observer.wait_with_output().expect("our own child");
    // Gone before it was entered is an error that says so; gone after is the end of its rows.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || said.contains("there is no cgroup"), "{said}");
}

/// Runs a workload under the agent and compares.
fn truth(test: &str, mix: &str, tables: &[&str]) {
    let Some(place) = Place::new(test) else { return };
    let operations = operations().to_string();
    let workload = ["run", "--seed", "7", "--threads", "2", "--mix", mix, "--ops", &operations];
    if !place.observe(test, tables, &workload) {
        return;
    }
    agree(test, &place);
}

/// Compares `log` and `rows` of a place.
fn agree(test: &str, place: &Place) {
    let file =
        |name: &str| BufReader::new(fs::File::open(place.path(name)).expect("it was written"));
    let entries: Vec<LogEntry> = log::read(file("log")).expect("a log");
    let rows: Vec<Value> = log::read(file("rows")).expect("rows");
    let rung = rung(place);
    let report = compare_with(&entries, &rows, &rung);
    let told = entries.iter().filter(|entry| (*entry).clone().told(&rung.hooks).is_some()).count();
    println!(
        "{test}: {} operations, {told} to be told here, {} rows, {} matched",
        entries.len(),
        rows.len(),
        report.matched
    );
    assert!(report.matched * 10 > told * 9, "too little was compared");
    assert!(Report::is_clean(&report), "{report}");
}

/// What this kernel's hooks cannot know, as `fathom doctor` says.
fn rung(place: &Place) -> Rung {
    let report = place.doctor();
    let hooks = report["capabilities"].as_array().expect("a list");
    let blind = hooks.iter().any(|hook| {
        hook["state"] == "missing"
            && hook["what"].as_str().is_some_and(|it| it.contains("resolved"))
    });
    let names: &[&str] = if blind {
        &["path_resolved", "path_differs", "new_path_resolved", "new_path_differs"]
    } else {
        &[]
    };
    // A directory that the rename itself moves has another name when the call ends; only where
    // both paths were resolved can that be told.
    let moved: &[&str] = if blind { &["file_rename.dir", "file_rename.new_dir"] } else { &[] };
    let nulls: BTreeSet<String> = names.iter().map(|name| format!("*.{name}")).collect();
    let skipped = moved.iter().map(|name| name.to_string()).collect();
    Rung { nulls, skipped, hooks: Hooks::of_doctor(report).expect("a list of hooks") }
}

/// What hardly differs between kernels and takes long in an emulated guest.
const BY_BOTH_ENDS: &[&str] = &[
    "a_capture_gives_the_same_rows_again",
    "a_capture_of_connections_agrees_one_to_one",
    "a_full_disk_is_said_and_counted",
    "the_listed_capabilities_see_what_root_sees",
    "with_perf_events_for_everybody_nothing_at_all_is_lost",
    "without_any_listed_capability_doctor_says_what_that_costs",
];

/// Whether this is a guest whose kernel is neither the oldest nor the newest of the matrix.
fn in_the_middle() -> bool {
    let release = rustix::system::uname();
    std::env::var_os("FATHOM_VM").is_some() && release.release().to_bytes().starts_with(b"6.")
}

/// A directory for one test, and the programs.
struct Place {
    directory: PathBuf,
    fathom: PathBuf,
    testkit: PathBuf,
}

impl Place {
    /// None, with a note, where BPF or the programs are missing.
    fn new(test: &str) -> Option<Place> {
        let features = kernel::Features::probe();
        if let Some(obstacle) = features.obstacle(kernel::Mechanism::TpBtf) {
            not_run(test, obstacle);
            return None;
        }
        if in_the_middle() && BY_BOTH_ENDS.contains(&test) {
            not_run(test, "the oldest and the newest kernel of the matrix have it");
            return None;
        }
        let named = |variable| std::env::var_os(variable).map(PathBuf::from);
        let fathom = named("FATHOM_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_fathom").into());
        let testkit = named("FATHOM_TESTKIT").unwrap_or_else(|| fathom.with_file_name("testkit"));
        if !testkit.exists() {
            not_run(test, "testkit is not built (`cargo xtask test` builds it)");
            return None;
        }
        let directory = std::env::temp_dir().join(format!("fathom-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        Some(Place { directory, fathom, testkit })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn fathom(&self) -> Command {
        Command::new(&self.fathom)
    }

    /// What `doctor` says to us; asked once, since it loads all there is.
    fn doctor(&self) -> &'static Value {
        static REPORT: OnceLock<Value> = OnceLock::new();
        REPORT.get_or_init(|| {
            let mut command = self.fathom();
            let output = command.args(["doctor", "--format", "json"]).output().expect("it runs");
            serde_json::from_slice(&output.stdout).expect("JSON")
        })
    }

    /// Runs testkit under the agent; leaves `log` and `rows`. False, with a note, where this kernel
    /// lost records three times and the agent said so: then there is nothing to compare one to one.
    fn observe(&self, test: &str, tables: &[&str], workload: &[&str]) -> bool {
        let mut lost = String::new();
        for _ in 0..3 {
            let mut command = self.fathom();
            command.arg("observe").args(tables).args(["-o", "json", "--to"]).arg(self.path("rows"));
            command.arg("--").arg(&self.testkit).args(workload).arg("--log").arg(self.path("log"));
            // cargo's library path would make every exec of the workload try hundreds of files.
            let output = command.env_remove("LD_LIBRARY_PATH").output().expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            let losses: Vec<&str> =
                said.lines().filter(|line| line.contains("fathom: lost ")).collect();
            // A kernel that comes upon a program inside itself, in an interrupt say, does not run
            // it. That is counted; nothing else may be lost.
            let known = |line: &&str| line.contains("program in kernel: recursion");
            if losses.is_empty() {
                assert!(said.contains("nothing lost"), "{said}");
                return true;
            }
            assert!(losses.iter().all(known), "{said}");
            lost = losses.join("; ");
        }
        not_run(test, &format!("this kernel skips programs, three times in three: {lost}"));
        false
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Kept where the test failed: the rows say why.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {what} within a minute");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// The first child of a process of ours.
fn child_of(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
