//! An ELF file: its segments, sections and build-id, read in bounded pieces.
//!
//! Files are other people's: cut short, of hundreds of megabytes, or made to hurt. Opening reads
//! the headers only; a section is read when it is asked for, and [`Limits`] bound each piece.
//! Addresses in the file's own numbering are called `svma`. Only 64-bit little-endian files for
//! x86-64 are taken.

mod dynamic;
mod headers;
mod source;

use std::fs::File;

use object::elf;
use object::read::{CompressedData, CompressionFormat};

use headers::{FILE_HEADER, FileHeader, Program, SectionHeader};
use source::{Source, number};

const COMPRESSION_HEADER: u64 = 24;
const PAGE: u64 = 4096;
/// Notes and the interpreter's name are short; more of them is not looked at.
const NOTES_BYTES: u64 = 64 << 10;
const BUILD_ID_BYTES: usize = 64;

/// What a file may make us read.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The largest section that is read, in bytes, after it was decompressed.
    pub section_bytes: u64,
    /// The most section headers.
    pub sections: u64,
    /// The most program headers.
    pub programs: u64,
    /// The largest table of section names, in bytes.
    pub names_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { section_bytes: 512 << 20, sections: 65_536, programs: 4096, names_bytes: 4 << 20 }
    }
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// The system said no.
    #[error("reading failed: {0}")]
    Io(#[from] std::io::Error),
    /// A directory, pipe or device.
    #[error("not a regular file")]
    NotAFile,
    /// It does not begin as ELF files do.
    #[error("not an ELF file")]
    NotElf,
    /// An ELF file, but for another machine, or no program or library.
    #[error("an ELF file that is not read here: {0}")]
    Unsupported(&'static str),
    /// It says that something is where the file has ended already.
    #[error("cut short: {size} bytes at {offset:#x} are not all there")]
    Truncated {
        /// Where, in bytes from the file's start.
        offset: u64,
        /// How many bytes should be there.
        size: u64,
    },
    /// Something is larger than [`Limits`] allow.
    #[error("{what} of {size} is more than is read")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, in bytes or pieces.
        size: u64,
    },
    /// There is no such section, or it takes no room in the file.
    #[error("no such section")]
    NoSection,
    /// A compressed section does not decompress.
    #[error("a section is compressed in a way that cannot be undone")]
    Compression,
}

/// A part of the file that the loader maps (`PT_LOAD`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where it is in the file, in bytes.
    pub offset: u64,
    /// Its first address.
    pub svma: u64,
    /// Its bytes in the file.
    pub file_size: u64,
    /// Its bytes in memory; those behind `file_size` are zero.
    pub memory_size: u64,
    /// Whether it is code.
    pub executable: bool,
}

impl Segment {
    /// Whether the byte of `svma` is in the file.
    fn holds(&self, svma: u64) -> bool {
        svma >= self.svma && svma - self.svma < self.file_size
    }

    fn svma_of_offset(&self, offset: u64) -> Option<u64> {
        let inside = offset >= self.offset && offset - self.offset < self.file_size;
        inside.then(|| self.svma.wrapping_add(offset - self.offset))
    }

    /// As the loader maps it: whole pages.
    fn svma_of_offset_in_pages(&self, offset: u64) -> Option<u64> {
        let start = self.offset & !(PAGE - 1);
        let end = self.offset.saturating_add(self.file_size).checked_next_multiple_of(PAGE)?;
        let inside = offset >= start && offset < end;
        inside.then(|| self.svma.wrapping_sub(self.offset).wrapping_add(offset))
    }
}

/// The bytes of a section, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its first address; 0 for one that is not loaded.
    pub svma: u64,
    /// What it holds.
    pub data: Vec<u8>,
}

/// An ELF file that is open: its headers, and the way to its bytes.
pub struct Elf {
    source: Source,
    limits: Limits,
    entry: u64,
    position_independent: bool,
    programs: Vec<Program>,
    segments: Vec<Segment>,
    sections: Vec<SectionHeader>,
    /// The table of section names.
    names: Vec<u8>,
    build_id: Option<Vec<u8>>,
}

impl Elf {
    /// Reads the headers of `file`; the rest when it is asked for.
    pub fn open(file: File) -> Result<Elf, ElfError> {
        Elf::open_within(file, Limits::default())
    }

    /// Like [`Elf::open`], with other limits.
    pub fn open_within(file: File, limits: Limits) -> Result<Elf, ElfError> {
        Elf::read(Source::file(file)?, limits)
    }

