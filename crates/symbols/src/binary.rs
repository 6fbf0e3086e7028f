//! One file of code: what it is called, what is in it, how its frames are unwound.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use schema::MappedFile;

use crate::elf::{Elf, ElfError, Limits, Segment};
use crate::python::{Interpreter, PythonError};
use crate::unwind::{self, Report, UnwindTable};
use crate::{Lines, LinesLimits, Names, NamesLimits, debugfile};

/// A file of code, or the code that the kernel lends to every process. What is costly to read is read
/// when it is first asked for.
pub struct Binary {
    /// What no other binary ever has.
    pub id: u64,
    /// Its number in the kernel's tables, which no other binary has at the same time.
    pub number: u32,
    /// What it is called: the file's name without its folder.
    pub name: Arc<str>,
    /// Its build id in hexadecimal digits.
    pub build_id: Option<Arc<str>>,
    elf: Elf,
    /// The file with what was stripped from it.
    debug: Option<Elf>,
    names: OnceLock<Names>,
    lines: OnceLock<Option<Lines>>,
    /// Addresses that calls return to, and whether they are signals' ends.
    signal_returns: RefCell<HashMap<u64, bool>>,
    python: OnceLock<Result<Option<Interpreter>, PythonError>>,
}

static IDS: AtomicU64 = AtomicU64::new(0);
/// More of these are not remembered; then it begins anew.
const MOST_RETURNS: usize = 16_384;
/// Bytes of debug information beyond which it is not read for the sake of inlined functions.
const LINES: u64 = 256 << 20;
/// The kernel's mark on the path of a file that has gone.
const DELETED: &str = " (deleted)";

impl Binary {
    /// The binary in `file`, which processes call `path` below `root`.
    pub fn open(number: u32, file: File, path: &str, root: &Path) -> Result<Binary, ElfError> {
        let elf = Elf::open(file)?;
        let path = PathBuf::from(path.strip_suffix(DELETED).unwrap_or(path));
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let lacks = |name: &str| elf.section_range(name).is_none();
        let is_stripped = lacks(".symtab") || lacks(".debug_info");
        let debug = is_stripped.then(|| debugfile::find(&elf, &path, root, &Limits::default()));
        let debug = debug.flatten().map(|found| found.elf);
        Ok(Binary { debug, ..Binary::made(number, &name, elf) })
    }

    /// The same for code that is in no file.
    pub fn from_bytes(number: u32, name: &str, bytes: Vec<u8>) -> Result<Binary, ElfError> {
        Ok(Binary::made(number, name, Elf::from_bytes(bytes)?))
    }

    fn made(number: u32, name: &str, elf: Elf) -> Binary {
        let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let build_id = elf.build_id().map(|id| hex(id).into());
        let (names, lines, python) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        Binary {
            id,
            number,
            name: name.into(),
            build_id,
            elf,
            debug: None,
            names,
            lines,
            signal_returns: RefCell::default(),
            python,
        }
    }

    /// The file itself.
    pub fn elf(&self) -> &Elf {
        &self.elf
    }

