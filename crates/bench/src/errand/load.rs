//! Loads to be profiled.

use std::ffi::OsString;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};

/// Turns are made in bursts, one in so much time.
const BURST: Duration = Duration::from_millis(10);
/// Threads that wake each other, two and two.
const PAIRS: u64 = 4;

/// Runs the first command until the time is over, and with `beside` the others, too.
pub(super) fn again(time: Duration, beside: bool, words: &[OsString]) -> Result<()> {
    let commands: Vec<&[OsString]> = words.split(|word| word == ",").collect();
    let (first, others) = commands.split_first().context("a command is missing")?;
    let end = Instant::now() + time;
    thread::scope(|scope| {
        let others = scope.spawn(move || -> Result<()> {
            while beside && !others.is_empty() && Instant::now() < end {
                others.iter().take_while(|_| Instant::now() < end).try_for_each(|it| run(it))?;
            }
            Ok(())
        });
        while Instant::now() < end {
            run(first)?;
        }
        others.join().expect("the thread beside panicked")
    })
}

/// Runs each command once.
pub(super) fn all(words: &[OsString]) -> Result<()> {
    let commands: Vec<&[OsString]> = words.split(|word| word == ",").collect();
    let (next, commands) = (AtomicUsize::new(0), &commands);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let worker = || -> Result<()> {
            while let Some(command) = commands.get(next.fetch_add(1, Ordering::Relaxed)) {
                run(command)?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|it| it.join().expect("a worker panicked"))
    })
}

fn run(words: &[OsString]) -> Result<()> {
    let (program, words) = words.split_first().context("a command is missing")?;
    let status = Command::new(program).args(words).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(status.success(), "{} ended with {status}", program.display());
    Ok(())
}

/// Each byte that goes over and comes back makes two threads wait, each once.
pub(super) fn switch(rate: u64, time: Duration) -> Result<()> {
    let bursts = Duration::from_secs(1).as_nanos() / BURST.as_nanos();
    let turns = rate / 2 / PAIRS / bursts as u64;
    let begun = Instant::now();
    let mut switched = 0;
    thread::scope(|scope| -> Result<()> {
        let mut pairs = vec![];
        for _ in 0..PAIRS {
            let [(over, out), (back, answer)] = [io::pipe()?, io::pipe()?];
            scope.spawn(move || echo(over, answer));
            pairs.push(scope.spawn(move || ask(out, back, turns, begun + time)));
        }
        for pair in pairs {
            switched += 2 * pair.join().expect("a pair panicked")?;
        }
        Ok(())
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    // Who finds its byte there already does not wait: what counts is what the kernel says.
    let waited = getrusage(UsageWho::RUSAGE_SELF)?.voluntary_context_switches();
    let rate = waited as f64 / seconds;
    println!("switch seconds={seconds:.3} offered={switched} rate={rate:.0}");
    Ok(())
}

/// Gives each byte back until the other end is closed.
fn echo(mut from: PipeReader, mut to: PipeWriter) {
    let mut byte = [0];
    while from.read_exact(&mut byte).is_ok() && to.write_all(&byte).is_ok() {}
}

/// Sends so many bytes in each burst, one after the other, and gives how many in all.
fn ask(mut to: PipeWriter, mut from: PipeReader, turns: u64, end: Instant) -> Result<u64> {
    let (mut byte, mut made) = ([0], 0);
    let mut next = Instant::now();
    while Instant::now() < end {
        for _ in 0..turns {
            to.write_all(&byte)?;
            from.read_exact(&mut byte)?;
        }
        made += turns;
        next += BURST;
        // A late burst is not waited for: the next ones make up for it.
        if let Some(left) = next.checked_duration_since(Instant::now()) {
            thread::sleep(left);
        }
    }
    Ok(made)
}
