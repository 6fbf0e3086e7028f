//! The table of commands, in the order in which a newcomer meets them.

use crate::cli::Command;
use crate::{bench, ci, demo, image, new_signal, setup, test, tidy, vm};

/// Every command of `cargo xtask`.
pub(crate) const COMMANDS: &[Command] = &[
    setup::COMMAND,
    demo::COMMAND,
    test::COMMAND,
    vm::COMMAND,
    bench::COMMAND,
    image::COMMAND,
    new_signal::COMMAND,
    tidy::COMMAND,
    ci::COMMAND,
];
