//! Tells code from comments and strings in Rust source, line by line: enough to look for words.

/// One line taken apart. Strings are left out of both parts.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Line {
    pub(super) code: String,
    pub(super) comment: String,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Code,
    LineComment,
    /// With its depth: they nest.
    BlockComment(u32),
    Text,
    /// With the number of `#` that end it.
    RawText(usize),
}

/// The source, line by line.
pub(super) fn lines(source: &str) -> Vec<Line> {
    let letters: Vec<char> = source.chars().collect();
    let (mut lines, mut line, mut state, mut at) = (Vec::new(), Line::default(), State::Code, 0);
    let starts = |at: usize, what: &str| {
        what.chars().enumerate().all(|(n, c)| letters.get(at + n) == Some(&c))
    };
    while at < letters.len() {
        let letter = letters[at];
        if letter == '\n' {
            lines.push(std::mem::take(&mut line));
            if state == State::LineComment {
                state = State::Code;
            }
            at += 1;
            continue;
        }
        let mut step = 1;
        match state {
            State::Code if starts(at, "//") => (state, step) = (State::LineComment, 2),
            State::Code if starts(at, "/*") => (state, step) = (State::BlockComment(1), 2),
            State::Code if letter == '"' => state = State::Text,
            State::Code if letter == '\'' => step = character(&letters[at..]),
            State::Code => match raw_start(&letters, at) {
                Some((marks, length)) => (state, step) = (State::RawText(marks), length),
                None => line.code.push(letter),
            },
            State::LineComment => line.comment.push(letter),
            State::BlockComment(depth) if starts(at, "*/") => {
                state = if depth == 1 { State::Code } else { State::BlockComment(depth - 1) };
                step = 2;
            }
            State::BlockComment(depth) if starts(at, "/*") => {
                (state, step) = (State::BlockComment(depth + 1), 2)
            }
            State::BlockComment(_) => line.comment.push(letter),
            State::Text if letter == '\\' && letters.get(at + 1) != Some(&'\n') => step = 2,
            State::Text if letter == '"' => state = State::Code,
            State::RawText(marks) if letter == '"' && starts(at + 1, &"#".repeat(marks)) => {
                (state, step) = (State::Code, 1 + marks);
            }
            State::Text | State::RawText(_) => {}
        }
        at += step;
    }
    lines.push(line);
    lines
}

/// How long the character literal is that begins here; 1 where the quote begins a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        // An escape, as '\n' or '\u{1f}'; what is escaped may itself be a quote.
        ['\'', '\\', _, tail @ ..] => tail.iter().position(|c| *c == '\'').map_or(1, |at| at + 4),
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

/// Whether a raw string begins here: its number of `#` and the length of its beginning.
fn raw_start(letters: &[char], at: usize) -> Option<(usize, usize)> {
    let inside_word = at > 0
        && (letters[at - 1].is_alphanumeric() || letters[at - 1] == '_')
        && letters[at - 1] != 'b';
    if letters[at] != 'r' || inside_word {
        return None;
    }
    let marks = letters[at + 1..].iter().take_while(|c| **c == '#').count();
    (letters.get(at + 1 + marks) == Some(&'"')).then_some((marks, marks + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        lines(source).into_iter().map(|line| line.code).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn strings_and_comments_are_no_code() {
        assert_eq!(code("a(\"x // y\\\" unsafe\"); // unsafe"), "a(); ");
        assert_eq!(code("a /* b /* c */ d */ e"), "a  e");
        assert_eq!(code("x(r#\"unsafe \" \"#, br\"y\")"), "x(, b)");
        assert_eq!(code("let s = \"a\nunsafe\n\"; b"), "let s = \n\n; b");
    }

    #[test]
    fn quotes_of_characters_and_lifetimes_are_told_apart() {
        assert_eq!(code("f('\"', '\\'', '\\u{1f}', 'x')"), "f(, , , )");
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<a>(x: &a str) {}");
    }

    #[test]
    fn comments_are_kept_apart() {
        let lines = lines("// SAFETY: fine\nlet url = \"http://x\"; /* odd */ y");
        assert_eq!(lines[0].comment, " SAFETY: fine");
        assert_eq!(lines[1], Line { code: "let url = ;  y".into(), comment: " odd ".into() });
    }
}
