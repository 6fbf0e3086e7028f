//! Rows of samples, stacks and frames back to one profile, as files and pictures want it.

use std::collections::HashMap;
use std::sync::Arc;

use flame::{Frame, FrameKind, LabelValue, Mapping, Profile, Values};
use schema::{Batch, Container, Event, Row, Text, Value};
use signal_profile as told;

/// A profile that grows with the rows that come.
pub struct Gathered {
    /// What was gathered by now.
    pub profile: Profile,
    /// With the hour in which each was told last.
    frames: HashMap<u64, (i64, Frame)>,
    /// The frames of each stack, the innermost first.
    stacks: HashMap<u64, (i64, Vec<u64>)>,
    /// The latest.
    hour: i64,
    /// Samples whose stack is still to come: a turn brings its rows by table.
    early: Vec<Sample>,
}

struct Sample {
    stack: u64,
    labels: Vec<(&'static str, LabelValue)>,
    values: Values,
    /// What was waited for.
    note: Option<Arc<str>>,
}

const HOUR: i64 = 3_600_000_000_000;

impl Gathered {
    /// Nothing yet.
    pub fn new(about: flame::About) -> Gathered {
        let (frames, stacks) = (HashMap::new(), HashMap::new());
        Gathered { profile: Profile::new(about), frames, stacks, hour: 0, early: Vec::new() }
    }

    /// Begins another profile; stacks and frames that were told within the hour stay known, since they
    /// are not told again before.
    pub fn begin_anew(&mut self, about: flame::About) {
        self.profile = Profile::new(about);
        let last = self.hour - 1;
        self.frames.retain(|_, (hour, _)| *hour >= last);
        self.stacks.retain(|_, (hour, _)| *hour >= last);
    }

    /// Takes rows of any of the three tables; others say nothing here.
    pub fn add(&mut self, batch: &Batch) {
        for row in batch.rows() {
            match batch.table.name {
                name if name == told::Frame::TABLE.name => self.frame(row),
                name if name == told::Stack::TABLE.name => self.stack(row),
                name if name == told::ProfileSample::TABLE.name => self.early.push(sample(row)),
                _ => {}
            }
        }
    }

    /// Puts the samples into the profile whose stacks have come. Those of others go in without one,
    /// where they are the `last`.
    pub fn settle(&mut self, last: bool) {
        for sample in std::mem::take(&mut self.early) {
            if !last && !self.stacks.contains_key(&sample.stack) {
                self.early.push(sample);
                continue;
            }
            let frames = self.stacks.get(&sample.stack).map(|it| &*it.1).unwrap_or_default();
            let mut stack = flame::StackId::default();
            for number in frames.iter().rev() {
                let frame = self.frames.get(number).map(|it| it.1.clone()).unwrap_or_default();
                let frame = self.profile.frame(frame);
                stack = self.profile.call(stack, frame);
            }
            if let Some(note) = sample.note {
                let frame = Frame { function: note, kind: FrameKind::Note, ..Frame::default() };
                let frame = self.profile.frame(frame);
                stack = self.profile.call(stack, frame);
            }
            let labels = self.profile.labels(sample.labels);
            self.profile.add(stack, labels, sample.values);
        }
    }

    fn frame(&mut self, row: Row<'_>) {
        let Some(number) = number(row, "frame") else { return };
        let binary = text(row, "binary");
        if let Some(binary) = &binary {
            let build_id = text(row, "build_id");
            self.profile.map(binary, Mapping { path: None, build_id });
        }
        let frame = Frame {
            function: text(row, "function").unwrap_or_else(|| "[unknown]".into()),
            binary,
            file: text(row, "file"),
            line: self::number(row, "line").and_then(|line| u32::try_from(line).ok()),
            address: self::number(row, "address").unwrap_or(0),
            kind: kind(text(row, "kind").as_deref()),
            inlined: cell(row, "inlined") == Value::Bool(true),
        };
        // The profile has most of its texts already.
        let known = self.profile.frame(frame);
        let frame = self.profile.get_frame(known).clone();
        let hour = self.hour(row);
        self.frames.insert(number, (hour, frame));
    }

