//! The table of requests to Kafka's brokers.

use schema::{Origin, Sink};

use crate::Message;
use crate::row::{Told, request_table, row, said, some};

request_table! {
    /// A request to a Kafka broker and its response.
    #[table = "kafka_request"]
    pub struct KafkaRequest {
        /// The version of the request's form.
        #[event(kind = Int)]
        pub version: Option<i64>,
        /// What the client calls itself.
        #[event(kind = Text)]
        pub client: Option<&'a str>,
        /// The topics, with a comma between them; of many the first 16.
        #[event(kind = Text)]
        pub topics: Option<&'a str>,
        /// The consumer group.
        #[event(kind = Text)]
        pub group: Option<&'a str>,
        /// How many brokers have to have what is produced: 0, 1, or -1 for all in sync.
        #[event(kind = Int)]
        pub acks: Option<i64>,
        /// The error's number; null where there is none. `status` has its name.
        #[event(kind = Int)]
        pub code: Option<i64>,
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
    let request = said!(asked, Kafka, Request);
    let response = said!(answered, Kafka, Response);
    let topics = request.map(|it| it.topics.join(", "));
    let row = row!(
        told,
        KafkaRequest {
            version: request.map(|it| i64::from(it.version)),
            client: request.and_then(|it| some(&it.client)),
            topics: topics.as_deref().and_then(some),
            group: request.and_then(|it| some(&it.group)),
            acks: request.and_then(|it| it.acks).map(i64::from),
            code: response.and_then(|it| it.error).map(i64::from),
        }
    );
    sink.row(origin, row);
}
