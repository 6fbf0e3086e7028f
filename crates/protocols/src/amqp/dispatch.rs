//! What each method is to the pairing.

use super::channels::Content;
use super::conversation::{Amqp, confirmation, is_asked, tag};
use super::frame::{BASIC, Frame, GREETING};
use super::message::{Request, Response, folded, said};
use super::methods::{self, Does, Method, Names};
use crate::prefix::Prefix;
use crate::{Message as Any, Outstanding, Pairing, Part, Role, Side, Step};

/// How many messages one confirmation may confirm.
const MOST_AT_ONCE: u64 = 1024;

/// The connection's beginning is one request: from the greeting until it is open.
const CONNECTION: u16 = 10;
const OPEN: u16 = 40;
const TUNE_OK: u16 = 31;
const OPEN_OK: u16 = 41;
const START: u16 = 10;

impl Amqp {
    /// A connection begins.
    pub(super) fn greeted(&mut self) -> Step {
        let request = Request { method: "connection.open", ..Request::default() };
        Step::take(GREETING.len(), Part::whole(Role::Request, self.connecting(), request.into()))
    }

    pub(super) fn method(&mut self, side: Side, frame: &Frame, asked: &dyn Outstanding) -> Step {
        let length = frame.length;
        let Some(Ok(method)) = frame.method() else {
            return Step::Take { length, part: None };
        };
        if let Some(step) = self.abandon(side, frame.channel) {
            return step;
        }
        let mut arguments = Prefix::new(frame.payload.get(4..).unwrap_or_default());
        let part = match (side, method.does) {
            (_, Does::Connect) => self.connects(side, method, &mut arguments, asked),
            (Side::Client, Does::Asks(names)) => {
                Some(self.asks(method, frame, names, &mut arguments))
            }
            (Side::Client, Does::Closes) => {
                let pairing = self.tag(frame.channel, method.class, method.id);
                let request = Request { method: method.name, ..Request::default() };
                Some(Part::whole(Role::Request, pairing, request.into()))
            }
            (Side::Client, Does::Tells(_)) => {
                let request = Request { method: method.name, ..Request::default() };
                Some(Part::whole(Role::Request, Pairing::Alone, request.into()))
            }
            // What a client confirms of what was delivered is of no interest; what it refuses is.
            (Side::Client, Does::Acks) => (method.name == "basic.nack").then(|| {
                let request = Request { method: method.name, ..Request::default() };
                Part::whole(Role::Request, Pairing::Alone, request.into())
            }),
            (_, Does::Content(content)) => {
                Some(self.carries(content, method, frame, &mut arguments))
            }
            (Side::Server, Does::Answers(id)) => {
                let pairing = self.tag(frame.channel, method.class, id);
                if method.name == "channel.close-ok" {
                    self.channels.close(frame.channel);
                }
                let response = Response { method: method.name, ..Response::default() };
                Some(Part::whole(Role::Response, pairing, response.into()))
            }
            (Side::Server, Does::Empty) => {
                let pairing = self.tag(frame.channel, BASIC, 70);
                let response = Response { method: method.name, ..Response::default() };
                Some(Part::whole(Role::Response, pairing, response.into()))
            }
            (Side::Server, Does::Closes) => Some(self.closes(method, frame, &mut arguments, asked)),
            (Side::Server, Does::Acks) => {
                return self.confirms(method, frame, &mut arguments, asked);
            }
            (Side::Server, Does::Tells(_) | Does::Asks(_)) => {
                let response = Response { method: method.name, ..Response::default() };
                Some(Part::whole(Role::Response, Pairing::Alone, response.into()))
            }
            (Side::Client, Does::Answers(_) | Does::Empty) => None,
        };
        Step::Take { length, part }
    }

    fn connecting(&self) -> Pairing {
        self.tag(0, CONNECTION, OPEN)
    }

    fn tag(&self, channel: u16, class: u16, method: u16) -> Pairing {
        tag(self.losses, channel, class, method)
    }

    /// A part of the connection's beginning. Of what is said in it, who the client is is not read.
    fn connects(
        &mut self,
        side: Side,
        method: &Method,
        arguments: &mut Prefix,
        asked: &dyn Outstanding,
    ) -> Option<Part> {
        let pairing = self.connecting();
        let part = Part::goes_on(Role::of(side), pairing);
        if method.id == TUNE_OK {
            let longest = arguments.be16().and_then(|_| arguments.be32());
            self.longest = longest.filter(|&longest| longest > 0).map_or(1 << 31, u64::from);
        }
        if !is_asked(asked, pairing) {
            return None;
        }
        Some(match method.id {
            OPEN => {
                let host = short(arguments).map(folded).unwrap_or_default();
                let request = Request { method: method.name, name: host, ..Request::default() };
                Part { last: true, message: Some(request.into()), ..part }
            }
            OPEN_OK => {
                let response = Response { method: method.name, ..Response::default() };
                Part { last: true, message: Some(response.into()), ..part }
            }
            START => Part { first: true, ..part },
            _ => part,
        })
    }

