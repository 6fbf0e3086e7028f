//! A look at debug information before it is trusted to a reader that follows it wherever it leads.
//!
//! That reader goes one call deeper for each function within a function, reads the list of
//! addresses of each as often as it is named, and the lines of a unit for each unit that names
//! them: few bytes could keep it busy for days, or end the process. So the same entries are gone
//! through once with a count.

use std::time::Instant;

use gimli::{DW_AT_ranges, Dwarf, Reader, Unit, UnitRef};

use super::{LinesError, LinesLimits};

/// No compiler nests deeper: blocks in functions in functions.
const DEPTH: isize = 512;
/// How many entries are gone through between looks at the clock.
const TURN: u32 = 1 << 14;

/// Refuses `dwarf` if reading it could take more than `limits` allow.
pub(super) fn check<R: Reader>(dwarf: &Dwarf<R>, limits: &LinesLimits) -> Result<(), LinesError> {
    let deadline = Instant::now() + limits.time;
    let mut guard = Guard { deadline, turn: 0, lines: limits.lines, ranges: limits.ranges };
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        // One table of abbreviations may be large, and each unit may have its own.
        guard.look()?;
        // The reader passes over units that it cannot make out, too.
        let Ok(unit) = dwarf.unit(header) else { continue };
        match guard.unit(UnitRef::new(dwarf, &unit), &unit) {
            Err(LinesError::Damaged(_)) | Ok(()) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

struct Guard {
    deadline: Instant,
    turn: u32,
    /// Bytes of line programs, and entries of lists of addresses, that may be read yet.
    lines: u64,
    ranges: u64,
}

impl Guard {
    fn unit<R: Reader>(&mut self, unit: UnitRef<R>, raw: &Unit<R>) -> Result<(), LinesError> {
        if let Some(program) = &raw.line_program {
            use gimli::ReaderOffset;
            let size = program.header().raw_program_buf().len().into_u64();
            self.lines = self.lines.checked_sub(size).ok_or(LinesError::TooMuch("lines"))?;
        }
        let mut entries = raw.entries_raw(None)?;
        while !entries.is_empty() {
            self.count()?;
            if entries.next_depth() > DEPTH {
                return Err(LinesError::TooMuch("nesting"));
            }
            let Some(entry) = entries.read_abbreviation()? else { continue };
            for &attribute in entry.attributes() {
                if attribute.name() != DW_AT_ranges {
                    entries.skip_attributes(&[attribute])?;
                    continue;
                }
                let value = entries.read_attribute(attribute)?.value();
                if let Some(offset) = unit.attr_ranges_offset(value)? {
                    self.list(unit, offset)?;
                }
            }
        }
        Ok(())
    }

    fn list<R: Reader>(
        &mut self,
        unit: UnitRef<R>,
        offset: gimli::RangeListsOffset<R::Offset>,
    ) -> Result<(), LinesError> {
        let mut list = unit.ranges(offset)?;
        while let Ok(Some(_)) = list.next() {
            self.ranges = self.ranges.checked_sub(1).ok_or(LinesError::TooMuch("ranges"))?;
        }
        Ok(())
    }

    /// Counts an entry, and looks at the clock now and then.
    fn count(&mut self) -> Result<(), LinesError> {
        self.turn += 1;
        if self.turn < TURN {
            return Ok(());
        }
        self.turn = 0;
        self.look()
    }

    fn look(&self) -> Result<(), LinesError> {
        if Instant::now() > self.deadline {
            return Err(LinesError::TooMuch("time"));
        }
        Ok(())
    }
}
