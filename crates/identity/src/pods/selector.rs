//! Label selectors, as `kubectl -l` takes them.

use std::fmt;

use super::Labels;

/// What labels have to be: every requirement holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
}

/// Why something that the user wrote cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What was being read: `selector`, `pod` …
    pub subject: &'static str,
    /// What the user wrote.
    pub text: String,
    /// How many bytes of it come before what is wrong.
    pub at: usize,
    /// What should be there.
    pub expected: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    In(Vec<String>),
    /// Labels that lack the key pass too.
    NotIn(Vec<String>),
}

impl LabelSelector {
    /// Reads `k=v`, `k==v`, `k!=v`, `k in (a,b)`, `k notin (a,b)`, `k`, `!k`, with commas for
    /// "and". An empty text is a selector that every pod fits.
    pub fn parse(text: &str) -> Result<LabelSelector, ParseError> {
        let mut reader = Reader { text, at: 0 };
        let mut requirements = Vec::new();
        if reader.peek().is_none() {
            return Ok(LabelSelector { requirements });
        }
        loop {
            requirements.push(reader.requirement()?);
            match reader.peek() {
                None => return Ok(LabelSelector { requirements }),
                Some(',') => reader.at += 1,
                Some(_) => return Err(reader.expected("`,` and another requirement, or the end")),
            }
        }
    }

    /// Whether the labels fit.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.holds(labels))
    }

    /// Whether every pod fits.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

impl Requirement {
    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let among = |values: &[String]| value.is_some_and(|it| values.iter().any(|v| v == it));
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(values) => among(values),
            Test::NotIn(values) => !among(values),
        }
    }
}

/// A place in the text of a selector.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn requirement(&mut self) -> Result<Requirement, ParseError> {
        if self.take("!") {
            return Ok(Requirement { key: self.key()?, test: Test::Absent });
        }
        let key = self.key()?;
        let test = if self.take("==") || self.take("=") {
            Test::In(vec![self.value()?])
        } else if self.take("!=") {
            Test::NotIn(vec![self.value()?])
        } else {
            self.set()?
        };
        Ok(Requirement { key, test })
    }

    /// `in (…)`, `notin (…)`, or nothing.
    fn set(&mut self) -> Result<Test, ParseError> {
        if matches!(self.peek(), None | Some(',')) {
            return Ok(Test::Exists);
        }
        let start = self.at;
        let word = self.word();
        if word != "in" && word != "notin" {
            self.at = start;
            return Err(self.expected("`=`, `==`, `!=`, `in (…)`, `notin (…)`, `,` or the end"));
        }
        if !self.take("(") {
            return Err(self.expected("`(` and the values"));
        }
        let mut values = vec![self.value()?];
        while self.take(",") {
            values.push(self.value()?);
        }
        if !self.take(")") {
            return Err(self.expected("`,` and another value, or `)`"));
        }
        Ok(if word == "in" { Test::In(values) } else { Test::NotIn(values) })
    }

    /// A label's name, perhaps with a domain before it: `app`, `example.com/app`.
    fn key(&mut self) -> Result<String, ParseError> {
        self.peek();
        let start = self.at;
        let word = self.word();
        let (domain, name) = word.split_once('/').map_or((None, word), |(d, n)| (Some(d), n));
        if is_name(name) && domain.is_none_or(is_domain) {
            return Ok(word.into());
        }
        self.at = start;
        Err(self.expected("a label's name, as `app` or `example.com/app`"))
    }

    /// A label's value, which may be empty.
    fn value(&mut self) -> Result<String, ParseError> {
        self.peek();
        let start = self.at;
        let word = self.word();
        if word.is_empty() || is_name(word) {
            return Ok(word.into());
        }
        self.at = start;
        let rule = "a label's value: letters, digits, `-`, `_`, `.`, 63 at most, the first and \
                    last a letter or digit";
        Err(self.expected(rule))
    }

    /// What comes up to the next mark or blank.
    fn word(&mut self) -> &'a str {
        self.peek();
        let rest = &self.text[self.at..];
        let ends = |c: char| c.is_whitespace() || matches!(c, ',' | '=' | '!' | '(' | ')');
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn take(&mut self, mark: &str) -> bool {
        self.peek();
        let found = self.text[self.at..].starts_with(mark);
        if found {
            self.at += mark.len();
        }
        found
    }

    /// The next letter that is no blank; goes there.
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn expected(&self, expected: &'static str) -> ParseError {
        ParseError { subject: "selector", text: self.text.into(), at: self.at, expected }
    }
}

/// What Kubernetes allows as a label's name or value.
pub(super) fn is_name(text: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

/// What Kubernetes allows as the name of a pod, and before the `/` of a label's name.
pub(super) fn is_domain(text: &str) -> bool {
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let inner = |byte: &u8| byte.is_ascii_digit() || byte.is_ascii_lowercase() || *byte == b'-';
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
    };
    text.len() <= 253 && text.split('.').all(part)
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let ParseError { subject, text, at, expected } = self;
        write!(f, "{subject} `{text}`, at {}: expected {expected}, found ", at + 1)?;
        if rest.is_empty() { write!(f, "the end") } else { write!(f, "`{rest}`") }
    }
}

impl std::error::Error for ParseError {}
