//! One question and its answer: rows to where they go, everything else to standard error.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use query::Ask;

use super::super::interrupt::Interrupt;
use super::super::output;
use super::complete;
use super::form::{Sink, Style};
use super::progress::Bar;
use super::source::{Failure, Rows, Source};
use super::target::Target;
use super::trouble::{self, Origin};

/// How questions are asked and answers written.
pub(super) struct Asking {
    pub(super) source: Source,
    pub(super) interrupt: Interrupt,
    pub(super) style: Style,
    pub(super) target: Target,
    pub(super) limit: Option<u64>,
    pub(super) time_out: Option<Duration>,
    /// Whether to say how complete an answer is.
    pub(super) completeness: bool,
    /// Whether to say how long it took.
    pub(super) timing: bool,
    /// Who speaks, where others write to standard error as well; at the prompt that is clear.
    pub(super) voice: &'static str,
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered in full.
    Told,
    /// It was not, and why is told.
    Failed,
}

impl Asking {
    /// Asks, and writes the answer. What is wrong with the question is told here; an error is
    /// what keeps us from writing.
    pub(super) fn answer(&self, origin: &Origin<'_>) -> Result<Outcome> {
        let begun = Instant::now();
        let sql = origin.sql.to_string();
        let ask = Ask { sql, time_out: self.time_out, limit: self.limit };
        let mut rows = match self.source.ask(ask, &self.interrupt) {
            Ok(rows) => rows,
            Err(failure) => return Ok(self.failed(&failure, origin)),
        };
        let bar = Arc::new(Mutex::new(rows.progress().map(Bar::start)));
        let looks = output::looks(self.target.is_terminal());
        let (sink, pending) = self.target.open()?;
        let sink: Sink = match self.target.is_terminal() {
            true => Box::new(Clearing { bar: bar.clone(), sink }),
            false => sink,
        };
        let mut form = self.style.form(&rows.schema(), sink, looks)?;
        let mut count = 0;
        let ended = loop {
            match rows.next(&self.interrupt) {
                Some(Ok(batch)) => {
                    count += batch.num_rows() as u64;
                    form.rows(&batch)?;
                }
                Some(Err(failure)) => break Some(failure),
                None => break None,
            }
        };
        // Rows that came are shown, but a reader must see that a file or stream has no proper end.
        if ended.is_none() || count > 0 && !self.style.is_binary() {
            form.finish()?;
        } else {
            drop(form);
        }
        end(&bar);
        if let Some(failure) = ended {
            return Ok(self.failed(&failure, origin));
        }
        if let Some(pending) = pending {
            pending.keep()?;
        }
        self.close(&rows, count, begun.elapsed());
        Ok(Outcome::Told)
    }

    /// What is said after the rows.
    fn close(&self, rows: &Rows, count: u64, elapsed: Duration) {
        let plural = if count == 1 { "" } else { "s" };
        let took = match self.timing {
            true => format!(" in {}", export::human::duration(elapsed.as_nanos() as u64)),
            false => String::new(),
        };
        if rows.cut() {
            self.say(&format!(
                "{count} row{plural}{took}; there are more: the limit ends the answer here"
            ));
        } else if self.style == Style::Table || self.target != Target::Out {
            self.say(&format!("{count} row{plural}{took}"));
        }
        if self.completeness {
            complete::lines(&rows.completeness()).iter().for_each(|line| self.say(line));
        }
    }

    fn failed(&self, failure: &Failure, origin: &Origin<'_>) -> Outcome {
        match failure {
            Failure::Problem(problem) => {
                let colour = output::looks(io::stderr().is_terminal()).colour;
                let text = trouble::text(problem, origin, self.voice, colour);
                let _ = io::stderr().write_all(text.as_bytes());
            }
            Failure::Way(problem) => self.say(&problem.to_string()),
            Failure::Interrupted => self.say("interrupted"),
        }
        Outcome::Failed
    }

    fn say(&self, line: &str) {
        // There is nobody else to tell that standard error is gone.
        let _ = writeln!(io::stderr(), "{}{line}", self.voice);
    }
}

type SharedBar = Arc<Mutex<Option<Bar>>>;

/// Takes the bar away.
fn end(bar: &SharedBar) {
    bar.lock().unwrap_or_else(PoisonError::into_inner).take();
}

/// Rows and the bar share a terminal: the bar goes before the first row comes.
struct Clearing {
    bar: SharedBar,
    sink: Sink,
}

impl Write for Clearing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        end(&self.bar);
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
