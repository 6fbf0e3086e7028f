//! HTTP/2 and gRPC as real servers and clients said them: whole, from the middle, and with losses.

mod script;

use l7::{Outcome, Request};
use proptest::prelude::*;
use protocols::{Side, grpc};
use script::{Script, recorded};

fn dialogue(name: &str) -> Script {
    recorded().into_iter().find(|(found, ..)| found == name).unwrap().1
}

fn call(request: &Request) -> grpc::Call {
    grpc::call(request.asked.as_ref(), request.answered.as_ref()).unwrap()
}

#[test]
fn rows_are_named_by_what_is_said() {
    let names = |name: &str| -> Vec<_> {
        dialogue(name).run().requests.iter().map(|request| request.protocol).collect()
    };
    assert_eq!(names("http2-nginx-nghttp"), ["http"; 4]);
    assert_eq!(names("http2-upgrade-nghttp"), ["http"; 3]);
    assert_eq!(names("grpc-python"), ["grpc"; 10]);
    let both = names("http2-go");
    assert_eq!((both[..3].to_vec(), both[3]), (vec!["http"; 3], "grpc"));
    assert_eq!(dialogue("grpc-python").run().protocol, Some("http2"));
    // After an upgrade it is still the connection that began with the version before.
    assert_eq!(dialogue("http2-upgrade-curl").run().protocol, Some("http"));
}

