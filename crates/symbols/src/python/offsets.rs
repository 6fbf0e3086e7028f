//! Which interpreter a binary has, and where in its structs things are.
//!
//! From 3.13 on a binary says it itself: `_PyRuntime` begins with a table of offsets, for debuggers.
//! For 3.11 and 3.12 the offsets are those that a C compiler gives for the headers of these versions
//! (`tests/python_headers.rs` asks it); within a minor version they do not change.

use crate::elf::Elf;

/// A version, as `(3, 12)`.
pub type Version = (u8, u8);

/// A Python interpreter in a program or library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Its version.
    pub version: Version,
    /// The svma of `_PyRuntime`, where it keeps its threads.
    pub runtime: u64,
    /// Where things are.
    pub offsets: Offsets,
}

/// Why the frames of an interpreter cannot be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PythonError {
    /// It is too old, or newer than this program.
    #[error("Python {}.{} is not read", .0.0, .0.1)]
    Version(Version),
    /// There is an interpreter, and nothing tells its version: it is older than 3.11, or was stripped of
    /// its symbols.
    #[error("a Python that does not tell its version")]
    Unknown,
    /// What it says of itself cannot be.
    #[error("a Python whose table of offsets makes no sense")]
    Damaged,
}

/// Where in an interpreter's structs things are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    /// In `_PyRuntime`: the first interpreter.
    pub interpreters: u32,
    /// In an interpreter: the next.
    pub interpreter_next: u32,
    /// In an interpreter: its first thread.
    pub threads: u32,
    /// In a thread: the next.
    pub thread_next: u32,
    /// In a thread: what `pthread_self()` gave.
    pub thread_id: u32,
    /// In a thread: its innermost frame, or what that is behind.
    pub current: u32,
    /// In that: the innermost frame; none where the thread has it itself.
    pub current_behind: Option<u32>,
    /// In a frame: its caller.
    pub previous: u32,
    /// In a frame: its code object.
    pub executable: u32,
    /// In a frame: the instruction.
    pub instruction: u32,
    /// In a frame: who owns it; 3 and more mark an entry from C.
    pub owner: u32,
    /// In a frame: whether C entered here; none where frames of the interpreter's own say so.
    pub entry: Option<u32>,
    /// In a code object: the first line.
    pub first_line: u32,
    /// In a code object: the qualified name.
    pub name: u32,
    /// In a code object: the file.
    pub file: u32,
    /// In a code object: the line table.
    pub table: u32,
    /// In a code object: the first instruction.
    pub instructions: u32,
    /// In a `bytes`: its length.
    pub bytes_size: u32,
    /// In a `bytes`: what it holds.
    pub bytes_data: u32,
    /// In a `str`: its length.
    pub text_length: u32,
    /// In a `str`: its kind and more.
    pub text_state: u32,
    /// The first bit of the kind in that.
    pub text_kind: u32,
    /// In a `str` that is ASCII: its letters.
    pub text_ascii: u32,
    /// In any other: its letters.
    pub text_other: u32,
}

/// In the binary's own section from 3.11 on, so that debuggers find it.
const SECTION: &str = ".PyRuntime";
const COOKIE: &[u8; 8] = b"xdebugpy";
const NONE: u32 = u32::MAX;
/// What the kernel side reads of a frame and of a code object, at most.
const FRAME_BYTES: u32 = 120;
const CODE_BYTES: u32 = 248;
/// No struct that is read of has as much.
const STRUCT_BYTES: u64 = 16 << 20;
const SYMBOL: usize = 24;

