//! Sorted addresses in few bytes.

/// Addresses in ascending order: four bytes for each where all lie within 4 GiB, else eight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Starts {
    Near { base: u64, offsets: Box<[u32]> },
    Far(Box<[u64]>),
}

impl Starts {
    /// From `sorted` addresses.
    pub(crate) fn new(
        sorted: impl ExactSizeIterator<Item = u64> + DoubleEndedIterator + Clone,
    ) -> Starts {
        let base = sorted.clone().next().unwrap_or(0);
        let last = sorted.clone().next_back().unwrap_or(base);
        if last - base <= u64::from(u32::MAX) {
            return Starts::Near {
                base,
                offsets: sorted.map(|start| (start - base) as u32).collect(),
            };
        }
        Starts::Far(sorted.collect())
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Starts::Near { offsets, .. } => offsets.len(),
            Starts::Far(starts) => starts.len(),
        }
    }

    /// The address at `place`, which is below [`Starts::len`].
    pub(crate) fn at(&self, place: usize) -> u64 {
        match self {
            Starts::Near { base, offsets } => base + u64::from(offsets[place]),
            Starts::Far(starts) => starts[place],
        }
    }

    /// The place of the last one that is not above `address`.
    pub(crate) fn find(&self, address: u64) -> Option<usize> {
        let above = match self {
            Starts::Near { base, offsets } => {
                let offset = address.checked_sub(*base)?;
                offsets.partition_point(|&start| u64::from(start) <= offset)
            }
            Starts::Far(starts) => starts.partition_point(|&start| start <= address),
        };
        above.checked_sub(1)
    }

    pub(crate) fn bytes(&self) -> usize {
        match self {
            Starts::Near { offsets, .. } => offsets.len() * 4,
            Starts::Far(starts) => starts.len() * 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far_find_the_same() {
        let near = [10, 20, 20 + u64::from(u32::MAX) - 10];
        let far = [10, 20, 21 + u64::from(u32::MAX)];
        for starts in [near, far] {
            let kept = Starts::new(starts.iter().copied());
            assert_eq!(matches!(kept, Starts::Near { .. }), starts == near);
            assert_eq!((kept.find(9), kept.find(10), kept.find(19)), (None, Some(0), Some(0)));
            assert_eq!((kept.find(starts[2] - 1), kept.find(u64::MAX)), (Some(1), Some(2)));
            assert_eq!((kept.at(2), kept.len()), (starts[2], 3));
        }
    }

    #[test]
    fn of_none_there_is_none() {
        assert_eq!(Starts::new([].iter().copied()).find(5), None);
    }
}
