//! The flame view: a line for each level, a box for each call, as wide as its share.

use super::paint::{BOLD, DIM, Line, PLAIN, Sheet, Style, shaded};
use super::search::Found;
use super::snapshot::Snapshot;
use super::{Key, MATCH, SELECTED, WHITE, text};
use crate::frame::{FrameKind, Name};
use crate::palette::Colour as Tone;

/// Where one is in the flame view. Paths are kept by names: a growing profile has new nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Flame {
    /// From the root to what fills the whole width.
    zoom: Vec<Name>,
    /// How long `zoom` was before each step into it.
    steps: Vec<usize>,
    /// From the root to the selected box.
    selected: Vec<Name>,
}

/// A box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    what: What,
    from: usize,
    width: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Node(usize),
    /// So many calls that are too narrow for boxes of their own.
    Rest(usize),
}

/// Levels that the end of a stack is looked for in.
const DEEPEST: usize = 4096;

/// Boxes as they stand, and which is selected.
struct Standing {
    levels: Vec<Vec<Block>>,
    level: usize,
    node: usize,
}

/// What is drawn differently.
pub(super) struct Marks<'a> {
    pub(super) found: &'a Found,
    /// Whether keys go here.
    pub(super) focused: bool,
    /// The function that the table has selected.
    pub(super) same: Option<&'a Name>,
}

impl Flame {
    /// The box that is selected.
    pub(super) fn node(&self, snapshot: &Snapshot, width: usize) -> usize {
        self.standing(snapshot, width, 0).node
    }

    /// Selects `node`, without a zoom where that hides it.
    pub(super) fn select(&mut self, snapshot: &Snapshot, node: usize, width: usize) {
        self.selected = snapshot.path(node);
        if self.node(snapshot, width) != node {
            // Too narrow: its caller fills the width.
            let caller = snapshot.tree.nodes()[node].parent;
            self.steps = vec![0];
            self.zoom = snapshot.path(caller);
        }
    }

    /// Moves the selection.
    pub(super) fn go(&mut self, key: Key, snapshot: &Snapshot, (width, page): (usize, usize)) {
        let steps = match key {
            Key::End => DEEPEST,
            Key::PageDown | Key::PageUp => page,
            _ => 1,
        };
        let standing = self.standing(snapshot, width, steps);
        let tree = &snapshot.tree;
        let parent = |node: usize| tree.nodes()[node].parent;
        let below = |node: usize, level: usize| {
            let boxes = standing.levels.get(level + 1)?.iter();
            boxes.filter_map(Block::node).find(|&child| parent(child) == node)
        };
        let (mut node, mut level) = (standing.node, standing.level);
        match key {
            Key::Up | Key::PageUp => (0..level.min(steps)).for_each(|_| node = parent(node)),
            Key::Home => node = standing.levels[0][0].node().unwrap_or(0),
            Key::Down | Key::PageDown | Key::End => {
                for _ in 0..steps {
                    let Some(child) = below(node, level) else { break };
                    (node, level) = (child, level + 1);
                }
            }
            Key::Left | Key::Right => {
                let nodes: Vec<usize> =
                    standing.levels[level].iter().filter_map(Block::node).collect();
                let at = nodes.iter().position(|&it| it == node).unwrap_or(0);
                let next = if key == Key::Left { at.checked_sub(1) } else { Some(at + 1) };
                node = next.and_then(|at| nodes.get(at)).copied().unwrap_or(node);
            }
            _ => {}
        }
        self.selected = snapshot.path(node);
    }

    /// The selected box fills the width.
    pub(super) fn zoom(&mut self, snapshot: &Snapshot, width: usize) {
        let path = snapshot.path(self.node(snapshot, width));
        if path.len() > self.zoom.len() {
            self.steps.push(self.zoom.len());
            self.zoom = path.clone();
        }
        self.selected = path;
    }

    /// Takes the last zoom back; whether there was one.
    pub(super) fn out(&mut self) -> bool {
        let Some(length) = self.steps.pop() else { return false };
        self.zoom.truncate(length);
        true
    }

