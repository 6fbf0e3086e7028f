//! A profile as pprof.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use indexmap::IndexSet;
use prost::Message;

use super::message;
use crate::frame::{Frame, FrameKind, Name};
use crate::profile::{FrameId, LabelValue, LabelsId, Profile, StackId};
use crate::value::ValueKind;

/// Writes `profile`. Its sample types are `samples`, and `cpu` and `off_cpu` where it has them; what
/// was lost stands in a comment.
pub fn write(profile: &Profile, out: impl Write) -> io::Result<()> {
    let message = Writing::of(profile).message();
    let mut gzip = GzEncoder::new(out, Compression::default());
    gzip.write_all(&message.encode_to_vec())?;
    gzip.finish()?.flush()
}

/// Tables that grow while samples are written.
struct Writing<'a> {
    profile: &'a Profile,
    texts: IndexSet<Arc<str>>,
    /// Binaries: the place of each is its mapping's id less 1.
    binaries: IndexSet<Arc<str>>,
    ranges: Vec<(u64, u64)>,
    /// Name and file.
    functions: IndexSet<(i64, i64)>,
    /// An address's frames, the innermost first.
    locations: IndexSet<Box<[FrameId]>>,
}

impl<'a> Writing<'a> {
    fn of(profile: &'a Profile) -> Writing<'a> {
        let mut writing = Writing {
            profile,
            texts: IndexSet::from(["".into()]),
            binaries: IndexSet::new(),
            ranges: Vec::new(),
            functions: IndexSet::new(),
            locations: IndexSet::new(),
        };
        writing.binaries.extend(main_binary(profile));
        for binary in profile.frames().filter_map(binary_of) {
            writing.binaries.insert(binary);
        }
        writing.ranges = ranges(profile, &writing.binaries);
        writing
    }

    fn message(mut self) -> message::Profile {
        let total = self.profile.total();
        let kinds: Vec<ValueKind> = ValueKind::ALL
            .into_iter()
            .filter(|&kind| kind == ValueKind::Samples || total.get(kind) > 0)
            .collect();
        let sample_type = kinds.iter().map(|kind| self.value_type(*kind)).collect();
        let sample = self.samples(&kinds);
        let mapping = self.mappings();
        let location = self.all_locations();
        let about = &self.profile.about;
        let timed =
            if total.cpu == 0 && total.off_cpu > 0 { ValueKind::OffCpu } else { ValueKind::Cpu };
        let leading = self.profile.leading();
        let comment = match about.lost {
            0 => Vec::new(),
            lost => vec![self.text(&format!("{}{lost}", super::read::LOST))],
        };
        message::Profile {
            sample_type,
            sample,
            mapping,
            location,
            period_type: Some(self.value_type(timed)),
            default_sample_type: self.text(leading.word()),
            comment,
            function: self.all_functions(),
            time_nanos: signed(about.begin),
            duration_nanos: signed(about.duration.as_nanos().try_into().unwrap_or(u64::MAX)),
            period: signed(about.period.as_nanos().try_into().unwrap_or(u64::MAX)),
            string_table: self.texts.iter().map(ToString::to_string).collect(),
        }
    }

    fn samples(&mut self, kinds: &[ValueKind]) -> Vec<message::Sample> {
        let mut stacks: HashMap<StackId, Vec<u64>> = HashMap::new();
        let mut labels: HashMap<LabelsId, Vec<message::Label>> = HashMap::new();
        let profile = self.profile;
        let written = profile.samples().map(|sample| {
            let locations = stacks.entry(sample.stack);
            let labels = labels.entry(sample.labels);
            message::Sample {
                location_id: locations.or_insert_with(|| self.locations(sample.stack)).clone(),
                value: kinds.iter().map(|&kind| signed(sample.values.get(kind))).collect(),
                label: labels.or_insert_with(|| self.labels(sample.labels)).clone(),
            }
        });
        written.collect()
    }

    /// The locations of a stack, the leaf first: functions that were inlined go with their caller.
    fn locations(&mut self, stack: StackId) -> Vec<u64> {
        let groups = self.profile.locations(stack).into_iter();
        groups.map(|group| self.locations.insert_full(group.into()).0 as u64 + 1).collect()
    }

    fn labels(&mut self, id: LabelsId) -> Vec<message::Label> {
        let profile = self.profile;
        let written = profile.get_labels(id).iter().map(|label| {
            let key = self.text(&label.key);
            match &label.value {
                LabelValue::Text(text) => message::Label { key, text: self.text(text), number: 0 },
                LabelValue::Number(number) => message::Label { key, text: 0, number: *number },
            }
        });
        written.collect()
    }

    fn mappings(&mut self) -> Vec<message::Mapping> {
        let binaries: Vec<Arc<str>> = self.binaries.iter().cloned().collect();
        let mut mappings = Vec::new();
        for (at, binary) in binaries.iter().enumerate() {
            let known = self.profile.mappings().get(binary).cloned().unwrap_or_default();
            let path = known.path.as_ref().unwrap_or(binary);
            let (start, limit) = self.ranges[at];
            mappings.push(message::Mapping {
                id: at as u64 + 1,
                memory_start: start,
                memory_limit: limit,
                filename: self.text(path),
                build_id: known.build_id.map_or(0, |build_id| self.text(&build_id)),
                // What is here is all there is: nobody has to look for more.
                has_functions: true,
                has_filenames: true,
                has_line_numbers: true,
                has_inline_frames: true,
            });
        }
        mappings
    }

    fn all_locations(&mut self) -> Vec<message::Location> {
        let groups: Vec<Box<[FrameId]>> = self.locations.iter().cloned().collect();
        let mut locations = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            let frames = group.iter().map(|&id| self.profile.get_frame(id));
            let line = frames.map(|frame| self.line(frame)).collect();
            let outermost = self.profile.get_frame(group[group.len() - 1]);
            let mapping = binary_of(outermost).and_then(|name| self.binaries.get_index_of(&name));
            locations.push(message::Location {
                id: at as u64 + 1,
                mapping_id: mapping.map_or(0, |place| place as u64 + 1),
                address: outermost.address,
                line,
            });
        }
        locations
    }

