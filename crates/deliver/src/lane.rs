//! One receiver's lane: what waits for it, and how it is doing.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use telemetry::{Account, Counter};

use crate::Notice;
use crate::queue::{Found, Queue, Refusal};

/// How a receiver is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// What it is called.
    pub name: String,
    /// What it is: `http`.
    pub kind: &'static str,
    /// How many alerts wait, on disk too.
    pub waiting: u64,
    /// How old the oldest of them is.
    pub oldest: Option<Duration>,
    /// What went wrong last, for people.
    pub last_error: Option<String>,
    /// Since when nothing has been delivered to it, where the last try failed.
    pub failing_since: Option<SystemTime>,
    /// Why its queue is not on disk although it should be.
    pub queue_error: Option<String>,
}

/// What the threads of one receiver and those who send to it share.
#[derive(Debug)]
pub(crate) struct Lane {
    name: String,
    kind: &'static str,
    /// How many wait in memory.
    most: usize,
    state: Mutex<State>,
    /// Something in `state` changed.
    changed: Condvar,
    /// Where the queue is on disk. Never locked by those who send.
    disk: OnceLock<Mutex<Queue>>,
    health: Mutex<Health>,
    account: Account,
    queue_full: Counter,
    closed: Counter,
}

#[derive(Debug, Default)]
struct State {
    /// All that waits, or with a queue on disk what is on its way there.
    inbox: VecDeque<Arc<Notice>>,
    /// How many have left `inbox` and are not in the queue on disk yet.
    moving: u64,
    /// How many are in the queue on disk.
    ready: u64,
    /// Set when no more is taken: until when the rest may be delivered.
    closing: Option<Instant>,
    /// Nothing of what waits is to be touched any more.
    given_up: bool,
    /// The thread that writes to disk has written everything.
    kept: bool,
    /// The thread that delivers has ended.
    ended: bool,
}

#[derive(Debug, Default)]
struct Health {
    last_error: Option<String>,
    failing_since: Option<SystemTime>,
    queue_error: Option<String>,
}

/// How long what was written to disk may wait to be synced.
const SYNC_EVERY: Duration = Duration::from_secs(1);

impl Lane {
    /// A lane for `most` notices in memory.
    pub(crate) fn new(name: &str, kind: &'static str, most: usize, account: Account) -> Lane {
        let (queue_full, closed) = (account.dropped("queue_full"), account.dropped("closed"));
        Lane {
            name: name.to_string(),
            kind,
            most,
            state: Mutex::default(),
            changed: Condvar::new(),
            disk: OnceLock::new(),
            health: Mutex::default(),
            account,
            queue_full,
            closed,
        }
    }

    /// Puts what waits on disk, behind what an earlier agent left there. To be called once, before
    /// any thread of the lane starts.
    pub(crate) fn set_disk(&self, queue: Queue, found: Found) {
        // Taken by this agent, in its turn.
        self.account.taken.add(found.waiting + found.torn);
        self.account.drop("damaged", found.torn);
        self.state().ready = queue.len();
        self.disk.get_or_init(|| Mutex::new(queue));
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its queue is on disk.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.disk.get().is_some()
    }

    /// Takes a notice, or drops and counts it. Waits for nobody.
    pub(crate) fn send(&self, notice: &Arc<Notice>) {
        self.account.taken.add(1);
        let mut state = self.state();
        if state.closing.is_some() {
            self.closed.add(1);
        } else if state.inbox.len() + state.moving as usize >= self.most {
            self.queue_full.add(1);
        } else {
            state.inbox.push_back(notice.clone());
            // More wake-ups than this help nobody: whoever woke looks at all there is.
            if state.inbox.len() == 1 {
                self.changed.notify_all();
            }
        }
    }

    /// The next notices, at most `most`; waits for some. None when no more come, or time is over.
    /// They stay until [`Lane::done`].
    pub(crate) fn next(&self, most: usize) -> Option<Vec<Arc<Notice>>> {
        let mut state = self.state();
        loop {
            if state.given_up || state.closing.is_some_and(|until| Instant::now() >= until) {
                return None;
            }
            match self.disk.get() {
                None if !state.inbox.is_empty() => {
                    return Some(state.inbox.iter().take(most).cloned().collect());
                }
                None if state.closing.is_some() => return None,
                Some(disk) if state.ready > 0 => {
                    drop(state);
                    let mut queue = lock(disk);
                    let (notices, damaged) = queue.peek(most);
                    self.account.drop("damaged", damaged);
                    state = self.state();
                    state.ready = queue.len();
                    if !notices.is_empty() {
                        return Some(notices);
                    }
                    continue;
                }
                Some(_) if state.kept => return None,
                _ => {}
            }
            state = self.wait(state, None);
        }
    }

