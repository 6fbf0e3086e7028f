//! chain SECONDS: as chain.c, in Rust.

use std::hint::black_box;
use std::time::Instant;

const DEPTH: u32 = 20;

#[inline(never)]
fn leaf(mut x: u64) -> u64 {
    for _ in 0..20_000 {
        x = (x ^ (x >> 17)).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    }
    x
}

#[inline(never)]
fn hot_a(mut x: u64) -> u64 {
    for _ in 0..7 {
        x = leaf(x);
    }
    black_box(x)
}

#[inline(never)]
fn hot_b(mut x: u64) -> u64 {
    for _ in 0..2 {
        x = leaf(x);
    }
    black_box(x)
}

#[inline(never)]
fn hot_c(x: u64) -> u64 {
    black_box(leaf(x))
}

#[inline(never)]
fn dispatch(which: u32, x: u64) -> u64 {
    let x = match which {
        0 => hot_a(x),
        1 => hot_b(x),
        _ => hot_c(x),
    };
    black_box(x)
}

#[inline(never)]
fn rec(depth: u32, which: u32, x: u64) -> u64 {
    let x = if depth > 1 { rec(depth - 1, which, x) } else { dispatch(which, x) };
    black_box(x)
}

/// The standard library has no clock of CPU time; the kernel tells it in nanoseconds here.
fn cpu_seconds() -> f64 {
    let told = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let own = told.split(' ').next().and_then(|word| word.parse::<f64>().ok());
    own.map_or_else(|| Instant::now().elapsed().as_secs_f64(), |it| it / 1e9)
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(1.0);
    let (end, begun) = (cpu_seconds() + seconds, Instant::now());
    let mut x = black_box(1);
    // Where there is no such file the wall clock ends it.
    while cpu_seconds() < end && begun.elapsed().as_secs_f64() < 20.0 * seconds {
        for _ in 0..20 {
            for which in 0..3 {
                x = rec(DEPTH, which, x);
            }
        }
    }
    black_box(x);
}
