//! A container of ours, as far as the kernel can tell, and an agent that watches it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kernel::{Cgroup, Features, Mechanism};
use rustix::process::{Pid, Signal, kill_process};
use testkit::watch::not_run;

/// A cgroup named as Docker names one, in a cgroup of ours.
pub(crate) struct Container {
    pub(crate) id: String,
    path: PathBuf,
    _parent: Cgroup,
    pub(crate) directory: PathBuf,
}

pub(crate) struct Agent {
    child: Child,
    pub(crate) log: PathBuf,
}

impl Container {
    /// None, with a note, where this machine does not let us trace.
    pub(crate) fn new(test: &str) -> Option<Container> {
        Container::named(test, |id| format!("docker-{id}.scope"))
    }

    /// The same, but nobody would take it for a container.
    pub(crate) fn plain(test: &str) -> Option<Container> {
        Container::named(test, |_| "work".to_string())
    }

    fn named(test: &str, name: impl Fn(&str) -> String) -> Option<Container> {
        if let Some(obstacle) = Features::probe().obstacle(Mechanism::TpBtf) {
            not_run(test, obstacle);
            return None;
        }
        let parent = Cgroup::create().expect("a cgroup");
        let id = format!("{:064x}", u128::from(std::process::id()) << 64 | parent.id() as u128);
        let path = parent.path().join(name(&id));
        fs::create_dir(&path).expect("a cgroup below ours");
        let directory = std::env::temp_dir().join(format!("fathom-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        Some(Container { id, path, _parent: parent, directory })
    }

    /// An agent with this configuration, in which `CGROUP` and `HERE` stand for the container's
    /// cgroup and directory.
    pub(crate) fn agent(&self, config: &str) -> Agent {
        let config = config
            .replace("CGROUP", &self.path.display().to_string())
            .replace("HERE", &self.directory.display().to_string());
        let file = self.directory.join("fathom.yaml");
        fs::write(&file, config).expect("written");
        let log = self.directory.join("log");
        let binary =
            std::env::var("FATHOM_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_fathom").into());
        let mut command = Command::new(binary);
        command.arg("agent").arg("--config").arg(&file).env("NODE_NAME", "node-1");
        command.stdout(Stdio::null()).stderr(File::create(&log).expect("a file"));
        let child = command.spawn().expect("an agent");
        let agent = Agent { child, log };
        wait("an agent that watches", || agent.said().contains("metrics and health at"));
        agent
    }

    /// Runs a script of bash in the container and waits for it.
    pub(crate) fn run(&self, script: &str) -> std::process::Output {
        let enter = format!("echo $$ > {}/cgroup.procs; exec bash -c \"$1\"", self.path.display());
        let mut command = Command::new("bash");
        command.args(["-c", &enter, "bash", script]).current_dir(&self.directory);
        // cargo's library path would make every exec try hundreds of files.
        command.env_remove("LD_LIBRARY_PATH").stdin(Stdio::null()).env("PYTHON", python());
        command.output().expect("bash runs")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

impl Agent {
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32).expect("a pid")
    }

    /// Ends it in order.
    pub(crate) fn end(mut self) -> String {
        kill_process(self.pid(), Signal::TERM).expect("our own child");
        let status = self.child.wait().expect("our own child");
        let said = self.said();
        assert!(status.success(), "{said}");
        said
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a file as JSON.
pub(crate) fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The interpreter itself, not a script that looks for it.
fn python() -> String {
    let ask = ["-c", "import sys; print(sys.executable)"];
    let output = Command::new("python3").args(ask).output();
    output.map_or_else(|_| "python3".into(), |it| String::from_utf8_lossy(&it.stdout).trim().into())
}
