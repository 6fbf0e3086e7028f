//! Which fields blocks have, one after the other: by that it shows whether numbers still mean what they
//! meant before something was lost.
//!
//! Mostly what is lost is a body, or headers that say nothing new, and numbers stay. If a few fields were
//! said there, all older ones have numbers that are higher by so many. With any other count the next block
//! would have other fields, in another order. So if a block that begins a message has the same fields as
//! blocks had before, two or more of them older than the loss, with one count only, that is believed.

use super::table::{self, Table};
use super::{integer, prefix, string};

/// The shapes of the blocks that were seen last.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    seen: [u64; 8],
    next: usize,
}

/// A block's fields.
struct Shape {
    /// Their names, in order.
    names: u64,
    /// What those are worth whose numbers are in doubt.
    doubted: usize,
}

/// So many fields have to be the same. The content type of gRPC alone is enough: where answers have it, all
/// have, and those of grpc-go have nothing else.
const ENOUGH: usize = 2;

/// How many fields may have been said unseen.
const MOST_UNSEEN: u64 = 16;

/// How many fields are looked at.
const MOST: usize = 256;

/// The last number whose meaning everybody knows, and the last of those that only begin a message.
const EVERYBODYS: u64 = 61;
const LAST_THAT_BEGINS: u64 = 14;

impl Shapes {
    /// Looks at a block before it is decoded: remembers its shape, or judges the table by it.
    pub(super) fn look(&mut self, block: &[u8], table: &mut Table) {
        if !table.doubts() {
            if let Some(shape) = Shape::of(block, table, 0)
                && !self.seen.contains(&shape.names)
            {
                self.seen[self.next] = shape.names;
                self.next = (self.next + 1) % self.seen.len();
            }
            return;
        }
        let mut fits = (0..=MOST_UNSEEN).filter(|unseen| {
            let shape = Shape::of(block, table, *unseen);
            shape.is_some_and(|shape| shape.doubted >= ENOUGH && self.seen.contains(&shape.names))
        });
        let unseen = fits.next().filter(|_| fits.next().is_none());
        table.judge(unseen);
    }
}

impl Shape {
    /// The shape of a block that begins a message, if so many fields were said unseen. `None` if a number
    /// has no meaning then, or if it says by number what it said itself.
    fn of(block: &[u8], table: &Table, unseen: u64) -> Option<Shape> {
        let mut shape = Shape { names: 0xcbf2_9ce4_8422_2325, doubted: 0 };
        let (mut rest, mut inserted, mut begins) = (block, 0, false);
        let mut text = Vec::new();
        for _ in 0..MOST {
            let Some(form) = rest.first() else {
                return begins.then_some(shape);
            };
            let (bits, literal) = match form {
                0x80.. => (7, false),
                0x20..0x40 => (5, false),
                form => (prefix(*form), true),
            };
            let (index, used) = integer(rest, bits).ok()??;
            rest = &rest[used..];
            if bits == 5 {
                continue;
            }
            let name = if index == 0 {
                text.clear();
                rest = &rest[string(rest, &mut text).ok()??..];
                begins |= text.first() == Some(&b':');
                table::sum(&text)
            } else {
                // What was said in this block moved all others, and so did what was not seen.
                let before = index <= EVERYBODYS;
                let at = if before { index } else { index.checked_sub(inserted)? };
                let sure = table.is_sure(at);
                let at = if sure { at } else { at.checked_sub(unseen)? };
                if table.is_sure(at) != sure || before != (at <= EVERYBODYS) {
                    return None;
                }
                let worth = if table.is_called(at) { ENOUGH } else { 1 };
                shape.doubted += if sure { 0 } else { worth };
                begins |= index <= LAST_THAT_BEGINS;
                table.name_at(at)?
            };
            shape.names = (shape.names ^ u64::from(name)).wrapping_mul(0x0100_0000_01b3);
            if literal {
                let (length, used) = integer(rest, 7).ok()??;
                rest = rest.get(used..)?.get(usize::try_from(length).ok()?..)?;
                inserted += u64::from(form & 0x40 != 0);
            }
        }
        None
    }
}
