//! Where the boxes of a call tree stand, whatever draws them.

use crate::tree::Tree;

/// A box: one node, or siblings that are too narrow to be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// What it is of.
    pub what: What,
    /// Levels from the root, which is 0.
    pub depth: usize,
    /// Where it begins, as a part of the whole width.
    pub from: f64,
    /// How wide it is, as a part of the whole width.
    pub width: f64,
}

/// What a box is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A node of the tree.
    Node(usize),
    /// So many siblings, or what is below the deepest level.
    Rest(usize),
}

/// Places the nodes of `tree` down to `deepest`. Nodes narrower than `narrowest`, a part of the
/// whole, become one box with their siblings, and none if even that is too narrow.
pub fn place(tree: &Tree, narrowest: f64, deepest: usize) -> Vec<Placed> {
    let mut boxes = Vec::new();
    // A stack of our own: calls can be deeper than ours may be.
    let mut open = vec![Placed { what: What::Node(0), depth: 0, from: 0.0, width: 1.0 }];
    while let Some(at) = open.pop() {
        boxes.push(at);
        let What::Node(node) = at.what else { continue };
        let mut from = at.from;
        let depth = at.depth + 1;
        let (mut rest, mut rest_width) = (0, 0.0);
        for child in tree.children(node) {
            let width = tree.share(child);
            if width < narrowest || depth > deepest {
                rest += 1;
                rest_width += width;
                continue;
            }
            open.push(Placed { what: What::Node(child), depth, from, width });
            from += width;
        }
        if rest > 0 && rest_width >= narrowest && depth <= deepest + 1 {
            open.push(Placed { what: What::Rest(rest), depth, from, width: rest_width });
        }
    }
    boxes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::sketch;
    use crate::tree::View;

    #[test]
    fn boxes_lie_within_their_callers_and_do_not_overlap() {
        let lines: String = (0..300).map(|at| format!("app;main;f{at};g {}\n", at + 1)).collect();
        let boxes = place(&Tree::of(&sketch(&lines), &View::default()), 0.002, 100);
        let mut rows: std::collections::BTreeMap<usize, Vec<Placed>> = Default::default();
        for at in &boxes {
            assert!(at.from >= 0.0 && at.from + at.width <= 1.0 + 1e-9, "{at:?}");
            rows.entry(at.depth).or_default().push(*at);
        }
        for row in rows.values_mut() {
            row.sort_by(|one, other| one.from.total_cmp(&other.from));
            for pair in row.windows(2) {
                assert!(pair[0].from + pair[0].width <= pair[1].from + 1e-9, "{pair:?}");
            }
        }
        let rest: Vec<_> = boxes.iter().filter(|at| matches!(at.what, What::Rest(_))).collect();
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].what, What::Rest(90));
        assert!(boxes.len() < 500);
    }

    #[test]
    fn deep_recursion_ends_somewhere() {
        let line = format!("app;{} 1\n", vec!["rec"; 4000].join(";"));
        let tree = Tree::of(&sketch(&line), &View::default());
        let boxes = place(&tree, 0.001, 200);
        assert_eq!(boxes.len(), 202);
        assert_eq!(boxes[201].what, What::Rest(1));
    }
}
