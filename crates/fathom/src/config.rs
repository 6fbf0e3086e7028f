//! The configuration: one YAML file, the environment before it, and a default for every key.
//!
//! [`Config`] and its sections are the only place where a key is named: how it is read, printed
//! with its documentation, defaulted, and called in the environment follows from there.

mod environment;
mod keys;
mod namespaces;
mod problem;
mod receivers;
mod values;

use crate::agent::Form;
use crate::{profiling, requests};
use identity::pods::{Given, Selection};
use keys::{Setting, sections};
use schema::Table;
use scope::Scope;

pub use namespaces::{Keep, Namespaces};
pub use problem::Problem;
pub use values::{
    Choice, Folder, Listen, LogFormat, LogLevel, Matching, Mechanism, Name, OutputKind, Path,
    Priority, Size, Span, Tables, Text, Workers,
};

sections! {
    /// All that can be configured.
    Config {
        /// The name of this node in every row. `auto` is $NODE_NAME, as Kubernetes gives it to a
        /// pod that asks for `spec.nodeName`, or else the host's name.
        node: Name = Name::Auto,
        /// Whom to watch. The kernel enforces it, before anything is copied; it follows processes
        /// and cgroups that come later. What is named adds up.
        scope: Watched = Watched::default(),
        /// Where the names of pods and containers come from.
        kubernetes: Kubernetes = Kubernetes::default(),
        /// The tables whose rows are wanted, by name (file_open) or by subject (file);
        /// `fathom tables` lists them. An empty list is all tables that tell of the node.
        tables: Vec<Tables> = Vec::new(),
        /// Where the rows go, as JSON lines. Each output has a queue of its own, and a slow one
        /// loses rows (counted as `slow`) rather than holding up the others. What could not be
        /// written is counted, too (`disk_full`, `reader_gone`, `io`), and the agent goes on.
        outputs: Vec<Output> = vec![Output::default()],
        /// Rules in Falco's language, and who is told of what they find.
        detection: Detection = Detection::default(),
        /// Where CPU time goes and what threads wait for, all the time. A change needs a restart.
        profile: Profile = Profile::default(),
        /// What is said over sockets: HTTP, DNS, queries of databases. A change needs a restart.
        requests: Requests = Requests::default(),
        /// What the node remembers, for SQL. A change needs a restart.
        store: Memory = Memory::default(),
        /// What queries may use. They run on threads of their own that give way to all others. A
        /// change needs a restart.
        queries: Queries = Queries::default(),
        /// The door for metrics, health, queries and live tails.
        http: Http = Http::default(),
        /// The door for Arrow Flight SQL: ADBC, JDBC, Grafana.
        flight: Flight = Flight::default(),
        /// Who may come in at these doors.
        access: Access = Access::default(),
        /// What is kept of processes.
        processes: Processes = Processes::default(),
        /// The rings between the kernel and the agent. A change needs a restart.
        rings: Rings = Rings::default(),
        /// The ways to hook into the kernel that may be used: lsm, fentry, tp_btf, kprobe. An
        /// empty list is all; of these the best that this node allows is taken, hook by hook
        /// (`fathom doctor` shows which). A change needs a restart.
        mechanisms: Vec<Mechanism> = Vec::new(),
        /// Whether the kernel measures how often and how long each of our programs runs, for
        /// /metrics and the table agent_program. It costs some nanoseconds for each run.
        statistics: bool = true,
        /// What the agent says of itself, on standard error.
        log: Log = Log::default(),
    }

    /// Whom to watch.
    Watched {
        /// Everything. `auto` is true where nothing else is named.
        node: Choice<bool> = Choice::Auto,
        /// Processes, each with all its descendants, by their ids.
        pids: Vec<u32> = Vec::new(),
        /// cgroup2 directories, each with all below it: absolute, or below the cgroup2 mount, as
        /// /proc/PID/cgroup shows them (/kubepods.slice).
        cgroups: Vec<Path> = Vec::new(),
        /// Pods of these namespaces, and of these only if they fit the other keys about pods. Pods
        /// cannot be named beside processes and cgroups, and a change of them needs a restart.
        namespaces: Vec<Text> = Vec::new(),
        /// Pods with these labels, as kubectl takes them: `app=cart,tier!=test`.
        selector: Text = Text::default(),
        /// One pod: NAMESPACE/NAME.
        pod: Text = Text::default(),
        /// A container, by at least 12 digits of its id, or by its name.
        container: Text = Text::default(),
    }

    /// Where the names of pods and containers come from. A change needs a restart.
    Kubernetes {
        /// Whether the API server is asked. `auto` is true in a pod, and where a kubeconfig is named
        /// or pods are watched.
        api: Choice<bool> = Choice::Auto,
        /// The kubeconfig. Without one: $KUBECONFIG, the pod's own account, ~/.kube/config.
        kubeconfig: Path = Path::default(),
        /// Whether the node's container runtimes are asked, over their sockets: containerd, CRI-O,
        /// Docker. Only ever read.
        runtime: bool = true,
        /// The sockets at which a runtime speaks CRI, the container runtime interface; the first
        /// that is there is asked. An empty list is the usual places, and Docker's API.
        runtimes: Vec<Path> = Vec::new(),
        /// How long a row may wait for its pod's name, in milliseconds; then it goes without, which
        /// is counted (`identity_pending`).
        names_within: u32 = 2_000,
    }

    /// One place where rows go to.
    Output {
        /// stdout, or file.
        kind: OutputKind = OutputKind::Stdout,
        /// The file; only with kind: file. It is appended to.
        path: Path = Path::default(),
        /// A file grows to this size; then it is put aside as PATH.1, and what
        /// was PATH.1 becomes PATH.2. 0 lets it grow for ever.
        rotate_size: Size = Size::mib(100),
        /// How many files that were put aside stay.
        keep: u32 = 5,
        /// Whether what a user may have typed (paths, arguments) is left out.
        hide_personal: bool = false,
    }

    /// Requests of whom is watched, into a table for each protocol (http_request, dns_request …), with
    /// what was read of sockets and what was not in the table coverage.
    Requests {
        /// Whether they are read. Outputs get their rows only where `tables` names them.
        enabled: bool = false,
        /// How much of a message is copied, from its first byte on; at most 8 KiB.
        message: Size = Size(4 << 10),
        /// How much is copied of a connection in a second.
        connection: Size = Size::mib(4),
        /// Whether all headers are kept, but for those that carry secrets. Without it only those that
        /// have a column.
        headers: bool = false,
        /// Headers of which nothing is kept, besides those that carry secrets.
        denied_headers: Vec<Text> = Vec::new(),
        /// Whether values in the queries of URLs are kept, but for those whose name says that they are
        /// secret.
        query_values: bool = false,
        /// Whether literals of SQL and keys of caches are kept.
        literals: bool = false,
        /// How many bytes are kept of each HTTP body that is text and not compressed (JSON, forms, XML):
        /// values of secret keys, card numbers, addresses and tokens are taken out. No more than
        /// `message` is copied, with the headers before it. 0 keeps none.
        bodies: Size = Size(0),
        /// Namespaces of which something else holds: {payments: {read: false}, dev: {bodies: 1KiB}}.
        /// What is not given there is as above. Until a pod's name is known, what all of them allow.
        namespaces: Namespaces = Namespaces::default(),
        /// Where requests are sent to as OTLP spans and metrics: {url: …, every: 10s, request: …}.
        push: Vec<deliver::Upload> = Vec::new(),
    }

    /// Continuous profiling of whom is watched, into the tables profile_sample, stack and frame.
    Profile {
        /// Whether it is on. Outputs get its rows only where `tables` names them.
        enabled: bool = false,
        /// Samples a second, on each CPU.
        hz: u32 = 99,
        /// Whether waits are sampled, too.
        off_cpu: bool = false,
        /// Waits told in a second on each CPU, at most; a fifth of it is aimed at. They are chosen in
        /// proportion to their time.
        waits_per_second: u32 = 500,
        /// Whether debug information is read for inlined functions and lines; it takes time and memory.
        inlines: bool = false,
        /// What profiling may use of all CPUs, in percent: our own time and, with `statistics`, that of
        /// our programs in the kernel. Beyond it only every second tick of the clock is sampled, and
        /// every second of these. 0 sets no bound.
        budget: u32 = 1,
        /// Memory for unwind tables in the kernel, a half of it, and for what else was read of binaries;
        /// `inlines` takes a half of it on top.
        memory: Size = Size::mib(64),
        /// Where profiles are sent to: {url: …, form: otlp or pprof, every: 10s, request: …}.
        push: Vec<deliver::Upload> = Vec::new(),
    }

    /// Rules, and who is told.
    Detection {
        /// Files of rules, and folders with such files, in the order in which they are read; Falco's
        /// own files as they are. An empty list asks no rules. Each alert is a row of the table
        /// `alert`, too.
        rules: Vec<Path> = Vec::new(),
        /// Rules that are left out, by their names or tags; `*` stands for anything.
        disable: Vec<Text> = Vec::new(),
        /// Whether an event fires the first rule that matches it, as in Falco, or all of them.
        matching: Matching = Matching(detect::Matching::First),
        /// Rules less bad than this are left out.
        priority: Priority = Priority(detect::language::Priority::Debug),
        /// Whether container and pod stand behind every message, as in Falco.
        append_workload: bool = true,
        /// The same alert of the same process is told once in so long; how often it came meanwhile is
        /// told at the end. 0s tells each.
        repeat_after: Span = Span::seconds(10),
        /// One rule is told so often in a minute; beyond it, alerts are counted (`too_many`).
        most_per_minute: u32 = 1_000,
        /// `workload.novel[FIELD]` learns so long what a new image does, before anything is new.
        learn_for: Span = Span::seconds(600),
        /// Where what was learned is kept, and alerts that could not be delivered yet. `off` keeps
        /// both in memory only. A change needs a restart.
        directory: Folder = Folder::At("/var/lib/fathom-alerts".into()),
        /// Who is told, in the order of alerts and at least once: stdout, file, http, syslog, program,
        /// slack, pagerduty, alertmanager, webhook, otlp. docs/alerts.md has their keys.
        receivers: Vec<deliver::Receiver> = Vec::new(),
    }

    /// What the node remembers.
    Memory {
        /// The folder; one agent each. It is made where it is not there. `off` remembers nothing.
        directory: Folder = Folder::At("/var/lib/fathom".into()),
        /// How much is held in memory before it is written as a segment.
        memory: Size = Size::mib(64),
        /// How much the segments may take on disk; then the oldest go.
        total: Size = Size::mib(10 << 10),
        /// How much of it one table may take, in percent, so that a noisy one does not drive out
        /// the others.
        share: u32 = 50,
        /// How old rows become.
        keep: Span = Span::seconds(7 * 86_400),
        /// How much stays free on the disk; below it the oldest segments go.
        free: Size = Size::mib(1 << 10),
        /// A crash loses no more than this: what is in memory only is written to the journal.
        sync_every: Span = Span::seconds(2),
        /// Rows become a segment after so long.
        seal_after: Span = Span::seconds(60),
        /// A private key (PEM, Ed25519) that signs the chain: `openssl genpkey -algorithm ed25519`.
        key: Path = Path::default(),
        /// How often the head of the chain is logged; whoever keeps it can prove later that
        /// nothing before it was changed (`fathom verify --head`).
        tell_head: Span = Span::seconds(600),
        /// An address that is told of the head as well, by a POST of JSON: http://… or https://….
        witness: Text = Text::default(),
        /// The authority (PEM) that vouches for it, where it is https.
        witness_ca: Path = Path::default(),
    }

    /// What queries may use.
    Queries {
        /// How many threads work on them.
        threads: u32 = 2,
        /// How much memory all of them may hold together.
        memory: Size = Size::mib(256),
        /// How long one may take.
        time_out: Span = Span::seconds(30),
        /// How many rows an answer may have.
        rows: u32 = 1_000_000,
        /// How many run at once.
        at_once: u32 = 4,
    }

    /// The HTTP door.
    Http {
        /// Where it listens: /metrics (Prometheus), /healthz, /readyz, /api/v1/tables,
        /// /api/v1/query, /api/v1/tail. `off` closes it. Beyond this machine only with TLS, and
        /// tokens or a client CA (`access`).
        listen: Listen = Listen::On(([127, 0, 0, 1], 9191).into()),
    }

    /// The Flight SQL door.
    Flight {
        /// Where it listens. `off` closes it. Beyond this machine as for `http`.
        listen: Listen = Listen::On(([127, 0, 0, 1], 9192).into()),
    }

    /// Who may come in. Files are read again when they change.
    Access {
        /// The certificate (PEM), and after it those that lead to its authority.
        certificate: Path = Path::default(),
        /// Its private key (PEM).
        key: Path = Path::default(),
        /// The authorities (PEM) whose client certificates are let in.
        client_ca: Path = Path::default(),
        /// A file of lines `NAME TOKEN`. Where there is one, a token (or a client certificate) is
        /// demanded on this machine, too, but for /healthz and /readyz.
        tokens: Path = Path::default(),
        /// Names that this machine is reached by, besides localhost and its addresses.
        names: Vec<Text> = Vec::new(),
    }

    /// The process table.
    Processes {
        /// How many are remembered, running and ended ones; above it the oldest ended ones go
        /// first. A change needs a restart.
        remembered: u32 = 32_768,
    }

    /// The rings.
    Rings {
        /// How many threads read them, and so how many pairs of rings there are: a power of two.
        /// `auto` is one for every 8 CPUs.
        workers: Choice<Workers> = Choice::Auto,
        /// The size of each ring for what must not be lost: processes, opens, connects. The
        /// kernel takes powers of two only; other sizes are rounded up to the next one.
        facts: Size = Size::mib(2),
        /// The size of each ring for what may be lost, counted: payloads and samples. Rounded up
        /// like the other.
        bulk: Size = Size::mib(4),
    }

    /// The agent's own words.
    Log {
        /// What is said: info, warn or error.
        level: LogLevel = LogLevel::Info,
        /// How: text, or json for one object a line.
        format: LogFormat = LogFormat::Text,
    }
}

