//! Receivers against real servers on loopback, real files and real disks.

mod change;
mod http;
mod mutual;
mod overload;
mod restart;
mod sample;
mod server;
mod stdout;
