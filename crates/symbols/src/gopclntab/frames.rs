//! How large the frames of Go's functions are, at each of their instructions.

use super::{GoTable, Layout, varint};

/// What a function does with its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GoStack {
    /// It has frames of its own, on its caller's stack.
    Plain,
    /// It has no caller.
    Outermost,
    /// It goes over to another stack.
    Switches,
    /// Handlers of signals return to it; the kernel's frame of the signal is its own.
    Signal,
}

/// Functions without callers: those that a thread or goroutine begins with (marked as such since Go
/// 1.17), and those that leave a goroutine for the scheduler, which runs for nobody.
const OUTERMOST: [&str; 8] = [
    "runtime.goexit",
    "runtime.mstart",
    "runtime.rt0_go",
    "_rt0_amd64",
    "_rt0_amd64_linux",
    "runtime.mcall",
    "runtime.morestack",
    "runtime.gogo",
];
/// The function that handlers of signals return to.
const SIGNAL: [&str; 2] = ["runtime.sigreturn__sigaction", "runtime.sigreturn"];
/// Marked as outermost, but what the signal interrupted can be told.
const HANDLER: &str = "runtime.sigtramp";
/// Functions that go over to another stack, for tables that have no marks.
const SWITCHES: [&str; 3] = ["runtime.systemstack", "runtime.asmcgocall", "runtime.cgocallback"];

impl GoTable {
    /// The addresses of the function that is the `place`th of [`GoTable::len`].
    pub(crate) fn range(&self, place: usize) -> Option<(u64, u64)> {
        Some((self.start(place)?, self.start(place + 1)?))
    }

    /// What that function does with its stack.
    pub(crate) fn stack(&self, place: usize) -> GoStack {
        let name = self.function(place).map_or("", |function| function.name);
        // The marks are the second byte behind the numbers, of which there is one more since 1.20.
        let marks = match self.layout {
            Layout::Go12 => 0,
            Layout::Go16 | Layout::Go18 => self.field(place, 9).unwrap_or(0) >> 8 & 0xff,
            Layout::Go20 => self.field(place, 10).unwrap_or(0) >> 8 & 0xff,
        };
        if SIGNAL.contains(&name) {
            GoStack::Signal
        } else if name == HANDLER {
            GoStack::Plain
        } else if marks & 1 != 0 || OUTERMOST.contains(&name) {
            GoStack::Outermost
        } else if marks & 2 != 0 || SWITCHES.contains(&name) {
            GoStack::Switches
        } else {
            GoStack::Plain
        }
    }

    /// Gives the ranges of that function up to `end`, in order, with the bytes that are on the stack
    /// above its return address. Returns where the table stopped to make sense, if it did.
    pub(crate) fn frame_sizes<E>(
        &self,
        place: usize,
        end: u64,
        mut each: impl FnMut(u64, u64, u64) -> Result<(), E>,
    ) -> Result<Option<u64>, E> {
        let Some(start) = self.start(place) else { return Ok(None) };
        let offset = self.field(place, 4).and_then(|it| self.values.checked_add(it as usize));
        let Some(mut rest) = offset.and_then(|offset| self.data.get(offset..)) else {
            return Ok(Some(start));
        };
        let (mut at, mut size) = (start, -1_i64);
        while at < end {
            let (Some(change), Some(bytes)) = (varint(&mut rest), varint(&mut rest)) else {
                return Ok(Some(at));
            };
            let more = i64::from(change >> 1);
            size += if change & 1 == 1 { !more } else { more };
            let next = at.saturating_add(bytes.into()).min(end);
            let (true, Ok(size)) = (next > at, u64::try_from(size)) else { return Ok(Some(at)) };
            each(at, next, size)?;
            at = next;
        }
        Ok(None)
    }
}
