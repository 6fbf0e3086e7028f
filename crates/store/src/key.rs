//! Ed25519 keys, as `openssl genpkey -algorithm ed25519` writes them.

use std::fs;
use std::path::Path;

use ring::signature::{self, Ed25519KeyPair, UnparsedPublicKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};

/// What signs.
#[derive(Debug)]
pub struct Key(Ed25519KeyPair);

/// What tells who signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {what}")]
pub struct BadKey {
    path: String,
    what: String,
}

impl Key {
    /// Reads a private key: PEM, PKCS#8.
    pub fn read(path: &Path) -> Result<Key, BadKey> {
        let bad = |what: String| BadKey { path: path.display().to_string(), what };
        let text = fs::read(path).map_err(|error| bad(error.to_string()))?;
        let der = PrivatePkcs8KeyDer::from_pem_slice(&text).map_err(|error| {
            bad(format!(
                "no private key in PEM ({error}); `openssl genpkey -algorithm ed25519` makes one"
            ))
        })?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        pair.map(Key).map_err(|error| bad(format!("not an Ed25519 key: {error}")))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> signature::Signature {
        self.0.sign(message)
    }
}

impl PublicKey {
    /// Reads a public key: PEM, as `openssl pkey -pubout` writes it.
    pub fn read(path: &Path) -> Result<PublicKey, BadKey> {
        let bad = |what: String| BadKey { path: path.display().to_string(), what };
        let text = fs::read(path).map_err(|error| bad(error.to_string()))?;
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&text).map_err(|error| {
            bad(format!("no public key in PEM ({error}); `openssl pkey -pubout` writes one"))
        })?;
        // RFC 8410: a head of 12 bytes that says Ed25519, and the key.
        let key = der.as_ref().strip_prefix(SPKI_ED25519).and_then(|key| key.try_into().ok());
        key.map(PublicKey).ok_or_else(|| bad("not an Ed25519 key".to_string()))
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&signature::ED25519, self.0).verify(message, signature).is_ok()
    }
}

const SPKI_ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0];
