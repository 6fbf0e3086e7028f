//! What the kernel side walks by: tables of binaries, mappings of processes.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use kernel::{Kernel, SharedMap};
use schema::ProcessKey;

use crate::prefix::pieces;
use crate::process::{Code, Mapping, Mappings};
use crate::python::Offsets;
use crate::unwind::UnwindTable;

/// The signal that the maps belong to.
const SIGNAL: &str = "profile";
/// No process has more pieces of mappings in the kernel's table than this.
const MOST_PIECES: usize = 8192;
/// As `PYTHONS` in `python.bpf.h`; 0 is none.
const MOST_PYTHONS: usize = 256;

/// The kernel's tables; this is their one writer.
pub(crate) struct Tables {
    kernel: Arc<Kernel>,
    /// The last space that was given out.
    space: u32,
    /// The interpreters that were entered, the first under the number 1.
    pythons: Vec<Offsets>,
}

/// What was entered for one process.
pub(crate) struct Entered {
    process: ProcessKey,
    space: u32,
    keys: Vec<Key>,
    /// The number of its interpreter, and where that keeps its threads.
    python: Option<(u32, u64)>,
    /// Whether the kernel side has been told.
    told: bool,
}

/// What the programs are told, as `struct profile_told`.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// Nanoseconds between two samples of a CPU.
    pub period: u64,
    /// Waits are sampled once in so many nanoseconds of waiting.
    pub wait_period: u64,
    /// Only one tick in so many is sampled, and stands for all of them.
    pub every: u32,
    /// So many stacks may be copied each second, on each CPU.
    pub copies: u32,
    /// So many waits may be told each second, on each CPU.
    pub waits: u32,
}

impl Told {
    /// Tells it.
    pub fn tell(&self, kernel: &Kernel) -> Result<()> {
        let Told { period, wait_period, every, copies, waits } = *self;
        let mut value = [period, wait_period].map(u64::to_ne_bytes).concat();
        value.extend([copies, waits, every, 0].map(u32::to_ne_bytes).concat());
        map(kernel, "profile_told")?.set(&0u32.to_ne_bytes(), &value)
    }
}

/// `struct unwind_key`.
type Key = [u8; 16];
/// Where a space's number stands in `struct unwind_space`.
const SPACE_AT: usize = 8;

impl Tables {
    pub(crate) fn new(kernel: Arc<Kernel>) -> Tables {
        Tables { kernel, space: 0, pythons: Vec::new() }
    }

    /// Enters the table of a binary; without one, that it has none.
    pub(crate) fn put(&self, number: u32, table: Option<&UnwindTable>) -> Result<()> {
        const NONE: &[[u8; 256]] = &[[0; 256]];
        let blocks = table.map_or(NONE, UnwindTable::blocks);
        self.map("profile_tables")?.put_table(number, blocks)
    }

    pub(crate) fn remove(&self, number: u32) {
        if let Ok(tables) = self.map("profile_tables") {
            tables.remove(&number.to_ne_bytes());
        }
    }

    /// Enters the mappings of a process, which from then on is walked in the kernel.
    pub(crate) fn enter(&mut self, process: ProcessKey, mappings: &Mappings) -> Result<Entered> {
        self.space = self.space.wrapping_add(1).max(1);
        let (space, keys) = (self.space, Vec::new());
        let mut entered = Entered { process, space, keys, python: None, told: false };
        let all = mappings.iter().try_for_each(|mapping| self.add(&mut entered, mapping));
        match all.and_then(|()| self.tell_space(&mut entered)) {
            Ok(()) => Ok(entered),
            Err(error) => {
                self.leave(entered);
                Err(error)
            }
        }
    }

