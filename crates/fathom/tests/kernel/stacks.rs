//! Profiles of this very program: it keeps no frame pointers, so its stacks are whole only where the
//! kernel side walks by tables. On every kernel of the matrix.

use std::fs;
use std::hint::black_box;
use std::process::exit;
use std::time::{Duration, Instant};

use super::Place;

/// Set in the child that acts; it is this very test program.
const ACT: &str = "FATHOM_TEST_STACKS";

#[test]
fn stacks_of_native_code_are_whole() {
    let Some(lines) = profile("stacks_of_native_code_are_whole", "burn", &["--hz", "199"]) else {
        return;
    };
    let (of, whole) = chains(&lines, "burning_inner", &["burning_outer", "burning"]);
    assert!(of > 0, "{lines:#?}");
    // The first stack of all comes when nothing is known yet.
    assert!(whole as f64 >= 0.95 * of as f64, "{whole} of {of} are whole:\n{lines:#?}");
}

#[test]
fn stacks_of_waits_are_whole() {
    let Some(lines) = profile("stacks_of_waits_are_whole", "wait", &["--off-cpu"]) else { return };
    let (of, whole) = chains(&lines, "waiting_inner", &["waiting_outer"]);
    // Ten waits of 30 ms, each told for itself: less what passed before each, more where a guest is slow.
    assert!((200_000_000..2_000_000_000).contains(&of), "{of} ns:\n{lines:#?}");
    assert!(whole as f64 >= 0.95 * of as f64, "{whole} of {of} are whole:\n{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("[waits: sleep]")), "{lines:#?}");
}

/// Not a test: what the child does.
#[test]
fn stacks_act() {
    match std::env::var(ACT).as_deref() {
        Ok("burn") => {
            black_box(burning(Instant::now()));
            exit(0)
        }
        Ok("wait") => {
            (0..10).for_each(|_| waiting_outer());
            exit(0)
        }
        _ => {}
    }
}

#[inline(never)]
fn burning(begun: Instant) -> u64 {
    let mut sum = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        sum ^= black_box(burning_outer(black_box(20_000)));
    }
    sum
}

#[inline(never)]
fn burning_outer(rounds: u64) -> u64 {
    black_box(burning_inner(rounds)) + 1
}

#[inline(never)]
fn burning_inner(rounds: u64) -> u64 {
    (0..rounds).fold(0, |sum, round| black_box(sum + round * round))
}

#[inline(never)]
fn waiting_outer() {
    waiting_inner();
    black_box(());
}

#[inline(never)]
fn waiting_inner() {
    std::thread::sleep(Duration::from_millis(30));
    black_box(());
}

/// The folded lines of a profile of this program, doing `act`.
fn profile(test: &str, act: &str, words: &[&str]) -> Option<Vec<String>> {
    let place = Place::new(test)?;
    let file = place.path("stacks.folded");
    let own = std::env::current_exe().expect("we run");
    let mut command = place.fathom();
    command.arg("profile").args(words).args(["--no-inlines", "-o"]).arg(&file).arg("--");
    command.arg(own).args(["--exact", "stacks::stacks_act", "--nocapture"]).env(ACT, act);
    let output = command.env_remove("LD_LIBRARY_PATH").output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    // Nothing is lost but where a guest is too slow to give all of it a name in time.
    let lost = said.lines().filter(|line| line.starts_with("fathom: lost "));
    let mut samples = lost.filter(|line| line.contains("profile_sample"));
    assert!(samples.all(|line| line.ends_with("in symbols: slow")), "{said}");
    let text = fs::read_to_string(file).expect("it was written");
    Some(text.lines().map(str::to_string).collect())
}

/// What lines through `inner` weigh, and how much of that stands below `callers` and a thread's or the
/// program's begin.
fn chains(lines: &[String], inner: &str, callers: &[&str]) -> (u64, u64) {
    let (mut of, mut whole) = (0, 0);
    for line in lines {
        let (stack, weight) = line.rsplit_once(' ').expect("folded lines");
        let weight: u64 = weight.parse().expect("a number");
        let frames: Vec<&str> = stack.split(';').skip(1).collect();
        let Some(at) = frames.iter().rposition(|frame| frame.contains(inner)) else { continue };
        of += weight;
        let above = frames[..at].iter().rev().zip(callers);
        let are_callers =
            at >= callers.len() && { above }.all(|(frame, name)| frame.contains(name));
        // A guest's C library has no names for what only it calls.
        let begins = ["_start", "clone", "start_thread", "libc.so.6+"];
        let begins = frames.first().is_some_and(|root| begins.iter().any(|it| root.contains(it)));
        if are_callers && begins {
            whole += weight;
        }
    }
    (of, whole)
}
