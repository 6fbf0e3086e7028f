//! Queues on disk outlive the agent.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use deliver::{Receiver, start};
use telemetry::{Ledger, Side};

use crate::sample::{assert_balanced, count, http, numbered, soon, wait_for, waiting};
use crate::server::Server;

fn nobody() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}/")
}

fn named(url: String) -> Receiver {
    Receiver { name: "siem".into(), ..http(url) }
}

fn segment(folder: &Path) -> Option<PathBuf> {
    let mut paths = fs::read_dir(folder.join("siem")).ok()?.map(|it| it.unwrap().path());
    paths.find(|path| path.extension().is_some_and(|it| it == "q"))
}

#[test]
fn the_next_agent_delivers_what_this_one_could_not() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Some(dir.path().to_path_buf());
    let first = Ledger::new();
    let deliveries = start(vec![named(nobody())], folder.clone(), &first).unwrap();
    (0..200).for_each(|number| deliveries.send(numbered(number)));
    // It is not waited for: what is on disk stays there.
    let begun = Instant::now();
    let left = deliveries.finish(soon());
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert_eq!(left[0].waiting, 200);
    assert_balanced(&first, "deliver:siem", 200);

    let (server, second) = (Server::start(), Ledger::new());
    let deliveries = start(vec![named(server.url())], folder.clone(), &second).unwrap();
    (200..210).for_each(|number| deliveries.send(numbered(number)));
    wait_for("all of them", || waiting(&deliveries) == 0 && server.seen().len() == 210);
    assert_eq!(deliveries.finish(soon())[0].waiting, 0);
    assert_eq!(server.numbers(), (0..210).collect::<Vec<_>>());
    assert_eq!(count(&second, "deliver:siem", Side::Taken), 210);
    assert_balanced(&second, "deliver:siem", 0);

    // And a third one sends nothing twice.
    let third = Ledger::new();
    start(vec![named(server.url())], folder, &third).unwrap().finish(soon());
    assert_eq!(server.seen().len(), 210);
}

#[test]
fn an_agent_that_was_killed_loses_nothing_that_was_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let deliveries = start(vec![named(nobody())], Some(dir.path().join("one")), &ledger).unwrap();
    (0..100).for_each(|number| deliveries.send(numbered(number)));
    wait_for("all on disk", || {
        let path = segment(&dir.path().join("one"));
        let bytes = path.map(|path| fs::read(path).unwrap()).unwrap_or_default();
        bytes.windows(8).filter(|it| it == b"\"lost\":0").count() == 100
    });
    // What the disk has at this moment, without anything that an orderly end would add.
    fs::create_dir_all(dir.path().join("two/siem")).unwrap();
    for entry in fs::read_dir(dir.path().join("one/siem")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join("two/siem").join(entry.file_name())).unwrap();
    }
    // The kill came in the middle of a write.
    let two = dir.path().join("two");
    let mut file = OpenOptions::new().append(true).open(segment(&two).unwrap()).unwrap();
    file.write_all(&[200, 0, 0, 0, 1, 2, 3, 4, b'{', b'"']).unwrap();

    let (server, ledger) = (Server::start(), Ledger::new());
    let deliveries = start(vec![named(server.url())], Some(two), &ledger).unwrap();
    wait_for("all of them", || waiting(&deliveries) == 0 && server.seen().len() == 100);
    deliveries.send(numbered(100));
    deliveries.finish(soon());
    assert_eq!(server.numbers(), (0..=100).collect::<Vec<_>>());
    assert_eq!(count(&ledger, "deliver:siem", Side::Dropped("damaged")), 1);
    assert_balanced(&ledger, "deliver:siem", 0);
}

#[test]
fn a_queue_that_cannot_be_opened_is_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("file");
    fs::write(&folder, "").unwrap();
    let (server, ledger) = (Server::start(), Ledger::new());
    let deliveries = start(vec![named(server.url())], Some(folder), &ledger).unwrap();
    deliveries.send(numbered(0));
    let left = deliveries.finish(soon());
    let words = left[0].queue_error.as_ref().unwrap();
    assert!(words.starts_with("its queue is in memory: "), "{words}");
    assert_eq!(server.numbers(), [0]);
}
