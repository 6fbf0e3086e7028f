//! A program that reads lines.

use std::io::{self, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Carrier, Trouble};
use crate::shape::falco;
use crate::{Falco, Notice, Program};

/// One program for all alerts, or one for each.
pub(super) struct Piped {
    command: Vec<String>,
    keep_alive: bool,
    time_out: Duration,
    format: Falco,
    /// The one that gets all, while it runs.
    running: Option<Child>,
}

/// How often a program that was asked for one alert is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Piped {
    /// Starts nothing yet.
    pub(super) fn new(config: &Program) -> Result<Piped, String> {
        if config.command.first().is_none_or(String::is_empty) {
            return Err("there is no command".to_string());
        }
        Ok(Piped {
            command: config.command.clone(),
            keep_alive: config.keep_alive,
            time_out: config.time_out.0,
            format: config.format.clone(),
            running: None,
        })
    }

    fn spawn(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.command[0]);
        // What it prints is not to get between our own lines.
        command.args(&self.command[1..]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()
    }

    /// To the one that runs, which is started where none does.
    fn feed_running(&mut self, lines: &[u8]) -> Result<(), Trouble> {
        if let Some(status) = self.running.as_mut().and_then(|it| it.try_wait().ok().flatten()) {
            self.running = None;
            return Err(self.later(&format!("it ended by itself ({status})")));
        }
        if self.running.is_none() {
            self.running = Some(self.spawn().map_err(|error| self.later(&error.to_string()))?);
        }
        let input = self.running.as_mut().and_then(|it| it.stdin.as_mut());
        let written = input.map_or(Err(io::ErrorKind::BrokenPipe.into()), |it| it.write_all(lines));
        written.map_err(|error| {
            self.stop();
            self.later(&error.to_string())
        })
    }

    /// To a program of its own, which has to be done in time and well.
    fn feed_new(&self, line: &[u8]) -> Result<(), Trouble> {
        let mut child = self.spawn().map_err(|error| self.later(&error.to_string()))?;
        let until = Instant::now() + self.time_out;
        // It may not read: whoever writes to it must not be the one who looks at the clock.
        let (mut input, line) = (child.stdin.take(), line.to_vec());
        let writer = thread::spawn(move || input.as_mut().map_or(Ok(()), |it| it.write_all(&line)));
        let status = wait(&mut child, until);
        // With the program gone nobody holds the pipe's other end, unless it left a child there.
        drop(writer);
        let words = match status {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => status.to_string(),
            Ok(None) => format!("it was not done within {:?}", self.time_out),
            Err(error) => error.to_string(),
        };
        Err(Trouble::Refused { reason: "program", words: format!("{}: {words}", self.command[0]) })
    }

    /// Ends the one that runs: without input it has nothing to do.
    fn stop(&mut self) {
        let Some(mut child) = self.running.take() else { return };
        drop(child.stdin.take());
        let _ = wait(&mut child, Instant::now() + Duration::from_secs(1));
    }

    fn later(&self, words: &str) -> Trouble {
        Trouble::later(format!("{}: {words}", self.command[0]))
    }
}

impl Carrier for Piped {
    fn most(&self) -> usize {
        if self.keep_alive { 64 } else { 1 }
    }

    fn carry(&mut self, notices: &[Arc<Notice>]) -> Result<usize, Trouble> {
        let lines = falco::lines(notices, &self.format);
        match self.keep_alive {
            true => self.feed_running(lines.as_bytes())?,
            false => self.feed_new(lines.as_bytes())?,
        }
        Ok(0)
    }

    fn finish(&mut self) {
        self.stop();
    }
}

/// Waits for its end; one that takes too long is killed, and none is returned.
fn wait(child: &mut Child, until: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::Span;
    use crate::notice::tests::sample;

    fn piped(script: &str, keep_alive: bool, time_out: Span) -> Piped {
        let command = ["sh", "-c", script].map(str::to_string).to_vec();
        Piped::new(&Program { command, keep_alive, time_out, ..Program::default() }).unwrap()
    }

    fn wait_for(path: &Path, lines: usize) -> String {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let text = fs::read_to_string(path).unwrap_or_default();
            if text.lines().count() >= lines {
                return text;
            }
            assert!(Instant::now() < until, "{text}");
            thread::yield_now();
        }
    }

    #[test]
    fn a_program_for_each_alert_gets_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut piped = piped(&format!("cat >> {}", path.display()), false, Span::seconds(10));
        for _ in 0..3 {
            piped.carry(&[Arc::new(sample())]).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn one_that_fails_or_hangs_is_said_so() {
        let big = Notice { output: "x".repeat(1 << 20), ..sample() };
        for (script, time_out, part) in [
            ("cat > /dev/null; exit 3", Span::seconds(10), "exit status: 3"),
            ("exec sleep 600", Span::millis(50), "not done within 50ms"),
        ] {
            let trouble = piped(script, false, time_out).carry(&[Arc::new(big.clone())]);
            let trouble = trouble.unwrap_err();
            let Trouble::Refused { reason: "program", words } = &trouble else {
                panic!("{trouble:?}")
            };
            assert!(words.contains(part), "{words}");
        }
        let config = Program { command: vec!["/no/such".into()], ..Program::default() };
        let trouble = Piped::new(&config).unwrap().carry(&[Arc::new(sample())]).unwrap_err();
        assert!(matches!(trouble, Trouble::Later { delivered: 0, .. }), "{trouble:?}");
    }

    #[test]
    fn one_that_died_is_started_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        // Each reads one line and dies.
        let script = format!("head -n 1 >> {}", path.display());
        let mut piped = piped(&script, true, Span::seconds(10));
        piped.carry(&[Arc::new(sample())]).unwrap();
        wait_for(&path, 1);
        let until = Instant::now() + Duration::from_secs(10);
        while fs::read_to_string(&path).unwrap().lines().count() < 2 {
            assert!(Instant::now() < until);
            let _ = piped.carry(&[Arc::new(sample())]);
        }
        piped.finish();
        assert!(piped.running.is_none());
    }

    #[test]
    fn one_that_lives_gets_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        let mut piped = piped(&format!("exec cat >> {}", path.display()), true, Span::seconds(1));
        let notice = Arc::new(sample());
        piped.carry(&[notice.clone(), notice.clone()]).unwrap();
        piped.carry(&[notice]).unwrap();
        piped.finish();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }
}
