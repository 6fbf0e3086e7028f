//! Who had an address, and when: claims with their beginning and end.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use super::Peer;

/// Who claims an address. Where several do at once, a later kind goes before an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// By its name.
    Node(Arc<str>),
    /// By its uid.
    Pod(Arc<str>),
    /// By its uid.
    Service(Arc<str>),
}

/// All claims, those that ended a while ago too.
#[derive(Default)]
pub(super) struct Addresses {
    claims: HashMap<IpAddr, Vec<Claim>>,
    /// The ends of claims, in the order in which they were told.
    ended: VecDeque<(u64, IpAddr)>,
}

struct Claim {
    owner: Owner,
    /// From this time on …
    from: u64,
    /// … up to, but not at, this one; `OPEN` while it lasts.
    until: u64,
    peer: Arc<Peer>,
}

const OPEN: u64 = u64::MAX;

impl Addresses {
    /// Takes in at `time` that the owner has the address, `since` when it may have used it.
    ///
    /// An address is told after it is in use, so the claim reaches back to `since`, but never
    /// into the time of another owner of the same kind.
    pub(super) fn claim(
        &mut self,
        ip: IpAddr,
        owner: Owner,
        time: u64,
        since: Option<u64>,
        peer: Peer,
    ) {
        let claims = self.claims.entry(ip).or_default();
        if let Some(known) = claims.iter().position(|it| it.until == OPEN && it.owner == owner) {
            self.amend(ip, known, time, peer);
            return;
        }
        let others = claims.iter().filter(|other| other.owner.same_kind(&owner));
        let taken = others.map(|other| if other.until == OPEN { time } else { other.until }).max();
        let from = since.unwrap_or(time).min(time).max(taken.unwrap_or(0));
        claims.push(Claim { owner, from, until: OPEN, peer: Arc::new(peer) });
    }

    /// Takes in at `time` that the owner has the address no more.
    pub(super) fn end(&mut self, ip: IpAddr, owner: &Owner, time: u64) {
        let claims = self.claims.get_mut(&ip).into_iter().flatten();
        for claim in claims.filter(|claim| claim.until == OPEN && claim.owner == *owner) {
            claim.until = time.max(claim.from);
            self.ended.push_back((claim.until, ip));
        }
    }

    /// Who had the address at `time`.
    pub(super) fn peer(&self, ip: IpAddr, time: u64) -> Option<&Arc<Peer>> {
        let claims = self.claims.get(&ip)?.iter();
        let then = claims.filter(|claim| claim.from <= time && time < claim.until);
        let best = then.max_by_key(|claim| (claim.owner.rank(), claim.from))?;
        Some(&best.peer)
    }

    /// The uid of the pod that has the address now.
    pub(super) fn pod_at(&self, ip: IpAddr) -> Option<Arc<str>> {
        let open = self.claims.get(&ip)?.iter().filter(|claim| claim.until == OPEN);
        let pods = open.filter_map(|claim| match &claim.owner {
            Owner::Pod(uid) => Some((claim.from, uid)),
            _ => None,
        });
        pods.max().map(|(_, uid)| uid.clone())
    }

    /// Forgets the claims that ended by `horizon`, and the oldest ones above `most`. Returns how
    /// many of the latter there were.
    pub(super) fn expire(&mut self, horizon: u64, most: usize) -> u64 {
        let mut evicted = 0;
        while let Some(&(until, ip)) = self.ended.front() {
            let full = self.ended.len() > most;
            if until > horizon && !full {
                break;
            }
            evicted += u64::from(until > horizon);
            self.ended.pop_front();
            self.forget(ip, until);
        }
        evicted
    }

    /// How many addresses are known.
    pub(super) fn len(&self) -> usize {
        self.claims.len()
    }

    /// What is said of an owner changed. Where it answers for another service now, older rows
    /// keep the one of their time; else more became known of the same.
    fn amend(&mut self, ip: IpAddr, known: usize, time: u64, peer: Peer) {
        let Some(claims) = self.claims.get_mut(&ip) else { return };
        let claim = &mut claims[known];
        if *claim.peer == peer {
            return;
        }
        let same = claim.peer.service.is_none() || claim.peer.service == peer.service;
        if same || time <= claim.from {
            claim.peer = Arc::new(peer);
            return;
        }
        claim.until = time;
        let owner = claim.owner.clone();
        claims.push(Claim { owner, from: time, until: OPEN, peer: Arc::new(peer) });
        self.ended.push_back((time, ip));
    }

    /// Forgets one claim on `ip` that ended at `until`: each has its own entry in the queue.
    fn forget(&mut self, ip: IpAddr, until: u64) {
        let Some(claims) = self.claims.get_mut(&ip) else { return };
        if let Some(at) = claims.iter().position(|claim| claim.until == until) {
            claims.remove(at);
        }
        if claims.is_empty() {
            self.claims.remove(&ip);
        }
    }
}

impl Owner {
    fn rank(&self) -> u8 {
        match self {
            Owner::Node(_) => 0,
            Owner::Pod(_) => 1,
            Owner::Service(_) => 2,
        }
    }

    fn same_kind(&self, other: &Owner) -> bool {
        self.rank() == other.rank()
    }
}
