//! The call tree: stacks of one or two profiles, merged by the names of their frames.

use std::collections::HashMap;

use crate::frame::Name;
use crate::names::Names;
use crate::profile::{LabelsId, Profile, StackId};
use crate::value::ValueKind;

/// How a profile is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Which weight counts; none is [`Profile::leading`].
    pub value: Option<ValueKind>,
    /// The labels that come before the stack, each a level of its own; where a sample has no such
    /// label there is no level.
    pub groups: Vec<String>,
    /// Leaves first: from a function to its callers. Groups then stand at the far end.
    pub inverted: bool,
}

/// A call tree. Nodes come after their parents; node 0 is the root, which is all of it.
#[derive(Debug, Clone)]
pub struct Tree {
    value: ValueKind,
    nodes: Vec<Node>,
    names: Names,
    /// Children of all nodes, those of one side by side, heaviest first.
    children: Vec<u32>,
    first_child: Vec<u32>,
    sides: usize,
}

/// A call, as one chain of callers made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    name: u32,
    /// Its caller; the root is its own.
    pub parent: usize,
    /// What was spent in it and in nothing below it. The second number is that of the second
    /// profile, where there are two.
    pub own: [u64; 2],
    /// What was spent in it and below.
    pub total: [u64; 2],
}

impl Default for View {
    /// The leading value, by `comm`, from the root.
    fn default() -> View {
        View { value: None, groups: vec!["comm".into()], inverted: false }
    }
}

impl Tree {
    /// The tree of `profile`.
    pub fn of(profile: &Profile, view: &View) -> Tree {
        Tree::build(&[profile], view)
    }

    /// One tree of two profiles, by the leading value of the second.
    pub(crate) fn of_two(before: &Profile, after: &Profile, view: &View) -> Tree {
        Tree::build(&[before, after], view)
    }

    /// Which weight was counted.
    pub fn value(&self) -> ValueKind {
        self.value
    }

    /// All nodes, parents before children.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What `node` is called; that of the root is empty.
    pub fn name(&self, node: usize) -> &Name {
        self.names.get(self.nodes[node].name)
    }

    /// The number of what `node` is called: nodes of one name have one, below [`Tree::names`].
    pub(crate) fn name_id(&self, node: usize) -> usize {
        self.nodes[node].name as usize
    }

