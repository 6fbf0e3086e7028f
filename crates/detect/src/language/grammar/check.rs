//! One comparison.

use super::super::condition::{Argument, Check, Field, Modifier, Operand, Operator, Transformer};
use super::super::near::near;
use super::Refusal;
use super::lexer::{Lexer, is_blank, is_word};

/// What stands on the right of an operator.
#[derive(Clone, Copy, PartialEq)]
enum Right {
    Number,
    Text,
    List,
}

/// The operators, and what each takes; of two with the same start, the longer one first.
const OPERATORS: [(&str, Operator, Right); 19] = [
    ("<=", Operator::LessOrEqual, Right::Number),
    ("<", Operator::Less, Right::Number),
    (">=", Operator::GreaterOrEqual, Right::Number),
    (">", Operator::Greater, Right::Number),
    ("==", Operator::Equal, Right::Text),
    ("=", Operator::Equal, Right::Text),
    ("!=", Operator::NotEqual, Right::Text),
    ("glob", Operator::Glob, Right::Text),
    ("iglob", Operator::IGlob, Right::Text),
    ("contains", Operator::Contains, Right::Text),
    ("icontains", Operator::IContains, Right::Text),
    ("bcontains", Operator::BContains, Right::Text),
    ("startswith", Operator::StartsWith, Right::Text),
    ("bstartswith", Operator::BStartsWith, Right::Text),
    ("endswith", Operator::EndsWith, Right::Text),
    ("regex", Operator::Regex, Right::Text),
    ("intersects", Operator::Intersects, Right::List),
    ("in", Operator::In, Right::List),
    ("pmatch", Operator::PMatch, Right::List),
];

const MODIFIERS: [(&str, Modifier); 3] =
    [("oneof", Modifier::OneOf), ("anyof", Modifier::AnyOf), ("allof", Modifier::AllOf)];

const TRANSFORMERS: [&str; 8] =
    ["tolower", "toupper", "b64", "basename", "len", "join", "concat", "getopt"];

/// Whether `operator` is one, and takes a list on its right. (`startswith anyof` does.)
pub(in super::super) fn takes_list(operator: &str) -> Option<bool> {
    let mut words = operator.split_ascii_whitespace();
    let (word, modifier) = (words.next()?, words.next());
    if word == "exists" && modifier.is_none() {
        return Some(false);
    }
    let (_, _, right) = OPERATORS.iter().find(|(name, ..)| *name == word)?;
    let Some(modifier) = modifier else { return Some(*right == Right::List) };
    let known = MODIFIERS.iter().any(|(name, _)| *name == modifier);
    (known && *right == Right::Text && words.next().is_none()).then_some(true)
}

/// Reads a comparison; None where what stands here is neither a field nor a transformer.
pub(super) fn check(lexer: &mut Lexer<'_>) -> Result<Option<Check>, Box<Refusal>> {
    let start = lexer.at();
    let Some(field) = left(lexer, 0)? else { return Ok(None) };
    let place = lexer.origin(start).place;
    lexer.blank();
    if word(lexer, "exists") {
        let with = Operand::Nothing;
        let operator = Operator::Exists;
        return Ok(Some(Check { field, operator, modifier: None, with, place }));
    }
    let (operator, right) = operator(lexer, &field)?;
    lexer.blank();
    let modifier = match right {
        Right::Text => modifier(lexer),
        _ => None,
    };
    let with = match modifier {
        Some(_) => list(lexer)?,
        None => operand(lexer, right)?,
    };
    Ok(Some(Check { field, operator, modifier, with, place }))
}

/// A field, perhaps with transformers around it.
fn left(lexer: &mut Lexer<'_>, depth: usize) -> Result<Option<Field>, Box<Refusal>> {
    if let Some(field) = plain_field(lexer)? {
        return Ok(Some(field));
    }
    let at = lexer.at();
    let Some(name) = TRANSFORMERS
        .into_iter()
        .find(|name| lexer.rest().strip_prefix(name).is_some_and(|behind| behind.starts_with('(')))
    else {
        return Ok(None);
    };
    if depth >= 64 {
        return Err(lexer.refuse(at, "transformers nest more than 64 deep".into()));
    }
    lexer.take(name);
    lexer.take("(");
    let mut field = match name {
        "join" => {
            let between = text_argument(lexer, "join", "what is put in between")?;
            comma(lexer, "join")?;
            let mut fields = several(lexer, depth)?;
            let mut first = fields.remove(0);
            first.transformers.push(Transformer::Join(between, fields));
            first
        }
        "concat" => {
            let mut first = argument(lexer, name, depth)?;
            let mut others = Vec::new();
            while next(lexer) {
                others.push(argument(lexer, name, depth)?);
            }
            first.transformers.push(Transformer::Join(String::new(), others));
            first
        }
        "getopt" => {
            let mut first = argument(lexer, name, depth)?;
            comma(lexer, name)?;
            let options = text_argument(lexer, name, "the letters of the options")?;
            first.transformers.push(Transformer::Getopt(options, None));
            first
        }
        _ => {
            let mut first = argument(lexer, name, depth)?;
            first.transformers.push(match name {
                "tolower" => Transformer::ToLower,
                "toupper" => Transformer::ToUpper,
                "b64" => Transformer::Base64,
                "basename" => Transformer::Basename,
                _ => Transformer::Len,
            });
            first
        }
    };
    lexer.blank();
    if !lexer.take(")") {
        let found = lexer.found();
        let message = format!("expected the `)` of `{name}`, found {found}");
        return Err(lexer.refuse(lexer.at(), message));
    }
    if let Some(Transformer::Getopt(_, which)) = field.transformers.last_mut() {
        let at = lexer.at();
        if let Some(chosen) = bracketed(lexer)? {
            let mut letters = chosen.chars();
            *which = letters.next().filter(|_| letters.next().is_none());
            if which.is_none() {
                return Err(lexer.refuse(at, "`getopt` chooses by one letter".into()));
            }
        }
    }
    Ok(Some(field))
}

