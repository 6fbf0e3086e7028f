//! A profile as an OTLP request.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use indexmap::IndexSet;
use prost::Message;

use super::message::{self, AnyValue, Value};
use crate::frame::{Frame, FrameKind};
use crate::profile::{FrameId, Label, LabelValue, LabelsId, Profile, StackId};
use crate::value::ValueKind;

/// Who sends, and from where.
#[derive(Debug, Clone, Default)]
pub struct Sender {
    /// The version of this program.
    pub version: String,
    /// Attributes of every resource, such as `host.name` and `k8s.node.name`.
    pub attributes: Vec<(String, String)>,
}

/// Labels that say what is watched, and OpenTelemetry's names for them.
const OF_RESOURCES: [(&str, &str); 5] = [
    ("namespace", "k8s.namespace.name"),
    ("pod", "k8s.pod.name"),
    ("container", "k8s.container.name"),
    ("container_id", "container.id"),
    ("node", "k8s.node.name"),
];

/// Labels that samples keep, and OpenTelemetry's names for them; others get `fathom.` before theirs.
const OF_SAMPLES: [(&str, &str); 4] = [
    ("comm", "process.executable.name"),
    ("pid", "process.pid"),
    ("thread_id", "thread.id"),
    ("thread", "thread.name"),
];

/// The bytes of a request with all of `profile`.
pub fn request(profile: &Profile, sender: &Sender) -> Vec<u8> {
    let mut dictionary = Dictionary::new(profile);
    let mut resources: BTreeMap<Vec<&Label>, Vec<usize>> = BTreeMap::new();
    let samples: Vec<_> = profile.samples().collect();
    for (at, sample) in samples.iter().enumerate() {
        let labels = profile.get_labels(sample.labels).iter();
        let of_resource = labels.filter(|label| name_in(&OF_RESOURCES, &label.key).is_some());
        resources.entry(of_resource.collect()).or_default().push(at);
    }
    let resource_profiles = resources
        .into_iter()
        .map(|(labels, members)| {
            let profiles = ValueKind::ALL.into_iter().filter_map(|kind| {
                let chosen = members.iter().map(|&at| &samples[at]);
                let written: Vec<message::Sample> = chosen
                    .filter(|sample| sample.values.get(kind) > 0)
                    .map(|sample| message::Sample {
                        stack: dictionary.stack(sample.stack),
                        attributes: dictionary.sample_attributes(sample.labels),
                        link: 0,
                        values: vec![signed(sample.values.get(kind))],
                    })
                    .collect();
                (!written.is_empty()).then(|| dictionary.profile(kind, written))
            });
            let profiles = profiles.collect();
            let scope = message::Scope { name: "fathom".into(), version: sender.version.clone() };
            message::ResourceProfiles {
                resource: Some(resource(sender, &labels)),
                scope_profiles: vec![message::ScopeProfiles { scope: Some(scope), profiles }],
            }
        })
        .collect();
    let dictionary = Some(dictionary.message());
    message::Request { resource_profiles, dictionary }.encode_to_vec()
}

fn resource(sender: &Sender, labels: &[&Label]) -> message::Resource {
    let said = sender.attributes.iter().map(|(key, text)| (key.clone(), Value::Text(text.clone())));
    let labels = labels.iter().filter_map(|label| {
        Some((name_in(&OF_RESOURCES, &label.key)?.into(), value(&label.value)))
    });
    let mut attributes: Vec<message::KeyValue> = Vec::new();
    for (key, value) in said.chain(labels) {
        // A key may stand there once only.
        attributes.retain(|known| known.key != key);
        let value = Some(AnyValue { value: Some(value) });
        attributes.push(message::KeyValue { key, value });
    }
    message::Resource { attributes }
}

/// Interned things of one table, of which the first is nothing.
struct Table<T>(IndexSet<T>);

/// What all profiles of the request share.
struct Dictionary<'a> {
    profile: &'a Profile,
    texts: Table<String>,
    attributes: Table<message::Attribute>,
    mappings: Table<message::Mapping>,
    functions: Table<message::Function>,
    locations: Table<message::Location>,
    stacks: Table<message::Stack>,
    known_stacks: HashMap<StackId, i32>,
    known_labels: HashMap<LabelsId, Vec<i32>>,
}

impl<T: Hash + Eq + Default> Table<T> {
    fn new() -> Table<T> {
        Table(IndexSet::from([T::default()]))
    }

    fn id(&mut self, thing: T) -> i32 {
        self.0.insert_full(thing).0 as i32
    }

    fn list(self) -> Vec<T> {
        self.0.into_iter().collect()
    }
}

