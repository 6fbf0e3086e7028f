//! A command line taken apart as getopt(3) does: the transformer `getopt`.

/// The options of `words` and their values, in their order: `-n -tx` with the letters `nt:` is
/// `n`, `t`, `x`. A letter that is not among `letters` is `?`, a value that is missing is empty.
///
/// As getopt(3), it ends at `--` and at the first word that is no option; long options are passed.
pub(crate) fn all(words: &[&[u8]], letters: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    walk(words, letters, |letter, value| {
        match (letter, value) {
            (None, _) => found.push(b"?".to_vec()),
            (Some(_), Value::Missing) => found.push(Vec::new()),
            (Some(letter), Value::None) => found.push(vec![letter]),
            (Some(letter), Value::Is(value)) => found.extend([vec![letter], value.to_vec()]),
        };
    });
    found
}

/// The value behind the last option `which`, or its letter where it takes none; None where it is
/// not there.
pub(crate) fn one(words: &[&[u8]], letters: &[u8], which: u8) -> Option<Vec<u8>> {
    let mut found = None;
    walk(words, letters, |letter, value| {
        if letter == Some(which) {
            found = Some(match value {
                Value::None => vec![which],
                Value::Missing => Vec::new(),
                Value::Is(value) => value.to_vec(),
            });
        }
    });
    found
}

enum Value<'a> {
    /// The option takes none.
    None,
    /// It takes one, and there is none.
    Missing,
    Is(&'a [u8]),
}

/// Tells every option; None for a letter that is not known.
fn walk<'a>(words: &[&'a [u8]], letters: &[u8], mut tell: impl FnMut(Option<u8>, Value<'a>)) {
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word == b"--" || word == b"-" || !word.starts_with(b"-") {
            return;
        }
        if word.starts_with(b"--") {
            continue;
        }
        for (at, &letter) in word.iter().enumerate().skip(1) {
            let known = letters.iter().position(|&it| it == letter).filter(|_| letter != b':');
            let Some(place) = known else {
                tell(None, Value::None);
                continue;
            };
            if letters.get(place + 1) != Some(&b':') {
                tell(Some(letter), Value::None);
                continue;
            }
            let value = match &word[at + 1..] {
                [] => words.next(),
                rest => Some(rest),
            };
            tell(Some(letter), value.map_or(Value::Missing, Value::Is));
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<&[u8]> {
        line.split(' ').map(str::as_bytes).collect()
    }

    #[test]
    fn options_come_apart_as_in_getopt() {
        for (line, letters, expected) in [
            ("-n -t value", "nt:", "n t value"),
            ("-nt value -ntx", "nt:", "n t value n t x"),
            ("-x -n", "n", "? n"),
            ("-t", "t:", ""),
            ("--exec -n", "n", "n"),
            ("-n -- -n", "n", "n"),
            ("-n file -n", "n", "n"),
            ("-", "n", ""),
        ] {
            let found = all(&words(line), letters.as_bytes());
            let found: Vec<_> =
                found.into_iter().map(|it| String::from_utf8(it).unwrap()).collect();
            assert_eq!(found.join(" "), expected, "{line}");
        }
    }

    #[test]
    fn the_last_value_of_an_option_counts() {
        let of =
            |line: &str| one(&words(line), b"lp:", b'p').map(|it| String::from_utf8(it).unwrap());
        assert_eq!(of("-l -p 22").as_deref(), Some("22"));
        assert_eq!(of("-p22 -p 23").as_deref(), Some("23"));
        assert_eq!(of("-lp").as_deref(), Some(""));
        assert_eq!(of("-l"), None);
    }
}
