//! `fathom rules backtest`: what rules would have found in what was seen.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use detect::novelty::{Limits, Novelty};
use detect::{Alert, Detector, Nameless, Names, Options, Program};
use export::ink::{Line, Style as Ink};
use schema::Batch;
use schema::plain::rfc3339;
use serde_json::{Value, json};

use super::super::interrupt::Interrupt;
use super::super::output;
use super::bar::Bar;
use super::files::Rules;
use super::stored::Stored;
use super::{Style, counted, say};
use crate::offline::{Ages, Capture, Lines};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Files or folders of rules, as `fathom rules check` takes them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    seen: Seen,
    /// Of what is stored, only so long until the newest row, such as `2h`
    #[arg(long, value_name = "TIME", value_parser = super::super::observe::duration, requires = "data")]
    last: Option<Duration>,
    /// How to write what was found
    #[arg(short = 'o', long = "format", value_enum, default_value = "text", value_name = "FORMAT")]
    format: Style,
}

/// Where the rows come from.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Seen {
    /// A capture, as `fathom capture` writes it
    #[arg(long, value_name = "CAPTURE")]
    capture: Option<PathBuf>,
    /// Rows as lines of JSON, as `fathom observe -o json` writes them
    #[arg(long, value_name = "ROWS")]
    rows: Option<PathBuf>,
    /// What an agent stored in this directory; nothing in it is changed
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  fathom rules backtest rules/ --capture night.fathom
  fathom rules backtest new.yaml --rows rows.jsonl -o json
  fathom rules backtest rules/ --data /var/lib/fathom --last 2h

Of a capture the processes are known as they were when it was live. Of rows they are rebuilt from the
rows of forks and execs: a process whose exec is not among them has only its name and executable.
Users but root have no name. Of a store the execs of a day before are read, too.";

/// Messages that are shown of each rule.
const SAMPLES: usize = 3;
/// Workloads that are told apart for each rule, and those that are named in text.
const PLACES: usize = 1000;
const NAMED: usize = 5;

/// What a rule found.
#[derive(Debug)]
struct Found {
    priority: &'static str,
    count: u64,
    first: i64,
    last: i64,
    /// How often at each workload.
    places: BTreeMap<String, u64>,
    samples: Vec<String>,
}

