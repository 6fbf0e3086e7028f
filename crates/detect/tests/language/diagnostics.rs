//! What is said of files that are wrong, and where. `@` marks the place and is not in the file.

use detect::language::{Severity, Source, code, load};

use crate::file;

const R: &str = "- rule: R\n  desc: d\n  output: o\n  priority: INFO\n";

/// What is expected: the code, a part of what is said, and the file.
type Case = (&'static str, &'static str, String);

fn check(cases: &[Case], severity: Severity) {
    for (code, message, marked) in cases {
        let at = marked.find('@').expect("a mark");
        let before = &marked[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
        let text = marked.replacen('@', "", 1);
        let sources = [Source { name: "a.yaml".into(), text }];
        let loaded = load(&sources);
        let all: String = loaded.diagnostics.iter().map(|it| it.render(&sources)).collect();
        let mut severe = loaded.diagnostics.iter().filter(|it| it.severity == severity);
        let found = severe.clone().find(|it| it.code == *code).or(severe.next());
        let found = found.unwrap_or_else(|| panic!("nothing is said of\n{marked}\n{all}"));
        assert_eq!(found.code, *code, "{marked}\n{all}");
        assert!(found.message.contains(message), "{message:?} is not in\n{all}");
        assert_eq!((found.place.line, found.place.column), (line, column), "{marked}\n{all}");
        assert_eq!(loaded.failed(), severity == Severity::Error, "{marked}\n{all}");
    }
}

fn condition(marked: &str) -> String {
    format!("{R}  condition: {marked}\n")
}

#[test]
fn files_that_are_not_made_of_items() {
    let deep = format!("- {}@[", "[".repeat(63));
    check(
        &[
            (code::YAML_PARSE, "not YAML", "- rule: \"R\n  @desc: d\n".into()),
            (code::YAML_PARSE, "not YAML", "- a: b\n  - @c\n".into()),
            (code::YAML_PARSE, "not YAML", deep),
            (code::YAML_PARSE, "zero byte", "- ~\n# é@\0\n".into()),
            (code::YAML_PARSE, "an alias", "- &x [@*x]\n".into()),
            (code::YAML_VALIDATE, "a list of items, not a mapping", "@rule: R\n".into()),
            (code::YAML_VALIDATE, "a list of items, not a single value", "\n@hello\n".into()),
            (code::YAML_VALIDATE, "not a single value", "- ~\n- @hello\n".into()),
            (code::YAML_VALIDATE, "not a list", "- @[a]\n".into()),
            (
                code::YAML_VALIDATE,
                "a key is a text",
                "- list: l\n  items: []\n  ? @[a]\n  : b\n".into(),
            ),
        ],
        Severity::Error,
    );
}

#[test]
fn items_that_lack_something() {
    check(
        &[
            (
                code::YAML_VALIDATE,
                "`output` is missing",
                "- @rule: R\n  desc: d\n  condition: a.b exists\n  priority: INFO\n".into(),
            ),
            (
                code::YAML_VALIDATE,
                "`condition` is missing",
                "- @rule: R\n  source: syscall\n".into(),
            ),
            (code::YAML_VALIDATE, "`items` is missing", "- @list: l\n".into()),
            (code::YAML_VALIDATE, "`condition` is missing", "- @macro: m\n".into()),
            (code::YAML_VALIDATE, "`rule` has no value", "- rule@:\n  desc: d\n".into()),
            (
                code::YAML_VALIDATE,
                "`desc` has no value",
                "- rule: R\n  desc: @~\n  condition: a.b exists\n  output: o\n  priority: INFO\n"
                    .into(),
            ),
            (code::YAML_VALIDATE, "`condition` is empty", condition("@''")),
            (code::YAML_VALIDATE, "takes a single value, not a list", condition("@[a.b exists]")),
            (
                code::YAML_VALIDATE,
                "takes a list, not a single value",
                "- list: l\n  items: @a\n".into(),
            ),
            (
                code::YAML_VALIDATE,
                "of single values, not of mappings",
                "- list: l\n  items: [a, @{b: c}]\n".into(),
            ),
            (
                code::YAML_VALIDATE,
                "a list of single values, not of lists",
                format!("{}  tags: [@[a]]\n", condition("a.b exists")),
            ),
            (
                code::YAML_VALIDATE,
                "`HIGH` is not a priority",
                condition("a.b exists").replace("INFO", "@HIGH"),
            ),
            (
                code::YAML_VALIDATE,
                "`enabled` is `true` or `false`",
                format!("{}  enabled: @maybe\n", condition("a.b exists")),
            ),
            (
                code::YAML_VALIDATE,
                "a whole number",
                format!("{}  capture_duration: @long\n", condition("a.b exists")),
            ),
            (code::YAML_VALIDATE, "the name of a list", "- list: @a b\n  items: []\n".into()),
            (
                code::YAML_VALIDATE,
                "the name of a macro",
                "- macro: @a-b\n  condition: a.b exists\n".into(),
            ),
            (
                code::YAML_VALIDATE,
                "not the version of an engine",
                "- required_engine_version: @0.57\n".into(),
            ),
            (
                code::VALIDATE,
                "need version 0.64.0 of Falco's engine, and this is 0.63.0",
                "- required_engine_version: @0.64.0\n".into(),
            ),
            (
                code::VALIDATE,
                "need the plugin k8saudit 0.1.0, which is not here",
                "- required_plugin_versions:\n  - name: @k8saudit\n    version: 0.1.0\n".into(),
            ),
            (
                code::VALIDATE,
                "container 0.7.0, and this is 0.6.x",
                "- required_plugin_versions:\n  - {name: @container, version: 0.7.0}\n".into(),
            ),
            (
                code::VALIDATE,
                "is not a version",
                "- required_plugin_versions:\n  - {name: container, version: @new}\n".into(),
            ),
            (
                code::YAML_VALIDATE,
                "takes a list",
                "- required_plugin_versions: @container\n".into(),
            ),
        ],
        Severity::Error,
    );
}

#[test]
fn conditions_that_are_none() {
    let folded = |lines: &str| format!("{R}  condition: >\n{lines}");
    check(
        &[
            (code::COMPILE_CONDITION, "found `b`", condition("a.b exists @b")),
            (code::COMPILE_CONDITION, "found `b`", condition("\"a.b = \\\"x\\\" @b\"")),
            (code::COMPILE_CONDITION, "found `b`", condition("'a.b = ''x'' @b'")),
            (
                code::COMPILE_CONDITION,
                "found `b`",
                condition("a.b exists\n    and c.d exists\n    @b"),
            ),
            (
                code::COMPILE_CONDITION,
                "found `=`",
                folded(
                    "    a.b = 1\n\n    and c.d = 2\n    and (e.f = 3\n      or g.h = 4)\n    and i.j = 5\n    and k.l = @= 6\n    and m.n = 7\n",
                ),
            ),
            (
                code::COMPILE_CONDITION,
                "never closed",
                folded("    a.b = 1 and\n    @(c.d = 2\n    or (e.f = 3)\n"),
            ),
            (
                code::COMPILE_CONDITION,
                "closes nothing",
                folded("    a.b = 1\n    and (c.d = 2)@)\n    or e.f = 3\n"),
            ),
            (code::COMPILE_CONDITION, "found the end", folded("    a.b = 1\n    and@\n")),
            (code::COMPILE_CONDITION, "found `contain`", condition("|-\n    a.b @contain x")),
            (code::COMPILE_CONDITION, "never closed", condition("a.b = @\"x and c.d = y")),
            (code::COMPILE_CONDITION, "means nothing", condition("a.b regex \"x@\\d\"")),
            (code::VALIDATE, "no macro `m`", condition("a.b exists and\n    (c.d exists or @m)")),
            (
                code::VALIDATE,
                "refers to itself",
                format!(
                    "- macro: m\n  condition: a.b exists\n- macro: m\n  condition: c.d exists or @m\n{}",
                    condition("a.b exists")
                ),
            ),
            (
                code::VALIDATE,
                "not defined before",
                format!(
                    "- macro: m\n  condition: @n\n- macro: n\n  condition: a.b exists\n{}",
                    condition("m")
                ),
            ),
            // What a list puts in has the place of its name.
            (
                code::COMPILE_CONDITION,
                "in what the list `l` puts here",
                format!("- list: l\n  items: [a (b]\n{}", condition("x.y in (1, @l)"))
                    .replace("[a (b]", "[a(b]"),
            ),
            (
                code::COMPILE_CONDITION,
                "in what the list `l` puts here",
                format!("- list: l\n  items: [a, b]\n{}", condition("x.y in @l")),
            ),
            (
                code::VALIDATE,
                "no macro `c`, in what the list `l` puts here",
                format!("- list: l\n  items: ['a.b exists or c']\n{}", condition("@l"))
                    .replace("['a.b exists or c']", "[c]"),
            ),
            // Exceptions have the places of their parts.
            (
                code::COMPILE_CONDITION,
                "expected an operator",
                format!(
                    "{}  exceptions:\n  - name: e\n    fields: [p.n@x y]\n    values:\n    - [a]\n",
                    condition("a.b exists")
                )
                .replace("p.n@x y", "p.nx @y"),
            ),
            (
                code::COMPILE_CONDITION,
                "found `b`",
                format!(
                    "{}  exceptions:\n  - name: e\n    fields: p.n\n    values:\n    - a\n    - a\t@b\n",
                    condition("a.b exists")
                ),
            ),
            (
                code::COMPILE_CONDITION,
                "found `y`",
                format!(
                    "{}- rule: R\n  condition: and c.d = x @y\n  override: {{condition: append}}\n",
                    condition("a.b exists")
                ),
            ),
        ],
        Severity::Error,
    );
}

#[test]
fn changes_that_do_not_fit() {
    let base = condition("a.b exists");
    let change = |text: &str| format!("{base}- rule: R\n{text}");
    let excepted = format!("{base}  exceptions:\n  - {{name: e, fields: p.n, values: [x]}}\n");
    check(
        &[
            (
                code::VALIDATE,
                "nothing of this name",
                "- rule: @Q\n  condition: a.b exists\n  override: {condition: append}\n".into(),
            ),
            (
                code::VALIDATE,
                "nothing of this name",
                "- rule: @Q\n  priority: INFO\n  override: {priority: replace}\n".into(),
            ),
            (code::VALIDATE, "nothing of this name", "- rule: @Q\n  enabled: false\n".into()),
            (
                code::VALIDATE,
                "nothing of this name",
                "- macro: @q\n  condition: a.b exists\n  append: true\n".into(),
            ),
            (
                code::VALIDATE,
                "nothing of this name",
                "- list: @q\n  items: [a]\n  override: {items: append}\n".into(),
            ),
            (
                code::YAML_VALIDATE,
                "cannot be appended to: use `replace`",
                change("  priority: INFO\n  override:\n    @priority: append\n"),
            ),
            (
                code::YAML_VALIDATE,
                "`source` cannot be overridden",
                change("  source: x\n  override: {@source: replace}\n"),
            ),
            (
                code::YAML_VALIDATE,
                "not `prepend`",
                change("  output: x\n  override: {output: @prepend}\n"),
            ),
            (
                code::YAML_VALIDATE,
                "there is no `output`",
                change("  override: {@output: replace}\n"),
            ),
            (
                code::YAML_VALIDATE,
                "is not under `override`",
                change("  output: x\n  @desc: y\n  override: {output: replace}\n"),
            ),
            (
                code::YAML_VALIDATE,
                "do not go together",
                change("  output: x\n  @append: true\n  override: {output: replace}\n"),
            ),
            (
                code::YAML_VALIDATE,
                "expected a mapping",
                change("  output: x\n  override: @replace\n"),
            ),
            (code::YAML_VALIDATE, "nothing under", change("  output: x\n  @override: {}\n")),
            (
                code::VALIDATE,
                "is a `condition` or `exceptions`",
                format!("{base}- @rule: R\n  output: x\n  append: true\n"),
            ),
            (
                code::VALIDATE,
                "was for the source `syscall` before",
                format!("{base}{}", base.replace("priority", "@source: other\n  priority")),
            ),
            (
                code::VALIDATE,
                "only its values grow, not `fields`",
                format!(
                    "{excepted}- rule: R\n  exceptions:\n  - {{name: e, fields: @p.n, values: [y]}}\n  override: {{exceptions: append}}\n"
                ),
            ),
            (
                code::VALIDATE,
                "a new one needs `fields`",
                format!(
                    "{excepted}- rule: R\n  exceptions:\n  - @{{name: f, values: [y]}}\n  override: {{exceptions: append}}\n"
                ),
            ),
        ],
        Severity::Error,
    );
}

#[test]
fn exceptions_that_do_not_fit() {
    let with = |text: &str| format!("{}  exceptions:\n{text}", condition("a.b exists"));
    check(
        &[
            (code::YAML_VALIDATE, "takes a list", with("    @a: b\n")),
            (code::YAML_VALIDATE, "`name` is missing", with("  - @fields: a.b\n")),
            (code::YAML_VALIDATE, "`fields` is missing", with("  - @name: e\n")),
            (
                code::YAML_VALIDATE,
                "have this name",
                with("  - {name: e, fields: a.b}\n  - {name: @e, fields: a.b}\n"),
            ),
            (
                code::YAML_VALIDATE,
                "not mappings",
                with("  - {name: e, fields: a.b, values: [@{x: y}]}\n"),
            ),
            (code::YAML_VALIDATE, "is empty", with("  - {name: e, fields: a.b, values: [@'']}\n")),
            (
                code::YAML_VALIDATE,
                "`values` takes a list",
                with("  - {name: e, fields: a.b, values: @x}\n"),
            ),
            (
                code::VALIDATE,
                "2 fields and 1 comparisons",
                with("  - {name: e, fields: @[a.b, c.d], comps: [in]}\n"),
            ),
            (
                code::VALIDATE,
                "`is` is not an operator",
                with("  - {name: e, fields: [a.b], comps: [@is]}\n"),
            ),
            (
                code::VALIDATE,
                "`in oneof` is not an operator",
                with("  - {name: e, fields: a.b, comps: @in oneof}\n"),
            ),
            (
                code::VALIDATE,
                "`startswith` takes no list",
                with("  - {name: e, fields: a.b, comps: @startswith}\n"),
            ),
            (
                code::VALIDATE,
                "so `comps` is one, too",
                with("  - {name: e, fields: a.b, comps: @[in]}\n"),
            ),
            (
                code::VALIDATE,
                "so `comps` is one, too",
                with("  - {name: e, fields: [a.b], comps: @in}\n"),
            ),
            (
                code::VALIDATE,
                "2 fields and 1 values",
                with("  - {name: e, fields: [a.b, c.d], values: [@[x]]}\n"),
            ),
            (
                code::VALIDATE,
                "a list of lists",
                with("  - {name: e, fields: [a.b, c.d], values: [@x]}\n"),
            ),
            (
                code::VALIDATE,
                "a list of single values",
                with("  - {name: e, fields: a.b, values: [@[x]]}\n"),
            ),
        ],
        Severity::Error,
    );
}

#[test]
fn what_may_not_be_meant() {
    let base = condition("a.b exists");
    let append = "- rule: R\n  exceptions:\n  - @{name: e}\n  override: {exceptions: append}\n";
    check(
        &[
            (code::UNKNOWN_ITEM, "none that is known", "- @rul: R\n".into()),
            (code::UNKNOWN_KEY, "`prority` is not known", format!("{base}  @prority: INFO\n")),
            (
                code::UNKNOWN_KEY,
                "`tags` is not known",
                "- list: l\n  items: []\n  @tags: []\n".into(),
            ),
            (
                code::UNKNOWN_KEY,
                "`value` is not known",
                format!("{base}  exceptions:\n  - {{name: e, fields: a.b, @value: x}}\n"),
            ),
            (code::DUPLICATE_KEY, "`desc` stands here twice", format!("{base}  @desc: e\n")),
            (code::UNUSED_LIST, "no condition", format!("- @list: l\n  items: []\n{base}")),
            (
                code::UNUSED_MACRO,
                "no rule",
                format!("- @macro: m\n  condition: a.b exists\n{base}"),
            ),
            (
                code::UNKNOWN_SOURCE,
                "no events of the source `syscal`",
                base.replace("priority", "@source: syscal\n  priority"),
            ),
            (
                code::DEPRECATED_ITEM,
                "`append` is old",
                format!("{base}- rule: R\n  condition: and c.d exists\n  @append: true\n"),
            ),
            (
                code::DEPRECATED_ITEM,
                "`enabled` alone is old",
                format!("{base}- rule: R\n  @enabled: false\n"),
            ),
            (
                code::DEPRECATED_ITEM,
                "`%container.info` is old",
                base.replace("output: o", "output: see @%container.info"),
            ),
            (code::DEPRECATED_ITEM, "`evt.dir` is old", condition("a.b exists and @evt.dir = <")),
            (
                code::APPEND_NO_VALUES,
                "adds no values",
                format!("{base}  exceptions:\n  - {{name: e, fields: a.b}}\n{append}"),
            ),
        ],
        Severity::Warning,
    );
    let help = |text: &str| file(text).diagnostics[0].help.clone();
    assert_eq!(help(&format!("{base}  prority: INFO\n")), "did you mean `priority`?");
    assert_eq!(
        help(&base.replace("priority", "source: syscal\n  priority")),
        "did you mean `syscall`?"
    );
    assert_eq!(
        help(&format!("- macro: spawned\n  condition: a.b exists\n{}", condition("spwned"))),
        "did you mean `spawned`?"
    );
}