impl<'a> Dictionary<'a> {
    fn new(profile: &'a Profile) -> Dictionary<'a> {
        Dictionary {
            profile,
            texts: Table::new(),
            attributes: Table::new(),
            mappings: Table::new(),
            functions: Table::new(),
            locations: Table::new(),
            stacks: Table::new(),
            known_stacks: HashMap::new(),
            known_labels: HashMap::new(),
        }
    }

    fn profile(&mut self, kind: ValueKind, samples: Vec<message::Sample>) -> message::Profile {
        let about = &self.profile.about;
        let period = signed(about.period.as_nanos().try_into().unwrap_or(u64::MAX));
        // Sampling is by CPU time; what is off the CPU is not sampled by a period.
        let sampled = kind != ValueKind::OffCpu && period > 0;
        message::Profile {
            sample_type: Some(self.value_type(kind)),
            samples,
            time_unix_nano: about.begin,
            duration_nano: about.duration.as_nanos().try_into().unwrap_or(u64::MAX),
            period_type: sampled.then(|| self.value_type(ValueKind::Cpu)),
            period: if sampled { period } else { 0 },
        }
    }

    fn stack(&mut self, stack: StackId) -> i32 {
        if let Some(&known) = self.known_stacks.get(&stack) {
            return known;
        }
        let groups = self.profile.locations(stack);
        let locations = groups.iter().map(|group| self.location(group)).collect();
        let id = self.stacks.id(message::Stack { locations });
        self.known_stacks.insert(stack, id);
        id
    }

    fn location(&mut self, group: &[FrameId]) -> i32 {
        let profile = self.profile;
        let outermost = profile.get_frame(group[group.len() - 1]);
        // An address that we have no name for goes without one: a collector that has the file's
        // symbols finds it by its build id.
        let named = |id: &&FrameId| profile.get_frame(**id).kind != FrameKind::Unknown;
        let lines = group.iter().filter(named);
        let lines = lines.map(|&id| self.line(profile.get_frame(id))).collect();
        let kind = frame_type(outermost);
        let attributes = kind.map(|kind| self.attribute("profile.frame.type", text(kind)));
        let location = message::Location {
            mapping: self.mapping(outermost),
            address: outermost.address,
            lines,
            attributes: attributes.into_iter().collect(),
        };
        self.locations.id(location)
    }

    fn line(&mut self, frame: &Frame) -> message::Line {
        let function = message::Function {
            name: self.text(&frame.function),
            system_name: 0,
            filename: frame.file.as_ref().map_or(0, |file| self.text(file)),
        };
        let function = self.functions.id(function);
        message::Line { function, line: frame.line.map_or(0, i64::from) }
    }

    fn mapping(&mut self, frame: &Frame) -> i32 {
        let Some(binary) = &frame.binary else { return 0 };
        let known = self.profile.mappings().get(binary).cloned().unwrap_or_default();
        let build_id = known
            .build_id
            .map(|build_id| self.attribute("process.executable.build_id.gnu", text(&build_id)));
        let mapping = message::Mapping {
            filename: self.text(known.path.as_ref().unwrap_or(binary)),
            attributes: build_id.into_iter().collect(),
            ..message::Mapping::default()
        };
        self.mappings.id(mapping)
    }

    fn sample_attributes(&mut self, labels: LabelsId) -> Vec<i32> {
        if let Some(known) = self.known_labels.get(&labels) {
            return known.clone();
        }
        let profile = self.profile;
        let kept = profile.get_labels(labels).iter();
        let kept = kept.filter(|label| name_in(&OF_RESOURCES, &label.key).is_none());
        let attributes: Vec<i32> = kept
            .map(|label| match name_in(&OF_SAMPLES, &label.key) {
                Some(name) => self.attribute(name, value(&label.value)),
                None => self.attribute(&format!("fathom.{}", label.key), value(&label.value)),
            })
            .collect();
        self.known_labels.insert(labels, attributes.clone());
        attributes
    }

    fn attribute(&mut self, key: &str, value: Value) -> i32 {
        let value = Some(AnyValue { value: Some(value) });
        let attribute = message::Attribute { key: self.text(key), value, unit: 0 };
        self.attributes.id(attribute)
    }

    fn value_type(&mut self, kind: ValueKind) -> message::ValueType {
        message::ValueType { kind: self.text(kind.word()), unit: self.text(kind.unit()) }
    }

    fn text(&mut self, text: &str) -> i32 {
        match self.texts.0.get_index_of(text) {
            Some(at) => at as i32,
            None => self.texts.id(text.into()),
        }
    }

    fn message(self) -> message::Dictionary {
        message::Dictionary {
            mapping_table: self.mappings.list(),
            location_table: self.locations.list(),
            function_table: self.functions.list(),
            link_table: vec![message::Link::default()],
            string_table: self.texts.list(),
            attribute_table: self.attributes.list(),
            stack_table: self.stacks.list(),
        }
    }
}

fn name_in(names: &[(&str, &'static str)], key: &str) -> Option<&'static str> {
    names.iter().find(|(ours, _)| *ours == key).map(|&(_, theirs)| theirs)
}

/// OpenTelemetry's word for what runs a frame; none where it is not known which runtime it is.
fn frame_type(frame: &Frame) -> Option<&'static str> {
    match frame.kind {
        FrameKind::Native | FrameKind::Unknown => Some("native"),
        FrameKind::Go => Some("go"),
        FrameKind::Kernel => Some("kernel"),
        FrameKind::Python => Some("cpython"),
        FrameKind::Jit | FrameKind::Note | FrameKind::Group => None,
    }
}

fn value(label: &LabelValue) -> Value {
    match label {
        LabelValue::Text(label) => text(label),
        LabelValue::Number(number) => Value::Number(*number),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