/// A name with dots, and what stands in brackets behind it.
fn plain_field(lexer: &mut Lexer<'_>) -> Result<Option<Field>, Box<Refusal>> {
    let start = lexer.at();
    let Some(name) = lexer.field_name() else { return Ok(None) };
    let argument = bracketed(lexer)?.map(|text| match text.parse::<u64>() {
        // Only what a number would be written as again: `01` is a key.
        Ok(index) if index.to_string() == text => Argument::Index(index),
        _ => Argument::Key(text),
    });
    let place = lexer.origin(start).place;
    Ok(Some(Field { name: name.to_owned(), argument, transformers: Vec::new(), place }))
}

/// What stands in brackets, if a bracket stands here.
fn bracketed(lexer: &mut Lexer<'_>) -> Result<Option<String>, Box<Refusal>> {
    if !lexer.take("[") {
        return Ok(None);
    }
    let at = lexer.at();
    let text = match lexer.quoted()? {
        Some(text) => text,
        None => match lexer.bare_argument() {
            Some(text) => text.to_owned(),
            None => {
                let found = lexer.found();
                let message = format!("expected a number or a key in the brackets, found {found}");
                return Err(lexer.refuse(at, message));
            }
        },
    };
    if !lexer.take("]") {
        let found = lexer.found();
        return Err(lexer.refuse(lexer.at(), format!("expected a `]`, found {found}")));
    }
    Ok(Some(text))
}

fn argument(lexer: &mut Lexer<'_>, name: &str, depth: usize) -> Result<Field, Box<Refusal>> {
    lexer.blank();
    let at = lexer.at();
    if let Some(field) = left(lexer, depth + 1)? {
        return Ok(field);
    }
    let found = lexer.found();
    Err(lexer.refuse(at, format!("expected a field in `{name}(…)`, found {found}")))
}

/// Fields in parentheses, or one without.
fn several(lexer: &mut Lexer<'_>, depth: usize) -> Result<Vec<Field>, Box<Refusal>> {
    lexer.blank();
    if !lexer.take("(") {
        return Ok(vec![argument(lexer, "join", depth)?]);
    }
    let mut fields = vec![argument(lexer, "join", depth)?];
    while next(lexer) {
        fields.push(argument(lexer, "join", depth)?);
    }
    if !lexer.take(")") {
        let found = lexer.found();
        return Err(lexer.refuse(lexer.at(), format!("expected a `)` or a `,`, found {found}")));
    }
    Ok(fields)
}

fn text_argument(lexer: &mut Lexer<'_>, name: &str, what: &str) -> Result<String, Box<Refusal>> {
    lexer.blank();
    let at = lexer.at();
    match lexer.quoted()? {
        Some(text) => Ok(text),
        None => {
            let found = lexer.found();
            let message = format!("expected {what} in quotes in `{name}(…)`, found {found}");
            Err(lexer.refuse(at, message))
        }
    }
}

fn comma(lexer: &mut Lexer<'_>, name: &str) -> Result<(), Box<Refusal>> {
    if next(lexer) {
        return Ok(());
    }
    let found = lexer.found();
    Err(lexer.refuse(lexer.at(), format!("expected a `,` in `{name}(…)`, found {found}")))
}

fn next(lexer: &mut Lexer<'_>) -> bool {
    lexer.blank();
    lexer.take(",")
}