    fn hour(&mut self, row: Row<'_>) -> i64 {
        self.hour = self.hour.max(row.batch.origin[row.index].time / HOUR);
        self.hour
    }

    fn stack(&mut self, row: Row<'_>) {
        let numbers = [number(row, "stack"), number(row, "depth"), number(row, "frame")];
        let [Some(stack), Some(depth), Some(frame)] = numbers else { return };
        let hour = self.hour(row);
        let (told, frames) = self.stacks.entry(stack).or_default();
        *told = hour;
        // Told once more, each hour: from its innermost frame on.
        if depth == 0 {
            frames.clear();
        }
        frames.push(frame);
    }
}

fn sample(row: Row<'_>) -> Sample {
    let weight = number(row, "weight").unwrap_or(0);
    let reason = text(row, "reason");
    let values = match reason {
        None => Values::cpu(1, weight),
        Some(_) => Values::off_cpu(1, weight),
    };
    let note = reason.as_ref().map(|reason| match cell(row, "peer_ip") {
        Value::Ip(ip) => {
            let port = number(row, "peer_port").unwrap_or(0);
            format!("[waits: {reason} {}]", std::net::SocketAddr::new(ip, port as u16)).into()
        }
        _ => format!("[waits: {reason}]").into(),
    });
    Sample { stack: number(row, "stack").unwrap_or(0), labels: labels(row, reason), values, note }
}

/// Who it was.
fn labels(row: Row<'_>, reason: Option<Arc<str>>) -> Vec<(&'static str, LabelValue)> {
    let origin = &row.batch.origin[row.index];
    let process = &row.batch.process[row.index];
    let end = origin.comm.iter().position(|&byte| byte == 0).unwrap_or(origin.comm.len());
    let thread = LabelValue::Text(Text(&origin.comm[..end]).to_string().into());
    // Threads call themselves as they like; the process is called as its leader is.
    let leader = match process.facts.comm.is_empty() {
        true => thread.clone(),
        false => LabelValue::Text(Text(process.facts.comm.as_bytes()).to_string().into()),
    };
    let mut labels = vec![
        ("comm", leader),
        ("thread", thread),
        ("pid", LabelValue::Number(origin.process.pid.into())),
        ("thread_id", LabelValue::Number(origin.tid.into())),
    ];
    labels.extend(process.container.iter().flat_map(|it| places(it)));
    labels.extend(reason.map(|reason| ("reason", LabelValue::Text(reason))));
    labels
}

/// Where it ran.
fn places(container: &Container) -> Vec<(&'static str, LabelValue)> {
    let mut labels = vec![("container", LabelValue::Text(container.id.as_str().into()))];
    if let Some(pod) = container.names.pod.get() {
        labels.push(("pod", LabelValue::Text(pod.name.as_ref().into())));
        labels.push(("namespace", LabelValue::Text(pod.namespace.as_ref().into())));
    }
    let workload = container.names.workload.get();
    labels.extend(workload.map(|it| ("workload", LabelValue::Text(it.as_ref().into()))));
    labels
}

fn kind(word: Option<&str>) -> FrameKind {
    word.and_then(FrameKind::from_word).unwrap_or(FrameKind::Unknown)
}

fn number(row: Row<'_>, name: &str) -> Option<u64> {
    match cell(row, name) {
        Value::Uint(number) => Some(number),
        _ => None,
    }
}

fn text(row: Row<'_>, name: &str) -> Option<Arc<str>> {
    match cell(row, name) {
        Value::Text(text) => Some(Text(text).to_string().into()),
        _ => None,
    }
}

fn cell<'a>(row: Row<'a>, name: &str) -> Value<'a> {
    let field = row.batch.table.field(name);
    field.map_or(Value::Null, |field| row.batch.columns[field].value(row.index))
}
