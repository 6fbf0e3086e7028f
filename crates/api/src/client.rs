//! A client of the HTTP door, for threads without a runtime: `fathom query --server`.

use std::collections::VecDeque;
use std::io;
use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamDecoder;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::http::uri::{Authority, Scheme, Uri};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use query::{Ask, Completeness, Problem, Trouble};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use crate::sql::{COMPLETENESS, CUT, PROBLEM};
use crate::{AccessError, tls};

/// Asks one door.
#[derive(Debug, Clone)]
pub struct Client {
    runtime: Arc<Runtime>,
    stop: Stop,
    authority: Authority,
    port: u16,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    token: Option<String>,
}

/// Whether whoever asks wants no answer any more.
#[derive(Clone)]
struct Stop(Arc<dyn Fn() -> bool + Send + Sync>);

/// How the client speaks TLS; nothing of it is used for a door that speaks in the clear.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// The authorities that vouch for the door, PEM. TLS needs it.
    pub ca: Option<PathBuf>,
    /// A certificate to show, PEM; with its `key`.
    pub cert: Option<PathBuf>,
    /// The certificate's private key.
    pub key: Option<PathBuf>,
    /// The name that the door's certificate has, where it is not that of the address (behind a
    /// forwarded port).
    pub server_name: Option<String>,
}

/// An answer that comes. Dropping it ends the query.
#[derive(Debug)]
pub struct Remote {
    runtime: Arc<Runtime>,
    stop: Stop,
    connection: Option<JoinHandle<()>>,
    body: Incoming,
    decoder: StreamDecoder,
    /// What came with one piece and is not handed on yet.
    ready: VecDeque<RecordBatch>,
    schema: SchemaRef,
    completeness: Completeness,
    cut: bool,
    ended: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientProblem {
    /// The address is none.
    #[error("{0:?} is no address of a door: it is HOST:PORT, http://HOST:PORT or https://…")]
    Address(String),
    /// The TLS files are no good.
    #[error(transparent)]
    Tls(#[from] AccessError),
    /// TLS was asked for, and nothing says whom to believe.
    #[error("https needs the certificate of the authority that vouches for the door (--ca FILE)")]
    NoAuthority,
    /// Nobody answers there, or not in our language.
    #[error("cannot ask {address}: {source}")]
    Connect {
        /// Where.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The door does not let us ask.
    #[error("{message}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// What the door says.
        message: String,
    },
    /// The query failed there.
    #[error(transparent)]
    Query(#[from] Problem),
    /// Whoever asked wanted no answer any more ([`Client::stopped_by`]).
    #[error("the query was broken off")]
    Stopped,
    /// The answer broke off, and nobody said why: what came is not all.
    #[error("the answer broke off before its end ({0}): the agent's log may say why")]
    Broken(String),
    /// What came is not what a door says.
    #[error("that is no answer of a Fathom door: {0}")]
    Foreign(String),
}

const CONNECT: Duration = Duration::from_secs(5);
/// How often is asked whether an answer is still wanted.
const STEP: Duration = Duration::from_millis(20);
/// Of an answer that is no stream of rows, so much is read.
const TEXT_MOST: usize = 4 << 20;

impl Client {
    /// A client of the door at `address`: `http://HOST:PORT`, `https://HOST:PORT` or `HOST:PORT`,
    /// which is in the clear. Nothing is connected yet.
    pub fn new(
        address: &str,
        tls: &ClientTls,
        token: Option<String>,
    ) -> Result<Client, ClientProblem> {
        let bad = || ClientProblem::Address(address.to_string());
        let full =
            if address.contains("://") { address.into() } else { format!("http://{address}") };
        let uri: Uri = full.parse().map_err(|_| bad())?;
        let authority = uri.authority().cloned().ok_or_else(bad)?;
        let secure = uri.scheme() == Some(&Scheme::HTTPS);
        if !secure && uri.scheme() != Some(&Scheme::HTTP) || authority.host().is_empty() {
            return Err(bad());
        }
        let tls = match secure {
            false => None,
            true => {
                let ca = tls.ca.as_deref().ok_or(ClientProblem::NoAuthority)?;
                let own = tls.cert.as_deref().zip(tls.key.as_deref());
                let name = tls.server_name.clone();
                let name = name.unwrap_or_else(|| bare(authority.host()).to_string());
                let name = ServerName::try_from(name).map_err(|_| bad())?;
                Some((tls::client(ca, own)?, name))
            }
        };
        let failed = |source| ClientProblem::Connect { address: address.to_string(), source };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let port = authority.port_u16().unwrap_or(9191);
        let stop = Stop(Arc::new(|| false));
        Ok(Client { runtime: Arc::new(runtime), stop, authority, port, tls, token })
    }

    /// The same client, which breaks off whatever it does soon after `stop` says so.
    pub fn stopped_by(self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Client {
        Client { stop: Stop(Arc::new(stop)), ..self }
    }

    /// Asks, and waits for the first rows.
    pub fn query(&self, ask: &Ask) -> Result<Remote, ClientProblem> {
        let body = json!({
            "sql": ask.sql,
            "limit": ask.limit,
            "timeout_ms": ask.time_out.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX)),
        });
        let request = self
            .request(Method::POST, "/api/v1/query")
            .header(header::ACCEPT, "application/vnd.apache.arrow.stream")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::TE, "trailers");
        self.runtime.block_on(self.stop.or(async {
            let (response, connection) = self.send(request, body.to_string()).await?;
            if response.status() != StatusCode::OK {
                return Err(refused(response).await);
            }
            let header = response.headers().get(COMPLETENESS);
            let completeness = header.and_then(|it| serde_json::from_slice(it.as_bytes()).ok());
            let mut remote = Remote {
                runtime: self.runtime.clone(),
                stop: self.stop.clone(),
                connection: Some(connection),
                body: response.into_body(),
                decoder: StreamDecoder::new(),
                ready: VecDeque::new(),
                schema: Arc::new(arrow::datatypes::Schema::empty()),
                completeness: completeness.unwrap_or_default(),
                cut: false,
                ended: false,
            };
            while remote.decoder.schema().is_none() && !remote.ended {
                remote.pump().await?;
            }
            let schema = remote.decoder.schema();
            remote.schema = schema.ok_or_else(|| ClientProblem::Foreign("no columns".into()))?;
            Ok(remote)
        }))
    }

    /// The description of the tables, as JSON.
    pub fn tables(&self) -> Result<String, ClientProblem> {
        let request = self.request(Method::GET, "/api/v1/tables");
        self.runtime.block_on(self.stop.or(async {
            let (response, _connection) = self.send(request, String::new()).await?;
            if response.status() != StatusCode::OK {
                return Err(refused(response).await);
            }
            text(response.into_body()).await
        }))
    }

    /// Sends `body` as JSON to `path`, to whoever listens there; any 2xx answer is well.
    pub fn post(&self, path: &str, body: &Value) -> Result<(), ClientProblem> {
        let request =
            self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/json");
        self.runtime.block_on(self.stop.or(async {
            let (response, connection) = self.send(request, body.to_string()).await?;
            let status = response.status();
            connection.abort();
            if status.is_success() {
                return Ok(());
            }
            let message = format!("{} answered {status}", self.authority);
            Err(ClientProblem::Refused { status: status.as_u16(), message })
        }))
    }

    fn request(&self, method: Method, path: &str) -> hyper::http::request::Builder {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.authority.as_str())
            .header(header::USER_AGENT, concat!("fathom/", env!("CARGO_PKG_VERSION")));
        match &self.token {
            Some(token) => request.header(header::AUTHORIZATION, format!("Bearer {token}")),
            None => request,
        }
    }

