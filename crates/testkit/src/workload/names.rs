//! Names that files have in the wild, and some that they have only in tests.

use crate::rng::Rng;

/// A name that was not there before; `count` makes it so.
pub(super) fn fresh(rng: &mut Rng, count: u64) -> Vec<u8> {
    let mut name = match rng.below(24) {
        0 => format!("with space {count}").into_bytes(),
        1 => format!("quote'\"`{count}").into_bytes(),
        2 => format!("new\nline{count}").into_bytes(),
        3 => format!("tab\tbell\x07{count}").into_bytes(),
        4 => format!("größe-日本-🦀{count}").into_bytes(),
        5 => [b"bad\xff\xfe\xc3(", count.to_string().as_bytes()].concat(),
        6 => [count.to_string().as_bytes(), b"-cut\xe6\x97"].concat(),
        7 => format!("{count:*<255}").into_bytes(),
        8 => format!("{count}é{}", "ü".repeat(110)).into_bytes(),
        9 => format!("back\\slash\\x41{count}").into_bytes(),
        10 => format!("-rf {count}").into_bytes(),
        11 => format!("%s%n{count}").into_bytes(),
        12 => format!("{count} (deleted)").into_bytes(),
        13 => format!("...{count}").into_bytes(),
        14 => format!(" {count} ").into_bytes(),
        _ => format!("f{count}").into_bytes(),
    };
    name.truncate(255);
    name
}

/// A name that is too long for any file system.
pub(super) fn too_long(count: u64) -> Vec<u8> {
    format!("{count:x<256}").into_bytes()
}
