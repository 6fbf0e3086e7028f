//! Call frame instructions, evaluated for the columns that a walk needs.

use gimli::{CallFrameInstruction, EndianSlice, LittleEndian, UnwindExpression, UnwindSection};
use gimli::{CallFrameInstructionIter, Register};

use super::expression;
use super::rule::{Cfa, Fp, Rule};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;
type Instruction = CallFrameInstruction<usize>;

const RBX: u16 = super::calls::RBX;
const RBP: u16 = 6;
const RSP: u16 = 7;
/// The column of the return address; no register.
const RIP: u16 = 16;
/// From the register r8 in a signal's frame to the registers rbp, rsp and rip.
const SAVED_RBP: i64 = 80;
const SAVED_RSP: i64 = 120;
const SAVED_RIP: i64 = 128;
/// States that may be remembered at once; compilers nest one or two.
const MOST_REMEMBERED: usize = 256;

/// What holds at an address.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    cfa: Place,
    fp: Column,
    rbx: Column,
    ra: Column,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Unset,
    Register { register: u16, offset: i64 },
    Expression(UnwindExpression<usize>),
}

/// Where a register's value in the caller is.
#[derive(Debug, Clone, Copy)]
enum Column {
    /// Nothing was said.
    Unset,
    Same,
    Undefined,
    /// Saved at the frame's address + this.
    Saved(i64),
    /// Saved where an expression says.
    SavedAt(UnwindExpression<usize>),
    /// Anything else.
    Other,
}

/// Why a range has the rule [`Rule::UNSUPPORTED`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsupported {
    Cfa,
    ReturnAddress,
}

/// What an entry's instructions could not say: they are damaged, or contradict themselves.
#[derive(Debug)]
pub(super) struct Damaged;

/// What all functions of a kind have in common, and what they begin with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub(super) code_factor: u64,
    pub(super) data_factor: i64,
    /// The column of the return address is where x86-64 has it.
    pub(super) return_column: bool,
    pub(super) signal: bool,
}

impl State {
    /// Before any instruction.
    pub(super) const UNSET: State =
        State { cfa: Place::Unset, fp: Column::Unset, rbx: Column::Unset, ra: Column::Unset };

