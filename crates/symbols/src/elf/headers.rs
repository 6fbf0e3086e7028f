//! The headers of an ELF file: of the file, of what is loaded, and of its sections.

use object::elf;

use super::source::{Source, number};
use super::{ElfError, Found, Limits, Place, Segment};

pub(super) const FILE_HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const SECTION_HEADER: usize = 64;

pub(super) struct FileHeader {
    pub(super) kind: u16,
    pub(super) entry: u64,
    programs_at: u64,
    programs: u64,
    sections_at: u64,
    sections: u64,
    names_section: u64,
}

impl FileHeader {
    pub(super) fn parse(bytes: &[u8]) -> Result<FileHeader, ElfError> {
        if bytes.get(..4) != Some(&elf::ELFMAG) {
            return Err(ElfError::NotElf);
        }
        if bytes[4] != elf::ELFCLASS64.0 {
            return Err(ElfError::Unsupported("it is for 32 bits"));
        }
        if bytes[5] != elf::ELFDATA2LSB.0 {
            return Err(ElfError::Unsupported("its numbers are big-endian"));
        }
        let half = |at| number::<2>(bytes, at).ok_or(ElfError::NotElf);
        let long = |at| number::<8>(bytes, at).ok_or(ElfError::NotElf);
        if half(18)? != u64::from(elf::EM_X86_64.0) {
            return Err(ElfError::Unsupported("it is for another processor"));
        }
        let kind = half(16)? as u16;
        if kind != elf::ET_EXEC.0 && kind != elf::ET_DYN.0 {
            return Err(ElfError::Unsupported("it is neither a program nor a library"));
        }
        if half(54)? != PROGRAM_HEADER as u64 && half(56)? != 0 {
            return Err(ElfError::Unsupported("its program headers have an odd size"));
        }
        // A table of sections whose entries have another size is not read.
        let sections_at = if half(58)? == SECTION_HEADER as u64 { long(40)? } else { 0 };
        Ok(FileHeader {
            kind,
            entry: long(24)?,
            programs_at: long(32)?,
            programs: half(56)?,
            sections_at,
            sections: half(60)?,
            names_section: half(62)?,
        })
    }
}

/// A program header.
pub(super) struct Program {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) svma: u64,
    pub(super) file_size: u64,
    pub(super) memory_size: u64,
    pub(super) align: u64,
}

impl Program {
    fn parse(bytes: &[u8]) -> Option<Program> {
        Some(Program {
            kind: number::<4>(bytes, 0)? as u32,
            flags: number::<4>(bytes, 4)? as u32,
            offset: number::<8>(bytes, 8)?,
            svma: number::<8>(bytes, 16)?,
            file_size: number::<8>(bytes, 32)?,
            memory_size: number::<8>(bytes, 40)?,
            align: number::<8>(bytes, 48)?,
        })
    }

    pub(super) fn segment(&self) -> Option<Segment> {
        (self.kind == elf::PT_LOAD.0).then_some(Segment {
            offset: self.offset,
            svma: self.svma,
            file_size: self.file_size,
            memory_size: self.memory_size,
            executable: self.flags & elf::PF_X.0 != 0,
        })
    }
}

pub(super) struct SectionHeader {
    pub(super) name: u32,
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) svma: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    link: u32,
    info: u32,
    pub(super) align: u64,
}

impl SectionHeader {
    fn parse(bytes: &[u8]) -> Option<SectionHeader> {
        Some(SectionHeader {
            name: number::<4>(bytes, 0)? as u32,
            kind: number::<4>(bytes, 4)? as u32,
            flags: number::<8>(bytes, 8)?,
            svma: number::<8>(bytes, 16)?,
            offset: number::<8>(bytes, 24)?,
            size: number::<8>(bytes, 32)?,
            link: number::<4>(bytes, 40)? as u32,
            info: number::<4>(bytes, 44)? as u32,
            align: number::<8>(bytes, 48)?,
        })
    }

    pub(super) fn found(&self) -> Found {
        let place = if self.kind == elf::SHT_NOBITS.0 {
            Place::Nowhere { size: self.size }
        } else {
            Place::File { offset: self.offset, size: self.size }
        };
        Found { svma: self.svma, place, compressed: self.flags & elf::SHF_COMPRESSED.0 != 0 }
    }
}

pub(super) fn read_sections(
    source: &Source,
    header: &FileHeader,
    limits: &Limits,
) -> Result<Vec<SectionHeader>, ElfError> {
    if header.sections_at == 0 {
        return Ok(Vec::new());
    }
    let count = match header.sections {
        // More than fit into the header: the first section says how many.
        0 => {
            let first = source.read(header.sections_at, SECTION_HEADER as u64)?;
            number::<8>(&first, 32).ok_or(ElfError::NotElf)?
        }
        count => count,
    };
    if count > limits.sections {
        return Err(ElfError::TooLarge { what: "a table of sections", size: count });
    }
    let bytes = source.read(header.sections_at, count * SECTION_HEADER as u64)?;
    Ok(bytes.chunks_exact(SECTION_HEADER).filter_map(SectionHeader::parse).collect())
}

pub(super) fn read_programs(
    source: &Source,
    header: &FileHeader,
    sections: &[SectionHeader],
    limits: &Limits,
) -> Result<Vec<Program>, ElfError> {
    let count = match sections.first() {
        Some(first) if header.programs == u64::from(elf::PN_XNUM) => u64::from(first.info),
        _ => header.programs,
    };
    if count > limits.programs {
        return Err(ElfError::TooLarge { what: "a table of segments", size: count });
    }
    let bytes = source.read(header.programs_at, count * PROGRAM_HEADER as u64)?;
    Ok(bytes.chunks_exact(PROGRAM_HEADER).filter_map(Program::parse).collect())
}

pub(super) fn read_names(
    source: &Source,
    header: &FileHeader,
    sections: &[SectionHeader],
    limits: &Limits,
) -> Result<Vec<u8>, ElfError> {
    let index = match sections.first() {
        Some(first) if header.names_section == u64::from(elf::SHN_XINDEX.0) => first.link as usize,
        _ => header.names_section as usize,
    };
    let names = sections.get(index).ok_or(ElfError::NoSection)?;
    if names.size > limits.names_bytes {
        return Err(ElfError::TooLarge { what: "a table of section names", size: names.size });
    }
    source.read(names.offset, names.size)
}
