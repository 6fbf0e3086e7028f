//! What every process consists of, and how its stacks are read: one store for all who have to know.
//!
//! Processes are told by the kernel as they exec, map, fork and end; those that are older are read from
//! `/proc` when they are first met. A process is entered into the kernel's tables when it is first seen
//! on a CPU: that first stack comes as its bytes and is unwound here, so it is not lost either.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use kernel::Kernel;
use schema::{CodeMapping, Image, MappedFile, ProcessKey, PythonCode, RawStack, StackEnd};
use telemetry::{Account, Ledger};

use crate::binary::{self, Binary, identify};
use crate::maps::Region;
use crate::naming::Place;
use crate::process::{Code, Mapping, Mappings};
use crate::python::{self, Codes};
use crate::tables::{Entered, Tables};
use crate::unwind::UnwindTable;
use crate::walk::{self, Registers, Stop};
use crate::{Lru, PerfMap, PerfMapLimits, proc};

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of what was read of binaries, in our own memory.
    pub binaries: usize,
    /// Bytes of unwind tables in the kernel's memory.
    pub tables: usize,
    /// Bytes of unwind tables in our own memory, for stacks that were copied.
    pub kept: usize,
    /// Bytes of what functions of Python are called.
    pub codes: usize,
    /// Processes.
    pub processes: usize,
}

/// What processes consist of.
pub struct Images {
    limits: Limits,
    tables: Tables,
    /// Tables by number, for stacks that were copied; none for a binary without one.
    kept: Lru<u32, Option<Rc<UnwindTable>>>,
    codes: Codes,
    binaries: Lru<MappedFile, Rc<Binary>>,
    /// Binaries with a table in the kernel, by number, least recently used first to go.
    tabled: Lru<u32, ()>,
    /// Numbers that no binary has.
    free: Vec<u32>,
    /// Files that are no binaries that we can read.
    refused: HashSet<MappedFile>,
    refused_since: u64,
    /// The dynamic linker of each executable.
    linkers: HashMap<u32, MappedFile>,
    vdso: Option<Rc<Binary>>,
    processes: HashMap<ProcessKey, Process>,
    books: Account,
}

struct Process {
    mappings: Mappings,
    entered: Option<Entered>,
    /// When `/proc` was last asked, and how long it is not asked again; it grows where that does not help.
    asked: u64,
    patience: u64,
    /// When the process was last of interest.
    used: u64,
    /// Until when the kernel's tables are not tried again.
    refused_until: u64,
    /// When it ended.
    gone: Option<u64>,
    /// Where its dynamic linker stands; 0 where that is not known.
    linker: u64,
    /// What it says of code that it made, and when that was last read.
    made: Option<(PerfMap, u64)>,
}

/// What is at an address of a stack.
#[derive(Clone)]
pub enum Spot {
    /// The kernel's own code.
    Kernel(u64),
    /// Code of a binary.
    Binary {
        /// The binary.
        binary: Rc<Binary>,
        /// The address as the binary itself counts, inside the call for callers.
        svma: u64,
    },
    /// Code that the process made for itself, with the name that it gave it.
    Made {
        /// The address.
        address: u64,
        /// What the process says is there.
        name: Option<Arc<str>>,
    },
    /// Nobody knows.
    Unknown(u64),
}

/// `/proc` is asked for one process no more often than this, and where that does not help ever more
/// seldom.
const ASK_AGAIN: u64 = 100_000_000;
const PATIENCE: u64 = 60_000_000_000;
/// What did not fit into the kernel's tables is tried again after so long.
const TRY_AGAIN: u64 = 10_000_000_000;
/// Files that are no binaries are looked at again after so long.
const REFUSED_FOR: u64 = 60_000_000_000;
/// Stacks of a process may come so long after its end.
const KEEP_GONE: u64 = 10_000_000_000;
/// A process that was of no interest for so long leaves the kernel's tables.
const KEEP_IDLE: u64 = 300_000_000_000;
/// Binaries that are open at the same time, each with a descriptor or two; fewer than the kernel side's
/// `BINARIES`.
const MOST_OPEN: u32 = 1024;
/// What is kept of what a process says of the code that it made.
const MADE: PerfMapLimits = PerfMapLimits { read: 16 << 20, functions: 100_000, names: 8 << 20 };
/// The deepest stack, as in the kernel.
const DEPTH: usize = 512;
/// Bytes of `.eh_frame` up to which a table is made in a few milliseconds.
const SMALL: u64 = 256 << 10;
/// Bytes that a table takes that says nothing.
const EMPTY: usize = 256;

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            binaries: 48 << 20,
            tables: 48 << 20,
            kept: 32 << 20,
            codes: 8 << 20,
            processes: 16_384,
        }
    }
}