#[test]
fn calls_with_all_that_was_seen_of_them() {
    let told = dialogue("grpc-python").run();
    let calls: Vec<_> = told
        .requests
        .iter()
        .map(|request| {
            let call = call(request);
            let count =
                |messages: grpc::Messages| (messages.count.unwrap(), messages.bytes.unwrap());
            (call.method, count(call.sent), count(call.received))
        })
        .collect();
    let expected = [
        ("Get", (1, 1), (1, 6)),
        ("Get", (1, 2), (1, 12)),
        ("Get", (1, 7), (0, 0)),
        ("Nothing", (1, 0), (0, 0)),
        ("Items", (1, 3), (5, 30)),
        ("Upload", (3, 20_100), (1, 5)),
        ("Chat", (2, 3), (2, 3)),
        ("Wait", (1, 0), (0, 0)),
        ("Feed", (1, 0), (1, 5)),
        ("Get", (1, 18), (1, 108)),
    ];
    assert_eq!(calls, expected.map(|(name, sent, received)| (name.to_owned(), sent, received)));
    let second = call(&told.requests[1]);
    assert_eq!(second.service, "shop.v1.Orders");
    assert!((4_000_000_000..6_000_000_000).contains(&second.timeout.unwrap()));
    let trace = second.trace.unwrap().trace();
    assert_eq!(trace, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(call(&told.requests[2]).message.as_deref(), Some("no order of ***, 100%"));
}

#[test]
fn a_hundred_streams_at_once() {
    let told = dialogue("grpc-python-100").run();
    let together = &told.requests[1..];
    let last_asked = together.iter().filter_map(|request| request.times.request_first).max();
    let first_answered = together.iter().filter_map(|request| request.times.response_last).min();
    assert!(together.len() == 100 && last_asked < first_answered);
    assert!(together.iter().all(right));
    assert_eq!(told.coverage.responses_without_request, 0);
}

/// An answer is as long as its request.
fn right(request: &Request) -> bool {
    let call = call(request);
    let seen = call.sent.bytes.is_some() && call.received.bytes.is_some();
    call.method != "Together" || !seen || call.sent == call.received
}

/// What is known of a connection that is older than the agent is right, and calls are told from pages
/// though what says so was said before.
#[test]
fn taken_up_in_the_middle() {
    for (name, calls) in [("grpc-python", 10), ("grpc-python-100", 101), ("http2-go", 24)] {
        let script = dialogue(name);
        let whole = script.run();
        for from in 1..script.said.len() {
            let mut rest = script.clone().in_the_middle();
            rest.said.drain(..from);
            let told = rest.run();
            for request in &told.requests {
                let line = script::line(request);
                assert!(
                    request.truncated || known(request, &whole.requests),
                    "{name}, {from}: {line}"
                );
            }
            let found = told.requests.iter().filter(|request| request.protocol == "grpc").count();
            assert!(found <= calls, "{name}, {from}: {found}");
            if name == "grpc-python-100" {
                assert_eq!(found, told.requests.len());
                assert!(told.requests.iter().all(right));
            }
        }
    }
}

/// From the middle nothing is missing of what begins after the first whole question and answer.
#[test]
fn nothing_is_missing_behind_the_middle() {
    for name in
        ["grpc-python", "grpc-python-100", "http2-go", "http2-node", "http2-hypercorn-httpx"]
    {
        let script = dialogue(name);
        let whole = script.run();
        let began = |request: &Request| request.times.request_first.unwrap();
        for from in 1..script.said.len() {
            let mut rest = script.clone().in_the_middle();
            rest.said.drain(..from);
            let first = rest.said[0].time;
            let asked = whole.requests.iter().filter(|request| began(request) >= first).count();
            let found = rest.run().requests.len();
            assert!(found + 1 >= asked, "{name}, {from}: {found} of {asked}");
        }
    }
}

/// What is lost once does not leave all that comes later without names, unless a name was in it.
#[test]
fn names_are_known_again_after_a_loss() {
    for name in ["grpc-python", "grpc-python-100", "http2-go", "http2-node"] {
        let script = dialogue(name);
        let lost_for_good = (1..script.said.len()).filter(|at| {
            let mut script = script.clone();
            script.said[*at].lost = true;
            let nameless = |request: &&Request| request.summary.operation.is_empty();
            script.run().requests.iter().filter(nameless).count() > 3
        });
        let lost_for_good: Vec<_> = lost_for_good.collect();
        assert!(lost_for_good.len() <= 1, "{name}: {lost_for_good:?}");
    }
}

/// Little is copied of a message in one frame: nothing is missing. Nor is a name where it has many.
#[test]
fn large_messages_of_which_little_is_copied() {
    let mut script = dialogue("grpc-python");
    let whole = script.run().lines();
    for said in &mut script.said {
        said.copied = said.bytes.len().min(400);
    }
    let told = script.run();
    assert_eq!((told.lines(), told.coverage.cut), (whole, 0));
    assert!(told.coverage.spanned > 19_000);

    let frame = |kind: u8, flags: u8, stream: u8, carried: &[u8]| {
        let length = (carried.len() as u16).to_be_bytes();
        [&[0, length[0], length[1], kind, flags, 0, 0, 0, stream], carried].concat()
    };
    let said = |name: &str, value: &str| {
        [&[0x40, name.len() as u8], name.as_bytes(), &[value.len() as u8], value.as_bytes()]
            .concat()
    };
    let kind = said("content-type", "application/grpc");
    let fields =
        [&b"\x83\x86"[..], &said(":path", "/shop.Orders/Put"), &said(":authority", "shop"), &kind]
            .concat();
    let again = b"\x83\x86\xc0\xbf\xbe";
    let mut script = Script::new().client(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    script = script.server(frame(4, 1, 0, b""));
    for (turn, stream) in [1, 3, 5, 7].into_iter().enumerate() {
        let mut says = frame(1, 4, stream, if turn == 0 { &fields } else { again });
        says.extend(frame(0, 0, stream, &[&b"\0\0\0\x9c\x40"[..], &[b'x'; 9995]].concat()));
        for last in [0, 0, 1] {
            says.extend(frame(0, last, stream, &[b'x'; 10_000]));
        }
        // From the second on what a call has behind its first frame is not seen.
        let length = if turn == 0 { says.len() } else { 400 };
        script = script.client(says).copied(length);
        let head = if turn == 0 { [b"\x88", &kind[..]].concat() } else { b"\x88\xbe".to_vec() };
        let answer = [frame(1, 4, stream, &head), frame(1, 5, stream, b"\0\x0bgrpc-status\x010")];
        script = script.server(answer.concat());
    }
    let told = script.run();
    let known =
        |request: &Request| request.summary.operation == "Put" && request.protocol == "grpc";
    assert!(told.requests.len() == 4 && told.requests.iter().all(known), "{:#?}", told.lines());
    let marked: Vec<_> = told.requests.iter().map(|request| request.truncated).collect();
    assert_eq!(marked, [false, true, true, true]);
}

/// Whether the whole dialogue gives the same, or did not wait for the answer.
fn known(request: &Request, whole: &[Request]) -> bool {
    let words = |request: &Request| {
        let summary = &request.summary;
        (summary.operation.clone(), summary.resource.clone())
    };
    whole.iter().any(|other| {
        let same = request.summary.status == other.summary.status || is_given_up(other);
        words(other) == words(request) && same
    })
}

fn is_given_up(request: &Request) -> bool {
    matches!(request.summary.status.as_deref(), None | Some("CANCELLED"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is lost or not copied: what is said to be whole is right, with its own answer.
    #[test]
    fn losses_make_nothing_wrong(
        lost in prop::collection::vec(any::<usize>(), 0..5),
        cut in prop::collection::vec((any::<usize>(), 0..400usize), 0..5),
        pieces in prop::collection::vec(20usize..900, 1..6),
    ) {
        for (name, script, _) in recorded() {
            if !name.starts_with("http2") && !name.starts_with("grpc") {
                continue;
            }
            let whole = script.run();
            let mut script = script.split(&pieces);
            let length = script.said.len();
            for at in &lost {
                script.said[at % length].lost = true;
            }
            for (at, copied) in &cut {
                let said = &mut script.said[at % length];
                said.copied = said.bytes.len().min(*copied);
            }
            let told = script.run();
            prop_assert!(told.requests.len() <= whole.requests.len() + 1, "{}: {:#?}", name, told.lines());
            for request in &told.requests {
                // A client gives up also what was answered, if nobody sees the answer.
                let whole_row = !request.truncated && request.outcome == Outcome::Answered;
                if !whole_row || is_given_up(request) {
                    continue;
                }
                prop_assert!(known(request, &whole.requests), "{}: {}", name, script::line(request));
                if name == "grpc-python-100" {
                    prop_assert!(right(request), "{:?}", request);
                }
            }
        }
    }
}

/// Yamux multiplexes streams, too, and its frames look alike.
#[test]
fn yamux_is_something_else() {
    let header = |kind: u8, flags: u8, stream: u32, length: u32| {
        [&[0, kind, 0, flags], &stream.to_be_bytes()[..], &length.to_be_bytes()].concat()
    };
    for stream in [1, 2, 3, 0x101, 0x0001_0001] {
        for begin in [header(1, 1, stream, 0), header(0, 1, stream, 5), header(2, 1, 0, stream)] {
            let mut script = Script::new().client(begin).server(header(1, 2, stream, 0));
            for size in [0, 1, 5, 300, 70_000] {
                let body = vec![0; size as usize];
                script = script.client([header(0, 0, stream, size), body.clone()].concat());
                script = script
                    .server([header(1, 0, stream, 256), header(0, 0, stream, size), body].concat());
            }
            script = script.client(header(2, 1, 0, 7)).server(header(2, 2, 0, 7));
            for side in [None, Some(Side::Client), Some(Side::Server)] {
                let told = Script { side, ..script.clone() }.run();
                assert_eq!((told.protocol, told.requests.len()), (None, 0));
            }
        }
    }
}
