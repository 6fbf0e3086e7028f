//! Who may come in.
//!
//! On loopback everybody may, unless tokens or client certificates are configured; then they
//! are demanded there too. Beyond loopback a door does not open without TLS and one of them.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::digest;
use rustls::ServerConfig;

use crate::Tls;
use crate::refusal::Refusal;
use crate::watched::Watched;

/// Who may come in, as it is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// TLS; without it the door speaks in the clear, and on loopback only.
    pub tls: Option<Tls>,
    /// A file of lines `NAME TOKEN`; `#` begins a comment. It is read again when it changes.
    pub tokens: Option<PathBuf>,
    /// Names that this machine is reached by, besides `localhost` and its addresses. A request
    /// for another name is a web page's that made its name point here.
    pub names: Vec<String>,
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{} holds no {what} in PEM form", file.display())]
    NotPem {
        /// Which.
        file: PathBuf,
        /// What was expected in it.
        what: &'static str,
    },
    /// Certificate, key and authorities do not make a TLS server.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// A line of the file of tokens is no good.
    #[error("{}:{line}: {what}", file.display())]
    Tokens {
        /// Which file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// The other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Whom its certificate names, if it showed one that the authorities vouch for.
    pub(crate) certificate: Option<Arc<str>>,
}

/// Who asks: the name of a token, of a certificate, or `loopback`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who(pub(crate) Arc<str>);

/// Watches the entrance.
#[derive(Debug)]
pub(crate) struct Keeper {
    tls: Option<Watched<Arc<ServerConfig>>>,
    takes_certificates: bool,
    tokens: Option<Watched<Tokens>>,
    names: Vec<String>,
}

#[derive(Debug)]
struct Tokens {
    /// A name and the hash of its token: comparing hashes tells nothing of the token by its time.
    known: Vec<(Arc<str>, [u8; 32])>,
    open_to_all: bool,
}

/// A shorter token can be guessed.
const TOKEN_LEAST: usize = 16;

impl Access {
    /// Whether the door may be reached from other machines.
    pub fn fits_beyond_loopback(&self) -> bool {
        let certificates = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        self.tls.is_some() && (self.tokens.is_some() || certificates)
    }

    /// Reads the files. `warn` hears what is allowed but not good.
    pub(crate) fn open(&self, warn: impl Fn(String)) -> Result<Keeper, AccessError> {
        let now = Instant::now();
        let tls = self.tls.as_ref().map(|tls| {
            let config = tls.clone();
            Watched::open(tls.files(), now, move || config.server())
        });
        let tokens = self.tokens.as_ref().map(|file| {
            let path = file.clone();
            Watched::open(vec![file.clone()], now, move || Tokens::read(&path))
        });
        let (tls, tokens) = (tls.transpose()?, tokens.transpose()?);
        if let (Some(file), Some(tokens)) = (&self.tokens, &tokens)
            && tokens.current(now, |_| {}).open_to_all
        {
            warn(format!(
                "{} can be read by everybody on this machine: `chmod o-r` it",
                file.display()
            ));
        }
        let takes_certificates = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        Ok(Keeper { tls, takes_certificates, tokens, names: self.names.clone() })
    }
}

impl Keeper {
    /// How TLS stands now, where it is spoken.
    pub(crate) fn tls(&self, now: Instant, warn: impl FnOnce(String)) -> Option<Arc<ServerConfig>> {
        self.tls.as_ref().map(|tls| tls.current(now, warn).as_ref().clone())
    }

    /// Whether `peer` may ask this, and who it is.
    pub(crate) fn judge(
        &self,
        peer: &Peer,
        uri: &Uri,
        headers: &HeaderMap,
        now: Instant,
        warn: impl FnOnce(String),
    ) -> Result<Who, Refusal> {
        let demanded = self.takes_certificates || self.tokens.is_some();
        self.not_a_foreign_page(uri, headers, !demanded)?;
        if !demanded {
            return Ok(Who("loopback".into()));
        }
        if let (Some(tokens), Some(token)) = (&self.tokens, token(headers)) {
            let tokens = tokens.current(now, warn);
            return tokens.name_of(&token).map(Who).ok_or(Refusal::Unknown);
        }
        peer.certificate.clone().map(Who).ok_or(Refusal::Unknown)
    }

