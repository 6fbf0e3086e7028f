//! What the client says: the login, and commands.

use std::sync::Arc;

use super::conversation::{More, MySql, WANTED, part};
use super::message::{Kind, Request};
use super::packet::{Packet, counted, long, string, word};
use super::{COUNTED_PROOF, SECURE, TLS, WITH_DATABASE, command, probe};
use crate::message::text;
use crate::normal::sql;
use crate::statements::Statement;
use crate::{Next, Pairing, Part, Role, Side, Step, Trace, Verdict, redact};

/// The longest text of a statement without literals, in bytes.
const LONGEST: usize = 2048;

/// The number that stands for the statement that was prepared last (MariaDB).
const LAST_PREPARED: &[u8] = &[0xff; 4];

impl MySql {
    /// Whether a packet with this head may come next.
    pub(super) fn may_ask(&self, packet: &Packet) -> bool {
        match packet.number {
            _ if self.client_goes_on => true,
            number if let More::File { next } = self.more => number == next,
            0 => packet.size > 0,
            1 | 2 if probe::is_login(*packet) != Verdict::Unlikely => true,
            _ => self.more == More::Proof,
        }
    }

    /// `cut` if not all of the packet is there that would be read.
    pub(super) fn client(&mut self, packet: Packet, cut: bool) -> Step {
        let length = packet.length();
        if self.client_goes_on {
            self.client_goes_on = packet.goes_on();
            let rest = Part { last: !packet.goes_on(), ..part(Side::Client) };
            return Step::Take { length, part: Some(rest) };
        }
        if matches!(self.more, More::File { .. }) {
            let last = packet.size == 0;
            self.more = match last {
                true => More::Nothing,
                false => More::File { next: packet.number.wrapping_add(1) },
            };
            return Step::Take { length, part: Some(Part { last, ..part(Side::Client) }) };
        }
        match packet.number {
            0 => self.command(packet, cut),
            // Inside TLS it is the second packet.
            1 | 2 if probe::is_login(packet) == Verdict::Likely => self.login(packet, cut),
            _ if self.more == More::Proof => Step::Take { length, part: Some(part(Side::Client)) },
            _ => Step::Lost("no_command"),
        }
    }

    fn login(&mut self, packet: Packet, cut: bool) -> Step {
        let flags = long(packet.body, 0).unwrap_or(0);
        self.client_can = Some(flags);
        let mut request = plain(Kind::Connect);
        if packet.size == 32 && flags & TLS != 0 {
            let part = Part::whole(
                Role::Request,
                Pairing::Alone,
                Request { kind: Kind::Encrypt, ..request }.into(),
            );
            return Step::Switch { length: packet.length(), part: Some(part), to: Next::Tls };
        }
        let mut rest = packet.body.get(32..).unwrap_or_default();
        request.user = name(string(&mut rest).unwrap_or_default());
        let proof = match flags {
            _ if flags & COUNTED_PROOF != 0 => counted(&mut rest),
            _ if flags & SECURE != 0 => short(&mut rest),
            _ => string(&mut rest),
        };
        if proof.is_some() && flags & WITH_DATABASE != 0 {
            request.name = name(string(&mut rest).unwrap_or_default());
        }
        self.more = More::Proof;
        self.ask(request, &packet, cut)
    }

    fn command(&mut self, packet: Packet, cut: bool) -> Step {
        let Some((&command, rest)) = packet.body.split_first() else {
            return Step::Lost("no_command");
        };
        self.more = More::Nothing;
        let mut request = plain(Kind::Other(""));
        let mut statement = None;
        request.kind = match command {
            command::QUERY => {
                let (said, trace) = without_attributes(rest);
                request.trace = trace;
                statement = Some(self.statement(said, cut));
                Kind::Query
            }
            command::PREPARE => {
                let prepared = self.statement(rest, cut);
                self.prepared = Some(prepared.clone());
                statement = Some(prepared);
                Kind::Prepare
            }
            command::EXECUTE
            | command::BULK_EXECUTE
            | command::FETCH
            | command::LONG_DATA
            | command::RESET
            | command::CLOSE => {
                statement = self.known(rest);
                match command {
                    command::FETCH => Kind::Fetch,
                    command::LONG_DATA => Kind::LongData,
                    command::RESET => Kind::Reset,
                    command::CLOSE => {
                        self.statements.remove(rest.get(..4).unwrap_or_default());
                        Kind::Close
                    }
                    _ => Kind::Execute,
                }
            }
            command::INIT_DB => {
                request.name = name(rest);
                Kind::InitDb
            }
            command::FIELD_LIST => {
                let mut rest = rest;
                request.name = name(string(&mut rest).unwrap_or(rest));
                Kind::FieldList
            }
            command::CHANGE_USER => {
                let mut rest = rest;
                request.user = name(string(&mut rest).unwrap_or_default());
                if short(&mut rest).is_some() {
                    request.name = name(string(&mut rest).unwrap_or_default());
                }
                self.forget();
                self.more = More::Proof;
                Kind::ChangeUser
            }
            command::RESET_CONNECTION => {
                self.forget();
                Kind::ResetConnection
            }
            command::PING => Kind::Ping,
            command::STATISTICS => Kind::Statistics,
            command::QUIT => Kind::Quit,
            command::BINLOG | command::BINLOG_GTID => {
                let request = plain(Kind::Other("BINLOG"));
                let part = Part::whole(Role::Request, Pairing::Alone, request.into());
                let to = Next::Unread("mysql-replication");
                return Step::Switch { length: packet.length(), part: Some(part), to };
            }
            other => match other_name(other, packet.size) {
                Some(name) => Kind::Other(name),
                None => return Step::Lost("no_command"),
            },
        };
        let cut = cut || statement.as_ref().is_some_and(|s| s.cut && request.kind != Kind::Query);
        if let Some(statement) = statement {
            request.sql = statement.sql;
            request.text = statement.text;
        }
        self.ask(request, &packet, cut)
    }

