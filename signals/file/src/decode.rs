//! Records to rows.

use schema::{Origin, Sink};
use wire::{
    Malformed, PATH_KNOWN, Reader, RecordHeader, Tail, call_name, differs, join_base, join_names,
    path_marks,
};

use crate::event::{
    FileChmod, FileChown, FileLink, FileMkdir, FileMount, FileOpen, FileRename, FileRmdir,
    FileSymlink, FileTruncate, FileUmount, FileUnlink,
};
use crate::record::{self, FilePathRecord, FileRecord};

/// Turns one record into one row.
pub(crate) fn decode(
    header: &RecordHeader,
    origin: Origin,
    reader: Reader<'_>,
    sink: &mut Sink,
) -> Result<(), Malformed> {
    let (record, tail) = reader.record::<FileRecord>()?;
    // Without `..`: a column that the kernel side gains has to be thought of here.
    let FileRecord {
        header: _,
        inode,
        size,
        error,
        fd,
        flags,
        mode,
        uid,
        gid,
        device,
        file_mode,
        created,
        extra_length: _,
        call,
        path: _,
    } = record;
    let Paths { mut one, mut two, extra } = Paths::read(&record, tail)?;
    if u32::from(header.kind) == record::FILE_RENAME && error == 0 {
        undo_rename(&mut one, &mut two, flags & RENAME_EXCHANGE != 0);
    }
    let error = (error != 0).then_some(error.wrapping_neg());
    let fd = (fd >= 0).then_some(fd);
    let kind = u32::from(header.kind);
    let call = call_name(call);
    match kind {
        record::FILE_OPEN | record::FILE_EXEC => {
            let known = u32::from(one.marks) & PATH_KNOWN != 0;
            let flags = open_flags(flags, kind == record::FILE_EXEC);
            let makes = flags & (O_CREAT | O_TMPFILE) != 0;
            sink.row(
                origin,
                FileOpen {
                    path: one.given,
                    dir: one.dir(),
                    path_resolved: one.resolved(),
                    path_differs: one.differs(),
                    path_marks: path_marks(one.marks),
                    flags,
                    mode: makes.then_some(mode & 0o7777),
                    created: known.then_some(created != 0 || flags & O_TMPFILE != 0),
                    fd,
                    inode: known.then_some(inode),
                    device: known.then_some(device),
                    file_mode: known.then_some(file_mode),
                    error,
                    call,
                },
            );
        }
        record::FILE_RENAME => sink.row(
            origin,
            FileRename {
                path: one.given,
                dir: one.dir(),
                path_resolved: one.resolved(),
                path_differs: one.differs(),
                new_path: two.given,
                new_dir: two.dir(),
                new_path_resolved: two.resolved(),
                new_path_differs: two.differs(),
                flags,
                error,
                call,
            },
        ),
        record::FILE_LINK => sink.row(
            origin,
            FileLink {
                path: one.given,
                dir: one.dir(),
                path_resolved: one.resolved(),
                path_differs: one.differs(),
                new_path: two.given,
                new_dir: two.dir(),
                new_path_resolved: two.resolved(),
                new_path_differs: two.differs(),
                flags,
                error,
                call,
            },
        ),
        record::FILE_SYMLINK => sink.row(
            origin,
            FileSymlink {
                target: one.given,
                path: two.given,
                dir: two.dir(),
                path_resolved: two.resolved(),
                path_differs: two.differs(),
                error,
                call,
            },
        ),
        record::FILE_MOUNT => sink.row(
            origin,
            FileMount {
                source: one.given,
                filesystem: extra,
                path: two.given,
                dir: two.dir(),
                path_resolved: two.resolved(),
                path_differs: two.differs(),
                flags,
                error,
                call,
            },
        ),
        _ => {
            let (path, dir) = (one.given, one.dir());
            let (path_resolved, path_differs) = (one.resolved(), one.differs());
            match kind {
                record::FILE_UNLINK => {
                    sink.row(
                        origin,
                        FileUnlink { path, dir, path_resolved, path_differs, error, call },
                    );
                }
                record::FILE_RMDIR => {
                    sink.row(
                        origin,
                        FileRmdir { path, dir, path_resolved, path_differs, error, call },
                    );
                }
                record::FILE_MKDIR => {
                    let mode = mode & 0o7777;
                    let row =
                        FileMkdir { path, dir, path_resolved, path_differs, mode, error, call };
                    sink.row(origin, row);
                }
                record::FILE_CHMOD => {
                    let mode = mode & 0o7777;
                    sink.row(
                        origin,
                        FileChmod {
                            path,
                            dir,
                            path_resolved,
                            path_differs,
                            mode,
                            fd,
                            flags,
                            error,
                            call,
                        },
                    );
                }
                record::FILE_CHOWN => {
                    let [uid, gid] = [uid, gid].map(|id| (id != u32::MAX).then_some(id));
                    sink.row(
                        origin,
                        FileChown {
                            path,
                            dir,
                            path_resolved,
                            path_differs,
                            uid,
                            gid,
                            fd,
                            flags,
                            error,
                            call,
                        },
                    );
                }
                record::FILE_UMOUNT => {
                    let row =
                        FileUmount { path, dir, path_resolved, path_differs, flags, error, call };
                    sink.row(origin, row);
                }
                record::FILE_TRUNCATE => {
                    let row = FileTruncate {
                        path,
                        dir,
                        path_resolved,
                        path_differs,
                        size,
                        fd,
                        error,
                        call,
                    };
                    sink.row(origin, row);
                }
                _ => return Err(Malformed::Kind),
            }
        }
    }
    Ok(())
}

