//! What the server says: which of its messages end which answer.

use super::conversation::{Answer, Postgres, part};
use super::frame::{Frame, string};
use super::message::{Kind, Message, Request, Response};
use crate::message::text;
use crate::{Message as Any, Next, Outstanding, Pairing, Part, Role, Side, Step};

impl Postgres {
    pub(super) fn server(&mut self, frame: Frame, asked: &dyn Outstanding) -> Step {
        let length = frame.length;
        let request = request(asked);
        let kind = request.map(|request| request.kind);
        let ends = match frame.tag {
            // Said whenever it happens, part of no answer.
            b'N' | b'S' | b'K' | b'v' => {
                return Step::Take {
                    length,
                    part: self.answer.is_some().then(|| part(Side::Server)),
                };
            }
            b'A' => {
                let channel =
                    frame.body.get(4..).and_then(string).map_or(&b""[..], |(name, _)| name);
                let response = Response { tag: "NOTIFY".into(), ..Response::default() };
                let response = Response { channel: text(channel, 64), ..response };
                let push = Part::whole(Role::Response, Pairing::Alone, response.into());
                return Step::Take { length, part: Some(push) };
            }
            b'W' => {
                let to = Next::Unread("postgres-replication");
                let part = self.answer_with(|_| {}, true);
                return Step::Switch { length, part: Some(part), to };
            }
            b'Z' => return self.ready(length, request),
            b'E' => {
                let mut fatal = false;
                let failed =
                    self.answer_with(|answer| fatal = answer.response.fail(frame.body), false);
                let until_ready = matches!(kind, Some(Kind::Simple | Kind::Function)) && !fatal;
                self.failed = match kind {
                    Some(Kind::Execute | Kind::Prepare { .. }) => {
                        request.map(|request| request.batch)
                    }
                    _ => None,
                };
                return self.step(length, failed, !until_ready);
            }
            b'C' => {
                let (tag, _) = string(frame.body).unwrap_or((frame.body, b""));
                let completed = self.answer_with(|answer| answer.response.complete(tag), false);
                let ends = !matches!(kind, Some(Kind::Simple));
                return self.step(length, completed, ends);
            }
            b'I' | b's' => !matches!(kind, Some(Kind::Simple)),
            b'1' | b'2' | b'3' | b'T' | b'n' => {
                let part = self.answer_with(|answer| answer.answers += 1, false);
                let so_far = self.answer.as_ref().map_or(0, |answer| answer.answers);
                let enough =
                    matches!(kind, Some(Kind::Prepare { answers, .. }) if so_far >= answers);
                return self.step(length, part, enough);
            }
            // Rows that nobody is known to have asked for are many; they are one answer.
            _ => false,
        };
        let part = self.answer_with(|_| {}, false);
        self.step(length, part, ends)
    }

    /// The answer to the question for TLS is one letter.
    pub(super) fn tls_answered(&mut self, bytes: &[u8]) -> Step {
        self.asked_tls = false;
        let answered = Part::whole(Role::Response, Pairing::InOrder, Response::default().into());
        match bytes[0] {
            b'S' => Step::Switch { length: 1, part: Some(answered), to: Next::Tls },
            b'G' => Step::Switch { length: 1, part: Some(answered), to: Next::Unread("gss") },
            b'N' => Step::take(1, answered),
            // A server that does not know the question says so with an error.
            b'E' => match Frame::read(bytes).filter(|frame| frame.whole) {
                Some(frame) => {
                    let mut response = Response::default();
                    response.fail(frame.body);
                    let failed = Part::whole(Role::Response, Pairing::InOrder, response.into());
                    Step::take(frame.length as usize, failed)
                }
                None => Step::Lost("no_message"),
            },
            _ => Step::Lost("no_message"),
        }
    }

    /// The server is ready for the next request: what was going on is over, and what was asked
    /// behind something that failed was not tried.
    fn ready(&mut self, length: u64, request: Option<&Request>) -> Step {
        if self.answer.is_some() {
            let ends = self.answer_with(|_| {}, true);
            let of_this = matches!(
                request.map(|request| request.kind),
                Some(Kind::Simple | Kind::Connect | Kind::Function)
            );
            // The letter itself belongs to the answer only where it ends it.
            return match of_this {
                true => Step::Take { length, part: Some(ends) },
                false => Step::Take { length: 0, part: Some(ends) },
            };
        }
        let failed = self.failed.filter(|batch| request.is_some_and(|r| r.batch == *batch));
        if failed.is_some() {
            let skipped = Response { skipped: true, ..Response::default() };
            let part = Part::whole(Role::Response, Pairing::InOrder, skipped.into());
            return Step::Take { length: 0, part: Some(part) };
        }
        self.failed = None;
        Step::Take { length, part: None }
    }

    /// Adds to the answer, which it may begin.
    fn answer_with(&mut self, add: impl FnOnce(&mut Answer), last: bool) -> Part {
        let first = self.answer.is_none();
        let answer = self.answer.get_or_insert_default();
        add(answer);
        let mut part = Part { first, last, ..part(Side::Server) };
        if last && let Some(answer) = self.answer.take() {
            part.message = Some(answer.response.into());
        }
        part
    }

    fn step(&mut self, length: u64, part: Part, last: bool) -> Step {
        let message = match last {
            true => self.answer.take().map(|answer| answer.response.into()),
            false => None,
        };
        Step::Take { length, part: Some(Part { last: part.last || last, message, ..part }) }
    }
}

fn request(asked: &dyn Outstanding) -> Option<&Request> {
    match asked.oldest()? {
        Any::Postgres(message) => match &**message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        },
        _ => None,
    }
}