    /// The first `count` of the next ones are done with: `dropped` of them for a reason, the
    /// others delivered.
    pub(crate) fn done(&self, count: usize, dropped: Option<(&'static str, usize)>) {
        let mut state = self.state();
        if state.given_up {
            return;
        }
        match self.disk.get() {
            None => drop(state.inbox.drain(..count)),
            Some(disk) => {
                state.ready -= (count as u64).min(state.ready);
                drop(state);
                lock(disk).pop(count);
            }
        }
        let (reason, lost) = dropped.unwrap_or_default();
        self.account.passed.add((count - lost) as u64);
        if lost > 0 {
            self.account.drop(reason, lost as u64);
        }
    }

    /// Waits before another try; false when there is none: time is over, or the agent stops and
    /// the next one finds the notices on disk.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let over = state.closing.is_some_and(|end| self.is_on_disk() || now >= end);
            if state.given_up || over {
                return false;
            }
            if now >= until {
                return true;
            }
            state = self.wait(state, Some(until));
        }
    }

    /// Moves what was sent to disk until no more comes. To be run on a thread of its own.
    pub(crate) fn keep(&self) {
        let Some(disk) = self.disk.get() else { return };
        let mut synced = Instant::now();
        let mut unsynced: Vec<File> = Vec::new();
        loop {
            let mut state = self.state();
            while state.inbox.is_empty() && state.closing.is_none() && !state.given_up {
                let soon = (!unsynced.is_empty()).then(|| synced + SYNC_EVERY);
                if soon.is_some_and(|soon| Instant::now() >= soon) {
                    break;
                }
                state = self.wait(state, soon);
            }
            let batch = std::mem::take(&mut state.inbox);
            state.moving = batch.len() as u64;
            let over = batch.is_empty() && (state.closing.is_some() || state.given_up);
            drop(state);
            // One lock for each: whoever delivers gets its turn between them.
            for notice in batch {
                let mut queue = lock(disk);
                let pushed = queue.push(notice);
                // Under both locks, so that the two never differ for those who read.
                let mut state = self.state();
                state.moving -= 1;
                match pushed {
                    Ok(()) => {
                        state.ready += 1;
                        self.changed.notify_all();
                    }
                    Err(Refusal::Full) => self.queue_full.add(1),
                    Err(Refusal::Disk) => self.account.drop("disk_full", 1),
                }
            }
            unsynced.extend(lock(disk).take_unsynced());
            if over || (!unsynced.is_empty() && synced.elapsed() >= SYNC_EVERY) {
                // Without the lock: a slow disk holds up nobody. What cannot be synced is there
                // all the same unless the machine crashes.
                unsynced.drain(..).for_each(|file| drop(file.sync_data()));
                synced = Instant::now();
            }
            if over {
                self.state().kept = true;
                self.changed.notify_all();
                return;
            }
        }
    }

    /// Takes no more; what waits may be delivered until `until`.
    pub(crate) fn close(&self, until: Instant) {
        self.state().closing.get_or_insert(until);
        self.changed.notify_all();
    }

    /// The delivering thread ends.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.changed.notify_all();
    }

    /// Waits until both threads have ended, no longer than the time that [`Lane::close`] gave;
    /// then what waits in memory is dropped and counted. What is on disk stays there.
    pub(crate) fn give_up(&self) {
        let mut state = self.state();
        let until = state.closing.unwrap_or_else(Instant::now);
        while !(state.ended && (state.kept || !self.is_on_disk())) && Instant::now() < until {
            state = self.wait(state, Some(until));
        }
        let ended = state.ended && state.kept;
        state.given_up = true;
        self.closed.add(state.inbox.drain(..).count() as u64);
        drop(state);
        self.changed.notify_all();
        if let Some(disk) = self.disk.get() {
            let mut queue = lock(disk);
            let forgotten = queue.forget_overflow();
            self.closed.add(forgotten);
            let mut state = self.state();
            state.ready -= forgotten.min(state.ready);
            if ended {
                queue.release();
            }
        }
    }

    /// A try failed, for the reason that `words` tell.
    pub(crate) fn failed(&self, words: String) {
        let mut health = lock(&self.health);
        health.last_error = Some(words);
        health.failing_since.get_or_insert_with(SystemTime::now);
    }

    /// A try did not fail. The last error is kept: somebody may want to know it later.
    pub(crate) fn works(&self) {
        lock(&self.health).failing_since = None;
    }

    /// Some notices were dropped, for the reason that `words` tell; others may do better.
    pub(crate) fn complain(&self, words: String) {
        lock(&self.health).last_error = Some(words);
    }

    /// The queue is not on disk, for the reason that `words` tell.
    pub(crate) fn without_disk(&self, words: String) {
        lock(&self.health).queue_error = Some(words);
    }

    /// How it is doing.
    pub(crate) fn status(&self) -> Status {
        let state = self.state();
        let waiting = state.inbox.len() as u64 + state.moving + state.ready;
        let mut oldest = state.inbox.front().map(|it| it.time);
        drop(state);
        let mut trouble = None;
        if let Some(disk) = self.disk.get() {
            let queue = lock(disk);
            oldest = queue.oldest().or(oldest);
            trouble = queue.trouble().map(str::to_string);
        }
        let since = |time| {
            let then = SystemTime::UNIX_EPOCH + Duration::from_nanos(time);
            SystemTime::now().duration_since(then).unwrap_or_default()
        };
        let health = lock(&self.health);
        Status {
            name: self.name.clone(),
            kind: self.kind,
            waiting,
            oldest: oldest.map(since),
            last_error: health.last_error.clone(),
            failing_since: health.failing_since,
            queue_error: trouble.or_else(|| health.queue_error.clone()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Waits for a change, no longer than until `soon`, or until the time to close is over.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        soon: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        let until = [soon, state.closing].into_iter().flatten().min();
        let unpoisoned = PoisonError::into_inner;
        match until {
            None => self.changed.wait(state).unwrap_or_else(unpoisoned),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                match self.changed.wait_timeout(state, left) {
                    Ok((state, _)) => state,
                    Err(poisoned) => poisoned.into_inner().0,
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
