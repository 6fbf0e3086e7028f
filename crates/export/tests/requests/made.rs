//! Requests as rows, made by hand.

use std::net::SocketAddr;
use std::sync::Arc;

use protocols::http::{Fields, Request, Version};
use protocols::{Message, Summary, Told};
use schema::{
    Batch, Cell, Column, Container, Decoded, Kind, Origin, PeerPart, PodName, Process, ProcessKey,
    Runtime, Sink,
};

/// A moment, in nanoseconds since 1970, in the middle of a tenth of a second.
pub(crate) const NOW: i64 = 1_763_800_000_050_000_000;

/// A request that is to be a row.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) protocol: &'static str,
    pub(crate) role: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) status: Option<&'static str>,
    pub(crate) error: Option<&'static str>,
    pub(crate) outcome: &'static str,
    pub(crate) latency: Option<u64>,
    pub(crate) ends: Option<(&'static str, &'static str)>,
    pub(crate) tls: bool,
    pub(crate) trace: Option<(&'static str, Option<&'static str>)>,
    pub(crate) time: i64,
    pub(crate) node: &'static str,
    pub(crate) process: Arc<Process>,
    /// Namespace, workload and service of the other end.
    pub(crate) peer: [Option<&'static str>; 3],
}

impl Default for Call {
    fn default() -> Call {
        Call {
            protocol: "http",
            role: "client",
            operation: "GET",
            resource: "/item/{id}",
            status: Some("200"),
            error: None,
            outcome: "answered",
            latency: Some(3_000_000),
            ends: Some(("10.0.0.1:40000", "10.0.0.2:8080")),
            tls: false,
            trace: None,
            time: NOW,
            node: "node-1",
            process: web(),
            peer: [None; 3],
        }
    }
}

impl Call {
    /// Its row of the table over all protocols.
    pub(crate) fn batch(&self) -> Batch {
        let mut sink = Sink::default();
        protocols::write(self.protocol, &self.told(&self.summary()), self.origin(), &mut sink);
        self.finish(sink.tables.remove(0))
    }

    /// Its row of the table of HTTP.
    pub(crate) fn http(&self, request: Request) -> Batch {
        let mut sink = Sink::default();
        let asked = Message::Http(Box::new(protocols::http::Message::Request(request)));
        let summary = self.summary();
        let write = protocols::http1::HTTP1.write;
        write(&self.told(&summary), Some(&asked), None, self.origin(), &mut sink);
        self.finish(sink.tables.remove(0))
    }

    /// Its row of the table `name`, with some of that table's own columns.
    pub(crate) fn own(&self, name: &str, columns: &[(&str, &str)]) -> Batch {
        let mut tables = protocols::ALL.iter().flat_map(|it| it.tables);
        let table = tables.find(|table| table.name == name).unwrap();
        let general = self.batch();
        let column = |field: &schema::Field| {
            let mut column = Column::new(field.kind);
            match columns.iter().find(|(name, _)| *name == field.name) {
                Some((_, text)) => text.push(&mut column),
                None => match general.table.field(field.name) {
                    Some(at) => return general.columns[at].clone(),
                    None => column.push_null(),
                },
            }
            column
        };
        Batch { table, columns: table.fields.iter().map(column).collect(), ..general }
    }

    fn summary(&self) -> Summary {
        Summary {
            protocol: Some(self.protocol),
            operation: self.operation.into(),
            resource: self.resource.into(),
            status: self.status.map(Into::into),
            error: self.error.map(Into::into),
            trace: None,
        }
    }

    fn told<'a>(&self, summary: &'a Summary) -> Told<'a> {
        let end = |text: &str| text.parse::<SocketAddr>().unwrap();
        Told {
            socket: 7,
            role: self.role,
            summary,
            outcome: self.outcome,
            latency: self.latency,
            sending: Some(1_000),
            waiting: self.latency.map(|_| 2_000),
            receiving: None,
            request_bytes: Some(100),
            response_bytes: self.status.map(|_| 2000),
            local: self.ends.map(|(local, _)| end(local)),
            peer: self.ends.map(|(_, peer)| end(peer)),
            tls: self.tls,
            trace_id: self.trace.map(|(trace, _)| trace),
            span_id: self.trace.and_then(|(_, span)| span),
            truncated: false,
            from_middle: false,
        }
    }

    fn origin(&self) -> Origin {
        let mut comm = [0; 16];
        comm[..6].copy_from_slice(b"worker");
        Origin { time: self.time, process: self.process.key, tid: 1, cgroup: 0, comm }
    }

    fn finish(&self, mut rows: Decoded) -> Batch {
        let [namespace, workload, service] = self.peer;
        for (at, field) in rows.table.fields.iter().enumerate() {
            let value = match field.kind {
                Kind::Peer(PeerPart::Namespace) => namespace,
                Kind::Peer(PeerPart::Workload) => workload,
                Kind::Peer(PeerPart::Service) => service,
                _ => continue,
            };
            let mut column = Column::new(field.kind);
            value.push(&mut column);
            rows.columns[at] = column;
        }
        rows.with_processes(self.node.into(), vec![self.process.clone()])
    }
}

/// What was asked by HTTP.
pub(crate) fn asked() -> Request {
    Request {
        method: "GET".into(),
        target: "/item/17?token=***".into(),
        route: "/item/{id}".into(),
        version: Version::Http11,
        host: Some("shop.example:8443".into()),
        fields: Fields { user_agent: Some("curl/8".into()), ..Fields::default() },
        grpc: None,
        body: None,
    }
}

/// A process of `Deployment/web` in the namespace `shop`.
pub(crate) fn web() -> Arc<Process> {
    pod("web-1", 100)
}

/// A process of a pod of `Deployment/web`.
pub(crate) fn pod(name: &str, pid: u32) -> Arc<Process> {
    let mut process = plain("nginx", pid);
    let container =
        Container::new("c0ffee".into(), Runtime::Containerd, Some("uid-1".into()), None);
    let names = &container.names;
    names.name.set("main".into()).unwrap();
    names.pod.set(PodName { namespace: "shop".into(), name: name.into() }).unwrap();
    names.workload.set("Deployment/web".into()).unwrap();
    process.container = Some(Arc::new(container));
    process.facts.exe = b"/usr/sbin/nginx".as_slice().into();
    Arc::new(process)
}

/// A process that is in no container.
pub(crate) fn plain(comm: &str, pid: u32) -> Process {
    Process::unknown(ProcessKey { start: 1, pid, boot: 2 }, comm, 3)
}
