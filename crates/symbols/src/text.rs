//! Many names in few bytes: names of functions that lie together say the same over and over.

use std::cell::RefCell;
use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};

/// Names in order, compressed in blocks of [`BLOCK`].
#[derive(Debug, Clone)]
pub(crate) struct Text {
    blocks: Box<[u8]>,
    /// Where each block ends in `blocks`; it begins where the one before ends.
    ends: Box<[u32]>,
    count: usize,
}

/// Enough that names say the same, and few enough that one is read in some ten microseconds.
const BLOCK: usize = 64;
/// More than nearly all blocks have, in bytes.
const UNPACKED: usize = 16 << 10;
thread_local! {
    /// One for all blocks. It takes tens of kilobytes, and what comes to stay after one has gone lies where
    /// the next one would have had room.
    static UNPACKER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}
/// What stands between names, and in none of them.
const BETWEEN: u8 = 0;

impl Text {
    /// From names without zeros in them, which together take less than 4 GiB.
    pub(crate) fn new(names: impl Iterator<Item = impl AsRef<str>>) -> Text {
        let mut text = Text { blocks: Box::default(), ends: Box::default(), count: 0 };
        let (mut blocks, mut ends, mut block) = (Vec::new(), Vec::new(), Vec::new());
        for name in names {
            block.extend_from_slice(name.as_ref().as_bytes());
            block.push(BETWEEN);
            text.count += 1;
            if text.count.is_multiple_of(BLOCK) {
                blocks = pack(blocks, &block);
                ends.push(blocks.len() as u32);
                block.clear();
            }
        }
        if !block.is_empty() {
            blocks = pack(blocks, &block);
            ends.push(blocks.len() as u32);
        }
        Text { blocks: blocks.into_boxed_slice(), ends: ends.into_boxed_slice(), ..text }
    }

    /// The name at `place`, which is below [`Text::len`].
    pub(crate) fn get(&self, place: usize) -> String {
        let block = self.block(place / BLOCK);
        block.split('\0').nth(place % BLOCK).unwrap_or_default().to_owned()
    }

    /// All names in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = String> {
        (0..self.ends.len()).flat_map(|number| {
            let block = self.block(number);
            let names: Vec<String> = block.split_terminator('\0').map(str::to_owned).collect();
            names
        })
    }

    pub(crate) fn bytes(&self) -> usize {
        self.blocks.len() + self.ends.len() * 4
    }

    fn block(&self, number: usize) -> String {
        let from = if number == 0 { 0 } else { self.ends[number - 1] as usize };
        let packed = &self.blocks[from..self.ends[number] as usize];
        let mut block = Vec::with_capacity(UNPACKED);
        UNPACKER.with_borrow_mut(|unpacker| {
            unpacker.reset(false);
            loop {
                let left = &packed[unpacker.total_in() as usize..];
                let step = unpacker.decompress_vec(left, &mut block, FlushDecompress::Finish);
                match step.expect("what was packed here") {
                    Status::StreamEnd => break,
                    Status::Ok | Status::BufError => block.reserve(UNPACKED),
                }
            }
        });
        String::from_utf8(block).expect("what was packed here")
    }
}

/// Adds what `block` is compressed to `blocks`.
fn pack(blocks: Vec<u8>, block: &[u8]) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(blocks, Compression::fast());
    packer.write_all(block).and_then(|()| packer.finish()).expect("memory takes all bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        for count in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 1000] {
            let names: Vec<String> =
                (0..count).map(|n| format!("{}_name_{n}", "ä".repeat(n % 7))).collect();
            let text = Text::new(names.iter());
            assert!(text.iter().eq(names.iter().cloned()));
            assert!((0..count).all(|place| text.get(place) == names[place]));
            assert!(count < 100 || text.bytes() < names.iter().map(String::len).sum::<usize>() / 2);
        }
    }
}
