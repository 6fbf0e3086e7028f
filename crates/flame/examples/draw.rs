//! Draws folded lines, a pprof file, or what `perf script` prints (a name that ends with `.perf`):
//! `draw IN OUT`, or `draw BEFORE AFTER OUT` for a difference. OUT ends with `.svg`, `.html`, `.pb.gz`, `.folded` or `.txt`.

use std::error::Error;
use std::fs::{self, File};

use flame::{About, Diff, Frame, FrameKind, Profile, Top, Values, View, folded, html, pprof, svg};

fn main() -> Result<(), Box<dyn Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    match names.as_slice() {
        [from, to] => one(&read(from)?, from, to),
        [before, after, to] => {
            two(&read(before)?, &read(after)?, &format!("{before} → {after}"), to)
        }
        _ => Err("usage: draw IN OUT | draw BEFORE AFTER OUT".into()),
    }
}

fn one(profile: &Profile, title: &str, to: &str) -> Result<(), Box<dyn Error>> {
    let out = File::create(to)?;
    match to.rsplit('.').next() {
        Some("svg") => {
            let drawing = svg::Drawing { title: title.into(), ..svg::Drawing::default() };
            svg::write(profile, &drawing, out)?;
        }
        Some("html") => html::write(profile, &page(title), out)?,
        Some("gz") => pprof::write(profile, out)?,
        Some("txt") => Top::of(profile, None, 40).write(100, out)?,
        _ => folded::write(profile, &View::default(), out)?,
    }
    Ok(())
}

fn two(before: &Profile, after: &Profile, title: &str, to: &str) -> Result<(), Box<dyn Error>> {
    let out = File::create(to)?;
    let diff = Diff::of(before, after, &View::default());
    match to.rsplit('.').next() {
        Some("svg") => {
            let drawing = svg::Drawing { title: title.into(), ..svg::Drawing::default() };
            svg::write_diff(&diff, &drawing, out)?;
        }
        Some("html") => html::write_diff(before, after, &page(title), out)?,
        Some("txt") => diff.write(40, 100, out)?,
        _ => folded::write_diff(&diff, out)?,
    }
    Ok(())
}

fn page(title: &str) -> html::Page {
    html::Page { title: title.into(), ..html::Page::default() }
}

fn read(name: &str) -> Result<Profile, Box<dyn Error>> {
    let bytes = fs::read(name)?;
    if name.ends_with(".gz") || name.ends_with(".pb") {
        return Ok(pprof::read(bytes.as_slice(), &pprof::Limits::default())?);
    }
    if name.ends_with(".perf") {
        return Ok(perf(&String::from_utf8_lossy(&bytes)));
    }
    let read = folded::read(bytes.as_slice(), &folded::Reading::default())?;
    if let Some(bad) = read.first_bad.first() {
        eprintln!(
            "{name}: {} of {} lines are bad; line {}: {}",
            read.bad, read.lines, bad.line, bad.why
        );
    }
    Ok(read.profile)
}

/// The samples of `perf script`: a line about each, then its frames, then an empty line.
fn perf(text: &str) -> Profile {
    let mut profile = Profile::new(About::default());
    let (mut first, mut last) = (f64::MAX, 0.0f64);
    for sample in text.split("\n\n") {
        let mut lines = sample.lines().filter(|line| !line.trim().is_empty());
        let Some(head) = lines.next() else { continue };
        let words: Vec<&str> = head.split_whitespace().collect();
        let Some(pid) = words.iter().position(|word| word.parse::<u64>().is_ok()) else { continue };
        let number =
            |at: usize| words.get(at).and_then(|word| word.trim_end_matches(':').parse().ok());
        let time: f64 = number(pid + 1).unwrap_or(0.0);
        (first, last) = (first.min(time), last.max(time));
        let mut frames: Vec<_> = lines
            .filter_map(frame)
            .filter(|frame| !frame.function.starts_with("[unknown]+"))
            .map(|frame| profile.frame(frame))
            .collect();
        frames.reverse();
        let stack = profile.stack(frames);
        let labels = [
            ("comm", words[..pid].join(" ").as_str().into()),
            ("thread_id", words[pid].parse::<i64>().unwrap_or(0).into()),
        ];
        let labels = profile.labels(labels);
        profile.add(stack, labels, Values::cpu(1, number(pid + 2).unwrap_or(0.0) as u64));
    }
    profile.about.duration = std::time::Duration::from_secs_f64((last - first).max(0.0));
    profile
}

/// `ADDRESS FUNCTION+0xOFFSET (BINARY)`
fn frame(line: &str) -> Option<Frame> {
    let (address, rest) = line.trim().split_once(' ')?;
    let (function, path) = rest.rsplit_once(" (")?;
    let function = function.rsplit_once("+0x").map_or(function, |(function, _)| function);
    let path = path.trim_end_matches(')');
    let kernel = path.starts_with("[kernel");
    let binary = if kernel { "[kernel]" } else { path.rsplit('/').next()? };
    let address = u64::from_str_radix(address, 16).ok()?;
    let kind = match function {
        _ if kernel => FrameKind::Kernel,
        "[unknown]" => FrameKind::Unknown,
        _ => FrameKind::Native,
    };
    let function = match kind {
        FrameKind::Unknown => format!("{binary}+{address:#x}"),
        _ => function.into(),
    };
    Some(Frame {
        function: function.into(),
        binary: Some(binary.into()),
        address,
        kind,
        ..Frame::default()
    })
}
