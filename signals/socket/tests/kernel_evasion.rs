//! What sockets do by 32-bit calls and through io_uring makes the rows that the plain way makes.

use signal_socket::SOCKET;
use testkit::evade::{Act, Evader, Outcome};
use testkit::watch::{Seen, Watch, mechanisms, not_run};

#[test]
fn calls_of_32_bits_make_the_same_rows() {
    told_on_every_rung("calls_of_32_bits_make_the_same_rows", "ia32", "sockets");
}

#[test]
fn socketcall_makes_the_same_rows() {
    told_on_every_rung("socketcall_makes_the_same_rows", "socketcall", "sockets");
}

/// What goes through a ring, done by the caller, by a worker or by the thread that polls for it.
#[test]
fn io_uring_makes_the_same_rows() {
    for way in ["ring", "worker", "poller"] {
        told_on_every_rung("io_uring_makes_the_same_rows", way, "sockets");
    }
}

/// One request that takes many connections: each is told.
#[test]
fn an_accept_that_goes_on_is_told_each_time() {
    let test = "an_accept_that_goes_on_is_told_each_time";
    for mechanism in &mechanisms() {
        let Some((_, acts, rows)) = acts(test, mechanism, "ring", "many-accepts") else { continue };
        // The plain connects may be interrupted by what the ring has to do, and begun again.
        let acts: Vec<Act> = acts.into_iter().filter(|act| act.table == "socket_accept").collect();
        let rows: Vec<Seen> = rows.into_iter().filter(|row| row.table == "socket_accept").collect();
        one_each(&acts, &rows, mechanism);
    }
}

/// A connect whose success nobody is told is told as one in progress, where its end is not seen.
#[test]
fn a_silent_connect_is_told() {
    let test = "a_silent_connect_is_told";
    for mechanism in &mechanisms() {
        let Some((watch, acts, rows)) = acts(test, mechanism, "ring", "silent-connect") else {
            continue;
        };
        let Some(act) = acts.iter().find(|act| act.table == "socket_connect") else { continue };
        let mut told = rows.iter().filter(|row| row.table == "socket_connect");
        let (Some(row), None) = (told.next(), told.next()) else { panic!("not one: {rows:#?}") };
        let sees_the_end = watch.mechanism("connect through io_uring") == "fentry";
        let expected = if sees_the_end { (None, "kernel") } else { (Some(115), "caller") };
        let (error, source) = expected;
        assert_eq!((row.number("error"), row.text("peer_source")), (error, Some(source)));
        assert_eq!(row.text("peer_port"), Some(act.about[0].as_str()), "{mechanism}");
        assert_eq!(row.text("call"), Some("io_uring"));
    }
}

fn told_on_every_rung(test: &str, way: &str, what: &str) {
    for mechanism in &mechanisms() {
        let Some((_, acts, rows)) = acts(test, mechanism, way, what) else { continue };
        one_each(&acts, &rows, mechanism);
    }
}

/// Loads the signal on one rung and acts; gives the acts and all rows.
fn acts(
    test: &str,
    mechanism: &str,
    way: &str,
    what: &str,
) -> Option<(Watch, Vec<Act>, Vec<Seen>)> {
    let watch = Watch::start(test, &[&SOCKET], &[mechanism]).expect("it loads")?;
    let evader = Evader::new(test).expect("a program to act");
    match evader.run(&watch, way, what).expect("it acts") {
        Outcome::Done(acts, rows) => Some((watch, acts, rows)),
        Outcome::Unavailable(why) => {
            not_run(test, &why);
            None
        }
    }
}

/// One row for each act, in order and with the port of the other end, and no other.
fn one_each(acts: &[Act], rows: &[Seen], mechanism: &str) {
    let tables =
        ["socket_bind", "socket_listen", "socket_connect", "socket_accept", "socket_datagram"];
    let rows: Vec<&Seen> = rows.iter().filter(|row| tables.contains(&row.table)).collect();
    for (act, row) in acts.iter().zip(&rows) {
        assert!(act.is_told_by(row), "{mechanism}: {act:#?} is not told by {row:#?}");
        let port = if ["socket_bind", "socket_listen"].contains(&row.table) {
            "local_port"
        } else {
            "peer_port"
        };
        assert_eq!(row.text(port), act.about.first().map(String::as_str), "{mechanism}: {row:#?}");
        if row.table == "socket_datagram" {
            assert_eq!(row.number("bytes"), Some(act.result), "{mechanism}: {row:#?}");
        }
    }
    assert_eq!(rows.len(), acts.len(), "{mechanism}: {acts:#?} {rows:#?}");
}
