//! One event, and what it says of itself: `evt.*`, its arguments, `fs.path.*`.

use std::cell::OnceCell;

use schema::plain::words;
use schema::{Batch, Process, Value};

use super::arguments::{ARGUMENTS, Shape, argument_names};
use super::{Chosen, Descriptor, Id, View, lexical};
use crate::columns::{Columns, Role};
use crate::names::Names;
use crate::novelty::Novelty;
use crate::state::State;
use crate::value::Seen;

/// One row, as rules read it.
pub(crate) struct Event<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) row: usize,
    pub(crate) columns: &'a Columns,
    /// Falco's name for it.
    pub(crate) name: &'static str,
    /// Which of the names of things is believed.
    pub(crate) view: View,
    pub(crate) around: Surroundings<'a>,
    pub(super) descriptor: OnceCell<Option<Descriptor<'a>>>,
}

/// What an event's fields need beside the row.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) state: &'a State,
    pub(crate) names: &'a dyn Names,
    pub(crate) novelty: &'a Novelty,
    pub(crate) number: u64,
}

const PERMISSIONS: schema::FlagNames = &[
    (0o4000, "S_ISUID"),
    (0o2000, "S_ISGID"),
    (0o1000, "S_ISVTX"),
    (0o400, "S_IRUSR"),
    (0o200, "S_IWUSR"),
    (0o100, "S_IXUSR"),
    (0o040, "S_IRGRP"),
    (0o020, "S_IWGRP"),
    (0o010, "S_IXGRP"),
    (0o004, "S_IROTH"),
    (0o002, "S_IWOTH"),
    (0o001, "S_IXOTH"),
];

const O_RDONLY: u64 = 1 << 32;
const O_WRONLY: u64 = 1 << 33;
const O_RDWR: u64 = 1 << 34;
const O_CREAT: u64 = 0o100;