    fn line(&mut self, frame: &Frame) -> message::Line {
        // What is unknown in a binary is one function, whose addresses are those of its locations.
        let name = self.text(&Name::of(frame).function);
        let file = frame.file.as_ref().map_or(0, |file| self.text(file));
        let function_id = self.functions.insert_full((name, file)).0 as u64 + 1;
        message::Line { function_id, line: frame.line.map_or(0, i64::from) }
    }

    fn all_functions(&self) -> Vec<message::Function> {
        // Without a name of the system's beside it Go's tool takes a name as it is, and does not cut
        // its template and arguments off.
        let numbered = self.functions.iter().zip(1..);
        numbered
            .map(|(&(name, filename), id)| message::Function { id, name, system_name: 0, filename })
            .collect()
    }

    fn value_type(&mut self, kind: ValueKind) -> message::ValueType {
        message::ValueType { kind: self.text(kind.word()), unit: self.text(kind.unit()) }
    }

    fn text(&mut self, text: &str) -> i64 {
        if let Some(at) = self.texts.get_index_of(text) {
            return at as i64;
        }
        self.texts.insert_full(text.into()).0 as i64
    }
}

/// What a frame is mapped from; compiled code without a file is kept apart from what has none.
fn binary_of(frame: &Frame) -> Option<Arc<str>> {
    let jit = || (frame.kind == FrameKind::Jit).then(|| super::read::JIT.into());
    frame.binary.clone().or_else(jit)
}

/// The first mapping is what pprof calls the profile by: the binary that is seen in the most
/// samples, leaving libraries and the kernel out.
fn main_binary(profile: &Profile) -> Option<Arc<str>> {
    let mut seen: BTreeMap<&Arc<str>, u64> = BTreeMap::new();
    for sample in profile.samples() {
        let mut last = None;
        for id in profile.walk(sample.stack) {
            let Some(binary) = &profile.get_frame(id).binary else { continue };
            if last != Some(binary) && !binary.starts_with('[') && !binary.contains(".so") {
                *seen.entry(binary).or_default() += sample.values.samples;
                last = Some(binary);
            }
        }
    }
    let heaviest = seen.into_iter().max_by_key(|&(_, samples)| samples);
    heaviest.map(|(binary, _)| binary.clone())
}

/// From where to where the addresses of each binary go: a file's from 0, the kernel's from its
/// first page.
fn ranges(profile: &Profile, binaries: &IndexSet<Arc<str>>) -> Vec<(u64, u64)> {
    const PAGE: u64 = 4096;
    let mut ranges = vec![(u64::MAX, 0u64); binaries.len()];
    for frame in profile.frames().filter(|frame| frame.address > 0) {
        let place = binary_of(frame).and_then(|binary| binaries.get_index_of(&binary));
        if let Some(place) = place {
            let (low, high) = ranges[place];
            ranges[place] = (low.min(frame.address), high.max(frame.address));
        }
    }
    let whole = |(low, high): (u64, u64)| {
        let start = if low < 1 << 63 { 0 } else { low - low % PAGE };
        let limit = (high - high % PAGE).saturating_add(PAGE);
        if low == u64::MAX { (0, PAGE) } else { (start, limit) }
    };
    ranges.into_iter().map(whole).collect()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
