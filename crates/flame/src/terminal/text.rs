//! Names of others in cells of a terminal: nothing in them is obeyed, and none is wider than it may be.

use unicode_width::UnicodeWidthChar;

/// Marks on one letter that are kept; one can carry thousands, which pile up over other lines.
const MARKS: usize = 2;
/// Bytes of a name that are looked at: more than any terminal has room for.
const LONGEST: usize = 4096;

/// The letters of `text` with the columns each takes. What a terminal would obey, what turns the
/// direction of text and what cannot be seen becomes `�`.
pub(super) fn letters(text: &str) -> impl Iterator<Item = (char, usize)> {
    let mut marks = MARKS;
    text.chars().filter_map(move |char| match char {
        _ if is_unseen(char) => {
            marks = MARKS;
            Some(('\u{fffd}', 1))
        }
        _ => match char.width().unwrap_or(0) {
            // A mark stands on the letter before it; without one it has nowhere to be.
            0 if marks < MARKS => {
                marks += 1;
                Some((char, 0))
            }
            0 => None,
            width => {
                marks = 0;
                Some((char, width))
            }
        },
    })
}

/// The columns that `text` takes, or `most` where there are as many or more.
pub(super) fn width(text: &str, most: usize) -> usize {
    let mut sum = 0;
    for (_, width) in letters(text) {
        sum += width;
        if sum >= most {
            return most;
        }
    }
    sum
}

/// As much of `text` as `room` columns take, with `…` at its end where that is not all.
pub(super) fn clipped(text: &str, room: usize) -> String {
    if fits(text, room) {
        return letters(text).map(|(char, _)| char).collect();
    }
    let Some(left) = room.checked_sub(1) else { return String::new() };
    let mut out = start(text, left);
    out.push('…');
    out
}

/// As [`clipped`], but the middle gives way: both ends of a long name say more than its middle.
pub(super) fn clipped_within(text: &str, room: usize) -> String {
    if room < 16 || fits(text, room) {
        return clipped(text, room);
    }
    let head = room / 2;
    let tail: Vec<(char, usize)> = letters(last(text)).collect();
    let mut left = room - 1 - head;
    let mut from = tail.len();
    while from > 0 && tail[from - 1].1 <= left {
        left -= tail[from - 1].1;
        from -= 1;
    }
    // A mark does not stand without its letter.
    let tail = tail[from..].iter().skip_while(|(_, width)| *width == 0);
    let mut out = start(text, head);
    out.push('…');
    out.extend(tail.map(|(char, _)| char));
    out
}

/// A function's name in `room` columns: where the whole does not fit, what is before it or behind
/// it goes first, `Engine<double>::solve(int)` to `solve`.
pub(super) fn fitted(text: &str, room: usize) -> String {
    if fits(text, room) { clipped(text, room) } else { clipped(&core(first(text)), room) }
}

fn fits(text: &str, room: usize) -> bool {
    width(text, room.saturating_add(1)) <= room
}

/// What of `text` fits into `room` columns.
fn start(text: &str, room: usize) -> String {
    let mut left = room;
    let taken = letters(text).take_while(|(_, width)| match left.checked_sub(*width) {
        Some(less) => {
            left = less;
            true
        }
        None => false,
    });
    taken.map(|(char, _)| char).collect()
}

/// The last part of a qualified name, without template arguments and parameters.
fn core(name: &str) -> String {
    if name.starts_with('[') {
        return name.into();
    }
    let parts = parts(name);
    // `{{closure}}` and `(anonymous)` say nothing without what they are in.
    let says = |part: &str| !matches!(part.bytes().next(), None | Some(b'{' | b'(' | b'<'));
    let Some(from) = parts.iter().rposition(|part| says(part)) else { return name.into() };
    let mut core = bare(parts[from]).to_string();
    for inner in parts[from + 1..].iter().filter(|part| part.starts_with('{')) {
        core.push_str("::");
        core.push_str(inner);
    }
    core
}

