//! The table of MySQL's and MariaDB's commands.

use schema::{Origin, Sink};

use crate::Message;
use crate::row::{Told, request_table, row, said, some};

request_table! {
    /// A command to MySQL or MariaDB and what came of it: queries, prepared statements, logins.
    #[table = "mysql_request"]
    pub struct MysqlRequest {
        /// The statement as it was, redacted; null unless the policy keeps literals. `resource` has it
        /// without them.
        #[event(kind = Text, personal)]
        pub statement: Option<&'a str>,
        /// The database's name, or the table's; null where there is none.
        #[event(kind = Text)]
        pub name: Option<&'a str>,
        /// Who logs in; null elsewhere.
        #[event(kind = Text, personal)]
        pub user: Option<&'a str>,
        /// How many rows were returned, of all results.
        #[event(kind = Uint, unit = Count)]
        pub rows: Option<u64>,
        /// How many rows were changed, of all results.
        #[event(kind = Uint, unit = Count)]
        pub affected: Option<u64>,
        /// The error's SQLSTATE: `42S02`. `status` has its number.
        #[event(kind = Text)]
        pub sqlstate: Option<&'a str>,
    }
}

/// Writes a row.
pub(crate) fn write(
    told: &Told,
    asked: Option<&Message>,
    answered: Option<&Message>,
    origin: Origin,
    sink: &mut Sink,
) {
    let request = said!(asked, MySql, Request);
    let response = said!(answered, MySql, Response);
    let row = row!(
        told,
        MysqlRequest {
            statement: request.and_then(|it| it.text.as_deref()),
            name: request.and_then(|it| some(&it.name)),
            user: request.and_then(|it| some(&it.user)),
            rows: response.and_then(|it| it.rows),
            affected: response.and_then(|it| it.affected),
            sqlstate: response.and_then(|it| some(&it.state)),
        }
    );
    sink.row(origin, row);
}
