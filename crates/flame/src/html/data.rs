//! What a page holds: one or two profiles as tables of numbers.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexSet;
use serde::Serialize;

use super::Page;
use crate::diff::common;
use crate::frame::{FrameKind, Name};
use crate::names::Names;
use crate::palette::Colour;
use crate::profile::{LabelsId, Profile, StackId};
use crate::svg::about;
use crate::value::ValueKind;

/// The page's data.
#[derive(Debug, Serialize)]
pub(super) struct Data {
    title: String,
    /// Word and unit of each weight that a sample has.
    values: Vec<(&'static str, &'static str)>,
    /// Which of them is shown first.
    value: usize,
    inverted: bool,
    group: Option<String>,
    /// Word and colour of each kind of frame.
    kinds: Vec<(&'static str, String)>,
    /// Text, place, kind and colour of each name.
    names: Vec<(String, String, usize, String)>,
    /// The calls of all stacks: 0 is the root, parents come before children.
    calls: Calls,
    /// Keys of labels.
    keys: Vec<String>,
    /// Values of labels.
    texts: Vec<String>,
    /// Sets of labels: key, value, key, value …
    sets: Vec<Vec<usize>>,
    sides: Vec<Side>,
    /// Calls that became `[small]`.
    small: usize,
}

#[derive(Debug, Default, Serialize)]
struct Calls {
    parent: Vec<u32>,
    name: Vec<u32>,
}

/// One profile.
#[derive(Debug, Serialize)]
struct Side {
    about: String,
    /// Nanoseconds; 0 where it is not known.
    duration: u64,
    lost: u64,
    /// Call, set of labels, and the weights: flat, one sample after the other.
    samples: Vec<u64>,
}

impl Data {
    pub(super) fn of(profiles: &[&Profile], page: &Page) -> Data {
        let leading = page.view.value.unwrap_or_else(|| match profiles {
            [before, after] => common(before, after),
            one => one.first().map_or(ValueKind::Samples, |profile| profile.leading()),
        });
        let kinds: Vec<ValueKind> = ValueKind::ALL
            .into_iter()
            .filter(|&kind| {
                kind == leading || profiles.iter().any(|profile| profile.total().get(kind) > 0)
            })
            .collect();
        let mut growing = Growing::new();
        let samples: Vec<Vec<Weighted>> =
            profiles.iter().map(|profile| growing.add(profile, &kinds)).collect();
        let small = growing.shrink(&samples, page.most_calls);
        let sides = profiles.iter().zip(&samples).map(|(profile, samples)| Side {
            about: about(profile, leading),
            duration: profile.about.duration.as_nanos().try_into().unwrap_or(u64::MAX),
            lost: profile.about.lost,
            samples: growing.flat(samples),
        });
        let sides = sides.collect();
        Data {
            title: page.title.clone(),
            values: kinds.iter().map(|kind| (kind.word(), kind.unit())).collect(),
            value: kinds.iter().position(|&kind| kind == leading).unwrap_or(0),
            inverted: page.view.inverted,
            group: page.view.groups.first().cloned(),
            kinds: FrameKind::ALL
                .into_iter()
                .map(|kind| (kind.word(), Colour::of_kind(kind).hex()))
                .collect(),
            names: (0..growing.names.len() as u32).map(|id| shown(growing.names.get(id))).collect(),
            calls: growing.calls,
            keys: growing.keys.into_iter().collect(),
            texts: growing.texts.into_iter().collect(),
            sets: growing.sets.into_iter().collect(),
            sides,
            small,
        }
    }
}

/// A sample of the page: call, set of labels, weights.
#[derive(Debug)]
struct Weighted {
    call: u32,
    set: usize,
    weights: Vec<u64>,
}

/// Tables that grow with each profile.
struct Growing {
    names: Names,
    calls: Calls,
    keys: IndexSet<String>,
    texts: IndexSet<String>,
    sets: IndexSet<Vec<usize>>,
    /// Where each call went when small ones were left out; itself before that.
    kept: Vec<u32>,
    by_parent: HashMap<(u32, u32), u32>,
}

impl Growing {
    fn new() -> Growing {
        let mut names = Names::default();
        let root = names.id(Name::group("all"));
        Growing {
            names,
            calls: Calls { parent: vec![0], name: vec![root] },
            keys: IndexSet::new(),
            texts: IndexSet::new(),
            sets: IndexSet::new(),
            kept: Vec::new(),
            by_parent: HashMap::new(),
        }
    }