/// All rules over all rows.
struct Backtest {
    detector: Detector,
    interrupt: Interrupt,
    begun: Instant,
    rows: u64,
    /// The times of the first and the last row.
    span: Option<(i64, i64)>,
    found: BTreeMap<String, Found>,
    /// What is missing from the rows, a sentence each.
    notes: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    // Where it happened is told beside the messages.
    let options = Options { append_workload: false, ..Options::default() };
    let rules = Rules::read(&arguments.files, &options)?.sound()?;
    let program = Arc::new(rules.program);
    let interrupt = Interrupt::listen()?;
    let backtest = match &arguments.seen {
        Seen { capture: Some(path), .. } => of_capture(&program, path, interrupt)?,
        Seen { rows: Some(path), .. } => of_lines(&program, path, interrupt)?,
        Seen { data: Some(folder), .. } => of_store(&program, folder, arguments.last, interrupt)?,
        _ => unreachable!("clap asks for one of them"),
    };
    let text = match arguments.format {
        Style::Text => {
            let colour = output::looks(io::stdout().is_terminal()).colour;
            backtest.text(&program, colour)
        }
        Style::Json => format!("{}\n", backtest.json(&program)),
    };
    say(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn of_capture(
    program: &Arc<Program>,
    path: &std::path::Path,
    interrupt: Interrupt,
) -> Result<Backtest> {
    let capture = Capture::open(path)?;
    let names = Arc::new(Nameless { boot: capture.boot() });
    let mut backtest = Backtest::new(program, names, interrupt);
    let played = capture.play(|turn| backtest.take(turn))?;
    backtest.notes = played.notes();
    Ok(backtest)
}

fn of_lines(
    program: &Arc<Program>,
    path: &std::path::Path,
    interrupt: Interrupt,
) -> Result<Backtest> {
    let ages = Arc::new(Ages::default());
    let mut lines = Lines::open(path, ages.clone())?;
    let mut backtest = Backtest::new(program, ages, interrupt);
    while let Some(turn) = lines.next()? {
        backtest.take(&turn)?;
    }
    Ok(backtest)
}

fn of_store(
    program: &Arc<Program>,
    folder: &std::path::Path,
    last: Option<Duration>,
    interrupt: Interrupt,
) -> Result<Backtest> {
    let stored = Stored::open(folder, program, last, &interrupt)?;
    let ages = Arc::new(Ages::default());
    let mut backtest = Backtest::new(program, ages.clone(), interrupt.clone());
    let mut bar = Bar::new(stored.span());
    stored.play(&ages, &interrupt, |turn| {
        backtest.take(turn)?;
        bar.show(backtest.rows, backtest.span.map(|(_, last)| last));
        Ok(())
    })?;
    drop(bar);
    backtest.notes = stored.missing();
    Ok(backtest)
}

impl Backtest {
    fn new(program: &Arc<Program>, names: Arc<dyn Names>, interrupt: Interrupt) -> Backtest {
        let novelty = Arc::new(Novelty::new(Limits::default()));
        Backtest {
            detector: Detector::new(program.clone(), names, novelty),
            interrupt,
            begun: Instant::now(),
            rows: 0,
            span: None,
            found: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    /// Asks about the rows of one turn; an error where somebody does not want to wait any longer.
    fn take(&mut self, turn: &[Arc<Batch>]) -> Result<()> {
        if self.interrupt.asked() {
            anyhow::bail!("interrupted");
        }
        for batch in turn {
            self.rows += batch.len() as u64;
            for origin in &batch.origin {
                let (first, last) = self.span.unwrap_or((origin.time, origin.time));
                self.span = Some((first.min(origin.time), last.max(origin.time)));
            }
        }
        let found = &mut self.found;
        self.detector.detect(turn, |alert| match found.get_mut(&alert.rule.name) {
            Some(known) => known.add(&alert),
            None => {
                found.insert(alert.rule.name.clone(), Found::new(&alert));
            }
        });
        Ok(())
    }

    fn alerts(&self) -> u64 {
        self.found.values().map(|found| found.count).sum()
    }

    fn text(&self, program: &Program, colour: bool) -> String {
        let mut out = Vec::new();
        let mut put = |label: &str, style: Ink, text: &str| {
            let mut line = Line::default();
            if !label.is_empty() {
                line.put(Ink::Dim, format!("  {label}"));
                line.pad_to(10);
            }
            line.put(style, text);
            line.write(&mut out, colour);
        };
        // In the order of the files, as they are asked.
        let mut silent = 0;
        for listed in program.rules() {
            let Some(found) = self.found.get(&listed.rule.name) else {
                silent += 1;
                continue;
            };
            let times =
                if found.count == 1 { "once".into() } else { format!("{} times", found.count) };
            put("", Ink::Bold, &format!("{} ({}): {times}", listed.rule.name, found.priority));
            put("first", Ink::Plain, &rfc3339(found.first));
            if found.count > 1 {
                put("last", Ink::Plain, &rfc3339(found.last));
            }
            put("where", Ink::Plain, &found.places());
            for sample in &found.samples {
                put("says", Ink::Plain, &schema::Text(sample.as_bytes()).to_string());
            }
            put("", Ink::Plain, "");
        }
        put("", Ink::Plain, &self.summary(self.found.len(), silent));
        for note in &self.notes {
            put("", Ink::Yellow, note);
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    fn summary(&self, fired: usize, silent: usize) -> String {
        let span = match self.span {
            Some((first, last)) => {
                let long = Duration::from_nanos(last.saturating_sub(first).max(0) as u64);
                format!(
                    "{} from {} to {} ({})",
                    counted(self.rows as usize, "row"),
                    rfc3339(first),
                    rfc3339(last),
                    export::human::duration(long.as_nanos() as u64)
                )
            }
            None => "no rows".to_string(),
        };
        let alerts = counted(self.alerts() as usize, "alert");
        let took = export::human::duration(self.begun.elapsed().as_nanos() as u64);
        let rules = counted(fired, "rule");
        let whole = if self.notes.is_empty() { "" } else { "; not all was there:" };
        format!("{alerts} of {rules}, {silent} silent, in {span}, took {took}{whole}")
    }

    fn json(&self, program: &Program) -> Value {
        let one = |name: &str| match self.found.get(name) {
            None => json!({"rule": name, "count": 0}),
            Some(found) => json!({
                "rule": name,
                "priority": found.priority,
                "count": found.count,
                "first": rfc3339(found.first),
                "last": rfc3339(found.last),
                "workloads": found.places,
                "samples": found.samples,
            }),
        };
        json!({
            "rules": program.rules().map(|listed| one(&listed.rule.name)).collect::<Vec<_>>(),
            "alerts": self.alerts(),
            "rows": self.rows,
            "first": self.span.map(|(first, _)| rfc3339(first)),
            "last": self.span.map(|(_, last)| rfc3339(last)),
            "complete": self.notes.is_empty(),
            "missing": self.notes,
        })
    }
}

impl Found {
    fn new(alert: &Alert) -> Found {
        let mut found = Found {
            priority: alert.rule.priority.name(),
            count: 0,
            first: alert.time(),
            last: alert.time(),
            places: BTreeMap::new(),
            samples: Vec::new(),
        };
        found.add(alert);
        found
    }

    fn add(&mut self, alert: &Alert) {
        self.count += 1;
        self.first = self.first.min(alert.time());
        self.last = self.last.max(alert.time());
        let mut place = place(alert);
        if self.places.len() >= PLACES && !self.places.contains_key(&place) {
            place = "others".to_string();
        }
        *self.places.entry(place).or_default() += 1;
        if self.samples.len() < SAMPLES && !self.samples.contains(&alert.message) {
            self.samples.push(alert.message.clone());
        }
    }

    /// `prod/Deployment/web 12, host 3`, most first.
    fn places(&self) -> String {
        let mut all: Vec<(&String, &u64)> = self.places.iter().collect();
        all.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), name.as_str()));
        let mut text: Vec<String> =
            all.iter().take(NAMED).map(|(name, count)| format!("{name} {count}")).collect();
        if all.len() > NAMED {
            text.push(format!("and {} more", all.len() - NAMED));
        }
        text.join(", ")
    }
}

/// Where it happened: workload, pod, container, or the host.
fn place(alert: &Alert) -> String {
    const SHORT: usize = 12;
    let Some(container) = &alert.process().container else { return "host".to_string() };
    let names = &container.names;
    match (names.pod.get(), names.workload.get()) {
        (Some(pod), Some(workload)) => format!("{}/{workload}", pod.namespace),
        (Some(pod), None) => format!("{}/{}", pod.namespace, pod.name),
        _ => {
            let id = container.id.get(..SHORT).unwrap_or(&container.id);
            match names.image.get() {
                Some(image) => format!("container {id} ({image})"),
                None => format!("container {id}"),
            }
        }
    }
}