impl<'a> Event<'a> {
    pub(crate) fn new(
        batch: &'a Batch,
        row: usize,
        columns: &'a Columns,
        name: &'static str,
        view: View,
        around: Surroundings<'a>,
    ) -> Event<'a> {
        Event { batch, row, columns, name, view, around, descriptor: OnceCell::new() }
    }

    pub(crate) fn process(&self) -> &'a Process {
        &self.batch.process[self.row]
    }

    #[inline]
    pub(crate) fn value(&self, role: Role) -> Value<'a> {
        self.columns.value(self.batch, self.row, role)
    }

    pub(crate) fn text(&self, role: Role) -> Option<&'a [u8]> {
        self.value(role).text()
    }

    pub(crate) fn number(&self, role: Role) -> Option<i64> {
        self.value(role).number()
    }

    /// Nanoseconds since 1970.
    pub(crate) fn time(&self) -> i64 {
        self.batch.origin[self.row].time
    }

    pub(crate) fn is(&self, table: &str) -> bool {
        self.columns.table.name == table
    }

    /// What the call returned: 0 or a descriptor, or a negative errno.
    pub(crate) fn result(&self) -> i64 {
        match self.number(Role::Error) {
            Some(error) => -error,
            None => self.number(Role::Fd).filter(|_| self.returns_descriptor()).unwrap_or(0),
        }
    }

    /// Whether what the call returns is a descriptor, and not just takes one.
    fn returns_descriptor(&self) -> bool {
        let name = self.columns.table.name;
        matches!(
            name,
            "file_open"
                | "fd_dup"
                | "socket_create"
                | "socket_accept"
                | "memfd_create"
                | "uring_setup"
                | "bpf_command"
                | "kernel_feature"
        )
    }

    /// `evt.*` and `fs.path.*`.
    pub(crate) fn own(&self, field: &Chosen) -> Option<Seen<'_>> {
        let time = self.time();
        let flags = || self.number(Role::Flags).unwrap_or(0) as u64;
        let opens = self.is("file_open");
        Some(match field.id {
            Id::EvtNum => Seen::number(self.around.number),
            Id::EvtTime => Seen::owned(clock(time)[11..29].to_string()),
            Id::EvtTimeS => Seen::owned(clock(time)[11..19].to_string()),
            Id::EvtTimeIso => Seen::owned(clock(time)),
            Id::EvtDatetime => Seen::owned(clock(time)[..29].replace('T', " ")),
            Id::EvtRawtime => Seen::number(time),
            Id::EvtRawtimeS => Seen::number(time.div_euclid(1_000_000_000)),
            Id::EvtRawtimeNs => Seen::number(time.rem_euclid(1_000_000_000)),
            Id::EvtType | Id::SyscallType => Seen::text(self.name),
            Id::EvtCategory => Seen::text(category(self.columns.table.name)),
            Id::EvtSource => Seen::text("syscall"),
            Id::EvtHostname => Seen::text(&*self.batch.node),
            Id::EvtDir => Seen::text("<"),
            Id::EvtRes => Seen::owned(match self.number(Role::Error) {
                None => "SUCCESS".to_string(),
                Some(error) => {
                    words::errno(error).map_or_else(|| error.to_string(), str::to_string)
                }
            }),
            Id::EvtRawres => Seen::number(self.result()),
            Id::EvtFailed => Seen::Bool(self.number(Role::Error).is_some()),
            Id::EvtArgs | Id::EvtInfo => Seen::owned(self.arguments()),
            Id::EvtArg => self.argument(&field.key, field.index),
            Id::EvtRawarg => self.raw_argument(&field.key, field.index),
            Id::EvtIsOpenRead => Seen::Bool(opens && flags() & (O_RDONLY | O_RDWR) != 0),
            Id::EvtIsOpenWrite => Seen::Bool(opens && flags() & (O_WRONLY | O_RDWR) != 0),
            Id::EvtIsOpenCreate => {
                Seen::Bool(opens && self.value(Role::Created) == Value::Bool(true))
            }
            Id::EvtIsOpenExec => {
                let mode = self.number(Role::Mode).unwrap_or(0);
                Seen::Bool(opens && flags() & O_CREAT != 0 && mode & 0o111 != 0)
            }
            Id::EvtIsIo => Seen::Bool(self.is("socket_datagram")),
            Id::EvtBytes => Seen::maybe(self.number(Role::BytesMoved), Seen::number),
            Id::FsPathName => self.path(Role::Path, Role::Dir, Role::Resolved),
            Id::FsPathNameraw => Seen::maybe(self.text(Role::Path), Seen::text),
            Id::FsPathSource if self.is("file_symlink") => {
                Seen::maybe(self.text(Role::Target), Seen::text)
            }
            Id::FsPathSource => self.path(Role::Path, Role::Dir, Role::Resolved),
            Id::FsPathSourceraw => Seen::maybe(self.text(Role::Path), Seen::text),
            Id::FsPathTarget if self.is("file_symlink") => {
                self.path(Role::Path, Role::Dir, Role::Resolved)
            }
            Id::FsPathTarget => self.path(Role::NewPath, Role::NewDir, Role::NewResolved),
            Id::FsPathTargetraw => Seen::maybe(self.text(Role::NewPath), Seen::text),
            _ => return None,
        })
    }

    /// A path as the view has it.
    fn path(&self, given: Role, directory: Role, resolved: Role) -> Seen<'_> {
        if self.view != View::Given
            && let Some(resolved) = self.text(resolved)
        {
            let alias = (self.view == View::Alias)
                .then(|| self.around.state.alias(self.process(), resolved))
                .flatten();
            return alias.map_or_else(|| Seen::text(resolved), Seen::owned);
        }
        let Some(given) = self.text(given) else {
            return Seen::maybe(self.text(resolved), Seen::text);
        };
        Seen::maybe(lexical(given, self.text(directory)), Seen::owned)
    }

    /// All arguments, as `NAME=VALUE`.
    fn arguments(&self) -> String {
        let named = argument_names(self.columns.table.name).filter_map(|name| {
            let value = self.argument(name, None);
            Some(format!("{name}={}", value.shown()?))
        });
        named.collect::<Vec<_>>().join(" ")
    }

    fn find_argument(&self, key: &str, index: Option<usize>) -> Option<(Role, Shape)> {
        let table = self.columns.table.name;
        let list = ARGUMENTS.iter().find(|(name, _)| *name == table)?.1;
        let found = match index {
            Some(index) => list.get(index),
            None => list.iter().find(|(name, ..)| *name == key),
        };
        found.map(|&(_, role, shape)| (role, shape))
    }

    fn argument(&self, key: &str, index: Option<usize>) -> Seen<'_> {
        let Some((role, shape)) = self.find_argument(key, index) else { return Seen::Nothing };
        match shape {
            // What was looked up is the kernel's word in the view that believes the kernel.
            Shape::Path if self.view != View::Given => self.argument_resolved(role),
            Shape::Path => Seen::maybe(self.text(role), Seen::text),
            Shape::Plain if role == Role::Error => match self.result() {
                result if result < 0 => {
                    let name = words::errno(-result).unwrap_or("errno");
                    Seen::owned(format!("{result}({name})"))
                }
                result => Seen::owned(result.to_string()),
            },
            Shape::Plain | Shape::Domain => {
                Seen::maybe(self.columns.plain(self.batch, self.row, role), Seen::owned)
            }
            Shape::Permissions => Seen::maybe(self.number(role), |mode| {
                let mut shown = Vec::new();
                words::flags(PERMISSIONS, mode as u64, |name| shown.push(name));
                if shown.is_empty() { Seen::text("0") } else { Seen::owned(shown.join("|")) }
            }),
            Shape::User => Seen::maybe(self.number(role), |uid| {
                let name = self.around.names.user(self.process(), uid as u32);
                name.map_or_else(|| Seen::owned(uid.to_string()), |name| Seen::owned(&*name))
            }),
            Shape::Tuple => Seen::maybe(self.descriptor(), |it| Seen::owned(it.name().to_vec())),
            Shape::ImageFlags => Seen::owned(self.image_flags()),
        }
    }

    /// A path argument as the kernel found it; a symlink's text from where it would be followed.
    fn argument_resolved(&self, role: Role) -> Seen<'_> {
        let resolved = match role {
            Role::Path => Role::Resolved,
            Role::NewPath => Role::NewResolved,
            Role::Target => {
                let link = self.text(Role::Resolved).or_else(|| self.text(Role::Path));
                let directory = link.and_then(|link| {
                    let end = link.iter().rposition(|&byte| byte == b'/')?;
                    Some(&link[..end])
                });
                let target = self.text(role).and_then(|target| lexical(target, directory));
                return Seen::maybe(target, Seen::owned);
            }
            other => other,
        };
        Seen::maybe(self.text(resolved).or_else(|| self.text(role)), Seen::text)
    }

    fn raw_argument(&self, key: &str, index: Option<usize>) -> Seen<'_> {
        let Some((role, _)) = self.find_argument(key, index) else { return Seen::Nothing };
        match self.value(role) {
            Value::Text(text) => Seen::text(text),
            value => Seen::maybe(value.number(), Seen::number),
        }
    }

    /// `EXE_WRITABLE|EXE_UPPER_LAYER|EXE_FROM_MEMFD`, or 0.
    fn image_flags(&self) -> String {
        let bits = self.number(Role::ImageFlags).unwrap_or(0) as u32;
        let mode = self.number(Role::Mode).unwrap_or(0);
        let all = [
            (super::process::writable(self.process(), mode), "EXE_WRITABLE"),
            (bits & schema::ImageFlags::OVERLAY_UPPER != 0, "EXE_UPPER_LAYER"),
            (bits & schema::ImageFlags::MEMFD != 0, "EXE_FROM_MEMFD"),
        ];
        let shown: Vec<_> = all.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
        if shown.is_empty() { "0".to_string() } else { shown.join("|") }
    }
}

/// `2026-11-22T08:00:00.123456789Z`
pub(crate) fn clock(time: i64) -> String {
    schema::plain::rfc3339(time)
}

fn category(table: &str) -> &'static str {
    match table.split('_').next().unwrap_or_default() {
        "file" | "fd" => "file",
        "socket" => "net",
        "process" | "credential" | "capability" | "namespace" => "process",
        _ => "other",
    }
}
