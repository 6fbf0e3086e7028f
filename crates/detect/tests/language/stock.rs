//! Falco's own stable rules, where they are at hand. They are data to test with and not part of
//! the project.

use std::path::Path;

use detect::language::{Priority, Severity, Source, load};

/// The text of the stock file.
fn stock() -> Option<String> {
    let near = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let places = [near, "/work/shared"];
    let mut files = places.iter().map(|it| Path::new(it).join("data/falco_rules.yaml"));
    files.find_map(|file| std::fs::read_to_string(file).ok())
}

#[test]
fn the_stock_file_loads_with_all_of_its_rules() {
    let Some(text) = stock() else {
        return testkit::watch::not_run("the stock rules", "../shared is not here");
    };
    let sources = [Source { name: "falco_rules.yaml".into(), text }];
    let loaded = load(&sources);
    for found in &loaded.diagnostics {
        println!("{}", found.render(&sources));
    }
    assert!(!loaded.failed());
    assert!(loaded.diagnostics.iter().all(|it| it.severity == Severity::Warning));
    let rules = &loaded.ruleset.rules;
    assert_eq!(rules.len(), 25);
    assert!(rules.iter().all(|rule| rule.enabled && rule.source == "syscall"));
    let count = |priority| rules.iter().filter(|rule| rule.priority == priority).count();
    assert_eq!(
        [Priority::Warning, Priority::Notice, Priority::Critical, Priority::Informational]
            .map(count),
        [14, 7, 3, 1]
    );
    // What a condition comes to, at most, as was counted before by other means.
    let atoms = rules.iter().map(|rule| {
        let mut atoms = 0;
        rule.condition.checks(&mut |_| atoms += 1);
        atoms
    });
    assert_eq!(atoms.max(), Some(70));
    // Every field's name stands in the file where it says.
    let lines: Vec<&str> = sources[0].text.lines().collect();
    for rule in rules {
        rule.condition.checks(&mut |check| {
            let place = &check.field.place;
            let there = lines[place.line - 1].get(place.column - 1..).unwrap_or("");
            assert!(there.starts_with(&check.field.name), "{}: {place}: {there}", check.field.name);
        });
    }
}