    /// Whether a signal's handler returns to `svma`: to the call that goes back to what it interrupted.
    pub fn is_signal_return(&self, svma: u64) -> bool {
        // mov $15, %rax; syscall: what the kernel itself, and every debugger, knows it by.
        const CODE: &[u8] = &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];
        let known = self.signal_returns.borrow().get(&svma).copied();
        known.unwrap_or_else(|| {
            let is = self.elf.read_svma(svma, CODE.len() as u64).is_some_and(|it| it == CODE);
            let mut known = self.signal_returns.borrow_mut();
            if known.len() >= MOST_RETURNS {
                known.clear();
            }
            known.insert(svma, is);
            is
        })
    }

    /// Its functions.
    pub fn names(&self) -> &Names {
        let build = || Names::build(&self.elf, self.debug.as_ref(), &NamesLimits::default());
        self.names.get_or_init(build)
    }

    /// Source lines and inlined functions; none where there is no debug information, or more than is `left`
    /// to be read. What is read is taken off that.
    pub fn lines(&self, left: &mut u64) -> Option<&Lines> {
        let limits = LinesLimits { bytes: (*left).min(LINES), ..LinesLimits::default() };
        let with = |elf: &Elf| Lines::build(elf, None, &limits).ok();
        let build = || {
            let lines = (*left > 0).then(|| with(&self.elf).or_else(|| with(self.debug.as_ref()?)));
            let lines = lines.flatten();
            *left = left.saturating_sub(lines.as_ref().map_or(0, |it| it.bytes() as u64));
            lines
        };
        self.lines.get_or_init(build).as_ref()
    }

    /// The Python interpreter in it; none where there is none, or why it cannot be read.
    pub fn python(&self) -> Result<Option<&Interpreter>, &PythonError> {
        self.python.get_or_init(|| Interpreter::find(&self.elf)).as_ref().map(Option::as_ref)
    }

    /// Bytes of what it says of its frames.
    pub fn frames_size(&self) -> u64 {
        self.elf.section_range(".eh_frame").map_or(0, |(_, size)| size)
    }

    /// Makes the table of its frames, which is not kept; none where the binary does not say.
    pub fn table(&self) -> Option<(UnwindTable, Report)> {
        let built = UnwindTable::build(&self.elf, &unwind::Limits::default()).ok();
        built.filter(|(_, report)| report.rows > 0)
    }

    /// The memory that it takes by now, but for lines, which have a bound of their own.
    pub fn bytes(&self) -> usize {
        const HEADERS: usize = 16 << 10;
        self.names.get().map_or(0, Names::bytes) + HEADERS
    }

    /// What was added to the binary's own addresses where `offset` of its file is mapped at `address`.
    pub fn bias(&self, address: u64, offset: u64) -> Option<u64> {
        let code =
            self.elf.segments().iter().find(|it| it.executable && pages(it).contains(&offset))?;
        // Pages are mapped whole: what stands before the segment in its first page comes, too.
        let svma = code.svma.wrapping_add(offset).wrapping_sub(code.offset);
        Some(address.wrapping_sub(svma))
    }

    /// The addresses of its code where it is mapped with `bias`.
    pub fn code(&self, bias: u64) -> impl Iterator<Item = Range<u64>> {
        let code = self.elf.segments().iter().filter(|it| it.executable);
        code.map(move |it| {
            let start = it.svma.wrapping_add(bias) & !PAGE_MASK;
            let end = it.svma.wrapping_add(it.memory_size).wrapping_add(bias);
            start..end.wrapping_add(PAGE_MASK) & !PAGE_MASK
        })
    }
}

const PAGE_MASK: u64 = 0xfff;

/// The part of the file that is mapped for `segment`.
fn pages(segment: &Segment) -> Range<u64> {
    segment.offset & !PAGE_MASK..segment.offset.saturating_add(segment.file_size)
}

/// Which file `file` is, in the kernel's own terms.
pub(crate) fn identify(file: &File) -> io::Result<MappedFile> {
    let about = file.metadata()?;
    Ok(MappedFile {
        inode: about.ino(),
        written: about.mtime() * 1_000_000_000 + about.mtime_nsec(),
        device: kernel_device(about.dev()),
    })
}

/// A device's number as the kernel itself has it.
pub(crate) fn kernel_device(device: u64) -> u32 {
    rustix::fs::major(device) << 20 | rustix::fs::minor(device)
}

/// Reads the code that the kernel lends to every process, which is the same in all of them, from our own
/// memory.
pub(crate) fn vdso() -> io::Result<Vec<u8>> {
    let maps = io::BufReader::new(File::open("/proc/self/maps")?);
    let regions = crate::maps::read(maps)?;
    let found = regions.into_iter().find(|region| &*region.path == "[vdso]");
    let range = found.ok_or(io::ErrorKind::NotFound)?.range;
    let mut memory = File::open("/proc/self/mem")?;
    memory.seek(SeekFrom::Start(range.start))?;
    let mut bytes = vec![0; (range.end - range.start).min(1 << 20) as usize];
    memory.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_know_ourselves() {
        let path = std::env::current_exe().unwrap();
        let file = File::open(&path).unwrap();
        let binary = Binary::open(1, file, path.to_str().unwrap(), Path::new("/")).unwrap();
        let maps = io::BufReader::new(File::open("/proc/self/maps").unwrap());
        let own = crate::maps::read(maps).unwrap();
        let here = we_know_ourselves as *const () as u64;
        let region = own.iter().find(|it| it.range.contains(&here)).unwrap();
        let bias = binary.bias(region.range.start, region.offset).unwrap();
        let symbol = binary.names().lookup(here - bias).unwrap();
        assert!(symbol.name.contains("we_know_ourselves"), "{symbol:?}");
        assert!(binary.code(bias).any(|it| it == region.range), "{region:?}");
        assert!(binary.table().is_some());
    }

    #[test]
    fn the_vdso_is_a_binary() {
        let binary = Binary::from_bytes(1, "[vdso]", vdso().unwrap()).unwrap();
        assert!(binary.names().iter().any(|it| it.name.contains("clock_gettime")));
        assert!(binary.table().is_some());
    }
}
