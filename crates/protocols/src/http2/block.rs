//! A header block: one frame of headers, and those that continue it.

use super::hpack::{Decoder, Field};
use crate::http::{self, Fields, Request, Response};
use crate::message::text;
use crate::{Message, Policy};

/// A header block, as far as it was read.
#[derive(Debug)]
pub(super) struct Block {
    /// The stream whose message it is.
    pub stream: u32,
    /// The stream whose frames carry it: another one, where a request is promised.
    pub carrier: u32,
    /// Whether the message ends with it.
    pub ends: bool,
    /// What it says, besides what was said before it.
    pub head: Head,
    /// Whether a field was there that only begins a message.
    pub begins: bool,
    /// Whether a field was said that cannot be known.
    pub holes: bool,
    /// Whether some of it was not seen.
    pub cut: bool,
    /// Whether the message's first part was given out.
    pub given: bool,
    /// The beginning of a field.
    tail: Vec<u8>,
    /// How many fields were noted.
    noted: usize,
}

#[derive(Debug, Clone)]
pub(super) enum Head {
    Request(Request),
    Response(Response),
}

/// What comes behind a piece of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Behind {
    /// Nothing: it is whole.
    Nothing,
    /// Another piece.
    Piece,
    /// Bytes that were not seen.
    Unseen,
}

/// The longest field that is waited for, in bytes.
const LONGEST: usize = 64 * 1024;

/// How many fields of a message are looked at.
const MOST: usize = 256;

impl Block {
    pub(super) fn new(stream: u32, carrier: u32, ends: bool, head: Head) -> Block {
        Block {
            stream,
            carrier,
            ends,
            head,
            begins: false,
            holes: false,
            cut: false,
            given: false,
            tail: Vec::new(),
            noted: 0,
        }
    }

    /// Takes up a piece.
    pub(super) fn read(
        &mut self,
        piece: &[u8],
        behind: Behind,
        decoder: &mut Decoder,
        policy: &Policy,
    ) {
        if !self.cut {
            let mut tail = std::mem::take(&mut self.tail);
            let bytes = match tail.is_empty() {
                true => piece,
                false => {
                    tail.extend_from_slice(piece);
                    &tail
                }
            };
            if behind == Behind::Nothing {
                decoder.begin(bytes);
            }
            let used = decoder.decode(bytes, |field| self.note(field, policy));
            let rest = used.map(|used| &bytes[used..]);
            match rest {
                Ok(rest) if behind == Behind::Piece && rest.len() <= LONGEST => {
                    let used = bytes.len() - rest.len();
                    // Many small pieces of one field are not copied again with each.
                    self.tail = match tail.is_empty() {
                        true => rest.to_vec(),
                        false => {
                            tail.drain(..used);
                            tail
                        }
                    };
                }
                Ok(rest) => {
                    self.cut = behind != Behind::Nothing || !rest.is_empty();
                    // Of all fields only a path is of use in part.
                    if let Some((_, value)) = decoder.cut(rest).filter(|cut| *cut.0 == *PATH)
                        && let Head::Request(request) = &mut self.head
                    {
                        self.begins = true;
                        request.set_target(&value, policy);
                        request.target.push('…');
                        request.route.push('…');
                    }
                }
                Err(_) => self.cut = true,
            }
        }
        if self.cut {
            decoder.forget();
        }
    }

    /// What it says.
    pub(super) fn message(&self) -> Message {
        match &self.head {
            Head::Request(request) => request.clone().into(),
            Head::Response(response) => response.clone().into(),
        }
    }

    /// How many bytes of memory wait to be read.
    pub(super) fn held(&self) -> usize {
        self.tail.len()
    }

    /// Whether it is a response, and was not seen to say how it went.
    pub(super) fn has_no_status(&self) -> bool {
        matches!(&self.head, Head::Response(response) if response.status == 0)
    }

    fn note(&mut self, field: Field<'_>, policy: &Policy) {
        let (name, value) = match field {
            Field::Known(name, value) => (name, value),
            Field::Believed(name, value) => {
                self.holes = true;
                (name, value)
            }
            Field::Hole => {
                self.holes = true;
                return;
            }
        };
        // A byte may stand for a long field: so many of them are made to be a nuisance.
        self.noted += 1;
        if self.noted > MOST {
            return;
        }
        self.begins |= name.first() == Some(&b':');
        match (&mut self.head, name) {
            (Head::Request(request), b":method") => request.method = http::method(value),
            (Head::Request(request), PATH) => request.set_target(value, policy),
            (Head::Request(request), b":authority") => request.host = Some(text(value, 256)),
            (Head::Request(request), b"host") => {
                request.host.get_or_insert_with(|| text(value, 256));
            }
            (Head::Response(response), b":status") => {
                let status = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
                response.status = status.filter(|status| (100..1000).contains(status)).unwrap_or(0);
            }
            (_, [b':', ..]) => {}
            (Head::Request(request), _) => request.fields.note(name, value, policy),
            (Head::Response(response), _) => response.fields.note(name, value, policy),
        }
    }
}

const PATH: &[u8] = b":path";

/// Whether anything is made of a field.
pub(super) fn wants(name: &[u8]) -> bool {
    matches!(name, b":method" | b":path" | b":authority" | b":status" | b"host")
        || Fields::reads(name)
}
