//! One process from one change of it to the next.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use schema::{Ancestor, Process, ProcessFacts, ProcessKey};

use crate::CgroupIndex;

/// What a process was from `since` on, until the next version.
pub(crate) struct Version {
    pub(crate) since: u64,
    pub(crate) source: Source,
    /// Names this very build of the version: whoever took something from it sees that it changed.
    pub(crate) stamp: u64,
    pub(crate) base: Form,
    /// The same process in the other cgroups that its rows named, the last found last.
    pub(crate) moved: Vec<Form>,
    lineage: Link,
    /// What the change itself did not say.
    blank: Blank,
    /// The ancestors of the processes that this one forks, shared by all of them.
    family: OnceLock<Arc<[Arc<Ancestor>]>>,
}

/// What announced a version. Of two at the same time, the later in this order wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Nothing: a row spoke of a process that was never announced.
    Guess,
    Seen,
    Forked,
    Execed,
}

/// A version in one cgroup.
#[derive(Clone)]
pub(crate) struct Form {
    pub(crate) process: Arc<Process>,
    /// Whether the cgroup was known, so that the container (or its absence) is the truth.
    pub(crate) placed: bool,
}

/// Which build of the parent a version's ancestors were taken from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Link {
    /// The time at which the parent was, or is to be, looked up.
    pub(crate) at: u64,
    /// The parent's stamp; 0 as long as the parent is not known.
    pub(crate) stamp: u64,
    /// Whether an ancestor is still to come.
    pub(crate) open: bool,
}

/// What a version's ancestors rest on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rest {
    /// The version's own stamp.
    pub(crate) stamp: u64,
    pub(crate) since: u64,
    pub(crate) parent: ProcessKey,
    pub(crate) link: Link,
}

/// What a version gives to a child.
pub(crate) struct Legacy {
    pub(crate) stamp: u64,
    open: bool,
    cut: bool,
    family: Arc<[Arc<Ancestor>]>,
    /// The parent itself, where more is known of it than its name.
    image: Option<Arc<Process>>,
}

/// Numbers the builds of versions.
#[derive(Default)]
pub(crate) struct Stamps(AtomicU64);

#[derive(Clone, Copy, Default)]
struct Blank {
    parent: bool,
    cgroup: bool,
    vpid: bool,
    args: bool,
    cwd: bool,
}

/// A process that has been in more cgroups than this within one version is its threads' doing.
const MOST_MOVED: usize = 8;

impl Version {
    pub(crate) fn new(
        source: Source,
        since: u64,
        key: ProcessKey,
        facts: ProcessFacts,
        cgroups: &CgroupIndex,
        stamps: &Stamps,
    ) -> Version {
        let seen = source == Source::Seen;
        let blank = Blank {
            parent: facts.parent.is_none(),
            cgroup: facts.cgroup == 0,
            vpid: facts.vpid == 0,
            args: seen && facts.args.is_empty(),
            cwd: seen && facts.cwd.is_empty(),
        };
        let lineage = Link { at: since, stamp: 0, open: !blank.parent };
        let process = Process {
            key,
            facts,
            ancestors: Arc::from([]),
            ancestors_cut: false,
            container: None,
            reconstructed: source == Source::Guess,
        };
        let base = Form::new(process, cgroups);
        let (stamp, family) = (stamps.next(), OnceLock::new());
        Version { since, source, stamp, base, moved: Vec::new(), lineage, blank, family }
    }

    /// The process in `cgroup`, where that form is there already; 0 stands for any.
    pub(crate) fn form(&self, cgroup: u64) -> Option<&Form> {
        if cgroup == 0 || self.base.process.facts.cgroup == cgroup {
            return Some(&self.base);
        }
        self.moved.iter().find(|form| form.process.facts.cgroup == cgroup)
    }

    /// The process in the cgroup that it was found in last.
    pub(crate) fn latest(&self) -> &Form {
        self.moved.last().unwrap_or(&self.base)
    }

    /// The process in `cgroup`, made if need be, with its container if that is known by now.
    pub(crate) fn place(&mut self, cgroup: u64, cgroups: &CgroupIndex) -> Arc<Process> {
        if self.form(cgroup).is_none() {
            let mut process = (*self.base.process).clone();
            process.facts.cgroup = cgroup;
            if self.moved.len() == MOST_MOVED {
                self.moved.remove(0);
            }
            self.moved.push(Form::new(process, cgroups));
        }
        let moved = self.moved.iter_mut().rev();
        let form = moved.into_iter().find(|form| form.process.facts.cgroup == cgroup);
        let form = form.unwrap_or(&mut self.base);
        if !form.placed && cgroups.knows(form.process.facts.cgroup) {
            *form = Form::new((*form.process).clone(), cgroups);
        }
        form.process.clone()
    }

