//! What receivers there are, and how each is configured.

mod sections;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

use detect::language::Priority;

use sections::sections;

pub use sections::Key;
pub use values::{Secret, Size, Span};

/// What a receiver is: in YAML one key, with the keys of its kind below it.
#[derive(Debug, Clone, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum To {
    /// Standard output.
    Stdout(Stdout),
    /// A file.
    File(File),
    /// A POST to an address, in Falco's shape.
    Http(Http),
    /// The system log, here or elsewhere.
    Syslog(Syslog),
    /// A program.
    Program(Program),
    /// A channel of Slack, by an incoming webhook.
    Slack(Slack),
    /// PagerDuty, by its Events API v2.
    Pagerduty(Pagerduty),
    /// Prometheus' Alertmanager, by its API v2.
    Alertmanager(Alertmanager),
    /// A request with a body of one's own.
    Webhook(Webhook),
    /// A collector of OpenTelemetry logs, by HTTP.
    Otlp(Otlp),
}

sections! {
    /// One receiver.
    Receiver {
        /// What it is called in metrics and by `fathom doctor`, and its queue's folder: letters,
        /// digits, `-` and `_`. It is the kind where it is not given.
        name: String = String::new(),
        /// Alerts of this priority and worse are sent to it.
        #[serde(with = "values::priority")]
        priority: Priority = Priority::Debug,
        /// How many alerts wait in memory; above that the newest are dropped and counted.
        waiting: u32 = 4096,
        /// How many bytes wait on disk, for receivers by HTTP where the agent has a folder for
        /// queues; `0` keeps them in memory only. A killed agent loses nothing of what is there,
        /// a power failure at most the last second. While the disk is full they wait in memory.
        disk: Size = Size::mib(64),
        /// How it is tried again when it could not be reached.
        backoff: Backoff = Backoff::default(),
        /// What it is: stdout, file, http, syslog, program, slack, pagerduty, alertmanager,
        /// webhook or otlp, with its keys below.
        to: To = To::Stdout(Stdout::default()),
    }

    /// Pauses before another try.
    Backoff {
        /// The first one; each is twice as long as the one before, and a part of each is random.
        first: Span = Span::millis(500),
        /// The longest one. A receiver that says how long to wait is believed up to an hour.
        most: Span = Span::seconds(30),
    }

    /// Lines as Falco writes them.
    Falco {
        /// A JSON object a line; otherwise text: `08:00:00.123456789: Warning …`.
        json: bool = true,
        /// Whether objects have `output`: the message with time and priority before it.
        json_include_output_property: bool = true,
        /// Whether objects have `message`: the message alone.
        json_include_message_property: bool = false,
        /// Whether objects have `tags`.
        json_include_tags_property: bool = true,
        /// Whether objects have `output_fields`.
        json_include_output_fields_property: bool = true,
        /// Whether the time before the message has its date: `2026-11-22T08:00:00.123456789+0000`.
        /// Times are UTC.
        time_format_iso_8601: bool = false,
        /// Whether objects have `fathom`: the processes above, what matched, what was lost, the
        /// pod. Falco has no such key; its readers pass over it.
        fathom: bool = false,
    }

    /// Standard output.
    Stdout {
        /// How lines look.
        format: Falco = Falco::default(),
    }

    /// A file of lines, with rotation.
    File {
        /// Its path.
        path: PathBuf = PathBuf::new(),
        /// How lines look.
        format: Falco = Falco::default(),
        /// The file is put aside when it is this large: PATH becomes PATH.1, PATH.1 becomes
        /// PATH.2. `0` lets it grow for ever.
        rotate_size: Size = Size::mib(100),
        /// The file is put aside when it is this old, at the next alert; `0s` for never.
        rotate_after: Span = Span::seconds(0),
        /// How many files that were put aside stay.
        keep: u32 = 5,
    }

    /// A service that takes profiles.
    Upload {
        /// Its address; may be `file:PATH`. Of OTLP the part before /v1development/profiles, of
        /// Pyroscope the part before /ingest.
        url: Secret = Secret::default(),
        /// `otlp`, or `pprof` as Pyroscope takes it.
        form: String = "otlp".to_string(),
        /// How much time each profile covers.
        every: Span = Span::seconds(10),
        /// How requests are made.
        request: Request = Request::default(),
    }

    /// How requests are made.
    Request {
        /// Headers; values may be `file:PATH`.
        headers: BTreeMap<String, Secret> = BTreeMap::new(),
        /// A token for `Authorization: Bearer`; may be `file:PATH`.
        bearer: Secret = Secret::default(),
        /// The authorities (PEM) that vouch for the receiver, in place of the system's.
        ca: PathBuf = PathBuf::new(),
        /// Our certificate (PEM), for receivers that ask for one. These files are read again when
        /// they change.
        certificate: PathBuf = PathBuf::new(),
        /// Its private key (PEM).
        key: PathBuf = PathBuf::new(),
        /// A proxy: `http://proxy:3128`. The environment's proxies are not used.
        proxy: String = String::new(),
        /// How long a request may take.
        time_out: Span = Span::seconds(10),
    }

    /// A POST of JSON to an address, as Falco's `http_output` makes it.
    Http {
        /// The address, http://… or https://…; may be `file:PATH`.
        url: Secret = Secret::default(),
        /// How the body looks.
        format: Falco = Falco::default(),
        /// How requests are made.
        request: Request = Request::default(),
    }

    /// The system log.
    Syslog {
        /// A socket on this machine (`/dev/log`), or `udp://HOST:PORT` or `tcp://HOST:PORT`, which
        /// get RFC 5424.
        address: String = "/dev/log".to_string(),
        /// The facility: user, daemon, auth, authpriv, local0 to local7.
        facility: String = "user".to_string(),
        /// What messages are tagged with.
        tag: String = "fathom".to_string(),
        /// How messages look.
        format: Falco = Falco { json: false, ..Falco::default() },
    }

    /// A program that reads lines.
    Program {
        /// The program and its arguments; no shell is asked: `[sh, -c, "…"]` asks one.
        command: Vec<String> = Vec::new(),
        /// Whether one program gets all alerts; otherwise it is started for each. One that dies is
        /// started again; what it had taken in by then is not sent again.
        keep_alive: bool = false,
        /// How long it may take over one alert, where it is started for each.
        time_out: Span = Span::seconds(10),
        /// How lines look.
        format: Falco = Falco::default(),
    }

    /// Slack.
    Slack {
        /// The address of the incoming webhook; may be `file:PATH`.
        url: Secret = Secret::default(),
        /// How requests are made.
        request: Request = Request::default(),
    }

    /// PagerDuty.
    Pagerduty {
        /// The address.
        url: Secret = Secret::new("https://events.pagerduty.com/v2/enqueue"),
        /// The integration key; may be `file:PATH`.
        routing_key: Secret = Secret::default(),
        /// How requests are made.
        request: Request = Request::default(),
    }

    /// Alertmanager.
    Alertmanager {
        /// Its address, without /api/v2/alerts.
        url: Secret = Secret::default(),
        /// Labels that each alert gets besides.
        labels: BTreeMap<String, String> = BTreeMap::new(),
        /// How long an alert lasts there, from the moment it is sent.
        lasts: Span = Span::seconds(300),
        /// How requests are made.
        request: Request = Request::default(),
    }

    /// A request with a body from a template.
    Webhook {
        /// The address; may be `file:PATH`.
        url: Secret = Secret::default(),
        /// The method: POST or PUT.
        method: String = "POST".to_string(),
        /// The body's type.
        content_type: String = "application/json".to_string(),
        /// The body, a Jinja template: `{"text": {{ output|tojson }}}`. There are time, rule,
        /// priority, source, hostname, output, message, tags, fields (`fields["proc.name"]`) and
        /// context. Without one the body is the alert in Falco's shape.
        body: String = String::new(),
        /// How requests are made.
        request: Request = Request::default(),
    }

    /// OpenTelemetry logs.
    Otlp {
        /// The collector's address, without /v1/logs.
        url: Secret = Secret::default(),
        /// How many alerts one request has at most.
        batch: u32 = 100,
        /// How requests are made.
        request: Request = Request::default(),
    }
}

