//! What stands behind a message's head, as far as it is there.

use std::fmt::Write;
use std::sync::Arc;

use super::frame::{self, Head};
use super::message::{Kind, Request, Response};
use super::statements::{Statement, Statements};
use crate::message::text;
use crate::normal::{Dialect, sql};
use crate::prefix::Prefix;
use crate::{Policy, redact};

/// So much of a message is waited for and read, in bytes.
pub(super) const WANTED: usize = 4096;

/// The longest text of a statement without literals, in bytes.
const LONGEST: usize = 2048;

/// How deep types may stand in types.
const DEEPEST: usize = 8;

/// Reads a request; whether all that is kept of it was there.
pub(super) fn request(
    head: &Head,
    body: &[u8],
    policy: &Policy,
    statements: &mut Statements,
) -> (Request, bool) {
    let kind = match head.opcode {
        frame::OPTIONS => Kind::Options,
        frame::STARTUP => Kind::Startup,
        frame::QUERY => Kind::Query,
        frame::PREPARE => Kind::Prepare,
        frame::EXECUTE => Kind::Execute,
        frame::BATCH => Kind::Batch,
        frame::REGISTER => Kind::Register,
        _ => Kind::Auth,
    };
    let mut request = Request::new(kind);
    let all = head.flags & frame::COMPRESSED != 0
        || fill(&mut request, head, Prefix::new(body), policy, statements).is_some();
    // What is longer than is ever read is not cut.
    request.cut &= body.len() < WANTED;
    (request, all)
}

fn fill(
    request: &mut Request,
    head: &Head,
    mut body: Prefix,
    policy: &Policy,
    statements: &mut Statements,
) -> Option<()> {
    if head.flags & frame::PAYLOAD != 0 {
        payload(&mut body)?;
    }
    match request.kind {
        Kind::Startup => {
            for _ in 0..body.be16()? {
                let (name, _) = (short(&mut body)?, short(&mut body)?);
                request.compresses |= name == b"COMPRESSION";
            }
        }
        Kind::Query | Kind::Prepare => {
            request.statements = 1;
            said(request, &mut body, policy)?;
        }
        Kind::Execute => {
            request.statements = 1;
            prepared(request, short(&mut body)?, statements);
        }
        Kind::Batch => {
            body.skip(1)?;
            request.statements = body.be16()?;
            match body.u8()? {
                0 => said(request, &mut body, policy)?,
                _ => prepared(request, short(&mut body)?, statements),
            }
        }
        Kind::Options | Kind::Auth | Kind::Register => {}
    }
    // What is prepared under a text that was cut is known no better.
    (!request.cut).then_some(())
}

/// A statement's text; what is there of it.
fn said(request: &mut Request, body: &mut Prefix, policy: &Policy) -> Option<()> {
    let length = body.be32()? as usize;
    let bytes = body.rest();
    let bytes = &bytes[..length.min(bytes.len())];
    let said = text(bytes, WANTED);
    request.cut = bytes.len() < length;
    request.sql = Some(Arc::new(sql(&said, Dialect::Standard, LONGEST)));
    request.text = policy.literals.then(|| Arc::from(&*redact::text(&said)));
    Some(())
}

fn prepared(request: &mut Request, id: &[u8], statements: &mut Statements) {
    request.id = hex(id);
    if let Some(Statement { sql, text, cut }) = statements.get(id) {
        (request.sql, request.text, request.cut) = (Some(sql), text, cut);
    }
}

/// Reads a response to `request`; whether all that is kept of it was there.
pub(super) fn response(
    head: &Head,
    body: &[u8],
    request: Option<&Request>,
    statements: &mut Statements,
) -> (Response, bool) {
    let kind = match head.opcode {
        frame::ERROR => "ERROR",
        frame::READY => "READY",
        frame::AUTHENTICATE => "AUTHENTICATE",
        frame::SUPPORTED => "SUPPORTED",
        frame::EVENT => "EVENT",
        frame::AUTH_CHALLENGE => "AUTH_CHALLENGE",
        frame::AUTH_SUCCESS => "AUTH_SUCCESS",
        _ => "RESULT",
    };
    let mut response = Response { kind, ..Response::default() };
    let all = head.flags & frame::COMPRESSED != 0
        || answer(&mut response, head, Prefix::new(body), request, statements).is_some();
    (response, all)
}

