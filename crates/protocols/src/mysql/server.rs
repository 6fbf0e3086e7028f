//! What the server says: which of its packets end which answer.

use super::conversation::{Answer, More, MySql, State, part, request};
use super::message::{Kind, Request, Response};
use super::packet::{HEAD, Packet, number, string, word};
use super::{COMPRESSED, NO_EOF};
use crate::message::text;
use crate::normal::Dialect;
use crate::{Next, Outstanding, Pairing, Part, Role, Side, Step};

/// What an answer is in after a packet.
enum After {
    GoesOn(State),
    Ends,
    Lost(&'static str),
}

/// The error's number that stands for a report of progress (MariaDB).
const PROGRESS: Option<u16> = Some(0xffff);

impl MySql {
    /// Whether a packet with this head may come next.
    pub(super) fn may_answer(&self, packet: &Packet, request: Option<&Request>) -> bool {
        match &self.answer {
            // Between these the client has its turn.
            Some(Answer { state: State::File | State::Login, .. }) => true,
            Some(answer) => packet.number == answer.number.wrapping_add(1),
            // A greeting, or an error.
            None if packet.number == 0 => {
                packet.body.first().is_none_or(|first| matches!(first, 0x0a | 0xff))
            }
            None => is_first(packet, request) || self.is_tail(packet),
        }
    }

    /// Rows that are there whole, many at once. `None` where there is none in front.
    pub(super) fn rows(&mut self, mut bytes: &[u8]) -> Option<Step> {
        let answer = self.answer.as_mut().filter(|answer| answer.state == State::Rows)?;
        let (mut rows, mut length) = (0, 0);
        while let Some(packet) = Packet::read(bytes)
            && !self.server_goes_on
            && packet.is_whole()
            && !packet.goes_on()
            && packet.number == answer.number.wrapping_add(1)
            && packet.body.first().is_some_and(|first| *first < 0xfe)
        {
            answer.number = packet.number;
            rows += 1;
            length += packet.size + HEAD;
            bytes = &bytes[packet.size + HEAD..];
        }
        answer.response.add_rows(rows);
        (rows > 0).then(|| Step::take(length, part(Side::Server)))
    }

    /// `cut` if not all of the packet is there that would be read.
    pub(super) fn server(&mut self, packet: Packet, cut: bool, asked: &dyn Outstanding) -> Step {
        let length = packet.length();
        let request = request(asked);
        let first = self.answer.is_none();
        if first {
            if packet.number == 0 {
                return self.unasked(packet, cut);
            }
            if !is_first(&packet, request) {
                return self.rest(&packet);
            }
            let state = request.map_or(State::First, |request| begins(request.kind));
            let response = Response::default();
            self.answer = Some(Answer { response, state, number: packet.number });
        }
        let Some(mut answer) = self.answer.take() else {
            return Step::Lost("no_answer");
        };
        answer.number = packet.number;
        if !cut {
            self.learn_dialect(answer.state, &packet);
        }
        let rest = std::mem::replace(&mut self.server_goes_on, packet.goes_on()) && !first;
        let after = match rest {
            true => After::GoesOn(answer.state),
            false => self.packet(&mut answer, &packet, cut, request),
        };
        let mut part = Part { first, truncated: cut, ..part(Side::Server) };
        match after {
            After::Lost(why) => return Step::Lost(why),
            After::GoesOn(state) => {
                // What is known if the rest is not seen.
                part.message = first.then(|| answer.response.clone().into());
                if state == State::File && answer.state != State::File {
                    self.more = More::File { next: packet.number.wrapping_add(1) };
                }
                answer.state = state;
                self.answer = Some(answer);
            }
            After::Ends => {
                self.tail = Some(packet.number);
                if matches!(answer.state, State::File | State::Login) {
                    self.more = More::Nothing;
                }
                let accepted = answer.state == State::Login && answer.response.code.is_none();
                part.last = true;
                part.message = Some(answer.response.into());
                if accepted && self.both_can(COMPRESSED) {
                    let to = Next::Unread("mysql-compressed");
                    return Step::Switch { length, part: Some(part), to };
                }
            }
        }
        Step::Take { length, part: Some(part) }
    }

    /// With each end of a result the server says how it reads what is in quotes. What is 12 bytes long may
    /// be a preparation that nobody was seen to ask for.
    fn learn_dialect(&mut self, state: State, packet: &Packet) {
        let end = match (state, packet.body.first()) {
            (State::First | State::File | State::Login, Some(0))
                if packet.size >= 7 && packet.size != 12 =>
            {
                packet.ok()
            }
            (State::Rows | State::FirstRow, Some(0xfe)) if packet.size >= 5 => match packet.end() {
                Some(end) => end,
                None => return,
            },
            _ => return,
        };
        self.dialect = match end.is_unescaped() {
            true => Dialect::MySqlUnescaped,
            false => Dialect::MySql,
        };
    }