    async fn send(
        &self,
        request: hyper::http::request::Builder,
        body: String,
    ) -> Result<(Response<Incoming>, JoinHandle<()>), ClientProblem> {
        let request = request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| ClientProblem::Foreign(format!("the request is no good: {error}")))?;
        let failed =
            |source| ClientProblem::Connect { address: self.authority.to_string(), source };
        let connecting = async {
            let host = bare(self.authority.host()).to_string();
            let addresses: Vec<_> = (host, self.port).to_socket_addrs()?.collect();
            let stream = TcpStream::connect(addresses.as_slice()).await?;
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>(match &self.tls {
                None => Stream::Plain(stream),
                Some((config, name)) => {
                    let tls = TlsConnector::from(config.clone());
                    Stream::Tls(Box::new(tls.connect(name.clone(), stream).await?))
                }
            })
        };
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let stream = tokio::time::timeout(CONNECT, connecting).await;
        let stream = stream.unwrap_or_else(|_| Err(late())).map_err(failed)?;
        match stream {
            Stream::Plain(stream) => exchange(stream, request).await,
            Stream::Tls(stream) => exchange(stream, request).await,
        }
        .map_err(|error| failed(io::Error::other(error)))
    }
}

impl Remote {
    /// The columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How far the answer can be trusted to be all.
    pub fn completeness(&self) -> &Completeness {
        &self.completeness
    }

