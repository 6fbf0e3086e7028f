//! Damaged files and texts: nothing panics, nothing takes long, and what was put in at a known
//! place is found there.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use detect::language::{Severity, Source, load, parse_condition};
use proptest::prelude::*;
use testkit::rng::Rng;

use crate::shown::shown;

const FILES: [&str; 3] = [
    r#"# Rules to be damaged.
- required_engine_version: 0.57.0

- required_plugin_versions:
  - name: container
    version: 0.4.0

- list: shells
  items: [bash, zsh, 'ba sh', '"sh -c"', 5]

- list: all_shells
  items:
    - shells
    - fish

- list: none
  items: []

- macro: started
  condition: (evt.type in (execve, execveat) and evt.res = SUCCESS)

- macro: in_container
  condition: >-
    container.id != host
    and not container.id = ""

- rule: Shell in a container
  desc: >
    A shell was started
    in a container.
  condition: >
    started and in_container

    and proc.name in (all_shells, none)
    and (not proc.pname exists
      or proc.aname[2] startswith "cron"
      or tolower(proc.exe) = val(proc.pexe))
    and fd.num >= 0x1f
  output: A shell (user=%user.name command=%proc.cmdline %container.info)
  priority: NOTICE
  tags: [container, shell, T1059]
"#,
    r#"- rule: &name Written by hand
  desc: "quoted \"text\" é"
  condition: "fd.name glob '/etc/*' or fd.name regex \"^/x\\\\d+$\"
    or join('-', (proc.name, proc.pid)) contains anyof (a, b)"
  output: 'it''s %fd.name'
  priority: CRITICAL
  source: syscall
  enabled: true
  exceptions:
    - name: one
      fields: proc.name
      values: [a, b c]
    - name: two
      fields: [proc.name, fd.name]
      comps: [in, startswith]
      values:
        - [[x, y], /tmp]
        - [z, /var]
- rule: *name
  exceptions:
    - name: one
      values: [d]
  condition: and fd.num > 5
  override:
    exceptions: append
    condition: append
---
- rule: *gone
- macro: m
  condition: |
    a.b exists
      and c.d = 1
- macro: m
  condition: or e.f = 2
  append: true
"#,
    "- {rule: Flow, desc: d, condition: 'a.b = 1', output: o, priority: INFO, tags: [a, b]}\r\n\
     - <<: &x {desc: d, output: o}\r\n  rule: B\r\n  condition: not(a.b = 1)and c.d in ()\r\n  priority: debug\r\n\
     - {rule: Flow, enabled: false}\r\n",
];

const TOKENS: [&str; 48] = [
    " ",
    "\n",
    "\r\n",
    "\t",
    "  ",
    "\n\n",
    "- ",
    ": ",
    ":",
    "#",
    "'",
    "\"",
    "\\",
    "|",
    ">",
    ">-",
    "|2-\n",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    "&x ",
    "*x",
    "<<: ",
    "!!str ",
    "---\n",
    "...\n",
    "%",
    "%YAML 1.2\n",
    "? ",
    "~",
    "\0",
    "\u{feff}",
    "é",
    "🦀",
    "\u{85}",
    "\u{2028}",
    " and ",
    " or ",
    " not ",
    " exists ",
    " in (",
    "= ",
    "rule: ",
    "override: {condition: append}",
];

/// Damages a text a few times.
fn damage(rng: &mut Rng, text: &mut Vec<char>) {
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(text.len() + 1);
        let end = (at + rng.below(12)).min(text.len());
        match rng.below(8) {
            0 => drop(text.drain(at..end)),
            1 => drop(text.splice(at..at, rng.pick(&TOKENS).chars())),
            2 => drop(text.splice(at..end, rng.pick(&TOKENS).chars())),
            3 => text.truncate(at),
            4 => {
                let part: Vec<char> = text[at..end].to_vec();
                let to = rng.below(text.len() + 1);
                text.splice(to..to, part);
            }
            5 => {
                // A whole line goes, or comes twice.
                let start = text[..at].iter().rposition(|&it| it == '\n').map_or(0, |it| it + 1);
                let end = text[at..]
                    .iter()
                    .position(|&it| it == '\n')
                    .map_or(text.len(), |it| at + it + 1);
                let line: Vec<char> = text[start..end].to_vec();
                match rng.below(2) {
                    0 => drop(text.drain(start..end)),
                    _ => drop(text.splice(start..start, line)),
                }
            }
            6 if at < text.len() => text[at] = char::from(rng.below(128) as u8),
            7 => {
                // What is deep is deep in earnest.
                let sign = rng.pick(&["(", "[", "{", "not ", "- ", "tolower(", " ", "? "]);
                let many = sign.repeat(rng.below(3000));
                text.splice(at..at, many.chars());
            }
            _ => {}
        }
    }
}

