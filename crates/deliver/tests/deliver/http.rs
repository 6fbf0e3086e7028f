//! Delivery by HTTP: what arrives, when it is tried again, and what each service gets.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deliver::{
    Alertmanager, Falco, File, Http, Notice, Otlp, Pagerduty, Receiver, Request, Secret, Slack, To,
    Webhook, start,
};
use detect::language::Priority;
use telemetry::{Ledger, Side};

use crate::sample::{assert_balanced, count, http, numbered, soon, wait_for, waiting};
use crate::server::Server;

#[test]
fn alerts_arrive_in_order_on_one_connection() {
    let (server, ledger) = (Server::start(), Ledger::new());
    let deliveries = start(vec![http(server.url())], None, &ledger).unwrap();
    (0..100).for_each(|number| deliveries.send(numbered(number)));
    let left = deliveries.finish(soon());
    assert_eq!(server.numbers(), (0..100).collect::<Vec<_>>());
    assert_eq!(server.connections(), 1);
    assert_eq!(left[0].waiting, 0);
    assert_eq!(count(&ledger, "deliver:http", Side::Passed), 100);
    assert_balanced(&ledger, "deliver:http", 0);
    let seen = &server.seen()[7];
    assert_eq!(seen.line, "POST / HTTP/1.1");
    assert!(seen.headers.contains(&"content-type: application/json".to_string()));
    assert_eq!(seen.json()["time"], "2026-11-22T08:00:00.000000007Z");
}

#[test]
fn a_receiver_that_comes_late_gets_everything_in_order() {
    for on_disk in [true, false] {
        // A port that nobody listens on yet.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::new());
        let directory = on_disk.then(|| dir.path().to_path_buf());
        let url = format!("http://{address}/");
        let deliveries = start(vec![http(url)], directory, &ledger).unwrap();
        (0..50).for_each(|number| deliveries.send(numbered(number)));
        wait_for("a failure", || deliveries.status()[0].failing_since.is_some());
        let status = &deliveries.status()[0];
        assert!(status.last_error.as_ref().unwrap().starts_with("127.0.0.1: "), "{status:?}");
        wait_for("all to wait", || waiting(&deliveries) == 50);
        assert!(deliveries.status()[0].oldest.is_some());

        let server = Server::at(address);
        (50..100).for_each(|number| deliveries.send(numbered(number)));
        wait_for("all of them", || waiting(&deliveries) == 0);
        assert_eq!(deliveries.status()[0].failing_since, None);
        deliveries.finish(soon());
        let numbers = server.numbers();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        assert_balanced(&ledger, "deliver:http", 0);
    }
}

