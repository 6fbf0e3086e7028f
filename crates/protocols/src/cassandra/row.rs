//! The table of Cassandra's queries.

use schema::{Origin, Sink};

use crate::Message;
use crate::row::{Told, request_table, row, said, some};

request_table! {
    /// A request to Cassandra in its native protocol, and the response.
    #[table = "cassandra_request"]
    pub struct CassandraRequest {
        /// The statement as it was, redacted; null unless the policy keeps literals. `resource` has it
        /// without them.
        #[event(kind = Text, personal)]
        pub statement: Option<&'a str>,
        /// The id of what was prepared, in hex.
        #[event(kind = Text)]
        pub prepared: Option<&'a str>,
        /// How many statements a batch has.
        #[event(kind = Uint, unit = Count)]
        pub statements: Option<u64>,
        /// How many rows were returned.
        #[event(kind = Uint, unit = Count)]
        pub rows: Option<u64>,
        /// The error's number; null where there is none. `status` has its name.
        #[event(kind = Uint)]
        pub code: Option<u64>,
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
    let request = said!(asked, Cassandra, Request);
    let response = said!(answered, Cassandra, Response);
    let row = row!(
        told,
        CassandraRequest {
            statement: request.and_then(|it| it.text.as_deref()),
            prepared: request.and_then(|it| some(&it.id)),
            statements: request.map(|it| u64::from(it.statements)).filter(|count| *count > 0),
            rows: response.and_then(|it| it.rows).map(u64::from),
            code: response.and_then(|it| it.code).map(u64::from),
        }
    );
    sink.row(origin, row);
}
