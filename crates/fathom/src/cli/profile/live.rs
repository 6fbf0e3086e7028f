//! The profile in the terminal, while it grows.

use std::io::{self, IsTerminal, Stdin, Stdout, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use flame::terminal::{Action, Colour, ENTER, LEAVE, Screen, Snapshot, Watched, keys};
use flame::{Profile, View};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::cli::interrupt::Interrupt;
use crate::profiling::gather::Gathered;
use crate::session::Session;

/// How often the picture follows the profile.
const EVERY: Duration = Duration::from_millis(500);
/// How long the rest of a key may take.
const KEY: Duration = Duration::from_millis(30);

/// What is looked at.
pub(super) struct Live<'a> {
    /// The profile as it grows.
    pub(super) gathered: &'a Mutex<Gathered>,
    /// Where it comes from.
    pub(super) session: &'a Session,
    /// When to end; never without.
    pub(super) period: Option<Duration>,
    /// Asks us to end.
    pub(super) interrupt: &'a Interrupt,
}

/// Whether there is somebody to look and to press keys.
pub(super) fn can_show() -> bool {
    let dumb = std::env::var("TERM").map_or(true, |it| it.is_empty() || it == "dumb");
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}

impl Live<'_> {
    /// Shows it until somebody has seen enough, or time is up.
    pub(super) fn show(&self, view: &View) -> Result<()> {
        let glass = Glass::enter()?;
        let word = |name: &str| std::env::var(name).ok();
        let colour = Colour::of(word("NO_COLOR").as_deref(), word("COLORTERM").as_deref());
        let mut screen = Screen::new(view.clone());
        let (mut profile, mut watched) = self.look();
        let mut snapshot = Snapshot::of(&profile, screen.view());
        let (mut typed, mut next) = (Vec::new(), Instant::now() + EVERY);
        loop {
            let begun = self.session.begun;
            if self.interrupt.asked() || self.period.is_some_and(|it| begun.elapsed() >= it) {
                return Ok(());
            }
            if Instant::now() >= next {
                next = Instant::now() + EVERY;
                if !screen.is_paused() {
                    (profile, watched) = self.look();
                    snapshot = Snapshot::of(&profile, screen.view());
                }
            }
            let size = glass.size()?;
            glass.draw(&screen.draw(&snapshot, &watched, size, colour))?;
            let wait =
                if typed.is_empty() { next.saturating_duration_since(Instant::now()) } else { KEY };
            let Some(more) = glass.type_into(&mut typed, wait)? else { return Ok(()) };
            let (pressed, taken) = keys(&typed, more);
            typed.drain(..taken);
            for key in pressed {
                if screen.key(key, &snapshot, size) == Action::Quit {
                    return Ok(());
                }
                if !snapshot.is_of(screen.view()) {
                    snapshot = Snapshot::of(&profile, screen.view());
                }
            }
        }
    }

    /// The profile as it is now.
    fn look(&self) -> (Profile, Watched) {
        let gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let profile = gathered.profile.clone();
        drop(gathered);
        let watched = Watched {
            what: "fathom profile".into(),
            lasted: self.session.begun.elapsed(),
            samples: profile.total().samples,
            lost: super::lost(self.session),
            cut: Some(super::cut(self.session)),
        };
        (profile, watched)
    }
}

/// A terminal that gives each key as it is pressed. It is as it was when this is dropped.
struct Glass {
    input: Stdin,
    output: Stdout,
    before: Termios,
}

impl Glass {
    fn enter() -> Result<Glass> {
        let (input, output) = (io::stdin(), io::stdout());
        let before = tcgetattr(&input).context("cannot ask the terminal")?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&input, OptionalActions::Flush, &raw).context("cannot take the terminal")?;
        let glass = Glass { input, output, before };
        glass.draw(ENTER)?;
        Ok(glass)
    }

    fn size(&self) -> Result<(u16, u16)> {
        let size = tcgetwinsize(&self.output).context("cannot ask the terminal for its size")?;
        Ok((size.ws_col.max(1), size.ws_row.max(1)))
    }

    fn draw(&self, text: &str) -> Result<()> {
        let mut output = self.output.lock();
        let drawn = output.write_all(text.as_bytes()).and_then(|()| output.flush());
        drawn.context("cannot write to the terminal")
    }

    /// Waits for keys; whether any came, and none where there will be none any more.
    fn type_into(&self, typed: &mut Vec<u8>, wait: Duration) -> Result<Option<bool>> {
        let mut polled = [PollFd::new(&self.input, PollFlags::IN)];
        let wait = Timespec::try_from(wait).context("a time too long")?;
        // Another signal is no key.
        if poll(&mut polled, Some(&wait)).unwrap_or(0) == 0 {
            return Ok(Some(false));
        }
        let mut bytes = [0; 256];
        let count = rustix::io::read(&self.input, &mut bytes).context("cannot read keys")?;
        typed.extend_from_slice(&bytes[..count]);
        Ok((count > 0).then_some(true))
    }
}

impl Drop for Glass {
    fn drop(&mut self) {
        let _ = self.draw(LEAVE);
        let _ = tcsetattr(&self.input, OptionalActions::Flush, &self.before);
    }
}
