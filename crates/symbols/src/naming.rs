//! What the places are called that stacks pass through.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::images::Spot;
use crate::{Binary, InlineFrame, KernelNames, demangle};

/// A place in a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The function's readable name; `[unknown]`, or the binary's name and the address, where nothing
    /// names it.
    pub function: Arc<str>,
    /// The file that the code is from, `[kernel]`, or a kernel module.
    pub binary: Option<Arc<str>>,
    /// The binary's build id in hexadecimal digits.
    pub build_id: Option<Arc<str>>,
    /// The address as the binary itself counts.
    pub address: u64,
    /// What kind of code it is.
    pub kind: PlaceKind,
    /// The source file.
    pub file: Option<Arc<str>>,
    /// The line in it, from 1.
    pub line: Option<u32>,
}

/// What kind of code a place is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlaceKind {
    /// Code of a binary.
    Native,
    /// The kernel's.
    Kernel,
    /// Code that a program made while it ran.
    Jit,
    /// Source that an interpreter of Python ran.
    Python,
    /// Nothing is known of it.
    Unknown,
}

/// Gives names, and remembers those it gave.
pub struct Naming {
    /// Bytes of debug information that may still be read for inlined functions and lines.
    lines: u64,
    kernel: Arc<str>,
    kernel_names: KernelText,
    /// When the kernel's names are read again at the earliest, and how long after that.
    read_at: u64,
    patience: u64,
    known: HashMap<Key, Arc<[Arc<Place>]>>,
}

/// What the kernel calls its functions; none where it does not say.
enum KernelText {
    /// It takes half a second to read, in which samples come already.
    Coming(JoinHandle<Option<KernelNames>>),
    Here(Option<KernelNames>),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Kernel(u64),
    Binary(u64, u64),
}

/// More places are not remembered; then it begins anew.
const MOST: usize = 32_768;
/// The kernel's names are read again no more often than this, in nanoseconds, and ever more seldom.
const READ_AGAIN: u64 = 10_000_000_000;
const KERNEL: &str = "[kernel]";
const UNKNOWN: &str = "[unknown]";

impl Naming {
    /// Up to `lines` bytes of debug information are read for functions that were put into others, and for
    /// lines.
    pub fn new(lines: u64, now: u64) -> Naming {
        Naming {
            lines,
            kernel: KERNEL.into(),
            kernel_names: KernelText::Coming(thread::spawn(kernel_names)),
            read_at: now.saturating_add(READ_AGAIN),
            patience: READ_AGAIN,
            known: HashMap::new(),
        }
    }

    /// What is at `spot`: the functions that were put into one another, the innermost first.
    pub fn name(&mut self, spot: &Spot, now: u64) -> Arc<[Arc<Place>]> {
        let key = match spot {
            Spot::Kernel(address) => Key::Kernel(*address),
            Spot::Binary { binary, svma } => Key::Binary(binary.id, *svma),
            Spot::Made { address, name } => return one(made(*address, name.as_ref())),
            Spot::Unknown(address) => return one(unknown(*address)),
        };
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let named = match spot {
            Spot::Binary { binary, svma } => self.in_binary(binary, *svma),
            Spot::Kernel(address) => match self.in_kernel(*address, now) {
                Some(place) => one(place),
                // Perhaps of a module that is to be read next time.
                None => return one(Place { kind: PlaceKind::Kernel, ..unknown(*address) }),
            },
            Spot::Made { .. } | Spot::Unknown(_) => unreachable!("returned above"),
        };
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(key, named.clone());
        named
    }

    fn in_kernel(&mut self, address: u64, now: u64) -> Option<Place> {
        let is_known = self.kernel_names.get().is_some_and(|it| it.lookup(address).is_some());
        if !is_known && now > self.read_at {
            self.kernel_names = KernelText::Coming(thread::spawn(kernel_names));
            self.patience = self.patience.saturating_mul(2);
            self.read_at = now.saturating_add(self.patience);
        }
        let symbol = self.kernel_names.get()?.lookup(address)?;
        let binary = match symbol.module {
            Some(module) => format!("[{module}]").into(),
            None => self.kernel.clone(),
        };
        Some(Place {
            function: symbol.name.into(),
            binary: Some(binary),
            build_id: None,
            address,
            kind: PlaceKind::Kernel,
            file: None,
            line: None,
        })
    }

    fn in_binary(&mut self, binary: &Binary, svma: u64) -> Arc<[Arc<Place>]> {
        let place = |function: Arc<str>| Place {
            function,
            binary: Some(binary.name.clone()),
            build_id: binary.build_id.clone(),
            address: svma,
            kind: PlaceKind::Native,
            file: None,
            line: None,
        };
        // The nearest function before says where the address is, not what.
        let symbol = binary.names().lookup(svma).filter(|symbol| symbol.exact);
        let function: Arc<str> = match &symbol {
            Some(symbol) => demangle(unversioned(&symbol.name)).into(),
            None => format!("{}+{svma:#x}", binary.name).into(),
        };
        let lines = binary.lines(&mut self.lines);
        let frames = lines.map(|lines| lines.frames(svma)).unwrap_or_default();
        if frames.is_empty() {
            return one(place(function));
        }
        let last = frames.len() - 1;
        let with = |(at, InlineFrame { function: inner, file, line }): (usize, InlineFrame)| {
            // The symbol's own name is the one that all tools agree on.
            let named = inner.filter(|_| at < last || symbol.is_none());
            let function = named.map_or_else(|| function.clone(), Into::into);
            Arc::new(Place { file: file.map(Into::into), line, ..place(function) })
        };
        frames.into_iter().enumerate().map(with).collect()
    }
}

impl KernelText {
    /// Waits for it where it is not there yet.
    fn get(&mut self) -> Option<&KernelNames> {
        if let KernelText::Coming(_) = self
            && let KernelText::Coming(thread) = std::mem::replace(self, KernelText::Here(None))
        {
            *self = KernelText::Here(thread.join().ok().flatten());
        }
        match self {
            KernelText::Here(names) => names.as_ref(),
            KernelText::Coming(_) => None,
        }
    }
}

fn one(place: Place) -> Arc<[Arc<Place>]> {
    [Arc::new(place)].into()
}

/// A name without the version of the interface that it belongs to.
fn unversioned(name: &str) -> &str {
    match name.split_once('@') {
        Some((bare, version)) if version != "plt" && !bare.is_empty() => bare,
        _ => name,
    }
}

fn made(address: u64, name: Option<&Arc<str>>) -> Place {
    match name {
        Some(name) => Place { function: name.clone(), kind: PlaceKind::Jit, ..unknown(address) },
        None => Place { function: "[jit]".into(), kind: PlaceKind::Jit, ..unknown(address) },
    }
}

fn unknown(address: u64) -> Place {
    Place {
        function: UNKNOWN.into(),
        binary: None,
        build_id: None,
        address,
        kind: PlaceKind::Unknown,
        file: None,
        line: None,
    }
}

fn kernel_names() -> Option<KernelNames> {
    let text = BufReader::new(File::open("/proc/kallsyms").ok()?);
    KernelNames::parse(text).ok()
}
