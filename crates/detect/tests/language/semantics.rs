//! What rule files mean.

use detect::language::{Priority, code, parse_condition};

use crate::shown::{asks, shown};
use crate::{file, files, good, rule};

/// What a condition comes to among lists and macros.
fn with(items: &str, condition: &str) -> String {
    asks(&good(&format!("{items}{}", rule("R", condition))), "R")
}

#[test]
fn lists_are_put_in_as_text() {
    let lists = "\
- list: names
  items: [cat, 'grep ps', \"'a b'\", '\"c d\"', 5]
- list: none
  items: []
- list: more
  items: [names, ls]
- list: operators
  items: [a.b = c and d.e]
- list: na
  items: [nope]
";
    for (condition, expected) in [
        ("p.n in (names)", "p.n in (cat, grep ps, a b, c d, 5)"),
        ("p.n in (more)", "p.n in (cat, grep ps, a b, c d, 5, ls)"),
        ("p.n in (x, names ,y)", "p.n in (x, cat, grep ps, a b, c d, 5, y)"),
        // No items take a comma with them, the one before the name first.
        ("p.n in (none)", "p.n in ()"),
        ("p.n in (x, none)", "p.n in (x)"),
        ("p.n in (none, x)", "p.n in (x)"),
        ("p.n in (x, none, y)", "p.n in (x, y)"),
        // A name is a whole word: between blanks, parentheses, commas and `=`.
        ("p.n in (names2, xnames, /names, names/)", "p.n in (names2, xnames, /names, names/)"),
        ("p.n=na", "p.n = nope"),
        ("p.n in (NA)", "p.n in (NA)"),
        // As text it goes everywhere, into quotes, too.
        ("p.n = 'x na y'", "p.n = x nope y"),
        ("p.n = 'xna y'", "p.n = xna y"),
    ] {
        assert_eq!(with(lists, condition), expected, "{condition}");
    }
}

#[test]
fn lists_have_no_order_but_among_themselves() {
    // A condition sees a list that comes later, also in a later file.
    let late = "- list: late\n  items: [x]\n";
    assert_eq!(asks(&good(&format!("{}{late}", rule("R", "p.n in (late)"))), "R"), "p.n in (x)");
    assert_eq!(asks(&files(&[&rule("R", "p.n in (late)"), late]), "R"), "p.n in (x)");
    // A list does, as the text of its items is put in before that of later lists.
    let early = "- list: early\n  items: [late]\n";
    assert_eq!(with(&format!("{early}{late}"), "p.n in (early)"), "p.n in (x)");
    assert_eq!(with(&format!("{late}{early}"), "p.n in (early)"), "p.n in (x)");
    // What was redefined keeps its place; what was appended to it counts everywhere.
    let grown = "- list: a\n  items: [1]\n- list: b\n  items: [a]\n- list: a\n  items: [2]\n\
                 - list: a\n  items: [3]\n  override:\n    items: append\n";
    assert_eq!(with(grown, "p.n in (b)"), "p.n in (2, 3)");
    // Circles end.
    let circle =
        "- list: a\n  items: [b, 1]\n- list: b\n  items: [a, 2]\n- list: a\n  items: [b, 3]\n";
    good(&format!("{circle}{}", rule("R", "p.n in (a, b)")));
}

#[test]
fn macros_are_put_in_as_what_was_read() {
    let macros = "\
- macro: either
  condition: a.b = 1 or c.d = 2
- macro: both
  condition: (either and not e.f exists)
";
    assert_eq!(
        with(macros, "both and not either"),
        "(((a.b = 1 or c.d = 2) and not e.f exists) and not (a.b = 1 or c.d = 2))"
    );
    // The last definition counts, for all; the first place does.
    let redefined = format!("{macros}- macro: either\n  condition: x.y exists\n");
    assert_eq!(with(&redefined, "both"), "(x.y exists and not e.f exists)");
    let appended = format!(
        "{macros}- macro: either\n  condition: or g.h = 3\n  override: {{condition: append}}\n"
    );
    assert_eq!(with(&appended, "either"), "(a.b = 1 or c.d = 2 or g.h = 3)");
    // A macro sees what was first defined above its last change.
    let changed = "\
- macro: m
  condition: a.b exists
- macro: n
  condition: c.d exists
- macro: m
  condition: and n
  append: true
";
    assert_eq!(with(changed, "m"), "(a.b exists and c.d exists)");
}

#[test]
fn a_rule_that_is_defined_again_keeps_its_place() {
    let loaded = good(&format!(
        "{}{}{}",
        rule("A", "a.b = 1"),
        rule("B", "a.b = 2"),
        rule("A", "a.b = 3").replace("INFO", "error")
    ));
    let names: Vec<&str> = loaded.ruleset.rules.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["A", "B"]);
    assert_eq!(asks(&loaded, "A"), "a.b = 3");
    assert_eq!(loaded.ruleset.rules[0].priority, Priority::Error);
    assert_eq!(loaded.ruleset.rules[0].place.line, 13);
}

