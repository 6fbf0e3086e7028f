//! What is read from files, and read again when they change.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::AccessError;

/// A value from files that others replace: certificates, tokens. It is looked at when it is
/// needed, and where the new content is no good the old one stays in effect.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    read: Box<dyn Fn() -> Result<T, AccessError> + Send + Sync>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    stamps: Vec<Stamp>,
    looked: Instant,
    /// What was complained of last: it is not said again.
    complaint: Option<String>,
}

/// What changes when a file is written or replaced; symlinks are followed, since that is how
/// Kubernetes swaps a secret.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// How often files are looked at, at most.
const LOOK: Duration = Duration::from_secs(10);

impl<T> Watched<T> {
    /// Reads the value from `files` by `read`.
    pub(crate) fn open(
        files: Vec<PathBuf>,
        now: Instant,
        read: impl Fn() -> Result<T, AccessError> + Send + Sync + 'static,
    ) -> Result<Watched<T>, AccessError> {
        let stamps = stamps(&files);
        let value = Arc::new(read()?);
        let state = Mutex::new(State { value, stamps, looked: now, complaint: None });
        Ok(Watched { files, read: Box::new(read), state })
    }

    /// The value. Where the files have changed and cannot be taken, `warn` is told once.
    pub(crate) fn current(&self, now: Instant, warn: impl FnOnce(String)) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(state.looked) < LOOK {
            return state.value.clone();
        }
        state.looked = now;
        let stamps = stamps(&self.files);
        if stamps == state.stamps {
            return state.value.clone();
        }
        match (self.read)() {
            Ok(value) => {
                (state.value, state.stamps) = (Arc::new(value), stamps);
                state.complaint = None;
            }
            // The stamps stay as they were, so that it is tried again: a pair of files may be
            // half replaced.
            Err(error) => {
                let complaint = format!("{error}; what was read before stays in effect");
                if state.complaint.as_ref() != Some(&complaint) {
                    state.complaint = Some(complaint.clone());
                    warn(complaint);
                }
            }
        }
        state.value.clone()
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the value: it is secret.
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |file| {
        let it = fs::metadata(file).ok()?;
        Some((it.dev(), it.ino(), it.size(), it.mtime(), it.mtime_nsec()))
    };
    files.iter().map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_content_is_taken_and_a_bad_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("number");
        fs::write(&file, "1").unwrap();
        let path = file.clone();
        let read = move || {
            let text = fs::read_to_string(&path).unwrap();
            text.parse::<u32>().map_err(|_| AccessError::Tokens {
                file: path.clone(),
                line: 1,
                what: "no number",
            })
        };
        let start = Instant::now();
        let watched = Watched::open(vec![file.clone()], start, read).unwrap();
        let quiet = |what: String| panic!("{what}");
        fs::write(&file, "22").unwrap();
        assert_eq!(*watched.current(start + LOOK / 2, quiet), 1, "it is not looked at yet");
        assert_eq!(*watched.current(start + LOOK, quiet), 22);
        fs::write(&file, "bad").unwrap();
        let mut said = Vec::new();
        assert_eq!(*watched.current(start + LOOK * 2, |what| said.push(what)), 22);
        assert!(said[0].contains("no number"), "{said:?}");
        assert_eq!(*watched.current(start + LOOK * 3, quiet), 22, "it is said once");
        fs::write(&file, "333").unwrap();
        assert_eq!(*watched.current(start + LOOK * 4, quiet), 333);
    }
}
