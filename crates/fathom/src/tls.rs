//! Where TLS libraries, and programs in Go, have in plain what they send and receive: finds their
//! functions in what processes run, and has the kernel look there. A thread of its own, since it reads files.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::BufReader;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail};
use kernel::{Kernel, Probes};
use schema::{Change, ProcessKey, Sink, SocketNews};
use signal_stream::{FUNCTIONS, Function, GO_BEGINS, GO_FUNCTIONS, STREAM, Settings};
use symbols::elf::Elf;
use symbols::maps::{self, Region};
use telemetry::{Account, Ledger};

/// The thread, from outside. It ends when nobody has this any more.
#[derive(Clone)]
pub(crate) struct Libraries {
    news: SyncSender<News>,
    /// Gone when nobody is there any more: what still waits then is not looked at.
    _here: Arc<()>,
    books: Account,
}

/// What it is told.
enum News {
    /// A process runs another image, or has mapped a library.
    Look(ProcessKey),
    /// A process has gone.
    Gone(ProcessKey),
}

/// News that may wait.
const WAITING: usize = 4096;
/// Libraries that are read at once, of all processes together; more are not. Each takes a descriptor
/// for each function and program, up to 17, and for a program in Go some thirty; where the kernel can
/// attach to several places at once, one for each program.
const AT_ONCE: usize = 32;
/// Files of which it is known what they have; more, and it is found out anew.
const FILES: usize = 4096;

/// What libraries are called that may have such functions.
const LIBRARIES: [&str; 4] = ["libssl", "libgnutls", "libboringssl", "_ssl."];
/// Programs that have them inside.
const PROGRAMS: [&str; 3] = ["node", "nodejs", "envoy"];

impl Libraries {
    /// Starts the thread. `whole` is whether a library is read in all processes at once, as where the
    /// whole node is watched; else it is in each process by itself, and no other is touched.
    pub(crate) fn start(
        kernel: &Arc<Kernel>,
        ledger: &Ledger,
        settings: Settings,
        whole: bool,
    ) -> Result<(Libraries, JoinHandle<()>)> {
        let here = Arc::new(());
        let (news, arrivals) = mpsc::sync_channel(WAITING);
        let books = ledger.account("tls", "library");
        let desk = Desk {
            kernel: kernel.clone(),
            settings,
            whole,
            files: HashMap::new(),
            probes: HashMap::new(),
            others: Arc::downgrade(&here),
            books: books.clone(),
        };
        let thread = thread::Builder::new().name("fathom-tls".into());
        let thread = thread.spawn(move || desk.run(&arrivals));
        Ok((
            Libraries { news, _here: here, books },
            thread.context("cannot start the thread for TLS")?,
        ))
    }

    /// Takes from a turn what concerns libraries.
    pub(crate) fn feed(&self, sink: &mut Sink) {
        for change in &sink.changes {
            match change {
                Change::Seen { key, ancestor_only: false, .. } => self.tell(News::Look(*key)),
                Change::Execed { key, .. } => self.tell(News::Look(*key)),
                Change::Forked { key, .. } => self.tell(News::Look(*key)),
                Change::Exited { key, .. } => self.tell(News::Gone(*key)),
                _ => {}
            }
        }
        for news in &sink.sockets {
            if let SocketNews::Mapped(origin, name) = news
                && LIBRARIES.iter().any(|library| name.starts_with(library))
            {
                self.tell(News::Look(origin.process));
            }
        }
    }

    fn tell(&self, news: News) {
        if let Err(TrySendError::Full(News::Look(_))) = self.news.try_send(news) {
            self.books.drop("slow", 1);
        }
    }
}

/// A file as it is now. Its number may be another's later, or it may be written anew: a place in it is then
/// in the middle of something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FileId {
    /// Device and inode.
    number: (u64, u64),
    size: u64,
    /// When it was changed last: seconds and nanoseconds.
    changed: (i64, i64),
}

