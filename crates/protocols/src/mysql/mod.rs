//! The protocol of MySQL and MariaDB: login, text and prepared statements, several results,
//! LOAD DATA LOCAL, and what comes before TLS.
//!
//! A request is a command. Its answer is described by itself: where a result's columns and its rows end
//! is told without knowing what was agreed at the login, so connections may be taken up in the
//! middle. Prepared statements are resolved to their text where it was seen.

mod client;
mod conversation;
mod message;
mod packet;
mod probe;
mod row;
mod server;
#[cfg(test)]
mod tests;

pub use message::{Kind, Message, Request, Response};
pub use row::MysqlRequest;

use schema::Event;

use crate::{Protocol, Side, Signature, Transport};

/// MySQL, MariaDB and what speaks like them.
pub static MYSQL: Protocol = Protocol {
    name: "mysql",
    transports: &[Transport::Stream],
    ports: &[3306, 3307, 4000, 6033],
    signatures: &[
        // The first packet's number, and the command.
        Signature::at(Side::Client, 3, &[0, command::QUERY]),
        Signature::at(Side::Client, 3, &[0, command::PREPARE]),
        Signature::at(Side::Client, 3, &[0, command::EXECUTE]),
        Signature::at(Side::Client, 3, &[0, command::BULK_EXECUTE]),
        Signature::at(Side::Client, 3, &[0, command::CLOSE]),
        Signature::at(Side::Client, 3, &[0, command::RESET]),
        Signature::at(Side::Client, 3, &[0, command::FETCH]),
        Signature::at(Side::Client, 3, &[0, command::LONG_DATA]),
        Signature::at(Side::Client, 3, &[0, command::INIT_DB]),
        Signature::at(Side::Client, 3, &[0, command::PING]),
        Signature::at(Side::Client, 3, &[0, command::QUIT]),
        Signature::at(Side::Client, 3, &[0, command::FIELD_LIST]),
        Signature::at(Side::Client, 3, &[0, command::CHANGE_USER]),
        Signature::at(Side::Client, 3, &[0, command::RESET_CONNECTION]),
        Signature::at(Side::Client, 3, &[0, command::STATISTICS]),
        Signature::at(Side::Client, 3, &[0, command::SET_OPTION]),
        // A login's filler. It has its place behind a head, or in a call of its own.
        Signature::at(Side::Client, 14, &[0; 8]),
        // Servers read a packet's head and its body with a call each.
        Signature::at(Side::Client, 3, &[0; 5]),
        Signature::begins(Side::Client, &[command::QUERY]),
        Signature::begins(Side::Client, &[command::PREPARE]),
        Signature::begins(Side::Client, &[command::EXECUTE]),
        // The greeting, and answers; logins have them with numbers up to 7.
        Signature { side: Side::Server, offset: 3, mask: 0xf8, value: 0 },
    ],
    frames: None,
    probe: |side, bytes, _| match side {
        Side::Client => probe::client(bytes),
        Side::Server => probe::server(bytes),
    },
    converse: |setting| Box::new(conversation::MySql::new(setting)),
    summary: message::summary,
    tables: &[MysqlRequest::TABLE],
    write: row::write,
};

/// What a side says at the login that it can do: speaks as everybody does since 4.1.
const PROTOCOL_41: u32 = 1 << 9;
/// Wants to speak TLS.
const TLS: u32 = 1 << 11;
/// Names a database at the login.
const WITH_DATABASE: u32 = 1 << 3;
/// Compresses all that comes behind the login, with zlib or with zstd.
const COMPRESSED: u32 = 1 << 5 | 1 << 26;
/// Proves who it is with bytes behind their length, of one byte or as numbers are.
const SECURE: u32 = 1 << 15;
const COUNTED_PROOF: u32 = 1 << 21;
/// May leave the definitions of columns out (MySQL).
const NO_DEFINITIONS: u32 = 1 << 25;
/// Ends columns with nothing, and rows with an OK.
const NO_EOF: u32 = 1 << 24;

/// The first byte of a command.
mod command {
    pub(super) const QUIT: u8 = 0x01;
    pub(super) const INIT_DB: u8 = 0x02;
    pub(super) const QUERY: u8 = 0x03;
    pub(super) const FIELD_LIST: u8 = 0x04;
    pub(super) const STATISTICS: u8 = 0x09;
    pub(super) const PING: u8 = 0x0e;
    pub(super) const CHANGE_USER: u8 = 0x11;
    pub(super) const BINLOG: u8 = 0x12;
    pub(super) const BINLOG_GTID: u8 = 0x1e;
    pub(super) const PREPARE: u8 = 0x16;
    pub(super) const EXECUTE: u8 = 0x17;
    pub(super) const LONG_DATA: u8 = 0x18;
    pub(super) const CLOSE: u8 = 0x19;
    pub(super) const RESET: u8 = 0x1a;
    pub(super) const SET_OPTION: u8 = 0x1b;
    pub(super) const FETCH: u8 = 0x1c;
    pub(super) const RESET_CONNECTION: u8 = 0x1f;
    pub(super) const BULK_EXECUTE: u8 = 0xfa;
}
