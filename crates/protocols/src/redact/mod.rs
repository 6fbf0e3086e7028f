//! What must not leave: secrets and what identifies people.
//!
//! Each protocol redacts what it keeps before a message leaves its conversation. What a message may
//! hold is a [`Policy`]; what looks like a card number, an e-mail address or a token is taken out
//! of all text in any case.

mod body;
mod form;
mod headers;
mod json;
mod markup;
mod query;
mod text;

pub use body::{Kind, body};
pub use form::form;
pub use headers::denied;
pub use json::json;
pub use markup::markup;
pub use query::query;
pub use text::text;

/// What stands in place of what was taken out.
pub const TAKEN_OUT: &str = "***";

/// What may be kept of what is said; by default as little as rows need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Keep all headers, but for those denied. Without it only those that have a column are kept.
    pub headers: bool,
    /// Headers of which only the name is kept, in lower case, besides those that always are.
    pub denied_headers: Vec<String>,
    /// Keep the values of query strings, but for those whose key says that they are secret.
    pub query_values: bool,
    /// Keep literals of SQL and the arguments of commands, as far as no other rule takes them out.
    pub literals: bool,
    /// How many bytes are kept of a body that is text; 0 keeps none.
    pub bodies: usize,
}

impl Policy {
    /// Whether it keeps all that `other` keeps.
    pub fn covers(&self, other: &Policy) -> bool {
        let Policy { headers, denied_headers, query_values, literals, bodies } = other;
        self.headers >= *headers
            && self.query_values >= *query_values
            && self.literals >= *literals
            && self.bodies >= *bodies
            && self.denied_headers.iter().all(|denied| denied_headers.contains(denied))
    }

    /// Keeps only what both keep.
    pub fn and(&self, other: &Policy) -> Policy {
        let denied = self.denied_headers.iter().chain(&other.denied_headers);
        let mut denied_headers: Vec<String> = denied.cloned().collect();
        denied_headers.sort();
        denied_headers.dedup();
        Policy {
            headers: self.headers && other.headers,
            denied_headers,
            query_values: self.query_values && other.query_values,
            literals: self.literals && other.literals,
            bodies: self.bodies.min(other.bodies),
        }
    }
}

/// Whether the name of a field says that its value is secret: `api_key`, `userPassword`.
///
/// Letters count without case; `-`, `_`, `.` and spaces not at all.
pub fn is_secret(name: &[u8]) -> bool {
    // Keys are short; a long one is not looked at for ever.
    let mut plain = [0; 64];
    let mut length = 0;
    for byte in name.iter().filter(|byte| !matches!(byte, b'-' | b'_' | b'.' | b' ')) {
        if length == plain.len() {
            break;
        }
        plain[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let plain = &plain[..length];
    let has = |word: &&str| memchr::memmem::find(plain, word.as_bytes()).is_some();
    SECRET_PARTS.iter().any(has) || SECRET_NAMES.iter().any(|name| name.as_bytes() == plain)
}

/// What the name of a secret has in it.
const SECRET_PARTS: [&str; 20] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "authorization",
    "cookie",
    "sessionid",
    "signature",
    "creditcard",
    "cardnumber",
    "securitycode",
    "onetimecode",
    "connectionstring",
    "bearer",
    "mnemonic",
];

/// What is a secret's whole name, and part of many others.
const SECRET_NAMES: [&str; 17] = [
    "pass", "pwd", "auth", "key", "sig", "sid", "session", "jwt", "otp", "pin", "cvv", "cvc",
    "ssn", "iban", "pan", "email", "phone",
];

#[cfg(test)]
mod tests {
    use super::{Policy, is_secret};

    #[test]
    fn what_two_keep_is_covered_by_both() {
        let one = Policy { headers: true, bodies: 100, ..Policy::default() };
        let other = Policy {
            denied_headers: vec!["x-a".into()],
            literals: true,
            bodies: 10,
            ..one.clone()
        };
        let both = one.and(&other);
        assert_eq!((both.headers, both.literals, both.bodies), (true, false, 10));
        assert_eq!(both.denied_headers, ["x-a"]);
        assert!(one.covers(&both) && other.covers(&both) && !both.covers(&one));
        assert!(!one.covers(&other) && !other.covers(&one) && one.covers(&one));
        // One that denies a header keeps less.
        let denies = Policy { denied_headers: vec!["x-a".into()], ..one.clone() };
        assert!(one.covers(&denies) && !denies.covers(&one));
    }

    #[test]
    fn names_of_secrets() {
        for name in ["password", "User-Password", "api_key", "x.apiKey", "refresh_token", "PIN"] {
            assert!(is_secret(name.as_bytes()), "{name}");
        }
        for name in ["", "user", "keyboard", "pinned", "page", "passenger", "author"] {
            assert!(!is_secret(name.as_bytes()), "{name}");
        }
    }
}
