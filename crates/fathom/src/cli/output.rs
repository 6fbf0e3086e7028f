//! Where rows go: a thread of its own between the bus and a file, a pipe or a terminal.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};
use bus::{Bus, Capacity, Policy, Subscription};
use clap::ValueEnum;
use export::{Csv, Format, Json, Live, Options, Terminal};
use schema::{Batch, Row, Table};
use telemetry::Ledger;

use super::conditions::Condition;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Style {
    /// Aligned lines to read
    Table,
    /// The same with all columns
    Wide,
    /// One JSON object a line
    Json,
    /// Comma-separated values, RFC 4180
    Csv,
}

/// Rows and what became of them.
pub(crate) struct Output {
    thread: JoinHandle<Result<(), io::Error>>,
    rows: Arc<AtomicU64>,
    failed: Arc<AtomicBool>,
}

/// Where the rows go to.
pub(crate) enum Target {
    /// Standard output.
    Out,
    /// Standard error: standard output belongs to the command.
    Error,
    /// A file.
    File(PathBuf),
}

/// A slow reader makes the workers wait, and then the rings fill: the loss is counted there, with
/// its table. A queue this long only takes up bursts.
const QUEUE: Capacity = Capacity { rows: 32_768, batches: 2_048 };
/// How many rows are put in the order of time together.
const TOGETHER: usize = 4_096;

impl Output {
    /// Subscribes to `bus` and starts writing.
    pub(crate) fn start(
        bus: &Bus,
        ledger: &Ledger,
        style: Style,
        target: &Target,
        tables: &[&'static Table],
        conditions: Vec<Condition>,
    ) -> Result<Output> {
        let rows = Arc::new(AtomicU64::new(0));
        let failed = Arc::new(AtomicBool::new(false));
        let (sink, terminal) = target.open()?;
        let writer = Writer {
            format: format(style, terminal, tables),
            subscription: bus.subscribe("output", QUEUE, Policy::Block, Some(tables.to_vec())),
            sink,
            conditions,
            ledger: ledger.clone(),
            rows: rows.clone(),
            failed: failed.clone(),
        };
        let thread = std::thread::Builder::new().name("fathom-output".into());
        let thread = thread.spawn(move || writer.run()).context("cannot start the output")?;
        Ok(Output { thread, rows, failed })
    }

    /// Whether writing has failed and no more rows will be written.
    pub(crate) fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Waits until all is written. Call it after the bus was closed.
    pub(crate) fn finish(self) -> (u64, Result<()>) {
        let ended = match self.thread.join() {
            Ok(ended) => ended.context("cannot write rows"),
            Err(_) => Err(anyhow::anyhow!("the output stopped unexpectedly")),
        };
        (self.rows.load(Ordering::Relaxed), ended)
    }
}

impl Target {
    fn open(&self) -> Result<(Box<dyn Write + Send>, bool)> {
        Ok(match self {
            Target::Out => (Box::new(io::stdout()), io::stdout().is_terminal()),
            Target::Error => (Box::new(io::stderr()), io::stderr().is_terminal()),
            Target::File(path) => (Box::new(create(path)?), false),
        })
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot write {}", path.display()))
}

struct Writer {
    format: Box<dyn Format>,
    subscription: Subscription,
    sink: Box<dyn Write + Send>,
    /// All of them hold for the rows that are written; others are nobody's loss.
    conditions: Vec<Condition>,
    ledger: Ledger,
    rows: Arc<AtomicU64>,
    failed: Arc<AtomicBool>,
}

impl Writer {
    fn run(mut self) -> Result<(), io::Error> {
        let mut text = Vec::new();
        self.format.head(&mut text);
        let mut ended = Ok(());
        while let Some(first) = self.subscription.recv() {
            // What has come together is shown in the order of time, across tables.
            let mut rows = first.len();
            let mut batches = vec![first];
            while rows < TOGETHER
                && let Ok(next) = self.subscription.try_recv()
            {
                rows += next.len();
                batches.push(next);
            }
            if ended.is_ok() {
                for row in export::by_time(batches.iter().map(AsRef::as_ref)) {
                    if self.is_asked_for(row) {
                        self.format.row(row, &mut text);
                    }
                }
                ended = self.sink.write_all(&text).and_then(|()| self.sink.flush());
                text.clear();
            }
            for batch in &batches {
                self.count(batch, &ended);
            }
        }
        ended
    }

    fn is_asked_for(&self, row: Row<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(row))
    }

    fn count(&self, batch: &Batch, ended: &Result<(), io::Error>) {
        let account = self.ledger.account("output", batch.table.name);
        let rows = batch.rows().filter(|row| self.is_asked_for(*row)).count() as u64;
        account.taken.add(rows);
        match ended {
            Ok(()) => {
                account.passed.add(rows);
                self.rows.fetch_add(rows, Ordering::Relaxed);
            }
            Err(error) => {
                account.drop(reason(error), rows);
                self.failed.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Why a write failed, as the ledger counts it.
fn reason(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk_full",
        io::ErrorKind::BrokenPipe => "reader_gone",
        _ => "write_failed",
    }
}

/// Whether an error means no more than that the reader has gone.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The writer for a style. Colour and width only matter on a terminal.
fn format(style: Style, terminal: bool, tables: &[&'static Table]) -> Box<dyn Format> {
    let options = Options::default();
    match style {
        Style::Json => Box::new(Json::new(options)),
        Style::Csv => Box::new(Csv::new(tables, options)),
        Style::Table => Box::new(Live::new(tables, looks(terminal), options)),
        Style::Wide => {
            let whole = Terminal { whole: true, ..looks(terminal) };
            Box::new(Live::new(tables, whole, options))
        }
    }
}

/// What the terminal can show; `NO_COLOR` (no-color.org) is respected.
pub(super) fn looks(terminal: bool) -> Terminal {
    let silenced = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let width = |size: rustix::termios::Winsize| (size.ws_col > 0).then_some(size.ws_col);
    let sizes =
        [rustix::termios::tcgetwinsize(io::stdout()), rustix::termios::tcgetwinsize(io::stderr())];
    Terminal {
        colour: terminal && !silenced,
        width: if terminal { sizes.into_iter().flatten().find_map(width) } else { None },
        whole: false,
    }
}
