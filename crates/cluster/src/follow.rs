//! One kind of objects: listed once, watched from there, listed again where the thread is lost.

use std::cell::RefCell;
use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use kube::api::{ListParams, WatchParams};
use kube::core::{Request, WatchEvent};
use kube::{Client, Error};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use crate::kinds::Kind;
use crate::objects::{List, Meta};
use crate::retry::Retry;
use crate::state::Part;
use crate::teller::Teller;

/// What is needed to follow any kind.
pub(crate) struct Follow<'a> {
    pub(crate) client: &'a Client,
    pub(crate) teller: &'a RefCell<Teller>,
    pub(crate) retry: Retry,
    pub(crate) part: &'a Part,
    /// Dropped once the first list was given, or not.
    pub(crate) begun: Option<oneshot::Sender<()>>,
    /// The uids of all objects that were told.
    pub(crate) known: HashSet<Arc<str>>,
}

/// The API server does not have the kind.
pub(crate) struct NotServed;

/// How one try ended.
enum End {
    /// The watch ended as it should; it goes on where it was.
    Watched,
    /// The version is too old: everything has to be listed again.
    Expired,
    Failed(Error),
    /// Nothing came for too long.
    Silent,
}

/// How many objects are asked for at once.
const PAGE: u32 = 500;
/// A page should come within this time.
const LIST_TIME: Duration = Duration::from_secs(60);
/// The API server ends a watch after this time …
const WATCH_SECONDS: u32 = 290;
/// … and where it does not, or says nothing for so long, the connection is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 15);
/// How often a watch may fail before everything is listed again.
const PATIENCE: u32 = 5;
/// A watch that ends sooner than this is not a good one.
const SHORT: Duration = Duration::from_secs(1);
/// What is refused may be allowed later.
const REFUSED: Duration = Duration::from_secs(300);

impl Follow<'_> {
    /// Follows the kind for as long as the API server has it.
    pub(crate) async fn run<K: Kind>(&mut self, kind: &K) -> NotServed {
        // Where to go on; none where everything has to be listed.
        let mut version: Option<String> = None;
        let mut failures = 0;
        loop {
            let end = match version.take() {
                None => match self.list(kind).await {
                    Ok(at) => {
                        version = Some(at);
                        self.part.listed(self.known.len());
                        End::Watched
                    }
                    Err(end) => end,
                },
                Some(mut at) => {
                    let end = self.watch(kind, &mut at).await;
                    version = Some(at);
                    end
                }
            };
            failures = if matches!(end, End::Watched) { 0 } else { failures + 1 };
            // Those who wait for the first list wait no longer, however it went.
            self.begun = None;
            let wait = match end {
                End::Watched => continue,
                End::Expired => {
                    version = None;
                    self.retry.wait()
                }
                End::Silent => {
                    self.part.lost("the API server says nothing".into());
                    self.retry.wait()
                }
                End::Failed(Error::Api(status)) if status.code == 403 => {
                    self.part.refused(status.message.clone());
                    REFUSED
                }
                End::Failed(Error::Api(status)) if status.code == 404 => return NotServed,
                End::Failed(error) => {
                    // What could not be read may have been an object; and a version that fails
                    // again and again may be one that the API server does not have.
                    if unreadable(&error) || failures >= PATIENCE {
                        version = None;
                    }
                    self.part.lost(describe(&error));
                    self.retry.wait()
                }
            };
            sleep(wait).await;
        }
    }

    /// Lists everything, page by page; what is not there any more is told as gone. Returns the
    /// version to go on from.
    async fn list<K: Kind>(&mut self, kind: &K) -> Result<String, End> {
        let mut listed: HashSet<Arc<str>> = HashSet::new();
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let ask = Request::new(kind.path());
            let ask = if kind.bare() { ask.list_metadata(&params) } else { ask.list(&params) };
            let ask = ask.map_err(|error| End::Failed(Error::BuildRequest(error)))?;
            let page: List<K::Object> = match timeout(LIST_TIME, self.client.request(ask)).await {
                Ok(Ok(page)) => page,
                Ok(Err(error)) => return Err(failed(error)),
                Err(_) => return Err(End::Silent),
            };
            let mut teller = self.teller.borrow_mut();
            for object in page.items {
                let uid = object.as_ref().uid.clone();
                self.known.insert(uid.clone());
                listed.insert(uid);
                kind.tell(object, &mut teller);
            }
            drop(teller);
            if page.metadata.next.is_empty() {
                for gone in self.known.extract_if(|uid| !listed.contains(uid)) {
                    self.teller.borrow_mut().gone(&gone);
                }
                return Ok(page.metadata.resource_version);
            }
            params.continue_token = Some(page.metadata.next);
        }
    }

    /// Watches from the version on, which moves along.
    async fn watch<K: Kind>(&mut self, kind: &K, version: &mut String) -> End {
        let begun = Instant::now();
        let params = WatchParams::default().timeout(WATCH_SECONDS);
        let ask = Request::new(kind.path());
        let ask = match kind.bare() {
            true => ask.watch_metadata(&params, version),
            false => ask.watch(&params, version),
        };
        let ask = match ask {
            Ok(ask) => ask,
            Err(error) => return End::Failed(Error::BuildRequest(error)),
        };
        let events = match timeout(LIST_TIME, self.client.request_events::<K::Object>(ask)).await {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => return failed(error),
            Err(_) => return End::Silent,
        };
        self.part.connected();
        let mut events = pin!(events);
        loop {
            let event = match timeout(SILENCE, events.try_next()).await {
                Ok(Ok(Some(event))) => event,
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return failed(error),
                Err(_) => return End::Silent,
            };
            self.retry.reset();
            *version = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    self.event(kind, object, true)
                }
                WatchEvent::Deleted(object) => self.event(kind, object, false),
                WatchEvent::Bookmark(mark) => mark.metadata.resource_version,
                WatchEvent::Error(status) => return failed(Error::Api(status)),
            };
        }
        match begun.elapsed() < SHORT {
            // Asked again at once it might end at once for ever.
            true => sleep(self.retry.wait()).await,
            false => self.retry.reset(),
        }
        End::Watched
    }

    /// Takes in that the object is so, or is no more; returns the version of it.
    fn event<K: Kind>(&mut self, kind: &K, object: K::Object, there: bool) -> String {
        let meta: &Meta = object.as_ref();
        let (uid, version) = (meta.uid.clone(), meta.resource_version.clone());
        let mut teller = self.teller.borrow_mut();
        if there {
            self.known.insert(uid);
            kind.tell(object, &mut teller);
        } else {
            self.known.remove(&uid);
            teller.gone(&uid);
        }
        self.part.event(self.known.len());
        version
    }
}

/// A version that is too old is said in the answer or in the stream.
fn failed(error: Error) -> End {
    match error {
        Error::Api(status) if status.code == 410 => End::Expired,
        error => End::Failed(error),
    }
}

/// Whether what came was nothing that an API server says. A line that is no event is taken for
/// a status by kube where it can be, which then has no code.
fn unreadable(error: &Error) -> bool {
    match error {
        Error::SerdeError(_) => true,
        Error::Api(status) => status.code == 0,
        _ => false,
    }
}

/// The error with its causes: the outermost alone says little.
fn describe(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text
}