    /// Selects the next box with `is`, or the one before: by levels, from left to right.
    pub(super) fn seek(
        &mut self,
        snapshot: &Snapshot,
        width: usize,
        back: bool,
        is: impl Fn(usize) -> bool,
    ) {
        let standing = self.standing(snapshot, width, DEEPEST);
        let nodes = standing.levels.iter().flatten().filter_map(Block::node);
        let nodes: Vec<usize> = nodes.collect();
        let at = nodes.iter().position(|&node| node == standing.node).unwrap_or(0);
        let count = nodes.len();
        let order = (1..=count).map(|step| if back { at + count - step } else { at + step });
        let mut order = order.map(|at| nodes[at % count]);
        if let Some(node) = order.find(|&node| is(node)) {
            self.selected = snapshot.path(node);
        }
    }

    /// The names that are zoomed into, the root's left out.
    pub(super) fn trail<'a>(&self, snapshot: &'a Snapshot) -> Vec<&'a Name> {
        let nodes = snapshot.nodes(&self.zoom);
        nodes.into_iter().map(|node| snapshot.tree.name(node)).collect()
    }

    /// Draws `height` lines.
    pub(super) fn draw(
        &self,
        snapshot: &Snapshot,
        marks: &Marks<'_>,
        height: usize,
        sheet: &mut Sheet,
    ) {
        let standing = self.standing(snapshot, sheet.width, height);
        let levels = &standing.levels;
        // The selected level stays in sight, a third from above.
        let most = levels.len().saturating_sub(height);
        let from = standing.level.saturating_sub(height / 3).min(most);
        let same = marks.same.and_then(|name| snapshot.tree.names().position(|it| it == name));
        for blocks in levels.iter().skip(from).take(height) {
            let mut line = sheet.line();
            for block in blocks {
                line.skip_to(block.from, PLAIN);
                match block.what {
                    What::Rest(count) => rest(count, block.width, sheet, &mut line),
                    What::Node(node) => {
                        let id = snapshot.tree.name_id(node);
                        let look = Look {
                            selected: node == standing.node && marks.focused,
                            found: marks.found.has(id),
                            same: same == Some(id),
                        };
                        call(snapshot.tree.name(node), block.width, look, sheet, &mut line);
                    }
                }
            }
            sheet.push(line);
        }
    }

    /// Places boxes down to `below` levels under the selected one.
    fn standing(&self, snapshot: &Snapshot, width: usize, below: usize) -> Standing {
        let zoomed = snapshot.nodes(&self.zoom);
        let root = zoomed.last().copied().unwrap_or(0);
        let path = snapshot.nodes(&self.selected);
        // What is above the zoom, or beside it, is not to be seen.
        let path = match path.strip_prefix(&zoomed[..]) {
            Some(path) => path,
            None => &[],
        };
        let levels = levels(snapshot, root, width.max(1), path.len() + below);
        let (mut node, mut level) = (root, 0);
        for &next in path {
            let shown = levels.get(level + 1);
            if !shown.is_some_and(|blocks| blocks.iter().any(|it| it.node() == Some(next))) {
                break;
            }
            (node, level) = (next, level + 1);
        }
        Standing { levels, level, node }
    }
}

impl Block {
    fn node(&self) -> Option<usize> {
        match self.what {
            What::Node(node) => Some(node),
            What::Rest(_) => None,
        }
    }
}

/// The boxes of `root` and below it, level by level; each lies within its caller's.
fn levels(snapshot: &Snapshot, root: usize, width: usize, deepest: usize) -> Vec<Vec<Block>> {
    let mut levels = vec![vec![Block { what: What::Node(root), from: 0, width }]];
    for _ in 0..deepest {
        let mut next = Vec::new();
        for block in &levels[levels.len() - 1] {
            if let What::Node(node) = block.what {
                children(snapshot, node, block, &mut next);
            }
        }
        if next.is_empty() {
            break;
        }
        levels.push(next);
    }
    levels
}

