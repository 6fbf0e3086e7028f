//! Starts programs and waits for them: only our own, each ended by its handle.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::place;

/// Nothing that is started here takes longer.
const LONGEST: Duration = Duration::from_secs(1200);

/// What a program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `command` to its end; anything but success is an error that says what it said.
pub(crate) fn to_end(command: &mut Command) -> Result<Said> {
    sampled(command, LONGEST, |_| {})
}

/// The same; `look` is given its pid again and again meanwhile.
pub(crate) fn sampled(
    command: &mut Command,
    every: Duration,
    mut look: impl FnMut(u32),
) -> Result<Said> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.with_context(|| format!("cannot start {name}"))?;
    let out = reader(child.stdout.take());
    let err = reader(child.stderr.take());
    let (pid, mut looked) = (child.id(), Instant::now());
    let ended = wait(&mut child, || {
        if looked.elapsed() >= every {
            looked = Instant::now();
            look(pid);
        }
    });
    let said = Said { out: text(out), err: text(err) };
    let status = ended.with_context(|| format!("{name}: {}", tail(&said.err)))?;
    ensure!(status.success(), "{name} ended with {status}: {}", tail(&said.err));
    Ok(said)
}

/// An agent that watches, until it is stopped.
pub(crate) struct Observer {
    child: Child,
    door: Option<ChildStdin>,
    out: BufReader<ChildStdout>,
    err: JoinHandle<Vec<u8>>,
}

/// A server that nobody watches, or another tool does, until it is stopped.
pub(crate) struct Served {
    child: Child,
    door: Option<ChildStdin>,
    out: BufReader<ChildStdout>,
}

/// What the agent's closing summary says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) rows: f64,
    pub(crate) lost: f64,
    pub(crate) cpu_seconds: f64,
}

impl Observer {
    /// One that watches a process that does nothing.
    pub(crate) fn idle() -> Result<Observer> {
        Observer::start(Command::new(place::own()?).args(["errand", "idle"]))
    }

    /// Starts `fathom observe -o json --to /dev/null -- COMMAND`. The command is to say READY and
    /// to wait until its stdin ends; by the time it runs, everything is attached.
    pub(crate) fn start(command: &mut Command) -> Result<Observer> {
        Observer::of(&[], command)
    }

    /// The same for these tables.
    pub(crate) fn of(tables: &[&str], command: &mut Command) -> Result<Observer> {
        let mut observe = Command::new(place::fathom()?);
        observe.arg("observe").args(tables).args(["-o", "json", "--to", "/dev/null", "--"]);
        observe.arg(command.get_program()).args(command.get_args());
        observe.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = observe.spawn().context("cannot start fathom")?;
        let door = child.stdin.take();
        let err = reader(child.stderr.take());
        let out = BufReader::new(child.stdout.take().context("fathom has no output")?);
        let mut observer = Observer { child, door, out, err };
        let mut line = String::new();
        observer.out.read_line(&mut line)?;
        if !line.starts_with("READY") {
            let _ = observer.child.kill();
            let _ = observer.child.wait();
            bail!("fathom did not start: {}", tail(&text(observer.err)));
        }
        Ok(observer)
    }

    /// The agent's process, our own child.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The memory it holds now, in bytes.
    pub(crate) fn resident(&self) -> Result<f64> {
        resident(self.child.id()).context("fathom has ended")
    }

    /// Ends it in order and gives its summary.
    pub(crate) fn stop(mut self) -> Result<Summary> {
        drop(self.door.take());
        self.out.read_to_end(&mut Vec::new())?;
        let ended = wait(&mut self.child, || {});
        let err = text(self.err);
        let status = ended?;
        ensure!(status.success(), "fathom ended with {status}: {}", tail(&err));
        Summary::parse(&err)
    }
}

impl Served {
    /// Starts a command that says READY once it serves, and ends when its stdin does.
    pub(crate) fn start(command: &mut Command) -> Result<Served> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
        let door = child.stdin.take();
        let out = BufReader::new(child.stdout.take().context("it has no output")?);
        let mut served = Served { child, door, out };
        // A tool may have its own words first.
        let mut lines = served.out.by_ref().lines().map_while(Result::ok);
        if !lines.any(|line| line.ends_with("READY")) {
            let _ = served.child.kill();
            let _ = served.child.wait();
            bail!("{name} did not start");
        }
        Ok(served)
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) -> Result<()> {
        drop(self.door.take());
        self.out.read_to_end(&mut Vec::new())?;
        let status = wait(&mut self.child, || {})?;
        ensure!(status.success(), "ended with {status}");
        Ok(())
    }
}

impl Summary {
    /// Reads `fathom: 12 rows in 0.5 s, nothing lost; own CPU 0.27 s, memory 20.6 MB`.
    pub(crate) fn parse(err: &str) -> Result<Summary> {
        let line = err.lines().find(|line| line.contains(" rows in ") && line.contains("own CPU"));
        let line =
            line.with_context(|| format!("fathom closed without a summary: {}", tail(err)))?;
        let words: Vec<&str> =
            line.split([' ', ',', ';']).filter(|word| !word.is_empty()).collect();
        let before = |word: &str| {
            let place = words.iter().position(|it| *it == word)?.checked_sub(1)?;
            words[place].parse::<f64>().ok()
        };
        let cpu = words.iter().position(|it| *it == "CPU").and_then(|at| words.get(at + 1));
        Ok(Summary {
            rows: before("rows").unwrap_or(f64::NAN),
            lost: before("lost").unwrap_or(0.0),
            cpu_seconds: cpu.and_then(|word| word.parse().ok()).unwrap_or(f64::NAN),
        })
    }
}

/// `fathom observe -o json --to /dev/null --`, to which a command is to be added.
pub(crate) fn observe() -> Result<Command> {
    let mut observe = Command::new(place::fathom()?);
    observe.args(["observe", "-o", "json", "--to", "/dev/null", "--"]);
    Ok(observe)
}

/// The memory that a process of ours holds, in bytes.
pub(crate) fn resident(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    number.map(|kib| kib * 1024.0).context("it has no memory any more")
}

/// Waits; a program that takes too long is killed.
fn wait(child: &mut Child, mut meanwhile: impl FnMut()) -> Result<ExitStatus> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        meanwhile();
        if begun.elapsed() > LONGEST {
            let _ = child.kill();
            let _ = child.wait();
            bail!("did not end within {} s", LONGEST.as_secs());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read until an error is all that can be shown.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn text(reader: JoinHandle<Vec<u8>>) -> String {
    String::from_utf8_lossy(&reader.join().unwrap_or_default()).into_owned()
}

/// The last lines, for a message.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().rev().take(4).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_read() {
        let text = "x\nfathom: 400012 rows in 1.6 s, nothing lost; own CPU 0.53 s, memory 24.1 MB";
        let read = Summary::parse(text).unwrap();
        assert_eq!(read, Summary { rows: 400_012.0, lost: 0.0, cpu_seconds: 0.53 });
        let text = "fathom: 5 rows in 1.6 s, 17 lost; own CPU 0.53 s, memory 24.1 MB";
        assert_eq!(Summary::parse(text).unwrap().lost, 17.0);
        assert!(Summary::parse("fathom: cannot").is_err());
    }
}
