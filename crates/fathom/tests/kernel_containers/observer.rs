//! `fathom observe`, from its first row to its end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::containerd::eventually;

/// One that runs. Dropping it ends it.
pub(super) struct Observer {
    rows: PathBuf,
    said: PathBuf,
    child: Option<Child>,
}

impl Observer {
    /// Observes processes and opens of files in the scope that `arguments` give, with the names
    /// that the runtime at `socket` knows. From here on it sees.
    pub(super) fn start(socket: &Path, directory: &Path, arguments: &[&str]) -> Result<Observer> {
        let (rows, said) = (directory.join("rows"), directory.join("said"));
        let _ = fs::remove_file(&rows);
        let fathom = std::env::var_os("FATHOM_BIN");
        let mut command =
            Command::new(fathom.unwrap_or_else(|| env!("CARGO_BIN_EXE_fathom").into()));
        command.args(["observe", "process", "file_open", "-o", "json"]).args(arguments);
        // In an emulated guest all takes its time, a runtime's answer as well.
        if std::env::var_os("FATHOM_VM").is_some() {
            command.args(["--names-within", "60s"]);
        }
        command.arg("--runtime").arg(socket).arg("--to").arg(&rows);
        let child = Some(command.stderr(File::create(&said)?).spawn()?);
        let mut observer = Observer { rows, said, child };
        // The file is made when the programs are attached and the scope is set.
        eventually("file for the rows", || {
            ensure!(observer.rows.exists() || observer.is_over()?, "not yet");
            Ok(())
        })?;
        ensure!(!observer.is_over()?, "{}", observer.told());
        Ok(observer)
    }

    /// Waits for a row with these words.
    pub(super) fn until(&self, words: &str) -> Result<()> {
        eventually(words, || {
            let rows = fs::read_to_string(&self.rows)?;
            ensure!(rows.contains(words), "{} rows without it", rows.lines().count());
            Ok(())
        })
    }

    /// Ends it as Ctrl-C does; gives its rows, without those about itself.
    pub(super) fn end(mut self) -> Result<Vec<Value>> {
        let mut child = self.child.take().context("it runs")?;
        let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status()?;
        ensure!(status.success(), "our own child is gone");
        let (status, said) = (child.wait()?, self.told());
        ensure!(status.success() && said.contains("nothing lost"), "{said}");
        let rows = fs::read_to_string(&self.rows)?;
        let rows: Vec<Value> = rows.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        ensure!(!rows.is_empty(), "no rows: {said}");
        Ok(rows)
    }

    fn is_over(&mut self) -> Result<bool> {
        let child = self.child.as_mut().context("it runs")?;
        Ok(child.try_wait()?.is_some())
    }

    fn told(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
