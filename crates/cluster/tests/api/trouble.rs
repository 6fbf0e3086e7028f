//! What goes wrong on the way, and that nothing is missed, told twice or forgotten for it.

use cluster::Connection;

use crate::server::{Reply, Server, event, list, status};
use crate::*;

fn bookmark(version: &str) -> String {
    event(
        "BOOKMARK",
        &json!({"kind": "Pod", "apiVersion": "v1",
        "metadata": {"resourceVersion": version}}),
    )
}

fn lists(ear: &Ear, kind: &str) -> u64 {
    ear.watch.state().source(kind).map_or(0, |source| source.lists)
}

#[test]
fn a_list_comes_in_pages_and_the_watch_goes_on_from_it() {
    let server = Server::start();
    server
        .list(PODS, Reply::Whole(200, list("", "second", &[pod(1, "3"), pod(2, "4")])))
        .list(PODS, Reply::Whole(200, list("10", "", &[pod(3, "5")])))
        .watch(
            PODS,
            Reply::Ended(vec![
                event("ADDED", &pod(4, "11")),
                event("MODIFIED", &labelled(pod(1, "12"), "db")),
                event("DELETED", &pod(2, "13")),
                bookmark("20"),
            ]),
        )
        .watch(PODS, Reply::Open(vec![event("ADDED", &pod(5, "21"))]));
    let ear = Ear::new(&server);
    ear.until("five pods came and one went", |ear| {
        ear.live() == ["web-1", "web-3", "web-4", "web-5"]
    });
    assert_eq!(ear.pods.by_uid("u1").unwrap().labels.get("app"), Some("db"));
    let asked = server.asked(PODS);
    assert!(asked[0].contains("limit=500") && asked[1].contains("continue=second"), "{asked:?}");
    assert!(asked[2].contains("resourceVersion=10"), "{asked:?}");
    // From the bookmark on.
    assert!(asked[3].contains("resourceVersion=20"), "{asked:?}");
    let state = ear.watch.state();
    let pods = state.source("pods").unwrap();
    assert_eq!((pods.objects, pods.lists, pods.events, pods.errors), (4, 1, 4, 0));
    assert_eq!(state.api(), Connection::Connected);
}

#[test]
fn a_version_too_old_lists_again_and_tells_the_difference() {
    let server = Server::start();
    let gone = status(410, "Expired", "too old resource version: 10 (20)");
    server
        .list(PODS, Reply::Whole(200, list("10", "", &[pod(1, "3"), pod(2, "4")])))
        .watch(PODS, Reply::Open(vec![event("ERROR", &gone)]))
        .list(PODS, Reply::Whole(200, list("20", "", &[pod(1, "3"), pod(3, "15")])))
        // The other form: in the answer itself.
        .watch(PODS, Reply::Whole(410, gone.to_string()))
        .list(PODS, Reply::Whole(200, list("30", "", &[pod(1, "3"), pod(4, "25")])));
    let ear = Ear::new(&server);
    ear.until("listed three times", |ear| ear.live() == ["web-1", "web-4"]);
    assert_eq!([1, 2, 3, 4].map(|it| ear.told(&format!("u{it}"))), [1, 2, 2, 1]);
}

#[test]
fn an_expired_page_begins_the_list_anew() {
    let server = Server::start();
    let gone = status(410, "Expired", "The provided continue parameter is too old");
    server
        .list(PODS, Reply::Whole(200, list("", "second", &[pod(1, "3")])))
        .list(PODS, Reply::Whole(410, gone.to_string()))
        .list(PODS, Reply::Whole(200, list("20", "", &[pod(2, "15")])));
    let ear = Ear::new(&server);
    ear.until("the second pod alone is there", |ear| ear.live() == ["web-2"]);
    assert!(!server.asked(PODS)[2].contains("continue"));
}

