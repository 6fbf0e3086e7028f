//! Dialogues recorded from real servers and clients (`recorded/record.py`): what comes out is
//! written beside each, and has to come out however the same bytes are cut.

mod script;

use std::fs;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use protocols::{ALL, Protocol, Side, Verdict};
use script::{Said, Script, recorded};

/// With `FATHOM_BLESS=1` what comes out is written down as what must.
#[test]
fn real_dialogues_give_their_requests() {
    let bless = std::env::var_os("FATHOM_BLESS").is_some();
    let dialogues = recorded();
    assert!(dialogues.len() > 10);
    for (name, script, path) in dialogues {
        let told = script.run();
        let text: String = told.lines().iter().map(|line| format!("{line}\n")).collect();
        if bless {
            fs::write(&path, &text).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, expected, "{name}");
        assert_eq!(told.coverage.read, told.coverage.moved, "{name}: {:?}", told.coverage);
        assert!(!text.contains("hunter"), "{name} shows a secret");
    }
}

/// Seen by the server, and by who does not know which end it is.
#[test]
fn both_ends_see_the_same() {
    for (name, script, _) in recorded() {
        let whole = lines(&script);
        for (process, side) in
            [(Side::Server, Some(Side::Server)), (Side::Server, None), (Side::Client, None)]
        {
            let seen = Script { process, side, ..script.clone() }.run();
            assert_eq!(seen.lines(), whole, "{name} as {process:?}, {side:?}");
            assert!(seen.requests.iter().all(|request| request.side == process));
        }
    }
}

/// Whatever is looked at of both sides, no other protocol is the first to claim it.
#[test]
fn nobody_else_claims_it() {
    for (name, script, _) in recorded() {
        let spoken = script.run().protocol;
        let claims = |protocol: &Protocol, said: &Said| {
            (protocol.probe)(said.side, &said.bytes, script.transport) == Verdict::Likely
        };
        let of = |side: Side| script.said.iter().filter(move |said| said.side == side);
        for client in of(Side::Client) {
            let asked: Vec<_> = ALL.iter().filter(|protocol| claims(protocol, client)).collect();
            for server in of(Side::Server) {
                let first = asked.iter().find(|protocol| claims(protocol, server));
                let first = first.map(|protocol| protocol.name);
                // What began as HTTP/1 may go on as HTTP/2.
                let upgraded = (spoken, first) == (Some("http"), Some("http2"));
                assert!(
                    first.is_none() || first == spoken || upgraded,
                    "{name}: {first:?}\n{client:?}\n{server:?}"
                );
            }
        }
    }
}

/// What the kernel is told to look for is in every call that begins with a message.
#[test]
fn the_kernel_would_copy_it() {
    for (name, script, _) in recorded() {
        let spoken = script.run().protocol;
        let protocol = ALL.iter().find(|protocol| Some(protocol.name) == spoken).unwrap();
        for said in &script.said {
            let begins = (protocol.probe)(said.side, &said.bytes, script.transport);
            let mut signatures = protocol.signatures.iter();
            let fits = signatures.any(|s| s.side == said.side && s.fits(&said.bytes));
            assert!(fits || begins != Verdict::Likely, "{name}: {said:?}");
        }
    }
}

#[test]
fn any_cutting_gives_the_same_requests() {
    for (name, script, _) in recorded() {
        if script.transport == protocols::Transport::Datagram {
            continue;
        }
        let whole = script.run();
        assert_eq!(lines(&script.split(&[1])), lines(&script), "{name}, byte by byte");
        let pieces = prop::collection::vec(1usize..200, 1..12);
        TestRunner::new(ProptestConfig {
            cases: 40,
            failure_persistence: None,
            ..ProptestConfig::default()
        })
        .run(&pieces, |pieces| {
            let told = script.split(&pieces).run();
            let same = |told: &script::Told| -> Vec<_> {
                told.requests.iter().map(|r| (script::line(r), r.times)).collect()
            };
            prop_assert_eq!(same(&told), same(&whole), "{}", name);
            prop_assert_eq!(told.coverage, whole.coverage);
            Ok(())
        })
        .unwrap();
    }
}

/// The dialogues of which a call has many messages.
const CROWDED: [&str; 6] = [
    "redis-benchmark-p16",
    "http2-go",
    "http2-nginx-nghttp",
    "http2-nginx-parallel",
    "http2-upgrade-nghttp",
    "grpc-python-100",
];

/// A kernel side that copies little of each call: what is asked for is still known, in part at
/// least, as far as a call has one message.
#[test]
fn little_is_copied() {
    for (name, script, _) in recorded() {
        let whole = script.run();
        for budget in [96, 256, 1024] {
            let mut cut = script.clone();
            for said in &mut cut.said {
                said.copied = said.bytes.len().min(budget);
            }
            let told = cut.run();
            let (known, all) = (told.requests.len(), whole.requests.len());
            // Calls that carry a pipeline, or many streams, are cut in the middle of it.
            let enough = match budget {
                1024 if CROWDED.contains(&&*name) => known * 2 > all,
                1024 => known == all,
                256 => known == all || name.starts_with("redis") || CROWDED.contains(&&*name),
                _ => known * 2 > all || CROWDED.contains(&&*name),
            };
            assert!(enough && known <= all, "{name} with {budget}: {:#?}", told.lines());
        }
    }
}

/// From any place of the dialogue on, what comes out is a part of what comes out of all of it.
#[test]
fn taken_up_in_the_middle() {
    for (name, script, _) in recorded() {
        let whole = lines(&script);
        for from in 1..script.said.len() {
            let mut rest = script.clone().in_the_middle();
            rest.said.drain(..from);
            if script.transport == protocols::Transport::Datagram {
                rest.transport = script.transport;
            }
            let found = lines(&rest);
            assert!(found.len() <= whole.len(), "{name} from {from}: {found:#?}");
            for line in found {
                // What was asked before, and what is not known of it, may be missing.
                let operation = line.split(' ').next().unwrap();
                let known = whole.contains(&line)
                    || whole.iter().any(|other| other.starts_with(operation))
                    || line.starts_with("EXECUTE")
                    // A refusal of what was asked before.
                    || line.contains(".close ");
                assert!(known, "{name} from {from}: {line}\n{whole:#?}");
            }
        }
    }
}

fn lines(script: &Script) -> Vec<String> {
    script.run().lines()
}
