//! Where functions of Go programs begin and return, looked for by their names.
//!
//! The table of functions says where a function lies; which of its instructions return is found by
//! decoding all of them. What is not understood in full is not given: a probe in the middle of an
//! instruction would make another of it.

use std::collections::HashSet;

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

use crate::elf::Elf;
use crate::gopclntab::GoTable;

/// A function of a Go program, by offsets in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoPlaces {
    /// Its name.
    pub name: &'static str,
    /// Where it begins: behind the check whether the stack is large enough, which is passed again
    /// when it was not. Arguments are where the caller put them, and so is the stack.
    pub start: u64,
    /// Its instructions that return.
    pub returns: Vec<u64>,
}

/// Those of `names` that the Go program `elf` has, of Go 1.18 or later. One whose instructions are
/// not understood is left out.
pub fn go_functions(elf: &Elf, names: &[&'static str]) -> Vec<GoPlaces> {
    let Ok(table) = GoTable::read(elf) else { return Vec::new() };
    if !table.has_register_calls() {
        return Vec::new();
    }
    let named = table.functions().filter_map(|function| {
        let name = names.iter().find(|name| **name == function.name)?;
        Some((*name, function.start, function.end))
    });
    let found = named.take(MOST).filter_map(|(name, start, end)| {
        let code = elf.read_svma(start, (end - start).min(CODE + 1))?;
        let (start, returns) = places(&code, start)?;
        let offsets = returns.iter().map(|at| elf.offset_of_svma(*at));
        let returns = offsets.collect::<Option<Vec<u64>>>()?;
        Some(GoPlaces { name, start: elf.offset_of_svma(start)?, returns })
    });
    found.collect()
}

/// A longer function is not decoded.
const CODE: u64 = 256 << 10;
/// A function that returns in more places is not one of Go's.
const RETURNS: usize = 128;
/// The check of the stack is among the first instructions.
const CHECK: usize = 8;
/// Where a goroutine has the end of its stack.
const STACK_END: u64 = 16;
/// So many functions are looked at, should several have the same name.
const MOST: usize = 64;

/// Where the function whose `code` is at `start` begins behind its check of the stack, and its
/// instructions that return; addresses. None where something is no instruction, where a jump goes into the
/// middle of one, or where it begins again and it is not seen why.
fn places(code: &[u8], start: u64) -> Option<(u64, Vec<u64>)> {
    if code.len() as u64 > CODE {
        return None;
    }
    let (mut begins, mut targets, mut returns) = (HashSet::new(), Vec::new(), Vec::new());
    let mut decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
    let (mut instruction, mut checks, mut behind) = (Instruction::default(), false, None);
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            return None;
        }
        begins.insert(instruction.ip());
        if checks && instruction.mnemonic() == Mnemonic::Jbe && behind.is_none() {
            behind = Some(instruction.next_ip());
        }
        checks = begins.len() <= CHECK && is_check(&instruction);
        if instruction.mnemonic() == Mnemonic::Ret {
            returns.push(instruction.ip());
        }
        if instruction.op_count() > 0 && instruction.op0_kind() == OpKind::NearBranch64 {
            targets.push(instruction.near_branch_target());
        }
    }
    let inside = |target: &&u64| target.wrapping_sub(start) < code.len() as u64;
    let whole = targets.iter().filter(inside).all(|target| begins.contains(target));
    let understood = whole && (behind.is_some() || !targets.contains(&start));
    (understood && (1..=RETURNS).contains(&returns.len()))
        .then(|| (behind.unwrap_or(start), returns))
}

/// Whether it compares something with the end of the goroutine's stack, as the goroutine has it.
fn is_check(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Cmp
        && instruction.op1_kind() == OpKind::Memory
        && instruction.memory_base() == Register::R14
        && instruction.memory_displacement64() == STACK_END
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cmp rsp, [r14+16]; jbe +10; mov al, 0xc3; test ecx, ecx; je +1; ret; xor eax, eax; ret; call
    /// elsewhere; jmp to the start.
    const BODY: &[u8] = &[
        0x49, 0x3b, 0x66, 0x10, 0x76, 0x0a, 0xb0, 0xc3, 0x85, 0xc9, 0x74, 0x01, 0xc3, 0x31, 0xc0,
        0xc3, 0xe8, 0x00, 0x10, 0x00, 0x00, 0xeb, 0xe9, 0xcc, 0xcc,
    ];

    const AT: u64 = 0x40_1000;

    #[test]
    fn it_begins_behind_the_check_and_only_what_returns_is_found() {
        // The byte of a return within another instruction is none.
        assert_eq!(places(BODY, AT), Some((AT + 6, vec![AT + 12, AT + 15])));
        // Without a check nothing leads back to the start.
        assert_eq!(places(&BODY[6..16], AT), Some((AT, vec![AT + 6, AT + 9])));
    }

    #[test]
    fn what_is_not_understood_is_not_given() {
        let with = |at: usize, byte: u8| {
            let mut body = BODY.to_vec();
            body[at] = byte;
            places(&body, AT)
        };
        // An instruction that is none in 64 bits; a jump into the middle of one.
        assert_eq!(with(13, 0x06), None);
        assert_eq!(with(11, 0x02), None);
        // It begins again, but not since its stack was too small.
        assert_eq!(with(3, 0x18), None);
        assert_eq!(with(4, 0x74), None);
        // Cut within an instruction; nothing that returns; nothing at all.
        assert_eq!(places(&BODY[..18], AT), None);
        assert_eq!(places(&[0x90, 0xcc], AT), None);
        assert_eq!(places(&[], AT), None);
        assert_eq!(places(&[0xc3; 2 * RETURNS], AT), None);
        // At the end of all addresses, and all that there can be.
        let _ = places(BODY, u64::MAX - 10);
        let mut random = testkit::rng::Rng::new(7);
        for _ in 0..2000 {
            let mut body = BODY.to_vec();
            let at = random.below(body.len());
            body[at] = random.draw() as u8;
            let _ = places(&body, AT);
        }
    }
}
