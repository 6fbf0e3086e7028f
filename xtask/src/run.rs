//! Runs other programs: with the terminal passed through, for their output, or line by line.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use crate::failure::{Context, Failure, Result};

/// Says what is being done now, apart from what the programs print.
pub(crate) fn say(text: impl AsRef<str>) {
    eprintln!("▸ {}", text.as_ref());
}

/// Runs it with this terminal; anything but success is a failure that names the command.
pub(crate) fn through(command: &mut Command) -> Result<()> {
    let status = status(command)?;
    if status.success() { Ok(()) } else { Err(ended(command, status)) }
}

/// Runs it with this terminal and hands back how it ended.
pub(crate) fn status(command: &mut Command) -> Result<ExitStatus> {
    command.status().context(|| format!("starting {}", line(command)))
}

/// Runs it and hands back what it printed on stdout; its stderr is shown only if it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output =
        command.stdin(Stdio::null()).output().context(|| format!("starting {}", line(command)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().rev().take(12).collect();
    let said: Vec<&str> = said.into_iter().rev().collect();
    Err(Failure::new(format!("{}\n{}", ended(command, output.status), said.join("\n"))))
}

/// Runs it and hands each line of its stdout to `each`; stderr goes to this terminal.
pub(crate) fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context(|| format!("starting {}", line(command)))?;
    if let Some(stdout) = child.stdout.take() {
        // What a test prints need not be UTF-8.
        for bytes in BufReader::new(stdout).split(b'\n').map_while(std::io::Result::ok) {
            each(String::from_utf8_lossy(&bytes).trim_end_matches('\r'));
        }
    }
    child.wait().context(|| format!("waiting for {}", line(command)))
}

/// The program's path, if it is installed. Looks where root's tools are as well: a user's
/// PATH on Debian has no /usr/sbin.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(sbin)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn ended(command: &Command, status: ExitStatus) -> Failure {
    Failure::new(format!("{} ended with {status}", line(command)))
}

fn line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_command_and_what_it_said() {
        let failure = output(Command::new("sh").args(["-c", "echo no >&2; exit 3"])).unwrap_err();
        let text = failure.to_string();
        assert!(
            text.contains("sh -c") && text.contains("exit status: 3") && text.ends_with("no"),
            "{text}"
        );
    }

    #[test]
    fn lines_come_one_by_one() {
        let mut seen = Vec::new();
        let status =
            lines(Command::new("printf").arg("a\\nb\\r\\n"), |line| seen.push(line.to_string()));
        assert!(status.unwrap().success());
        assert_eq!(seen, ["a", "b"]);
    }
}
