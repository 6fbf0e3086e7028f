//! Files of rules.

use super::diagnostic::{Diagnostic, Place, Severity, code};

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the user calls it; places name it so.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

impl Source {
    /// The file `name` that holds `bytes`, which have to be UTF-8.
    pub fn from_bytes(name: &str, bytes: Vec<u8>) -> Result<Source, Box<Diagnostic>> {
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let good = String::from_utf8_lossy(good);
            let line = good.matches('\n').count() + 1;
            let column = good.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            Box::new(Diagnostic {
                severity: Severity::Error,
                code: code::FILE_READ,
                place: Place { file: name.into(), line, column },
                subject: String::new(),
                message: "the file is not text in UTF-8".into(),
                help: String::new(),
            })
        })?;
        Ok(Source { name: name.to_owned(), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_refused_at_their_place() {
        assert!(Source::from_bytes("a", "ä".into()).is_ok());
        let found = Source::from_bytes("a", b"- a\n- \xc3\xa4\xff".to_vec()).unwrap_err();
        assert_eq!((found.place.line, found.place.column), (2, 4));
    }
}
