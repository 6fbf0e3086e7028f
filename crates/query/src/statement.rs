//! What may be asked: one statement that reads.

use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SQLOptions;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::Statement as Sql;
use datafusion::sql::sqlparser::dialect::GenericDialect;

use crate::problem::forbidden;
use crate::{Problem, Trouble};

/// How deep a statement may be nested.
const DEEPEST: usize = 64;

/// What is asked for.
pub(crate) enum Parsed {
    /// Something to plan.
    Plan(Box<Statement>),
    /// The list of the tables.
    Tables,
}

/// Why a text is nothing to plan.
pub(crate) enum Refused {
    Problem(Problem),
    Error(DataFusionError),
}

/// The one statement of `sql`.
pub(crate) fn parse(sql: &str) -> Result<Parsed, Refused> {
    let parser = DFParserBuilder::new(sql)
        .with_dialect(&GenericDialect {})
        .with_recursion_limit(DEEPEST)
        .build();
    let statements = parser.and_then(|mut parser| parser.parse_statements());
    let mut statements = statements.map_err(Refused::Error)?;
    let one = match (statements.pop_front(), statements.is_empty()) {
        (Some(one), true) => one,
        (None, _) => return Err(Refused::Problem(problem("there is no statement"))),
        (Some(_), false) => {
            let message = "there are several statements: one is answered at a time";
            return Err(Refused::Problem(problem(message)));
        }
    };
    if let Statement::Statement(sql) = &one
        && let Sql::ShowTables { .. } = **sql
    {
        // A condition that nobody looks at would give more than was asked for.
        let plain = sql.to_string() == "SHOW TABLES";
        let message = "SHOW TABLES takes nothing more: for some of them ask \
                       information_schema.tables";
        return if plain { Ok(Parsed::Tables) } else { Err(Refused::Problem(problem(message))) };
    }
    match refusal(&one) {
        Some(what) => Err(Refused::Problem(forbidden(what))),
        None => Ok(Parsed::Plan(Box::new(one))),
    }
}

/// Refuses what a plan would do beside reading.
pub(crate) fn check(plan: &LogicalPlan) -> Result<(), Problem> {
    let reads =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    reads.verify_plan(plan).map_err(|_| forbidden("the statement does more than read"))
}

/// What is not allowed about a statement.
fn refusal(statement: &Statement) -> Option<&'static str> {
    match statement {
        Statement::Statement(sql) => match &**sql {
            Sql::Query(_) | Sql::ExplainTable { .. } | Sql::ShowColumns { .. } => None,
            Sql::Explain { statement, .. } => match **statement {
                Sql::Query(_) => None,
                _ => Some("only queries are explained"),
            },
            Sql::Set(_) => Some("settings are not changed by SQL"),
            Sql::ShowVariable { .. } => Some("SHOW tells of TABLES and COLUMNS alone"),
            _ => Some("only SELECT, WITH, EXPLAIN, DESCRIBE and SHOW TABLES are answered"),
        },
        Statement::Explain(explain) => refusal(&explain.statement),
        Statement::CopyTo(_) => Some("COPY writes files"),
        Statement::CreateExternalTable(_) => Some("files are not read as tables"),
        _ => Some("only SELECT, WITH, EXPLAIN, DESCRIBE and SHOW TABLES are answered"),
    }
}

fn problem(message: &str) -> Problem {
    let (place, near) = (None, Vec::new());
    Problem { kind: Trouble::Sql, message: message.to_string(), place, near }
}
