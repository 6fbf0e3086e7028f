//! What a rule asks, once its lists, macros and exceptions are resolved.

use super::Place;

/// A condition over one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// All of them; they are asked in order, up to the first that is false.
    And(Vec<Condition>),
    /// Any of them; they are asked in order, up to the first that is true.
    Or(Vec<Condition>),
    /// Not it.
    Not(Box<Condition>),
    /// One comparison.
    Check(Check),
}

/// One comparison: the atom of a condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What is compared.
    pub field: Field,
    /// How.
    pub operator: Operator,
    /// How a list on the right is meant by an operator that compares with one value.
    pub modifier: Option<Modifier>,
    /// With what.
    pub with: Operand,
    /// Where it stands, in the file in which its text was written.
    pub place: Place,
}

/// A field of the event, perhaps transformed: `tolower(proc.aname[2])`.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name without the argument: `proc.aname`.
    pub name: String,
    /// What stands in brackets.
    pub argument: Option<Argument>,
    /// The transformers around it, innermost first.
    pub transformers: Vec<Transformer>,
    /// Where its name stands.
    pub place: Place,
}

/// What stands in a field's brackets.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// A number.
    Index(u64),
    /// Anything else, without its quotes.
    Key(String),
}

/// What is done to a value before it is compared.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Transformer {
    ToLower,
    ToUpper,
    Base64,
    Basename,
    Len,
    /// The values of several fields, one behind the other, with what is put in between (`concat`
    /// has nothing there). The field that carries it is the first one; these are the others.
    Join(String, Vec<Field>),
    /// The options of a command line and their values, as getopt(3) takes them apart by these
    /// letters; with a letter, only the value behind that option.
    Getopt(String, Option<char>),
}

/// How two values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Operator {
    Exists,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    IContains,
    BContains,
    StartsWith,
    BStartsWith,
    EndsWith,
    Glob,
    IGlob,
    Regex,
    In,
    Intersects,
    PMatch,
}

/// How a list on the right is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Modifier {
    OneOf,
    AnyOf,
    AllOf,
}

/// The right-hand side.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// Nothing: the operator is `exists`.
    Nothing,
    /// One value, without its quotes.
    Value(String),
    /// Several, without their quotes.
    List(Vec<String>),
    /// Another field: `val(proc.pname)`.
    Field(Box<Field>),
}

impl Operator {
    /// How it is written.
    pub fn name(self) -> &'static str {
        match self {
            Operator::Exists => "exists",
            Operator::Equal => "=",
            Operator::NotEqual => "!=",
            Operator::Less => "<",
            Operator::LessOrEqual => "<=",
            Operator::Greater => ">",
            Operator::GreaterOrEqual => ">=",
            Operator::Contains => "contains",
            Operator::IContains => "icontains",
            Operator::BContains => "bcontains",
            Operator::StartsWith => "startswith",
            Operator::BStartsWith => "bstartswith",
            Operator::EndsWith => "endswith",
            Operator::Glob => "glob",
            Operator::IGlob => "iglob",
            Operator::Regex => "regex",
            Operator::In => "in",
            Operator::Intersects => "intersects",
            Operator::PMatch => "pmatch",
        }
    }
}

impl Condition {
    /// Calls `visit` with every comparison, in order.
    pub fn checks<'a>(&'a self, visit: &mut impl FnMut(&'a Check)) {
        match self {
            Condition::And(parts) | Condition::Or(parts) => {
                parts.iter().for_each(|part| part.checks(visit));
            }
            Condition::Not(part) => part.checks(visit),
            Condition::Check(check) => visit(check),
        }
    }
}
