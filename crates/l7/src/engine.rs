//! All connections.

use std::collections::HashMap;
use std::sync::Arc;

use protocols::Policy;
use schema::ProcessKey;

use crate::connection::{Connection, Context};
use crate::coverage::{Coverage, Covered};
use crate::{Chunk, Closed, Ends, Key, Limits, Opened, Request, Ruling};

/// Makes requests out of what sockets moved.
///
/// It is one worker's: all chunks of a connection go to the same engine. Requests are appended to
/// the list that is handed in, in the order in which they are over.
#[derive(Debug)]
pub struct Engine {
    limits: Limits,
    /// What holds for connections of which nothing else was said.
    ruling: Ruling,
    connections: HashMap<Key, Connection>,
    /// What was counted of connections that are closed, or in an earlier protocol.
    covered: Vec<Covered>,
    held: usize,
    now: u64,
}

impl Engine {
    /// An engine that knows no connection. What it keeps of messages is the policy's to say, unless
    /// [`Engine::rule`] says something else of a connection.
    pub fn new(limits: Limits, policy: Policy) -> Engine {
        Engine {
            limits,
            ruling: Ruling::Read(Arc::new(policy)),
            connections: HashMap::new(),
            covered: Vec::new(),
            held: 0,
            now: 0,
        }
    }

    /// A connection was opened, or is there from before. One that is known learns what it lacked.
    pub fn opened(&mut self, opened: &Opened) {
        self.now = self.now.max(opened.time);
        let room = self.connections.len() < self.limits.connections;
        match self.connections.get_mut(&opened.key) {
            Some(connection) => connection.learn(opened),
            None if room => {
                self.connections.insert(opened.key, Connection::new(*opened, self.ruling.clone()));
            }
            None => {}
        }
    }

    /// What is said inside TLS begins to be read, on the connection that carries it; `from_middle` where
    /// something may have been said before.
    pub fn opened_inside(&mut self, key: Key, process: ProcessKey, from_middle: bool, time: u64) {
        let carrier = Key { tls: false, ..key };
        let room = self.connections.len() < self.limits.connections;
        let known = self.connections.contains_key(&key);
        let Some(carrier) = self.connections.get_mut(&carrier).filter(|_| room && !known) else {
            return;
        };
        let inside = carrier.is_read_inside(key);
        let from_middle = from_middle || inside.from_middle;
        let opened = Opened { process, from_middle, time, ..inside };
        self.connections.insert(key, Connection::new(opened, self.ruling.clone()));
    }

    /// A system call moved bytes.
    ///
    /// What was said inside TLS has a connection of its own, which learns sides and ends from the one
    /// that carries it. A connection that was not opened is taken up in the middle.
    pub fn data(&mut self, chunk: &Chunk, out: &mut Vec<Request>) {
        self.now = self.now.max(chunk.time);
        if !self.take_up(chunk) {
            let coverage =
                Coverage { moved: chunk.size, refused: chunk.size, ..Coverage::default() };
            let Chunk { key, process, .. } = *chunk;
            self.covered.push(Covered { key, process, protocol: None, coverage });
            return;
        }
        // When all together hold too much, those that speak keep only numbers of bytes.
        let full = self.held > self.limits.held;
        self.with(chunk.key, out, |connection, context| {
            if full && connection.held() > 0 {
                connection.add(&Chunk { data: &[], ..*chunk }, context);
            } else {
                connection.add(chunk, context);
            }
        });
    }

    /// Says what may be done with what is said on a connection, from here on. What is being said is
    /// given up where less may be kept of it than before: its requests are told as they stand.
    pub fn rule(&mut self, key: Key, ruling: &Ruling, out: &mut Vec<Request>) {
        if self.connections.get(&key).is_some_and(|it| !it.is_ruled(ruling)) {
            self.with(key, out, |connection, context| connection.rule(ruling, context));
        }
    }

    /// Whether a connection is not to be read.
    pub fn is_refused(&self, key: &Key) -> bool {
        self.connections.get(key).is_some_and(|it| it.is_ruled(&Ruling::Refuse))
    }

