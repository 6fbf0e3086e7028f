//! A row of any table of requests, by the columns that all of them have; what of it goes out as spans
//! and as counts.
//!
//! Columns are found by their names once for each table. A table's own columns are used where they are.

use std::borrow::Cow;
use std::net::IpAddr;

use schema::{Batch, Process, Sensitivity, Storage, Table, Value};

use crate::{Options, escape};

/// The tables of requests that were met, and where their columns are.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    options: Options,
    known: Vec<(&'static Table, Option<Columns>)>,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    batch: &'a Batch,
    row: usize,
    pub(crate) columns: &'a Columns,
}

/// The place of a column, where the table has it.
pub(crate) type Place = Option<usize>;

/// What became of a request, in the words of rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It was answered, or needs no answer.
    Ok,
    /// The answer says that it failed.
    Error,
    /// There was none.
    NoAnswer,
    /// There may have been one that we did not see.
    Unseen,
}

/// The methods that HTTP knows.
pub(crate) const METHODS: [&str; 9] =
    ["GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS", "CONNECT", "TRACE"];

macro_rules! columns {
    ($($name:ident: $storage:ident,)*) => {
        /// Where a table has which column.
        #[derive(Debug)]
        pub(crate) struct Columns {
            /// What is spoken, where the table is that of one protocol.
            named: &'static str,
            $(pub(crate) $name: Place,)*
        }

        impl Columns {
            fn find(table: &'static Table, options: Options) -> Option<Columns> {
                let place = |name: &str, storage| {
                    let at = table.field(name)?;
                    let field = &table.fields[at];
                    let hidden = options.hide_personal && field.sensitivity == Sensitivity::Personal;
                    (field.kind.storage() == storage && !hidden).then_some(at)
                };
                let columns = Columns {
                    named: table.name.strip_suffix("_request").unwrap_or_default(),
                    $($name: place(stringify!($name), Storage::$storage),)*
                };
                let is_known = columns.protocol.is_some() || !columns.named.is_empty();
                let has_all = [columns.role, columns.operation, columns.outcome, columns.latency];
                (is_known && has_all.iter().all(Option::is_some)).then_some(columns)
            }
        }
    };
}

columns! {
    protocol: Text,
    socket: Uint,
    role: Text,
    operation: Text,
    resource: Text,
    status: Text,
    error: Text,
    outcome: Text,
    latency: Uint,
    sending: Uint,
    waiting: Uint,
    receiving: Uint,
    request_bytes: Uint,
    response_bytes: Uint,
    local_ip: Ip,
    local_port: Uint,
    peer_ip: Ip,
    peer_port: Uint,
    peer_pod: Text,
    peer_namespace: Text,
    peer_workload: Text,
    peer_service: Text,
    tls: Bool,
    trace_id: Text,
    span_id: Text,
    truncated: Bool,
    // What some protocols have besides.
    host: Text,
    path: Text,
    version: Text,
    user_agent: Text,
    name: Text,
    database: Text,
    collection: Text,
    group: Text,
    queue_group: Text,
    routing_key: Text,
}

impl Tables {
    /// Nothing was met yet. Columns that `options` hide are as good as not there.
    pub(crate) fn new(options: Options) -> Tables {
        Tables { options, known: Vec::new() }
    }

    /// Where the columns of `table` are; `None` where it is no table of requests.
    pub(crate) fn columns(&mut self, table: &'static Table) -> Option<&Columns> {
        let known = self.known.iter().position(|(known, _)| std::ptr::eq(*known, table));
        let at = known.unwrap_or_else(|| {
            self.known.push((table, Columns::find(table, self.options)));
            self.known.len() - 1
        });
        self.known[at].1.as_ref()
    }
}

impl Columns {
    /// All rows of a batch of this table.
    pub(crate) fn rows<'a>(&'a self, batch: &'a Batch) -> impl Iterator<Item = Request<'a>> {
        (0..batch.len()).map(|row| Request { batch, row, columns: self })
    }
}

