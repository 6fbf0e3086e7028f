//! Without a kernel: what is told to it, and what is written, of two pods that talk.

use std::sync::mpsc::{self, Receiver};

use protocols::Policy;
use schema::{Change, Decoded, PodName, Value};
use telemetry::Side as Count;

use super::*;
use crate::node::Node;
use crate::stream::Stream;

const WEB: u64 = 2;
const PAY: u64 = 3;
const SOCKET: u64 = 77;
const ASKED: &str = "GET /order?who=jo HTTP/1.1\r\nHost: shop\r\n\r\n";
const ANSWERED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn the_kernel_has_room_for_all_that_protocols_look_for() {
    signal_stream::check(&told(&Settings::default())).expect("it fits");
}

/// A worker's share, and what it tells the kernel and the ledger.
struct Bench {
    requests: Requests,
    identity: Arc<Identity>,
    verdicts: Receiver<(u64, bool, Verdict)>,
    ledger: Ledger,
    sink: Sink,
    positions: [u64; 2],
    now: i64,
}

impl Bench {
    /// `shop` keeps what is in queries, `payments` is not read.
    fn new() -> Bench {
        let (verdict, verdicts) = mpsc::channel();
        let ledger = Ledger::new();
        let identity = Arc::new(Identity::new(identity::Limits::default()));
        for (id, uid) in [
            (WEB, "1e0a4c5e_0d6f_4b1c_9b7e_3c8f4f0a9d11"),
            (PAY, "2e0a4c5e_0d6f_4b1c_9b7e_3c8f4f0a9d11"),
        ] {
            let pod = format!("/kubepods.slice/kubepods-pod{uid}.slice");
            let path = format!("{pod}/cri-containerd-{}.scope", id.to_string().repeat(64));
            identity.apply(Change::CgroupMade {
                time: 1,
                id,
                path: path.as_bytes().into(),
                watched: true,
            });
        }
        let open = Policy { query_values: true, ..Policy::default() };
        let own = vec![("shop".to_string(), Some(open)), ("payments".to_string(), None)];
        let settings =
            Settings { policies: Policies::new(Policy::default(), own), ..Settings::default() };
        let judge = Box::new(move |socket, tls, said| {
            let _ = verdict.send((socket, tls, said));
        });
        let requests =
            Requests::new(judge, identity.clone(), &ledger, &settings, Origin::default());
        Bench {
            requests,
            identity,
            verdicts,
            ledger,
            sink: Sink::default(),
            positions: [0; 2],
            now: 1,
        }
    }

    fn named(&self, cgroup: u64, namespace: &str) -> &Bench {
        let container = self.identity.cgroups().container(cgroup).expect("a container");
        let pod = PodName { namespace: namespace.into(), name: "web-0".into() };
        container.names.pod.set(pod).expect("it has no name yet");
        self
    }

    fn origin(&mut self, cgroup: u64) -> Origin {
        self.now += 1_000_000;
        let process = ProcessKey { start: cgroup, pid: cgroup as u32, boot: 1 };
        Origin { time: self.now, process, cgroup, ..Origin::default() }
    }

    fn opened(&mut self) {
        let origin = self.origin(WEB);
        let opened = OpenedSocket {
            socket: SOCKET,
            local: None,
            peer: None,
            datagrams: false,
            from_middle: false,
            asked: Some(true),
        };
        self.sink.sockets.push(SocketNews::Opened(origin, opened));
        self.turn();
    }

    /// Somebody in the cgroup asks or is answered.
    fn says(&mut self, cgroup: u64, sent: bool, text: &str) {
        let origin = self.origin(cgroup);
        let position = &mut self.positions[usize::from(sent)];
        let moved = Moved {
            socket: SOCKET,
            sent,
            datagram: false,
            from_middle: false,
            tls: false,
            position: *position,
            size: text.len() as u64,
            bytes: 0..text.len(),
            peer: None,
        };
        *position += text.len() as u64;
        self.sink.bytes = text.as_bytes().to_vec();
        self.sink.sockets.push(SocketNews::Moved(origin, moved));
        self.turn();
    }

    fn call(&mut self, cgroup: u64) {
        self.says(cgroup, true, ASKED);
        self.says(cgroup, false, ANSWERED);
    }

    fn turn(&mut self) {
        let wanted = Wanted { own: true, over_all: false, coverage: false };
        self.requests.turn(&mut self.sink, wanted, self.now, false);
    }

    /// The path of each request, the outcome, and the cgroup of whose it is.
    fn rows(&self) -> Vec<(String, String, u64)> {
        let rows = |decoded: &Decoded| {
            let text = |name: &str, row: usize| match decoded.columns
                [decoded.table.field(name).expect(name)]
            .value(row)
            {
                Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
                other => format!("{other:?}"),
            };
            let all = 0..decoded.len();
            all.map(|row| (text("path", row), text("outcome", row), decoded.origin[row].cgroup))
                .collect::<Vec<_>>()
        };
        self.sink.tables.iter().flat_map(rows).collect()
    }

