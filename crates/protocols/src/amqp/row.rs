//! The table of AMQP's methods.

use schema::{Origin, Sink};

use crate::Message;
use crate::row::{Told, request_table, row, said, some};

request_table! {
    /// A method of AMQP 0-9-1 and its answer, or a message that was delivered.
    #[table = "amqp_request"]
    pub struct AmqpRequest {
        /// The exchange, queue, consumer or virtual host that the method is about.
        #[event(kind = Text)]
        pub name: Option<&'a str>,
        /// The routing key of a publication, or of what was delivered.
        #[event(kind = Text)]
        pub routing_key: Option<&'a str>,
        /// How long the message's body is.
        #[event(kind = Uint, unit = Bytes)]
        pub body_bytes: Option<u64>,
        /// Whether what was delivered had been before.
        #[event(kind = Bool)]
        pub redelivered: Option<bool>,
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
    let request = said!(asked, Amqp, Request);
    let response = said!(answered, Amqp, Response);
    let from = response.and_then(|it| it.from.as_ref());
    let key = request.and_then(|it| it.routing_key.as_deref());
    let row = row!(
        told,
        AmqpRequest {
            name: request.and_then(|it| some(&it.name)).or(from.and_then(|it| some(&it.0))),
            routing_key: key.or(from.and_then(|it| some(&it.1))),
            body_bytes: request.and_then(|it| it.body).or(response.and_then(|it| it.body)),
            redelivered: response.filter(|it| it.from.is_some()).map(|it| it.redelivered),
        }
    );
    sink.row(origin, row);
}
