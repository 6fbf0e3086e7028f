//! What the kernel side is told: what is worth copying.

use anyhow::{Context, Result, ensure};
use kernel::Kernel;
use zerocopy::{FromZeros, IntoBytes};

use crate::STREAM;
use crate::record::{
    StreamFramesRecord, StreamSignatureRecord, StreamSignaturesRecord, VERDICT_FRAMED,
    VERDICT_NONE, VERDICT_PASS, VERDICT_READ,
};

/// Eight bytes that the first bytes of a call are compared with: `load(offset) & mask == value`, as
/// the bytes lie in memory, read as little endian. What is behind a short call is zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature {
    /// Where the eight bytes begin; less than 64.
    pub offset: u8,
    /// Which bits count.
    pub mask: u64,
    /// What they have to be.
    pub value: u64,
    /// If not 0: a connection that begins with them goes in frames, the first so many bytes behind the
    /// beginning, and is read as [`Verdict::Framed`] until it is judged.
    pub framed: u32,
}

/// How frames look: three bytes of length, big endian, of what is behind the front; what kind they are;
/// five bytes more. Their kinds are numbers below 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Frames {
    /// Bits that are never set in the first eight bytes, as they lie in memory, read as little endian.
    pub never: u64,
    /// Which kinds there are, a bit each.
    pub kinds: u32,
    /// Of which kinds all is copied.
    pub copied: u32,
    /// How many bytes are copied of others, behind their front.
    pub first: u32,
}

/// What is copied.
#[derive(Debug, Clone)]
pub struct Settings {
    /// First bytes of calls that are worth more than a glance. At most 256, and at most 48 that begin
    /// with the same byte or with any.
    pub signatures: Vec<Signature>,
    /// What connections look like that go in frames.
    pub frames: Frames,
    /// How many bytes of a message; at most 8192.
    pub message_bytes: u32,
    /// How many bytes of a connection in a second.
    pub second_bytes: u32,
    /// Whether anything is attached to a library of TLS.
    pub reads_tls: bool,
}

/// What is thought of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet.
    None,
    /// What is spoken is known: each message is copied as far as the settings allow.
    Read,
    /// The same, and it goes in frames: those are copied that matter, wherever in a call they stand.
    Framed,
    /// It is not read: sizes are told, now and then.
    Pass,
}

/// Signatures that may begin with the same byte: as many as the kernel side compares.
const ALIKE: usize = 48;

/// Tells the kernel side what to copy.
pub fn tell(kernel: &Kernel, settings: &Settings) -> Result<()> {
    let map = kernel.signal_map(STREAM.name, "stream_signatures").context("no such table")?;
    map.set(&0u32.to_ne_bytes(), table(settings)?.as_bytes())
}

/// Whether the kernel side can take these settings; the error says what does not fit.
pub fn check(settings: &Settings) -> Result<()> {
    table(settings).map(drop)
}

/// Tells the kernel side what is thought of the connection of `socket`, or of what is said inside its
/// TLS. Another whose name has the
/// same hash takes its place in the table: it is read or not as if nothing had been said.
pub fn judge(kernel: &Kernel, socket: u64, tls: bool, verdict: Verdict) -> Result<()> {
    let map = kernel.signal_map(STREAM.name, "stream_verdicts").context("no such table")?;
    let socket = if tls { !socket } else { socket };
    let hash = (socket.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32;
    let verdict = match verdict {
        Verdict::None => VERDICT_NONE,
        Verdict::Read => VERDICT_READ,
        Verdict::Framed => VERDICT_FRAMED,
        Verdict::Pass => VERDICT_PASS,
    };
    map.set(&(hash & 0xffff).to_ne_bytes(), &(hash >> 16 << 16 | verdict).to_ne_bytes())
}

/// The signatures as the kernel side has them: by the first byte, where that is given.
fn table(settings: &Settings) -> Result<Box<StreamSignaturesRecord>> {
    let mut record = Box::new(StreamSignaturesRecord::new_zeroed());
    let first = |it: &Signature| {
        let given = it.offset == 0 && it.mask & 0xff == 0xff;
        given.then_some((it.value & 0xff) as usize)
    };
    let mut sorted = settings.signatures.clone();
    // Those for any first byte come last.
    sorted.sort_by_key(|it| (first(it).unwrap_or(256), it.offset, it.value));
    ensure!(sorted.len() <= record.signature.len(), "more than 256 signatures");
    for (number, signature) in sorted.iter().enumerate() {
        let Signature { offset, mask, value, framed } = *signature;
        ensure!(offset < 64, "a signature beyond the first 64 bytes");
        let offset = u32::from(offset);
        record.signature[number] = StreamSignatureRecord { mask, value, offset, framed };
        let (begin, count) = match first(signature) {
            Some(byte) => (&mut record.begins[byte], &mut record.count[byte]),
            None => (&mut record.others, &mut record.other_count),
        };
        if *count == 0 {
            *begin = number as u16;
        }
        *count += 1;
        ensure!(usize::from(*count) <= ALIKE, "more than {ALIKE} signatures that begin alike");
    }
    let Frames { never, kinds, copied, first } = settings.frames;
    record.frames = StreamFramesRecord { never, kinds, copied, first, spare: 0 };
    record.message_bytes = settings.message_bytes;
    record.second_bytes = settings.second_bytes;
    record.reads_tls = settings.reads_tls.into();
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(text: &[u8], offset: u8) -> Signature {
        let mut mask = 0;
        let mut value = 0;
        for (at, byte) in text.iter().enumerate() {
            mask |= 0xff << (8 * at);
            value |= u64::from(*byte) << (8 * at);
        }
        Signature { offset, mask, value, framed: 0 }
    }

    fn settings(signatures: Vec<Signature>) -> Settings {
        let frames = Frames::default();
        Settings {
            signatures,
            frames,
            message_bytes: 4096,
            second_bytes: 1 << 20,
            reads_tls: false,
        }
    }

    #[test]
    fn those_that_begin_alike_stand_together() {
        let all = vec![signature(b"PUT", 0), signature(b"\0\x03", 4), signature(b"GET", 0)];
        let all = [all, vec![signature(b"PATCH", 0)]].concat();
        let table = table(&settings(all)).expect("they fit");
        let (begin, count) = (table.begins[usize::from(b'P')], table.count[usize::from(b'P')]);
        assert_eq!((begin, count), (1, 2));
        assert_eq!((table.others, table.other_count), (3, 1));
        assert_eq!(table.signature[0].value & 0xff, u64::from(b'G'));
        assert_eq!(table.signature[3].offset, 4);
        assert_eq!(table.count.iter().sum::<u16>(), 3);
    }

    #[test]
    fn too_many_are_refused() {
        let alike = (0..=ALIKE as u8).map(|it| signature(&[b'x', it], 0)).collect();
        assert!(table(&settings(alike)).is_err());
        let far = vec![signature(b"x", 64)];
        assert!(table(&settings(far)).is_err());
    }
}
