//! What OpenTelemetry's conventions make of a protocol.

use crate::request::Outcome;

/// The conventions that a protocol falls under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// HTTP, without gRPC.
    Http,
    /// gRPC.
    Grpc,
    /// DNS.
    Dns,
    /// A database, by its name there.
    Database(&'static str),
    /// A system that messages go through, by its name there.
    Messaging(&'static str),
    /// None.
    Other,
}

/// The names of gRPC's statuses, by number.
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Those with which the server failed, and not its caller.
const SERVER_FAILED: [&str; 6] =
    ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];

/// What stands for a kind of failure that has no name.
const NAMELESS: &str = "_OTHER";

impl Family {
    /// The family of a protocol, by its name in rows.
    pub(super) fn of(protocol: &str) -> Family {
        match protocol {
            "http" => Family::Http,
            "grpc" => Family::Grpc,
            "dns" => Family::Dns,
            "postgres" => Family::Database("postgresql"),
            "mysql" => Family::Database("mysql"),
            "redis" => Family::Database("redis"),
            "memcached" => Family::Database("memcached"),
            "mongodb" => Family::Database("mongodb"),
            "cassandra" => Family::Database("cassandra"),
            "kafka" => Family::Messaging("kafka"),
            "amqp" => Family::Messaging("rabbitmq"),
            "nats" => Family::Messaging("nats"),
            _ => Family::Other,
        }
    }

    /// What kind of failure it was, as a span or a count of that side says; `None` where it was none of
    /// that side's. A server did not fail by answering that its caller did.
    ///
    /// `error` is what the response says, empty where that is not known.
    pub(super) fn failure<'a>(
        self,
        is_client: bool,
        outcome: Outcome,
        status: &'a str,
        error: &'a str,
    ) -> Option<&'a str> {
        match outcome {
            Outcome::Ok | Outcome::Unseen => return None,
            Outcome::NoAnswer => return Some(Outcome::NoAnswer.as_str()),
            Outcome::Error => {}
        }
        match self {
            Family::Http if status >= "400" => (is_client || status >= "500").then_some(status),
            // The connection gave up an answer that was good so far, and says why.
            Family::Http => Some(if error.is_empty() { NAMELESS } else { error }),
            Family::Grpc if !is_client && !SERVER_FAILED.contains(&status) => None,
            _ => Some(if status.is_empty() { NAMELESS } else { status }),
        }
    }
}

/// The number of a gRPC status.
pub(super) fn grpc_code(status: &str) -> Option<u64> {
    let named = GRPC.iter().position(|name| *name == status);
    named.map(|code| code as u64).or_else(|| status.parse().ok())
}

/// What an operation of a messaging system is: `send`, `receive`, `settle`.
pub(super) fn messaging(operation: &str) -> Option<&'static str> {
    match operation {
        "Produce" | "PUB" | "basic.publish" => Some("send"),
        "Fetch" | "MSG" | "basic.get" | "basic.deliver" => Some("receive"),
        "OffsetCommit" | "basic.ack" | "basic.nack" | "basic.reject" => Some("settle"),
        _ => None,
    }
}

/// Host and port of what a `Host` header says.
pub(super) fn host_and_port(host: &str) -> (&str, Option<u64>) {
    let (name, rest) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, rest)) => (name, rest),
        None => match host.find(':') {
            // Several of them are an address without brackets.
            Some(at) if !host[at + 1..].contains(':') => host.split_at(at),
            _ => (host, ""),
        },
    };
    (name, rest.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()).map(u64::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        assert_eq!(host_and_port("shop"), ("shop", None));
        assert_eq!(host_and_port("shop:8080"), ("shop", Some(8080)));
        assert_eq!(host_and_port("[::1]:80"), ("::1", Some(80)));
        assert_eq!(host_and_port("::1"), ("::1", None));
        assert_eq!(host_and_port("shop:x"), ("shop", None));
        assert_eq!(host_and_port("["), ("[", None));
        assert_eq!(host_and_port(""), ("", None));
    }

    #[test]
    fn whose_failure_it_is() {
        let of = |protocol, is_client, status| {
            Family::of(protocol).failure(is_client, Outcome::Error, status, "")
        };
        assert_eq!((of("http", true, "404"), of("http", false, "404")), (Some("404"), None));
        assert_eq!(of("http", false, "503"), Some("503"));
        assert_eq!(of("http", false, "200"), Some("_OTHER"));
        assert_eq!(of("grpc", true, "NOT_FOUND"), Some("NOT_FOUND"));
        assert_eq!(of("grpc", false, "NOT_FOUND"), None);
        assert_eq!(of("grpc", false, "INTERNAL"), Some("INTERNAL"));
        assert_eq!(of("postgres", false, "42P01"), Some("42P01"));
        let unseen = Family::Http.failure(true, Outcome::Unseen, "", "");
        assert_eq!(unseen, None);
        let silent = Family::Http.failure(true, Outcome::NoAnswer, "", "");
        assert_eq!(silent, Some("no_answer"));
    }

    #[test]
    fn statuses_of_grpc() {
        assert_eq!((grpc_code("OK"), grpc_code("UNAUTHENTICATED")), (Some(0), Some(16)));
        assert_eq!((grpc_code("42"), grpc_code("x")), (Some(42), None));
    }
}
