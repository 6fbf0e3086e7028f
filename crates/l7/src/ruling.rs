//! What may be done with what is said on a connection.

use std::sync::Arc;

use protocols::Policy;

/// Whether a connection is read, and what is kept of what is said.
#[derive(Debug, Clone)]
pub enum Ruling {
    /// It is read, and so much is kept.
    Read(Arc<Policy>),
    /// It is not read: its bytes are counted.
    Refuse,
}

impl Ruling {
    /// How many bytes of bodies a request and its response may hold.
    pub(crate) fn bodies(&self) -> usize {
        match self {
            Ruling::Read(policy) => 2 * policy.bodies,
            Ruling::Refuse => 0,
        }
    }
}

impl PartialEq for Ruling {
    /// Policies that are the same one need not be compared.
    fn eq(&self, other: &Ruling) -> bool {
        match (self, other) {
            (Ruling::Read(one), Ruling::Read(other)) => Arc::ptr_eq(one, other) || one == other,
            (Ruling::Refuse, Ruling::Refuse) => true,
            (Ruling::Read(_), Ruling::Refuse) | (Ruling::Refuse, Ruling::Read(_)) => false,
        }
    }
}
