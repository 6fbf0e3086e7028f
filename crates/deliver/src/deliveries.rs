//! All receivers together.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::thread;
use std::time::Instant;

use telemetry::Ledger;

use crate::carry::Carrier;
use crate::lane::{Lane, Status};
use crate::queue::Queue;
use crate::{File, Notice, Receiver, To, carry, turn};

/// The receivers, each with its queue and its threads. What is sent to them after
/// [`Deliveries::finish`] is dropped and counted.
#[derive(Debug)]
pub struct Deliveries {
    lanes: RwLock<Vec<Entry>>,
    /// Held while receivers are changed.
    changing: Mutex<()>,
    directory: Option<PathBuf>,
    ledger: Ledger,
}

/// A receiver as it was configured, and its lane.
#[derive(Debug, Clone)]
struct Entry {
    receiver: Receiver,
    lane: Arc<Lane>,
}

/// Why receivers cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something in the configuration does not fit.
    #[error("{receiver}: {words}")]
    Unfit {
        /// What the receiver is called.
        receiver: String,
        /// What is wrong, and what would be right.
        words: String,
    },
    /// The system has no thread for it.
    #[error("{receiver}: no thread: {source}")]
    Thread {
        /// What the receiver is called.
        receiver: String,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Starts the threads of all receivers. Queues on disk are folders in `directory`, each with its
/// receiver's name; what an earlier agent left there is delivered first. A queue that cannot be
/// opened is in memory, and the receiver's [`Status`] says why. Nobody has to be reachable yet.
///
/// Each receiver counts in `ledger`, stage `deliver:NAME`, table `alert`: what was taken is
/// passed, dropped for a reason, or waits. Reasons are `queue_full`, `disk_full`, `refused`,
/// `template`, `reader_gone`, `program`, `damaged`, `closed`.
pub fn start(
    config: Vec<Receiver>,
    directory: Option<PathBuf>,
    ledger: &Ledger,
) -> Result<Deliveries, StartError> {
    let (lanes, changing, ledger) = (RwLock::default(), Mutex::default(), ledger.clone());
    let deliveries = Deliveries { lanes, changing, directory, ledger };
    deliveries.change(config, Instant::now())?;
    Ok(deliveries)
}

impl Deliveries {
    /// Gives a notice to each receiver that wants its priority. Waits for nobody: what a queue
    /// has no room for is dropped and counted.
    pub fn send(&self, notice: Arc<Notice>) {
        for Entry { receiver, lane } in self.lanes().iter() {
            if notice.priority <= receiver.priority {
                lane.send(&notice);
            }
        }
    }

    /// Goes on with other receivers. Those that stay the same notice nothing. One that changed
    /// takes what is sent from now on, and delivers it after the old one, which has time until
    /// `deadline` to deliver what waits; so have those that are gone. With an error nothing
    /// changes, unless the system has no threads.
    pub fn change(&self, config: Vec<Receiver>, deadline: Instant) -> Result<(), StartError> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        check_together(&config)?;
        let old = self.lanes().clone();
        let (mut lanes, mut begun) = (Vec::new(), Vec::new());
        for receiver in config {
            if let Some(same) = old.iter().find(|it| it.receiver == receiver) {
                lanes.push(same.clone());
                continue;
            }
            let words = |words| StartError::Unfit { receiver: receiver.called().into(), words };
            let carrier = carry::open(&receiver).map_err(words)?;
            let lane = Arc::new(lane(&receiver, &self.ledger));
            lanes.push(Entry { receiver: receiver.clone(), lane: lane.clone() });
            begun.push((receiver, lane, carrier));
        }
        let gone =
            old.iter().filter(|it| !lanes.iter().any(|new| Arc::ptr_eq(&new.lane, &it.lane)));
        let gone: Vec<Entry> = gone.cloned().collect();
        *self.lanes.write().unwrap_or_else(PoisonError::into_inner) = lanes;
        // What is sent to the new ones waits in memory until the old ones let go of their queues.
        gone.iter().for_each(|it| it.lane.close(deadline));
        gone.iter().for_each(|it| it.lane.give_up());
        for (receiver, lane, carrier) in begun {
            open_queue(&receiver, &lane, self.directory.as_deref());
            start_threads(&receiver, &lane, carrier)?;
        }
        Ok(())
    }

    /// How each receiver is doing.
    pub fn status(&self) -> Vec<Status> {
        self.lanes().iter().map(|it| it.lane.status()).collect()
    }

    /// Takes no more, and delivers what waits until `deadline`. A receiver that cannot be reached
    /// is not waited for where its queue is on disk: the next agent goes on there. What waits in
    /// memory and could not be delivered is dropped and counted as `closed`.
    ///
    /// The statuses say what is left, on disk.
    pub fn finish(&self, deadline: Instant) -> Vec<Status> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let lanes = self.lanes().clone();
        lanes.iter().for_each(|it| it.lane.close(deadline));
        lanes.iter().for_each(|it| it.lane.give_up());
        lanes.iter().map(|it| it.lane.status()).collect()
    }

    fn lanes(&self) -> RwLockReadGuard<'_, Vec<Entry>> {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        let now = Instant::now();
        self.lanes().iter().for_each(|it| it.lane.close(now));
    }
}

