//! The stream signal: the bytes that sockets carry, with their places.
//!
//! It knows no protocol. [`tell`] gives the kernel side the first bytes that are worth more than a
//! glance, and [`judge`] says of a connection whether it is read; `crates/l7` makes requests of
//! what comes. See the folder's `README.md`.
#![forbid(unsafe_code)]

mod decode;
mod told;

pub use told::{Frames, Settings, Signature, Verdict, check, judge, tell};

use kernel::{Hook, Mechanism, Rung, Signal};

#[allow(dead_code)]
mod record {
    include!(concat!(env!("OUT_DIR"), "/stream.rs"));
}

const INSIDE_TLS: &str = "what is said inside TLS";
const BEGINS: &str = "stream_tls_begins";
const FREED: &str = "stream_tls_freed";
const INSIDE_GO: &str = "what programs in Go say inside TLS";
/// The program that has to come last to a program in Go: what it sees begin is told when it ends.
pub const GO_BEGINS: &str = "stream_go_begins";
const GO_SHAKES: &str = "stream_go_shakes";

/// A function of a TLS library, and the programs that have to stand on it.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The programs, and whether each stands at the function's return.
    pub programs: &'static [(&'static str, bool)],
}

/// The functions that take and give what is plain: of OpenSSL, BoringSSL and GnuTLS.
pub static FUNCTIONS: &[Function] = &[
    Function { name: "SSL_read", programs: &[(BEGINS, false), ("stream_tls_read", true)] },
    Function { name: "SSL_write", programs: &[(BEGINS, false), ("stream_tls_written", true)] },
    Function { name: "SSL_read_ex", programs: &[(BEGINS, false), ("stream_tls_read_ex", true)] },
    Function {
        name: "SSL_write_ex",
        programs: &[(BEGINS, false), ("stream_tls_written_ex", true)],
    },
    Function {
        name: "SSL_do_handshake",
        programs: &[(BEGINS, false), ("stream_tls_shaken", true)],
    },
    Function { name: "SSL_connect", programs: &[(BEGINS, false), ("stream_tls_shaken", true)] },
    Function { name: "SSL_accept", programs: &[(BEGINS, false), ("stream_tls_shaken", true)] },
    Function { name: "SSL_free", programs: &[(FREED, false)] },
    Function {
        name: "gnutls_record_recv",
        programs: &[(BEGINS, false), ("stream_tls_read", true)],
    },
    Function {
        name: "gnutls_record_send",
        programs: &[(BEGINS, false), ("stream_tls_written", true)],
    },
    Function {
        name: "gnutls_handshake",
        programs: &[(BEGINS, false), ("stream_tls_shaken", true)],
    },
    Function { name: "gnutls_deinit", programs: &[(FREED, false)] },
];

/// The same of Go's crypto/tls. Nothing can stand at a return of theirs: the programs that are to
/// stand there have to stand at each instruction that returns; the others behind the check of the stack.
pub static GO_FUNCTIONS: &[Function] = &[
    Function {
        name: "crypto/tls.(*Conn).Read",
        programs: &[(GO_BEGINS, false), ("stream_go_read", true)],
    },
    Function {
        name: "crypto/tls.(*Conn).writeRecordLocked",
        programs: &[("stream_go_written", false)],
    },
    Function { name: "crypto/tls.(*Conn).clientHandshake", programs: &[(GO_SHAKES, false)] },
    Function { name: "crypto/tls.(*Conn).serverHandshake", programs: &[(GO_SHAKES, false)] },
];

