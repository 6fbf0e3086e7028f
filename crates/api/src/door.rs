//! The thread that listens, from its start to its end.

use std::future::IntoFuture;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use crate::{Source, routes};

/// An open door; it closes when this is dropped.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    /// Dropping it tells the thread to end.
    open: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why the door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from other machines.
    #[error(
        "{0} can be reached from other machines, and this door has neither TLS nor tokens yet: \
         listen on 127.0.0.1:{port} or [::1]:{port}, and forward the port where it is needed \
         (`kubectl port-forward`, `ssh -L`)",
        port = .0.port()
    )]
    BeyondLoopback(SocketAddr),
    /// Another process listens there.
    #[error(
        "another process listens on {0} (`ss -ltnp 'sport = :{port}'` names it): end it, or \
         listen on another port",
        port = .0.port()
    )]
    InUse(SocketAddr),
    /// The system does not let us listen there.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system does not give us a thread.
    #[error("cannot start the thread for HTTP: {0}")]
    Thread(io::Error),
}

/// How long requests that are being answered may take once the door closes.
const FAREWELL: Duration = Duration::from_secs(1);

/// Answers HTTP on `listen` from `source` until the door is dropped. Port 0 takes a free one.
pub fn serve(listen: SocketAddr, source: Arc<dyn Source>) -> Result<Door, ServeError> {
    if !listen.ip().to_canonical().is_loopback() {
        return Err(ServeError::BeyondLoopback(listen));
    }
    // Bound here and not on the thread, so that the caller hears of it.
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::InUse(listen),
        _ => ServeError::Listen { address: listen, source },
    };
    let listener = TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;

    let runtime = Builder::new_current_thread().enable_all().build().map_err(ServeError::Thread)?;
    let (open, closed) = oneshot::channel();
    let work = move || run(&runtime, listener, routes::router(source), closed);
    let thread =
        thread::Builder::new().name("http".into()).spawn(work).map_err(ServeError::Thread)?;
    Ok(Door { address, open: Some(open), thread: Some(thread) })
}

impl Door {
    /// Where it listens, with the port that it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        drop(self.open.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was printed there; there is no one to tell it to here.
            let _ = thread.join();
        }
    }
}

fn run(runtime: &Runtime, listener: TcpListener, router: Router, closed: oneshot::Receiver<()>) {
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let (begin, farewell) = oneshot::channel::<()>();
        let closing = async {
            let _ = closed.await;
            drop(begin);
        };
        let serving = axum::serve(listener, router).with_graceful_shutdown(closing);
        let limit = async {
            let _ = farewell.await;
            tokio::time::sleep(FAREWELL).await;
        };
        // Errors of single connections end within `serve`; it returns when it was told to.
        tokio::select! {
            _ = serving.into_future() => {}
            () = limit => {}
        }
    });
}
