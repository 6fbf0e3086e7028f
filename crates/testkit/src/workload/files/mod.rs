//! File operations: every way to name a file, and every way to fail at it.

mod attributes;
mod change;
mod open;
mod spell;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::thread::set_thread_res_uid;

use super::tree::{Found, NodeId, Tree, join};
use crate::columns as c;
use crate::log::{Expect, LogEntry, Recorder};
use crate::rng::Rng;
use spell::Spelled;

/// The most names that one thread's tree has.
const MOST_NAMES: usize = 300;
/// The most files that one thread holds open.
const MOST_HELD: usize = 12;
/// The deepest a directory lies below the root.
const DEEPEST: usize = 48;
/// The longest path that a file has.
const LONGEST: usize = 3000;

/// A thread's part of the file system, which no other touches.
#[derive(Debug)]
pub(super) struct Files {
    tree: Tree,
    home: NodeId,
    cwd: NodeId,
    held: Vec<Held>,
    names: u64,
    privileged: bool,
}

/// An open file.
#[derive(Debug)]
struct Held {
    fd: OwnedFd,
    node: NodeId,
}

impl Files {
    /// Works below the directory `home`, which is there, empty, and has no links in its path.
    pub(super) fn new(home: &[u8]) -> anyhow::Result<Files> {
        let (tree, node) = Tree::new(home);
        rustix::process::chdir(home)?;
        let privileged = may_become(NOBODY);
        Ok(Files { tree, home: node, cwd: node, held: Vec::new(), names: 0, privileged })
    }

    /// The thread's working directory.
    pub(super) fn cwd(&self) -> Vec<u8> {
        self.tree.path(self.cwd)
    }

    /// Does one operation, or now and then one that makes no row.
    pub(super) fn step(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let full = self.tree.live().len() > MOST_NAMES;
        let (grow, shrink) = if full { (1, 6) } else { (3, 2) };
        let weights =
            [8 * grow, 3 * grow, 2 * grow, 3 * grow, 6, 4 * shrink, 3 * shrink, 4, 4, 4, 2, 1];
        match rng.weighted(&weights) {
            0 => self.open(rng, rec),
            1 => self.mkdir(rng, rec),
            2 => self.link(rng, rec),
            3 => self.symlink(rng, rec),
            4 => self.rename(rng, rec),
            5 => self.unlink(rng, rec),
            6 => self.rmdir(rng, rec),
            7 => self.chmod(rng, rec),
            8 => self.chown(rng, rec),
            9 => self.truncate(rng, rec),
            10 => self.change_directory(rng),
            _ => self.let_go(rng),
        }
    }

    fn change_directory(&mut self, rng: &mut Rng) {
        let dir = self.some_dir(rng);
        if rustix::process::chdir(self.tree.path(dir)).is_ok() {
            self.cwd = dir;
        }
    }

    fn let_go(&mut self, rng: &mut Rng) {
        if !self.held.is_empty() {
            let at = rng.below(self.held.len());
            self.held.swap_remove(at);
        }
    }

    fn hold(&mut self, rng: &mut Rng, fd: OwnedFd, node: NodeId) {
        if self.held.len() >= MOST_HELD {
            self.let_go(rng);
        }
        self.held.push(Held { fd, node });
    }

    fn fresh_name(&mut self, rng: &mut Rng) -> Vec<u8> {
        self.names += 1;
        super::names::fresh(rng, self.names)
    }

    fn some_node(&self, rng: &mut Rng) -> NodeId {
        *rng.pick(self.tree.live())
    }

    /// A directory, now and then the deepest that new files may be in.
    fn some_dir(&self, rng: &mut Rng) -> NodeId {
        let mut dir = self.home;
        for _ in 0..8 {
            let node = self.some_node(rng);
            if self.tree.is_dir(node) && self.has_room(node) {
                dir = node;
                break;
            }
        }
        let mut steps = if rng.chance(10) { DEEPEST } else { 0 };
        while let Some(children) = self.tree.children(dir).filter(|_| steps > 0) {
            let room = |&&node: &&NodeId| self.tree.is_dir(node) && self.has_room(node);
            let Some(&deeper) = children.values().find(room) else { break };
            (dir, steps) = (deeper, steps - 1);
        }
        dir
    }

    fn has_room(&self, dir: NodeId) -> bool {
        let path = self.tree.path(dir);
        path.len() < LONGEST / 2 && depth(&path) < DEEPEST
    }

    /// Whether `node` is in use as a starting point, so that it must keep a name.
    fn is_pinned(&self, node: NodeId) -> bool {
        node == self.home || node == self.cwd || self.held.iter().any(|held| held.node == node)
    }

