//! DuckDB, in a process of its own, over the same files.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

/// A DuckDB that answers.
pub(crate) struct Duck {
    child: Child,
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Reads a statement a line, and tells how many seconds its answer took.
const PROGRAM: &str = r#"
import sys, time, duckdb
base = duckdb.connect()
base.execute("SET threads = 2")
base.execute(f"CREATE VIEW file_open AS SELECT * FROM read_parquet('{sys.argv[1]}/file_open/*/*.parquet')")
for sql in sys.stdin:
    begun = time.monotonic()
    base.execute(sql).fetchall()
    print(time.monotonic() - begun, flush=True)
"#;

impl Duck {
    /// One over the segments in `folder`; none where there is no Python with DuckDB.
    pub(crate) fn start(folder: &Path) -> Option<Duck> {
        let python = std::env::var_os("FATHOM_PYTHON")?;
        let mut child = Command::new(python)
            .args(["-c", PROGRAM])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (words, answers) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Duck { child, words, answers })
    }

    /// Seconds until it had the whole answer.
    pub(crate) fn timed(&mut self, sql: &str) -> Result<f64> {
        writeln!(self.words, "{sql}").context("DuckDB is gone")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        line.trim().parse().context("DuckDB ended; its words are above")
    }
}

impl Drop for Duck {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
