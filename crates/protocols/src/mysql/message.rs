//! What is kept of commands and their answers.

use std::sync::Arc;

use crate::message::text;
use crate::normal::Sql;
use crate::{Message as Any, Summary, Trace, redact};

/// A request or its response.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// What the client asked.
    Request(Request),
    /// What the server said to it.
    Response(Response),
}

/// A command, or what leads up to the first one.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What it is.
    pub kind: Kind,
    /// Its statement without literals; `None` where there is none, or it was prepared unseen.
    pub sql: Option<Arc<Sql>>,
    /// The database's name, or the table's; empty where there is none.
    pub name: String,
    /// Who logs in, redacted; empty elsewhere.
    pub user: String,
    /// Its text as it was, redacted; `None` unless the policy keeps literals.
    pub text: Option<Arc<str>>,
    /// The trace that the statement's attributes name.
    pub trace: Option<Trace>,
    /// The number of its answer's first packet, where it is known from its own.
    pub(super) answer: Option<u8>,
}

/// What a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The login, until it is accepted.
    Connect,
    /// The wish to speak TLS, which is not answered.
    Encrypt,
    /// A statement that is text alone, or several.
    Query,
    /// A statement is made ready.
    Prepare,
    /// A prepared statement is run.
    Execute,
    /// Rows of a cursor are asked for.
    Fetch,
    /// A parameter is sent in pieces. Never answered.
    LongData,
    /// A prepared statement is forgotten. Never answered.
    Close,
    /// A prepared statement's pieces and cursor are forgotten.
    Reset,
    /// Another database is used.
    InitDb,
    /// A table's columns are asked for.
    FieldList,
    /// Somebody else logs in.
    ChangeUser,
    /// The session begins anew.
    ResetConnection,
    /// Whether anybody is there.
    Ping,
    /// A line about the server.
    Statistics,
    /// The end. Never answered.
    Quit,
    /// Another command, by its name.
    Other(&'static str),
}

/// What the server said to a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// How many rows were returned, of all results; `None` where there was none.
    pub rows: Option<u64>,
    /// How many rows were changed, of all results; `None` where no result says.
    pub affected: Option<u64>,
    /// The error's number: 1146.
    pub code: Option<u16>,
    /// The error's SQLSTATE: `42S02`. Empty where it says none.
    pub state: String,
    /// What the error says, redacted.
    pub error: String,
    /// What the server called itself, in the answer to a login: `8.0.36`. Empty elsewhere.
    pub version: String,
}

impl Kind {
    /// What it is called where it has no statement that says more.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Connect => "CONNECT",
            Kind::Encrypt => "SSL",
            Kind::Query => "QUERY",
            Kind::Prepare => "PREPARE",
            Kind::Execute => "EXECUTE",
            Kind::Fetch => "FETCH",
            Kind::LongData => "LONG DATA",
            Kind::Close => "CLOSE",
            Kind::Reset => "RESET",
            Kind::InitDb => "USE",
            Kind::FieldList => "FIELD LIST",
            Kind::ChangeUser => "CHANGE USER",
            Kind::ResetConnection => "RESET CONNECTION",
            Kind::Ping => "PING",
            Kind::Statistics => "STATISTICS",
            Kind::Quit => "QUIT",
            Kind::Other(name) => name,
        }
    }

    /// Whether it is never answered.
    pub(super) fn is_silent(self) -> bool {
        matches!(self, Kind::Encrypt | Kind::LongData | Kind::Close | Kind::Quit)
    }
}

/// The longest text of an error, in bytes.
const LONGEST: usize = 512;

impl Response {
    /// Takes up what an error says: its number, its state, its text. `cut` if not all is there.
    pub(super) fn fail(&mut self, body: &[u8], cut: bool) {
        let code = super::packet::word(body, 1).unwrap_or(0);
        let rest = body.get(3..).unwrap_or_default();
        let said = match rest.split_at_checked(6) {
            Some(([b'#', state @ ..], rest)) => {
                self.state = text(state, 5);
                rest
            }
            _ => rest,
        };
        let cut = cut || said.len() > LONGEST;
        self.code = Some(code);
        self.error = redact::text(&without_values(&text(said, LONGEST), code, cut)).into_owned();
    }