#[test]
fn a_connection_cut_in_mid_event_loses_none() {
    let server = Server::start();
    let second = event("ADDED", &pod(2, "12"));
    server
        .list(PODS, Reply::Whole(200, list("10", "", &[])))
        .watch(
            PODS,
            Reply::Cut(vec![event("ADDED", &pod(1, "11")), second[..second.len() / 2].into()]),
        )
        .watch(PODS, Reply::Open(vec![second.clone()]));
    let ear = Ear::new(&server);
    ear.until("both are there", |ear| ear.live() == ["web-1", "web-2"]);
    let asked = server.asked(PODS);
    assert!(asked[2].contains("resourceVersion=11"), "{asked:?}");
    assert_eq!((ear.told("u1"), ear.told("u2"), lists(&ear, "pods")), (1, 1, 1));
}

#[test]
fn what_is_refused_is_said_and_the_rest_goes_on() {
    let server = Server::start();
    let no = status(403, "Forbidden", "services is forbidden: User \"me\" cannot list");
    server
        .list(SERVICES, Reply::Whole(403, no.to_string()))
        .list(SETS, Reply::Whole(403, no.to_string()))
        .list(
            PODS,
            Reply::Whole(200, list("10", "", &[owned(pod(1, "3"), "ReplicaSet", "web-x", "r1")])),
        );
    let ear = Ear::new(&server);
    ear.synced();
    let state = ear.watch.state();
    let Connection::Refused { why } = &state.source("services").unwrap().connection else {
        panic!("{state:?}");
    };
    assert!(why.contains("cannot list"), "{why}");
    assert_eq!(state.api(), Connection::Connected);
    // Without what owns it, its owner is all that is known.
    assert_eq!(ear.workload("u1").as_deref(), Some("ReplicaSet/web-x"));
}

#[test]
fn garbage_is_an_error_and_the_list_is_asked_for_again() {
    let server = Server::start();
    server
        .list(PODS, Reply::Whole(200, "<html>sign in first</html>".into()))
        .list(PODS, Reply::Whole(500, "upstream connect error".into()))
        .list(PODS, Reply::Whole(200, list("10", "", &[pod(1, "3")])))
        .watch(PODS, Reply::Open(vec!["{\"type\":\"MODIFIED\",\"object\":7}\n".into()]))
        .list(PODS, Reply::Whole(200, list("11", "", &[pod(1, "3"), pod(2, "11")])));
    let ear = Ear::new(&server);
    ear.until("both are there", |ear| ear.live() == ["web-1", "web-2"]);
    ear.until("the errors are counted", |ear| {
        ear.watch.state().source("pods").unwrap().errors == 3
    });
    assert_eq!((ear.told("u1"), lists(&ear, "pods")), (1, 2));
}

#[test]
fn a_watch_that_ends_at_once_is_not_asked_for_without_pause() {
    let server = Server::start();
    server.list(PODS, Reply::Whole(200, list("10", "", &[pod(1, "3")])));
    for _ in 0..1000 {
        server.watch(PODS, Reply::Ended(Vec::new()));
    }
    let ear = Ear::new(&server);
    ear.synced();
    thread::sleep(Duration::from_millis(500));
    // Waits of 25 to 50 ms each.
    let asked = server.asked(PODS).len();
    assert!((3..40).contains(&asked), "{asked}");
    assert_eq!(lists(&ear, "pods"), 1);
}

#[test]
fn the_connection_lost_keeps_what_is_known_and_says_since_when() {
    let server = Server::start();
    server.list(PODS, Reply::Whole(200, list("10", "", &[pod(1, "3")])));
    let ear = Ear::new(&server);
    ear.synced();
    drop(server);
    ear.until("lost", |ear| matches!(ear.watch.state().api(), Connection::Lost { .. }));
    let Connection::Lost { since, why } = ear.watch.state().api() else { return };
    assert!(since > 0 && why.to_lowercase().contains("connect"), "{why}");
    assert_eq!(ear.live(), ["web-1"]);
    // Dropping it does not wait for anybody.
    let begun = Instant::now();
    drop(ear);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
