//! Profiles that are sent on: a thread for each receiver, which gathers rows and posts what came in a
//! while as one profile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bus::{Capacity, NoBatch, Policy, Subscription};
use deliver::{Upload, Uploader};
use flame::otlp::{self, Sender};
use flame::{About, Profile, pprof};
use schema::Event;
use signal_profile::{PROFILE, ProfileSample};
use telemetry::Account;

use super::log::Log;
use crate::config;
use crate::node::Node;
use crate::profiling::gather::Gathered;
use crate::session::Session;

/// One receiver of profiles.
pub(super) struct Pushing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// How a profile is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// OpenTelemetry's profiles signal over HTTP.
    Otlp,
    /// pprof, as Pyroscope takes it.
    Pprof,
}

/// A receiver that is away must not make workers wait.
const QUEUE: Capacity = Capacity { rows: 65_536, batches: 4_096 };
const TICK: Duration = Duration::from_millis(200);
/// What a profile may grow to while its receiver is away; then it begins anew, and the loss is counted.
const MOST_BYTES: usize = 32 << 20;

impl Form {
    /// The form with this name.
    pub(crate) fn of(name: &str) -> Option<Form> {
        match name {
            "otlp" => Some(Form::Otlp),
            "pprof" => Some(Form::Pprof),
            _ => None,
        }
    }
}

impl Pushing {
    /// Subscribes, and begins.
    pub(super) fn start(
        upload: &Upload,
        profile: &config::Profile,
        session: &Session,
        log: &Log,
    ) -> Result<Pushing> {
        let uploader = Uploader::new(upload).map_err(|words| anyhow!("profile.push: {words}"))?;
        let tables = Some(PROFILE.tables.to_vec());
        let stop = Arc::<AtomicBool>::default();
        let pusher = Pusher {
            subscription: session.bus.subscribe("push", QUEUE, Policy::DropNewest, tables),
            uploader,
            form: Form::of(&upload.form).context("profile.push.form")?,
            every: upload.every.0.max(TICK),
            hertz: profile.hz,
            node: session.node.clone(),
            log: log.clone(),
            books: session.ledger.account("push", ProfileSample::TABLE.name),
            stop: stop.clone(),
            failing: false,
        };
        let thread = thread::Builder::new().name("fathom-push".into());
        let thread = thread.spawn(move || pusher.run()).context("cannot start sending profiles")?;
        Ok(Pushing { stop, thread })
    }

    /// Sends what is there, and ends; what takes longer than `deadline` is left behind.
    pub(super) fn finish(self, deadline: Instant) {
        self.stop.store(true, Ordering::Relaxed);
        while !self.thread.is_finished() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

struct Pusher {
    subscription: Subscription,
    uploader: Uploader,
    form: Form,
    every: Duration,
    hertz: u32,
    node: Node,
    log: Log,
    books: Account,
    stop: Arc<AtomicBool>,
    failing: bool,
}

impl Pusher {
    fn run(mut self) {
        let mut gathered = Gathered::new(self.about());
        let mut begun = Instant::now();
        loop {
            let ended = match self.subscription.recv_timeout(TICK) {
                Ok(batch) => {
                    gathered.add(&batch);
                    gathered.settle(false);
                    false
                }
                Err(NoBatch::Yet) => self.stop.load(Ordering::Relaxed),
                Err(NoBatch::Closed) => true,
            };
            if begun.elapsed() < self.every && !ended {
                continue;
            }
            gathered.settle(ended);
            gathered.profile.about.duration += begun.elapsed();
            begun = Instant::now();
            let samples = gathered.profile.total().samples;
            let lost = match samples == 0 || self.push(&gathered.profile) {
                true => None,
                false if ended => Some("left_at_stop"),
                false => (gathered.profile.footprint() > MOST_BYTES).then_some("receiver_away"),
            };
            if let Some(reason) = lost {
                self.books.taken.add(samples);
                self.books.drop(reason, samples);
            }
            if !self.failing || lost.is_some() {
                gathered.begin_anew(self.about());
            }
            if ended {
                return;
            }
        }
    }

    fn about(&self) -> About {
        let begin = u64::try_from(self.node.wall(self.node.now())).unwrap_or(0);
        let period = Duration::from_nanos(1_000_000_000 / u64::from(self.hertz.max(1)));
        About { begin, period, ..About::default() }
    }

    /// Whether there is no need to send these samples again.
    fn push(&mut self, profile: &Profile) -> bool {
        let samples = profile.total().samples;
        let sent = match self.form {
            Form::Otlp => {
                let sender = self.sender();
                let body = otlp::request(profile, &sender);
                self.uploader.send("/v1development/profiles", "application/x-protobuf", &body)
            }
            Form::Pprof => {
                let mut body = Vec::new();
                // Memory takes all that is written to it.
                let _ = pprof::write(profile, &mut body);
                self.uploader.send(&self.ingest(profile), "application/octet-stream", &body)
            }
        };
        match sent {
            Ok(()) => {
                self.books.taken.add(samples);
                self.books.passed.add(samples);
                if std::mem::take(&mut self.failing) {
                    self.log.info("profiles are taken again");
                }
                true
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    self.log.warn(format_args!("profiles are not taken: {error}"));
                }
                if !error.is_passing {
                    self.books.taken.add(samples);
                    self.books.drop("refused", samples);
                }
                !error.is_passing
            }
        }
    }

    fn sender(&self) -> Sender {
        let node = self.node.name.to_string();
        let attributes = [("service.name", "fathom".to_string()), ("host.name", node)];
        let attributes = attributes.map(|(key, value)| (key.to_string(), value)).to_vec();
        Sender { version: env!("CARGO_PKG_VERSION").to_string(), attributes }
    }

    /// Where Pyroscope takes a profile: from when, until when, of whom.
    fn ingest(&self, profile: &Profile) -> String {
        let from = profile.about.begin / 1_000_000_000;
        let until = from + profile.about.duration.as_secs().max(1);
        let node: String = self.node.name.chars().filter(|it| is_plain(*it)).collect();
        let (rate, name) = (self.hertz, format!("fathom%7Bnode%3D{node}%7D"));
        format!("/ingest?name={name}&from={from}&until={until}&sampleRate={rate}&format=pprof")
    }
}

fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}