/// What fits by itself, but not together.
fn check_together(config: &[Receiver]) -> Result<(), StartError> {
    let (mut names, mut places) = (HashSet::new(), HashSet::new());
    for receiver in config {
        let name = receiver.called();
        let unfit =
            |words: &str| Err(StartError::Unfit { receiver: name.into(), words: words.into() });
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !name.bytes().all(is_plain) {
            return unfit("a name has letters, digits, `-` and `_`");
        }
        if !names.insert(name) {
            return unfit("there are two of this name; give one of them another");
        }
        if let To::File(File { path, .. }) = &receiver.to
            && !places.insert(path)
        {
            return unfit("another receiver writes to this file");
        }
    }
    Ok(())
}

fn lane(receiver: &Receiver, ledger: &Ledger) -> Lane {
    let name = receiver.called();
    // Receivers are few, and seldom changed.
    let stage: &'static str = format!("deliver:{name}").leak();
    let most = receiver.waiting.max(1) as usize;
    Lane::new(name, receiver.to.kind(), most, ledger.account(stage, "alert"))
}

/// Opens the queue on disk, where there is to be one.
fn open_queue(receiver: &Receiver, lane: &Lane, directory: Option<&Path>) {
    let folder = directory.filter(|_| receiver.to.is_far() && receiver.disk.0 > 0);
    let Some(folder) = folder.map(|folder| folder.join(receiver.called())) else { return };
    match Queue::open(&folder, receiver.disk.0, receiver.waiting.max(1) as usize) {
        Ok((queue, found)) => lane.set_disk(queue, found),
        Err(error) => lane.without_disk(format!("its queue is in memory: {error}")),
    }
}

fn start_threads(
    receiver: &Receiver,
    lane: &Arc<Lane>,
    carrier: Box<dyn Carrier>,
) -> Result<(), StartError> {
    let failed = |source| StartError::Thread { receiver: receiver.called().into(), source };
    if lane.is_on_disk() {
        let own = lane.clone();
        let thread = thread::Builder::new().name("deliver-keep".into());
        thread.spawn(move || own.keep()).map_err(failed)?;
    }
    let (own, backoff) = (lane.clone(), receiver.backoff.clone());
    let thread = thread::Builder::new().name(format!("deliver-{}", receiver.to.kind()));
    let run = move || {
        let end = End(own);
        turn::run(&end.0, carrier, &backoff);
    };
    thread.spawn(run).map_err(failed)?;
    Ok(())
}

/// Says that the thread ends, however it does.
struct End(Arc<Lane>);

impl Drop for End {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.failed("its thread died of a bug; nothing is delivered any more".to_string());
        }
        self.0.end();
    }
}
