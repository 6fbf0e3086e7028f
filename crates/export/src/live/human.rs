//! Values as a person reads them at a glance.

use schema::{Field, Kind, Text, Unit, Value};

use schema::plain::{self, Clock};

/// The value as the live table shows it; empty for null.
pub(crate) fn value(clock: &mut Clock, field: &Field, value: Value<'_>) -> String {
    match (value, field.kind, field.unit) {
        (Value::Null, ..) => String::new(),
        (Value::Uint(nanos), Kind::Duration, _) | (Value::Uint(nanos), _, Unit::Nanoseconds) => {
            duration(nanos)
        }
        (Value::Uint(count), _, Unit::Bytes) => bytes(count),
        (Value::Text(bytes), Kind::Args, _) => text(&plain::shell(plain::args(bytes))),
        (Value::Text(bytes), ..) => text(bytes),
        _ => {
            let mut out = Vec::new();
            plain::write(&mut out, clock, field.kind, value);
            String::from_utf8_lossy(&out).into_owned()
        }
    }
}

/// Text that a terminal cannot be steered with: control characters, and those that turn the
/// direction of writing, are shown by their names.
pub fn text(bytes: &[u8]) -> String {
    let text = Text(bytes).to_string();
    let turns = |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(turns) {
        return text;
    }
    let shown = text.chars().map(|letter| match letter {
        letter if turns(letter) => letter.escape_unicode().to_string(),
        letter => letter.to_string(),
    });
    shown.collect()
}

/// `512ns`, `1.2µs`, `31.0ms`, `4.5s`, `2m03s`, `1h20m`, `3d04h`.
pub fn duration(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    match nanos {
        0..1_000 => format!("{nanos}ns"),
        1_000..999_500 => format!("{}µs", three_digits(nanos as f64 / 1e3)),
        999_500..999_500_000 => format!("{}ms", three_digits(nanos as f64 / 1e6)),
        _ if seconds < 60 => format!("{}s", three_digits(nanos as f64 / 1e9)),
        _ if seconds < 3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ if seconds < 86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// `512B`, `1.5KiB`, `20.0MiB`.
pub fn bytes(count: u64) -> String {
    let mut scaled = count as f64;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB", "PiB"] {
        if scaled < 1023.5 {
            let number = if unit == "B" { count.to_string() } else { three_digits(scaled) };
            return format!("{number}{unit}");
        }
        scaled /= 1024.0;
    }
    format!("{}EiB", three_digits(scaled))
}

fn three_digits(value: f64) -> String {
    if value < 99.95 { format!("{value:.1}") } else { format!("{value:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_short() {
        let spans = [0, 999, 1_000, 99_949, 999_499, 999_500, 12_345_678, 4_500_000_000];
        let shown = ["0ns", "999ns", "1.0µs", "99.9µs", "999µs", "1.0ms", "12.3ms", "4.5s"];
        assert_eq!(spans.map(duration), shown);
        assert_eq!(
            [123, 4_800, 273_600].map(|s| duration(s * 1_000_000_000)),
            ["2m03s", "1h20m", "3d04h"]
        );
        let sizes = [0, 1023, 1024, 1_048_575, 20 << 20, u64::MAX];
        assert_eq!(sizes.map(bytes), ["0B", "1023B", "1.0KiB", "1.0MiB", "20.0MiB", "16.0EiB"]);
    }

    #[test]
    fn a_file_name_cannot_steer_the_terminal() {
        let shown = text("a\x1b[2Jb\n\u{202e}cod.exe".as_bytes());
        assert_eq!(shown, "a\\u{1b}[2Jb\\n\\u{202e}cod.exe");
    }
}
