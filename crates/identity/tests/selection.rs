//! Which pods a user meant.

use std::collections::BTreeMap;

use identity::pods::{Given, LabelSelector, Labels, Pod, PodContainer, Selection, Source};
use proptest::prelude::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn pod(namespace: &str, name: &str) -> Pod {
    let container = |id: &str, name: &str| PodContainer {
        id: id.into(),
        name: name.into(),
        image: "web:1".into(),
    };
    Pod {
        uid: "u1".into(),
        static_uid: None,
        namespace: namespace.into(),
        name: name.into(),
        node: None,
        labels: Labels::from_iter([("app", "web"), ("tier", "front")]),
        workload: None,
        ips: [].into(),
        host_network: false,
        containers: [container(ID, "main"), container("feed", "sidecar")].into(),
        since: None,
        source: Source::Api,
    }
}

fn reads(given: Given) -> Selection {
    Selection::parse(given).unwrap()
}

fn refuses(given: Given) -> String {
    Selection::parse(given).unwrap_err().to_string()
}

#[test]
fn everything_that_was_given_has_to_fit() {
    let web = pod("shop", "web-1");
    assert!(reads(Given::default()).matches(&web) && reads(Given::default()).is_everything());
    let namespaces = ["other,shop".to_string()];
    let given = Given { namespaces: &namespaces, selector: Some("app=web"), ..Given::default() };
    assert!(reads(given).matches(&web) && !reads(given).is_everything());
    assert!(!reads(given).matches(&pod("third", "web-1")));
    assert!(!reads(Given { selector: Some("app=db"), ..given }).matches(&web));
    let named = Given { pod: Some("shop/web-1"), ..Given::default() };
    assert!(reads(named).matches(&web) && !reads(named).matches(&pod("shop", "web-2")));
    assert!(!reads(Given { namespaces: &["x".to_string()], ..named }).matches(&web));
}

#[test]
fn a_container_is_meant_by_the_beginning_of_its_id_or_by_its_name() {
    let web = pod("shop", "web-1");
    let [main, sidecar] = [&web.containers[0], &web.containers[1]];
    let given = |word| reads(Given { container: Some(word), ..Given::default() });
    for word in [&ID[..12], ID, "containerd://0123456789abcdef", "main", "0123456789AB"] {
        assert!(given(word).matches_container(&web, main), "{word}");
        assert!(!given(word).matches_container(&web, sidecar), "{word}");
        assert!(given(word).matches(&web), "{word}");
    }
    // Too short for an id, so a name; and nobody's.
    assert!(!given("feed").matches(&web) && !given("0123456789ac").matches(&web));
}

#[test]
fn errors_name_the_place_and_what_is_expected() {
    let selector = |text| LabelSelector::parse(text).unwrap_err().to_string();
    says(
        &selector("app=web,"),
        "selector `app=web,`, at 9: expected a label's name, as `app` or `example.com/app`, \
         found the end",
    );
    says(
        &selector("app in web"),
        "selector `app in web`, at 8: expected `(` and the values, found `web`",
    );
    says(
        &selector("a in (b"),
        "selector `a in (b`, at 8: expected `,` and another value, or `)`, found the end",
    );
    says(
        &selector("a b"),
        "selector `a b`, at 3: expected `=`, `==`, `!=`, `in (…)`, `notin (…)`, `,` or the end, \
         found `b`",
    );
    assert!(selector("a=b=c").contains("at 4: expected `,` and another requirement"));
    assert!(selector("ä=b").contains("at 1: expected a label's name"));
    assert!(selector("a=-b").contains("at 3: expected a label's value"));
    assert!(selector(&"a".repeat(64)).contains("a label's name"));
    let pod = |text| refuses(Given { pod: Some(text), ..Given::default() });
    assert_eq!(pod("web"), "pod `web`, at 4: expected NAMESPACE/NAME, found the end");
    assert!(pod("shop/").contains("at 6: expected the name of a pod"));
    let spaces = refuses(Given { namespaces: &["a,B".into()], ..Given::default() });
    assert_eq!(spaces, "namespace `a,B`, at 3: expected the name of a namespace, found `B`");
    let container = refuses(Given { container: Some("containerd://0123"), ..Given::default() });
    assert!(container.contains("at 14: expected 12 to 64 hexadecimal digits"), "{container}");
}

fn says(said: &str, expected: &str) {
    assert_eq!(said, expected);
}

/// A requirement as its own text and as a plain function.
#[derive(Debug, Clone)]
struct Naive {
    key: String,
    operator: u8,
    values: Vec<String>,
    blank: String,
}

impl Naive {
    fn text(&self) -> String {
        let Naive { key, operator, values, blank } = self;
        let (one, all) = (&values[0], values.join(&format!("{blank},{blank}")));
        match operator {
            0 => format!("{key}{blank}={blank}{one}"),
            1 => format!("{key}{blank}=={blank}{one}"),
            2 => format!("{blank}{key}!={one}{blank}"),
            3 => format!("{key} in{blank}({blank}{all}{blank})"),
            4 => format!("{key} notin {blank}({all})"),
            5 => format!("{blank}{key}{blank}"),
            _ => format!("!{blank}{key}"),
        }
    }

    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        match (self.operator, labels.get(&self.key)) {
            (0 | 1, Some(value)) => *value == self.values[0],
            (2, Some(value)) => *value != self.values[0],
            (3, Some(value)) => self.values.contains(value),
            (4, Some(value)) => !self.values.contains(value),
            (5, found) => found.is_some(),
            (6, found) => found.is_none(),
            (operator, None) => matches!(operator, 2 | 4),
            _ => unreachable!(),
        }
    }
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["app", "tier", "in", "notin", "k8s.io/app", "A_b.c-1"])
        .prop_map(str::to_string)
}

fn value() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "web", "in", "1", "A_b.c-1"]).prop_map(str::to_string)
}

fn requirement() -> impl Strategy<Value = Naive> {
    let values = prop::collection::vec(value(), 1..4);
    let blank = prop::sample::select(vec!["", " ", "\t "]).prop_map(str::to_string);
    (key(), 0u8..7, values, blank).prop_map(|(key, operator, values, blank)| Naive {
        key,
        operator,
        values,
        blank,
    })
}

proptest! {
    #[test]
    fn selectors_agree_with_a_naive_reading(
        requirements in prop::collection::vec(requirement(), 0..4),
        labels in prop::collection::btree_map(key(), value(), 0..5),
    ) {
        let text = requirements.iter().map(Naive::text).collect::<Vec<_>>().join(",");
        let selector = LabelSelector::parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let expected = requirements.iter().all(|requirement| requirement.holds(&labels));
        prop_assert_eq!(selector.matches(&labels.clone().into_iter().collect()), expected, "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused_at_a_place_within_it(text in "[a-z=!,() ä/.-]{0,20}") {
        if let Err(error) = LabelSelector::parse(&text) {
            prop_assert!(text.is_char_boundary(error.at), "{}", error);
        }
    }
}
