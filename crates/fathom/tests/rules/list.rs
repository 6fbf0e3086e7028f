use super::{RULES, folder, json, out, rules, said};

#[test]
fn rules_are_listed_with_their_events() {
    let folder = folder(&[("a.yaml", RULES)]);
    let text = out(&rules(folder.path(), &["list", "a.yaml"]));
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("PRIORITY  RULE"), "{text}");
    assert!(lines[1].contains("Shell in a container"), "{text}");
    assert!(lines[1].contains("execve, execveat"), "{text}");
    assert!(lines[1].ends_with("T1059, container"), "{text}");
    assert!(lines[3].contains("All opens (disabled)"), "{text}");
}

#[test]
fn each_comparison_is_listed_with_where_it_is_made() {
    let folder = folder(&[("a.yaml", RULES)]);
    let text = out(&rules(folder.path(), &["list", "-v", "a.yaml"]));
    let has = |line: &str| text.lines().any(|it| it == line);
    assert!(has("  by table  evt.type in (execve, execveat)"), "{text}");
    assert!(has("  by worker proc.name in (sh, bash)"), "{text}");
    assert!(has("  place     a.yaml:7:3"), "{text}");
    assert!(text.contains("Which processes are watched is decided in the kernel"), "{text}");

    let told = json(&rules(folder.path(), &["list", "a.yaml", "-o", "json"]));
    let shell = &told[0];
    assert_eq!(shell["comparisons"][0]["by"], "table", "{shell}");
    assert_eq!(shell["comparisons"][1]["by"], "worker", "{shell}");
    assert_eq!((&shell["enabled"], &told[2]["enabled"]), (&true.into(), &false.into()));
}

#[test]
fn fields_are_listed_with_what_they_say() {
    let folder = folder(&[]);
    let text = out(&rules(folder.path(), &["list", "--fields"]));
    assert!(text.lines().any(|line| line.starts_with("proc.name ")), "{text}");
    assert!(text.contains("proc.aname[N]?"), "{text}");
    let told = json(&rules(folder.path(), &["list", "--fields", "-o", "json"]));
    let all = told.as_array().expect("a list");
    assert!(all.len() > 100);
    assert!(all.iter().all(|field| !field["doc"].as_str().unwrap_or_default().is_empty()));
}

#[test]
fn rules_with_errors_are_not_listed() {
    let folder = folder(&[(
        "a.yaml",
        "- rule: A\n  desc: a\n  condition: (\n  output: a\n  priority: INFO\n",
    )]);
    let listed = rules(folder.path(), &["list", "a.yaml"]);
    assert_eq!(listed.status.code(), Some(1));
    assert!(said(&listed).contains("fathom: the rules have 1 error"), "{}", said(&listed));
    assert!(said(&listed).contains("--> a.yaml:3:"), "{}", said(&listed));
}

#[test]
fn what_is_no_capture_has_no_costs() {
    let folder = folder(&[("a.yaml", RULES)]);
    let listed = rules(folder.path(), &["list", "a.yaml", "--cost", "a.yaml"]);
    assert_eq!(listed.status.code(), Some(1));
    assert!(said(&listed).contains("a.yaml is not a capture"), "{}", said(&listed));
}