#[test]
fn ten_thousand_damaged_files_do_no_harm() {
    let mut rng = Rng::new(20_261_122);
    let (mut refused, mut slowest) = (0, Duration::ZERO);
    for round in 0..10_000 {
        let mut text: Vec<char> = rng.pick(&FILES).chars().collect();
        damage(&mut rng, &mut text);
        let text: String = text.into_iter().collect();
        let sources = [
            Source { name: "damaged.yaml".into(), text },
            Source { name: "whole.yaml".into(), text: FILES[0].into() },
        ];
        let start = Instant::now();
        let checked = catch_unwind(AssertUnwindSafe(|| {
            let loaded = load(&sources);
            for found in &loaded.diagnostics {
                let source = sources.iter().find(|it| *it.name == *found.place.file).unwrap();
                let lines = source.text.split(['\n', '\r']).count();
                assert!((1..=lines).contains(&found.place.line), "{found}");
                assert!(found.place.column >= 1 && !found.message.is_empty(), "{found}");
                assert!(found.render(&sources).lines().count() >= 2);
            }
            loaded.failed()
        }));
        slowest = slowest.max(start.elapsed());
        match checked {
            Ok(failed) => refused += usize::from(failed),
            Err(_) => panic!("round {round}:\n{}", sources[0].text),
        }
    }
    println!("10,000 damaged files: {refused} refused, the slowest took {slowest:?}");
    assert!(refused > 5_000, "the damage is too small: {refused}");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
}

/// A condition on lines of its own, without blanks in quotes, whose lines end where a value or a
/// parenthesis does: a `=` fits nowhere in it, and what follows it stands on its line.
const CONDITION: [&str; 7] = [
    "( evt.type in ( open , openat ) or started )",
    "and not ( proc.name in ( shells , fish )",
    "or proc.aname[2] startswith \"cr\\\"on\"",
    "or tolower( proc.exe ) = val( proc.pexe ) )",
    "and fd.num >= 0x1f and fd.num < 99",
    "and fd.name endswith anyof ( .so , .a )",
    "and not fd.name pmatch ( /usr , /lib )",
];

/// The condition in one of the ways in which YAML has it, from the line after the key.
fn written(style: usize, lines: &[String]) -> String {
    let indented =
        |lines: &[String]| lines.iter().map(|it| format!("\n    {it}")).collect::<String>();
    let escaped = |with: &dyn Fn(&str) -> String| -> Vec<String> {
        lines.iter().map(|it| with(it)).collect()
    };
    match style {
        0 => format!(" >{}", indented(lines)),
        1 => format!(" |{}", indented(lines)),
        2 => format!(" >-  # folded{}", indented(lines)),
        3 => indented(lines),
        4 => format!(
            " \"{}\"",
            &indented(&escaped(&|it| it.replace('\\', "\\\\").replace('"', "\\\"")))
        ),
        _ => format!(" '{}'", &indented(&escaped(&|it| it.replace('\'', "''")))),
    }
}

#[test]
fn a_sign_in_the_wrong_place_is_found_there() {
    let mut rng = Rng::new(7);
    for round in 0..3_000 {
        let mut lines: Vec<String> = CONDITION.iter().map(|it| (*it).to_owned()).collect();
        let bad = rng.below(lines.len());
        let gaps: Vec<usize> = lines[bad].match_indices(' ').map(|(at, _)| at).collect();
        let gap = *rng.pick(&gaps);
        lines[bad].insert_str(gap, " =");
        let before: String = (0..rng.below(4)).map(|_| "# a line\n").collect();
        let text = format!(
            "{before}- macro: started\n  condition: evt.type = execve\n- list: shells\n  items: [bash]\n\
             - rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition:{}\n",
            written(round % 6, &lines)
        );
        let sources = [Source { name: "a.yaml".into(), text }];
        let loaded = load(&sources);
        let all: String = loaded.diagnostics.iter().map(|it| it.render(&sources)).collect();
        let errors: Vec<_> =
            loaded.diagnostics.iter().filter(|it| it.severity == Severity::Error).collect();
        assert_eq!(errors.len(), 1, "{}\n{all}", sources[0].text);
        let line = before.lines().count() + 10 + bad;
        assert_eq!(errors[0].place.line, line, "{}\n{all}", sources[0].text);
        // The place is that of the sign itself, or of what cannot follow it.
        let there = sources[0].text.lines().nth(line - 1).unwrap();
        let sign = there.find(&lines[bad][..gap].replace('\\', "")).map_or(0, |it| it + gap);
        let column = errors[0].place.column;
        assert!(column > sign && column <= sign + 16, "{sign}\n{all}");
    }
}

