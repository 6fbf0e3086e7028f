//! A process that makes just the system calls that it is told, and the rows that came of it.
//!
//! A script has a word for each call: its number and its arguments. An argument is a number, `rN`
//! (the result of word N), `@N+M` (the address of byte M in buffer N), `*N+M` (the 32-bit number
//! there) or `'text'`. `=@N+M V` and `#@N+M V` write a number of 32 or 64 bits.
//! With `?N` in front a word is done only where word N gave 0, as a fork does in the child; with
//! `!N` only elsewhere.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use signal_privilege::PRIVILEGE;
use testkit::watch::{MECHANISMS, Seen, Watch, not_run};

/// What `tests/calls.c` became; empty where no compiler was found.
const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/calls"));
/// What it is called, and so the `comm` of its rows.
const NAME: &str = "calls";
/// What a script may call itself by `PR_SET_NAME`.
pub(crate) const RENAMED: &str = "renamed";

/// Columns whose values differ from run to run: that they are there is compared.
const NUMBERS: &[&str] = &["inode", "namespace_inode", "socket", "second_socket", "id"];

/// One at a time: nobody may fork while another writes the program.
static TURN: Mutex<()> = Mutex::new(());

/// What came of a script.
pub(crate) struct Ran {
    pub(crate) rows: Vec<Seen>,
    /// What each word gave.
    pub(crate) results: Vec<i64>,
    /// Where the program lies.
    pub(crate) program: PathBuf,
    pub(crate) watch: Watch,
}

/// Runs `words` in a cgroup that alone is watched. None, with a note for `test`, where it cannot.
pub(crate) fn run(test: &str, words: &[&str]) -> Option<Ran> {
    run_with(test, MECHANISMS, words)
}

pub(crate) fn run_with(test: &str, mechanisms: &[&str], words: &[&str]) -> Option<Ran> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    if PROGRAM.is_empty() {
        not_run(test, "there was no C compiler for tests/calls.c");
        return None;
    }
    let watch = Watch::start(test, &[&PRIVILEGE], mechanisms).expect("it loads")?;
    for refused in watch.kernel.rejections() {
        let said: Vec<&str> = refused.log.lines().rev().take(12).collect();
        println!("refused {}: {}", refused.program, said.join(" / "));
    }
    let folder = folder(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a place for the program");
    let (program, said) = (folder.join(NAME), folder.join("said"));
    let mut file = File::options().create_new(true).write(true).mode(0o755).open(&program).unwrap();
    file.write_all(PROGRAM).expect("the program is written");
    drop(file);
    let mut command = Command::new(&program);
    command.args(words).current_dir("/").stdout(File::create(&said).unwrap());
    let (status, mut rows) = watch.run(&mut command).expect("it runs");
    assert!(status.success(), "{status}");
    let said = fs::read_to_string(&said).expect("it said something");
    fs::remove_dir_all(&folder).expect("clean up");
    // Not what the harness does between fork and exec.
    rows.retain(|row| [NAME, RENAMED].contains(&row.comm.as_str()));
    let results: Vec<i64> = said.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(results.len(), words.len(), "a word got lost");
    Some(Ran { rows, results, program, watch })
}

impl Ran {
    /// The rows in order, each as `table column=value …` without what is null. A pid that the
    /// script got as a result is shown as `rN`, whoever gave it, and a process by its pid.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| self.line(row)).collect()
    }

    /// The row of a failure or of a success, as the word `at` went: ` error=22` or ` fd=3`.
    pub(crate) fn fd_or_error(&self, at: usize) -> String {
        match self.results[at] {
            error if error < 0 => format!(" error={}", -error),
            fd => format!(" fd={fd}"),
        }
    }

    fn line(&self, row: &Seen) -> String {
        let mut line = row.table.to_string();
        for (name, value) in row.without(&["path_marks"]) {
            let Some(value) = value else { continue };
            let value = match name {
                _ if NUMBERS.contains(&name) => "some".to_string(),
                "target" | "source" => self.result(value.rsplit('-').next().unwrap_or_default()),
                "target_pid" => self.result(&value),
                _ if name.starts_with("cap_") && value.parse() == Ok(all_capabilities()) => {
                    "all".to_string()
                }
                _ => value,
            };
            line += &format!(" {name}={value}");
        }
        line
    }

    fn result(&self, value: &str) -> String {
        let number: i64 = value.parse().expect("a number");
        // Small numbers are descriptors, and pids in a namespace of their own.
        let place = self.results.iter().position(|&it| it == number && it > 64);
        place.map_or_else(|| value.to_string(), |at| format!("r{at}"))
    }
}

/// Those of our own process, which the script has at its beginning.
fn all_capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).expect("capabilities");
    u64::from_str_radix(line.trim(), 16).expect("a number")
}

fn folder(test: &str) -> PathBuf {
    let temporary = fs::canonicalize(std::env::temp_dir()).expect("there is a /tmp");
    Path::new(&temporary).join(format!("fathom-{test}-{}", std::process::id()))
}
