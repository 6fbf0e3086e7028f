//! SQL without its literals, cut or whole.

/// Whose SQL it is: they differ in what double quotes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Double quotes hold names, `$tag$` holds text. PostgreSQL, Cassandra.
    Standard,
    /// Double quotes hold text, back quotes names, `\` escapes. MySQL and MariaDB.
    MySql,
    /// The same where `\` is a character as any other: the mode `NO_BACKSLASH_ESCAPES`.
    MySqlUnescaped,
}

/// A statement without what differs from call to call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sql {
    /// Its verb in upper case: `SELECT`; of a `WITH` the verb behind it. Empty where there is none.
    pub verb: String,
    /// The statement: one line, literals as `?`, lists of them as one, comments gone.
    pub text: String,
}

/// Takes the literals out of a statement, and comments, and breaks. Long ones are cut at `limit`
/// bytes; a literal that is cut itself is taken out as well.
pub fn sql(statement: &str, dialect: Dialect, limit: usize) -> Sql {
    let mut out =
        Out { text: String::with_capacity(statement.len().min(limit)), limit, space: false };
    let mut rest = statement;
    let mut verb = Verb::default();
    while !rest.is_empty() && !out.full() {
        let (token, length) = token(rest, dialect, out.text.chars().next_back());
        let said = &rest[..length];
        match token {
            Token::Nothing => out.space = true,
            Token::Literal => out.literal(),
            Token::Word => {
                verb.word(said);
                out.push(said, true);
            }
            Token::Name => out.push(said, true),
            Token::Mark => {
                verb.mark(said);
                out.mark(said);
            }
        }
        rest = &rest[length..];
    }
    // Whether a client ends what it says with `;` makes it no other statement.
    let mut text = out.text;
    text.truncate(text.trim_end_matches([';', ' ']).len());
    Sql { verb: verb.found.unwrap_or(verb.first), text }
}

enum Token {
    /// Space or a comment.
    Nothing,
    Literal,
    Word,
    /// A quoted name or a placeholder.
    Name,
    Mark,
}

/// The first token and its length, never zero.
fn token(rest: &str, dialect: Dialect, before: Option<char>) -> (Token, usize) {
    let bytes = rest.as_bytes();
    let until = |end: &str, from: usize| match rest.get(from..).and_then(|rest| rest.find(end)) {
        Some(at) => from + at + end.len(),
        None => rest.len(),
    };
    let run = |is: fn(&u8) -> bool| bytes.iter().take_while(|byte| is(byte)).count();
    let mysql = dialect != Dialect::Standard;
    let escapes = dialect == Dialect::MySql;
    match bytes[0] {
        byte if byte.is_ascii_whitespace() => (Token::Nothing, run(u8::is_ascii_whitespace)),
        b'-' if rest.starts_with("--") => (Token::Nothing, until("\n", 2)),
        b'#' if mysql => (Token::Nothing, until("\n", 1)),
        b'/' if rest.starts_with("/*") => (Token::Nothing, comment(bytes, mysql)),
        b'\'' => (Token::Literal, quoted(bytes, b'\'', escapes)),
        b'"' if mysql => (Token::Literal, quoted(bytes, b'"', escapes)),
        b'"' => (Token::Name, quoted(bytes, b'"', false)),
        b'`' => (Token::Name, quoted(bytes, b'`', false)),
        b'$' if bytes.get(1).is_some_and(u8::is_ascii_digit) => {
            (Token::Name, 1 + bytes[1..].iter().take_while(|byte| byte.is_ascii_digit()).count())
        }
        b'$' if !mysql => match dollar(rest) {
            Some(length) => (Token::Literal, length),
            None => (Token::Mark, 1),
        },
        b'0'..=b'9' => (Token::Literal, number(bytes)),
        b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit)
            && !before
                .is_some_and(|before| is_word(&(before as u32).min(0x80).to_le_bytes()[0])) =>
        {
            (Token::Literal, number(bytes))
        }
        byte if is_word(&byte) => {
            let length = run(is_word);
            // E'…', B'…', N'…', X'…', U&'…' are literals with a word before them.
            let prefix =
                matches!(&bytes[..length], [b'e' | b'E' | b'b' | b'B' | b'n' | b'N' | b'x' | b'X']);
            match bytes.get(length) {
                Some(b'\'') if prefix => {
                    let escapes = escapes || (!mysql && matches!(byte, b'e' | b'E'));
                    (Token::Literal, length + quoted(&bytes[length..], b'\'', escapes))
                }
                _ => (Token::Word, length),
            }
        }
        _ => (Token::Mark, rest.chars().next().map_or(1, char::len_utf8)),
    }
}

fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80
}

