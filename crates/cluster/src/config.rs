//! Where the cluster is and who we are in it.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};

/// Whom to ask.
#[derive(Debug, Clone)]
pub struct Config {
    /// Whether to ask the API server at all.
    pub api: bool,
    /// The kubeconfig to use. Without one: `KUBECONFIG`, else the pod's service account, else
    /// `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The name of this node; see [`Config::node_name`].
    pub node: String,
    /// The sockets at which a runtime may speak CRI; the first that is there is asked.
    pub cri: Vec<PathBuf>,
    /// The socket of Docker's API.
    pub docker: Option<PathBuf>,
    /// How long to wait after a first failure; the waits double from there.
    pub retry_first: Duration,
    /// The longest wait.
    pub retry_longest: Duration,
}

/// Why the API server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no usable configuration.
    #[error("cannot tell how to reach the API server: {0}")]
    Unusable(String),
    /// The system does not give us a thread.
    #[error("cannot start the thread that watches the cluster: {0}")]
    Thread(std::io::Error),
}

impl Default for Config {
    /// The API server and every runtime, where they usually are.
    fn default() -> Config {
        let sockets =
            ["/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock"];
        let light = [
            "/run/k3s/containerd/containerd.sock",
            "/var/snap/microk8s/common/run/containerd.sock",
        ];
        Config {
            api: true,
            kubeconfig: None,
            node: Config::node_name(),
            cri: sockets.iter().chain(&light).map(PathBuf::from).collect(),
            docker: Some("/run/docker.sock".into()),
            retry_first: Duration::from_millis(500),
            retry_longest: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// The same with runtimes at these sockets, which speak CRI; without any, as it is.
    pub fn at(mut self, sockets: Vec<PathBuf>) -> Config {
        if !sockets.is_empty() {
            (self.cri, self.docker) = (sockets, None);
        }
        self
    }

    /// What `NODE_NAME` says, as a DaemonSet sets it, or the host's name as the kubelet uses it.
    pub fn node_name() -> String {
        let named = env::var("NODE_NAME").ok().filter(|name| !name.is_empty());
        named.unwrap_or_else(|| {
            let uname = rustix::system::uname();
            uname.nodename().to_string_lossy().trim().to_lowercase()
        })
    }

    /// Whether there is anything that says where the API server is.
    pub fn finds_api(&self) -> bool {
        let home = || env::home_dir().is_some_and(|home| home.join(".kube/config").exists());
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        self.api
            && (self.kubeconfig.is_some()
                || set("KUBECONFIG")
                || set("KUBERNETES_SERVICE_HOST")
                || home())
    }

    /// Whether a runtime's socket is there.
    pub fn finds_runtime(&self) -> bool {
        self.cri.iter().chain(&self.docker).any(|socket| socket.exists())
    }

    /// A client for the API server. Reads files; connects to nobody.
    pub(crate) async fn client(&self) -> Result<Client, ConfigError> {
        let unusable = |error: &dyn std::error::Error| ConfigError::Unusable(error.to_string());
        let options = KubeConfigOptions::default();
        let mut config = match &self.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(|error| unusable(&error))?;
                let config = kube::Config::from_custom_kubeconfig(file, &options).await;
                config.map_err(|error| unusable(&error))?
            }
            None if env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty()) => {
                let config = kube::Config::from_kubeconfig(&options).await;
                config.map_err(|error| unusable(&error))?
            }
            None => match kube::Config::incluster() {
                Ok(config) => config,
                Err(_) => {
                    let config = kube::Config::from_kubeconfig(&options).await;
                    config.map_err(|error| unusable(&error))?
                }
            },
        };
        // How often and how long is decided where the requests are made.
        config.default_retry = false;
        config.read_timeout = None;
        config.connect_timeout = Some(Duration::from_secs(10));
        Client::try_from(config).map_err(|error| unusable(&error))
    }
}
