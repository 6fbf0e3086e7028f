//! Where the symbols of a stripped binary are: a file of their own, found by build-id or by the
//! name that the binary has for it (`.gnu_debuglink`), and believed only if it belongs to it.
//!
//! Files are looked for below a root directory, which may be a container's: links in it lead
//! nowhere else, and nothing that is not a plain file is waited for.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};

use crate::elf::{Elf, Limits, Section};

/// Where distributions put debug files.
const DEBUG: &str = "/usr/lib/debug";
/// A path and what proves a file are not longer.
const LINK_BYTES: u64 = 4096;
/// A larger file is not read to compare its checksum.
const CHECKED_BYTES: u64 = 4 << 30;

/// A separate file with what was stripped from a binary.
#[derive(Debug)]
pub struct DebugFile {
    /// Where it is, below the root.
    pub path: PathBuf,
    /// Its contents.
    pub elf: Elf,
}

/// The paths, below the root, where the symbols of `elf` may be, the likeliest first. `binary` is
/// the path of `elf`, below the same root.
pub fn candidates(elf: &Elf, binary: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = elf.build_id().and_then(by_build_id).into_iter().collect();
    let Some(link) = DebugLink::of(elf) else { return paths };
    let folder = binary.parent().unwrap_or(Path::new("/"));
    // A debug file may be called as its binary is, but only in a directory of its own.
    if binary.file_name().is_none_or(|name| name != link.name.as_str()) {
        paths.push(folder.join(&link.name));
    }
    paths.push(folder.join(".debug").join(&link.name));
    let below = folder.strip_prefix("/").unwrap_or(folder);
    paths.push(Path::new(DEBUG).join(below).join(&link.name));
    paths
}

/// The first of the [`candidates`] below `root` that can be opened, holds symbols or debug
/// information, and belongs to `elf`: it has the same build-id, or where one of the two has none,
/// the checksum that `elf` names.
pub fn find(elf: &Elf, binary: &Path, root: &Path, limits: &Limits) -> Option<DebugFile> {
    let link = DebugLink::of(elf);
    candidates(elf, binary).into_iter().find_map(|path| {
        let file = open_below(root, &path)?;
        let found = Elf::open_within(file.try_clone().ok()?, limits.clone()).ok()?;
        let has = |name: &str| found.section_range(name).is_some_and(|(_, size)| size > 0);
        if !(has(".symtab") || has(".debug_info") || has(".zdebug_info")) {
            return None;
        }
        let belongs = match (elf.build_id(), found.build_id()) {
            (Some(one), Some(other)) => one == other,
            _ => checksum(&file)? == link.as_ref()?.checksum,
        };
        belongs.then_some(DebugFile { path, elf: found })
    })
}

/// The file that shares debug information with `elf` and others (`dwz`), as `.gnu_debugaltlink`
/// names it: believed if it has the build-id that stands there. `path` is where `elf` is, below
/// `root`.
pub fn supplement(elf: &Elf, path: &Path, root: &Path, limits: &Limits) -> Option<DebugFile> {
    let Section { data, .. } = elf.section_within(".gnu_debugaltlink", LINK_BYTES).ok()?;
    let end = data.iter().position(|&byte| byte == 0)?;
    let name = std::str::from_utf8(&data[..end]).ok().filter(|name| !name.is_empty())?;
    let id = &data[end + 1..];
    let beside = path.parent().unwrap_or(Path::new("/")).join(name);
    by_build_id(id).into_iter().chain([beside]).find_map(|path| {
        let found = Elf::open_within(open_below(root, &path)?, limits.clone()).ok()?;
        (found.build_id() == Some(id)).then_some(DebugFile { path, elf: found })
    })
}

/// Where the file with the symbols of the binary with this build-id is.
fn by_build_id(id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = id.split_first()?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(PathBuf::from(format!("{DEBUG}/.build-id/{first:02x}/{rest}.debug")))
}

/// What `.gnu_debuglink` says.
struct DebugLink {
    name: String,
    checksum: u32,
}

impl DebugLink {
    fn of(elf: &Elf) -> Option<DebugLink> {
        let Section { data, .. } = elf.section_within(".gnu_debuglink", LINK_BYTES).ok()?;
        let end = data.iter().position(|&byte| byte == 0)?;
        let name = std::str::from_utf8(&data[..end]).ok()?;
        let plain = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
        let checksum = data.get((end + 1).next_multiple_of(4)..)?.first_chunk()?;
        let name = name.to_owned();
        plain.then_some(DebugLink { name, checksum: u32::from_le_bytes(*checksum) })
    }
}

/// Opens what is at `path` for someone whose root directory is `root`. Does not wait for a pipe.
pub(crate) fn open_below(root: &Path, path: &Path) -> Option<File> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = open(root, folder, Mode::empty()).ok()?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT).ok()?;
    Some(File::from(file))
}

fn checksum(file: &File) -> Option<u32> {
    let size = file.metadata().ok().filter(|meta| meta.is_file())?.len();
    if size > CHECKED_BYTES {
        return None;
    }
    let mut sum = crc32fast::Hasher::new();
    let mut piece = vec![0; 1 << 20];
    let mut at = 0;
    while at < size {
        let wanted = piece.len().min((size - at) as usize);
        file.read_exact_at(&mut piece[..wanted], at).ok()?;
        sum.update(&piece[..wanted]);
        at += wanted as u64;
    }
    Some(sum.finalize())
}
