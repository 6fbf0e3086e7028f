//! Rules on a live agent: real commands in a cgroup of a container's name, and what is told of them.
//!
//! Nothing but that cgroup is watched.

mod evasion;
mod overflow;
mod place;
mod quiet;
mod reload;
mod stock;
mod story;
