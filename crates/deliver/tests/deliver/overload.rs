//! Receivers that are slow, dead, or full.

use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use deliver::{File, Program, Receiver, Size, To, start};
use telemetry::{Ledger, Side};
use testkit::watch::not_run;

use crate::sample::{assert_balanced, count, http, numbered, soon, wait_for, waiting};
use crate::server::Server;

#[test]
fn a_receiver_that_never_answers_holds_up_nobody() {
    // It accepts connections, and that is all.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    for on_disk in [false, true] {
        let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::new());
        let directory = on_disk.then(|| dir.path().to_path_buf());
        let receiver = Receiver { waiting: 1000, disk: Size(256 << 10), ..http(url.clone()) };
        let deliveries = start(vec![receiver], directory, &ledger).unwrap();
        let notice = numbered(0);
        let begun = Instant::now();
        (0..100_000).for_each(|_| deliveries.send(notice.clone()));
        let took = begun.elapsed();
        println!("100,000 alerts to a dead receiver (on disk: {on_disk}): {took:?}");
        // A hundred times what it takes; one that waited would take its time-out.
        assert!(took < Duration::from_secs(5), "{took:?}");
        wait_for("all to be where they belong", || {
            let dropped = count(&ledger, "deliver:http", Side::Dropped("queue_full"));
            dropped + waiting(&deliveries) == 100_000
        });
        let on_disk_most = (256 << 10) / 200;
        assert!(waiting(&deliveries) <= 1000 + on_disk_most, "{}", waiting(&deliveries));
        // And neither does it hold up the end.
        let begun = Instant::now();
        let left = deliveries.finish(Instant::now() + Duration::from_millis(200));
        assert!(begun.elapsed() < Duration::from_secs(3));
        assert_eq!(left[0].waiting > 0, on_disk);
        assert_balanced(&ledger, "deliver:http", left[0].waiting);
        if !on_disk {
            assert!(count(&ledger, "deliver:http", Side::Dropped("closed")) > 0);
        }
    }
}

#[test]
fn a_program_that_never_reads_holds_up_nobody() {
    let ledger = Ledger::new();
    let command = ["sleep", "2"].map(str::to_string).to_vec();
    let to = To::Program(Program { command, keep_alive: true, ..Program::default() });
    let receiver = Receiver { waiting: 500, ..Receiver::new(to) };
    let deliveries = start(vec![receiver], None, &ledger).unwrap();
    let begun = Instant::now();
    let notice = numbered(0);
    (0..20_000).for_each(|_| deliveries.send(notice.clone()));
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(waiting(&deliveries) <= 500);
    deliveries.finish(Instant::now());
    assert!(count(&ledger, "deliver:program", Side::Dropped("queue_full")) > 10_000);
    assert_balanced(&ledger, "deliver:program", 0);
}

#[test]
fn the_oldest_stay_and_arrive_when_the_receiver_is_back() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::new());
    let folder = Some(dir.path().to_path_buf());
    let receiver = Receiver { disk: Size(64 << 10), ..http(format!("http://{address}/")) };
    let deliveries = start(vec![receiver.clone()], folder.clone(), &ledger).unwrap();
    (0..1000).for_each(|number| deliveries.send(numbered(number)));
    let stayed = deliveries.finish(soon())[0].waiting;
    assert!((50..900).contains(&stayed), "{stayed}");
    assert_eq!(count(&ledger, "deliver:http", Side::Dropped("queue_full")), 1000 - stayed);

    let (server, ledger) = (Server::at(address), Ledger::new());
    let deliveries = start(vec![receiver], folder, &ledger).unwrap();
    wait_for("the rest", || waiting(&deliveries) == 0);
    deliveries.send(numbered(1000));
    deliveries.finish(soon());
    assert_eq!(server.numbers(), (0..stayed).chain([1000]).collect::<Vec<_>>());
    assert_balanced(&ledger, "deliver:http", 0);
}