    /// Adds the rows that one more result changed.
    pub(super) fn add_affected(&mut self, rows: u64) {
        self.affected = Some(self.affected.unwrap_or(0).saturating_add(rows));
    }

    /// Adds rows that were returned.
    pub(super) fn add_rows(&mut self, rows: u64) {
        self.rows = Some(self.rows.unwrap_or(0).saturating_add(rows));
    }
}

/// Errors that quote names alone: of databases, tables, columns, users, routines.
const QUOTE_NAMES: [u16; 26] = [
    1007, 1008, 1044, 1045, 1046, 1048, 1049, 1050, 1051, 1052, 1054, 1060, 1061, 1091, 1109, 1142,
    1143, 1146, 1176, 1264, 1265, 1304, 1305, 1364, 1406, 1698,
];

/// Errors that quote the value of a key, then the key's name.
const QUOTE_KEYS: [u16; 2] = [1062, 1586];

/// An error without the values that it repeats. Values may have quotes in them, so all from the
/// first quote to the last goes.
fn without_values(said: &str, code: u16, cut: bool) -> String {
    if QUOTE_NAMES.contains(&code) {
        return said.to_owned();
    }
    let whole = || QUOTE_KEYS.contains(&code).then(|| said.rfind(" for key ")).flatten();
    let (said, behind) =
        said.split_at(if cut { said.len() } else { whole().unwrap_or(said.len()) });
    let quotes = ['\'', '"'];
    let Some(first) = said.find(quotes) else {
        return format!("{said}{behind}");
    };
    let last = said.rfind(quotes).filter(|last| *last > first && !cut);
    let kept = last.map_or("", |last| &said[last + 1..]);
    format!("{}'{}'{kept}{behind}", &said[..first], redact::TAKEN_OUT)
}

/// What a request and its response say.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::MySql(message)) = request
        && let Message::Request(request) = &**message
    {
        summary.operation = match &request.sql {
            Some(sql)
                if matches!(request.kind, Kind::Query | Kind::Execute) && !sql.verb.is_empty() =>
            {
                sql.verb.clone().into()
            }
            _ => request.kind.as_str().into(),
        };
        summary.resource = match &request.sql {
            Some(sql) => sql.text.clone(),
            None => request.name.clone(),
        };
        summary.trace = request.trace;
    }
    if let Some(Any::MySql(message)) = response
        && let Message::Response(response) = &**message
    {
        summary.status = Some(match response.code {
            Some(code) => code.to_string().into(),
            None => "OK".into(),
        });
        summary.error = response.code.is_some().then(|| response.error.clone());
        if request.is_none() {
            summary.operation = "ERROR".into();
        }
    }
    summary
}

impl From<Request> for Any {
    fn from(request: Request) -> Any {
        Any::MySql(Box::new(Message::Request(request)))
    }
}

impl From<Response> for Any {
    fn from(response: Response) -> Any {
        Any::MySql(Box::new(Message::Response(response)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_keep_names_and_no_values() {
        let said = |code: u16, text: &str| {
            let mut response = Response::default();
            let body = [&[0xff][..], &code.to_le_bytes(), b"#42S02", text.as_bytes()].concat();
            response.fail(&body, false);
            assert_eq!((response.code, response.state.as_str()), (Some(code), "42S02"));
            response.error
        };
        assert_eq!(said(1146, "Table 'a.b' doesn't exist"), "Table 'a.b' doesn't exist");
        assert_eq!(
            said(1062, "Duplicate entry 'hunter'x' for key 'PRIMARY'"),
            "Duplicate entry '***' for key 'PRIMARY'"
        );
        assert_eq!(
            said(1064, "You have an error near 'selec 'hunter2'' at line 1"),
            "You have an error near '***' at line 1"
        );
        assert_eq!(said(1366, "Incorrect value: 'hunter"), "Incorrect value: '***'");
        assert_eq!(said(1690, "out of range"), "out of range");
        assert!(!said(1064, &format!("near 'a' {} 'hunter", "x ".repeat(300))).contains('x'));
        assert!(
            !said(1062, &format!("Duplicate ' for key hunter'{}", "x ".repeat(300)))
                .contains("hunter")
        );
    }
}