    /// Whether rows were left out because of `Ask::limit`; known at the end.
    pub fn cut(&self) -> bool {
        self.cut
    }

    /// The next rows; none at the end, and none after an error.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Result<RecordBatch, ClientProblem>> {
        let runtime = self.runtime.clone();
        runtime.block_on(async {
            loop {
                if let Some(batch) = self.ready.pop_front() {
                    return Some(Ok(batch));
                }
                if self.ended {
                    return None;
                }
                let stop = self.stop.clone();
                if let Err(problem) = stop.or(self.pump()).await {
                    self.ended = true;
                    self.ready.clear();
                    return Some(Err(problem));
                }
            }
        })
    }

    /// Takes in one piece of the body.
    async fn pump(&mut self) -> Result<(), ClientProblem> {
        let broken = |error: &dyn std::error::Error| ClientProblem::Broken(error.to_string());
        let Some(frame) = self.body.frame().await else {
            self.ended = true;
            return self.decoder.finish().map_err(|error| broken(&error));
        };
        match frame.map_err(|error| broken(&error))?.into_data() {
            Ok(data) => {
                let mut buffer = Buffer::from(data);
                let foreign = |error: ArrowError| ClientProblem::Foreign(error.to_string());
                while !buffer.is_empty() {
                    self.ready.extend(self.decoder.decode(&mut buffer).map_err(foreign)?);
                }
                Ok(())
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                self.cut |= trailers.get(CUT).is_some_and(|it| it == "true");
                let problem = trailers.get(PROBLEM);
                match problem.and_then(|it| serde_json::from_slice(it.as_bytes()).ok()) {
                    Some(problem) => Err(ClientProblem::Query(problem)),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.abort();
            // The connection is closed only once its task has gone, and the runtime runs in here.
            let _ = self.runtime.block_on(connection);
        }
    }
}

impl Stop {
    /// What `work` gives, unless it is stopped before.
    async fn or<T>(
        &self,
        work: impl Future<Output = Result<T, ClientProblem>>,
    ) -> Result<T, ClientProblem> {
        let stopped = async {
            while !(self.0)() {
                tokio::time::sleep(STEP).await;
            }
        };
        tokio::select! {
            // An answer that comes without a pause is stopped, too.
            biased;
            () = stopped => Err(ClientProblem::Stopped),
            done = work => done,
        }
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stop")
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(Response<Incoming>, JoinHandle<()>), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(async move {
        // What goes wrong is told where the body is read.
        let _ = connection.await;
    });
    let response = sender.send_request(request).await?;
    Ok((response, connection))
}

/// What an answer that is none says.
async fn refused(response: Response<Incoming>) -> ClientProblem {
    let status = response.status();
    let text = match text(response.into_body()).await {
        Ok(text) => text,
        Err(problem) => return problem,
    };
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    let error = &value["error"];
    let Some(message) = error["message"].as_str() else {
        return ClientProblem::Foreign(format!("{status}"));
    };
    match serde_json::from_value::<Trouble>(error["kind"].clone()) {
        // A door refuses in the same words for other reasons than a query's.
        Ok(kind) if status != StatusCode::UNAUTHORIZED => {
            let at = |name: &str| error["place"][name].as_u64().map(|it| it as usize);
            let near = error["near"].as_array().into_iter().flatten();
            ClientProblem::Query(Problem {
                kind,
                message: message.to_string(),
                place: at("line").zip(at("column")),
                near: near.filter_map(|it| it.as_str().map(str::to_string)).collect(),
            })
        }
        _ => ClientProblem::Refused { status: status.as_u16(), message: message.to_string() },
    }
}

async fn text(body: Incoming) -> Result<String, ClientProblem> {
    let bytes = Limited::new(body, TEXT_MOST).collect().await;
    let bytes = bytes.map_err(|error| ClientProblem::Broken(error.to_string()))?.to_bytes();
    String::from_utf8(bytes.into()).map_err(|error| ClientProblem::Foreign(error.to_string()))
}

/// The host without the brackets of an IPv6 address.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let client = |address| Client::new(address, &ClientTls::default(), None);
        for (address, port) in [("localhost:1", 1), ("http://[::1]:2", 2), ("node-7", 9191)] {
            assert_eq!(client(address).unwrap().port, port, "{address}");
        }
        for address in ["", "ftp://x", "http://", "a b"] {
            assert!(matches!(client(address), Err(ClientProblem::Address(_))), "{address}");
        }
        assert!(matches!(client("https://x"), Err(ClientProblem::NoAuthority)));
    }
}
