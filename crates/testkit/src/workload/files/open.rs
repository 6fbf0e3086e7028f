//! Opens.

use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::spell::Spelled;
use super::{FIRST, Files, SECOND, attempt, std_errno};
use crate::columns as c;
use crate::log::{Expect, LogEntry, Recorder};
use crate::rng::Rng;
use crate::workload::tree::{Found, Kind, NodeId};

/// The flags that have names, `O_TMPFILE` and `O_SYNC` before the flags they include.
const NAMES: &[(OFlags, &str)] = &[
    (OFlags::WRONLY, "O_WRONLY"),
    (OFlags::RDWR, "O_RDWR"),
    (OFlags::CREATE, "O_CREAT"),
    (OFlags::EXCL, "O_EXCL"),
    (OFlags::NOCTTY, "O_NOCTTY"),
    (OFlags::TRUNC, "O_TRUNC"),
    (OFlags::APPEND, "O_APPEND"),
    (OFlags::NONBLOCK, "O_NONBLOCK"),
    (OFlags::SYNC, "O_SYNC"),
    (OFlags::DSYNC, "O_DSYNC"),
    (OFlags::TMPFILE, "O_TMPFILE"),
    (OFlags::DIRECTORY, "O_DIRECTORY"),
    (OFlags::NOFOLLOW, "O_NOFOLLOW"),
    (OFlags::NOATIME, "O_NOATIME"),
    (OFlags::CLOEXEC, "O_CLOEXEC"),
    (OFlags::PATH, "O_PATH"),
];

/// The names of `flags`, as a row lists them.
fn flag_names(flags: OFlags) -> Vec<&'static str> {
    NAMES.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name).collect()
}

impl Files {
    pub(super) fn open(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let flags = some_flags(rng);
        let spelled = match flags.contains(OFlags::TMPFILE) && rng.chance(80) {
            true => {
                let dir = self.some_dir(rng);
                self.spell(rng, dir, None)
            }
            false => self.spell_any(rng, if flags.contains(OFlags::CREATE) { 40 } else { 85 }),
        };
        let creates = flags.intersects(OFlags::CREATE) || flags.contains(OFlags::TMPFILE);
        let mode = if creates { Mode::from_raw_mode(*rng.pick(&MODES)) } else { Mode::empty() };
        let alone = flags.contains(OFlags::CREATE | OFlags::EXCL);
        let found = self.walk(&spelled, !alone && !flags.contains(OFlags::NOFOLLOW));
        let (call, result, flags) = self.make_open(rng, &spelled, flags, mode);
        let made = result.is_ok()
            && (flags.contains(OFlags::TMPFILE)
                || found.as_ref().is_ok_and(|it| it.node.is_none()));
        let node = result.as_ref().ok().map(|fd| self.opened(&found, flags, fd));
        let number = result.as_ref().ok().map(|fd| i64::from(fd.as_raw_fd()));
        let mut entry = LogEntry::new(c::OPEN, call)
            .with(c::FLAGS, flag_names(flags))
            .with(c::FD, number)
            .with(c::INODE, result.as_ref().ok().map(inode))
            .with(c::CREATED, result.is_ok().then_some(made))
            .with(c::MODE, expected_mode(creates, mode))
            .result(&result);
        entry = self.describe(entry, &FIRST, &spelled, &found, result.is_ok());
        if let (Some(node), true) = (node, flags.contains(OFlags::TMPFILE)) {
            entry = entry.with(c::PATH_RESOLVED, self.resolved_fd(node, true));
            entry.expect.remove(c::PATH_DIFFERS);
            // Nothing got a name; whether that is a creation is a matter of words.
            entry.expect.remove(c::CREATED);
        }
        rec.add(entry);
        if let (Ok(fd), Some(node)) = (result, node) {
            if self.tree.node(node).dead && rng.chance(50) {
                self.give_name(rng, rec, &fd, node);
            }
            if rng.chance(40) {
                self.hold(rng, fd, node);
            }
        }
    }

    fn make_open(
        &self,
        rng: &mut Rng,
        spelled: &Spelled,
        flags: OFlags,
        mode: Mode,
    ) -> (&'static str, Result<OwnedFd, Errno>, OFlags) {
        let denied = self.denied(rng);
        let dirfd = self.dirfd(spelled);
        match rng.below(10) {
            0..2 if spelled.starts_at_cwd() && std_can(flags) => {
                let path = OsStr::from_bytes(&spelled.text);
                let mut options = std::fs::File::options();
                let access = flags & OFlags::ACCMODE;
                options
                    .read(access != OFlags::WRONLY)
                    .write(access != OFlags::RDONLY)
                    .mode(mode.as_raw_mode())
                    .custom_flags((flags - OFlags::ACCMODE).bits() as i32);
                let open = || std_errno(options.open(path)).map(OwnedFd::from);
                ("openat", attempt(denied, open), flags | OFlags::CLOEXEC)
            }
            2 if spelled.starts_at_cwd() => {
                let open = || rustix::fs::open(&spelled.text, flags, mode);
                ("open", attempt(denied, open), flags)
            }
            3..5 => {
                let resolve = *rng.pick(&RESOLVE);
                let open = || rustix::fs::openat2(dirfd, &spelled.text, flags, mode, resolve);
                ("openat2", attempt(denied, open), flags)
            }
            _ => {
                let open = || rustix::fs::openat(dirfd, &spelled.text, flags, mode);
                ("openat", attempt(denied, open), flags)
            }
        }
    }

