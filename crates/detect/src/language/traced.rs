//! Text that remembers where each part of it was written.

use std::ops::Range;
use std::sync::Arc;

use super::Place;

/// A text, perhaps put together from several, in which every character has its place in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Traced {
    text: String,
    /// Where the text begins, for one that has no characters.
    home: Place,
    /// In the order of their starts; the first starts at 0.
    pieces: Vec<Piece>,
    /// The line and the column behind the last character, after a push.
    next: (usize, usize),
}

/// How long a piece gets: finding a place counts characters from its start.
const LONGEST: usize = 256;

/// A stretch of text with one origin.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    /// The byte at which it starts.
    start: usize,
    place: Place,
    /// Whether each character stands one column behind the one before it. Where not, all of them
    /// come from the one place.
    moves: bool,
    list: Option<Arc<str>>,
}

/// Where a character comes from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Origin {
    /// Its place; for one that a list put there, where the list is named.
    pub(super) place: Place,
    /// The list that put it there.
    pub(super) list: Option<Arc<str>>,
}

impl Traced {
    /// No text, at `home`.
    pub(super) fn new(home: Place) -> Traced {
        Traced { text: String::new(), home, pieces: Vec::new(), next: (0, 0) }
    }

    /// A text on one line, which begins at `home`.
    pub(super) fn line(text: &str, home: Place) -> Traced {
        let mut traced = Traced::new(home.clone());
        for (at, letter) in text.chars().enumerate() {
            traced.push(letter, home.line, home.column + at);
        }
        traced
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where it begins.
    pub(super) fn home(&self) -> &Place {
        &self.home
    }

    /// Adds one character that stands at `line` and `column` of the same file.
    pub(super) fn push(&mut self, letter: char, line: usize, column: usize) {
        let room = self.pieces.last().is_some_and(|last| self.text.len() - last.start < LONGEST);
        if self.next != (line, column) || !room {
            let place = Place { file: self.home.file.clone(), line, column };
            self.piece(place, true, None);
        }
        self.text.push(letter);
        self.next = (line, column + 1);
    }

    /// Adds a text that was written elsewhere.
    pub(super) fn append(&mut self, other: &Traced) {
        let shift = self.text.len();
        if !other.text.is_empty() {
            let moved = |piece: &Piece| Piece { start: piece.start + shift, ..piece.clone() };
            self.pieces.extend(other.pieces.iter().map(moved));
        }
        self.text.push_str(&other.text);
        self.next = (0, 0);
    }

    /// Adds a text that nobody wrote: all of it comes from `place`, put there by `list`.
    pub(super) fn add(&mut self, text: &str, place: &Place, list: Option<&Arc<str>>) {
        if !text.is_empty() {
            self.piece(place.clone(), false, list.cloned());
            self.text.push_str(text);
            self.next = (0, 0);
        }
    }

    /// A part of it.
    pub(super) fn slice(&self, range: Range<usize>) -> Traced {
        let mut part = Traced::new(self.origin(range.start).place);
        let Some(text) = self.text.get(range.clone()) else { return part };
        if text.is_empty() {
            return part;
        }
        let first = self.piece_at(range.start);
        for piece in &self.pieces[first..] {
            if piece.start >= range.end {
                break;
            }
            let start = piece.start.max(range.start);
            let place = self.within(piece, start);
            part.pieces.push(Piece { start: start - range.start, place, ..piece.clone() });
        }
        part.text.push_str(text);
        part
    }

    /// It without blanks at its ends.
    pub(super) fn trim(&self) -> Traced {
        let start = self.text.len() - self.text.trim_start().len();
        self.slice(start..start + self.text.trim().len())
    }

    /// Where the character at this byte comes from; behind the end, where one would be that
    /// follows the last.
    pub(super) fn origin(&self, byte: usize) -> Origin {
        if self.pieces.is_empty() {
            return Origin { place: self.home.clone(), list: None };
        }
        let piece = &self.pieces[self.piece_at(byte)];
        Origin { place: self.within(piece, byte), list: piece.list.clone() }
    }

    fn piece(&mut self, place: Place, moves: bool, list: Option<Arc<str>>) {
        self.pieces.push(Piece { start: self.text.len(), place, moves, list });
    }

    fn piece_at(&self, byte: usize) -> usize {
        self.pieces.partition_point(|piece| piece.start <= byte).saturating_sub(1)
    }

    fn within(&self, piece: &Piece, byte: usize) -> Place {
        let mut place = piece.place.clone();
        if piece.moves {
            let passed = self.text.get(piece.start..byte.min(self.text.len()));
            place.column += passed.map_or(0, |text| text.chars().count());
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Place {
        Place { file: "a.yaml".into(), line, column }
    }

    #[test]
    fn parts_keep_their_places_when_put_together_and_cut() {
        let mut text = Traced::line("höher and ", at(3, 5));
        text.add("(x, y)", &at(9, 1), Some(&"names".into()));
        text.append(&Traced::line(" or more", at(4, 2)));
        assert_eq!(text.text(), "höher and (x, y) or more");
        let find = |text: &Traced, what: &str| text.origin(text.text().find(what).unwrap());
        assert_eq!(find(&text, "and").place, at(3, 11));
        assert_eq!(find(&text, "y"), Origin { place: at(9, 1), list: Some("names".into()) });
        assert_eq!(find(&text, "more"), Origin { place: at(4, 6), list: None });
        assert_eq!(text.origin(text.text().len()).place, at(4, 10));

        let from = text.text().find("er").unwrap();
        let to = text.text().find("re").unwrap();
        let part = text.slice(from..to);
        assert_eq!(part.text(), "er and (x, y) or mo");
        assert_eq!(part.home(), &at(3, 8));
        for word in ["and", "y", "or", "mo"] {
            assert_eq!(find(&part, word), find(&text, word), "{word}");
        }
        let a = Traced::line("  a  ", at(1, 1)).trim();
        assert_eq!((a.text(), a.home()), ("a", &at(1, 3)));
        let long = Traced::line(&"ä".repeat(2000), at(1, 1));
        assert_eq!(long.origin(2 * 1234).place, at(1, 1235));
    }

    #[test]
    fn no_text_has_a_place() {
        assert_eq!(Traced::new(at(2, 2)).origin(0).place, at(2, 2));
        assert_eq!(Traced::line("", at(2, 2)).slice(0..0).trim().origin(5).place, at(2, 2));
    }
}
