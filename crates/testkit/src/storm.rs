//! Tight loops of one operation, for benches.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::fs::{Mode, OFlags};

use crate::workload::Scratch;

/// What to do over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Storm {
    /// Spawn `/bin/true` and wait for it.
    Exec,
    /// Open and close one file.
    Open,
    /// Connect over loopback TCP to a server thread, accept, and close both ends.
    Connect,
    /// Send a datagram over loopback and receive it.
    Udp,
    /// Fork a shell's subshell, which ends at once, and wait for it.
    Fork,
}

/// What a storm took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    storm: Storm,
    count: usize,
    time: Duration,
}

impl Storm {
    fn name(self) -> &'static str {
        match self {
            Storm::Exec => "exec",
            Storm::Open => "open",
            Storm::Connect => "connect",
            Storm::Udp => "udp",
            Storm::Fork => "fork",
        }
    }
}

impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Took { storm, count, time } = self;
        let seconds = time.as_secs_f64();
        let each = seconds * 1e9 / *count as f64;
        write!(f, "{} count={count} seconds={seconds:.6} ns_per_op={each:.0}", storm.name())
    }
}

/// Does `count` operations in all, shared among `threads`; the time is from the moment when all
/// threads are ready to the end of the last.
pub fn run(storm: Storm, count: usize, threads: usize) -> anyhow::Result<Took> {
    ensure!(count > 0 && threads > 0, "a storm needs a count and a thread");
    let scratch = Scratch::new("storm")?;
    let each = count.div_ceil(threads);
    let ready = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for number in 0..threads {
            let (ready, dir) = (&ready, scratch.path());
            workers.push(scope.spawn(move || work(storm, each, number, dir, ready)));
        }
        ready.wait();
        let start = Instant::now();
        for worker in workers {
            worker.join().map_err(|_| anyhow::anyhow!("a thread gave up"))??;
        }
        Ok(Took { storm, count: each * threads, time: start.elapsed() })
    })
}

/// One thread's share. It waits at `ready` whether or not its preparations succeeded.
fn work(
    storm: Storm,
    count: usize,
    number: usize,
    dir: &Path,
    ready: &Barrier,
) -> anyhow::Result<()> {
    match storm {
        Storm::Exec => {
            ready.wait();
            exec(count)
        }
        Storm::Open => {
            let path = dir.join(format!("file{number}"));
            let made = File::create(&path);
            ready.wait();
            made?;
            open(count, &path)
        }
        Storm::Connect => {
            let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 1 + number as u8), 0));
            ready.wait();
            connect(count, &listener?)
        }
        Storm::Udp => {
            let sockets = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|one| Ok((one, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?)));
            ready.wait();
            let (from, to) = sockets?;
            udp(count, &from, &to)
        }
        Storm::Fork => {
            ready.wait();
            fork(count)
        }
    }
}

fn exec(count: usize) -> anyhow::Result<()> {
    for _ in 0..count {
        let status = Command::new("/bin/true").status()?;
        ensure!(status.success(), "/bin/true ended with {status}");
    }
    Ok(())
}

fn open(count: usize, path: &Path) -> anyhow::Result<()> {
    let path = std::ffi::CString::new(path.as_os_str().as_encoded_bytes())?;
    for _ in 0..count {
        rustix::fs::open(path.as_c_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    }
    Ok(())
}

fn connect(count: usize, listener: &TcpListener) -> anyhow::Result<()> {
    let address = listener.local_addr()?;
    thread::scope(|scope| {
        let server = scope.spawn(move || -> anyhow::Result<()> {
            for _ in 0..count {
                let (mut stream, _) = listener.accept()?;
                // The client cuts the connection off: no port is left waiting.
                let _ = stream.read(&mut [0]);
            }
            Ok(())
        });
        for _ in 0..count {
            let stream = TcpStream::connect(address).context("connect")?;
            rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
        }
        server.join().map_err(|_| anyhow::anyhow!("the server gave up"))?
    })
}

fn udp(count: usize, from: &UdpSocket, to: &UdpSocket) -> anyhow::Result<()> {
    let address = to.local_addr()?;
    let mut buffer = [0; 64];
    for _ in 0..count {
        from.send_to(&buffer, address)?;
        to.recv(&mut buffer)?;
    }
    Ok(())
}

fn fork(count: usize) -> anyhow::Result<()> {
    let script = format!("i=0; while [ $i -lt {count} ]; do ( : ); i=$((i+1)); done");
    let status = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::null()).status()?;
    ensure!(status.success(), "the shell ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_storm_blows_over() {
        for storm in [Storm::Exec, Storm::Open, Storm::Connect, Storm::Udp, Storm::Fork] {
            let took = run(storm, 20, 2).unwrap();
            assert!(took.to_string().contains("count=20 "), "{took}");
        }
    }
}
