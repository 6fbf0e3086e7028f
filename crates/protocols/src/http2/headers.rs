//! What headers say of requests and responses, and of the streams they are in.

use super::block::{Behind, Block, Head};
use super::conversation::{Http2, pass, take};
use super::frame::{END_HEADERS, END_STREAM, Frame, kind};
use super::streams::{Counts, Leg};
use crate::grpc::{self, Counter, Messages};
use crate::http::{Body, Request, Response, Version};
use crate::{Outstanding, Part, Side, Step};

impl Http2 {
    pub(super) fn headers(&mut self, side: Side, frame: &Frame, asked: &dyn Outstanding) -> Step {
        let Some((piece, unseen)) = frame.content() else {
            return Step::Lost("too_much_padding");
        };
        let (mut block, piece) = match frame.kind {
            kind::CONTINUATION => match self.way(side).block.take() {
                Some(block) => (block, piece),
                None => return Step::Lost("headers_interrupted"),
            },
            kind::PUSH_PROMISE => {
                let promised = piece.first_chunk().map_or(0, |word| u32::from_be_bytes(*word));
                if promised == 0 || promised % 2 == 1 {
                    return Step::Lost("no_promise");
                }
                let request = Request { version: Version::Http2, ..Request::default() };
                let head = Head::Request(request);
                let block = Block::new(promised, frame.stream, true, head);
                (Box::new(block), piece.get(4..).unwrap_or_default())
            }
            _ => {
                let head = self.begin(side, frame.stream);
                let ends = frame.has(END_STREAM);
                (Box::new(Block::new(frame.stream, frame.stream, ends, head)), piece)
            }
        };
        let behind = match (unseen, frame.has(END_HEADERS)) {
            (0, true) => Behind::Nothing,
            (0, false) => Behind::Piece,
            _ => Behind::Unseen,
        };
        let policy = self.policy.clone();
        block.read(piece, behind, &mut self.way(side).decoder, &policy);
        let whole = frame.has(END_HEADERS);
        let part = match (&block.head, side) {
            // A promise is one message of the client that the server says.
            (Head::Request(_), Side::Server) => whole.then(|| Part {
                first: true,
                last: true,
                message: Some(block.message()),
                ..self.part(Side::Client, block.stream)
            }),
            (Head::Request(_), Side::Client) => Some(self.request(&mut block, whole)),
            (Head::Response(_), _) => self.response(&mut block, whole, asked),
        };
        let truncated = block.cut || block.holes || block.has_no_status();
        if !whole {
            self.way(side).block = Some(block);
        }
        match part {
            Some(part) => take(frame, Part { truncated: part.truncated || truncated, ..part }),
            None => pass(frame),
        }
    }

    /// What headers of `side` in a stream add to.
    fn begin(&mut self, side: Side, id: u32) -> Head {
        if side == Side::Client {
            return Head::Request(Request { version: Version::Http2, ..Request::default() });
        }
        let said = self.streams.get(id).and_then(|stream| stream.answered.as_deref().cloned());
        let new = || Response { version: Version::Http2, ..Response::default() };
        Head::Response(said.unwrap_or_else(new))
    }

    fn request(&mut self, block: &mut Block, whole: bool) -> Part {
        let policy = self.policy.clone();
        self.streams.note(block.stream);
        let (id, last) = (block.stream, block.ends && whole);
        let mut part = self.part(Side::Client, id);
        let open = self.streams.get(id).is_some_and(|stream| stream.request == Leg::Open);
        let trails = !block.begins && block.ends && (open || !block.holes);
        if trails && !block.given {
            part.last = last;
            part.message = if last { self.finish(Side::Client, id) } else { None };
            return part;
        }
        part.first = !block.given;
        part.last = last;
        block.given = true;
        let holes = block.holes || block.cut;
        if let Head::Request(request) = &mut block.head
            && whole
        {
            let called = grpc::is_said_by(&request.fields);
            request.grpc = called.then(Messages::default);
            let post = matches!(&*request.method, "" | "POST");
            if !last {
                let stream = self.streams.open(id);
                stream.request = Leg::Open;
                stream.sent = match request.fields.content_type {
                    _ if called => Counts::Messages(Counter::default()),
                    None if holes && post => Counts::Perhaps,
                    _ => Counts::None,
                };
                // Whether it is compressed is not known where something was not seen.
                let body = (!holes).then(|| Body::of(&request.fields, &policy)).flatten();
                stream.bodies[Side::Client as usize] = body.map(Box::new);
                let counts = !matches!(stream.sent, Counts::None);
                let keeps = stream.bodies[Side::Client as usize].is_some();
                stream.asked = (counts || keeps).then(|| Box::new(request.clone()));
            }
        }
        part.message = Some(block.message());
        part
    }

    fn response(
        &mut self,
        block: &mut Block,
        whole: bool,
        asked: &dyn Outstanding,
    ) -> Option<Part> {
        let (id, policy) = (block.stream, self.policy.clone());
        let Head::Response(response) = &mut block.head else {
            return None;
        };
        // 100 Continue and its like announce the response, they are none.
        let announces = (100..200).contains(&response.status) && !block.ends;
        if announces || self.streams.is_given_up(id) {
            return None;
        }
        let (waits, last) = (self.is_asked(id, asked), block.ends && whole);
        let mut part = self.part(Side::Server, id);
        let (open, called) = match self.streams.get(id) {
            Some(stream) => {
                (stream.response == Leg::Open, matches!(stream.sent, Counts::Messages(_)))
            }
            None => (false, false),
        };
        // The end of a response whose beginning, or whose request, was not seen.
        let orphan = !open && !block.begins && block.ends && !waits;
        part.first = !open && !block.given && !orphan;
        part.last = last;
        block.given = true;
        if whole {
            let called = called || grpc::is_said_by(&response.fields);
            if called && response.grpc.is_none() {
                response.grpc = Some(Messages::default());
            }
            let holes = block.holes || block.cut;
            let stream = self.streams.open(id);
            if !open && !last {
                let body = (!holes).then(|| Body::of(&response.fields, &policy)).flatten();
                stream.bodies[Side::Server as usize] = body.map(Box::new);
            }
            if !open {
                stream.received = match response.fields.content_type {
                    _ if called => Counts::Messages(Counter::default()),
                    None if holes => Counts::Perhaps,
                    _ => Counts::None,
                };
            }
            stream.response = Leg::Open;
            stream.answered = Some(Box::new(response.clone()));
            if last {
                part.message = self.finish(Side::Server, id);
            }
        }
        part.message = part.message.or_else(|| Some(block.message()));
        Some(part)
    }
}
