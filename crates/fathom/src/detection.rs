//! Detection in a session: the rules that all workers share, and what each worker does with them.
//!
//! Rules are asked on the worker that decoded the rows: all rows of a process come to one worker, in
//! order, so there is no queue in between that could lose or reorder them. New rules are taken by
//! each worker between two turns; what it knows of processes, files and sockets stays.

pub(crate) mod files;
mod repeats;
mod users;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use detect::novelty::{self, Novelty};
use detect::{Alert, AlertRow, Detector, Names, Program};
use schema::{Batch, Decoded, Event, Table};
use telemetry::{Account, Ledger};

use self::repeats::{Repeats, Verdict};
pub(crate) use self::users::Users;

/// The tables that detection fills.
pub static TABLES: &[&Table] = &[AlertRow::TABLE];

/// Where alerts go, each with how many of its kind were kept back before it.
type Tell = Box<dyn Fn(&Alert, u64) + Send + Sync>;

/// What all workers of a session share.
pub struct Detection {
    program: RwLock<Arc<Program>>,
    /// Grows with each new program.
    edition: AtomicU64,
    names: Arc<dyn Names>,
    novelty: Arc<Novelty>,
    repeats: Mutex<Repeats>,
    /// What was lost in all, a second ago and before that.
    lost: Mutex<[u64; 2]>,
    ledger: Ledger,
    tell: Tell,
}

/// How often the same is told.
#[derive(Debug, Clone, Copy)]
pub struct Quiet {
    /// What is the same in rule, process and message is told once in so long; how often it happened
    /// meanwhile is told at the end.
    pub window: Duration,
    /// One rule fires so often in a minute; beyond it, alerts are counted only.
    pub most: u32,
}

/// One worker's part.
pub(crate) struct Watcher {
    shared: Arc<Detection>,
    edition: u64,
    detector: Detector,
    /// The tables whose rows the rules are asked about.
    tables: Vec<&'static Table>,
    /// Of what was forgotten, so much is in the books.
    forgotten: u64,
}

impl Detection {
    /// Detection with `program`. Each alert that is to be told goes to `tell`, with the number of
    /// records that were lost in the second before.
    pub fn new(
        program: Program,
        names: Arc<dyn Names>,
        novelty: Arc<Novelty>,
        quiet: Quiet,
        ledger: &Ledger,
        tell: impl Fn(&Alert, u64) + Send + Sync + 'static,
    ) -> Detection {
        names.interest(program.hosts());
        Detection {
            program: RwLock::new(Arc::new(program)),
            edition: AtomicU64::new(1),
            names,
            novelty,
            repeats: Mutex::new(Repeats::new(quiet)),
            lost: Mutex::default(),
            ledger: ledger.clone(),
            tell: Box::new(tell),
        }
    }

    /// From its next turn on each worker asks these rules.
    pub fn take(&self, program: Program) {
        self.names.interest(program.hosts());
        *self.program.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(program);
        self.edition.fetch_add(1, Ordering::Release);
    }

    /// From now on repeats are told so often.
    pub(crate) fn be_quiet(&self, quiet: Quiet) {
        lock(&self.repeats).quiet = quiet;
    }

