//! Certificates and keys from files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::Request;

/// Where systems keep the authorities that they believe.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// TLS as `request` says, for an address that needs it; the error names the file.
pub(super) fn tls(request: &Request) -> Result<TlsConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = RootCerts::new_with_certs(&certificates(&authorities(request)?)?);
    let own = match (given(&request.certificate), given(&request.key)) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(ClientCert::new_with_certs(&certificates(certificate)?, private_key(key)?))
        }
        _ => return Err("a certificate and its key belong together".to_string()),
    };
    Ok(TlsConfig::builder()
        .root_certs(roots)
        .client_cert(own)
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

/// The files that `request` names; they may change.
pub(super) fn files(request: &Request) -> Vec<&Path> {
    [&request.ca, &request.certificate, &request.key]
        .into_iter()
        .filter_map(|it| given(it))
        .collect()
}

fn given(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}

fn authorities(request: &Request) -> Result<PathBuf, String> {
    if let Some(path) = given(&request.ca) {
        return Ok(path.to_path_buf());
    }
    let named = env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    let mut candidates = named.into_iter().chain(BUNDLES.iter().map(PathBuf::from));
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        "this system has no file of authorities to believe; name one (`request.ca`)".to_string()
    })
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let bytes = read(path)?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    match certificates.is_empty() {
        true => Err(format!("{}: there is no certificate (PEM) in it", path.display())),
        false => Ok(certificates),
    }
}

fn private_key(path: &Path) -> Result<PrivateKey<'static>, String> {
    let key = PrivateKey::from_pem(&read(path)?);
    key.map_err(|_| format!("{}: there is no private key (PEM) in it", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}
