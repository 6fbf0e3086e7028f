//! The table of NATS messages.

use schema::{Origin, Sink};

use crate::Message;
use crate::row::{Told, request_table, row, said, some};

request_table! {
    /// What a NATS client says and, where it asks for a reply, the message that replies; or a message
    /// that was delivered.
    #[table = "nats_request"]
    pub struct NatsRequest {
        /// The subject as it was; null unless the policy keeps literals. `resource` has it with ids
        /// folded.
        #[event(kind = Text, personal)]
        pub subject: Option<&'a str>,
        /// The group that shares a subscription.
        #[event(kind = Text)]
        pub queue_group: Option<&'a str>,
        /// Whether the publication says where a reply is to go.
        #[event(kind = Bool)]
        pub wants_reply: Option<bool>,
        /// How long the payload is that was published or delivered, headers included.
        #[event(kind = Uint, unit = Bytes)]
        pub payload_bytes: Option<u64>,
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
    let request = said!(asked, Nats, Request);
    let event = said!(answered, Nats, Event);
    let subject = request.and_then(|it| it.subject.as_deref());
    let delivered = event.filter(|_| request.is_none());
    let payload = request.map(|it| it.payload_bytes).or(delivered.map(|it| it.payload_bytes));
    let row = row!(
        told,
        NatsRequest {
            subject: subject.or(delivered.and_then(|it| it.subject.as_deref())),
            queue_group: request.and_then(|it| some(&it.queue)),
            wants_reply: request.map(|it| it.wants_reply),
            payload_bytes: payload,
        }
    );
    sink.row(origin, row);
}
