//! Losses, wherever they fall: they may cost requests, but never invent one, and every byte is
//! accounted for (`Script::run` compares).

mod script;

use std::collections::BTreeMap;

use l7::Outcome;
use proptest::prelude::*;
use protocols::Side;
use script::{MILLISECOND, Said, Script, recorded};

/// Requests whose response says which one it answers: `/u/a17x` is answered with status 517.
fn numbered(count: usize, batch: usize) -> Script {
    let mut script = Script::new();
    let paths: Vec<usize> = (0..count).collect();
    for batch in paths.chunks(batch) {
        let asks: String = batch
            .iter()
            .map(|at| format!("GET /u/a{at:02}x HTTP/1.1\r\nHost: s\r\n\r\n"))
            .collect();
        script = script.client(asks);
        for at in batch {
            let body = "y".repeat(at * 7);
            let status = 500 + at;
            let length = body.len();
            script = script
                .server(format!("HTTP/1.1 {status} OK\r\nContent-Length: {length}\r\n\r\n{body}"));
        }
    }
    script
}

/// Loses some of what is said before the client's last words: what nothing comes behind is not known to
/// be lost, and an answer to it may be taken for that of a request before it.
fn lose(script: &mut Script, lost: &[usize]) {
    let last = script.said.iter().rposition(|said| said.side == Side::Client);
    let length = last.unwrap_or(0).max(1);
    for at in lost {
        script.said[at % length].lost = true;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of a client that waits for each answer, what is answered is answered rightly.
    #[test]
    fn no_answer_is_another_ones(
        lost in prop::collection::vec(any::<usize>(), 1..6),
        pieces in prop::collection::vec(5usize..90, 1..6),
    ) {
        let mut script = numbered(30, 1).split(&pieces);
        lose(&mut script, &lost);
        let told = script.run();
        for request in told.requests.iter().filter(|r| r.outcome == Outcome::Answered) {
            let line = script::line(request);
            let path: usize = line[8..10].parse().unwrap();
            let status: usize = line.split("| ").nth(1).unwrap()[..3].parse().unwrap();
            prop_assert_eq!(path + 500, status, "{}", line);
        }
        // What was not touched is there. Ten of these milliseconds pass before a gap is one, and
        // what comes meanwhile may be lost with it where nothing is named yet.
        prop_assert!(told.coverage.answered as usize + 8 * lost.len() >= 30);
        prop_assert!(told.requests.len() <= 30);
    }

    /// Recorded dialogues with losses: nothing comes out that does not come out of the whole.
    #[test]
    fn nothing_is_invented(lost in prop::collection::vec(any::<usize>(), 1..5), cut in any::<bool>()) {
        for (name, mut script, _) in recorded() {
            let whole = script.run();
            let count = |told: &script::Told| {
                let mut count = BTreeMap::new();
                for request in told.requests.iter().filter(|request| !request.truncated) {
                    let line = script::line(request);
                    *count.entry(line.split(" | ").next().unwrap().to_owned()).or_insert(0) += 1;
                }
                count
            };
            let known = count(&whole);
            if cut {
                let length = script.said.len();
                for at in &lost {
                    let said: &mut Said = &mut script.said[at % length];
                    said.copied = (at / 7) % (said.bytes.len() + 1);
                }
            } else {
                lose(&mut script, &lost);
            }
            for (line, found) in count(&script.run()) {
                let whole = known.get(&line).copied().unwrap_or(0);
                // A statement whose text was lost, or is cut, is known by less.
                let less = line.starts_with("EXECUTE") || line.starts_with("PREPARE")
                    || line.starts_with("CLOSE")
                    // A channel that was closed for what was lost is closed for nothing.
                    || line.contains(".close ")
                    // A topic whose name was lost is known by its id.
                    || (name.starts_with("kafka") && line.starts_with("Fetch"))
                    || line.starts_with(" ") || known.keys().any(|known| known.starts_with(&line));
                prop_assert!(found <= whole || less, "{}: {} {} times", name, line, found);
            }
        }
    }
}

/// A pipeline that loses its place finds it again.
#[test]
fn a_pipeline_is_in_step_again() {
    let mut script = numbered(60, 4);
    let at = script.said.iter().position(|said| said.bytes.starts_with(b"HTTP/1.1 509")).unwrap();
    script.said[at].lost = true;
    let told = script.run();
    let right = |at: usize| {
        let line = format!("GET /u/a{at:02}x | {} answered", 500 + at);
        told.lines().iter().any(|told| told.starts_with(&line))
    };
    assert!((0..8).all(right), "{:#?}", told.lines());
    assert!((32..60).all(right), "{:#?}", told.lines());
    let answered = told.requests.iter().filter(|request| request.outcome == Outcome::Answered);
    for line in answered.map(script::line) {
        let (path, status): (usize, usize) =
            (line[8..10].parse().unwrap(), line[14..17].parse().unwrap());
        assert_eq!(path + 500, status, "{line}");
    }
    assert!(told.coverage.responses_without_request > 0);
}

/// A gap that is found late does not hold up what comes behind it for long.
#[test]
fn patience_ends() {
    let mut script = numbered(10, 1);
    script.said[4].lost = true;
    for (at, said) in script.said.iter_mut().enumerate() {
        said.time = at as u64 * 100 * MILLISECOND;
    }
    let told = script.run();
    assert!(told.coverage.answered >= 8, "{:#?}", told.lines());
}
