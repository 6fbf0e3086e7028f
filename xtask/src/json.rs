//! Reads JSON: just enough for what cargo prints.

use crate::failure::{Failure, Result};

/// A JSON value. Numbers are kept as written: nothing here computes with them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one value and nothing after it.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut reader = Reader { text, at: 0 };
        let value = reader.value()?;
        reader.space();
        if reader.at == text.len() { Ok(value) } else { Err(reader.wrong("nothing more")) }
    }

    /// The value under `key`; null where there is none.
    pub(crate) fn get(&self, key: &str) -> &Json {
        match self {
            Json::Object(pairs) => {
                pairs.iter().find(|(name, _)| name == key).map_or(&Json::Null, |(_, v)| v)
            }
            _ => &Json::Null,
        }
    }

    /// The text, or the empty one.
    pub(crate) fn text(&self) -> &str {
        if let Json::Text(text) = self { text } else { "" }
    }

    /// The items, or none.
    pub(crate) fn list(&self) -> &[Json] {
        if let Json::List(items) = self { items } else { &[] }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self) -> Result<Json> {
        self.space();
        match self.peek() {
            Some('{') => self.object(),
            Some('[') => self.items(),
            Some('"') => Ok(Json::Text(self.string()?)),
            Some(_) => self.word(),
            None => Err(self.wrong("a value")),
        }
    }

    fn object(&mut self) -> Result<Json> {
        self.expect('{')?;
        let mut pairs = Vec::new();
        while !self.closes('}', pairs.is_empty())? {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(':')?;
            pairs.push((key, self.value()?));
        }
        Ok(Json::Object(pairs))
    }

    fn items(&mut self) -> Result<Json> {
        self.expect('[')?;
        let mut items = Vec::new();
        while !self.closes(']', items.is_empty())? {
            items.push(self.value()?);
        }
        Ok(Json::List(items))
    }

    /// Whether the list ends here; otherwise takes the comma before its next item.
    fn closes(&mut self, end: char, first: bool) -> Result<bool> {
        self.space();
        if self.peek() == Some(end) {
            self.at += 1;
            return Ok(true);
        }
        if !first {
            self.expect(',')?;
        }
        Ok(false)
    }

    fn string(&mut self) -> Result<String> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escape()?),
                Some(letter) => text.push(letter),
                None => return Err(self.wrong("a closing quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char> {
        Ok(match self.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('u') => {
                let high = self.hex()?;
                // Letters beyond the first plane come as two halves.
                let code = if (0xd800..0xdc00).contains(&high)
                    && self.text[self.at..].starts_with("\\u")
                {
                    self.at += 2;
                    (0x10000 + ((high - 0xd800) << 10))
                        .wrapping_add(self.hex()?.wrapping_sub(0xdc00))
                } else {
                    high
                };
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            Some(letter) => letter,
            None => return Err(self.wrong("a letter after the backslash")),
        })
    }

    fn hex(&mut self) -> Result<u32> {
        let digits =
            self.text.get(self.at..self.at + 4).and_then(|four| u32::from_str_radix(four, 16).ok());
        let code = digits.ok_or_else(|| self.wrong("four hex digits"))?;
        self.at += 4;
        Ok(code)
    }

    fn word(&mut self) -> Result<Json> {
        let rest = &self.text[self.at..];
        let end = rest.find([',', ']', '}', ' ', '\n', '\r', '\t']).unwrap_or(rest.len());
        let word = &rest[..end];
        let value = match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number if number.parse::<f64>().is_ok() => Json::Number(number.to_string()),
            _ => return Err(self.wrong("a value")),
        };
        self.at += end;
        Ok(value)
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        Some(letter)
    }

    fn expect(&mut self, wanted: char) -> Result<()> {
        if self.peek() == Some(wanted) {
            self.at += wanted.len_utf8();
            return Ok(());
        }
        Err(self.wrong(&format!("'{wanted}'")))
    }

    fn wrong(&self, wanted: &str) -> Failure {
        Failure::new(format!("not JSON at byte {}: {wanted} expected", self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_prints_is_read() {
        let json = Json::parse(
            r#" {"a": [1, -2.5e3, "x\n\"\u00e9\ud83d\ude00"], "b": {"c": null, "d": true}, "e":[]} "#,
        );
        let json = json.unwrap();
        assert_eq!(json.get("a").list()[1], Json::Number("-2.5e3".into()));
        assert_eq!(json.get("a").list()[2].text(), "x\n\"é😀");
        assert_eq!(*json.get("b").get("d"), Json::Bool(true));
        assert_eq!(*json.get("b").get("c"), Json::Null);
        assert_eq!(json.get("e").list().len(), 0);
    }

    #[test]
    fn what_is_not_json_is_refused_and_not_a_panic() {
        for text in ["", "{", "[1,", "{\"a\"}", "\"\\u12\"", "nul", "[1] 2", "\"\\ud83dx\"é\\u"] {
            assert!(Json::parse(text).is_err(), "{text}");
        }
    }
}
