//! Detection in the agent: rules from files, alerts to receivers, what was learned to disk.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use deliver::{Deliveries, Notice};
use detect::language::{Diagnostic, Severity};
use detect::novelty::{Limits, Novelty};
use detect::{Alert, Names, Program};
use serde_json::{Value, json};

use super::log::Log;
use crate::config::{self, Folder};
use crate::detection::{Detection, Quiet, Users, files, novelty};
use crate::session::Session;
use crate::signals;

/// Detection that runs.
pub(super) struct Detecting {
    detection: Arc<Detection>,
    deliveries: Arc<Deliveries>,
    /// Of the rules that are asked.
    edition: u64,
    learned: Option<PathBuf>,
    saved: Instant,
    /// The receivers that were complained of.
    failing: Vec<String>,
}

/// Rules that were read and compiled.
pub(super) struct Rules {
    pub(super) program: Program,
    /// A hash of the files, which may change while their names do not.
    pub(super) edition: u64,
}

/// How often what was learned is written.
const SAVE: Duration = Duration::from_secs(60);

/// The rules that `config` names, compiled; none where it names none. With an error nothing is
/// compiled: the error has all that is wrong.
pub(super) fn compile(config: &config::Detection, log: &Log) -> Result<Option<Rules>> {
    if config.rules.is_empty() {
        return Ok(None);
    }
    let paths: Vec<PathBuf> = config.rules.iter().map(|path| path.0.clone().into()).collect();
    let sources = files::read(&paths)?;
    let mut hasher = DefaultHasher::new();
    sources.iter().for_each(|source| (&source.name, &source.text).hash(&mut hasher));
    let mut loaded = detect::language::load(&sources);
    disable(&mut loaded.ruleset, config);
    let options = detect::Options {
        matching: config.matching.0,
        priority: config.priority.0,
        append_workload: config.append_workload,
    };
    let (program, found) = detect::compile(&loaded.ruleset, &signals::node_tables(), &options);
    let found: Vec<Diagnostic> = loaded.diagnostics.into_iter().chain(found).collect();
    let is_error = |it: &&Diagnostic| it.severity == Severity::Error;
    let errors: Vec<String> = found.iter().filter(is_error).map(|it| it.to_string()).collect();
    if !errors.is_empty() {
        bail!("detection.rules: {}; `fathom rules check` shows the places", errors.join("; "));
    }
    for warning in &found {
        log.warn(format_args!("detection.rules: {warning}"));
    }
    Ok(Some(Rules { program, edition: hasher.finish() }))
}

/// Rules that are left out by name or tag are still checked.
fn disable(ruleset: &mut detect::language::Ruleset, config: &config::Detection) {
    for rule in &mut ruleset.rules {
        let is_meant = |text: &str| config.disable.iter().any(|it| fits(&it.0, text));
        if is_meant(&rule.name) || rule.tags.iter().any(|tag| is_meant(tag)) {
            rule.enabled = false;
        }
    }
}

/// Whether `text` is as `pattern` says, in which `*` stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(start) else { return false };
    (0..=text.len()).any(|at| text.is_char_boundary(at) && fits(rest, &text[at..]))
}

