//! Frames that are kept in rbx, as seen from the functions that they call.
//!
//! The loader binds a function at its first call in frames of a size that is known only when it
//! runs; their addresses are in rbx. A walk does not follow rbx, but need not: what is called from
//! there saves rbx at a known place of its own frame, which is the caller's stack pointer less
//! something. So the bytes of such a call, where only return addresses are looked up (one byte
//! earlier), get a rule that reads it from there.

use std::collections::BTreeMap;

use super::BuildError;
use super::frames::Function;
use super::rule::{Cfa, Rule};
use crate::elf::Elf;

/// The register that is followed, by its number in DWARF.
pub(super) const RBX: u16 = 3;
/// Ranges that are searched for calls, and bytes of each; binaries have a handful.
const MOST_RANGES: usize = 256;
const MOST_BYTES: u64 = 4096;
/// `call` with a distance of 4 bytes.
const CALL: u8 = 0xe8;
const CALL_BYTES: usize = 5;

/// Ranges of addresses with the rule that is in rbx.
#[derive(Default)]
pub(super) struct InRbx(Vec<(u64, u64, Rule)>);

impl InRbx {
    /// Notes a range, if it is one.
    pub(super) fn note(&mut self, start: u64, end: u64, rule: Rule) {
        let in_rbx = matches!(rule.cfa, Cfa::Register { register: RBX, .. });
        if in_rbx && self.0.len() < MOST_RANGES {
            self.0.push((start, end, rule));
        }
    }

    /// The calls in these ranges of one of `functions`. `saved` says where a function keeps its
    /// caller's rbx, from its frame's address.
    pub(super) fn calls(
        &self,
        elf: &Elf,
        functions: &[Function],
        mut saved: impl FnMut(&Function) -> Option<i64>,
    ) -> Calls {
        let mut calls = BTreeMap::new();
        for &(start, end, rule) in &self.0 {
            let Cfa::Register { offset, .. } = rule.cfa else { continue };
            let code = elf.read_svma(start, (end - start).min(MOST_BYTES)).unwrap_or_default();
            for (at, call) in code.windows(CALL_BYTES).enumerate() {
                let &[CALL, a, b, c, d] = call else { continue };
                let next = start + (at + CALL_BYTES) as u64;
                let target = next.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into());
                // The bytes may be part of another instruction; but then they lead nowhere.
                let found = functions.binary_search_by_key(&target, |function| function.start);
                let Ok(found) = found else { continue };
                let at = saved(&functions[found]).and_then(|at| i16::try_from(at).ok());
                if let Some(at) = at {
                    let rule = Rule { cfa: Cfa::DerefSp { at, add: offset }, fp: rule.fp };
                    calls.insert(next - CALL_BYTES as u64 + 1, (next, rule));
                }
            }
        }
        Calls(calls)
    }
}

/// The bytes of calls, but for the first of each: where they begin, where they end, and their rule.
#[derive(Default)]
pub(super) struct Calls(BTreeMap<u64, (u64, Rule)>);

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives `start..end` to `range` in parts: `rule`, but for the calls in it.
    pub(super) fn split(
        &self,
        (start, end): (u64, u64),
        rule: Rule,
        mut range: impl FnMut(u64, u64, Rule) -> Result<(), BuildError>,
    ) -> Result<(), BuildError> {
        if self.is_empty() {
            return range(start, end, rule);
        }
        let mut at = start;
        for (&call, &(behind, instead)) in self.0.range(start..end) {
            if call < at || behind > end {
                continue;
            }
            if call > at {
                range(at, call, rule)?;
            }
            range(call, behind, instead)?;
            at = behind;
        }
        if at < end { range(at, end, rule) } else { Ok(()) }
    }
}
