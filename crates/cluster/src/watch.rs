//! The thread that watches, from its start to its end.

use std::cell::RefCell;
use std::thread::{self, JoinHandle};

use identity::pods::ClusterChange;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::state::Shared;
use crate::teller::Teller;
use crate::{Config, ConfigError, State, api, runtime};

/// A running watch; it ends when this is dropped.
pub struct Watch {
    state: Shared,
    /// Dropping it tells the thread to end.
    open: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Watches the cluster and tells every change with its time (boot clock).
///
/// `tell` is called on the watch's own thread and should not wait for long. Nobody has to be
/// there yet: the API server and the runtimes are tried until they answer.
pub fn watch(
    config: Config,
    tell: impl FnMut(u64, ClusterChange) + Send + 'static,
) -> Result<Watch, ConfigError> {
    let runtime =
        Builder::new_current_thread().enable_all().build().map_err(ConfigError::Thread)?;
    let state = Shared::default();
    // Built here and not on the thread, so that the caller hears of it.
    let client = match config.finds_api() {
        true => Some(runtime.block_on(config.client())?),
        false => None,
    };
    let (open, closed) = oneshot::channel();
    let shared = state.clone();
    let work = move || run(&runtime, client, &config, &shared, Box::new(tell), closed);
    let thread =
        thread::Builder::new().name("cluster".into()).spawn(work).map_err(ConfigError::Thread)?;
    Ok(Watch { state, open: Some(open), thread: Some(thread) })
}

impl Watch {
    /// How well the cluster is known by now.
    pub fn state(&self) -> State {
        self.state.snapshot()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.open.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was printed there; there is no one to tell it to here.
            let _ = thread.join();
        }
    }
}

fn run(
    runtime: &Runtime,
    client: Option<kube::Client>,
    config: &Config,
    state: &Shared,
    tell: Box<dyn FnMut(u64, ClusterChange) + Send>,
    closed: oneshot::Receiver<()>,
) {
    let teller = RefCell::new(Teller::new(tell));
    runtime.block_on(async {
        let api = async {
            if let Some(client) = &client {
                api::run(client, config, state, &teller).await;
            }
        };
        let all = async { tokio::join!(api, runtime::run(config, state, &teller)) };
        tokio::select! {
            // Each of them goes on for ever, or is not there.
            _ = all => {}
            _ = closed => {}
        }
    });
}
