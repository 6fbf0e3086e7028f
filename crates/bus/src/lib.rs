//! Bounded fan-out of batches: from the workers to whoever wants rows.
//!
//! A [`Bus`] hands every published batch, shared and unchanged, to each [`Subscription`] that
//! wants its table. Every subscriber has a queue of its own with a bound and a [`Policy`] for
//! when it is full, and its own books in the drop ledger, under the stage `bus:NAME`:
//! `taken = passed + dropped + what is still queued`, where `dropped` is `slow` (the queue was
//! full), `gone` (left in the queue of a dropped subscription) or `closed` (published too late).
#![forbid(unsafe_code)]

mod bus;
mod queue;
mod subscription;

pub use bus::{Bus, Fill};
pub use queue::{Capacity, NoBatch, Policy};
pub use subscription::Subscription;
