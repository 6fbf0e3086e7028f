//! The table of HTTP requests.

use schema::{Origin, Sink};

use crate::row::{Told, request_table, row, said, some};
use crate::{Message, grpc};

request_table! {
    /// An HTTP request and its response, of any version.
    #[table = "http_request"]
    pub struct HttpRequest {
        /// The method; null where it was not seen, as after a gap.
        #[event(kind = Text)]
        pub method: Option<&'a str>,
        /// The host that was asked for: `Host` or `:authority`.
        #[event(kind = Text)]
        pub host: Option<&'a str>,
        /// Path and query as they were sent, the query's values taken out unless the policy keeps them.
        #[event(kind = Path, personal)]
        pub path: Option<&'a [u8]>,
        /// `1.0`, `1.1` or `2`.
        #[event(kind = Text)]
        pub version: Option<&'static str>,
        /// The status code; null where no response was seen.
        #[event(kind = Uint)]
        pub code: Option<u64>,
        /// What the client calls itself.
        #[event(kind = Text)]
        pub user_agent: Option<&'a str>,
        /// The type of the request's body.
        #[event(kind = Text)]
        pub request_type: Option<&'a str>,
        /// The type of the response's body.
        #[event(kind = Text)]
        pub response_type: Option<&'a str>,
        /// The request's own id, where a header gives one.
        #[event(kind = Text)]
        pub request_id: Option<&'a str>,
        /// How the request's body begins, redacted; `…` ends what was cut. Null unless the policy keeps
        /// bodies (`requests.bodies`), where there is none, and where it is compressed or no text.
        #[event(kind = Text, personal)]
        pub request_body: Option<&'a str>,
        /// The same of the response's.
        #[event(kind = Text, personal)]
        pub response_body: Option<&'a str>,
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
    if let Some(call) = grpc::call(asked, answered) {
        grpc::write(told, &call, origin, sink);
        return;
    }
    let request = said!(asked, Http, Request);
    let response = said!(answered, Http, Response);
    let fields = request.map(|it| &it.fields);
    let version = request.map(|it| it.version).or(response.map(|it| it.version));
    let row = row!(
        told,
        HttpRequest {
            method: request.and_then(|it| some(&it.method)),
            host: request.and_then(|it| it.host.as_deref()),
            path: request.and_then(|it| some(&it.target)).map(str::as_bytes),
            version: version.map(|it| it.as_str()),
            code: response.map(|it| u64::from(it.status)).filter(|code| *code != 0),
            user_agent: fields.and_then(|it| it.user_agent.as_deref()),
            request_type: fields.and_then(|it| it.content_type.as_deref()),
            response_type: response.and_then(|it| it.fields.content_type.as_deref()),
            request_id: fields.and_then(|it| it.request_id.as_deref()),
            request_body: request.and_then(|it| it.body.as_deref()),
            response_body: response.and_then(|it| it.body.as_deref()),
        }
    );
    sink.row(origin, row);
}
