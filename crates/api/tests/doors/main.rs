//! The doors, from the outside. One program: each would link the whole engine.

mod adbc;
mod flight;
mod http;
mod sql;
mod support;
mod tail;
mod tls;