#[test]
fn a_broken_rule_among_many_is_told_and_the_others_are_not() {
    // What to put in the place of what, and the line of the rule that is told.
    const BREAKS: [(&str, &str, usize); 8] = [
        ("priority: INFO", "priority: LOUD", 5),
        ("  output: o\n", "", 0),
        ("desc: d", "desc: {d: e}", 1),
        ("tags: [t]", "tags: t", 6),
        ("tags: [t]", "enabled: perhaps", 6),
        ("and c.d = 2", "and c.d 2", 3),
        ("and c.d = 2", "and nobody", 3),
        ("values: [x]", "values: x", 10),
    ];
    let mut rng = Rng::new(11);
    for _ in 0..1_000 {
        let count = 1 + rng.below(12);
        let broken = rng.below(count);
        let (from, to, line) = *rng.pick(&BREAKS);
        let mut rules: Vec<String> = (0..count)
            .map(|at| {
                format!(
                    "- rule: R{at}\n  desc: d\n  condition: a.b = {at}\n    and c.d = 2\n  output: o\n  \
                     priority: INFO\n  tags: [t]\n  exceptions:\n  - name: e\n    fields: f.n\n    \
                     values: [x]\n"
                )
            })
            .collect();
        assert!(rules[broken].contains(from));
        rules[broken] = rules[broken].replace(from, to);
        let sources = [Source { name: "a.yaml".into(), text: rules.concat() }];
        let loaded = load(&sources);
        let all: String = loaded.diagnostics.iter().map(|it| it.render(&sources)).collect();
        assert_eq!(loaded.diagnostics.len(), 1, "{all}");
        let found = &loaded.diagnostics[0];
        assert_eq!(found.place.line, broken * 11 + line + 1, "{all}");
        assert!(found.subject.starts_with(&format!("rule \"R{broken}\"")), "{all}");
        assert_eq!(loaded.ruleset.rules.len(), count - 1);
    }
}

/// A comparison and what it is when it was read.
fn comparison() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        "[a-z]{1,5}\\.[a-z][a-z_]{0,4}(\\.[a-z]{1,3})?",
        "[a-z]{1,5}\\.[a-z]{1,5}\\[[0-9]{1,3}\\]",
        "(tolower|b64)\\([a-z]{1,5}\\.[a-z]{1,5}\\)",
    ];
    let rest = prop_oneof![
        Just("exists".to_owned()),
        "(=|!=|contains|startswith|iglob|regex) [a-z/*.]{1,8}",
        "(<|<=|>|>=) -?[0-9]{1,5}",
        "(in|pmatch|intersects) \\(([a-z]{1,4}(, [a-z]{1,4}){0,3})?\\)",
        "(=|endswith) (anyof|allof|oneof) \\([a-z]{1,4}\\)",
    ];
    (field, rest).prop_map(|(field, rest)| format!("{field} {rest}"))
}

/// A condition, written as [`shown`] writes it.
fn condition() -> impl Strategy<Value = String> {
    comparison().prop_recursive(5, 40, 4, |inner| {
        let several = prop::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            several.clone().prop_map(|parts| format!("({})", parts.join(" and "))),
            several.prop_map(|parts| format!("({})", parts.join(" or "))),
            inner
                .prop_filter("two cancel out", |it| !it.starts_with("not "))
                .prop_map(|it| format!("not {it}")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(text in condition()) {
        let read = parse_condition("c", &text).map_err(|found| TestCaseError::fail(format!("{text}: {found}")))?;
        prop_assert_eq!(shown(&read), text);
    }

    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,60}", words in prop::collection::vec(0..TOKENS.len(), 0..30)) {
        let soup: String = words.into_iter().map(|word| TOKENS[word]).collect();
        for text in [&text, &soup, &format!("{soup}{text}"), &format!("a.b {soup}")] {
            if let Err(found) = parse_condition("c", text) {
                let lines = text.matches('\n').count() + 1;
                prop_assert!((1..=lines).contains(&found.place.line), "{}", found);
            }
        }
    }
}
