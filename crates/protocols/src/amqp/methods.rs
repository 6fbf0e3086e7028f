//! The methods of AMQP 0-9-1, and those that RabbitMQ added.

use crate::Side;

/// A method: class and number, and what it is for.
#[derive(Debug)]
pub(super) struct Method {
    pub class: u16,
    pub id: u16,
    /// Its name with its class: `queue.declare`.
    pub name: &'static str,
    /// Who says it; `None` for both.
    pub by: Option<Side>,
    pub does: Does,
}

/// What a method is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Part of the beginning of a connection.
    Connect,
    /// Asks, and is answered by a method of its own.
    Asks(Names),
    /// Answers the method with this number of the same class.
    Answers(u16),
    /// Brings a message, or asks for nothing back.
    Content(Content),
    /// Says that there is no message.
    Empty,
    /// Says that a channel, or the connection, ends, and why.
    Closes,
    /// Says that messages arrived, or did not.
    Acks,
    /// Is said without being asked for or answered.
    Tells(Names),
}

/// A message's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Publish,
    Return,
    Deliver,
    Got,
}

/// What names stand at a method's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Names {
    /// Whether two bytes stand before them that say nothing.
    pub reserved: bool,
    /// How many there are; the first one is what it is about.
    pub count: u8,
    /// Which bit behind them says that no answer is wanted.
    pub silent: Option<u8>,
}

/// By class and number.
pub(super) fn method(class: u16, id: u16) -> Option<&'static Method> {
    METHODS.iter().find(|method| (method.class, method.id) == (class, id))
}

const fn client(class: u16, id: u16, name: &'static str, does: Does) -> Method {
    Method { class, id, name, by: Some(Side::Client), does }
}

const fn server(class: u16, id: u16, name: &'static str, does: Does) -> Method {
    Method { class, id, name, by: Some(Side::Server), does }
}

const fn both(class: u16, id: u16, name: &'static str, does: Does) -> Method {
    Method { class, id, name, by: None, does }
}

const fn answers(class: u16, id: u16, name: &'static str) -> Method {
    server(class, id, name, Does::Answers(id - 1))
}

/// Asks; names of `count` things, then bits.
const fn asks(count: u8, silent: Option<u8>) -> Does {
    Does::Asks(Names { reserved: true, count, silent })
}

/// Asks without naming anything.
const PLAIN: Does = Does::Asks(Names { reserved: false, count: 0, silent: None });

const TELLS: Does = Does::Tells(Names { reserved: false, count: 0, silent: None });

const fn named(silent: Option<u8>) -> Names {
    Names { reserved: false, count: 1, silent }
}

static METHODS: [Method; 64] = [
    server(10, 10, "connection.start", Does::Connect),
    client(10, 11, "connection.start-ok", Does::Connect),
    server(10, 20, "connection.secure", Does::Connect),
    client(10, 21, "connection.secure-ok", Does::Connect),
    server(10, 30, "connection.tune", Does::Connect),
    client(10, 31, "connection.tune-ok", Does::Connect),
    client(10, 40, "connection.open", Does::Connect),
    server(10, 41, "connection.open-ok", Does::Connect),
    both(10, 50, "connection.close", Does::Closes),
    both(10, 51, "connection.close-ok", Does::Answers(50)),
    server(10, 60, "connection.blocked", TELLS),
    server(10, 61, "connection.unblocked", TELLS),
    client(10, 70, "connection.update-secret", PLAIN),
    answers(10, 71, "connection.update-secret-ok"),
    client(20, 10, "channel.open", PLAIN),
    answers(20, 11, "channel.open-ok"),
    both(20, 20, "channel.flow", PLAIN),
    both(20, 21, "channel.flow-ok", Does::Answers(20)),
    both(20, 40, "channel.close", Does::Closes),
    both(20, 41, "channel.close-ok", Does::Answers(40)),
    client(40, 10, "exchange.declare", asks(2, Some(4))),
    answers(40, 11, "exchange.declare-ok"),
    client(40, 20, "exchange.delete", asks(1, Some(1))),
    answers(40, 21, "exchange.delete-ok"),
    client(40, 30, "exchange.bind", asks(3, Some(0))),
    answers(40, 31, "exchange.bind-ok"),
    client(40, 40, "exchange.unbind", asks(3, Some(0))),
    server(40, 51, "exchange.unbind-ok", Does::Answers(40)),
    client(50, 10, "queue.declare", asks(1, Some(4))),
    answers(50, 11, "queue.declare-ok"),
    client(50, 20, "queue.bind", asks(3, Some(0))),
    answers(50, 21, "queue.bind-ok"),
    client(50, 30, "queue.purge", asks(1, Some(0))),
    answers(50, 31, "queue.purge-ok"),
    client(50, 40, "queue.delete", asks(1, Some(2))),
    answers(50, 41, "queue.delete-ok"),
    client(50, 50, "queue.unbind", asks(3, None)),
    answers(50, 51, "queue.unbind-ok"),
    client(60, 10, "basic.qos", PLAIN),
    answers(60, 11, "basic.qos-ok"),
    client(60, 20, "basic.consume", asks(2, Some(3))),
    answers(60, 21, "basic.consume-ok"),
    both(60, 30, "basic.cancel", Does::Asks(named(Some(0)))),
    both(60, 31, "basic.cancel-ok", Does::Answers(30)),
    client(60, 40, "basic.publish", Does::Content(Content::Publish)),
    server(60, 50, "basic.return", Does::Content(Content::Return)),
    server(60, 60, "basic.deliver", Does::Content(Content::Deliver)),
    client(60, 70, "basic.get", asks(1, None)),
    server(60, 71, "basic.get-ok", Does::Content(Content::Got)),
    server(60, 72, "basic.get-empty", Does::Empty),
    both(60, 80, "basic.ack", Does::Acks),
    client(60, 90, "basic.reject", TELLS),
    client(60, 100, "basic.recover-async", TELLS),
    client(60, 110, "basic.recover", PLAIN),
    answers(60, 111, "basic.recover-ok"),
    both(60, 120, "basic.nack", Does::Acks),
    client(
        85,
        10,
        "confirm.select",
        Does::Asks(Names { silent: Some(0), count: 0, reserved: false }),
    ),
    answers(85, 11, "confirm.select-ok"),
    client(90, 10, "tx.select", PLAIN),
    answers(90, 11, "tx.select-ok"),
    client(90, 20, "tx.commit", PLAIN),
    answers(90, 21, "tx.commit-ok"),
    client(90, 30, "tx.rollback", PLAIN),
    answers(90, 31, "tx.rollback-ok"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_once_and_what_answers_answers_something() {
        for (at, one) in METHODS.iter().enumerate() {
            let same = |other: &Method| (other.class, other.id) == (one.class, one.id);
            assert!(!METHODS[..at].iter().any(same), "{}", one.name);
            if let Does::Answers(asked) = one.does {
                let asked = method(one.class, asked).unwrap();
                assert!(matches!(asked.does, Does::Asks(_) | Does::Closes), "{}", one.name);
            }
        }
    }
}