    fn dirfd(&self, spelled: &Spelled) -> BorrowedFd<'_> {
        spelled.held.map_or(CWD, |at| self.held[at].fd.as_fd())
    }

    fn start(&self, spelled: &Spelled) -> NodeId {
        spelled.held.map_or(self.cwd, |at| self.held[at].node)
    }

    fn walk(&self, spelled: &Spelled, follow: bool) -> Result<Found, Errno> {
        self.tree.walk(self.start(spelled), &spelled.text, follow)
    }

    /// What the columns of a path have to say; `done` is whether the call succeeded.
    fn describe(
        &self,
        entry: LogEntry,
        columns: &PathColumns,
        spelled: &Spelled,
        found: &Result<Found, Errno>,
        done: bool,
    ) -> LogEntry {
        let start = self.tree.path(self.start(spelled));
        let absolute = spelled.text.starts_with(b"/");
        let entry = entry.with(columns.path, spelled.text.as_slice());
        let entry = match spelled.text.is_empty() {
            true => entry,
            false => entry.with(columns.dir, (!absolute).then_some(start.as_slice())),
        };
        let resolved = found.as_ref().ok().map(|found| self.tree.found_path(found));
        let full = if absolute { spelled.text.clone() } else { join(&start, &spelled.text) };
        match (resolved, done) {
            (Some(resolved), true) => {
                let differs = differs(&full, &resolved);
                entry.with(columns.differs, differs).with(columns.resolved, resolved)
            }
            // A call that fails may fail before the kernel knows the file, or at the name itself
            // where it is a link that a slash behind it would have followed; never after it made
            // one up.
            (Some(resolved), false) => {
                let itself = [b"/", &clean(&full).join(&b'/')[..]].concat();
                let told = [Expect::Null, resolved.into(), itself.into()];
                entry.with(columns.resolved, Expect::one_of(told))
            }
            // What only a slash behind it keeps from being found, the kernel may have found before it
            // looked at the slash.
            (None, false) => {
                let end =
                    spelled.text.iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
                let bare = &spelled.text[..end];
                let itself = self.tree.walk(self.start(spelled), bare, false).ok();
                let itself = itself.map(|found| self.tree.found_path(&found).into());
                let told = [Expect::Null].into_iter().chain(itself);
                entry.with(columns.resolved, Expect::one_of(told))
            }
            (None, true) => entry.with(columns.resolved, Expect::Null),
        }
    }

    /// What `path_resolved` says of an open file.
    fn resolved_fd(&self, node: NodeId, done: bool) -> Expect {
        let path = self.tree.path(node);
        let mut values = if done { Vec::new() } else { vec![Expect::Null] };
        if self.tree.node(node).dead {
            values.push(Expect::from([&path[..], b" (deleted)"].concat()));
        }
        values.push(path.into());
        Expect::one_of(values)
    }

    fn denied(&self, rng: &mut Rng) -> bool {
        self.privileged && rng.chance(6)
    }
}

/// The names of the columns that speak of one path.
struct PathColumns {
    path: &'static str,
    dir: &'static str,
    resolved: &'static str,
    differs: &'static str,
}

/// The path that most tables have.
const FIRST: PathColumns = PathColumns {
    path: c::PATH,
    dir: c::DIR,
    resolved: c::PATH_RESOLVED,
    differs: c::PATH_DIFFERS,
};

/// The second path of `rename` and `link`.
const SECOND: PathColumns = PathColumns {
    path: c::NEW_PATH,
    dir: c::NEW_DIR,
    resolved: c::NEW_PATH_RESOLVED,
    differs: c::NEW_PATH_DIFFERS,
};

/// Whether a path, cleaned of `.`, `..` and doubled slashes as text, names another file than the
/// one it resolved to.
fn differs(full: &[u8], resolved: &[u8]) -> bool {
    clean(full)
        != resolved.split(|&byte| byte == b'/').filter(|it| !it.is_empty()).collect::<Vec<_>>()
}

/// The names of a path without `.`, `..` and doubled slashes.
fn clean(full: &[u8]) -> Vec<&[u8]> {
    let mut clean: Vec<&[u8]> = Vec::new();
    for part in full.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(clean.pop()),
            part => clean.push(part),
        }
    }
    clean
}

fn depth(path: &[u8]) -> usize {
    path.iter().filter(|&&byte| byte == b'/').count()
}

/// Runs `call` as an unprivileged user where `denied` says so.
fn attempt<T>(denied: bool, call: impl FnOnce() -> Result<T, Errno>) -> Result<T, Errno> {
    if denied {
        act_as(NOBODY).expect("it was tried before");
    }
    let result = call();
    if denied {
        act_as(0).expect("root's real user id is kept");
    }
    result
}

/// The user that may do nothing.
const NOBODY: u32 = 65534;

fn act_as(user: u32) -> Result<(), Errno> {
    set_thread_res_uid(None, rustix::process::Uid::from_raw(user), None)
}

/// Whether this is root, and root enough to be somebody else for a moment.
fn may_become(user: u32) -> bool {
    rustix::process::geteuid().is_root() && act_as(user).is_ok() && act_as(0).is_ok()
}

/// The error number of a call made through `std`.
fn std_errno<T>(result: std::io::Result<T>) -> Result<T, Errno> {
    result
        .map_err(|error| Errno::from_io_error(&error).expect("a system call's error has a number"))
}
