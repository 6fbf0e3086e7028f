//! Other receivers while alerts are sent: nothing is lost.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use deliver::{Falco, File, Receiver, To, start};
use telemetry::{Ledger, Side};

use crate::sample::{assert_balanced, count, http, numbered, soon, wait_for, waiting};
use crate::server::Server;

#[test]
fn a_receiver_that_changes_loses_nothing_and_keeps_the_order() {
    let (dir, ledger, server) = (tempfile::tempdir().unwrap(), Ledger::new(), Server::start());
    let path = dir.path().join("alerts.json");
    let file = |fathom| {
        let format = Falco { fathom, ..Falco::default() };
        Receiver::new(To::File(File { path: path.clone(), format, ..File::default() }))
    };
    let far = |name: &str| Receiver { name: name.into(), ..http(server.url()) };
    let folder = Some(dir.path().join("queues"));
    let deliveries = Arc::new(start(vec![file(false), far("siem")], folder, &ledger).unwrap());
    let over = Arc::new(AtomicBool::new(false));
    let sender = thread::spawn({
        let (deliveries, over) = (deliveries.clone(), over.clone());
        move || {
            let mut number = 0;
            while !over.load(Ordering::Relaxed) || number < 1000 {
                wait_for("some room", || deliveries.status().iter().all(|it| it.waiting < 1000));
                deliveries.send(numbered(number));
                number += 1;
            }
            number
        }
    });
    for round in 0..10 {
        let backoff = deliver::Backoff { most: deliver::Span::seconds(round), ..far("").backoff };
        let siem = Receiver { backoff, ..far("siem") };
        deliveries.change(vec![file(round % 2 == 0), siem], soon()).unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let sent = sender.join().unwrap();
    deliveries.finish(soon());
    let text = fs::read_to_string(&path).unwrap();
    let number = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["output_fields"]["number"].as_u64().unwrap()
    };
    assert_eq!(text.lines().map(number).collect::<Vec<_>>(), (0..sent).collect::<Vec<_>>());
    assert_eq!(server.numbers(), (0..sent).collect::<Vec<_>>());
    assert_eq!(count(&ledger, "deliver:file", Side::Passed), sent);
}

#[test]
fn with_an_error_nothing_changes() {
    let (ledger, server) = (Ledger::new(), Server::start());
    let deliveries = start(vec![http(server.url())], None, &ledger).unwrap();
    let wrong = Receiver { name: "new".into(), ..http("nowhere".into()) };
    let error = deliveries.change(vec![wrong], soon()).unwrap_err().to_string();
    assert_eq!(error, "new: the url is none; write http://… or https://…");
    deliveries.send(numbered(0));
    wait_for("it", || waiting(&deliveries) == 0);
    assert_eq!(server.numbers(), [0]);
    // And one that is gone gets no more.
    deliveries.change(Vec::new(), soon()).unwrap();
    deliveries.send(numbered(1));
    assert!(deliveries.finish(soon()).is_empty());
    assert_eq!(server.numbers(), [0]);
}

#[test]
fn what_an_unreachable_receiver_did_not_get_its_successor_delivers() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (dir, ledger, server) = (tempfile::tempdir().unwrap(), Ledger::new(), Server::start());
    let folder = Some(dir.path().to_path_buf());
    let deliveries = start(vec![http(format!("http://{nobody}"))], folder, &ledger).unwrap();
    (0..50).for_each(|number| deliveries.send(numbered(number)));
    deliveries.change(vec![http(server.url())], soon()).unwrap();
    assert_eq!(deliveries.status()[0].queue_error, None);
    deliveries.send(numbered(50));
    wait_for("all of them", || waiting(&deliveries) == 0);
    deliveries.finish(soon());
    assert_eq!(server.numbers(), (0..51).collect::<Vec<_>>());
    // The first took 50 and left them; the second took them again, and one more.
    assert_eq!(count(&ledger, "deliver:http", Side::Taken), 101);
    assert_balanced(&ledger, "deliver:http", 50);
}
