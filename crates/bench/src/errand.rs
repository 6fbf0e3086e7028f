//! What this program does inside the cgroup that is watched: small parts, started by itself.

mod load;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use nix::sys::resource::{UsageWho, getrusage};
use rustix::process::{Pid, Signal, kill_process};

/// The first word of a command line that is meant for an errand.
pub(crate) const WORD: &str = "errand";

/// A server listens within so long.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

#[derive(Debug, Parser)]
struct Helper {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Say READY and wait until stdin ends.
    Idle,
    /// Run commands, one after the other and divided by `,`, and print their CPU time.
    Timed {
        /// Enter this cgroup first.
        #[arg(long)]
        cgroup: Option<PathBuf>,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Connect one UDP socket to a port over and over; print what it took.
    Reconnect {
        #[arg(long)]
        count: usize,
    },
    /// Run a command again and again for some time; with `--beside` more commands, divided by
    /// `,`, one after the other at the same time.
    Again {
        #[arg(long)]
        seconds: u64,
        #[arg(long)]
        beside: bool,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Run commands, divided by `,`, once each, as many at once as there are CPUs.
    All {
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Wake threads through pipes so often in a second; print how often it was.
    Switch {
        #[arg(long)]
        rate: u64,
        #[arg(long)]
        seconds: u64,
    },
    /// Run a server until stdin ends; say READY once somebody listens at that port of loopback.
    Serve {
        #[arg(long)]
        port: u16,
        /// Enter this cgroup first.
        #[arg(long)]
        cgroup: Option<PathBuf>,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
    /// Compile every C file of a folder and link the objects; print what it took.
    Build {
        folder: PathBuf,
        /// How many compilers run at once.
        #[arg(long)]
        jobs: usize,
    },
}

pub(crate) fn run(words: &[OsString]) -> Result<ExitCode> {
    let name = OsString::from(WORD);
    match Helper::parse_from([name].iter().chain(words)).part {
        Part::Idle => {
            println!("READY");
            io::stdin().read_to_end(&mut Vec::new())?;
        }
        Part::Timed { cgroup, command } => timed(cgroup.as_deref(), &command)?,
        Part::Reconnect { count } => reconnect(count)?,
        Part::Again { seconds, beside, command } => {
            load::again(Duration::from_secs(seconds), beside, &command)?;
        }
        Part::All { command } => load::all(&command)?,
        Part::Switch { rate, seconds } => load::switch(rate, Duration::from_secs(seconds))?,
        Part::Serve { port, cgroup, command } => serve(port, cgroup.as_deref(), &command)?,
        Part::Build { folder, jobs } => build(&folder, jobs)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn enter(cgroup: Option<&Path>) -> Result<()> {
    let Some(cgroup) = cgroup else { return Ok(()) };
    fs::write(cgroup.join("cgroup.procs"), "0").context("cannot enter the cgroup")
}

/// CPU time tells less than time does, but other people's load on the machine hardly changes it.
fn timed(cgroup: Option<&Path>, command: &[OsString]) -> Result<()> {
    enter(cgroup)?;
    for command in command.split(|word| word == ",") {
        let (program, words) = command.split_first().context("a command is missing")?;
        let status = Command::new(program).args(words).status()?;
        ensure!(status.success(), "{} ended with {status}", program.display());
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let [user, system] = [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6);
    println!("cpu seconds={:.6}", user + system);
    Ok(())
}

fn serve(port: u16, cgroup: Option<&Path>, command: &[OsString]) -> Result<()> {
    enter(cgroup)?;
    let (program, words) = command.split_first().context("a command is missing")?;
    let mut server = Command::new(program);
    server.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    let mut server =
        server.spawn().with_context(|| format!("cannot start {}", program.display()))?;
    let begun = Instant::now();
    let listens = loop {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            break true;
        }
        if server.try_wait()?.is_some() || begun.elapsed() > STARTS_WITHIN {
            break false;
        }
        thread::sleep(Duration::from_millis(5));
    };
    if listens {
        println!("READY");
        io::stdin().read_to_end(&mut Vec::new())?;
    }
    // Asked to end, so that its own children do as well.
    if let Some(pid) = Pid::from_raw(server.id() as i32) {
        let _ = kill_process(pid, Signal::TERM);
    }
    server.wait()?;
    ensure!(listens, "{} does not listen at port {port}", program.display());
    Ok(())
}

/// Nothing is sent, and nobody has to listen: little more than the call itself.
fn reconnect(count: usize) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let begun = Instant::now();
    for _ in 0..count {
        socket.connect((Ipv4Addr::LOCALHOST, 9))?;
    }
    took("reconnect", count, begun);
    Ok(())
}

fn took(name: &str, count: usize, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    let each = seconds * 1e9 / count as f64;
    println!("{name} count={count} seconds={seconds:.6} ns_per_op={each:.0}");
}

fn build(folder: &Path, jobs: usize) -> Result<()> {
    let mut sources: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|it| it == "c"))
        .collect();
    sources.sort();
    let next = AtomicUsize::new(0);
    let begun = Instant::now();
    thread::scope(|scope| -> Result<()> {
        let worker = || -> Result<()> {
            while let Some(source) = sources.get(next.fetch_add(1, Ordering::Relaxed)) {
                compiler(
                    Command::new("cc").args(["-O1", "-c", "-o"]).arg(object(source)).arg(source),
                )?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|it| it.join().expect("a compiler's thread panicked"))
    })?;
    let objects = sources.iter().map(|source| object(source));
    compiler(Command::new("cc").arg("-o").arg(folder.join("program")).args(objects))?;
    took("build", sources.len(), begun);
    Ok(())
}

fn object(source: &Path) -> PathBuf {
    source.with_extension("o")
}

fn compiler(command: &mut Command) -> Result<()> {
    let status = command.status().context("cannot start cc")?;
    ensure!(status.success(), "cc ended with {status}");
    Ok(())
}
