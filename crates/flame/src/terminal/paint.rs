//! Lines of a frame: text with styles in cells, and the bytes that make a terminal show it.

use std::fmt::Write;

use super::text;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    /// No colours and no styles, and no letters beyond ASCII but those of names: `NO_COLOR`.
    Off,
    /// The 256 colours that nearly all terminals know.
    #[default]
    Palette,
    /// Any colour: `COLORTERM` is `truecolor` or `24bit`.
    Full,
}

impl Colour {
    /// What the environment says: by `NO_COLOR` (no-color.org) and `COLORTERM`.
    pub fn of(no_color: Option<&str>, colorterm: Option<&str>) -> Colour {
        match (no_color, colorterm) {
            (Some(text), _) if !text.is_empty() => Colour::Off,
            (_, Some("truecolor" | "24bit")) => Colour::Full,
            _ => Colour::Palette,
        }
    }
}

/// Red, green and blue.
pub(super) type Ink = [u8; 3];

/// How a piece of text looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Style {
    pub(super) fore: Option<Ink>,
    pub(super) back: Option<Ink>,
    pub(super) bold: bool,
    pub(super) dim: bool,
}

/// One line, filled from the left; it takes no more than it has room for.
#[derive(Debug)]
pub(super) struct Line {
    room: usize,
    pieces: Vec<(Style, String)>,
    width: usize,
}

/// All lines of a terminal.
#[derive(Debug)]
pub(super) struct Sheet {
    lines: Vec<Line>,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) colour: Colour,
}

pub(super) const PLAIN: Style = Style { fore: None, back: None, bold: false, dim: false };
pub(super) const BOLD: Style = Style { bold: true, ..PLAIN };
pub(super) const DIM: Style = Style { dim: true, ..PLAIN };

impl Style {
    pub(super) fn on(back: Ink, fore: Ink) -> Style {
        Style { fore: Some(fore), back: Some(back), ..PLAIN }
    }

    pub(super) fn ink(fore: Ink) -> Style {
        Style { fore: Some(fore), ..PLAIN }
    }

    pub(super) fn bold(self) -> Style {
        Style { bold: true, ..self }
    }
}

impl Line {
    pub(super) fn new(room: usize) -> Line {
        Line { room, pieces: Vec::new(), width: 0 }
    }

    /// Columns that are free.
    pub(super) fn left(&self) -> usize {
        self.room - self.width
    }

    /// Adds `text`, as much of it as there is room for.
    pub(super) fn put(&mut self, style: Style, text: &str) {
        let text = text::clipped(text, self.left());
        self.width += text::width(&text, self.left());
        self.pieces.push((style, text));
    }

    /// Adds `text` so that it ends at the end of the line.
    pub(super) fn put_right(&mut self, style: Style, text: &str) {
        let width = text::width(text, self.left());
        self.skip_to(self.room - width, style);
        self.put(style, text);
    }

    /// Adds what `other` has, where there is room for it.
    pub(super) fn append(&mut self, other: Line) {
        other.pieces.iter().for_each(|(style, text)| self.put(*style, text));
    }

    /// Adds spaces up to `column`.
    pub(super) fn skip_to(&mut self, column: usize, style: Style) {
        let column = column.min(self.room);
        if let Some(count) = column.checked_sub(self.width).filter(|count| *count > 0) {
            self.width = column;
            self.pieces.push((style, " ".repeat(count)));
        }
    }

    /// Adds one character again and again.
    pub(super) fn fill(&mut self, style: Style, char: char, count: usize) {
        let count = count.min(self.left());
        self.width += count;
        self.pieces.push((style, char.to_string().repeat(count)));
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }
}

impl Sheet {
    pub(super) fn new((width, height): (u16, u16), colour: Colour) -> Sheet {
        Sheet { lines: Vec::new(), width: width.into(), height: height.into(), colour }
    }

    /// An empty line as wide as the sheet.
    pub(super) fn line(&self) -> Line {
        Line::new(self.width)
    }

    pub(super) fn push(&mut self, line: Line) {
        if self.lines.len() < self.height {
            self.lines.push(line);
        }
    }

    /// Empty lines until there are `height`.
    pub(super) fn fill_to(&mut self, height: usize) {
        while self.lines.len() < height.min(self.height) {
            self.push(self.line());
        }
    }

    /// Whether there are colours.
    pub(super) fn coloured(&self) -> bool {
        self.colour != Colour::Off
    }

    /// A whole frame. Every line is put in its place, and every piece behind letters of which
    /// terminals think differently how wide they are: one such name moves nothing else.
    pub(super) fn frame(mut self) -> String {
        self.fill_to(self.height);
        let mut out = String::with_capacity(self.width * self.height * 2);
        // Shown at once by terminals that can, not line by line.
        out.push_str("\x1b[?2026h");
        for (row, line) in self.lines.iter().enumerate() {
            let _ = write!(out, "\x1b[{};1H", row + 1);
            line.write(self.colour, &mut out);
        }
        out.push_str("\x1b[?2026l");
        out
    }
}

