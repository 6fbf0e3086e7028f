//! What we know of a file that was stripped: the names of the one that it was made from.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The functions of a file.
#[derive(Debug, Default)]
pub struct Symbols {
    file: String,
    /// By address.
    functions: Vec<(u64, String)>,
}

impl Symbols {
    /// Those that [`list`] wrote into `listed`; by them places in a file called `file` are told.
    pub fn read(listed: &Path, file: &str) -> Result<Symbols> {
        let text = fs::read_to_string(listed);
        let text = text.with_context(|| format!("reading {}", listed.display()))?;
        Ok(Symbols::parse(&text, file))
    }

    fn parse(text: &str, file: &str) -> Symbols {
        let function = |line: &str| {
            let mut words = line.split_whitespace();
            let address = u64::from_str_radix(words.next()?, 16).ok()?;
            let is_code = matches!(words.next()?, "t" | "T" | "w" | "W");
            is_code.then_some((address, words.next()?.to_string()))
        };
        let functions = text.lines().filter_map(function).collect();
        Symbols { file: file.to_string(), functions }
    }

    /// The function at `FILE+0xOFFSET`, which may be in brackets or have more around it; none for
    /// any other frame.
    pub fn name(&self, frame: &str) -> Option<&str> {
        if self.file.is_empty() || !frame.contains(&self.file) {
            return None;
        }
        let (_, rest) = frame.rsplit_once("0x")?;
        let digits = rest.find(|it: char| !it.is_ascii_hexdigit()).unwrap_or(rest.len());
        let address = u64::from_str_radix(&rest[..digits], 16).ok()?;
        let behind = self.functions.partition_point(|(start, _)| *start <= address);
        self.functions.get(behind.checked_sub(1)?).map(|(_, name)| name.as_str())
    }
}

/// Writes the functions of the file `twin` into `listed`.
pub fn list(twin: &Path, listed: &Path) -> Result<()> {
    let mut nm = Command::new("nm");
    let said = nm.args(["--defined-only", "-n"]).arg(twin).output().context("no nm")?;
    ensure!(said.status.success(), "nm: {}", String::from_utf8_lossy(&said.stderr));
    fs::write(listed, said.stdout).with_context(|| format!("writing {}", listed.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_gets_its_name() {
        let text = "0000000000001060 T _start\n0000000000001150 T leaf\n0000000000001190 t rec\n\
                    0000000000004010 D data\n";
        let symbols = Symbols::parse(text, "bare");
        for (frame, name) in [
            ("bare+0x1151", Some("leaf")),
            ("[bare]+0x1190", Some("rec")),
            ("0x118f (/tmp/bare)", Some("leaf")),
            ("[bare+0x118f]", Some("leaf")),
            ("bare+0x10", None),
            ("other+0x1151", None),
            ("bare", None),
        ] {
            assert_eq!(symbols.name(frame), name, "{frame}");
        }
    }
}
