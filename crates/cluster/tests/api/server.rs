//! A server on loopback that says what a test tells it to, as an API server would.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fs;
use std::io::Error;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// One answer.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status and a body.
    Whole(u16, String),
    /// Lines, and then nothing more on an open connection.
    Open(Vec<String>),
    /// Lines, and then the end.
    Ended(Vec<String>),
    /// Lines, the last not whole, and then the connection breaks.
    Cut(Vec<String>),
}

/// A running server; it ends when this is dropped.
pub(crate) struct Server {
    script: Arc<Script>,
    port: u16,
    folder: TempDir,
    open: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Script {
    /// What to answer next to requests for a path, lists and watches apart. Where nothing is
    /// left, lists are empty and watches stay silent.
    replies: Mutex<HashMap<(String, bool), VecDeque<Reply>>>,
    asked: Mutex<Vec<String>>,
}

impl Server {
    pub(crate) fn start() -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Script::default());
        let (open, closed) = oneshot::channel::<()>();
        let shared = script.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let answer = move |request: Request| {
                    let shared = shared.clone();
                    async move { Ok::<_, Infallible>(shared.answer(&request)) }
                };
                let router = Router::new().fallback(answer);
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = axum::serve(listener, router).into_future() => {}
                    _ = closed => {}
                }
            });
        });
        let folder = TempDir::new().unwrap();
        Server { script, port, folder, open: Some(open), thread: Some(thread) }
    }

    /// Adds an answer to the list of what is at the path.
    pub(crate) fn list(&self, path: &str, reply: Reply) -> &Server {
        self.add(path, false, reply)
    }

    /// Adds an answer to the watch of what is at the path.
    pub(crate) fn watch(&self, path: &str, reply: Reply) -> &Server {
        self.add(path, true, reply)
    }

    /// The requests for the path, in their order, with what came after the `?`.
    pub(crate) fn asked(&self, path: &str) -> Vec<String> {
        let asked = self.script.asked.lock().unwrap();
        let queries = asked.iter().filter_map(|uri| uri.strip_prefix(path)?.strip_prefix('?'));
        queries.map(str::to_string).collect()
    }

    /// A kubeconfig that leads here.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [{"name": "here", "cluster": {
                "server": format!("http://127.0.0.1:{}", self.port)}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        });
        let path = self.folder.path().join("kubeconfig");
        fs::write(&path, config.to_string()).unwrap();
        path
    }

    fn add(&self, path: &str, watch: bool, reply: Reply) -> &Server {
        let mut replies = self.script.replies.lock().unwrap();
        replies.entry((path.into(), watch)).or_default().push_back(reply);
        self
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.open.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Script {
    fn answer(&self, request: &Request) -> Response {
        let uri = request.uri();
        self.asked.lock().unwrap().push(uri.to_string());
        let watch = uri.query().is_some_and(|query| query.contains("watch=true"));
        let place = (uri.path().to_string(), watch);
        let next = self.replies.lock().unwrap().get_mut(&place).and_then(VecDeque::pop_front);
        match next {
            None if watch => streamed(Vec::new(), Some(stream::pending().boxed())),
            None => whole(200, list("1", "", &[])),
            Some(Reply::Whole(status, body)) => whole(status, body),
            Some(Reply::Open(lines)) => streamed(lines, Some(stream::pending().boxed())),
            Some(Reply::Ended(lines)) => streamed(lines, None),
            Some(Reply::Cut(lines)) => {
                // What is not sent by then is lost with the connection.
                let broken = stream::once(async {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    Err(Error::other("cut"))
                });
                streamed(lines, Some(broken.boxed()))
            }
        }
    }
}

fn whole(status: u16, body: String) -> Response {
    Response::builder().status(status).body(Body::from(body)).unwrap()
}

type Rest = stream::BoxStream<'static, Result<Bytes, Error>>;

fn streamed(lines: Vec<String>, rest: Option<Rest>) -> Response {
    let lines = stream::iter(lines.into_iter().map(|line| Ok(Bytes::from(line))));
    let rest = rest.unwrap_or_else(|| stream::empty().boxed());
    Response::new(Body::from_stream(lines.chain(rest)))
}

/// A page of a list.
pub(crate) fn list(version: &str, next: &str, items: &[Value]) -> String {
    json!({
        "kind": "List", "apiVersion": "v1",
        "metadata": {"resourceVersion": version, "continue": next},
        "items": items,
    })
    .to_string()
}

/// A line of a watch.
pub(crate) fn event(kind: &str, object: &Value) -> String {
    format!("{}\n", json!({"type": kind, "object": object}))
}

/// A refusal, as the API server words it.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}
