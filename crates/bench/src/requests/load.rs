//! Servers, and clients that ask them as fast as they answer.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::cli::Arguments;
use crate::place;
use crate::run;

/// A server and how it is asked.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    what: What,
}

#[derive(Debug)]
enum What {
    /// So many GETs, so many of them in a pipeline.
    Redis { calls: usize, pipeline: usize },
    /// For so many seconds: a page of 612 bytes.
    Nginx { seconds: usize },
}

/// How many connections a client has.
const CONNECTIONS: &str = "50";

pub(super) const CASES: &[Case] = &[
    Case { name: "redis", what: What::Redis { calls: 300_000, pipeline: 1 } },
    Case { name: "redis-p16", what: What::Redis { calls: 2_000_000, pipeline: 16 } },
    Case { name: "nginx", what: What::Nginx { seconds: 4 } },
];

/// What to start, and where it will listen.
pub(super) struct Server {
    pub(super) words: Vec<OsString>,
    pub(super) port: u16,
}

impl Case {
    /// A server whose files are in `home`.
    pub(super) fn server(&self, home: &Path) -> Result<Server> {
        let port = free()?;
        let words = match self.what {
            What::Redis { .. } => redis(home, port)?,
            What::Nginx { .. } => nginx(home, port)?,
        };
        Ok(Server { words, port })
    }

    /// Asks the server at `port`; how much it answered in a second.
    pub(super) fn load(&self, port: u16, arguments: &Arguments) -> Result<f64> {
        let port = port.to_string();
        match self.what {
            What::Redis { calls, pipeline } => {
                let mut client = Command::new(place::installed("redis-benchmark")?);
                client.args(["-p", &port, "-t", "get", "-c", CONNECTIONS, "--csv"]);
                client.args([
                    "-n",
                    &arguments.count(calls).to_string(),
                    "-P",
                    &pipeline.to_string(),
                ]);
                let said = run::to_end(&mut client)?.out;
                redis_rate(&said).with_context(|| format!("redis-benchmark: {}", run::tail(&said)))
            }
            What::Nginx { seconds } => {
                let mut client = Command::new(place::installed("wrk")?);
                let lasts = format!("-d{}s", arguments.count(seconds).max(1));
                client.args(["-t1", "-c", CONNECTIONS, &lasts]);
                let said = run::to_end(client.arg(format!("http://127.0.0.1:{port}/")))?.out;
                wrk_rate(&said).with_context(|| format!("wrk: {}", run::tail(&said)))
            }
        }
    }
}

/// Asks Redis at `port` once on each of `count` connections; how many there were in a second.
pub(super) fn connect(port: u16, count: usize) -> Result<f64> {
    let mut client = Command::new(place::installed("redis-benchmark")?);
    let (port, count) = (port.to_string(), count.to_string());
    client.args(["-p", &port, "-t", "get", "-c", CONNECTIONS, "-k", "0", "-n", &count, "--csv"]);
    let said = run::to_end(&mut client)?.out;
    redis_rate(&said).with_context(|| format!("redis-benchmark: {}", run::tail(&said)))
}

/// A port that was free a moment ago.
fn free() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

// Both are told by a file: a tool that starts them may cut their words at blanks.

fn redis(home: &Path, port: u16) -> Result<Vec<OsString>> {
    let (here, file) = (home.display(), home.join("redis.conf"));
    let text = format!("port {port}\nbind 127.0.0.1\nsave \"\"\ndir {here}\nloglevel warning\n");
    fs::write(&file, text)?;
    Ok(vec![place::installed("redis-server")?.into(), file.into()])
}

fn nginx(home: &Path, port: u16) -> Result<Vec<OsString>> {
    let (here, file) = (home.display(), home.join("nginx.conf"));
    // Workers are another user else, who does not find the page.
    let text = format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {here}/pid;\n\
         error_log {here}/error.log;\nevents {{ worker_connections 256; }}\n\
         http {{\n access_log off;\n keepalive_requests 1000000000;\n\
         client_body_temp_path {here}/body;\n proxy_temp_path {here}/proxy;\n\
         fastcgi_temp_path {here}/fastcgi;\n uwsgi_temp_path {here}/uwsgi;\n\
         scgi_temp_path {here}/scgi;\n\
         server {{ listen 127.0.0.1:{port}; root {here}/pages; }}\n}}\n"
    );
    fs::create_dir(home.join("pages"))?;
    fs::write(home.join("pages/index.html"), "x".repeat(612))?;
    fs::write(&file, text)?;
    Ok(vec![place::installed("nginx")?.into(), "-c".into(), file.into()])
}

/// Of `"GET","73529.41","0.449",…`.
fn redis_rate(out: &str) -> Option<f64> {
    let line = out.lines().find_map(|line| line.strip_prefix("\"GET\",\""))?;
    line.split('"').next()?.parse().ok()
}

/// Of `Requests/sec:  12345.67`.
fn wrk_rate(out: &str) -> Option<f64> {
    out.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read() {
        let out = "\"test\",\"rps\",\"avg\"\n\"GET\",\"73529.41\",\"0.449\"\n";
        assert_eq!(redis_rate(out), Some(73529.41));
        assert_eq!(redis_rate("Could not connect"), None);
        let out = "Running 4s test\n  2 threads\nRequests/sec:  48211.95\nTransfer/sec: 40MB\n";
        assert_eq!(wrk_rate(out), Some(48211.95));
    }
}
