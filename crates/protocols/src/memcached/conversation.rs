//! One connection: commands and replies, as lines or as frames.

use std::sync::Arc;

use super::binary::{self, ASKS, Answered, Frame, REPLIES};
use super::message::{Closing, Command, Kind, Message, Reply};
use super::text::{self, Line};
use crate::{
    Conversation, Ends, Found, Message as Any, Next, Outstanding, Pairing, Part, Policy, Role,
    Setting, Side, Step, Verdict,
};

/// A connection's state.
#[derive(Debug)]
pub(super) struct Memcached {
    policy: Arc<Policy>,
    /// Quiet commands that no other one ended yet: they are one request.
    run: Option<Command>,
    /// What the server said so far to what it is answering.
    reply: Option<Reply>,
    /// Whether a line was cut: where it ends is not known.
    cut: [bool; 2],
}

/// A line that is not there whole is waited for as long as it is shorter than this.
const PATIENCE: usize = 32 << 10;

impl Memcached {
    pub(super) fn new(setting: &Setting) -> Memcached {
        Memcached { policy: setting.policy.clone(), run: None, reply: None, cut: [false; 2] }
    }

    fn frame(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        let Some(frame) = Frame::read(bytes) else {
            return if ends == Ends::Open { Step::More } else { Step::Lost("gap_in_head") };
        };
        if !frame.is_sound() {
            return Step::Lost("no_frame");
        }
        // What a client calls its status is the number of a part.
        let cut = !frame.is_known() && (side == Side::Client || frame.status != 0);
        if cut && ends == Ends::Open && bytes.len() < PATIENCE {
            return Step::More;
        }
        let part = match side {
            Side::Client => self.asks(&frame),
            Side::Server => self.replies(&frame, asked),
        };
        Step::Take { length: frame.length(), part: Some(Part { truncated: cut, ..part }) }
    }

    fn asks(&mut self, frame: &Frame) -> Part {
        let command = frame.command(&self.policy);
        let (_, answered) = binary::operation(frame.opcode);
        match answered {
            Answered::IfFound => self.add_to_run(command),
            Answered::IfFailed | Answered::Never => {
                Part::whole(Role::Request, Pairing::Alone, command.into())
            }
            Answered::Always => match self.run.take() {
                Some(mut run) => {
                    run.closing =
                        Some(Closing::Binary { opcode: frame.opcode, opaque: frame.opaque });
                    run.keys = run.keys.saturating_add(command.keys);
                    Part {
                        message: Some(run.into()),
                        ..Part::ends(Role::Request, Pairing::InOrder)
                    }
                }
                None => Part::whole(Role::Request, pairing(frame.opaque), command.into()),
            },
        }
    }

    fn replies(&mut self, frame: &Frame, asked: &dyn Outstanding) -> Part {
        let reply = frame.reply();
        let (_, answered) = binary::operation(frame.opcode);
        let closing = oldest(asked).and_then(|command| command.closing);
        let closes =
            closing == Some(Closing::Binary { opcode: frame.opcode, opaque: frame.opaque });
        match answered {
            Answered::IfFailed | Answered::Never => {
                let reply = Reply { of: binary::operation(frame.opcode).0, ..reply };
                Part::whole(Role::Response, Pairing::Alone, reply.into())
            }
            Answered::IfFound => self.add_to_reply(reply, false),
            Answered::Always if closes => {
                let nothing = Reply { error: reply.error.clone(), ..Reply::of(reply.status) };
                let of_noop = frame.opcode == binary::NOOP;
                self.add_to_reply(if of_noop { nothing } else { reply }, true)
            }
            Answered::Always
                if frame.opcode == binary::STATS && frame.size > 0 && reply.error.is_none() =>
            {
                let first = self.reply.is_none();
                self.reply = Some(reply.clone());
                let message = first.then(|| reply.into());
                Part { first, message, ..Part::goes_on(Role::Response, pairing(frame.opaque)) }
            }
            Answered::Always => {
                let first = frame.opcode != binary::STATS || self.reply.take().is_none();
                Part { first, ..Part::whole(Role::Response, pairing(frame.opaque), reply.into()) }
            }
        }
    }

    /// One more quiet command, which may begin a run.
    fn add_to_run(&mut self, command: Command) -> Part {
        let first = self.run.is_none();
        let run = match self.run.take() {
            Some(mut run) => {
                run.keys = run.keys.saturating_add(command.keys);
                run
            }
            None => Command { is_run: true, ..command },
        };
        self.run = Some(run.clone());
        Part { first, message: Some(run.into()), ..Part::goes_on(Role::Request, Pairing::InOrder) }
    }

