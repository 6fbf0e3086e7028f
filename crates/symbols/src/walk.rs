//! From a frame to its callers, by unwind tables: the walk that the kernel side does, in Rust.
//!
//! A table's rule gives the caller's registers. Where no rule is known the frame pointer is tried:
//! code without tables (Go, just-in-time compilers) mostly keeps one. A return address is looked
//! up one byte earlier, since the call may be the last that its function does; the address of a
//! signal's frame is where the code was interrupted, and is looked up as it is.

use crate::unwind::{Cfa, Fp, Rule, UnwindTable};

/// Where a thread is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// The address of its code (rip).
    pub pc: u64,
    /// Its stack pointer (rsp).
    pub sp: u64,
    /// Its frame pointer (rbp), or whatever is in that register.
    pub fp: u64,
    /// All registers by their numbers in DWARF (rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 …), if
    /// known: few rules need others than the above.
    pub all: Option<[u64; 16]>,
}

/// What is at an address.
#[derive(Debug, Clone, Copy)]
pub enum Code<'a> {
    /// Nothing that could run.
    Unmapped,
    /// Code of which no table is known.
    NoTable,
    /// Code of a binary.
    Table {
        /// Its table.
        table: &'a UnwindTable,
        /// What was added to the binary's own addresses.
        bias: u64,
    },
}

/// Why a walk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stop {
    /// The outermost frame was reached.
    Bottom,
    /// A table led to an address where there is no code.
    NoMapping,
    /// Neither a table nor the frame pointer leads on.
    NoRule,
    /// The table says how to go on in a way that is not done here, or needs a register that is
    /// lost.
    Unsupported,
    /// The stack cannot be read where the caller should be.
    Unreadable,
    /// There are more frames than were asked for.
    TooDeep,
    /// The caller's frame would not be above its callee's.
    NotAdvancing,
}

impl Stop {
    /// All of them.
    pub const ALL: [Stop; 7] = [
        Stop::Bottom,
        Stop::NoMapping,
        Stop::NoRule,
        Stop::Unsupported,
        Stop::Unreadable,
        Stop::TooDeep,
        Stop::NotAdvancing,
    ];

    /// A word for counts.
    pub fn name(self) -> &'static str {
        match self {
            Stop::Bottom => "bottom",
            Stop::NoMapping => "no_mapping",
            Stop::NoRule => "no_rule",
            Stop::Unsupported => "unsupported",
            Stop::Unreadable => "unreadable",
            Stop::TooDeep => "too_deep",
            Stop::NotAdvancing => "not_advancing",
        }
    }
}

/// The addresses of a thread's frames, its own first, at most `depth` of them, and why there are
/// not more. `code` says what is at an address, `read` gives the 8 bytes there.
pub fn walk<'a>(
    registers: &Registers,
    depth: usize,
    mut code: impl FnMut(u64) -> Code<'a>,
    mut read: impl FnMut(u64) -> Option<u64>,
) -> (Vec<u64>, Stop) {
    let mut frame = Frame {
        pc: registers.pc,
        sp: registers.sp,
        fp: Some(registers.fp),
        all: registers.all,
        exact: true,
        by_pointer: false,
    };
    let mut addresses = Vec::new();
    loop {
        let at = if frame.exact { frame.pc } else { frame.pc.wrapping_sub(1) };
        let rule = match code(at) {
            // What a frame pointer led to was none, then.
            Code::Unmapped if frame.by_pointer => return (addresses, Stop::NoRule),
            Code::Unmapped => {
                if addresses.is_empty() {
                    addresses.push(frame.pc);
                }
                return (addresses, Stop::NoMapping);
            }
            Code::NoTable => Rule::NONE,
            Code::Table { table, bias } => table.rule_at(at.wrapping_sub(bias)),
        };
        if addresses.len() == depth {
            return (addresses, Stop::TooDeep);
        }
        addresses.push(frame.pc);
        match frame.caller(rule, &mut read) {
            Ok(caller) if caller.pc == 0 => return (addresses, Stop::Bottom),
            Ok(caller) => frame = caller,
            Err(stop) => return (addresses, stop),
        }
    }
}

