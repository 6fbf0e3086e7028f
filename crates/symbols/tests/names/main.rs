//! What is at an address, against what the tools of each language say of the same programs.

mod cpp;
mod debugfiles;
mod demangled;
mod dwarf;
mod go;
mod hostile;
mod libraries;
mod maps;
mod plt;
mod programs;
mod tables;
