//! The vocabulary of everything Fathom tells: tables, fields, batches, processes.
//!
//! A table is described once, by `#[derive(Event)]` on a plain struct. JSON rows, CSV, the live
//! table, the documentation and (later) the SQL catalogue are ordinary functions over [`Table`].
//! After decoding there is one currency, the [`Batch`]: columns with their table, and beside them
//! for each row where it came from ([`Origin`]) and the process it speaks of ([`Process`]).
#![forbid(unsafe_code)]

mod batch;
mod column;
pub mod plain;
mod process;
mod shared;
mod sink;
mod socket;
mod stack;
mod table;
mod value;

pub use batch::{Batch, Decoded, Origin};
pub use column::{Cell, Column, Data, Later};
pub use process::{
    Ancestor, Change, Container, ContainerNames, Credentials, ImageFlags, Namespaces, PodName,
    Process, ProcessFacts, ProcessKey, Qos, Runtime,
};
pub use schema_derive::Event;
pub use shared::{COMMON, common_value};
pub use sink::Sink;
pub use socket::{ClosedSocket, Moved, OpenedSocket, SocketNews};
pub use stack::{
    CodeMapping, Image, MappedFile, PythonCode, PythonEnd, PythonFrame, RawStack, Registers,
    StackEnd, StackNews, Wait,
};
pub use table::{Event, Field, FlagNames, Kind, PeerPart, Sensitivity, Storage, Table, Unit};
pub use value::{Row, Text, Value};
