//! pprof: what is written is read back, by us and by Go's own tool; what is broken is refused.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use flame::pprof::{self, Limits, Problem};
use flame::{FrameKind, LabelValue, Profile, Top, Values, View};
use flate2::write::GzEncoder;
use proptest::prelude::*;

mod made;

#[test]
fn what_is_written_is_read_back() {
    let profile = made::profile();
    let back = pprof::read(written(&profile).as_slice(), &Limits::default()).unwrap();
    assert_eq!(back.about, profile.about);
    assert_eq!(back.total(), profile.total());
    assert_eq!(back.mappings().get("engine"), profile.mappings().get("engine"));
    assert_eq!(back.mappings().get("libc.so.6"), profile.mappings().get("libc.so.6"));
    let all = |profile: &Profile| {
        let mut all: Vec<_> = profile
            .samples()
            .map(|sample| {
                let frames: Vec<_> = profile
                    .stack_frames(sample.stack)
                    .into_iter()
                    .map(|id| profile.get_frame(id).clone())
                    .collect();
                (format!("{frames:?}"), profile.get_labels(sample.labels).to_vec())
            })
            .collect();
        all.sort();
        all
    };
    assert_eq!(all(&back), all(&profile));
}

#[test]
fn go_reads_it() {
    let text = go_pprof("go_reads_it", &["-top", "-sample_index=cpu"], &made::profile());
    let Some(text) = text else { return };
    assert!(text.contains("Type: cpu"), "{text}");
    assert!(text.contains("Duration: 10s"), "{text}");
    let line = |function: &str| {
        let found = text.lines().find(|line| line.contains(function));
        found.unwrap_or_else(|| panic!("{function} is not in {text}"))
    };
    assert!(line("price").contains("606.06ms 60.00% 60.00%"), "{text}");
    assert!(line("multiply").contains("(inline)"), "{text}");
    assert!(line("Engine::solve<double>(int)").contains("202.02ms 20.00%"), "{text}");
    assert!(text.contains("engine [unknown]"), "{text}");
    // By label, and the other value.
    let pod = ["-top", "-sample_index=off_cpu", "-tagfocus=pod=engine-7"];
    let text = go_pprof("go_reads_it", &pod, &made::profile()).unwrap();
    assert!(text.contains("700ms") && text.contains("[blocked: futex]"), "{text}");
    let text = go_pprof("go_reads_it", &["-raw"], &made::profile()).unwrap();
    for part in ["comm:[engine]", "thread_id:[201]", "0badc0de", "lost samples: 3"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn what_go_writes_is_read() {
    let mut zipped = Vec::new();
    pprof::write(&made::profile(), &mut zipped).unwrap();
    // Go's tool rewrites all tables, with ids of its own.
    let Some(proto) = go("what_go_writes_is_read", &["-proto", "-output=/dev/stdout"], &zipped)
    else {
        return;
    };
    let back = pprof::read(proto.as_slice(), &Limits::default()).unwrap();
    let rows = |profile: &Profile| Top::of(profile, None, 99).rows;
    assert_eq!(rows(&back), rows(&made::profile()));
}

#[test]
fn bombs_and_crowds_are_refused() {
    let mut bomb = GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![0; 8 << 20]).unwrap();
    let bomb = bomb.finish().unwrap();
    let small = Limits { bytes: 1 << 20, messages: 1000, ..Limits::default() };
    let refused = |bytes: &[u8]| pprof::read(bytes, &small).unwrap_err();
    assert!(matches!(refused(&bomb), Problem::TooMuch { what: "bytes", .. }));
    // Empty samples: two bytes each.
    let crowd = [0x12, 0x00].repeat(5000);
    assert!(matches!(refused(&crowd), Problem::TooMuch { what: "messages", .. }));
    // One sample with many empty labels.
    let labels = [0x1a, 0x00].repeat(5000);
    let crowd = [&[0x12, 0x90, 0x4e][..], &labels].concat();
    assert!(matches!(refused(&crowd), Problem::TooMuch { what: "messages", .. }));
    assert!(matches!(refused(&[0x1f, 0x8b, 1, 2, 3]), Problem::Io(_)));
    assert!(matches!(refused(b"not a profile"), Problem::Broken(_)));
    assert!(matches!(refused(b""), Problem::NothingKnown { .. }));
}

#[test]
fn stacks_are_cut_at_a_depth() {
    let mut profile = Profile::default();
    let frame = profile.frame(flame::Frame { function: "rec".into(), ..Default::default() });
    let stack = profile.stack(vec![frame; 500]);
    let labels = profile.labels([("comm", LabelValue::from("deep"))]);
    profile.add(stack, labels, Values::cpu(1, 1));
    let limits = Limits { deepest: 100, ..Limits::default() };
    let back = pprof::read(written(&profile).as_slice(), &limits).unwrap();
    let stack = back.samples().next().unwrap().stack;
    let frames = back.stack_frames(stack);
    assert_eq!(frames.len(), 101);
    assert_eq!(back.get_frame(frames[0]).kind, FrameKind::Note);
    let limits = Limits { frames: 400, ..Limits::default() };
    let refused = pprof::read(written(&profile).as_slice(), &limits).unwrap_err();
    assert!(matches!(refused, Problem::TooMuch { what: "frames", .. }), "{refused}");
    let limits = Limits { calls: 400, ..Limits::default() };
    let refused = pprof::read(written(&profile).as_slice(), &limits).unwrap_err();
    assert!(matches!(refused, Problem::TooMuch { what: "calls", .. }), "{refused}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damage_is_refused_or_read(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..12),
        zipped in any::<bool>(),
    ) {
        let profile = made::profile();
        let mut bytes = if zipped { written(&profile) } else { unzipped(&profile) };
        for (at, byte, how) in damage {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => bytes[at] ^= 1 << (byte % 8),
                2 => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
        forms(pprof::read(bytes.as_slice(), &Limits::default()).ok());
    }

    #[test]
    fn noise_is_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        forms(pprof::read(bytes.as_slice(), &Limits::default()).ok());
    }

    #[test]
    fn damaged_lines_are_counted(
        bytes in prop::collection::vec(prop_oneof![
            3 => Just(b';'), 3 => Just(b' '), 2 => Just(b'\n'), 3 => b'0'..=b'9', 9 => any::<u8>(),
        ], 0..600),
    ) {
        let read = flame::folded::read(bytes.as_slice(), &flame::folded::Reading::default());
        let read = read.unwrap();
        prop_assert!(read.bad <= read.lines);
        forms(Some(read.profile));
    }
}

/// Whatever was read can be written in every form.
fn forms(profile: Option<Profile>) {
    let Some(profile) = profile else { return };
    let view = View::default();
    flame::folded::write(&profile, &view, std::io::sink()).unwrap();
    pprof::write(&profile, std::io::sink()).unwrap();
    flame::svg::write(&profile, &flame::svg::Drawing::default(), std::io::sink()).unwrap();
    let page = flame::html::Page { most_calls: 3, ..Default::default() };
    flame::html::write_diff(&profile, &made::profile(), &page, std::io::sink()).unwrap();
    let diff = flame::Diff::of(&profile, &made::profile(), &view);
    flame::folded::write_diff(&diff, std::io::sink()).unwrap();
    flame::otlp::request(&profile, &flame::otlp::Sender::default());
    Top::of(&profile, None, 10).write(80, std::io::sink()).unwrap();
}

fn written(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::new();
    pprof::write(profile, &mut bytes).unwrap();
    bytes
}

fn unzipped(profile: &Profile) -> Vec<u8> {
    let mut bytes = Vec::new();
    let zipped = written(profile);
    std::io::copy(&mut flate2::read::GzDecoder::new(zipped.as_slice()), &mut bytes).unwrap();
    bytes
}

fn go_pprof(test: &str, how: &[&str], profile: &Profile) -> Option<String> {
    go(test, how, &written(profile)).map(|bytes| String::from_utf8(bytes).unwrap())
}

/// What `go tool pprof` prints of `file`.
fn go(test: &str, how: &[&str], file: &[u8]) -> Option<Vec<u8>> {
    let go = std::env::var_os("FATHOM_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    if let Err(error) = Command::new(&go).arg("version").stdout(Stdio::null()).status() {
        not_run(test, &format!("{}: {error}", go.display()));
        return None;
    }
    let path = std::env::temp_dir().join(format!("flame-{test}-{}.pb.gz", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let output = Command::new(&go)
        .args(["tool", "pprof"])
        .args(how)
        .arg(&path)
        .env("PPROF_TMPDIR", std::env::temp_dir())
        .output()
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    Some(output.stdout)
}

/// Says that a test could not run: it must not count as passed.
fn not_run(name: &str, reason: &str) {
    println!("not run: {name}: {reason}");
    let Ok(path) = std::env::var("FATHOM_NOT_RUN_LOG") else { return };
    let mut log = std::fs::File::options().append(true).create(true).open(path).unwrap();
    writeln!(log, "{name}: {reason}").unwrap();
}