/// What stands above a printed configuration.
const HEAD: &str = "\
# The configuration of `fathom agent`; this is all of it, with what is in effect.
# Every key can be left out. The environment goes before the file: FATHOM_HTTP_LISTEN is
# `http.listen`, FATHOM_SCOPE_PIDS=7,8 is `scope.pids`. On SIGHUP the agent reads it again and
# applies it without losing a row; one that is not right is refused, and the old one stays.
";

/// The smallest and the largest ring.
const RING_SIZES: std::ops::RangeInclusive<u64> = 64 << 10..=1 << 30;

impl Config {
    /// Reads `file` (the defaults without one), puts the environment's settings before it, and
    /// checks that all fits together.
    pub fn load(
        file: Option<&std::path::Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, Problem> {
        let place = file.map_or("configuration".to_string(), |path| path.display().to_string());
        let text = file.map_or(Ok(String::new()), std::fs::read_to_string);
        let text = text.map_err(|error| Problem::of(&place, format!("cannot read it: {error}")))?;
        let mut config = Config::parse(&place, &text)?;
        environment::apply(&mut config, environment)?;
        config.check().map_err(|(key, words)| Problem::of_key(&place, &text, key, &words))?;
        Ok(config)
    }

    /// Reads YAML; `place` names it where something is wrong.
    pub fn parse(place: &str, text: &str) -> Result<Config, Problem> {
        serde_saphyr::from_str(text).map_err(|error| Problem::in_file(place, text, &error, &keys()))
    }

    /// The whole configuration as YAML, with the documentation as comments.
    pub fn print_all(&self) -> String {
        let mut text = HEAD.to_string();
        self.print(0, &mut text);
        text
    }

    /// What fits by itself, but not together: the key, and what is wrong.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let (by_pod, others) = (self.pods()?.is_some(), self.has_scopes());
        if by_pod && others {
            return Err(("scope", "name either pods, or the node, pids and cgroups".into()));
        }
        if !by_pod && self.scopes().is_empty() {
            return Err((
                "scope",
                "nothing is watched; name pids or cgroups, or write node: true".into(),
            ));
        }
        if self.access.key.0.is_empty() != self.access.certificate.0.is_empty() {
            return Err(("access.certificate", "a certificate and its key belong together".into()));
        }
        let doors = [("http.listen", self.http.listen), ("flight.listen", self.flight.listen)];
        for (key, listen) in doors {
            if let Listen::On(address) = listen
                && !address.ip().to_canonical().is_loopback()
                && !self.access.of_doors().fits_beyond_loopback()
            {
                let words = format!(
                    "{address} can be reached from other machines, which takes TLS \
                     (access.certificate, access.key) and access.tokens or access.client_ca; or \
                     write 127.0.0.1:{0} or [::1]:{0}",
                    address.port()
                );
                return Err((key, words));
            }
        }
        if !(1..=10_000).contains(&self.profile.hz) {
            return Err(("profile.hz", format!("1 to 10000 a second, not {}", self.profile.hz)));
        }
        if !(1..=8192).contains(&self.requests.message.0) {
            let words = format!("1 byte to 8 KiB, not {} bytes", self.requests.message.0);
            return Err(("requests.message", words));
        }
        self.requests.check()?;
        if u32::try_from(self.requests.connection.0).is_err() {
            return Err(("requests.connection", "less than 4 GiB a second".to_string()));
        }
        let otlp = |it: &&deliver::Upload| it.form == "otlp";
        if let Some(wrong) = self.requests.push.iter().find(|it| !otlp(it)) {
            return Err(("requests.push", format!("`{}` is not otlp", wrong.form)));
        }
        if let Some(wrong) = self.profile.push.iter().find(|it| Form::of(&it.form).is_none()) {
            return Err(("profile.push", format!("`{}` is neither otlp nor pprof", wrong.form)));
        }
        if !(1..=100).contains(&self.store.share) {
            return Err(("store.share", format!("1 to 100 percent, not {}", self.store.share)));
        }
        for output in &self.outputs {
            match (output.kind, output.path.0.is_empty()) {
                (OutputKind::File, true) => {
                    return Err(("outputs.kind", "`file` needs a path beside it".into()));
                }
                (OutputKind::Stdout, false) => {
                    let path = &output.path.0;
                    return Err((
                        "outputs.path",
                        format!("`{path}` needs `kind: file` beside it; stdout has no path"),
                    ));
                }
                _ => {}
            }
        }
        for (at, output) in self.outputs.iter().enumerate() {
            if self.outputs[..at].iter().any(|other| other.same_place(output)) {
                return Err(("outputs", format!("{} is there twice", output.name())));
            }
        }
        for (key, size) in [("rings.facts", self.rings.facts), ("rings.bulk", self.rings.bulk)] {
            if !RING_SIZES.contains(&size.0) {
                return Err((key, format!("a ring has 64KiB to 1GiB, not {size}")));
            }
        }
        if self.processes.remembered == 0 {
            return Err((
                "processes.remembered",
                "at least one process has to be remembered".into(),
            ));
        }
        Ok(())
    }

