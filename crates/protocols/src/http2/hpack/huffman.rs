//! The Huffman code of strings (RFC 7541, appendix B).
//!
//! The code is canonical: codes of one length follow each other in the order of their symbols, and
//! each length goes on where the one before ended. So the lengths say all.

/// A string that is no Huffman code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoCode;

/// Appends what `coded` stands for to `out`.
///
/// Of a string that was cut, `whole` is false: what it ends with does not have to be padding.
pub(super) fn decode(coded: &[u8], whole: bool, out: &mut Vec<u8>) -> Result<(), NoCode> {
    let (mut held, mut count) = (0_u64, 0_u32);
    let mut rest = coded.iter();
    loop {
        while count <= 56
            && let Some(byte) = rest.next()
        {
            held |= u64::from(*byte) << (56 - count);
            count += 8;
        }
        let window = (held >> 32) as u32;
        let length = CODE.limits.iter().take_while(|limit| window >= **limit).count() as u32;
        let length = length + SHORTEST;
        if length > count {
            break;
        }
        let row = (length - SHORTEST) as usize;
        let at = (window >> (32 - length)) - CODE.first[row] + u32::from(CODE.start[row]);
        match CODE.symbols.get(at as usize) {
            Some(&END) | None => return Err(NoCode),
            Some(symbol) => out.push(*symbol as u8),
        }
        held <<= length;
        count -= length;
    }
    // What is left has to be the beginning of the longest code, which is all ones.
    let padding = count < 8 && held >> (64 - count.max(1)) == (1 << count.max(1)) - 1;
    if count == 0 || padding || !whole { Ok(()) } else { Err(NoCode) }
}

/// The symbol that ends a string, and never stands in one.
const END: u16 = 256;
const SHORTEST: u32 = 5;
const LONGEST: usize = 30;
const ROWS: usize = LONGEST - SHORTEST as usize + 1;

/// How many bits each symbol's code has.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// The code, by length.
struct Code {
    /// The first code of each length.
    first: [u32; ROWS],
    /// Where the symbols of each length begin in `symbols`.
    start: [u16; ROWS],
    /// All codes of each length, as the upper bits of 32, are below this; the last has none.
    limits: [u32; ROWS - 1],
    /// All symbols by length.
    symbols: [u16; 257],
}

static CODE: Code = code();

const fn code() -> Code {
    let mut code =
        Code { first: [0; ROWS], start: [0; ROWS], limits: [0; ROWS - 1], symbols: [0; 257] };
    let (mut next, mut count, mut row) = (0_u32, 0, 0);
    while row < ROWS {
        let length = row + SHORTEST as usize;
        code.first[row] = next;
        code.start[row] = count as u16;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                code.symbols[count] = symbol as u16;
                count += 1;
                next += 1;
            }
            symbol += 1;
        }
        if row < ROWS - 1 {
            code.limits[row] = next << (32 - length);
        }
        next <<= 1;
        row += 1;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(hex: &str) -> Result<String, NoCode> {
        let bytes = super::super::tests::hex(hex);
        let mut out = Vec::new();
        decode(&bytes, true, &mut out).map(|()| String::from_utf8(out).unwrap())
    }

    /// The examples of RFC 7541, appendix C.
    #[test]
    fn examples() {
        for (hex, text) in [
            ("", ""),
            ("f1e3c2e5f23a6ba0ab90f4ff", "www.example.com"),
            ("a8eb10649cbf", "no-cache"),
            ("25a849e95bb8e8b4bf", "custom-value"),
            ("6402", "302"),
            ("d07abe941054d444a8200595040b8166e082a62d1bff", "Mon, 21 Oct 2013 20:13:21 GMT"),
            (
                "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
        ] {
            assert_eq!(decoded(hex).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_no_code() {
        // The end's own symbol, padding that is too long, padding that is not ones.
        for hex in ["fffffffc", "ffffffff", "a8eb10649cbfff", "a8eb10649cb0"] {
            assert_eq!(decoded(hex), Err(NoCode), "{hex}");
        }
    }

    #[test]
    fn a_cut_string_is_what_is_there() {
        let bytes = super::super::tests::hex("f1e3c2e5f23a6b");
        let mut out = Vec::new();
        assert_eq!(decode(&bytes, false, &mut out), Ok(()));
        assert_eq!(out, b"www.examp");
    }

    /// The code fills all there is: the last one is thirty ones.
    #[test]
    fn the_code_is_whole() {
        let last = ROWS - 1;
        let count = 257 - u32::from(CODE.start[last]);
        assert_eq!(CODE.first[last] + count, 1 << LONGEST);
        assert_eq!(CODE.symbols[256], END);
    }
}
