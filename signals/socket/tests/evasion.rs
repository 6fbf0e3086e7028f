//! What sockets do by 32-bit calls and through io_uring makes the rows that the plain way makes.

use signal_socket::SOCKET;
use testkit::evade::{Act, Evader, Outcome};
use testkit::watch::{Seen, Watch, mechanisms, not_run};

#[test]
fn calls_of_32_bits_make_the_same_rows() {
    told_on_every_rung("calls_of_32_bits_make_the_same_rows", "ia32");
}

#[test]
fn socketcall_makes_the_same_rows() {
    told_on_every_rung("socketcall_makes_the_same_rows", "socketcall");
}

fn told_on_every_rung(test: &str, way: &str) {
    for mechanism in &mechanisms() {
        let watch = Watch::start(test, &[&SOCKET], &[mechanism]).expect("it loads");
        let Some(watch) = watch else { continue };
        let evader = Evader::new(test).expect("a program to act");
        match evader.run(&watch, way, "sockets").expect("it acts") {
            Outcome::Done(acts, rows) => one_each(&acts, &rows, mechanism),
            Outcome::Unavailable(why) => not_run(test, &why),
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