impl Line {
    fn write(&self, colour: Colour, out: &mut String) {
        let (mut now, mut column, mut sure) = (PLAIN, 0, true);
        for (style, text) in self.pieces.iter().filter(|(_, text)| !text.is_empty()) {
            if !sure {
                let _ = write!(out, "\x1b[{}G", column + 1);
            }
            if *style != now && colour != Colour::Off {
                style.write(colour, out);
                now = *style;
            }
            match colour {
                Colour::Off => out.extend(text.chars().map(plain)),
                _ => out.push_str(text),
            }
            column += text::width(text, usize::MAX);
            sure = text.is_ascii();
        }
        if now != PLAIN {
            out.push_str("\x1b[m");
        }
        if column < self.room {
            if !sure {
                let _ = write!(out, "\x1b[{}G", column + 1);
            }
            // Not where the line is full: there it would take the last letter.
            out.push_str("\x1b[K");
        }
    }
}

/// What stands for our own letters where only ASCII is wanted.
fn plain(char: char) -> char {
    match char {
        '…' => '~',
        '·' => '-',
        '›' => '>',
        '▾' => 'v',
        '\u{fffd}' => '?',
        other => other,
    }
}

impl Style {
    fn write(self, colour: Colour, out: &mut String) {
        out.push_str("\x1b[0");
        if self.bold {
            out.push_str(";1");
        }
        if self.dim {
            out.push_str(";2");
        }
        for (ink, place) in [(self.fore, 38), (self.back, 48)] {
            let Some(ink) = ink else { continue };
            let _ = match (colour, ink) {
                (Colour::Full, [red, green, blue]) => {
                    write!(out, ";{place};2;{red};{green};{blue}")
                }
                _ => write!(out, ";{place};5;{}", nearest(ink)),
            };
        }
        out.push('m');
    }
}

/// The nearest of the 240 colours that are the same on all terminals: a cube of 6 steps a side,
/// then 24 greys.
fn nearest(ink: Ink) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step =
        |value: u8| (0..6u8).min_by_key(|&at| STEPS[usize::from(at)].abs_diff(value)).unwrap_or(0);
    let far = |other: Ink| -> u32 {
        ink.iter().zip(other).map(|(&one, other)| u32::from(one.abs_diff(other)).pow(2)).sum()
    };
    let [red, green, blue] = ink.map(step);
    let cube = [red, green, blue].map(|at| STEPS[usize::from(at)]);
    let mean = ink.iter().map(|&value| u32::from(value)).sum::<u32>() / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    let shade = [8 + 10 * grey; 3];
    match far(shade) < far(cube) {
        true => 232 + grey,
        false => 16 + 36 * red + 6 * green + blue,
    }
}

/// `ink` moved towards black (-1) or white (1).
pub(super) fn shaded(ink: Ink, by: f64) -> Ink {
    let goal = if by < 0.0 { 0.0 } else { 255.0 };
    ink.map(|value| (f64::from(value) + (goal - f64::from(value)) * by.abs()) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides() {
        assert_eq!(Colour::of(Some("1"), Some("truecolor")), Colour::Off);
        assert_eq!(Colour::of(Some(""), Some("24bit")), Colour::Full);
        assert_eq!(Colour::of(None, Some("yes")), Colour::Palette);
    }

    #[test]
    fn the_nearest_colour_is_near() {
        assert_eq!(nearest([0, 0, 0]), 16);
        assert_eq!(nearest([255, 255, 255]), 231);
        assert_eq!(nearest([255, 0, 0]), 196);
        assert_eq!(nearest([98, 98, 98]), 241);
        assert_eq!(nearest([0, 95, 135]), 24);
    }

    #[test]
    fn a_line_takes_what_it_has_room_for() {
        let mut line = Line::new(10);
        line.put(BOLD, "日本");
        line.put(PLAIN, "abc");
        line.put_right(DIM, "wxyz");
        assert_eq!(line.width(), 10);
        let mut out = String::new();
        line.write(Colour::Off, &mut out);
        assert_eq!(out, "日本\x1b[5Gabcwx~");
        let mut out = String::new();
        line.write(Colour::Palette, &mut out);
        assert_eq!(out, "\x1b[0;1m日本\x1b[5G\x1b[0mabc\x1b[0;2mwx…\x1b[m");
    }

    #[test]
    fn what_is_not_full_is_erased_to_its_end() {
        let mut sheet = Sheet::new((4, 2), Colour::Off);
        let mut line = sheet.line();
        line.put(PLAIN, "ab");
        sheet.push(line);
        assert_eq!(sheet.frame(), "\x1b[?2026h\x1b[1;1Hab\x1b[K\x1b[2;1H\x1b[K\x1b[?2026l");
    }
}
