//! A profile: stacks with weights and labels, everything that repeats kept once.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use indexmap::{IndexMap, IndexSet};

use crate::frame::Frame;
use crate::value::{ValueKind, Values};

/// Samples by stack and labels. Stacks are a trie from the root, so a stack that is longer by one
/// call costs one more entry; frames, texts and sets of labels are interned. A sample that is like
/// an earlier one adds to it and takes no memory.
#[derive(Debug, Clone)]
pub struct Profile {
    /// When and how the samples were taken.
    pub about: About,
    texts: IndexSet<Arc<str>>,
    frames: IndexSet<Frame>,
    links: IndexSet<Link>,
    labels: IndexSet<Box<[Label]>>,
    samples: IndexMap<(StackId, LabelsId), Values>,
    mappings: BTreeMap<Arc<str>, Mapping>,
}

/// When and how samples were taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// Of the first sample, nanoseconds since 1970; 0 where it is not known.
    pub begin: u64,
    /// How long was watched; zero where it is not known.
    pub duration: Duration,
    /// CPU time between two samples; zero where there is none.
    pub period: Duration,
    /// Samples that were taken and lost on the way.
    pub lost: u64,
}

/// A frame of one profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameId(u32);

/// A stack of one profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct StackId(u32);

/// A set of labels of one profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct LabelsId(u32);

/// What is known of where a sample was taken: `pod`, `container`, `comm`, `pid`, `thread_id` …
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    /// Its name.
    pub key: Arc<str>,
    /// Its value.
    pub value: LabelValue,
}

/// The value of a label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LabelValue {
    /// A text.
    Text(Arc<str>),
    /// A number.
    Number(i64),
}

/// Samples of one stack with the same labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Their stack.
    pub stack: StackId,
    /// Their labels.
    pub labels: LabelsId,
    /// What they weigh together.
    pub values: Values,
}

/// What is known of a binary beyond its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Its path as its processes see it.
    pub path: Option<Arc<str>>,
    /// Its build id in hexadecimal.
    pub build_id: Option<Arc<str>>,
}

/// A stack without its last call, and that call. Parents come before their children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Link {
    parent: StackId,
    frame: FrameId,
}

impl Profile {
    /// A profile without samples.
    pub fn new(about: About) -> Profile {
        Profile {
            about,
            texts: IndexSet::new(),
            frames: IndexSet::new(),
            links: IndexSet::new(),
            labels: IndexSet::from([Box::default()]),
            samples: IndexMap::new(),
            mappings: BTreeMap::new(),
        }
    }

    /// The id of `frame`. Its texts are shared with those that are here already.
    pub fn frame(&mut self, frame: Frame) -> FrameId {
        if let Some(at) = self.frames.get_index_of(&frame) {
            return FrameId(at as u32);
        }
        let shared = Frame {
            function: self.text(&frame.function),
            binary: frame.binary.map(|text| self.text(&text)),
            file: frame.file.map(|text| self.text(&text)),
            ..frame
        };
        FrameId(place(self.frames.insert_full(shared).0))
    }

    /// The id of the stack of `frames`, the root first and the leaf last. No frames are a stack too.
    pub fn stack(&mut self, frames: impl IntoIterator<Item = FrameId>) -> StackId {
        frames.into_iter().fold(StackId::default(), |stack, frame| self.call(stack, frame))
    }

    /// The id of `stack` with one more call at its leaf.
    pub fn call(&mut self, stack: StackId, frame: FrameId) -> StackId {
        StackId(place(self.links.insert_full(Link { parent: stack, frame }).0) + 1)
    }

    /// The id of a set of labels. Their order does not matter; of two with the same key the first
    /// counts.
    pub fn labels<K: AsRef<str>>(
        &mut self,
        labels: impl IntoIterator<Item = (K, LabelValue)>,
    ) -> LabelsId {
        let mut set: Vec<Label> = Vec::new();
        for (key, value) in labels {
            let key = self.text(key.as_ref());
            let value = match value {
                LabelValue::Text(text) => LabelValue::Text(self.text(&text)),
                number => number,
            };
            set.push(Label { key, value });
        }
        set.sort_by(|one, other| one.key.cmp(&other.key));
        set.dedup_by(|later, first| later.key == first.key);
        LabelsId(place(self.labels.insert_full(set.into()).0))
    }

    /// Adds samples. The ids are those of this profile.
    pub fn add(&mut self, stack: StackId, labels: LabelsId, values: Values) {
        *self.samples.entry((stack, labels)).or_default() += values;
    }

    /// Says more of a binary, which frames name by `binary`.
    pub fn map(&mut self, binary: &str, mapping: Mapping) {
        let binary = self.text(binary);
        self.mappings.insert(binary, mapping);
    }

