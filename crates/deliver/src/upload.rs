//! Profiles on their way out of the node: bodies that somebody else makes, sent by HTTP now and then.

use ureq::http::Method;

use crate::Upload;
use crate::carry::{Client, Trouble};

/// A service that takes profiles.
pub struct Uploader {
    client: Client,
}

/// Why a body did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct UploadError {
    /// Whether the same body may be taken later.
    pub is_passing: bool,
    /// For people.
    pub words: String,
}

impl Uploader {
    /// The error says what in the configuration does not fit.
    pub fn new(upload: &Upload) -> Result<Uploader, String> {
        let client = Client::new(upload.url.clone(), upload.request.clone())?;
        Ok(Uploader { client })
    }

    /// Posts `body` to what stands at `path` behind the configured address.
    pub fn send(&mut self, path: &str, content_type: &str, body: &[u8]) -> Result<(), UploadError> {
        let answer = self.client.send(Method::POST, path, content_type, body);
        let answer = answer.map_err(|trouble| match trouble {
            Trouble::Refused { words, .. } => UploadError { is_passing: false, words },
            Trouble::Later { words, .. } => UploadError { is_passing: true, words },
        })?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let is_passing = matches!(answer.status, 408 | 429 | 500..);
        Err(UploadError { is_passing, words: answer.words() })
    }
}
