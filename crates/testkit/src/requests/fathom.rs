//! A case under `fathom observe request`.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::call::Log;
use super::cases::Ready;
use super::judge::{Judged, judge};
use super::row;

/// How long anything may take that is waited for.
const LONGEST: Duration = Duration::from_secs(30);

/// So many calls are enough for each of a few connections to have had one.
const MANY: usize = 40;

/// Runs a case under `binary`, which watches that command alone, and judges what it says.
pub fn observe(binary: &Path, ready: &Ready) -> Result<Judged> {
    let rows = ready.home.path().join("rows.jsonl");
    let said =
        if ready.case.late { attach(binary, ready, &rows)? } else { run(binary, ready, &rows)? };
    let text = fs::read_to_string(&rows).with_context(|| format!("no rows: {said}"))?;
    let (rows, bytes) = row::parse(&text)?;
    let log =
        Log::read(&ready.home.path().join("calls.jsonl")).context("the driver logged nothing")?;
    let mut judged = judge(&ready.case.name, &log, &rows, bytes);
    let lost = |line: &&str| line.contains("lost ") && line.contains("stream_");
    if let Some(line) = said.lines().find(lost) {
        judged.add_untold(line);
    }
    Ok(judged)
}

/// All of it is watched from its beginning. Libraries that have what is in TLS are found while it runs;
/// a driver that uses some is told when that is done.
fn run(binary: &Path, ready: &Ready, rows: &Path) -> Result<String> {
    let home = ready.home.path();
    let said = home.join("said");
    let mut command = fathom(binary, rows);
    command.arg("--").args(&ready.command).stderr(fs::File::create(&said)?);
    if ready.case.warms {
        command.env("CALLS_WARM", "1");
    }
    let start = || format!("cannot start {}", binary.display());
    let mut fathom = Ended(command.spawn().with_context(start)?);
    if ready.case.warms {
        // Without it there are calls missing, which is told better there.
        let _ = wait("a row of what was in TLS", &mut fathom, || is_inside(rows, 1));
        fs::write(home.join("go"), "")?;
    }
    let status = fathom.0.wait()?;
    let said = fs::read_to_string(&said)?;
    ensure!(status.success(), "it ended with {status}: {said}");
    Ok(said)
}

/// The servers run and connections are open before it is watched.
fn attach(binary: &Path, ready: &Ready, rows: &Path) -> Result<String> {
    let home = ready.home.path();
    let mut command = Command::new(&ready.command[0]);
    command.args(&ready.command[1..]).env("CALLS_WAIT", "1").env_remove("LD_LIBRARY_PATH");
    let mut driver = Ended(command.stdin(Stdio::null()).spawn().context("the driver")?);
    wait("the driver's servers", &mut driver, || home.join("ready").exists())?;
    let mut command = fathom(binary, rows);
    // A driver that waits starts programs, so that it can be told when it is watched.
    command.args(["process_exec", "--pid", &driver.0.id().to_string()]);
    let said = home.join("said");
    command.stderr(fs::File::create(&said)?);
    let mut fathom = Ended(command.spawn().context("fathom")?);
    if ready.case.warms {
        let _ = wait("rows of what was in TLS", &mut fathom, || is_inside(rows, MANY));
    } else {
        wait("a row", &mut fathom, || {
            fs::read_to_string(rows).is_ok_and(|text| text.contains("\"process_exec\""))
        })?;
    }
    fs::write(home.join("go"), "")?;
    let ended = driver.0.wait()?;
    ensure!(ended.success(), "the driver ended with {ended}");
    let pid = rustix::process::Pid::from_child(&fathom.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    wait_until("end of fathom", || Ok(fathom.0.try_wait()?.is_some()))?;
    Ok(fs::read_to_string(&said)?)
}

/// Whether so many rows of each side tell of what was in TLS.
fn is_inside(rows: &Path, count: usize) -> bool {
    let Ok(text) = fs::read_to_string(rows) else { return false };
    let all = |role: &str| {
        let is_one = |line: &&str| line.contains(role) && line.contains("\"tls\":true");
        text.lines().filter(is_one).count() >= count
    };
    all("\"role\":\"client\"") && all("\"role\":\"server\"")
}

fn fathom(binary: &Path, rows: &Path) -> Command {
    let mut command = Command::new(binary);
    command.args(["observe", "request", "coverage", "-o", "json", "--output"]).arg(rows);
    // cargo's library path is not the programs'.
    command.env_remove("LD_LIBRARY_PATH").stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A child that does not outlive its test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            // Asked, as a driver has servers to stop.
            let pid = rustix::process::Pid::from_child(&self.0);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
            let _ = self.0.wait();
        }
    }
}

fn wait(what: &str, child: &mut Ended, there: impl Fn() -> bool) -> Result<()> {
    wait_until(what, || {
        if there() {
            return Ok(true);
        }
        if let Some(status) = child.0.try_wait()? {
            bail!("it ended with {status} before there was {what}");
        }
        Ok(false)
    })
}

fn wait_until(what: &str, mut there: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + LONGEST;
    while !there()? {
        ensure!(Instant::now() < end, "no {what} within {LONGEST:?}");
        sleep(Duration::from_millis(10));
    }
    Ok(())
}
