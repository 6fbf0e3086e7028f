//! Alerts on their way out of the node: to a stream or a file, to programs, to syslog, and by HTTP
//! to whoever is on call.
//!
//! [`start`] takes the configured [`Receiver`]s and gives [`Deliveries`], which take [`Notice`]s.
//! Detection never waits for a receiver: each has a bounded queue and threads of its own, and what
//! its queue has no room for is counted in the ledger, stage `deliver:NAME`.
//!
//! **At least once, in order.** A notice leaves its queue when its receiver took it, and the next
//! one is sent after that. A receiver that cannot be reached is tried again, with growing pauses.
//! One whose answer got lost sees the same notice twice. What a receiver refuses for good is
//! dropped and counted.
//!
//! **On disk.** Receivers by HTTP have their queue in a folder, where one is given: it survives a
//! restart of the agent. See [`Receiver::disk`] for what a crash may cost.
//!
//! **When too much comes** the newest are dropped: what was once taken is never given up for what
//! comes later, so the beginning of a story arrives, and its rows are in the store anyway.
#![forbid(unsafe_code)]

mod carry;
mod config;
mod deliveries;
mod lane;
mod notice;
mod queue;
mod shape;
mod turn;
mod upload;

pub use config::{
    Alertmanager, Backoff, Falco, File, Http, Key, Otlp, Pagerduty, Program, Receiver, Request,
    Secret, Size, Slack, Span, Stdout, Syslog, To, Upload, Webhook, reference,
};
pub use deliveries::{Deliveries, StartError, start};
pub use lane::Status;
pub use notice::Notice;
pub use upload::{UploadError, Uploader};
