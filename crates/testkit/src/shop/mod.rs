//! A tiny shop for the demonstration: a web server, its client, a worker and a cron, each a
//! process with a name of its own, and a few things that an engineer would want to see.
//!
//! All of it is on loopback and below one temporary directory, and ends by itself.

mod oddities;
mod people;
mod web;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::workload::Scratch;

/// The roles, which are also the names of their programs.
const ROLES: [&str; 4] = ["shop-web", "shop-customer", "shop-packer", "shop-cron"];

/// Opens the shop for `time`.
pub fn open(time: Duration) -> anyhow::Result<()> {
    let scratch = Scratch::new("shop")?;
    let home = scratch.path();
    furnish(home)?;
    let mut web = start(home, "shop-web", &[])?;
    let mut port = String::new();
    BufReader::new(web.stdout.take().context("the server is silent")?).read_line(&mut port)?;
    let port = port.trim().to_owned();
    let mut others = vec![
        start(home, "shop-customer", &[&port])?,
        start(home, "shop-packer", &[])?,
        start(home, "shop-cron", &[])?,
    ];
    let end = Instant::now() + time;
    let result = oddities::happen(home, time);
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
    // The customer leaves first, the server last: each ends when its stdin does.
    others.push(web);
    for mut process in others {
        drop(process.stdin.take());
        process.wait()?;
    }
    result?;
    let shipped = fs::read_dir(home.join("shipped"))?.count();
    println!("the shop is closed: {shipped} orders shipped");
    Ok(())
}

/// Plays the role that the program's name says, if it is one.
pub fn play(program: &OsStr, args: &[String]) -> Option<anyhow::Result<()>> {
    let role = Path::new(program).file_name()?.to_str()?;
    let home = || std::env::current_dir().context("the shop's directory");
    match role {
        "shop-web" => Some(home().and_then(|home| web::serve(&home))),
        "shop-customer" => Some(people::customer(args.first()?)),
        "shop-packer" => Some(home().and_then(|home| people::packer(&home))),
        "shop-cron" => Some(people::cron()),
        _ => None,
    }
}

fn furnish(home: &Path) -> anyhow::Result<()> {
    for dir in ["bin", "public", "private", "orders", "shipped"] {
        fs::create_dir(home.join(dir))?;
    }
    fs::write(home.join("public/index.html"), "<h1>The shop</h1>\n")?;
    fs::write(home.join("private/payroll.txt"), "nobody's business\n")?;
    // A price list that is none.
    std::os::unix::fs::symlink("../private/payroll.txt", home.join("public/prices.txt"))?;
    let own = std::env::current_exe()?;
    for role in ROLES {
        let program = program(home, role);
        if fs::hard_link(&own, &program).is_err() {
            fs::copy(&own, &program)?;
        }
    }
    Ok(())
}

fn program(home: &Path, role: &str) -> PathBuf {
    home.join("bin").join(role)
}

fn start(home: &Path, role: &str, args: &[&str]) -> anyhow::Result<Child> {
    Command::new(program(home, role))
        .args(args)
        .current_dir(home)
        .stdin(Stdio::piped())
        .stdout(if role == "shop-web" { Stdio::piped() } else { Stdio::null() })
        .spawn()
        .with_context(|| format!("starting {role}"))
}

/// Calls `step` with its number, every `pause`, until stdin ends.
fn until_closed(
    pause: Duration,
    mut step: impl FnMut(u64) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let pause = Timespec::try_from(pause).context("a pause")?;
    for number in 0.. {
        step(number)?;
        let stdin = std::io::stdin();
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        if poll(&mut fds, Some(&pause))? > 0 {
            break;
        }
    }
    Ok(())
}
