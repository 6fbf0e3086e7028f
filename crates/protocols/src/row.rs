//! Requests as rows: the columns that those of all protocols share, and the table over all of them.

use std::net::SocketAddr;

use schema::{Event, Origin, Sink, Table};

use crate::{Message, Summary};

/// What is told of a request besides what it said: what the engine knows.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// The socket, by its cookie or its inode number with the top bit set.
    pub socket: u64,
    /// `client` or `server`: what the process is on it.
    pub role: &'static str,
    /// What the request and its response say in the words of all protocols.
    pub summary: &'a Summary,
    /// What became of the request.
    pub outcome: &'static str,
    /// From the request's first byte to the response's last, in nanoseconds.
    pub latency: Option<u64>,
    /// From the request's first byte to its last.
    pub sending: Option<u64>,
    /// From the request's last byte to the response's first.
    pub waiting: Option<u64>,
    /// From the response's first byte to its last.
    pub receiving: Option<u64>,
    /// How long the request was; `None` where there was none.
    pub request_bytes: Option<u64>,
    /// How long the response was; `None` where none was seen.
    pub response_bytes: Option<u64>,
    /// The process's own end.
    pub local: Option<SocketAddr>,
    /// The other one.
    pub peer: Option<SocketAddr>,
    /// Whether it went through TLS and was read inside.
    pub tls: bool,
    /// The trace that the request says it belongs to, in hex.
    pub trace_id: Option<&'a str>,
    /// The caller's span, in hex.
    pub span_id: Option<&'a str>,
    /// Whether something of it was not seen that would have been read.
    pub truncated: bool,
    /// Whether the connection is older than the agent.
    pub from_middle: bool,
}

/// Writes a request's row into its protocol's own table.
pub type Write = fn(&Told, Option<&Message>, Option<&Message>, Origin, &mut Sink);

