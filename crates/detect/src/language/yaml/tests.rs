use super::*;

fn file(text: &str) -> Source {
    Source { name: "a.yaml".into(), text: text.into() }
}

/// The first value of the first mapping.
fn value(text: &str) -> Traced {
    let documents = read(&file(text)).unwrap();
    let Content::List(items) = &documents[0].content else { panic!("not a list") };
    let Content::Map(pairs) = &items[0].content else { panic!("not a mapping") };
    pairs[0].1.scalar().unwrap().clone()
}

/// Every word of `value` stands where it says, in `text`.
fn words_are_found(text: &str, value: &Traced) {
    let lines: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    for (at, letter) in value.text().char_indices().filter(|(_, letter)| letter.is_alphanumeric()) {
        let place = value.origin(at).place;
        let there = lines[place.line - 1].get(place.column - 1);
        assert_eq!(there, Some(&letter), "{at} of {:?} is at {place} of {text}", value.text());
    }
}

#[test]
fn every_letter_is_found_in_every_style() {
    let texts = [
        "- a: >-  # hello\n    one two\n      indented\n\n    füur five\n",
        "- a: >\n\n\n     late\n     r\n",
        "- a: |2-\n     deep\n    less\n",
        "- a: \"q\\n wörd\n\n    next \\\n    joined \\u00e4 tail \\x41 end\"\n",
        "- a: 'it''s one\n    and two'\n",
        "- a: plain words   with  blanks\n     and more # not this\n",
        "- {a: [x], b: c}\n- a: z\n".trim_start_matches("- {a: [x], b: c}\n"),
        "- a: >\r\n    one\r\n    two\r\n",
        "-\n  a:\n    - x\n".trim_end_matches("\n    - x\n"),
    ];
    for text in texts {
        let value = value(text);
        // Escapes have a place, but not their letter there.
        let plain = value.text().replace(['ä', 'A'], "");
        if plain.len() == value.text().len() {
            words_are_found(text, &value);
        }
    }
    let text = "- a: \"q\\n w \\u00e4 tail\"\n";
    let found = value(text);
    assert_eq!(found.origin(found.text().find("tail").unwrap()).place.column, 20);
}

#[test]
fn flow_collections_and_aliases_have_the_places_of_their_texts() {
    let documents = read(&file("- &x [a, 'b']\n- {k: *x}\n---\n- c\n")).unwrap();
    assert_eq!(documents.len(), 2);
    let Content::List(items) = &documents[0].content else { panic!() };
    let Content::Map(pairs) = &items[1].content else { panic!() };
    assert_eq!(pairs[0].1, items[0]);
    let Content::List(values) = &items[0].content else { panic!() };
    assert_eq!((values[0].place.line, values[0].place.column), (1, 7));
    let b = values[1].scalar().unwrap();
    assert_eq!((b.text(), b.home().column), ("b", 11));
}

#[test]
fn merged_keys_come_behind_those_that_are_written() {
    let documents = read(&file("- &x {a: 1, b: 2}\n- <<: *x\n  b: 3\n")).unwrap();
    let Content::List(items) = &documents[0].content else { panic!() };
    let Content::Map(pairs) = &items[1].content else { panic!() };
    let text = |node: &Node| node.scalar().unwrap().text().to_owned();
    let pairs: Vec<_> = pairs.iter().map(|(key, value)| (text(key), text(value))).collect();
    assert_eq!(pairs, [("b".into(), "3".into()), ("a".into(), "1".into())]);
}

#[test]
fn bombs_and_rubbish_are_refused_at_their_place() {
    let mut laughs = String::from("- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        laughs += &format!("- &a{level} [{alias}]\n");
    }
    let deep = format!("- {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let steps: String = (0..3000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    for (text, line) in [
        (laughs.as_str(), 4),
        (&deep, 1),
        (&steps, 65),
        ("- a\n- b: \"open\n", 2),
        ("- a\n- b\0\n", 2),
        ("- a: *nobody\n", 1),
        ("- &x [*x]\n", 1),
        ("- a\n- <<: 5\n", 2),
    ] {
        let found = read(&file(text)).unwrap_err();
        let start: String = text.chars().take(40).collect();
        assert_eq!(found.code, code::YAML_PARSE);
        assert!(found.place.line.abs_diff(line) <= 1, "{start}: {found:?}");
    }
}
