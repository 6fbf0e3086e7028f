//! A capture in memory, cut where the worker flushed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result};
use fathom::capture::Player;
use fathom::node::Node;
use fathom::signals::SIGNALS;
use kernel::Signal;
use scope::SCOPE;
use wire::Reader;

/// Records as they stand one behind the other, by batch.
#[derive(Clone)]
pub(crate) struct Replay {
    pub(crate) node: Node,
    pub(crate) signals: Vec<&'static Signal>,
    pub(crate) batches: Vec<Vec<u8>>,
}

impl Replay {
    /// Reads a whole capture; its head is checked as `fathom replay` does.
    pub(crate) fn read(path: &Path) -> Result<Replay> {
        let player = Player::open(path)?;
        let known: Vec<_> = [&SCOPE].into_iter().chain(SIGNALS.iter().copied()).collect();
        let mut input = BufReader::new(File::open(path)?);
        input.read_until(b'\n', &mut Vec::new())?;
        let mut batches = vec![Vec::new()];
        let mut head = [0; 8];
        while input.read_exact(&mut head).is_ok() {
            let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
            let last = batches.last_mut().context("no batch")?;
            let at = last.len();
            last.resize(at + length, 0);
            input.read_exact(&mut last[at..]).context("the capture is cut off")?;
            // An empty frame says that the worker flushed here.
            if length == 0 && !last.is_empty() {
                batches.push(Vec::new());
            }
        }
        Ok(Replay { node: player.node(), signals: player.signals(&known)?, batches })
    }

    /// The same for two workers, as the kernel side chooses the ring: by the process.
    pub(crate) fn split(&self) -> [Replay; 2] {
        let mut halves = [0, 1].map(|_| Replay { batches: Vec::new(), ..self.clone() });
        for batch in &self.batches {
            let mut shares = [Vec::new(), Vec::new()];
            for record in records(batch) {
                let tgid = Reader::new(record).map_or(0, |(header, _)| header.tgid);
                let worker = (tgid.wrapping_mul(0x9E37_79B1) >> 16) & 1;
                shares[worker as usize].extend_from_slice(record);
            }
            for (half, share) in halves.iter_mut().zip(shares) {
                half.batches.push(share);
            }
        }
        halves
    }

    /// How much it is.
    pub(crate) fn bytes(&self) -> usize {
        self.batches.iter().map(Vec::len).sum()
    }
}

/// Each record of `bytes`; one whose size makes no sense ends it.
fn records(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    const SIZE_AT: usize = std::mem::offset_of!(wire::RecordHeader, size);
    std::iter::from_fn(move || {
        let size = bytes.get(SIZE_AT..SIZE_AT + 4)?;
        let size = u32::from_ne_bytes([size[0], size[1], size[2], size[3]]) as usize;
        let (record, rest) = bytes.split_at_checked(size.max(1))?;
        bytes = rest;
        Some(record)
    })
}