/// Where in a file programs have to stand: at offsets, and whether they stand at the return from there.
type Places = BTreeMap<(&'static str, bool), Vec<u64>>;

/// The thread's own.
struct Desk {
    kernel: Arc<Kernel>,
    settings: Settings,
    whole: bool,
    /// What was found in each file that was looked at.
    files: HashMap<FileId, Arc<Places>>,
    /// What is attached, by file, and by process where each is by itself.
    probes: HashMap<(FileId, Option<ProcessKey>), Attached>,
    others: Weak<()>,
    books: Account,
}

/// What is attached to one library, which comes off together.
struct Attached(Vec<Probes>);

impl Drop for Attached {
    fn drop(&mut self) {
        detach(std::mem::take(&mut self.0));
    }
}

/// Takes all of them off at once: for each the kernel waits for all CPUs.
fn detach(probes: Vec<Probes>) {
    thread::scope(|scope| {
        for probe in probes {
            scope.spawn(move || drop(probe));
        }
    });
}

impl Drop for Desk {
    fn drop(&mut self) {
        let all = self.probes.drain().flat_map(|(_, mut attached)| std::mem::take(&mut attached.0));
        detach(all.collect());
    }
}

impl Desk {
    fn run(mut self, arrivals: &Receiver<News>) {
        for news in arrivals {
            if self.others.strong_count() == 0 {
                return;
            }
            match news {
                News::Look(process) => self.look(process),
                News::Gone(process) => self.probes.retain(|(_, of), _| *of != Some(process)),
            }
        }
    }

    fn look(&mut self, process: ProcessKey) {
        // One that has gone by now has nothing more to say.
        let Ok(file) = File::open(format!("/proc/{}/maps", process.pid)) else { return };
        let Ok(regions) = maps::read(BufReader::new(file)) else { return };
        let program = fs::read_link(format!("/proc/{}/exe", process.pid)).unwrap_or_default();
        let is_program = |region: &Region| Path::new(&*region.path) == program;
        let may_have = |region: &&Region| may_have(region) || is_program(region);
        let mut seen = HashSet::new();
        for region in regions.iter().filter(|it| it.inode != 0).filter(may_have) {
            let number = (region.device, region.inode);
            if !seen.insert(number) {
                continue;
            }
            let Ok(now) = fs::metadata(path(process.pid, region)) else { continue };
            let changed = (now.ctime(), now.ctime_nsec());
            let id = FileId { number, size: now.size(), changed };
            let of = (!self.whole).then_some(process);
            if self.probes.contains_key(&(id, of)) {
                continue;
            }
            self.probes.retain(|(it, _), _| it.number != number || *it == id);
            let places = self.places(id, process.pid, region);
            if places.is_empty() {
                continue;
            }
            if self.probes.len() >= AT_ONCE {
                // That a process has gone may not have got through to us.
                self.probes.retain(|(_, of), _| of.is_none_or(is_there));
            }
            if self.probes.len() >= AT_ONCE {
                self.books.drop("too_many", 1);
                return;
            }
            self.books.taken.add(1);
            match self.attach(&path(process.pid, region), &places, of) {
                Ok(probes) => {
                    self.books.passed.add(1);
                    self.probes.insert((id, of), probes);
                }
                // One that has gone meanwhile has nothing more to say.
                Err(_) if !is_there(process) => {
                    self.books.drop("process_gone", 1);
                    return;
                }
                Err(_) => self.books.drop("not_attached", 1),
            }
        }
    }

    /// Where programs have to stand in a file; nowhere in most.
    fn places(&mut self, id: FileId, pid: u32, region: &Region) -> Arc<Places> {
        if let Some(known) = self.files.get(&id) {
            return known.clone();
        }
        let elf = File::open(path(pid, region)).ok().and_then(|file| Elf::open(file).ok());
        let found: Arc<Places> =
            elf.map(|elf| find(&elf, may_have(region))).unwrap_or_default().into();
        if self.files.len() >= FILES {
            self.files.clear();
        }
        self.files.insert(id, found.clone());
        found
    }

    fn attach(&mut self, path: &Path, places: &Places, of: Option<ProcessKey>) -> Result<Attached> {
        if !self.settings.reads_tls {
            self.settings.reads_tls = true;
            signal_stream::tell(&self.kernel, &self.settings)?;
        }
        let pid = of.map(|process| process.pid);
        let kernel = &self.kernel;
        // The kernel waits for all CPUs at each; together it is the same wait for all.
        let all = |last: bool| -> Result<Vec<Probes>> {
            let these = places.iter().filter(|((program, _), _)| (*program == GO_BEGINS) == last);
            thread::scope(|scope| {
                let one = |(program, offsets): (&(&'static str, bool), &'_ Vec<u64>)| {
                    let (program, offsets) = (*program, offsets.clone());
                    scope.spawn(move || {
                        kernel.attach_to_functions(STREAM.name, program, path, &offsets, pid)
                    })
                };
                let all: Vec<_> = these.map(one).collect();
                all.into_iter()
                    .map(|it| it.join().unwrap_or_else(|_| bail!("it panicked")))
                    .collect()
            })
        };
        let mut probes = all(false)?;
        probes.extend(all(true)?);
        Ok(Attached(probes))
    }
}

/// Whether the process has not gone.
fn is_there(process: ProcessKey) -> bool {
    Path::new(&format!("/proc/{}", process.pid)).exists()
}

/// Where programs have to stand in a file: in a library, or in a program in Go.
fn find(elf: &Elf, library: bool) -> Places {
    let mut places = Places::new();
    if library {
        for (name, at) in symbols::functions(elf, &names(FUNCTIONS)) {
            for program in programs(FUNCTIONS, name) {
                places.entry(*program).or_default().push(at);
            }
        }
        return places;
    }
    for function in symbols::go_functions(elf, &names(GO_FUNCTIONS)) {
        for (program, at_return) in programs(GO_FUNCTIONS, function.name) {
            let here = if *at_return { &function.returns[..] } else { &[function.start] };
            places.entry((*program, false)).or_default().extend(here);
        }
    }
    places
}

fn names(functions: &[Function]) -> Vec<&'static str> {
    functions.iter().map(|it| it.name).collect()
}

fn programs(functions: &'static [Function], name: &str) -> &'static [(&'static str, bool)] {
    functions.iter().find(|it| it.name == name).map_or(&[], |it| it.programs)
}

/// Whether a mapped file may have functions of a TLS library.
fn may_have(region: &Region) -> bool {
    let name = region.path.rsplit('/').next().unwrap_or_default();
    let library = LIBRARIES.iter().any(|library| name.starts_with(library));
    library || PROGRAMS.contains(&name)
}

/// The very file that is mapped, whatever its name is where we are.
fn path(pid: u32, region: &Region) -> PathBuf {
    let mapped = format!("/proc/{pid}/map_files/{:x}-{:x}", region.range.start, region.range.end);
    if File::open(&mapped).is_ok() {
        return mapped.into();
    }
    format!("/proc/{pid}/root{}", region.path).into()
}
