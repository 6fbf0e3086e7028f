//! The table of memcached's commands.

use schema::{Origin, Sink};

use crate::Message;
use crate::row::{Told, request_table, row, said};

request_table! {
    /// A memcached command, or a run of quiet ones, and the reply.
    #[table = "memcached_request"]
    pub struct MemcachedRequest {
        /// The first key as it was; null unless the policy keeps literals. `resource` has it with ids
        /// folded.
        #[event(kind = Text, personal)]
        pub key: Option<&'a str>,
        /// How many keys are asked for.
        #[event(kind = Uint, unit = Count)]
        pub keys: Option<u64>,
        /// How many values were found.
        #[event(kind = Uint, unit = Count)]
        pub hits: Option<u64>,
        /// How long the value is that is stored, or the values that were found.
        #[event(kind = Uint, unit = Bytes)]
        pub value_bytes: Option<u64>,
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
    let command = said!(asked, Memcached, Command);
    let reply = said!(answered, Memcached, Reply);
    let found = reply.filter(|it| it.hits > 0).map(|it| it.value_bytes);
    let row = row!(
        told,
        MemcachedRequest {
            key: command.and_then(|it| it.key.as_deref()),
            keys: command.map(|it| u64::from(it.keys)),
            hits: reply.map(|it| u64::from(it.hits)),
            value_bytes: command.and_then(|it| it.value_bytes).or(found),
        }
    );
    sink.row(origin, row);
}
