//! What the tests send, and how they wait.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use deliver::{Backoff, Deliveries, Http, Notice, Receiver, Secret, Span, To};
use detect::language::Priority;
use serde_json::json;
use telemetry::{Ledger, Side};

/// An alert with a number that can be found again.
pub(crate) fn numbered(number: u64) -> Arc<Notice> {
    Arc::new(Notice {
        time: 1_795_334_400_000_000_000 + number,
        rule: "Read sensitive file untrusted".into(),
        priority: Priority::Warning,
        source: "syscall".into(),
        hostname: "node-1".into(),
        output: format!("Sensitive file opened (number={number} file=/etc/shadow)"),
        tags: vec!["filesystem".to_string()].into(),
        fields: vec![("number".to_string(), json!(number))],
        context: json!({"lost": 0}),
    })
}

/// Falco's JSON to `url`, tried again soon.
pub(crate) fn http(url: String) -> Receiver {
    Receiver {
        backoff: Backoff { first: Span::millis(10), most: Span::millis(100) },
        ..Receiver::new(To::Http(Http { url: Secret::new(url), ..Http::default() }))
    }
}

/// Waits until `is_so`, for half a minute at most.
pub(crate) fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not come");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Half a minute from now.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

/// What a stage counted.
pub(crate) fn count(ledger: &Ledger, stage: &str, side: Side) -> u64 {
    let entries = ledger.entries().into_iter();
    entries.filter(|it| it.stage == stage && it.side == side).map(|it| it.count).sum()
}

/// Asserts that nothing was lost sight of: taken is passed, dropped, or waits.
pub(crate) fn assert_balanced(ledger: &Ledger, stage: &str, waiting: u64) {
    let of_stage = |it: &telemetry::Entry| it.stage == stage && matches!(it.side, Side::Dropped(_));
    let dropped: u64 = ledger.entries().iter().filter(|it| of_stage(it)).map(|it| it.count).sum();
    let (taken, passed) = (count(ledger, stage, Side::Taken), count(ledger, stage, Side::Passed));
    assert_eq!(taken, passed + dropped + waiting, "{:?}", ledger.entries());
}

/// What the only receiver has waiting.
pub(crate) fn waiting(deliveries: &Deliveries) -> u64 {
    deliveries.status()[0].waiting
}
