//! Dialogues as the kernel side would tell of them.
#![allow(unreachable_pub, dead_code, reason = "each test file uses some of it")]

use std::path::PathBuf;

use l7::{Chunk, Closed, Coverage, Direction, Ends, Engine, Key, Limits, Opened, Request};
use protocols::{Policy, Side, Transport};
use schema::ProcessKey;

pub const KEY: Key = Key { socket: 7, generation: 1, tls: false };
pub const MILLISECOND: u64 = 1_000_000;

/// Something that one side said with one system call.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    pub side: Side,
    pub bytes: Vec<u8>,
    /// How many of them are copied.
    pub copied: usize,
    /// Whether the engine is told.
    pub lost: bool,
    pub time: u64,
    /// How many bytes the same side said before.
    pub position: u64,
}

/// A connection's dialogue, as one of its ends sees it.
#[derive(Debug, Clone)]
pub struct Script {
    pub said: Vec<Said>,
    pub transport: Transport,
    pub side: Option<Side>,
    /// Who the process is that is watched.
    pub process: Side,
    pub ends: Ends,
    pub from_middle: bool,
    pub closes: bool,
}

/// What came out.
#[derive(Debug)]
pub struct Told {
    pub requests: Vec<Request>,
    pub coverage: Coverage,
    pub protocol: Option<&'static str>,
}

impl Script {
    pub fn new() -> Script {
        Script {
            said: Vec::new(),
            transport: Transport::Stream,
            side: Some(Side::Client),
            process: Side::Client,
            ends: Ends::default(),
            from_middle: false,
            closes: true,
        }
    }

    /// From lines `C text` and `S text`, with `\r`, `\n`, `\\` and `\xNN`.
    pub fn read(text: &str) -> Script {
        let mut script = Script::new();
        for line in text.lines() {
            match line.split_at_checked(2) {
                Some(("C ", said)) => script = script.client(unescaped(said)),
                Some(("S ", said)) => script = script.server(unescaped(said)),
                _ if line == "datagrams" => script.transport = Transport::Datagram,
                _ => assert!(line.is_empty() || line.starts_with('#'), "{line}"),
            }
        }
        script
    }

    pub fn client(self, bytes: impl AsRef<[u8]>) -> Script {
        self.say(Side::Client, bytes.as_ref())
    }

    pub fn server(self, bytes: impl AsRef<[u8]>) -> Script {
        self.say(Side::Server, bytes.as_ref())
    }

    /// Of what is said last, only so many bytes are copied.
    pub fn copied(mut self, bytes: usize) -> Script {
        self.said.last_mut().unwrap().copied = bytes;
        self
    }

    /// The engine is not told of what is said last.
    pub fn lost(mut self) -> Script {
        self.said.last_mut().unwrap().lost = true;
        self
    }

    pub fn in_the_middle(mut self) -> Script {
        self.from_middle = true;
        self.side = None;
        self
    }

    fn say(mut self, side: Side, bytes: &[u8]) -> Script {
        let time = (self.said.len() as u64 + 1) * MILLISECOND;
        let before = self.said.iter().filter(|said| said.side == side);
        let position = before.map(|said| said.bytes.len() as u64).sum();
        let (bytes, copied) = (bytes.to_vec(), bytes.len());
        self.said.push(Said { side, bytes, copied, lost: false, time, position });
        self
    }

    /// The same bytes in pieces; `pieces` are lengths, used over and over.
    pub fn split(&self, pieces: &[usize]) -> Script {
        let mut split = Script { said: Vec::new(), ..self.clone() };
        let mut pieces = pieces.iter().cycle();
        for said in &self.said {
            let mut rest = &said.bytes[..];
            let (mut copied, mut position) = (said.copied, said.position);
            while !rest.is_empty() {
                let length = (*pieces.next().unwrap()).clamp(1, rest.len());
                let (piece, behind) = rest.split_at(length);
                rest = behind;
                let bytes = piece.to_vec();
                split.said.push(Said {
                    bytes,
                    copied: copied.min(length),
                    position,
                    ..said.clone()
                });
                position += length as u64;
                copied = copied.saturating_sub(length);
            }
        }
        split
    }

    pub fn run(&self) -> Told {
        self.run_with(Limits::default(), Policy::default())
    }

    /// Runs it; fails where a byte is not accounted for.
    pub fn run_with(&self, limits: Limits, policy: Policy) -> Told {
        let mut engine = Engine::new(limits, policy);
        let mut requests = Vec::new();
        engine.opened(&Opened {
            key: KEY,
            process: ProcessKey::default(),
            transport: self.transport,
            side: self.side,
            ends: self.ends,
            from_middle: self.from_middle,
            time: 0,
        });
        let mut told = [0; 2];
        let mut coverage = Coverage::default();
        let mut now = 0;
        for said in &self.said {
            let direction = if said.side == self.process { Direction::Out } else { Direction::In };
            now = now.max(said.time);
            if said.lost {
                continue;
            }
            let end = said.position + said.bytes.len() as u64;
            told[direction as usize] = end.max(told[direction as usize]);
            let chunk = Chunk {
                key: KEY,
                process: ProcessKey::default(),
                transport: self.transport,
                direction,
                position: said.position,
                size: said.bytes.len() as u64,
                data: &said.bytes[..said.copied],
                time: said.time,
                peer: None,
            };
            engine.data(&chunk, &mut requests);
            for covered in engine.coverage() {
                coverage += covered.coverage;
            }
            assert_eq!(coverage.moved, coverage.settled() + engine.pending(), "{coverage:?}");
        }
        let protocol = engine.protocol(&KEY);
        for wait in [1, 10, 200, 1000, 10_000] {
            now += wait * MILLISECOND;
            engine.tick(now, &mut requests);
        }
        if self.closes {
            engine.closed(&Closed { key: KEY, time: now, reached: None }, &mut requests);
            assert_eq!((engine.pending(), engine.held(), engine.connections()), (0, 0, 0));
        }
        for covered in engine.coverage() {
            coverage += covered.coverage;
        }
        assert_eq!(coverage.moved, coverage.settled() + engine.pending(), "{coverage:?}");
        if !self.from_middle && self.closes {
            assert_eq!(coverage.moved, told.iter().sum::<u64>());
        }
        let given = coverage.requests + coverage.pushes;
        assert_eq!(given, requests.len() as u64);
        Told { requests, coverage, protocol }
    }
}

impl Told {
    /// One line for each request: `GET /a 200 answered 17/38`, with marks behind.
    pub fn lines(&self) -> Vec<String> {
        self.requests.iter().map(line).collect()
    }
}

pub fn line(request: &Request) -> String {
    let summary = &request.summary;
    let mut line = format!("{} {}", summary.operation, summary.resource);
    line +=
        &format!(" | {} {}", summary.status.as_deref().unwrap_or("-"), request.outcome.as_str());
    line += &format!(" {}/{}", request.request_bytes, request.response_bytes);
    if let Some(error) = summary.error.as_deref() {
        line += &format!(" error({error})");
    }
    if request.truncated {
        line += " truncated";
    }
    line
}

/// The dialogues recorded from real servers: name, script, and what must come out.
pub fn recorded() -> Vec<(String, Script, PathBuf)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut found: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "dialogue"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let script = Script::read(&std::fs::read_to_string(&path).unwrap());
            (name, script, path.with_extension("requests"))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().unwrap() {
            b'r' => b'\r',
            b'n' => b'\n',
            b'x' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}