    /// A browser may be made to ask by any page that it shows. It says so in `Origin`; and where
    /// the page's own name was made to point at this machine, in `Host`.
    fn not_a_foreign_page(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        by_name: bool,
    ) -> Result<(), Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let host = uri.authority().map(Authority::as_str).or_else(|| text(header::HOST));
        if headers.contains_key(header::ORIGIN) {
            let origin = text(header::ORIGIN).unwrap_or_default();
            let page = origin.split_once("://").map(|(_, authority)| authority);
            let own = page.is_some() && page.map(str::to_lowercase) == host.map(str::to_lowercase);
            if !own {
                return Err(Refusal::Foreign(format!(
                    "a page of {origin:?} may not ask here, only this door's own pages"
                )));
            }
        }
        let Some(host) = host.filter(|_| by_name) else { return Ok(()) };
        let name = host.parse::<Authority>().ok().map(|it| it.host().to_lowercase());
        let name = name.unwrap_or_default();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let ours = address.parse::<IpAddr>().is_ok()
            || name == "localhost"
            || name.ends_with(".localhost")
            || self.names.iter().any(|it| it.eq_ignore_ascii_case(&name));
        match ours {
            true => Ok(()),
            false => Err(Refusal::Foreign(format!(
                "this machine is not known as {host:?} here: ask for localhost or its address"
            ))),
        }
    }
}

impl Tokens {
    fn read(file: &Path) -> Result<Tokens, AccessError> {
        let failed = |source| AccessError::Read { file: file.into(), source };
        let text = fs::read_to_string(file).map_err(failed)?;
        let open_to_all = fs::metadata(file).map_err(failed)?.permissions().mode() & 0o004 != 0;
        let mut known = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = |what| AccessError::Tokens { file: file.into(), line: at + 1, what };
            let mut words = line.split_whitespace();
            let (Some(name), Some(token), None) = (words.next(), words.next(), words.next()) else {
                return Err(bad("a line is `NAME TOKEN`"));
            };
            if token.len() < TOKEN_LEAST {
                return Err(bad("the token has fewer than 16 letters and could be guessed \
                                (`openssl rand -hex 24` makes a good one)"));
            }
            known.push((name.into(), hash(token)));
        }
        match known.is_empty() {
            true => Err(AccessError::Tokens { file: file.into(), line: 1, what: "no token" }),
            false => Ok(Tokens { known, open_to_all }),
        }
    }

    /// Whose it is. Every token is compared, whole.
    fn name_of(&self, token: &str) -> Option<Arc<str>> {
        let hash = hash(token);
        let mut found = None;
        for (name, known) in &self.known {
            let differs = known.iter().zip(&hash).fold(0, |differs, (a, b)| differs | (a ^ b));
            if std::hint::black_box(differs) == 0 {
                found = Some(name.clone());
            }
        }
        found
    }
}

/// Whether all who can reach `address` are on this machine.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// The token that was sent: as a bearer's, or as a password (JDBC and Grafana ask for one).
pub(crate) fn token(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(rest.trim().to_string()),
        "basic" => {
            let bytes = BASE64_STANDARD.decode(rest.trim()).ok()?;
            let (_, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
            Some(password.to_string())
        }
        _ => None,
    }
}

