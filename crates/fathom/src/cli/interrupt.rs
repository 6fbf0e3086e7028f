//! Ctrl-C and its kin: asked to end, we end in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Becomes true when somebody asks us to end.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes over SIGINT, SIGTERM and SIGHUP. A second one ends us at once.
    pub(crate) fn listen() -> Result<Interrupt> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            take_over(signal, &asked)?;
        }
        Ok(Interrupt(asked))
    }

    /// Takes over SIGINT alone, for a prompt: it ends what runs, and [`Interrupt::rearm`] makes
    /// ready for the next. A second one before that ends us at once.
    pub(crate) fn keyboard() -> Result<Interrupt> {
        let asked = Arc::new(AtomicBool::new(false));
        take_over(SIGINT, &asked)?;
        Ok(Interrupt(asked))
    }

    /// Forgets that somebody asked.
    pub(crate) fn rearm(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Asks, as if somebody had.
    pub(crate) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether we were asked to end.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn take_over(signal: i32, asked: &Arc<AtomicBool>) -> Result<()> {
    // The order matters: the first signal finds the flag unset and only sets it.
    signal_hook::flag::register_conditional_shutdown(signal, 1, asked.clone())
        .and_then(|_| signal_hook::flag::register(signal, asked.clone()))
        .context("cannot listen for signals")?;
    Ok(())
}