    /// A file that is in memory already, as the vDSO.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Elf, ElfError> {
        Elf::read(Source::Bytes(bytes), Limits::default())
    }

    fn read(source: Source, limits: Limits) -> Result<Elf, ElfError> {
        if source.size() < FILE_HEADER as u64 {
            return Err(ElfError::NotElf);
        }
        let header = FileHeader::parse(&source.read(0, FILE_HEADER as u64)?)?;
        // The vDSO and stripped files do without; a damaged table is no reason to know nothing.
        let sections = headers::read_sections(&source, &header, &limits).unwrap_or_default();
        let programs = headers::read_programs(&source, &header, &sections, &limits)?;
        let names = headers::read_names(&source, &header, &sections, &limits).unwrap_or_default();
        let segments = programs.iter().filter_map(Program::segment).collect();
        let mut elf = Elf {
            source,
            limits,
            entry: header.entry,
            position_independent: header.kind == elf::ET_DYN.0,
            programs,
            segments,
            sections,
            names,
            build_id: None,
        };
        elf.build_id = elf.find_build_id();
        Ok(elf)
    }

    /// The size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// The identity that the linker gave it.
    pub fn build_id(&self) -> Option<&[u8]> {
        self.build_id.as_deref()
    }

    /// What the loader maps, in the file's order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Where it starts to run.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// Whether it can be mapped anywhere: a library or a position-independent program.
    pub fn is_position_independent(&self) -> bool {
        self.position_independent
    }

    /// The program that loads it, as the file names it.
    pub fn interpreter(&self) -> Option<String> {
        let header = self.program(elf::PT_INTERP)?;
        let bytes = self.source.read(header.offset, header.file_size.min(PAGE)).ok()?;
        let name = bytes.split(|&byte| byte == 0).next()?;
        (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
    }

    /// The address of what is at `offset` in the file. Where segments share a page of the file,
    /// the code is meant.
    pub fn svma_of_offset(&self, offset: u64) -> Option<u64> {
        let code = || self.segments.iter().filter(|segment| segment.executable);
        let all = || self.segments.iter();
        let exact = |segment: &Segment| segment.svma_of_offset(offset);
        let in_pages = |segment: &Segment| segment.svma_of_offset_in_pages(offset);
        code()
            .find_map(exact)
            .or_else(|| code().find_map(in_pages))
            .or_else(|| all().find_map(exact))
            .or_else(|| all().find_map(in_pages))
    }

    /// Where in the file the byte of an address is.
    pub fn offset_of_svma(&self, svma: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|segment| segment.holds(svma))?;
        segment.offset.checked_add(svma - segment.svma)
    }

    /// The `size` bytes at an address, from one segment.
    pub fn read_svma(&self, svma: u64, size: u64) -> Option<Vec<u8>> {
        let bytes = self.read_svma_up_to(svma, size)?;
        (bytes.len() as u64 == size).then_some(bytes)
    }

    /// Up to `size` bytes at an address: fewer where its segment ends.
    fn read_svma_up_to(&self, svma: u64, size: u64) -> Option<Vec<u8>> {
        let segment = self.segments.iter().find(|segment| segment.holds(svma))?;
        let inside = svma - segment.svma;
        let size = size.min(segment.file_size - inside);
        if size > self.limits.section_bytes {
            return None;
        }
        self.source.read(segment.offset.checked_add(inside)?, size).ok()
    }

    /// The section `name`, decompressed; `.debug_` ones are also found where they are compressed
    /// in the old way (`.zdebug_`). None if it is not there, or cannot be read.
    pub fn section(&self, name: &str) -> Option<Section> {
        self.section_within(name, self.limits.section_bytes).ok()
    }

    /// Like [`Elf::section`], of at most `max` bytes, and saying why not.
    pub fn section_within(&self, name: &str, max: u64) -> Result<Section, ElfError> {
        let max = max.min(self.limits.section_bytes);
        if let Some(found) = self.find(name) {
            let Place::File { offset, size } = found.place else { return Err(ElfError::NoSection) };
            if size > max {
                return Err(ElfError::TooLarge { what: "a section", size });
            }
            let data = self.source.read(offset, size)?;
            let data = if found.compressed { decompress(&data, max)? } else { data };
            return Ok(Section { svma: found.svma, data });
        }
        let old = name.strip_prefix(".debug_").ok_or(ElfError::NoSection)?;
        let found = self.find(&format!(".zdebug_{old}")).ok_or(ElfError::NoSection)?;
        let Place::File { offset, size } = found.place else { return Err(ElfError::NoSection) };
        if size > max {
            return Err(ElfError::TooLarge { what: "a section", size });
        }
        let data = decompress_old(&self.source.read(offset, size)?, max)?;
        Ok(Section { svma: found.svma, data })
    }

    /// Address and size in memory of the section `name`.
    pub fn section_range(&self, name: &str) -> Option<(u64, u64)> {
        let found = self.find(name)?;
        let size = match found.place {
            Place::File { size, .. } | Place::Nowhere { size } => size,
        };
        Some((found.svma, size))
    }

    /// Address and size of each section of code, in the file's order; none without section headers.
    pub fn code_sections(&self) -> impl Iterator<Item = (u64, u64)> {
        let code = elf::SHF_ALLOC.0 | elf::SHF_EXECINSTR.0;
        let sections = self.sections.iter().filter(move |section| section.flags & code == code);
        sections.map(|section| (section.svma, section.size))
    }

    /// The section by its header, or by what the program headers tell.
    fn find(&self, name: &str) -> Option<Found> {
        let named = |section: &&SectionHeader| {
            let at = section.name as usize;
            let rest = self.names.get(at..).unwrap_or_default();
            rest.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
        };
        match self.sections.iter().find(named) {
            Some(section) => Some(section.found()),
            None => dynamic::find(self, name),
        }
    }

    /// The first program header of a kind.
    fn program(&self, kind: elf::ProgramType) -> Option<&Program> {
        self.programs.iter().find(|program| program.kind == kind.0)
    }

    fn find_build_id(&self) -> Option<Vec<u8>> {
        let programs = self.programs.iter().filter(|program| program.kind == elf::PT_NOTE.0);
        let programs = programs.map(|program| (program.offset, program.file_size, program.align));
        let sections = self.sections.iter().filter(|section| section.kind == elf::SHT_NOTE.0);
        let sections = sections.map(|section| (section.offset, section.size, section.align));
        // A debug file keeps the program headers of its original, which lead nowhere in it.
        sections.take(64).chain(programs.take(64)).find_map(|(offset, size, align)| {
            let notes = self.source.read(offset, size.min(NOTES_BYTES)).ok()?;
            build_id(&notes, if align == 8 { 8 } else { 4 })
        })
    }
}

