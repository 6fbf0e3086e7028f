//! The words that the prompt completes: tables, columns, functions, keywords, and its own commands.

use super::super::listed::Listed;

/// What there is to complete with.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) tables: Vec<Listed>,
}

/// The prompt's own commands, with what they do.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("\\d", "list the tables and views"),
    ("\\d TABLE", "list the columns of one"),
    ("\\o FORMAT", "write answers as table, json or csv"),
    ("\\timing", "say how long answers took, or do not"),
    ("\\help", "say this"),
    ("\\q", "leave; so does Ctrl-D"),
];

pub(super) const FORMATS: &[&str] = &["table", "json", "csv"];

const KEYWORDS: &[&str] = &[
    "all",
    "and",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "cast",
    "cross",
    "current_timestamp",
    "date",
    "desc",
    "describe",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "explain",
    "explain analyze",
    "false",
    "filter",
    "from",
    "full",
    "group by",
    "having",
    "ilike",
    "in",
    "inner",
    "intersect",
    "interval",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "nulls first",
    "nulls last",
    "offset",
    "on",
    "or",
    "order by",
    "outer",
    "over",
    "partition by",
    "recursive",
    "right",
    "select",
    "show tables",
    "then",
    "timestamp",
    "true",
    "union",
    "union all",
    "using",
    "when",
    "where",
    "with",
];

const FUNCTIONS: &[&str] = &[
    "abs(",
    "ago(",
    "approx_distinct(",
    "array_agg(",
    "avg(",
    "basename(",
    "char_length(",
    "coalesce(",
    "concat(",
    "count(",
    "count(*)",
    "date_bin(",
    "date_part(",
    "date_trunc(",
    "dirname(",
    "ip_in(",
    "label(",
    "lag(",
    "lead(",
    "length(",
    "lower(",
    "max(",
    "median(",
    "min(",
    "now()",
    "nullif(",
    "p50(",
    "p95(",
    "p99(",
    "regexp_like(",
    "regexp_match(",
    "regexp_replace(",
    "replace(",
    "round(",
    "row_number()",
    "split_part(",
    "starts_with(",
    "stddev(",
    "string_agg(",
    "strpos(",
    "substr(",
    "sum(",
    "time_bucket(",
    "to_timestamp(",
    "trim(",
    "upper(",
];

impl Words {
    /// Where the word before `position` begins, and what it may become.
    pub(super) fn complete(&self, line: &str, position: usize) -> (usize, Vec<String>) {
        let before = &line[..position];
        let start = before
            .rfind(|letter: char| !is_of_word(letter))
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        let word = &before[start..];
        if let Some(command) = before.trim_start().strip_prefix('\\') {
            return self.of_command(command, before.len() - command.len() - 1, start, word);
        }
        let last = before[..start].split_whitespace().next_back().unwrap_or_default();
        if ["from", "join", "describe"].iter().any(|it| last.eq_ignore_ascii_case(it)) {
            return (start, fitting(word, self.names()));
        }
        if let Some((of, column)) = word.rsplit_once('.') {
            let start = start + of.len() + 1;
            let table = self.resolve(of, line);
            return (start, fitting(column, table.into_iter().flat_map(columns)));
        }
        let mut found = fitting(word, self.named_in(line).flat_map(columns));
        found.extend(fitting(word, FUNCTIONS.iter().copied()));
        found.extend(fitting(word, self.names()));
        found.extend(fitting(word, KEYWORDS.iter().copied()));
        (start, found)
    }

