//! Folded stacks: a line for each stack, `comm;root;…;leaf N`.
//!
//! What cannot stand in a line is written as a character that looks like it, and read back: `;` as
//! the wide semicolon `；`, control characters as their pictures (`␊`). A kernel function ends with
//! `_[k]`, compiled code of a runtime with `_[j]` and an inlined function with `_[i]`, as other
//! tools write and colour them. A function of Python has its file's name, `main (app.py)`, and what
//! has no name its binary's, `libz.so.1 [unknown]`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;

use crate::diff::Diff;
use crate::frame::{Frame, FrameKind, Name, UNKNOWN};
use crate::profile::{About, Profile};
use crate::tree::{Tree, View};
use crate::value::{ValueKind, Values};

/// How lines are read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What the number at the end of a line is.
    pub value: ValueKind,
    /// Bytes of a line; a longer one is bad.
    pub longest_line: usize,
    /// Frames of a stack; of a deeper one those next to the root are replaced by `[truncated]`.
    pub deepest: usize,
    /// Bytes in all; what comes behind them is not read.
    pub most: u64,
    /// Different calls in all; what comes when there are so many is not read.
    pub calls: usize,
}

/// What was read.
#[derive(Debug, Clone)]
pub struct ReadBack {
    /// The profile. The first element of each line is the label `comm`.
    pub profile: Profile,
    /// Lines, empty ones and bad ones too.
    pub lines: u64,
    /// Lines that say nothing.
    pub bad: u64,
    /// The first of them.
    pub first_bad: Vec<BadLine>,
    /// Whether there was more than [`Reading::most`] or [`Reading::calls`] allow.
    pub cut: bool,
}

/// A line that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadLine {
    /// Its number, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: Wrong,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// There is no number behind the last space, or nothing before it.
    #[error("it does not end with a space and a number")]
    NoNumber,
    /// The number is beyond 64 bits.
    #[error("its number is too large")]
    TooLarge,
    /// It is longer than [`Reading::longest_line`].
    #[error("it is too long")]
    TooLong,
    /// It is not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
}

impl Default for Reading {
    /// Samples; lines of 1 MiB, stacks of 4,096 frames, 4 GiB, 32 million calls.
    fn default() -> Reading {
        Reading {
            value: ValueKind::Samples,
            longest_line: 1 << 20,
            deepest: 4096,
            most: 4 << 30,
            calls: 32 << 20,
        }
    }
}

/// Bad lines of which the number is kept.
const KEPT: usize = 20;

/// Writes `profile`, sorted. The view's groups come first in a line; its direction is not heeded.
pub fn write(profile: &Profile, view: &View, mut out: impl Write) -> io::Result<()> {
    let value = view.value.unwrap_or_else(|| profile.leading());
    let mut elements: Vec<Option<Arc<str>>> = vec![None; profile.frames().len()];
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for sample in profile.samples() {
        let weight = sample.values.get(value);
        if weight == 0 {
            continue;
        }
        let mut line = String::new();
        for key in &view.groups {
            if let Some(label) = profile.get_label(sample.labels, key) {
                push(&mut line, &escaped(&label.to_string()));
            }
        }
        for id in profile.stack_frames(sample.stack) {
            let known = elements[id.index()].get_or_insert_with(|| {
                let frame = profile.get_frame(id);
                element(&Name::of(frame), frame.inlined).into()
            });
            push(&mut line, known);
        }
        if line.is_empty() {
            line.push_str("[unknown]");
        }
        let sum = lines.entry(line).or_default();
        *sum = sum.saturating_add(weight);
    }
    lines.into_iter().try_for_each(|(line, weight)| writeln!(out, "{line} {weight}"))?;
    out.flush()
}

/// Writes what two profiles have, `stack BEFORE AFTER`, sorted.
pub fn write_diff(diff: &Diff, mut out: impl Write) -> io::Result<()> {
    let tree = diff.tree();
    let mut lines: BTreeMap<String, [u64; 2]> = BTreeMap::new();
    for (at, node) in tree.nodes().iter().enumerate() {
        if node.own != [0; 2] {
            lines.insert(path(tree, at), node.own);
        }
    }
    for (line, [before, after]) in lines {
        writeln!(out, "{line} {before} {after}")?;
    }
    out.flush()
}

/// Reads lines, those of other tools too. Numbers with a fraction are rounded.
///
/// # Errors
/// Only those of `from`: a line that says nothing is counted in [`ReadBack::bad`].
pub fn read(from: impl Read, how: &Reading) -> io::Result<ReadBack> {
    let mut from = BufReader::new(from.take(how.most));
    let mut back = ReadBack {
        profile: Profile::new(About::default()),
        lines: 0,
        bad: 0,
        first_bad: Vec::new(),
        cut: false,
    };
    let mut line = Vec::new();
    while let Some(whole) = next_line(&mut from, &mut line, how.longest_line)? {
        if back.profile.calls() >= how.calls {
            back.cut = true;
            return Ok(back);
        }
        back.lines += 1;
        let taken = if whole { take(&mut back.profile, &line, how) } else { Err(Wrong::TooLong) };
        if let Err(why) = taken {
            back.bad += 1;
            if back.first_bad.len() < KEPT {
                back.first_bad.push(BadLine { line: back.lines, why });
            }
        }
    }
    if from.get_ref().limit() == 0 {
        let rest = from.into_inner().into_inner();
        back.cut = rest.take(1).read(&mut [0])? > 0;
    }
    Ok(back)
}