fn answer(
    response: &mut Response,
    head: &Head,
    mut body: Prefix,
    request: Option<&Request>,
    statements: &mut Statements,
) -> Option<()> {
    if head.flags & frame::TRACED != 0 {
        body.skip(16)?;
    }
    if head.flags & frame::WARNED != 0 {
        for _ in 0..body.be16()? {
            short(&mut body)?;
        }
    }
    if head.flags & frame::PAYLOAD != 0 {
        payload(&mut body)?;
    }
    match head.opcode {
        frame::ERROR => {
            let code = body.be32()?;
            response.code = Some(code);
            let length = usize::from(body.be16()?);
            let said = body.rest();
            let said = text(&said[..length.min(said.len())], 512);
            response.error = redact::text(&without_values(&said, code)).into_owned();
        }
        frame::EVENT => {
            let kind = text(short(&mut body)?, 32);
            let what = text(short(&mut body)?, 32);
            response.event = Some((kind, what));
        }
        frame::RESULT => match body.be32()? {
            1 => response.kind = "VOID",
            2 => {
                response.kind = "ROWS";
                // What columns there are may be long; not to know how many rows there are is no loss.
                response.rows = rows(&mut body);
            }
            3 => response.kind = "SET_KEYSPACE",
            4 => {
                response.kind = "PREPARED";
                let id = short(&mut body)?;
                if let Some(Request { kind: Kind::Prepare, sql: Some(sql), text, cut, .. }) =
                    request
                {
                    let (sql, text) = (sql.clone(), text.clone());
                    statements.keep(id, Statement { sql, text, cut: *cut });
                }
            }
            _ => response.kind = "SCHEMA_CHANGE",
        },
        _ => {}
    }
    Some(())
}

/// How many rows there are: the number stands behind the names and types of the columns.
fn rows(body: &mut Prefix) -> Option<u32> {
    let (flags, columns) = (body.be32()?, body.be32()?);
    let [shared, pages, unnamed, changed] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
    if pages {
        bytes(body)?;
    }
    if changed {
        short(body)?;
    }
    if !unnamed {
        if shared {
            short(body)?;
            short(body)?;
        }
        for _ in 0..columns {
            if !shared {
                short(body)?;
                short(body)?;
            }
            short(body)?;
            kind(body, 0)?;
        }
    }
    body.be32()
}

/// Passes over the type of a column.
fn kind(body: &mut Prefix, depth: usize) -> Option<()> {
    if depth > DEEPEST {
        return None;
    }
    match body.be16()? {
        0 => short(body).map(|_| ()),
        0x20 | 0x22 => kind(body, depth + 1),
        0x21 => kind(body, depth + 1).and_then(|()| kind(body, depth + 1)),
        0x30 => {
            short(body)?;
            short(body)?;
            for _ in 0..body.be16()? {
                short(body)?;
                kind(body, depth + 1)?;
            }
            Some(())
        }
        0x31 => (0..body.be16()?).try_for_each(|_| kind(body, depth + 1)),
        _ => Some(()),
    }
}

fn payload(body: &mut Prefix) -> Option<()> {
    for _ in 0..body.be16()? {
        short(body)?;
        bytes(body)?;
    }
    Some(())
}

/// Text, or an id, behind a length of two bytes.
fn short<'a>(body: &mut Prefix<'a>) -> Option<&'a [u8]> {
    let length = body.be16()?;
    body.take(usize::from(length))
}

/// Bytes behind a length of four, which is negative for none.
fn bytes(body: &mut Prefix) -> Option<()> {
    let length = body.be32()? as i32;
    body.skip(u64::try_from(length).unwrap_or(0))
}

/// An error without the values that it repeats. Errors of syntax quote what was said.
fn without_values(said: &str, code: u32) -> String {
    if code == 0x2000 {
        return said.split(['\'', '"', '[', '(']).next().unwrap_or_default().trim_end().to_owned();
    }
    let mut kept = String::with_capacity(said.len());
    for (at, part) in said.split('\'').enumerate() {
        match at % 2 {
            0 => kept.push_str(part),
            _ => {
                kept.push('\'');
                kept.push_str(redact::TAKEN_OUT);
                kept.push('\'');
            }
        }
    }
    kept
}

fn hex(id: &[u8]) -> String {
    id.iter().take(16).fold(String::with_capacity(32), |mut hex, byte| {
        // Writing into a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
