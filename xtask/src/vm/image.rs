//! The guest's file tree, put together in memory and written out as an initramfs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::cpio::{self, Archive};
use crate::failure::{Context, Result};

/// Folders that are links into /usr, as on every current Debian: packages name both ways.
const MERGED: [(&str, &str); 4] =
    [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")];

/// What the guest finds when it boots. Paths are kept without the leading slash.
#[derive(Default)]
pub(super) struct Image {
    nodes: BTreeMap<String, Node>,
}

enum Node {
    Directory(u32),
    /// A file of this machine, read when the image is written.
    Copy(PathBuf, u32),
    Bytes(Vec<u8>, u32),
    Link(String),
    Device(u32, u32),
}

impl Image {
    pub(super) fn new() -> Self {
        let mut image = Self::default();
        for (link, target) in MERGED {
            image.put(target, Node::Directory(0o755));
            image.nodes.insert(link.into(), Node::Link(target.into()));
        }
        image.directory("/tmp", 0o1777);
        // The kernel opens the console before anything has been mounted.
        image.put("/dev/console", Node::Device(5, 1));
        image
    }

    pub(super) fn directory(&mut self, path: &str, mode: u32) {
        self.put(path, Node::Directory(mode));
    }

    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.put(path, Node::Link(target.into()));
    }

    pub(super) fn bytes(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) {
        self.put(path, Node::Bytes(bytes.into(), mode));
    }

    /// Puts a file of this machine at `path`.
    pub(super) fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let of = fs::metadata(from).context(|| from.display().to_string())?;
        self.put(path, Node::Copy(from.into(), of.permissions().mode() & 0o7777));
        Ok(())
    }

    /// Puts everything under a folder of this machine at the root, as unpacking a package does.
    pub(super) fn tree(&mut self, folder: &Path) -> Result<()> {
        let mut pending = vec![folder.to_path_buf()];
        while let Some(here) = pending.pop() {
            for entry in fs::read_dir(&here).context(|| here.display().to_string())? {
                let from = entry.context(|| here.display().to_string())?.path();
                let at = from.strip_prefix(folder).unwrap_or(&from).to_string_lossy().into_owned();
                let of = fs::symlink_metadata(&from).context(|| at.clone())?;
                if of.is_symlink() {
                    let target = fs::read_link(&from).context(|| at.clone())?;
                    self.link(&at, &target.to_string_lossy());
                } else if of.is_dir() {
                    self.directory(&at, of.permissions().mode() & 0o7777);
                    pending.push(from);
                } else if of.is_file() {
                    self.copy(&at, &from)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.nodes.contains_key(&placed(path))
    }

    /// Writes the archive and hands back its size.
    pub(super) fn write(&self, to: &Path) -> Result<u64> {
        let file = File::create(to).context(|| to.display().to_string())?;
        let mut archive = Archive::new(BufWriter::with_capacity(1 << 20, file));
        for (path, node) in &self.nodes {
            let none = (0, 0);
            match node {
                Node::Directory(mode) => archive.add(path, cpio::DIRECTORY | mode, none, &[]),
                Node::Bytes(bytes, mode) => archive.add(path, cpio::FILE | mode, none, bytes),
                Node::Link(target) => {
                    archive.add(path, cpio::LINK | 0o777, none, target.as_bytes())
                }
                Node::Device(major, minor) => {
                    archive.add(path, cpio::CHARACTER_DEVICE | 0o600, (*major, *minor), &[])
                }
                Node::Copy(from, mode) => fs::read(from)
                    .and_then(|bytes| archive.add(path, cpio::FILE | mode, none, &bytes)),
            }
            .context(|| format!("{path} in {}", to.display()))?;
        }
        archive.finish().context(|| to.display().to_string())?;
        Ok(fs::metadata(to).context(|| to.display().to_string())?.len())
    }

    /// Later puts win, and the folders above come along: the kernel makes none by itself.
    fn put(&mut self, path: &str, node: Node) {
        let path = placed(path);
        if path.is_empty() || MERGED.iter().any(|(link, _)| *link == path) {
            return;
        }
        for (slash, _) in path.match_indices('/') {
            self.nodes.entry(path[..slash].into()).or_insert(Node::Directory(0o755));
        }
        self.nodes.insert(path, node);
    }
}

/// The path as the image keeps it: no leading slash, no dots, through the merged folders.
fn placed(path: &str) -> String {
    let parts: Vec<&str> =
        path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let merged = MERGED.iter().find(|(link, _)| parts.len() > 1 && parts[0] == *link);
    match merged {
        Some((_, target)) => [&[*target], &parts[1..]].concat().join("/"),
        None => parts.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_meet_whichever_way_they_are_named() {
        assert_eq!(placed("/bin/sh"), "usr/bin/sh");
        assert_eq!(
            placed("./lib/x86_64-linux-gnu/libc.so.6"),
            "usr/lib/x86_64-linux-gnu/libc.so.6"
        );
        assert_eq!(placed("/library/x"), "library/x");
        assert_eq!(placed("bin"), "bin");
    }

    #[test]
    fn folders_above_a_file_are_made_and_come_first() {
        let mut image = Image::new();
        image.bytes("/var/lib/x/file", 0o644, "x");
        image.link("/bin/sh", "busybox");
        let paths: Vec<&str> = image.nodes.keys().map(String::as_str).collect();
        let at = |path| paths.iter().position(|p| *p == path).unwrap();
        assert!(at("var") < at("var/lib") && at("var/lib/x") < at("var/lib/x/file"));
        assert!(image.has("/usr/bin/sh"));
        assert!(matches!(image.nodes["bin"], Node::Link(_)));
    }
}
