//! The engine over rows in memory and on disk.

mod completeness;
mod errors;
mod functions;
mod limits;
mod reading;
mod rows;
mod views;
