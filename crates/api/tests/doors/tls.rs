//! TLS, tokens, client certificates, and the client that speaks them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::support::rows::{engine, options};
use crate::support::{Fixed, wait_for};
use api::client::{Client, ClientProblem, ClientTls};
use api::{Access, Door, Doorway, ServeError, Tls, serve};
use query::{Ask, Options, Trouble};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use tempfile::TempDir;

const TOKEN: &str = "0123456789abcdef";

/// A directory with an authority, a server's certificate and a client's, and a file of tokens.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Files {
        let files = Files(tempfile::tempdir().unwrap());
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "the authority");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(files.path("ca.pem"), ca.pem()).unwrap();
        for (name, common) in [("server", "the door"), ("client", "grafana")] {
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, common);
            let certificate = params.signed_by(&key, &ca).unwrap();
            fs::write(files.path(&format!("{name}.pem")), certificate.pem()).unwrap();
            fs::write(files.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        fs::write(files.path("tokens"), format!("ann {TOKEN}\n")).unwrap();
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn access(&self, tokens: bool, certificates: bool) -> Access {
        let client_ca = certificates.then(|| self.path("ca.pem"));
        let tls = Tls { cert: self.path("server.pem"), key: self.path("server.key"), client_ca };
        Access { tls: Some(tls), tokens: tokens.then(|| self.path("tokens")), names: Vec::new() }
    }

    fn client_tls(&self, certificate: bool) -> ClientTls {
        ClientTls {
            ca: Some(self.path("ca.pem")),
            cert: certificate.then(|| self.path("client.pem")),
            key: certificate.then(|| self.path("client.key")),
            server_name: Some("localhost".into()),
        }
    }
}

fn opened(access: Access, options: Options) -> (Door, Arc<Fixed>) {
    let source = Arc::new(Fixed { engine: Some(engine(30_000, options)), ..Fixed::default() });
    let doorway = Doorway { access, ..Doorway::at("127.0.0.1:0".parse().unwrap()) };
    (serve(doorway, source.clone()).unwrap(), source)
}

fn ask(sql: &str) -> Ask {
    Ask { sql: sql.into(), ..Ask::default() }
}

const ALL: &str = "SELECT number, path FROM file_open";

/// The number of rows.
fn rows(client: &Client, sql: &str) -> Result<usize, ClientProblem> {
    let mut remote = client.query(&ask(sql))?;
    let mut rows = 0;
    while let Some(batch) = remote.next() {
        rows += batch?.num_rows();
    }
    Ok(rows)
}

#[test]
fn a_token_or_a_certificate_says_who_asks() {
    let files = Files::new();
    let (door, source) = opened(files.access(true, true), options());
    let address = format!("https://{}", door.address());
    let client = |certificate, token: Option<&str>| {
        Client::new(&address, &files.client_tls(certificate), token.map(str::to_string)).unwrap()
    };
    assert_eq!(rows(&client(false, Some(TOKEN)), ALL).unwrap(), 30_000);
    assert_eq!(rows(&client(true, None), ALL).unwrap(), 30_000);
    for refused in [client(false, None), client(true, Some("another token, no good"))] {
        let problem = rows(&refused, ALL).unwrap_err();
        assert!(matches!(problem, ClientProblem::Refused { status: 401, .. }), "{problem}");
    }
    wait_for("the audit rows", || source.audits.lock().unwrap().len() == 2);
    let who: Vec<_> = source.audits.lock().unwrap().iter().map(|it| it.who.clone()).collect();
    assert_eq!(who, ["ann", "grafana"]);
}

