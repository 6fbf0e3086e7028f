//! The table of DNS requests.

use schema::{Origin, Sink};

use super::Message;
use crate::Message as Any;
use crate::row::{Told, request_table, row, some};

request_table! {
    /// A question to a name server and its answers.
    #[table = "dns_request"]
    pub struct DnsRequest {
        /// The name asked for, in lower case and without a dot at its end.
        #[event(kind = Text)]
        pub name: Option<&'a str>,
        /// The addresses and names in the answer, with a comma between them; of many the first 32.
        #[event(kind = Text)]
        pub answers: Option<&'a str>,
        /// How many records the answer has; null where none was seen.
        #[event(kind = Uint, unit = Count)]
        pub answer_count: Option<u64>,
        /// How long the first answer may be kept.
        #[event(kind = Duration, unit = Nanoseconds)]
        pub ttl: Option<u64>,
        /// Whether the answer did not fit, and is to be asked for again over TCP.
        #[event(kind = Bool)]
        pub cut_by_server: Option<bool>,
    }
}

/// Writes a row.
pub(crate) fn write(
    told: &Told,
    asked: Option<&Any>,
    answered: Option<&Any>,
    origin: Origin,
    sink: &mut Sink,
) {
    let (asked, answered) = (asked.and_then(message), answered.and_then(message));
    let values = answered.map(|it| {
        let values = it.answers.iter().map(|it| it.value.as_str()).filter(|it| !it.is_empty());
        values.collect::<Vec<_>>().join(", ")
    });
    let first = answered.and_then(|it| it.answers.first());
    let row = row!(
        told,
        DnsRequest {
            name: asked.or(answered).and_then(|it| some(&it.name)),
            answers: values.as_deref().and_then(some),
            answer_count: answered.map(|it| u64::from(it.answer_count)),
            ttl: first.map(|it| u64::from(it.ttl) * 1_000_000_000),
            cut_by_server: answered.map(|it| it.cut_by_server),
        }
    );
    sink.row(origin, row);
}

fn message(message: &Any) -> Option<&Message> {
    match message {
        Any::Dns(message) => Some(message),
        _ => None,
    }
}
