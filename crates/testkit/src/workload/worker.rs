//! One thread of a workload.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::Context;
use nix::sched::{CloneFlags, unshare};
use std::os::unix::ffi::OsStrExt;

use super::files::Files;
use super::fixture::Fixture;
use super::processes::Processes;
use super::sockets::Sockets;
use super::{Mix, mounts};
use crate::log::{Edge, LogEntry, Recorder};
use crate::rng::Rng;

/// What one thread has to do.
pub(super) struct Part {
    pub(super) seed: u64,
    pub(super) rng: Rng,
    pub(super) ops: usize,
    pub(super) mix: Mix,
    pub(super) home: PathBuf,
}

/// Does `part` in the calling thread and returns its log.
pub(super) fn work(
    part: Part,
    fixture: &Fixture,
    next: Arc<AtomicU64>,
) -> anyhow::Result<Vec<LogEntry>> {
    let Part { seed, mut rng, ops, mix, home } = part;
    // A working directory of the thread's own.
    unshare(CloneFlags::CLONE_FS).context("unshare(CLONE_FS)")?;
    let mount_point = home.with_extension("mnt");
    std::fs::create_dir(&home)?;
    std::fs::create_dir(&mount_point)?;
    let mut worker = Worker {
        files: Files::new(home.as_os_str().as_bytes())?,
        sockets: Sockets::new(fixture),
        fixture,
        home,
        mount_point,
        seed,
        children: 0,
    };
    let mut rec = Recorder::new(next);
    rec.mark(Edge::Begin, seed);
    while rec.len() < ops {
        worker.step(&mut rng, &mut rec, mix);
    }
    rec.mark(Edge::End, seed);
    Ok(rec.into_entries())
}

struct Worker<'a> {
    files: Files,
    sockets: Sockets<'a>,
    fixture: &'a Fixture,
    home: PathBuf,
    mount_point: PathBuf,
    seed: u64,
    children: usize,
}

impl Worker<'_> {
    fn step(&mut self, rng: &mut Rng, rec: &mut Recorder, mix: Mix) {
        let weights = match mix {
            Mix::Files => [800, 0, 0, 8, 0, 1],
            Mix::Processes => [0, 100, 0, 1, 4, 0],
            Mix::Sockets => [0, 0, 100, 0, 0, 0],
            Mix::All => [800, 40, 40, 4, 2, 1],
        };
        match rng.weighted(&weights) {
            0 => self.files.step(rng, rec),
            1 => Processes::new(self.fixture, self.files.cwd()).step(rng, rec),
            2 => self.sockets.step(rng, rec),
            3 => self.thread(rng, rec),
            4 => self.child(rng, rec),
            _ => mounts::session(&self.mount_point, self.seed, rng, rec),
        }
    }

    /// A thread that comes, does a few file operations and goes.
    fn thread(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (seed, files) = (self.seed, &mut self.files);
        let entries = std::thread::scope(|scope| {
            let work = || {
                let mut rec = rec.sibling();
                rec.mark(Edge::Begin, seed);
                for _ in 0..1 + rng.below(8) {
                    files.step(rng, &mut rec);
                }
                rec.mark(Edge::End, seed);
                rec.into_entries()
            };
            scope.spawn(work).join().expect("the thread works to its end")
        });
        entries.into_iter().for_each(|entry| rec.keep(entry));
    }

    /// A child that does file operations and tells its log.
    fn child(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        self.children += 1;
        let mut home = self.home.clone();
        home.set_extension(format!("child{}", self.children));
        let seed = rng.draw() >> 32;
        let args = [
            "child".to_owned(),
            "work".to_owned(),
            format!("--seed={seed}"),
            format!("--ops={}", 5 + rng.below(40)),
            format!("--home={}", home.display()),
        ];
        let processes = Processes::new(self.fixture, self.files.cwd());
        processes.own_child(rec, &args, |_| {});
    }
}

impl Processes<'_> {
    /// Runs this program as a child that prints its log; `meanwhile` is done before it is read.
    pub(super) fn own_child(
        &self,
        rec: &mut Recorder,
        args: &[String],
        meanwhile: impl FnOnce(&mut Recorder),
    ) {
        let fixture = self.fixture();
        let mut command = Command::new(std::ffi::OsStr::from_bytes(&fixture.own));
        command.args(args).stdin(fixture.null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program runs again");
        self.started(rec, &child, args);
        meanwhile(rec);
        let pipe = child.stdout.take().expect("the child's output is a pipe");
        let log = crate::log::read(std::io::BufReader::new(pipe)).expect("the child tells its log");
        log.into_iter().for_each(|entry| rec.take(entry));
        self.wait(rec, child);
    }
}
