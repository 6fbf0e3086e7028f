//! Aligned columns for a person.
//!
//! The widths are those of the first rows, so memory is bounded; a later value that is longer
//! moves those after it. On a terminal lines are cut to its width: texts give way, numbers and
//! times do not. Where that is not enough, each row becomes a block with a line for each column.

use anyhow::Result;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use export::Terminal;
use export::human;
use export::ink::{Line, Style, cut_end, cut_middle};
use schema::plain::Clock;

use super::super::cells::{Column, is_number};
use super::{Form, Sink};

/// Writes a table.
pub(super) struct Table {
    sink: Sink,
    terminal: Terminal,
    titles: Vec<Title>,
    clock: Clock,
    shape: Shape,
    /// The rows told, for the headings of blocks.
    told: u64,
}

struct Title {
    name: String,
    /// Numbers stand at the right.
    right: bool,
    /// Text may be cut; half a number would be another number.
    text: bool,
}

enum Shape {
    /// The first rows, until the widths are known.
    Unknown(Vec<RecordBatch>),
    /// Columns and how wide they are.
    Columns(Vec<Width>),
    /// A line for each value.
    Blocks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Width {
    columns: usize,
    /// Whether longer values are cut.
    cut: bool,
    /// Digits of a second that are told of a time.
    digits: usize,
}

/// The rows that say how wide the columns are.
const SAMPLE: usize = 1000;
/// Between columns.
const GAP: &str = "  ";
/// No text is cut to less.
const LEAST: usize = 8;
/// Texts are not made narrower than this as long as blocks would say more.
const READABLE: usize = 12;

impl Table {
    pub(super) fn new(schema: &SchemaRef, sink: Sink, terminal: Terminal) -> Table {
        let titles = schema.fields().iter().map(|field| Title {
            name: human::text(field.name().as_bytes()),
            right: is_number(field.data_type()),
            text: is_text(field.data_type()),
        });
        let titles = titles.collect();
        let (clock, shape) = (Clock::new(), Shape::Unknown(Vec::new()));
        Table { sink, terminal, titles, clock, shape, told: 0 }
    }

    /// Finds the shape from the first rows, and writes them.
    fn begin(&mut self) -> Result<()> {
        let Shape::Unknown(sample) = &mut self.shape else { return Ok(()) };
        let sample = std::mem::take(sample);
        let widths = self.widths(&sample);
        let room = self.terminal.width.map(usize::from);
        self.shape = match room.map_or(Some(widths.clone()), |room| fit(&self.titles, widths, room))
        {
            Some(widths) => Shape::Columns(widths),
            None => Shape::Blocks,
        };
        let mut text = Vec::new();
        if let Shape::Columns(widths) = &self.shape {
            let mut line = Line::default();
            for (title, width) in self.titles.iter().zip(widths) {
                put(&mut line, title, *width, Style::Bold, title.name.clone());
            }
            line.trim().write(&mut text, self.terminal.colour);
        }
        self.sink.write_all(&text)?;
        for rows in &sample {
            self.write(rows)?;
        }
        Ok(())
    }

    /// As wide as the titles and the values of `sample`.
    fn widths(&mut self, sample: &[RecordBatch]) -> Vec<Width> {
        let titles = self.titles.iter().map(|title| Width {
            columns: line_width(&title.name),
            cut: false,
            digits: 0,
        });
        let mut widths: Vec<Width> = titles.collect();
        // Not more than that, so that it does not matter in what pieces an answer comes.
        let mut left = SAMPLE;
        for rows in sample {
            let many = rows.num_rows().min(left);
            left -= many;
            for (array, width) in rows.columns().iter().zip(&mut widths) {
                let column = Column::new(array);
                for row in 0..many {
                    if let Some(time) = column.time(row) {
                        width.digits = width.digits.max(needed_digits(time));
                    } else {
                        let text = shown(&column, row, 0, &mut self.clock).1;
                        width.columns = width.columns.max(line_width(&text));
                    }
                }
            }
        }
        for (width, array) in
            widths.iter_mut().zip(sample.first().map_or(&[][..], |it| it.columns()))
        {
            if matches!(array.data_type(), DataType::Timestamp(..)) {
                width.columns = width.columns.max(time_width(width.digits));
            }
        }
        widths
    }

    fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let columns: Vec<Column> = rows.columns().iter().map(Column::new).collect();
        let mut text = Vec::new();
        for row in 0..rows.num_rows() {
            self.told += 1;
            match &self.shape {
                Shape::Columns(widths) => {
                    let mut line = Line::default();
                    for ((title, width), column) in self.titles.iter().zip(widths).zip(&columns) {
                        let (style, value) = shown(column, row, width.digits, &mut self.clock);
                        put(&mut line, title, *width, style, value);
                    }
                    line.trim().write(&mut text, self.terminal.colour);
                }
                _ => {
                    let (told, colour) = (self.told, self.terminal.colour);
                    block(&self.titles, &columns, row, told, colour, &mut self.clock, &mut text);
                }
            }
        }
        Ok(self.sink.write_all(&text)?)
    }
}

