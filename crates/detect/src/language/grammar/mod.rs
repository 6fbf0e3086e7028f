//! The grammar of conditions, after lists have been put in.
//!
//! ```text
//! any    = all { "or" all }
//! all    = not { "and" not }
//! not    = { "not" } ( check | macro | "(" any ")" )
//! check  = left ( "exists" | number-operator number | text-operator [ modifier ] text
//!               | list-operator list )
//! left   = name { "." name } [ "[" argument "]" ] | transformer "(" left ")"
//! ```
//! Nothing here calls itself with the depth of what it reads but transformers, which are counted.

mod check;
mod lexer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(super) use check::takes_list;

use super::condition::Check;
use super::traced::{Origin, Traced};
use lexer::Lexer;

/// How deep parentheses and transformers nest.
pub(super) const DEEPEST: usize = 1000;

/// What a condition says before its macros are known.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Check(Check),
    Macro { name: String, origin: Origin },
}

/// Why a text is not a condition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// Where.
    pub(super) origin: Origin,
    /// What is wrong, in a sentence without a full stop.
    pub(super) message: String,
    /// What to do about it; empty where there is nothing to say.
    pub(super) help: String,
}

/// Reads a condition.
pub(super) fn parse(text: &Traced) -> Result<Expression, Box<Refusal>> {
    let mut lexer = Lexer::new(text);
    let mut groups = vec![Group::default()];
    loop {
        // What comes is an operand.
        lexer.blank();
        let at = lexer.at();
        let negated = negations(&mut lexer);
        if lexer.take("(") {
            if groups.len() > DEEPEST {
                return Err(lexer.refuse(at, format!("more than {DEEPEST} parentheses deep")));
            }
            groups.push(Group { at, negated, ..Group::default() });
            continue;
        }
        let operand = operand(&mut lexer)?;
        let group = groups.last_mut().expect("the outermost group is closed by nothing");
        group.add(operand, negated);
        // What comes is a connective, or the end of groups.
        if !connective(&mut lexer, &mut groups)? {
            break;
        }
    }
    let outermost = groups.pop().expect("the outermost group is closed by nothing");
    match groups.pop() {
        None => Ok(outermost.close()),
        Some(_) => {
            let mut refusal = lexer.refuse(outermost.at, "this `(` is never closed".into());
            refusal.help = "put a `)` behind what belongs to it".into();
            Err(refusal)
        }
    }
}

/// What stands between two parentheses, as far as it is read.
#[derive(Default)]
struct Group {
    /// Where it is opened.
    at: usize,
    negated: bool,
    any: Vec<Expression>,
    all: Vec<Expression>,
}

impl Group {
    fn add(&mut self, operand: Expression, negated: bool) {
        self.all.push(match negated {
            true => Expression::Not(Box::new(operand)),
            false => operand,
        });
    }

    /// An `or` follows.
    fn next(&mut self) {
        let mut all = std::mem::take(&mut self.all);
        self.any.push(match all.len() {
            1 => all.remove(0),
            _ => Expression::And(all),
        });
    }

    fn close(mut self) -> Expression {
        self.next();
        match self.any.len() {
            1 => self.any.remove(0),
            _ => Expression::Or(self.any),
        }
    }
}

/// Whether an odd number of `not` stands here.
fn negations(lexer: &mut Lexer<'_>) -> bool {
    let mut negated = false;
    while lexer.keyword("not") {
        negated = !negated;
        lexer.blank();
    }
    negated
}

fn operand(lexer: &mut Lexer<'_>) -> Result<Expression, Box<Refusal>> {
    let at = lexer.at();
    if let Some(check) = check::check(lexer)? {
        return Ok(Expression::Check(check));
    }
    if let Some(name) = lexer.identifier() {
        let name = name.to_owned();
        return Ok(Expression::Macro { name, origin: lexer.origin(at) });
    }
    let found = lexer.found();
    let mut refusal =
        lexer.refuse(at, format!("expected a comparison, a macro or a `(`, found {found}"));
    refusal.help = match lexer.rest().chars().next() {
        Some('!') => "write `not`".into(),
        Some('"' | '\'') => "a field stands on the left, a value on the right".into(),
        Some(')') => "something is missing in front of the `)`".into(),
        None if lexer.is_empty() => "an empty condition says nothing".into(),
        None => "the condition ends where something is expected".into(),
        _ => String::new(),
    };
    Err(refusal)
}

/// Reads what stands behind an operand; whether there is another operand to come.
fn connective(lexer: &mut Lexer<'_>, groups: &mut Vec<Group>) -> Result<bool, Box<Refusal>> {
    loop {
        lexer.blank();
        let group = groups.last_mut().expect("the outermost group is closed by nothing");
        if lexer.keyword("and") {
            return Ok(true);
        }
        if lexer.keyword("or") {
            group.next();
            return Ok(true);
        }
        let at = lexer.at();
        if lexer.take(")") {
            if groups.len() == 1 {
                return Err(lexer.refuse(at, "this `)` closes nothing".into()));
            }
            let closed = groups.pop().expect("there are two");
            let negated = closed.negated;
            let outer = groups.last_mut().expect("there were two");
            outer.add(closed.close(), negated);
            continue;
        }
        if lexer.rest().is_empty() {
            return Ok(false);
        }
        let found = lexer.found();
        let mut refusal = lexer.refuse(at, format!("expected `and` or `or`, found {found}"));
        let last = groups.last().and_then(|group| group.all.last());
        refusal.help = help(lexer.rest(), last);
        return Err(refusal);
    }
}

/// What to do about something that is no connective, behind `last`.
fn help(rest: &str, last: Option<&Expression>) -> String {
    if rest.starts_with("&&") {
        return "write `and`".into();
    }
    if rest.starts_with("||") {
        return "write `or`".into();
    }
    if rest.starts_with(',') {
        return "several values stand in parentheses: `in (a, b)`".into();
    }
    match last {
        Some(Expression::Macro { name, .. })
            if rest.starts_with(['.', '=', '!', '<', '>', '[']) =>
        {
            format!("`{name}` is not a field: the name of a field has a dot in it")
        }
        Some(Expression::Check(_)) => {
            "a value with blanks or other signs in it stands in quotes".into()
        }
        _ => String::new(),
    }
}

impl Refusal {
    /// It, at a place.
    fn new(text: &Traced, at: usize, message: String) -> Box<Refusal> {
        Box::new(Refusal { origin: text.origin(at), message, help: String::new() })
    }

    /// What is wrong, with the list that put it there.
    pub(super) fn told(&self) -> String {
        match &self.origin.list {
            Some(list) => in_list(&self.message, list),
            None => self.message.clone(),
        }
    }
}

/// `message`, and that it is about what a list put there.
pub(super) fn in_list(message: &str, list: &Arc<str>) -> String {
    format!("{message}, in what the list `{list}` puts here")
}
