use std::fs;

use super::{RULES, folder, json, out, rules, said};

#[test]
fn rules_that_are_well_are_counted() {
    let folder = folder(&[("a.yaml", RULES)]);
    let checked = rules(folder.path(), &["check", "a.yaml"]);
    assert_eq!(out(&checked), "3 rules, 1 macro, 1 list: no errors, no warnings\n");
    assert!(checked.status.success());
}

#[test]
fn a_folder_is_its_files_and_the_rules_in_its_folders() {
    let folder = folder(&[
        ("all/common.yaml", "- macro: opens\n  condition: evt.type = openat\n"),
        (
            "all/b/rule.yaml",
            "- rule: B\n  desc: b\n  condition: opens\n  output: b\n  priority: INFO\n",
        ),
        ("all/b/other.yaml", "no rules"),
        ("all/README.md", "no rules"),
    ]);
    let checked = rules(folder.path(), &["check", "all", "-o", "json"]);
    let told = json(&checked);
    assert_eq!(told["files"], serde_json::json!(["all/common.yaml", "all/b/rule.yaml"]));
    assert_eq!((&told["rules"], &told["macros"]), (&1.into(), &1.into()));
    assert!(checked.status.success());
}

#[test]
fn what_is_wrong_is_shown_where_it_is() {
    let wrong = "- rule: A\n  desc: a\n  condition: evt.type = openat and proc.nmae = sh\n  \
                 output: a\n  priority: INFO\n- macro: unused\n  condition: evt.type = open\n";
    let folder = folder(&[("a.yaml", wrong)]);
    let checked = rules(folder.path(), &["check", "a.yaml"]);
    let text = out(&checked);
    assert_eq!(checked.status.code(), Some(1));
    assert!(text.contains("error[LOAD_ERR_COMPILE_CONDITION]: rule \"A\""), "{text}");
    assert!(text.contains("--> a.yaml:3:36\n"), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    let marked = lines.iter().position(|line| line.starts_with("3 | ")).expect("the line");
    let mark = lines[marked + 1].find('^').expect("a mark");
    assert!(lines[marked][mark..].starts_with("proc.nmae"), "{text}");
    assert!(text.contains("did you mean `proc.name`?"), "{text}");
    assert!(text.contains("warning[LOAD_UNUSED_MACRO]"), "{text}");
    assert!(text.ends_with(": 1 error, 1 warning\n"), "{text}");
    assert!(!text.contains('\x1b'), "colour is for terminals");

    let told = json(&rules(folder.path(), &["check", "a.yaml", "-o", "json"]));
    assert_eq!((&told["errors"], &told["warnings"]), (&1.into(), &1.into()));
    let first = &told["diagnostics"][0];
    assert_eq!(
        (&first["severity"], &first["file"], &first["line"], &first["column"]),
        (&"error".into(), &"a.yaml".into(), &3.into(), &36.into())
    );
}

#[test]
fn a_fault_of_a_macro_is_told_once() {
    let mut text = "- macro: m\n  condition: proc.nmae = sh\n".to_string();
    for name in ["A", "B"] {
        text += &format!(
            "- rule: {name}\n  desc: a\n  condition: evt.type = openat and m\n  output: a\n  \
             priority: INFO\n"
        );
    }
    let folder = folder(&[("a.yaml", &text)]);
    let told = json(&rules(folder.path(), &["check", "a.yaml", "-o", "json"]));
    assert_eq!(told["errors"], 1, "{told}");
    assert_eq!(told["diagnostics"][0]["line"], 2);
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let folder = folder(&[("empty/README.md", "")]);
    let check = |name: &str| {
        let checked = rules(folder.path(), &["check", name]);
        assert_eq!(checked.status.code(), Some(1));
        said(&checked)
    };
    assert!(check("no.yaml").contains("cannot read no.yaml: No such file"));
    assert!(check("empty").contains("empty has no files of rules"));
    fs::write(folder.path().join("a.yaml"), b"- a\n- \xff").expect("a file");
    assert!(check("a.yaml").contains("a.yaml:2:3"), "{}", check("a.yaml"));
    assert_eq!(rules(folder.path(), &["check"]).status.code(), Some(2));
}
