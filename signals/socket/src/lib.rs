//! The socket signal: bind, listen, connect, accept, TCP's states, exchanges of datagrams, ends.
//!
//! See the folder's `README.md` for what it sees, what it does not, and what it costs.
#![forbid(unsafe_code)]

mod decode;
mod ends;
mod event;
mod sweep;

pub use event::{
    SocketAccept, SocketBind, SocketClose, SocketConnect, SocketDatagram, SocketListen, SocketState,
};

pub use sweep::sweep;

use kernel::{Hook, Mechanism, Rung, Signal};
use schema::Event;

#[allow(dead_code)]
mod record {
    include!(concat!(env!("OUT_DIR"), "/socket.rs"));
}

const IO_URING: &str =
    "the peer of a datagram sent by io_uring from a socket that is not connected";
const FORGEABLE: &str = "the peer of a socket that is not connected is read from the caller's memory, \
                         which it may rewrite; of a vector of messages the first 64 are told";

const SILENT_CONNECT: &str = "the result of connects that are asked for with IOSQE_CQE_SKIP_SUCCESS: they are \
                              told as in progress, the peer by the caller's memory";
const SILENT_ACCEPT: &str = "accepts through io_uring that the caller asked not to be told of \
                             (IOSQE_CQE_SKIP_SUCCESS), until their states change";
const RING_BIND_DONE: Rung = Rung {
    mechanism: Mechanism::TpBtf,
    program: "socket_ring_bind_done",
    cannot: "binds and listens through io_uring whose success the caller asked not to be told \
             (IOSQE_CQE_SKIP_SUCCESS)",
};

