//! The only door to `bpf(2)`: what this kernel can do, loading, shared maps, rings, accounts.
//!
//! A signal or a control is data (a [`Signal`]): its object, its hooks, each a ladder of
//! [`Rung`]s, and how its records are decoded. [`Kernel::load`] takes for each hook the first rung
//! that this kernel and these privileges allow, and says which it took and what that costs.

mod attach;
mod clock;
mod features;
mod ladder;
mod load;
mod maps;
mod ring;
mod said;
mod signal;
mod spawn;
mod stats;
mod table;
mod targets;

pub use clock::online_cpus;
pub use features::{Feature, Features};
pub use ladder::{Capability, Obstacle, State};
pub use load::{Kernel, Options, Probes, Rejection};
pub use maps::{ScopeMode, SharedMap};
pub use ring::Ring;
pub use signal::{Decode, Hook, Mechanism, Rung, Signal};
pub use spawn::{Cgroup, boot_id, cgroup2_mount, spawn_into, wall_clock_offset};
pub use stats::{MapAccount, ProgramAccount, StatsGuard};