/// What stands between `::`, and between the `/` of a package of Go, outside of all brackets.
fn parts(name: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0usize, 0);
    let bytes = name.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            // Brackets of `operator<` and `operator()` have nothing in them, and `->` is none.
            b'<' | b'>' | b'(' | b')' if depth == 0 && is_of_operator(&name[from..at], byte) => {}
            b'>' if at > 0 && bytes[at - 1] == b'-' => {}
            b'<' | b'(' | b'{' => depth += 1,
            b'>' | b')' | b'}' => depth = depth.saturating_sub(1),
            b':' if depth == 0 && at > from && bytes[at - 1] == b':' => {
                parts.push(&name[from..at - 1]);
                from = at + 1;
            }
            b'/' if depth == 0 => {
                parts.push(&name[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&name[from..]);
    parts
}

/// `name` without what stands in brackets behind it.
fn bare(name: &str) -> &str {
    if is_operator(name) {
        return name;
    }
    // `a.(*b).c` of Go has brackets within its name.
    let end = name
        .char_indices()
        .find(|(at, char)| matches!(char, '<' | '(') && *at > 0 && name.as_bytes()[at - 1] != b'.');
    end.map_or(name, |(at, _)| name[..at].trim_end())
}

/// Whether `byte`, which follows on `before`, belongs to `operator<<` or its like.
fn is_of_operator(before: &str, byte: u8) -> bool {
    let Some(rest) = before.strip_prefix("operator") else { return false };
    match byte {
        b'<' | b'>' => matches!(rest, "" | "<" | "<=" | ">" | "-"),
        b'(' => rest.is_empty(),
        _ => rest == "(" && byte == b')',
    }
}

fn is_operator(name: &str) -> bool {
    name.strip_prefix("operator").is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

fn first(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

fn last(text: &str) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(LONGEST))..]
}

/// Whether `char` is an order to the terminal, or is there without being seen.
fn is_unseen(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_obeyed() {
        let text = "a\x1b[2J\r\n\u{7f}\u{9b}31m\u{202e}b\u{200d}c";
        let shown = clipped(text, 80);
        assert_eq!(shown, "a�[2J����31m�b�c");
    }

    #[test]
    fn widths_are_those_of_cells() {
        assert_eq!(clipped("日本語", 6), "日本語");
        assert_eq!(clipped("日本語", 5), "日本…");
        assert_eq!(clipped("日本語", 4), "日…");
        assert_eq!(clipped("abc", 0), "");
        assert_eq!(clipped("abc", 1), "…");
        let heap = format!("e{}x", "\u{301}".repeat(500));
        assert_eq!(clipped(&heap, 80), "e\u{301}\u{301}x");
        assert_eq!(clipped("\u{301}x", 80), "x");
        assert_eq!(width(&"x".repeat(10_000), 80), 80);
    }

    #[test]
    fn both_ends_of_what_is_long_stay() {
        let name = format!("begin::{}::end", "x".repeat(10_000));
        let shown = clipped_within(&name, 30);
        assert_eq!(shown, "begin::xxxxxxxx…xxxxxxxxx::end");
        assert_eq!(width(&shown, 99), 30);
        assert_eq!(clipped_within(&"日".repeat(50), 18), "日日日日…日日日日");
    }

    #[test]
    fn the_core_of_a_name_is_what_is_called() {
        for (name, wanted) in [
            ("Engine<double>::solve<float>(int, std::vector<int>)", "solve"),
            ("core::ops::function::FnOnce::call_once", "call_once"),
            ("<alloc::vec::Vec<T> as Clone>::clone", "clone"),
            ("app::run::{{closure}}", "run::{{closure}}"),
            ("a::run::<(), a::b::{closure#0}>::{closure#1}", "run::{closure#1}"),
            ("try_execute::<Box<dyn Fn(u8) -> u8>, true>", "try_execute"),
            ("(anonymous namespace)::parse(char const*)", "parse"),
            ("ns::operator<(ns::a, ns::b)", "operator<(ns::a, ns::b)"),
            ("ns::ostream& std::operator<< <char>(ns::a&)", "operator<< <char>(ns::a&)"),
            ("A::operator()(int) const", "operator()(int) const"),
            ("net/http.(*conn).serve", "http.(*conn).serve"),
            ("libz.so.1 [unknown]", "libz.so.1 [unknown]"),
            ("[blocked: futex]", "[blocked: futex]"),
            ("std::thread::local", "local"),
            ("main (app.py)", "main"),
            ("<", "<"),
            ("日::本<語>", "本"),
            ("::", "::"),
            ("", ""),
        ] {
            assert_eq!(core(name), wanted, "{name}");
        }
    }
}