    /// The pods to watch, where pods are named.
    pub fn pods(&self) -> Result<Option<Selection>, (&'static str, String)> {
        let Watched { namespaces, selector, pod, container, .. } = &self.scope;
        let given = |text: &Text| (!text.0.is_empty()).then(|| text.0.clone());
        let namespaces: Vec<String> = namespaces.iter().map(|it| it.0.clone()).collect();
        let (selector, pod, container) = (given(selector), given(pod), given(container));
        let selection = Selection::parse(Given {
            namespaces: &namespaces,
            selector: selector.as_deref(),
            pod: pod.as_deref(),
            container: container.as_deref(),
        });
        let selection = selection.map_err(|error| {
            let key = match error.subject {
                "namespace" => "scope.namespaces",
                "pod" => "scope.pod",
                "container" => "scope.container",
                _ => "scope.selector",
            };
            (key, error.to_string())
        })?;
        Ok((!selection.is_everything()).then_some(selection))
    }

    /// Whom to ask for names; none where nobody is to be asked.
    pub fn cluster(&self) -> Option<cluster::Config> {
        let Kubernetes { api, kubeconfig, runtime, runtimes, .. } = &self.kubernetes;
        let kubeconfig = (!kubeconfig.0.is_empty()).then(|| kubeconfig.0.clone().into());
        let inside = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        let by_pod = self.pods().is_ok_and(|pods| pods.is_some());
        let api = match api {
            Choice::Auto => inside || by_pod || kubeconfig.is_some(),
            Choice::Given(api) => *api,
        };
        let usual = cluster::Config { api, kubeconfig, ..cluster::Config::default() };
        let mut config = usual.at(runtimes.iter().map(|Path(path)| path.into()).collect());
        if let Name::Given(node) = &self.node {
            config.node = node.clone();
        }
        if !runtime {
            (config.cri, config.docker) = (Vec::new(), None);
        }
        (api || *runtime).then_some(config)
    }

