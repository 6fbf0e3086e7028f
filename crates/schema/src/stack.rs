//! Stacks as the kernel gives them: addresses, before it is known what they are called.

use std::net::Ipv6Addr;

use crate::{Origin, ProcessKey};

/// What the kernel says about stacks, in the order in which it does.
#[derive(Debug)]
pub enum StackNews {
    /// A stack was taken.
    Stack(Box<RawStack>),
    /// Code was mapped in a process.
    Mapped(Origin, CodeMapping),
    /// A process has a new image.
    Image(Origin, Image),
    /// A function of an interpreter was met for the first time, before the stack that it was met in.
    Code(Origin, Box<PythonCode>),
}

impl StackNews {
    /// When it was said.
    pub fn time(&self) -> i64 {
        match self {
            StackNews::Stack(stack) => stack.origin.time,
            StackNews::Mapped(origin, _)
            | StackNews::Image(origin, _)
            | StackNews::Code(origin, _) => origin.time,
        }
    }
}

/// Code that was mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeMapping {
    /// Where it begins.
    pub address: u64,
    /// How long it is, in bytes.
    pub length: u64,
    /// Where it stands in its file.
    pub offset: u64,
    /// Whether it was mapped before, and may be run only from now on.
    pub protected: bool,
    /// The file; none where there is none, or where it is not known.
    pub file: Option<MappedFile>,
}

/// A file that code is mapped from, as the kernel has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MappedFile {
    /// The inode's number.
    pub inode: u64,
    /// When it was last written (mtime), in nanoseconds since 1970.
    pub written: i64,
    /// The device, `major << 20 | minor`.
    pub device: u32,
}

/// A function of a Python program, or a module's or class's body: a code object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PythonCode {
    /// The number of the space in which the address holds; see [`RawStack::space`].
    pub space: u32,
    /// Its address; another function may get it once this one has gone, and is told then.
    pub code: u64,
    /// Its qualified name, as `Class.method`; of a long one the begin. Empty where it could not be read.
    pub name: String,
    /// The file that it is from; of a long one the end. Empty where it could not be read.
    pub file: String,
    /// Its first line.
    pub first_line: u32,
    /// From instructions to lines, in the interpreter's own form (`co_linetable`); of a long one the
    /// begin.
    pub lines: Vec<u8>,
}

/// A frame of a Python interpreter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PythonFrame {
    /// The address of the function's code object, told by [`StackNews::Code`].
    pub code: u64,
    /// The instruction that runs or, of callers, that calls, in bytes from the function's first; none
    /// where the function has not begun.
    pub instruction: Option<u32>,
    /// Whether C entered the interpreter here: this frame and those of its callees down to the next such
    /// one run in one call of the interpreter's C function.
    pub entry: bool,
}

/// Why a walk up an interpreter's frames ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PythonEnd {
    /// The process has no interpreter that is known.
    #[default]
    None,
    /// There is no caller: the frames are all there.
    Bottom,
    /// The interpreter does not know the thread.
    NoThread,
    /// The process's memory could not be read.
    Unreadable,
    /// There are more frames than are taken.
    Deep,
}

impl PythonEnd {
    /// All of them, by the number that records carry.
    pub const ALL: [PythonEnd; 5] = [
        PythonEnd::None,
        PythonEnd::Bottom,
        PythonEnd::NoThread,
        PythonEnd::Unreadable,
        PythonEnd::Deep,
    ];

    /// Whether no frame is missing.
    pub fn is_whole(self) -> bool {
        matches!(self, PythonEnd::None | PythonEnd::Bottom | PythonEnd::NoThread)
    }

    /// The name under which it is counted.
    pub fn name(self) -> &'static str {
        match self {
            PythonEnd::None => "none",
            PythonEnd::Bottom => "bottom",
            PythonEnd::NoThread => "thread_unknown",
            PythonEnd::Unreadable => "unreadable",
            PythonEnd::Deep => "too_deep",
        }
    }
}

