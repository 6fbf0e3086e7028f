//! From stacks to rows: a thread that knows what every process consists of.
//!
//! Workers hand over what the kernel says of stacks, and the first of them takes the finished rows back
//! and passes them on like all others, so that they get their process, pod and peer in the same way.

pub mod gather;
mod rows;
mod thrift;
mod waits;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kernel::Kernel;
use schema::{
    Change, Decoded, Event, ProcessKey, PythonEnd, RawStack, Sink, StackEnd, StackNews, Table,
};
use signal_profile::{CPU, Frame, PROFILE, ProfileSample, Stack, WAITS};
use symbols::{Images, Limits, Naming, Spot, Told};
use telemetry::{Account, Ledger};

use crate::node::Node;
use rows::Rows;
use thrift::Thrift;
use waits::Pace;

/// How to profile.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether CPUs are sampled.
    pub cpu: bool,
    /// Samples a second, on each CPU.
    pub hertz: u32,
    /// Whether waits are sampled, too.
    pub waits: bool,
    /// Bytes of debug information that are read for inlined functions and lines.
    pub lines: u64,
    /// Waits told in a second on each CPU, at most.
    pub waits_per_second: u32,
    /// Stacks copied in a second on each CPU, at most: those that the kernel cannot walk yet.
    pub copies_per_second: u32,
    /// The most that profiling may use of all CPUs, as a share of 1; none for no bound.
    pub budget: Option<f64>,
    /// How much memory is used.
    pub limits: Limits,
}

/// The thread, from outside.
pub struct Profiling {
    news: SyncSender<Vec<News>>,
    /// What the thread had no room for and has to know all the same.
    late: Mutex<Vec<News>>,
    rows: Mutex<Receiver<Vec<Decoded>>>,
    /// Bytes of stacks that wait for the thread.
    waiting: Arc<AtomicUsize>,
    /// Workers that may still feed, besides the first.
    feeding: AtomicUsize,
    books: Account,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What a worker has to say.
enum News {
    Forked { child: ProcessKey, parent: ProcessKey },
    Exited(ProcessKey),
    Kernel(StackNews),
}

/// Turns that may wait; each is some milliseconds of a worker.
const TURNS: usize = 256;
/// News of processes that may wait besides.
const LATE: usize = 65_536;
/// Bytes of copied stacks that may wait.
const WAITING_BYTES: usize = 24 << 20;
/// How often the thread looks at the clock.
const TICK: Duration = Duration::from_millis(250);
/// How long the last stacks may take.
pub const LAST: Duration = Duration::from_secs(20);

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            cpu: true,
            hertz: 99,
            waits: false,
            lines: 0,
            waits_per_second: 1_000,
            copies_per_second: 50,
            budget: None,
            limits: Limits::default(),
        }
    }
}

impl Settings {
    fn told(&self, pace: &Pace, every: u32) -> Told {
        Told {
            period: 1_000_000_000 / u64::from(self.hertz.max(1)),
            every,
            wait_period: pace.period(),
            copies: self.copies_per_second,
            waits: self.waits_per_second,
        }
    }

    /// What the loader is not to load.
    pub fn left_out(&self) -> Vec<&'static str> {
        let waits = if self.waits { &[][..] } else { &WAITS };
        waits.iter().copied().chain((!self.cpu).then_some(CPU)).collect()
    }
}

/// Whether rows of `table` belong to nobody: what they tell is used by the samples of all.
pub fn is_shared(table: &Table) -> bool {
    [Stack::TABLE, Frame::TABLE].iter().any(|it| std::ptr::eq(*it, table))
}