    /// A connection was closed. What is said inside it ends with it.
    pub fn closed(&mut self, closed: &Closed, out: &mut Vec<Request>) {
        self.now = self.now.max(closed.time);
        self.end(Key { tls: true, ..closed.key }, None, out);
        self.end(closed.key, closed.reached, out);
    }

    /// Nothing is told any more: all connections are given up as they stand.
    pub fn end_all(&mut self, out: &mut Vec<Request>) {
        let keys: Vec<Key> = self.connections.keys().copied().collect();
        for key in keys {
            self.end(key, None, out);
        }
    }

    /// Time goes on: gives up waiting for what did not come. To be called several times a second.
    pub fn tick(&mut self, now: u64, out: &mut Vec<Request>) {
        self.now = self.now.max(now);
        // Where there is hardly room for new ones, those that are silent go earlier.
        let crowded = self.connections.len() >= self.limits.connections / 10 * 9;
        let idle = if crowded { self.limits.idle / 60 } else { self.limits.idle };
        let (mut waiting, mut silent) = (Vec::new(), Vec::new());
        for (key, connection) in &self.connections {
            if connection.touched.saturating_add(idle) < self.now {
                silent.push(*key);
            } else if connection.is_waiting() {
                waiting.push(*key);
            }
        }
        for key in waiting {
            self.with(key, out, Connection::tick);
        }
        for key in silent {
            self.end(key, None, out);
        }
    }

    /// Gives out what was counted since the last call, for each connection and protocol.
    pub fn coverage(&mut self) -> Vec<Covered> {
        let mut requests = Vec::new();
        let mut context = Context {
            limits: &self.limits,
            now: self.now,
            requests: &mut requests,
            covered: &mut self.covered,
        };
        for connection in self.connections.values_mut() {
            connection.report(&mut context);
        }
        std::mem::take(&mut self.covered)
    }

    /// What is spoken on a connection, if it is known: a kernel side may copy less of what is not.
    pub fn protocol(&self, key: &Key) -> Option<&'static str> {
        self.connections.get(key)?.protocol()
    }

    /// Whether it goes in frames (see [`protocols::Protocol::frames`]).
    pub fn is_framed(&self, key: &Key) -> bool {
        self.connections.get(key).is_some_and(Connection::is_framed)
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Roughly how many bytes of memory are held of them, besides what each needs itself.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Bytes that were moved and are not counted as anything yet.
    pub fn pending(&self) -> u64 {
        self.connections.values().map(Connection::pending).sum()
    }

    /// Makes a connection for bytes of one that was not announced; false if there is no room for it.
    pub fn take_up(&mut self, chunk: &Chunk) -> bool {
        if self.connections.contains_key(&chunk.key) {
            return true;
        }
        if self.connections.len() >= self.limits.connections {
            return false;
        }
        let carrier = Key { tls: false, ..chunk.key };
        let opened = match self.connections.get_mut(&carrier) {
            Some(carrier) => carrier.is_read_inside(chunk.key),
            None => Opened {
                key: chunk.key,
                process: chunk.process,
                transport: chunk.transport,
                side: None,
                ends: Ends::default(),
                from_middle: true,
                time: chunk.time,
            },
        };
        self.connections.insert(chunk.key, Connection::new(opened, self.ruling.clone()));
        true
    }

    fn end(&mut self, key: Key, reached: Option<[u64; 2]>, out: &mut Vec<Request>) {
        self.with(key, out, |connection, context| connection.close(reached, context));
        if let Some(connection) = self.connections.remove(&key) {
            self.held -= connection.held().min(self.held);
        }
    }

    fn with(
        &mut self,
        key: Key,
        out: &mut Vec<Request>,
        work: impl FnOnce(&mut Connection, &mut Context),
    ) {
        let Some(connection) = self.connections.get_mut(&key) else {
            return;
        };
        let before = connection.held();
        let mut context = Context {
            limits: &self.limits,
            now: self.now,
            requests: out,
            covered: &mut self.covered,
        };
        work(connection, &mut context);
        self.held = (self.held + connection.held()).saturating_sub(before);
    }
}