/// Declares a table of requests: the columns that all of them have, and its own, between those that
/// say what was asked and those that say how it went.
///
/// `row!` fills one in.
macro_rules! request_table {
    (
        $(#[doc = $doc:literal])*
        #[table = $table:literal]
        pub struct $name:ident {
            $($(#[$meta:meta])* pub $field:ident: $type:ty,)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(schema::Event)]
        #[event(
            table = $table,
            since = "0.1",
            brief = "protocol status|outcome latency role>peer_workload|peer_service|peer_pod|peer \
                     operation+resource error! tls? truncated?"
        )]
        pub struct $name<'a> {
            /// The socket's cookie; where the kernel had given none its inode number with the top bit
            /// set. As in the tables of sockets.
            #[event(kind = Uint)]
            pub socket: u64,
            /// What the process is: `client`, it asked, or `server`, it answered. A call between two
            /// watched processes has a row of each.
            #[event(kind = Text)]
            pub role: &'static str,
            $($(#[$meta])* pub $field: $type,)*
            /// What was done, in a word: `GET`, `SELECT`, `HGETALL`, `A`.
            #[event(kind = Text)]
            pub operation: &'a str,
            /// What it was done to, without what differs from call to call: a path with ids folded,
            /// SQL without literals, a key, a name. Null where there is nothing of the kind.
            #[event(kind = Text)]
            pub resource: Option<&'a str>,
            /// How it went, in the protocol's words: `200`, `NXDOMAIN`, `42P01`, `OK`. Null where no
            /// response was seen.
            #[event(kind = Text)]
            pub status: Option<&'a str>,
            /// What the response says of its failure, redacted; empty where it failed and says nothing,
            /// null where it did not fail.
            #[event(kind = Text)]
            pub error: Option<&'a str>,
            /// What became of it: `answered`, `one_way` (there is no answer to such), `push` (nobody
            /// asked), `no_answer` (within a minute), `closed` (before the answer),
            /// `response_unseen` (it was lost on its way to us), `crowded` (too many waited).
            #[event(kind = Text)]
            pub outcome: &'static str,
            /// From the request's first byte to the response's last, as this process's system calls
            /// ended that moved them.
            #[event(kind = Duration, unit = Nanoseconds)]
            pub latency: Option<u64>,
            /// From the request's first byte to its last.
            #[event(kind = Duration, unit = Nanoseconds)]
            pub sending: Option<u64>,
            /// From the request's last byte to the response's first: how long the server thought, as
            /// this end saw it.
            #[event(kind = Duration, unit = Nanoseconds)]
            pub waiting: Option<u64>,
            /// From the response's first byte to its last.
            #[event(kind = Duration, unit = Nanoseconds)]
            pub receiving: Option<u64>,
            /// How long the request was; null where there was none.
            #[event(kind = Uint, unit = Bytes)]
            pub request_bytes: Option<u64>,
            /// How long the response was; null where none was seen.
            #[event(kind = Uint, unit = Bytes)]
            pub response_bytes: Option<u64>,
            /// The address of this end; null where it is not known, as of unix sockets.
            #[event(kind = Ip)]
            pub local_ip: Option<std::net::IpAddr>,
            /// The port of this end.
            #[event(kind = Port)]
            pub local_port: Option<u16>,
            /// The address of the other end.
            #[event(kind = Ip)]
            pub peer_ip: Option<std::net::IpAddr>,
            /// The port of the other end.
            #[event(kind = Port)]
            pub peer_port: Option<u16>,
            /// The peer's pod; null where it is none, or is not known.
            #[event(kind = Peer(PeerPart::Pod))]
            pub peer_pod: schema::Later,
            /// The namespace of the peer's pod or service.
            #[event(kind = Peer(PeerPart::Namespace))]
            pub peer_namespace: schema::Later,
            /// What the peer's pod belongs to, as `Deployment/web`.
            #[event(kind = Peer(PeerPart::Workload))]
            pub peer_workload: schema::Later,
            /// The service at the peer's address.
            #[event(kind = Peer(PeerPart::Service))]
            pub peer_service: schema::Later,
            /// The node of that address.
            #[event(kind = Peer(PeerPart::Node))]
            pub peer_node: schema::Later,
            /// Whether it went through TLS and was read where it is plain.
            #[event(kind = Bool)]
            pub tls: bool,
            /// The trace that the request says it belongs to (`traceparent`, B3), in hex.
            #[event(kind = Text)]
            pub trace_id: Option<&'a str>,
            /// The caller's span in that trace, in hex.
            #[event(kind = Text)]
            pub span_id: Option<&'a str>,
            /// Whether something of it was not seen that would have been read.
            #[event(kind = Bool)]
            pub truncated: bool,
            /// Whether the connection is older than the agent, so that what was agreed on it before is
            /// not known.
            #[event(kind = Bool)]
            pub from_middle: bool,
        }
    };
}

/// A row of a table that `request_table!` declared, from a [`Told`] and the table's own columns.
macro_rules! row {
    ($told:expr, $name:ident { $($field:ident $(: $value:expr)?),* $(,)? }) => {{
        let told: &crate::row::Told = $told;
        $name {
            socket: told.socket,
            role: told.role,
            $($field $(: $value)?,)*
            operation: &told.summary.operation,
            resource: crate::row::some(&told.summary.resource),
            status: told.summary.status.as_deref(),
            error: told.summary.error.as_deref(),
            outcome: told.outcome,
            latency: told.latency,
            sending: told.sending,
            waiting: told.waiting,
            receiving: told.receiving,
            request_bytes: told.request_bytes,
            response_bytes: told.response_bytes,
            local_ip: told.local.map(|end| end.ip()),
            local_port: told.local.map(|end| end.port()),
            peer_ip: told.peer.map(|end| end.ip()),
            peer_port: told.peer.map(|end| end.port()),
            peer_pod: schema::Later,
            peer_namespace: schema::Later,
            peer_workload: schema::Later,
            peer_service: schema::Later,
            peer_node: schema::Later,
            tls: told.tls,
            trace_id: told.trace_id,
            span_id: told.span_id,
            truncated: told.truncated,
            from_middle: told.from_middle,
        }
    }};
}

/// What a message says, if it is of that protocol and of that kind: `said!(asked, Http, Request)`.
macro_rules! said {
    ($message:expr, $protocol:ident, $kind:ident) => {
        match $message {
            Some(crate::Message::$protocol(message)) => match &**message {
                super::Message::$kind(said) => Some(said),
                _ => None,
            },
            _ => None,
        }
    };
}

pub(crate) use {request_table, row, said};

request_table! {
    /// A request and its response, whatever the protocol; its own table says more.
    #[table = "request"]
    pub struct Request {
        /// What was spoken: `http`, `dns`, `postgres`, `redis` …
        #[event(kind = Text)]
        pub protocol: &'a str,
    }
}

/// The table over all protocols.
pub const REQUEST: &Table = Request::TABLE;

/// Writes a request's row into the table over all protocols.
pub fn write(protocol: &str, told: &Told, origin: Origin, sink: &mut Sink) {
    sink.row(origin, row!(told, Request { protocol }));
}

/// Text, if there is any.
pub(crate) fn some(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}