/// Where a relative path started from is read when the call ends; a rename that moved that
/// directory, or one above it, has changed its name by then. This is its name before.
fn undo_rename<'a>(one: &mut Path<'a>, two: &mut Path<'a>, exchange: bool) {
    let (Some(old), Some(new)) = (one.resolved.clone(), two.resolved.clone()) else { return };
    for path in [one, two] {
        let Some(base) = &mut path.base else { continue };
        if let Some(rest) = below(base, &new) {
            *base = [&old, rest].concat();
        } else if exchange && let Some(rest) = below(base, &old) {
            *base = [&new, rest].concat();
        }
    }
}

/// What of `path` lies below `directory`, with its slash; empty if they are the same.
fn below<'p>(path: &'p [u8], directory: &[u8]) -> Option<&'p [u8]> {
    let rest = path.strip_prefix(directory)?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

const RENAME_EXCHANGE: u32 = 2;
const O_CREAT: u64 = 0o100;
const O_TMPFILE: u64 = 0o20000000;

/// The access mode is a number in the two lowest bits; here each gets a bit of its own.
fn open_flags(flags: u32, by_exec: bool) -> u64 {
    let access = if by_exec {
        1 << 35
    } else {
        match flags & 3 {
            0 => 1 << 32,
            1 => 1 << 33,
            _ => 1 << 34,
        }
    };
    u64::from(flags & !3) | access
}

/// The strings of a record, put in order.
struct Paths<'a> {
    one: Path<'a>,
    two: Path<'a>,
    extra: Option<&'a [u8]>,
}

/// One path of a call.
struct Path<'a> {
    given: Option<&'a [u8]>,
    resolved: Option<Vec<u8>>,
    base: Option<Vec<u8>>,
    marks: u16,
}

impl<'a> Paths<'a> {
    fn read(record: &FileRecord, mut tail: Tail<'a>) -> Result<Paths<'a>, Malformed> {
        let [first, second] = &record.path;
        let mut string = |length: u16| -> Result<Option<&'a [u8]>, Malformed> {
            let text = tail.string(length)?;
            Ok((length > 0).then_some(text))
        };
        let given = string(first.given_length)?;
        let extra = string(record.extra_length)?;
        let given_second = string(second.given_length)?;
        let names = tail.take(first.resolved_length)?;
        let names_second = tail.take(second.resolved_length)?;
        let base = tail.take(first.base_length)?;
        let base_second = tail.take(second.base_length)?;
        Ok(Paths {
            one: Path::new(first, given, names, base),
            two: Path::new(second, given_second, names_second, base_second),
            extra,
        })
    }
}

impl<'a> Path<'a> {
    fn new(
        record: &FilePathRecord,
        given: Option<&'a [u8]>,
        names: &[u8],
        base: &[u8],
    ) -> Path<'a> {
        let FilePathRecord {
            given_length: _,
            resolved_length: _,
            resolved_marks,
            base_at,
            base_length: _,
            base_marks,
        } = *record;
        let relative = given.is_some_and(|given| !given.starts_with(b"/"));
        let base = if relative {
            join_base(names, base_at, resolved_marks).or_else(|| join_names(base, base_marks))
        } else {
            None
        };
        Path { given, resolved: join_names(names, resolved_marks), base, marks: resolved_marks }
    }

    fn resolved(&self) -> Option<&[u8]> {
        self.resolved.as_deref()
    }

    fn dir(&self) -> Option<&[u8]> {
        self.base.as_deref()
    }

    fn differs(&self) -> Option<bool> {
        differs(self.given?, self.dir(), self.resolved())
    }
}
