//! The thread that listens, from its start to its end: the same for both doors.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::access::{Peer, is_loopback};
use crate::desk::Desk;
use crate::limits::Gate;
use crate::{Access, AccessError, Limits, Source, flight, routes, subject};

/// Where a door is, who may come in, and how much each may ask.
#[derive(Debug, Clone, PartialEq)]
pub struct Doorway {
    /// Where it listens. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Who may come in.
    pub access: Access,
    /// How much may be asked.
    pub limits: Limits,
}

/// An open door; it closes when this is dropped, within a second.
#[derive(Debug)]
pub struct Door {
    address: SocketAddr,
    tls: bool,
    /// Dropping it tells the thread to end.
    open: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why the door could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address can be reached from other machines, and all there could come in.
    #[error(
        "{0} can be reached from other machines, which takes TLS (a certificate and its key) \
         and either tokens or a client CA: configure them, or listen on 127.0.0.1:{port} or \
         [::1]:{port}, and forward the port where it is needed (`kubectl port-forward`, `ssh -L`)",
        port = .0.port()
    )]
    BeyondLoopback(SocketAddr),
    /// Something is wrong with the files that say who may come in.
    #[error(transparent)]
    Access(#[from] AccessError),
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
    #[error("cannot start the thread of a door: {0}")]
    Thread(io::Error),
}

/// How long requests that are being answered may take once the door closes.
const FAREWELL: Duration = Duration::from_millis(700);
/// How long a new connection may take to agree on TLS, or to send the head of a request.
const GREETING: Duration = Duration::from_secs(10);
/// How often an HTTP/2 connection that says nothing is asked whether it lives.
const PING: Duration = Duration::from_secs(30);
/// How long to wait where the system has no descriptor for a connection.
const BREATH: Duration = Duration::from_millis(100);
/// How far the threads of doors give way to others: turning rows into text is work.
const NICE: i32 = 5;

/// Answers HTTP at `doorway` from `source` until the door is dropped.
pub fn serve(doorway: Doorway, source: Arc<dyn Source>) -> Result<Door, ServeError> {
    open("http", doorway, source, routes::router)
}

/// Answers Arrow Flight SQL at `doorway` from `source` until the door is dropped. A query is two
/// requests here, one for its columns and one for its rows, and both are counted: the limits are
/// doubled, so that they mean the same as at the other door.
pub fn serve_flight(mut doorway: Doorway, source: Arc<dyn Source>) -> Result<Door, ServeError> {
    doorway.limits.queries_per_second *= 2.0;
    doorway.limits.burst = doorway.limits.burst.saturating_mul(2);
    open("flight", doorway, source, flight::router)
}

fn open(
    name: &'static str,
    doorway: Doorway,
    source: Arc<dyn Source>,
    router: impl FnOnce(Arc<Desk>) -> Router,
) -> Result<Door, ServeError> {
    let Doorway { listen, access, limits } = doorway;
    if !is_loopback(listen) && !access.fits_beyond_loopback() {
        return Err(ServeError::BeyondLoopback(listen));
    }
    let keeper = access.open(|what| source.warn(what))?;
    // Bound here and not on the thread, so that the caller hears of it.
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ServeError::InUse(listen),
        _ => ServeError::Listen { address: listen, source },
    };
    let listener = TcpListener::bind(listen).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;

    let desk = Arc::new(Desk { source, keeper, gate: Gate::new(limits), door: name });
    let router = router(desk.clone());
    let runtime = Builder::new_current_thread().enable_all().build().map_err(ServeError::Thread)?;
    let (open, closed) = oneshot::channel();
    let work = move || {
        // Where it cannot give way it works as all do.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
        run(&runtime, listener, &desk, &router, closed);
    };
    let thread =
        thread::Builder::new().name(name.into()).spawn(work).map_err(ServeError::Thread)?;
    Ok(Door { address, tls: access.tls.is_some(), open: Some(open), thread: Some(thread) })
}

impl Doorway {
    /// A door on `listen` with the defaults: no TLS, no tokens, the ordinary limits.
    pub fn at(listen: SocketAddr) -> Doorway {
        Doorway { listen, access: Access::default(), limits: Limits::default() }
    }
}

impl Door {
    /// Where it listens, with the port that it was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it speaks TLS.
    pub fn tls(&self) -> bool {
        self.tls
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

fn run(
    runtime: &Runtime,
    listener: TcpListener,
    desk: &Arc<Desk>,
    router: &Router,
    mut closed: oneshot::Receiver<()>,
) {
    runtime.block_on(async {
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(desk.gate.limits().connections));
        loop {
            let accepted = tokio::select! {
                _ = &mut closed => break,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(BREATH).await;
                continue;
            };
            let Ok(place) = places.clone().try_acquire_owned() else { continue };
            let (desk, router) = (desk.clone(), router.clone());
            let watcher = graceful.watcher();
            tokio::spawn(async move {
                welcome(stream, &desk, router, watcher).await;
                drop(place);
            });
        }
        drop(listener);
        // What is not answered by then ends with the runtime.
        let _ = tokio::time::timeout(FAREWELL, graceful.shutdown()).await;
    });
}

/// Agrees on TLS where it is spoken, and serves one connection. What goes wrong in it concerns
/// nobody else.
async fn welcome(stream: TcpStream, desk: &Desk, router: Router, watcher: Watcher) {
    let _ = stream.set_nodelay(true);
    let warn = |what| desk.source.warn(what);
    let Some(config) = desk.keeper.tls(Instant::now(), warn) else {
        return answer(stream, Peer { certificate: None }, router, watcher).await;
    };
    let accepting = TlsAcceptor::from(config).accept(stream);
    let Ok(Ok(stream)) = tokio::time::timeout(GREETING, accepting).await else { return };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = shown.map(|it| subject::name(it).into());
    answer(stream, Peer { certificate }, router, watcher).await;
}

async fn answer<S>(stream: S, peer: Peer, router: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(GREETING);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(PING);
    let service = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        hyper::service::Service::call(&service, request.map(Body::new))
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let _ = watcher.watch(connection).await;
}
