//! One line of a stack: a function as far as it is known.

use std::borrow::Cow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::palette::Colour;

/// One frame: a function, and where in it.
///
/// Two frames are the same if all of this is the same, so the places within a function stay apart;
/// what merges them for a picture is the [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Frame {
    /// The function's name, demangled. Of an address without a name, `[unknown]` or
    /// `binary+0x1234`; of a [`FrameKind::Note`], the note in brackets.
    pub function: Arc<str>,
    /// The file name of the ELF file or module, without its directories: `libc.so.6`, `[kernel]`.
    pub binary: Option<Arc<str>>,
    /// The source file.
    pub file: Option<Arc<str>>,
    /// The line in the source file that ran; from 1.
    pub line: Option<u32>,
    /// Where in the binary, in its file's own numbering; of the kernel and of compiled code without
    /// a file the address itself. 0 where there is none, as in Python.
    pub address: u64,
    /// What runs it.
    pub kind: FrameKind,
    /// Whether its code was inlined into its caller, so that the next frame towards the root has
    /// the same address.
    pub inlined: bool,
}

/// What runs a frame. It decides the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum FrameKind {
    /// Machine code from a file.
    #[default]
    Native,
    /// Machine code of a Go program.
    Go,
    /// The kernel and its modules.
    Kernel,
    /// A function of Python.
    Python,
    /// Machine code that a runtime compiled, named by its perf map: Node.js, the JVM.
    Jit,
    /// An address without a name.
    Unknown,
    /// Not a function: `[blocked: futex]`, `[truncated]`.
    Note,
    /// Not a function: the process, container or pod that stands at the root of a picture.
    Group,
}

impl FrameKind {
    /// All kinds, in the order of the legend.
    pub const ALL: [FrameKind; 8] = [
        FrameKind::Native,
        FrameKind::Go,
        FrameKind::Python,
        FrameKind::Jit,
        FrameKind::Kernel,
        FrameKind::Unknown,
        FrameKind::Note,
        FrameKind::Group,
    ];

    /// One word, lower case.
    pub fn word(self) -> &'static str {
        match self {
            FrameKind::Native => "native",
            FrameKind::Go => "go",
            FrameKind::Kernel => "kernel",
            FrameKind::Python => "python",
            FrameKind::Jit => "jit",
            FrameKind::Unknown => "unknown",
            FrameKind::Note => "note",
            FrameKind::Group => "process",
        }
    }

    /// The kind with this [`word`](FrameKind::word).
    pub fn from_word(word: &str) -> Option<FrameKind> {
        FrameKind::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What a frame is called where places within a function do not matter: its function, binary and
/// kind, and in Python its file too, since many files there have a `main`. All that is unknown in a
/// binary has one name.
#[derive(Debug, Clone)]
pub struct Name {
    /// As in [`Frame::function`]; of what is unknown `libc.so.6 [unknown]`.
    pub function: Arc<str>,
    /// As in [`Frame::binary`].
    pub binary: Option<Arc<str>>,
    /// The source file of the first frame with this name; part of the identity in Python only.
    pub file: Option<Arc<str>>,
    /// As in [`Frame::kind`].
    pub kind: FrameKind,
}

impl Name {
    /// The name of `frame`.
    pub fn of(frame: &Frame) -> Name {
        let function = match (&frame.binary, frame.kind) {
            (Some(binary), FrameKind::Unknown) => format!("{binary}{UNKNOWN}").into(),
            _ => frame.function.clone(),
        };
        Name { function, binary: frame.binary.clone(), file: frame.file.clone(), kind: frame.kind }
    }

    /// The name of a group of stacks, such as a process.
    pub fn group(text: &str) -> Name {
        Name { function: text.into(), binary: None, file: None, kind: FrameKind::Group }
    }

    /// As it is shown: the function, and in Python the file's name, `main (app.py)`.
    pub fn text(&self) -> Cow<'_, str> {
        match (&self.file, self.kind) {
            (Some(file), FrameKind::Python) => {
                Cow::Owned(format!("{} ({})", self.function, base_name(file)))
            }
            _ => Cow::Borrowed(&self.function),
        }
    }

    /// The colour that all pictures draw it in: red, green and blue. Light ones want dark text.
    pub fn colour(&self) -> [u8; 3] {
        Colour::of(self).0
    }

    fn identity(&self) -> (&str, Option<&str>, FrameKind, Option<&str>) {
        let file = self.file.as_deref().filter(|_| self.kind == FrameKind::Python);
        (&self.function, self.binary.as_deref(), self.kind, file)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// What the name of all that is unknown in a binary ends with.
pub(crate) const UNKNOWN: &str = " [unknown]";

/// What stands after the last slash.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: FrameKind, file: &str, line: u32) -> Frame {
        let file = Some(file.into());
        Frame { function: "main".into(), file, line: Some(line), kind, ..Frame::default() }
    }

    #[test]
    fn lines_merge_and_files_of_python_do_not() {
        let name = |kind, file, line| Name::of(&frame(kind, file, line));
        let native = FrameKind::Native;
        assert_eq!(name(native, "a.c", 1), name(native, "b.h", 2));
        let python = FrameKind::Python;
        assert_eq!(name(python, "/x/a.py", 1), name(python, "/x/a.py", 9));
        assert_ne!(name(python, "/x/a.py", 1), name(python, "/y/a.py", 1));
        assert_ne!(name(python, "a.py", 1), name(native, "a.py", 1));
        assert_eq!(name(python, "/x/a.py", 1).text(), "main (a.py)");
    }

    #[test]
    fn what_is_unknown_is_one_in_each_binary() {
        let unknown = |function: &str, binary: &str| {
            let (kind, binary) = (FrameKind::Unknown, Some(binary.into()));
            Name::of(&Frame { function: function.into(), binary, kind, ..Frame::default() })
        };
        assert_eq!(unknown("libz.so+0x1", "libz.so"), unknown("libz.so+0x2", "libz.so"));
        assert_eq!(unknown("[unknown]", "libz.so").text(), "libz.so [unknown]");
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        for kind in FrameKind::ALL {
            assert_eq!(FrameKind::from_word(kind.word()), Some(kind));
        }
    }
}