/// Whether any of `tables` needs all this.
pub fn is_wanted(tables: &[&'static Table]) -> bool {
    tables.iter().any(|table| PROFILE.tables.iter().any(|it| std::ptr::eq(*it, *table)))
}

impl Profiling {
    /// Tells the kernel side how to sample, and starts the thread.
    pub fn start(
        kernel: &Arc<Kernel>,
        node: &Node,
        ledger: &Ledger,
        settings: &Settings,
        workers: u32,
    ) -> Result<Profiling> {
        let (news, arrivals) = mpsc::sync_channel(TURNS);
        let (finished, rows) = mpsc::sync_channel(TURNS);
        let waiting = Arc::new(AtomicUsize::new(0));
        let pace = Pace::new(settings.waits_per_second);
        settings.told(&pace, 1).tell(kernel)?;
        let desk = {
            let (kernel, node, left) = (kernel.clone(), node.clone(), waiting.clone());
            let (ledger, settings) = (ledger.clone(), settings.clone());
            // Made where it is used: what was read of binaries does not go from thread to thread.
            move || {
                Desk::new(kernel, node, &ledger, settings, pace).run(&arrivals, &finished, &left)
            }
        };
        let thread = thread::Builder::new().name("fathom-symbols".into());
        let thread = thread.spawn(desk).context("cannot start the thread that names stacks")?;
        Ok(Profiling {
            news,
            late: Mutex::default(),
            rows: Mutex::new(rows),
            waiting,
            feeding: AtomicUsize::new(workers as usize - 1),
            books: ledger.account("symbols", ProfileSample::TABLE.name),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Takes what a worker has decoded of stacks, and what it has to know besides.
    pub fn feed(&self, sink: &mut Sink) {
        let forks = sink.changes.iter().filter_map(|change| match change {
            Change::Forked { key, parent, .. } => {
                Some(News::Forked { child: *key, parent: *parent })
            }
            _ => None,
        });
        let exits = sink.changes.iter().filter_map(|change| match change {
            Change::Exited { key, .. } => Some(News::Exited(*key)),
            _ => None,
        });
        let mut stacks = std::mem::take(&mut sink.stacks);
        // They come by two rings.
        stacks.sort_by_key(StackNews::time);
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = std::mem::take(&mut *late);
        news.extend(forks);
        news.extend(stacks.into_iter().filter_map(|it| self.admit(it)));
        news.extend(exits);
        if news.is_empty() {
            return;
        }
        let (_, bytes) = weigh(&news);
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if let Err(error) = self.news.try_send(news) {
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            let (reason, left) = match error {
                TrySendError::Full(left) => ("slow", left),
                TrySendError::Disconnected(left) => ("gone", left),
            };
            self.books.drop(reason, weigh(&left).0);
            // Stacks can be spared; without the rest, those that come later would be read wrongly.
            *late = left.into_iter().filter(|it| !it.is_stack()).collect();
            if late.len() > LATE {
                self.books.lacking("news_of_processes", late.len() as u64);
                late.clear();
            }
        }
    }

    /// Puts the rows that are finished into `sink`.
    pub fn take(&self, sink: &mut Sink) {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        sink.tables.extend(rows.try_iter().flatten());
    }

    /// Whether the thread runs.
    pub fn alive(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_none_or(|it| !it.is_finished())
    }

    /// A worker other than the first feeds no more.
    pub fn fed_last(&self) {
        self.feeding.fetch_sub(1, Ordering::Relaxed);
    }

    /// Waits for the rows of all that was fed; nothing is taken any more.
    pub fn finish(&self, sink: &mut Sink) {
        let begun = Instant::now();
        while self.feeding.load(Ordering::Relaxed) > 0 && begun.elapsed() < LAST {
            thread::sleep(Duration::from_millis(2));
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut told = false;
        while thread.as_ref().is_some_and(|it| !it.is_finished()) && begun.elapsed() < LAST {
            // An empty turn is the last.
            told = told || self.news.try_send(Vec::new()).is_ok();
            self.take(sink);
            thread::sleep(Duration::from_millis(2));
        }
        self.take(sink);
        if thread.is_some_and(|it| !it.is_finished()) {
            let done = self.books.passed.get() + self.lost();
            self.books.drop("too_late", self.books.taken.get().saturating_sub(done));
        }
    }

    /// Stacks that were dropped here by now.
    fn lost(&self) -> u64 {
        ["slow", "gone"].map(|reason| self.books.dropped(reason).get()).iter().sum()
    }

    /// Counts a stack, which has to leave its copy behind where too many wait.
    fn admit(&self, mut news: StackNews) -> Option<News> {
        if let StackNews::Stack(stack) = &mut news {
            self.books.taken.add(1);
            if self.waiting.load(Ordering::Relaxed) > WAITING_BYTES && !stack.copied.is_empty() {
                self.books.drop("slow", 1);
                return None;
            }
        }
        Some(News::Kernel(news))
    }
}

impl News {
    fn is_stack(&self) -> bool {
        matches!(self, News::Kernel(StackNews::Stack(_)))
    }
}

/// How many stacks there are, and how many bytes were copied for them.
fn weigh(news: &[News]) -> (u64, usize) {
    let stacks = news.iter().filter_map(|it| match it {
        News::Kernel(StackNews::Stack(stack)) => Some(stack.copied.len()),
        _ => None,
    });
    stacks.fold((0, 0), |(count, bytes), copied| (count + 1, bytes + copied))
}

/// A stack, and what stands at its addresses.
struct Seen {
    stack: Box<RawStack>,
    spots: Vec<Spot>,
    end: StackEnd,
}

/// The thread's own.
struct Desk {
    node: Node,
    kernel: Arc<Kernel>,
    settings: Settings,
    images: Images,
    naming: Naming,
    rows: Rows,
    pace: Pace,
    thrift: Thrift,
    books: Account,
}

impl Desk {
    fn new(
        kernel: Arc<Kernel>,
        node: Node,
        ledger: &Ledger,
        settings: Settings,
        pace: Pace,
    ) -> Desk {
        let now = node.now();
        Desk {
            images: Images::new(kernel.clone(), settings.limits, ledger),
            naming: Naming::new(settings.lines, now),
            rows: Rows::default(),
            books: ledger.account("symbols", ProfileSample::TABLE.name),
            thrift: Thrift::new(settings.budget),
            kernel,
            pace,
            settings,
            node,
        }
    }

    fn run(
        mut self,
        arrivals: &Receiver<Vec<News>>,
        finished: &SyncSender<Vec<Decoded>>,
        waiting: &AtomicUsize,
    ) {
        let mut ticked = Instant::now();
        loop {
            match arrivals.recv_timeout(TICK) {
                Ok(first) => {
                    // All that has come is looked at first, so that the kernel soon walks by itself;
                    // finding names may take a while.
                    let (mut stacks, mut last) = (Vec::new(), first.is_empty());
                    for turn in std::iter::once(first).chain(arrivals.try_iter().take(TURNS)) {
                        let (_, bytes) = weigh(&turn);
                        last |= turn.is_empty();
                        stacks.extend(turn.into_iter().filter_map(|news| self.learn(news)));
                        waiting.fetch_sub(bytes, Ordering::Relaxed);
                    }
                    let mut sink = Sink::default();
                    stacks.into_iter().for_each(|seen| self.name(seen, &mut sink));
                    if !sink.is_empty() && finished.send(sink.tables).is_err() || last {
                        break;
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if ticked.elapsed() >= TICK {
                self.keep_house(ticked.elapsed());
                ticked = Instant::now();
            }
        }
    }

    /// Takes news in; of a stack it gives what stands at its addresses.
    fn learn(&mut self, news: News) -> Option<Seen> {
        let now = self.node.now();
        match news {
            News::Forked { child, parent } => self.images.forked(child, parent, now),
            News::Exited(process) => self.images.exited(process, now),
            News::Kernel(StackNews::Image(origin, image)) => {
                self.images.image(origin.process, &image, now);
            }
            News::Kernel(StackNews::Mapped(origin, mapped)) => {
                self.images.mapped(origin.process, &mapped, now);
            }
            News::Kernel(StackNews::Code(_, code)) => self.images.code(*code),
            News::Kernel(StackNews::Stack(mut stack)) => {
                let (spots, end) = self.images.read(&stack, now);
                stack.copied = Vec::new();
                return Some(Seen { stack, spots, end });
            }
        }
        None
    }

    /// Finds the names, and makes rows of it.
    fn name(&mut self, seen: Seen, sink: &mut Sink) {
        let Seen { stack, spots, end } = seen;
        let now = self.node.now();
        let places: Vec<_> = spots.iter().map(|spot| self.naming.name(spot, now)).collect();
        let (places, exact) = self.images.join(&stack, end, places);
        if stack.wait.is_some() {
            self.pace.count();
        }
        if !exact {
            self.books.lacking("order_of_interpreter_frames", 1);
        }
        if !end.is_whole() {
            self.books.lacking(end.name(), 1);
        }
        if !stack.python.is_empty() && stack.python_end != PythonEnd::Bottom {
            self.books.lacking(stack.python_end.name(), 1);
        }
        self.rows.write(&stack, &places, end, sink);
        self.books.passed.add(1);
    }

    fn keep_house(&mut self, elapsed: Duration) {
        self.images.keep_house(self.node.now());
        let paced = self.settings.waits && self.pace.adapt(elapsed);
        if self.thrift.adapt(&self.kernel) || paced {
            // What the kernel was told before goes on where this fails.
            let _ = self.settings.told(&self.pace, self.thrift.every()).tell(&self.kernel);
        }
    }
}