    /// What the server says before anybody asked: its greeting, or why it ends the connection.
    fn unasked(&mut self, packet: Packet, cut: bool) -> Step {
        let length = packet.length();
        match packet.body.first() {
            Some(0x0a) => {
                let mut rest = &packet.body[1..];
                self.version = text(string(&mut rest).unwrap_or_default(), 64);
                // Behind a number and the first part of a salt: flags, in two halves.
                self.server_can = word(rest, 13)
                    .zip(word(rest, 18))
                    .map(|(low, high)| u32::from(low) | u32::from(high) << 16);
                Step::Take { length, part: None }
            }
            Some(0xff) => {
                let mut response = Response::default();
                response.fail(packet.body, cut);
                let push = Part::whole(Role::Response, Pairing::Alone, response.into());
                Step::Take { length, part: Some(push) }
            }
            _ => Step::Lost("out_of_sequence"),
        }
    }

    /// Whether it comes behind the end of the answer before.
    fn is_tail(&self, packet: &Packet) -> bool {
        self.tail.is_some_and(|tail| packet.number == tail.wrapping_add(1))
    }

    /// The end of a preparation, where it was not known that one comes.
    fn rest(&mut self, packet: &Packet) -> Step {
        match packet.end().is_some_and(|end| end.short) {
            true => {
                self.tail = Some(packet.number);
                Step::Take { length: packet.length(), part: None }
            }
            false => Step::Lost("out_of_sequence"),
        }
    }

    fn packet(
        &mut self,
        answer: &mut Answer,
        packet: &Packet,
        cut: bool,
        request: Option<&Request>,
    ) -> After {
        let response = &mut answer.response;
        let first = packet.body.first().copied();
        if first == Some(0xff) && answer.state != State::Anything {
            response.fail(packet.body, cut);
            if response.code == PROGRESS {
                *response = Response {
                    rows: response.rows,
                    affected: response.affected,
                    ..Response::default()
                };
                return After::GoesOn(answer.state);
            }
            self.says_version(response, answer.state);
            return After::Ends;
        }
        match answer.state {
            State::First => self.result(response, packet, request),
            State::Columns(left) if left > 0 && packet.is_definition() => match left - 1 {
                0 => After::GoesOn(State::FirstRow),
                left => After::GoesOn(State::Columns(left)),
            },
            // Where definitions were agreed to be left out, rows come at once.
            State::Columns(_) | State::FirstRow => match packet.end() {
                Some(end) if end.short && !end.has_cursor() => After::GoesOn(State::Rows),
                Some(end) if end.short => After::Ends,
                _ => rows(response, packet),
            },
            State::Rows => rows(response, packet),
            State::Preparation => match first {
                Some(0) => self.prepared(packet, request),
                _ => After::Lost("no_preparation"),
            },
            State::Definitions { parameters, columns, ends } => {
                self.definitions(packet, parameters, columns, ends)
            }
            State::Fields => match packet.end() {
                Some(_) => After::Ends,
                None if packet.is_definition() => After::GoesOn(State::Fields),
                None => After::Lost("no_column"),
            },
            State::File => match first {
                Some(0) => ok(response, packet),
                _ => After::Lost("no_result"),
            },
            State::Login => match first {
                Some(0) => {
                    self.says_version(response, State::Login);
                    After::Ends
                }
                _ => After::GoesOn(State::Login),
            },
            State::Anything => After::Ends,
        }
    }

    /// The beginning of a result.
    fn result(
        &mut self,
        response: &mut Response,
        packet: &Packet,
        request: Option<&Request>,
    ) -> After {
        let columns = |mut body: &[u8]| match number(&mut body) {
            Some(columns @ 1..=4096) if body.len() <= 1 => Some(columns),
            _ => None,
        };
        match packet.body {
            // Without definitions: MySQL says so first, MariaDB behind the number.
            [0 | 1, count @ 1..=0xfa] if packet.size == 2 && self.definitions_may_lack() => {
                After::GoesOn(State::Columns(u64::from(*count)))
            }
            // Somebody who was not seen prepared something, more likely than that it is an OK.
            [0, .., 0, _, _] if packet.size == 12 && request.is_none() => {
                self.prepared(packet, None)
            }
            [0, ..] => ok(response, packet),
            [0xfe, ..] if packet.size < 9 => After::Ends,
            [0xfb, _, ..] => After::GoesOn(State::File),
            [0x03, b'd', b'e', b'f', ..] if packet.size > 9 => After::GoesOn(State::Fields),
            body if packet.size <= 10 => match columns(body) {
                Some(columns) => {
                    response.add_rows(0);
                    After::GoesOn(State::Columns(columns))
                }
                None => After::Lost("no_result"),
            },
            _ => After::Lost("no_result"),
        }
    }

