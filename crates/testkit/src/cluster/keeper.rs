//! Servers that do not outlive the test, however it ends.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};

/// A server that we started. It is killed when this is dropped, and by the kernel when this
/// process dies without dropping anything.
#[derive(Debug)]
pub(super) struct Server {
    name: String,
    child: Child,
    log: PathBuf,
    /// Ends the thread that started it; see [`Server::start`].
    _thread: Sender<()>,
}

impl Server {
    /// Starts `program`; what it prints goes to a file in `folder`.
    pub(super) fn start<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        folder: &Path,
    ) -> Result<Server> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(program).args(args);
        command.current_dir(folder).env("HOME", folder).stdin(Stdio::null());
        command.stdout(out.try_clone()?).stderr(out);
        // The signal comes when the thread ends that started the child, and a test's thread may
        // end while others still use the server: it gets a thread of its own.
        let (thread, stay) = channel();
        let (started, child) = channel();
        thread::spawn(move || {
            let _ = started.send(command.spawn());
            // Nothing is ever sent: this returns when the sender is gone.
            let _ = stay.recv();
        });
        let child = child.recv()?.with_context(|| format!("cannot start {name} with setpriv"))?;
        Ok(Server { name, child, log, _thread: thread })
    }

    /// An error with the last words of the server if it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}: {}", self.name, self.last_words()),
        }
    }

    /// That it does not come up, with its last words.
    pub(super) fn silent(&self) -> anyhow::Error {
        anyhow!("{} does not come up: {}", self.name, self.last_words())
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already: then there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
