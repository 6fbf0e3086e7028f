//! A request as a span.

use std::borrow::Cow;

use crate::request::{Columns, METHODS, Outcome, Request};

use super::attributes::Attributes;
use super::convention::{self, Family};
use super::message::{FAILED, Span, Status, flags, kind};
use super::{ids, resource};

/// The span of a request. `sequence` is another one for each.
pub(super) fn of(request: &Request<'_>, sequence: u64) -> Span {
    let protocol = request.protocol();
    let said = Said {
        request,
        family: Family::of(&protocol),
        operation: request.text(request.columns.operation).unwrap_or_default(),
        resource: request.text(request.columns.resource),
        status: request.text(request.columns.status).unwrap_or_default(),
        error: request.text(request.columns.error).unwrap_or_default(),
    };
    let span_id = ids::span(request, sequence);
    let (trace_id, parent) = ids::trace(request, span_id);
    let begin = request.begin();
    Span {
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
        parent_span_id: parent.map_or_else(Vec::new, |parent| parent.to_vec()),
        name: said.name(&protocol),
        kind: match (request.is_client(), request.is_push()) {
            (true, false) => kind::CLIENT,
            (false, false) => kind::SERVER,
            (true, true) => kind::CONSUMER,
            (false, true) => kind::PRODUCER,
        },
        start_time_unix_nano: begin,
        end_time_unix_nano: begin.saturating_add(request.duration()),
        attributes: said.attributes(&protocol).0,
        status: said.failed().map(|message| Status { message, code: FAILED }),
        // A caller's span is in the caller's process: that of a client's row is its own.
        flags: match (parent, request.is_client()) {
            (None, _) => 0,
            (Some(_), true) => flags::IS_KNOWN,
            (Some(_), false) => flags::IS_KNOWN | flags::IS_REMOTE,
        },
    }
}

/// What a request says in the words of all protocols.
struct Said<'a> {
    request: &'a Request<'a>,
    family: Family,
    operation: Cow<'a, str>,
    resource: Option<Cow<'a, str>>,
    status: Cow<'a, str>,
    error: Cow<'a, str>,
}

