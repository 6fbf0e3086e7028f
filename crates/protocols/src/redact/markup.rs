//! XML and HTML, perhaps cut anywhere: what stands in elements and attributes whose names are secret.

use super::{TAKEN_OUT, is_secret, text};

/// The text without what secret elements hold, without values of secret attributes, and with all else
/// redacted as text. `<entry key="password">` and `<input name="password" value="…">` are secret, too.
pub fn markup(body: &str) -> String {
    let mut kept = String::with_capacity(body.len());
    let mut rest = body;
    // The secret element that this is in, and how many of the same name are open.
    let mut inside: Option<(&str, usize)> = None;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(piece(rest));
        rest = behind;
        let tag = Tag::read(piece);
        if let Some((name, open)) = &mut inside {
            match tag {
                Some(tag) if tag.name != *name || tag.closed => continue,
                Some(tag) => *open = if tag.ends { *open - 1 } else { *open + 1 },
                None => continue,
            }
            if *open > 0 {
                continue;
            }
            inside = None;
            kept.push_str(piece);
            continue;
        }
        let Some(tag) = tag else {
            kept.push_str(&text(piece));
            continue;
        };
        let secret = tag.is_secret();
        kept.push_str(&tag.attributes(secret));
        if secret && !tag.ends && !tag.closed && !is_one(tag.name, &VOID) {
            kept.push_str(TAKEN_OUT);
            inside = Some((tag.name, 1));
        }
    }
    kept
}

/// Elements of HTML that hold nothing.
const VOID: [&str; 6] = ["input", "meta", "img", "br", "hr", "link"];

/// Attributes that say what an element is, and those that say its value then.
const NAMING: [&str; 2] = ["name", "key"];
const VALUES: [&str; 3] = ["value", "content", "data"];

fn unquoted(value: &str) -> &str {
    value.trim_matches(['"', '\''])
}

fn is_one(name: &str, of: &[&str]) -> bool {
    of.iter().any(|it| it.eq_ignore_ascii_case(name))
}

/// `<name …>`, `</name>`, `<name …/>`, or what is left of it.
struct Tag<'a> {
    whole: &'a str,
    /// Without what stands before a `:`.
    name: &'a str,
    ends: bool,
    closed: bool,
}

impl<'a> Tag<'a> {
    fn read(piece: &'a str) -> Option<Tag<'a>> {
        let said = piece.strip_prefix('<')?;
        let ends = said.starts_with('/');
        let said = said.strip_prefix('/').unwrap_or(said);
        let end = said.find(|it: char| it.is_whitespace() || matches!(it, '>' | '/'));
        let name = &said[..end.unwrap_or(said.len())];
        if !name.starts_with(|it: char| it.is_alphabetic() || it == '_') {
            return None;
        }
        let name = name.rsplit(':').next().unwrap_or_default();
        Some(Tag { whole: piece, name, ends, closed: piece.ends_with("/>") })
    }

    fn is_secret(&self) -> bool {
        let named = |(name, value): (&str, &str)| {
            is_one(name, &NAMING) && is_secret(unquoted(value).as_bytes())
        };
        is_secret(self.name.as_bytes()) || pairs(self.whole).into_iter().any(|it| named(it.1))
    }

    /// The tag with its attributes redacted.
    fn attributes(&self, secret: bool) -> String {
        let mut kept = String::with_capacity(self.whole.len());
        let mut copied = 0;
        for (at, (name, value)) in pairs(self.whole) {
            let local = name.rsplit(':').next().unwrap_or_default();
            // A `key` may be a secret, or the name of one.
            let names = is_one(local, &NAMING) && is_secret(unquoted(value).as_bytes());
            let is_value = secret && is_one(local, &VALUES);
            let goes = is_value || (is_secret(local.as_bytes()) && !names);
            kept.push_str(&text(&self.whole[copied..at]));
            match goes {
                true => kept.extend(["\"", TAKEN_OUT, "\""]),
                false => kept.push_str(&text(value)),
            }
            copied = at + value.len();
        }
        kept.push_str(&text(&self.whole[copied..]));
        kept
    }
}

/// The attributes of a tag: where each value begins, its name, and the value with its quotes.
fn pairs(tag: &str) -> Vec<(usize, (&str, &str))> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(sign) = tag[at..].find('=').map(|it| at + it) {
        let before = tag[at..sign].trim_end();
        let name = before.rsplit(|it: char| it.is_whitespace()).next().unwrap_or_default();
        let spaces = tag[sign + 1..].len() - tag[sign + 1..].trim_start().len();
        let begins = sign + 1 + spaces;
        let value = &tag[begins..];
        let length = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].find(quote).map(|it| it + 2),
            _ => value.find(|it: char| it.is_whitespace() || it == '>'),
        };
        let value = &value[..length.unwrap_or(value.len())];
        found.push((begins, (name, value)));
        at = begins + value.len();
    }
    found
}

/// The length of the tag, the comment or the text that stands in front; never zero.
fn piece(rest: &str) -> usize {
    if !rest.starts_with('<') {
        return rest.find('<').unwrap_or(rest.len());
    }
    let until = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
    if rest.starts_with("<!--") {
        return until("-->");
    }
    if rest.starts_with("<![CDATA[") {
        return until("]]>");
    }
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    // A quote that is never closed is none: text has them, too.
    rest.find('>').map_or(rest.len(), |at| at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secret_elements_and_attributes() {
        for (said, kept) in [
            ("<u><name>jo</name><pin>12</pin></u>", "<u><name>jo</name><pin>***</pin></u>"),
            ("<a:password x='1'><b>c</b>d</a:password>e", "<a:password x='1'>***</a:password>e"),
            ("<secret><secret>a</secret>b</secret>c", "<secret>***</secret>c"),
            ("<secret>a cut", "<secret>***"),
            ("<token/><a>b</a>", "<token/><a>b</a>"),
            (r#"<db user="u" password="a>b" n='1'/>"#, r#"<db user="u" password="***" n='1'/>"#),
            (r#"<input name="pin" value="1"><p>x"#, r#"<input name="pin" value="***"><p>x"#),
            (r#"<INPUT NAME="Pin" VALUE="1">"#, r#"<INPUT NAME="Pin" VALUE="***">"#),
            (r#"<add key="hunter2"/>"#, r#"<add key="***"/>"#),
            (r#"<entry key="api-key">abc</entry>"#, r#"<entry key="api-key">***</entry>"#),
            ("<p>to jo@example.org</p><!-- <pin>", "<p>to ***</p><!-- <pin>"),
            ("<pin><![CDATA[</pin>1]]></pin>2", "<pin>***</pin>2"),
            ("a < b", "a < b"),
            ("<a b=\"half jo@example.org", "<a b=\"half ***"),
            ("", ""),
        ] {
            assert_eq!(markup(said), kept, "{said}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_redacted(said in r#"(\PC|<|>|/|=|"|'|<pin|</pin>| key="pin"){0,60}"#) {
            markup(&said);
        }

        #[test]
        fn a_cut_secret_never_shows(cut in 0usize..80) {
            let said = r#"<a x="1"><password>hunter2</password><b password="hunter2"/></a>"#;
            let cut = cut.min(said.len());
            prop_assert!(!markup(&said[..cut]).contains("hun"));
        }
    }
}
