//! `new-signal`: starts a signal that builds, is listed, and sees something; the rest is editing.

mod register;

use std::fs;
use std::path::Path;

use crate::cli::Command;
use crate::failure::{Context, Failure, Result};
use crate::place;
use crate::run::say;

pub(crate) const COMMAND: Command = Command {
    name: "new-signal",
    usage: "NAME",
    about: "Starts a signal: its folder from templates, and its line wherever signals are listed",
    more: "NAME is one lower-case word. What is written builds and passes its tests: it reports threads\n\
           that rename themselves. Change the hook, the record and the columns to what you want to see.",
    flags: &[],
    examples: &[("new-signal dns", "signals/dns, with the package signal-dns")],
    run: |words| {
        let name = words.at_most_one_name("NAME")?.ok_or_else(|| Failure::usage("which NAME?"))?;
        create(&place::root(), name)
    },
};

/// The files of a signal: where each goes, and what it starts as.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("signal/Cargo.toml.in")),
    ("build.rs", include_str!("signal/build.rs.in")),
    ("README.md", include_str!("signal/README.md.in")),
    ("wire.h", include_str!("signal/wire.h.in")),
    ("@name@.bpf.c", include_str!("signal/signal.bpf.c.in")),
    ("src/lib.rs", include_str!("signal/lib.rs.in")),
    ("src/event.rs", include_str!("signal/event.rs.in")),
    ("src/decode.rs", include_str!("signal/decode.rs.in")),
    ("tests/decode.rs", include_str!("signal/tests.decode.rs.in")),
    ("tests/kernel.rs", include_str!("signal/tests.kernel.rs.in")),
];

fn create(root: &Path, name: &str) -> Result<()> {
    check_name(name)?;
    let folder = root.join("signals").join(name);
    if folder.exists() {
        return Err(Failure::new(format!("signals/{name} is there already")));
    }
    // Before anything is written: what cannot be listed is not begun.
    let lists = register::plan(root, name)?;
    for (path, text) in FILES {
        let path = folder.join(filled(path, name));
        let parent = path.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).context(|| parent.display().to_string())?;
        fs::write(&path, filled(text, name)).context(|| path.display().to_string())?;
    }
    for (path, text) in lists {
        fs::write(&path, text).context(|| path.display().to_string())?;
        say(format!("listed in {}", path.strip_prefix(root).unwrap_or(&path).display()));
    }
    say(format!("signals/{name} is there; next: cargo test -p signal-{name}"));
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let word = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    // The kernel cuts program names at 15 letters; the hook's name has to fit as well.
    if word && name.len() <= 10 {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "\"{name}\": a signal is one lower-case word of at most ten letters"
    )))
}

fn filled(text: &str, name: &str) -> String {
    let mut letters = name.chars();
    let camel: String =
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    text.replace("@name@", name).replace("@NAME@", &name.to_uppercase()).replace("@Name@", &camel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_short_word() {
        assert!(check_name("dns").is_ok());
        for wrong in ["", "Dns", "dns-over", "9p", "averylongname"] {
            assert_eq!(check_name(wrong).unwrap_err().code(), 2, "{wrong}");
        }
    }

    #[test]
    fn every_place_is_filled() {
        for (path, text) in FILES {
            let text = filled(path, "dns") + &filled(text, "dns");
            assert!(!text.to_lowercase().contains("@name@"), "{path}");
        }
        assert_eq!(filled("@name@ @NAME@ @Name@", "dns"), "dns DNS Dns");
    }
}
