//! What a query may not use up.

use std::time::{Duration, Instant};

use query::{Ask, Engine, Options, Trouble};

use crate::rows::*;

/// A query that would take hours.
const ENDLESS: &str = "SELECT count(*) FROM generate_series(1, 3000000) a, \
                       generate_series(1, 3000000) b WHERE (a.value + b.value) % 7 = 3";

fn with(change: impl FnOnce(&mut Options)) -> Engine {
    let mut options = options();
    change(&mut options);
    Kept::default().hot::<FileOpen<'_>>(opens(0.0, 0.01, 50_000)).engine_with(options)
}

#[test]
fn a_query_that_takes_too_long_is_broken_off() {
    let engine = with(|options| options.time_out = Duration::from_millis(300));
    let began = Instant::now();
    assert_eq!(problem(&engine, ENDLESS).kind, Trouble::TooLong);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let forever = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) \
                   SELECT max(n) FROM r";
    assert_eq!(problem(&engine, forever).kind, Trouble::TooLong);
    let time_out = Some(Duration::from_millis(50));
    let ask = Ask { sql: ENDLESS.to_string(), time_out, limit: None };
    let mut answer = engine.ask_blocking(ask).unwrap();
    assert_eq!(rest(&mut answer).unwrap_err().kind, Trouble::TooLong);
}

#[test]
fn more_rows_than_allowed_are_an_error() {
    let engine = with(|options| options.rows_most = 10_000);
    let problem = problem(&engine, "SELECT path FROM file_open");
    assert_eq!(problem.kind, Trouble::TooManyRows, "{problem}");
    assert_eq!(lines(&engine, "SELECT path FROM file_open LIMIT 10000").len(), 10_000);
}

#[test]
fn memory_is_bounded() {
    let engine = with(|options| options.memory = 4 << 20);
    let sql = "SELECT path, count(*) FROM file_open GROUP BY path ORDER BY 2";
    let problem = problem(&engine, sql);
    assert_eq!(problem.kind, Trouble::OutOfMemory, "{problem}");
    // What it held is free again, as soon as its tasks have ended.
    let again = || {
        let mut answer = engine.ask_blocking(ask("SELECT comm FROM file_open GROUP BY comm"))?;
        rest(&mut answer)
    };
    let began = Instant::now();
    while again() != Ok(vec!["cat".to_string()]) {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", again());
        std::thread::yield_now();
    }
}

#[test]
fn queries_at_once_are_bounded_and_dropping_one_ends_it() {
    let engine = with(|options| options.queries_most = 1);
    let answer = engine.ask_blocking(ask(ENDLESS)).unwrap();
    assert_eq!(problem(&engine, "SELECT 1").kind, Trouble::Busy);
    drop(answer);
    let began = Instant::now();
    loop {
        match engine.ask_blocking(ask("SELECT 1")) {
            Ok(mut answer) => break assert_eq!(rest(&mut answer).unwrap(), ["1"]),
            Err(problem) => assert_eq!(problem.kind, Trouble::Busy),
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it is not ended");
        std::thread::yield_now();
    }
    println!("ended after {:?}", began.elapsed());
}

#[test]
fn the_threads_give_way() {
    let engine = with(|options| options.threads = 2);
    assert_eq!(lines(&engine, "SELECT count(*) FROM file_open WHERE pid = 7"), ["50000"]);
    let mut seen = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default();
        let Some((name, rest)) = stat.rsplit_once(')') else { continue };
        if name.contains("(query-") {
            // The 19th field; `rest` begins with the third.
            assert_eq!(rest.split_whitespace().nth(16), Some("10"), "{stat}");
            seen += 1;
        }
    }
    assert!(seen >= 2);
}
