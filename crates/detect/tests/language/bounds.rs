//! Files that are wrong in many ways, or made to do harm.

use std::time::{Duration, Instant};

use detect::language::code;

use crate::{file, files, good, rule};

#[test]
fn one_error_does_not_make_others() {
    let broken = "- macro: m\n  condition: a.b =\n- list: l\n  items: x\n";
    let text = format!("{broken}{}{}", rule("R", "m"), rule("S", "a.b exists"));
    let loaded = file(&text);
    let found: Vec<_> = loaded.diagnostics.iter().map(|it| it.subject.as_str()).collect();
    assert_eq!(found, ["macro \"m\"", "list \"l\""]);
    // Nor does it hide others, in any file.
    let second = format!("{}{}", rule("R", "a.b"), rule("S", "c.d"));
    let loaded = files(&["- rule: [\n", &second]);
    let found: Vec<_> = loaded.diagnostics.iter().map(|it| it.place.to_string()).collect();
    assert_eq!(found, ["a.yaml:1:9", "b.yaml:4:8", "b.yaml:10:8"]);
}

#[test]
fn bombs_are_refused() {
    let mut doubling = String::from("- macro: m0\n  condition: a.b exists\n");
    for level in 1..40 {
        let below = level - 1;
        doubling += &format!("- macro: m{level}\n  condition: m{below} and m{below}\n");
    }
    let mut lists = String::from("- list: l0\n  items: [a]\n");
    for level in 1..20 {
        let below = format!("l{}", level - 1);
        lists += &format!("- list: l{level}\n  items: [{}]\n", [below.as_str(); 10].join(", "));
    }
    let mut tower = String::from("- macro: m0\n  condition: a.b exists\n");
    for level in 1..3000 {
        tower += &format!("- macro: m{level}\n  condition: not m{}\n", level - 1);
    }
    let chain: String = (0..3000)
        .map(|level| format!("- macro: c{level}\n  condition: a.b exists\n"))
        .chain((0..2999).map(|level| format!("- macro: c{level}\n  condition: c{}\n", level + 1)))
        .collect();
    for (bomb, used, message) in [
        (&doubling, "m39", "comes to more than"),
        (&lists, "a.b in (l19)", "comes to more than"),
        (&tower, "m2999", "nests more than"),
        (&chain, "c0", "nests more than"),
    ] {
        let loaded = file(&format!("{bomb}{}", rule("R", used)));
        assert!(loaded.failed());
        let told = loaded.diagnostics.iter().any(|it| it.message.contains(message));
        assert!(told, "{message}: {:?}", loaded.diagnostics.first());
        assert!(loaded.ruleset.rules.is_empty());
    }
    let deep = format!("{}a.b exists{}", "(".repeat(1000), ")".repeat(1000));
    good(&rule("R", &deep));
    let many = vec!["a.b = c"; 20_000].join(" or ");
    good(&rule("R", &many));
}

#[test]
fn what_a_macro_says_is_told_once() {
    let text = format!(
        "- macro: m\n  condition: evt.dir = <\n{}{}",
        rule("R", "m and a.b = 1"),
        rule("S", "m")
    );
    let found = good(&text).diagnostics;
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!((found[0].code, found[0].place.line), (code::DEPRECATED_ITEM, 2));
}

#[test]
fn many_mistakes_take_no_time() {
    let unknown = |at| format!("- macro: abcdefgh{at}\n  condition: abcdefgi{at}\n");
    let text: String = (0..5_000).map(unknown).collect();
    let start = Instant::now();
    assert_eq!(file(&text).diagnostics.len(), 5_000);
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
