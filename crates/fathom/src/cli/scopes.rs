//! The scope flags, the same for every command.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use identity::pods::{Given, Selection};
use scope::Scope;

use super::Usage;

/// Whom to watch. Given more than once, they add up.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Scope")]
pub(crate) struct ScopeArguments {
    /// A process and all its descendants
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// A cgroup2 directory and all below it (absolute, or below the cgroup2 mount)
    #[arg(long, value_name = "PATH")]
    cgroup: Vec<PathBuf>,
    /// The whole node
    #[arg(long)]
    node: bool,
    #[command(flatten)]
    pods: PodArguments,
}

/// Which pods to watch. What is given has to fit all together; pods that come later are followed.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Pods")]
struct PodArguments {
    /// Pods of these namespaces, separated by commas
    #[arg(short = 'n', long, value_name = "NS")]
    namespace: Vec<String>,
    /// Pods with these labels: `app=cart,tier!=test`, `env in (a,b)`, `!canary`
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<String>,
    /// One pod
    #[arg(long, value_name = "NS/NAME")]
    pod: Option<String>,
    /// A container, by at least 12 digits of its id, or by its name
    #[arg(long, value_name = "ID")]
    container: Option<String>,
    /// How to reach the API server; without it $KUBECONFIG, the pod's own account, ~/.kube/config
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where the container runtime speaks CRI; without it, the usual places are looked at
    #[arg(long, value_name = "SOCKET", hide_short_help = true)]
    runtime: Vec<PathBuf>,
}

/// Whom a command is to watch.
pub(crate) struct Watched {
    /// Processes and cgroups.
    pub(crate) scopes: Vec<Scope>,
    /// Or pods.
    pub(crate) pods: Option<Selection>,
    /// Who is to be asked for names.
    pub(crate) cluster: Option<cluster::Config>,
}

impl Watched {
    /// Nobody was said to be watched.
    pub(crate) fn is_nobody(&self) -> bool {
        self.scopes.is_empty() && self.pods.is_none()
    }
}

impl PodArguments {
    fn selection(&self) -> Result<Option<Selection>> {
        let given = Given {
            namespaces: &self.namespace,
            selector: self.selector.as_deref(),
            pod: self.pod.as_deref(),
            container: self.container.as_deref(),
        };
        let selection = Selection::parse(given).map_err(|error| Usage(error.to_string()))?;
        Ok((!selection.is_everything()).then_some(selection))
    }

    /// A cluster is not asked because somebody happens to have a kubeconfig: only where pods are
    /// watched, it was named, or we run in it. The runtimes are this node's own.
    fn cluster(&self, by_pod: bool) -> cluster::Config {
        let inside = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        let api = by_pod || inside || self.kubeconfig.is_some();
        let kubeconfig = self.kubeconfig.clone();
        let usual = cluster::Config { api, kubeconfig, ..cluster::Config::default() };
        usual.at(self.runtime.clone())
    }
}

impl ScopeArguments {
    /// Whom to watch, with `command`'s own cgroup where there is one.
    pub(crate) fn watched(&self, command: Option<Scope>) -> Result<Watched> {
        let pods = self.pods.selection()?;
        let mut scopes = self.scopes()?;
        if pods.is_some() && (command.is_some() || !scopes.is_empty()) {
            let what = "say either which pods to watch, or a command, --pid, --cgroup or --node";
            return Err(Usage(what.to_string()).into());
        }
        let alone = command.is_some() && scopes.is_empty();
        scopes.extend(command);
        let cluster = self.pods.cluster(pods.is_some());
        if pods.is_some() && self.pods.container.is_none() && !cluster.finds_api() {
            let what = "no cluster is known here to ask for pods: give --kubeconfig FILE, or set \
                        KUBECONFIG";
            return Err(Usage(what.to_string()).into());
        }
        // A command of ours runs in no container that anybody could name.
        let named = !alone || cluster.finds_api() || !self.pods.runtime.is_empty();
        Ok(Watched { scopes, pods, cluster: named.then_some(cluster) })
    }

    /// The same where a command line without a scope makes no sense.
    pub(crate) fn required(&self, command: Option<Scope>) -> Result<Watched> {
        let watched = self.watched(command)?;
        if watched.is_nobody() {
            let what = "say whom to watch: `-- COMMAND`, --pid, --cgroup, --node (everything), or \
                        pods: -n, -l, --pod, --container";
            return Err(Usage(what.to_string()).into());
        }
        Ok(watched)
    }

    /// The scopes, as they were given.
    fn scopes(&self) -> Result<Vec<Scope>> {
        let mut scopes: Vec<Scope> = self.pid.iter().map(|&pid| Scope::Pid(pid)).collect();
        for path in &self.cgroup {
            let Some(scope) = Scope::cgroup(path) else {
                bail!("cgroup2 is not mounted here, so there is no cgroup to watch; use --pid");
            };
            scopes.push(scope);
        }
        if self.node {
            scopes.push(Scope::Node);
        }
        Ok(scopes)
    }
}
