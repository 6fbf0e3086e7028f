//! Ways to spell a path.

use super::{Files, depth};
use crate::rng::Rng;
use crate::workload::names;
use crate::workload::tree::{Kind, NodeId, TOP};

/// A path as it is passed to the kernel.
#[derive(Debug, Clone)]
pub(super) struct Spelled {
    /// The place of the open directory that it starts from; none for the working directory.
    pub(super) held: Option<usize>,
    /// The text.
    pub(super) text: Vec<u8>,
}

impl Spelled {
    /// Whether the directory passed with it is the working directory.
    pub(super) fn starts_at_cwd(&self) -> bool {
        self.held.is_none()
    }
}

impl Files {
    /// A spelling of something that is there, of something new, or of nothing that can be.
    pub(super) fn spell_any(&mut self, rng: &mut Rng, existing: usize) -> Spelled {
        match rng.below(100) {
            0..8 => self.spell_nonsense(rng),
            drawn if drawn < 8 + existing * 92 / 100 => {
                let node = self.some_node(rng);
                self.spell_node(rng, node)
            }
            _ => {
                let (dir, name) = (self.some_dir(rng), self.fresh_name(rng));
                self.spell(rng, dir, Some(&name))
            }
        }
    }

    /// A spelling of a file that is there.
    pub(super) fn spell_node(&self, rng: &mut Rng, node: NodeId) -> Spelled {
        if self.tree.is_dir(node) && rng.chance(30) {
            return self.spell(rng, node, None);
        }
        let found = self.tree.node(node);
        self.spell(rng, found.parent, Some(&found.name))
    }

    /// A spelling that cannot lead anywhere, or that the kernel refuses.
    fn spell_nonsense(&mut self, rng: &mut Rng) -> Spelled {
        let (node, name) = (self.some_node(rng), self.fresh_name(rng));
        let mut spelled = self.spell_node(rng, node);
        match rng.below(5) {
            // Through a file, or into a directory after all.
            0 => spelled.text.extend([b"/", &name[..]].concat()),
            // Through nothing.
            1 => spelled.text.extend([b"/none/", &name[..]].concat()),
            2 => spelled.text.extend([b"/", &names::too_long(self.names)[..]].concat()),
            3 => spelled.text.clear(),
            _ => spelled.text.extend(b"/../../."),
        }
        spelled
    }

    /// A spelling of `name` in `dir`, or of `dir` itself.
    pub(super) fn spell(&self, rng: &mut Rng, dir: NodeId, name: Option<&[u8]>) -> Spelled {
        let held = self.some_held_dir(rng);
        let absolute = rng.chance(35);
        let start = held.map_or(self.cwd, |at| self.held[at].node);
        let from = (!absolute).then_some(start);
        let mut parts = match self.some_link_above(rng, dir) {
            Some((link, below)) => {
                let mut parts = self.route(from, self.tree.node(link).parent);
                parts.push(self.tree.node(link).name.clone());
                parts.extend(self.route(Some(below), dir));
                parts
            }
            None => self.route(from, dir),
        };
        self.add_detours(rng, dir, &mut parts);
        parts.extend(name.map(<[u8]>::to_vec));
        if parts.is_empty() {
            parts.push(b".".to_vec());
        }
        let mut text = parts.join(&b'/');
        if absolute {
            text.insert(0, b'/');
        }
        if rng.chance(4) {
            text.push(b'/');
        }
        // An empty first part would make a relative path an absolute one.
        if !absolute && text.starts_with(b"/") {
            text.insert(0, b'.');
        }
        if text.len() > 4000 {
            text = self.tree.path(dir);
        }
        Spelled { held, text }
    }

    /// The components from the directory `from` (the root where there is none) to `to`.
    fn route(&self, from: Option<NodeId>, to: NodeId) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        let mut at = from.unwrap_or(TOP);
        while !self.tree.is_below(to, at) {
            parts.push(b"..".to_vec());
            at = self.tree.node(at).parent;
        }
        let up = parts.len();
        let mut down = to;
        while down != at {
            parts.push(self.tree.node(down).name.clone());
            down = self.tree.node(down).parent;
        }
        parts[up..].reverse();
        parts
    }

    fn some_held_dir(&self, rng: &mut Rng) -> Option<usize> {
        if self.held.is_empty() || rng.chance(60) {
            return None;
        }
        let at = rng.below(self.held.len());
        let node = self.held[at].node;
        (self.tree.is_dir(node) && !self.tree.node(node).dead).then_some(at)
    }

    /// A symbolic link to a directory that is `dir` or above it, and that directory.
    fn some_link_above(&self, rng: &mut Rng, dir: NodeId) -> Option<(NodeId, NodeId)> {
        for _ in 0..3 {
            let node = self.some_node(rng);
            let link = self.tree.node(node);
            if !matches!(link.kind, Kind::Symlink(_)) {
                continue;
            }
            let found = self.tree.walk(link.parent, &link.name, true).ok()?;
            let below = found.node.filter(|&node| self.tree.is_dir(node))?;
            if below != TOP && self.tree.is_below(dir, below) {
                return Some((node, below));
            }
        }
        None
    }

    /// Adds `.`, doubled slashes and `x/..` to the way to `dir`.
    fn add_detours(&self, rng: &mut Rng, dir: NodeId, parts: &mut Vec<Vec<u8>>) {
        if rng.chance(12) {
            let at = rng.below(parts.len() + 1);
            parts.insert(at, if rng.chance(50) { b".".to_vec() } else { Vec::new() });
        }
        let children = self.tree.children(dir).filter(|_| rng.chance(12));
        let sub = children.and_then(|it| it.iter().find(|&(_, &node)| self.tree.is_dir(node)));
        if let Some((name, _)) = sub {
            parts.extend([name.clone(), b"..".to_vec()]);
        }
    }

    /// The text of a new symbolic link `name` in the directory `dir`.
    pub(super) fn spell_target(&mut self, rng: &mut Rng, dir: NodeId, name: &[u8]) -> Vec<u8> {
        match rng.below(12) {
            0 => self.fresh_name(rng),
            1 => b"..".to_vec(),
            2 => Vec::new(),
            // A loop.
            3 if rng.chance(50) => name.to_vec(),
            3 => [b"./../", &self.tree.node(dir).name[..], b"/", name].concat(),
            drawn => {
                let node = self.some_node(rng);
                let from = if drawn < 6 { None } else { Some(dir) };
                let mut text = self.route(from, node).join(&b'/');
                if from.is_none() {
                    text.insert(0, b'/');
                }
                if text.is_empty() { b".".to_vec() } else { text }
            }
        }
    }

    /// Whether everything below `node` keeps paths of a bearable length when `node` moves into
    /// the directory `dir`.
    pub(super) fn may_move(&self, node: NodeId, dir: NodeId) -> bool {
        if !self.tree.is_dir(node) {
            return true;
        }
        let (here, there) = (self.tree.path(node), self.tree.path(dir));
        self.tree.live().iter().filter(|&&it| self.tree.is_below(it, node)).all(|&it| {
            let path = self.tree.path(it);
            there.len() + 256 + path.len() - here.len() < LONGEST_MOVED
                && depth(&there) + 1 + depth(&path) - depth(&here) < super::DEEPEST
        })
    }
}

/// The longest path that a file has after its directory moved.
const LONGEST_MOVED: usize = super::LONGEST;
