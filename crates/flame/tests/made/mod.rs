//! A profile with one of everything, for the tests of all forms.

use std::time::Duration;

use flame::{About, Frame, FrameKind, LabelValue, Mapping, Profile, Values};

/// 2024-01-01T00:00:00Z.
const BEGIN: u64 = 1_704_067_200_000_000_000;

/// Two pods: one in Python over C, with the kernel below; one in C++ with inlined calls.
pub(crate) fn profile() -> Profile {
    let mut profile = Profile::new(About {
        begin: BEGIN,
        duration: Duration::from_secs(10),
        period: Duration::from_nanos(10_101_010),
        lost: 3,
    });
    let start = native("_start", "python3.11", 0x1000);
    let python = |function: &str, line| Frame {
        function: function.into(),
        binary: Some("python3.11".into()),
        file: Some("/srv/shop/app.py".into()),
        line: Some(line),
        kind: FrameKind::Python,
        ..Frame::default()
    };
    let write = native("write", "libc.so.6", 0xf_1234);
    let kernel = Frame {
        binary: Some("[kernel]".into()),
        kind: FrameKind::Kernel,
        ..native("vfs_write", "", 0xffff_ffff_8123_4567)
    };
    let web = labels(&mut profile, "shop", "web-1", "python3.11", 100);
    add(&mut profile, &[start.clone(), python("main", 3), python("price", 9)], web, 60);
    let system = [start, python("main", 4), write, kernel];
    add(&mut profile, &system, web, 15);

    let main = native("main", "engine", 0x2000);
    let inlined = |function: &str, line| Frame {
        file: Some("/src/engine.cpp".into()),
        line: Some(line),
        inlined: true,
        ..native(function, "engine", 0x2440)
    };
    let solve = Frame {
        file: Some("/src/engine.cpp".into()),
        line: Some(40),
        ..native("Engine::solve<double>(int)", "engine", 0x2440)
    };
    let chain = [main.clone(), solve.clone(), inlined("step", 21), inlined("multiply", 12)];
    let engine = labels(&mut profile, "shop", "engine-7", "engine", 200);
    add(&mut profile, &chain, engine, 20);
    let unknown = Frame { kind: FrameKind::Unknown, ..native("engine+0x9999", "engine", 0x9999) };
    add(&mut profile, &[main.clone(), unknown], engine, 4);
    let jit = Frame {
        kind: FrameKind::Jit,
        binary: None,
        ..native("LazyCompile:*tick /x.js:1", "", 0x7f00_0000_1000)
    };
    add(&mut profile, &[main.clone(), jit], engine, 1);
    let note =
        Frame { function: "[blocked: futex]".into(), kind: FrameKind::Note, ..Frame::default() };
    let frames = [main, solve, note].map(|frame| profile.frame(frame));
    let stack = profile.stack(frames);
    profile.add(stack, engine, Values::off_cpu(2, 700_000_000));

    let path = Some("/usr/lib/x86_64-linux-gnu/libc.so.6".into());
    let build_id = Some("fc1f6d1a4b5c".into());
    profile.map("libc.so.6", Mapping { path, build_id });
    profile.map("engine", Mapping { path: None, build_id: Some("0badc0de".into()) });
    profile
}

fn native(function: &str, binary: &str, address: u64) -> Frame {
    let binary = Some(binary.into());
    Frame { function: function.into(), binary, address, ..Frame::default() }
}

fn labels(
    profile: &mut Profile,
    namespace: &str,
    pod: &str,
    comm: &str,
    pid: i64,
) -> flame::LabelsId {
    profile.labels([
        ("namespace", LabelValue::from(namespace)),
        ("pod", pod.into()),
        ("container", "main".into()),
        ("comm", comm.into()),
        ("pid", pid.into()),
        ("thread_id", (pid + 1).into()),
    ])
}

fn add(profile: &mut Profile, frames: &[Frame], labels: flame::LabelsId, samples: u64) {
    let frames: Vec<_> = frames.iter().map(|frame| profile.frame(frame.clone())).collect();
    let stack = profile.stack(frames);
    profile.add(stack, labels, Values::cpu(samples, samples * 10_101_010));
}
