//! What DataFusion says of an error, in words for the one who asked.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, SchemaError, Span};
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use store::Damaged;

use crate::{Problem, Trouble};

/// The names that a query can use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) tables: Vec<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) functions: Vec<String>,
}

/// What is at the bottom of an error.
enum Cause<'a> {
    Problem(&'a Problem),
    Damaged(&'a Damaged),
    Parquet(&'a ParquetError),
    Arrow(&'a ArrowError),
    Other(&'a DataFusionError),
}

/// Something that is not done here.
pub(crate) fn forbidden(what: &str) -> Problem {
    let message = format!("{what}: queries only read the tables of this store");
    Problem { kind: Trouble::Forbidden, message, place: None, near: Vec::new() }
}

/// `error`, which came of `sql`.
pub(crate) fn explain(error: &DataFusionError, sql: &str, names: &Names) -> Problem {
    let mut span = None;
    let cause = cause(error, &mut span);
    let place = span.map(start);
    let of = |kind, message: String| {
        let place = place.or_else(|| mentioned(&message, sql, names));
        Problem { kind, message, place, near: Vec::new() }
    };
    match cause {
        Cause::Problem(problem) => problem.clone(),
        Cause::Damaged(damaged) => of(
            Trouble::Damaged,
            format!("{damaged}. Run `fathom verify` to see what of the store is whole."),
        ),
        Cause::Parquet(error) => of(
            Trouble::Damaged,
            format!(
                "a segment cannot be read: {}. Run `fathom verify` to see which.",
                plain(&error.to_string())
            ),
        ),
        Cause::Arrow(error) => of(Trouble::Sql, plain(&error.to_string())),
        Cause::Other(error) => match error {
            DataFusionError::SQL(error, _) => syntax(error),
            DataFusionError::SchemaError(error, _) => column(error, sql, place, names),
            DataFusionError::Plan(text) => planned(text, sql, place, names),
            DataFusionError::NotImplemented(text) => {
                of(Trouble::Sql, format!("this is not done here: {}", plain(text)))
            }
            DataFusionError::ResourcesExhausted(_) => of(
                Trouble::OutOfMemory,
                "the query needs more memory than queries may use: ask for less time, fewer \
                 columns or fewer groups, or allow more by the configuration"
                    .to_string(),
            ),
            DataFusionError::Execution(text) | DataFusionError::Configuration(text) => {
                of(Trouble::Sql, plain(text))
            }
            other => of(Trouble::Internal, plain(&other.to_string())),
        },
    }
}

fn cause<'a>(mut error: &'a DataFusionError, span: &mut Option<Span>) -> Cause<'a> {
    loop {
        error = match error {
            DataFusionError::Context(_, inner) => inner,
            DataFusionError::Shared(inner) => inner,
            DataFusionError::Diagnostic(diagnostic, inner) => {
                *span = span.or(diagnostic.span);
                inner
            }
            DataFusionError::Collection(all) if !all.is_empty() => &all[0],
            DataFusionError::External(inner) => match beneath(&**inner) {
                Some(Ok(cause)) => return cause,
                Some(Err(inner)) => inner,
                None => return Cause::Other(error),
            },
            DataFusionError::ParquetError(inner) => match &**inner {
                ParquetError::External(external) => match beneath(&**external) {
                    Some(Ok(cause)) => return cause,
                    Some(Err(inner)) => inner,
                    None => return Cause::Parquet(inner),
                },
                other => return Cause::Parquet(other),
            },
            DataFusionError::ArrowError(inner, _) => match &**inner {
                ArrowError::ExternalError(external) => match beneath(&**external) {
                    Some(Ok(cause)) => return cause,
                    Some(Err(inner)) => inner,
                    None => return Cause::Arrow(inner),
                },
                ArrowError::ParquetError(_) => return Cause::Arrow(inner),
                other => return Cause::Arrow(other),
            },
            other => return Cause::Other(other),
        }
    }
}

/// What another's error is: known, or one of DataFusion's to look into.
fn beneath<'a>(
    error: &'a (dyn std::error::Error + Send + Sync + 'static),
) -> Option<Result<Cause<'a>, &'a DataFusionError>> {
    if let Some(problem) = error.downcast_ref() {
        return Some(Ok(Cause::Problem(problem)));
    }
    if let Some(damaged) = error.downcast_ref() {
        return Some(Ok(Cause::Damaged(damaged)));
    }
    if let Some(parquet) = error.downcast_ref::<ParquetError>() {
        return match parquet {
            ParquetError::External(inner) => {
                beneath(&**inner).or(Some(Ok(Cause::Parquet(parquet))))
            }
            other => Some(Ok(Cause::Parquet(other))),
        };
    }
    error.downcast_ref().map(Err)
}

