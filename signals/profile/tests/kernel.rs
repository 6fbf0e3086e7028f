//! Burns and waits, and expects stacks; on this host and on every kernel of the matrix.

use std::process::{Command, exit};
use std::time::{Duration, Instant};

use schema::{RawStack, StackEnd, StackNews};
use signal_profile::PROFILE;
use testkit::watch::{MECHANISMS, Watch};

/// Set in the child that acts; it is this very test program.
const ACT: &str = "FATHOM_TEST_ACT";

#[test]
fn stacks_of_cpu_time_are_taken() {
    let Some(stacks) = stacks("stacks_of_cpu_time_are_taken", "burn") else { return };
    let samples: Vec<_> = stacks.iter().filter(|stack| stack.wait.is_none()).collect();
    // Half a second at 99 a second, and in a guest the seconds that it takes to begin.
    assert!((20..400).contains(&samples.len()), "{} samples", samples.len());
    for sample in &samples {
        assert_eq!(sample.weight, 1_000_000_000 / 99);
        assert!(sample.registers.ip != 0 && sample.registers.sp != 0, "{sample:?}");
        // Nobody has told the kernel of mappings, so the stack itself comes, up to a bound.
        assert_eq!((sample.end, sample.space), (StackEnd::Unknown, 0));
    }
    assert!(samples.iter().any(|sample| sample.copied.len() > 1000));
}

#[test]
fn stacks_of_waits_are_told() {
    let Some(stacks) = stacks("stacks_of_waits_are_told", "sleep") else { return };
    const CLOCK_NANOSLEEP: u32 = 230;
    let waits = stacks
        .iter()
        .filter(|it| it.wait.as_ref().is_some_and(|it| it.call == Some(CLOCK_NANOSLEEP)));
    let waits: Vec<_> = waits.collect();
    assert_eq!(waits.len(), 5, "{stacks:#?}");
    for stack in waits {
        let wait = stack.wait.as_ref().expect("one");
        // Of the 50 ms it is some on its way to wait, and a slow guest comes late.
        assert!((35_000_000..500_000_000).contains(&wait.duration), "{wait:?}");
        assert_eq!(stack.weight, wait.duration, "a long wait stands for itself");
        // A clock's interrupt woke it.
        assert!(wait.waker.is_none(), "{wait:?}");
        assert!(stack.kernel.len() > 2, "{stack:?}");
    }
}

/// Not a test: what the child does.
#[test]
fn act() {
    match std::env::var(ACT).as_deref() {
        Ok("burn") => {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_millis(500) {
                std::hint::black_box((0..1000u64).sum::<u64>());
            }
            exit(0);
        }
        Ok("sleep") => {
            for _ in 0..5 {
                std::thread::sleep(Duration::from_millis(50));
            }
            exit(0);
        }
        _ => {}
    }
}

fn stacks(test: &str, act: &str) -> Option<Vec<RawStack>> {
    let watch = Watch::start(test, &[&PROFILE], MECHANISMS).expect("it loads")?;
    for it in watch.kernel.rejections() {
        eprintln!("{} {}", it.program, it.log);
    }
    let told = [1_000_000_000 / 99u64, 10_000_000].map(u64::to_ne_bytes).concat();
    let told = [told, [1000u32, 1000, 1, 0].map(u32::to_ne_bytes).concat()].concat();
    let map = watch.kernel.signal_map("profile", "profile_told").expect("it is there");
    map.set(&0u32.to_ne_bytes(), &told).expect("it can be told");
    let own = std::env::current_exe().expect("we run");
    let mut command = Command::new(own);
    command.args(["--exact", "act", "--nocapture"]).env(ACT, act);
    let (status, news) = watch.run_for_stacks(&mut command).expect("it runs");
    assert!(status.success());
    let stacks = news.into_iter().filter_map(|news| match news {
        StackNews::Stack(stack) => Some(*stack),
        _ => None,
    });
    Some(stacks.collect())
}
