//! Acts that an observer of x86-64's system calls would not see: 32-bit calls, and io_uring.
//!
//! They are done by a small C program, `evade/evade.c`, since Rust has no safe words for them. It
//! says what it did, one line for each row that there has to be.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::watch::{Seen, Watch};

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/evade"));

/// The program, in a directory of its own that it acts in; both go with this.
#[derive(Debug)]
pub struct Evader {
    home: PathBuf,
}

/// One act, and so one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// The row's table.
    pub table: String,
    /// What its column `call` has to say.
    pub call: String,
    /// Its paths as given, or the port of the other end.
    pub about: Vec<String>,
    /// What the call returned.
    pub result: i64,
}

/// What came of a run.
#[derive(Debug)]
pub enum Outcome {
    /// The acts that were done, in order, and all rows that were seen.
    Done(Vec<Act>, Vec<Seen>),
    /// This kernel does not let us; why.
    Unavailable(String),
}

impl Evader {
    /// Writes the program into a directory named for `test`.
    pub fn new(test: &str) -> Result<Evader> {
        let temporary = fs::canonicalize(std::env::temp_dir()).context("there is no /tmp")?;
        let home = temporary.join(format!("fathom-{test}-{}", std::process::id()));
        fs::create_dir_all(home.join("acts"))?;
        let evader = Evader { home };
        fs::write(evader.program(), PROGRAM)?;
        fs::set_permissions(evader.program(), Permissions::from_mode(0o755))?;
        Ok(evader)
    }

    /// Where the program is.
    pub fn program(&self) -> PathBuf {
        self.home.join("evade")
    }

    /// The directory that it acts in, empty at the start of each run.
    pub fn place(&self) -> PathBuf {
        self.home.join("acts")
    }

    /// Runs the acts `acts` the way `way` (see `evade.c`), watched by `watch`.
    pub fn run(&self, watch: &Watch, way: &str, acts: &str) -> Result<Outcome> {
        if ["ia32", "socketcall"].contains(&way) {
            // A call that does nothing: a kernel without a 32-bit table ends who makes it.
            let status = Command::new(self.program()).arg("ia32").status()?;
            if let Some(signal) = status.signal() {
                return Ok(Outcome::Unavailable(format!("no 32-bit calls (signal {signal})")));
            }
        }
        fs::remove_dir_all(self.place())?;
        fs::create_dir_all(self.place())?;
        let said = self.home.join("said");
        let mut command = Command::new(self.program());
        command.args([way, acts]).current_dir(self.place()).stdin(Stdio::null());
        let (status, rows) = watch.run(command.stdout(File::create(&said)?))?;
        let said = fs::read_to_string(said)?;
        ensure!(status.success(), "{way} {acts} ended with {status}: {said}");
        let acts = said.lines().map(Act::read).collect::<Result<Vec<Act>>>()?;
        if let Some(act) = acts.iter().find(|act| act.table == "unavailable") {
            return Ok(Outcome::Unavailable(format!("not with this io_uring ({})", -act.result)));
        }
        if acts.is_empty() {
            return Ok(Outcome::Unavailable("no such operation of io_uring".into()));
        }
        Ok(Outcome::Done(acts, rows))
    }
}

impl Drop for Evader {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.home);
    }
}

impl Act {
    fn read(line: &str) -> Result<Act> {
        let words: Vec<&str> = line.split(' ').collect();
        let [table, call, about @ .., result] = words.as_slice() else {
            bail!("no act: {line}");
        };
        Ok(Act {
            table: table.to_string(),
            call: call.to_string(),
            about: about.iter().filter(|it| **it != "-").map(|it| it.to_string()).collect(),
            result: result.parse().with_context(|| format!("no result: {line}"))?,
        })
    }

    /// The error number; none where it went well.
    pub fn error(&self) -> Option<i64> {
        (self.result < 0).then_some(-self.result)
    }

    /// Whether `row` tells this act, as far as its table, call, error and paths say.
    pub fn is_told_by(&self, row: &Seen) -> bool {
        let paths = match self.table.as_str() {
            "file_rename" | "file_link" => vec![row.text("path"), row.text("new_path")],
            table if table.starts_with("socket_") => vec![],
            _ => vec![row.text("path")],
        };
        let paths: Vec<&str> = paths.into_iter().flatten().collect();
        row.table == self.table
            && row.text("call") == Some(self.call.as_str())
            && (!row.has("error") || row.number("error") == self.error())
            && (self.table.starts_with("socket_") || paths == self.about)
    }
}
