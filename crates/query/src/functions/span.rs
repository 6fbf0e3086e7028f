//! Spans of time as people write them: `10s`, `1h30m`, `250ms`, `2 days`.

const UNITS: &[(&str, i64)] = &[
    ("ns", 1),
    ("nanosecond", 1),
    ("us", 1_000),
    ("microsecond", 1_000),
    ("ms", 1_000_000),
    ("millisecond", 1_000_000),
    ("s", SECOND),
    ("sec", SECOND),
    ("second", SECOND),
    ("m", 60 * SECOND),
    ("min", 60 * SECOND),
    ("minute", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("hour", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
    ("day", 86_400 * SECOND),
    ("w", 7 * 86_400 * SECOND),
    ("week", 7 * 86_400 * SECOND),
];
const SECOND: i64 = 1_000_000_000;

/// The nanoseconds of `text`, more than none.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no span of time; one looks like `10s`, `1h30m`, `2 days`");
    let (mut rest, mut total) = (text.trim(), 0_i64);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, behind) = rest.split_at(digits);
        let behind = behind.trim_start();
        let letters = behind.find(|letter: char| !letter.is_ascii_alphabetic());
        let (unit, behind) = behind.split_at(letters.unwrap_or(behind.len()));
        let unit = unit.to_ascii_lowercase();
        let known = |name: &str| UNITS.iter().find(|(it, _)| *it == name).map(|(_, size)| *size);
        let size = known(&unit).or_else(|| known(unit.strip_suffix('s')?)).ok_or_else(wrong)?;
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let part = number.checked_mul(size).ok_or_else(wrong)?;
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = behind.trim_start();
    }
    if total > 0 { Ok(total) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_written() {
        assert_eq!(parse("10s"), Ok(10 * SECOND));
        assert_eq!(parse("1h30m"), Ok(90 * 60 * SECOND));
        assert_eq!(parse(" 2 days "), Ok(2 * 86_400 * SECOND));
        assert_eq!(parse("250ms"), Ok(250_000_000));
        assert_eq!(parse("1 Minute"), Ok(60 * SECOND));
        for wrong in ["", "10", "s", "1x", "0s", "-5m", "99999999999w", "5 m s"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
