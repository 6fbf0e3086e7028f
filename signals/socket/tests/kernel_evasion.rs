//! What sockets do by 32-bit calls and through io_uring makes the rows that the plain way makes.

use signal_socket::SOCKET;
use testkit::evade::{Act, Evader, Outcome};
use testkit::watch::{Seen, Watch, mechanisms, not_run};

const TEST: &str = "the_ways_around_calls_make_the_same_rows";

/// A signal that is loaded on one rung, and who acts before it.
struct Stage {
    mechanism: &'static str,
    watch: Watch,
    evader: Evader,
}

/// All of them on each rung, which is loaded once: loading is what takes the time.
#[test]
fn the_ways_around_calls_make_the_same_rows() {
    for mechanism in mechanisms() {
        let watch = Watch::start(TEST, &[&SOCKET], &[mechanism]).expect("it loads");
        let Some(watch) = watch else { continue };
        let evader = Evader::new(TEST).expect("a program to act");
        let stage = Stage { mechanism, watch, evader };
        stage.one_row_each("ia32");
        stage.one_row_each("socketcall");
        // Done by the caller, by a worker or by the thread that polls for it.
        for way in ["ring", "worker", "poller"] {
            if stage.sees_rings() {
                stage.one_row_each(way);
            }
        }
        if stage.sees_rings() {
            if !stage.watch.mechanism("accepts of io_uring that go on").is_empty() {
                an_accept_that_goes_on(&stage);
            }
            a_silent_connect(&stage);
        }
    }
}

/// One request that takes many connections: each is told.
fn an_accept_that_goes_on(stage: &Stage) {
    let Some((acts, rows)) = stage.act("ring", "many-accepts") else { return };
    // The plain connects may be interrupted by what the ring has to do, and begun again.
    let acts: Vec<Act> = acts.into_iter().filter(|act| act.table == "socket_accept").collect();
    let rows: Vec<Seen> = rows.into_iter().filter(|row| row.table == "socket_accept").collect();
    stage.compare(&acts, &rows);
}

/// A connect whose success nobody is told is told as one in progress, where its end is not seen.
fn a_silent_connect(stage: &Stage) {
    let Some((acts, rows)) = stage.act("ring", "silent-connect") else { return };
    // Before 5.17 there is no such thing.
    let Some(act) = acts.iter().find(|act| act.table == "socket_connect") else { return };
    let mut told = rows.iter().filter(|row| row.table == "socket_connect");
    let (Some(row), None) = (told.next(), told.next()) else { panic!("not one: {rows:#?}") };
    let sees_the_end = stage.watch.mechanism("connect through io_uring") == "fentry";
    let expected = if sees_the_end { (None, "kernel") } else { (Some(115), "caller") };
    let (error, source) = expected;
    assert_eq!((row.number("error"), row.text("peer_source")), (error, Some(source)));
    assert_eq!(row.text("peer_port"), Some(act.about[0].as_str()), "{}", stage.mechanism);
    assert_eq!(row.text("call"), Some("io_uring"));
}

impl Stage {
    /// Whether any rung here sees what goes through rings: on Linux 5.10 tracepoints do not.
    fn sees_rings(&self) -> bool {
        !self.watch.mechanism("connect through io_uring").is_empty()
    }

    fn one_row_each(&self, way: &str) {
        let Some((acts, rows)) = self.act(way, "sockets") else { return };
        self.compare(&acts, &rows);
    }

    /// Acts; gives the acts and all rows.
    fn act(&self, way: &str, what: &str) -> Option<(Vec<Act>, Vec<Seen>)> {
        match self.evader.run(&self.watch, way, what).expect("it acts") {
            Outcome::Done(acts, rows) => Some((acts, rows)),
            Outcome::Unavailable(why) => {
                not_run(&format!("{TEST}: {what} by {way}, {}", self.mechanism), &why);
                None
            }
        }
    }

    /// One row for each act, in order and with the port of the other end, and no other.
    fn compare(&self, acts: &[Act], rows: &[Seen]) {
        let tables =
            ["socket_bind", "socket_listen", "socket_connect", "socket_accept", "socket_datagram"];
        let rows: Vec<&Seen> = rows.iter().filter(|row| tables.contains(&row.table)).collect();
        let mechanism = self.mechanism;
        for (act, row) in acts.iter().zip(&rows) {
            assert!(act.is_told_by(row), "{mechanism}: {act:#?} is not told by {row:#?}");
            let near = ["socket_bind", "socket_listen"].contains(&row.table);
            let port = row.text(if near { "local_port" } else { "peer_port" });
            assert_eq!(port, act.about.first().map(String::as_str), "{mechanism}: {row:#?}");
            if row.table == "socket_datagram" {
                assert_eq!(row.number("bytes"), Some(act.result), "{mechanism}: {row:#?}");
            }
        }
        // Workers and the thread that polls are threads of the process that asks.
        assert!(rows.iter().all(|row| row.pid == rows[0].pid), "{mechanism}: {rows:#?}");
        assert_eq!(rows.len(), acts.len(), "{mechanism}: {acts:#?} {rows:#?}");
    }
}
