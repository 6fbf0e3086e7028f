//! The agent's own words: one line each, on standard error, never one for an event.

use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::{self, LogFormat, LogLevel};

/// Where the agent says what it does. Cloning gives another handle on the same log.
#[derive(Debug, Clone)]
pub(super) struct Log(Arc<Manner>);

#[derive(Debug)]
struct Manner {
    level: AtomicU8,
    json: AtomicBool,
}

impl Log {
    /// A log as it is configured.
    pub(super) fn new(config: &config::Log) -> Log {
        let log = Log(Arc::new(Manner { level: AtomicU8::new(0), json: AtomicBool::new(false) }));
        log.configure(config);
        log
    }

    /// From now on so.
    pub(super) fn configure(&self, config: &config::Log) {
        self.0.level.store(config.level as u8, Ordering::Relaxed);
        self.0.json.store(config.format == LogFormat::Json, Ordering::Relaxed);
    }

    /// What the agent does.
    pub(super) fn info(&self, words: impl Display) {
        self.line(LogLevel::Info, "info", &words);
    }

    /// What somebody should look at.
    pub(super) fn warn(&self, words: impl Display) {
        self.line(LogLevel::Warn, "warn", &words);
    }

    /// What went wrong.
    pub(super) fn error(&self, words: impl Display) {
        self.line(LogLevel::Error, "error", &words);
    }

    fn line(&self, level: LogLevel, name: &str, words: &dyn Display) {
        if (level as u8) < self.0.level.load(Ordering::Relaxed) {
            return;
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = schema::plain::rfc3339(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        // A line stays a line, whatever a file's name or a kernel's message holds.
        let words = words.to_string().replace(['\n', '\r'], " ");
        let line = if self.0.json.load(Ordering::Relaxed) {
            format!("{}\n", serde_json::json!({ "time": time, "level": name, "message": words }))
        } else {
            format!("{time} {name:<5} {words}\n")
        };
        // There is no other place to say that this one is gone.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
