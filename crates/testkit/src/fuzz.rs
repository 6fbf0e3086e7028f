//! Random damage to records, for the tests that every decoder has to stand: it may refuse, it may
//! not panic, and it may not loop.

use kernel::Signal;
use schema::{Origin, Sink};
use wire::{Reader, RecordHeader};

use crate::rng::Rng;

/// Runs `rounds` records of random bytes, most of them with a head that fits, through the decoder
/// of `signal`. Returns how many were taken and how many refused.
pub fn decode(signal: &Signal, number: u8, rounds: usize, seed: u64) -> (usize, usize) {
    let mut rng = Rng::new(seed);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..rounds {
        let record = record(&mut rng, number);
        let mut sink = Sink::default();
        let read = Reader::new(&record).and_then(|(header, reader)| {
            (signal.decode)(&header, Origin::default(), reader, &mut sink)
        });
        match read {
            Ok(()) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    (taken, refused)
}

fn record(rng: &mut Rng, number: u8) -> Vec<u8> {
    let size = rng.below(2048);
    let mut bytes: Vec<u8> = (0..size).map(|_| rng.draw() as u8).collect();
    // Lengths and marks are small numbers in real records: make them so in half of these.
    if rng.below(2) == 0 {
        for byte in &mut bytes {
            if rng.below(4) != 0 {
                *byte = 0;
            }
        }
    }
    let kind_at = std::mem::offset_of!(RecordHeader, kind);
    let size_at = std::mem::offset_of!(RecordHeader, size);
    let signal_at = std::mem::offset_of!(RecordHeader, signal);
    if size >= RecordHeader::SIZE && rng.below(16) != 0 {
        bytes[size_at..size_at + 4].copy_from_slice(&(size as u32).to_ne_bytes());
        bytes[kind_at..kind_at + 2].copy_from_slice(&(rng.below(16) as u16).to_ne_bytes());
        bytes[signal_at] = number;
    }
    bytes
}