#[test]
fn what_is_refused_is_counted_and_does_not_hold_up_the_rest() {
    let (server, ledger) = (Server::start(), Ledger::new());
    for status in [400, 401, 404, 302] {
        server.answer(status, "location: /elsewhere\r\n", "no thanks");
    }
    let deliveries = start(vec![http(server.url())], None, &ledger).unwrap();
    (0..6).for_each(|number| deliveries.send(numbered(number)));
    wait_for("all of them", || waiting(&deliveries) == 0);
    assert!(
        deliveries.status()[0].last_error.as_ref().unwrap().ends_with("answered 302 no thanks")
    );
    deliveries.finish(soon());
    assert_eq!(server.numbers(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(count(&ledger, "deliver:http", Side::Dropped("refused")), 4);
    assert_balanced(&ledger, "deliver:http", 0);
}

#[test]
fn what_passes_is_tried_again() {
    let (server, ledger) = (Server::start(), Ledger::new());
    for status in [408, 429, 500, 502] {
        server.answer(status, "", "");
    }
    let deliveries = start(vec![http(server.url())], None, &ledger).unwrap();
    (0..3).for_each(|number| deliveries.send(numbered(number)));
    deliveries.finish(soon());
    assert_eq!(server.numbers(), [0, 0, 0, 0, 0, 1, 2]);
    assert_eq!(count(&ledger, "deliver:http", Side::Passed), 3);
    assert_balanced(&ledger, "deliver:http", 0);
}

#[test]
fn a_receiver_that_says_how_long_to_wait_is_believed() {
    for status in [429, 503] {
        let (server, ledger) = (Server::start(), Ledger::new());
        server.answer(status, "retry-after: 1\r\n", "");
        let deliveries = start(vec![http(server.url())], None, &ledger).unwrap();
        let begun = Instant::now();
        deliveries.send(numbered(0));
        wait_for("it", || server.seen().len() == 2);
        assert!(begun.elapsed() >= Duration::from_secs(1));
    }
}

#[test]
fn only_what_is_bad_enough_is_sent() {
    let (server, ledger) = (Server::start(), Ledger::new());
    let receiver = Receiver { priority: Priority::Error, ..http(server.url()) };
    let deliveries = start(vec![receiver], None, &ledger).unwrap();
    for (number, priority) in [(0, Priority::Warning), (1, Priority::Error), (2, Priority::Alert)] {
        deliveries.send(Arc::new(Notice { priority, ..(*numbered(number)).clone() }));
    }
    deliveries.finish(soon());
    assert_eq!(server.numbers(), [1, 2]);
    assert_eq!(count(&ledger, "deliver:http", Side::Taken), 2);
}

#[test]
fn headers_and_tokens_are_sent_and_followed_when_they_change() {
    let (server, ledger, dir) = (Server::start(), Ledger::new(), tempfile::tempdir().unwrap());
    let path = dir.path().join("token");
    std::fs::write(&path, "one\n").unwrap();
    let request = Request {
        bearer: Secret::new(format!("file:{}", path.display())),
        headers: BTreeMap::from([("X-Team".to_string(), Secret::new("blue"))]),
        ..Request::default()
    };
    let (url, format) = (Secret::new(server.url() + "/in?x=1"), Falco::default());
    let receiver = Receiver::new(To::Http(Http { url, format, request }));
    let deliveries = start(vec![receiver], None, &ledger).unwrap();
    deliveries.send(numbered(0));
    wait_for("the first", || waiting(&deliveries) == 0);
    std::fs::write(&path, "two\n").unwrap();
    deliveries.send(numbered(1));
    deliveries.finish(soon());
    let seen = server.seen();
    assert_eq!(seen[0].line, "POST /in?x=1 HTTP/1.1");
    let has = |at: usize, header: &str| seen[at].headers.iter().any(|it| it == header);
    assert!(has(0, "x-team: blue") && has(0, "authorization: Bearer one"), "{seen:?}");
    assert!(has(1, "authorization: Bearer two"), "{seen:?}");
}

#[test]
fn each_service_is_asked_as_it_wants_to_be() {
    let (server, ledger) = (Server::start(), Ledger::new());
    let (url, request) = (Secret::new(server.url()), Request::default());
    let body = r#"{"m": {{ message|tojson }}}"#.to_string();
    let to = [
        To::Slack(Slack { url: Secret::new(server.url() + "/services/T/B/x"), ..Slack::default() }),
        To::Pagerduty(Pagerduty {
            url: Secret::new(server.url() + "/v2/enqueue"),
            routing_key: Secret::new("key"),
            ..Pagerduty::default()
        }),
        To::Alertmanager(Alertmanager { url: url.clone(), ..Alertmanager::default() }),
        To::Webhook(Webhook { url: url.clone(), body, method: "PUT".into(), ..Webhook::default() }),
        To::Otlp(Otlp { url, batch: 100, request }),
    ];
    let receivers = to.map(Receiver::new).to_vec();
    let deliveries = start(receivers, None, &ledger).unwrap();
    deliveries.send(numbered(7));
    deliveries.finish(soon());
    let find = |line: &str| {
        let seen = server.seen().into_iter().find(|it| it.line.starts_with(line));
        seen.unwrap_or_else(|| panic!("{line}: {:?}", server.seen())).json()
    };
    let text = "Sensitive file opened (number=7 file=/etc/shadow)";
    assert_eq!(find("POST /services/T/B/x ")["attachments"][0]["text"], text);
    assert_eq!(find("POST /v2/enqueue ")["payload"]["severity"], "warning");
    assert_eq!(find("POST /api/v2/alerts ")[0]["labels"]["node"], "node-1");
    assert_eq!(find("PUT / ")["m"], text);
    let logs = find("POST /v1/logs ");
    let record = &logs["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["body"]["stringValue"], text);
    for stage in ["slack", "pagerduty", "alertmanager", "webhook", "otlp"] {
        assert_eq!(count(&ledger, &format!("deliver:{stage}"), Side::Passed), 1, "{stage}");
    }
}

#[test]
fn one_bad_alert_does_not_take_its_batch_with_it() {
    let (server, ledger) = (Server::start(), Ledger::new());
    let to = Alertmanager { url: Secret::new(server.url()), ..Alertmanager::default() };
    let receiver =
        Receiver { backoff: http(String::new()).backoff, ..Receiver::new(To::Alertmanager(to)) };
    // The first is tried alone, and while it has to wait, ten others come.
    server.answer(503, "retry-after: 1\r\n", "");
    server.answer(400, "", "all of them?");
    for at in 0..11 {
        server.answer(if at == 4 { 400 } else { 200 }, "", "this one");
    }
    let deliveries = start(vec![receiver], None, &ledger).unwrap();
    deliveries.send(numbered(0));
    wait_for("the first try", || server.seen().len() == 1);
    (1..11).for_each(|number| deliveries.send(numbered(number)));
    deliveries.finish(soon());
    let sizes: Vec<usize> =
        server.seen().iter().map(|it| it.json().as_array().unwrap().len()).collect();
    // What waited alone stays first; then those behind it come as one batch, and one by one.
    assert_eq!(sizes.iter().sum::<usize>(), 1 + 11 + 11, "{sizes:?}");
    assert_eq!(count(&ledger, "deliver:alertmanager", Side::Dropped("refused")), 1);
    assert_eq!(count(&ledger, "deliver:alertmanager", Side::Passed), 10);
}

#[test]
fn a_collector_that_refuses_some_is_believed() {
    let (server, ledger) = (Server::start(), Ledger::new());
    server.answer(200, "", r#"{"partialSuccess":{"rejectedLogRecords":"1"}}"#);
    let to = Otlp { url: Secret::new(server.url()), ..Otlp::default() };
    let deliveries = start(vec![Receiver::new(To::Otlp(to))], None, &ledger).unwrap();
    deliveries.send(numbered(0));
    wait_for("it", || waiting(&deliveries) == 0);
    deliveries.send(numbered(1));
    deliveries.finish(soon());
    assert_eq!(count(&ledger, "deliver:otlp", Side::Dropped("refused")), 1);
    assert_eq!(count(&ledger, "deliver:otlp", Side::Passed), 1);
}

#[test]
fn what_does_not_fit_is_said_at_the_start() {
    let error =
        |to: To| start(vec![Receiver::new(to)], None, &Ledger::new()).unwrap_err().to_string();
    assert_eq!(error(To::Http(Http::default())), "http: there is no url");
    let url = Secret::new("https://127.0.0.1/");
    let request = Request { ca: "/no/ca.pem".into(), ..Request::default() };
    let http = To::Http(Http { url: url.clone(), request, ..Http::default() });
    assert!(error(http).starts_with("http: /no/ca.pem: No such file"));
    let to = Pagerduty { url, ..Pagerduty::default() };
    assert_eq!(error(To::Pagerduty(to)), "pagerduty: there is no routing_key");
    let two = vec![Receiver::default(), Receiver::default()];
    let error = start(two, None, &Ledger::new()).unwrap_err().to_string();
    assert_eq!(error, "stdout: there are two of this name; give one of them another");
    let file = |name: &str| {
        let to = To::File(File { path: "/tmp/one".into(), ..File::default() });
        Receiver { name: name.into(), ..Receiver::new(to) }
    };
    let error = start(vec![file("a"), file("b")], None, &Ledger::new()).unwrap_err().to_string();
    assert_eq!(error, "b: another receiver writes to this file");
    let named = Receiver { name: "../etc".into(), ..Receiver::default() };
    assert!(start(vec![named], None, &Ledger::new()).is_err());
}