    /// What the ancestors rest on.
    pub(crate) fn rest(&self) -> Rest {
        let parent = self.base.process.facts.parent;
        Rest { stamp: self.stamp, since: self.since, parent, link: self.lineage }
    }

    /// What a child forked from this version has of it, of at most `limit` ancestors.
    pub(crate) fn legacy(&self, limit: usize) -> Legacy {
        let process = &self.base.process;
        let family = self.family.get_or_init(|| {
            let own = Ancestor {
                key: process.key,
                comm: process.facts.comm.clone(),
                exe: process.facts.exe.clone(),
                args: process.facts.args.clone(),
            };
            std::iter::once(Arc::new(own))
                .chain(process.ancestors.iter().cloned())
                .take(limit)
                .collect()
        });
        let guess = self.source == Source::Guess;
        let cut = process.ancestors_cut || process.ancestors.len() + 1 > limit;
        Legacy {
            stamp: self.stamp,
            open: guess || (self.lineage.open && !cut),
            cut,
            family: family.clone(),
            image: (!guess).then(|| process.clone()),
        }
    }

    /// Takes over what the parent gives: ancestors, and after a fork the image.
    pub(crate) fn inherit(&mut self, legacy: Legacy, cgroups: &CgroupIndex, stamps: &Stamps) {
        let mut process = (*self.base.process).clone();
        if let (Source::Forked, Some(image)) = (self.source, legacy.image) {
            let own = process.facts;
            process.facts = ProcessFacts {
                parent: own.parent,
                comm: own.comm,
                cgroup: if self.blank.cgroup { image.facts.cgroup } else { own.cgroup },
                vpid: own.vpid,
                ..image.facts.clone()
            };
        }
        process.ancestors = legacy.family;
        process.ancestors_cut = legacy.cut;
        self.lineage = Link { at: self.lineage.at, stamp: legacy.stamp, open: legacy.open };
        self.rebuild(process, cgroups, stamps);
    }

    /// Takes from the version before what this one's change did not say.
    pub(crate) fn follow(&mut self, before: &Version, cgroups: &CgroupIndex, stamps: &Stamps) {
        let old = &before.base.process;
        let mut process = (*self.base.process).clone();
        let facts = &mut process.facts;
        if self.blank.parent {
            facts.parent = old.facts.parent;
        }
        if self.blank.cgroup {
            facts.cgroup = before.latest().process.facts.cgroup;
        }
        if self.blank.vpid {
            facts.vpid = old.facts.vpid;
        }
        if same_image(facts, &old.facts) {
            if self.blank.args {
                facts.args = old.facts.args.clone();
                facts.args_truncated = old.facts.args_truncated;
            }
            if self.blank.cwd {
                facts.cwd = old.facts.cwd.clone();
            }
        }
        // A fork keeps its own link: it has to take the image over from the parent too.
        if facts.parent == old.facts.parent && self.source != Source::Forked {
            process.ancestors = old.ancestors.clone();
            process.ancestors_cut = old.ancestors_cut;
            self.lineage = before.lineage;
        }
        if process != *self.base.process {
            self.rebuild(process, cgroups, stamps);
        }
    }

    fn rebuild(&mut self, process: Process, cgroups: &CgroupIndex, stamps: &Stamps) {
        for form in &mut self.moved {
            let mut moved = process.clone();
            moved.facts.cgroup = form.process.facts.cgroup;
            *form = Form::new(moved, cgroups);
        }
        self.base = Form::new(process, cgroups);
        self.family = OnceLock::new();
        self.stamp = stamps.next();
    }
}

impl Form {
    fn new(mut process: Process, cgroups: &CgroupIndex) -> Form {
        let place = cgroups.place(process.facts.cgroup);
        let placed = place.is_some();
        process.container = place.flatten();
        Form { process: Arc::new(process), placed }
    }
}

impl Stamps {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn same_image(one: &ProcessFacts, other: &ProcessFacts) -> bool {
    !one.exe.is_empty()
        && one.exe == other.exe
        && one.exe_inode == other.exe_inode
        && one.exe_device == other.exe_device
}