    fn ask(&mut self, mut request: Request, packet: &Packet, cut: bool) -> Step {
        let pairing = if request.kind.is_silent() { Pairing::Alone } else { Pairing::InOrder };
        let last = !packet.goes_on();
        self.client_goes_on = !last;
        let several = !last || request.kind == Kind::Connect;
        request.answer = (!several).then_some(packet.number.wrapping_add(1));
        let begins = Part::begins(Role::Request, pairing, request.into());
        let part = Part { last, truncated: cut, ..begins };
        Step::Take { length: packet.length(), part: Some(part) }
    }

    /// A statement whose text is here.
    fn statement(&mut self, said: &[u8], cut: bool) -> Statement {
        self.seen += 1;
        let said = text(said, WANTED);
        Statement {
            cut,
            sql: Some(Arc::new(sql(&said, self.dialect, LONGEST))),
            name: String::new(),
            text: self.policy.literals.then(|| Arc::from(&*redact::text(&said))),
            since: self.seen,
        }
    }

    /// The statement with this number, if its text was seen.
    fn known(&mut self, body: &[u8]) -> Option<Statement> {
        self.seen += 1;
        let number = body.get(..4)?;
        let mut statement = match number {
            LAST_PREPARED => self.prepared.clone()?,
            _ => self.statements.get(number).cloned()?,
        };
        statement.since = self.seen;
        Some(statement)
    }

    /// A session begins anew.
    fn forget(&mut self) {
        self.statements = Default::default();
        self.prepared = None;
    }
}

fn plain(kind: Kind) -> Request {
    Request {
        kind,
        sql: None,
        name: String::new(),
        user: String::new(),
        text: None,
        trace: None,
        answer: None,
    }
}

fn name(bytes: &[u8]) -> String {
    redact::text(&text(bytes, 64)).into_owned()
}

/// Splits off bytes behind a length of one byte.
fn short<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&length, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(length.into())?;
    *bytes = rest;
    Some(text)
}

/// Commands that say little, and how long they may be.
fn other_name(command: u8, size: usize) -> Option<&'static str> {
    let (name, sizes) = match command {
        0x05 => ("CREATE DB", 2..=65),
        0x06 => ("DROP DB", 2..=65),
        0x07 => ("REFRESH", 2..=2),
        0x08 => ("SHUTDOWN", 1..=2),
        0x0a => ("PROCESS INFO", 1..=1),
        0x0c => ("KILL", 5..=5),
        0x0d => ("DEBUG", 1..=1),
        0x15 => ("REGISTER REPLICA", 10..=512),
        command::SET_OPTION => ("SET OPTION", 3..=3),
        _ => return None,
    };
    sizes.contains(&size).then_some(name)
}

/// The text of a statement without the attributes that may stand before it, and the trace that
/// they name. No statement has a 1 for its second byte.
fn without_attributes(said: &[u8]) -> (&[u8], Option<Trace>) {
    let [count @ ..=0xfa, 1, rest @ ..] = said else {
        return (said, None);
    };
    let mut trace = None;
    let rest = attributes(rest, usize::from(*count), &mut trace).unwrap_or_default();
    (rest, trace)
}

/// Passes over attributes; `None` where they are not all there, or not understood.
fn attributes<'a>(bytes: &'a [u8], count: usize, trace: &mut Option<Trace>) -> Option<&'a [u8]> {
    if count == 0 {
        return Some(bytes);
    }
    let (nulls, rest) = bytes.split_at_checked(count.div_ceil(8))?;
    let (typed, mut rest) = rest.split_first()?;
    if *typed != 1 {
        return None;
    }
    let mut kinds = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = word(rest, 0)? as u8;
        rest = &rest[2..];
        kinds.push((kind, counted(&mut rest)?));
    }
    for (at, (kind, name)) in kinds.into_iter().enumerate() {
        if nulls[at / 8] >> (at % 8) & 1 == 1 {
            continue;
        }
        let size = match kind {
            1 => 1,
            2 | 13 => 2,
            3 | 4 | 9 => 4,
            5 | 8 => 8,
            6 => 0,
            7 | 10 | 11 | 12 => usize::from(*rest.first()?) + 1,
            _ => {
                let value = counted(&mut rest)?;
                if name.eq_ignore_ascii_case(b"traceparent") {
                    *trace = Trace::from_traceparent(value);
                }
                0
            }
        };
        rest = rest.get(size..)?;
    }
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_stand_before_a_statement() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let said = [
            &b"\x02\x01\x00\x01\xfe\x00\x0btraceparent\x03\x00\x01n"[..],
            &[text.len() as u8],
            text.as_bytes(),
            b"\x07\0\0\0select 1",
        ]
        .concat();
        let (rest, trace) = without_attributes(&said);
        assert_eq!(rest, b"select 1");
        assert_eq!(trace.unwrap().trace(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(without_attributes(b"\0\x01select 1").0, b"select 1");
        assert_eq!(without_attributes(b"select 1").0, b"select 1");
        for end in 0..said.len() {
            without_attributes(&said[..end]);
        }
    }
}
