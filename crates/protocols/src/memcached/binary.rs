//! The binary protocol: frames with a head of 24 bytes.

use super::message::{Command, Kind, Reply};
use crate::{Policy, Verdict};

/// A frame as far as it is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    pub opcode: u8,
    key: u16,
    extras: u8,
    /// Of a reply, how it went.
    pub status: u16,
    /// Its body's size, in bytes.
    pub size: u32,
    /// A number that the reply repeats.
    pub opaque: u32,
    body: &'a [u8],
}

/// How frames of clients, and of servers, begin.
pub(super) const ASKS: u8 = 0x80;
pub(super) const REPLIES: u8 = 0x81;

const HEAD: usize = 24;

/// The longest body that is believed, in bytes.
const LONGEST: u32 = 1 << 30;

/// When a command is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    Always,
    /// If something is found: the next that is always answered ends the run.
    IfFound,
    /// If it fails.
    IfFailed,
    Never,
}

/// A command's name, and when it is answered.
pub(super) fn operation(opcode: u8) -> (&'static str, Answered) {
    use Answered::{Always, IfFailed, IfFound, Never};
    match opcode {
        0x00 | 0x0c => ("get", Always),
        0x09 | 0x0d => ("get", IfFound),
        0x01 => ("set", Always),
        0x02 => ("add", Always),
        0x03 => ("replace", Always),
        0x04 => ("delete", Always),
        0x05 => ("incr", Always),
        0x06 => ("decr", Always),
        0x07 => ("quit", Always),
        0x08 => ("flush_all", Always),
        0x0a => ("noop", Always),
        0x0b => ("version", Always),
        0x0e => ("append", Always),
        0x0f => ("prepend", Always),
        0x10 => ("stats", Always),
        0x11 => ("set", IfFailed),
        0x12 => ("add", IfFailed),
        0x13 => ("replace", IfFailed),
        0x14 => ("delete", IfFailed),
        0x15 => ("incr", IfFailed),
        0x16 => ("decr", IfFailed),
        0x17 => ("quit", Never),
        0x18 => ("flush_all", IfFailed),
        0x19 => ("append", IfFailed),
        0x1a => ("prepend", IfFailed),
        0x1b => ("verbosity", Always),
        0x1c => ("touch", Always),
        0x1d | 0x23 => ("gat", Always),
        0x1e | 0x24 => ("gat", IfFound),
        0x1f => ("hello", Always),
        0x20 => ("auth_list", Always),
        0x21 | 0x22 => ("auth", Always),
        _ => ("other", Always),
    }
}

/// A command of several replies, of which the last is empty.
pub(super) const STATS: u8 = 0x10;
pub(super) const NOOP: u8 = 0x0a;

impl<'a> Frame<'a> {
    /// The frame that begins here. `None` if there is not all of its head.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Frame<'a>> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let long = |at: usize| u32::from(word(at)) << 16 | u32::from(word(at + 2));
        let size = long(8);
        let body = &rest[..rest.len().min(size as usize)];
        let (key, extras) = (word(2), head[4]);
        Some(Frame { opcode: head[1], key, extras, status: word(6), size, opaque: long(12), body })
    }

    /// How long it is in all.
    pub(super) fn length(&self) -> u64 {
        u64::from(self.size) + HEAD as u64
    }

    /// Whether its parts fit into it.
    pub(super) fn is_sound(&self) -> bool {
        let parts = u32::from(self.key) + u32::from(self.extras);
        parts <= self.size && self.size <= LONGEST && self.key <= 1024
    }

    /// Whether all that is read of it is there.
    pub(super) fn is_known(&self) -> bool {
        let key = usize::from(self.extras) + usize::from(self.key);
        let text =
            if self.status == 0 { 0 } else { (self.size as usize).saturating_sub(key).min(128) };
        self.body.len() >= key + text
    }

    pub(super) fn command(&self, policy: &Policy) -> Command {
        let (name, _) = operation(self.opcode);
        let mut command = Command::new(name, Kind::Binary);
        let extras = usize::from(self.extras);
        let secret = matches!(self.opcode, 0x1f..=0x22);
        let key = self.body.get(extras..extras + usize::from(self.key));
        if let Some(key) = key.filter(|key| !key.is_empty() && !secret) {
            command.add_key(key, policy);
        }
        let stores = matches!(name, "set" | "add" | "replace" | "append" | "prepend");
        command.value_bytes = stores.then(|| self.value());
        command
    }

    /// How long its value is, in bytes.
    pub(super) fn value(&self) -> u64 {
        u64::from(self.size).saturating_sub(u64::from(self.key) + u64::from(self.extras))
    }

    pub(super) fn reply(&self) -> Reply {
        let (name, _) = operation(self.opcode);
        let gets = matches!(name, "get" | "gat");
        let status = match self.status {
            0x00 if gets => "HIT",
            0x00 => match name {
                "set" | "add" | "replace" | "append" | "prepend" => "STORED",
                "delete" => "DELETED",
                "touch" => "TOUCHED",
                _ => "OK",
            },
            0x01 if gets => "MISS",
            0x01 => "NOT_FOUND",
            0x02 => "EXISTS",
            0x03 => "TOO_LARGE",
            0x04 => "INVALID",
            0x05 => "NOT_STORED",
            0x06 => "NOT_A_NUMBER",
            0x07 => "NOT_MY_VBUCKET",
            0x20 => "AUTH_ERROR",
            0x21 => "AUTH_CONTINUE",
            0x81 => "UNKNOWN_COMMAND",
            0x82 => "OUT_OF_MEMORY",
            _ => "ERROR",
        };
        match self.status {
            0x00 if gets => Reply { hits: 1, value_bytes: self.value(), ..Reply::of(status) },
            0x00..=0x02 | 0x05 | 0x21 => Reply::of(status),
            _ => {
                let parts = usize::from(self.key) + usize::from(self.extras);
                Reply::error(status, self.body.get(parts..).unwrap_or_default())
            }
        }
    }
}

/// Whether a frame that begins with this byte begins here.
pub(super) fn begins(mark: u8, bytes: &[u8]) -> Verdict {
    let sound = |at: usize, is: fn(u8) -> bool| bytes.get(at).is_none_or(|byte| is(*byte));
    let head = bytes.first().is_none_or(|first| *first == mark)
        && sound(1, |opcode| opcode <= 0x24)
        && sound(4, |extras| extras <= 20)
        && sound(5, |kind| kind == 0)
        && sound(2, |key| key <= 1)
        && sound(8, |size| size < 0x40);
    match Frame::read(bytes) {
        _ if !head => Verdict::Unlikely,
        None => Verdict::More,
        Some(frame) => {
            let asks = mark == ASKS;
            // Servers number their states; clients number their parts, of which most have one.
            let status = matches!(frame.status, 0..=8 | 0x20 | 0x21 | 0x81..=0x86);
            match frame.is_sound() && (asks && frame.status < 1024 || status) {
                true => Verdict::Likely,
                false => Verdict::Unlikely,
            }
        }
    }
}