fn hash(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn judged(access: &Access, headers: &[(&str, &str)]) -> Result<String, Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let keeper = access.open(|_| {}).unwrap();
        let peer = Peer { certificate: None };
        let uri = Uri::from_static("/api/v1/query");
        keeper.judge(&peer, &uri, &map, Instant::now(), |_| {}).map(|who| who.0.to_string())
    }

    fn with_tokens(text: &str) -> (tempfile::TempDir, Access) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tokens");
        fs::write(&file, text).unwrap();
        (directory, Access { tokens: Some(file), ..Access::default() })
    }

    #[test]
    fn on_loopback_everybody_may() {
        let access = Access::default();
        assert_eq!(judged(&access, &[("host", "127.0.0.1:9191")]).unwrap(), "loopback");
        assert_eq!(judged(&access, &[]).unwrap(), "loopback");
    }

    #[test]
    fn a_page_of_another_site_may_not() {
        let access = Access { names: vec!["node-7".into()], ..Access::default() };
        let foreign = |headers: &[_]| matches!(judged(&access, headers), Err(Refusal::Foreign(_)));
        assert!(foreign(&[("host", "localhost:9191"), ("origin", "https://evil.example")]));
        assert!(foreign(&[("host", "localhost:9191"), ("origin", "null")]));
        assert!(foreign(&[("host", "evil.example:9191")]));
        assert!(foreign(&[("host", "evil.example"), ("origin", "http://evil.example")]));
        assert!(foreign(&[("host", "")]));
        assert!(!foreign(&[("host", "localhost:9191"), ("origin", "http://localhost:9191")]));
        for host in ["[::1]:9191", "127.0.0.1", "LOCALHOST", "fathom.localhost:1", "Node-7:9191"] {
            assert!(!foreign(&[("host", host)]), "{host}");
        }
    }

    #[test]
    fn a_token_says_who_it_is() {
        let (_directory, access) = with_tokens(&format!("# who\n\nann {TOKEN}\nbob {TOKEN}b\n"));
        let with = |value: &str| judged(&access, &[("authorization", value)]);
        assert_eq!(with(&format!("Bearer {TOKEN}")).unwrap(), "ann");
        assert_eq!(with(&format!("bearer {TOKEN}b")).unwrap(), "bob");
        let basic = BASE64_STANDARD.encode(format!("anybody:{TOKEN}"));
        assert_eq!(with(&format!("Basic {basic}")).unwrap(), "ann");
        for wrong in ["Bearer 0123456789abcdeg", "Bearer", "Basic !", "Digest x", "Bearer "] {
            assert_eq!(with(wrong), Err(Refusal::Unknown), "{wrong}");
        }
        assert_eq!(judged(&access, &[]), Err(Refusal::Unknown));
    }

    #[test]
    fn a_bad_file_of_tokens_is_told_by_its_line() {
        for (text, says) in [
            ("ann short", ":1: the token has fewer than 16 letters"),
            ("\nann", ":2: a line is `NAME TOKEN`"),
            ("ann a b", ":1: a line is `NAME TOKEN`"),
            ("# nobody", ":1: no token"),
        ] {
            let (_directory, access) = with_tokens(text);
            let error = access.open(|_| {}).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_file_that_all_can_read_is_warned_of() {
        let (_directory, access) = with_tokens(&format!("ann {TOKEN}"));
        let file = access.tokens.as_ref().unwrap();
        for (mode, warned) in [(0o600, false), (0o644, true)] {
            fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
            let said = std::cell::RefCell::new(Vec::new());
            access.open(|what| said.borrow_mut().push(what)).unwrap();
            assert_eq!(!said.borrow().is_empty(), warned);
        }
    }

    #[test]
    fn beyond_loopback_takes_tls_and_identities() {
        let tls = |client_ca| Tls { cert: "c".into(), key: "k".into(), client_ca };
        let access = |tls, tokens| Access { tls, tokens, names: Vec::new() };
        let tokens = || Some(PathBuf::from("t"));
        assert!(!access(None, tokens()).fits_beyond_loopback());
        assert!(!access(Some(tls(None)), None).fits_beyond_loopback());
        assert!(access(Some(tls(None)), tokens()).fits_beyond_loopback());
        assert!(access(Some(tls(Some("ca".into()))), None).fits_beyond_loopback());
    }
}
