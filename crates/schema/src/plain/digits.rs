//! Numbers as text, straight into the output: `write!` costs several times as much.

/// Appends `value` in decimal.
#[inline]
pub fn uint(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends `value` in decimal, with its sign.
#[inline]
pub fn int(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    uint(out, value.unsigned_abs());
}

/// Appends `value` in hexadecimal, with zeros before it up to `width` digits.
#[inline]
pub fn hex(out: &mut Vec<u8>, value: u64, width: usize) {
    let digits = 16 - (value | 1).leading_zeros() as usize / 4;
    for at in (0..digits.max(width)).rev() {
        out.push(b"0123456789abcdef"[(value >> (4 * at) & 15) as usize]);
    }
}

/// The last `N` decimal digits of `value`, with leading zeros.
#[inline]
pub fn padded<const N: usize>(mut value: u64) -> [u8; N] {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit += (value % 10) as u8;
        value /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_the_standard_library_writes_them() {
        for value in [0, 1, -1, 9, 10, -10, 12345, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            int(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
        let mut out = Vec::new();
        uint(&mut out, u64::MAX);
        assert_eq!(out, u64::MAX.to_string().into_bytes());
        assert_eq!(&padded::<4>(42), b"0042");
        for value in [0, 1, 0xf, 0x10, 0xabc_def0, u64::MAX] {
            let mut out = Vec::new();
            hex(&mut out, value, 1);
            hex(&mut out, value, 8);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{value:x}{value:08x}"));
        }
    }
}