fn push(line: &mut String, element: &str) {
    if !line.is_empty() {
        line.push(';');
    }
    line.push_str(element);
}

/// The elements from the root to `node`.
fn path(tree: &Tree, node: usize) -> String {
    let mut nodes = Vec::new();
    let mut at = node;
    while at != 0 {
        nodes.push(at);
        at = tree.nodes()[at].parent;
    }
    let mut line = String::new();
    nodes.iter().rev().for_each(|&at| push(&mut line, &element(tree.name(at), false)));
    if line.is_empty() { "[unknown]".into() } else { line }
}

fn element(name: &Name, inlined: bool) -> String {
    let mark = match name.kind {
        FrameKind::Kernel => "_[k]",
        FrameKind::Jit => "_[j]",
        _ if inlined => "_[i]",
        _ => "",
    };
    format!("{}{mark}", escaped(&name.text()))
}

/// `text` without what would end an element or a line.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.is_empty() {
        return Cow::Borrowed("[unknown]");
    }
    let is_bad = |char: char| char == ';' || char.is_ascii_control();
    if !text.contains(is_bad) {
        return Cow::Borrowed(text);
    }
    let picture = |char: char| match char {
        ';' => '；',
        '\u{7f}' => '\u{2421}',
        control if control.is_ascii_control() => {
            char::from_u32(0x2400 + control as u32).unwrap_or('\u{fffd}')
        }
        other => other,
    };
    Cow::Owned(text.chars().map(picture).collect())
}

fn unescaped(text: &str) -> Cow<'_, str> {
    let is_picture = |char: char| matches!(char, '；' | '\u{2400}'..='\u{2421}');
    if !text.contains(is_picture) {
        return Cow::Borrowed(text);
    }
    let meant = |char: char| match char {
        '；' => ';',
        '\u{2421}' => '\u{7f}',
        '\u{2400}'..='\u{241f}' => char::from_u32(char as u32 - 0x2400).unwrap_or(char),
        other => other,
    };
    Cow::Owned(text.chars().map(meant).collect())
}

/// The next line without its end, or None at the end of all. False if it was too long; it is then
/// read to its end, and not kept.
fn next_line(
    from: &mut impl BufRead,
    line: &mut Vec<u8>,
    longest: usize,
) -> io::Result<Option<bool>> {
    line.clear();
    let (mut any, mut whole) = (false, true);
    loop {
        let buffer = match from.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            return Ok(any.then_some(whole));
        }
        any = true;
        let end = buffer.iter().position(|&byte| byte == b'\n');
        let part = &buffer[..end.unwrap_or(buffer.len())];
        whole &= line.len() + part.len() <= longest;
        if whole {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        from.consume(used);
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}

fn take(profile: &mut Profile, line: &[u8], how: &Reading) -> Result<(), Wrong> {
    let line = str::from_utf8(line).map_err(|_| Wrong::NotText)?.trim();
    if line.is_empty() {
        return Ok(());
    }
    let (stack, number) = line.rsplit_once(' ').ok_or(Wrong::NoNumber)?;
    let weight = weight(number)?;
    let stack = stack.trim_end();
    if stack.is_empty() {
        return Err(Wrong::NoNumber);
    }
    let mut elements = stack.split(';');
    let comm = unescaped(elements.next().unwrap_or_default());
    let mut frames: Vec<&str> = elements.collect();
    let mut id = crate::profile::StackId::default();
    if frames.len() > how.deepest {
        frames.drain(..frames.len() - how.deepest);
        let kind = FrameKind::Note;
        let note =
            profile.frame(Frame { function: "[truncated]".into(), kind, ..Frame::default() });
        id = profile.call(id, note);
    }
    for element in frames {
        let frame = profile.frame(parsed(element));
        id = profile.call(id, frame);
    }
    let labels = profile.labels([("comm", (&*comm).into())]);
    let values = match how.value {
        ValueKind::Samples => Values { samples: weight, ..Values::default() },
        ValueKind::Cpu => Values { cpu: weight, ..Values::default() },
        ValueKind::OffCpu => Values { off_cpu: weight, ..Values::default() },
    };
    profile.add(id, labels, values);
    Ok(())
}

fn weight(number: &str) -> Result<u64, Wrong> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return Err(Wrong::NoNumber);
    }
    let up = u64::from(fraction.as_bytes().first().is_some_and(|&digit| digit >= b'5'));
    let whole: u64 = whole.parse().map_err(|_| Wrong::TooLarge)?;
    whole.checked_add(up).ok_or(Wrong::TooLarge)
}

