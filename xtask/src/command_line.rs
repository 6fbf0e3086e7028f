//! Reads a command's own words: flags with and without values, names, and a command after `--`.

use crate::failure::{Failure, Result};
use crate::suggest;

/// One flag that a command takes.
pub(crate) struct Flag {
    /// With its dashes: `--kernel`.
    pub(crate) name: &'static str,
    /// What its value is called in the help; empty when the flag takes none.
    pub(crate) value: &'static str,
    /// One line for the help.
    pub(crate) doc: &'static str,
}

/// A command line taken apart.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Words {
    flags: Vec<(&'static str, String)>,
    /// What was neither a flag nor a flag's value.
    pub(crate) names: Vec<String>,
    /// What came after `--`.
    pub(crate) command: Vec<String>,
}

impl Words {
    /// Takes `words` apart by the flags that are `known`.
    pub(crate) fn parse(words: &[String], known: &'static [Flag]) -> Result<Self> {
        let mut parsed = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                parsed.command = words.cloned().collect();
                break;
            }
            if !word.starts_with('-') {
                parsed.names.push(word.clone());
                continue;
            }
            let (name, inline) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_string())),
                None => (word.as_str(), None),
            };
            let Some(flag) = known.iter().find(|flag| flag.name == name) else {
                let names = known.iter().map(|flag| flag.name).chain(["--help"]);
                let hint = suggest::hint(name, names);
                return Err(Failure::usage(format!("there is no flag \"{name}\" here{hint}")));
            };
            let value = match (flag.value.is_empty(), inline) {
                (true, None) => String::new(),
                (true, Some(_)) => {
                    return Err(Failure::usage(format!("{name} takes no value")));
                }
                (false, Some(value)) => value,
                (false, None) => words.next().cloned().ok_or_else(|| {
                    Failure::usage(format!("{name} needs a value: {}", flag.value))
                })?,
            };
            parsed.flags.push((flag.name, value));
        }
        Ok(parsed)
    }

    /// Whether the flag was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.flags.iter().any(|(flag, _)| *flag == name)
    }

    /// The flag's values in the order given, each split at commas.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let given = self.flags.iter().filter(|(flag, _)| *flag == name);
        let parts = given.flat_map(|(_, value)| value.split(','));
        parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_string).collect()
    }

    /// The flag's value as a number, or `default` where it was not given.
    pub(crate) fn number(&self, name: &str, default: u64) -> Result<u64> {
        match self.flags.iter().rev().find(|(flag, _)| *flag == name) {
            None => Ok(default),
            Some((_, value)) => value
                .parse()
                .map_err(|_| Failure::usage(format!("{name} needs a number, not \"{value}\""))),
        }
    }

    /// The one name given, none, or a usage error that calls it `what`.
    pub(crate) fn at_most_one_name(&self, what: &str) -> Result<Option<&str>> {
        match self.names.as_slice() {
            [] => Ok(None),
            [name] => Ok(Some(name)),
            [_, extra, ..] => {
                Err(Failure::usage(format!("one {what} at most, and then came \"{extra}\"")))
            }
        }
    }

    /// Refuses names and a command, for commands that take neither.
    pub(crate) fn nothing_more(&self) -> Result<()> {
        match self.names.iter().chain(&self.command).next() {
            None => Ok(()),
            Some(extra) => Err(Failure::usage(format!("\"{extra}\" is not expected here"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        Flag { name: "--kernel", value: "NAME", doc: "" },
        Flag { name: "--quiet", value: "", doc: "" },
    ];

    fn parse(line: &str) -> Result<Words> {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        Words::parse(&words, FLAGS)
    }

    #[test]
    fn flags_names_and_the_command_are_told_apart() {
        let words = parse("--kernel 5.10,sid --kernel=6.1 exec --quiet -- uname --kernel").unwrap();
        assert_eq!(words.list("--kernel"), ["5.10", "sid", "6.1"]);
        assert!(words.has("--quiet"));
        assert_eq!(words.names, ["exec"]);
        assert_eq!(words.command, ["uname", "--kernel"]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |line| parse(line).unwrap_err().to_string();
        assert_eq!(
            message("--kernal 6.1"),
            "there is no flag \"--kernal\" here; did you mean \"--kernel\"?"
        );
        assert_eq!(message("--kernel"), "--kernel needs a value: NAME");
        assert_eq!(message("--quiet=yes"), "--quiet takes no value");
    }
}
