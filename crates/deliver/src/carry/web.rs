//! Requests by HTTP, one after the other on one connection.

mod date;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ureq::http::{HeaderMap, Method, Uri};
use ureq::{Agent, Proxy};

use super::{Carrier, Trouble, pem};
use crate::shape::Shape;
use crate::{Notice, Request, Secret};

/// A service by HTTP that takes alerts.
pub(super) struct Web {
    client: Client,
    shape: Box<dyn Shape>,
}

/// A service by HTTP.
pub(crate) struct Client {
    url: Secret,
    request: Request,
    /// The client and what it was made for; none before the first request.
    agent: Option<(Made, Agent)>,
}

/// What a service said.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// Who said it.
    pub(crate) host: String,
}

impl Answer {
    /// In words, for people.
    pub(crate) fn words(&self) -> String {
        let said = String::from_utf8_lossy(&self.body);
        let said: String = said.trim().chars().take(200).filter(|it| !it.is_control()).collect();
        format!("{} answered {} {said}", self.host, self.status).trim_end().to_string()
    }
}

/// What a client depends on: when it changes, another is made.
#[derive(Debug, Clone, PartialEq)]
struct Made {
    is_https: bool,
    files: Vec<(PathBuf, Option<SystemTime>)>,
}

/// An answer longer than this is not read to its end.
const ANSWER_MOST: u64 = 64 << 10;

impl Web {
    /// The error says what in the configuration does not fit.
    pub(super) fn new(url: Secret, request: Request, shape: Box<dyn Shape>) -> Result<Web, String> {
        Ok(Web { client: Client::new(url, request)?, shape })
    }
}

impl Client {
    /// The error says what in the configuration does not fit.
    pub(crate) fn new(url: Secret, request: Request) -> Result<Client, String> {
        if url.is_empty() {
            return Err("there is no url".to_string());
        }
        for (name, value) in &request.headers {
            let name_fits = name.parse::<ureq::http::HeaderName>().is_ok();
            if !name_fits || value.read().is_ok_and(|it| !is_header(&it)) {
                return Err(format!("`{name}` is no header, or its value is none"));
            }
        }
        let mut client = Client { url, request, agent: None };
        // A secret's file may come later; what can be looked at is looked at now.
        if let Ok(uri) = client.url.read() {
            client.agent(&parsed(&uri, "")?)?;
        }
        Ok(client)
    }

    /// The client, made anew where its files have changed.
    fn agent(&mut self, uri: &Uri) -> Result<Agent, String> {
        let is_https = uri.scheme_str() == Some("https");
        let stamp = |path: &std::path::Path| {
            let changed = std::fs::metadata(path).and_then(|file| file.modified());
            (path.to_path_buf(), changed.ok())
        };
        let made =
            Made { is_https, files: pem::files(&self.request).into_iter().map(stamp).collect() };
        if let Some((_, client)) = self.agent.as_ref().filter(|(other, _)| *other == made) {
            return Ok(client.clone());
        }
        let proxy = match &*self.request.proxy {
            "" => None,
            proxy => Some(Proxy::new(proxy).map_err(|_| format!("`{proxy}` is no proxy"))?),
        };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .timeout_global(Some(self.request.time_out.0.max(Duration::from_millis(1))))
            .user_agent(concat!("fathom/", env!("CARGO_PKG_VERSION")));
        if is_https {
            config = config.tls_config(pem::tls(&self.request)?);
        }
        let client = config.build().new_agent();
        self.agent = Some((made, client.clone()));
        Ok(client)
    }

    /// Sends `body` to what stands at `path` behind the address.
    pub(crate) fn send(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> Result<Answer, Trouble> {
        let unread = |error: std::io::Error| Trouble::later(error.to_string());
        let uri = self.url.read().map_err(unread)?;
        let uri = parsed(&uri, path).map_err(Trouble::later)?;
        // The host alone: the rest of an address may be a secret.
        let host = uri.host().unwrap_or_default().to_string();
        let client = self.agent(&uri).map_err(Trouble::later)?;
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", content_type);
        if !self.request.bearer.is_empty() {
            let token = self.request.bearer.read().map_err(unread)?;
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in &self.request.headers {
            request = request.header(name, value.read().map_err(unread)?);
        }
        let failed = |words: String| Trouble::later(format!("{host}: {words}"));
        let request = request.body(body).map_err(|error| failed(error.to_string()))?;
        let mut answer = client.run(request).map_err(|error| failed(words(&error)))?;
        // Read to its end, so that the connection can be used again; what is in it matters less.
        let body = answer.body_mut().with_config().limit(ANSWER_MOST).read_to_vec();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok(Answer { status, headers, body: body.unwrap_or_default(), host })
    }
}

impl Carrier for Web {
    fn most(&self) -> usize {
        self.shape.most()
    }

    fn carry(&mut self, notices: &[Arc<Notice>]) -> Result<usize, Trouble> {
        let body = self.shape.body(notices)?;
        let method = if self.shape.method() == "PUT" { Method::PUT } else { Method::POST };
        let (path, content_type) = (self.shape.path(), self.shape.content_type());
        let answer = self.client.send(method, path, content_type, &body)?;
        if (200..300).contains(&answer.status) {
            return Ok(self.shape.refused(&answer.body).min(notices.len()));
        }
        let words = answer.words();
        if !self.shape.is_passing(answer.status) {
            return Err(Trouble::Refused { reason: "refused", words });
        }
        let after = answer.headers.get("retry-after");
        let after = after.filter(|_| matches!(answer.status, 429 | 503));
        let after = after.and_then(|it| date::wait(it.to_str().ok()?, SystemTime::now()));
        Err(Trouble::Later { delivered: 0, after, words })
    }
}

/// The address with `path` behind it; the error does not repeat what may be a secret.
fn parsed(url: &str, path: &str) -> Result<Uri, String> {
    let url = if path.is_empty() { url.to_string() } else { url.trim_end_matches('/').to_string() };
    let uri: Option<Uri> = (url + path).parse().ok();
    let fits =
        |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    uri.filter(fits).ok_or_else(|| "the url is none; write http://… or https://…".to_string())
}

fn is_header(value: &str) -> bool {
    value.parse::<ureq::http::HeaderValue>().is_ok()
}

fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "the url is none".to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_their_path_and_errors_keep_secrets() {
        let uri = |url, path| parsed(url, path).map(|uri| uri.to_string());
        assert_eq!(uri("http://a:1/", "/v1/logs").unwrap(), "http://a:1/v1/logs");
        assert_eq!(uri("http://a/base", "/v1/logs").unwrap(), "http://a/base/v1/logs");
        assert_eq!(uri("https://a/in/", "").unwrap(), "https://a/in/");
        for wrong in ["", "secret", "ftp://secret", "secret/path", "http://"] {
            let error = uri(wrong, "").unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
