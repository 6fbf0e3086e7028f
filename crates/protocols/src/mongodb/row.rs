//! The table of MongoDB's commands.

use schema::{Origin, Sink};

use crate::Message;
use crate::row::{Told, request_table, row, said, some};

request_table! {
    /// A command to MongoDB and its reply.
    #[table = "mongodb_request"]
    pub struct MongodbRequest {
        /// The database; null where it was not seen.
        #[event(kind = Text)]
        pub database: Option<&'a str>,
        /// The collection; null where the command has none.
        #[event(kind = Text)]
        pub collection: Option<&'a str>,
        /// The error's number; null where there is none. `status` has its name.
        #[event(kind = Int)]
        pub code: Option<i64>,
        /// How many documents it was done to, where the reply says.
        #[event(kind = Int, unit = Count)]
        pub count: Option<i64>,
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
    let request = said!(asked, Mongodb, Request);
    let response = said!(answered, Mongodb, Response);
    let row = row!(
        told,
        MongodbRequest {
            database: request.and_then(|it| some(&it.database)),
            collection: request.and_then(|it| some(&it.collection)),
            code: response.and_then(|it| it.code),
            count: response.and_then(|it| it.count),
        }
    );
    sink.row(origin, row);
}
