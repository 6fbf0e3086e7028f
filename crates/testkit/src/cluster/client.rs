//! Writes objects to the API server and reads them back, one plain HTTP request at a time.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::objects;

/// A door to the API server that may do everything. It speaks to `kubectl proxy` on a socket in
/// the file system, which adds the encryption and the token.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// What the API server answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// The longest that a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

const MERGE: &str = "application/merge-patch+json";
const JSON: &str = "application/json";

impl Client {
    pub(super) fn new(socket: PathBuf) -> Client {
        Client { socket }
    }

    /// Creates the object with its status; hands it back as the server keeps it.
    pub fn create(&self, object: &Value) -> Result<Value> {
        let path = objects::folder(object)?;
        let created = self.send("POST", &path, JSON, Some(object))?.object("POST", &path)?;
        self.with_status(object, created)
    }

    /// Replaces the object that is there by this one.
    pub fn replace(&self, object: &Value) -> Result<Value> {
        let path = objects::path(object)?;
        let kept = self.get(&path)?.with_context(|| format!("there is no {path} to replace"))?;
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = kept["metadata"]["resourceVersion"].clone();
        // The address of a Service, which the server chose, may not be taken away.
        for key in ["clusterIP", "clusterIPs"] {
            if object["spec"].get(key).is_none() && kept["spec"].get(key).is_some() {
                object["spec"][key] = kept["spec"][key].clone();
            }
        }
        let replaced = self.send("PUT", &path, JSON, Some(&object))?.object("PUT", &path)?;
        self.with_status(&object, replaced)
    }

    /// Creates the object, or replaces the one of that name.
    pub fn apply(&self, object: &Value) -> Result<Value> {
        match self.get(&objects::path(object)?)? {
            None => self.create(object),
            Some(_) => self.replace(object),
        }
    }

    /// Changes what `change` names and leaves the rest; null removes. The object is known by its
    /// kind and name.
    pub fn patch(&self, object: &Value, change: &Value) -> Result<Value> {
        let path = objects::path(object)?;
        self.send("PATCH", &path, MERGE, Some(change))?.object("PATCH", &path)
    }

    /// The same for the object's status.
    pub fn patch_status(&self, object: &Value, status: &Value) -> Result<Value> {
        let path = format!("{}/status", objects::path(object)?);
        let change = json!({ "status": status });
        self.send("PATCH", &path, MERGE, Some(&change))?.object("PATCH", &path)
    }

    /// Deletes the object without a grace period. Whether it was there.
    pub fn delete(&self, object: &Value) -> Result<bool> {
        let path = format!("{}?gracePeriodSeconds=0", objects::path(object)?);
        let answer = self.send("DELETE", &path, JSON, None)?;
        if answer.status == 404 {
            return Ok(false);
        }
        answer.object("DELETE", &path).map(|_| true)
    }

    /// The object at a path such as `/api/v1/namespaces/default`, if there is one.
    pub fn get(&self, path: &str) -> Result<Option<Value>> {
        let answer = self.send("GET", path, JSON, None)?;
        if answer.status == 404 {
            return Ok(None);
        }
        answer.object("GET", path).map(Some)
    }

    /// The objects in a folder such as `/api/v1/pods`; `?labelSelector=` and its like work.
    pub fn list(&self, path: &str) -> Result<Vec<Value>> {
        let list = self.get(path)?.with_context(|| format!("there is no {path}"))?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Whether the server answers and says that it is ready.
    pub(super) fn is_ready(&self) -> bool {
        let answer = self.send("GET", "/readyz", JSON, None);
        answer.is_ok_and(|answer| answer.status == 200)
    }

    /// One request as it stands; any status is an answer.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = UnixStream::connect(&self.socket).context("the API server has no door")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // Version 1.0, so that the answer ends where the connection does.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nAccept: {JSON}\r\n\
             Content-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).with_context(|| format!("{method} {path}"))?;
        Answer::read(&answer).with_context(|| format!("{method} {path}"))
    }

    fn with_status(&self, asked: &Value, kept: Value) -> Result<Value> {
        match asked.get("status") {
            Some(status) => self.patch_status(asked, status),
            None => Ok(kept),
        }
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Result<Answer> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.context("the answer has no end of its head")?;
        let head = std::str::from_utf8(&bytes[..end])?;
        let status = head.split(' ').nth(1).context("the answer has no status")?.parse()?;
        Ok(Answer { status, body: bytes[end + 4..].to_vec() })
    }

    /// The object in the body; a refusal is an error in the server's words.
    fn object(self, method: &str, path: &str) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            let said: Value = serde_json::from_slice(&self.body).unwrap_or_default();
            let text = String::from_utf8_lossy(&self.body);
            let said = said["message"].as_str().unwrap_or(text.trim());
            bail!("{method} {path}: {}: {said}", self.status);
        }
        serde_json::from_slice(&self.body).with_context(|| format!("{method} {path}: no JSON"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let answer = Answer::read(b"HTTP/1.0 201 Created\r\nA: b\r\n\r\n{\"a\":1}").unwrap();
        assert_eq!(answer.status, 201);
        assert_eq!(answer.object("POST", "/x").unwrap(), json!({ "a": 1 }));
        assert!(Answer::read(b"HTTP/1.0 200 OK\r\n").is_err());
    }

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let refused = Answer { status: 409, body: br#"{"message":"is there already"}"#.to_vec() };
        let error = refused.object("POST", "/x").unwrap_err().to_string();
        assert_eq!(error, "POST /x: 409: is there already");
        let bad = Answer { status: 502, body: b"no way\n".to_vec() };
        assert_eq!(bad.object("GET", "/").unwrap_err().to_string(), "GET /: 502: no way");
    }
}