    /// The rule that this is, in a table.
    pub(super) fn rule<'a>(
        &self,
        section: &impl UnwindSection<Bytes<'a>>,
        common: &Common,
    ) -> Result<Rule, Unsupported> {
        if !common.return_column {
            return Err(Unsupported::ReturnAddress);
        }
        if let Column::Undefined = self.ra {
            return Ok(Rule::END);
        }
        if common.signal
            && let Some(cfa) = self.signal(section)
        {
            return Ok(Rule { cfa, fp: Fp::Same });
        }
        let Column::Saved(-8) = self.ra else { return Err(Unsupported::ReturnAddress) };
        let cfa = self.cfa(section).ok_or(Unsupported::Cfa)?;
        let fp = match (cfa, self.fp(section)) {
            // The whole frame is gone and rbp is the caller's again: GCC forgets to say so at the
            // end of functions that realigned their stack.
            (Cfa::Sp(8), Fp::AtFp(_)) => Fp::Same,
            (_, fp) => fp,
        };
        Ok(Rule { cfa, fp })
    }

    /// Where the caller's rbx is saved: an offset from the frame's address.
    pub(super) fn saved_rbx(&self) -> Option<i64> {
        match self.rbx {
            Column::Saved(offset) => Some(offset),
            _ => None,
        }
    }

    fn cfa<'a>(&self, section: &impl UnwindSection<Bytes<'a>>) -> Option<Cfa> {
        match self.cfa {
            Place::Unset => None,
            Place::Register { register: RSP, offset } => Some(Cfa::Sp(i32::try_from(offset).ok()?)),
            Place::Register { register: RBP, offset } => Some(Cfa::Fp(i32::try_from(offset).ok()?)),
            Place::Register { register, offset } => {
                let offset = i16::try_from(offset).ok()?;
                (register < RIP).then_some(Cfa::Register { register, offset })
            }
            Place::Expression(cfa) => expression::cfa(cfa.get(section).ok()?),
        }
    }

    fn fp<'a>(&self, section: &impl UnwindSection<Bytes<'a>>) -> Fp {
        match self.fp {
            Column::Unset | Column::Same => Fp::Same,
            Column::Saved(offset) => i16::try_from(offset).map_or(Fp::Undefined, Fp::AtCfa),
            Column::SavedAt(place) => {
                let place = place.get(section).ok().and_then(expression::register_offset);
                match place {
                    Some((RBP, offset)) => i16::try_from(offset).map_or(Fp::Undefined, Fp::AtFp),
                    _ => Fp::Undefined,
                }
            }
            Column::Undefined | Column::Other => Fp::Undefined,
        }
    }

    /// A frame that the kernel made for a signal: the registers rsp, rip and rbp are all saved
    /// where the kernel puts them.
    fn signal<'a>(&self, section: &impl UnwindSection<Bytes<'a>>) -> Option<Cfa> {
        let Place::Expression(cfa) = self.cfa else { return None };
        let registers = expression::deref_sp(cfa.get(section).ok()?)? - SAVED_RSP;
        let saved = |column: Column, at: i64| {
            let Column::SavedAt(place) = column else { return None };
            let place = expression::register_offset(place.get(section).ok()?);
            (place == Some((RSP, registers + at))).then_some(())
        };
        saved(self.ra, SAVED_RIP)?;
        saved(self.fp, SAVED_RBP)?;
        Some(Cfa::Signal(i32::try_from(registers).ok()?))
    }

    /// Takes an instruction that says nothing about places in the code.
    fn apply(
        &mut self,
        instruction: &Instruction,
        common: &Common,
        initial: Option<&State>,
        remembered: &mut Vec<State>,
    ) -> Result<(), Damaged> {
        use CallFrameInstruction as Is;
        let factored = |offset: i64| offset.wrapping_mul(common.data_factor);
        match *instruction {
            Is::DefCfa { register, offset } => {
                self.cfa = Place::Register { register: register.0, offset: offset as i64 };
            }
            Is::DefCfaSf { register, factored_offset } => {
                let offset = factored(factored_offset);
                self.cfa = Place::Register { register: register.0, offset };
            }
            Is::DefCfaRegister { register } => {
                let Place::Register { register: was, .. } = &mut self.cfa else {
                    return Err(Damaged);
                };
                *was = register.0;
            }
            Is::DefCfaOffset { offset } => self.set_offset(offset as i64)?,
            Is::DefCfaOffsetSf { factored_offset } => self.set_offset(factored(factored_offset))?,
            Is::DefCfaExpression { expression } => self.cfa = Place::Expression(expression),
            Is::Undefined { register } => self.set(register, Column::Undefined),
            Is::SameValue { register } => self.set(register, Column::Same),
            Is::Offset { register, factored_offset } => {
                self.set(register, Column::Saved(factored(factored_offset as i64)));
            }
            Is::OffsetExtendedSf { register, factored_offset } => {
                self.set(register, Column::Saved(factored(factored_offset)));
            }
            Is::Expression { register, expression } => {
                self.set(register, Column::SavedAt(expression));
            }
            Is::ValOffset { register, .. }
            | Is::ValOffsetSf { register, .. }
            | Is::ValExpression { register, .. }
            | Is::Register { dest_register: register, .. } => self.set(register, Column::Other),
            Is::Restore { register } => {
                let initial = initial.ok_or(Damaged)?;
                match register.0 {
                    RBP => self.fp = initial.fp,
                    RBX => self.rbx = initial.rbx,
                    RIP => self.ra = initial.ra,
                    _ => {}
                }
            }
            Is::RememberState if remembered.len() < MOST_REMEMBERED => remembered.push(*self),
            Is::RememberState => return Err(Damaged),
            Is::RestoreState => *self = remembered.pop().ok_or(Damaged)?,
            Is::NegateRaState => return Err(Damaged),
            _ => {}
        }
        Ok(())
    }

    fn set_offset(&mut self, to: i64) -> Result<(), Damaged> {
        let Place::Register { offset, .. } = &mut self.cfa else { return Err(Damaged) };
        *offset = to;
        Ok(())
    }

    fn set(&mut self, register: Register, to: Column) {
        match register.0 {
            RBP => self.fp = to,
            RBX => self.rbx = to,
            RIP => self.ra = to,
            _ => {}
        }
    }
}

/// What functions begin with.
pub(super) fn initial(
    mut instructions: CallFrameInstructionIter<'_, Bytes<'_>>,
    common: &Common,
) -> Result<State, Damaged> {
    let mut state = State::UNSET;
    let mut remembered = Vec::new();
    while let Some(instruction) = instructions.next().map_err(|_| Damaged)? {
        state.apply(&instruction, common, None, &mut remembered)?;
    }
    Ok(state)
}

/// Gives each range of `start..end` with its state to `range`, in order and without gaps, as far
/// as the instructions are sound. Returns where they stopped to be, if they did.
pub(super) fn ranges<E>(
    (start, end): (u64, u64),
    mut instructions: CallFrameInstructionIter<'_, Bytes<'_>>,
    common: &Common,
    initial: &State,
    mut range: impl FnMut(u64, u64, &State) -> Result<(), E>,
) -> Result<Option<u64>, E> {
    let mut state = *initial;
    let mut at = start;
    let mut remembered = Vec::new();
    while at < end {
        let next = match instructions.next() {
            Ok(None) => end,
            Ok(Some(CallFrameInstruction::AdvanceLoc { delta })) => {
                let delta = u64::from(delta).wrapping_mul(common.code_factor);
                match at.checked_add(delta) {
                    Some(next) => next,
                    None => return Ok(Some(at)),
                }
            }
            Ok(Some(CallFrameInstruction::SetLoc { address })) if address >= at => address,
            Ok(Some(CallFrameInstruction::SetLoc { .. })) | Err(_) => return Ok(Some(at)),
            Ok(Some(instruction)) => {
                match state.apply(&instruction, common, Some(initial), &mut remembered) {
                    Ok(()) => continue,
                    Err(Damaged) => return Ok(Some(at)),
                }
            }
        };
        let next = next.min(end);
        if next > at {
            range(at, next, &state)?;
            at = next;
        }
    }
    Ok(None)
}
