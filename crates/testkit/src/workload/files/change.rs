//! Calls that change names: mkdir, link, symlink, rename, unlink, rmdir.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, Mode, RenameFlags};

use super::{FIRST, Files, SECOND, attempt, std_errno};
use crate::columns as c;
use crate::log::{LogEntry, Recorder};
use crate::rng::Rng;
use crate::workload::tree::Kind;

impl Files {
    pub(super) fn mkdir(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let spelled = self.spell_any(rng, 15);
        let found = self.walk(&spelled, false);
        let denied = self.denied(rng);
        let mode = *rng.pick(&[0o755, 0o700, 0o777, 0o1777, 0o711]);
        let (call, mode, result) = if spelled.starts_at_cwd() && rng.chance(40) {
            let path = OsStr::from_bytes(&spelled.text);
            ("mkdir", 0o777, attempt(denied, || std_errno(std::fs::create_dir(path))))
        } else {
            let dirfd = self.dirfd(&spelled);
            let make = || rustix::fs::mkdirat(dirfd, &spelled.text, Mode::from_raw_mode(mode));
            ("mkdirat", mode, attempt(denied, make))
        };
        let entry = LogEntry::new(c::MKDIR, call).with(c::MODE, mode).result(&result);
        rec.add(self.describe(entry, &FIRST, &spelled, &found, result.is_ok()));
        if result.is_ok() {
            let found = found.expect("a directory was made where the model has none");
            self.tree.add(found.parent, found.name, Kind::Dir(Default::default()));
        }
    }

    pub(super) fn link(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (old, new) = (self.spell_any(rng, 90), self.spell_any(rng, 15));
        let denied = self.denied(rng);
        let plain = old.starts_at_cwd() && new.starts_at_cwd() && rng.chance(40);
        let follow = !plain && rng.chance(30);
        let (from, to) = (self.walk(&old, follow), self.walk(&new, false));
        let result = if plain {
            let (old, new) = (OsStr::from_bytes(&old.text), OsStr::from_bytes(&new.text));
            attempt(denied, || std_errno(std::fs::hard_link(old, new)))
        } else {
            let flags = if follow { AtFlags::SYMLINK_FOLLOW } else { AtFlags::empty() };
            let (olddir, newdir) = (self.dirfd(&old), self.dirfd(&new));
            attempt(denied, || rustix::fs::linkat(olddir, &old.text, newdir, &new.text, flags))
        };
        let entry = LogEntry::new(c::LINK, "linkat").result(&result);
        let entry = self.describe(entry, &FIRST, &old, &from, result.is_ok());
        rec.add(self.describe(entry, &SECOND, &new, &to, result.is_ok()));
        if result.is_ok() {
            let from =
                from.ok().and_then(|it| it.node).expect("a file that is not there was linked");
            let to = to.expect("a link was made where nothing can be");
            self.tree.add_link(from, to.parent, to.name);
        }
    }

    pub(super) fn symlink(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let spelled = self.spell_any(rng, 10);
        let found = self.walk(&spelled, false);
        let denied = self.denied(rng);
        let (dir, name) = match &found {
            Ok(found) => (found.parent, found.name.as_slice()),
            Err(_) => (self.home, &b"nowhere"[..]),
        };
        let target = self.spell_target(rng, dir, name);
        let (call, result) = if spelled.starts_at_cwd() && rng.chance(40) {
            let (target, path) = (OsStr::from_bytes(&target), OsStr::from_bytes(&spelled.text));
            let link = || std_errno(std::os::unix::fs::symlink(target, path));
            ("symlink", attempt(denied, link))
        } else {
            let dirfd = self.dirfd(&spelled);
            let link = || rustix::fs::symlinkat(&target, dirfd, &spelled.text);
            ("symlinkat", attempt(denied, link))
        };
        let entry =
            LogEntry::new(c::SYMLINK, call).with(c::TARGET, target.as_slice()).result(&result);
        rec.add(self.describe(entry, &FIRST, &spelled, &found, result.is_ok()));
        if result.is_ok() {
            let found = found.expect("a link was made where nothing can be");
            self.tree.add(found.parent, found.name, Kind::Symlink(target));
        }
    }