impl Form for Table {
    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        if let Shape::Unknown(sample) = &mut self.shape {
            sample.push(rows.clone());
            let known: usize = sample.iter().map(RecordBatch::num_rows).sum();
            return if known < SAMPLE { Ok(()) } else { self.begin() };
        }
        self.write(rows)?;
        Ok(self.sink.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.begin()?;
        Ok(self.sink.flush()?)
    }
}

/// What `EXPLAIN` answers: text of many lines, and not one value in a column.
pub(super) struct Plan(Sink);

impl Plan {
    pub(super) fn new(sink: Sink) -> Plan {
        Plan(sink)
    }

    /// Whether these are its columns.
    pub(super) fn is(schema: &SchemaRef) -> bool {
        let names = schema.fields().iter().map(|field| field.name().as_str());
        names.eq(["plan_type", "plan"])
    }
}

impl Form for Plan {
    fn rows(&mut self, rows: &RecordBatch) -> Result<()> {
        let [kinds, plans] = [0, 1].map(|at| Column::new(rows.column(at)));
        for row in 0..rows.num_rows() {
            let mut text = Vec::new();
            kinds.plain(row, &mut Clock::new(), &mut text);
            text.extend_from_slice(b":\n");
            plans.plain(row, &mut Clock::new(), &mut text);
            while text.last() == Some(&b'\n') {
                text.pop();
            }
            text.push(b'\n');
            self.0.write_all(&text)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        Ok(self.0.flush()?)
    }
}

/// Makes texts narrower until a line has `room`; none where they would say too little.
fn fit(titles: &[Title], mut widths: Vec<Width>, room: usize) -> Option<Vec<Width>> {
    let gaps = GAP.len() * titles.len().saturating_sub(1);
    let wanted: usize = widths.iter().map(|width| width.columns).sum::<usize>() + gaps;
    let mut excess = wanted.saturating_sub(room);
    while excess > 0 {
        // The widest gives way first, down to the next widest.
        let texts = || titles.iter().zip(&widths).filter(|(title, _)| title.text);
        let widest = texts().map(|(_, width)| width.columns).max()?;
        let next = texts().map(|(_, width)| width.columns).filter(|it| *it < widest).max();
        let many = texts().filter(|(_, width)| width.columns == widest).count();
        if widest <= READABLE {
            return None;
        }
        let floor =
            next.unwrap_or(0).max(READABLE).max(widest.saturating_sub(excess.div_ceil(many)));
        for (title, width) in titles.iter().zip(&mut widths) {
            if title.text && width.columns == widest {
                let given = (widest - floor).min(excess);
                (width.columns, width.cut) = (widest - given, width.cut || given > 0);
                excess -= given;
            }
        }
    }
    for (title, width) in titles.iter().zip(&mut widths) {
        // What comes after the sample must not move the columns of a terminal.
        width.cut = title.text && width.columns >= LEAST;
    }
    Some(widths)
}

/// Adds one value in its column.
fn put(line: &mut Line, title: &Title, width: Width, style: Style, value: String) {
    if line.width() > 0 {
        line.put(Style::Plain, GAP);
    }
    let value = match width.cut {
        true if value.contains('/') => cut_middle(&value, width.columns),
        true if line_width(&value) > width.columns => cut_end(&value, width.columns),
        _ => value,
    };
    let spaces = " ".repeat(width.columns.saturating_sub(line_width(&value)));
    let (before, after) =
        if title.right { (spaces, String::new()) } else { (String::new(), spaces) };
    line.put(Style::Plain, before);
    line.put(style, value);
    line.put(Style::Plain, after);
}

/// One row as a block: a heading, and a line for each column.
fn block(
    titles: &[Title],
    columns: &[Column],
    row: usize,
    told: u64,
    colour: bool,
    clock: &mut Clock,
    text: &mut Vec<u8>,
) {
    let widest = titles.iter().map(|title| line_width(&title.name)).max().unwrap_or(0);
    let mut line = Line::default();
    line.put(Style::Dim, format!("── row {told} "));
    line.put(Style::Dim, "─".repeat((widest + 20).saturating_sub(line.width())));
    line.write(text, colour);
    for (title, column) in titles.iter().zip(columns) {
        let mut line = Line::default();
        line.put(Style::Bold, title.name.clone());
        line.pad_to(widest + GAP.len());
        let (style, value) = shown(column, row, 9, clock);
        line.put(style, value);
        line.trim().write(text, colour);
    }
}

/// The value of `row` as a person reads it.
fn shown(column: &Column, row: usize, digits: usize, clock: &mut Clock) -> (Style, String) {
    if column.is_null(row) {
        return (Style::Dim, "-".to_string());
    }
    if let Some(time) = column.time(row) {
        return (Style::Plain, time_text(time, digits, clock));
    }
    if let Some(span) = column.span(row) {
        let sign = if span < 0 { "-" } else { "" };
        return (Style::Plain, format!("{sign}{}", human::duration(span.unsigned_abs())));
    }
    let mut text = Vec::new();
    column.plain(row, clock, &mut text);
    (Style::Plain, human::text(&text))
}

/// `2026-11-22 05:20:00.123Z`, with at least `digits` of the second and no digit lost.
fn time_text(time: i64, digits: usize, clock: &mut Clock) -> String {
    let mut text = Vec::new();
    clock.write(&mut text, time);
    text[10] = b' ';
    let digits = digits.max(needed_digits(time));
    let kept = if digits == 0 { 19 } else { 20 + digits };
    text.truncate(kept);
    text.push(b'Z');
    String::from_utf8_lossy(&text).into_owned()
}

/// How many digits of the second tell `time` in full: 0, 3, 6 or 9.
fn needed_digits(time: i64) -> usize {
    match time.rem_euclid(1_000_000_000) {
        0 => 0,
        nanos if nanos % 1_000_000 == 0 => 3,
        nanos if nanos % 1_000 == 0 => 6,
        _ => 9,
    }
}

fn time_width(digits: usize) -> usize {
    "2026-11-22 05:20:00Z".len() + if digits == 0 { 0 } else { 1 + digits }
}

fn line_width(text: &str) -> usize {
    let mut line = Line::default();
    line.put(Style::Plain, text);
    line.width()
}

fn is_text(it: &DataType) -> bool {
    !is_number(it) && !matches!(it, DataType::Timestamp(..) | DataType::Boolean | DataType::Null)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;
    use std::sync::mpsc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampNanosecondArray};

