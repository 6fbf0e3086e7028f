//! How well the cluster is known, for metrics and `doctor`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock;

/// How well the cluster is known: a snapshot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The API server, kind by kind.
    pub kinds: Vec<Source>,
    /// The container runtimes of this node.
    pub runtimes: Vec<Source>,
}

/// One of those who tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `pods`, `services` … or `cri`, `docker`.
    pub name: &'static str,
    /// How it stands with it.
    pub connection: Connection,
    /// How many objects it has.
    pub objects: usize,
    /// How often all of them were asked for and given.
    pub lists: u64,
    /// How often it told of a change.
    pub events: u64,
    /// How often something went wrong.
    pub errors: u64,
}

/// How it stands with one who tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// It was not reached yet.
    Connecting,
    /// What is known is as new as it can be.
    Connected,
    /// What is known was true when the connection was lost.
    Lost {
        /// Since when (boot clock).
        since: u64,
        /// What went wrong last.
        why: String,
    },
    /// It does not let us: nothing is known of these, and we ask again now and then.
    Refused {
        /// In its words.
        why: String,
    },
    /// It is not there.
    Absent {
        /// What was looked for.
        why: String,
    },
}

impl State {
    /// Whether everything that the API server lets us see was seen once.
    pub fn synced(&self) -> bool {
        let seen =
            |kind: &Source| kind.lists > 0 || matches!(kind.connection, Connection::Refused { .. });
        !self.kinds.is_empty() && self.kinds.iter().all(seen)
    }

    /// How it stands with the API server as a whole: that of the kind with which it stands
    /// worst, but for kinds that are refused.
    pub fn api(&self) -> Connection {
        let allowed = self.kinds.iter().map(|kind| &kind.connection);
        let allowed = allowed.filter(|it| !matches!(it, Connection::Refused { .. }));
        let worst = allowed.max_by_key(|connection| match connection {
            Connection::Connected => 0,
            Connection::Connecting => 1,
            _ => 2,
        });
        let none = || Connection::Refused { why: "no kind may be listed".into() };
        let empty = self.kinds.is_empty();
        worst.cloned().unwrap_or_else(|| if empty { Connection::Connecting } else { none() })
    }

    /// The kind or runtime of the name.
    pub fn source(&self, name: &str) -> Option<&Source> {
        self.kinds.iter().chain(&self.runtimes).find(|source| source.name == name)
    }
}

/// The state as those who make it share it.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<State>>);

/// One source's part of the state.
pub(crate) struct Part {
    state: Shared,
    pick: fn(&mut State) -> &mut Vec<Source>,
    at: usize,
}

impl Shared {
    pub(crate) fn snapshot(&self) -> State {
        self.lock().clone()
    }

    pub(crate) fn kind(&self, name: &'static str) -> Part {
        self.part(name, |state| &mut state.kinds)
    }

    pub(crate) fn runtime(&self, name: &'static str) -> Part {
        self.part(name, |state| &mut state.runtimes)
    }

    fn part(&self, name: &'static str, pick: fn(&mut State) -> &mut Vec<Source>) -> Part {
        let mut state = self.lock();
        let sources = pick(&mut state);
        let connection = Connection::Connecting;
        sources.push(Source { name, connection, objects: 0, lists: 0, events: 0, errors: 0 });
        Part { at: sources.len() - 1, state: self.clone(), pick }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part {
    pub(crate) fn lists(&self) -> u64 {
        (self.pick)(&mut self.state.lock())[self.at].lists
    }

    pub(crate) fn listed(&self, objects: usize) {
        self.change(|source| {
            source.connection = Connection::Connected;
            source.lists += 1;
            source.objects = objects;
        });
    }

    pub(crate) fn connected(&self) {
        self.change(|source| source.connection = Connection::Connected);
    }

    pub(crate) fn event(&self, objects: usize) {
        self.change(|source| {
            source.connection = Connection::Connected;
            source.events += 1;
            source.objects = objects;
        });
    }

    pub(crate) fn lost(&self, why: String) {
        self.change(|source| {
            source.errors += 1;
            let since = match source.connection {
                Connection::Lost { since, .. } => since,
                _ => clock::now(),
            };
            source.connection = Connection::Lost { since, why };
        });
    }

    pub(crate) fn refused(&self, why: String) {
        self.change(|source| {
            source.errors += 1;
            source.connection = Connection::Refused { why };
        });
    }

    pub(crate) fn absent(&self, why: String) {
        self.change(|source| source.connection = Connection::Absent { why });
    }

    fn change(&self, change: impl FnOnce(&mut Source)) {
        change(&mut (self.pick)(&mut self.state.lock())[self.at]);
    }
}
