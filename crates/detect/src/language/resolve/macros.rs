//! Macros, which are put into conditions as what was read of them.

use super::super::collection::{Entry, Macro, Named};
use super::super::condition::{Condition, Operand};
use super::super::diagnostic::{Place, code};
use super::super::grammar::{DEEPEST, Expression, in_list};
use super::super::report::Report;
use super::super::traced::Origin;
use super::lists::Lists;

/// How many comparisons and values a condition may come to, and all of them together.
const MOST: usize = 200_000;
const MOST_TOGETHER: usize = 4_000_000;

/// All macros.
pub(super) struct Macros<'a> {
    named: &'a Named<Macro>,
    states: Vec<State>,
    used: Vec<bool>,
    together: usize,
}

/// How far a macro is.
enum State {
    /// It was not a condition, and that was told.
    Refused,
    Read(Expression),
    /// Its macros are being resolved.
    Busy,
    Resolved(Weighed),
}

/// A condition, how deep it nests and how much it holds.
#[derive(Clone)]
struct Weighed {
    condition: Condition,
    depth: usize,
    weight: usize,
}

/// What is being resolved.
struct Scope<'a> {
    subject: &'a str,
    /// Macros that were first defined before are seen.
    seen: usize,
    /// The rule itself nests so deep here.
    depth: usize,
}