    use super::*;

    struct Kept(mpsc::Sender<Vec<u8>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn table(batches: &[RecordBatch], width: Option<u16>, colour: bool) -> String {
        let (sender, receiver) = mpsc::channel();
        let terminal = Terminal { colour, width, ..Terminal::default() };
        let mut table =
            Box::new(Table::new(&batches[0].schema(), Box::new(Kept(sender)), terminal));
        for rows in batches {
            table.rows(rows).expect("memory takes every write");
        }
        table.finish().expect("memory takes every write");
        String::from_utf8(receiver.iter().flatten().collect()).unwrap()
    }

    fn rows(paths: &[Option<&str>], counts: &[i64], times: &[i64]) -> RecordBatch {
        let times = TimestampNanosecondArray::from(times.to_vec()).with_timezone("UTC");
        RecordBatch::try_from_iter([
            ("path", Arc::new(StringArray::from(paths.to_vec())) as ArrayRef),
            ("count", Arc::new(Int64Array::from(counts.to_vec())) as ArrayRef),
            ("time", Arc::new(times) as ArrayRef),
        ])
        .unwrap()
    }

    const TIME: i64 = 1_795_299_005_000_000_000;

    #[test]
    fn columns_are_aligned_and_null_is_a_dash() {
        let rows = rows(&[Some("/etc/hosts"), None], &[7, 1234], &[TIME, TIME + 60_000_000_000]);
        let expected = "\
path        count  time
/etc/hosts      7  2026-11-21 22:10:05Z
-            1234  2026-11-21 22:11:05Z
";
        assert_eq!(table(std::slice::from_ref(&rows), None, false), expected);
        let coloured = table(&[rows], None, true);
        assert!(coloured.contains("\x1b[2m-\x1b[0m") && coloured.starts_with("\x1b[1mpath"));
    }

    #[test]
    fn a_time_has_the_digits_that_matter() {
        let rows = rows(&[None; 2], &[1, 2], &[TIME, TIME + 120_000]);
        let text = table(&[rows], None, false);
        assert!(text.contains("22:10:05.000000Z") && text.contains("22:10:05.000120Z"), "{text}");
    }

    #[test]
    fn a_terminal_cuts_text_and_never_numbers() {
        let path = "/usr/lib/x86_64-linux-gnu/libsomething.so.6";
        let rows = rows(&[Some(path)], &[123_456_789], &[TIME + 1]);
        let full = table(std::slice::from_ref(&rows), None, false);
        assert!(full.contains(path));
        let cut = table(std::slice::from_ref(&rows), Some(60), false);
        assert!(cut.lines().all(|line| line_width(line) <= 60), "{cut}");
        assert!(cut.contains('…') && cut.contains(".so.6") && cut.contains("123456789"), "{cut}");
        assert!(cut.contains("22:10:05.000000001Z"), "{cut}");
        let block = table(&[rows], Some(30), false);
        assert!(block.starts_with("── row 1 ─") && block.contains(path), "{block}");
        assert!(block.contains("count  123456789\n"), "{block}");
    }

    #[test]
    fn a_terminal_cannot_be_steered_by_a_value() {
        let rows = rows(&[Some("a\x1b[2Jb\nc")], &[1], &[TIME]);
        let text = table(&[rows], None, false);
        assert!(text.contains("a\\u{1b}[2Jb\\nc"), "{text}");
    }

    #[test]
    fn what_comes_after_the_sample_is_whole_where_nothing_is_cut() {
        let many = rows(&vec![Some("x"); SAMPLE], &vec![1; SAMPLE], &vec![TIME; SAMPLE]);
        let long = "y".repeat(50);
        let text = table(&[many, rows(&[Some(&long)], &[2], &[TIME])], None, false);
        assert_eq!(text.lines().count(), SAMPLE + 2);
        assert!(text.contains(&long));
    }
}