fn quoted(bytes: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 2,
            byte if byte == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Comments nest, but not in MySQL.
fn comment(bytes: &[u8], mysql: bool) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            [b'/', b'*', ..] if !mysql => {
                depth += 1;
                at += 2;
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// `$tag$ … $tag$`, or `$$ … $$`.
fn dollar(rest: &str) -> Option<usize> {
    let end = 1 + rest[1..].find('$')?;
    let tag = &rest[..=end];
    if !tag[1..end].bytes().all(|byte| is_word(&byte)) {
        return None;
    }
    Some(rest[end + 1..].find(tag).map_or(rest.len(), |at| end + 1 + at + tag.len()))
}

fn number(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let exponent = matches!(byte, b'+' | b'-')
            && matches!(bytes[at - usize::from(at > 0)], b'e' | b'E')
            && !bytes.starts_with(b"0x");
        if !(byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') || exponent) {
            break;
        }
        at += 1;
    }
    at.max(1)
}

struct Out {
    text: String,
    limit: usize,
    space: bool,
}

impl Out {
    fn full(&self) -> bool {
        self.text.len() >= self.limit
    }

    fn push(&mut self, said: &str, word: bool) {
        let glued = !word || self.text.is_empty() || self.text.ends_with(['(', '.']);
        if self.space && !glued {
            self.text.push(' ');
        }
        self.space = false;
        let room = self.limit.saturating_sub(self.text.len());
        self.text.push_str(&said[..said.floor_char_boundary(room.min(said.len()))]);
    }

    fn mark(&mut self, said: &str) {
        match said {
            "," | ")" | ";" | "." => {
                self.push(said, false);
                self.fold();
            }
            _ => self.push(said, true),
        }
        if said == "," {
            self.space = true;
        }
    }

    fn literal(&mut self) {
        // -1 is as much a literal as 1 is, where an operand has to come.
        if self.text.ends_with(['-', '+']) {
            let before = self.text[..self.text.len() - 1].trim_end();
            if before.ends_with(['(', ',', '=', '<', '>']) {
                self.space = self.text.len() - 1 > before.len();
                self.text.truncate(before.len());
            }
        }
        self.push("?", true);
        self.fold();
    }

    /// `?, ?` is `?`, and `(?), (?)` is `(?)`.
    fn fold(&mut self) {
        for (many, one) in [("?, ?", "?"), ("(?), (?)", "(?)")] {
            if self.text.ends_with(many) {
                self.text.truncate(self.text.len() - many.len() + one.len());
            }
        }
    }
}

/// Finds what a statement does. `WITH a AS (SELECT …) UPDATE …` updates.
#[derive(Default)]
struct Verb {
    first: String,
    found: Option<String>,
    depth: usize,
}

impl Verb {
    fn word(&mut self, word: &str) {
        if self.first.is_empty() {
            self.first = word.to_ascii_uppercase();
            self.first.truncate(self.first.floor_char_boundary(24));
        } else if self.first == "WITH" && self.found.is_none() && self.depth == 0 {
            let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES"];
            self.found =
                verbs.iter().find(|verb| verb.eq_ignore_ascii_case(word)).map(|&v| v.into());
        }
    }

    fn mark(&mut self, mark: &str) {
        match mark {
            "(" => self.depth += 1,
            ")" => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn normal(statement: &str) -> String {
        sql(statement, Dialect::Standard, 1024).text
    }

    #[test]
    fn literals_go_and_names_stay() {
        for (said, kept) in [
            ("select * from t where id = 17", "select * from t where id = ?"),
            ("SELECT 'it''s', \"Name\", t1.c2 FROM t1", "SELECT ?, \"Name\", t1.c2 FROM t1"),
            ("select  1.5e-3 ,\n .5, 0xff", "select ?"),
            ("select $1, $$ body $$, $a$ x $b$ $a$", "select $1, ?"),
            ("select E'a\\'b', x'ff' -- no\n, 1", "select ?"),
            ("insert into t values (1, 'a'), (2, 'b'),(3,'c')", "insert into t values (?)"),
            (
                "select * from t where a in (1,2,3) and b=-4",
                "select * from t where a in (?) and b=?",
            ),
            ("select a-1 from t", "select a-? from t"),
            ("/* app:x */ select /* /* deep */ */ 1;", "select ?"),
            ("begin; select 1 ; ;\n", "begin; select ?"),
            (";", ""),
            ("select 'cut here and the secr", "select ?"),
            ("", ""),
        ] {
            assert_eq!(normal(said), kept, "{said}");
        }
    }

    #[test]
    fn the_end_of_a_statement_is_no_part_of_it() {
        for said in ["SELECT 1;", "SELECT 1", "SELECT 1 ; -- all", "SELECT 1;;"] {
            assert_eq!(normal(said), "SELECT ?", "{said}");
        }
        assert_eq!(sql("SELECT 1;", Dialect::MySql, 1024).text, "SELECT ?");
    }

    #[test]
    fn mysql_quotes_text_twice() {
        let said = "select `a`, \"jo\", 'x\\'y' # no\n from t";
        assert_eq!(sql(said, Dialect::MySql, 1024).text, "select `a`, ? from t");
        let said = "select 'a\\', 'hunter', \"b\\\" from t";
        assert_eq!(sql(said, Dialect::MySqlUnescaped, 1024).text, "select ? from t");
    }

    #[test]
    fn verbs() {
        let verb = |said| sql(said, Dialect::Standard, 1024).verb;
        assert_eq!(verb(" -- hi\n Select 1"), "SELECT");
        assert_eq!(verb("with a as (select 1) update t set x = 1"), "UPDATE");
        assert_eq!(verb("with a as (select 1"), "WITH");
        assert_eq!(verb("(select 1) union (select 2)"), "SELECT");
        assert_eq!(verb(";"), "");
    }

    proptest! {
        #[test]
        fn any_text_is_taken(said in "\\PC*", limit in 0usize..64) {
            for dialect in [Dialect::Standard, Dialect::MySql, Dialect::MySqlUnescaped] {
                prop_assert!(sql(&said, dialect, limit).text.len() <= limit + 1);
            }
        }

        #[test]
        fn a_cut_statement_shows_no_literal(cut in 0usize..80) {
            let said = "select * from t where name = 'hunterhunter' and x = $q$hunter$q$ and n = 17";
            let cut = cut.min(said.len());
            prop_assert!(!normal(&said[..cut]).contains("hunt"));
        }
    }
}