impl Interpreter {
    /// The interpreter in a binary; none where there is none.
    pub fn find(elf: &Elf) -> Result<Option<Interpreter>, PythonError> {
        let Some(runtime) = runtime(elf) else { return Ok(None) };
        let own = elf.read_svma(runtime, Debug::BYTES).and_then(|bytes| Debug::parse(&bytes));
        if let Some(own) = own {
            let offsets = own.offsets()?;
            return Ok(Some(Interpreter { version: own.version(), runtime, offsets }));
        }
        let [_, version] = symbols(elf, ["_PyRuntime", "Py_Version"]);
        let bytes = version.and_then(|at| elf.read_svma(at, 8)).ok_or(PythonError::Unknown)?;
        let version = version_of(u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        let offsets = match version {
            (3, 11) => PYTHON_3_11,
            (3, 12) => PYTHON_3_12,
            version => return Err(PythonError::Version(version)),
        };
        Ok(Some(Interpreter { version, runtime, offsets }))
    }
}

impl Offsets {
    /// The value for the kernel side's map `profile_pythons`: `struct python_offsets`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let words = [
            self.interpreters,
            self.interpreter_next,
            self.threads,
            self.thread_next,
            self.thread_id,
            self.current,
            self.current_behind.unwrap_or(NONE),
            self.frame_bytes(),
            self.previous,
            self.executable,
            self.instruction,
            self.owner,
            self.entry.unwrap_or(NONE),
            self.code_bytes(),
            self.first_line,
            self.name,
            self.file,
            self.table,
            self.instructions,
            self.bytes_size,
            self.bytes_data,
            self.text_length,
            self.text_state,
            self.text_kind,
            self.text_ascii,
            self.text_other,
        ];
        words.map(u32::to_ne_bytes).concat()
    }

    /// So much of a frame has to be read.
    fn frame_bytes(&self) -> u32 {
        let words = [self.previous, self.executable, self.instruction].map(|at| at + 8);
        let bytes = [self.owner + 1, self.entry.unwrap_or(0) + 1];
        words.into_iter().chain(bytes).fold(0, u32::max).next_multiple_of(8)
    }

    /// So much of a code object has to be read.
    fn code_bytes(&self) -> u32 {
        let words = [self.name, self.file, self.table].map(|at| at + 8);
        words.into_iter().fold(self.first_line + 4, u32::max).next_multiple_of(8)
    }

    /// Whether the kernel side can go by them: it masks what is beyond.
    fn is_sane(&self) -> bool {
        let words = [self.previous, self.executable, self.instruction];
        let code = [self.name, self.file, self.table];
        let aligned = words.iter().chain(&code).all(|at| at.is_multiple_of(8))
            && self.first_line.is_multiple_of(4);
        let near = |at: &u32| *at < FRAME_BYTES;
        let near_code = |at: &u32| *at < CODE_BYTES;
        aligned
            && words.iter().all(near)
            && near(&self.owner)
            && code.iter().all(near_code)
            && near_code(&self.first_line)
            && self.frame_bytes() <= FRAME_BYTES
            && self.code_bytes() <= CODE_BYTES
    }
}

const PYTHON_3_11: Offsets = Offsets {
    interpreters: 40,
    interpreter_next: 0,
    threads: 16,
    thread_next: 8,
    thread_id: 152,
    current: 56,
    current_behind: Some(8),
    previous: 48,
    executable: 32,
    instruction: 56,
    owner: 69,
    entry: Some(68),
    first_line: 72,
    name: 128,
    file: 112,
    table: 136,
    instructions: 184,
    bytes_size: 16,
    bytes_data: 32,
    text_length: 16,
    text_state: 32,
    text_kind: 2,
    text_ascii: 48,
    text_other: 72,
};

const PYTHON_3_12: Offsets = Offsets {
    interpreters: 40,
    interpreter_next: 0,
    threads: 72,
    thread_next: 8,
    thread_id: 136,
    current: 56,
    current_behind: Some(0),
    previous: 8,
    executable: 0,
    instruction: 56,
    owner: 70,
    entry: None,
    first_line: 68,
    name: 128,
    file: 112,
    table: 136,
    instructions: 192,
    bytes_size: 16,
    bytes_data: 32,
    text_length: 16,
    text_state: 32,
    text_kind: 2,
    text_ascii: 40,
    text_other: 56,
};

/// The table that `_PyRuntime` begins with: 8-byte numbers behind a cookie.
struct Debug {
    numbers: Vec<u64>,
}

/// Where in that table the parts begin; they are all counted in numbers behind the cookie.
struct Parts {
    interpreter: usize,
    thread: usize,
    frame: usize,
    code: usize,
    bytes: usize,
    text: usize,
    text_kind: u32,
}

/// The table of 3.13.
const PARTS_3_13: Parts =
    Parts { interpreter: 5, thread: 18, frame: 27, code: 33, bytes: 63, text: 66, text_kind: 2 };

/// The table of 3.14, which gained some numbers.
const PARTS_3_14: Parts =
    Parts { interpreter: 5, thread: 21, frame: 30, code: 38, bytes: 73, text: 76, text_kind: 16 };

impl Debug {
    const BYTES: u64 = 8 * 96;

    fn parse(bytes: &[u8]) -> Option<Debug> {
        let (numbers, _) = bytes.strip_prefix(COOKIE)?.as_chunks();
        Some(Debug { numbers: numbers.iter().map(|it| u64::from_le_bytes(*it)).collect() })
    }

    fn version(&self) -> Version {
        version_of(self.numbers.first().copied().unwrap_or_default())
    }

