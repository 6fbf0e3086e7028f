//! A value as plain text: no quotes, no colour, nothing lost.
//!
//! CSV, SQL and rules show values so; whoever shows them otherwise (JSON, the live view) builds on
//! the same names and numbers.

mod clock;
pub mod digits;
pub mod words;

pub use clock::{Clock, rfc3339};

use std::io::Write;

use crate::{FlagNames, Kind, ProcessKey, Value};

/// Appends `value` as its kind says. Bytes that are not UTF-8 become `\xNN`; null is nothing.
#[inline]
pub fn write(out: &mut Vec<u8>, clock: &mut Clock, kind: Kind, value: Value<'_>) {
    match value {
        Value::Null => {}
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Text(bytes) if kind == Kind::Args => text(out, &shell(args(bytes))),
        Value::Text(bytes) => text(out, bytes),
        Value::Uint(value) => match kind {
            Kind::Flags(names) => set(out, names, value),
            Kind::Capabilities => set(out, words::CAPABILITIES, value),
            Kind::Mode => format(out, format_args!("0{value:03o}")),
            Kind::Device => device(out, value),
            _ => digits::uint(out, value),
        },
        Value::Int(value) => match kind {
            Kind::Time => clock.write(out, value),
            Kind::Errno => name(out, words::errno(value), "errno", value),
            Kind::Signal => name(out, words::signal(value), "signal", value),
            _ => digits::int(out, value),
        },
        Value::Ip(address) => format(out, format_args!("{address}")),
        Value::Process(key) => process(out, key),
    }
}

/// Arguments as a shell would take them, with quotes where they are needed.
pub fn shell<'a>(args: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut line = Vec::new();
    for (at, arg) in args.enumerate() {
        if at > 0 {
            line.push(b' ');
        }
        let simple = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte);
        if !arg.is_empty() && arg.iter().all(|byte| simple(byte) || *byte >= 0x80) {
            line.extend_from_slice(arg);
            continue;
        }
        line.push(b'\'');
        for &byte in arg {
            match byte {
                b'\'' => line.extend_from_slice(b"'\\''"),
                _ => line.push(byte),
            }
        }
        line.push(b'\'');
    }
    line
}

/// The strings of an argument vector. Each is ended by a NUL; where the vector was cut, the last
/// is not.
pub fn args(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let inner = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    inner.split(|&byte| byte == 0).filter(move |_| !bytes.is_empty())
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        for byte in chunk.invalid() {
            format(out, format_args!("\\x{byte:02x}"));
        }
    }
}

fn set(out: &mut Vec<u8>, names: FlagNames, bits: u64) {
    let start = out.len();
    let mut add = |text: &str| {
        if out.len() > start {
            out.push(b'|');
        }
        out.extend_from_slice(text.as_bytes());
    };
    let left = words::flags(names, bits, &mut add);
    if left != 0 {
        add(&format!("{left:#x}"));
    }
}

fn name(out: &mut Vec<u8>, name: Option<&str>, what: &str, number: i64) {
    match name {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => format(out, format_args!("{what} {number}")),
    }
}

fn device(out: &mut Vec<u8>, number: u64) {
    digits::uint(out, number >> 20);
    out.push(b':');
    digits::uint(out, number & 0xf_ffff);
}

/// As [`ProcessKey`] displays itself, several times as fast: every row has one.
fn process(out: &mut Vec<u8>, key: ProcessKey) {
    digits::hex(out, key.boot.into(), 8);
    out.push(b'-');
    digits::hex(out, key.start, 1);
    out.push(b'-');
    digits::uint(out, key.pid.into());
}

fn format(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: Kind, value: Value<'_>) -> String {
        let mut out = Vec::new();
        write(&mut out, &mut Clock::new(), kind, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn process_keys_are_written_as_they_display_themselves() {
        for key in [ProcessKey::default(), ProcessKey { start: u64::MAX, pid: 1, boot: 0xab }] {
            assert_eq!(written(Kind::Process, Value::Process(key)), key.to_string());
        }
    }

    #[test]
    fn arguments_could_be_pasted_into_a_shell() {
        let args = Value::Text(b"sh\0-c\0echo 'hi' $x\0\0\xff\0");
        assert_eq!(written(Kind::Args, args), "sh -c 'echo '\\''hi'\\'' $x' '' \\xff");
        assert_eq!(written(Kind::Args, Value::Text(b"")), "");
    }

    #[test]
    fn sets_permissions_and_devices_have_their_usual_form() {
        assert_eq!(written(Kind::Flags(&[(1, "A"), (2, "B")]), Value::Uint(7)), "A|B|0x4");
        assert_eq!(written(Kind::Mode, Value::Uint(0)), "0000");
        assert_eq!(written(Kind::Mode, Value::Uint(0o4755)), "04755");
        assert_eq!(written(Kind::Device, Value::Uint(259 << 20 | 3)), "259:3");
        assert_eq!(written(Kind::Signal, Value::Int(32)), "signal 32");
    }
}
