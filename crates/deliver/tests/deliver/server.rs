//! A small HTTP server that notes what it was sent and answers what it is told to.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    /// `name: value`, the names in lower case.
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

/// The server, as long as this process is there.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    connections: usize,
    /// What the next requests are answered, before 200: a status and headers.
    answers: VecDeque<(u16, String, String)>,
}

impl Seen {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The number of the alert in Falco's shape.
    pub(crate) fn number(&self) -> u64 {
        self.json()["output_fields"]["number"].as_u64().unwrap()
    }
}

impl Server {
    /// On a port of its own.
    pub(crate) fn start() -> Server {
        Server::at("127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn at(address: SocketAddr) -> Server {
        let listener = TcpListener::bind(address).unwrap();
        let server = Server { address: listener.local_addr().unwrap(), state: Arc::default() };
        let own = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let own = own.clone();
                thread::spawn(move || own.serve(stream.unwrap()));
            }
        });
        server
    }

    /// The next request is answered so.
    pub(crate) fn answer(&self, status: u16, header: &str, body: &str) {
        let answer = (status, header.to_string(), body.to_string());
        self.state.lock().unwrap().answers.push_back(answer);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// The numbers of all alerts that were accepted, as they came.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.seen().iter().map(Seen::number).collect()
    }

    fn serve(&self, stream: TcpStream) {
        self.state.lock().unwrap().connections += 1;
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        while let Ok(Some(seen)) = request(&mut reader) {
            if stream.write_all(self.answer_to(seen).as_bytes()).is_err() {
                return;
            }
        }
    }

    /// Notes a request, and says what its answer is.
    pub(crate) fn answer_to(&self, seen: Seen) -> String {
        let mut state = self.state.lock().unwrap();
        state.seen.push(seen);
        let answer = state.answers.pop_front();
        let (status, header, body) = answer.unwrap_or((200, String::new(), String::new()));
        let length = body.len();
        format!("HTTP/1.1 {status} Said\r\n{header}content-length: {length}\r\n\r\n{body}")
    }
}

/// Reads one request; none where the connection is at its end.
pub(crate) fn request(reader: &mut impl BufRead) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        let name = name.to_lowercase();
        if name == "content-length" {
            length = value.parse().unwrap();
        }
        headers.push(format!("{name}: {value}"));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).unwrap();
    Ok(Some(Seen { line: line.trim_end().to_string(), headers, body }))
}