    /// Adds all of `other`. The time watched becomes the stretch that both span where both begins
    /// are known, else the longer one.
    pub fn merge(&mut self, other: &Profile) {
        self.about = self.about.merged(&other.about);
        let frames: Vec<FrameId> =
            other.frames.iter().map(|frame| self.frame(frame.clone())).collect();
        let mut stacks = vec![StackId::default()];
        for link in &other.links {
            let parent = stacks[link.parent.0 as usize];
            stacks.push(self.call(parent, frames[link.frame.0 as usize]));
        }
        let labels: Vec<LabelsId> = other
            .labels
            .iter()
            .map(|set| self.labels(set.iter().map(|label| (&label.key, label.value.clone()))))
            .collect();
        for (&(stack, set), &values) in &other.samples {
            self.add(stacks[stack.0 as usize], labels[set.0 as usize], values);
        }
        for (binary, mapping) in &other.mappings {
            if !self.mappings.contains_key(binary) {
                self.map(binary, mapping.clone());
            }
        }
    }

    /// Those samples whose labels `keep` accepts; everything else stays behind.
    pub fn only(&self, keep: impl Fn(&[Label]) -> bool) -> Profile {
        let kept: Vec<bool> = self.labels.iter().map(|set| keep(set)).collect();
        let mut samples = self.samples.clone();
        samples.retain(|(_, set), _| kept[set.0 as usize]);
        let filtered = Profile { samples, ..self.clone() };
        let mut only = Profile::new(About { lost: 0, ..self.about.clone() });
        // Through a merge of what is reached, so that frames of others do not stay.
        for sample in filtered.samples() {
            let frames: Vec<FrameId> = filtered
                .stack_frames(sample.stack)
                .into_iter()
                .map(|frame| only.frame(filtered.get_frame(frame).clone()))
                .collect();
            let stack = only.stack(frames);
            let set = filtered.get_labels(sample.labels);
            let set = only.labels(set.iter().map(|label| (&label.key, label.value.clone())));
            only.add(stack, set, sample.values);
        }
        only.mappings = self.mappings.clone();
        only.about.lost = self.about.lost;
        only
    }

    /// All samples, in the order in which their kind first came.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample> + '_ {
        self.samples.iter().map(|(&(stack, labels), &values)| Sample { stack, labels, values })
    }

    /// What all samples weigh.
    pub fn total(&self) -> Values {
        let mut total = Values::default();
        self.samples.values().for_each(|&values| total += values);
        total
    }

    /// The value to show where nobody said which: CPU time, or off-CPU time where there is none, or
    /// the number of samples where there is neither.
    pub fn leading(&self) -> ValueKind {
        let total = self.total();
        let times = [ValueKind::Cpu, ValueKind::OffCpu];
        times.into_iter().find(|&kind| total.get(kind) > 0).unwrap_or(ValueKind::Samples)
    }

    /// A frame by its id.
    pub fn get_frame(&self, id: FrameId) -> &Frame {
        &self.frames[id.0 as usize]
    }

    /// A set of labels by its id, sorted by key.
    pub fn get_labels(&self, id: LabelsId) -> &[Label] {
        &self.labels[id.0 as usize]
    }

    /// The label `key` of a set.
    pub fn get_label(&self, id: LabelsId, key: &str) -> Option<&LabelValue> {
        let set = self.get_labels(id);
        set.binary_search_by(|label| (*label.key).cmp(key)).ok().map(|at| &set[at].value)
    }

    /// The frames of a stack, the root first.
    pub fn stack_frames(&self, stack: StackId) -> Vec<FrameId> {
        let mut frames: Vec<FrameId> = self.walk(stack).collect();
        frames.reverse();
        frames
    }

    /// The frames of a stack, the leaf first.
    pub fn walk(&self, stack: StackId) -> impl Iterator<Item = FrameId> + '_ {
        let mut at = stack;
        std::iter::from_fn(move || {
            let (parent, frame) = self.parent(at)?;
            at = parent;
            Some(frame)
        })
    }

    /// The frames of a stack by the addresses that they share, both with the innermost first: each
    /// group ends with the function whose own code it is, and the others were inlined into it.
    pub(crate) fn locations(&self, stack: StackId) -> Vec<Vec<FrameId>> {
        let mut locations: Vec<Vec<FrameId>> = Vec::new();
        let mut inner: Option<&Frame> = None;
        for id in self.walk(stack) {
            let frame = self.get_frame(id);
            let same = inner.is_some_and(|inner| inner.inlined && inner.binary == frame.binary);
            match locations.last_mut() {
                Some(last) if same => last.push(id),
                _ => locations.push(vec![id]),
            }
            inner = Some(frame);
        }
        locations
    }

    /// A stack as its caller's stack and its last call; none of the empty stack.
    pub fn parent(&self, stack: StackId) -> Option<(StackId, FrameId)> {
        let link = self.links.get_index((stack.0 as usize).checked_sub(1)?)?;
        Some((link.parent, link.frame))
    }

    /// All frames, by their ids from 0.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = &Frame> + '_ {
        self.frames.iter()
    }

    /// How many different calls there are, which is what takes the memory.
    pub fn calls(&self) -> usize {
        self.links.len()
    }

    /// What was said of binaries, by their names.
    pub fn mappings(&self) -> &BTreeMap<Arc<str>, Mapping> {
        &self.mappings
    }

    /// Whether there are no samples.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// About how much memory this takes, in bytes.
    pub fn footprint(&self) -> usize {
        // Tables of hashes are at most half empty; a text has two counts before it.
        let texts: usize = self.texts.iter().map(|text| text.len() + 16 + 40).sum();
        let labels: usize = self.labels.iter().map(|set| size_of_val(&**set) + 40).sum();
        texts
            + labels
            + self.frames.len() * (size_of::<Frame>() + 24)
            + self.links.len() * (size_of::<Link>() + 24)
            + self.samples.len() * (size_of::<Sample>() + 24)
    }

    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let text: Arc<str> = text.into();
        self.texts.insert(text.clone());
        text
    }
}