/// `Expected: an expression, found: FROM at Line: 1, Column: 8`
fn syntax(error: &ParserError) -> Problem {
    let (kind, near) = (Trouble::Sql, Vec::new());
    let text = match error {
        ParserError::ParserError(text) | ParserError::TokenizerError(text) => text,
        ParserError::RecursionLimitExceeded => {
            let message = "the statement is nested too deeply".to_string();
            return Problem { kind, message, place: None, near };
        }
    };
    let (text, place) = match text.rsplit_once(" at Line: ") {
        Some((before, at)) => (
            before,
            at.split_once(", Column: ").and_then(|(line, column)| {
                let digits = column.find(|it: char| !it.is_ascii_digit()).unwrap_or(column.len());
                Some((line.parse().ok()?, column[..digits].parse().ok()?))
            }),
        ),
        None => (text.as_str(), None),
    };
    let text = match text.split_once(", found: ") {
        Some((expected, found)) => {
            let expected = expected.strip_prefix("Expected: ").unwrap_or(expected);
            match found {
                "EOF" => format!("{expected} is missing at the end"),
                found => format!("expected {expected}, found `{found}`"),
            }
        }
        None => plain(text),
    };
    Problem { kind, message: format!("this is no SQL: {text}"), place, near }
}

fn column(error: &SchemaError, sql: &str, place: Option<(usize, usize)>, names: &Names) -> Problem {
    let kind = Trouble::Sql;
    let placed = |column: &Column| {
        let own = column.spans.first().map(start);
        own.or(place).or_else(|| find(sql, &column.name))
    };
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let tables = valid_fields.iter().filter_map(|it| it.relation.as_ref());
            let mut tables: Vec<&str> = tables.map(|it| it.table()).collect();
            tables.dedup();
            if let Some(table) = field.relation.as_ref().map(|it| it.table())
                && !tables.contains(&table)
            {
                let near = near(table, tables.iter().copied());
                let what = format!("there is no table `{table}` in this query");
                let message = suggest(what, &near);
                return Problem { kind, message, place: placed(field), near };
            }
            let known = valid_fields.iter().map(|it| it.name.as_str());
            let mut near = near(&field.name, known);
            if near.is_empty() && valid_fields.is_empty() {
                near = self::near(&field.name, names.columns.iter().map(String::as_str));
            }
            let of = field.relation.as_ref().map(|it| format!(" in `{}`", it.table()));
            let what = format!("there is no column `{}`{}", field.name, of.unwrap_or_default());
            Problem { kind, message: suggest(what, &near), place: placed(field), near }
        }
        SchemaError::AmbiguousReference { field } => {
            let name = &field.name;
            let message = format!(
                "`{name}` is a column of several tables here: say of which, as in `t.{name}`"
            );
            Problem { kind, message, place: placed(field), near: Vec::new() }
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            let message = format!("two columns are called `{name}`: give one another name with AS");
            Problem { kind, message, place: place.or_else(|| find(sql, name)), near: Vec::new() }
        }
    }
}

fn planned(text: &str, sql: &str, place: Option<(usize, usize)>, names: &Names) -> Problem {
    let kind = Trouble::Sql;
    let quoted = |before: &str| {
        let (name, _) = text.split_once(before)?.1.split_once('\'')?;
        Some(name.rsplit('.').next().unwrap_or(name))
    };
    let unknown = |what: &str, name: &str, known: &[String]| {
        let near = near(name, known.iter().map(String::as_str));
        let message = suggest(format!("there is no {what} `{name}`"), &near);
        Problem { kind, message, place: place.or_else(|| find(sql, name)), near }
    };
    if text.ends_with("not found")
        && let Some(name) = quoted("table '")
    {
        let whole = text.split('\'').nth(1).unwrap_or(name);
        if whole.contains('/') || [".parquet", ".csv", ".json"].iter().any(|it| whole.ends_with(it))
        {
            return Problem { place, ..forbidden("files are not read as tables") };
        }
        return unknown("table", name, &names.tables);
    }
    if let Some(name) = quoted("table function '") {
        return unknown("function", name, &names.functions);
    }
    if let Some(name) = quoted("Invalid function '") {
        return unknown("function", name, &names.functions);
    }
    if let Some(name) = text.starts_with("column '").then(|| quoted("column '")).flatten() {
        return unknown("column", name, &names.columns);
    }
    let message = plain(text);
    let place = place.or_else(|| mentioned(&message, sql, names));
    Problem { kind, message, place, near: Vec::new() }
}

