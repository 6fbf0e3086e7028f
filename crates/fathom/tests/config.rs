//! The configuration: what is right is taken, what is wrong is told with its place and the
//! nearest right word.

use std::fs;
use std::path::PathBuf;

use fathom::config::{Choice, Config, Listen, Name, OutputKind, Size, Workers};
use scope::Scope;

fn parse(text: &str) -> Config {
    Config::parse("fathom.yaml", text).unwrap_or_else(|problem| panic!("{text}: {problem}"))
}

/// The whole way: from a file, with an environment, checked.
fn load(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
    let directory = tempfile::tempdir().expect("a directory");
    let path: PathBuf = directory.path().join("fathom.yaml");
    fs::write(&path, text).expect("a file");
    let environment = environment.iter().map(|(name, text)| (name.to_string(), text.to_string()));
    let place = format!("{}/", directory.path().display());
    Config::load(Some(&path), environment).map_err(|it| it.to_string().replace(&place, ""))
}

fn full() -> Config {
    parse(
        "node: yes\n\
         scope: {pids: [7, 8], cgroups: [/kubepods.slice, \"a b: #c\"], node: false}\n\
         kubernetes: {runtimes: [/run/one.sock, \"/run/other one\"], names_within: 500}\n\
         tables: [file, process_exec, agent_drop]\n\
         outputs:\n\
         - {kind: file, path: \"/var/log/ü \\\"x\\\".jsonl\", rotate_size: 1536KiB, keep: 0}\n\
         - kind: stdout\n  hide_personal: true\n\
         http: {listen: \"[::1]:9\"}\n\
         requests: {bodies: 2KiB, namespaces: {dev: {bodies: 1KiB, denied_headers: [x-a]}, \
         pay-2: {read: false}, empty: {}}}\n\
         processes: {remembered: 1000}\n\
         rings: {workers: 4, facts: 3MiB, bulk: 1000000}\n\
         mechanisms: [lsm, tp_btf]\n\
         statistics: false\n\
         log: {level: warn, format: json}\n",
    )
}

#[test]
fn what_is_printed_is_read_back_as_the_same() {
    for config in [Config::default(), full()] {
        let text = config.print_all();
        assert_eq!(parse(&text), config, "{text}");
        assert_eq!(parse(&text).print_all(), text);
    }
    assert_eq!(parse(""), Config::default());
    assert_eq!(parse("# nothing\nhttp:\nscope: {}\n"), Config::default());
}

#[test]
fn runtimes_are_asked_where_they_are_said_to_be() {
    let usual = Config::default().cluster().expect("runtimes are asked");
    assert!(usual.cri.len() > 1 && usual.docker.is_some());
    let said = parse("kubernetes: {runtimes: [/run/one.sock]}").cluster().expect("it is asked");
    assert_eq!(said.cri, [PathBuf::from("/run/one.sock")]);
    assert_eq!(said.docker, None);
    let none = "kubernetes: {api: false, runtime: false, runtimes: [/run/one.sock]}";
    assert!(parse(none).cluster().is_none());
}

#[test]
fn every_key_is_printed_with_its_documentation() {
    let text = Config::default().print_all();
    let mut documented = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.starts_with('#') {
            documented = true;
        } else if line.starts_with("- ") {
            // The keys of an output are told above the list.
            break;
        } else {
            assert!(documented, "`{line}` has no documentation");
            documented = line == "outputs:";
        }
    }
    for key in ["kind", "path", "rotate_size", "keep", "hide_personal"] {
        assert!(text.contains(&format!("#   {key}:")), "{key}");
    }
    assert!(text.lines().all(|line| line.len() <= 100), "{text}");
}

#[test]
fn receivers_are_printed_as_they_are_read() {
    let yaml = "detection:\n  rules: [a.yaml]\n  receivers:\n    - priority: error\n      to:\n        \
                file: {path: /a, format: {fathom: true}}\n    - to: {stdout: {}}\n";
    let config = parse(yaml);
    assert_eq!(config.detection.receivers.len(), 2);
    assert_eq!(parse(&config.print_all()).detection, config.detection);
    let secret = parse("detection: {receivers: [{to: {slack: {url: 'http://x/s3cret'}}}]}");
    assert!(!secret.print_all().contains("s3cret"), "{}", secret.print_all());
}