    /// The rules that are asked.
    pub fn program(&self) -> Arc<Program> {
        self.program.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What workloads did before.
    pub fn novelty(&self) -> &Novelty {
        &self.novelty
    }

    /// Tells what was held back still; nothing comes after.
    pub(crate) fn farewell(&self) {
        // The bus is closed: receivers are told, and no row is made.
        let _ = self.tell_overdue(i64::MAX, true);
    }

    /// To be called once a second: what was lost until then is compared with what is lost now.
    pub(crate) fn keep_books(&self) {
        let mut lost = lock(&self.lost);
        *lost = [lost[1], self.lost_so_far()];
    }

    fn lost_so_far(&self) -> u64 {
        self.ledger.lost().iter().map(|entry| entry.count).sum()
    }

    fn lost_lately(&self) -> u64 {
        let before = lock(&self.lost)[0];
        self.lost_so_far().saturating_sub(before)
    }

    /// Whether the alert is to be told now.
    fn lets_pass(&self, alert: &Alert) -> bool {
        let account = self.account();
        account.taken.add(1);
        match lock(&self.repeats).take(alert) {
            Verdict::Tell => return true,
            Verdict::Repeated => account.drop("repeated", 1),
            Verdict::TooMany => account.drop("too_many", 1),
        }
        false
    }

    /// Tells what was held back and whose window is over, all of it with `last`; gives it as rows.
    fn tell_overdue(&self, now: i64, last: bool) -> Option<Arc<Batch>> {
        let overdue = lock(&self.repeats).overdue(now, last);
        self.account().taken.add(overdue.len() as u64);
        self.tell(&overdue)
    }

    /// Tells the alerts, and gives them as rows.
    fn tell(&self, alerts: &[Alert]) -> Option<Arc<Batch>> {
        let first = alerts.first()?;
        let lost = self.lost_lately();
        let mut rows = Decoded::new(AlertRow::TABLE);
        for alert in alerts {
            (self.tell)(alert, lost);
            alert.row(lost, |row| rows.push(alert.batch.origin[alert.row], row));
        }
        self.account().passed.add(alerts.len() as u64);
        let processes = alerts.iter().map(|alert| alert.process().clone()).collect();
        Some(Arc::new(rows.with_processes(first.batch.node.clone(), processes)))
    }

    fn account(&self) -> Account {
        self.ledger.account("detect", AlertRow::TABLE.name)
    }
}

impl Watcher {
    pub(crate) fn new(shared: Arc<Detection>) -> Watcher {
        let edition = shared.edition.load(Ordering::Acquire);
        let (names, novelty) = (shared.names.clone(), shared.novelty.clone());
        let program = shared.program();
        let tables = program.tables();
        let detector = Detector::new(program, names, novelty);
        Watcher { shared, edition, detector, tables, forgotten: 0 }
    }

    pub(crate) fn asks_about(&self, table: &Table) -> bool {
        self.tables.iter().any(|asked| std::ptr::eq(*asked, table))
    }

    /// Asks the rules about the rows of one turn; gives the alerts as rows.
    pub(crate) fn look(&mut self, turn: &[Arc<Batch>]) -> Option<Arc<Batch>> {
        let edition = self.shared.edition.load(Ordering::Acquire);
        if edition != self.edition {
            let program = self.shared.program();
            (self.edition, self.tables) = (edition, program.tables());
            self.detector.take(program);
        }
        let mut alerts = Vec::new();
        self.detector.detect(turn, |alert| alerts.push(alert));
        let forgotten = self.detector.forgotten();
        let state = self.shared.ledger.account("detect", "state");
        state.drop("forgotten", forgotten - std::mem::replace(&mut self.forgotten, forgotten));
        alerts.retain(|alert| self.shared.lets_pass(alert));
        self.shared.tell(&alerts)
    }

    /// Once a second, by one worker: the books, and what was held back.
    pub(crate) fn keep_house(&mut self, now: i64, last: bool) -> Option<Arc<Batch>> {
        self.shared.keep_books();
        // Beyond its room nothing is new: rules about that are silent, and it has to be said.
        let learned = self.shared.ledger.account("detect", "novelty");
        match self.shared.novelty.full() {
            0 => {}
            full => learned.dropped("no_room").raise_to(full),
        }
        self.shared.tell_overdue(now, last)
    }
}

/// What was learned by an agent before, where it left it.
pub(crate) fn novelty(saved: Option<&str>, limits: novelty::Limits) -> (Novelty, Option<String>) {
    match saved.map(|saved| Novelty::restore(limits, saved)) {
        None => (Novelty::new(limits), None),
        Some(Ok(novelty)) => (novelty, None),
        Some(Err(error)) => (Novelty::new(limits), Some(error.to_string())),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