impl Detecting {
    /// Opens the receivers and has the session's rows looked at; before the session runs.
    pub(super) fn start(
        config: &config::Detection,
        rules: Rules,
        session: &mut Session,
        log: &Log,
    ) -> Result<Detecting> {
        let Rules { program, edition } = rules;
        let folder = match &config.directory {
            Folder::At(folder) => Some(PathBuf::from(folder)),
            Folder::Off => None,
        };
        if let Some(folder) = &folder {
            let place = folder.display();
            // What waits there holds what alerts hold: arguments, paths.
            if let Err(error) = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
                log.error(format_args!("{place}: {error}; what is learned stays in memory"));
            }
        }
        let queues = folder.as_ref().map(|folder| folder.join("queues"));
        let ledger = session.ledger.clone();
        let deliveries = deliver::start(config.receivers.clone(), queues, &ledger);
        let deliveries = Arc::new(deliveries.context("detection.receivers")?);
        let learned = folder.map(|folder| folder.join("learned.json"));
        let saved = match learned.as_ref().map(fs::read_to_string) {
            Some(Ok(saved)) => Some(saved),
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => {
                log.error(format_args!("what was learned: {error}; everything is learned anew"));
                None
            }
            _ => None,
        };
        let limits = Limits { learning: config.learn_for.0, ..Limits::default() };
        let (novelty, broken) = novelty(saved.as_deref(), limits);
        if let (Some(error), Some(path)) = (broken, &learned) {
            let place = path.display();
            log.error(format_args!("{place}: {error}; everything is learned anew"));
        }
        let names: Arc<dyn Names> =
            Arc::new(Users::new(session.node.clone(), session.identity.clone(), &ledger));
        let to = deliveries.clone();
        let tell = move |alert: &Alert, lost| to.send(Arc::new(notice(alert, lost)));
        let quiet = quiet(config);
        let detection = Detection::new(program, names, novelty.into(), quiet, &ledger, tell);
        let detection = Arc::new(detection);
        session.detect(&detection);
        for status in deliveries.status() {
            if let Some(error) = status.queue_error {
                log.warn(format_args!("the queue of {} is in memory only: {error}", status.name));
            }
        }
        let (saved, failing) = (Instant::now(), Vec::new());
        Ok(Detecting { detection, deliveries, edition, learned, saved, failing })
    }

    /// Tells other receivers from now on; those that are gone may deliver until `deadline`.
    pub(super) fn tell_others(&self, config: &config::Detection, deadline: Instant) -> Result<()> {
        let changed = self.deliveries.change(config.receivers.clone(), deadline);
        changed.context("detection.receivers")
    }

    /// Asks other rules from now on; whether they are others.
    pub(super) fn ask_others(&mut self, config: &config::Detection, rules: Option<Rules>) -> bool {
        self.detection.be_quiet(quiet(config));
        let Some(Rules { program, edition }) = rules else { return false };
        self.detection.take(program);
        std::mem::replace(&mut self.edition, edition) != edition
    }

    /// How many rules are asked.
    pub(super) fn rules(&self) -> usize {
        self.detection.program().len()
    }

    /// Keeps what was learned, and says which receivers take nothing.
    pub(super) fn look_after(&mut self, log: &Log) {
        if self.saved.elapsed() >= SAVE {
            self.saved = Instant::now();
            self.save(log);
        }
        let mut failing = Vec::new();
        for status in self.deliveries.status() {
            let name = &status.name;
            let was = self.failing.contains(name);
            match (status.failing_since, was) {
                (Some(_), false) => log.warn(format_args!(
                    "alerts cannot be delivered to {name}: {}; {} wait, and it is tried again",
                    status.last_error.as_deref().unwrap_or("no answer"),
                    status.waiting
                )),
                (None, true) => log.info(format_args!("{name} takes alerts again")),
                _ => {}
            }
            if status.failing_since.is_some() {
                failing.push(status.name);
            }
        }
        self.failing = failing;
    }

    /// After the session has stopped: tells what was held back, and gives receivers until `deadline`.
    pub(super) fn finish(self, deadline: Instant, log: &Log) {
        self.detection.farewell();
        self.save(log);
        for status in self.deliveries.finish(deadline) {
            if status.waiting > 0 {
                log.warn(format_args!(
                    "{} alerts wait for {}: the next agent delivers them",
                    status.waiting, status.name
                ));
            }
        }
    }

    fn save(&self, log: &Log) {
        let Some(path) = &self.learned else { return };
        if let Err(error) = write(path, self.detection.novelty()) {
            log.error(format_args!("{}: {error}; what was learned is not kept", path.display()));
        }
    }
}

/// Whole or not at all: a crash leaves what was there before.
fn write(path: &Path, novelty: &Novelty) -> std::io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, novelty.save())?;
    fs::rename(&new, path)
}

fn quiet(config: &config::Detection) -> Quiet {
    Quiet { window: config.repeat_after.0, most: config.most_per_minute }
}

/// An alert, as receivers get it.
fn notice(alert: &Alert, lost: u64) -> Notice {
    let process = alert.process();
    let container = process.container.as_deref();
    let names = container.map(|it| &it.names);
    let pod = names.and_then(|it| it.pod.get());
    let text = |it: Option<&Arc<str>>| it.map_or(Value::Null, |it| Value::from(&**it));
    let shown = |bytes: &[u8]| schema::Text(bytes).to_string();
    let one = |key: schema::ProcessKey, comm: &str, exe: &[u8], args: &[u8]| {
        let args: Vec<String> = schema::plain::args(args).map(shown).collect();
        json!({"process": key.to_string(), "pid": key.pid, "comm": comm, "exe": shown(exe), "args": args})
    };
    let mut own = one(process.key, &process.facts.comm, &process.facts.exe, &process.facts.args);
    // A rule that looked for what was cut off did not find it.
    own["args_truncated"] = process.facts.args_truncated.into();
    let above = process.ancestors.iter().map(|it| one(it.key, &it.comm, &it.exe, &it.args));
    let tree: Vec<Value> = [own].into_iter().chain(above).collect();
    let matched =
        alert.matched.iter().map(|(check, value)| json!({"check": check, "value": value}));
    Notice {
        time: u64::try_from(alert.time()).unwrap_or(0),
        rule: alert.rule.name.as_str().into(),
        priority: alert.rule.priority,
        source: alert.rule.source.as_str().into(),
        hostname: alert.batch.node.clone(),
        output: alert.message.clone(),
        tags: alert.rule.tags.clone().into(),
        fields: alert.fields_json().into_iter().collect(),
        context: json!({
            "process": process.key.to_string(),
            "tree": tree,
            "event": alert.event,
            "event_table": alert.batch.table.name,
            "view": alert.view.name(),
            "matched": matched.collect::<Vec<_>>(),
            "mitre": alert.mitre(),
            "lost": lost,
            "repeated": alert.repeated,
            "container": container.map(|it| it.id.as_str()),
            "image": text(names.and_then(|it| it.image.get())),
            "pod": text(pod.map(|it| &it.name)),
            "namespace": text(pod.map(|it| &it.namespace)),
            "workload": text(names.and_then(|it| it.workload.get())),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("Clear*", "Clear Log") && fits("*Log*", "Clear Log") && fits("*", ""));
        assert!(!fits("Clear", "Clear Log") && !fits("*x", "Clear Log"));
    }
}