    /// One more reply to a run, which may end it.
    fn add_to_reply(&mut self, more: Reply, last: bool) -> Part {
        let first = self.reply.is_none();
        let mut reply = self.reply.take().unwrap_or_default();
        reply.hits = reply.hits.saturating_add(more.hits);
        reply.value_bytes = reply.value_bytes.saturating_add(more.value_bytes);
        reply.error = more.error.or(reply.error);
        reply.status = match (&reply.error, reply.hits) {
            (Some(_), _) => more.status,
            (None, 0) => "MISS",
            (None, _) => "HIT",
        };
        let message = (first || last).then(|| reply.clone().into());
        self.reply = (!last).then_some(reply);
        Part { first, last, message, ..Part::goes_on(Role::Response, Pairing::InOrder) }
    }

    fn command(&mut self, bytes: &[u8], ends: Ends) -> Step {
        let Some((line, length)) = text::line(bytes) else {
            let sound = bytes.len() < PATIENCE && text::may_become(bytes, true);
            if ends == Ends::Open && sound {
                return Step::More;
            }
            return match text::asked(bytes, false, &self.policy).filter(|_| sound) {
                // If more comes behind the hole, it is not known where.
                Some(asked) => {
                    self.cut[Side::Client as usize] = true;
                    let pairing = if asked.silent { Pairing::Alone } else { Pairing::InOrder };
                    let part = Part::whole(Role::Request, pairing, asked.command.into());
                    Step::take(bytes.len(), part.truncated())
                }
                None => Step::Lost("no_command"),
            };
        };
        if line.is_empty() {
            return Step::pass(length);
        }
        let Some(asked) = text::asked(line, true, &self.policy) else {
            return Step::Lost("no_command");
        };
        let whole = length as u64 + asked.data;
        if asked.data > 0
            && let Some(end) = usize::try_from(whole).ok().and_then(|end| bytes.get(..end))
            && !end.ends_with(b"\r\n")
        {
            return Step::Lost("no_line_break");
        }
        let kind = asked.command.kind;
        let part = match (kind, asked.quiet, self.run.is_some()) {
            // Its failure is told of, and nobody will know of whom.
            (Kind::Meta, true, _) if asked.command.name != "mg" => {
                Part::whole(Role::Request, Pairing::Alone, asked.command.into())
            }
            (Kind::Meta, true, _) => self.add_to_run(asked.command),
            (Kind::Meta | Kind::MetaNoop, false, true) => {
                let mut run = self.run.take().unwrap_or(asked.command.clone());
                run.closing = asked.marks.or(Some(Closing::MetaNoop));
                run.keys = run.keys.saturating_add(asked.command.keys);
                Part { message: Some(run.into()), ..Part::ends(Role::Request, Pairing::InOrder) }
            }
            // Nothing says where the replies to the run end.
            (_, _, true) => {
                self.run = None;
                return Step::take(0, Part::ends(Role::Request, Pairing::InOrder));
            }
            _ if asked.silent => Part::whole(Role::Request, Pairing::Alone, asked.command.into()),
            _ => Part::whole(Role::Request, Pairing::InOrder, asked.command.into()),
        };
        Step::Take { length: whole, part: Some(part) }
    }

    fn line(&mut self, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        let Some((said, length)) = text::line(bytes) else {
            let sound = bytes.len() < PATIENCE && text::may_become(bytes, false);
            return match ends {
                Ends::Open if sound => Step::More,
                _ => Step::Lost("no_reply"),
            };
        };
        let Some(line) = text::replied(said) else {
            return Step::Lost("no_reply");
        };
        let command = oldest(asked);
        let is_run = command.is_some_and(|command| command.is_run);
        // Of an answer to nobody, its first line says what it answers.
        let kind = command.map_or(Kind::Other, |command| command.kind);
        let ends_run = is_run && closes(&line, said, command);
        if !line.fits(kind) && !ends_run {
            return match self.reply.is_some() {
                // Where the replies to a run end was not known.
                _ if is_run && command.is_some_and(|command| command.closing.is_none()) => {
                    Step::take(0, self.add_to_reply(Reply::default(), true))
                }
                true => Step::Lost("no_reply"),
                // Something quiet failed, or something was asked that was not seen. It is nobody's.
                false => Step::Take { length: length as u64 + line.data(), part: None },
            };
        }
        let name = command.map_or("", |command| command.name);
        let data = line.data();
        let whole = length as u64 + data;
        let mut more = line.failure(said).unwrap_or_else(|| Reply::of(line.status(name)));
        if data > 0 {
            (more.hits, more.value_bytes) = (1, data - 2);
        }
        let part = match line {
            _ if is_run => self.add_to_reply(more, ends_run),
            Line::Value(_) => self.add_to_reply(more, false),
            Line::Item => {
                let first = self.reply.is_none();
                let message = first.then(|| more.clone().into());
                self.reply = Some(more);
                Part { first, message, ..Part::goes_on(Role::Response, Pairing::InOrder) }
            }
            Line::End if kind == Kind::Stats => {
                let first = self.reply.take().is_none();
                Part { first, ..Part::whole(Role::Response, Pairing::InOrder, more.into()) }
            }
            Line::End | Line::Error(_) => self.add_to_reply(more, true),
            _ => Part::whole(Role::Response, Pairing::InOrder, more.into()),
        };
        if name == "watch" && line == Line::Word("OK") {
            let to = Next::Unread("memcached-watch");
            return Step::Switch { length: whole, part: Some(part), to };
        }
        Step::Take { length: whole, part: Some(part) }
    }
}

