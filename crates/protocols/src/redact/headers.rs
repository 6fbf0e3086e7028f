//! Headers of which only the name may be kept.

use super::{Policy, is_secret};

/// Whether the value of the header `name` has to be taken out. Case does not count.
pub fn denied(name: &[u8], policy: &Policy) -> bool {
    DENIED.iter().any(|denied| denied.as_bytes().eq_ignore_ascii_case(name))
        || is_secret(name)
        || policy.denied_headers.iter().any(|denied| denied.as_bytes().eq_ignore_ascii_case(name))
}

/// Those whose names [`is_secret`] does not give away.
const DENIED: [&str; 10] = [
    "x-amz-content-sha256",
    "x-csrf",
    "x-forwarded-for",
    "x-real-ip",
    "forwarded",
    "true-client-ip",
    "cf-connecting-ip",
    "www-authenticate",
    "proxy-authenticate",
    "x-client-cert",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_carries_secrets_is_denied() {
        let policy = Policy { denied_headers: vec!["x-tenant".into()], ..Policy::default() };
        for name in [
            "Authorization",
            "proxy-authorization",
            "Cookie",
            "SET-COOKIE",
            "X-Api-Key",
            "X-Auth-Token",
            "X-Forwarded-For",
            "x-amz-security-token",
            "X-Tenant",
        ] {
            assert!(denied(name.as_bytes(), &policy), "{name}");
        }
        for name in ["Accept", "host", "user-agent", "content-type", "x-request-id"] {
            assert!(!denied(name.as_bytes(), &policy), "{name}");
        }
    }
}