impl Default for Profile {
    fn default() -> Profile {
        Profile::new(About::default())
    }
}

impl FrameId {
    /// Its place in [`Profile::frames`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl StackId {
    /// Its place among the stacks of the profile; 0 is the empty one. Parents have lower places.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl LabelsId {
    /// Its place among the sets of labels of the profile; 0 is the empty one.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl About {
    fn merged(&self, other: &About) -> About {
        let longer = self.duration.max(other.duration);
        let (begin, duration) = match (self.begin, other.begin) {
            (0, begin) | (begin, 0) => (begin, longer),
            (one, two) => {
                let end = |about: &About| {
                    Duration::from_nanos(about.begin).saturating_add(about.duration)
                };
                let begin = one.min(two);
                let end = end(self).max(end(other));
                (begin, end.saturating_sub(Duration::from_nanos(begin)))
            }
        };
        let period = if self.period.is_zero() { other.period } else { self.period };
        About { begin, duration, period, lost: self.lost.saturating_add(other.lost) }
    }
}

impl From<&str> for LabelValue {
    fn from(text: &str) -> LabelValue {
        LabelValue::Text(text.into())
    }
}

impl From<i64> for LabelValue {
    fn from(number: i64) -> LabelValue {
        LabelValue::Number(number)
    }
}

impl std::fmt::Display for LabelValue {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LabelValue::Text(text) => out.write_str(text),
            LabelValue::Number(number) => number.fmt(out),
        }
    }
}

/// Four billion of anything do not fit into memory, so this holds.
fn place(index: usize) -> u32 {
    u32::try_from(index).expect("a profile has fewer than 2^32 of each thing")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::{frame, sketch};

    #[test]
    fn what_repeats_is_kept_once() {
        let mut profile = Profile::default();
        for round in 0..1000 {
            let frames = ["main", "work", "leaf"].map(|name| profile.frame(frame(name)));
            let stack = profile.stack(frames);
            let labels = profile.labels([("comm", "app".into()), ("pid", LabelValue::Number(7))]);
            profile.add(stack, labels, Values::cpu(1, 10));
            assert_eq!(profile.samples().len(), 1, "round {round}");
        }
        assert_eq!(profile.total(), Values::cpu(1000, 10_000));
        assert_eq!(profile.frames().len(), 3);
        assert_eq!(profile.links.len(), 3);
        assert!(profile.footprint() < 4096, "{}", profile.footprint());
    }

    #[test]
    fn labels_have_no_order_and_no_doubles() {
        let mut profile = Profile::default();
        let one = profile.labels([("b", 1.into()), ("a", "x".into()), ("b", 2.into())]);
        let two = profile.labels([("a", LabelValue::from("x")), ("b", 1.into())]);
        assert_eq!(one, two);
        assert_eq!(profile.get_label(one, "b"), Some(&LabelValue::Number(1)));
        assert_eq!(profile.get_label(one, "c"), None);
        assert_eq!(profile.labels::<&str>([]), LabelsId::default());
    }

    #[test]
    fn merging_is_as_adding_all_to_one() {
        let one = sketch("app;main;a 3\napp;main;b 1\n");
        let two = sketch("web;main;a 5\napp;main;b 2\n");
        let mut merged = one.clone();
        merged.merge(&two);
        merged.merge(&Profile::default());
        let all = sketch("app;main;a 3\napp;main;b 3\nweb;main;a 5\n");
        assert_eq!(crate::sketch::folded(&merged), crate::sketch::folded(&all));
        assert_eq!(merged.frames().len(), 3);
    }

    #[test]
    fn a_part_has_only_what_it_needs() {
        let all = sketch("app;main;a 3\nweb;serve;b 2\n");
        let web = |labels: &[Label]| labels.iter().any(|label| label.value == "web".into());
        let part = all.only(web);
        assert_eq!(crate::sketch::folded(&part), "web;serve;b 2\n");
        assert_eq!(part.frames().len(), 2);
        assert!(all.only(|_| false).is_empty());
    }

    #[test]
    fn time_spans_both_parts_of_a_merge() {
        let about = |begin, seconds| About {
            begin,
            duration: Duration::from_secs(seconds),
            lost: 1,
            ..About::default()
        };
        let second = 1_000_000_000;
        let merged = about(10 * second, 10).merged(&about(30 * second, 5));
        assert_eq!(merged, About { lost: 2, ..about(10 * second, 25) });
        assert_eq!(about(0, 7).merged(&about(5, 3)).duration, Duration::from_secs(7));
    }
}
