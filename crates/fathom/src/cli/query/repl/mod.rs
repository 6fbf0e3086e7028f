//! The prompt: questions one after the other, with a history and completion.

mod statements;
mod words;

use std::borrow::Cow;
use std::fs::{self, DirBuilder};
use std::io::{self, IsTerminal};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use export::ink::{Line, Style as LineStyle};
use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::super::output;
use super::ask::Asking;
use super::form::Style;
use super::listed::{Column, Listed};
use super::refuse_binary;
use super::source::Failure;
use super::target::say;
use super::trouble::Origin;
use words::{COMMANDS, FORMATS, Words};

const PROMPT: &str = "fathom> ";
/// Questions that are remembered.
const HISTORY: usize = 2_000;

/// Asks until the user has had enough.
pub(super) fn run(mut asking: Asking) -> Result<ExitCode> {
    let tables = match asking.source.tables(&asking.interrupt) {
        Ok(tables) => tables,
        Err(failure) => {
            let why = match failure {
                Failure::Problem(problem) => problem.to_string(),
                Failure::Way(problem) => problem.to_string(),
                Failure::Interrupted => "interrupted".to_string(),
            };
            eprintln!("fathom: no names to complete: {why}");
            Vec::new()
        }
    };
    let colour = output::looks(io::stdout().is_terminal()).colour;
    let mut editor = editor(Reader { words: Words { tables }, colour })?;
    let history = history();
    if let Some(path) = &history {
        // There is none the first time.
        let _ = editor.load_history(path);
    }
    eprintln!("A question ends with `;`. \\help says what else there is, \\q leaves.");
    loop {
        let input = match editor.readline(PROMPT) {
            Ok(input) => input,
            // Ctrl-C takes back what was typed.
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("cannot read from the terminal"),
        };
        if input.trim().is_empty() {
            continue;
        }
        let _ = editor.add_history_entry(input.trim());
        if let Some(path) = &history {
            // At once: what is killed later has its history. Without one, all else works.
            let _ = editor.append_history(path);
        }
        let words = editor.helper().map(|reader| &reader.words);
        let tables = words.map_or(&[][..], |words| &words.tables);
        match Input::of(&input) {
            Input::Leave => break,
            Input::Help => say(&help())?,
            Input::Describe(name) => describe(tables, name)?,
            Input::Form(name) => asking.style = form(name, asking.style, &asking.target),
            Input::Timing => {
                asking.timing = !asking.timing;
                eprintln!("timing is {}", if asking.timing { "on" } else { "off" });
            }
            Input::Unknown(command) => {
                eprintln!("there is no `{command}`; \\help says what there is")
            }
            Input::Questions => {
                for sql in statements::split(&input).0 {
                    asking.interrupt.rearm();
                    match asking.answer(&Origin { file: None, sql }) {
                        Err(error) if output::is_broken_pipe(&error) => return Err(error),
                        Err(error) => eprintln!("{error:#}"),
                        Ok(_) => {}
                    }
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
enum Input<'a> {
    Questions,
    Leave,
    Help,
    Timing,
    Describe(Option<&'a str>),
    Form(Option<&'a str>),
    Unknown(&'a str),
}

impl Input<'_> {
    fn of(input: &str) -> Input<'_> {
        let plain = input.trim().trim_end_matches(';').trim_end();
        let (command, rest) = plain.split_once(char::is_whitespace).unwrap_or((plain, ""));
        let rest = Some(rest.trim()).filter(|rest| !rest.is_empty());
        match command {
            "\\q" | "\\quit" | "exit" | "quit" => Input::Leave,
            "\\help" | "\\h" | "\\?" | "help" => Input::Help,
            "\\timing" => Input::Timing,
            "\\d" | "\\dt" => Input::Describe(rest),
            "\\o" => Input::Form(rest),
            command if command.starts_with('\\') => Input::Unknown(command),
            _ => Input::Questions,
        }
    }
}

fn editor(reader: Reader) -> Result<Editor<Reader, FileHistory>> {
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .history_ignore_space(true)
        .tab_stop(4)
        .build();
    let mut editor = Editor::with_config(config).context("cannot use the terminal")?;
    editor.set_max_history_size(HISTORY).context("cannot keep a history")?;
    editor.set_helper(Some(reader));
    Ok(editor)
}

/// `$XDG_STATE_HOME/fathom/history`, or where that is by default. Its folder is made; none where
/// it cannot be.
fn history() -> Option<PathBuf> {
    let from = |name: &str, rest: &str| {
        let path = PathBuf::from(std::env::var_os(name)?).join(rest);
        path.is_absolute().then_some(path)
    };
    let state = from("XDG_STATE_HOME", "").or_else(|| from("HOME", ".local/state"))?;
    let folder = state.join("fathom");
    make(&folder).ok()?;
    Some(folder.join("history"))
}

/// Makes a folder that nobody else reads: questions may name what is private.
fn make(folder: &Path) -> io::Result<()> {
    match fs::metadata(folder) {
        Ok(_) => Ok(()),
        Err(_) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
    }
}

fn help() -> String {
    let mut text = "A question is SQL and ends with `;`. Ctrl-C breaks it off.\n".to_string();
    for (command, what) in COMMANDS {
        text.push_str(&format!("  {command:<12}{what}\n"));
    }
    text
}

/// Writes the tables, or the columns of one.
fn describe(tables: &[Listed], name: Option<&str>) -> Result<()> {
    let looks = output::looks(io::stdout().is_terminal());
    let mut text = Vec::new();
    let mut write = |line: Line| {
        let room = looks.width.map_or(usize::MAX, usize::from);
        line.trim().cut(room).write(&mut text, looks.colour);
    };
    let Some(name) = name else {
        let widest = tables.iter().map(|table| table.name.len()).max().unwrap_or(0);
        for table in tables {
            let mut line = Line::default();
            line.put(LineStyle::Plain, format!("{:<widest$}  ", table.name));
            line.put(LineStyle::Dim, table.doc.replace('\n', " "));
            write(line);
        }
        return say(&String::from_utf8_lossy(&text));
    };
    let Some(table) = tables.iter().find(|table| table.name == name) else {
        let distance = |table: &&Listed| super::super::tables::distance(name, &table.name);
        match tables.iter().min_by_key(distance) {
            Some(nearest) => {
                eprintln!("there is no table `{name}`; did you mean `{}`?", nearest.name)
            }
            None => eprintln!("there is no table `{name}`"),
        }
        return Ok(());
    };
    let width = |of: fn(&Column) -> &str| table.columns.iter().map(|it| of(it).len()).max();
    let (names, kinds) = (width(|it| &it.name).unwrap_or(0), width(|it| &it.kind).unwrap_or(0));
    say(&format!("{}\n", table.doc.trim_end()))?;
    for Column { name, kind, doc } in &table.columns {
        let mut line = Line::default();
        line.put(LineStyle::Plain, format!("  {name:<names$}  {kind:<kinds$}  "));
        line.put(LineStyle::Dim, doc.replace('\n', " "));
        write(line);
    }
    say(&String::from_utf8_lossy(&text))
}

/// The form called `name`; `now`, and why, where there is none.
fn form(name: Option<&str>, now: Style, target: &super::Target) -> Style {
    let Some(name) = name else {
        let name = now.to_possible_value().map_or_else(String::new, |it| it.get_name().to_string());
        eprintln!("answers are written as {name}; \\o {} changes it", FORMATS.join("|"));
        return now;
    };
    match Style::from_str(name, true) {
        Ok(style) => match refuse_binary(style, target) {
            Ok(()) => style,
            Err(why) => {
                eprintln!("{why}");
                now
            }
        },
        Err(_) => {
            eprintln!("there is no form `{name}`; there are {}", FORMATS.join(", "));
            now
        }
    }
}

/// What the editor asks while a line is typed.
struct Reader {
    words: Words,
    colour: bool,
}

impl Helper for Reader {}

impl Completer for Reader {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.words.complete(line, position))
    }
}

impl Validator for Reader {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let input = context.input();
        let whole = input.trim().is_empty()
            || Input::of(input) != Input::Questions
            || statements::split(input).1;
        Ok(if whole { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Hinter for Reader {
    type Hint = String;
}

impl Highlighter for Reader {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        default: bool,
    ) -> Cow<'b, str> {
        match self.colour && default {
            true => Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m")),
            false => Cow::Borrowed(prompt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_questions() {
        assert_eq!(Input::of("select 1;"), Input::Questions);
        assert_eq!(Input::of(" \\d  file_open ; "), Input::Describe(Some("file_open")));
        assert_eq!(Input::of("\\d"), Input::Describe(None));
        assert_eq!(Input::of("exit;"), Input::Leave);
        assert_eq!(Input::of("\\x"), Input::Unknown("\\x"));
    }
}
