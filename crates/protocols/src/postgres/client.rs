//! What the client says: queries, and what leads up to an Execute.

use std::sync::Arc;

use super::conversation::{Postgres, WANTED, part};
use super::frame::{Frame, Opening, opening, string};
use super::message::{Kind, Request};
use crate::message::text;
use crate::normal::{Dialect, sql};
use crate::statements::Statement;
use crate::{Pairing, Part, Role, Side, Step, redact};

/// Messages that lead up to an Execute, so far.
#[derive(Debug, Default)]
pub(super) struct Unit {
    /// What was parsed, bound or described last.
    pub statement: Option<Statement>,
    /// How many messages of the server will answer it if there is no Execute.
    pub answers: u16,
    /// Whether it only closes.
    pub closes: bool,
    pub truncated: bool,
}

/// The longest text of a statement without literals, in bytes.
const LONGEST: usize = 2048;

impl Postgres {
    pub(super) fn client(&mut self, frame: Frame) -> Step {
        let length = frame.length;
        let part = match frame.tag {
            0 => return self.opening(frame),
            b'Q' => {
                let statement = self.statement(b"", frame.body, &frame);
                self.whole(Kind::Simple, Some(statement), &frame)
            }
            b'F' => self.whole(Kind::Function, None, &frame),
            b'P' => {
                let (name, rest) = string(frame.body).unwrap_or((b"", b""));
                let statement = self.statement(name, rest, &frame);
                self.statements.keep(name, statement.clone());
                self.lead_up(Some(statement), 1, &frame)
            }
            b'B' => {
                let (portal, rest) = string(frame.body).unwrap_or((b"", b""));
                let (name, _) = string(rest).unwrap_or((b"", b""));
                let statement = self.known(name);
                self.portals.keep(portal, statement.clone());
                self.lead_up(Some(statement), 1, &frame)
            }
            b'D' | b'C' => {
                let (kind, rest) = frame.body.split_first().unwrap_or((&0, b""));
                let name = string(rest).map_or(rest, |(name, _)| name);
                let statement = match kind {
                    b'S' => Some(self.known(name)),
                    _ => self.portals.get(name).cloned(),
                };
                if frame.tag == b'C' && *kind == b'S' {
                    self.statements.remove(name);
                }
                // What is described or closed in passing is not what the unit is about.
                let about = self.unit.as_ref().is_none_or(|unit| unit.statement.is_none());
                self.lead_up(statement.filter(|_| about), 1, &frame)
            }
            b'E' => {
                let (portal, _) = string(frame.body).unwrap_or((b"", b""));
                let statement = self.portals.get(portal).cloned();
                let led = self.lead_up(statement, 0, &frame);
                self.finish(Kind::Execute, led)
            }
            // A Sync or a Flush ends what was not run. Of a Sync, the answer is passed over.
            b'S' | b'H' => {
                let (answers, closes) =
                    self.unit.as_ref().map_or((0, false), |unit| (unit.answers, unit.closes));
                let part = match self.unit.is_some() {
                    true => {
                        Some(self.finish(Kind::Prepare { answers, closes }, part(Side::Client)))
                    }
                    false => None,
                };
                if frame.tag == b'S' {
                    self.batch = self.batch.wrapping_add(1);
                }
                return Step::Take { length, part };
            }
            // What is copied in, and passwords, belong to what was asked before.
            b'd' | b'p' => part(Side::Client),
            b'c' | b'f' => Part { last: true, ..part(Side::Client) },
            _ => return Step::Take { length, part: None },
        };
        Step::Take { length, part: Some(part) }
    }