impl Conversation for Memcached {
    fn read(&mut self, side: Side, bytes: &[u8], ends: Ends, asked: &dyn Outstanding) -> Step {
        match (bytes.first(), side) {
            _ if std::mem::take(&mut self.cut[side as usize]) => Step::Lost("line_cut"),
            (None, _) if ends == Ends::Open => Step::More,
            (None, _) => Step::Lost("gap_between_messages"),
            (Some(&ASKS), Side::Client) | (Some(&REPLIES), Side::Server) => {
                self.frame(side, bytes, ends, asked)
            }
            (_, Side::Client) => self.command(bytes, ends),
            (_, Side::Server) => self.line(bytes, ends, asked),
        }
    }

    fn keep(&mut self, policy: &Arc<Policy>) {
        self.policy = policy.clone();
    }

    fn find(&mut self, side: Side, bytes: &[u8]) -> Found {
        self.cut[side as usize] = false;
        match side {
            Side::Client => self.run = None,
            Side::Server => self.reply = None,
        }
        let mark = if side == Side::Client { ASKS } else { REPLIES };
        let may_begin = |at: usize| at == 0 || bytes[at - 1] == b'\n' || bytes[at] == mark;
        let verdict = |at: usize| super::begins(side, &bytes[at..]);
        let mut starts = (0..bytes.len()).filter(|&at| may_begin(at));
        let begins = |at: &usize| verdict(*at) == Verdict::Likely && follows(side, &bytes[*at..]);
        if let Some(at) = starts.find(begins) {
            return Found::At(at);
        }
        let from = bytes.len().saturating_sub(super::LONGEST_LINE);
        let begun = (from..bytes.len()).find(|&at| may_begin(at) && verdict(at) == Verdict::More);
        Found::Nowhere { keep: begun.map_or(0, |at| bytes.len() - at) }
    }
}

/// Whether what comes behind the frame that begins here is another one, or is not there.
fn follows(side: Side, bytes: &[u8]) -> bool {
    let Some(frame) = Frame::read(bytes).filter(|_| matches!(bytes[0], ASKS | REPLIES)) else {
        return true;
    };
    let behind = usize::try_from(frame.length()).ok().and_then(|length| bytes.get(length..));
    behind.is_none_or(|behind| super::begins(side, behind) != Verdict::Unlikely)
}

/// What was asked that is answered next.
fn oldest(asked: &dyn Outstanding) -> Option<&Command> {
    match asked.oldest()? {
        Any::Memcached(message) => match &**message {
            Message::Command(command) => Some(command),
            Message::Reply(_) => None,
        },
        _ => None,
    }
}

/// Frames with a number are paired by it; many clients give all of them the number 0.
fn pairing(opaque: u32) -> Pairing {
    match opaque {
        0 => Pairing::InOrder,
        opaque => Pairing::Tag(opaque.into()),
    }
}

/// Whether a line is the last reply to a run.
fn closes(line: &Line, said: &[u8], run: Option<&Command>) -> bool {
    match (run.and_then(|run| run.closing), line) {
        (_, Line::Error(_)) => true,
        (Some(Closing::MetaNoop), line) => *line == Line::Meta("MN"),
        // That nothing was found is said only of the last one.
        (_, Line::Meta("EN")) => true,
        (Some(Closing::Meta { opaque, key }), _) => text::closes(said, opaque, key),
        _ => false,
    }
}
