//! Unwind tables of this machine's binaries, walks over them, and what damage does to them.

mod binaries;
mod child;
mod copied;
mod hostile;
mod oracle;
mod tables;
mod walks;