/// The signal, as the loader takes it. Its tables are made of what it carries, by `l7`.
pub static STREAM: Signal = Signal {
    name: "stream",
    object: include_bytes!(concat!(env!("OUT_DIR"), "/stream.bpf.o")),
    layout: record::LAYOUT,
    tables: &[],
    kinds: &["stream_opened", "stream_data", "stream_closed", "stream_mapped"],
    hooks: &[
        Hook {
            what: "bytes sent by write and sendto",
            lost: "what is sent in one piece",
            rungs: &[Rung::full(Mechanism::SyscallBehind(&[1, 44]), "stream_sent")],
        },
        Hook {
            what: "bytes received by read and recvfrom",
            lost: "what is received in one piece",
            rungs: &[Rung::full(Mechanism::SyscallBehind(&[0, 45]), "stream_received")],
        },
        Hook {
            what: "bytes sent by writev and sendmsg",
            lost: "what is sent from several places",
            rungs: &[Rung::full(Mechanism::SyscallBehind(&[20, 46]), "stream_sent_vector")],
        },
        Hook {
            what: "bytes received by readv and recvmsg",
            lost: "what is received to several places",
            rungs: &[Rung::full(Mechanism::SyscallBehind(&[19, 47]), "stream_received_vector")],
        },
        Hook {
            what: "messages sent by sendmmsg",
            lost: "messages that are sent several at once",
            rungs: &[Rung::full(Mechanism::SyscallBehind(&[307]), "stream_sent_many")],
        },
        Hook {
            what: "messages received by recvmmsg",
            lost: "messages that are received several at once",
            rungs: &[Rung::full(Mechanism::SyscallBehind(&[299]), "stream_received_many")],
        },
        Hook {
            what: "bytes passed by sendfile and splice",
            lost: "how much is sent from files",
            rungs: &[Rung::full(Mechanism::SyscallBehind(&[40, 275]), "stream_passed")],
        },
        Hook {
            what: "ends of TCP connections that are read",
            lost: "when connections end: they are forgotten when they have been silent for long",
            rungs: &[Rung::full(Mechanism::TpBtf, "stream_set_state")],
        },
        Hook {
            what: "libraries that are mapped",
            lost: "what is said inside TLS by processes that load their library later",
            rungs: &[Rung::full(Mechanism::SyscallBehind(&[9]), "stream_mapped")],
        },
        Hook {
            what: "calls of TLS libraries",
            lost: INSIDE_TLS,
            rungs: &[Rung::full(Mechanism::Uprobe, BEGINS)],
        },
        Hook {
            what: "what is received inside TLS",
            lost: INSIDE_TLS,
            rungs: &[Rung::full(Mechanism::Uprobe, "stream_tls_read")],
        },
        Hook {
            what: "what is sent inside TLS",
            lost: INSIDE_TLS,
            rungs: &[Rung::full(Mechanism::Uprobe, "stream_tls_written")],
        },
        Hook {
            what: "what is received inside TLS by SSL_read_ex",
            lost: INSIDE_TLS,
            rungs: &[Rung::full(Mechanism::Uprobe, "stream_tls_read_ex")],
        },
        Hook {
            what: "what is sent inside TLS by SSL_write_ex",
            lost: INSIDE_TLS,
            rungs: &[Rung::full(Mechanism::Uprobe, "stream_tls_written_ex")],
        },
        Hook {
            what: "handshakes of TLS",
            lost: "which socket carries what is sent inside TLS before anything was received",
            rungs: &[Rung::full(Mechanism::Uprobe, "stream_tls_shaken")],
        },
        Hook {
            what: "ends of TLS sessions",
            lost: "that another session has the address of one that is over",
            rungs: &[Rung::full(Mechanism::Uprobe, FREED)],
        },
        Hook {
            what: "calls of Go's crypto/tls that receive",
            lost: INSIDE_GO,
            rungs: &[Rung::full(Mechanism::Uprobe, GO_BEGINS)],
        },
        Hook {
            what: "what programs in Go receive inside TLS",
            lost: INSIDE_GO,
            rungs: &[Rung::full(Mechanism::Uprobe, "stream_go_read")],
        },
        Hook {
            what: "what programs in Go send inside TLS",
            lost: INSIDE_GO,
            rungs: &[Rung::full(Mechanism::Uprobe, "stream_go_written")],
        },
        Hook {
            what: "handshakes of Go's crypto/tls",
            lost: "that nothing was said before inside TLS of programs in Go",
            rungs: &[Rung::full(Mechanism::Uprobe, GO_SHAKES)],
        },
    ],
    decode: decode::decode,
};
