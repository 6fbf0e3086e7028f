//! The shop's web server: HTTP/1.1, as much of it as the shop needs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

/// Serves until stdin ends; prints its port first.
pub(super) fn serve(home: &Path) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?.port());
    let home = home.to_owned();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            // A customer who goes away in the middle is no trouble of the server's.
            let _ = answer(&home, number, stream);
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn answer(home: &Path, number: usize, mut stream: TcpStream) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; usize::min(length, 4096)];
    reader.read_exact(&mut body)?;
    let mut words = request.split(' ');
    let (status, text) = match (words.next(), words.next()) {
        (Some("POST"), Some("/orders")) => {
            let (part, whole) = (format!("orders/{number}.part"), format!("orders/{number}.json"));
            fs::write(home.join(&part), &body)?;
            fs::rename(home.join(part), home.join(whole))?;
            ("201 Created", Vec::new())
        }
        (Some("GET"), Some(path)) => {
            let name = if path == "/" { "index.html" } else { path.trim_start_matches('/') };
            match fs::read(home.join("public").join(name.replace("..", ""))) {
                Ok(text) => ("200 OK", text),
                Err(_) => ("404 Not Found", Vec::new()),
            }
        }
        _ => ("400 Bad Request", Vec::new()),
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n", text.len())?;
    stream.write_all(b"connection: close\r\n\r\n")?;
    stream.write_all(&text)?;
    Ok(())
}