/// The boxes of what `node` calls, in the columns of its own.
fn children(snapshot: &Snapshot, node: usize, block: &Block, out: &mut Vec<Block>) {
    let tree = &snapshot.tree;
    let total = u128::from(snapshot.total(node));
    let mut parts: Vec<(What, u64)> = Vec::new();
    let (mut rest, mut rest_weight) = (0, 0u64);
    for child in tree.children(node) {
        let weight = snapshot.total(child);
        // What would round to nothing shares a box.
        if u128::from(weight) * block.width as u128 * 2 >= total {
            parts.push((What::Node(child), weight));
        } else {
            rest += 1;
            rest_weight = rest_weight.saturating_add(weight);
        }
    }
    parts.push((What::Rest(rest), rest_weight));
    let weights = parts.iter().map(|(_, weight)| *weight).chain([snapshot.own(node)]);
    let widths = portions(&weights.collect::<Vec<_>>(), block.width);
    let mut from = block.from;
    for ((what, _), width) in parts.into_iter().zip(widths) {
        if width > 0 {
            out.push(Block { what, from, width });
            from += width;
        }
    }
}

/// `room` columns by shares: all are given away, and each gets what it should, rounded up or down.
fn portions(weights: &[u64], room: usize) -> Vec<usize> {
    let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
    if sum == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: u64| u128::from(weight) * room as u128;
    let mut widths: Vec<usize> =
        weights.iter().map(|&weight| (exact(weight) / sum) as usize).collect();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(exact(weights[at]) % sum));
    let missing = room - widths.iter().sum::<usize>();
    order.into_iter().take(missing).for_each(|at| widths[at] += 1);
    widths
}

#[derive(Debug, Clone, Copy)]
struct Look {
    selected: bool,
    found: bool,
    same: bool,
}

fn call(name: &Name, width: usize, look: Look, sheet: &Sheet, line: &mut Line) {
    let shown = name.text();
    let shown = if shown.is_empty() { "all" } else { &*shown };
    if !sheet.coloured() {
        let (edge, fill) = match look {
            Look { selected: true, .. } => ('>', '='),
            Look { found: true, .. } => ('|', '*'),
            _ => ('|', '-'),
        };
        let end = line.width() + width;
        line.fill(PLAIN, edge, 1);
        line.put(PLAIN, &label(name.kind, shown, width));
        let left = end - line.width();
        return line.fill(PLAIN, fill, left);
    }
    let tone = Tone::of(name);
    let back = match look {
        Look { selected: true, .. } => SELECTED,
        Look { found: true, .. } => MATCH,
        Look { same: true, .. } => shaded(tone.0, -0.35),
        _ => tone.0,
    };
    let fore = if Tone(back).is_dark() { WHITE } else { [16, 20, 24] };
    let style = Style { bold: look.selected || look.found || look.same, ..Style::on(back, fore) };
    // A thin edge on the left, so that boxes of one colour do not run together.
    let edge = Style::on(back, shaded(back, -0.45));
    let end = line.width() + width;
    line.put(edge, "▏");
    line.put(style, &label(name.kind, shown, width));
    line.skip_to(end, style);
}

/// What is written into a box: nothing where it would be two letters.
fn label(kind: FrameKind, shown: &str, width: usize) -> String {
    let room = width - 1;
    match kind {
        _ if room < 2 => String::new(),
        FrameKind::Group | FrameKind::Note | FrameKind::Unknown => text::clipped(shown, room),
        _ => text::fitted(shown, room),
    }
}

fn rest(count: usize, width: usize, sheet: &Sheet, line: &mut Line) {
    let end = line.width() + width;
    let words = match width {
        0..12 => "…".to_string(),
        _ => format!("… {} calls", crate::value::grouped(count as u64)),
    };
    if !sheet.coloured() {
        line.put(PLAIN, &words);
        let left = end - line.width();
        return line.fill(PLAIN, '.', left);
    }
    line.put(DIM, &words);
    line.skip_to(end, DIM);
}

