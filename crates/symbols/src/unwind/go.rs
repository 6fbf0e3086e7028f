//! Functions of Go, whose frames Go's own table describes, in stripped programs too.

use super::frames::{Code, From, Function};
use super::rule::{Cfa, Fp, Rule};
use super::{BuildError, Report};
use crate::elf::Elf;
use crate::gopclntab::{GoStack, GoTable};

/// Sections that only Go programs have.
const SECTIONS: [&str; 4] =
    [".gopclntab", ".data.rel.ro.gopclntab", ".go.buildinfo", ".note.go.buildid"];

/// Where the kernel saves registers in the frame of a signal, from the stack pointer that its
/// handler returns with.
const SAVED_REGISTERS: i32 = 40;

pub(super) struct Go(GoTable);

impl Go {
    /// None for what was not made by Go, or where its table cannot be read.
    pub(super) fn read(elf: &Elf) -> Option<Go> {
        let is_go = SECTIONS.iter().any(|name| elf.section_range(name).is_some());
        is_go.then(|| GoTable::read(elf).ok()).flatten().map(Go)
    }

    /// Appends all functions that there are in `code`.
    pub(super) fn list(
        &self,
        code: &Code,
        functions: &mut Vec<Function>,
        most: usize,
        report: &mut Report,
    ) -> Result<(), BuildError> {
        for place in 0..self.0.len() {
            report.functions += 1;
            let range = self.0.range(place);
            let clipped = range.and_then(|(start, end)| Some((start, code.clip(start, end)?)));
            match clipped {
                Some((start, end)) => {
                    // Handlers return to its first byte, and are looked up one earlier.
                    let signal = self.0.stack(place) == GoStack::Signal;
                    let start = if signal { start.saturating_sub(1) } else { start };
                    functions.push(Function { start, end, from: From::Go, offset: place as u32 });
                }
                None => report.outside += 1,
            }
            if functions.len() > most {
                return Err(BuildError::TooManyRows { most });
            }
        }
        Ok(())
    }

    /// Gives the ranges of a function with their rules to `range`.
    pub(super) fn ranges(
        &self,
        function: &Function,
        report: &mut Report,
        mut range: impl FnMut(u64, u64, Rule) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        let place = function.offset as usize;
        match self.0.stack(place) {
            GoStack::Plain => {}
            GoStack::Outermost => return range(function.start, function.end, Rule::END),
            GoStack::Signal => {
                let rule = Rule { cfa: Cfa::Signal(SAVED_REGISTERS), fp: Fp::Same };
                return range(function.start, function.end, rule);
            }
            // The frame pointer leads over to the other stack, at times.
            GoStack::Switches => return Ok(()),
        }
        let stopped = self.0.frame_sizes(place, function.end, |start, end, size| {
            let rule = rule(size).unwrap_or_else(|| {
                report.unsupported_cfa += 1;
                Rule::UNSUPPORTED
            });
            range(start, end, rule)
        })?;
        if let Some(at) = stopped {
            report.damaged += 1;
            range(at, function.end, Rule::UNSUPPORTED)?;
        }
        Ok(())
    }
}

/// The rule where `size` bytes are on the stack above the return address: a function that has any
/// saved its caller's frame pointer first.
fn rule(size: u64) -> Option<Rule> {
    let cfa = Cfa::Sp(i32::try_from(size.checked_add(8)?).ok()?);
    let fp = if size == 0 { Fp::Same } else { Fp::AtCfa(-16) };
    Some(Rule { cfa, fp })
}
