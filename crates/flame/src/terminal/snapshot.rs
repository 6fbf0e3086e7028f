//! What is drawn: a profile as it was at one moment, prepared so that drawing it takes no time.

use crate::frame::Name;
use crate::profile::Profile;
use crate::top::{Row, Top};
use crate::tree::{Tree, View};
use crate::value::ValueKind;

/// A profile as it was at one moment, in one view. To make one takes a look at every sample; to draw
/// it takes a few milliseconds at most, however large it is.
#[derive(Debug, Clone)]
pub struct Snapshot {
    view: View,
    pub(super) tree: Tree,
    pub(super) top: Top,
    /// Places in the rows of `top`, the greatest total first.
    by_total: Vec<u32>,
    /// Kinds of which there is something.
    pub(super) values: Vec<ValueKind>,
    /// Labels that samples have.
    pub(super) labels: Vec<String>,
}

impl Snapshot {
    /// What `profile` is now, in the view of a [`Screen`](super::Screen).
    pub fn of(profile: &Profile, view: &View) -> Snapshot {
        let top = Top::of(profile, view.value, usize::MAX);
        let mut by_total: Vec<u32> = (0..top.rows.len() as u32).collect();
        by_total.sort_by_key(|&at| std::cmp::Reverse(top.rows[at as usize].total));
        let total = profile.total();
        let values = ValueKind::ALL.into_iter().filter(|&kind| total.get(kind) > 0).collect();
        Snapshot {
            view: view.clone(),
            tree: Tree::of(profile, view),
            top,
            by_total,
            values,
            labels: labels(profile),
        }
    }

    /// Whether it is in `view`: a key may have asked for another one.
    pub fn is_of(&self, view: &View) -> bool {
        self.view == *view
    }

    /// Whether it begins at the leaves.
    pub(super) fn is_inverted(&self) -> bool {
        self.view.inverted
    }

    /// How many functions there are.
    pub(super) fn rows(&self) -> usize {
        self.top.rows.len()
    }

    /// The function at `at` of the table, by self or by total.
    pub(super) fn row(&self, at: usize, by_total: bool) -> Option<&Row> {
        let at = if by_total { *self.by_total.get(at)? as usize } else { at };
        self.top.rows.get(at)
    }

    /// Where in the table `name` is.
    pub(super) fn row_of(&self, name: &Name, by_total: bool) -> Option<usize> {
        (0..self.rows()).find(|&at| self.row(at, by_total).is_some_and(|row| row.name == *name))
    }

    /// The nodes of `path` below the root, as far as they are there.
    pub(super) fn nodes(&self, path: &[Name]) -> Vec<usize> {
        let mut nodes = Vec::new();
        let mut at = 0;
        for name in path {
            let Some(child) = self.tree.children(at).find(|&it| self.tree.name(it) == name) else {
                break;
            };
            nodes.push(child);
            at = child;
        }
        nodes
    }

    /// The names from the root, which has none, to `node`.
    pub(super) fn path(&self, node: usize) -> Vec<Name> {
        let mut path: Vec<Name> =
            self.callers(node).map(|node| self.tree.name(node).clone()).collect();
        path.reverse();
        path
    }

    /// `node` and its callers, without the root.
    pub(super) fn callers(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        let mut at = node;
        std::iter::from_fn(move || {
            let here = at;
            at = self.tree.nodes()[here].parent;
            (here != 0).then_some(here)
        })
    }

    /// The heaviest node of a function.
    pub(super) fn heaviest(&self, name: &Name) -> Option<usize> {
        let id = self.tree.names().position(|it| it == name)?;
        let nodes = (1..self.tree.nodes().len()).filter(|&node| self.tree.name_id(node) == id);
        nodes.max_by_key(|&node| (self.total(node), std::cmp::Reverse(node)))
    }

    /// What was spent in `node` and below.
    pub(super) fn total(&self, node: usize) -> u64 {
        self.tree.nodes()[node].total[0]
    }

    /// What was spent in `node` itself.
    pub(super) fn own(&self, node: usize) -> u64 {
        self.tree.nodes()[node].own[0]
    }

    /// What all samples weigh.
    pub(super) fn whole(&self) -> u64 {
        self.total(0)
    }
}

/// The labels of all samples that a picture can be grouped by, the widest first.
fn labels(profile: &Profile) -> Vec<String> {
    const KNOWN: [&str; 8] =
        ["namespace", "workload", "pod", "container", "comm", "pid", "thread", "thread_id"];
    let mut seen = Vec::new();
    for sample in profile.samples() {
        let at = sample.labels.index();
        if at >= seen.len() {
            seen.resize(at + 1, None);
        }
        seen[at] = Some(sample.labels);
    }
    let sets: Vec<_> = seen.into_iter().flatten().collect();
    let has = |key: &&str| sets.iter().any(|&set| profile.get_label(set, key).is_some());
    KNOWN.into_iter().filter(has).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::sketch;

    #[test]
    fn it_finds_again_what_has_grown() {
        let small = Snapshot::of(&sketch("app;main;a;x 3\n"), &View::default());
        let large = sketch("web;main;a 90\napp;main;b 9\napp;main;a;x 30\n");
        let large = Snapshot::of(&large, &View::default());
        let path = small.path(4);
        assert_eq!(path.len(), 4);
        let nodes = large.nodes(&path);
        assert_eq!(nodes.len(), 4);
        assert_eq!(large.total(nodes[3]), 30);
        assert_eq!(large.path(nodes[3]), path);
        assert!(small.nodes(&large.path(large.heaviest(&path[2]).unwrap())).is_empty());
    }

    #[test]
    fn it_knows_what_can_be_asked() {
        let snapshot = Snapshot::of(&sketch("app;main;a 3\napp;main 1\n"), &View::default());
        assert_eq!(snapshot.labels, ["comm"]);
        assert_eq!(snapshot.values, [ValueKind::Samples]);
        assert_eq!(&*snapshot.row(0, false).unwrap().name.function, "a");
        assert_eq!(&*snapshot.row(0, true).unwrap().name.function, "main");
        assert!(snapshot.is_of(&View::default()));
        assert!(!snapshot.is_of(&View { inverted: true, ..View::default() }));
    }
}
