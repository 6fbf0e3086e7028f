//! What is wrong with a query, shown where it is wrong.

use std::fmt::Write;

use export::ink::{Line, Style};
use query::{Problem, Trouble};

/// Where SQL came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin<'a> {
    /// A file's name, where it was one.
    pub(super) file: Option<&'a str>,
    /// The SQL.
    pub(super) sql: &'a str,
}

/// More of a line than this is not shown around the place.
const LINE_MOST: usize = 100;

/// `problem` for a person: what, where, and what was probably meant.
pub(super) fn text(problem: &Problem, origin: &Origin<'_>, voice: &str, colour: bool) -> String {
    let mut out = Vec::new();
    let mut line = Line::default();
    line.put(Style::Plain, voice);
    line.put(Style::Bold, message(problem));
    line.write(&mut out, colour);
    let shown = problem.place.and_then(|(line, column)| place(problem, origin, line, column));
    match shown {
        Some(lines) => lines.into_iter().for_each(|line| line.write(&mut out, colour)),
        None => {
            if let Some(near) = near(problem) {
                let mut line = Line::default();
                line.put(Style::Plain, near);
                line.write(&mut out, colour);
            }
        }
    }
    if let Some(advice) = advice(problem.kind) {
        let mut line = Line::default();
        line.put(Style::Dim, advice);
        line.write(&mut out, colour);
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What is wrong, without the near names: these stand where they would be used.
fn message(problem: &Problem) -> &str {
    let message = problem.message.trim_end();
    match message.split_once("; did you mean ") {
        Some((wrong, meant)) if !problem.near.is_empty() && meant.ends_with('?') => wrong,
        _ => message,
    }
}

/// The line of SQL, and a mark under what is wrong.
fn place(problem: &Problem, origin: &Origin<'_>, row: usize, column: usize) -> Option<Vec<Line>> {
    let whole: Vec<char> = origin.sql.lines().nth(row.checked_sub(1)?)?.chars().collect();
    let at = column.checked_sub(1)?.min(whole.len());
    // A long line is shown around the place.
    let from = if whole.len() <= LINE_MOST { 0 } else { at.saturating_sub(LINE_MOST / 2) };
    let to = whole.len().min(from + LINE_MOST);
    let shown = |from: usize, to: usize| -> String {
        let visible = |letter: &char| if letter.is_control() { ' ' } else { *letter };
        whole[from..to].iter().map(visible).collect()
    };
    let cut = |yes: bool| if yes { "…" } else { "" };
    let before = width(&shown(from, at)) + width(cut(from > 0));
    let word = word_length(&whole[at..to]);
    let marked = width(&shown(at, at + word)).max(1);

    let number = row.to_string();
    let margin = " ".repeat(number.len());
    let bar = |mark: &str| {
        let mut line = Line::default();
        line.put(Style::Blue, format!("{mark} | "));
        line
    };
    let mut lines = Vec::new();
    if let Some(file) = origin.file {
        let mut line = Line::default();
        line.put(Style::Blue, format!("{margin}--> "));
        line.put(Style::Plain, format!("{file}:{row}:{column}"));
        lines.push(line);
    }
    lines.push(bar(&margin).trim());
    let mut line = bar(&number);
    line.put(
        Style::Plain,
        format!("{}{}{}", cut(from > 0), shown(from, to), cut(to < whole.len())),
    );
    lines.push(line);
    let mut line = bar(&margin);
    let said = near(problem).map_or_else(String::new, |near| format!(" {near}"));
    line.put(Style::Plain, " ".repeat(before));
    line.put(Style::Red, format!("{}{said}", "^".repeat(marked)));
    lines.push(line);
    Some(lines)
}

/// How much of `letters` is one word, or a text in quotes.
fn word_length(letters: &[char]) -> usize {
    let in_word = |letter: &char| letter.is_alphanumeric() || *letter == '_';
    match letters.first() {
        Some(quote @ ('\'' | '"' | '`')) => {
            letters.iter().skip(1).position(|letter| letter == quote).map_or(1, |end| end + 2)
        }
        _ => letters.iter().take_while(|letter| in_word(letter)).count().max(1).min(letters.len()),
    }
}

fn near(problem: &Problem) -> Option<String> {
    let (last, others) = problem.near.split_last()?;
    let mut text = "did you mean ".to_string();
    for (at, name) in others.iter().enumerate() {
        let _ = write!(text, "`{name}`{}", if at + 1 < others.len() { ", " } else { " or " });
    }
    let _ = write!(text, "`{last}`?");
    Some(text)
}

/// What the command line can do about it.
fn advice(kind: Trouble) -> Option<&'static str> {
    match kind {
        Trouble::TooLong => Some("--timeout TIME allows more"),
        Trouble::TooManyRows => Some("--limit N asks for fewer"),
        Trouble::Damaged => Some("`fathom verify` says which files are not what was written"),
        _ => None,
    }
}

fn width(text: &str) -> usize {
    let mut line = Line::default();
    line.put(Style::Plain, text);
    line.width()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(place: Option<(usize, usize)>, near: &[&str]) -> Problem {
        Problem {
            kind: Trouble::Sql,
            message: match near {
                [] => "there is no column `filenam`".to_string(),
                _ => "there is no column `filenam`; did you mean `filename`?".to_string(),
            },
            place,
            near: near.iter().map(ToString::to_string).collect(),
        }
    }

    fn told(sql: &str, place: Option<(usize, usize)>, near: &[&str]) -> String {
        text(&problem(place, near), &Origin { file: None, sql }, "fathom: ", false)
    }

    #[test]
    fn the_mark_stands_under_the_word() {
        let text = told("select pid,\n\tfilenam, 1 from file_open", Some((2, 2)), &["filename"]);
        assert_eq!(
            text,
            "fathom: there is no column `filenam`\n  |\n2 |  filenam, 1 from file_open\n  \
             |  ^^^^^^^ did you mean `filename`?\n"
        );
        let wide = told("select '日本', filenam", Some((1, 14)), &[]);
        let lines: Vec<&str> = wide.lines().collect();
        assert_eq!(lines[3], format!("  | {}^^^^^^^", " ".repeat(15)));
    }

    #[test]
    fn a_place_that_is_not_there_costs_nothing() {
        for place in [(0, 0), (9, 1), (1, 0)] {
            let text = told("select", Some(place), &["a", "b", "c"]);
            assert!(text.ends_with("did you mean `a`, `b` or `c`?\n"), "{text}");
        }
        assert!(told("select", Some((1, 99)), &[]).ends_with("  |       ^\n"));
        assert!(told("", None, &[]).ends_with("`filenam`\n"));
    }

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let sql = format!("select {} from nothing where {}", "a, ".repeat(100), "b ".repeat(100));
        let text = told(&sql, Some((1, 314)), &[]);
        let [line, mark] = [2, 3].map(|at| text.lines().nth(at).expect("a line"));
        let under = mark.find('^').expect("a mark");
        let marked: String = line.chars().skip(under).take(7).collect();
        assert_eq!(marked, "nothing", "{text}");
        assert!(line.chars().count() < 120);
    }

    #[test]
    fn a_file_is_named() {
        let origin = Origin { file: Some("a.sql"), sql: "select x" };
        let text = text(&problem(Some((1, 8)), &[]), &origin, "", false);
        assert!(text.contains("--> a.sql:1:8\n"), "{text}");
    }
}
