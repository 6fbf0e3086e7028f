//! Another's judgement of stacks: framehop, from a binary's own sections.

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{Error, ExplicitModuleSectionInfo, FrameAddress, Module, Unwinder};

use symbols::elf::{Elf, ElfError};
use symbols::walk::{Registers, Stop};

/// The largest section that is kept, in bytes.
const SECTION_BYTES: u64 = 64 << 20;
/// Places at which a binary's module is kept ready.
const MOST_PLACES: usize = 16;

/// Code in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mapped {
    /// The binary, as it was named to [`Copied::add`]. One that is not there, or was never added,
    /// is code without tables.
    pub(crate) binary: u64,
    /// Its addresses in the process.
    pub(crate) range: Range<u64>,
    /// What was added to the binary's own addresses.
    pub(crate) bias: u64,
}

/// The sections of binaries, kept for unwinding: those used last, up to a number of bytes.
pub(crate) struct Copied {
    most_bytes: usize,
    bytes: usize,
    binaries: HashMap<u64, Binary>,
    /// Grows with each use.
    clock: u64,
}

struct Binary {
    sections: Sections,
    bytes: usize,
    used: u64,
    /// Modules at the places where the binary was seen.
    modules: Vec<(Mapped, Module<Arc<[u8]>>)>,
}

/// The bytes that framehop reads, shared by all modules of a binary.
struct Sections {
    base: u64,
    text: Option<Range<u64>>,
    got: Option<Range<u64>>,
    eh_frame: Option<(Range<u64>, Arc<[u8]>)>,
    eh_frame_hdr: Option<(Range<u64>, Arc<[u8]>)>,
    debug_frame: Option<Arc<[u8]>>,
}

impl Copied {
    /// Keeps up to `most_bytes` of sections.
    pub(crate) fn new(most_bytes: usize) -> Copied {
        Copied { most_bytes, bytes: 0, binaries: HashMap::new(), clock: 0 }
    }

    /// Whether the sections of `binary` are kept.
    pub(crate) fn holds(&self, binary: u64) -> bool {
        self.binaries.contains_key(&binary)
    }

    /// Reads the sections of `elf` and keeps them as those of `binary`, a number of the caller's
    /// choice. Binaries that were not used for the longest time are let go for it.
    pub(crate) fn add(&mut self, binary: u64, elf: &Elf) -> Result<(), ElfError> {
        if self.holds(binary) {
            return Ok(());
        }
        let sections = Sections::read(elf)?;
        let bytes = sections.bytes();
        if bytes > self.most_bytes {
            return Err(ElfError::TooLarge { what: "an unwind section", size: bytes as u64 });
        }
        while self.bytes + bytes > self.most_bytes {
            let oldest = self.binaries.iter().min_by_key(|(_, binary)| binary.used);
            let Some((&oldest, _)) = oldest else { break };
            self.remove(oldest);
        }
        self.clock += 1;
        let used = self.clock;
        self.bytes += bytes;
        self.binaries.insert(binary, Binary { sections, bytes, used, modules: Vec::new() });
        Ok(())
    }

    /// Lets go of a binary.
    pub(crate) fn remove(&mut self, binary: u64) {
        if let Some(gone) = self.binaries.remove(&binary) {
            self.bytes -= gone.bytes;
        }
    }

    /// The addresses of the frames of a thread, its own first, at most `depth`, and why there are
    /// not more. `stack` is what was at `stack_base` and above it; `mapped` is all code of the
    /// process.
    pub(crate) fn unwind(
        &mut self,
        mapped: &[Mapped],
        registers: &Registers,
        depth: usize,
        stack_base: u64,
        stack: &[u8],
    ) -> (Vec<u64>, Stop) {
        let mut unwinder = UnwinderX86_64::<_>::new();
        for mapped in mapped {
            if let Some(module) = self.module(mapped) {
                unwinder.add_module(module);
            }
        }
        let mut read = |address: u64| {
            let at = usize::try_from(address.wrapping_sub(stack_base)).map_err(|_| ())?;
            let bytes = stack.get(at..).and_then(|stack| stack.first_chunk()).ok_or(())?;
            Ok(u64::from_le_bytes(*bytes))
        };
        let mut cache = CacheX86_64::<_>::new();
        let mut regs = UnwindRegsX86_64::new(registers.pc, registers.sp, registers.fp);
        let mut addresses = Vec::new();
        let mut address = FrameAddress::from_instruction_pointer(registers.pc);
        loop {
            let lookup = address.address_for_lookup();
            let known = mapped.iter().any(|mapped| mapped.range.contains(&lookup));
            if !known && !addresses.is_empty() {
                return (addresses, Stop::NoMapping);
            }
            if addresses.len() == depth {
                return (addresses, Stop::TooDeep);
            }
            addresses.push(address.address());
            if !known {
                return (addresses, Stop::NoMapping);
            }
            // The sections are other people's bytes, and framehop was not made against malice.
            let next = catch_unwind(AssertUnwindSafe(|| {
                unwinder.unwind_frame(address, &mut regs, &mut cache, &mut read)
            }));
            let stop = match next {
                Ok(Ok(Some(caller))) => match FrameAddress::from_return_address(caller) {
                    Some(caller) => {
                        address = caller;
                        continue;
                    }
                    None => Stop::Bottom,
                },
                Ok(Ok(None)) | Ok(Err(Error::ReturnAddressIsNull)) => Stop::Bottom,
                Ok(Err(Error::CouldNotReadStack(_))) => Stop::Unreadable,
                Ok(Err(Error::FramepointerUnwindingMovedBackwards)) => Stop::NoRule,
                Ok(Err(Error::DidNotAdvance)) => Stop::NotAdvancing,
                Ok(Err(Error::IntegerOverflow)) | Err(_) => Stop::Unsupported,
            };
            return (addresses, stop);
        }
    }