    /// The node that an open led to, after the kernel has confirmed that the model is right.
    fn opened(&mut self, found: &Result<Found, Errno>, flags: OFlags, fd: &OwnedFd) -> NodeId {
        let number = fd.as_raw_fd();
        let shown = rustix::fs::readlink(format!("/proc/self/fd/{number}"), Vec::new())
            .expect("/proc shows an open file")
            .into_bytes();
        let found = found.as_ref().unwrap_or_else(|errno| {
            panic!("opened {:?}, for which the model says {errno:?}", shown.escape_ascii())
        });
        if flags.contains(OFlags::TMPFILE) {
            let inode = inode(fd);
            let dir = found.node.expect("a file without a name was made in a directory");
            return self.tree.add_nameless(dir, format!("#{inode}").into_bytes());
        }
        let node = found
            .node
            .unwrap_or_else(|| self.tree.add(found.parent, found.name.clone(), Kind::File));
        let expected = self.tree.path(node);
        assert_eq!(
            shown.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "the kernel and the model disagree on what was opened"
        );
        node
    }

    /// Gives an `O_TMPFILE` a name, through `/proc`.
    fn give_name(&mut self, rng: &mut Rng, rec: &mut Recorder, fd: &OwnedFd, node: NodeId) {
        let (dir, name) = (self.some_dir(rng), self.fresh_name(rng));
        let new = self.spell(rng, dir, Some(&name));
        let old = format!("/proc/self/fd/{}", fd.as_raw_fd()).into_bytes();
        let found = self.walk(&new, false);
        let result =
            rustix::fs::linkat(CWD, &old, self.dirfd(&new), &new.text, AtFlags::SYMLINK_FOLLOW);
        let entry = LogEntry::new(c::LINK, "linkat")
            .with(c::PATH, old)
            .with(c::DIR, Expect::Null)
            .with(c::PATH_RESOLVED, self.resolved_fd(node, result.is_ok()))
            .result(&result);
        rec.add(self.describe(entry, &SECOND, &new, &found, result.is_ok()));
        if let (Ok(()), Ok(found)) = (result, found) {
            self.tree.add_link(node, found.parent, found.name);
        }
    }
}

fn inode(fd: &OwnedFd) -> i64 {
    rustix::fs::fstat(fd).expect("an open file has a status").st_ino as i64
}

const MODES: [u32; 7] = [0o644, 0o600, 0o666, 0o777, 0o400, 0o000, 0o2755];

const RESOLVE: [ResolveFlags; 5] = [
    ResolveFlags::empty(),
    ResolveFlags::NO_SYMLINKS,
    ResolveFlags::BENEATH,
    ResolveFlags::NO_XDEV,
    ResolveFlags::NO_MAGICLINKS,
];

/// A mode says something only where a file may be created.
fn expected_mode(creates: bool, mode: Mode) -> Expect {
    match creates {
        true => mode.as_raw_mode().into(),
        false => Expect::one_of([Expect::Null, 0i64.into()]),
    }
}

/// Flags that make sense together, or fail in a way that leaves nothing behind.
fn some_flags(rng: &mut Rng) -> OFlags {
    let mut flags = *rng.pick(&[OFlags::RDONLY, OFlags::RDONLY, OFlags::WRONLY, OFlags::RDWR]);
    match rng.below(20) {
        0..9 => flags |= OFlags::CREATE,
        9 => flags |= OFlags::DIRECTORY,
        10 => flags = OFlags::DIRECTORY,
        11 => {
            flags = OFlags::PATH | if rng.chance(40) { OFlags::DIRECTORY } else { OFlags::empty() }
        }
        12 if flags != OFlags::RDONLY => flags |= OFlags::TMPFILE,
        _ => {}
    }
    if flags.contains(OFlags::CREATE) && rng.chance(35) {
        flags |= OFlags::EXCL;
    }
    if rng.chance(15) {
        flags |= OFlags::NOFOLLOW;
    }
    // With O_PATH the kernel drops everything else; a directory is never created by an open.
    if !flags.contains(OFlags::PATH) {
        const OTHERS: [OFlags; 7] = [
            OFlags::TRUNC,
            OFlags::APPEND,
            OFlags::NONBLOCK,
            OFlags::SYNC,
            OFlags::DSYNC,
            OFlags::NOCTTY,
            OFlags::NOATIME,
        ];
        OTHERS.iter().filter(|_| rng.chance(12)).for_each(|&flag| flags |= flag);
    }
    if rng.chance(90) {
        flags |= OFlags::CLOEXEC;
    }
    flags
}

/// Whether `std` would pass these flags on as they are.
fn std_can(flags: OFlags) -> bool {
    !flags.contains(OFlags::PATH)
}
