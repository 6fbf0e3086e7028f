//! The table of PostgreSQL's queries.

use schema::{Origin, Sink};

use crate::Message;
use crate::row::{Told, request_table, row, said, some};

request_table! {
    /// A query to PostgreSQL and what came of it; also what else is answered: a connection, a prepared
    /// statement.
    #[table = "postgres_request"]
    pub struct PostgresRequest {
        /// The statement as it was, redacted; null unless the policy keeps literals. `resource` has it
        /// without them.
        #[event(kind = Text, personal)]
        pub statement: Option<&'a str>,
        /// The name of a prepared statement, of a connection its database; null where there is none.
        #[event(kind = Text)]
        pub name: Option<&'a str>,
        /// What was done, as the server has it: `SELECT`, `INSERT`.
        #[event(kind = Text)]
        pub tag: Option<&'a str>,
        /// How many rows it was done to.
        #[event(kind = Uint, unit = Count)]
        pub rows: Option<u64>,
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
    let request = said!(asked, Postgres, Request);
    let response = said!(answered, Postgres, Response);
    let row = row!(
        told,
        PostgresRequest {
            statement: request.and_then(|it| it.text.as_deref()),
            name: request.and_then(|it| some(&it.name)),
            tag: response.and_then(|it| some(&it.tag)),
            rows: response.and_then(|it| it.rows),
        }
    );
    sink.row(origin, row);
}
