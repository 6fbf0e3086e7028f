//! `basename` and `dirname`, as the commands of these names.

use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};

use super::map_text;

/// A part of a path.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PathPart {
    part: Part,
    signature: Signature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Base,
    Dir,
}

impl PathPart {
    pub(super) fn basename() -> PathPart {
        PathPart { part: Part::Base, signature: Signature::string(1, Volatility::Immutable) }
    }

    pub(super) fn dirname() -> PathPart {
        PathPart { part: Part::Dir, ..PathPart::basename() }
    }
}

impl ScalarUDFImpl for PathPart {
    fn name(&self) -> &str {
        match self.part {
            Part::Base => "basename",
            Part::Dir => "dirname",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let part = match self.part {
            Part::Base => basename,
            Part::Dir => dirname,
        };
        map_text(&args.args[0], args.number_rows, |path| Some(part(path).to_string()))
    }
}

fn basename(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => "",
        "" => "/",
        path => path.rsplit('/').next().unwrap_or(path),
    }
}

fn dirname(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return if path.is_empty() { "." } else { "/" };
    }
    match trimmed.rfind('/') {
        None => ".",
        Some(at) => match trimmed[..at].trim_end_matches('/') {
            "" => "/",
            folder => folder,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_shell() {
        let cases = [
            ("/usr/bin/cat", "cat", "/usr/bin"),
            ("/cat", "cat", "/"),
            ("cat", "cat", "."),
            ("/usr/bin/", "bin", "/usr"),
            ("//", "/", "/"),
            ("/", "/", "/"),
            ("", "", "."),
        ];
        for (path, base, dir) in cases {
            assert_eq!((basename(path), dirname(path)), (base, dir), "{path}");
        }
    }
}