/// The signal, as the loader takes it.
pub static SOCKET: Signal = Signal {
    name: "socket",
    object: include_bytes!(concat!(env!("OUT_DIR"), "/socket.bpf.o")),
    layout: record::LAYOUT,
    tables: &[
        SocketBind::TABLE,
        SocketListen::TABLE,
        SocketConnect::TABLE,
        SocketAccept::TABLE,
        SocketState::TABLE,
        SocketDatagram::TABLE,
        SocketClose::TABLE,
    ],
    kinds: &[
        "socket_bind",
        "socket_listen",
        "socket_connect",
        "socket_accept",
        "socket_close",
        "socket_state",
        "socket_datagram",
        "socket_close",
    ],
    hooks: &[
        Hook {
            what: "TCP states and closes",
            lost: "when TCP connections stand and end, and what they carried",
            rungs: &[Rung::full(Mechanism::TpBtf, "socket_set_state")],
        },
        Hook {
            what: "bind",
            lost: "which addresses sockets are given",
            rungs: &[Rung::full(Mechanism::Syscall(&[49]), "socket_bind")],
        },
        Hook {
            what: "listen",
            lost: "who takes connections",
            rungs: &[Rung::full(Mechanism::Syscall(&[50]), "socket_listen")],
        },
        Hook {
            what: "connect",
            lost: "who connects where, and failed attempts",
            rungs: &[Rung::full(Mechanism::Syscall(&[42]), "socket_connect")],
        },
        Hook {
            what: "accept",
            lost: "accepted connections, and when they end",
            rungs: &[Rung::full(Mechanism::Syscall(&[43, 288]), "socket_accept")],
        },
        Hook {
            what: "connect through io_uring",
            lost: "who connects where through io_uring",
            rungs: &[
                Rung::full(Mechanism::Fentry, "socket_ring_connect"),
                Rung::full(Mechanism::TpBtf, "socket_ring_connect_done"),
                Rung {
                    mechanism: Mechanism::Fentry,
                    program: "socket_ring_connect_file",
                    cannot: "of connects through io_uring the peer of those that fail at once",
                },
            ],
        },
        Hook {
            what: "connects of io_uring whose success is not told",
            lost: "connects that are asked for with IOSQE_CQE_SKIP_SUCCESS",
            rungs: &[
                // The same program as above: it sees what is done, told or not.
                Rung::full(Mechanism::Fentry, "socket_ring_connect"),
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "socket_ring_connect_silent",
                    cannot: SILENT_CONNECT,
                },
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "socket_ring_connect_silent_before",
                    cannot: SILENT_CONNECT,
                },
                Rung::full(Mechanism::Fentry, "socket_ring_connect_file"),
            ],
        },
        Hook {
            what: "accept through io_uring",
            lost: "connections accepted through io_uring, and when they end",
            rungs: &[
                Rung::full(Mechanism::Fentry, "socket_ring_accept"),
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "socket_ring_accept_done_before",
                    cannot: SILENT_ACCEPT,
                },
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "socket_ring_accept_done",
                    cannot: SILENT_ACCEPT,
                },
            ],
        },
        Hook {
            what: "accepts of io_uring that go on",
            lost: "the connections of an accept of io_uring that takes many",
            rungs: &[
                // The same program as above: it sees each connection.
                Rung::full(Mechanism::Fentry, "socket_ring_accept"),
                Rung::full(Mechanism::TpBtf, "socket_ring_accept_asked"),
            ],
        },
        Hook {
            what: "bind through io_uring",
            lost: "which addresses sockets are given through io_uring (since Linux 6.11)",
            rungs: &[Rung::full(Mechanism::Fentry, "socket_ring_bind"), RING_BIND_DONE],
        },
        Hook {
            what: "listen through io_uring",
            lost: "who takes connections, if that is asked for through io_uring (since Linux 6.11)",
            rungs: &[Rung::full(Mechanism::Fentry, "socket_ring_listen"), RING_BIND_DONE],
        },
        Hook {
            what: "cookies from the beginning",
            lost: "cookies of unix sockets and of sockets that are only bound, and before Linux 5.12, where \
                   tracing programs cannot give any, of accepted TCP sockets: their inode numbers are told",
            rungs: &[
                Rung::full(Mechanism::Lsm, "socket_made_lsm"),
                Rung::full(Mechanism::Fentry, "socket_made_fentry"),
            ],
        },
        Hook {
            what: "cookies of accepted unix sockets",
            lost: "cookies of accepted unix sockets: their inode numbers are told",
            rungs: &[
                Rung::full(Mechanism::Lsm, "socket_unix_made_lsm"),
                Rung::full(Mechanism::Fentry, "socket_unix_made_fentry"),
            ],
        },
        Hook {
            what: "close of unix sockets",
            lost: "when unix sockets are closed",
            rungs: &[
                Rung::full(Mechanism::Fentry, "socket_unix_release_fentry"),
                Rung::full(Mechanism::Kprobe, "socket_unix_release_kprobe"),
            ],
        },
        Hook {
            what: "datagrams sent over IPv4",
            lost: "datagrams sent by write(2), splice(2) and io_uring",
            rungs: &[
                Rung::full(Mechanism::Fentry, "socket_udp_sent4"),
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "socket_udp_sent_tp",
                    cannot: IO_URING,
                },
            ],
        },
        Hook {
            what: "datagrams sent over IPv6",
            lost: "datagrams sent by write(2), splice(2) and io_uring",
            rungs: &[
                Rung::full(Mechanism::Fentry, "socket_udp_sent6"),
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "socket_udp_sent_tp",
                    cannot: IO_URING,
                },
            ],
        },
        Hook {
            what: "datagrams received",
            lost: "datagrams received by read(2), splice(2) and io_uring",
            rungs: &[
                Rung::full(Mechanism::Fentry, "socket_udp_received"),
                Rung {
                    mechanism: Mechanism::TpBtf,
                    program: "socket_udp_received_tp",
                    cannot: "the sender of a datagram that is read without asking for its address",
                },
            ],
        },
        Hook {
            what: "to whom datagrams are sent",
            lost: "datagrams of sockets that are not connected",
            rungs: &[
                // The same program as above: it knows the peer.
                Rung::full(Mechanism::Fentry, "socket_udp_sent4"),
                Rung {
                    mechanism: Mechanism::Syscall(&[44, 46, 307]),
                    program: "socket_messages_sent",
                    cannot: FORGEABLE,
                },
            ],
        },
        Hook {
            what: "from whom datagrams are received",
            lost: "datagrams of sockets that are not connected",
            rungs: &[
                Rung::full(Mechanism::Fentry, "socket_udp_received"),
                Rung {
                    mechanism: Mechanism::Syscall(&[45, 47, 299]),
                    program: "socket_messages_received",
                    cannot: FORGEABLE,
                },
            ],
        },
        Hook {
            what: "close of UDP sockets, IPv4",
            lost: "the close of UDP sockets: their exchanges end when they are idle",
            rungs: &[
                Rung::full(Mechanism::Fentry, "socket_udp_destroy4_fentry"),
                Rung::full(Mechanism::Kprobe, "socket_udp_destroy4_kprobe"),
            ],
        },
        Hook {
            what: "close of UDP sockets, IPv6",
            lost: "the close of UDP sockets: their exchanges end when they are idle",
            rungs: &[
                Rung::full(Mechanism::Fentry, "socket_udp_destroy6_fentry"),
                Rung::full(Mechanism::Kprobe, "socket_udp_destroy6_kprobe"),
            ],
        },
    ],
    decode: decode::decode,
};
