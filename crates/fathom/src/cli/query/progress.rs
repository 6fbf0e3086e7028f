//! A bar on the terminal, once a query takes longer than two seconds.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use export::human;
use query::Progress;

/// Asks how far it is.
pub(super) type Asked = Arc<dyn Fn() -> Progress + Send + Sync>;

/// The bar, drawn by a thread of its own; it vanishes when dropped.
pub(super) struct Bar {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    drawn: bool,
}

/// No bar before.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(100);

impl Bar {
    /// A bar on standard error, where that is a terminal.
    pub(super) fn start(asked: Asked) -> Bar {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new() };
        let mut bar = Bar { shared: Arc::new(shared), thread: None };
        if io::stderr().is_terminal() {
            let shared = bar.shared.clone();
            let begun = Instant::now();
            let thread = std::thread::Builder::new().name("fathom-bar".into());
            // Without the thread there is no bar, and the answer comes all the same.
            bar.thread = thread.spawn(move || shared.draw(begun, &asked)).ok();
        }
        bar
    }

    /// Takes the bar away for good: rows are to be shown.
    pub(super) fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        self.shared.changed.notify_all();
        let _ = thread.join();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn draw(&self, begun: Instant, asked: &Asked) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wait = PATIENCE;
        while !state.ended {
            let waited = self.changed.wait_timeout_while(state, wait, |state| !state.ended);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if !state.ended {
                let line = text(&asked(), begun.elapsed());
                // A bar that cannot be drawn is none.
                let _ = write!(io::stderr(), "\r\x1b[2K{line}");
                (state.drawn, wait) = (true, STEP);
            }
        }
        if state.drawn {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

/// `███████░░░░░░░░░░░░░  36 %  3.6 of 10.0 million rows, 120.0MiB read, 7 of 40 segments left out, 4 s`
fn text(progress: &Progress, elapsed: Duration) -> String {
    const WIDTH: u64 = 20;
    let share = match progress.rows {
        0 => 0.0,
        rows => (progress.rows_read as f64 / rows as f64).min(1.0),
    };
    let full = (share * WIDTH as f64).round() as u64;
    let bar: String = (0..WIDTH).map(|at| if at < full { '█' } else { '░' }).collect();
    let mut text = format!(
        "{bar} {:>3.0} %  {} of {} rows, {} read",
        share * 100.0,
        count(progress.rows_read),
        count(progress.rows),
        human::bytes(progress.bytes_read),
    );
    let all = progress.segments + progress.segments_pruned;
    if progress.segments_pruned > 0 {
        text.push_str(&format!(", {} of {all} segments left out", progress.segments_pruned));
    }
    text.push_str(&format!(", {} s", elapsed.as_secs()));
    let room = super::stderr_width().map_or(usize::MAX, |it| usize::from(it).saturating_sub(1));
    if text.chars().count() > room { text.chars().take(room).collect() } else { text }
}

/// `950`, `12.3 k`, `4.5 M`
pub(super) fn count(count: u64) -> String {
    match count {
        0..10_000 => count.to_string(),
        10_000..1_000_000 => format!("{:.1} k", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} M", count as f64 / 1e6),
        _ => format!("{:.1} G", count as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_tells_share_rows_bytes_and_segments() {
        let progress = Progress {
            rows: 10_000_000,
            rows_read: 2_500_000,
            bytes_read: 1 << 20,
            segments: 30,
            segments_pruned: 10,
        };
        assert_eq!(
            text(&progress, Duration::from_secs(3)),
            "█████░░░░░░░░░░░░░░░  25 %  2.5 M of 10.0 M rows, 1.0MiB read, 10 of 40 segments \
             left out, 3 s"
        );
        assert!(text(&Progress::default(), PATIENCE).contains("0 of 0 rows"));
    }
}