#[test]
fn a_full_disk_costs_the_queue_and_not_the_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_mounted) = Tmpfs::mount(dir.path()) else {
        return not_run(
            "a_full_disk_costs_the_queue_and_not_the_delivery",
            "no tmpfs can be mounted",
        );
    };
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ledger = Ledger::new();
    // Two segments fit, the second with less than its half: when the first was delivered, the
    // second goes on behind what the full disk cut off.
    let disk = Size(1408 << 10);
    let receiver = Receiver { waiting: 100, disk, ..http(format!("http://{address}/")) };
    let deliveries = start(vec![receiver], Some(dir.path().into()), &ledger).unwrap();
    let mut sent = 0;
    wait_for("a full disk", || {
        (0..50).for_each(|number| deliveries.send(numbered(sent + number)));
        sent += 50;
        let taken_in = || {
            let full = count(&ledger, "deliver:http", Side::Dropped("disk_full"))
                + count(&ledger, "deliver:http", Side::Dropped("queue_full"));
            waiting(&deliveries) + full == sent
        };
        wait_for("those", taken_in);
        count(&ledger, "deliver:http", Side::Dropped("disk_full")) > 0
    });
    let status = &deliveries.status()[0];
    assert!(status.queue_error.as_ref().unwrap().contains("No space left"), "{status:?}");
    let server = Server::at(address);
    wait_for("the rest", || waiting(&deliveries) == 0);
    wait_for("the disk to be used again", || {
        deliveries.send(numbered(sent));
        sent += 1;
        wait_for("it", || waiting(&deliveries) == 0);
        deliveries.status()[0].queue_error.is_none()
    });
    deliveries.finish(soon());
    let numbers = server.numbers();
    assert!(numbers.is_sorted() && numbers.last() == Some(&(sent - 1)));
    assert_eq!(count(&ledger, "deliver:http", Side::Dropped("damaged")), 0);
    assert_balanced(&ledger, "deliver:http", 0);
}

#[test]
fn a_file_on_a_full_disk_gets_what_waited_once_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_mounted) = Tmpfs::mount(dir.path()) else {
        let name = "a_file_on_a_full_disk_gets_what_waited_once_there_is_room";
        return not_run(name, "no tmpfs can be mounted");
    };
    let (ledger, path) = (Ledger::new(), dir.path().join("alerts.json"));
    let filler = dir.path().join("filler");
    std::fs::write(&filler, vec![1; 200 << 10]).unwrap();
    let to = To::File(File { path: path.clone(), ..File::default() });
    let backoff = http(String::new()).backoff;
    let receiver = Receiver { backoff, waiting: 2000, ..Receiver::new(to) };
    let deliveries = start(vec![receiver], None, &ledger).unwrap();
    (0..500).for_each(|number| deliveries.send(numbered(number)));
    wait_for("a full disk", || deliveries.status()[0].failing_since.is_some());
    assert!(waiting(&deliveries) > 0);
    std::fs::remove_file(&filler).unwrap();
    wait_for("the rest", || waiting(&deliveries) == 0);
    deliveries.finish(soon());
    let mut text = String::new();
    std::fs::File::open(&path).unwrap().read_to_string(&mut text).unwrap();
    let number = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["output_fields"]["number"].as_u64().unwrap()
    };
    assert_eq!(text.lines().map(number).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    assert_balanced(&ledger, "deliver:file", 0);
}

#[test]
fn a_file_is_written_soon_and_put_aside_when_it_is_full() {
    let (dir, ledger) = (tempfile::tempdir().unwrap(), Ledger::new());
    let path = dir.path().join("alerts.json");
    let rotate_size = Size(10_000);
    let to = To::File(File { path, rotate_size, keep: 100, ..File::default() });
    let deliveries = start(vec![Receiver::new(to)], None, &ledger).unwrap();
    let mut took = Vec::new();
    for number in 0..500 {
        let begun = Instant::now();
        deliveries.send(numbered(number));
        while count(&ledger, "deliver:file", Side::Passed) <= number {
            assert!(begun.elapsed() < Duration::from_secs(30));
            std::thread::yield_now();
        }
        took.push(begun.elapsed());
    }
    took.sort();
    println!("from send to the file: p50 {:?}, p99 {:?}", took[250], took[495]);
    assert!(took[250] < Duration::from_millis(5), "{:?}", took[250]);
    deliveries.finish(soon());
    let mut lines = 0;
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(text.len() <= 10_000);
        lines += text.lines().count();
    }
    assert_eq!(lines, 500);
}

/// A small disk of its own, until it is dropped.
struct Tmpfs<'a>(&'a Path);

impl Tmpfs<'_> {
    fn mount(path: &Path) -> Option<Tmpfs<'_>> {
        let args = ["-t", "tmpfs", "-o", "size=256k", "fathom-deliver-test"];
        let done = Command::new("mount").args(args).arg(path).output().ok()?;
        done.status.success().then_some(Tmpfs(path))
    }
}

impl Drop for Tmpfs<'_> {
    fn drop(&mut self) {
        // Lazily: a thread that ends late may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