    fn verdict(&self) -> Option<Verdict> {
        self.verdicts.try_iter().map(|(_, _, verdict)| verdict).last()
    }
}

fn row(path: &str, outcome: &str, cgroup: u64) -> (String, String, u64) {
    (path.to_string(), outcome.to_string(), cgroup)
}

#[test]
fn a_pod_without_a_name_keeps_as_little_as_any() {
    let mut bench = Bench::new();
    bench.opened();
    bench.call(WEB);
    bench.named(WEB, "shop");
    bench.call(WEB);
    let expected = ["/order?who=***", "/order?who=jo"].map(|path| row(path, "answered", WEB));
    assert_eq!(bench.rows(), expected);
}

#[test]
fn a_namespace_that_is_not_read_is_passed_by_the_kernel() {
    let mut bench = Bench::new();
    bench.named(PAY, "payments");
    bench.opened();
    bench.call(PAY);
    assert_eq!((bench.rows(), bench.verdict()), (Vec::new(), Some(Verdict::Pass)));
    bench.now += 1;
    let wanted = Wanted { own: true, over_all: false, coverage: true };
    bench.requests.turn(&mut bench.sink, wanted, bench.now, true);
    let refused = bench.ledger.dropped();
    let of_bytes = |it: &&telemetry::Entry| it.table == BYTES;
    let refused: Vec<_> = refused.iter().filter(of_bytes).map(|it| (it.side, it.count)).collect();
    let moved = (ASKED.len() + ANSWERED.len()) as u64;
    assert_eq!(refused, [(Count::Dropped("refused_by_policy"), moved)]);
    assert!(bench.ledger.lost().is_empty(), "it is a wish: {:?}", bench.ledger.lost());
}

/// What was said before by a pod that may keep it is told as its own, and nothing of it afterwards.
#[test]
fn a_socket_that_is_handed_on_has_the_policy_of_who_has_it() {
    let mut bench = Bench::new();
    bench.named(WEB, "shop").named(PAY, "elsewhere");
    bench.opened();
    bench.call(WEB);
    bench.says(WEB, true, ASKED);
    bench.says(PAY, false, ANSWERED);
    let before = [("answered", WEB), ("response_unseen", WEB)];
    assert_eq!(bench.rows(), before.map(|(outcome, cgroup)| row("/order?who=jo", outcome, cgroup)));
    for _ in 0..3 {
        bench.call(PAY);
    }
    let after = &bench.rows()[2..];
    assert!(!after.is_empty());
    assert!(
        after.iter().all(|(path, _, cgroup)| (path.as_str(), *cgroup) == ("/order?who=***", PAY)),
        "{after:?}"
    );
}

#[test]
fn a_socket_that_the_kernel_forgot_is_counted() {
    let mut bench = Bench::new();
    bench.named(WEB, "shop");
    bench.opened();
    bench.call(WEB);
    let lacking = |bench: &Bench| {
        let entries = bench.ledger.entries();
        entries.iter().find(|it| it.side == Count::Lacking("told_again")).map(|it| it.count)
    };
    assert_eq!(lacking(&bench), None);
    // Of a unix socket the kernel counts from the first call on that it knows of.
    bench.opened();
    bench.positions = [0; 2];
    bench.call(WEB);
    assert_eq!((lacking(&bench), bench.rows().len()), (Some(1), 2));
}

/// The pods are named when the rows are there already, and before they are told.
#[test]
fn rows_are_told_of_those_only_who_may_be() {
    let mut bench = Bench::new();
    let bus = Arc::new(bus::Bus::new(&bench.ledger));
    let told = bus.subscribe("all", bus::Capacity::default(), bus::Policy::Block, None);
    let tables: Vec<_> = tables().collect();
    let (identity, policies) = (bench.identity.clone(), bench.requests.policies.clone());
    let stream = Stream::new(Node::here(), Vec::new(), tables, identity, bus, &bench.ledger);
    let mut stream = stream.governed(&policies);
    let mut pass_on = |bench: &mut Bench| {
        std::mem::swap(stream.sink(), &mut bench.sink);
        stream.flush();
        let batches = std::iter::from_fn(|| told.try_recv().ok());
        batches.map(|batch| batch.len()).sum::<usize>()
    };
    let dropped = |bench: &Bench, why: &'static str| {
        let entries = bench.ledger.dropped();
        let rows = entries.iter().filter(|it| it.stage == "enrich");
        rows.filter(|it| it.side == Count::Dropped(why)).map(|it| it.count).sum::<u64>()
    };
    bench.opened();
    bench.call(WEB);
    assert_eq!((pass_on(&mut bench), dropped(&bench, "pod_unknown")), (0, 1));
    bench.call(WEB);
    bench.named(WEB, "shop");
    assert_eq!((pass_on(&mut bench), dropped(&bench, "pod_unknown")), (1, 1));
    bench.call(PAY);
    bench.call(PAY);
    let waiting = bench.sink.len() as u64;
    assert!(waiting > 0);
    bench.named(PAY, "payments");
    assert_eq!((pass_on(&mut bench), dropped(&bench, "refused_by_policy")), (0, waiting));
}