    fn opening(&mut self, frame: Frame) -> Step {
        let length = frame.length;
        let kind = match opening(frame.body) {
            Some(Opening::Startup) => Kind::Connect,
            Some(Opening::Ssl | Opening::Gss) => Kind::Encrypt,
            Some(Opening::Cancel) => Kind::Cancel,
            None => return Step::Lost("no_message"),
        };
        let mut request =
            Request { kind, sql: None, name: String::new(), text: None, batch: self.batch };
        let (mut pairing, mut last) = (Pairing::InOrder, true);
        match kind {
            Kind::Connect => {
                request.name = database(frame.body.get(4..).unwrap_or_default());
                last = true;
            }
            Kind::Encrypt => self.asked_tls = true,
            _ => pairing = Pairing::Alone,
        }
        let begins = Part::begins(Role::Request, pairing, request.into());
        last |= kind == Kind::Cancel;
        Step::Take { length, part: Some(Part { last, truncated: !frame.whole, ..begins }) }
    }

    /// A request that is one message.
    fn whole(&mut self, kind: Kind, statement: Option<Statement>, frame: &Frame) -> Part {
        // A unit that no Sync ended does not go on behind a query.
        self.unit = None;
        let request = self.request(kind, statement);
        let truncated = !frame.whole && frame.body.len() < WANTED;
        Part { truncated, ..Part::whole(Role::Request, Pairing::InOrder, request.into()) }
    }

    /// A message of a unit, which it may begin.
    fn lead_up(&mut self, statement: Option<Statement>, answers: u16, frame: &Frame) -> Part {
        let first = self.unit.is_none();
        let closes = frame.tag == b'C' && self.unit.as_ref().is_none_or(|unit| unit.closes);
        let unit = self.unit.get_or_insert_default();
        unit.closes = closes;
        unit.answers = unit.answers.saturating_add(answers);
        unit.statement = statement.or(unit.statement.take());
        unit.truncated |= !frame.whole && frame.tag == b'P' && frame.body.len() < WANTED;
        Part { first, ..part(Side::Client) }
    }

    /// Ends a unit.
    fn finish(&mut self, kind: Kind, part: Part) -> Part {
        let unit = self.unit.take().unwrap_or_default();
        let cut = unit.statement.as_ref().is_some_and(|statement| statement.cut);
        let truncated = unit.truncated || cut;
        let request = self.request(kind, unit.statement);
        Part { last: true, truncated, message: Some(request.into()), ..part }
    }

    fn request(&self, kind: Kind, statement: Option<Statement>) -> Request {
        let (sql, name, text) = match statement {
            Some(statement) => (statement.sql, statement.name, statement.text),
            None => (None, String::new(), None),
        };
        Request { kind, sql, name, text, batch: self.batch }
    }

    /// A statement whose text is here.
    fn statement(&mut self, name: &[u8], said: &[u8], frame: &Frame) -> Statement {
        self.seen += 1;
        let said = string(said).map_or(said, |(said, _)| said);
        let said = text(said, WANTED.min(frame.length as usize));
        Statement {
            cut: !frame.whole && frame.body.len() < WANTED,
            sql: Some(Arc::new(sql(&said, Dialect::Standard, LONGEST))),
            name: text(name, 64),
            text: self.policy.literals.then(|| Arc::from(&*redact::text(&said))),
            since: self.seen,
        }
    }

    /// A statement that was prepared under this name; if that was not seen, all that is known of it
    /// is its name.
    fn known(&mut self, name: &[u8]) -> Statement {
        self.seen += 1;
        let unseen =
            || Statement { cut: false, sql: None, name: text(name, 64), text: None, since: 0 };
        let mut statement = self.statements.get(name).cloned().unwrap_or_else(unseen);
        statement.since = self.seen;
        statement
    }
}

/// The database that a connection is for: named, or named like the user.
fn database(mut parameters: &[u8]) -> String {
    let mut found = String::new();
    while let Some((key, rest)) = string(parameters)
        && !key.is_empty()
    {
        let Some((value, rest)) = string(rest) else {
            break;
        };
        if key == b"database" || (key == b"user" && found.is_empty()) {
            found = text(value, 64);
        }
        parameters = rest;
    }
    found
}