    pub(super) fn rename(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let (old, new) = (self.spell_any(rng, 95), self.spell_any(rng, 35));
        let (from, to) = (self.walk(&old, false), self.walk(&new, false));
        if let (Ok(from), Ok(to)) = (&from, &to) {
            let lost = to.node.is_some_and(|node| self.tree.is_dir(node) && self.is_pinned(node));
            let fits = from.node.is_none_or(|node| self.may_move(node, to.parent))
                && to.node.is_none_or(|node| self.may_move(node, from.parent));
            if lost || !fits {
                return;
            }
        }
        let denied = self.denied(rng);
        let flags = *rng.pick(&[
            RenameFlags::empty(),
            RenameFlags::NOREPLACE,
            RenameFlags::EXCHANGE,
            RenameFlags::NOREPLACE | RenameFlags::EXCHANGE,
        ]);
        let (olddir, newdir) = (self.dirfd(&old), self.dirfd(&new));
        let (call, flags, result) = match rng.below(3) {
            0 if old.starts_at_cwd() && new.starts_at_cwd() => {
                let (old, new) = (OsStr::from_bytes(&old.text), OsStr::from_bytes(&new.text));
                let rename = || std_errno(std::fs::rename(old, new));
                ("rename", RenameFlags::empty(), attempt(denied, rename))
            }
            1 => {
                let rename = || rustix::fs::renameat(olddir, &old.text, newdir, &new.text);
                ("renameat", RenameFlags::empty(), attempt(denied, rename))
            }
            _ => {
                let rename =
                    || rustix::fs::renameat_with(olddir, &old.text, newdir, &new.text, flags);
                ("renameat2", flags, attempt(denied, rename))
            }
        };
        let entry =
            LogEntry::new(c::RENAME, call).with(c::FLAGS, rename_flag_names(flags)).result(&result);
        let entry = self.describe(entry, &FIRST, &old, &from, result.is_ok());
        rec.add(self.describe(entry, &SECOND, &new, &to, result.is_ok()));
        if result.is_ok() {
            let from = from.ok().and_then(|it| it.node).expect("nothing that is there was renamed");
            let to = to.expect("a name was given where nothing can be");
            match (flags.contains(RenameFlags::EXCHANGE), to.node) {
                (true, Some(other)) => self.tree.exchange(from, other),
                (true, None) => panic!("a name was exchanged with nothing"),
                (false, _) => self.tree.rename(from, &to),
            }
        }
    }

    pub(super) fn unlink(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let spelled = self.spell_any(rng, 92);
        let found = self.walk(&spelled, false);
        let denied = self.denied(rng);
        let (call, result) = if spelled.starts_at_cwd() && rng.chance(40) {
            let path = OsStr::from_bytes(&spelled.text);
            ("unlink", attempt(denied, || std_errno(std::fs::remove_file(path))))
        } else {
            let dirfd = self.dirfd(&spelled);
            let unlink = || rustix::fs::unlinkat(dirfd, &spelled.text, AtFlags::empty());
            ("unlinkat", attempt(denied, unlink))
        };
        let entry = LogEntry::new(c::UNLINK, call).result(&result);
        rec.add(self.describe(entry, &FIRST, &spelled, &found, result.is_ok()));
        if result.is_ok() {
            let node = found.ok().and_then(|it| it.node).expect("nothing was unlinked");
            self.tree.remove(node);
        }
    }

    pub(super) fn rmdir(&mut self, rng: &mut Rng, rec: &mut Recorder) {
        let spelled = match rng.chance(70) {
            true => {
                let dir = self.some_dir(rng);
                self.spell_node(rng, dir)
            }
            false => self.spell_any(rng, 92),
        };
        let found = self.walk(&spelled, false);
        let node = found.as_ref().ok().and_then(|found| found.node);
        if node.is_some_and(|node| self.tree.is_dir(node) && self.is_pinned(node)) {
            return;
        }
        let denied = self.denied(rng);
        let (call, result) = if spelled.starts_at_cwd() && rng.chance(40) {
            let path = OsStr::from_bytes(&spelled.text);
            ("rmdir", attempt(denied, || std_errno(std::fs::remove_dir(path))))
        } else {
            let dirfd = self.dirfd(&spelled);
            let remove = || rustix::fs::unlinkat(dirfd, &spelled.text, AtFlags::REMOVEDIR);
            ("unlinkat", attempt(denied, remove))
        };
        let entry = LogEntry::new(c::RMDIR, call).result(&result);
        rec.add(self.describe(entry, &FIRST, &spelled, &found, result.is_ok()));
        if result.is_ok() {
            self.tree.remove(node.expect("a directory that is not there was removed"));
        }
    }
}

fn rename_flag_names(flags: RenameFlags) -> Vec<&'static str> {
    let names =
        [(RenameFlags::NOREPLACE, "RENAME_NOREPLACE"), (RenameFlags::EXCHANGE, "RENAME_EXCHANGE")];
    names.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name).collect()
}
