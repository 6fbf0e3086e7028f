//! The subscribers' side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use schema::Batch;

use crate::NoBatch;
use crate::queue::Queue;

/// One subscriber's end of the bus. Dropping it ends the subscription; what it had not received
/// counts as dropped.
#[derive(Debug)]
pub struct Subscription {
    queue: Arc<Queue>,
}

impl Subscription {
    pub(crate) fn new(queue: Arc<Queue>) -> Subscription {
        Subscription { queue }
    }

    /// The next batch; waits for it. `None` once the bus is closed and all is received.
    pub fn recv(&self) -> Option<Arc<Batch>> {
        self.queue.pop(None).ok()
    }

    /// The next batch; waits for it no longer than `timeout`.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Arc<Batch>, NoBatch> {
        self.queue.pop(Instant::now().checked_add(timeout))
    }

    /// The next batch, if it is there already.
    pub fn try_recv(&self) -> Result<Arc<Batch>, NoBatch> {
        self.queue.pop(Some(Instant::now()))
    }

    /// Takes nothing more in: what is queued is received, and then there is no more.
    pub fn end(&self) {
        self.queue.end();
    }

    /// The subscriber's name.
    pub fn name(&self) -> &'static str {
        self.queue.name
    }

    /// The name of its books in the ledger.
    pub fn stage(&self) -> &'static str {
        self.queue.stage
    }

    /// How many rows wait.
    pub fn queued(&self) -> usize {
        self.queue.fill().0
    }

    /// How many rows this subscription has lost because its queue was full. Its books may be
    /// shared with others of its name; this is its own count.
    pub fn lost(&self) -> u64 {
        self.queue.lost()
    }

    /// Whether the bus is closed; batches may still wait.
    pub fn is_closed(&self) -> bool {
        self.queue.closed()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.queue.leave();
    }
}
