//! `--where`: which rows are shown, by the values of their columns.

use std::str::FromStr;

use anyhow::Result;
use schema::plain::{self, Clock};
use schema::{COMMON, Field, Kind, Row, Table, Unit, Value, common_value};

use super::Usage;
use super::tables::distance;

/// What a user wants of one column: `latency>=100ms`, `status!=200`, `resource~cart`, `error`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    column: String,
    test: Test,
    wanted: String,
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Test {
    /// There is a value, or none.
    Has(bool),
    /// It is what was said, or is not; of no value it is true that it is not.
    Is(bool),
    /// Its text has this in it.
    Holds,
    /// It is more, or less; or that much.
    More,
    Less,
    Least,
    Most,
}

/// The longer sign first, where one begins with the other.
const SIGNS: [(&str, Test); 7] = [
    ("!=", Test::Is(false)),
    (">=", Test::Least),
    ("<=", Test::Most),
    ("=", Test::Is(true)),
    (">", Test::More),
    ("<", Test::Less),
    ("~", Test::Holds),
];

impl FromStr for Condition {
    type Err = String;

    fn from_str(text: &str) -> Result<Condition, String> {
        let has = !text.starts_with('!');
        let text = text.trim_start_matches('!');
        let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let (column, rest) = text.split_at(end.unwrap_or(text.len()));
        let condition = |test, wanted: &str| Condition {
            column: column.to_string(),
            test,
            wanted: wanted.trim().to_string(),
        };
        let sign = SIGNS
            .iter()
            .find_map(|(sign, test)| Some((test, rest.trim_start().strip_prefix(sign)?)));
        match sign {
            _ if column.is_empty() => Err("a condition begins with a column".to_string()),
            None if rest.is_empty() => Ok(condition(Test::Has(has), "")),
            Some((test, wanted)) if has => Ok(condition(*test, wanted)),
            _ => Err("a condition is a column alone, or with = != > >= < <= or ~ and a value, \
                      such as `latency>=100ms`, `status!=200`, `error`, `!error`"
                .to_string()),
        }
    }
}

impl Condition {
    /// Whether `row` is as was said. A table without the column has no such row.
    pub(crate) fn holds(&self, row: Row<'_>) -> bool {
        let Some((field, at)) = place(row.batch.table, &self.column) else { return false };
        let value = match at {
            Place::Common(at) => common_value(row.batch, row.index, at),
            Place::Own(at) => row.batch.columns[at].value(row.index),
        };
        match self.test {
            Test::Has(has) => has != is_nothing(value),
            Test::Is(is) => is == (value != Value::Null && self.is(field, value)),
            Test::Holds => text(field, value).contains(&self.wanted),
            _ => self.number(field, value).is_some_and(|ordering| match self.test {
                Test::More => ordering.is_gt(),
                Test::Less => ordering.is_lt(),
                Test::Least => ordering.is_ge(),
                _ => ordering.is_le(),
            }),
        }
    }

    fn is(&self, field: &Field, value: Value<'_>) -> bool {
        text(field, value) == self.wanted || self.number(field, value).is_some_and(|it| it.is_eq())
    }

    /// How the value compares, if it and what was said are numbers; a status may be one in text.
    fn number(&self, field: &Field, value: Value<'_>) -> Option<std::cmp::Ordering> {
        let wanted = amount(&self.wanted, field)?;
        let value = match value {
            Value::Uint(value) => value as f64,
            Value::Int(value) => value as f64,
            Value::Text(text) => std::str::from_utf8(text).ok()?.parse().ok()?,
            _ => return None,
        };
        value.partial_cmp(&wanted)
    }

    /// Whether the value can be compared so with the column `field`.
    fn check(&self, field: &Field) -> Result<()> {
        let orders = matches!(self.test, Test::More | Test::Less | Test::Least | Test::Most);
        if orders && amount(&self.wanted, field).is_none() {
            let example = match (is_span(field), field.unit) {
                (true, _) => "a time such as 100ms",
                (_, Unit::Bytes) => "a size such as 4KiB",
                _ => "a number",
            };
            let Condition { column, wanted, .. } = self;
            return Err(
                Usage(format!("`{column}` is compared with {example}, not `{wanted}`")).into()
            );
        }
        Ok(())
    }
}

/// The tables that have all the columns; others would have no row to show.
pub(crate) fn choose(
    tables: Vec<&'static Table>,
    conditions: &[Condition],
) -> Result<Vec<&'static Table>> {
    for condition in conditions {
        let mut found = tables.iter().filter_map(|table| place(table, &condition.column));
        match found.next() {
            Some((field, _)) => condition.check(field)?,
            None => return Err(Usage(unknown(&condition.column, &tables)).into()),
        }
    }
    let has =
        |table: &&'static Table| conditions.iter().all(|it| place(table, &it.column).is_some());
    let chosen: Vec<&'static Table> = tables.into_iter().filter(has).collect();
    if chosen.is_empty() {
        return Err(Usage("no table has all the columns of the conditions".to_string()).into());
    }
    Ok(chosen)
}

/// Where a column is.
enum Place {
    Common(usize),
    Own(usize),
}

fn place(table: &'static Table, column: &str) -> Option<(&'static Field, Place)> {
    if let Some(at) = table.field(column) {
        return Some((&table.fields[at], Place::Own(at)));
    }
    let at = COMMON.iter().position(|field| field.name == column)?;
    Some((&COMMON[at], Place::Common(at)))
}

