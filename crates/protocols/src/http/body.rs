//! The beginning of a body, while it comes.

use super::Fields;
use crate::{Policy, redact};

/// What was seen of a body that may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body {
    kind: redact::Kind,
    /// How many bytes of it are kept.
    most: usize,
    seen: Vec<u8>,
    /// Whether there was more that was not seen, or not kept.
    cut: bool,
}

impl Body {
    /// A body of which nothing came yet; `None` where the policy keeps none such. What the headers say
    /// has to be all there is.
    pub(crate) fn of(fields: &Fields, policy: &Policy) -> Option<Body> {
        if policy.bodies == 0 || fields.encoded {
            return None;
        }
        let kind = redact::Kind::of(fields.content_type.as_deref()?)?;
        Some(Body { kind, most: policy.bodies, seen: Vec::new(), cut: false })
    }

    /// The next bytes.
    pub(crate) fn see(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.room());
        self.seen.extend_from_slice(&bytes[..kept]);
        self.cut |= kept < bytes.len();
    }

    /// What comes next is not seen.
    pub(crate) fn miss(&mut self) {
        self.cut = true;
    }

    /// How many more bytes are of use.
    pub(crate) fn room(&self) -> usize {
        if self.cut { 0 } else { self.most - self.seen.len() }
    }

    /// How many bytes are held.
    pub(crate) fn held(&self) -> usize {
        self.seen.capacity()
    }

    /// What is kept of it, redacted.
    pub(crate) fn text(&self) -> Option<String> {
        redact::body(&self.seen, self.kind, self.cut)
    }
}
