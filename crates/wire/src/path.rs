//! Paths as the kernel side writes them: names, leaf first, each with its NUL.

use crate::{PATH_DELETED, PATH_HAS_BASE, PATH_KNOWN, PATH_TRUNCATED, PATH_UNREACHABLE};

/// What the marks of a path are called, lowest bit first.
pub const PATH_MARKS: &[(u64, &str)] = &[
    (PATH_TRUNCATED as u64, "TRUNCATED"),
    (PATH_DELETED as u64, "DELETED"),
    (PATH_UNREACHABLE as u64, "UNREACHABLE"),
];

/// The marks that are said of a path; the others are between the kernel side and us.
pub fn path_marks(marks: u16) -> u64 {
    u64::from(marks) & u64::from(PATH_TRUNCATED | PATH_DELETED | PATH_UNREACHABLE)
}

/// Puts names (leaf first) in order: `c\0b\0a\0` is `/a/b/c`.
///
/// None where the kernel side knew no path. A path that is not below its namespace's root has no
/// slash in front: `memfd:x`. One that was cut lacks its beginning and starts with `…/`.
pub fn join_names(names: &[u8], marks: u16) -> Option<Vec<u8>> {
    let marks = u32::from(marks);
    if marks & PATH_KNOWN == 0 {
        return None;
    }
    let mut path = Vec::with_capacity(names.len() + 4);
    let mut end = names.strip_suffix(&[0]).unwrap_or(names);
    if marks & PATH_TRUNCATED != 0 {
        path.extend_from_slice("…".as_bytes());
    }
    if end.is_empty() {
        path.push(b'/');
        return Some(path);
    }
    while !end.is_empty() {
        let start = end.iter().rposition(|&byte| byte == 0).map_or(0, |nul| nul + 1);
        if marks & PATH_UNREACHABLE == 0 || !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&end[start..]);
        end = &end[..start.saturating_sub(1)];
    }
    Some(path)
}

/// The directory that a walk came through: what stands behind `base_at` in its names.
pub fn join_base(names: &[u8], base_at: u16, marks: u16) -> Option<Vec<u8>> {
    if u32::from(marks) & PATH_HAS_BASE == 0 {
        return None;
    }
    join_names(names.get(usize::from(base_at)..)?, marks)
}

/// `given`, started from `directory` if it is relative, without `.`, `..` and doubled slashes;
/// symbolic links are not followed. None where it is relative and the directory is not known.
pub fn normalize(given: &[u8], directory: Option<&[u8]>) -> Option<Vec<u8>> {
    let start = if given.starts_with(b"/") { &[][..] } else { directory? };
    let mut path: Vec<u8> = Vec::with_capacity(start.len() + given.len() + 1);
    for name in start.split(|&byte| byte == b'/').chain(given.split(|&byte| byte == b'/')) {
        match name {
            b"" | b"." => {}
            b".." => path.truncate(path.iter().rposition(|&byte| byte == b'/').unwrap_or(0)),
            name => {
                path.push(b'/');
                path.extend_from_slice(name);
            }
        }
    }
    if path.is_empty() {
        path.push(b'/');
    }
    Some(path)
}

/// Whether what was asked for and what the kernel found are different files by name; none where
/// either is not known.
pub fn differs(given: &[u8], directory: Option<&[u8]>, resolved: Option<&[u8]>) -> Option<bool> {
    let resolved = resolved?;
    // The usual case, without making a string: an absolute path that names itself.
    if given == resolved {
        return Some(false);
    }
    Some(normalize(given, directory)? != resolved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: u16 = PATH_KNOWN as u16;

    #[test]
    fn names_are_put_in_order() {
        let join = |names: &[u8], marks| {
            join_names(names, KNOWN | marks).map(|it| String::from_utf8(it).unwrap())
        };
        assert_eq!(join(b"c\0b\0a\0", 0).as_deref(), Some("/a/b/c"));
        assert_eq!(join(b"", 0).as_deref(), Some("/"));
        assert_eq!(join(b"memfd:x\0", PATH_UNREACHABLE as u16).as_deref(), Some("memfd:x"));
        assert_eq!(join(b"b\0a\0", PATH_TRUNCATED as u16).as_deref(), Some("…/a/b"));
        assert_eq!(join_names(b"a\0", 0), None);
    }

    #[test]
    fn the_base_is_what_lies_behind_it() {
        let marks = KNOWN | PATH_HAS_BASE as u16;
        assert_eq!(join_base(b"c\0b\0a\0", 2, marks).as_deref(), Some(&b"/a/b"[..]));
        assert_eq!(join_base(b"c\0b\0a\0", 6, marks).as_deref(), Some(&b"/"[..]));
        assert_eq!(join_base(b"c\0", 60, marks), None);
        assert_eq!(join_base(b"c\0", 0, KNOWN), None);
    }

    #[test]
    fn a_given_path_is_compared_by_its_words() {
        assert_eq!(differs(b"../x//./y", Some(b"/a/b"), Some(b"/a/x/y")), Some(false));
        assert_eq!(differs(b"/a/link", None, Some(b"/a/target")), Some(true));
        assert_eq!(differs(b"x", None, Some(b"/a/x")), None);
        assert_eq!(differs(b"/../..", None, Some(b"/")), Some(false));
    }
}
