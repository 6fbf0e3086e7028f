//! What is said of SQL that is not right, or not allowed.

use query::Trouble;

use crate::rows::*;

#[test]
fn wrong_names_have_a_place_and_near_ones() {
    let engine = Kept::default().engine();
    let cases: &[(&str, (usize, usize), &str, &str)] = &[
        ("SELECT pth FROM file_open", (1, 8), "path", "there is no column `pth`"),
        ("SELECT path\nFROM file_opn", (2, 6), "file_open", "there is no table `file_opn`"),
        ("SELECT bsename(path) FROM file_open", (1, 8), "basename", "no function `bsename`"),
        ("SELECT path FROM file_open WHERE erorr IS NULL", (1, 34), "error", "`erorr`"),
        ("SELECT f.comn FROM file_open f", (1, 8), "comm", "`comn` in `f`"),
        ("SELECT fil.path FROM file_open file", (1, 8), "file", "no table `fil` in this query"),
        ("SELECT p95(latncy) FROM file_open", (1, 12), "latency", "`latncy`"),
    ];
    for (sql, place, near, message) in cases {
        let problem = problem(&engine, sql);
        assert_eq!(problem.kind, Trouble::Sql, "{sql}: {problem}");
        assert!(problem.message.contains(message), "{sql}: {problem}");
        assert_eq!(problem.near.first().map(String::as_str), Some(*near), "{sql}: {problem:?}");
        assert_eq!(problem.place, Some(*place), "{sql}: {problem:?}");
    }
}

#[test]
fn syntax_errors_have_a_place() {
    let engine = Kept::default().engine();
    let cases: &[(&str, Option<(usize, usize)>)] = &[
        ("SELEC path FROM file_open", Some((1, 1))),
        ("SELECT path FROM file_open WHERE", None),
        ("SELECT path\nFROM file_open GROUP path", Some((2, 16))),
        ("SELECT 'open FROM file_open", Some((1, 8))),
    ];
    for (sql, place) in cases {
        let problem = problem(&engine, sql);
        assert_eq!(problem.kind, Trouble::Sql, "{sql}: {problem}");
        assert!(problem.message.starts_with("this is no SQL: "), "{sql}: {problem}");
        assert_eq!(problem.place, *place, "{sql}: {problem:?}");
    }
}

#[test]
fn mistakes_in_calls_and_values_have_a_place() {
    let engine = Kept::default().hot::<FileOpen<'_>>(opens(0.0, 1.0, 3)).engine();
    let cases: &[(&str, (usize, usize))] = &[
        ("SELECT comm,\n  p95(path) FROM file_open", (2, 3)),
        ("SELECT * FROM file_open WHERE time > 'yesterday'", (1, 38)),
        ("SELECT * FROM file_open WHERE time > ago('soon')", (1, 42)),
        ("SELECT * FROM socket_close WHERE ip_in(peer_ip, '10/8')", (1, 49)),
        ("SELECT path, count(*) FROM file_open", (1, 8)),
        ("SELECT path + 1 FROM file_open", (1, 8)),
    ];
    for (sql, place) in cases {
        let problem = problem(&engine, sql);
        assert_eq!(problem.place, Some(*place), "{sql}: {problem:?}");
    }
}

#[test]
fn messages_are_for_people() {
    let engine = Kept::default().hot::<FileOpen<'_>>(opens(0.0, 1.0, 3)).engine();
    let queries = [
        "SELECT path + 1 FROM file_open",
        "SELECT path FROM file_open WHERE path",
        "SELECT path, count(*) FROM file_open",
        "SELECT time_bucket(1, time) FROM file_open",
        "SELECT time_bucket() FROM file_open",
        "SELECT p95(path) FROM file_open",
        "SELECT ip_in(path) FROM file_open",
        "SELECT comm FROM file_open, process_exec",
        "SELECT 1 / 0 FROM file_open",
        "SELECT cast(path AS INT) FROM file_open",
        "SELECT * FROM file_open WHERE time > 'yesterday'",
        "SELECT * FROM generate_serie(1, 2)",
        "SHOW TABLES LIKE 'file%'",
        "SELECT 1; SELECT 2",
        "",
        "-- nothing",
        "SELECT a.path FROM file_open b",
        "SELECT (SELECT path FROM file_open)",
    ];
    let machinery = ["DataFusion", "Error during", "Arrow error", "Internal", "Schema error", "\n"];
    for sql in queries {
        let problem = problem(&engine, sql);
        assert_eq!(problem.kind, Trouble::Sql, "{sql}: {problem}");
        for word in machinery {
            assert!(!problem.message.contains(word), "{sql}: {problem}");
        }
        println!("{sql}\n    {problem} {:?} {:?}", problem.place, problem.near);
    }
}

#[test]
fn nothing_is_written_and_no_file_read() {
    let engine = Kept::default().engine();
    let statements = [
        "CREATE TABLE x AS SELECT 1",
        "CREATE VIEW x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "CREATE SCHEMA x",
        "COPY file_open TO '/tmp/x.csv'",
        "COPY (SELECT 1) TO '/tmp/x.parquet'",
        "INSERT INTO file_open SELECT * FROM file_open",
        "DELETE FROM file_open",
        "UPDATE file_open SET path = 'x'",
        "DROP TABLE file_open",
        "TRUNCATE TABLE file_open",
        "SET datafusion.execution.target_partitions = 1",
        "RESET datafusion.execution.target_partitions",
        "SHOW datafusion.execution.target_partitions",
        "SHOW ALL",
        "EXPLAIN INSERT INTO file_open SELECT * FROM file_open",
        "EXPLAIN COPY file_open TO '/tmp/x.csv'",
        "EXPLAIN ANALYZE DELETE FROM file_open",
        "SELECT * INTO x FROM file_open",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'rows.parquet'",
        "PREPARE x AS SELECT 1",
        "BEGIN",
    ];
    for sql in statements {
        let problem = problem(&engine, sql);
        assert_eq!(problem.kind, Trouble::Forbidden, "{sql}: {problem}");
    }
    assert!(lines(&engine, "SELECT table_name FROM information_schema.tables").len() >= 8);
}

#[test]
fn plans_are_explained() {
    let engine = Kept::default().hot::<FileOpen<'_>>(opens(0.0, 1.0, 3)).engine();
    let plan = lines(&engine, "EXPLAIN SELECT comm, count(*) FROM file_open GROUP BY comm");
    assert!(plan.iter().any(|line| line.contains("file_open")), "{plan:?}");
    let plan = lines(&engine, "EXPLAIN ANALYZE SELECT count(path) FROM file_open");
    assert!(plan.iter().any(|line| line.contains("output_rows")), "{plan:?}");
}
