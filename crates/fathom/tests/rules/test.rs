use super::{HOST, POD, folder, open, out, rules, shell};

const COMMON: &str = "- list: shells\n  items: [sh, bash]\n- list: unused\n  items: [a]\n";
const SHELL: &str = "- rule: Shell\n  desc: a\n  condition: evt.type = execve and proc.name in \
                     (shells) and container.id != host\n  output: shell %proc.cmdline\n  \
                     priority: INFO\n  enabled: false\n";

#[test]
fn a_rule_that_fires_where_it_should_passes() {
    let rows = shell(1, 7, POD);
    let folder = folder(&[
        ("rules/common.yaml", COMMON),
        ("rules/shell/rule.yaml", SHELL),
        ("rules/shell/fires.jsonl", &rows),
        ("rules/shell/silent.jsonl", &(shell(1, 7, HOST) + "\n" + &open(2, 8, "cat", "/x"))),
    ]);
    let expected = "test rules/shell ... ok (1 rule, 3 rows)\n\n1 passed, no failed\n";
    let tested = rules(folder.path(), &["test", "rules"]);
    assert_eq!(out(&tested).replace("0 failed", "no failed"), expected);
    assert!(tested.status.success());
    // One folder alone finds what it shares with others, too.
    assert!(rules(folder.path(), &["test", "rules/shell"]).status.success());
}

#[test]
fn a_rule_that_fires_where_it_should_not_fails() {
    let folder = folder(&[
        ("rules/common.yaml", COMMON),
        ("rules/shell/rule.yaml", SHELL),
        ("rules/shell/fires.jsonl", &open(1, 7, "cat", "/etc/hosts")),
        ("rules/shell/silent.jsonl", &shell(3, 7, POD)),
    ]);
    let tested = rules(folder.path(), &["test", "rules"]);
    let text = out(&tested);
    assert_eq!(tested.status.code(), Some(1));
    assert!(text.starts_with("test rules/shell ... FAILED\n"), "{text}");
    assert!(
        text.contains(
            "\"Shell\" does not fire on fires.jsonl: of its 1 row none is an event that it asks \
             for (execve)\n"
        ),
        "{text}"
    );
    assert!(text.contains("\"Shell\" fires on silent.jsonl at 2026-11-22T10:00:03.000000000Z\n"));
    assert!(text.contains("    shell sh -c id"), "{text}");
    assert!(text.contains("proc.name in (sh, bash) [sh]"), "{text}");
    assert!(text.ends_with("\n0 passed, 1 failed\n"), "{text}");
}

#[test]
fn every_rule_of_a_file_has_to_fire() {
    let both = format!(
        "{COMMON}{SHELL}- rule: Never\n  desc: a\n  condition: evt.type = execve and proc.name = no\n  \
         output: a\n  priority: INFO\n"
    );
    let folder = folder(&[
        ("rule.yaml", &both),
        ("fires.jsonl", &shell(1, 7, POD)),
        ("silent.jsonl", &shell(1, 7, HOST)),
    ]);
    let tested = rules(folder.path(), &["test", "."]);
    let text = out(&tested);
    assert_eq!(tested.status.code(), Some(1));
    assert!(!text.contains("\"Shell\""), "{text}");
    assert!(
        text.contains("it was asked about 1 event of the 1 row, and its condition held for none"),
        "{text}"
    );
}

#[test]
fn what_is_missing_or_wrong_is_said() {
    let folder = folder(&[
        ("a/rule.yaml", &format!("{COMMON}{SHELL}")),
        (
            "b/rule.yaml",
            "- rule: B\n  desc: b\n  condition: proc.nmae = a\n  output: b\n  priority: INFO\n",
        ),
        ("c/rule.yaml", &format!("{COMMON}{SHELL}")),
        ("c/fires.jsonl", "\n{\"table\":\"file_opne\"}\n"),
        ("c/silent.jsonl", "\n"),
        ("none/README.md", ""),
    ]);
    let tested = rules(folder.path(), &["test", "a", "b", "c"]);
    let text = out(&tested);
    assert_eq!(tested.status.code(), Some(1));
    assert!(
        text.contains(
            "there is no a/fires.jsonl: make it with `fathom observe -o json --output fires.jsonl \
             -- COMMAND`"
        ),
        "{text}"
    );
    assert!(text.contains("--> b/rule.yaml:3:14"), "{text}");
    assert!(
        text.contains("c/fires.jsonl:2: there is no table `file_opne`; did you mean `file_open`?"),
        "{text}"
    );
    assert!(text.contains("c/silent.jsonl holds no rows"), "{text}");
    let none = rules(folder.path(), &["test", "none"]);
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn rules_learn_by_the_times_of_the_rows() {
    let novel = "- rule: New\n  desc: a\n  condition: evt.type = execve and workload.novel[proc.exepath] \
                 = true\n  output: new %proc.exepath\n  priority: INFO\n";
    let late = shell(2, 9, POD).replace("T10:00:02", "T10:30:02").replace("/bin/dash", "/bin/evil");
    let folder = folder(&[
        ("rule.yaml", novel),
        ("fires.jsonl", &(shell(1, 7, POD) + &late)),
        ("silent.jsonl", &(shell(1, 7, POD) + &shell(2, 8, POD))),
    ]);
    let tested = rules(folder.path(), &["test", "."]);
    assert!(tested.status.success(), "{}", out(&tested));
}