/// The image of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Image {
    /// The executable.
    pub file: Option<MappedFile>,
    /// Where its entry point stands.
    pub entry: u64,
    /// Where the dynamic linker stands; 0 without one.
    pub linker: u64,
    /// Where the code stands that the kernel lends to the process; 0 without it.
    pub vdso: u64,
}

/// One stack.
#[derive(Debug, Default)]
pub struct RawStack {
    /// Whose it is.
    pub origin: Origin,
    /// Nanoseconds that it stands for, of CPU time or of waiting.
    pub weight: u64,
    /// The CPU.
    pub cpu: u32,
    /// Whether the sample hit the kernel.
    pub in_kernel: bool,
    /// Addresses in the kernel, innermost first.
    pub kernel: Vec<u64>,
    /// Addresses in user space, innermost first; callers' are those that they return to.
    pub user: Vec<u64>,
    /// Why the walk up the user stack ended.
    pub end: StackEnd,
    /// The number under which the process's mappings were known to the kernel; 0 where they were not.
    pub space: u32,
    /// The registers in user space.
    pub registers: Registers,
    /// The bytes of the stack from the stack pointer on, where the kernel did not find the way up.
    pub copied: Vec<u8>,
    /// The frames of a Python interpreter in the process, innermost first.
    pub python: Vec<PythonFrame>,
    /// Why the walk up those ended.
    pub python_end: PythonEnd,
    /// What was waited for; none for a sample of a CPU.
    pub wait: Option<Wait>,
}

/// Where a walk up a stack begins.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// The instruction pointer.
    pub ip: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer.
    pub fp: u64,
}

/// What a thread waited for.
#[derive(Debug, Default)]
pub struct Wait {
    /// How long, this once, in nanoseconds.
    pub duration: u64,
    /// The word for it, such as `futex` or `socket`.
    pub reason: &'static str,
    /// The system call's number on x86-64; none outside of one, as in a page fault.
    pub call: Option<u32>,
    /// The other end, where that is a connected IP socket.
    pub peer: Option<(Ipv6Addr, u16)>,
    /// The process and thread that woke it; none where that was an interrupt.
    pub waker: Option<(ProcessKey, u32)>,
}

/// Why a walk up a user stack ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StackEnd {
    /// There is no caller: the stack is whole.
    #[default]
    Bottom,
    /// The process's mappings are not in the kernel's tables.
    Unknown,
    /// They are, but the address is in none of them.
    Unmapped,
    /// The binary has no table.
    NoTable,
    /// Nothing is known of the address, and no frame pointer helps.
    NoRule,
    /// The rule is one that the walk does not know.
    Unsupported,
    /// The stack could not be read.
    Unreadable,
    /// There are more frames than are taken.
    Deep,
    /// A caller's frame does not lie above its callee's.
    Stuck,
    /// A thread of the kernel.
    NoUser,
    /// A wait in a page fault, of which the innermost frame is all that is known.
    Asleep,
}

impl StackEnd {
    /// All of them, by the number that records carry.
    pub const ALL: [StackEnd; 11] = [
        StackEnd::Bottom,
        StackEnd::Unknown,
        StackEnd::Unmapped,
        StackEnd::NoTable,
        StackEnd::NoRule,
        StackEnd::Unsupported,
        StackEnd::Unreadable,
        StackEnd::Deep,
        StackEnd::Stuck,
        StackEnd::NoUser,
        StackEnd::Asleep,
    ];

    /// Whether nothing is missing.
    pub fn is_whole(self) -> bool {
        matches!(self, StackEnd::Bottom | StackEnd::NoUser)
    }

    /// The name under which it is counted.
    pub fn name(self) -> &'static str {
        match self {
            StackEnd::Bottom => "bottom",
            StackEnd::Unknown => "process_unknown",
            StackEnd::Unmapped => "unmapped",
            StackEnd::NoTable => "no_table",
            StackEnd::NoRule => "no_rule",
            StackEnd::Unsupported => "rule_unsupported",
            StackEnd::Unreadable => "stack_unreadable",
            StackEnd::Deep => "too_deep",
            StackEnd::Stuck => "not_advancing",
            StackEnd::NoUser => "kernel_thread",
            StackEnd::Asleep => "asleep_in_fault",
        }
    }
}