#[test]
fn every_key_of_a_rule_is_read() {
    let loaded = good(
        "- rule: Read \"it\"
  desc: >
    what it
    is
  condition: evt.type = open
    and fd.name exists
  output: \"  it was read (%fd.name) %container.info \"
  priority: Informational
  source: syscall
  tags: [b, a, b, 5]
  enabled: no
  warn_evttypes: False
  skip-if-unknown-filter: TRUE
  capture: true
  capture_duration: 5
",
    );
    let rule = &loaded.ruleset.rules[0];
    assert_eq!(rule.name, "Read \"it\"");
    assert_eq!(rule.description, "what it is\n");
    assert_eq!(rule.written, "evt.type = open and fd.name exists");
    assert_eq!(rule.output.text, "it was read (%fd.name) ");
    assert_eq!((rule.output.place.line, rule.output.place.column), (7, 14));
    assert_eq!((rule.priority, rule.source.as_str()), (Priority::Informational, "syscall"));
    assert_eq!(rule.tags, ["5", "a", "b"]);
    assert!(!rule.enabled && !rule.warn_evttypes && rule.skip_if_unknown_filter);
    let plain = good(&crate::rule("R", "a.b exists"));
    let plain = &plain.ruleset.rules[0];
    assert!(plain.enabled && plain.warn_evttypes && !plain.skip_if_unknown_filter);
    for name in ["EMERGENCY", "alert", "Critical", "INFO", "informational", "debug"] {
        good(&crate::rule("R", "a.b exists").replace("INFO", name));
    }
}

#[test]
fn rules_are_changed_key_by_key() {
    let base = "\
- rule: R
  desc: d
  condition: a.b = 1
  output: o %a.b
  priority: INFO
  tags: [x]
";
    let changed = |change: &str| {
        let loaded = good(&format!("{base}- rule: R\n{change}"));
        loaded.ruleset.rules[0].clone()
    };
    let rule = changed(
        "  condition: or c.d = 2\n  output: and %c.d\n  desc: e\n  tags: [y, x]\n  override:\n    \
         condition: append\n    output: append\n    desc: append\n    tags: append\n",
    );
    assert_eq!(shown(&rule.condition), "(a.b = 1 or c.d = 2)");
    assert_eq!(rule.written, "a.b = 1 or c.d = 2");
    assert_eq!((rule.output.text.as_str(), rule.description.as_str()), ("o %a.b and %c.d", "d e"));
    assert_eq!(rule.tags, ["x", "y"]);

    let rule = changed(
        "  condition: c.d = 2\n  output: p\n  desc: e\n  tags: [z]\n  priority: ALERT\n  \
         enabled: false\n  warn_evttypes: false\n  skip-if-unknown-filter: true\n  override: \
         {condition: replace, output: replace, desc: replace, tags: replace, priority: replace, \
         enabled: replace, warn_evttypes: replace, skip-if-unknown-filter: replace}\n",
    );
    assert_eq!((shown(&rule.condition).as_str(), rule.output.text.as_str()), ("c.d = 2", "p"));
    assert_eq!((rule.description.as_str(), rule.priority), ("e", Priority::Alert));
    assert!(rule.tags == ["z"] && !rule.enabled && !rule.warn_evttypes);
    assert!(rule.skip_if_unknown_filter);

    // The old ways.
    assert_eq!(
        shown(&changed("  condition: and c.d = 2\n  append: true\n").condition),
        "(a.b = 1 and c.d = 2)"
    );
    assert!(!changed("  enabled: false\n").enabled);
    let loaded = file(&format!("{base}- rule: R\n  enabled: false\n- rule: R\n  enabled: true\n"));
    assert!(loaded.ruleset.rules[0].enabled);
    assert!(loaded.diagnostics.iter().all(|it| it.code == code::DEPRECATED_ITEM));
}

