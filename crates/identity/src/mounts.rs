//! Where cgroups are: the mounts of their hierarchies, and a process's place in each.
//!
//! Pure readers of `/proc/self/mountinfo` and `/proc/PID/cgroup`; see `proc_pid_mountinfo(5)`
//! and `cgroups(7)`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use schema::Container;

use crate::cgroup;

/// The cgroup hierarchies mounted on this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mounts {
    /// The cgroup2 mount that shows most of the tree; `None` on a node with v1 alone.
    pub unified: Option<Mount>,
    /// The v1 hierarchies, in the order of their mounts.
    pub legacy: Vec<Legacy>,
}

/// One mount of a cgroup hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The directory that it is mounted on.
    pub point: PathBuf,
    /// The cgroup that the directory shows, relative to the reader's cgroup namespace: `/` for
    /// all that the namespace has, `/../..` for what lies above it.
    pub root: String,
}

/// A v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Legacy {
    /// Where it is mounted.
    pub mount: Mount,
    /// Its controllers, or `name=NAME` for a hierarchy without any.
    pub controllers: Vec<String>,
}

/// A process's place in every hierarchy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Membership<'a> {
    /// Its path in the cgroup2 hierarchy; `None` on a node with v1 alone.
    pub unified: Option<&'a str>,
    /// Its paths in the v1 hierarchies: the controllers, separated by commas, and the path.
    pub legacy: Vec<(&'a str, &'a str)>,
}

/// The v1 hierarchies whose paths say most, best first: every runtime makes cgroups in these.
const TELLING: [&str; 3] = ["name=systemd", "memory", "pids"];

/// The options of a v1 mount that are no controllers.
const NOT_CONTROLLERS: [&str; 7] =
    ["rw", "ro", "xattr", "noprefix", "clone_children", "release_agent", "seclabel"];

impl Mounts {
    /// Reads the text of a `mountinfo` file; lines of another shape are passed over.
    pub fn parse(mountinfo: &str) -> Mounts {
        let mut mounts = Mounts::default();
        for line in mountinfo.lines() {
            let Some((mount, kind, options)) = parse_mount(line) else { continue };
            match kind {
                "cgroup2" => {
                    let shown = mounts.unified.as_ref().map(|known| hidden(&known.root));
                    if shown.is_none_or(|shown| hidden(&mount.root) < shown) {
                        mounts.unified = Some(mount);
                    }
                }
                "cgroup" => {
                    let controllers = options.split(',').filter(|option| {
                        !NOT_CONTROLLERS.contains(&option.split('=').next().unwrap_or_default())
                    });
                    let controllers = controllers.map(str::to_owned).collect();
                    mounts.legacy.push(Legacy { mount, controllers });
                }
                _ => {}
            }
        }
        mounts
    }

    /// The mount of the v1 hierarchy that has `controller` (`memory`, `name=systemd`).
    pub fn legacy(&self, controller: &str) -> Option<&Mount> {
        let has = |it: &&Legacy| it.controllers.iter().any(|name| name == controller);
        self.legacy.iter().find(has).map(|legacy| &legacy.mount)
    }
}

impl<'a> Membership<'a> {
    /// Reads the text of a `/proc/PID/cgroup` file; lines of another shape are passed over.
    pub fn parse(text: &'a str) -> Membership<'a> {
        let mut membership = Membership::default();
        for line in text.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(id), Some(controllers), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if !path.starts_with('/') || id.parse::<u32>().is_err() {
                continue;
            }
            // The kernel marks a cgroup that was removed while the process was still in it.
            let path = path.strip_suffix(" (deleted)").unwrap_or(path);
            if controllers.is_empty() {
                membership.unified = Some(path);
            } else {
                membership.legacy.push((controllers, path));
            }
        }
        membership
    }

    /// The path that says most of where the process is: the one in the cgroup2 hierarchy, unless
    /// that is bare of cgroups because a v1 hierarchy is the one in use.
    pub fn path(&self) -> Option<&'a str> {
        let deep = |path: &&str| *path != "/";
        self.unified
            .filter(deep)
            .or_else(|| self.telling().find(deep))
            .or(self.unified)
            .or_else(|| self.telling().next())
    }

    /// The container, by the first hierarchy that tells one.
    pub fn container(&self) -> Option<Container> {
        let paths = self.unified.into_iter().chain(self.telling());
        paths.filter_map(|path| cgroup::container(path.as_bytes())).next()
    }

    /// The v1 paths, the most telling first.
    fn telling(&self) -> impl Iterator<Item = &'a str> {
        let rank = |controllers: &str| {
            let named = |name: &&str| controllers.split(',').any(|other| other == *name);
            TELLING.iter().position(named).unwrap_or(TELLING.len())
        };
        let mut paths: Vec<_> =
            self.legacy.iter().map(|&(controllers, path)| (rank(controllers), path)).collect();
        paths.sort_by_key(|&(rank, _)| rank);
        paths.into_iter().map(|(_, path)| path)
    }
}

/// A line's mount, file system type, and super options.
fn parse_mount(line: &str) -> Option<(Mount, &str, &str)> {
    // A variable number of optional fields ends with a lone dash.
    let (before, after) = line.split_once(" - ")?;
    let mut before = before.split(' ').skip(3);
    let (root, point) = (before.next()?, before.next()?);
    let mut after = after.split(' ');
    let (kind, _source, options) = (after.next()?, after.next()?, after.next().unwrap_or(""));
    let root = String::from_utf8_lossy(&unescape(root)).into_owned();
    let point = PathBuf::from(OsString::from_vec(unescape(point)));
    Some((Mount { point, root }, kind, options))
}

/// How much of the tree a mount with this root does not show, compared with others.
fn hidden(root: &str) -> (usize, usize) {
    let parts = || root.split('/').filter(|part| !part.is_empty());
    let up = parts().filter(|&part| part == "..").count();
    (usize::MAX - up, parts().count() - up)
}

/// Undoes the kernel's escapes: a backslash and three octal digits for white space and `\`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\').and_then(octal);
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    bytes
}

fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0u8, |value, &digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 8)?;
        value.checked_mul(8)?.checked_add(digit)
    })
}
