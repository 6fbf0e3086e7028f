//! Cookies of sockets that the kernel had not numbered yet when a row was made.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use serde_json::Value;

use super::value::{shown_expect, shown_value};
use crate::columns as c;
use crate::hooks::{ACCEPTED_UNIX_COOKIES, COOKIES, Hooks, When};
use crate::log::LogEntry;

/// In a cookie, that it stands in for one the kernel had not given yet.
const STAND_IN: u64 = 1 << 63;

/// What tells two accepted connections apart beside the cookie.
const ENDS: [&str; 6] =
    [c::PROTOCOL, c::LOCAL_IP, c::LOCAL_PORT, c::PEER_IP, c::PEER_PORT, c::PATH];

/// The rows with the cookie that the log knows in place of a stand-in, found by the two ends of
/// an accepted connection. The kernel numbers a socket when somebody asks, and the workload can
/// ask only after accept has returned. Where the hooks give cookies there is nothing to stand in
/// for, and a stand-in is wrong.
pub(super) fn with_true_cookies<'a>(
    log: &[LogEntry],
    rows: &'a [Value],
    hooks: &Hooks,
) -> Cow<'a, [Value]> {
    let stand_in = |row: &Value| row[c::SOCKET].as_u64().filter(|cookie| cookie & STAND_IN != 0);
    if !rows.iter().any(|row| stand_in(row).is_some()) {
        return Cow::Borrowed(rows);
    }
    let mut accepted: HashMap<Vec<String>, VecDeque<Value>> = HashMap::new();
    for entry in log.iter().filter(|entry| entry.table == c::ACCEPT) {
        let ends = ENDS.map(|column| entry.expect.get(column).map_or("null".into(), shown_expect));
        let cookie = entry.expect.get(c::SOCKET).map_or("null".into(), shown_expect);
        let cookie = serde_json::from_str(&cookie).unwrap_or_default();
        accepted.entry(ends.to_vec()).or_default().push_back(cookie);
    }
    let may_stand_in = |row: &&Value| {
        let hook = if row[c::FAMILY] == "unix" { ACCEPTED_UNIX_COOKIES } else { COOKIES };
        row[c::TABLE] == c::ACCEPT && hooks.meet(&When::lesser(hook))
    };
    let mut known: HashMap<u64, Value> = HashMap::new();
    for row in rows.iter().filter(may_stand_in) {
        let ends = ENDS.map(|column| shown_value(&row[column])).to_vec();
        let found = accepted.get_mut(&ends).and_then(VecDeque::pop_front);
        if let (Some(cookie), Some(found)) = (stand_in(row), found) {
            known.insert(cookie, found);
        }
    }
    let mut rows = rows.to_vec();
    for row in &mut rows {
        if let Some(cookie) = stand_in(row).and_then(|cookie| known.get(&cookie)) {
            row[c::SOCKET] = cookie.clone();
        }
    }
    Cow::Owned(rows)
}
