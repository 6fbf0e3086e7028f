//! `tidy`: the rules of the house that a program can check.
//!
//! Each rule is data in one of the modules below; what breaks one is printed as `file:line: what`.

mod lexer;
mod listing;
mod rooms;
mod sources;

use std::fmt;

use crate::cli::Command;
use crate::failure::{Failure, Result};
use crate::json::Json;
use crate::place;
use crate::run;

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    usage: "",
    about: "Checks the rules of the house: who may name whom, file names and sizes, unsafe code",
    more: "Prints `file:line: what` for everything that breaks a rule and ends with exit code 1.",
    flags: &[],
    examples: &[("tidy", "in under a second; `test` and `ci` do it too")],
    run: |words| {
        words.nothing_more()?;
        match findings()?.len() {
            0 => Ok(()),
            count => Err(Failure::new(format!("{count} findings"))),
        }
    },
};

/// A rule broken, and where.
#[derive(Debug, PartialEq)]
pub(crate) struct Finding {
    file: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(file: impl Into<String>, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.into(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// One of our own packages, as cargo knows it.
struct Package {
    name: String,
    /// Below the root: `signals/file`.
    folder: String,
    dependencies: Vec<Dependency>,
}

/// That one of our packages names another.
struct Dependency {
    name: String,
    folder: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Normal,
    Build,
    Dev,
}

/// Checks everything; prints what it finds and hands it back.
pub(crate) fn findings() -> Result<Vec<Finding>> {
    let packages = packages()?;
    let mut findings = rooms::check(&packages);
    findings.extend(listing::check(&packages));
    findings.extend(sources::check(&packages)?);
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    for finding in &findings {
        println!("{finding}");
    }
    Ok(findings)
}

fn packages() -> Result<Vec<Package>> {
    let metadata = run::output(place::cargo().args([
        "metadata",
        "--format-version=1",
        "--no-deps",
        "--offline",
    ]))?;
    let metadata = Json::parse(&metadata)?;
    let root = metadata.get("workspace_root").text();
    Ok(metadata.get("packages").list().iter().map(|package| read(package, root)).collect())
}

fn read(package: &Json, root: &str) -> Package {
    let below = |path: &str| path.strip_prefix(root).unwrap_or(path).trim_matches('/').to_string();
    let manifest = below(package.get("manifest_path").text());
    let dependency = |dependency: &Json| {
        let kind = match dependency.get("kind").text() {
            "build" => Kind::Build,
            "dev" => Kind::Dev,
            _ => Kind::Normal,
        };
        let path = dependency.get("path").text();
        // Only our own have a path.
        (!path.is_empty()).then(|| Dependency {
            name: dependency.get("name").text().into(),
            folder: below(path),
            kind,
        })
    };
    Package {
        name: package.get("name").text().into(),
        folder: manifest.trim_end_matches("Cargo.toml").trim_end_matches('/').into(),
        dependencies: package.get("dependencies").list().iter().filter_map(dependency).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_off_what_cargo_says() {
        let text = r#"{"name":"signal-file","manifest_path":"/w/signals/file/Cargo.toml","dependencies":[
            {"name":"wire","kind":null,"path":"/w/crates/wire"},{"name":"libc","kind":null},
            {"name":"testkit","kind":"dev","path":"/w/crates/testkit"}]}"#;
        let package = read(&Json::parse(text).unwrap(), "/w");
        assert_eq!(
            (package.name.as_str(), package.folder.as_str()),
            ("signal-file", "signals/file")
        );
        let names: Vec<&str> = package.dependencies.iter().map(|d| d.folder.as_str()).collect();
        assert_eq!(names, ["crates/wire", "crates/testkit"]);
        assert!(package.dependencies[1].kind == Kind::Dev);
    }

    #[test]
    fn a_finding_can_be_clicked() {
        assert_eq!(Finding::new("a/b.rs", 7, "too long").to_string(), "a/b.rs:7: too long");
    }
}
