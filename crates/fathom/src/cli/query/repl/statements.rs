//! Where statements end: at a semicolon that stands in no text, name or comment.

/// `input` by statements, and whether the last of them has its end.
pub(super) fn split(input: &str) -> (Vec<&str>, bool) {
    let mut statements = Vec::new();
    let mut from = 0;
    let mut letters = input.char_indices().peekable();
    let mut open = false;
    while let Some((at, letter)) = letters.next() {
        match letter {
            ';' => {
                statements.push(&input[from..at]);
                from = at + 1;
            }
            '\'' | '"' => open = !letters.any(|(_, it)| it == letter),
            '-' if letters.next_if(|(_, it)| *it == '-').is_some() => {
                while letters.next().is_some_and(|(_, it)| it != '\n') {}
            }
            '/' if letters.next_if(|(_, it)| *it == '*').is_some() => {
                let mut before = ' ';
                open =
                    !letters.any(|(_, it)| std::mem::replace(&mut before, it) == '*' && it == '/');
            }
            _ => {}
        }
    }
    let rest = &input[from..];
    let ended = !open && rest.trim().is_empty();
    if !rest.trim().is_empty() {
        statements.push(rest);
    }
    statements.retain(|statement| !statement.trim().is_empty());
    (statements, ended)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_semicolon_ends_a_statement_and_not_a_text() {
        assert_eq!(split("select 1;"), (vec!["select 1"], true));
        assert_eq!(split("select ';"), (vec!["select ';"], false));
        assert_eq!(
            split("select ';' as \";\" -- ;\n"),
            (vec!["select ';' as \";\" -- ;\n"], false)
        );
        assert_eq!(
            split("select 1; select 2 /* ; */;\n"),
            (vec!["select 1", " select 2 /* ; */"], true)
        );
        assert_eq!(split("select 'it''s';"), (vec!["select 'it''s'"], true));
        assert_eq!(split("select 1; /* "), (vec!["select 1", " /* "], false));
        assert_eq!(split(";;"), (vec![], true));
    }
}
