//! The project's own rules, in `rules/`: they compile without a word, each fires on what it is for,
//! and all of them together are silent on what is ordinary.

mod events;
mod rows;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use detect::language::{Loaded, Source, load};
use detect::novelty::{Limits, Novelty};
use detect::{Alert, Detector, Matching, Nameless, Options, Program, compile};

/// The folder of all rules.
fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules")
}

/// The folders of rules, sorted.
fn folders() -> Vec<PathBuf> {
    let entries = fs::read_dir(rules()).expect("rules/");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

fn source(path: &Path) -> Source {
    let name = path.strip_prefix(rules()).unwrap_or(path).display().to_string();
    Source { name, text: fs::read_to_string(path).expect("a rule file") }
}

/// What is shared, and the rules of these folders.
fn sources(folders: &[PathBuf]) -> Vec<Source> {
    let shared = source(&rules().join("common.yaml"));
    let own = folders.iter().map(|folder| source(&folder.join("rule.yaml")));
    std::iter::once(shared).chain(own).collect()
}

/// Those rules, none of which may have anything wrong.
fn program(folders: &[PathBuf]) -> (Arc<Program>, Loaded) {
    let sources = sources(folders);
    let loaded = load(&sources);
    let options = Options { matching: Matching::All, ..Options::default() };
    let (program, compiled) = compile(&loaded.ruleset, &rows::tables(), &options);
    // Of a folder alone not every macro and list is used.
    let all = folders.len() > 1;
    let unused = |code: &str| !all && code.contains("UNUSED");
    let said = loaded.diagnostics.iter().chain(&compiled).filter(|it| !unused(it.code));
    let said: Vec<String> = said.map(|it| it.render(&sources)).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    (Arc::new(program), loaded)
}

/// What the rules say of the rows of a file.
fn alerts(program: &Arc<Program>, file: &Path) -> Vec<Alert> {
    let text = fs::read_to_string(file).unwrap_or_else(|_| panic!("{} is missing", file.display()));
    let novelty = Arc::new(Novelty::new(Limits::default()));
    let mut detector = Detector::new(program.clone(), Arc::new(Nameless::default()), novelty);
    let mut alerts = Vec::new();
    for batch in rows::read(&text, &file.display().to_string()) {
        detector.detect(&[batch], |alert| alerts.push(alert));
    }
    alerts
}

fn said(alerts: &[Alert]) -> String {
    let one = |alert: &Alert| format!("{}: {}\n  {}", alert.rule.name, alert.message, alert.why());
    alerts.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn all_of_them_compile_without_a_word() {
    let (program, loaded) = program(&folders());
    assert_eq!(program.len(), loaded.ruleset.rules.len());
    assert!(program.len() >= 20, "there are {}", program.len());
}

#[test]
fn each_is_described_tagged_and_in_the_table() {
    let table = fs::read_to_string(rules().join("../docs/rules.md")).expect("docs/rules.md");
    for folder in folders() {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (_, loaded) = program(std::slice::from_ref(&folder));
        assert!(!loaded.ruleset.rules.is_empty(), "{name} has no rule");
        let readme = fs::read_to_string(folder.join("README.md")).expect("README.md");
        assert!(table.contains(&format!("../rules/{name}/")), "docs/rules.md lacks {name}");
        for rule in &loaded.ruleset.rules {
            let has = |of: &dyn Fn(&str) -> bool| rule.tags.iter().any(|tag| of(tag));
            assert!(has(&|tag| tag.starts_with("maturity_")), "{}: maturity", rule.name);
            assert!(has(&|tag| tag.starts_with("mitre_")), "{}: tactic", rule.name);
            let techniques = rule.tags.iter().filter(|tag| tag.starts_with('T'));
            let techniques: Vec<&String> = techniques.collect();
            assert!(!techniques.is_empty(), "{}: technique", rule.name);
            for technique in techniques {
                let link = format!("attack.mitre.org/techniques/{}", technique.replace('.', "/"));
                assert!(readme.contains(&link), "{name}/README.md lacks {link}");
            }
            assert!(readme.contains(&rule.name), "{name}/README.md does not name {}", rule.name);
        }
    }
}

#[test]
fn each_fires_on_what_it_is_for() {
    let mut wrong = Vec::new();
    for folder in folders() {
        let (program, loaded) = program(std::slice::from_ref(&folder));
        let alerts = alerts(&program, &folder.join("fires.jsonl"));
        let fired: BTreeSet<&str> = alerts.iter().map(|alert| alert.rule.name.as_str()).collect();
        let of_rules = loaded.ruleset.rules.iter().map(|rule| rule.name.as_str());
        let silent: Vec<&str> = of_rules.filter(|rule| !fired.contains(rule)).collect();
        if !silent.is_empty() {
            wrong.push(format!("{}: silent: {silent:?}", folder.display()));
        }
        println!("{}", said(&alerts));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_together_are_silent_on_what_is_ordinary() {
    let folders = folders();
    let (program, _) = program(&folders);
    let mut wrong = Vec::new();
    for folder in &folders {
        let alerts = alerts(&program, &folder.join("silent.jsonl"));
        if !alerts.is_empty() {
            wrong.push(format!("{}:\n{}", folder.display(), said(&alerts)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