impl<'a> Macros<'a> {
    pub(super) fn new(
        named: &'a Named<Macro>,
        lists: &mut Lists<'_>,
        report: &mut Report,
    ) -> Macros<'a> {
        let mut read = |entry: &Entry<Macro>| {
            let subject = subject(&entry.name);
            let text = lists.put_in(&entry.value.condition, &subject, report)?;
            super::parse(&text, &subject, report)
        };
        let read = |entry| read(entry).map_or(State::Refused, State::Read);
        let states: Vec<State> = named.all().iter().map(read).collect();
        let used = vec![false; states.len()];
        let mut macros = Macros { named, states, used, together: 0 };
        for at in 0..macros.states.len() {
            macros.settle(at, 0, report);
        }
        macros
    }

    /// A condition without macros; None where that cannot be, and was told.
    pub(super) fn resolve(
        &mut self,
        expression: &Expression,
        subject: &str,
        report: &mut Report,
    ) -> Option<Condition> {
        let scope = Scope { subject, seen: usize::MAX, depth: 0 };
        self.expression(expression, &scope, report).map(|weighed| weighed.condition)
    }

    pub(super) fn warn_of_unused(&self, report: &mut Report) {
        for (entry, _) in self.named.all().iter().zip(&self.used).filter(|(_, used)| !**used) {
            let message = "no rule and no other macro uses it";
            report.warning(code::UNUSED_MACRO, &entry.place, &subject(&entry.name), message);
        }
    }

    /// Resolves the macro at `at`, if that was not done.
    fn settle(&mut self, at: usize, depth: usize, report: &mut Report) {
        if !matches!(self.states[at], State::Read(_)) {
            return;
        }
        let State::Read(expression) = std::mem::replace(&mut self.states[at], State::Busy) else {
            return;
        };
        let entry = &self.named.all()[at];
        let scope = Scope { subject: &subject(&entry.name), seen: entry.last, depth };
        let resolved = self.expression(&expression, &scope, report);
        self.states[at] = resolved.map_or(State::Refused, State::Resolved);
    }

    fn expression(
        &mut self,
        expression: &Expression,
        scope: &Scope<'_>,
        report: &mut Report,
    ) -> Option<Weighed> {
        if scope.depth > DEEPEST {
            let message = format!("the condition nests more than {DEEPEST} deep with its macros");
            let place = place(expression);
            report.error(code::COMPILE_CONDITION, place, scope.subject, message);
            return None;
        }
        let inner = Scope { depth: scope.depth + 1, ..*scope };
        match expression {
            Expression::Check(check) => {
                let values = match &check.with {
                    Operand::List(values) => values.len(),
                    _ => 0,
                };
                let condition = Condition::Check(check.clone());
                self.weigh(
                    Weighed { condition, depth: 1, weight: 1 + values },
                    &check.place,
                    scope,
                    report,
                )
            }
            Expression::Not(part) => {
                let Weighed { condition, depth, weight } = self.expression(part, &inner, report)?;
                let condition = Condition::Not(Box::new(condition));
                Some(Weighed { condition, depth: depth + 1, weight })
            }
            Expression::And(parts) => self.parts(parts, Condition::And, &inner, report),
            Expression::Or(parts) => self.parts(parts, Condition::Or, &inner, report),
            Expression::Macro { name, origin } => self.called(name, origin, &inner, report),
        }
    }

    fn parts(
        &mut self,
        parts: &[Expression],
        whole: fn(Vec<Condition>) -> Condition,
        scope: &Scope<'_>,
        report: &mut Report,
    ) -> Option<Weighed> {
        let (mut conditions, mut depth, mut weight) = (Vec::with_capacity(parts.len()), 0, 0);
        let mut good = true;
        for part in parts {
            // The other parts are read, too, for what is wrong with them.
            let Some(weighed) = self.expression(part, scope, report) else {
                good = false;
                continue;
            };
            depth = weighed.depth.max(depth);
            weight += weighed.weight;
            conditions.push(weighed.condition);
            if weight > MOST {
                return self.too_much(place(part), scope, report);
            }
        }
        good.then(|| Weighed { condition: whole(conditions), depth: depth + 1, weight })
    }

    /// What a macro stands for.
    fn called(
        &mut self,
        name: &str,
        origin: &Origin,
        scope: &Scope<'_>,
        report: &mut Report,
    ) -> Option<Weighed> {
        let named = self.named;
        let found = named.find(name);
        let seen = found.filter(|&at| named.all()[at].first < scope.seen);
        let refuse = |message: String, help: String, report: &mut Report| {
            let message = match &origin.list {
                Some(list) => in_list(&message, list),
                None => message,
            };
            report.error(code::VALIDATE, &origin.place, scope.subject, message).help(help);
            None
        };
        let Some(at) = seen else {
            if named.was_refused(name) {
                return None;
            }
            if found.is_some() {
                let message = format!("the macro `{name}` is not defined before it is used here");
                return refuse(message, "a macro sees what stands above it".into(), report);
            }
            let help = match name {
                "and" | "or" | "not" => "something is missing around it".into(),
                _ => report.guess(name, named.names()),
            };
            return refuse(format!("there is no macro `{name}`"), help, report);
        };
        self.used[at] = true;
        if let State::Busy = self.states[at] {
            return refuse(format!("the macro `{name}` refers to itself"), String::new(), report);
        }
        self.settle(at, scope.depth, report);
        let State::Resolved(weighed) = &self.states[at] else { return None };
        if scope.depth + weighed.depth > DEEPEST {
            let message = format!("the condition nests more than {DEEPEST} deep with its macros");
            return refuse(message, String::new(), report);
        }
        let weighed = Weighed::clone(weighed);
        self.weigh(weighed, &origin.place, scope, report)
    }

    fn weigh(
        &mut self,
        weighed: Weighed,
        place: &Place,
        scope: &Scope<'_>,
        report: &mut Report,
    ) -> Option<Weighed> {
        self.together += weighed.weight;
        match weighed.weight > MOST || self.together > MOST_TOGETHER {
            true => self.too_much(place, scope, report),
            false => Some(weighed),
        }
    }

    fn too_much(&self, place: &Place, scope: &Scope<'_>, report: &mut Report) -> Option<Weighed> {
        let message = format!("the condition comes to more than {MOST} comparisons and values");
        report.error(code::COMPILE_CONDITION, place, scope.subject, message);
        None
    }
}

/// Where an expression begins, as far as it knows.
fn place(expression: &Expression) -> &Place {
    match expression {
        Expression::Check(check) => &check.place,
        Expression::Macro { origin, .. } => &origin.place,
        Expression::Not(part) => place(part),
        Expression::And(parts) | Expression::Or(parts) => place(&parts[0]),
    }
}

fn subject(name: &str) -> String {
    format!("macro \"{name}\"")
}
