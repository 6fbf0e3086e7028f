//! What the file tree of a workload must look like: a model that resolves paths the way the
//! kernel does, so that the right answer is known without asking (asking would make events).

use std::collections::BTreeMap;

use rustix::io::Errno;

/// A name in the tree (what the kernel calls a dentry).
pub(super) type NodeId = usize;

/// The directory `/`.
pub(super) const TOP: NodeId = 0;

/// The kernel's bound on symbolic links in one walk.
const MOST_LINKS: usize = 40;

#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: NodeId,
    pub(super) name: Vec<u8>,
    pub(super) kind: Kind,
    /// Which file this is a name of.
    pub(super) inode: u64,
    /// The name was removed; the file may still be open.
    pub(super) dead: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Dir(BTreeMap<Vec<u8>, NodeId>),
    File,
    Symlink(Vec<u8>),
}

/// Where a walk ended.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The directory of the last component.
    pub(super) parent: NodeId,
    /// The last component, after links that were followed.
    pub(super) name: Vec<u8>,
    /// What it names; none where nothing is there.
    pub(super) node: Option<NodeId>,
}

#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    inodes: u64,
    /// The names below the workload's home that are there.
    live: Vec<NodeId>,
}

impl Tree {
    /// A tree that holds the directories of the absolute path `home`, and home's node.
    pub(super) fn new(home: &[u8]) -> (Tree, NodeId) {
        let kind = Kind::Dir(BTreeMap::new());
        let top = Node { parent: TOP, name: Vec::new(), kind, inode: 0, dead: false };
        let mut tree = Tree { nodes: vec![top], inodes: 0, live: Vec::new() };
        let mut node = TOP;
        for name in home.split(|&byte| byte == b'/').filter(|name| !name.is_empty()) {
            node = tree.add(node, name.to_vec(), Kind::Dir(BTreeMap::new()));
        }
        tree.live = vec![node];
        (tree, node)
    }

    pub(super) fn node(&self, node: NodeId) -> &Node {
        &self.nodes[node]
    }

    /// The names that are there, home itself first.
    pub(super) fn live(&self) -> &[NodeId] {
        &self.live
    }

    pub(super) fn is_dir(&self, node: NodeId) -> bool {
        matches!(self.nodes[node].kind, Kind::Dir(_))
    }

    pub(super) fn children(&self, node: NodeId) -> Option<&BTreeMap<Vec<u8>, NodeId>> {
        match &self.nodes[node].kind {
            Kind::Dir(children) => Some(children),
            _ => None,
        }
    }

    /// The path of `node`, or for a removed one the last it had.
    pub(super) fn path(&self, node: NodeId) -> Vec<u8> {
        let mut chain = Vec::new();
        let mut at = node;
        while at != TOP {
            chain.push(self.nodes[at].name.as_slice());
            at = self.nodes[at].parent;
        }
        if chain.is_empty() {
            return b"/".to_vec();
        }
        chain.iter().rev().flat_map(|name| [b"/", *name]).flatten().copied().collect()
    }

    /// The path that `found` names.
    pub(super) fn found_path(&self, found: &Found) -> Vec<u8> {
        match found.node {
            Some(node) => self.path(node),
            None => join(&self.path(found.parent), &found.name),
        }
    }

    /// Whether `node` is `ancestor` or below it.
    pub(super) fn is_below(&self, mut node: NodeId, ancestor: NodeId) -> bool {
        loop {
            if node == ancestor {
                return true;
            }
            if node == TOP {
                return false;
            }
            node = self.nodes[node].parent;
        }
    }

