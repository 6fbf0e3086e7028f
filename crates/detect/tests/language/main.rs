//! Rule files as users write them: what they mean, what is said of those that are wrong, and that
//! no file whatever does harm.

mod bounds;
mod diagnostics;
mod fuzz;
mod semantics;
mod shown;
mod stock;

use detect::language::{Loaded, Severity, Source, load};

/// Loads one file.
fn file(text: &str) -> Loaded {
    load(&[Source { name: "a.yaml".into(), text: text.into() }])
}

/// Loads files called `a.yaml`, `b.yaml` and so on.
fn files(texts: &[&str]) -> Loaded {
    let named = |(name, text): (char, &&str)| Source {
        name: format!("{name}.yaml"),
        text: (*text).to_owned(),
    };
    load(&('a'..).zip(texts).map(named).collect::<Vec<_>>())
}

/// Loads one file that has no error.
fn good(text: &str) -> Loaded {
    let loaded = file(text);
    let errors: Vec<_> =
        loaded.diagnostics.iter().filter(|it| it.severity == Severity::Error).collect();
    assert!(errors.is_empty(), "{text}\n{errors:#?}");
    loaded
}

/// A rule with a condition, and what else it needs.
fn rule(name: &str, condition: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  condition: >\n    {condition}\n  output: o\n  priority: INFO\n"
    )
}