impl Receiver {
    /// A receiver with the defaults.
    pub fn new(to: To) -> Receiver {
        Receiver { to, ..Receiver::default() }
    }

    /// What it is called.
    pub fn called(&self) -> &str {
        if self.name.is_empty() { self.to.kind() } else { &self.name }
    }
}

impl To {
    /// The kind, as it stands in YAML.
    pub fn kind(&self) -> &'static str {
        match self {
            To::Stdout(_) => "stdout",
            To::File(_) => "file",
            To::Http(_) => "http",
            To::Syslog(_) => "syslog",
            To::Program(_) => "program",
            To::Slack(_) => "slack",
            To::Pagerduty(_) => "pagerduty",
            To::Alertmanager(_) => "alertmanager",
            To::Webhook(_) => "webhook",
            To::Otlp(_) => "otlp",
        }
    }

    /// Whether its queue may be on disk: what is far away is away for longer.
    pub(crate) fn is_far(&self) -> bool {
        !matches!(self, To::Stdout(_) | To::File(_) | To::Syslog(_) | To::Program(_))
    }
}

/// Every section with its keys: the name as it stands in YAML, first those of each receiver.
pub fn reference() -> Vec<(&'static str, Vec<Key>)> {
    vec![
        ("receiver", Receiver::keys()),
        ("backoff", Backoff::keys()),
        ("format", Falco::keys()),
        ("request", Request::keys()),
        ("stdout", Stdout::keys()),
        ("file", File::keys()),
        ("http", Http::keys()),
        ("syslog", Syslog::keys()),
        ("program", Program::keys()),
        ("slack", Slack::keys()),
        ("pagerduty", Pagerduty::keys()),
        ("alertmanager", Alertmanager::keys()),
        ("webhook", Webhook::keys()),
        ("otlp", Otlp::keys()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> Result<Vec<Receiver>, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn a_configuration_reads() {
        let receivers = read(
            "- to: {stdout: {}}\n\
             - name: siem\n  priority: WARNING\n  disk: 1GiB\n  backoff: {first: 1s}\n  to:\n    \
             http:\n      url: https://siem.example/in\n      format: {fathom: true}\n      \
             request: {bearer: 'file:/run/token', time_out: 5s}\n",
        )
        .unwrap();
        assert_eq!(receivers[0], Receiver::default());
        assert_eq!(receivers[0].called(), "stdout");
        let siem = &receivers[1];
        assert_eq!((siem.called(), siem.priority), ("siem", Priority::Warning));
        assert_eq!((siem.disk, siem.backoff.most), (Size(1 << 30), Span::seconds(30)));
        let To::Http(http) = &siem.to else { panic!("{siem:?}") };
        assert!(http.format.fathom && http.format.json);
        assert_eq!(http.request.time_out, Span::seconds(5));
    }

    #[test]
    fn what_is_no_key_is_refused_by_name() {
        for (yaml, part) in [
            ("- to: {stdout: {}}\n  prio: debug\n", "prio"),
            ("- to: {slack: {channel: x}}\n", "channel"),
            ("- to: {carrier-pigeon: {}}\n", "carrier-pigeon"),
            ("- priority: worst\n", "`worst` is no priority; there are emergency, alert"),
        ] {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(part), "{yaml}: {error}");
        }
    }

    #[test]
    fn every_key_is_documented_and_the_defaults_read_back() {
        for (section, keys) in reference() {
            for key in &keys {
                let text = key.doc.concat();
                assert!(text.len() > 5 && text.ends_with('.'), "{section}.{}: {text}", key.name);
                assert!(!key.default.is_null(), "{section}.{}", key.name);
            }
        }
        let value = serde_json::to_value(Receiver::default()).unwrap();
        assert_eq!(serde_json::from_value::<Receiver>(value).unwrap(), Receiver::default());
    }
}