impl<'a> Request<'a> {
    /// What is spoken: `http`, `redis`.
    pub(crate) fn protocol(&self) -> Cow<'a, str> {
        self.text(self.columns.protocol).unwrap_or(Cow::Borrowed(self.columns.named))
    }

    /// Whether the process asked: it answered otherwise.
    pub(crate) fn is_client(&self) -> bool {
        self.bytes(self.columns.role) == Some(b"client")
    }

    /// Whether nobody asked for it.
    pub(crate) fn is_push(&self) -> bool {
        self.bytes(self.columns.outcome) == Some(b"push")
    }

    /// What became of it.
    pub(crate) fn outcome(&self) -> Outcome {
        match self.bytes(self.columns.outcome) {
            _ if self.bytes(self.columns.error).is_some() => Outcome::Error,
            Some(b"no_answer" | b"closed") => Outcome::NoAnswer,
            Some(b"response_unseen" | b"crowded") => Outcome::Unseen,
            _ => Outcome::Ok,
        }
    }

    /// What was done, in few different words: a method that HTTP does not know is `_OTHER`, of gRPC it is
    /// the method's full name.
    pub(crate) fn kind(&self) -> Cow<'a, str> {
        let operation = self.text(self.columns.operation).unwrap_or_default();
        match &*self.protocol() {
            "http" if !METHODS.contains(&&*operation) => Cow::Borrowed("_OTHER"),
            "grpc" => match self.text(self.columns.resource) {
                Some(service) => Cow::Owned(format!("{service}/{operation}")),
                None => operation,
            },
            _ => operation,
        }
    }

    /// When it began, in nanoseconds since 1970.
    pub(crate) fn begin(&self) -> u64 {
        u64::try_from(self.batch.origin[self.row].time).unwrap_or(0)
    }

    /// How long it took, as far as it was seen.
    pub(crate) fn duration(&self) -> u64 {
        let Columns { latency, sending, waiting, receiving, .. } = *self.columns;
        self.number(latency).unwrap_or_else(|| {
            let parts = [sending, waiting, receiving].map(|part| self.number(part).unwrap_or(0));
            parts.into_iter().fold(0, u64::saturating_add)
        })
    }

    /// The process, as it was then.
    pub(crate) fn process(&self) -> &'a std::sync::Arc<Process> {
        &self.batch.process[self.row]
    }

    /// The node's name.
    pub(crate) fn node(&self) -> &'a str {
        &self.batch.node
    }

    /// The process's name: not the thread's, of which a process has many.
    pub(crate) fn comm(&self) -> Cow<'a, str> {
        let name = &self.process().facts.comm;
        match name.is_empty() {
            false => Cow::Borrowed(name),
            true => {
                let comm = &self.batch.origin[self.row].comm;
                let end = comm.iter().position(|&byte| byte == 0).unwrap_or(comm.len());
                escape::text(&comm[..end])
            }
        }
    }

    /// The bytes at `place`, if there are any.
    pub(crate) fn bytes(&self, place: Place) -> Option<&'a [u8]> {
        self.value(place).text()
    }

    /// The text at `place`.
    pub(crate) fn text(&self, place: Place) -> Option<Cow<'a, str>> {
        self.bytes(place).map(escape::text)
    }

    /// The number at `place`.
    pub(crate) fn number(&self, place: Place) -> Option<u64> {
        match self.value(place) {
            Value::Uint(number) => Some(number),
            _ => None,
        }
    }

    /// The address at `place`.
    pub(crate) fn ip(&self, place: Place) -> Option<IpAddr> {
        match self.value(place) {
            Value::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    /// Whether the column at `place` says so.
    pub(crate) fn says(&self, place: Place) -> bool {
        self.value(place) == Value::Bool(true)
    }

    fn value(&self, place: Place) -> Value<'a> {
        place.map_or(Value::Null, |at| self.batch.columns[at].value(self.row))
    }
}

impl Outcome {
    /// All of them.
    pub(crate) const ALL: [Outcome; 4] =
        [Outcome::Ok, Outcome::Error, Outcome::NoAnswer, Outcome::Unseen];

    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Outcome::Ok => "ok",
            Outcome::Error => "error",
            Outcome::NoAnswer => "no_answer",
            Outcome::Unseen => "unseen",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema::Event;

    #[test]
    fn every_table_of_requests_is_known_and_no_other() {
        let mut tables = Tables::default();
        let own = protocols::ALL.iter().flat_map(|it| it.tables.iter().copied());
        for table in own.chain([protocols::REQUEST]) {
            assert!(tables.columns(table).is_some(), "{}", table.name);
        }
        let columns = tables.columns(protocols::http::HttpRequest::TABLE).unwrap();
        let Columns { path, host, tls, trace_id, local_ip, .. } = columns;
        assert!([path, host, tls, trace_id, local_ip].iter().all(|place| place.is_some()));
        static OTHER: Table =
            Table { name: "other_request", doc: "", since: "", fields: &[], brief: &[] };
        assert!(tables.columns(&OTHER).is_none());
    }

    #[test]
    fn what_is_personal_may_be_hidden() {
        let mut tables = Tables::new(Options { hide_personal: true });
        let columns = tables.columns(protocols::http::HttpRequest::TABLE).unwrap();
        assert!(columns.path.is_none() && columns.resource.is_some());
    }
}
