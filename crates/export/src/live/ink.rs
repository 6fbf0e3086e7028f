//! One line of a terminal: text with styles, cut to a width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How text looks. Without colour all look the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As the terminal has it.
    Plain,
    /// What matters less.
    Dim,
    /// Names and headings.
    Bold,
    /// What failed.
    Red,
    /// What deserves a second look.
    Yellow,
    /// Green, blue, magenta and cyan tell subjects apart.
    Green,
    /// See green.
    Blue,
    /// See green.
    Magenta,
    /// See green.
    Cyan,
}

/// Text with styles, built up before its width is known.
#[derive(Debug, Default)]
pub struct Line {
    pieces: Vec<(Style, String)>,
    width: usize,
}

impl Style {
    /// The number of the terminal's "select graphic rendition" command; 0 for plain text.
    fn code(self) -> u8 {
        match self {
            Style::Plain => 0,
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Red => 31,
            Style::Green => 32,
            Style::Yellow => 33,
            Style::Blue => 34,
            Style::Magenta => 35,
            Style::Cyan => 36,
        }
    }
}

impl Line {
    /// Columns taken until now.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Adds `text`.
    pub fn put(&mut self, style: Style, text: impl Into<String>) {
        let text = text.into();
        self.width += text.width();
        self.pieces.push((style, text));
    }

    /// Adds what `other` has.
    pub fn append(&mut self, other: Line) {
        self.width += other.width;
        self.pieces.extend(other.pieces);
    }

    /// Adds spaces until `width` columns are taken.
    pub fn pad_to(&mut self, width: usize) {
        if self.width < width {
            self.put(Style::Plain, " ".repeat(width - self.width));
        }
    }

    /// Cuts what is beyond `width` columns, with `…` in the last one.
    pub fn cut(self, width: usize) -> Line {
        if self.width <= width {
            return self;
        }
        let mut cut = Line::default();
        for (style, text) in self.pieces {
            let left = width - cut.width;
            // The piece that would leave no column for `…` is the one to cut.
            if text.width() >= left {
                cut.put(style, cut_end(&text, left));
                break;
            }
            cut.put(style, text);
        }
        cut
    }

    /// Takes the spaces at the end away.
    pub fn trim(mut self) -> Line {
        while let Some((style, mut last)) = self.pieces.pop() {
            self.width -= last.width();
            last.truncate(last.trim_end_matches(' ').len());
            if !last.is_empty() {
                self.put(style, last);
                break;
            }
        }
        self
    }

    /// Appends the line and its end to `out`.
    pub fn write(self, out: &mut Vec<u8>, colour: bool) {
        for (style, text) in self.pieces {
            if colour && style != Style::Plain && !text.is_empty() {
                out.extend_from_slice(format!("\x1b[{}m{text}\x1b[0m", style.code()).as_bytes());
            } else {
                out.extend_from_slice(text.as_bytes());
            }
        }
        out.push(b'\n');
    }
}

/// The first `width - 1` columns of `text` and `…`.
pub fn cut_end(text: &str, width: usize) -> String {
    let mut cut = start_of(text, width.saturating_sub(1)).to_string();
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// `text` in `width` columns; where it is longer, its middle gives way to `…`: both ends of a
/// path say more than its middle does.
pub fn cut_middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_string();
    }
    if width < 8 {
        return cut_end(text, width);
    }
    let head = start_of(text, (width - 1) / 3);
    let mut left = width - 1 - head.width();
    let tail = text.char_indices().rev().take_while(|(_, letter)| {
        let taken = letter.width().unwrap_or(0);
        let fits = taken <= left;
        left = left.saturating_sub(taken);
        fits
    });
    let from = tail.last().map_or(text.len(), |(at, _)| at);
    format!("{head}…{}", &text[from..])
}

/// As much of the start of `text` as `width` columns hold.
fn start_of(text: &str, width: usize) -> &str {
    let mut taken = 0;
    let end = text.char_indices().find(|(_, letter)| {
        taken += letter.width().unwrap_or(0);
        taken > width
    });
    end.map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_to_the_column() {
        assert_eq!(cut_end("abcdef", 4), "abc…");
        assert_eq!(cut_end("日本語", 4), "日…");
        assert_eq!(cut_end("abc", 0), "");
        assert_eq!(cut_middle("/usr/lib/x86_64/libc.so.6", 16), "/usr/…/libc.so.6");
        assert_eq!(cut_middle("/short", 16), "/short");
        for width in 0..40 {
            let line = |text: &str| {
                let mut line = Line::default();
                line.put(Style::Dim, "PID ");
                line.put(Style::Plain, text);
                line.put(Style::Red, "ENOENT");
                line.cut(width)
            };
            assert!(line("/tmp/日本語のファイル").width() <= width);
            assert!(cut_middle("/tmp/日本語のファイル/日本語", width).width() <= width);
        }
    }

    #[test]
    fn colour_comes_only_where_it_is_asked_for() {
        let line = || {
            let mut line = Line::default();
            line.put(Style::Red, "EPERM");
            line.pad_to(20);
            line
        };
        let (mut plain, mut coloured) = (Vec::new(), Vec::new());
        line().trim().write(&mut plain, false);
        line().trim().write(&mut coloured, true);
        assert_eq!(plain, b"EPERM\n");
        assert_eq!(coloured, b"\x1b[31mEPERM\x1b[0m\n");
    }
}