/// `all › make › cc1plus`, the end of it where the whole does not fit.
pub(super) fn trail(names: &[&Name], line: &mut Line) {
    const JOINT: &str = " › ";
    let mut parts = vec!["all".to_string()];
    parts.extend(names.iter().map(|name| text::fitted(&name.text(), 24)));
    let mut room = line.left();
    let mut from = parts.len();
    while from > 0 {
        let need = text::width(&parts[from - 1], 99) + JOINT.chars().count();
        if need + 4 > room && from < parts.len() {
            break;
        }
        room = room.saturating_sub(need);
        from -= 1;
    }
    if from > 0 {
        line.put(DIM, "… › ");
    }
    for (at, part) in parts.iter().enumerate().skip(from) {
        if at > from {
            line.put(DIM, JOINT);
        }
        line.put(if at + 1 == parts.len() { BOLD } else { PLAIN }, part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::sketch;
    use crate::tree::View;

    #[test]
    fn all_columns_are_given_away() {
        assert_eq!(portions(&[1, 1, 1], 10), [4, 3, 3]);
        assert_eq!(portions(&[0, 0], 10), [0, 0]);
        assert_eq!(portions(&[u64::MAX, u64::MAX], 3), [2, 1]);
        assert_eq!(portions(&[3, 0, 4], 0), [0, 0, 0]);
    }

    proptest::proptest! {
        #[test]
        fn portions_are_exact(
            weights in proptest::collection::vec(0u64.., 1..40),
            room in 0usize..300,
        ) {
            let widths = portions(&weights, room);
            let sum: u128 = weights.iter().map(|&weight| u128::from(weight)).sum();
            let given: usize = widths.iter().sum();
            assert_eq!(given, if sum == 0 { 0 } else { room });
            for (&weight, &width) in weights.iter().zip(&widths) {
                let floor = (u128::from(weight) * room as u128).checked_div(sum).unwrap_or(0);
                assert!([floor, floor + 1].contains(&(width as u128)));
            }
        }
    }

    #[test]
    fn small_calls_share_a_box_and_all_lie_within_their_callers() {
        let lines: String = (0..300).map(|at| format!("app;main;f{at};g {}\n", at + 1)).collect();
        let snapshot = Snapshot::of(&sketch(&lines), &View::default());
        let levels = levels(&snapshot, 0, 80, 100);
        assert_eq!(levels.len(), 5);
        for pair in levels.windows(2) {
            assert!(pair[1].windows(2).all(|it| it[0].from + it[0].width <= it[1].from));
            for block in &pair[1] {
                let around = |it: &&Block| {
                    it.from <= block.from && block.from + block.width <= it.from + it.width
                };
                assert!(pair[0].iter().any(|it| around(&it)), "{block:?}");
            }
        }
        let rest = levels[3].iter().filter(|it| matches!(it.what, What::Rest(_)));
        assert_eq!(rest.count(), 1);
        assert_eq!(levels[3].iter().map(|it| it.width).sum::<usize>(), 80);
    }

    #[test]
    fn one_walks_by_boxes_and_comes_back() {
        let snapshot = "app;main;a;x 50\napp;main;b 30\nweb;run 20\n";
        let snapshot = Snapshot::of(&sketch(snapshot), &View::default());
        let mut flame = Flame::default();
        let at = |flame: &Flame| snapshot.tree.name(flame.node(&snapshot, 80)).function.to_string();
        let walk = |flame: &mut Flame, keys: &[Key]| {
            keys.iter().for_each(|&key| flame.go(key, &snapshot, (80, 10)));
        };
        walk(&mut flame, &[Key::Down, Key::Down, Key::Down, Key::Right]);
        assert_eq!(at(&flame), "b");
        flame.zoom(&snapshot, 80);
        walk(&mut flame, &[Key::Up, Key::Left, Key::Right, Key::Down]);
        assert_eq!(at(&flame), "b");
        assert_eq!(flame.trail(&snapshot).len(), 3);
        assert!(flame.out() && !flame.out());
        walk(&mut flame, &[Key::Up, Key::Up, Key::Right]);
        assert_eq!(at(&flame), "web");
        walk(&mut flame, &[Key::Home, Key::End]);
        assert_eq!(at(&flame), "x");
    }

    #[test]
    fn what_is_too_narrow_is_shown_by_its_caller() {
        let lines = "app;main;hot 10000\napp;main;b;c;tiny 1\n";
        let snapshot = Snapshot::of(&sketch(lines), &View::default());
        let name = snapshot.tree.names().find(|name| &*name.function == "tiny").unwrap().clone();
        let node = snapshot.heaviest(&name).unwrap();
        let mut flame = Flame::default();
        flame.select(&snapshot, node, 80);
        assert_eq!(flame.node(&snapshot, 80), node);
        assert_eq!(flame.trail(&snapshot).last().unwrap().text(), "c");
        assert!(flame.out());
        assert_eq!(snapshot.tree.name(flame.node(&snapshot, 80)).text(), "main");
    }
}
