//! Query strings: keys are kept, values mostly not.

use super::{Policy, TAKEN_OUT, is_secret, text};

/// What may be kept of what stands behind the `?` of a target: `page=***&sort=***`.
pub fn query(query: &str, policy: &Policy) -> String {
    let mut kept = String::with_capacity(query.len().min(256));
    for (at, pair) in query.split('&').enumerate() {
        if at > 0 {
            kept.push('&');
        }
        match pair.split_once('=') {
            Some((key, value)) => {
                kept.push_str(&text(key));
                kept.push('=');
                if policy.query_values && !is_secret(key.as_bytes()) {
                    kept.push_str(&text(value));
                } else if !value.is_empty() {
                    kept.push_str(TAKEN_OUT);
                }
            }
            // A bare word may be the value itself: `?eyJhbGciOi…`.
            None if policy.query_values => kept.push_str(&text(pair)),
            None if !pair.is_empty() => kept.push_str(TAKEN_OUT),
            None => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_unless_they_are_wanted() {
        let none = Policy::default();
        assert_eq!(query("page=3&token=abc&x=&bare", &none), "page=***&token=***&x=&***");
        let some = Policy { query_values: true, ..Policy::default() };
        assert_eq!(query("page=3&token=abc&mail=a@b.de", &some), "page=3&token=***&mail=***");
        assert_eq!(query("", &none), "");
    }
}
