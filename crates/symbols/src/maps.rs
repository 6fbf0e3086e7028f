//! `/proc/PID/maps`: the code that a process has mapped.

use std::io::{self, BufRead};
use std::ops::Range;
use std::sync::Arc;

use rustix::fs::makedev;

/// A mapping that may be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its addresses.
    pub range: Range<u64>,
    /// Where it begins in its file.
    pub offset: u64,
    /// The file's device, as `stat(2)` gives it; 0 without a file.
    pub device: u64,
    /// The file's inode number; 0 without a file.
    pub inode: u64,
    /// The file's path as the process sees it, `[vdso]` and its like, or nothing.
    pub path: Arc<str>,
}

/// More than any sane process has; what lies beyond is not read.
const BYTES: u64 = 32 << 20;

/// Reads those lines that tell of code. Lines that are none are passed over.
pub fn read(text: impl BufRead) -> io::Result<Vec<Region>> {
    let mut regions = Vec::new();
    let mut line = Vec::new();
    let mut text = text.take(BYTES);
    while text.read_until(b'\n', &mut line)? > 0 {
        regions.extend(region(&String::from_utf8_lossy(&line)));
        line.clear();
    }
    Ok(regions)
}

/// `7f…-7f… r-xp 00028000 fe:01 1234   /usr/lib/libc.so.6`
fn region(line: &str) -> Option<Region> {
    let mut words = line.trim_end_matches('\n').splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let range = hex(start)?..hex(end)?;
    let rights = words.next()?;
    let offset = hex(words.next()?)?;
    let (major, minor) = words.next()?.split_once(':')?;
    let device = makedev(hex(major)? as u32, hex(minor)? as u32);
    let inode = words.next()?.parse().ok()?;
    let path = words.next().unwrap_or_default().trim_start();
    let is_code = rights.as_bytes().get(2) == Some(&b'x') && !range.is_empty();
    is_code.then(|| Region { range, offset, device, inode, path: path.into() })
}

fn hex(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_picked_out() {
        let text = "\
55d0a0000000-55d0a0001000 r--p 00000000 fe:01 77                         /usr/bin/my tool
55d0a0001000-55d0a0002000 r-xp 00001000 fe:01 77                         /usr/bin/my tool
7f0000000000-7f0000001000 rwxp 00000000 00:00 0 
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0                          [vdso]
not a line
";
        let found = read(text.as_bytes()).unwrap();
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].range, 0x55d0a0001000..0x55d0a0002000);
        assert_eq!((found[0].offset, found[0].inode), (0x1000, 77));
        assert_eq!(&*found[0].path, "/usr/bin/my tool");
        assert_eq!((&*found[1].path, found[1].inode), ("", 0));
        assert_eq!(&*found[2].path, "[vdso]");
    }

    #[test]
    fn our_own_can_be_read() {
        let file = std::fs::File::open("/proc/self/maps").unwrap();
        let found = read(io::BufReader::new(file)).unwrap();
        let own = our_own_can_be_read as *const () as u64;
        assert!(found.iter().any(|it| it.range.contains(&own) && it.inode != 0));
    }
}