#[test]
fn who_is_not_vouched_for_does_not_come_in() {
    let (files, others) = (Files::new(), Files::new());
    let (door, _source) = opened(files.access(false, true), options());
    let address = format!("https://{}", door.address());
    let tls = ClientTls {
        cert: Some(others.path("client.pem")),
        key: Some(others.path("client.key")),
        ..files.client_tls(false)
    };
    let stranger = Client::new(&address, &tls, None).unwrap();
    let problem = rows(&stranger, "SELECT 1").unwrap_err();
    assert!(!matches!(problem, ClientProblem::Query(_)), "{problem}");
    let distrustful = Client::new(&address, &others.client_tls(false), None).unwrap();
    let problem = rows(&distrustful, "SELECT 1").unwrap_err();
    assert!(matches!(problem, ClientProblem::Connect { .. }), "{problem}");
    let clear = Client::new(&door.address().to_string(), &ClientTls::default(), None).unwrap();
    assert!(rows(&clear, "SELECT 1").is_err());
}

#[test]
fn files_that_are_no_good_are_named() {
    let files = Files::new();
    let refused = |spoil: &dyn Fn(&Path), name: &str| {
        let access = files.access(true, true);
        let saved = fs::read(files.path(name)).unwrap();
        spoil(&files.path(name));
        let doorway = Doorway { access, ..Doorway::at("127.0.0.1:0".parse().unwrap()) };
        let error = serve(doorway, Arc::new(Fixed::default())).unwrap_err();
        fs::write(files.path(name), saved).unwrap();
        assert!(matches!(error, ServeError::Access(_)));
        error.to_string()
    };
    for name in ["server.pem", "server.key", "ca.pem", "tokens"] {
        let missing = refused(&|file| fs::remove_file(file).unwrap(), name);
        assert!(missing.contains(name), "{missing}");
        let empty = refused(&|file| fs::write(file, "").unwrap(), name);
        assert!(empty.contains(name), "{empty}");
    }
}

#[test]
fn what_the_server_says_is_what_the_client_says() {
    let (door, _source) = opened(Access::default(), options());
    let address = door.address().to_string();
    let client = Client::new(&address, &ClientTls::default(), None).unwrap();
    let ClientProblem::Query(problem) =
        rows(&client, "SELECT time,\n  pth FROM file_open").unwrap_err()
    else {
        panic!("a problem of the query")
    };
    assert_eq!((problem.kind, problem.place), (Trouble::Sql, Some((2, 3))));
    assert!(problem.near.contains(&"path".to_string()), "{:?}", problem.near);
    assert_eq!(client.tables().unwrap(), "{\"tables\":[]}\n");

    let mut remote = client.query(&Ask { limit: Some(5), ..ask(ALL) }).unwrap();
    assert_eq!(remote.schema().field(1).name(), "path");
    assert_eq!(remote.completeness().tables, ["file_open"]);
    assert_eq!(remote.next().unwrap().unwrap().num_rows(), 5);
    assert!(remote.next().is_none() && remote.cut());
}

#[test]
fn an_answer_that_breaks_off_says_why() {
    let few = Options { rows_most: 20_000, ..options() };
    let (door, _source) = opened(Access::default(), few);
    let client = Client::new(&door.address().to_string(), &ClientTls::default(), None).unwrap();
    let ClientProblem::Query(problem) = rows(&client, ALL).unwrap_err() else {
        panic!("a problem of the query")
    };
    assert_eq!(problem.kind, Trouble::TooManyRows);
}

#[test]
fn a_dropped_answer_ends_the_query() {
    let one = Options { queries_most: 1, time_out: Duration::from_secs(600), ..options() };
    let (door, source) = opened(Access::default(), one);
    let client = Client::new(&door.address().to_string(), &ClientTls::default(), None).unwrap();
    let sql = "SELECT a.path FROM file_open a, file_open b";
    let mut remote = client.query(&ask(sql)).unwrap();
    assert!(remote.next().unwrap().is_ok());
    drop(remote);
    wait_for("the end of the query", || {
        source.audits.lock().unwrap().iter().any(|it| it.outcome == "cancelled")
    });
    wait_for("a free place", || rows(&client, "SELECT 1").is_ok());
}
