//! For the tests of protocols: says things to a conversation and writes down what it makes of them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{
    Conversation, Ends, Found, Message, Outstanding, Pairing, Part, Policy, Protocol, Role,
    Setting, Side, Step, Summary, Transport,
};

/// A conversation and what was made of it so far.
///
/// It pairs as the engine does, but knows neither time nor loss of order. It panics where a
/// conversation breaks its promises.
pub(crate) struct Dialogue {
    protocol: &'static Protocol,
    conversation: Box<dyn Conversation>,
    waiting: Waiting,
    unread: [Vec<u8>; 2],
    /// How many bytes of each side are covered by what was taken already.
    covered: [u64; 2],
    open: Vec<(Part, u64)>,
    /// One line for each whole message: `> GET /a 20`, `< 200 40`; bytes last.
    pub lines: Vec<String>,
}

#[derive(Default)]
struct Waiting(VecDeque<(Pairing, Option<Message>)>);

impl Outstanding for Waiting {
    fn oldest(&self) -> Option<&Message> {
        self.0.iter().find(|(pairing, _)| *pairing == Pairing::InOrder)?.1.as_ref()
    }

    fn tagged(&self, tag: u64) -> Option<&Message> {
        self.0.iter().find(|(pairing, _)| *pairing == Pairing::Tag(tag))?.1.as_ref()
    }
}

impl Dialogue {
    pub(crate) fn new(protocol: &'static Protocol) -> Dialogue {
        Dialogue::over(protocol, protocol.transports[0], Policy::default())
    }

    pub(crate) fn over(
        protocol: &'static Protocol,
        transport: Transport,
        policy: Policy,
    ) -> Dialogue {
        let setting = Setting { transport, from_middle: false, policy: Arc::new(policy) };
        Dialogue {
            protocol,
            conversation: (protocol.converse)(&setting),
            waiting: Waiting::default(),
            unread: [Vec::new(), Vec::new()],
            covered: [0, 0],
            open: Vec::new(),
            lines: Vec::new(),
        }
    }

    pub(crate) fn client(&mut self, bytes: &[u8]) -> &mut Dialogue {
        self.says(Side::Client, bytes, Ends::Open)
    }

    pub(crate) fn server(&mut self, bytes: &[u8]) -> &mut Dialogue {
        self.says(Side::Server, bytes, Ends::Open)
    }

    /// Adds bytes to what a side said and reads until nothing is left or more is needed.
    pub(crate) fn says(&mut self, side: Side, bytes: &[u8], ends: Ends) -> &mut Dialogue {
        let at = side as usize;
        let passed = self.covered[at].min(bytes.len() as u64);
        self.covered[at] -= passed;
        let mut unread = std::mem::take(&mut self.unread[at]);
        unread.extend(&bytes[passed as usize..]);
        if self.covered[at] == 0 {
            self.read(side, &mut unread, ends);
        }
        self.unread[at] = unread;
        if let Ends::Hole(length) = ends {
            self.covered[at] = self.covered[at].saturating_sub(length);
        }
        self
    }

    fn read(&mut self, side: Side, unread: &mut Vec<u8>, ends: Ends) {
        for turn in 0.. {
            assert!(turn < 10_000, "no progress");
            let (length, part) = match self.conversation.read(side, unread, ends, &self.waiting) {
                Step::More => {
                    assert_eq!(ends, Ends::Open, "More where nothing comes");
                    return;
                }
                Step::Take { length, part } => (length, part),
                Step::Switch { length, part, to } => {
                    self.lines.push(format!("switch {to:?}"));
                    (length, part)
                }
                Step::Lost(why) => {
                    if unread.is_empty() {
                        return;
                    }
                    self.lines.push(format!("lost {why}"));
                    // The same place is not looked at twice.
                    unread.remove(0);
                    match self.conversation.find(side, unread) {
                        Found::At(at) => drop(unread.drain(..at)),
                        Found::Nowhere { keep } => {
                            assert!(keep <= unread.len());
                            unread.drain(..unread.len() - keep);
                            return;
                        }
                    }
                    continue;
                }
            };
            let moves = length > 0 || part.as_ref().is_some_and(|part| part.last);
            assert!(moves, "neither bytes nor an end");
            let here = length.min(unread.len() as u64);
            unread.drain(..here as usize);
            self.covered[side as usize] = length - here;
            if let Some(part) = part {
                self.part(part, length);
            }
            if self.covered[side as usize] > 0 || (unread.is_empty() && ends != Ends::Open) {
                return;
            }
        }
    }

    fn part(&mut self, mut part: Part, length: u64) {
        let same = |open: &(Part, u64)| open.0.role == part.role && open.0.pairing == part.pairing;
        let mut bytes = length;
        if part.first {
            if part.role == Role::Request && part.pairing != Pairing::Alone {
                self.waiting.0.push_back((part.pairing, part.message.clone()));
            }
        } else if let Some(at) = self.open.iter().rposition(same) {
            let (open, before) = self.open.remove(at);
            part.message = part.message.or(open.message);
            part.truncated |= open.truncated;
            bytes += before;
        }
        if part.role == Role::Request
            && let Some(waits) = self.waiting.0.iter_mut().rev().find(|w| w.0 == part.pairing)
        {
            waits.1 = part.message.clone().or(waits.1.take());
        }
        if !part.last {
            self.open.push((part, bytes));
            return;
        }
        let line = self.line(&part, bytes);
        self.lines.push(line);
        if part.role == Role::Response {
            let at = self.waiting.0.iter().position(|(pairing, _)| *pairing == part.pairing);
            at.map(|at| self.waiting.0.remove(at));
        }
    }

    fn line(&self, part: &Part, bytes: u64) -> String {
        let Summary { operation, resource, status, error, .. } = match part.role {
            Role::Request => (self.protocol.summary)(part.message.as_ref(), None),
            Role::Response => {
                let asked = match part.pairing {
                    Pairing::InOrder => self.waiting.oldest(),
                    Pairing::Tag(tag) => self.waiting.tagged(tag),
                    Pairing::Alone => None,
                };
                (self.protocol.summary)(asked, part.message.as_ref())
            }
        };
        let mut words = match part.role {
            Role::Request => format!("> {operation} {resource}"),
            Role::Response => format!("< {}", status.as_deref().unwrap_or("-")),
        };
        if let Some(error) = error.filter(|error| !error.is_empty()) {
            words += &format!(" ({error})");
        }
        if part.role == Role::Response && part.pairing == Pairing::Alone {
            words += &format!(" {operation} {resource}");
        }
        if let Some(Message::Http(said)) = &part.message
            && let Some(body) = said.body()
        {
            words += &format!(" [{body}]");
        }
        let cut = if part.truncated { " cut" } else { "" };
        format!("{words}{cut} {bytes}")
    }
}
