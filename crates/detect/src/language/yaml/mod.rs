//! YAML with the place of everything, and with bounds on what a file can make us do.

mod fold;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, Span, options};

use super::Source;
use super::diagnostic::{Diagnostic, Place, Severity, code};
use super::traced::Traced;

/// The largest file that is read.
const MOST_BYTES: usize = 16 << 20;
/// How deep collections nest.
const DEEPEST: usize = 64;
/// How many values aliases and merges may add to a file.
const MOST_COPIES: usize = 100_000;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it begins.
    pub(super) place: Place,
    /// What it is.
    pub(super) content: Content,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    /// A text; `plain` where it stands without quotes and is not a block.
    Scalar { text: Traced, plain: bool },
    /// `- a`
    List(Vec<Node>),
    /// `a: b`, in the order of the file.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Whether it is nothing: `~`, `null` or no text at all.
    pub(super) fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar { text, plain } => {
                *plain && matches!(text.text(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match &self.content {
            _ if self.is_null() => "nothing",
            Content::Scalar { .. } => "a single value",
            Content::List(_) => "a list",
            Content::Map(_) => "a mapping",
        }
    }

    /// Its text, where it is one.
    pub(super) fn scalar(&self) -> Option<&Traced> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }
}

/// The documents of a file.
pub(super) fn read(source: &Source) -> Result<Vec<Node>, Box<Diagnostic>> {
    let text = source.text.strip_prefix('\u{feff}').unwrap_or(&source.text);
    let mut builder = Builder {
        text,
        file: source.name.as_str().into(),
        documents: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        copies: 0,
    };
    if text.len() > MOST_BYTES {
        let message = format!("the file is larger than {} MiB", MOST_BYTES >> 20);
        return Err(builder.broken(1, 1, message));
    }
    if let Some(at) = text.find('\0') {
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        return Err(builder.broken(line, column, "there is a zero byte in the file".into()));
    }
    let options = options! { flow_nesting_limit: DEEPEST, block_nesting_limit: DEEPEST, emit_comments: false };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let mark = error.marker();
            builder.broken(
                mark.line(),
                mark.col() + 1,
                format!("this is not YAML: {}", error.info()),
            )
        })?;
        builder.take(event, span)?;
    }
    Ok(builder.documents)
}

/// Values that are still being read.
struct Builder<'a> {
    text: &'a str,
    file: std::sync::Arc<str>,
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    copies: usize,
}

/// A collection whose end has not been seen.
struct Open {
    place: Place,
    anchor: usize,
    map: bool,
    /// The values; of a mapping, keys and values in turns.
    values: Vec<Node>,
}

impl<'a> Builder<'a> {
    fn take(&mut self, event: Event<'a>, span: Span) -> Result<(), Box<Diagnostic>> {
        let place = self.place(span.start.line(), span.start.col() + 1);
        match event {
            Event::Scalar(value, style, anchor, _) => {
                let bytes = span.start.byte_offset().zip(span.end.byte_offset());
                let raw = bytes.and_then(|(start, end)| self.text.get(start..end)).unwrap_or("");
                // What is not written at all comes as `~`.
                let value = if raw.is_empty() { "" } else { &value };
                let text = fold::trace(value, raw, style, place.clone());
                let plain = style == ScalarStyle::Plain;
                self.add(Node { place, content: Content::Scalar { text, plain } }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { place, anchor, map: false, values: Vec::new() });
            }
            Event::MappingStart(_, anchor, _) => {
                self.open.push(Open { place, anchor, map: true, values: Vec::new() });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close()?,
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    let message = "an alias stands inside of what it stands for";
                    return Err(self.broken(place.line, place.column, message.into()));
                };
                self.copied(&node)?;
                self.add(node, 0);
            }
            Event::DocumentEnd => self.anchors.clear(),
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Box<Diagnostic>> {
        let Some(Open { place, anchor, map, values }) = self.open.pop() else { return Ok(()) };
        let content = match map {
            false => Content::List(values),
            true => {
                let mut pairs = Vec::with_capacity(values.len() / 2);
                let mut values = values.into_iter();
                while let (Some(key), Some(value)) = (values.next(), values.next()) {
                    pairs.push((key, value));
                }
                Content::Map(self.merged(pairs)?)
            }
        };
        self.add(Node { place, content }, anchor);
        Ok(())
    }

    /// Puts in what `<<` refers to, behind the keys that are written out.
    fn merged(&mut self, pairs: Vec<(Node, Node)>) -> Result<Vec<(Node, Node)>, Box<Diagnostic>> {
        let is_merge = |key: &Node| match &key.content {
            Content::Scalar { text, plain } => *plain && text.text() == "<<",
            _ => false,
        };
        if !pairs.iter().any(|(key, _)| is_merge(key)) {
            return Ok(pairs);
        }
        let (merges, mut own): (Vec<_>, Vec<_>) =
            pairs.into_iter().partition(|(key, _)| is_merge(key));
        let name = |key: &Node| key.scalar().map(|text| text.text().to_owned());
        let mut names: HashSet<_> = own.iter().map(|(key, _)| name(key)).collect();
        for (key, value) in merges {
            let sources = match value.content {
                Content::List(nodes) => nodes,
                _ => vec![value],
            };
            for source in sources {
                let Content::Map(pairs) = source.content else {
                    let message = format!("`<<` takes mappings, not {}", source.kind());
                    return Err(self.broken(key.place.line, key.place.column, message));
                };
                for (key, value) in pairs {
                    if names.insert(name(&key)) {
                        self.copied(&value)?;
                        own.push((key, value));
                    }
                }
            }
        }
        Ok(own)
    }

    fn add(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.values.push(node),
            None => self.documents.push(node),
        }
    }

    fn copied(&mut self, node: &Node) -> Result<(), Box<Diagnostic>> {
        self.copies += size(node);
        if self.copies <= MOST_COPIES {
            return Ok(());
        }
        let message = format!("aliases make more than {MOST_COPIES} values of this file");
        Err(self.broken(node.place.line, node.place.column, message))
    }

    fn place(&self, line: usize, column: usize) -> Place {
        Place { file: self.file.clone(), line, column }
    }

    fn broken(&self, line: usize, column: usize, message: String) -> Box<Diagnostic> {
        // What lacks an end is told at the end of the last line that there is.
        let text = self.text.trim_end();
        let last = text.replace("\r\n", "\n").matches(['\n', '\r']).count() + 1;
        let (line, column) = match line > last {
            true => (last, text.rsplit(['\n', '\r']).next().unwrap_or("").chars().count() + 1),
            false => (line, column),
        };
        Box::new(Diagnostic {
            severity: Severity::Error,
            code: code::YAML_PARSE,
            place: self.place(line, column),
            subject: String::new(),
            message,
            help: String::new(),
        })
    }
}

fn size(node: &Node) -> usize {
    match &node.content {
        // A long text is as dear as many short ones.
        Content::Scalar { text, .. } => 1 + text.text().len() / 64,
        Content::List(values) => 1 + values.iter().map(size).sum::<usize>(),
        Content::Map(pairs) => {
            1 + pairs.iter().map(|(key, value)| size(key) + size(value)).sum::<usize>()
        }
    }
}
