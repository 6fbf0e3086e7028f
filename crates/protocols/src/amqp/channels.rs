//! What is known of a connection's channels: messages that are being said, and what is to be confirmed.

use std::collections::HashMap;

use crate::{Message, Pairing, Side};

/// A channel.
#[derive(Debug, Default)]
pub(super) struct Channel {
    /// The message that each side is in the middle of.
    contents: [Option<Content>; 2],
    /// The number of the next message that is published, where they are confirmed and counted.
    pub next: Option<u64>,
    /// Up to which number messages are confirmed.
    pub confirmed: u64,
}

/// A message whose method was said, and of which more is to come.
#[derive(Debug)]
pub(super) struct Content {
    pub pairing: Pairing,
    /// What is known of it, without its length.
    pub message: Message,
    /// Bytes of its body that are still to come; `None` until its header was seen.
    pub left: Option<u64>,
}

/// All of a connection that are in use.
#[derive(Debug, Default)]
pub(super) struct Channels {
    by_number: HashMap<u16, Channel>,
    /// The one in which each side's newest message is.
    newest: [Option<u16>; 2],
}

/// How many channels are known at once.
const MOST: usize = 256;

impl Channels {
    /// The one with this number, made if it is not known.
    pub(super) fn of(&mut self, number: u16) -> &mut Channel {
        if self.by_number.len() >= MOST
            && !self.by_number.contains_key(&number)
            && let Some(&any) = self.by_number.keys().next()
        {
            self.by_number.remove(&any);
        }
        self.by_number.entry(number).or_default()
    }

    pub(super) fn close(&mut self, number: u16) {
        self.by_number.remove(&number);
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = u16> {
        self.by_number.keys().copied()
    }

    pub(super) fn begin(&mut self, side: Side, number: u16, content: Content) {
        self.newest[side as usize] = Some(number);
        self.of(number).contents[side as usize] = Some(content);
    }

    /// The message that `side` is in the middle of there.
    pub(super) fn content(&mut self, side: Side, number: u16) -> &mut Option<Content> {
        &mut self.of(number).contents[side as usize]
    }

    /// Whether of all messages that `side` is in the middle of, this channel's was begun last.
    pub(super) fn is_newest(&self, side: Side, number: u16) -> bool {
        let newest = self.newest[side as usize].unwrap_or(number);
        let content = |channel: &Channel| channel.contents[side as usize].is_some();
        newest == number || !self.by_number.get(&newest).is_some_and(content)
    }

    /// The channel of the message of `side` that was begun last, and how much of its body is to come.
    pub(super) fn expected(&self, side: Side) -> Option<(u16, u64)> {
        let number = self.newest[side as usize]?;
        let content = self.by_number.get(&number)?.contents[side as usize].as_ref()?;
        content.left.map(|left| (number, left))
    }

    /// Forgets what `side` was in the middle of, and what was counted of it.
    pub(super) fn lose(&mut self, side: Side) {
        for channel in self.by_number.values_mut() {
            channel.contents[side as usize] = None;
            if side == Side::Client {
                channel.next = None;
            }
        }
    }

    /// Roughly how many bytes of memory they take.
    pub(super) fn bytes(&self) -> usize {
        let messages = |channel: &Channel| channel.contents.iter().flatten().count();
        self.by_number
            .values()
            .map(|channel| size_of::<Channel>() + 64 + 512 * messages(channel))
            .sum()
    }
}