fn unknown(column: &str, tables: &[&'static Table]) -> String {
    let own = tables.iter().flat_map(|table| table.fields);
    let names = own.chain(COMMON).map(|field| field.name);
    match names.map(|name| (distance(column, name), name)).min() {
        Some((distance, nearest)) if distance <= 1 + column.len() / 3 => {
            format!("no table shown has a column `{column}`; did you mean `{nearest}`?")
        }
        _ => format!("no table shown has a column `{column}`; `fathom tables NAME` lists them"),
    }
}

/// Whether a value says no more than that there is none. An empty text does: a failure may have no words.
fn is_nothing(value: Value<'_>) -> bool {
    matches!(value, Value::Null | Value::Bool(false))
}

fn text(field: &Field, value: Value<'_>) -> String {
    let mut out = Vec::new();
    plain::write(&mut out, &mut Clock::new(), field.kind, value);
    String::from_utf8_lossy(&out).into_owned()
}

fn is_span(field: &Field) -> bool {
    field.kind == Kind::Duration || field.unit == Unit::Nanoseconds
}

/// A number as the column has it: `100ms` in nanoseconds, `4KiB` in bytes.
fn amount(text: &str, field: &Field) -> Option<f64> {
    let split =
        text.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != '-');
    let (number, unit) = text.split_at(split.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let scale = match unit.trim() {
        unit if is_span(field) => match unit {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        },
        "" => 1.0,
        unit if field.unit == Unit::Bytes => match unit {
            "B" => 1.0,
            "kB" => 1e3,
            "MB" => 1e6,
            "KiB" => 1024.0,
            "MiB" => 1024.0 * 1024.0,
            _ => return None,
        },
        _ => return None,
    };
    Some(number * scale)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use schema::{Decoded, Event, Origin, Process, ProcessKey};

    use super::*;

    fn request() -> Vec<&'static Table> {
        super::super::tables::find(&["request".to_string()]).expect("it is there")
    }

    fn of(text: &str) -> Condition {
        text.parse().expect(text)
    }

    /// A call.
    #[derive(Event)]
    #[event(table = "remote_call", since = "0.1")]
    struct Call<'a> {
        /// How it went.
        #[event(kind = Text)]
        status: Option<&'a str>,
        /// How long it took.
        #[event(kind = Duration, unit = Nanoseconds)]
        latency: Option<u64>,
        /// How much it was.
        #[event(kind = Uint, unit = Bytes)]
        size: u64,
        /// What was said of its failure.
        #[event(kind = Text)]
        error: Option<&'a str>,
        /// Whether it was hidden.
        #[event(kind = Bool)]
        tls: bool,
    }

    /// The numbers of the calls below of which `text` is true.
    fn shown(text: &str) -> Vec<usize> {
        let call = |status, latency, size, error, tls| Call { status, latency, size, error, tls };
        let mut calls = Decoded::new(Call::TABLE);
        for event in [
            call(Some("200"), Some(99_999_999), 10, None, true),
            call(Some("503"), Some(100_000_000), 4096, Some(""), false),
            call(Some("OK"), Some(1), 4095, None, false),
            call(None, None, 0, Some("no such cart"), false),
        ] {
            calls
                .push(Origin { comm: *b"nginx\0\0\0\0\0\0\0\0\0\0\0", ..Origin::default() }, event);
        }
        let nobody = Arc::new(Process::unknown(ProcessKey::default(), "nginx", 0));
        let batch = calls.with_processes("node".into(), vec![nobody; 4]);
        let condition = of(text);
        condition.check(place(Call::TABLE, &condition.column).expect(text).0).expect(text);
        batch.rows().filter(|row| condition.holds(*row)).map(|row| row.index).collect()
    }

    #[test]
    fn conditions_are_read_with_their_signs() {
        assert_eq!(of("latency>=100ms").test, Test::Least);
        assert_eq!(of("status != 200").wanted, "200");
        assert_eq!(of("resource~a=b").wanted, "a=b");
        assert_eq!((of("error").test, of("!error").test), (Test::Has(true), Test::Has(false)));
        for bad in ["", "=3", "latency 100ms", "!status=200", "a b"] {
            assert!(bad.parse::<Condition>().is_err(), "{bad}");
        }
    }

    #[test]
    fn values_are_compared_in_their_units() {
        assert_eq!(shown("latency>=100ms"), [1]);
        assert_eq!(shown("latency<100ms"), [0, 2]);
        assert_eq!(shown("size>=4KiB"), [1]);
        assert_eq!(shown("status>=500"), [1]);
    }

    #[test]
    fn what_has_no_value_is_not_anything() {
        assert_eq!(shown("status=200"), [0]);
        assert_eq!(shown("status!=200"), [1, 2, 3]);
        assert_eq!(shown("error"), [1, 3]);
        assert_eq!(shown("!error"), [0, 2]);
        assert_eq!(shown("error~cart"), [3]);
        assert_eq!(shown("tls"), [0]);
        assert_eq!(shown("tls=false"), [1, 2, 3]);
        assert_eq!(shown("comm=nginx").len(), 4);
    }

    #[test]
    fn a_column_or_value_that_cannot_be_is_refused() {
        let refused = |text: &str| choose(request(), &[of(text)]).expect_err(text).to_string();
        assert_eq!(
            refused("latncy>1ms"),
            "no table shown has a column `latncy`; did you mean `latency`?"
        );
        assert_eq!(
            refused("latency>100"),
            "`latency` is compared with a time such as 100ms, not `100`"
        );
        assert_eq!(choose(request(), &[of("comm=nginx")]).expect("a common one").len(), 1);
    }

    #[test]
    fn tables_without_the_column_are_left_out() {
        let tables = ["request", "process_exec"].map(|name| name.to_string());
        let tables = super::super::tables::find(&tables).expect("they are there");
        let chosen = choose(tables, &[of("resource~cart")]).expect("one has it");
        assert_eq!(chosen.iter().map(|table| table.name).collect::<Vec<_>>(), ["request"]);
    }
}