    /// The module of a binary at a place.
    fn module(&mut self, mapped: &Mapped) -> Option<Module<Arc<[u8]>>> {
        let binary = self.binaries.get_mut(&mapped.binary)?;
        self.clock += 1;
        binary.used = self.clock;
        if let Some((_, module)) = binary.modules.iter().find(|(place, _)| place == mapped) {
            return Some(module.clone());
        }
        let module = binary.sections.module(mapped);
        if binary.modules.len() == MOST_PLACES {
            binary.modules.remove(0);
        }
        binary.modules.push((mapped.clone(), module.clone()));
        Some(module)
    }
}

impl std::fmt::Debug for Copied {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let binaries = self.binaries.len();
        out.debug_struct("Copied").field("binaries", &binaries).field("bytes", &self.bytes).finish()
    }
}

impl Sections {
    fn read(elf: &Elf) -> Result<Sections, ElfError> {
        let range = |name| {
            let (svma, size) = elf.section_range(name)?;
            Some(svma..svma.saturating_add(size))
        };
        let data = |name: &str| match elf.section_within(name, SECTION_BYTES) {
            Ok(section) => {
                let end = section.svma.saturating_add(section.data.len() as u64);
                Ok(Some((section.svma..end, Arc::from(section.data))))
            }
            Err(ElfError::NoSection) => Ok(None),
            Err(error) => Err(error),
        };
        let eh_frame = data(".eh_frame")?;
        let debug_frame = match eh_frame {
            Some(_) => None,
            None => data(".debug_frame")?.map(|(_, bytes)| bytes),
        };
        // Without its table of functions the header is of no use; framehop then makes an index.
        let has_table = |header: &(Range<u64>, Arc<[u8]>)| matches!(header.1.first_chunk(), Some([1, _, count, 0x3b]) if *count != 0xff);
        let first = elf.segments().iter().map(|segment| segment.svma).min();
        Ok(Sections {
            base: first.unwrap_or(0),
            text: range(".text"),
            got: range(".got"),
            eh_frame,
            eh_frame_hdr: data(".eh_frame_hdr")?.filter(has_table),
            debug_frame,
        })
    }

    fn bytes(&self) -> usize {
        let all = [&self.eh_frame, &self.eh_frame_hdr];
        let frames: usize = all.iter().filter_map(|it| Some(it.as_ref()?.1.len())).sum();
        frames + self.debug_frame.as_ref().map_or(0, |bytes| bytes.len())
    }

    fn module(&self, mapped: &Mapped) -> Module<Arc<[u8]>> {
        let section = |it: &Option<(Range<u64>, Arc<[u8]>)>| it.clone().unzip();
        let (eh_frame_svma, eh_frame) = section(&self.eh_frame);
        let (eh_frame_hdr_svma, eh_frame_hdr) = section(&self.eh_frame_hdr);
        let info = ExplicitModuleSectionInfo {
            base_svma: self.base,
            text_svma: self.text.clone(),
            got_svma: self.got.clone(),
            eh_frame_svma,
            eh_frame,
            eh_frame_hdr_svma,
            eh_frame_hdr,
            debug_frame: self.debug_frame.clone(),
            ..ExplicitModuleSectionInfo::default()
        };
        let base = mapped.bias.wrapping_add(self.base);
        Module::new(String::new(), mapped.range.clone(), base, info)
    }
}