/// The frame that an element tells of.
fn parsed(element: &str) -> Frame {
    const MARKS: [(&str, FrameKind, bool); 4] = [
        ("_[k]", FrameKind::Kernel, false),
        ("_[w]", FrameKind::Native, false),
        ("_[j]", FrameKind::Jit, false),
        ("_[i]", FrameKind::Native, true),
    ];
    let marked = MARKS.iter().find(|(mark, ..)| element.len() > 4 && element.ends_with(mark));
    let (text, kind, inlined) = match marked {
        Some(&(mark, kind, inlined)) => (&element[..element.len() - mark.len()], kind, inlined),
        None => (element, FrameKind::Native, false),
    };
    let text = unescaped(text);
    if let Some(binary) = text.strip_suffix(UNKNOWN) {
        let (kind, binary) = (FrameKind::Unknown, Some(binary.into()));
        return Frame { function: "[unknown]".into(), binary, kind, ..Frame::default() };
    }
    let bracketed = text.starts_with('[') && text.ends_with(']');
    let kind = match kind {
        FrameKind::Native if matches!(&*text, "" | "[unknown]" | "[anon]") => FrameKind::Unknown,
        FrameKind::Native if bracketed => FrameKind::Note,
        kind => kind,
    };
    let python = text.strip_suffix(')').and_then(|rest| rest.rsplit_once(" ("));
    if let Some((function, file)) = python.filter(|(_, file)| file.ends_with(".py")) {
        let kind = FrameKind::Python;
        let file = Some(file.into());
        return Frame { function: function.into(), file, kind, inlined, ..Frame::default() };
    }
    let function = if text.is_empty() { "[unknown]" } else { &*text };
    let binary = (kind == FrameKind::Kernel).then(|| "[kernel]".into());
    Frame { function: function.into(), binary, kind, inlined, ..Frame::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::{folded, sketch};

    #[test]
    fn what_is_written_is_read_back() {
        let lines = "a b;main;[u8； 4] as x;read_[k] 5\n\
                     app;[blocked: futex] 2\n\
                     app;main (app.py);leaf_[i] 9\n\
                     app;main;libz.so.1 [unknown] 4\n\
                     app;main;line␊two;node_[j] 1\n\
                     lonely 3\n";
        assert_eq!(folded(&sketch(lines)), lines);
        let profile = sketch(lines);
        let named = |name: &str| profile.frames().find(|f| &*f.function == name).unwrap();
        assert_eq!(named("[u8; 4] as x").kind, FrameKind::Native);
        assert_eq!(named("read").kind, FrameKind::Kernel);
        assert_eq!(named("line\ntwo").kind, FrameKind::Native);
        assert_eq!(named("[blocked: futex]").kind, FrameKind::Note);
        let app = profile.frames().find(|frame| frame.file.is_some()).unwrap();
        assert_eq!((&*app.function, app.kind), ("main", FrameKind::Python));
        assert!(named("leaf").inlined);
    }

    #[test]
    fn bad_lines_are_counted_and_said() {
        let text =
            b"a;b 1\n\nno number\na;b -3\na;b 99999999999999999999\n\xff\xfe 1\n 7\nc;d 2.5\r\n";
        let read = read(&text[..], &Reading::default()).unwrap();
        assert_eq!((read.lines, read.bad, read.cut), (8, 5, false));
        let why: Vec<(u64, Wrong)> = read.first_bad.iter().map(|bad| (bad.line, bad.why)).collect();
        let wrong = [
            (3, Wrong::NoNumber),
            (4, Wrong::NoNumber),
            (5, Wrong::TooLarge),
            (6, Wrong::NotText),
            (7, Wrong::NoNumber),
        ];
        assert_eq!(why, wrong);
        assert_eq!(folded(&read.profile), "a;b 1\nc;d 3\n");
    }

    #[test]
    fn lines_and_stacks_are_bounded() {
        let how = Reading { longest_line: 20, deepest: 2, most: 60, ..Reading::default() };
        let text = format!("{} 1\na;b;c;d 2\n{}", "x".repeat(30), "e;f 1\n".repeat(99));
        let read = read(text.as_bytes(), &how).unwrap();
        assert_eq!(read.first_bad, [BadLine { line: 1, why: Wrong::TooLong }]);
        assert!(read.cut);
        assert!(folded(&read.profile).starts_with("a;[truncated];c;d 2\ne;f "));
        let how = Reading { calls: 2, ..Reading::default() };
        let read = super::read(&b"a;b;c 1\na;d 1\n"[..], &how).unwrap();
        assert!(read.cut);
        assert_eq!(folded(&read.profile), "a;b;c 1\n");
    }
}