#[test]
fn exceptions_become_conditions() {
    let asked = |exceptions: &str| {
        let text = rule("R", "a.b = 1 or c.d = 2");
        asks(&good(&format!("{text}  exceptions:\n{exceptions}")), "R")
    };
    let base = "(a.b = 1 or c.d = 2)";
    for (exceptions, expected) in [
        // One field, and `in` where nothing is said.
        (
            "  - name: one\n    fields: p.n\n    values: [x, 'y z', '\"q r\"', 5]\n",
            " and not p.n in (x, y z, q r, 5)",
        ),
        (
            "  - {name: one, fields: p.n, comps: pmatch, values: [/etc]}\n",
            " and not p.n pmatch (/etc)",
        ),
        (
            "  - {name: one, fields: p.n, comps: startswith anyof, values: [a, b]}\n",
            " and not p.n startswith anyof (a, b)",
        ),
        // Several fields, and `=` where nothing is said.
        (
            "  - {name: two, fields: [p.n, f.n], values: [[x, y], ['x 2', \"'y 2'\"]]}\n",
            " and not ((p.n = x and f.n = y) or (p.n = x 2 and f.n = y 2))",
        ),
        (
            "  - name: two\n    fields: [p.n, f.n]\n    comps: [in, startswith]\n    values:\n    \
             - [[x, y z], /etc]\n    - [x, /usr]\n    - ['(x, y)', /var]\n",
            " and not ((p.n in (x, y z) and f.n startswith /etc) or (p.n in (x) and f.n \
             startswith /usr) or (p.n in (x, y) and f.n startswith /var))",
        ),
        (
            "  - {name: two, fields: [p.n, f.n], comps: [endswith oneof, '!='], values: [[x, y]]}\n",
            " and not (p.n endswith oneof (x) and f.n != y)",
        ),
        // One field in a list.
        ("  - {name: two, fields: [p.n], values: [[x], [y]]}\n", " and not (p.n = x or p.n = y)"),
        // Transformers, on both sides.
        (
            "  - {name: t, fields: [tolower(p.n)], comps: [=], values: [['val(p.p)']]}\n",
            " and not tolower(p.n) = val(p.p)",
        ),
        // None without values; several, one after the other.
        ("  - {name: empty, fields: [p.n]}\n", ""),
        ("  - {name: empty, fields: p.n, values: []}\n", ""),
        (
            "  - {name: a, fields: p.n, values: [x]}\n  - {name: b, fields: f.n, values: [y]}\n",
            " and not p.n in (x) and not f.n in (y)",
        ),
    ] {
        let expected = match expected {
            "" => base.to_owned(),
            _ => format!("({base}{expected})"),
        };
        assert_eq!(asked(exceptions), expected, "{exceptions}");
    }
    // The names of lists are values, too.
    let text = format!(
        "{}  exceptions:\n  - {{name: a, fields: p.n, values: [names]}}\n- list: names\n  items: [x, y]\n",
        rule("R", "a.b = 1")
    );
    assert_eq!(asks(&good(&text), "R"), "(a.b = 1 and not p.n in (x, y))");
}

#[test]
fn exceptions_grow() {
    let base = format!(
        "{}  exceptions:\n  - {{name: a, fields: p.n, values: [x]}}\n",
        rule("R", "a.b = 1")
    );
    for (change, expected) in [
        (
            "- rule: R\n  exceptions:\n  - {name: a, values: [y]}\n  - {name: b, fields: f.n, values: [z]}\n  override: {exceptions: append}\n",
            "(a.b = 1 and not p.n in (x, y) and not f.n in (z))",
        ),
        (
            "- rule: R\n  exceptions:\n  - {name: a, values: [y]}\n  append: true\n",
            "(a.b = 1 and not p.n in (x, y))",
        ),
        (
            "- rule: R\n  exceptions:\n  - {name: c, fields: f.n, values: [z]}\n  override: {exceptions: replace}\n",
            "(a.b = 1 and not f.n in (z))",
        ),
        (
            "- rule: R\n  condition: or c.d = 2\n  override: {condition: append}\n",
            "((a.b = 1 or c.d = 2) and not p.n in (x))",
        ),
    ] {
        assert_eq!(asks(&good(&format!("{base}{change}")), "R"), expected, "{change}");
    }
}

