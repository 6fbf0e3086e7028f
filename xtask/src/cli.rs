//! From the command line to a command: dispatch, help, and what is said about a wrong word.

use crate::command_line::{Flag, Words};
use crate::commands::COMMANDS;
use crate::failure::{Context, Failure, Result};
use crate::suggest;

/// A command of `cargo xtask`: all that the dispatch and the help need to know about it.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// The words after the name, as the help shows them.
    pub(crate) usage: &'static str,
    /// One line for the list of commands.
    pub(crate) about: &'static str,
    /// What a user should know before running it.
    pub(crate) more: &'static str,
    pub(crate) flags: &'static [Flag],
    /// Lines that can be pasted: the command and what it does.
    pub(crate) examples: &'static [(&'static str, &'static str)],
    pub(crate) run: fn(&Words) -> Result<()>,
}

/// Runs what the words after `cargo xtask` ask for.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let Some((name, rest)) = words.split_first() else {
        print!("{}", overview());
        return Err(Failure::usage("which command?"));
    };
    if matches!(name.as_str(), "-h" | "--help" | "help") {
        return help(rest.first().map(String::as_str));
    }
    let command = find(name)?;
    // After `--` the words belong to the command that is to be run, its --help too.
    let own = rest.split(|word| word == "--").next().unwrap_or_default();
    if own.iter().any(|word| matches!(word.as_str(), "-h" | "--help")) {
        return help(Some(name));
    }
    let parsed = Words::parse(rest, command.flags)
        .context(|| format!("{name} (see `cargo xtask {name} --help`)"))?;
    (command.run)(&parsed)
}

fn help(name: Option<&str>) -> Result<()> {
    match name {
        None => print!("{}", overview()),
        Some(name) => print!("{}", page(find(name)?)),
    }
    Ok(())
}

fn find(name: &str) -> Result<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name).ok_or_else(|| {
        let hint = suggest::hint(name, COMMANDS.iter().map(|command| command.name));
        Failure::usage(format!("there is no command \"{name}\"{hint} (see `cargo xtask --help`)"))
    })
}

fn overview() -> String {
    let mut text = String::from(
        "Sets up, builds, shows, tests and measures Fathom.\n\nUsage: cargo xtask COMMAND\n\n",
    );
    for command in COMMANDS {
        text += &format!("  {:<12} {}\n", command.name, command.about);
    }
    text + "\n`cargo xtask COMMAND --help` says more, with examples.\n"
}

fn page(command: &Command) -> String {
    let mut text =
        format!("{}\n\nUsage: cargo xtask {} {}\n", command.about, command.name, command.usage);
    if !command.more.is_empty() {
        text += &format!("\n{}\n", command.more);
    }
    if !command.flags.is_empty() {
        text += "\nFlags:\n";
    }
    for flag in command.flags {
        text += &format!("  {:<26} {}\n", format!("{} {}", flag.name, flag.value), flag.doc);
    }
    text += "\nExamples:\n";
    for (line, what) in command.examples {
        text += &format!("  cargo xtask {line:<40} {what}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_an_example() {
        for command in COMMANDS {
            assert!(
                page(command).contains(&format!("cargo xtask {}", command.name)),
                "{}",
                command.name
            );
            assert!(!command.examples.is_empty(), "{}", command.name);
        }
    }

    #[test]
    fn a_wrong_command_is_a_usage_error_with_a_hint() {
        let failure = run(&["tets".to_string()]).unwrap_err();
        assert_eq!(failure.code(), 2);
        assert!(failure.to_string().contains("did you mean \"test\"?"), "{failure}");
    }
}
