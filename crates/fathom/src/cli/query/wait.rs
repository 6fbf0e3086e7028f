//! Waiting for an answer and for Ctrl-C at once, on a thread without a runtime.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use super::super::interrupt::Interrupt;

/// How often is looked whether somebody wants us to end.
const STEP: Duration = Duration::from_millis(20);

/// What `future` becomes; none if somebody asked us to end before. The future is dropped then.
pub(super) fn wait<T>(future: impl Future<Output = T>, interrupt: &Interrupt) -> Option<T> {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if interrupt.asked() {
            return None;
        }
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return Some(value),
            Poll::Pending => thread::park_timeout(STEP),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
