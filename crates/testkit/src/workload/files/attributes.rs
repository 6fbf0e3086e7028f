//! Calls that change what a file is like: chmod, chown, truncate.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use rustix::fs::{AtFlags, Gid, Mode, Uid};
use rustix::io::Errno;

use super::{FIRST, Files, attempt, std_errno};
use crate::columns as c;
use crate::log::{Expect, LogEntry, Recorder};
use crate::rng::Rng;

impl Files {
    pub(super) fn chmod(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let mode = *rng.pick(&[0o644, 0o600, 0o755, 0o777, 0o711, 0o000, 0o1755, 0o2711]);
        if rng.chance(25) {
            let new = Mode::from_raw_mode(mode);
            let entry = LogEntry::new(c::CHMOD, "fchmod").with(c::MODE, mode);
            return self.by_fd(rng, rec, entry, |fd| rustix::fs::fchmod(fd, new));
        }
        let spelled = self.spell_any(rng, 92);
        let found = self.walk(&spelled, true);
        let denied = self.denied(rng);
        let (call, result) = if spelled.starts_at_cwd() && rng.chance(40) {
            let path = OsStr::from_bytes(&spelled.text);
            let new = Permissions::from_mode(mode);
            ("chmod", attempt(denied, || std_errno(std::fs::set_permissions(path, new))))
        } else {
            let (dirfd, new) = (self.dirfd(&spelled), Mode::from_raw_mode(mode));
            let chmod = || rustix::fs::chmodat(dirfd, &spelled.text, new, AtFlags::empty());
            ("fchmodat", attempt(denied, chmod))
        };
        let entry = LogEntry::new(c::CHMOD, call)
            .with(c::MODE, mode)
            .with(c::FD, Expect::Null)
            .result(&result);
        rec.add(self.describe(entry, &FIRST, &spelled, &found, result.is_ok()));
    }

    pub(super) fn chown(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let uid = *rng.pick(&[None, Some(0), Some(65534), Some(1000), Some(4_000_000_000)]);
        let gid = *rng.pick(&[None, Some(0), Some(65534), Some(5)]);
        let (owner, group) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        let entry = |call| {
            LogEntry::new(c::CHOWN, call)
                .with(c::UID, expected_id(uid))
                .with(c::GID, expected_id(gid))
        };
        if rng.chance(25) {
            let chown = |fd: &_| rustix::fs::fchown(fd, owner, group);
            return self.by_fd(rng, rec, entry("fchown"), chown);
        }
        let spelled = self.spell_any(rng, 92);
        let denied = self.denied(rng);
        let follow = rng.chance(60);
        let found = self.walk(&spelled, follow);
        let path = OsStr::from_bytes(&spelled.text);
        let (call, result) = match (spelled.starts_at_cwd() && rng.chance(50), follow) {
            (true, true) => {
                let chown = || std_errno(std::os::unix::fs::chown(path, uid, gid));
                ("chown", attempt(denied, chown))
            }
            (true, false) => {
                let chown = || std_errno(std::os::unix::fs::lchown(path, uid, gid));
                ("lchown", attempt(denied, chown))
            }
            (false, follow) => {
                let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
                let dirfd = self.dirfd(&spelled);
                let chown = || rustix::fs::chownat(dirfd, &spelled.text, owner, group, flags);
                ("fchownat", attempt(denied, chown))
            }
        };
        let entry = entry(call).with(c::FD, Expect::Null).result(&result);
        rec.add(self.describe(entry, &FIRST, &spelled, &found, result.is_ok()));
    }

    pub(super) fn truncate(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let size = *rng.pick(&[0i64, 1, 511, 4096, 65536]);
        if rng.chance(30) {
            let entry = LogEntry::new(c::TRUNCATE, "ftruncate").with(c::SIZE, size);
            return self.by_fd(rng, rec, entry, |fd| rustix::fs::ftruncate(fd, size as u64));
        }
        let mut spelled = self.spell_any(rng, 92);
        spelled.held = None;
        let found = self.walk(&spelled, true);
        let denied = self.denied(rng);
        let result = attempt(denied, || {
            nix::unistd::truncate(spelled.text.as_slice(), size)
                .map_err(|errno| Errno::from_raw_os_error(errno as i32))
        });
        let entry = LogEntry::new(c::TRUNCATE, "truncate")
            .with(c::SIZE, size)
            .with(c::FD, Expect::Null)
            .result(&result);
        rec.add(self.describe(entry, &FIRST, &spelled, &found, result.is_ok()));
    }

    /// Does `call` on one of the files held open.
    fn by_fd(
        &mut self,
        rng: &mut Rng,
        rec: &mut Recorder,
        entry: LogEntry,
        call: impl FnOnce(&std::os::fd::OwnedFd) -> Result<(), Errno>,
    ) {
        if self.held.is_empty() {
            return;
        }
        let denied = self.denied(rng);
        let held = rng.pick(&self.held);
        let result = attempt(denied, || call(&held.fd));
        let entry = entry
            .with(c::PATH, Expect::Null)
            .with(c::DIR, Expect::Null)
            .with(c::FD, i64::from(held.fd.as_raw_fd()))
            .with(c::PATH_RESOLVED, self.resolved_fd(held.node, result.is_ok()))
            .result(&result);
        rec.add(entry);
    }
}

/// An id as it was passed; none is `-1`, which a row may show as nothing.
fn expected_id(id: Option<u32>) -> Expect {
    match id {
        Some(id) => id.into(),
        None => Expect::one_of([Expect::Null, u32::MAX.into(), (-1i64).into()]),
    }
}
