//! Byte strings as JSON strings, and as plain text.

use std::borrow::Cow;
use std::io::Write;

/// Appends `bytes` as a JSON string with its quotes.
///
/// Text stays text: a reader gets back a newline as a newline. A byte that is not UTF-8 becomes
/// the four letters `\xNN`, as everywhere in Fathom.
#[inline]
pub(crate) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    inside(out, bytes);
    out.push(b'"');
}

#[inline]
fn inside(out: &mut Vec<u8>, bytes: &[u8]) {
    // No early exit: without one the compiler looks at many bytes at a time.
    let odd = bytes.iter().fold(false, |odd, &byte| odd | is_odd(byte));
    if odd { chunk_by_chunk(out, bytes) } else { out.extend_from_slice(bytes) }
}

/// Whether the byte cannot stand in a JSON string as it is, or cannot be judged alone.
#[inline]
fn is_odd(byte: u8) -> bool {
    !(0x20..0x80).contains(&byte) | (byte == b'"') | (byte == b'\\')
}

#[cold]
fn chunk_by_chunk(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for &byte in chunk.valid().as_bytes() {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                ..0x20 => hex(out, "\\u00", byte),
                _ => out.push(byte),
            }
        }
        for &byte in chunk.invalid() {
            hex(out, "\\\\x", byte);
        }
    }
}

/// `bytes` as text. A byte that is not UTF-8 becomes the four letters `\xNN`.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    Cow::Owned(text)
}

fn hex(out: &mut Vec<u8>, before: &str, byte: u8) {
    write!(out, "{before}{byte:02x}").expect("a vector takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_back(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        string(&mut out, bytes);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn text_reads_back_and_other_bytes_are_named() {
        assert_eq!(read_back(b"/etc/hosts"), "/etc/hosts");
        assert_eq!(
            read_back("naïve \"\\\u{1}\n\u{7f}\u{1f980}".as_bytes()),
            "naïve \"\\\u{1}\n\u{7f}\u{1f980}"
        );
        assert_eq!(read_back(b"a\xffb\xe2\x82"), "a\\xffb\\xe2\\x82");
        assert_eq!(read_back(b""), "");
    }

    #[test]
    fn plain_text_names_other_bytes() {
        assert_eq!(text("naïve\n".as_bytes()), "naïve\n");
        assert_eq!(text(b"a\xffb\xe2\x82"), "a\\xffb\\xe2\\x82");
    }

    proptest::proptest! {
        #[test]
        fn every_text_reads_back(text: String) {
            assert_eq!(read_back(text.as_bytes()), text);
        }

        #[test]
        fn every_byte_string_is_json(bytes: Vec<u8>) {
            read_back(&bytes);
        }
    }
}
