//! What the rows of a socket's end have to say, and those of a TCP connection's states.

use super::endpoint::{Endpoint, Role};
use crate::columns as c;
use crate::hooks::{UNIX_CLOSE, When};
use crate::log::{Expect, LogEntry, Recorder};

/// How a connection came to its end, as one side sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClosedBy {
    /// This side spoke the last word first.
    Local,
    /// The other side did.
    Remote,
    /// This side cut it off.
    LocalReset,
    /// The other side cut it off.
    RemoteReset,
    /// Nobody listened.
    Refused,
    /// There was no connection to close.
    Nobody,
}

impl ClosedBy {
    /// The states from the one in which the connection stood to the end.
    fn states(self, role: Role) -> &'static [&'static str] {
        match self {
            ClosedBy::Local => &["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE"],
            ClosedBy::Remote => &["ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"],
            ClosedBy::LocalReset | ClosedBy::RemoteReset => &["ESTABLISHED", "CLOSE"],
            ClosedBy::Refused => &["SYN_SENT", "CLOSE"],
            ClosedBy::Nobody if role == Role::Listener => &["LISTEN", "CLOSE"],
            ClosedBy::Nobody => &[],
        }
    }

    fn word(self) -> &'static str {
        match self {
            ClosedBy::Local | ClosedBy::LocalReset | ClosedBy::Nobody => "local",
            ClosedBy::Remote => "remote",
            ClosedBy::RemoteReset => "reset",
            ClosedBy::Refused => "refused",
        }
    }

    fn error(self) -> Option<&'static str> {
        match self {
            ClosedBy::RemoteReset => Some("ECONNRESET"),
            ClosedBy::Refused => Some("ECONNREFUSED"),
            _ => None,
        }
    }
}

impl Endpoint {
    /// The rows of the socket's end.
    pub(super) fn ended(&self, rec: &mut Recorder, by: ClosedBy) {
        match self.protocol() {
            "udp" => self.exchanges.close(self, rec),
            "tcp" => self.tcp_ended(rec, by),
            _ => self.unix_ended(rec),
        }
    }

    fn tcp_ended(&self, rec: &mut Recorder, by: ClosedBy) {
        let Some(role) = self.role else { return };
        for step in by.states(role).windows(2) {
            self.changed(rec, step[0], step[1]);
        }
        let flows = role != Role::Listener;
        let carried = |count: i64| flows.then_some(count);
        // Acknowledgements are segments too, so their number is not the workload's to know; the
        // kernel counts a server's SYN and ACK for nobody.
        let least = i64::from(role == Role::Client);
        let some = |least: i64| match flows {
            true => Expect::AtLeast { at_least: least },
            false => Expect::Null,
        };
        let entry = self.closed(role, by);
        rec.add(
            entry
                .with(c::PATH, Expect::Null)
                .with(c::BYTES_SENT, carried(self.sent))
                .with(c::BYTES_RECEIVED, carried(self.received))
                .with(c::SEGMENTS_SENT, some(least))
                .with(c::SEGMENTS_RECEIVED, some(1))
                .with(c::RETRANSMITS, some(0)),
        );
    }

    /// A change from one TCP state to another, which the rows of a socket tell in this order.
    pub(super) fn changed(&self, rec: &mut Recorder, old: &'static str, new: &'static str) {
        // What is not known of a state is when it began before anybody looked.
        let first = match self.role {
            Some(Role::Server) => old == "ESTABLISHED",
            _ => old == "CLOSE",
        };
        let lasted = if first { Expect::Null } else { Expect::AtLeast { at_least: 0 } };
        let mut entry = self.entry(c::STATE, "tcp").with(c::OLD_STATE, old).with(c::NEW_STATE, new);
        entry = self.with_ends(entry).with(c::DURATION, lasted);
        if new == "SYN_SENT" {
            // The source port is chosen after this.
            entry = entry.with(c::LOCAL_PORT, Expect::Null);
        }
        rec.add(entry);
    }

    fn unix_ended(&self, rec: &mut Recorder) {
        let Some(role) = self.role else { return };
        let entry = self
            .closed(role, ClosedBy::Nobody)
            .with(c::PATH, self.path.clone())
            .with(c::BYTES_SENT, Expect::Null)
            .with(c::BYTES_RECEIVED, Expect::Null)
            .with(c::SEGMENTS_SENT, Expect::Null)
            .with(c::SEGMENTS_RECEIVED, Expect::Null)
            .with(c::RETRANSMITS, Expect::Null);
        rec.add(entry.only(Some(When::standing(UNIX_CLOSE))));
    }

    fn closed(&self, role: Role, by: ClosedBy) -> LogEntry {
        // A connection that is refused has ended before its call tells the descriptor.
        let fd = (by != ClosedBy::Refused).then_some(self.number());
        self.with_ends(self.entry(c::CLOSE, "close"))
            .with(c::ROLE, role.word())
            .with(c::FD, fd)
            .with(c::CLOSED_BY, by.word())
            .with(c::ERROR, by.error())
            .with(c::DURATION, Expect::AtLeast { at_least: 0 })
            .with(c::DATAGRAMS_SENT, Expect::Null)
            .with(c::DATAGRAMS_RECEIVED, Expect::Null)
    }
}
