//! One connection: each message has its length and its number first, and a reply the number of what it
//! answers.

use std::borrow::Cow;

use super::bson::Document;
use super::frame::{self, Frame, MORE_TO_COME};
use super::message::{Message, Request, Response};
use crate::prefix::Prefix;
use crate::{
    Conversation, Ends, Found, Message as Any, Outstanding, Pairing, Part, Role, Side, Step,
    Verdict,
};

/// A connection's state.
#[derive(Debug, Default)]
pub(super) struct Mongodb {
    /// The last reply that said that more would come, and the command that it answers.
    flowing: Option<(u32, Cow<'static, str>)>,
}

/// So much of a message is waited for and read, in bytes.
const WANTED: usize = 4096;

impl Conversation for Mongodb {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        let Some(frame) = Frame::read(bytes) else {
            return match (bytes.is_empty(), ends) {
                (_, Ends::Open) => Step::More,
                (true, _) => Step::Lost("gap_between_messages"),
                (false, _) => Step::Lost("gap_in_message"),
            };
        };
        if !frame.is_sound(side) {
            return Step::Lost("no_message");
        }
        if !frame.whole && frame.body.len() < WANTED && ends == Ends::Open {
            return Step::More;
        }
        let frame = Frame { body: &frame.body[..frame.body.len().min(WANTED)], ..frame };
        let (part, all) = match side {
            Side::Client => request(&frame),
            Side::Server => self.response(&frame, asked),
        };
        let truncated = !all && !frame.whole && frame.body.len() < WANTED;
        Step::Take { length: frame.length, part: Some(Part { truncated, ..part }) }
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        if side == Side::Server {
            self.flowing = None;
        }
        let begins = |at: &usize| frame::begins(side, &bytes[*at..]) == Verdict::Likely;
        match (0..bytes.len()).find(begins) {
            Some(at) => Found::At(at),
            None => Found::Nowhere { keep: bytes.len().min(32) },
        }
    }
}

impl Mongodb {
    fn response(&mut self, frame: &Frame, asked: &dyn Outstanding) -> (Part, bool) {
        let request = command(asked, frame.answers);
        let mut response = Response::default();
        let mut all = true;
        let mut more = false;
        match frame.code {
            frame::MSG => {
                let (flags, document) = sections(frame.body);
                more = flags & MORE_TO_COME != 0;
                all = document.is_some_and(|document| response.reply(document));
            }
            frame::REPLY => {
                let mut body = Prefix::new(frame.body);
                let flags = body.le32().unwrap_or(0);
                // Behind the cursor, the place in it and the count is the first document.
                let _ = body.skip(16);
                let failed = flags & 2 != 0;
                let replies = request.is_some_and(|request| !request.plain);
                if (failed || replies)
                    && let Some(document) = Document::new(body.rest())
                {
                    all = response.reply(document);
                }
                if failed || !replies {
                    response.ok = Some(!failed);
                }
            }
            _ => {}
        }
        // What comes without being asked for answers the answer before it.
        let flows = self.flowing.take_if(|(before, _)| *before == frame.answers);
        let command = flows.map(|(_, command)| command);
        let pairing = match command {
            Some(_) => Pairing::Alone,
            None => Pairing::Tag(u64::from(frame.answers)),
        };
        if more {
            let named = request.map(|request| request.command.clone());
            self.flowing = Some((frame.id, command.clone().or(named).unwrap_or_default()));
        }
        response.further = command;
        (Part::whole(Role::Response, pairing, response.into()), all)
    }
}

fn request(frame: &Frame) -> (Part, bool) {
    let mut body = Prefix::new(frame.body);
    let mut pairing = Pairing::Tag(u64::from(frame.id));
    let mut all = true;
    let request = match frame.code {
        frame::MSG => {
            let mut request = Request::default();
            let (flags, document) = sections(frame.body);
            if flags & MORE_TO_COME != 0 {
                pairing = Pairing::Alone;
            }
            all = document.is_some_and(|document| request.command(document));
            request
        }
        frame::COMPRESSED => Request { command: "compressed".into(), ..Request::default() },
        code => {
            let _ = body.skip(4);
            let name = body.until_zero().unwrap_or_default();
            all = !name.is_empty();
            let word = match code {
                frame::QUERY => "find",
                frame::GET_MORE => "getMore",
                frame::INSERT => "insert",
                frame::UPDATE => "update",
                frame::DELETE => "delete",
                _ => "killCursors",
            };
            if !matches!(code, frame::QUERY | frame::GET_MORE) {
                pairing = Pairing::Alone;
            }
            let mut request = match code {
                frame::KILL_CURSORS => Request::named(word, b""),
                _ => Request::named(word, name),
            };
            // What is asked of `$cmd` is a command.
            if code == frame::QUERY && name.ends_with(b".$cmd") {
                (request.plain, request.collection) = (false, String::new());
                let _ = body.skip(8);
                all = Document::new(body.rest()).is_some_and(|command| request.command(command));
            }
            request
        }
    };
    (Part::whole(Role::Request, pairing, request.into()), all)
}

/// The flags of a message and its document, which other sections may stand before.
fn sections(body: &[u8]) -> (u32, Option<Document<'_>>) {
    let mut body = Prefix::new(body);
    let flags = body.le32().unwrap_or(0);
    while let Some(kind) = body.u8() {
        if kind == 0 {
            return (flags, Document::new(body.rest()));
        }
        let length = body.le32().and_then(|length| length.checked_sub(4));
        if kind != 1 || length.and_then(|length| body.skip(u64::from(length))).is_none() {
            break;
        }
    }
    (flags, None)
}

fn command(asked: &dyn Outstanding, id: u32) -> Option<&Request> {
    match asked.tagged(u64::from(id))? {
        Any::Mongodb(message) => match &**message {
            Message::Request(request) => Some(request),
            Message::Response(_) => None,
        },
        _ => None,
    }
}
