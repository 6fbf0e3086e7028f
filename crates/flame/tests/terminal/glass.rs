//! A terminal as far as frames need one: cells, and what moves and erases in them.

use unicode_width::UnicodeWidthChar;

/// What was there before.
pub(crate) const OLD: char = '░';

/// What a terminal shows after frames were written to it.
pub(crate) struct Glass {
    width: usize,
    cells: Vec<Vec<String>>,
    at: (usize, usize),
    /// Cells that have a colour or a style of their own.
    styled: bool,
    pub(crate) inked: usize,
}

impl Glass {
    pub(crate) fn new((width, height): (u16, u16)) -> Glass {
        let (width, height) = (usize::from(width), usize::from(height));
        // Full of old text, so that what is not drawn is seen.
        let cells = vec![vec![OLD.to_string(); width]; height];
        Glass { width, cells, at: (0, 0), styled: false, inked: 0 }
    }

    /// Writes a frame. Panics at what no frame may have.
    pub(crate) fn write(&mut self, frame: &str) {
        let mut rest = frame.chars();
        while let Some(char) = rest.next() {
            match char {
                '\u{1b}' => {
                    assert_eq!(rest.next(), Some('['), "only sequences that begin with `[`");
                    let mut text = String::new();
                    let last = loop {
                        let char = rest.next().expect("a sequence ends");
                        if char.is_ascii_alphabetic() {
                            break char;
                        }
                        text.push(char);
                    };
                    self.obey(&text, last);
                }
                char => self.put(char),
            }
        }
        assert!(!self.styled, "a frame ends without a style");
    }

    /// Its lines, without spaces at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.cells.iter().map(|line| line.concat().trim_end().to_string()).collect()
    }

    fn obey(&mut self, text: &str, last: char) {
        let number = |text: &str| text.parse::<usize>().expect("a number") - 1;
        match last {
            'H' => {
                let (row, column) = text.split_once(';').expect("row and column");
                self.at = (number(row), number(column));
                assert!(self.at.0 < self.cells.len(), "row {}", self.at.0);
            }
            'G' => self.at.1 = number(text),
            'K' => {
                assert!(text.is_empty() && self.at.1 < self.width, "a full line is not erased");
                self.cells[self.at.0][self.at.1..].fill(" ".into());
            }
            'm' => {
                let allowed = |char: char| char.is_ascii_digit() || char == ';';
                assert!(text.chars().all(allowed), "{text:?}");
                self.styled = !matches!(text, "" | "0");
            }
            'h' | 'l' => assert_eq!(text, "?2026"),
            other => panic!("{text:?} {other:?} has no place in a frame"),
        }
    }

    fn put(&mut self, char: char) {
        assert!(!char.is_control(), "{char:?}");
        let (row, column) = self.at;
        let width = char.width().unwrap_or(0);
        assert!(column + width <= self.width, "{char:?} at {column} of {}", self.width);
        self.inked += usize::from(self.styled);
        match width {
            0 => {
                let before = column.checked_sub(1).expect("a mark stands on a letter");
                self.cells[row][before].push(char);
            }
            _ => {
                self.cells[row][column] = char.into();
                self.cells[row][column + 1..column + width].fill(String::new());
            }
        }
        self.at.1 += width;
    }
}