    fn has_scopes(&self) -> bool {
        let Watched { node, pids, cgroups, .. } = &self.scope;
        *node == Choice::Given(true) || !pids.is_empty() || !cgroups.is_empty()
    }

    /// Whom to watch, where it is not pods.
    pub fn scopes(&self) -> Vec<Scope> {
        let Watched { node, pids, cgroups, .. } = &self.scope;
        let named = pids.iter().map(|&pid| Scope::Pid(pid));
        let cgroups = cgroups.iter().map(|Path(path)| {
            // Where cgroup2 is not mounted, the scope control says that there is no such cgroup.
            let path = std::path::Path::new(path);
            Scope::cgroup(path).unwrap_or_else(|| Scope::Cgroup(path.to_path_buf()))
        });
        let mut scopes: Vec<Scope> = named.chain(cgroups).collect();
        let whole = match node {
            Choice::Auto => scopes.is_empty() && !self.pods().is_ok_and(|it| it.is_some()),
            Choice::Given(whole) => *whole,
        };
        if whole {
            scopes.push(Scope::Node);
        }
        scopes
    }

    /// The tables whose rows are wanted.
    pub fn wanted(&self) -> Vec<&'static Table> {
        let mut wanted = self.told();
        if self.profile.enabled {
            wanted.extend(signal_profile::PROFILE.tables);
        }
        if self.requests.enabled {
            // The one over all protocols is a view.
            wanted.extend(requests::tables().filter(|it| !std::ptr::eq(*it, protocols::REQUEST)));
        }
        wanted.sort_by_key(|table| table.name);
        wanted.dedup_by_key(|table| table.name);
        wanted
    }

    /// The tables whose rows outputs get.
    pub fn told(&self) -> Vec<&'static Table> {
        if self.tables.is_empty() {
            return crate::signals::node_tables();
        }
        let mut wanted: Vec<_> = self.tables.iter().flat_map(|it| it.tables.clone()).collect();
        wanted.sort_by_key(|table| table.name);
        wanted.dedup_by_key(|table| table.name);
        wanted
    }
}