impl Images {
    /// An empty store that writes to the tables of `kernel`. Its losses are told to `ledger`.
    pub fn new(kernel: Arc<Kernel>, limits: Limits, ledger: &Ledger) -> Images {
        Images {
            limits,
            tables: Tables::new(kernel),
            kept: Lru::new(limits.kept),
            codes: Codes::new(limits.codes),
            binaries: Lru::new(limits.binaries),
            tabled: Lru::new(limits.tables),
            free: (1..MOST_OPEN).rev().collect(),
            refused: HashSet::new(),
            refused_since: 0,
            linkers: HashMap::new(),
            vdso: None,
            processes: HashMap::new(),
            books: ledger.account("symbols", "binary"),
        }
    }

    /// A process has a new image.
    pub fn image(&mut self, process: ProcessKey, image: &Image, now: u64) {
        self.forget(process);
        // What is not known yet has to be looked at while the process lives.
        let unread =
            |at: u64| vec![Mapping { range: at..at.saturating_add(1), code: Code::Unread }];
        let executable = image.file.and_then(|file| self.known(&file));
        let linker = executable.as_ref().and_then(|it| self.linkers.get(&it.number).copied());
        let linker = linker.and_then(|file| self.known(&file));
        let mut found = match &executable {
            Some(binary) => whole(binary, image.entry.wrapping_sub(binary.elf().entry())),
            None => unread(image.entry),
        };
        if image.linker != 0 {
            found
                .extend(linker.map_or_else(|| unread(image.linker), |it| whole(&it, image.linker)));
        }
        if let Some(vdso) = self.vdso().filter(|_| image.vdso != 0) {
            found.extend(whole(&vdso, image.vdso));
        }
        let process = self.process(process, now);
        process.mappings = Mappings::new(found);
        process.linker = image.linker;
    }

    /// Code was mapped in a process.
    pub fn mapped(&mut self, key: ProcessKey, mapped: &CodeMapping, now: u64) {
        let is_there = |it: &Process| it.mappings.find(mapped.address).is_some();
        if mapped.protected && self.processes.get(&key).is_some_and(is_there) {
            // Code that may be run again, as it is while a debugger or a compiler writes to it.
            return;
        }
        let binary = mapped.file.and_then(|file| self.known(&file));
        // Of a process that is not known, all is read when it is first met.
        let Some(process) = self.processes.get_mut(&key) else { return };
        process.used = now;
        let bias = binary.as_ref().and_then(|it| it.bias(mapped.address, mapped.offset));
        let code = match (binary, bias) {
            (Some(binary), Some(bias)) => Code::Binary { binary, bias },
            _ if mapped.file.is_none() => Code::Made,
            _ => Code::Unread,
        };
        let is_unread = matches!(code, Code::Unread);
        let end = mapped.address.saturating_add(mapped.length.next_multiple_of(4096));
        let mapping = Mapping { range: mapped.address..end, code };
        let replaced = process.mappings.put(mapping.clone());
        if is_unread {
            (process.asked, process.patience) = (0, ASK_AGAIN);
        }
        let Some(entered) = &mut process.entered else { return };
        // What was there before stands in the kernel's tables in other pieces.
        if replaced || is_unread || self.tables.add(entered, &mapping).is_err() {
            self.leave(key);
        }
    }

    /// A process came to be, with all that its parent has.
    pub fn forked(&mut self, process: ProcessKey, parent: ProcessKey, now: u64) {
        let Some(mappings) = self.processes.get(&parent).map(|it| it.mappings.clone()) else {
            return;
        };
        self.process(process, now).mappings = mappings;
    }

