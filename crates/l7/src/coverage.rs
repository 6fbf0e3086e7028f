//! What became of every byte, and of every request.

use std::ops::AddAssign;

use schema::ProcessKey;

use crate::{Key, Outcome};

/// What became of bytes and requests: `moved` is the sum of all other counts of bytes, and of those
/// that the engine still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Bytes that connections moved, as their positions say.
    pub moved: u64,
    /// Bytes that were copied and understood.
    pub read: u64,
    /// Bytes that were not copied and did not have to be: messages are known to cover them.
    pub spanned: u64,
    /// Bytes that were lost on their way here, in no message that covers them.
    pub lost: u64,
    /// Bytes that the kernel side did not copy, in no message that covers them.
    pub cut: u64,
    /// Bytes that the engine did not keep because its bounds were reached.
    pub refused: u64,
    /// Bytes that were copied and not understood, in a protocol that is known.
    pub skipped: u64,
    /// Bytes of no protocol that is known.
    pub unknown: u64,
    /// Bytes of TLS that is not read inside.
    pub tls: u64,
    /// Bytes of TLS whose inside is read where it is plain, under a key of its own.
    pub tls_opened: u64,
    /// Bytes behind a switch to something that is not read: websockets.
    pub unread: u64,
    /// Bytes that are not to be read, as the policy says of whose they are.
    pub by_policy: u64,
    /// Bytes whose position was told before; not part of `moved`.
    pub repeated: u64,
    /// How often it was forgotten by the kernel side and told anew.
    pub told_again: u64,
    /// Requests that were given out.
    pub requests: u64,
    /// Those of them that had their response, or need none.
    pub answered: u64,
    /// Those whose response was lost in a gap, or cannot be told from others behind one.
    pub response_unseen: u64,
    /// Messages that nobody asked for, as the protocol has it; not part of `requests`.
    pub pushes: u64,
    /// Responses whose request was not seen.
    pub responses_without_request: u64,
}

/// What became of one connection's bytes in one protocol since it was asked last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Covered {
    /// The connection.
    pub key: Key,
    /// Who has it.
    pub process: ProcessKey,
    /// What is spoken; `None` where it is not known, or not yet.
    pub protocol: Option<&'static str>,
    /// The counts.
    pub coverage: Coverage,
}

/// What bytes are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Understood.
    Read,
    /// Not understood.
    Skipped,
    Unknown,
    Tls,
    TlsOpened,
    Unread,
    /// Not to be read.
    ByPolicy,
}

/// Why bytes are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Lost,
    Cut,
    Refused,
}

impl Coverage {
    /// Bytes that ended in a count.
    pub fn settled(&self) -> u64 {
        let copied =
            self.read + self.skipped + self.unknown + self.tls + self.tls_opened + self.unread;
        copied + self.by_policy + self.spanned + self.lost + self.cut + self.refused
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        *self == Coverage::default()
    }

    /// Counts bytes that were copied.
    pub(crate) fn seen(&mut self, class: Class, bytes: u64) {
        let count = match class {
            Class::Read => &mut self.read,
            Class::Skipped => &mut self.skipped,
            Class::Unknown => &mut self.unknown,
            Class::Tls => &mut self.tls,
            Class::TlsOpened => &mut self.tls_opened,
            Class::Unread => &mut self.unread,
            Class::ByPolicy => &mut self.by_policy,
        };
        *count += bytes;
    }

    /// Counts bytes that were not: what they belong to says more than why they are missing.
    pub(crate) fn unseen(&mut self, class: Class, why: Why, bytes: u64) {
        let count = match (class, why) {
            (Class::Read, _) => &mut self.spanned,
            (Class::Unknown, Why::Cut) => &mut self.unknown,
            (Class::Tls, Why::Cut) => &mut self.tls,
            (Class::TlsOpened, Why::Cut) => &mut self.tls_opened,
            (Class::Unread, Why::Cut) => &mut self.unread,
            (Class::ByPolicy, Why::Cut) => &mut self.by_policy,
            (_, Why::Lost) => &mut self.lost,
            (_, Why::Cut) => &mut self.cut,
            (_, Why::Refused) => &mut self.refused,
        };
        *count += bytes;
    }

    pub(crate) fn request(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Push => self.pushes += 1,
            _ => self.requests += 1,
        }
        match outcome {
            Outcome::Answered | Outcome::OneWay => self.answered += 1,
            Outcome::Unseen => self.response_unseen += 1,
            _ => {}
        }
    }
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, other: Coverage) {
        let Coverage {
            moved,
            read,
            spanned,
            lost,
            cut,
            refused,
            skipped,
            unknown,
            tls,
            tls_opened,
            unread,
            by_policy,
            repeated,
            told_again,
            requests,
            answered,
            response_unseen,
            pushes,
            responses_without_request,
        } = other;
        self.moved += moved;
        self.read += read;
        self.spanned += spanned;
        self.lost += lost;
        self.cut += cut;
        self.refused += refused;
        self.skipped += skipped;
        self.unknown += unknown;
        self.tls += tls;
        self.tls_opened += tls_opened;
        self.unread += unread;
        self.by_policy += by_policy;
        self.repeated += repeated;
        self.told_again += told_again;
        self.requests += requests;
        self.answered += answered;
        self.response_unseen += response_unseen;
        self.pushes += pushes;
        self.responses_without_request += responses_without_request;
    }
}
