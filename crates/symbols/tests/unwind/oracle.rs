//! What gimli says of a frame, with its own evaluation of instructions and expressions, to compare
//! with what a table says.

use gimli::{
    BaseAddresses, EhFrame, EndianSlice, EvaluationResult, Expression, LittleEndian, Location,
    RegisterRule, UnwindContext, UnwindSection, UnwindTableRow, Value,
};
use symbols::elf::{Elf, Section};
use symbols::unwind::{Cfa, Fp, Rule};

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

const ENCODING: gimli::Encoding =
    gimli::Encoding { format: gimli::Format::Dwarf32, version: 4, address_size: 8 };

/// A frame's registers, by their numbers in DWARF, and its code address.
pub(crate) struct Frame {
    pub(crate) pc: u64,
    pub(crate) registers: [u64; 16],
}

/// The caller, as far as a table tells it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Unknown,
    None,
    Frame {
        sp: u64,
        pc: u64,
        /// None if lost.
        fp: Option<u64>,
    },
}

/// Memory that has another value at each address.
pub(crate) fn memory(address: u64) -> u64 {
    let mixed = (address ^ address >> 31).wrapping_mul(0x7fb5_d329_728e_a185);
    (mixed ^ mixed >> 27).wrapping_mul(0x81da_def4_bc2d_d44d)
}

/// The caller by a table's rule. None if the rule says "unsupported".
pub(crate) fn by_rule(rule: Rule, frame: &Frame) -> Option<Caller> {
    let (fp, sp) = (frame.registers[6], frame.registers[7]);
    let add = |base: u64, offset: i64| base.wrapping_add(offset as u64);
    let cfa = match rule.cfa {
        Cfa::Unsupported => return None,
        Cfa::None => return Some(Caller::Unknown),
        Cfa::End => return Some(Caller::None),
        Cfa::Sp(offset) => add(sp, offset.into()),
        Cfa::Fp(offset) => add(fp, offset.into()),
        Cfa::DerefFp { at, add: more } => add(memory(add(fp, at.into())), more.into()),
        Cfa::DerefSp { at, add: more } => add(memory(add(sp, at.into())), more.into()),
        Cfa::Plt(from) => add(sp, if (frame.pc & 15) as i32 >= from { 16 } else { 8 }),
        Cfa::Register { register, offset } => {
            add(frame.registers[register as usize], offset.into())
        }
        Cfa::Signal(offset) => {
            let saved = |number: u64| memory(add(sp, offset.into()).wrapping_add(number * 8));
            return Some(Caller::Frame { fp: Some(saved(10)), sp: saved(15), pc: saved(16) });
        }
    };
    let fp = match rule.fp {
        Fp::Same => Some(fp),
        Fp::AtCfa(offset) => Some(memory(add(cfa, offset.into()))),
        Fp::AtFp(offset) => Some(memory(add(fp, offset.into()))),
        Fp::Undefined => None,
    };
    Some(Caller::Frame { sp: cfa, pc: memory(cfa.wrapping_sub(8)), fp })
}

/// The `.eh_frame` of a binary.
pub(crate) struct Oracle {
    eh_frame: Section,
    bases: BaseAddresses,
}

/// A function: its addresses, and where its entry is.
pub(crate) struct Function {
    pub(crate) start: u64,
    pub(crate) end: u64,
    offset: gimli::EhFrameOffset,
}

impl Oracle {
    pub(crate) fn new(elf: &Elf) -> Oracle {
        let eh_frame = elf.section(".eh_frame").expect("frames");
        let start = |name| elf.section_range(name).map_or(0, |(svma, _)| svma);
        let bases = BaseAddresses::default()
            .set_eh_frame(eh_frame.svma)
            .set_text(start(".text"))
            .set_got(start(".got"));
        Oracle { eh_frame, bases }
    }

