//! Fan-out, the policies, closing, and books that balance.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bus::{Bus, Capacity, NoBatch, Policy};
use schema::{Batch, Origin, Process, ProcessKey, Table};
use telemetry::{Ledger, Side};

static ONE: Table = Table { name: "one_event", doc: "", since: "0.1", fields: &[], brief: &[] };
static TWO: Table = Table { name: "two_event", doc: "", since: "0.1", fields: &[], brief: &[] };
const ROOM: Capacity = Capacity { rows: 10, batches: 4 };

/// A batch whose rows all have the time `mark`.
fn batch(table: &'static Table, rows: usize, mark: i64) -> Arc<Batch> {
    let process = Arc::new(Process::unknown(ProcessKey::default(), "", 0));
    Arc::new(Batch {
        table,
        node: "node".into(),
        origin: vec![Origin { time: mark, ..Origin::default() }; rows],
        process: vec![process; rows],
        columns: Vec::new(),
    })
}

fn mark(batch: Arc<Batch>) -> i64 {
    batch.origin[0].time
}

fn count(ledger: &Ledger, stage: &str, table: &str, side: Side) -> u64 {
    let entries = ledger.entries();
    let wanted = entries.iter().filter(|it| (it.stage, it.table, it.side) == (stage, table, side));
    wanted.map(|entry| entry.count).sum()
}

/// Taken, passed, dropped as slow, as gone, as closed.
fn books(ledger: &Ledger, stage: &str) -> [u64; 5] {
    let dropped = ["slow", "gone", "closed"].map(Side::Dropped);
    let sides = [Side::Taken, Side::Passed, dropped[0], dropped[1], dropped[2]];
    let of = |side| [&ONE, &TWO].map(|table| count(ledger, stage, table.name, side)).iter().sum();
    sides.map(of)
}

#[test]
fn everyone_gets_the_tables_they_want() {
    let bus = Bus::new(&Ledger::new());
    let all = bus.subscribe("all", ROOM, Policy::Block, None);
    let two = bus.subscribe("two", ROOM, Policy::Block, Some(vec![&TWO]));
    let batches = [batch(&ONE, 1, 1), batch(&TWO, 1, 2), batch(&ONE, 0, 3)];
    batches.iter().for_each(|batch| bus.publish(batch.clone()));
    assert!(Arc::ptr_eq(&all.recv().unwrap(), &batches[0]), "shared, not copied");
    assert_eq!(mark(all.recv().unwrap()), 2);
    assert_eq!(mark(two.recv().unwrap()), 2);
    assert_eq!(all.try_recv().unwrap_err(), NoBatch::Yet, "an empty batch is not passed on");
    assert_eq!(two.recv_timeout(Duration::from_nanos(1)).unwrap_err(), NoBatch::Yet);
}

#[test]
fn a_full_queue_drops_the_newest() {
    let ledger = Ledger::new();
    let bus = Bus::new(&ledger);
    let slow = bus.subscribe("live", ROOM, Policy::DropNewest, None);
    (1..=6).for_each(|mark| bus.publish(batch(&ONE, 3, mark)));
    assert_eq!((slow.queued(), slow.stage()), (9, "bus:live"));
    let fill = bus.fill()[0];
    assert_eq!((fill.name, fill.rows, fill.batches, fill.capacity), ("live", 9, 3, ROOM));
    assert_eq!([(); 3].map(|()| mark(slow.recv().unwrap())), [1, 2, 3]);
    assert_eq!(books(&ledger, "bus:live"), [18, 9, 9, 0, 0]);
    let other = bus.subscribe("live", ROOM, Policy::DropNewest, None);
    assert_eq!((slow.lost(), other.lost()), (9, 0), "each counts its own");
}

#[test]
fn a_full_queue_drops_the_oldest() {
    let ledger = Ledger::new();
    let bus = Bus::new(&ledger);
    let slow = bus.subscribe("live", ROOM, Policy::DropOldest, None);
    bus.publish(batch(&TWO, 3, 0));
    (1..=5).for_each(|mark| bus.publish(batch(&ONE, 3, mark)));
    assert_eq!([(); 3].map(|()| mark(slow.recv().unwrap())), [3, 4, 5]);
    assert_eq!(books(&ledger, "bus:live"), [18, 9, 9, 0, 0]);
    assert_eq!(count(&ledger, "bus:live", "two_event", Side::Dropped("slow")), 3);
}

#[test]
fn many_small_batches_are_bounded_too_and_a_huge_one_goes_through() {
    let bus = Bus::new(&Ledger::new());
    let slow = bus.subscribe("live", ROOM, Policy::DropNewest, None);
    (1..=6).for_each(|mark| bus.publish(batch(&ONE, 1, mark)));
    assert_eq!(slow.queued(), 4);
    while slow.try_recv().is_ok() {}
    bus.publish(batch(&ONE, 1_000, 7));
    assert_eq!(slow.recv().unwrap().len(), 1_000);
}

#[test]
fn a_blocking_subscriber_gets_everything_and_holds_up_nobody_else() {
    let ledger = Ledger::new();
    let bus = Bus::new(&ledger);
    let store = bus.subscribe("store", ROOM, Policy::Block, None);
    let live = bus.subscribe("live", Capacity::default(), Policy::DropNewest, None);
    thread::scope(|scope| {
        for publisher in 0..2 {
            let bus = &bus;
            scope.spawn(move || {
                (0..1_000).for_each(|n| bus.publish(batch(&ONE, 3, publisher * 1_000 + n)));
            });
        }
        // The live subscriber gets the batch that the store has no room for yet: with room for
        // three batches at the store and two publishers, five come without a single receipt.
        (0..5).for_each(|_| assert!(live.recv().is_some()));
        assert!(store.queued() <= ROOM.rows);
        let mut next = [0, 1_000];
        for _ in 0..2_000 {
            let mark = mark(store.recv().unwrap());
            let publisher = usize::from(mark >= 1_000);
            assert_eq!(mark, next[publisher], "in the order of publishing");
            next[publisher] += 1;
        }
    });
    assert_eq!(books(&ledger, "bus:store"), [6_000, 6_000, 0, 0, 0]);
}

