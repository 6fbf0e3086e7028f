//! A process that makes just the system calls that it is told, and the rows that came of it.
//! Its words are those of `testkit::calls`.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use signal_privilege::PRIVILEGE;
use testkit::calls;
use testkit::watch::{MECHANISMS, Seen, Watch, not_run};

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
    let watch = Watch::start(test, &[&PRIVILEGE], mechanisms).expect("it loads")?;
    for refused in watch.kernel.rejections() {
        let said: Vec<&str> = refused.log.lines().rev().take(12).collect();
        println!("refused {}: {}", refused.program, said.join(" / "));
    }
    let folder = folder(test);
    let program = calls::write(&folder).expect("a place for the program");
    if words.iter().any(|word| word.starts_with('%')) && !has_ia32(&program) {
        fs::remove_dir_all(&folder).expect("clean up");
        not_run(test, "this kernel has no 32-bit calls");
        return None;
    }
    let said = folder.join("said");
    let mut command = Command::new(&program);
    command.args(words).current_dir("/").stdout(File::create(&said).unwrap());
    let (status, mut rows) = watch.run(&mut command).expect("it runs");
    assert!(status.success(), "{status}");
    let said = fs::read_to_string(&said).expect("it said something");
    fs::remove_dir_all(&folder).expect("clean up");
    // Not what the harness does between fork and exec.
    rows.retain(|row| [calls::NAME, RENAMED].contains(&row.comm.as_str()));
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

/// Whether a 32-bit call comes back: a kernel without that table ends who makes it.
fn has_ia32(program: &Path) -> bool {
    let status = Command::new(program).arg("%20").stdout(Stdio::null()).status();
    status.expect("it starts").success()
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
