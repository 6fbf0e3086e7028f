//! Back from the text of a YAML scalar to the places of its characters in the file.

use granit_parser::ScalarStyle;

use super::super::{Place, traced::Traced};

/// `value` is what YAML made of `raw`, which begins at `place`: finds each character of it.
///
/// Folding changes blanks and line breaks only, and drops what indents a line, so both texts are
/// walked side by side: what is not blank is the same in both. Blanks of the value have the place
/// of some blank next to theirs.
pub(super) fn trace(value: &str, raw: &str, style: ScalarStyle, place: Place) -> Traced {
    let quote = match style {
        ScalarStyle::DoubleQuoted => Some('"'),
        ScalarStyle::SingleQuoted => Some('\''),
        _ => None,
    };
    let mut cursor = Cursor { rest: raw, line: place.line, column: place.column };
    if quote.is_some() {
        cursor.step();
    }
    let mut traced = Traced::new(Place { line: cursor.line, column: cursor.column, ..place });
    for letter in value.chars() {
        if !letter.is_whitespace() {
            cursor.find_ink(quote == Some('"'));
        }
        traced.push(letter, cursor.line, cursor.column);
        cursor.pass(letter, quote);
    }
    traced
}

/// Where the walk through the file is.
struct Cursor<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn step(&mut self) {
        let Some(letter) = self.peek() else { return };
        self.rest = &self.rest[letter.len_utf8()..];
        let ends_line = letter == '\n' || (letter == '\r' && !self.rest.starts_with('\n'));
        (self.line, self.column) = match ends_line {
            true => (self.line + 1, 1),
            false => (self.line, self.column + 1),
        };
    }

    /// Goes to the next character that is not blank; `escapes` says that a backslash at the end
    /// of a line takes the break away.
    fn find_ink(&mut self, escapes: bool) {
        while let Some(letter) = self.peek() {
            let joins = escapes
                && letter == '\\'
                && matches!(self.rest[1..].chars().next(), Some('\n' | '\r' | ' ' | '\t'))
                && self.rest[1..].trim_start_matches([' ', '\t']).starts_with(['\n', '\r']);
            if !letter.is_whitespace() && !joins {
                break;
            }
            self.step();
        }
    }

    /// Goes behind what stands for `letter` here.
    fn pass(&mut self, letter: char, quote: Option<char>) {
        match (self.peek(), quote) {
            (Some('\\'), Some('"')) => {
                self.step();
                let digits = match self.peek() {
                    Some('x') => 2,
                    Some('u') => 4,
                    Some('U') => 8,
                    _ => 0,
                };
                (0..=digits).for_each(|_| self.step());
            }
            (Some('\''), Some('\'')) => {
                self.step();
                self.step();
            }
            (Some(here), _) if here == letter => self.step(),
            (Some('\r'), _) if letter == '\n' => {
                self.step();
                if self.peek() == Some('\n') {
                    self.step();
                }
            }
            // A blank that a fold made, or one that stands for several: the next letter finds
            // its place by itself.
            _ => {}
        }
    }
}
