//! Mounts, in a mount namespace that a thread has for itself.

use std::ffi::CStr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};

use crate::columns as c;
use crate::log::{Edge, Expect, LogEntry, Recorder};
use crate::rng::Rng;

/// A thread that takes a mount namespace of its own, mounts and unmounts on the empty directory
/// `point`, and goes; without root it does nothing.
pub(super) fn session(point: &Path, seed: u64, rng: &mut Rng, rec: &mut Recorder) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut rng = rng.split(1);
    let entries = std::thread::scope(|scope| {
        let work = || {
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            unshare(CloneFlags::CLONE_NEWNS).ok()?;
            rustix::mount::mount_change("/", private).ok()?;
            let mut session =
                Session { point: point.as_os_str().as_bytes().to_vec(), rec: rec.sibling() };
            session.rec.mark(Edge::Begin, seed);
            session.run(&mut rng);
            session.rec.mark(Edge::End, seed);
            Some(session.rec.into_entries())
        };
        scope.spawn(work).join().expect("the thread works to its end")
    });
    entries.into_iter().flatten().for_each(|entry| rec.keep(entry));
}

struct Session {
    point: Vec<u8>,
    rec: Recorder,
}

impl Session {
    fn run(&mut self, rng: &mut Rng) {
        let point = self.point.clone();
        let missing = [&point[..], b"/missing"].concat();
        self.mount("kit", &point, "nosuchfs", MountFlags::empty());
        self.mount("kit", &missing, "tmpfs", MountFlags::empty());
        let flags = *rng.pick(&[
            MountFlags::NOSUID | MountFlags::NODEV,
            MountFlags::NOEXEC,
            MountFlags::empty(),
        ]);
        self.unmount(&point, UnmountFlags::empty());
        self.mount("kit tmpfs", &point, "tmpfs", flags);
        let inside = [&point[..], b"/inside"].concat();
        let file = self.make_file(&inside);
        self.unmount(&point, UnmountFlags::empty());
        drop(file);
        if rng.chance(50) {
            self.bind(&inside, &inside);
            self.unmount(&inside, UnmountFlags::NOFOLLOW);
        }
        if rng.chance(50) {
            self.remount(&point, MountFlags::RDONLY);
            self.make_file(&[&point[..], b"/refused"].concat());
        }
        let last = if rng.chance(50) { UnmountFlags::DETACH } else { UnmountFlags::empty() };
        self.unmount(&point, last);
    }

    fn mount(&mut self, source: &str, target: &[u8], kind: &str, flags: MountFlags) {
        let result = rustix::mount::mount(source, target, kind, flags, None::<&CStr>);
        let entry = LogEntry::new(c::MOUNT, "mount")
            .with(c::SOURCE, source)
            .with(c::FILESYSTEM, kind)
            .with(c::FLAGS, flag_names(flags));
        self.add(entry, target, result);
    }

    fn bind(&mut self, source: &[u8], target: &[u8]) {
        let result = rustix::mount::mount_bind(source, target);
        let entry = LogEntry::new(c::MOUNT, "mount")
            .with(c::SOURCE, source)
            .with(c::FLAGS, vec!["MS_BIND"]);
        self.add(entry, target, result);
    }

    fn remount(&mut self, target: &[u8], flags: MountFlags) {
        let result = rustix::mount::mount_remount(target, flags, "");
        let mut names = flag_names(flags);
        names.push("MS_REMOUNT");
        let entry = LogEntry::new(c::MOUNT, "mount").with(c::FLAGS, names);
        self.add(entry, target, result);
    }

    fn unmount(&mut self, target: &[u8], flags: UnmountFlags) {
        let result = rustix::mount::unmount(target, flags);
        let names =
            [(UnmountFlags::DETACH, "MNT_DETACH"), (UnmountFlags::NOFOLLOW, "UMOUNT_NOFOLLOW")];
        let names: Vec<&str> =
            names.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name).collect();
        self.add(LogEntry::new(c::UMOUNT, "umount2").with(c::FLAGS, names), target, result);
    }

    fn add(&mut self, entry: LogEntry, target: &[u8], result: Result<(), Errno>) {
        let resolved = match result {
            Ok(()) => target.into(),
            Err(_) => Expect::one_of([Expect::Null, target.into()]),
        };
        let entry = entry.with(c::PATH, target).with(c::PATH_RESOLVED, resolved).result(&result);
        self.rec.add(entry);
    }

    fn make_file(&mut self, path: &[u8]) -> Option<rustix::fd::OwnedFd> {
        let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC;
        let result = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600));
        let resolved = match result {
            Ok(_) => path.into(),
            Err(_) => Expect::one_of([Expect::Null, path.into()]),
        };
        let entry = LogEntry::new(c::OPEN, "open")
            .with(c::PATH, path)
            .with(c::DIR, Expect::Null)
            .with(c::PATH_RESOLVED, resolved)
            .with(c::FLAGS, vec!["O_CREAT", "O_WRONLY", "O_CLOEXEC"])
            .with(c::MODE, 0o600u32)
            .with(c::FD, result.as_ref().ok().map(|fd| i64::from(fd.as_raw_fd())))
            .result(&result);
        self.rec.add(entry);
        result.ok()
    }
}

fn flag_names(flags: MountFlags) -> Vec<&'static str> {
    let names = [
        (MountFlags::NOSUID, "MS_NOSUID"),
        (MountFlags::NODEV, "MS_NODEV"),
        (MountFlags::NOEXEC, "MS_NOEXEC"),
        (MountFlags::RDONLY, "MS_RDONLY"),
    ];
    names.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| *name).collect()
}