    /// A statement is prepared: its number, and what comes behind it.
    fn prepared(&mut self, packet: &Packet, request: Option<&Request>) -> After {
        let body = packet.body;
        let (Some(number), Some(columns), Some(parameters)) =
            (body.get(1..5), word(body, 5), word(body, 7))
        else {
            return After::Ends;
        };
        let text = request.filter(|request| request.kind == Kind::Prepare);
        if let Some(request) = text {
            let prepared = self.prepared.clone().filter(|prepared| prepared.sql == request.sql);
            let statement = prepared.unwrap_or_else(|| crate::statements::Statement {
                sql: request.sql.clone(),
                name: String::new(),
                text: request.text.clone(),
                cut: false,
                since: self.seen,
            });
            self.statements.keep(number, statement);
        }
        if body.get(12) == Some(&0) && self.definitions_may_lack() {
            return After::Ends;
        }
        let ends = match self.ends_are_gone() {
            Some(false) => u8::from(parameters > 0) + u8::from(columns > 0),
            Some(true) | None => 0,
        };
        let (parameters, columns) = (u32::from(parameters), u32::from(columns));
        match parameters + columns {
            0 => After::Ends,
            _ => After::GoesOn(State::Definitions { parameters, columns, ends }),
        }
    }

    fn definitions(&mut self, packet: &Packet, parameters: u32, columns: u32, ends: u8) -> After {
        let (parameters, columns, ends) = match packet.end().filter(|end| end.short) {
            // Not known to be agreed on, and there between the two kinds: there will be another.
            Some(_) if ends == 0 => (parameters, columns, u8::from(columns > 0)),
            Some(_) => (parameters, columns, ends - 1),
            None if !packet.is_definition() => return After::Lost("no_definition"),
            None if parameters > 0 => (parameters - 1, columns, ends),
            None if columns > 0 => (parameters, columns - 1, ends),
            None => return After::Lost("no_definition"),
        };
        match (parameters, columns, ends) {
            (0, 0, 0) => After::Ends,
            _ => After::GoesOn(State::Definitions { parameters, columns, ends }),
        }
    }

    /// The answer to a login says whose it is.
    fn says_version(&self, response: &mut Response, state: State) {
        if state == State::Login {
            response.version = self.version.clone();
        }
    }

    /// Whether no EOF stands between columns and rows; `None` where the login was not seen.
    fn ends_are_gone(&self) -> Option<bool> {
        self.client_can.map(|_| self.both_can(NO_EOF))
    }

    /// Whether both sides said that they can do some of this; who said nothing is believed to.
    fn both_can(&self, flags: u32) -> bool {
        let said = self.client_can.unwrap_or(0) & self.server_can.unwrap_or(u32::MAX);
        said & flags != 0
    }

    /// Whether it was agreed that definitions may be left out.
    fn definitions_may_lack(&self) -> bool {
        self.client_can.is_some_and(|flags| flags & super::NO_DEFINITIONS != 0)
    }
}

/// Whether it may be the first packet of the answer to this.
fn is_first(packet: &Packet, request: Option<&Request>) -> bool {
    let expected = request.map_or(Some(1), |request| request.answer);
    expected.is_none_or(|expected| packet.number == expected)
}

/// What the answer to this begins with.
fn begins(kind: Kind) -> State {
    match kind {
        Kind::Connect | Kind::ChangeUser => State::Login,
        Kind::Prepare => State::Preparation,
        Kind::Fetch => State::Rows,
        Kind::FieldList => State::Fields,
        Kind::Statistics => State::Anything,
        _ => State::First,
    }
}

/// A row, or what ends rows.
fn rows(response: &mut Response, packet: &Packet) -> After {
    match packet.end() {
        None => {
            response.add_rows(1);
            After::GoesOn(State::Rows)
        }
        Some(end) if end.has_more() => After::GoesOn(State::First),
        Some(_) => {
            response.add_rows(0);
            After::Ends
        }
    }
}

/// A result that is no rows.
fn ok(response: &mut Response, packet: &Packet) -> After {
    let end = packet.ok();
    response.add_affected(end.affected);
    match end.has_more() {
        true => After::GoesOn(State::First),
        false => After::Ends,
    }
}
