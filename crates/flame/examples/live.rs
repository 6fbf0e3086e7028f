//! Plays a profile in the terminal as if it grew: `live FILE [SECONDS]`, of folded lines or pprof (`.pb.gz`).
//! It is the loop that [`flame::terminal`] wants around it, in its shortest form.

use std::error::Error;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use flame::terminal::{Action, Colour, ENTER, LEAVE, Screen, Snapshot, Watched, keys};
use flame::{About, Profile, View, folded, pprof};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, tcgetattr, tcgetwinsize, tcsetattr};

/// How often the picture follows the profile.
const EVERY: Duration = Duration::from_millis(500);
/// How long the rest of a key may take.
const KEY: Duration = Duration::from_millis(30);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("usage: live FILE [SECONDS]")?;
    let seconds = arguments.next().map_or(Ok(20.0), |text| text.parse::<f64>())?;
    let bytes = std::fs::read(&name)?;
    let whole = match name.ends_with(".pb.gz") {
        true => pprof::read(bytes.as_slice(), &pprof::Limits::default())?,
        false => {
            folded::read(
                bytes.as_slice(),
                &folded::Reading { value: flame::ValueKind::Cpu, ..Default::default() },
            )?
            .profile
        }
    };
    let input = io::stdin();
    let before = tcgetattr(&input)?;
    let mut raw = before.clone();
    raw.make_raw();
    tcsetattr(&input, OptionalActions::Flush, &raw)?;
    print!("{ENTER}");
    let ended = run(&whole, &name, seconds);
    print!("{LEAVE}");
    io::stdout().flush()?;
    tcsetattr(&input, OptionalActions::Flush, &before)?;
    ended
}

fn run(whole: &Profile, name: &str, seconds: f64) -> Result<(), Box<dyn Error>> {
    let (input, mut output) = (io::stdin(), io::stdout());
    let word = |name: &str| std::env::var(name).ok();
    let colour = Colour::of(word("NO_COLOR").as_deref(), word("COLORTERM").as_deref());
    let mut screen = Screen::new(View::default());
    let begun = Instant::now();
    let mut profile = part(whole, 0.02);
    let mut watched = Watched { what: name.into(), ..Watched::default() };
    let mut snapshot = Snapshot::of(&profile, screen.view());
    let (mut typed, mut next) = (Vec::new(), begun);
    loop {
        let size = tcgetwinsize(&output)?;
        let size = (size.ws_col, size.ws_row);
        if Instant::now() >= next {
            next = Instant::now() + EVERY;
            let done = begun.elapsed().as_secs_f64() / seconds;
            if !screen.is_paused() {
                profile = part(whole, done.clamp(0.02, 1.0));
                watched.samples = profile.total().samples;
                watched.lasted = begun.elapsed();
                watched.cut = Some(watched.samples / 70);
                snapshot = Snapshot::of(&profile, screen.view());
            }
        }
        write!(output, "{}", screen.draw(&snapshot, &watched, size, colour))?;
        output.flush()?;
        let wait = if typed.is_empty() { next - Instant::now().min(next) } else { KEY };
        let mut polled = [PollFd::new(&input, PollFlags::IN)];
        let ready = poll(&mut polled, Some(&Timespec::try_from(wait)?)).unwrap_or(0);
        if ready > 0 {
            let mut bytes = [0; 256];
            let count = rustix::io::read(&input, &mut bytes)?;
            if count == 0 {
                return Ok(());
            }
            typed.extend_from_slice(&bytes[..count]);
        }
        let (pressed, taken) = keys(&typed, ready > 0);
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

/// The first samples of a profile.
fn part(whole: &Profile, share: f64) -> Profile {
    let mut part = Profile::new(About::default());
    let count = (whole.samples().len() as f64 * share).ceil() as usize;
    let step = (whole.samples().len() / 17).max(1) | 1;
    let samples: Vec<_> = whole.samples().collect();
    for at in 0..count {
        // Not in order, in which all of one process come first.
        let sample = samples[(at * step) % samples.len()];
        let frames = whole.stack_frames(sample.stack);
        let frames: Vec<_> =
            frames.into_iter().map(|id| part.frame(whole.get_frame(id).clone())).collect();
        let stack = part.stack(frames);
        let labels = whole.get_labels(sample.labels);
        let labels = part.labels(labels.iter().map(|label| (&label.key, label.value.clone())));
        part.add(stack, labels, sample.values);
    }
    part
}