    fn of_command(
        &self,
        command: &str,
        begun: usize,
        start: usize,
        word: &str,
    ) -> (usize, Vec<String>) {
        match command.split_once(char::is_whitespace) {
            None => {
                let names = COMMANDS.iter().map(|(name, _)| name.split(' ').next().unwrap_or(name));
                (begun, fitting(&format!("\\{command}"), names))
            }
            Some(("d", _)) => (start, fitting(word, self.names())),
            Some(("o", _)) => (start, fitting(word, FORMATS.iter().copied())),
            Some(_) => (start, Vec::new()),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(|table| table.name.as_str())
    }

    /// The tables that `sql` names.
    fn named_in<'a>(&'a self, sql: &str) -> impl Iterator<Item = &'a Listed> {
        let words: Vec<String> = words(sql).map(str::to_ascii_lowercase).collect();
        self.tables.iter().filter(move |table| words.contains(&table.name))
    }

    /// The table called `name` in `sql`, be it by an alias.
    fn resolve(&self, name: &str, sql: &str) -> Option<&Listed> {
        let table = |name: &str| self.tables.iter().find(|it| it.name.eq_ignore_ascii_case(name));
        table(name).or_else(|| {
            // `TABLE NAME` or `TABLE as NAME`, which may well come after the name is used.
            let words = words(sql).filter(|it| !it.eq_ignore_ascii_case("as"));
            let words: Vec<&str> = words.collect();
            let pairs = words.windows(2).filter(|pair| pair[1].eq_ignore_ascii_case(name));
            pairs.filter_map(|pair| table(pair[0])).next()
        })
    }
}

fn columns(table: &Listed) -> impl Iterator<Item = &str> {
    table.columns.iter().map(|column| column.name.as_str())
}

/// Those of `words` that begin with `begun`, each once. Who writes in capitals gets capitals.
fn fitting<'a>(begun: &str, words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let capitals = begun.contains(|letter: char| letter.is_ascii_uppercase());
    let lower = begun.to_ascii_lowercase();
    let mut found: Vec<String> = Vec::new();
    for word in words.filter(|word| word.starts_with(&lower)) {
        let word = if capitals { word.to_ascii_uppercase() } else { word.to_string() };
        if !found.contains(&word) {
            found.push(word);
        }
    }
    found
}

fn words(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(|letter: char| !(is_of_word(letter) && letter != '.')).filter(|it| !it.is_empty())
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '.'
}

#[cfg(test)]
mod tests {
    use super::super::super::listed::Column;
    use super::*;

    fn words() -> Words {
        let column = |name: &&str| Column {
            name: name.to_string(),
            kind: "text".to_string(),
            doc: String::new(),
        };
        let table = |name: &str, columns: &[&str]| Listed {
            name: name.to_string(),
            doc: String::new(),
            columns: columns.iter().map(column).collect(),
        };
        Words {
            tables: vec![
                table("file_open", &["time", "path", "pid"]),
                table("process_exec", &["time", "args"]),
            ],
        }
    }

    /// What the word before the bar becomes.
    fn completed(line: &str) -> Vec<String> {
        let position = line.find('|').expect("a bar");
        words().complete(&line.replace('|', ""), position).1
    }

    #[test]
    fn tables_stand_behind_from_and_columns_elsewhere() {
        assert_eq!(completed("select * from f|"), ["file_open"]);
        assert_eq!(completed("select * from |"), ["file_open", "process_exec"]);
        assert_eq!(completed("select pa| from file_open"), ["path", "partition by"]);
        assert!(!completed("select ar| from file_open").contains(&"args".to_string()));
        assert_eq!(completed("select time_|"), ["time_bucket("]);
        assert_eq!(completed("SEL|"), ["SELECT"]);
    }

    #[test]
    fn a_name_before_a_dot_says_whose_columns() {
        assert_eq!(completed("select file_open.pi| from file_open"), ["pid"]);
        assert_eq!(completed("select f.pa| from file_open as f"), ["path"]);
        assert_eq!(completed("select e.| from file_open f join process_exec e"), ["time", "args"]);
        assert!(completed("select x.| from file_open f").is_empty());
    }

    #[test]
    fn commands_are_completed_too() {
        assert_eq!(completed("\\|"), ["\\d", "\\o", "\\timing", "\\help", "\\q"]);
        assert_eq!(completed("\\d pro|"), ["process_exec"]);
        assert_eq!(completed("\\o |"), ["table", "json", "csv"]);
        let (start, found) = words().complete("\\ti", 3);
        assert_eq!((start, found), (0, vec!["\\timing".to_string()]));
    }
}