    /// Enters one mapping more.
    pub(crate) fn add(&mut self, entered: &mut Entered, mapping: &Mapping) -> Result<()> {
        const TABLE: u32 = 0;
        const FRAMES: u32 = 1;
        let (bias, binary, kind) = match &mapping.code {
            Code::Binary { binary, bias } => (*bias, binary.number, TABLE),
            Code::Made | Code::Unread => (0, 0, FRAMES),
        };
        let Range { start, end } = mapping.range;
        let mut value = [start, end, bias].map(u64::to_ne_bytes).concat();
        value.extend([binary, kind].map(u32::to_ne_bytes).concat());
        let map = self.map("profile_mappings")?;
        ensure!(entered.keys.len() < MOST_PIECES, "a process of too many pieces");
        for (address, bits) in pieces(mapping.range.clone()) {
            let key = key(entered.space, address, bits);
            map.set(&key, &value)?;
            entered.keys.push(key);
        }
        if let (Code::Binary { binary, bias }, None) = (&mapping.code, entered.python)
            && let Ok(Some(python)) = binary.python()
        {
            let runtime = python.runtime.wrapping_add(*bias);
            let number = self.python(&python.offsets)?;
            entered.python = number.map(|number| (number, runtime));
            if entered.told {
                self.tell_space(entered)?;
            }
        }
        Ok(())
    }

    /// `struct unwind_space`.
    fn tell_space(&self, entered: &mut Entered) -> Result<()> {
        let (python, runtime) = entered.python.unwrap_or_default();
        let mut value = entered.process.start.to_ne_bytes().to_vec();
        value.extend([entered.space, python].map(u32::to_ne_bytes).concat());
        value.extend(runtime.to_ne_bytes());
        self.map("profile_spaces")?.set(&entered.process.pid.to_ne_bytes(), &value)?;
        entered.told = true;
        Ok(())
    }

    /// The number of an interpreter, by where it has things; none where there are too many.
    fn python(&mut self, offsets: &Offsets) -> Result<Option<u32>> {
        if let Some(at) = self.pythons.iter().position(|known| known == offsets) {
            return Ok(Some(at as u32 + 1));
        }
        let number = self.pythons.len() + 1;
        if number == MOST_PYTHONS {
            return Ok(None);
        }
        self.map("profile_pythons")?.set(&(number as u32).to_ne_bytes(), &offsets.to_bytes())?;
        self.pythons.push(*offsets);
        Ok(Some(number as u32))
    }

    /// Has a function of Python be told once more, when it is next met.
    pub(crate) fn ask_code(&self, space: u32, code: u64) {
        let mut key = code.to_ne_bytes().to_vec();
        key.extend([space, 0].map(u32::to_ne_bytes).concat());
        if let Ok(codes) = self.map("profile_codes") {
            codes.remove(&key);
        }
    }

    /// Whether the kernel still has what was entered.
    pub(crate) fn has(&self, entered: &Entered) -> bool {
        let spaces = self.map("profile_spaces");
        let there = spaces.ok().and_then(|it| it.get(&entered.process.pid.to_ne_bytes()));
        let own = entered.space.to_ne_bytes();
        there.is_some_and(|it| it.get(SPACE_AT..SPACE_AT + 4) == Some(&own))
    }

    /// Takes a process out again.
    pub(crate) fn leave(&self, entered: Entered) {
        let (Ok(spaces), Ok(mappings)) = (self.map("profile_spaces"), self.map("profile_mappings"))
        else {
            return;
        };
        if self.has(&entered) {
            spaces.remove(&entered.process.pid.to_ne_bytes());
        }
        for key in entered.keys {
            mappings.remove(&key);
        }
    }

    fn map(&self, name: &str) -> Result<SharedMap<'_>> {
        map(&self.kernel, name)
    }
}

fn map<'a>(kernel: &'a Kernel, name: &str) -> Result<SharedMap<'a>> {
    kernel.signal_map(SIGNAL, name).with_context(|| format!("{name} is not loaded"))
}

fn key(space: u32, address: u64, bits: u32) -> Key {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&(32 + bits).to_ne_bytes());
    key[4..8].copy_from_slice(&space.to_be_bytes());
    key[8..].copy_from_slice(&address.to_be_bytes());
    key
}
