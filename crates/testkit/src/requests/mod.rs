//! Calls that real clients made to real servers, and the judge of the rows that tell of them.
//!
//! - `drivers/` are the clients, in Python: each starts its servers, makes its calls, logs each of them with a
//!   name of its own, and stops the servers;
//! - [`cases`] says which there are, and how they are run;
//! - [`call`] is what a driver logged, [`row`] what `fathom observe` printed;
//! - [`judge`] compares the two: what is missing, what nobody did, what is told wrongly, and how far times
//!   are off;
//! - [`fathom`] runs a case under `fathom observe`.

pub mod call;
pub mod cases;
pub mod fathom;
pub mod judge;
pub mod row;