#[test]
fn values_are_what_they_say() {
    let config = full();
    assert_eq!(config.node, Name::Given("yes".to_string()));
    assert_eq!(config.rings.workers, Choice::Given(Workers(4)));
    assert_eq!(config.outputs[0].kind, OutputKind::File);
    assert_eq!(config.outputs[0].rotate_size, Size(1536 << 10));
    assert_eq!(config.http.listen, Listen::On("[::1]:9".parse().expect("an address")));
    let rings = config.rings.options();
    assert_eq!((rings.workers, rings.facts_bytes, rings.bulk_bytes), (4, 4 << 20, 1 << 20));
    let wanted: Vec<_> = config.wanted().iter().map(|table| table.name).collect();
    assert!(wanted.contains(&"agent_drop") && wanted.contains(&"file_open"), "{wanted:?}");
    assert_eq!(wanted.iter().filter(|name| name.starts_with("process")).count(), 1);
    assert_eq!(config.scopes()[..2], [Scope::Pid(7), Scope::Pid(8)]);
    assert!(config.scopes().iter().all(|scope| *scope != Scope::Node));

    assert_eq!(Config::default().scopes(), [Scope::Node]);
    assert_eq!(parse("scope: {pids: [3]}").scopes(), [Scope::Pid(3)]);
    assert_eq!(parse("http: {listen: off}").http.listen, Listen::Off);
    assert_eq!(
        parse("http: {listen: localhost:80}").http.listen,
        Listen::On(([127, 0, 0, 1], 80).into())
    );
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_the_nearest_right_word() {
    for (text, told) in [
        ("nod: a", "fathom.yaml:1:1: there is no key `nod`; did you mean `node`?"),
        (
            "http:\n  lisen: off\n",
            "fathom.yaml:2:3: there is no key `lisen` in `http`; did you mean `listen`?",
        ),
        ("listen: off", "fathom.yaml:1:1: there is no key `listen`; did you mean `http.listen`?"),
        (
            "http:\n  frobnicate: 1",
            "fathom.yaml:2:3: there is no key `frobnicate` in `http`; there are listen",
        ),
        (
            "outputs:\n  - kind: fiel\n    path: /x\n",
            "fathom.yaml:2:11: outputs.kind: there is no `fiel`; did you mean `file`?; write stdout or file",
        ),
        (
            "outputs:\n  - kind: stdout\n    rotate: 1\n",
            "fathom.yaml:3:5: there is no key `rotate` in `outputs`; there are kind, path, rotate_size, keep, hide_personal",
        ),
        (
            "outputs:\n- kind: file\n",
            "fathom.yaml:2:3: outputs.kind: `file` needs a path beside it",
        ),
        (
            "outputs:\n- kind: stdout\n- path: /x\n",
            "fathom.yaml:3:3: outputs.path: `/x` needs `kind: file` beside it; stdout has no path",
        ),
        (
            "outputs: [{kind: stdout}, {kind: stdout}]",
            "fathom.yaml:1:1: outputs: standard output is there twice",
        ),
        (
            "tables: [file_open, file_opne]",
            "fathom.yaml:1:21: tables: there is no table `file_opne`; did you mean `file_open`?",
        ),
        ("tables: file", "fathom.yaml:1:9: tables: here a list has to stand: [one, other]"),
        (
            "rings:\n  facts: 2MeB\n",
            "fathom.yaml:2:10: rings.facts: `2MeB` is no size; write a size with its unit: 64KiB, 2MiB, 1GiB",
        ),
        (
            "rings:\n  bulk: 1KiB\n",
            "fathom.yaml:2:3: rings.bulk: a ring has 64KiB to 1GiB, not 1KiB",
        ),
        (
            "rings:\n  workers: 3\n",
            "fathom.yaml:2:12: rings.workers: `3` is not; write auto, or a power of two up to 64",
        ),
        ("rings: 3", "fathom.yaml:1:8: rings: here keys with values have to stand (key: value)"),
        (
            "statistics: [1]",
            "fathom.yaml:1:13: statistics: here a single value has to stand, neither a list nor keys",
        ),
        (
            "statistics: maybe",
            "fathom.yaml:1:13: statistics: `maybe` is neither; write true or false",
        ),
        ("statistics:\n", "fathom.yaml:1:11: statistics: there is no value"),
        (
            "http:\n  listen: 0.0.0.0:9191\n",
            "fathom.yaml:2:3: http.listen: 0.0.0.0:9191 can be reached from other machines, which takes TLS (access.certificate, access.key) and access.tokens or access.client_ca; or write 127.0.0.1:9191 or [::1]:9191",
        ),
        (
            "mechanisms: [lsm, fentri]",
            "fathom.yaml:1:19: mechanisms: there is no mechanism `fentri`; did you mean `fentry`?; write lsm, fentry, tp_btf or kprobe",
        ),
        (
            "requests:\n  namespaces:\n    pay-2:\n      raed: false\n",
            "fathom.yaml:4:7: there is no key `raed` in `requests.namespaces.pay-2`; did you mean `read`?",
        ),
        (
            "requests: {namespaces: {dev: {read: maybe}}}",
            "fathom.yaml:1:37: requests: `maybe` is neither; write true or false",
        ),
        (
            "requests:\n  namespaces:\n    dev: {bodies: 1KB, bodies: 1KB}\n",
            "fathom.yaml:3:24: requests.namespaces.dev: the key `bodies` is there twice",
        ),
        (
            "requests:\n  namespaces:\n    dev: {bodies: 5KiB}\n",
            "fathom.yaml:2:3: requests.namespaces: dev: bodies: 5KiB is more than is copied of a message, which is 4KiB",
        ),
        (
            "requests:\n  namespaces: {Dev: {}}\n",
            "fathom.yaml:2:3: requests.namespaces: `Dev` is no namespace: its name is up to 63 small letters, digits and `-`",
        ),
        (
            "requests:\n  bodies: 1MiB\n",
            "fathom.yaml:2:3: requests.bodies: 1MiB is more than is copied of a message, which is 4KiB",
        ),
        ("scope: {pids: [-1]}", "fathom.yaml:1:16: scope: `-1` is not; write a whole number"),
        (
            "scope:\n  node: false\n",
            "fathom.yaml:1:1: scope: nothing is watched; name pids or cgroups, or write node: true",
        ),
        (
            "processes:\n  remembered: 0\n",
            "fathom.yaml:2:3: processes.remembered: at least one process has to be remembered",
        ),
        ("node: a\nnode: b\n", "fathom.yaml:2:1: node: the key `node` is there twice"),
        ("node: \"a", "fathom.yaml:1:7: node: unclosed quote"),
        ("- node", "fathom.yaml:1:1: here keys with values have to stand (key: value)"),
        ("node: a\n---\nnode: b", "fathom.yaml:3:1: there is more than one document"),
    ] {
        let problem = load(text, &[]).expect_err(text);
        assert_eq!(problem, told, "{text}");
    }
}

#[test]
fn the_place_is_shown() {
    let problem =
        Config::parse("fathom.yaml", "node: a\nhttp:\n  lisen: off\n").expect_err("wrong");
    assert_eq!(problem.excerpt(), "  |\n3 |   lisen: off\n  |   ^\n");
    let problem = Config::load(Some("/nonexistent/fathom.yaml".as_ref()), []).expect_err("none");
    assert!(
        problem.to_string().starts_with("/nonexistent/fathom.yaml: cannot read it: "),
        "{problem}"
    );
    assert_eq!(problem.excerpt(), "");
}

#[test]
fn the_environment_goes_before_the_file() {
    let environment = [
        ("FATHOM_HTTP_LISTEN", "127.0.0.1:7"),
        ("FATHOM_SCOPE_PIDS", "7,8"),
        ("FATHOM_TABLES", "[process, file_open]"),
        ("FATHOM_OUTPUTS", "[{kind: file, path: /x, keep: 2}]"),
        ("FATHOM_NODE", "123"),
        ("FATHOM_PROCESSES_REMEMBERED", "77"),
        ("FATHOM_BIN", "/not/a/setting"),
        ("OTHER", "1"),
    ];
    let config = load("http: {listen: off}\nstatistics: false\n", &environment).expect("right");
    assert_eq!(config.http.listen, Listen::On(([127, 0, 0, 1], 7).into()));
    assert_eq!(config.scopes(), [Scope::Pid(7), Scope::Pid(8)]);
    assert_eq!(config.tables.len(), 2);
    assert_eq!((config.outputs[0].path.0.as_str(), config.outputs[0].keep), ("/x", 2));
    assert_eq!(config.node, Name::Given("123".to_string()));
    assert_eq!((config.processes.remembered, config.statistics), (77, false));
}

#[test]
fn a_wrong_environment_is_told_as_well() {
    for (name, text, told) in [
        (
            "FATHOM_HTTP_LISTN",
            "off",
            "$FATHOM_HTTP_LISTN: there is no such setting; did you mean `FATHOM_HTTP_LISTEN`?",
        ),
        (
            "FATHOM_STATISTICS",
            "1",
            "$FATHOM_STATISTICS: statistics: `1` is neither; write true or false",
        ),
        (
            "FATHOM_TABLES",
            "fil_open",
            "$FATHOM_TABLES: tables: there is no table `fil_open`; did you mean `file_open`?",
        ),
        (
            "FATHOM_OUTPUTS",
            "[{knd: file}]",
            "$FATHOM_OUTPUTS: outputs: there is no key `knd`; did you mean `kind`?",
        ),
        (
            "FATHOM_SCOPE_NODE",
            "false",
            "fathom.yaml: scope: nothing is watched; name pids or cgroups, or write node: true",
        ),
    ] {
        assert_eq!(load("", &[(name, text)]).expect_err(name), told);
    }
}

#[test]
fn namespaces_have_what_is_said_of_them_and_else_what_holds_for_all() {
    let config = parse(
        "requests: {query_values: true, denied_headers: [X-Own], namespaces: {dev: {literals: true, \
         bodies: 1KiB}, pay: {read: false}, open: {denied_headers: []}}}",
    );
    let policy = |name: &str| config.requests.namespaces.0[name].policy(&config.requests);
    assert_eq!(policy("pay"), None);
    let dev = policy("dev").expect("it is read");
    assert_eq!((dev.query_values, dev.literals, dev.bodies), (true, true, 1024));
    assert_eq!(dev.denied_headers, ["x-own"]);
    assert!(policy("open").expect("it is read").denied_headers.is_empty());
    let said = load("", &[("FATHOM_REQUESTS_NAMESPACES", "{pay: {read: false}}")]);
    assert!(said.is_ok_and(|it| it.requests.namespaces.0["pay"].read == Some(false)));
    let wrong = load("", &[("FATHOM_REQUESTS_NAMESPACES", "{pay: {raed: false}}")]);
    let wrong = wrong.expect_err("no such key");
    assert!(wrong.contains("there is no key `raed`; did you mean `read`?"), "{wrong}");
}