    fn asks(
        &mut self,
        method: &Method,
        frame: &Frame,
        names: Names,
        arguments: &mut Prefix,
    ) -> Part {
        let mut name = None;
        let mut all = !names.reserved || arguments.skip(2).is_some();
        for at in 0..names.count {
            let read = short(arguments).map(folded);
            all &= read.is_some();
            name = if at == 0 { read } else { name };
        }
        let bits = names.silent.and_then(|_| arguments.u8()).unwrap_or(0);
        let silent = names.silent.is_some_and(|bit| bits & (1 << bit) != 0);
        match method.name {
            "confirm.select" => {
                let channel = self.channels.of(frame.channel);
                channel.next = channel.next.or(Some(1));
            }
            // A number may be used again.
            "channel.open" => self.channels.close(frame.channel),
            _ => {}
        }
        let pairing = match silent {
            true => Pairing::Alone,
            false => self.tag(frame.channel, method.class, method.id),
        };
        // A consumer's name is made up for each.
        let name = name.filter(|_| method.name != "basic.cancel").unwrap_or_default();
        let request = Request { method: method.name, name, ..Request::default() };
        let part = Part::whole(Role::Request, pairing, request.into());
        Part { truncated: !all && !frame.whole, ..part }
    }

    /// A method that a message comes behind.
    fn carries(
        &mut self,
        content: methods::Content,
        method: &Method,
        frame: &Frame,
        arguments: &mut Prefix,
    ) -> Part {
        let (side, pairing, message, all) = match content {
            methods::Content::Publish => {
                let channel = self.channels.of(frame.channel);
                let number = channel.next;
                channel.next = number.map(|number| number + 1);
                let _ = arguments.skip(2);
                let (exchange, key) = (short(arguments), short(arguments));
                let request = Request {
                    method: method.name,
                    name: exchange.map(folded).unwrap_or_default(),
                    routing_key: Some(key.map(folded).unwrap_or_default()),
                    body: None,
                };
                let pairing = match number {
                    Some(number) => confirmation(frame.channel, number),
                    None => Pairing::Alone,
                };
                (Side::Client, pairing, Any::from(request), key.is_some())
            }
            _ => {
                let mut response = Response { method: method.name, ..Response::default() };
                match content {
                    methods::Content::Return => {
                        response.code = arguments.be16();
                        response.text = short(arguments).map(said).unwrap_or_default();
                    }
                    _ => {
                        if content == methods::Content::Deliver {
                            let _ = short(arguments);
                        }
                        let _ = arguments.skip(8);
                        response.redelivered = arguments.u8().is_some_and(|bits| bits & 1 != 0);
                    }
                }
                let (exchange, key) = (short(arguments), short(arguments));
                let place = [exchange, key].map(|name| name.map(folded).unwrap_or_default());
                response.from = Some(place.into());
                let pairing = match content {
                    methods::Content::Got => self.tag(frame.channel, BASIC, 70),
                    _ => Pairing::Alone,
                };
                (Side::Server, pairing, Any::from(response), key.is_some())
            }
        };
        let content = Content { pairing, message: message.clone(), left: None };
        self.channels.begin(side, frame.channel, content);
        let part = Part::begins(Role::of(side), pairing, message);
        Part { truncated: !all && !frame.whole, ..part }
    }

    /// The server closes a channel or the connection: the answer to what it could not do, if that waits.
    fn closes(
        &mut self,
        method: &Method,
        frame: &Frame,
        arguments: &mut Prefix,
        asked: &dyn Outstanding,
    ) -> Part {
        let code = arguments.be16();
        let text = short(arguments).map(said).unwrap_or_default();
        let response = Response { method: method.name, code, text, ..Response::default() };
        let failed = arguments.be16().zip(arguments.be16());
        let mut waiting = None;
        if method.class == CONNECTION {
            waiting = Some(self.connecting()).filter(|&pairing| is_asked(asked, pairing));
        }
        if let Some((class, id)) = failed.filter(|_| waiting.is_none()) {
            let here = (method.class != CONNECTION).then_some(frame.channel);
            let all = self.channels.numbers().filter(|_| here.is_none());
            let numbers = here.into_iter().chain(all).chain(here.is_none().then_some(1));
            let mut tags = numbers.map(|number| tag(self.losses, number, class, id));
            waiting = tags.find(|&pairing| is_asked(asked, pairing));
        }
        if method.class != CONNECTION {
            self.channels.close(frame.channel);
        }
        Part::whole(Role::Response, waiting.unwrap_or(Pairing::Alone), response.into())
    }

    /// Messages that were published arrived, or did not: one, or all up to it.
    fn confirms(
        &mut self,
        method: &Method,
        frame: &Frame,
        arguments: &mut Prefix,
        asked: &dyn Outstanding,
    ) -> Step {
        let length = frame.length;
        let channel = self.channels.of(frame.channel);
        let (Some(number), Some(bits)) = (arguments.be64(), arguments.u8()) else {
            return Step::Take { length, part: None };
        };
        // Number 0 is all that was published so far.
        let number = match (number, channel.next) {
            (0, Some(next)) => next - 1,
            (number, _) => number,
        };
        let confirms = |number| {
            let pairing = confirmation(frame.channel, number);
            let response = Response { method: method.name, ..Response::default() };
            is_asked(asked, pairing).then(|| Part::whole(Role::Response, pairing, response.into()))
        };
        if bits & 1 != 0 {
            let first = (channel.confirmed + 1).max(number.saturating_sub(MOST_AT_ONCE));
            for earlier in first..number {
                channel.confirmed = earlier;
                if let Some(part) = confirms(earlier) {
                    return Step::Take { length: 0, part: Some(part) };
                }
            }
        }
        Step::Take { length, part: confirms(number) }
    }
}

/// Text behind a length of one byte.
fn short<'a>(arguments: &mut Prefix<'a>) -> Option<&'a [u8]> {
    let length = arguments.u8()?;
    arguments.take(usize::from(length))
}
