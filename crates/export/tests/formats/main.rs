//! What each format makes of rows that look like the real ones.

mod csv;
mod docs;
mod json;
mod live;
mod sample;
