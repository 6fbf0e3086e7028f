//! The words of conditions.

use super::super::traced::{Origin, Traced};
use super::Refusal;

/// What cannot stand in a value without quotes.
const SIGNS: [char; 6] = ['(', ')', '"', '\'', '=', ','];

/// A walk through the text of a condition.
pub(super) struct Lexer<'a> {
    traced: &'a Traced,
    /// Its text without the blanks at the end.
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(traced: &'a Traced) -> Lexer<'a> {
        Lexer { traced, text: traced.text().trim_end_matches(is_blank), at: 0 }
    }

    /// The byte at which it is.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn origin(&self, at: usize) -> Origin {
        self.traced.origin(at)
    }

    pub(super) fn refuse(&self, at: usize, message: String) -> Box<Refusal> {
        Refusal::new(self.traced, at, message)
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether there is no text at all.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What stands here, for people.
    pub(super) fn found(&self) -> String {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return "the end".into() };
        let word: String = match is_word(first) || first == '.' {
            true => rest.chars().take_while(|&it| is_word(it) || it == '.').take(40).collect(),
            false if first == '&' || first == '|' => {
                rest.chars().take_while(|&it| it == first).take(2).collect()
            }
            false => first.to_string(),
        };
        format!("`{}`", printable(&word))
    }

    /// Passes blanks; whether there were any.
    pub(super) fn blank(&mut self) -> bool {
        let rest = self.rest().trim_start_matches(is_blank);
        let passed = self.rest().len() - rest.len();
        self.at += passed;
        passed > 0
    }

    /// Passes `sign`, if it stands here.
    pub(super) fn take(&mut self, sign: &str) -> bool {
        let there = self.rest().starts_with(sign);
        if there {
            self.at += sign.len();
        }
        there
    }

    /// Passes `word`, if it stands here with a blank, a parenthesis or the end behind it.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let Some(behind) = self.rest().strip_prefix(word) else { return false };
        let ends = behind.is_empty() || behind.starts_with(|it| is_blank(it) || it == '(');
        if ends {
            self.at += word.len();
        }
        ends
    }

    /// Letters, digits and `_`, a letter first.
    pub(super) fn identifier(&mut self) -> Option<&'a str> {
        let length = identifier(self.rest());
        (length > 0).then(|| self.pass(length))
    }

    /// Identifiers with dots between them, two at least.
    pub(super) fn field_name(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let mut length = identifier(rest);
        let mut parts = 0;
        while length > 0 && rest[length..].starts_with('.') {
            let part = identifier(&rest[length + 1..]);
            if part == 0 {
                break;
            }
            length += 1 + part;
            parts += 1;
        }
        (parts > 0).then(|| self.pass(length))
    }

    /// A value without quotes.
    pub(super) fn bare(&mut self) -> Option<&'a str> {
        self.run(|it| !is_blank(it) && !SIGNS.contains(&it))
    }

    /// What stands in brackets without quotes.
    pub(super) fn bare_argument(&mut self) -> Option<&'a str> {
        self.run(|it| !is_blank(it) && !matches!(it, '[' | ']' | '"' | '\''))
    }

    /// A number: `0x1f`, or `-1.5e+3`.
    pub(super) fn number(&mut self) -> Option<&'a str> {
        let bytes = self.rest().as_bytes();
        let digits = |from: usize, ok: fn(&u8) -> bool| {
            bytes.get(from..).map_or(0, |rest| rest.iter().take_while(|it| ok(it)).count())
        };
        if bytes.len() > 2 && bytes[0] == b'0' && matches!(bytes[1], b'x' | b'X') {
            let length = digits(2, u8::is_ascii_alphanumeric);
            if length > 0 {
                return Some(self.pass(2 + length));
            }
        }
        let mut length = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
        let whole = digits(length, u8::is_ascii_digit);
        if whole == 0 {
            return None;
        }
        length += whole;
        if bytes.get(length) == Some(&b'.') {
            length += 1;
            length += digits(length, u8::is_ascii_digit);
        }
        let exponent = matches!(bytes.get(length), Some(b'e' | b'E'))
            && matches!(bytes.get(length + 1), Some(b'+' | b'-'));
        if exponent {
            let power = digits(length + 2, u8::is_ascii_digit);
            length += if power > 0 { 2 + power } else { 0 };
        }
        Some(self.pass(length))
    }

    /// A text in quotes, without them; None where no quote stands here.
    ///
    /// It ends at the first quote of its kind that has no backslash in front of it, even where
    /// that backslash is itself escaped: so Falco reads it.
    pub(super) fn quoted(&mut self) -> Result<Option<String>, Box<Refusal>> {
        let start = self.at;
        let Some(quote) = self.rest().chars().next().filter(|it| matches!(it, '"' | '\'')) else {
            return Ok(None);
        };
        let inside = &self.rest()[1..];
        let mut before = quote;
        let mut end = None;
        for (at, letter) in inside.char_indices() {
            if letter == quote && before != '\\' {
                end = Some(at);
                break;
            }
            before = letter;
        }
        let Some(end) = end else {
            let mut refusal = self.refuse(start, format!("this `{quote}` is never closed"));
            refusal.help = "a `\\` in front of a quote makes it part of the text".into();
            return Err(refusal);
        };
        let value = self.unescaped(&inside[..end], quote, start + 1)?;
        self.at += end + 2;
        Ok(Some(value))
    }

    fn unescaped(&self, text: &str, quote: char, at: usize) -> Result<String, Box<Refusal>> {
        let mut value = String::with_capacity(text.len());
        let mut letters = text.char_indices();
        while let Some((place, letter)) = letters.next() {
            if letter != '\\' {
                value.push(letter);
                continue;
            }
            let escaped = letters.next().map_or('\\', |(_, letter)| letter);
            value.push(match escaped {
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                // A backslash in front of a blank stands for itself, and the blank is lost.
                ' ' | '\\' => '\\',
                '/' => '/',
                '"' | '\'' if escaped == quote => escaped,
                other => {
                    let message =
                        format!("`\\{}` means nothing here", printable(&other.to_string()));
                    let mut refusal = self.refuse(at + place, message);
                    refusal.help = match other {
                        '"' | '\'' => format!("only `{quote}` is escaped in these quotes"),
                        _ => "write `\\\\` for a backslash".into(),
                    };
                    return Err(refusal);
                }
            });
        }
        Ok(value)
    }

    fn run(&mut self, belongs: impl Fn(char) -> bool) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest.find(|it| !belongs(it)).unwrap_or(rest.len());
        (length > 0).then(|| self.pass(length))
    }

    fn pass(&mut self, length: usize) -> &'a str {
        let passed = &self.rest()[..length];
        self.at += length;
        passed
    }
}

/// What separates words.
pub(super) fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n' | '\u{8}' | '\u{b}' | '\u{c}')
}

/// What identifiers are made of.
pub(super) fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// It, with what a terminal would act on escaped.
fn printable(text: &str) -> String {
    let shown = |it: char| match it.is_control() {
        true => it.escape_debug().to_string(),
        false => it.to_string(),
    };
    text.chars().map(shown).collect()
}

fn identifier(text: &str) -> usize {
    match text.starts_with(|it: char| it.is_ascii_alphabetic()) {
        true => text.find(|it| !is_word(it)).unwrap_or(text.len()),
        false => 0,
    }
}