impl Requests {
    /// As the session takes them.
    pub fn settings(&self) -> requests::Settings {
        requests::Settings {
            message_bytes: self.message.0 as u32,
            second_bytes: self.connection.0 as u32,
            policies: requests::Policies::new(
                self.policy(),
                self.namespaces
                    .0
                    .iter()
                    .map(|(name, it)| (name.clone(), it.policy(self)))
                    .collect(),
            ),
        }
    }
}

impl Profile {
    /// As the session takes it.
    pub fn settings(&self) -> profiling::Settings {
        let memory = self.memory.0 as usize;
        profiling::Settings {
            hertz: self.hz,
            waits: self.off_cpu,
            waits_per_second: self.waits_per_second,
            lines: if self.inlines { self.memory.0 / 2 } else { 0 },
            budget: (self.budget > 0).then(|| f64::from(self.budget) / 100.0),
            limits: symbols::Limits {
                tables: memory / 2,
                binaries: memory / 6,
                kept: memory / 4,
                codes: memory / 12,
                ..symbols::Limits::default()
            },
            ..profiling::Settings::default()
        }
    }
}

impl Rings {
    /// As the kernel takes them.
    pub fn options(&self) -> kernel::Options {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = match self.workers {
            Choice::Given(Workers(number)) => number,
            Choice::Auto => 1 << (cpus / 8).clamp(1, 64).ilog2(),
        };
        // Within 1 GiB by `Config::check`.
        let bytes = |size: Size| size.0.next_power_of_two() as u32;
        let (facts_bytes, bulk_bytes) = (bytes(self.facts), bytes(self.bulk));
        kernel::Options { workers, facts_bytes, bulk_bytes, ..kernel::Options::default() }
    }
}