    /// All names that nodes may have, by their numbers.
    pub(crate) fn names(&self) -> impl ExactSizeIterator<Item = &Name> + '_ {
        (0..self.names.len()).map(|id| self.names.get(id as u32))
    }

    /// The children of `node`, the heaviest first.
    pub fn children(&self, node: usize) -> impl ExactSizeIterator<Item = usize> + '_ {
        let from = self.first_child[node] as usize;
        let to = self.first_child[node + 1] as usize;
        self.children[from..to].iter().map(|&child| child as usize)
    }

    /// Whether it was made of two profiles.
    pub fn is_diff(&self) -> bool {
        self.sides == 2
    }

    /// How many levels there are below the root.
    pub fn depth(&self) -> usize {
        let mut depths = vec![0usize; self.nodes.len()];
        for at in 1..self.nodes.len() {
            depths[at] = depths[self.nodes[at].parent] + 1;
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// The share of the whole that `node` has, 0 to 1: of two profiles the mean of both shares, so
    /// that what only one of them has is seen too.
    pub fn share(&self, node: usize) -> f64 {
        let whole = self.nodes[0].total;
        let share = |side: usize| match whole[side] {
            0 => 0.0,
            whole => self.nodes[node].total[side] as f64 / whole as f64,
        };
        match (self.sides, whole) {
            (2, [0, _]) => share(1),
            (2, [_, 0]) | (1, _) => share(0),
            _ => (share(0) + share(1)) / 2.0,
        }
    }

    fn build(profiles: &[&Profile], view: &View) -> Tree {
        let last = profiles.last().expect("a tree is made of one or two profiles");
        let mut growing = Growing::new(view.value.unwrap_or_else(|| last.leading()));
        for (side, profile) in profiles.iter().enumerate() {
            growing.add(profile, view, side);
        }
        growing.finish(profiles.len())
    }
}

/// A tree before its totals and children are known.
struct Growing {
    value: ValueKind,
    nodes: Vec<Node>,
    names: Names,
    calls: HashMap<(u32, u32), u32>,
}

impl Growing {
    fn new(value: ValueKind) -> Growing {
        let mut names = Names::default();
        let name = names.id(Name::group(""));
        let root = Node { name, parent: 0, own: [0; 2], total: [0; 2] };
        Growing { value, nodes: vec![root], names, calls: HashMap::new() }
    }

    fn add(&mut self, profile: &Profile, view: &View, side: usize) {
        let names = self.names.of_frames(profile);
        // Where a stack of the profile stands in the tree, under each node that begins one.
        let mut known: HashMap<(u32, StackId), u32> = HashMap::new();
        let mut groups: HashMap<LabelsId, Vec<u32>> = HashMap::new();
        for sample in profile.samples() {
            let weight = sample.values.get(self.value);
            if weight == 0 {
                continue;
            }
            let groups = groups
                .entry(sample.labels)
                .or_insert_with(|| self.groups(profile, sample.labels, &view.groups));
            let node = if view.inverted {
                let mut at = 0;
                for frame in profile.walk(sample.stack) {
                    at = self.call(at, names[frame.index()]);
                }
                groups.iter().rev().fold(at, |at, &group| self.call(at, group))
            } else {
                let under = groups.iter().fold(0, |at, &group| self.call(at, group));
                self.place(profile, &names, &mut known, under, sample.stack)
            };
            let own = &mut self.nodes[node as usize].own[side];
            *own = own.saturating_add(weight);
        }
    }

    fn groups(&mut self, profile: &Profile, labels: LabelsId, keys: &[String]) -> Vec<u32> {
        let label = |key: &String| profile.get_label(labels, key).map(ToString::to_string);
        keys.iter().filter_map(label).map(|text| self.names.id(Name::group(&text))).collect()
    }

    /// The node of `stack` under the node `under`: up to the first caller that is known, then down.
    fn place(
        &mut self,
        profile: &Profile,
        names: &[u32],
        known: &mut HashMap<(u32, StackId), u32>,
        under: u32,
        stack: StackId,
    ) -> u32 {
        let mut missing = Vec::new();
        let mut at = stack;
        let mut node = loop {
            if let Some(&node) = known.get(&(under, at)) {
                break node;
            }
            let Some((parent, frame)) = profile.parent(at) else { break under };
            missing.push((at, frame));
            at = parent;
        };
        for (stack, frame) in missing.into_iter().rev() {
            node = self.call(node, names[frame.index()]);
            known.insert((under, stack), node);
        }
        node
    }

    fn call(&mut self, parent: u32, name: u32) -> u32 {
        *self.calls.entry((parent, name)).or_insert_with(|| {
            let node = Node { name, parent: parent as usize, own: [0; 2], total: [0; 2] };
            self.nodes.push(node);
            (self.nodes.len() - 1) as u32
        })
    }

    fn finish(self, sides: usize) -> Tree {
        let Growing { value, mut nodes, names, .. } = self;
        for at in (0..nodes.len()).rev() {
            for side in 0..2 {
                let total = nodes[at].total[side].saturating_add(nodes[at].own[side]);
                nodes[at].total[side] = total;
                if at > 0 {
                    let parent = nodes[at].parent;
                    nodes[parent].total[side] = nodes[parent].total[side].saturating_add(total);
                }
            }
        }
        let mut tree = Tree { value, nodes, names, children: vec![], first_child: vec![], sides };
        let mut children: Vec<u32> = (1..tree.nodes.len() as u32).collect();
        let weight = |node: u32| tree.share(node as usize);
        let text = |node: u32| &tree.name(node as usize).function;
        children.sort_by(|&one, &other| {
            let parent = |node: u32| tree.nodes[node as usize].parent;
            parent(one)
                .cmp(&parent(other))
                .then_with(|| weight(other).total_cmp(&weight(one)))
                .then_with(|| text(one).cmp(text(other)))
        });
        let mut first_child = vec![0u32; tree.nodes.len() + 1];
        for node in &tree.nodes[1..] {
            first_child[node.parent + 1] += 1;
        }
        for at in 1..first_child.len() {
            first_child[at] += first_child[at - 1];
        }
        (tree.children, tree.first_child) = (children, first_child);
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::sketch;

    /// A line for each node, indented by its depth.
    fn drawn(tree: &Tree) -> String {
        fn below(tree: &Tree, node: usize, depth: usize, out: &mut String) {
            let Node { own, total, .. } = tree.nodes()[node];
            let name = &tree.name(node).function;
            *out += &format!("{}{name} {}/{}\n", " ".repeat(depth), own[0], total[0]);
            tree.children(node).for_each(|child| below(tree, child, depth + 1, out));
        }
        let mut out = String::new();
        below(tree, 0, 0, &mut out);
        out
    }

    #[test]
    fn calls_merge_from_the_root() {
        let profile = sketch("app;main;a;x 3\napp;main;b 5\napp;main;a 1\nweb;main 2\n");
        let tree = Tree::of(&profile, &View::default());
        assert_eq!(
            drawn(&tree),
            " 0/11\n app 0/9\n  main 0/9\n   b 5/5\n   a 1/4\n    x 3/3\n web 0/2\n  main 2/2\n"
        );
        assert_eq!(tree.depth(), 4);
        assert!((tree.share(1) - 9.0 / 11.0).abs() < 1e-9);
    }

    #[test]
    fn inverted_it_begins_at_the_leaves() {
        let profile = sketch("app;main;a;x 3\napp;main;b;x 5\n");
        let view = View { inverted: true, ..View::default() };
        let drawn = drawn(&Tree::of(&profile, &view));
        assert_eq!(
            drawn,
            " 0/8\n x 0/8\n  b 0/5\n   main 0/5\n    app 5/5\n  a 0/3\n   main 0/3\n    app 3/3\n"
        );
    }

    #[test]
    fn two_profiles_have_two_weights() {
        let (before, after) = (sketch("app;main;a 10\n"), sketch("app;main;b 30\n"));
        let tree = Tree::of_two(&before, &after, &View::default());
        assert_eq!(tree.nodes()[0].total, [10, 30]);
        let a = tree.children(2).next().unwrap();
        assert_eq!(tree.nodes()[a].total, [10, 0]);
        assert!((tree.share(a) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn nothing_is_a_root_alone() {
        let tree = Tree::of(&Profile::default(), &View::default());
        assert_eq!((tree.nodes().len(), tree.depth(), tree.share(0)), (1, 0, 0.0));
        assert_eq!(tree.children(0).len(), 0);
    }
}