/// Where the first word of `sql` is that `message` quotes, or the function that it names.
fn mentioned(message: &str, sql: &str, names: &Names) -> Option<(usize, usize)> {
    let quoted = message.split(['`', '\'']).skip(1).step_by(2);
    let quoted = quoted.map(|it| it.rsplit('.').next().unwrap_or(it));
    let words = message.split(|it: char| !it.is_alphanumeric() && it != '_');
    let functions = words.filter(|word| names.functions.iter().any(|it| it == word));
    quoted.chain(functions).find_map(|word| find(sql, word))
}

fn suggest(what: String, near: &[String]) -> String {
    match near.first() {
        Some(name) => format!("{what}; did you mean `{name}`?"),
        None => what,
    }
}

/// The names that could have been meant, best first.
fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let name = name.to_lowercase();
    let most = 1 + name.len() / 4;
    let mut found: Vec<(usize, &str)> = known
        .filter_map(|it| {
            let away = distance(&name, &it.to_lowercase());
            let part = name.len() > 2 && (it.contains(&name) || name.contains(it) && it.len() > 3);
            (away <= most || part).then_some((away, it))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().take(3).map(|(_, name)| name.to_string()).collect()
}

/// How many letters have to be changed, added, left out or swapped with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            best = best.min(rows[i - 1][j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// Where the word `name` is in `sql`.
fn find(sql: &str, name: &str) -> Option<(usize, usize)> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location().ok()?;
    let is = |token: &Token| match token {
        Token::Word(word) => word.value.eq_ignore_ascii_case(name),
        Token::SingleQuotedString(text) => text == name,
        _ => false,
    };
    let found = tokens.iter().find(|token| is(&token.token))?;
    Some((found.span.start.line as usize, found.span.start.column as usize))
}

fn start(span: Span) -> (usize, usize) {
    (span.start.line as usize, span.start.column as usize)
}

/// The first line, without the names of the machinery.
fn plain(text: &str) -> String {
    const MACHINERY: &[&str] = &[
        "DataFusion error: ",
        "Error during planning: ",
        "Execution error: ",
        "Arrow error: ",
        "Cast error: ",
        "Parser error: ",
        "Internal error: ",
        "External error: ",
        "External: ",
        "Parquet error: ",
        "This feature is not implemented: ",
        "Invalid argument error: ",
        "Schema error: ",
        "sql parser error: ",
    ];
    const WORDS: &[(&str, &str)] = &[
        ("Cannot create filter with non-boolean predicate", "WHERE wants a condition, not"),
        ("Cannot coerce arithmetic expression", "there is no way to calculate"),
        (" to valid types", ""),
        ("Divide by zero error", "something is divided by zero"),
        ("Cannot cast string", "a text is no number or the like:"),
        ("Scalar subquery", "a query in place of a value"),
        ("Timestamp(ns, \"UTC\")", "time"),
        ("LargeUtf8", "text"),
        ("Utf8View", "text"),
        ("Utf8", "text"),
    ];
    let mut text = text.trim();
    // A function of ours says best itself what it takes.
    if let Some((_, said)) = text.split_once("user-defined coercion failed with: ") {
        text = said.split(". No function matches").next().unwrap_or(said);
    }
    if text.contains("must appear in the GROUP BY clause") {
        let name = text.split('"').nth(1).unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default();
        return format!(
            "`{name}` has to be in GROUP BY, or in an aggregate such as max({name}): a group has \
             several of it"
        );
    }
    while let Some(rest) = MACHINERY.iter().find_map(|it| text.strip_prefix(it)) {
        text = rest.trim_start();
    }
    let bug = text.find("This issue was likely caused by").unwrap_or(text.len());
    let line = text[..bug].lines().next().unwrap_or_default();
    let line = line.trim_end_matches(['.', ' ']).to_string();
    WORDS.iter().fold(line, |line, (name, word)| line.replace(name, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_best_first() {
        let known = ["file_open", "file_rename", "socket_close", "process_exec"];
        assert_eq!(near("file_opn", known.into_iter())[0], "file_open");
        assert_eq!(near("flie_open", known.into_iter())[0], "file_open");
        assert_eq!(near("exec", known.into_iter()), ["process_exec"]);
        assert!(near("zebra", known.into_iter()).is_empty());
    }

    #[test]
    fn swapped_letters_are_one_mistake() {
        assert_eq!(distance("ocmm", "comm"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
