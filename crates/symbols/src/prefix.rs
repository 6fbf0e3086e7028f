//! Ranges of addresses as the kernel's tables want them: cut into aligned powers of two.

use std::ops::Range;

/// The pieces of a range, each with the number of leading bits that all of its addresses share.
pub(crate) fn pieces(range: Range<u64>) -> impl Iterator<Item = (u64, u32)> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let left = range.end.checked_sub(at).filter(|&left| left > 0)?;
        let aligned = if at == 0 { 63 } else { at.trailing_zeros() };
        let bits = aligned.min(left.ilog2());
        let piece = (at, 64 - bits);
        // A range that ends with the last address of all has no address behind it.
        at = at.checked_add(1 << bits).unwrap_or(range.end);
        Some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_aligned_and_cover_the_range() {
        for range in
            [0x1000..0x2000, 0x5000..0x19000, 0x7f12_3456_7000..0x7f12_39ab_c000, 0..1, 5..5]
        {
            let mut at = range.start;
            for (start, bits) in pieces(range.clone()) {
                let size = 1u64 << (64 - bits);
                assert_eq!(start, at);
                assert_eq!(start % size, 0);
                at += size;
            }
            assert_eq!(at, range.end);
        }
        assert_eq!(pieces(0x1000..0x2000).collect::<Vec<_>>(), [(0x1000, 52)]);
        assert_eq!(pieces(0x5000..0x19000).count(), 5);
    }
}
