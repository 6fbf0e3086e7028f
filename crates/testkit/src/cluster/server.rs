//! The API server and its etcd.

use std::env;
use std::net::TcpListener;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::client::Client;
use super::home::Home;
use super::keeper::Server;
use crate::watch::not_run;

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Parts {
    apiserver: PathBuf,
    etcd: PathBuf,
    kubectl: PathBuf,
}

/// A running API server, with no pods and no nodes in it. All of it ends when this is dropped.
///
/// It has two users: one may do everything; `fathom` may do nothing until a test's roles say
/// otherwise.
#[derive(Debug)]
pub struct ApiServer {
    parts: Parts,
    ports: Ports,
    client: Client,
    // Dropped in this order.
    _proxy: Server,
    apiserver: Option<Server>,
    _etcd: Server,
    home: Home,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    etcd: u16,
    api: u16,
}

/// How long anything may take to come up; on a quiet machine it is seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often we look whether it has.
const PAUSE: Duration = Duration::from_millis(50);

/// The server wants a key to sign tokens of pods with. etcd makes one for its own peers; there
/// are none, so it is free to use.
const KEY: &str = "etcd/fixtures/peer/key.pem";

impl Parts {
    /// The programs that the test run names. None, and a note for `test`, where it does not.
    pub fn find(test: &str) -> Option<Parts> {
        let mut missing = None;
        let mut find = |name: &'static str| {
            let found = env::var_os(name).map(PathBuf::from);
            missing = missing.or(found.is_none().then_some(name));
            found
        };
        let (apiserver, etcd) = (find("FATHOM_K8S_APISERVER"), find("FATHOM_ETCD"));
        let kubectl = find("FATHOM_KUBECTL");
        if let Some(name) = missing {
            let reason = "there is no Kubernetes API server (`cargo xtask test --k8s` builds it)";
            not_run(test, &format!("{name} is not set: {reason}"));
        }
        Some(Parts { apiserver: apiserver?, etcd: etcd?, kubectl: kubectl? })
    }
}

impl ApiServer {
    /// Starts it and waits until it is ready.
    pub fn start(parts: &Parts) -> Result<ApiServer> {
        let mut tries = 3;
        loop {
            tries -= 1;
            match ApiServer::start_once(parts) {
                // Somebody took the port between our finding it free and the server's start.
                Err(error) if tries > 0 && error.to_string().contains("already in use") => {}
                result => return result,
            }
        }
    }

    /// The door for tests, which may do everything.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Where it listens, with TLS; the same after a restart.
    pub fn url(&self) -> String {
        self.ports.url()
    }

    /// The kubeconfig of the user who may do everything.
    pub fn kubeconfig(&self) -> PathBuf {
        self.home.at("test.kubeconfig")
    }

    /// The kubeconfig of the user `fathom`, who may do what the test's roles say.
    pub fn fathom_kubeconfig(&self) -> PathBuf {
        self.home.at("fathom.kubeconfig")
    }

    /// The file with the token of the user who may do everything.
    pub fn token_file(&self) -> PathBuf {
        self.home.at("test.token")
    }

    /// The certificate of whoever signed the server's.
    pub fn ca_file(&self) -> PathBuf {
        self.home.at("ca.crt")
    }

    /// Kills the API server: every watch breaks. Its data stays.
    pub fn stop(&mut self) {
        self.apiserver = None;
    }

    /// Starts the API server again, with the same data on the same port; kills it before if it
    /// runs.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        let mut apiserver = start_apiserver(&self.parts, &self.home, self.ports)?;
        wait(&mut apiserver, || self.client.is_ready())?;
        self.apiserver = Some(apiserver);
        Ok(())
    }

    fn start_once(parts: &Parts) -> Result<ApiServer> {
        let home = Home::make()?;
        let ports = Ports { etcd: free_port()?, api: free_port()? };
        let mut etcd = start_etcd(parts, &home, ports)?;
        wait(&mut etcd, || home.at(KEY).exists())?;
        let mut apiserver = start_apiserver(parts, &home, ports)?;
        wait(&mut apiserver, || home.write_access(&ports.url()).unwrap_or(false))?;
        let socket = home.at("door");
        let mut proxy = Server::start(
            &parts.kubectl,
            [
                "proxy".to_string(),
                format!("--kubeconfig={}", home.at("test.kubeconfig").display()),
                format!("--unix-socket={}", socket.display()),
            ],
            home.path(),
        )?;
        wait(&mut proxy, || socket.exists())?;
        let client = Client::new(socket);
        wait(&mut apiserver, || client.is_ready())?;
        let parts = parts.clone();
        let apiserver = Some(apiserver);
        Ok(ApiServer { parts, ports, client, _proxy: proxy, apiserver, _etcd: etcd, home })
    }
}

impl Ports {
    fn url(self) -> String {
        format!("https://127.0.0.1:{}", self.api)
    }
}

fn start_etcd(parts: &Parts, home: &Home, ports: Ports) -> Result<Server> {
    let own = format!("http://127.0.0.1:{}", ports.etcd);
    // Nobody has to find it: the kernel chooses the port.
    let peers = "https://127.0.0.1:0";
    let args = [
        "--name=test".to_string(),
        format!("--data-dir={}", home.at("etcd").display()),
        format!("--listen-client-urls={own}"),
        format!("--advertise-client-urls={own}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=test={peers}"),
        "--peer-auto-tls".to_string(),
        // What is lost in a crash of this machine, the test has lost with it.
        "--unsafe-no-fsync".to_string(),
    ];
    Server::start(&parts.etcd, args, home.path())
}

fn start_apiserver(parts: &Parts, home: &Home, ports: Ports) -> Result<Server> {
    let key = home.at(KEY);
    let args = [
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        "--bind-address=127.0.0.1".to_string(),
        format!("--secure-port={}", ports.api),
        format!("--cert-dir={}", home.at("certs").display()),
        format!("--token-auth-file={}", home.at("tokens.csv").display()),
        "--authorization-mode=RBAC".to_string(),
        // Nobody gives pods a service account here.
        "--disable-admission-plugins=ServiceAccount".to_string(),
        "--service-account-issuer=https://kubernetes.default.svc".to_string(),
        format!("--service-account-signing-key-file={}", key.display()),
        format!("--service-account-key-file={}", key.display()),
        "--service-cluster-ip-range=10.96.0.0/16".to_string(),
        // It would look for the machine's address, and there may be none; nobody is told this one.
        "--advertise-address=192.0.2.1".to_string(),
        "--endpoint-reconciler-type=none".to_string(),
    ];
    Server::start(&parts.apiserver, args, home.path())
}

/// Waits until it `is_up`; an error where the server ends before.
fn wait(server: &mut Server, is_up: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !is_up() {
        server.check()?;
        if begun.elapsed() > PATIENCE {
            return Err(server.silent());
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