    fn offsets(&self) -> Result<Offsets, PythonError> {
        let parts = match self.version() {
            (3, 13) => PARTS_3_13,
            (3, 14) => PARTS_3_14,
            version => return Err(PythonError::Version(version)),
        };
        let at = |place: usize| match self.numbers.get(place) {
            Some(&number) if number < STRUCT_BYTES => Ok(number as u32),
            _ => Err(PythonError::Damaged),
        };
        let text_ascii = at(parts.text + 3)?;
        let offsets = Offsets {
            interpreters: at(4)?,
            interpreter_next: at(parts.interpreter + 2)?,
            threads: at(parts.interpreter + 3)?,
            thread_next: at(parts.thread + 2)?,
            thread_id: at(parts.thread + 5)?,
            current: at(parts.thread + 4)?,
            current_behind: None,
            previous: at(parts.frame + 1)?,
            executable: at(parts.frame + 2)?,
            instruction: at(parts.frame + 3)?,
            owner: at(parts.frame + 5)?,
            entry: None,
            first_line: at(parts.code + 5)?,
            name: at(parts.code + 3)?,
            file: at(parts.code + 1)?,
            table: at(parts.code + 4)?,
            instructions: at(parts.code + 9)?,
            bytes_size: at(parts.bytes + 1)?,
            bytes_data: at(parts.bytes + 2)?,
            text_length: at(parts.text + 2)?,
            text_state: at(parts.text + 1)?,
            text_kind: parts.text_kind,
            text_ascii,
            // A text that is not ASCII also has its length in UTF-8, and a pointer to that.
            text_other: text_ascii + 16,
        };
        if offsets.is_sane() { Ok(offsets) } else { Err(PythonError::Damaged) }
    }
}

fn version_of(hex: u64) -> Version {
    ((hex >> 24) as u8, (hex >> 16) as u8)
}

/// The svma of `_PyRuntime`. A file without section headers has it in the table of symbols at best;
/// any other is asked for nothing but the section, since most are no Python.
fn runtime(elf: &Elf) -> Option<u64> {
    if let Some((svma, _)) = elf.section_range(SECTION) {
        return (svma != 0).then_some(svma);
    }
    if elf.section_range(".text").is_some() {
        return None;
    }
    let [runtime] = symbols(elf, ["_PyRuntime"]);
    runtime
}

/// The svmas of dynamic symbols, by name.
fn symbols<const COUNT: usize>(elf: &Elf, names: [&str; COUNT]) -> [Option<u64>; COUNT] {
    const BYTES: u64 = 64 << 20;
    let mut found = [None; COUNT];
    let table = elf.section_within(".dynsym", BYTES);
    let (Ok(table), Ok(text)) = (table, elf.section_within(".dynstr", BYTES)) else { return found };
    let (entries, _) = table.data.as_chunks::<SYMBOL>();
    for entry in entries {
        let [a, b, c, d, ..] = *entry;
        let name = text.data.get(u32::from_le_bytes([a, b, c, d]) as usize..).unwrap_or_default();
        for (wanted, found) in names.iter().zip(&mut found) {
            let rest = name.strip_prefix(wanted.as_bytes());
            let (_, value) = entry.split_at(8);
            if rest.is_some_and(|rest| rest.first() == Some(&0)) {
                *found =
                    value.first_chunk().map(|it| u64::from_le_bytes(*it)).filter(|&it| it != 0);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(version: u64, numbers: &[(usize, u64)]) -> Vec<u8> {
        let mut table = vec![0u64; 95];
        table[0] = version;
        for &(at, number) in numbers {
            table[at] = number;
        }
        [COOKIE.to_vec(), table.iter().flat_map(|it| it.to_le_bytes()).collect()].concat()
    }

    #[test]
    fn own_tables_are_read_by_version() {
        // Where 3.14 has the frame's caller and the code's name.
        let bytes = table(0x030e_00f0, &[(4, 632), (31, 8), (41, 128), (79, 40)]);
        let own = Debug::parse(&bytes).expect("a table");
        let offsets = own.offsets().expect("it is sane");
        assert_eq!((own.version(), offsets.interpreters, offsets.previous), ((3, 14), 632, 8));
        assert_eq!((offsets.name, offsets.text_ascii, offsets.text_other), (128, 40, 56));
    }

    #[test]
    fn tables_that_cannot_be_are_refused() {
        let refused = |version, numbers: &[(usize, u64)]| {
            Debug::parse(&table(version, numbers)).and_then(|it| it.offsets().err())
        };
        assert_eq!(refused(0x030f_0000, &[]), Some(PythonError::Version((3, 15))));
        assert_eq!(refused(0x030d_0000, &[(5 + 3, u64::MAX)]), Some(PythonError::Damaged));
        // A caller beyond what is read of a frame, and one that is no whole word.
        assert_eq!(refused(0x030d_0000, &[(28, 1 << 20)]), Some(PythonError::Damaged));
        assert_eq!(refused(0x030d_0000, &[(28, 9)]), Some(PythonError::Damaged));
        assert!(Debug::parse(b"xdebugp").is_none());
        let short = Debug::parse(&table(0x030d_0000, &[])[..100]).and_then(|it| it.offsets().err());
        assert_eq!(short, Some(PythonError::Damaged));
        let empty = Debug::parse(COOKIE).and_then(|it| it.offsets().err());
        assert_eq!(empty, Some(PythonError::Version((0, 0))));
    }

    #[test]
    fn the_value_has_all_words() {
        assert_eq!(PYTHON_3_11.to_bytes().len(), 26 * 4);
        assert_eq!((PYTHON_3_11.frame_bytes(), PYTHON_3_11.code_bytes()), (72, 144));
        assert!(PYTHON_3_11.is_sane() && PYTHON_3_12.is_sane());
    }
}
