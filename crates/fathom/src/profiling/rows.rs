//! Stacks as rows. A stack and its frames are told when they are first met, and again each hour, since
//! what is stored is kept and dropped by the hour.

use std::collections::HashMap;
use std::sync::Arc;

use schema::{Origin, RawStack, Sink, StackEnd};
use signal_profile::{Frame, ProfileSample, Stack};
use symbols::{Place, PlaceKind};

/// What was told already.
#[derive(Default)]
pub(super) struct Rows {
    stacks: HashMap<u64, Hour>,
    frames: HashMap<u64, Hour>,
}

type Hour = i64;

const HOUR: i64 = 3_600_000_000_000;
/// More are not remembered; then all is told once more.
const MOST: usize = 65_536;
/// Numbers with more bits would not survive a reader that has floating point only.
const BITS: u64 = (1 << 53) - 1;

impl Rows {
    /// Writes a sample, and its stack and frames where they are new. For each address there are the
    /// places of the functions that were put into one another, the innermost first.
    pub(super) fn write(
        &mut self,
        raw: &RawStack,
        places: &[Arc<[Arc<Place>]>],
        end: StackEnd,
        sink: &mut Sink,
    ) {
        let hour = raw.origin.time / HOUR;
        let mut all: Vec<(&Place, bool, u64)> = Vec::with_capacity(places.len());
        for inlined in places {
            let last = inlined.len().saturating_sub(1);
            let frames = inlined.iter().enumerate();
            all.extend(frames.map(|(at, place)| (&**place, at < last, frame_number(place))));
        }
        let stack = digest(all.iter().map(|(_, _, frame)| frame.to_ne_bytes()));
        if is_news(&mut self.stacks, stack, hour) {
            for (depth, &(place, inlined, frame)) in all.iter().enumerate() {
                if is_news(&mut self.frames, frame, hour) {
                    tell_frame(raw.origin, frame, place, inlined, sink);
                }
                let (function, binary) = (&*place.function, place.binary.as_deref());
                let depth = depth as u32;
                sink.row(raw.origin, Stack { stack, depth, frame, function, binary });
            }
        }
        let in_user = |place: &&Place| place.kind != PlaceKind::Kernel;
        let user = all.iter().map(|it| it.0).find(in_user);
        tell_sample(
            raw,
            stack,
            all.first().map(|it| it.0),
            user,
            all.last().map(|it| it.0),
            end,
            sink,
        );
    }
}

fn is_news(known: &mut HashMap<u64, Hour>, number: u64, hour: Hour) -> bool {
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(number, hour) != Some(hour)
}

fn tell_frame(origin: Origin, frame: u64, place: &Place, inlined: bool, sink: &mut Sink) {
    let Place { function, binary, build_id, address, kind, file, line } = place;
    let frame = Frame {
        frame,
        function,
        kind: word(*kind),
        binary: binary.as_deref(),
        build_id: build_id.as_deref(),
        address: *address,
        inlined,
        file: file.as_deref().map(str::as_bytes),
        line: *line,
    };
    sink.row(origin, frame);
}

fn tell_sample(
    raw: &RawStack,
    stack: u64,
    innermost: Option<&Place>,
    user: Option<&Place>,
    outermost: Option<&Place>,
    end: StackEnd,
    sink: &mut Sink,
) {
    let wait = raw.wait.as_ref();
    let waker = wait.and_then(|wait| wait.waker);
    let peer = wait.and_then(|wait| wait.peer);
    let cut = !end.is_whole();
    let sample = ProfileSample {
        kind: if wait.is_some() { "wait" } else { "cpu" },
        weight: raw.weight,
        stack,
        function: innermost.map(|place| &*place.function),
        user_function: user.map(|place| &*place.function),
        in_kernel: raw.in_kernel,
        cpu: raw.cpu,
        cut: cut.then(|| end.name()),
        cut_in: outermost.filter(|_| cut).and_then(|place| place.binary.as_deref()),
        waited: wait.map(|wait| wait.duration),
        reason: wait.map(|wait| wait.reason),
        call: wait.and_then(|wait| wire::call_name(u16::try_from(wait.call?).ok()?)),
        waker: waker.map(|(process, _)| process),
        waker_pid: waker.map(|(process, _)| process.pid),
        waker_tid: waker.map(|(_, thread)| thread),
        peer_ip: peer.map(|(ip, _)| ip.to_canonical()),
        peer_port: peer.map(|(_, port)| port),
        peer_pod: None,
        peer_namespace: None,
        peer_workload: None,
        peer_service: None,
    };
    sink.row(raw.origin, sample);
}

fn word(kind: PlaceKind) -> &'static str {
    match kind {
        PlaceKind::Native => "native",
        PlaceKind::Kernel => "kernel",
        PlaceKind::Jit => "jit",
        PlaceKind::Python => "python",
        PlaceKind::Unknown => "unknown",
    }
}

/// The same for the same place on every node, of every process, at every time.
fn frame_number(place: &Place) -> u64 {
    let Place { function, binary, build_id, address, kind, file, line } = place;
    let text = |text: &Option<Arc<str>>| text.as_deref().unwrap_or_default().as_bytes().to_vec();
    let line = line.unwrap_or(0).to_ne_bytes().to_vec();
    // Of the kernel, and of what is in no file, addresses are another boot's and process's own.
    let address = if *kind == PlaceKind::Native { *address } else { 0 };
    digest([
        function.as_bytes().to_vec(),
        text(binary),
        text(build_id),
        address.to_ne_bytes().to_vec(),
        word(*kind).as_bytes().to_vec(),
        text(file),
        line,
    ])
}

/// FNV-1a over the parts, each with its end, and mixed once more, since its high bits are weak.
fn digest(parts: impl IntoIterator<Item = impl AsRef<[u8]>>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for part in parts {
        for byte in part.as_ref().iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) & BITS
}