    /// All functions, by their addresses.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let section = self.section();
        let mut functions = Vec::new();
        let mut entries = section.entries(&self.bases);
        while let Some(entry) = entries.next().expect("readable") {
            if let gimli::CieOrFde::Fde(entry) = entry {
                let entry = entry.parse(EhFrame::cie_from_offset).expect("readable");
                let (start, end) = (entry.initial_address(), entry.end_address());
                functions.push(Function {
                    start,
                    end,
                    offset: gimli::EhFrameOffset(entry.offset()),
                });
            }
        }
        functions.sort_by_key(|function| function.start);
        functions
    }

    /// The caller of a frame that is in `function`; None if gimli does not know.
    pub(crate) fn caller(
        &self,
        function: &Function,
        context: &mut UnwindContext<usize>,
        frame: &Frame,
    ) -> Option<Caller> {
        let section = self.section();
        let entry =
            section.fde_from_offset(&self.bases, function.offset, EhFrame::cie_from_offset).ok()?;
        let row = entry.unwind_info_for_address(&section, &self.bases, context, frame.pc).ok()?;
        let ra = row.register(gimli::X86_64::RA);
        if ra == Some(RegisterRule::Undefined) {
            return Some(Caller::None);
        }
        let cfa = match row.cfa() {
            gimli::CfaRule::RegisterAndOffset { register, offset } => {
                frame.registers[register.0 as usize].wrapping_add(*offset as u64)
            }
            gimli::CfaRule::Expression(it) => evaluate(it.get(&section).ok()?, frame, None)?,
        };
        let value = |register| self.value(row, register, cfa, frame);
        let pc = value(gimli::X86_64::RA)?;
        let sp = value(gimli::X86_64::RSP).unwrap_or(cfa);
        Some(Caller::Frame { sp, pc, fp: value(gimli::X86_64::RBP) })
    }

    /// The caller's value of a register; None if it is lost.
    fn value(
        &self,
        row: &UnwindTableRow<usize>,
        register: gimli::Register,
        cfa: u64,
        frame: &Frame,
    ) -> Option<u64> {
        let section = self.section();
        match row.register(register) {
            None if register == gimli::X86_64::RSP => None,
            None | Some(RegisterRule::SameValue) => {
                frame.registers.get(register.0 as usize).copied()
            }
            Some(RegisterRule::Offset(offset)) => Some(memory(cfa.wrapping_add(offset as u64))),
            Some(RegisterRule::ValOffset(offset)) => Some(cfa.wrapping_add(offset as u64)),
            Some(RegisterRule::Register(other)) => Some(frame.registers[other.0 as usize]),
            Some(RegisterRule::Expression(it)) => {
                Some(memory(evaluate(it.get(&section).ok()?, frame, Some(cfa))?))
            }
            Some(RegisterRule::ValExpression(it)) => {
                evaluate(it.get(&section).ok()?, frame, Some(cfa))
            }
            _ => None,
        }
    }

    fn section(&self) -> EhFrame<Bytes<'_>> {
        EhFrame::new(&self.eh_frame.data, LittleEndian)
    }
}

fn evaluate(expression: Expression<Bytes<'_>>, frame: &Frame, cfa: Option<u64>) -> Option<u64> {
    let mut evaluation = expression.evaluation(ENCODING);
    if let Some(cfa) = cfa {
        evaluation.set_initial_value(cfa);
    }
    let mut result = evaluation.evaluate().ok()?;
    loop {
        result = match result {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresMemory { address, .. } => {
                evaluation.resume_with_memory(Value::Generic(memory(address))).ok()?
            }
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = match register {
                    gimli::X86_64::RA => frame.pc,
                    register => frame.registers[register.0 as usize],
                };
                evaluation.resume_with_register(Value::Generic(value)).ok()?
            }
            _ => return None,
        };
    }
    match evaluation.as_result().first()?.location {
        Location::Address { address } => Some(address),
        _ => None,
    }
}