#[test]
fn rules_of_other_sources_are_left_out() {
    let other = rule("K", "ka.verb = get").replace("priority", "source: k8s_audit\n  priority");
    let loaded = file(&format!("{other}{}", rule("R", "a.b = 1")));
    assert!(!loaded.failed());
    let codes: Vec<_> = loaded.diagnostics.iter().map(|it| it.code).collect();
    assert_eq!(codes, [code::UNKNOWN_SOURCE]);
    assert_eq!(loaded.ruleset.rules.len(), 1);
}

#[test]
fn files_may_say_nothing_and_have_several_documents() {
    for text in
        ["", "# nothing\n", "---\n", "~\n", "- ~\n", "[]", "---\n---\n...\n", "\u{feff}- ~\n"]
    {
        let loaded = file(text);
        assert!(loaded.diagnostics.is_empty(), "{text:?}: {:?}", loaded.diagnostics);
    }
    let two = format!("{}---\n{}", rule("A", "a.b = 1"), rule("B", "a.b = 1"));
    assert_eq!(good(&two).ruleset.rules.len(), 2);
    for engine in ["0.57.0", "13", "'0.63.0'"] {
        good(&format!("- required_engine_version: {engine}\n"));
    }
    good("- required_plugin_versions:\n  - name: container\n    version: 0.4.0\n");
    good(
        "- required_plugin_versions:\n  - name: k8saudit\n    version: 0.1.0\n    alternatives:\n    \
         - name: container\n      version: 0.4.0\n",
    );
}

#[test]
fn anchors_and_merged_keys_are_those_of_yaml() {
    let loaded = good(
        "- rule: A\n  <<: &rest {desc: d, output: o, priority: INFO}\n  condition: &c a.b = 1\n\
         - rule: B\n  <<: *rest\n  condition: *c\n  priority: ALERT\n",
    );
    let rules = &loaded.ruleset.rules;
    assert_eq!(rules[0].condition, rules[1].condition);
    assert_eq!((rules[0].priority, rules[1].priority), (Priority::Informational, Priority::Alert));
}

#[test]
fn a_check_knows_where_it_was_written() {
    let text = "\
- list: names
  items: [x]
- macro: m
  condition: >

    fd.name
      startswith /etc
- rule: R
  desc: d
  condition: |
    m and
    not (proc.name in (names)

         or tolower(proc.pname) = y)
  output: o
  priority: INFO
  exceptions:
  - name: e
    fields: [user.name]
    values:
    - [root]
";
    let loaded = good(text);
    let mut found = Vec::new();
    loaded.ruleset.rules[0].condition.checks(&mut |check| {
        let place = |it: &detect::language::Place| (it.line, it.column);
        found.push((check.field.name.clone(), place(&check.place), place(&check.field.place)));
    });
    let expected = [
        ("fd.name", (6, 5), (6, 5)),
        ("proc.name", (12, 10), (12, 10)),
        ("proc.pname", (14, 13), (14, 21)),
        ("user.name", (19, 14), (19, 14)),
    ];
    assert_eq!(found, expected.map(|(name, check, field)| (name.to_owned(), check, field)));
}

#[test]
fn an_output_knows_where_its_fields_are() {
    let loaded = good(
        "- rule: R\n  desc: d\n  condition: a.b exists\n  output: >\n    one (%container.info two\n    \
         three=%fd.name)\n  priority: INFO\n- rule: R\n  output: 'four=%proc.name'\n  override:\n    \
         output: append\n",
    );
    let output = &loaded.ruleset.rules[0].output;
    assert_eq!(output.text, "one ( two three=%fd.name) four=%proc.name");
    let at = |field: &str| {
        let place = output.at(output.text.find(field).unwrap());
        (place.line, place.column)
    };
    assert_eq!([at("two"), at("%fd.name"), at("%proc.name")], [(5, 26), (6, 11), (9, 17)]);
}

#[test]
fn a_condition_alone_is_read() {
    assert_eq!(
        shown(&parse_condition("c", "a.b = 1\n and c.d exists").unwrap()),
        "(a.b = 1 and c.d exists)"
    );
    let found = parse_condition("c", "a.b = 1\n and m").unwrap_err();
    assert_eq!((found.code, found.place.line, found.place.column), (code::VALIDATE, 2, 6));
}
