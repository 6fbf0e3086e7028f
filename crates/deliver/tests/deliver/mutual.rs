//! TLS with certificates on both sides, made for the test.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use deliver::{Falco, Http, Receiver, Request, Secret, To, start};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use telemetry::{Ledger, Side};

use crate::sample::{count, http, numbered, soon, wait_for};
use crate::server::{Server, request};

struct Papers {
    dir: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Papers {
    fn new() -> Papers {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, key).unwrap();
        let papers = Papers { dir: tempfile::tempdir().unwrap(), authority };
        fs::write(papers.path("ca.pem"), papers.authority.pem()).unwrap();
        papers
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A certificate and its key, as files too.
    fn issue(&self, name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_string()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    fn request(&self, own: &str) -> Request {
        let own = |end: &str| match own {
            "" => PathBuf::new(),
            name => self.path(&format!("{name}.{end}")),
        };
        let (certificate, key) = (own("pem"), own("key"));
        Request { ca: self.path("ca.pem"), certificate, key, ..Request::default() }
    }
}

/// A server that wants a certificate of its own authority, and notes its requests in `server`.
fn serve(papers: &Papers, server: &Server) -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(papers.authority.der().clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
    let (certificate, key) = papers.issue("localhost");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let (port, server) = (listener.local_addr().unwrap().port(), server.clone());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, server) = (config.clone(), server.clone());
            thread::spawn(move || {
                let connection = ServerConnection::new(config).unwrap();
                let mut reader = BufReader::new(StreamOwned::new(connection, stream.unwrap()));
                while let Ok(Some(seen)) = request(&mut reader) {
                    let answer = server.answer_to(seen);
                    if reader.get_mut().write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

fn receiver(port: u16, request: Request) -> Receiver {
    let url = Secret::new(format!("https://localhost:{port}/in"));
    let to = To::Http(Http { url, format: Falco::default(), request });
    Receiver { to, ..http(String::new()) }
}

#[test]
fn both_sides_show_their_certificates() {
    let (papers, server, ledger) = (Papers::new(), Server::start(), Ledger::new());
    let port = serve(&papers, &server);
    papers.issue("agent");
    let deliveries = start(vec![receiver(port, papers.request("agent"))], None, &ledger).unwrap();
    (0..3).for_each(|number| deliveries.send(numbered(number)));
    deliveries.finish(soon());
    assert_eq!(server.numbers(), [0, 1, 2]);
    assert_eq!(count(&ledger, "deliver:http", Side::Passed), 3);
}

#[test]
fn without_a_certificate_or_with_another_authority_nothing_is_sent() {
    let (papers, others) = (Papers::new(), Papers::new());
    let server = Server::start();
    let port = serve(&papers, &server);
    others.issue("agent");
    let stranger = Request { ca: papers.path("ca.pem"), ..others.request("agent") };
    for request in [papers.request(""), others.request(""), stranger] {
        let deliveries = start(vec![receiver(port, request)], None, &Ledger::new()).unwrap();
        deliveries.send(numbered(0));
        wait_for("a failure", || deliveries.status()[0].failing_since.is_some());
    }
    assert!(server.seen().is_empty());
}

#[test]
fn a_certificate_that_was_renewed_is_taken_up() {
    let (papers, server, ledger) = (Papers::new(), Server::start(), Ledger::new());
    let port = serve(&papers, &server);
    let others = Papers::new();
    others.issue("agent");
    for end in ["pem", "key"] {
        let name = format!("agent.{end}");
        fs::copy(others.path(&name), papers.path(&name)).unwrap();
    }
    let deliveries = start(vec![receiver(port, papers.request("agent"))], None, &ledger).unwrap();
    deliveries.send(numbered(0));
    wait_for("a failure", || deliveries.status()[0].failing_since.is_some());
    papers.issue("agent");
    deliveries.finish(soon());
    assert_eq!(server.numbers(), [0]);
}
