//! What is kept of commands and replies: names and numbers, no values.

use std::borrow::Cow;

use super::bson::{Document, Field};
use crate::message::text;
use crate::{Message as Any, Summary, normal, redact};

/// A command or its reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// What the client asked.
    Request(Request),
    /// What the server said to it.
    Response(Response),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// The command's name: `find`. `compressed` where it cannot be read.
    pub command: Cow<'static, str>,
    /// The database; empty if it was not seen.
    pub database: String,
    /// The collection, with ids folded; empty where there is none.
    pub collection: String,
    /// Whether what answers it are documents of a collection and not a reply to a command.
    pub(super) plain: bool,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// Whether it went well; `None` if that was not seen.
    pub ok: Option<bool>,
    /// The error's number: 11000.
    pub code: Option<i64>,
    /// The error's name: `NamespaceNotFound`; empty where there is none.
    pub code_name: String,
    /// What the error says, without values, redacted.
    pub error: String,
    /// How many documents it was done to, as the server says.
    pub count: Option<i64>,
    /// The command whose further answer this is, where nobody asked for another.
    pub further: Option<Cow<'static, str>>,
}

/// Commands whose first value is the name of a collection.
const OF_COLLECTIONS: [&str; 22] = [
    "find",
    "insert",
    "update",
    "delete",
    "aggregate",
    "count",
    "distinct",
    "findAndModify",
    "findandmodify",
    "create",
    "drop",
    "createIndexes",
    "dropIndexes",
    "listIndexes",
    "killCursors",
    "mapReduce",
    "collStats",
    "collMod",
    "validate",
    "compact",
    "reIndex",
    "convertToCapped",
];

/// The most usual commands that are about none; looked up without a copy.
const OTHERS: [&str; 10] = [
    "hello",
    "isMaster",
    "ismaster",
    "ping",
    "getMore",
    "endSessions",
    "saslStart",
    "saslContinue",
    "commitTransaction",
    "abortTransaction",
];

/// The longest name of a database or a collection, in bytes.
const LONGEST: usize = 128;

impl Request {
    /// A message about a collection that is named `database.collection`.
    pub(super) fn named(command: &'static str, name: &[u8]) -> Request {
        let name = text(name, 2 * LONGEST);
        let (database, collection) = name.split_once('.').unwrap_or((&name, ""));
        Request {
            command: command.into(),
            database: redact::text(database).into_owned(),
            collection: normal::key(collection),
            plain: true,
        }
    }

    /// Takes up a command's document; whether all that is kept of it was there.
    pub(super) fn command(&mut self, mut document: Document) -> bool {
        let Some(first) = document.next() else {
            return false;
        };
        // Old drivers wrap a command that has options.
        let inner = matches!(first.name, b"$query" | b"query" | b"explain");
        let explains = first.name == b"explain";
        if let Some(inner) = first.document().filter(|_| inner) {
            let all = self.command(inner);
            if !explains {
                return all;
            }
        }
        self.command = name(first.name);
        let of_collection = OF_COLLECTIONS.contains(&&*self.command);
        let mut here = first.text().filter(|_| of_collection);
        let mut database = None;
        for field in document.by_ref() {
            match field.name {
                b"$db" => database = field.text(),
                b"collection" if first.name == b"getMore" => here = field.text(),
                _ => {}
            }
        }
        if let Some(database) = database {
            self.database = redact::text(&text(database, LONGEST)).into_owned();
        }
        if let Some(collection) = here {
            self.collection = normal::key(&text(collection, LONGEST));
        }
        document.ended || database.is_some()
    }
}

impl Response {
    /// Takes up a reply's document; whether it was seen how it went.
    pub(super) fn reply(&mut self, mut document: Document) -> bool {
        let mut cursor = false;
        for field in document.by_ref() {
            match field.name {
                b"ok" => self.ok = field.number().map(|ok| ok == 1),
                b"n" => self.count = field.number(),
                b"cursor" => cursor = true,
                b"writeErrors" => {
                    let first = field.document().and_then(|mut errors| errors.next());
                    self.fail(first.and_then(Field::document));
                }
                b"writeConcernError" => self.fail(field.document()),
                // What was said before ends up as the error, where there is one.
                _ => self.field(field),
            }
        }
        // A reply that lists what was found did not fail. What it lists may be long.
        if cursor && self.ok.is_none() {
            self.ok = Some(true);
        }
        self.ok.is_some()
    }