#[test]
fn a_dropped_subscription_never_blocks() {
    let ledger = Ledger::new();
    let bus = Bus::new(&ledger);
    let store = bus.subscribe("store", ROOM, Policy::Block, None);
    let (done, finished) = mpsc::channel();
    thread::scope(|scope| {
        let bus = &bus;
        scope.spawn(move || {
            (0..10).for_each(|mark| bus.publish(batch(&ONE, 5, mark)));
            done.send(()).unwrap();
        });
        // Received once, the publisher is on its way; the rest fills the queue and blocks it.
        assert_eq!(mark(store.recv().unwrap()), 0);
        drop(store);
        finished.recv_timeout(Duration::from_secs(60)).expect("the publisher is not blocked");
    });
    // What is published after it was dropped is not for it, and no loss.
    let [taken, passed, slow, gone, closed] = books(&ledger, "bus:store");
    assert_eq!((passed, slow, closed, taken), (5, 0, 0, 5 + gone));
    assert!(bus.fill().is_empty());
    // Once another subscribes, the dead one is not even asked.
    let _other = bus.subscribe("other", ROOM, Policy::Block, None);
    bus.publish(batch(&ONE, 5, 10));
    assert_eq!(books(&ledger, "bus:store")[0], taken);
}

#[test]
fn what_is_queued_is_received_after_closing() {
    let ledger = Ledger::new();
    let bus = Bus::new(&ledger);
    let store = bus.subscribe("store", ROOM, Policy::Block, None);
    bus.publish(batch(&ONE, 5, 1));
    bus.close();
    bus.publish(batch(&ONE, 5, 2));
    assert!(store.is_closed());
    assert_eq!(mark(store.recv().unwrap()), 1);
    assert!(store.recv().is_none());
    assert_eq!(store.try_recv().unwrap_err(), NoBatch::Closed);
    assert!(bus.subscribe("late", ROOM, Policy::Block, None).recv().is_none());
    assert_eq!(books(&ledger, "bus:store"), [10, 5, 0, 0, 5]);
}

#[test]
fn closing_wakes_whoever_waits() {
    let bus = Bus::new(&Ledger::new());
    let one = bus.subscribe("one", ROOM, Policy::Block, None);
    let two = bus.subscribe("two", ROOM, Policy::Block, None);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| one.recv().is_none());
        let patient = scope.spawn(|| two.recv_timeout(Duration::MAX));
        drop(bus);
        assert!(waiting.join().unwrap());
        assert_eq!(patient.join().unwrap().unwrap_err(), NoBatch::Closed);
    });
}

#[test]
fn the_books_balance_when_everybody_is_busy() {
    let ledger = Ledger::new();
    let bus = Bus::new(&ledger);
    let newest = bus.subscribe("newest", ROOM, Policy::DropNewest, Some(vec![&ONE]));
    let oldest = bus.subscribe("oldest", ROOM, Policy::DropOldest, None);
    let block = bus.subscribe("block", ROOM, Policy::Block, None);
    let received = thread::scope(|scope| {
        let drain = |subscription: bus::Subscription| {
            scope.spawn(move || {
                let rows = std::iter::from_fn(|| subscription.recv()).map(|batch| batch.len());
                rows.sum::<usize>() as u64
            })
        };
        let drains = [drain(newest), drain(oldest), drain(block)];
        thread::scope(|publishers| {
            for n in 0..3 {
                let bus = &bus;
                publishers.spawn(move || {
                    for mark in 0..2_000 {
                        bus.publish(batch(if mark % 2 == 0 { &ONE } else { &TWO }, 1 + n, mark));
                        // Subscribers come and go.
                        let _brief = bus.subscribe("brief", ROOM, Policy::Block, None);
                    }
                });
            }
        });
        bus.close();
        drains.map(|drain| drain.join().unwrap())
    });
    for (stage, received) in ["bus:newest", "bus:oldest", "bus:block"].iter().zip(received) {
        let [taken, passed, slow, gone, closed] = books(&ledger, stage);
        assert_eq!((taken, passed), (passed + slow + gone + closed, received), "{stage}");
    }
    assert_eq!(books(&ledger, "bus:block")[..3], [12_000, 12_000, 0]);
    let [taken, passed, slow, gone, closed] = books(&ledger, "bus:brief");
    assert_eq!((taken, passed + slow + closed), (gone, 0));
}

#[test]
fn what_comes_after_the_end_of_a_subscription_is_not_for_it() {
    let ledger = Ledger::new();
    let bus = Bus::new(&ledger);
    let (ended, dropped) = (
        bus.subscribe("ended", ROOM, Policy::DropNewest, None),
        bus.subscribe("dropped", ROOM, Policy::DropNewest, None),
    );
    bus.publish(batch(&ONE, 5, 1));
    ended.end();
    drop(dropped);
    bus.publish(batch(&ONE, 5, 2));
    assert_eq!(mark(ended.recv().unwrap()), 1);
    assert!(ended.recv().is_none());
    assert_eq!(books(&ledger, "bus:ended"), [5, 5, 0, 0, 0]);
    assert_eq!(books(&ledger, "bus:dropped"), [5, 0, 0, 5, 0]);
}
