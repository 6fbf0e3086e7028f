//! The trace that a request says it belongs to.

/// A trace's and a span's number, as `traceparent` and B3 headers carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trace {
    /// The trace, never zero. B3's short form has its upper half zero.
    pub trace_id: [u8; 16],
    /// The caller's span; zero where it was not said.
    pub span_id: [u8; 8],
    /// Whether the caller records it; `None` where it was not said.
    pub sampled: Option<bool>,
}

impl Trace {
    /// Reads a W3C `traceparent`: `00-<32 hex>-<16 hex>-<2 hex>`. Later versions may have more behind.
    pub fn from_traceparent(value: &[u8]) -> Option<Trace> {
        let mut words = value.trim_ascii().split(|&byte| byte == b'-');
        let [version] = hex(words.next()?)?;
        if version == 0xff {
            return None;
        }
        let trace_id = hex(words.next()?)?;
        let span_id = hex(words.next()?)?;
        let [flags]: [u8; 1] = hex(words.next()?)?;
        let more = words.next().is_some();
        let valid = trace_id != [0; 16] && span_id != [0; 8] && !(version == 0 && more);
        valid.then_some(Trace { trace_id, span_id, sampled: Some(flags & 1 == 1) })
    }

    /// Reads a single B3 header: `<trace>-<span>[-<sampled>[-<parent>]]`.
    pub fn from_b3(value: &[u8]) -> Option<Trace> {
        let mut words = value.trim_ascii().split(|&byte| byte == b'-');
        let trace_id = trace_id(words.next()?)?;
        let span_id = hex(words.next()?)?;
        Some(Trace { trace_id, span_id, sampled: words.next().and_then(sampled) })
    }

    /// Puts together the `x-b3-traceid`, `x-b3-spanid` and `x-b3-sampled` headers.
    pub fn from_b3_parts(trace: &[u8], span: Option<&[u8]>, flag: Option<&[u8]>) -> Option<Trace> {
        let trace_id = trace_id(trace.trim_ascii())?;
        let span_id = span.and_then(|span| hex(span.trim_ascii())).unwrap_or_default();
        Some(Trace { trace_id, span_id, sampled: flag.and_then(|flag| sampled(flag.trim_ascii())) })
    }
}

impl Trace {
    /// The trace's number in hex.
    pub fn trace(&self) -> String {
        in_hex(&self.trace_id)
    }

    /// The caller's span in hex; `None` where it was not said.
    pub fn span(&self) -> Option<String> {
        (self.span_id != [0; 8]).then(|| in_hex(&self.span_id))
    }
}

fn in_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn trace_id(word: &[u8]) -> Option<[u8; 16]> {
    let id = match word.len() {
        16 => {
            let mut id = [0; 16];
            id[8..].copy_from_slice(&hex::<8>(word)?);
            id
        }
        _ => hex(word)?,
    };
    (id != [0; 16]).then_some(id)
}

fn sampled(word: &[u8]) -> Option<bool> {
    match word {
        b"1" | b"d" | b"true" => Some(true),
        b"0" | b"false" => Some(false),
        _ => None,
    }
}

fn hex<const N: usize>(word: &[u8]) -> Option<[u8; N]> {
    if word.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(word.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        *byte = (digit(0)? * 16 + digit(1)?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent() {
        let said = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::from_traceparent(said).unwrap();
        assert_eq!(trace.trace(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((trace.span_id[7], trace.sampled), (0xb7, Some(true)));
        for bad in [
            &b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"[..],
            b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            b"00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            b"",
        ] {
            assert_eq!(Trace::from_traceparent(bad), None);
        }
    }

    #[test]
    fn b3() {
        let one = Trace::from_b3(b"80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1").unwrap();
        assert_eq!(one.sampled, Some(true));
        let short =
            Trace::from_b3_parts(b"a3ce929d0e0e4736", Some(b"00f067aa0ba902b7"), Some(b"0"));
        let short = short.unwrap();
        assert_eq!((short.trace_id[0], short.trace_id[8], short.sampled), (0, 0xa3, Some(false)));
        assert_eq!(Trace::from_b3(b"0"), None);
    }
}