    fn fail(&mut self, error: Option<Document>) {
        for field in error.into_iter().flatten() {
            self.field(field);
        }
        self.code = self.code.or(Some(0));
    }

    fn field(&mut self, field: Field) {
        match field.name {
            b"code" => self.code = field.number(),
            b"codeName" => self.code_name = text(field.text().unwrap_or_default(), 64),
            b"errmsg" | b"$err" => {
                let said = text(field.cut_text().unwrap_or_default(), 512);
                self.error = redact::text(&without_values(&said)).into_owned();
            }
            _ => {}
        }
    }

    fn failed(&self) -> bool {
        self.ok == Some(false) || self.code.is_some()
    }
}

/// What a command and its reply say.
pub(super) fn summary(request: Option<&Any>, response: Option<&Any>) -> Summary {
    let mut summary = Summary::default();
    if let Some(Any::Mongodb(message)) = request
        && let Message::Request(request) = &**message
    {
        summary.operation = request.command.clone();
        summary.resource = match (&*request.database, &*request.collection) {
            (database, "") => database.to_owned(),
            ("", collection) => collection.to_owned(),
            (database, collection) => format!("{database}.{collection}"),
        };
    }
    if let Some(Any::Mongodb(message)) = response
        && let Message::Response(response) = &**message
    {
        summary.status = match response.failed() {
            true if !response.code_name.is_empty() => Some(response.code_name.clone().into()),
            true => Some(response.code.map_or("ERROR".into(), |code| code.to_string().into())),
            false => response.ok.map(|_| "OK".into()),
        };
        summary.error = response.failed().then(|| response.error.clone());
        if request.is_none()
            && let Some(command) = &response.further
        {
            summary.operation = command.clone();
        }
    }
    summary
}

fn name(word: &[u8]) -> Cow<'static, str> {
    let known = OF_COLLECTIONS.iter().chain(&OTHERS).find(|known| known.as_bytes() == word);
    known.map_or_else(
        || Cow::Owned(redact::text(&text(word, 32)).into_owned()),
        |known| (*known).into(),
    )
}

/// An error without the values that it repeats: those in quotes and braces.
fn without_values(said: &str) -> String {
    let mut kept = String::with_capacity(said.len());
    let mut depth = 0usize;
    let mut quote = None;
    let mut before = ' ';
    for letter in said.chars() {
        let closes = match (quote, letter) {
            (Some(open), letter) => {
                if letter == open {
                    quote = None;
                }
                letter == open && depth == 0
            }
            (None, '{' | '[') => {
                depth += 1;
                depth == 1
            }
            (None, '}' | ']') => {
                depth = depth.saturating_sub(1);
                depth == 0
            }
            // `can't` opens nothing.
            (None, '"' | '\'') if !before.is_alphanumeric() => {
                quote = Some(letter);
                depth == 0
            }
            (None, _) => depth == 0,
        };
        before = letter;
        if closes {
            kept.push(letter);
            let opens = quote.is_some() || (depth == 1 && matches!(letter, '{' | '['));
            if opens {
                kept.push_str(redact::TAKEN_OUT);
            }
        }
    }
    kept
}

impl From<Request> for Any {
    fn from(request: Request) -> Any {
        Any::Mongodb(Box::new(Message::Request(request)))
    }
}

impl From<Response> for Any {
    fn from(response: Response) -> Any {
        Any::Mongodb(Box::new(Message::Response(response)))
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn errors_show_no_values() {
        for (said, kept) in [
            ("ns not found", "ns not found"),
            (
                "E11000 duplicate key error collection: shop.users index: _id_ dup key: { _id: \"hunter\" }",
                "E11000 duplicate key error collection: shop.users index: _id_ dup key: {***}",
            ),
            ("can't parse number 'hunter' at \"x\"", "can't parse number '***' at \"***\""),
            ("deep { a: [ 'hunter', { b: 1 } ] } end", "deep {***} end"),
            ("cut 'hunt", "cut '***"),
            ("", ""),
        ] {
            assert_eq!(without_values(said), kept);
        }
    }
}
