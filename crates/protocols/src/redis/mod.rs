//! Redis: RESP2 and RESP3, inline commands, pipelines, publish and subscribe.
//!
//! Values are measured, not kept: of a command its name and its key with ids folded, of a reply what
//! kind it is and what an error says.

mod conversation;
mod message;
mod row;
#[cfg(test)]
mod tests;
mod value;

pub use message::{Command, Message, Reply};
pub use row::RedisRequest;

use schema::Event;

use crate::{Protocol, Side, Signature, Transport, Verdict};

/// Redis and what speaks like it.
pub static REDIS: Protocol = Protocol {
    name: "redis",
    transports: &[Transport::Stream],
    ports: &[6379, 6380, 16379, 26379],
    signatures: &[
        Signature::begins(Side::Client, b"*"),
        Signature::begins(Side::Client, b"PING"),
        Signature::begins(Side::Server, b"+"),
        Signature::begins(Side::Server, b"-"),
        Signature::begins(Side::Server, b":"),
        Signature::begins(Side::Server, b"$"),
        Signature::begins(Side::Server, b"*"),
        Signature::begins(Side::Server, b"%"),
        Signature::begins(Side::Server, b">"),
        Signature::begins(Side::Server, b"_"),
        Signature::begins(Side::Server, b"~"),
        Signature::begins(Side::Server, b"#"),
        Signature::begins(Side::Server, b","),
        Signature::begins(Side::Server, b"("),
        Signature::begins(Side::Server, b"="),
        Signature::begins(Side::Server, b"!"),
        Signature::begins(Side::Server, b"|"),
    ],
    frames: None,
    probe,
    converse: |setting| Box::new(conversation::Redis::new(setting)),
    summary: message::summary,
    tables: &[RedisRequest::TABLE],
    write: row::write,
};

/// A client sends an array of strings, the first of them a word. A server's first line says little,
/// but has to be sound.
fn probe(side: Side, bytes: &[u8], _: Transport) -> Verdict {
    match side {
        Side::Client => value::command_begins(bytes),
        Side::Server => match value::line(bytes) {
            Some((line, _)) if value::is_head(line) => Verdict::Likely,
            None if bytes.len() < 512 && value::may_begin(bytes) => Verdict::More,
            _ => Verdict::Unlikely,
        },
    }
}