    /// A process ended.
    pub fn exited(&mut self, process: ProcessKey, now: u64) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.gone = Some(now);
        }
    }

    /// What stands at each address of a stack, the innermost first, and why it is not whole.
    pub fn read(&mut self, stack: &RawStack, now: u64) -> (Vec<Spot>, StackEnd) {
        // A caller stands behind its call; of a thread that waits, all frames are callers.
        let inside = |(at, &it): (usize, &u64)| {
            let is_caller = at > 0 || stack.wait.is_some();
            Spot::Kernel(it.wrapping_sub(u64::from(is_caller)))
        };
        let mut spots: Vec<Spot> = stack.kernel.iter().enumerate().map(inside).collect();
        if stack.end == StackEnd::NoUser {
            return (spots, stack.end);
        }
        let key = stack.origin.process;
        self.acquaint(key, now);
        if stack.space == 0 {
            self.check_entered(key);
        }
        let (addresses, end) = match stack.copied.is_empty() {
            true => (stack.user.clone(), stack.end),
            false => self.unwind(key, stack, now),
        };
        let mappings = self.mappings(key);
        let first = spots.len();
        // What a signal interrupted did not call, and its end was not returned to.
        let mut interrupted = true;
        for &address in &addresses {
            let is_end = !interrupted && is_signal_return(&mappings, address);
            let is_caller = !interrupted && !is_end;
            spots.push(self.spot(key, &mappings, address, is_caller, now));
            interrupted = is_end;
        }
        self.enter(key, &spots[first..], now);
        (spots, end)
    }

    /// The kernel side tells what a function of Python is called.
    pub fn code(&mut self, told: PythonCode) {
        self.codes.tell(told);
    }

    /// Puts the frames of Python that `stack` has among the `places` of its others, which ended at
    /// `end`; and whether each stands where it belongs for certain, not most probably.
    pub fn join(
        &mut self,
        stack: &RawStack,
        end: StackEnd,
        places: Vec<Arc<[Arc<Place>]>>,
    ) -> (Vec<Arc<[Arc<Place>]>>, bool) {
        if stack.python.is_empty() {
            return (places, true);
        }
        let (places, joined) = python::among(&mut self.codes, stack, end, places);
        for code in joined.lost {
            self.tables.ask_code(stack.space, code);
        }
        (places, joined.exact)
    }

    /// Lets go of what nobody needs any more.
    pub fn keep_house(&mut self, now: u64) {
        let is_over = |process: &Process| {
            process.gone.is_some_and(|gone| now.saturating_sub(gone) > KEEP_GONE)
                || now.saturating_sub(process.used) > KEEP_IDLE
        };
        let over: Vec<ProcessKey> =
            self.processes.iter().filter(|(_, it)| is_over(it)).map(|(key, _)| *key).collect();
        for key in over {
            self.forget(key);
        }
        if now >= self.refused_since.saturating_add(REFUSED_FOR) {
            self.refused.clear();
            self.refused_since = now;
        }
        self.codes.weigh();
        // Names and lines were read of some since they were last weighed.
        for (_, evicted) in self.binaries.weigh(|binary| binary.bytes()) {
            self.drop_binary(evicted.number);
        }
    }

    /// Bytes of our own memory, as far as they are counted, and processes.
    pub fn size(&self) -> (usize, usize) {
        (self.binaries.bytes() + self.kept.bytes() + self.codes.bytes(), self.processes.len())
    }

    /// The kernel has thrown out a process that we believe to be entered: it has another image, or its
    /// first thread has ended. It can be entered again.
    fn check_entered(&mut self, key: ProcessKey) {
        let entered = self.processes.get(&key).and_then(|it| it.entered.as_ref());
        if entered.is_some_and(|it| !self.tables.has(it)) {
            self.leave(key);
        }
    }

    /// Makes sure that the mappings of a process are known, as far as they can be.
    fn acquaint(&mut self, key: ProcessKey, now: u64) {
        if self.process(key, now).mappings.lacks() {
            self.ask(key, now);
        }
    }

    /// Asks `/proc` what a process consists of, unless that was done just now; whether it answered.
    fn ask(&mut self, key: ProcessKey, now: u64) -> bool {
        let process = self.process(key, now);
        if process.gone.is_some() || now < process.asked.saturating_add(process.patience) {
            return false;
        }
        process.asked = now;
        process.patience = (process.patience * 2).min(PATIENCE);
        let linker_at = process.linker;
        let Ok(regions) = proc::regions(key) else { return false };
        let mut mappings = Vec::with_capacity(regions.len());
        let (mut executable, mut linker) = (None, None);
        for region in regions {
            let code = match (&*region.path, region.inode) {
                ("[vdso]", _) => match self.vdso() {
                    Some(binary) => Code::Binary { bias: region.range.start, binary },
                    None => Code::Made,
                },
                (_, 0) => Code::Made,
                _ => match self.open(key.pid, &region) {
                    Ok(Some((file, binary))) => {
                        executable =
                            executable.or(binary.elf().interpreter().map(|_| binary.number));
                        linker = linker.or(region.range.contains(&linker_at).then_some(file));
                        match binary.bias(region.range.start, region.offset) {
                            Some(bias) => Code::Binary { binary, bias },
                            None => Code::Made,
                        }
                    }
                    // No binary: a file of generated code, perhaps.
                    Ok(None) => Code::Made,
                    Err(_) => Code::Unread,
                },
            };
            mappings.push(Mapping { range: region.range, code });
        }
        if let (Some(executable), Some(linker)) = (executable, linker) {
            self.linkers.insert(executable, linker);
        }
        self.leave(key);
        self.process(key, now).mappings = Mappings::new(mappings);
        true
    }

    /// The binary behind a region; none where it is none that we can read.
    fn open(&mut self, pid: u32, region: &Region) -> io::Result<Option<(MappedFile, Rc<Binary>)>> {
        let file = proc::open(pid, region)?;
        let mut identity = identify(&file)?;
        // As the kernel's own records call it: overlays have names of their own for `stat`.
        (identity.inode, identity.device) = (region.inode, binary::kernel_device(region.device));
        if self.refused.contains(&identity) {
            return Ok(None);
        }
        let known = self.known(&identity);
        let binary = known.or_else(|| self.admit(identity, file, pid, &region.path));
        Ok(binary.map(|binary| (identity, binary)))
    }

    /// A binary that is new.
    fn admit(
        &mut self,
        identity: MappedFile,
        file: File,
        pid: u32,
        path: &str,
    ) -> Option<Rc<Binary>> {
        self.books.taken.add(1);
        let Some(number) = self.number() else {
            self.books.drop("too_many_binaries", 1);
            return None;
        };
        match Binary::open(number, file, path, &proc::root(pid)) {
            Ok(binary) => {
                self.books.passed.add(1);
                let binary = Rc::new(binary);
                self.keep(identity, binary.clone());
                Some(binary)
            }
            Err(_) => {
                self.free.push(number);
                self.refused.insert(identity);
                self.books.drop("not_elf", 1);
                None
            }
        }
    }

    /// Keeps a binary, which may have grown since it was last kept.
    fn keep(&mut self, identity: MappedFile, binary: Rc<Binary>) {
        let bytes = binary.bytes();
        for (_, evicted) in self.binaries.insert(identity, binary, bytes) {
            self.drop_binary(evicted.number);
        }
    }

    /// A number for a new binary, if need be that of the one that was not used for longest.
    fn number(&mut self) -> Option<u32> {
        if let Some(number) = self.free.pop() {
            return Some(number);
        }
        let (_, evicted) = self.binaries.evict()?;
        self.drop_binary(evicted.number);
        self.free.pop()
    }

    /// Nobody may find the number of a binary that has gone: it will be another's.
    fn drop_binary(&mut self, number: u32) {
        let holders: Vec<ProcessKey> = self
            .processes
            .iter()
            .filter(|(_, it)| it.mappings.holds(number))
            .map(|it| *it.0)
            .collect();
        for key in holders {
            self.forget(key);
        }
        self.tables.remove(number);
        self.tabled.remove(&number);
        self.kept.remove(&number);
        self.linkers.remove(&number);
        self.free.push(number);
    }

    fn known(&mut self, file: &MappedFile) -> Option<Rc<Binary>> {
        self.binaries.get(file).cloned()
    }

    fn vdso(&mut self) -> Option<Rc<Binary>> {
        if self.vdso.is_none() {
            let bytes = binary::vdso().ok()?;
            let number = self.number()?;
            self.vdso = Binary::from_bytes(number, "[vdso]", bytes).ok().map(Rc::new);
        }
        self.vdso.clone()
    }

    /// Finds the way up a stack that was copied.
    fn unwind(&mut self, key: ProcessKey, stack: &RawStack, now: u64) -> (Vec<u64>, StackEnd) {
        let (addresses, stop) = self.unwind_once(key, stack);
        // Code that nobody told of: made by the process, or mapped before we looked.
        let (addresses, stop) = match stop == Stop::NoMapping && self.ask(key, now) {
            true => self.unwind_once(key, stack),
            false => (addresses, stop),
        };
        let end = match stop {
            Stop::Bottom => StackEnd::Bottom,
            Stop::NoMapping => StackEnd::Unmapped,
            Stop::NoRule => StackEnd::NoRule,
            Stop::Unsupported => StackEnd::Unsupported,
            Stop::Unreadable => StackEnd::Unreadable,
            Stop::TooDeep => StackEnd::Deep,
            Stop::NotAdvancing => StackEnd::Stuck,
        };
        (addresses, end)
    }

    /// Walks up, and once more for each binary whose table it turns out to need.
    fn unwind_once(&mut self, key: ProcessKey, stack: &RawStack) -> (Vec<u64>, Stop) {
        let mappings = self.mappings(key);
        let schema::Registers { ip: pc, sp, fp } = stack.registers;
        let registers = Registers { pc, sp, fp, all: None };
        let read = |address: u64| {
            let at = usize::try_from(address.checked_sub(sp)?).ok()?;
            let word = stack.copied.get(at..)?.first_chunk()?;
            Some(u64::from_le_bytes(*word))
        };
        let mut tables: HashMap<u32, Option<Rc<UnwindTable>>> = HashMap::new();
        loop {
            let mut wanted = None;
            let code = |pc| match mappings.find(pc).map(|it| &it.code) {
                None => walk::Code::Unmapped,
                Some(Code::Made | Code::Unread) => walk::Code::NoTable,
                Some(Code::Binary { binary, bias }) => match tables.get(&binary.number) {
                    Some(Some(table)) => walk::Code::Table { table, bias: *bias },
                    Some(None) => walk::Code::NoTable,
                    None => {
                        wanted.get_or_insert_with(|| binary.clone());
                        walk::Code::NoTable
                    }
                },
            };
            let walked = walk::walk(&registers, DEPTH, code, read);
            let Some(binary) = wanted else { return walked };
            tables.insert(binary.number, self.table(&binary));
        }
    }

    fn mappings(&self, key: ProcessKey) -> Mappings {
        self.processes.get(&key).map(|it| it.mappings.clone()).unwrap_or_default()
    }

    /// Has the kernel walk the next stacks of this process, through these binaries at least.
    fn enter(&mut self, key: ProcessKey, spots: &[Spot], now: u64) {
        for spot in spots {
            if let Spot::Binary { binary, .. } = spot
                && self.tabled.get(&binary.number).is_none()
            {
                self.table(binary);
            }
        }
        let Some(process) = self.processes.get_mut(&key) else { return };
        let is_done = process.gone.is_some() || process.entered.is_some();
        if is_done || process.mappings.is_empty() || now < process.refused_until {
            return;
        }
        match self.tables.enter(key, &process.mappings) {
            Ok(entered) => process.entered = Some(entered),
            Err(_) => {
                process.refused_until = now.saturating_add(TRY_AGAIN);
                return self.books.drop("kernel_table_full", 1);
            }
        }
        // Most stacks go on into the C library and its like: small tables are made before they are met.
        for mapping in self.mappings(key).iter() {
            if let Code::Binary { binary, .. } = &mapping.code
                && binary.frames_size() <= SMALL
                && self.tabled.get(&binary.number).is_none()
            {
                self.table(binary);
            }
        }
    }

    /// The table of a binary; after this the kernel has it, too. What is too large for us is walked in the
    /// kernel only, and what is too large for that by frame pointers.
    fn table(&mut self, binary: &Binary) -> Option<Rc<UnwindTable>> {
        let number = binary.number;
        if let Some(kept) = self.kept.get(&number).cloned()
            && self.tabled.get(&number).is_some()
        {
            return kept;
        }
        let made = binary.table().map(|(table, _)| Rc::new(table));
        let bytes = made.as_ref().map_or(EMPTY, |it| it.bytes());
        let fits = bytes <= self.limits.tables / 2;
        if !fits {
            self.books.lacking("table_too_large", 1);
        }
        let table = made.filter(|_| fits);
        if self.tables.put(number, table.as_deref()).is_err() {
            self.books.drop("table_refused", 1);
        }
        let bytes = if fits { bytes } else { EMPTY };
        for (evicted, ()) in self.tabled.insert(number, (), bytes) {
            self.tables.remove(evicted);
        }
        let kept = table.clone().filter(|it| it.bytes() <= self.limits.kept);
        let bytes = kept.as_ref().map_or(EMPTY, |it| it.bytes());
        self.kept.insert(number, kept, bytes);
        table
    }

    fn spot(
        &mut self,
        key: ProcessKey,
        mappings: &Mappings,
        address: u64,
        is_caller: bool,
        now: u64,
    ) -> Spot {
        let inside = address.wrapping_sub(u64::from(is_caller));
        match mappings.find(inside).map(|it| &it.code) {
            Some(Code::Binary { binary, bias }) => {
                Spot::Binary { binary: binary.clone(), svma: inside.wrapping_sub(*bias) }
            }
            Some(Code::Made) => Spot::Made { address, name: self.made_name(key, inside, now) },
            Some(Code::Unread) | None => Spot::Unknown(address),
        }
    }

    /// What a process says is at an address of code that it made.
    fn made_name(&mut self, key: ProcessKey, address: u64, now: u64) -> Option<Arc<str>> {
        let process = self.processes.get_mut(&key)?;
        let fresh = || (PerfMap::new(MADE), 0);
        let (map, read) = process.made.get_or_insert_with(fresh);
        let is_due = process.gone.is_none() && now >= read.saturating_add(ASK_AGAIN);
        if is_due && map.lookup(address).is_none() {
            *read = now;
            let mut file = proc::perf_map(key.pid)?;
            map.refresh(&mut file).ok()?;
        }
        map.lookup(address).map(|symbol| symbol.name.into())
    }

    fn process(&mut self, key: ProcessKey, now: u64) -> &mut Process {
        if self.processes.len() >= self.limits.processes && !self.processes.contains_key(&key) {
            let oldest = self.processes.iter().min_by_key(|(_, it)| it.used).map(|(key, _)| *key);
            oldest.into_iter().for_each(|key| self.forget(key));
        }
        let process = self.processes.entry(key).or_insert_with(|| Process {
            mappings: Mappings::default(),
            entered: None,
            asked: 0,
            patience: ASK_AGAIN,
            used: now,
            refused_until: 0,
            gone: None,
            linker: 0,
            made: None,
        });
        process.used = now;
        process
    }

    fn forget(&mut self, key: ProcessKey) {
        self.leave(key);
        self.processes.remove(&key);
    }

    fn leave(&mut self, key: ProcessKey) {
        let entered = self.processes.get_mut(&key).and_then(|it| it.entered.take());
        entered.into_iter().for_each(|it| self.tables.leave(it));
    }
}

/// All code of a binary that is mapped as its segments say.
fn whole(binary: &Rc<Binary>, bias: u64) -> Vec<Mapping> {
    let code = Code::Binary { binary: binary.clone(), bias };
    binary.code(bias).map(|range| Mapping { range, code: code.clone() }).collect()
}

/// Whether a signal's handler returns to `address`.
fn is_signal_return(mappings: &Mappings, address: u64) -> bool {
    match mappings.find(address).map(|it| &it.code) {
        Some(Code::Binary { binary, bias }) => binary.is_signal_return(address.wrapping_sub(*bias)),
        _ => false,
    }
}
