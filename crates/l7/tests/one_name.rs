//! What a connection says, said from any of its calls on, is taken for one protocol and no other.

mod script;

use protocols::{ALL, Protocol, Side, Transport, Verdict};
use script::{Said, recorded};

/// Each pair of calls that may be the first that are seen, of real dialogues. A bare `PING` that is
/// answered by `+OK` is said by two protocols: it is the order in which they are tried that tells.
#[test]
fn no_protocol_is_taken_for_another() {
    let mut named = 0;
    for (name, script, _) in recorded() {
        let own = script.run().protocol;
        for (at, said) in script.said.iter().enumerate() {
            let behind = &script.said[at..];
            let Some(other) = behind.iter().find(|other| other.side != said.side) else {
                continue;
            };
            let mut spoken = ALL.iter().filter(|one| one.transports.contains(&script.transport));
            if let Some(protocol) = spoken.find(|one| fits(one, said, other, script.transport)) {
                // What began as HTTP/1 may go on as HTTP/2.
                let upgraded = (own, protocol.name) == (Some("http"), "http2");
                assert!(upgraded || own == Some(protocol.name), "{name}, call {at}: {protocol:?}");
                named += 1;
            }
        }
    }
    assert!(named > 300, "{named}");
}

/// The same when who asks is not known: the sides may be the other way round. What PostgreSQL, Redis and
/// NATS say looks the same both ways at times.
#[test]
fn no_side_is_taken_for_the_other() {
    let alike = |name: Option<&str>| matches!(name, Some("postgres" | "redis" | "nats"));
    let told = recorded().into_iter().filter(|(_, script, _)| !alike(script.run().protocol));
    for (name, script, _) in told {
        for (at, said) in script.said.iter().enumerate() {
            let behind = &script.said[at..];
            let Some(other) = behind.iter().find(|other| other.side != said.side) else {
                continue;
            };
            let turned = |said: &Said| Said { side: said.side.other(), ..said.clone() };
            for protocol in ALL.iter().filter(|one| one.transports.contains(&script.transport)) {
                let fits = fits(protocol, &turned(said), &turned(other), script.transport);
                assert!(!fits, "{name}, call {at}: {}", protocol.name);
            }
        }
    }
}

/// What the kernel side looks for is in every call in which a message begins.
#[test]
fn every_call_fits_a_signature() {
    for (name, script, _) in recorded() {
        let own = script.run().protocol;
        let Some(protocol) = ALL.iter().find(|one| Some(one.name) == own) else {
            continue;
        };
        for said in &script.said {
            let begins = (protocol.probe)(said.side, &said.bytes, script.transport);
            let fits = protocol
                .signatures
                .iter()
                .any(|signature| signature.side == said.side && signature.fits(&said.bytes));
            assert!(fits || begins == Verdict::Unlikely, "{name}: {:?}", &said.bytes);
        }
    }
}

fn fits(protocol: &Protocol, one: &Said, other: &Said, transport: Transport) -> bool {
    let (client, server) = if one.side == Side::Client { (one, other) } else { (other, one) };
    let says = |side: Side, said: &Said| (protocol.probe)(side, &said.bytes, transport);
    says(Side::Client, client) == Verdict::Likely && says(Side::Server, server) == Verdict::Likely
}