impl Said<'_> {
    /// Of few different values: what was done, and to what where that has no ids in it.
    fn name(&self, protocol: &str) -> String {
        let operation = &*self.operation;
        let on = |what: Option<&str>| match what {
            Some(what) if !operation.is_empty() => format!("{operation} {what}"),
            _ => operation.to_owned(),
        };
        let name = match self.family {
            Family::Http if !METHODS.contains(&operation) => match &self.resource {
                Some(path) => format!("HTTP {path}"),
                None => "HTTP".to_owned(),
            },
            Family::Http => on(self.resource.as_deref()),
            Family::Grpc => self.request.kind().into_owned(),
            Family::Dns => format!("DNS {operation}").trim_end().to_owned(),
            Family::Database("mongodb") => on(self.resource.as_deref()),
            Family::Messaging(system) => on(self.destination(system)),
            Family::Database(_) | Family::Other => operation.to_owned(),
        };
        if name.is_empty() { protocol.to_owned() } else { name }
    }

    /// What went wrong, in words; `None` where nothing did, as this side has it.
    fn failed(&self) -> Option<String> {
        let outcome = self.request.outcome();
        self.failure()?;
        Some(match (outcome, self.request.bytes(self.request.columns.outcome)) {
            (Outcome::NoAnswer, Some(b"closed")) => "closed before the answer".to_owned(),
            (Outcome::NoAnswer, _) => "no answer".to_owned(),
            _ => self.error.clone().into_owned(),
        })
    }

    fn failure(&self) -> Option<&str> {
        let outcome = self.request.outcome();
        self.family.failure(self.request.is_client(), outcome, &self.status, &self.error)
    }

    fn attributes(&self, protocol: &str) -> Attributes {
        let mut attributes = Attributes::default();
        match self.family {
            Family::Http => self.http(&mut attributes),
            Family::Grpc => self.grpc(&mut attributes),
            Family::Dns => {
                let name = self.request.text(self.request.columns.name);
                attributes.text_if("dns.question.name", name.or_else(|| self.resource.clone()));
            }
            Family::Database(system) => self.database(system, &mut attributes),
            Family::Messaging(system) => self.messaging(system, &mut attributes),
            Family::Other => {
                attributes.text("fathom.operation", &*self.operation);
                attributes.text_if("fathom.resource", self.resource.as_deref());
                attributes.text("fathom.status", &*self.status);
            }
        }
        attributes.text_if("error.type", self.failure());
        self.ends(&mut attributes);
        attributes.text(
            "network.protocol.name",
            match self.family {
                Family::Grpc => "http",
                _ => protocol,
            },
        );
        let request = self.request;
        let Columns { version, outcome, request_bytes, response_bytes, truncated, tls, .. } =
            *request.columns;
        attributes.text_if("network.protocol.version", request.text(version));
        attributes.number_if("fathom.request.size", request.number(request_bytes));
        attributes.number_if("fathom.response.size", request.number(response_bytes));
        let outcome = request.text(outcome).filter(|outcome| outcome != "answered");
        attributes.text_if("fathom.outcome", outcome);
        attributes.flag("fathom.tls", request.says(tls));
        attributes.flag("fathom.truncated", request.says(truncated));
        attributes
    }

    fn http(&self, attributes: &mut Attributes) {
        let request = self.request;
        let is_known = METHODS.contains(&&*self.operation);
        attributes.text("http.request.method", if is_known { &*self.operation } else { "_OTHER" });
        if !is_known {
            attributes.text("http.request.method_original", &*self.operation);
        }
        attributes.number_if("http.response.status_code", self.status.parse().ok());
        let scheme = if request.says(request.columns.tls) { "https" } else { "http" };
        attributes.text("url.scheme", scheme);
        attributes.text_if("url.template", self.resource.as_deref());
        let path = request.text(request.columns.path);
        // `*` and what CONNECT asks for are no paths.
        if let Some(path) = path.filter(|path| path.starts_with('/')) {
            let host = request.text(request.columns.host);
            if let Some(host) = host.filter(|_| request.is_client()) {
                attributes.text("url.full", format!("{scheme}://{host}{path}"));
            }
            let (path, query) = path.split_once('?').unwrap_or((&path, ""));
            attributes.text("url.path", path);
            attributes.text("url.query", query);
        }
        attributes.text_if("user_agent.original", request.text(request.columns.user_agent));
    }

    fn grpc(&self, attributes: &mut Attributes) {
        attributes.text("rpc.system.name", "grpc");
        attributes.text("rpc.system", "grpc");
        attributes.text("rpc.method", self.request.kind());
        attributes.text_if("rpc.service", self.resource.as_deref());
        attributes.text("rpc.response.status_code", &*self.status);
        attributes.number_if("rpc.grpc.status_code", convention::grpc_code(&self.status));
        let agent = self.request.text(self.request.columns.user_agent);
        attributes.text_if("user_agent.original", agent);
    }

    fn database(&self, system: &str, attributes: &mut Attributes) {
        attributes.text("db.system.name", system);
        attributes.text("db.operation.name", &*self.operation);
        if self.request.outcome() == Outcome::Error {
            attributes.text("db.response.status_code", &*self.status);
        }
        let Some(resource) = self.resource.as_deref() else { return };
        match (system, &*self.operation) {
            ("mongodb", _) => {
                let Columns { database, collection, .. } = *self.request.columns;
                // Its own table has them apart; of one name alone nobody knows which it is.
                let (first, rest) = resource.split_once('.').unwrap_or((resource, ""));
                let has_own = database.is_some() && collection.is_some();
                let of = |place, said: &str| match has_own {
                    true => self.request.text(place).map(Cow::into_owned),
                    false => Some(said.to_owned()),
                };
                attributes.text_if("db.namespace", of(database, first));
                attributes.text_if("db.collection.name", of(collection, rest));
            }
            ("redis" | "memcached", operation) => {
                attributes.text("db.query.text", format!("{operation} {resource}"));
            }
            (_, "CONNECT" | "USE") => attributes.text("db.namespace", resource),
            (_, operation) if is_statement(resource, operation) => {
                attributes.text("db.query.text", resource);
            }
            _ => attributes.text("fathom.resource", resource),
        }
    }

    fn messaging(&self, system: &str, attributes: &mut Attributes) {
        attributes.text("messaging.system", system);
        attributes.text("messaging.operation.name", &*self.operation);
        attributes.text_if("messaging.operation.type", convention::messaging(&self.operation));
        let destination = self.destination(system);
        attributes.text_if("messaging.destination.name", destination);
        if destination.is_none() {
            attributes.text_if("fathom.resource", self.resource.as_deref());
        }
        let request = self.request;
        let Columns { group, queue_group, routing_key, .. } = *request.columns;
        let group = request.text(group).or_else(|| request.text(queue_group));
        attributes.text_if("messaging.consumer.group.name", group);
        let key = request.text(routing_key);
        attributes.text_if("messaging.rabbitmq.destination.routing_key", key);
    }

    /// Where messages go or come from; `None` where the resource is something else, or several.
    fn destination(&self, system: &str) -> Option<&str> {
        let of_messages = convention::messaging(&self.operation)
            .is_some_and(|what| what != "settle")
            || system == "nats";
        self.resource.as_deref().filter(|name| of_messages && !name.contains(','))
    }

    /// Both ends: which of them is the server, and what is known of the other one.
    fn ends(&self, attributes: &mut Attributes) {
        let request = self.request;
        let columns = request.columns;
        let is_client = request.is_client();
        let peer = request.ip(columns.peer_ip).map(|ip| ip.to_string());
        let peer_port = request.number(columns.peer_port);
        let local = request.ip(columns.local_ip).filter(|ip| !ip.is_unspecified());
        let (server, port) = match is_client {
            true => (peer.clone(), peer_port),
            false => (local.map(|ip| ip.to_string()), request.number(columns.local_port)),
        };
        match request.text(columns.host).filter(|host| !host.is_empty()) {
            Some(host) => {
                let (name, said) = convention::host_and_port(&host);
                let usual = if request.says(columns.tls) { 443 } else { 80 };
                attributes.text("server.address", name);
                attributes.number_if("server.port", said.or(Some(usual)));
            }
            None => {
                attributes.number_if("server.port", port.filter(|_| server.is_some()));
                attributes.text_if("server.address", server);
            }
        }
        if !is_client {
            attributes.text_if("client.address", peer.clone());
            attributes.number_if("client.port", peer_port.filter(|_| peer.is_some()));
        }
        attributes.number_if("network.peer.port", peer_port.filter(|_| peer.is_some()));
        attributes.text_if("network.peer.address", peer);

        let workload = request.text(columns.peer_workload);
        let service = request.text(columns.peer_service);
        let name = workload.as_deref().map(resource::name).or(service.as_deref());
        attributes.text_if("service.peer.name", name);
        attributes.text_if("peer.service", name.filter(|_| is_client));
        attributes.text_if("service.peer.namespace", request.text(columns.peer_namespace));
        attributes.text_if("fathom.peer.pod", request.text(columns.peer_pod));
    }
}

/// Whether `resource` is a statement, and not the name of something.
fn is_statement(resource: &str, operation: &str) -> bool {
    let begins =
        resource.get(..operation.len()).is_some_and(|it| it.eq_ignore_ascii_case(operation));
    resource.contains(char::is_whitespace) || begins && !operation.is_empty()
}
