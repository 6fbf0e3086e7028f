//! The table of Redis commands.

use schema::{Origin, Sink};

use crate::Message;
use crate::row::{Told, request_table, row, said};

request_table! {
    /// A Redis command and its reply, or a message that was published to a subscriber.
    #[table = "redis_request"]
    pub struct RedisRequest {
        /// The first key as it was; null unless the policy keeps literals. `resource` has it with ids
        /// folded.
        #[event(kind = Text, personal)]
        pub key: Option<&'a str>,
        /// How many words the command has, its name included.
        #[event(kind = Uint, unit = Count)]
        pub words: Option<u64>,
    }
}

/// Writes a row.
pub(crate) fn write(
    told: &Told,
    asked: Option<&Message>,
    _: Option<&Message>,
    origin: Origin,
    sink: &mut Sink,
) {
    let command = said!(asked, Redis, Command);
    let row = row!(
        told,
        RedisRequest {
            key: command.and_then(|it| it.key.as_deref()),
            words: command.map(|it| it.words),
        }
    );
    sink.row(origin, row);
}
