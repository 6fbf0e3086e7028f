//! pprof as a profile, from whoever wrote it: bounded, and checked before it is believed.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use prost::Message;

use super::message;
use crate::frame::{Frame, FrameKind, UNKNOWN, base_name};
use crate::profile::{About, FrameId, LabelValue, LabelsId, Mapping, Profile};
use crate::value::Values;

/// How much is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, after they are decompressed.
    pub bytes: u64,
    /// Messages within them: samples, locations, labels, texts …
    pub messages: usize,
    /// Frames of a stack; of a deeper one those next to the root are replaced by `[truncated]`.
    pub deepest: usize,
    /// Frames of all samples together.
    pub frames: usize,
    /// Different calls: stacks that begin alike share theirs.
    pub calls: usize,
}

/// Why a profile could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It could not be read, or it is not what gzip writes.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
    /// It has more than a limit allows.
    #[error("it has more than {limit} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
    /// It is not a pprof message.
    #[error("it is not a pprof message: {0}")]
    Broken(#[from] prost::DecodeError),
    /// Something is named that is not there.
    #[error("it names {what} {number}, which it does not have")]
    Dangling {
        /// What kind of thing.
        what: &'static str,
        /// Its number.
        number: i64,
    },
    /// A sample has another number of values than the profile has sample types.
    #[error("a sample has {found} values, and there are {expected} sample types")]
    Values {
        /// How many a sample has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// A value is below zero, as in the difference of two profiles.
    #[error("a sample has a value below zero: it is a difference, not a profile")]
    Negative,
    /// None of its values is a count or a time.
    #[error("none of its values is a count or a time: {found}")]
    NothingKnown {
        /// Those that it has.
        found: String,
    },
}

impl Default for Limits {
    /// 256 MiB, 16 million messages, stacks of 4,096 frames, 200 million frames, 32 million calls:
    /// about 2 GiB of memory at the worst.
    fn default() -> Limits {
        Limits {
            bytes: 256 << 20,
            messages: 16 << 20,
            deepest: 4096,
            frames: 200_000_000,
            calls: 32 << 20,
        }
    }
}

/// What a comment on lost samples begins with.
pub(super) const LOST: &str = "fathom: lost samples: ";
/// What compiled code without a file is mapped from.
pub(super) const JIT: &str = "[jit]";

/// Reads a profile, with gzip or without.
///
/// # Errors
/// It is broken, contradicts itself, has nothing that we count, or is beyond `limits`.
pub fn read(mut from: impl Read, limits: &Limits) -> Result<Profile, Problem> {
    let mut magic = Vec::new();
    from.by_ref().take(2).read_to_end(&mut magic)?;
    let zipped = magic == [0x1f, 0x8b];
    let from = magic.as_slice().chain(from);
    let mut bytes = Vec::new();
    let most = limits.bytes.saturating_add(1);
    if zipped {
        MultiGzDecoder::new(from).take(most).read_to_end(&mut bytes)?;
    } else {
        from.take(most).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > limits.bytes {
        return Err(Problem::TooMuch { what: "bytes", limit: limits.bytes });
    }
    // A message of two bytes becomes a hundred in memory: they are counted before they are made.
    let mut left = limits.messages;
    if count(&bytes, 2, &mut left).is_none() && left == 0 {
        return Err(Problem::TooMuch { what: "messages", limit: limits.messages as u64 });
    }
    let message = message::Profile::decode(bytes.as_slice())?;
    drop(bytes);
    Reading::of(&message)?.profile(limits)
}

/// Takes the messages within `bytes`, to the given depth, from `left`. None where they are broken,
/// which is for others to say, or where `left` is 0.
fn count(mut bytes: &[u8], depth: usize, left: &mut usize) -> Option<()> {
    /// Fields that repeat and are messages or texts: all but numbers.
    const SAMPLE: u64 = 2;
    const LOCATION: u64 = 4;
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let length = match key & 7 {
            0 => {
                varint(&mut bytes)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (inner, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        if key & 7 == 2 {
            *left = left.checked_sub(1)?;
            if depth == 2 && matches!(key >> 3, SAMPLE | LOCATION) {
                count(inner, depth - 1, left)?;
            }
        }
    }
    Some(())
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for at in 0..10 {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// How a value of the file counts.
#[derive(Clone, Copy)]
enum Counted {
    Samples,
    Cpu(u64),
    OffCpu(u64),
    Not,
}

/// A decoded message with its tables by id.
struct Reading<'a> {
    message: &'a message::Profile,
    mappings: HashMap<u64, &'a message::Mapping>,
    locations: HashMap<u64, &'a message::Location>,
    functions: HashMap<u64, &'a message::Function>,
    counted: Vec<Counted>,
}

impl<'a> Reading<'a> {
    fn of(message: &'a message::Profile) -> Result<Reading<'a>, Problem> {
        let mut reading = Reading {
            message,
            mappings: message.mapping.iter().map(|mapping| (mapping.id, mapping)).collect(),
            locations: message.location.iter().map(|location| (location.id, location)).collect(),
            functions: message.function.iter().map(|function| (function.id, function)).collect(),
            counted: Vec::new(),
        };
        reading.counted = reading.counted()?;
        Ok(reading)
    }

    fn profile(&self, limits: &Limits) -> Result<Profile, Problem> {
        let mut profile = Profile::new(self.about()?);
        self.say_mappings(&mut profile)?;
        let mut locations: HashMap<u64, Vec<FrameId>> = HashMap::new();
        let mut left = limits.frames;
        for sample in &self.message.sample {
            let mut frames: Vec<FrameId> = Vec::new();
            let mut truncated = false;
            for id in &sample.location_id {
                if frames.len() >= limits.deepest {
                    truncated = true;
                    break;
                }
                if !locations.contains_key(id) {
                    locations.insert(*id, self.frames(*id, limits.deepest, &mut profile)?);
                }
                frames.extend(&locations[id]);
            }
            truncated |= frames.len() > limits.deepest;
            frames.truncate(limits.deepest);
            left = left
                .checked_sub(frames.len())
                .ok_or(Problem::TooMuch { what: "frames", limit: limits.frames as u64 })?;
            if truncated {
                frames.push(profile.frame(Frame {
                    function: "[truncated]".into(),
                    kind: FrameKind::Note,
                    ..Frame::default()
                }));
            }
            let stack = profile.stack(frames.into_iter().rev());
            if profile.calls() > limits.calls {
                return Err(Problem::TooMuch { what: "calls", limit: limits.calls as u64 });
            }
            let labels = self.labels(sample, &mut profile)?;
            profile.add(stack, labels, self.values(sample)?);
        }
        Ok(profile)
    }

    fn about(&self) -> Result<About, Problem> {
        let mut lost = 0;
        for &comment in &self.message.comment {
            let number = self.text(comment)?.strip_prefix(LOST).and_then(|text| text.parse().ok());
            lost = number.unwrap_or(lost);
        }
        let positive = |number: i64| u64::try_from(number).unwrap_or(0);
        let timed = match self.message.period_type {
            Some(kind) => time_unit(self.text(kind.unit)?),
            None => None,
        };
        let period = positive(self.message.period).saturating_mul(timed.unwrap_or(0));
        Ok(About {
            begin: positive(self.message.time_nanos),
            duration: Duration::from_nanos(positive(self.message.duration_nanos)),
            period: Duration::from_nanos(period),
            lost,
        })
    }

    fn say_mappings(&self, profile: &mut Profile) -> Result<(), Problem> {
        for mapping in &self.message.mapping {
            let path = self.text(mapping.filename)?;
            let build_id = self.text(mapping.build_id)?;
            if path.is_empty() || (base_name(path) == path && build_id.is_empty()) {
                continue;
            }
            let known = |text: &str| (!text.is_empty()).then(|| text.into());
            let path_known = known(path).filter(|_| base_name(path) != path);
            let said = Mapping { path: path_known, build_id: known(build_id) };
            profile.map(base_name(path), said);
        }
        Ok(())
    }

    /// The frames of a location, the innermost first.
    fn frames(
        &self,
        id: u64,
        deepest: usize,
        profile: &mut Profile,
    ) -> Result<Vec<FrameId>, Problem> {
        let location = self.locations.get(&id).ok_or(dangling("location", id))?;
        let binary: Option<Arc<str>> = match location.mapping_id {
            0 => None,
            id => {
                let mapping = self.mappings.get(&id).ok_or(dangling("mapping", id))?;
                let name = base_name(self.text(mapping.filename)?);
                (!name.is_empty()).then(|| name.into())
            }
        };
        if location.line.is_empty() {
            let function = unknown(binary.as_deref(), location.address);
            return Ok(vec![profile.frame(Frame {
                function: function.into(),
                binary,
                address: location.address,
                kind: FrameKind::Unknown,
                ..Frame::default()
            })]);
        }
        let mut frames = Vec::new();
        // One more than is kept, so that it is seen that some were not.
        for (at, line) in location.line.iter().take(deepest + 1).enumerate() {
            let id = line.function_id;
            let function = self.functions.get(&id).ok_or(dangling("function", id))?;
            let name = match self.text(function.name)? {
                "" => self.text(function.system_name)?,
                name => name,
            };
            let name = if name.is_empty() { "[unknown]" } else { name };
            let file = self.text(function.filename)?;
            let kind = kind(name, binary.as_deref(), file);
            let function = match kind {
                FrameKind::Unknown => unknown(binary.as_deref(), location.address),
                _ => name.into(),
            };
            frames.push(profile.frame(Frame {
                function: function.into(),
                binary: binary.clone().filter(|binary| &**binary != JIT),
                file: (!file.is_empty()).then(|| file.into()),
                line: u32::try_from(line.line).ok().filter(|&line| line > 0),
                address: location.address,
                kind,
                inlined: at + 1 < location.line.len(),
            }));
        }
        Ok(frames)
    }

    fn labels(&self, sample: &message::Sample, profile: &mut Profile) -> Result<LabelsId, Problem> {
        let mut labels = Vec::new();
        for label in &sample.label {
            let value = match label.text {
                0 => LabelValue::Number(label.number),
                text => LabelValue::from(self.text(text)?),
            };
            labels.push((self.text(label.key)?, value));
        }
        Ok(profile.labels(labels))
    }

    fn values(&self, sample: &message::Sample) -> Result<Values, Problem> {
        let (found, expected) = (sample.value.len(), self.counted.len());
        if found != expected {
            return Err(Problem::Values { found, expected });
        }
        let mut values = Values::default();
        for (counted, &value) in self.counted.iter().zip(&sample.value) {
            let value = u64::try_from(value).map_err(|_| Problem::Negative)?;
            match *counted {
                Counted::Samples => values.samples = value,
                Counted::Cpu(unit) => values.cpu = value.saturating_mul(unit),
                Counted::OffCpu(unit) => values.off_cpu = value.saturating_mul(unit),
                Counted::Not => {}
            }
        }
        Ok(values)
    }

    /// How each sample type counts: the first count, the first time on and the first off the CPU.
    fn counted(&self) -> Result<Vec<Counted>, Problem> {
        let mut taken = [false; 3];
        let mut counted = Vec::new();
        let mut found = Vec::new();
        for kind in &self.message.sample_type {
            let (name, unit) = (self.text(kind.kind)?, self.text(kind.unit)?);
            let waits = ["off", "delay", "wait", "block"].iter().any(|word| name.contains(word));
            let (place, how) = match (unit, time_unit(unit)) {
                ("count", _) => (0, Counted::Samples),
                (_, Some(size)) if waits => (2, Counted::OffCpu(size)),
                (_, Some(size)) => (1, Counted::Cpu(size)),
                _ => {
                    found.push(format!("{name}/{unit}"));
                    counted.push(Counted::Not);
                    continue;
                }
            };
            counted.push(if taken[place] { Counted::Not } else { how });
            taken[place] = true;
        }
        if taken == [false; 3] {
            return Err(Problem::NothingKnown { found: found.join(", ") });
        }
        Ok(counted)
    }

    fn text(&self, number: i64) -> Result<&'a str, Problem> {
        let text = usize::try_from(number).ok().and_then(|at| self.message.string_table.get(at));
        // No texts at all is the same as the empty one that every table begins with.
        match text {
            None if number == 0 => Ok(""),
            text => text.map(String::as_str).ok_or(Problem::Dangling { what: "text", number }),
        }
    }
}

fn dangling(what: &'static str, id: u64) -> Problem {
    Problem::Dangling { what, number: id as i64 }
}

/// Nanoseconds in a unit of time.
fn time_unit(unit: &str) -> Option<u64> {
    match unit {
        "nanoseconds" => Some(1),
        "microseconds" => Some(1_000),
        "milliseconds" => Some(1_000_000),
        "seconds" => Some(1_000_000_000),
        _ => None,
    }
}

/// What an address without a name is called.
fn unknown(binary: Option<&str>, address: u64) -> String {
    match binary {
        Some(binary) => format!("{binary}+{address:#x}"),
        None => "[unknown]".into(),
    }
}

/// What runs a function, as far as its binary and file tell.
fn kind(function: &str, binary: Option<&str>, file: &str) -> FrameKind {
    let bracketed = |text: &str| text.starts_with('[') && text.ends_with(']');
    if function == "[unknown]" || is_place(function, binary) {
        return FrameKind::Unknown;
    }
    match binary {
        Some(JIT) => FrameKind::Jit,
        Some("[vdso]" | "[vsyscall]") => FrameKind::Native,
        Some(binary) if bracketed(binary) => FrameKind::Kernel,
        None if file.is_empty() && bracketed(function) => FrameKind::Note,
        _ if file.ends_with(".py") => FrameKind::Python,
        _ if file.ends_with(".go") => FrameKind::Go,
        _ => FrameKind::Native,
    }
}

/// Whether `function` is `binary+0x1234` or `binary [unknown]`.
fn is_place(function: &str, binary: Option<&str>) -> bool {
    let rest = binary.and_then(|binary| function.strip_prefix(binary));
    rest.is_some_and(|rest| rest.starts_with("+0x") || rest == UNKNOWN)
}
