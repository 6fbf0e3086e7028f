//! The store, from rows to files and back, and what must not go wrong in between.

#![allow(missing_docs, unreachable_pub)]

mod bounds;
mod crash;
mod damage;
mod rows;
mod sample;
mod tamper;
