//! Many processes that only wait.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

/// Starts `count` idle processes, says `READY` on stdout, waits until stdin ends, and ends them.
///
/// Each reads from one pipe whose other end only this process has, so that they end with it
/// however it ends. Each is a program of its own with arguments of its own; with `forks` they
/// are forks of one shell that never exec.
pub fn run(count: usize, forks: bool) -> anyhow::Result<()> {
    let (reader, writer) = io::pipe()?;
    let mut children = Vec::new();
    if forks {
        children.push(shell(count, reader)?);
    } else {
        for number in 0..count {
            let child = Command::new("/usr/bin/head")
                .args(["-c", &(1_000_000_000 + number).to_string()])
                .stdin(reader.try_clone()?)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .with_context(|| format!("starting process {number} of {count}"))?;
            children.push(child);
        }
        drop(reader);
    }
    println!("READY {count}");
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(writer);
    for mut child in children {
        child.wait()?;
    }
    Ok(())
}

/// A shell with `count` subshells that wait for `reader` to end, when all of them are there.
fn shell(count: usize, reader: io::PipeReader) -> anyhow::Result<Child> {
    let script = format!(
        "exec 3<&0; i=0; while [ $i -lt {count} ]; do ( read x <&3 ) >&2 & i=$((i+1)); done; \
         echo ready; exec >&2; wait"
    );
    let mut child = Command::new("/bin/sh")
        .args(["-c", &script])
        .stdin(reader)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut ready = String::new();
    child.stdout.take().context("the shell has no output")?.read_to_string(&mut ready)?;
    anyhow::ensure!(ready == "ready\n", "the shell could not fork {count} times");
    Ok(child)
}