/// A frame on the way.
struct Frame {
    pc: u64,
    sp: u64,
    /// None once lost.
    fp: Option<u64>,
    /// The innermost frame's registers.
    all: Option<[u64; 16]>,
    /// Whether `pc` is where the code is, not where it will return to.
    exact: bool,
    /// Whether a frame pointer led here.
    by_pointer: bool,
}

impl Frame {
    fn caller(&self, rule: Rule, read: &mut impl FnMut(u64) -> Option<u64>) -> Result<Frame, Stop> {
        let mut read = |at: u64| read(at).ok_or(Stop::Unreadable);
        let fp = self.fp.ok_or(Stop::Unsupported);
        let cfa = match rule.cfa {
            Cfa::None => return self.caller_by_pointer(read),
            Cfa::End => return Err(Stop::Bottom),
            Cfa::Unsupported => return Err(Stop::Unsupported),
            Cfa::Signal(offset) => return self.interrupted(add(self.sp, offset), read),
            Cfa::Sp(offset) => add(self.sp, offset),
            Cfa::Fp(offset) => add(fp?, offset),
            Cfa::DerefFp { at, add: more } => add(read(add(fp?, at.into()))?, more.into()),
            Cfa::DerefSp { at, add: more } => add(read(add(self.sp, at.into()))?, more.into()),
            Cfa::Plt(from) if (self.pc & 15) as i32 >= from => add(self.sp, 16),
            Cfa::Plt(_) => add(self.sp, 8),
            Cfa::Register { register, offset } => {
                let all = self.all.ok_or(Stop::Unsupported)?;
                add(*all.get(register as usize).ok_or(Stop::Unsupported)?, offset.into())
            }
        };
        if cfa <= self.sp {
            return Err(Stop::NotAdvancing);
        }
        let pc = read(add(cfa, -8))?;
        let fp = match rule.fp {
            Fp::Same => self.fp,
            // Where it cannot be read it is lost, which only some callers mind.
            Fp::AtCfa(offset) => read(add(cfa, offset.into())).ok(),
            Fp::AtFp(offset) => fp.and_then(|fp| read(add(fp, offset.into()))).ok(),
            Fp::Undefined => None,
        };
        Ok(Frame { pc, sp: cfa, fp, all: None, exact: false, by_pointer: false })
    }

    /// Code that keeps a frame pointer has its caller's there, and the return address above.
    fn caller_by_pointer(
        &self,
        mut read: impl FnMut(u64) -> Result<u64, Stop>,
    ) -> Result<Frame, Stop> {
        let fp = self.fp.ok_or(Stop::NoRule)?;
        // The outermost frame of code that keeps frame pointers has none above it.
        if fp == 0 && self.by_pointer {
            return Err(Stop::Bottom);
        }
        let sp = fp.checked_add(16).filter(|_| fp >= self.sp).ok_or(Stop::NoRule)?;
        let pc = read(fp + 8)?;
        let fp = Some(read(fp)?);
        Ok(Frame { pc, sp, fp, all: None, exact: false, by_pointer: true })
    }

    /// What a signal interrupted, by the registers that the kernel saved: r8–r15, rdi, rsi, rbp,
    /// rbx, rdx, rax, rcx, rsp, rip. It may be on another stack.
    fn interrupted(
        &self,
        saved: u64,
        mut read: impl FnMut(u64) -> Result<u64, Stop>,
    ) -> Result<Frame, Stop> {
        let (fp, sp, pc) = (read(add(saved, 80))?, read(add(saved, 120))?, read(add(saved, 128))?);
        Ok(Frame { pc, sp, fp: Some(fp), all: None, exact: true, by_pointer: false })
    }
}

fn add(address: u64, offset: i32) -> u64 {
    address.wrapping_add_signed(offset.into())
}
