//! How far a backtest is, on the terminal, once it takes longer than two seconds.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// The bar; it vanishes when dropped.
pub(super) struct Bar {
    /// The times of the first and the last row there is.
    span: (i64, i64),
    begun: Instant,
    /// When it is drawn next; never where nobody sees it.
    next: Option<Instant>,
    drawn: bool,
}

const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_millis(100);
const WIDTH: usize = 20;

impl Bar {
    /// A bar on standard error, where that is a terminal, for rows with times in `span`.
    pub(super) fn new(span: (i64, i64)) -> Bar {
        let begun = Instant::now();
        let next = io::stderr().is_terminal().then(|| begun + PATIENCE);
        Bar { span, begun, next, drawn: false }
    }

    /// So many rows were looked at, the last of this time.
    pub(super) fn show(&mut self, rows: u64, time: Option<i64>) {
        let now = Instant::now();
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        (self.next, self.drawn) = (Some(now + STEP), true);
        let line = text(share(self.span, time), rows, now - self.begun);
        // A bar that cannot be drawn is none.
        let _ = write!(io::stderr(), "\r\x1b[2K{line}");
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if self.drawn {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

fn share((from, to): (i64, i64), time: Option<i64>) -> f64 {
    let whole = to.saturating_sub(from).max(1);
    let done = time.map_or(0, |time| time.saturating_sub(from)).clamp(0, whole);
    done as f64 / whole as f64
}

/// `█████░░░░░░░░░░░░░░░  25 %, 2500000 rows, 3 s`
fn text(share: f64, rows: u64, elapsed: Duration) -> String {
    let full = (share * WIDTH as f64).round() as usize;
    let bar: String = (0..WIDTH).map(|at| if at < full { '█' } else { '░' }).collect();
    format!("{bar} {:>3.0} %, {rows} rows, {} s", share * 100.0, elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_tells_how_much_of_the_time_is_done() {
        assert_eq!(share((100, 300), Some(150)), 0.25);
        assert_eq!((share((100, 300), None), share((5, 5), Some(9))), (0.0, 1.0));
        let line = text(0.25, 2_500_000, Duration::from_secs(3));
        assert_eq!(line, "█████░░░░░░░░░░░░░░░  25 %, 2500000 rows, 3 s");
    }
}
