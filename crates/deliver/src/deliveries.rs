//! All receivers together.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use detect::language::Priority;
use telemetry::Ledger;

use crate::lane::{Lane, Status};
use crate::queue::Queue;
use crate::{Notice, Receiver, carry, turn};

/// The receivers, each with its queue and its threads. What is sent to them after
/// [`Deliveries::finish`], or after this is dropped, goes nowhere.
#[derive(Debug)]
pub struct Deliveries {
    lanes: Vec<(Priority, Arc<Lane>)>,
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
    let mut names = HashSet::new();
    let mut ready = Vec::new();
    for receiver in &config {
        let name = receiver.called();
        let unfit = |words| StartError::Unfit { receiver: name.to_string(), words };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if !name.bytes().all(is_plain) {
            return Err(unfit("a name has letters, digits, `-` and `_`".to_string()));
        }
        if !names.insert(name) {
            return Err(unfit("there are two of this name; give one of them another".to_string()));
        }
        ready.push((receiver, carry::open(receiver).map_err(unfit)?));
    }
    // All of them fit: only now is anything started.
    let mut deliveries = Deliveries { lanes: Vec::new() };
    for (receiver, carrier) in ready {
        let lane = Arc::new(lane(receiver, directory.as_deref(), ledger));
        deliveries.lanes.push((receiver.priority, lane.clone()));
        let failed = |source| StartError::Thread { receiver: lane.name().to_string(), source };
        if lane.is_on_disk() {
            let lane = lane.clone();
            let thread = thread::Builder::new().name("deliver-keep".into());
            thread.spawn(move || lane.keep()).map_err(failed)?;
        }
        let (own, backoff) = (lane.clone(), receiver.backoff.clone());
        let thread = thread::Builder::new().name(format!("deliver-{}", receiver.to.kind()));
        let run = move || {
            turn::run(&own, carrier, &backoff);
            own.end();
        };
        thread.spawn(run).map_err(failed)?;
    }
    Ok(deliveries)
}

impl Deliveries {
    /// Gives a notice to each receiver that wants its priority. Waits for nobody: what a queue
    /// has no room for is dropped and counted.
    pub fn send(&self, notice: Arc<Notice>) {
        for (least, lane) in &self.lanes {
            if notice.priority <= *least {
                lane.send(&notice);
            }
        }
    }

    /// How each receiver is doing.
    pub fn status(&self) -> Vec<Status> {
        self.lanes.iter().map(|(_, lane)| lane.status()).collect()
    }

    /// Takes no more, and delivers what waits until `deadline`. A receiver that cannot be reached
    /// is not waited for where its queue is on disk: the next agent goes on there. What waits in
    /// memory and could not be delivered is dropped and counted as `closed`.
    ///
    /// The statuses say what is left, on disk.
    pub fn finish(self, deadline: Instant) -> Vec<Status> {
        self.close(deadline);
        self.lanes.iter().for_each(|(_, lane)| lane.give_up());
        self.status()
    }

    fn close(&self, deadline: Instant) {
        self.lanes.iter().for_each(|(_, lane)| lane.close(deadline));
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.close(Instant::now());
    }
}

fn lane(receiver: &Receiver, directory: Option<&Path>, ledger: &Ledger) -> Lane {
    let name = receiver.called();
    // Receivers are few and live as long as the agent.
    let stage: &'static str = format!("deliver:{name}").leak();
    let account = ledger.account(stage, "alert");
    let most = receiver.waiting.max(1) as usize;
    let folder = directory.filter(|_| receiver.to.is_far() && receiver.disk.0 > 0);
    let opened = folder.map(|folder| Queue::open(&folder.join(name), receiver.disk.0, most));
    let (queue, error) = match opened {
        None => (None, None),
        Some(Err(error)) => (None, Some(format!("its queue is in memory: {error}"))),
        Some(Ok((queue, found))) => {
            // Taken by this agent, in its turn.
            account.taken.add(found.waiting + found.torn);
            account.drop("damaged", found.torn);
            (Some(queue), None)
        }
    };
    let lane = Lane::new(name, receiver.to.kind(), most, account, queue);
    error.into_iter().for_each(|words| lane.without_disk(words));
    lane
}