impl std::fmt::Debug for Elf {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Elf")
            .field("size", &self.size())
            .field("build_id", &self.build_id)
            .field("segments", &self.segments)
            .finish_non_exhaustive()
    }
}

/// Where a section is, however it was found.
struct Found {
    svma: u64,
    place: Place,
    compressed: bool,
}

enum Place {
    File {
        offset: u64,
        size: u64,
    },
    /// It has room in memory only.
    Nowhere {
        size: u64,
    },
}

/// The build-id among `notes`, whose parts begin at multiples of `align`.
fn build_id(notes: &[u8], align: usize) -> Option<Vec<u8>> {
    let mut at = 0;
    loop {
        let name_size = number::<4>(notes, at)? as usize;
        let size = number::<4>(notes, at + 4)? as usize;
        let kind = number::<4>(notes, at + 8)? as u32;
        let name_at = at + 12;
        let data_at = name_at.checked_add(name_size)?.checked_next_multiple_of(align)?;
        let end = data_at.checked_add(size)?;
        let is_it = kind == elf::NT_GNU_BUILD_ID.0
            && notes.get(name_at..name_at.checked_add(name_size)?)? == b"GNU\0";
        if is_it && (1..=BUILD_ID_BYTES).contains(&size) {
            return Some(notes.get(data_at..end)?.to_vec());
        }
        at = end.checked_next_multiple_of(align)?;
    }
}

/// Undoes the compression of a section that begins with a compression header.
fn decompress(data: &[u8], max: u64) -> Result<Vec<u8>, ElfError> {
    let kind = number::<4>(data, 0).ok_or(ElfError::Compression)? as u32;
    let size = number::<8>(data, 8).ok_or(ElfError::Compression)?;
    let data = data.get(COMPRESSION_HEADER as usize..).ok_or(ElfError::Compression)?;
    let format = match kind {
        kind if kind == elf::ELFCOMPRESS_ZLIB.0 => CompressionFormat::Zlib,
        kind if kind == elf::ELFCOMPRESS_ZSTD.0 => CompressionFormat::Zstandard,
        _ => return Err(ElfError::Compression),
    };
    expand(format, data, size, max)
}

/// Undoes the old way, in which the section is `ZLIB`, its size as a big-endian number, and data.
fn decompress_old(data: &[u8], max: u64) -> Result<Vec<u8>, ElfError> {
    let data = data.strip_prefix(b"ZLIB").ok_or(ElfError::Compression)?;
    let (size, data) = data.split_first_chunk().ok_or(ElfError::Compression)?;
    expand(CompressionFormat::Zlib, data, u64::from_be_bytes(*size), max)
}

fn expand(
    format: CompressionFormat,
    data: &[u8],
    size: u64,
    max: u64,
) -> Result<Vec<u8>, ElfError> {
    if size > max {
        return Err(ElfError::TooLarge { what: "a compressed section", size });
    }
    let data = CompressedData { format, data, uncompressed_size: size };
    let data = data.decompress().map_err(|_| ElfError::Compression)?;
    Ok(data.into_owned())
}
