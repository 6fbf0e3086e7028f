//! Whom a certificate names.

use ring::digest;

/// The common name of the subject of a certificate (DER) that was verified; where it has none,
/// the beginning of the certificate's hash.
pub(crate) fn name(certificate: &[u8]) -> String {
    common_name(certificate).unwrap_or_else(|| {
        let hash = digest::digest(&digest::SHA256, certificate);
        let hex: String = hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("certificate {hex}")
    })
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
/// The version of a certificate, which the oldest do not have.
const VERSION: u8 = 0xa0;
/// Text whose bytes are UTF-8 or ASCII.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
/// 2.5.4.3
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
/// A longer name is cut.
const LETTERS: usize = 128;

fn common_name(certificate: &[u8]) -> Option<String> {
    let mut certificate = Der(certificate).value(SEQUENCE)?;
    let mut signed = certificate.value(SEQUENCE)?;
    if signed.0.first() == Some(&VERSION) {
        signed.next()?;
    }
    // The serial number, the algorithm, the issuer, the validity; then the subject.
    for _ in 0..4 {
        signed.next()?;
    }
    let mut subject = signed.value(SEQUENCE)?;
    while let Some(mut parts) = subject.value(SET) {
        while let Some(mut part) = parts.value(SEQUENCE) {
            if part.value(OBJECT)?.0 != COMMON_NAME {
                continue;
            }
            let (tag, text) = part.next()?;
            if !TEXTS.contains(&tag) {
                continue;
            }
            let text = String::from_utf8_lossy(text.0);
            let clean = text.chars().filter(|letter| !letter.is_control());
            return Some(clean.take(LETTERS).collect()).filter(|name: &String| !name.is_empty());
        }
    }
    None
}

/// Bytes in ASN.1's distinguished encoding, of which no length is believed.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next value with its tag.
    fn next(&mut self) -> Option<(u8, Der<'a>)> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length =
                    bytes.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
                (usize::try_from(length).ok()?, rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, Der(value)))
    }

    /// The next value, where it has this tag.
    fn value(&mut self, tag: u8) -> Option<Der<'a>> {
        let (found, value) = self.next()?;
        (found == tag).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let mut bytes = vec![tag];
        match u8::try_from(body.len()) {
            Ok(short @ 0..0x80) => bytes.push(short),
            _ => {
                bytes.push(0x82);
                bytes.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
            }
        }
        bytes.extend_from_slice(&body);
        bytes
    }

    fn certificate(subject: &[u8]) -> Vec<u8> {
        let (version, serial) = (der(VERSION, &[&der(2, &[&[2]])]), der(2, &[&[1]]));
        let empty = der(SEQUENCE, &[]);
        let signed = der(SEQUENCE, &[&version, &serial, &empty, &empty, &empty, subject]);
        der(SEQUENCE, &[&signed, &empty, &[0; 200]])
    }

    fn part(object: &[u8], text: &str) -> Vec<u8> {
        let pair = der(SEQUENCE, &[&der(OBJECT, &[object]), &der(0x0c, &[text.as_bytes()])]);
        der(SET, &[&pair])
    }

    #[test]
    fn the_common_name_is_found_among_others() {
        let organisation = part(&[0x55, 0x04, 0x0a], "Example");
        let subject = der(SEQUENCE, &[&organisation, &part(&COMMON_NAME, "gra\nfana")]);
        assert_eq!(name(&certificate(&subject)), "grafana");
    }

    #[test]
    fn without_a_name_it_is_the_hash() {
        let name = name(&certificate(&der(SEQUENCE, &[])));
        assert!(name.starts_with("certificate ") && name.len() == 28, "{name}");
    }

    #[test]
    fn no_damage_makes_it_panic() {
        let good = certificate(&der(SEQUENCE, &[&part(&COMMON_NAME, "grafana")]));
        for end in 0..good.len() {
            name(&good[..end]);
            for byte in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut bad = good.clone();
                bad[end] = byte;
                name(&bad);
            }
        }
    }
}