impl Access {
    /// As the doors take it.
    pub fn of_doors(&self) -> api::Access {
        let file = |path: &Path| (!path.0.is_empty()).then(|| path.0.clone().into());
        let tls = file(&self.certificate).zip(file(&self.key));
        let tls = tls.map(|(cert, key)| api::Tls { cert, key, client_ca: file(&self.client_ca) });
        let names = self.names.iter().map(|it| it.0.clone()).collect();
        api::Access { tls, tokens: file(&self.tokens), names }
    }
}

impl Queries {
    /// As the engine takes it.
    pub fn options(&self) -> query::Options {
        query::Options {
            threads: self.threads.max(1) as usize,
            memory: self.memory.0 as usize,
            time_out: self.time_out.0,
            rows_most: self.rows.into(),
            queries_most: self.at_once.max(1) as usize,
        }
    }
}

impl Output {
    /// Whether both write to the same place.
    pub fn same_place(&self, other: &Output) -> bool {
        (self.kind, &self.path) == (other.kind, &other.path)
    }

    /// The place, for people.
    pub fn name(&self) -> &str {
        match self.kind {
            OutputKind::Stdout => "standard output",
            OutputKind::File => &self.path.0,
        }
    }
}

/// Every key, with its sections.
fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    Config::keys("", &mut keys);
    keys
}
