//! A profile as one HTML page: flame graph, functions, callers and callees of one function, search,
//! filters by label, and colours for a difference of two profiles.
//!
//! The page holds the whole profile and asks nobody for anything: its policy lets it run this
//! script and use this style only, by their hashes, and names are data that never becomes markup.

mod data;

use std::io::{self, BufWriter, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::html::data::Data;
use crate::profile::Profile;
use crate::tree::View;

/// How a page is made.
#[derive(Debug, Clone)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// What is shown first: the value, the direction, and the first of the groups.
    pub view: View,
    /// Calls that are kept, the heaviest ones; those beyond them become `[small]` under their caller.
    pub most_calls: usize,
}

impl Default for Page {
    /// At most 200,000 calls.
    fn default() -> Page {
        Page { title: "CPU profile".into(), view: View::default(), most_calls: 200_000 }
    }
}

/// Writes a page of `profile`.
pub fn write(profile: &Profile, page: &Page, out: impl Write) -> io::Result<()> {
    whole(&Data::of(&[profile], page), page, out)
}

/// Writes a page of how `after` differs from `before`.
pub fn write_diff(
    before: &Profile,
    after: &Profile,
    page: &Page,
    out: impl Write,
) -> io::Result<()> {
    whole(&Data::of(&[before, after], page), page, out)
}

const STYLE: &str = include_str!("html/page.css");
const BODY: &str = include_str!("html/body.html");
/// One script: each file says at its head what it has.
const SCRIPTS: [&str; 5] = [
    include_str!("html/model.js"),
    include_str!("html/tree.js"),
    include_str!("html/picture.js"),
    include_str!("html/table.js"),
    include_str!("html/page.js"),
];

fn whole(data: &Data, page: &Page, out: impl Write) -> io::Result<()> {
    let mut out = BufWriter::new(out);
    let script = format!("\"use strict\";\n(() => {{\n{}}})();\n", SCRIPTS.concat());
    let (script_hash, style_hash) = (hash(&script), hash(STYLE));
    let title = text(&page.title);
    // Within JSON a `<` can be written so that no end of a script can be made of it.
    let json = serde_json::to_string(data)?.replace('<', "\\u003c");
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         script-src '{script_hash}'; style-src '{style_hash}'; base-uri 'none'; \
         form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{BODY}\
         <script type=\"application/json\" id=\"data\">{json}</script>\n\
         <script>{script}</script>\n</body>\n</html>\n"
    )?;
    out.flush()
}

/// As a content security policy names what it allows.
fn hash(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest))
}

fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::sketch::sketch;
    use crate::value::Values;

    fn page_of(profile: &Profile, page: &Page) -> String {
        let mut out = Vec::new();
        write(profile, page, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn data_of(page: &str) -> serde_json::Value {
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
    }

    #[test]
    fn names_are_never_markup_or_script() {
        let hostile =
            "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\u{2028}\0";
        let mut profile = Profile::default();
        let file = Some(hostile.into());
        let frame = Frame {
            function: hostile.into(),
            binary: Some(hostile.into()),
            file,
            ..Frame::default()
        };
        let frame = profile.frame(frame);
        let stack = profile.stack([frame]);
        let labels = profile.labels([(hostile, hostile.into())]);
        profile.add(stack, labels, Values::cpu(1, 1));
        let page = Page { title: hostile.into(), ..Page::default() };
        let html = page_of(&profile, &page);
        assert_eq!(html.matches("<script").count(), 2);
        assert_eq!(html.matches("</script").count(), 2);
        assert_eq!(html.matches("<!--").count(), 0);
        assert_eq!(html.matches("<img").count(), 0);
        assert_eq!(data_of(&html)["names"][1][0], hostile);
    }

    #[test]
    fn nothing_is_asked_for_and_only_its_own_script_runs() {
        let html = page_of(&sketch("app;main 1\n"), &Page::default());
        for word in ["http://", "https://", "src=", "href=", "@import", "url(", "innerHTML"] {
            assert!(!html.contains(word), "{word}");
        }
        let (_, rest) = html.rsplit_once("<script>").unwrap();
        let script = rest.split_once("</script>").unwrap().0;
        assert!(html.contains(&format!("script-src '{}'", hash(script))));
        assert!(html.contains("default-src 'none'"));
    }

    #[test]
    fn what_is_small_goes_to_its_caller() {
        let mut lines = String::from("app;main;hot 1000\n");
        (0..50).for_each(|at| lines += &format!("app;main;cold{at};below 1\n"));
        let page = Page { most_calls: 5, ..Page::default() };
        let data = data_of(&page_of(&sketch(&lines), &page));
        let calls = data["calls"]["name"].as_array().unwrap().len();
        assert!(calls <= 7, "{calls}");
        assert_eq!(data["small"], 100 - (calls as u64 - 4));
        let weights = data["sides"][0]["samples"].as_array().unwrap();
        let sum: u64 = weights.chunks(3).map(|sample| sample[2].as_u64().unwrap()).sum();
        assert_eq!(sum, 1050);
    }
}
