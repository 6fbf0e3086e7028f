//! Whatever rows say: nothing panics, and what goes out can be read.

use std::collections::BTreeSet;
use std::sync::Arc;

use export::otlp::{Sender, Spans};
use export::{Options, Red};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message;
use schema::{Batch, Cell, Column, Kind, Origin, Process, Storage, Table};

use crate::made::{plain, web};
use crate::metrics;

/// What makes a difference somewhere.
const WORDS: &[&[u8]] = &[
    b"http",
    b"grpc",
    b"dns",
    b"redis",
    b"postgres",
    b"mongodb",
    b"kafka",
    b"nats",
    b"client",
    b"server",
    b"GET",
    b"SELECT",
    b"CONNECT",
    b"Produce",
    b"/item/{id}",
    b"/a?b=c",
    b"a.b",
    b"[",
    b"[::1]:80",
    b"x:99999",
    b"answered",
    b"push",
    b"no_answer",
    b"closed",
    b"one_way",
    b"response_unseen",
    b"200",
    b"404",
    b"503",
    b"4bf92f3577b34da6a3ce929d0e0e4736",
    b"00f067aa0ba902b7",
    b"Deployment/web",
    b"/",
    b"",
    b"\0",
    b"\xff\xfe",
    "\u{1f980}\u{1f980}".as_bytes(),
    b"\"\n\\",
];

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::sample::select(WORDS).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ]
}

/// One value of every kind, or none.
fn cell() -> impl Strategy<Value = (Option<Vec<u8>>, u64, bool, std::net::IpAddr)> {
    let number = prop_oneof![any::<u64>(), Just(0), Just(u64::MAX), 0..100_000_u64];
    (prop::option::weighted(0.8, text()), number, any::<bool>(), any::<std::net::IpAddr>())
}

fn batch(table: &'static Table, rows: &[Row]) -> Batch {
    let column = |at: usize, kind: Kind| {
        let mut column = Column::new(kind);
        for (cells, _, _) in rows {
            let (text, number, is_so, ip) = &cells[at % cells.len()];
            match (text, kind.storage()) {
                (None, _) => column.push_null(),
                (Some(text), Storage::Text) => text.as_slice().push(&mut column),
                (_, Storage::Int) => (*number as i64).push(&mut column),
                (_, Storage::Uint) => number.push(&mut column),
                (_, Storage::Bool) => is_so.push(&mut column),
                (_, Storage::Ip) => ip.push(&mut column),
                (_, storage) => panic!("{storage:?}"),
            }
        }
        column
    };
    let fields = table.fields.iter().enumerate();
    let processes: [Arc<Process>; 3] = [web(), Arc::new(plain("", 3)), Arc::new(plain("x", 4))];
    let origin = |time: &i64| Origin { time: *time, comm: [0xff; 16], ..Origin::default() };
    Batch {
        table,
        node: "node-1".into(),
        origin: rows.iter().map(|(_, time, _)| origin(time)).collect(),
        process: rows.iter().map(|(_, _, process)| processes[process % 3].clone()).collect(),
        columns: fields.map(|(at, field)| column(at, field.kind)).collect(),
    }
}

type Row = (Vec<(Option<Vec<u8>>, u64, bool, std::net::IpAddr)>, i64, usize);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let row = (prop::collection::vec(cell(), 29), any::<i64>(), any::<usize>());
    prop::collection::vec(row, 0..20)
}

/// Every table of requests, that over all of them first.
fn tables() -> Vec<&'static Table> {
    let own = protocols::ALL.iter().flat_map(|it| it.tables.iter().copied());
    std::iter::once(protocols::REQUEST).chain(own).collect()
}

proptest! {
    #[test]
    fn spans_can_be_read(rows in rows(), table in 0..tables().len(), hide_personal: bool) {
        let mut spans = Spans::new(Sender::default(), Options { hide_personal });
        let batch = batch(tables()[table], &rows);
        prop_assert_eq!(spans.add(&batch), rows.len());
        let read = ExportTraceServiceRequest::decode(spans.request().as_slice()).unwrap();
        let mut ids = BTreeSet::new();
        for span in read.resource_spans.iter().flat_map(|it| &it.scope_spans[0].spans) {
            prop_assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
            prop_assert!(span.trace_id != [0; 16] && span.span_id != [0; 8]);
            prop_assert!([0, 8].contains(&span.parent_span_id.len()));
            prop_assert!(!span.name.is_empty() || table == 0);
            prop_assert!((2..=5).contains(&span.kind));
            prop_assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
            metrics::said(&span.attributes);
            ids.insert(&span.span_id);
        }
        prop_assert_eq!(ids.len(), rows.len());
    }

    #[test]
    fn counts_can_be_read(rows in rows(), table in 0..tables().len(), most in 0..6_usize) {
        let mut red = Red::new(most);
        let counted = red.add(&batch(tables()[table], &rows), 1);
        prop_assert!(counted <= rows.len() && red.len() <= most + 1);
        let mut text = String::new();
        red.text(&mut text);
        let total: u64 = text
            .lines()
            .filter(|line| line.starts_with("fathom_requests_total{"))
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum();
        prop_assert_eq!(total, counted as u64);
        let mut streams = BTreeSet::new();
        for resource in metrics::export(&red) {
            let whose = metrics::said(&resource.resource.as_ref().unwrap().attributes);
            for (name, metric) in metrics::metrics(&resource) {
                let points: Vec<_> = match name {
                    "fathom.requests" => metrics::counts(metric).iter().map(|it| &it.attributes).collect(),
                    _ => metrics::durations(metric).iter().map(|it| &it.attributes).collect(),
                };
                for attributes in points {
                    let stream = (whose.clone(), name.to_owned(), metrics::said(attributes));
                    prop_assert!(streams.insert(stream.clone()), "twice: {:?}", stream);
                }
            }
        }
    }
}
