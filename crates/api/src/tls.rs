//! TLS, for both doors and for the client.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::AccessError;

/// The files of a TLS server, each PEM. They are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and after it those that lead to its authority.
    pub cert: PathBuf,
    /// The certificate's private key.
    pub key: PathBuf,
    /// The authorities whose client certificates say who somebody is.
    pub client_ca: Option<PathBuf>,
}

impl Tls {
    /// The files.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        [Some(&self.cert), Some(&self.key), self.client_ca.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    }

    /// Reads them. A client without a certificate is let in here: whether it is known is asked
    /// of each request, so that a kubelet may ask for health.
    pub(crate) fn server(&self) -> Result<Arc<ServerConfig>, AccessError> {
        let unfit = |error: rustls::Error| AccessError::Tls(error.to_string());
        let (certificates, key) = (certificates(&self.cert)?, key(&self.key)?);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(unfit)?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let roots = Arc::new(roots(file)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
                    .allow_unauthenticated()
                    .build()
                    .map_err(|error| AccessError::Tls(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(certificates, key).map_err(unfit)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// A client's side: it believes `ca`, and shows a certificate with its key where it has them.
pub(crate) fn client(
    ca: &Path,
    own: Option<(&Path, &Path)>,
) -> Result<Arc<ClientConfig>, AccessError> {
    let unfit = |error: rustls::Error| AccessError::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unfit)?
        .with_root_certificates(roots(ca)?);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((cert, file)) => {
            builder.with_client_auth_cert(certificates(cert)?, key(file)?).map_err(unfit)?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, AccessError> {
    let bytes = bytes(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(AccessError::NotPem { file: file.into(), what: "certificate" }),
    }
}

fn key(file: &Path) -> Result<PrivateKeyDer<'static>, AccessError> {
    PrivateKeyDer::from_pem_slice(&bytes(file)?)
        .map_err(|_| AccessError::NotPem { file: file.into(), what: "private key" })
}

fn roots(file: &Path) -> Result<RootCertStore, AccessError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate).map_err(|error| AccessError::Tls(error.to_string()))?;
    }
    Ok(roots)
}

fn bytes(file: &Path) -> Result<Vec<u8>, AccessError> {
    fs::read(file).map_err(|source| AccessError::Read { file: file.into(), source })
}