    /// Walks `path` from the directory `start`; a link in the last place is followed only where
    /// `follow` says so or a slash comes after it.
    pub(super) fn walk(&self, start: NodeId, path: &[u8], follow: bool) -> Result<Found, Errno> {
        if path.is_empty() {
            return Err(Errno::NOENT);
        }
        let mut at = if path[0] == b'/' { TOP } else { start };
        let mut follow_last = follow || path.ends_with(b"/");
        let mut rest: Vec<Vec<u8>> = components(path);
        let mut links = 0;
        let itself = |at: NodeId, tree: &Tree| Found {
            parent: tree.nodes[at].parent,
            name: tree.nodes[at].name.clone(),
            node: Some(at),
        };
        while let Some(name) = rest.pop() {
            let Kind::Dir(children) = &self.nodes[at].kind else { return Err(Errno::NOTDIR) };
            match name.as_slice() {
                b"." => continue,
                b".." => {
                    at = self.nodes[at].parent;
                    continue;
                }
                name if name.len() > 255 => return Err(Errno::NAMETOOLONG),
                _ => {}
            }
            let last = rest.is_empty();
            let Some(&child) = children.get(&name) else {
                return match last {
                    true => Ok(Found { parent: at, name, node: None }),
                    false => Err(Errno::NOENT),
                };
            };
            if let Kind::Symlink(target) = &self.nodes[child].kind
                && (!last || follow_last)
            {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Errno::LOOP);
                }
                if target.starts_with(b"/") {
                    at = TOP;
                }
                if last {
                    follow_last = true;
                }
                rest.extend(components(target));
                continue;
            }
            if last {
                return Ok(itself(child, self));
            }
            at = child;
        }
        Ok(itself(at, self))
    }

    /// Adds a name for a new file.
    pub(super) fn add(&mut self, parent: NodeId, name: Vec<u8>, kind: Kind) -> NodeId {
        self.inodes += 1;
        self.add_name(parent, name, kind, self.inodes)
    }

    /// Adds another name for the file of `node`.
    pub(super) fn add_link(&mut self, node: NodeId, parent: NodeId, name: Vec<u8>) -> NodeId {
        let (kind, inode) = (self.nodes[node].kind.clone(), self.nodes[node].inode);
        self.add_name(parent, name, kind, inode)
    }

    /// Adds a file that has no name: an `O_TMPFILE`, which the kernel shows as `#inode`.
    pub(super) fn add_nameless(&mut self, parent: NodeId, shown: Vec<u8>) -> NodeId {
        self.inodes += 1;
        let (kind, inode) = (Kind::File, self.inodes);
        self.nodes.push(Node { parent, name: shown, kind, inode, dead: true });
        self.nodes.len() - 1
    }

    fn add_name(&mut self, parent: NodeId, name: Vec<u8>, kind: Kind, inode: u64) -> NodeId {
        let node = self.nodes.len();
        self.nodes.push(Node { parent, name: name.clone(), kind, inode, dead: false });
        self.attach(parent, name, node);
        self.live.push(node);
        node
    }

    /// Removes a name.
    pub(super) fn remove(&mut self, node: NodeId) {
        self.detach(node);
        self.nodes[node].dead = true;
        self.live.retain(|&live| live != node);
    }

    /// Moves `node` to where `to` says, over what is there.
    pub(super) fn rename(&mut self, node: NodeId, to: &Found) {
        if let Some(over) = to.node {
            if self.nodes[over].inode == self.nodes[node].inode {
                return;
            }
            self.remove(over);
        }
        self.detach(node);
        self.place(node, to.parent, to.name.clone());
    }

    /// Lets two names change places.
    pub(super) fn exchange(&mut self, one: NodeId, other: NodeId) {
        if one == other {
            return;
        }
        let seat =
            |tree: &Tree, node: NodeId| (tree.nodes[node].parent, tree.nodes[node].name.clone());
        let (first, second) = (seat(self, one), seat(self, other));
        self.detach(one);
        self.detach(other);
        self.place(one, second.0, second.1);
        self.place(other, first.0, first.1);
    }

    fn place(&mut self, node: NodeId, parent: NodeId, name: Vec<u8>) {
        self.nodes[node].parent = parent;
        self.nodes[node].name = name.clone();
        self.attach(parent, name, node);
    }

    fn attach(&mut self, parent: NodeId, name: Vec<u8>, node: NodeId) {
        if let Kind::Dir(children) = &mut self.nodes[parent].kind {
            children.insert(name, node);
        }
    }

    fn detach(&mut self, node: NodeId) {
        let (parent, name) = (self.nodes[node].parent, self.nodes[node].name.clone());
        if let Kind::Dir(children) = &mut self.nodes[parent].kind {
            children.remove(&name);
        }
    }
}

/// `dir` and `name` with one slash between them.
pub(super) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = dir.to_vec();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The components of a path, last first.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    let parts = path.split(|&byte| byte == b'/').filter(|part| !part.is_empty());
    let mut parts: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Tree, NodeId, NodeId) {
        let (mut tree, home) = Tree::new(b"/tmp/x");
        let sub = tree.add(home, b"sub".to_vec(), Kind::Dir(BTreeMap::new()));
        tree.add(sub, b"file".to_vec(), Kind::File);
        tree.add(home, b"up".to_vec(), Kind::Symlink(b"sub/../sub".to_vec()));
        tree.add(home, b"loop".to_vec(), Kind::Symlink(b"loop".to_vec()));
        tree.add(home, b"gone".to_vec(), Kind::Symlink(b"/tmp/x/new".to_vec()));
        (tree, home, sub)
    }

    fn resolved(tree: &Tree, start: NodeId, path: &str, follow: bool) -> Result<String, Errno> {
        let found = tree.walk(start, path.as_bytes(), follow)?;
        Ok(String::from_utf8(tree.found_path(&found)).unwrap())
    }

    #[test]
    fn walks_go_where_the_kernel_goes() {
        let (tree, home, sub) = sample();
        assert_eq!(resolved(&tree, home, "up/./file", true).unwrap(), "/tmp/x/sub/file");
        assert_eq!(resolved(&tree, sub, "..//up", false).unwrap(), "/tmp/x/up");
        assert_eq!(resolved(&tree, sub, "../up/", false).unwrap(), "/tmp/x/sub");
        assert_eq!(resolved(&tree, home, "gone", true).unwrap(), "/tmp/x/new");
        assert_eq!(resolved(&tree, home, "sub/..", true).unwrap(), "/tmp/x");
        assert_eq!(resolved(&tree, home, "/../..", true).unwrap(), "/");
        assert_eq!(resolved(&tree, home, "loop", true), Err(Errno::LOOP));
        assert_eq!(resolved(&tree, home, "sub/file/x", true), Err(Errno::NOTDIR));
        assert_eq!(resolved(&tree, home, "none/x", true), Err(Errno::NOENT));
    }

    #[test]
    fn a_renamed_directory_takes_its_files_along() {
        let (mut tree, home, sub) = sample();
        let to = tree.walk(home, b"moved", false).unwrap();
        tree.rename(sub, &to);
        assert_eq!(resolved(&tree, home, "moved/file", true).unwrap(), "/tmp/x/moved/file");
        assert!(resolved(&tree, home, "sub/file", true).is_err());
        assert_eq!(tree.path(sub), b"/tmp/x/moved");
    }

    #[test]
    fn renaming_over_another_name_of_the_file_does_nothing() {
        let (mut tree, home, sub) = sample();
        let file = tree.walk(sub, b"file", false).unwrap().node.unwrap();
        let link = tree.add_link(file, home, b"link".to_vec());
        let to = tree.walk(home, b"link", false).unwrap();
        tree.rename(file, &to);
        assert!(!tree.node(file).dead && !tree.node(link).dead);
    }
}