    fn add(&mut self, profile: &Profile, kinds: &[ValueKind]) -> Vec<Weighted> {
        let names = self.names.of_frames(profile);
        let mut known: HashMap<StackId, u32> = HashMap::from([(StackId::default(), 0)]);
        let mut sets: HashMap<LabelsId, usize> = HashMap::new();
        let mut samples = Vec::new();
        for sample in profile.samples() {
            let weights: Vec<u64> = kinds.iter().map(|&kind| sample.values.get(kind)).collect();
            if weights.iter().all(|&weight| weight == 0) {
                continue;
            }
            let set =
                *sets.entry(sample.labels).or_insert_with(|| self.set(profile, sample.labels));
            let mut missing = Vec::new();
            let mut at = sample.stack;
            let mut call = loop {
                if let Some(&call) = known.get(&at) {
                    break call;
                }
                let Some((parent, frame)) = profile.parent(at) else { break 0 };
                missing.push((at, frame));
                at = parent;
            };
            for (stack, frame) in missing.into_iter().rev() {
                call = self.call(call, names[frame.index()]);
                known.insert(stack, call);
            }
            samples.push(Weighted { call, set, weights });
        }
        samples
    }

    fn call(&mut self, parent: u32, name: u32) -> u32 {
        *self.by_parent.entry((parent, name)).or_insert_with(|| {
            self.calls.parent.push(parent);
            self.calls.name.push(name);
            (self.calls.name.len() - 1) as u32
        })
    }

    fn set(&mut self, profile: &Profile, labels: LabelsId) -> usize {
        let mut set = Vec::new();
        for label in profile.get_labels(labels) {
            set.push(self.keys.insert_full(label.key.to_string()).0);
            set.push(self.texts.insert_full(label.value.to_string()).0);
        }
        self.sets.insert_full(set).0
    }

    /// Keeps the `most` heaviest calls, by the mean of their shares of all weights. Returns how many
    /// were left out. A caller is never lighter than what it calls, so whole branches go.
    fn shrink(&mut self, samples: &[Vec<Weighted>], most: usize) -> usize {
        let count = self.calls.name.len();
        self.kept = (0..count as u32).collect();
        if count <= most.max(1) {
            return 0;
        }
        let mut shares = vec![0.0f64; count];
        for side in samples {
            for at in 0..side.first().map_or(0, |sample| sample.weights.len()) {
                let whole: f64 = side.iter().map(|sample| sample.weights[at] as f64).sum();
                for sample in side {
                    shares[sample.call as usize] += sample.weights[at] as f64 / whole.max(1.0);
                }
            }
        }
        for at in (1..count).rev() {
            shares[self.calls.parent[at] as usize] += shares[at];
        }
        let mut sorted = shares.clone();
        sorted.sort_unstable_by(|one, other| other.total_cmp(one));
        let least = sorted[most.max(1)];
        let note = Name { kind: FrameKind::Note, ..Name::group("[small]") };
        let note = self.names.id(note);
        let old = std::mem::take(&mut self.calls);
        self.calls = Calls { parent: vec![0], name: vec![old.name[0]] };
        self.by_parent.clear();
        let mut small = 0;
        let mut is_note = vec![false];
        for (at, &share) in shares.iter().enumerate().skip(1) {
            let parent = self.kept[old.parent[at] as usize];
            self.kept[at] = if is_note[parent as usize] {
                small += 1;
                parent
            } else if share > least {
                self.call(parent, old.name[at])
            } else {
                small += 1;
                self.call(parent, note)
            };
            is_note.resize(self.calls.name.len(), false);
            let kept = self.kept[at] as usize;
            is_note[kept] = self.calls.name[kept] == note;
        }
        small
    }

    /// Samples after small calls were left out, those alike summed.
    fn flat(&self, samples: &[Weighted]) -> Vec<u64> {
        let mut sums: BTreeMap<(u32, usize), Vec<u64>> = BTreeMap::new();
        for sample in samples {
            let key = (self.kept[sample.call as usize], sample.set);
            let sum = sums.entry(key).or_insert_with(|| vec![0; sample.weights.len()]);
            for (sum, weight) in sum.iter_mut().zip(&sample.weights) {
                *sum = sum.saturating_add(*weight);
            }
        }
        let mut flat = Vec::new();
        for ((call, set), weights) in sums {
            flat.extend([u64::from(call), set as u64]);
            flat.extend(weights);
        }
        flat
    }
}

fn shown(name: &Name) -> (String, String, usize, String) {
    let text = name.text();
    let place: Vec<&str> = [&name.binary, &name.file]
        .into_iter()
        .flatten()
        .map(|place| &**place)
        // Of a script without directories the text says it already.
        .filter(|place| !text.ends_with(&format!("({place})")))
        .collect();
    let kind = FrameKind::ALL.iter().position(|&kind| kind == name.kind).unwrap_or(0);
    (text.to_string(), place.join(" · "), kind, Colour::of(name).hex())
}