fn operator(lexer: &mut Lexer<'_>, field: &Field) -> Result<(Operator, Right), Box<Refusal>> {
    let at = lexer.at();
    let read = OPERATORS.iter().find(|(name, ..)| match name.starts_with(is_word) {
        true => word(lexer, name),
        false => lexer.take(name),
    });
    if let Some(&(_, operator, right)) = read {
        return Ok((operator, right));
    }
    let found = lexer.found();
    let name = &field.name;
    let mut refusal =
        lexer.refuse(at, format!("expected an operator behind `{name}`, found {found}"));
    let written = found.trim_matches('`');
    let words = OPERATORS.iter().map(|(name, ..)| *name).chain(["exists"]);
    refusal.help = match (written, near(written, words)) {
        ("and" | "or" | ")" | "the end", _) => {
            format!("a field alone is not a condition: `{name} exists` is one")
        }
        ("not", _) => format!("`not` stands in front: `not {name} …`"),
        ("~" | "matches" | "like", _) => "there are `glob`, `contains` and `regex`".into(),
        (_, Some(near)) => format!("did you mean `{near}`?"),
        _ => String::new(),
    };
    Err(refusal)
}

/// Passes `name` where nothing that could belong to it stands behind it.
fn word(lexer: &mut Lexer<'_>, name: &str) -> bool {
    let alone = lexer.rest().strip_prefix(name).is_some_and(|behind| !behind.starts_with(is_word));
    alone && lexer.take(name)
}

/// A modifier is one only in front of a list: alone, it is a value.
fn modifier(lexer: &mut Lexer<'_>) -> Option<Modifier> {
    let (name, modifier) = MODIFIERS.into_iter().find(|(name, _)| {
        let behind = lexer.rest().strip_prefix(name);
        behind.is_some_and(|behind| behind.trim_start_matches(is_blank).starts_with('('))
    })?;
    lexer.take(name);
    lexer.blank();
    Some(modifier)
}

fn operand(lexer: &mut Lexer<'_>, right: Right) -> Result<Operand, Box<Refusal>> {
    let at = lexer.at();
    if right == Right::List && lexer.rest().starts_with('(') {
        return list(lexer);
    }
    if lexer.take("val(") {
        lexer.blank();
        let at = lexer.at();
        let Some(field) = plain_field(lexer)? else {
            let found = lexer.found();
            return Err(lexer.refuse(at, format!("expected a field in `val(…)`, found {found}")));
        };
        lexer.blank();
        if !lexer.take(")") {
            let found = lexer.found();
            let message = format!("expected the `)` of `val`, found {found}");
            return Err(lexer.refuse(lexer.at(), message));
        }
        return Ok(Operand::Field(Box::new(field)));
    }
    if TRANSFORMERS
        .iter()
        .any(|name| lexer.rest().strip_prefix(name).is_some_and(|behind| behind.starts_with('(')))
        && let Some(field) = left(lexer, 0)?
    {
        return Ok(Operand::Field(Box::new(field)));
    }
    let value = match right {
        Right::Number => lexer.number().map(|number| Operand::Value(number.to_owned())),
        Right::Text => value(lexer)?.map(Operand::Value),
        Right::List => lexer.identifier().map(|name| Operand::List(vec![name.to_owned()])),
    };
    if let Some(value) = value {
        return Ok(value);
    }
    let found = lexer.found();
    let what = match right {
        Right::Number => "a number",
        Right::Text => "a value",
        Right::List => "values in parentheses",
    };
    let mut refusal = lexer.refuse(at, format!("expected {what}, found {found}"));
    if right == Right::Text && lexer.rest().starts_with('(') {
        refusal.help = "several values take `in`, or a modifier: `startswith anyof (a, b)`".into();
    }
    if right == Right::Number && lexer.rest().starts_with(['"', '\'']) {
        refusal.help = "a number has no quotes".into();
    }
    Err(refusal)
}

/// Values in parentheses, which may be none.
fn list(lexer: &mut Lexer<'_>) -> Result<Operand, Box<Refusal>> {
    let start = lexer.at();
    lexer.take("(");
    lexer.blank();
    let mut values = Vec::new();
    if lexer.take(")") {
        return Ok(Operand::List(values));
    }
    loop {
        lexer.blank();
        let at = lexer.at();
        let Some(value) = value(lexer)? else {
            let found = lexer.found();
            return Err(lexer.refuse(at, format!("expected a value, found {found}")));
        };
        values.push(value);
        if !next(lexer) {
            break;
        }
    }
    if lexer.take(")") {
        return Ok(Operand::List(values));
    }
    let (at, found) = (lexer.at(), lexer.found());
    Err(match lexer.rest().is_empty() {
        true => lexer.refuse(start, "this `(` is never closed".into()),
        false => {
            let mut refusal = lexer.refuse(at, format!("expected a `,` or a `)`, found {found}"));
            refusal.help = "a value with blanks or other signs in it stands in quotes".into();
            refusal
        }
    })
}

fn value(lexer: &mut Lexer<'_>) -> Result<Option<String>, Box<Refusal>> {
    Ok(match lexer.quoted()? {
        Some(text) => Some(text),
        None => lexer.bare().map(str::to_owned),
    })
}
