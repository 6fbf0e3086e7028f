//! What a table is: its name, its fields, and what each field means.

use crate::Column;

/// One table: `subject_event`, singular, with the columns that are its own.
///
/// The columns that every table shares (time, process, pod …) are [`crate::COMMON`].
#[derive(Debug)]
pub struct Table {
    /// `subject_event`, such as `file_open`.
    pub name: &'static str,
    /// What one row says.
    pub doc: &'static str,
    /// The release that brought the table.
    pub since: &'static str,
    /// The table's own columns, in order.
    pub fields: &'static [Field],
    /// What of a row a person is shown, in this order; nothing where the kinds of the columns
    /// tell that well enough. Each word is a column, or the part that `peer_ip` and `peer_port` make. Of
    /// `a|b` the first is shown that has a value, of `a+b` both. `role>a` points to where `client` asks, or
    /// from where it is asked. `a!` says how the row failed and `a?` what is told only where it is so; the
    /// last word without a mark has all the room that is left. What a table lacks is left out.
    pub brief: &'static [&'static str],
}

/// One column of a table.
#[derive(Debug)]
pub struct Field {
    /// The column's name, unique among the table's own and the common ones.
    pub name: &'static str,
    /// What the value says, where it comes from, and when it is null.
    pub doc: &'static str,
    /// What the value means.
    pub kind: Kind,
    /// The unit of a number.
    pub unit: Unit,
    /// Whether a row may have no value here.
    pub nullable: bool,
    /// The release that brought the column.
    pub since: &'static str,
    /// How careful an exporter has to be with it.
    pub sensitivity: Sensitivity,
}

/// What a value means; how it is stored follows from it ([`Kind::storage`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A moment, in nanoseconds since 1970 UTC.
    Time,
    /// A span of time.
    Duration,
    /// A process or thread id, in the node's own pid namespace.
    Pid,
    /// A user id.
    Uid,
    /// A group id.
    Gid,
    /// A cluster-unique process key.
    Process,
    /// Text.
    Text,
    /// A file's path.
    Path,
    /// An argument vector: its strings, each ended by a NUL.
    Args,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A TCP or UDP port.
    Port,
    /// A part of what the cluster calls the peer at the row's `peer_ip`; filled in after decoding.
    Peer(PeerPart),
    /// An error number (`ENOENT` is 2).
    Errno,
    /// A signal number.
    Signal,
    /// A set of named bits.
    Flags(FlagNames),
    /// A set of Linux capabilities.
    Capabilities,
    /// Permission and file type bits.
    Mode,
    /// A device number, `major << 20 | minor`.
    Device,
    /// Yes or no.
    Bool,
    /// A signed whole number.
    Int,
    /// An unsigned whole number.
    Uint,
}

/// What is told of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerPart {
    /// Its pod's name.
    Pod,
    /// The namespace of the pod or service.
    Namespace,
    /// What the pod belongs to.
    Workload,
    /// The service at the address, or that the pod answers for.
    Service,
    /// The node that has the address, or that the pod is on.
    Node,
}

/// The names of a set's bits, lowest first: a name and its mask.
pub type FlagNames = &'static [(u64, &'static str)];

/// The physical form of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// `u64`
    Uint,
    /// `i64`
    Int,
    /// `bool`
    Bool,
    /// bytes, nearly always UTF-8
    Text,
    /// 16 bytes; IPv4 is mapped into IPv6
    Ip,
    /// [`crate::ProcessKey`]
    Process,
}

/// The unit of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A plain number, or no number at all.
    None,
    /// Nanoseconds.
    Nanoseconds,
    /// Bytes.
    Bytes,
    /// Things counted: segments, datagrams, records.
    Count,
}

/// How careful an exporter has to be with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensitivity {
    /// Names and numbers of the system's own.
    Plain,
    /// May hold what a user typed: arguments, paths.
    Personal,
}

/// A struct whose fields are one row of a table. Derive it.
pub trait Event {
    /// The table that rows of this type belong to.
    const TABLE: &'static Table;
    /// Appends one value to each of `columns`, which are the table's own, in order.
    fn push(self, columns: &mut [Column]);
}

impl Kind {
    /// How values of this kind are held in a column.
    pub const fn storage(self) -> Storage {
        match self {
            Kind::Time | Kind::Int | Kind::Errno | Kind::Signal => Storage::Int,
            Kind::Process => Storage::Process,
            Kind::Text | Kind::Path | Kind::Args | Kind::Peer(_) => Storage::Text,
            Kind::Ip => Storage::Ip,
            Kind::Bool => Storage::Bool,
            Kind::Duration
            | Kind::Pid
            | Kind::Uid
            | Kind::Gid
            | Kind::Port
            | Kind::Flags(_)
            | Kind::Capabilities
            | Kind::Mode
            | Kind::Device
            | Kind::Uint => Storage::Uint,
        }
    }

    /// The kind's name as documentation prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Time => "time",
            Kind::Duration => "duration",
            Kind::Pid => "pid",
            Kind::Uid => "uid",
            Kind::Gid => "gid",
            Kind::Process => "process",
            Kind::Text | Kind::Peer(_) => "text",
            Kind::Path => "path",
            Kind::Args => "args",
            Kind::Ip => "ip",
            Kind::Port => "port",
            Kind::Errno => "errno",
            Kind::Signal => "signal",
            Kind::Flags(_) => "flags",
            Kind::Capabilities => "capabilities",
            Kind::Mode => "mode",
            Kind::Device => "device",
            Kind::Bool => "bool",
            Kind::Int => "int",
            Kind::Uint => "uint",
        }
    }
}

impl Unit {
    /// The unit as documentation prints it; empty for a plain number.
    pub const fn name(self) -> &'static str {
        match self {
            Unit::None => "",
            Unit::Nanoseconds => "ns",
            Unit::Bytes => "bytes",
            Unit::Count => "count",
        }
    }
}

impl Table {
    /// The place of the table's own column `name`.
    pub fn field(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }
}
