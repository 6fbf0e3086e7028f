//! The judge: what a driver logged against the rows that came.

use std::collections::HashMap;
use std::fmt::Write;

use anyhow::Result;

use super::call::{Call, Log};
use super::row::{Bytes, Row};

/// What was found of one case.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// The case.
    pub name: String,
    /// Calls, and those that were only counted.
    pub calls: u64,
    /// The client's side.
    pub client: Side,
    /// The server's side.
    pub server: Side,
    /// By how much rows are off from what clients measured, in nanoseconds, smallest first.
    pub off: Vec<u64>,
    /// What became of the bytes.
    pub bytes: Bytes,
    /// Whether the times are those of the client's system calls.
    pub exact_times: bool,
    /// Everything that is wrong; empty where all is well. The first of each kind, in words.
    pub faults: Vec<String>,
}

/// What was found on one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Side {
    /// Rows that there have to be.
    pub expected: u64,
    /// Those that there are.
    pub found: u64,
    /// Rows of which nobody knows.
    pub invented: u64,
    /// Rows of a call that say something wrong of it.
    pub wrong: u64,
    /// Rows that say themselves that something of theirs was not seen.
    pub truncated: u64,
}

/// Of calls, so many may be missing.
const MAY_MISS: f64 = 0.001;
/// So far a row's latency may be off from the client's own, in nanoseconds.
const NEAR: u64 = 200_000;
/// Of rows, so many have to be that near; what is left is where the client was not given a processor
/// between its clock and its system call, which a busy machine makes common.
const MOST_NEAR: f64 = 0.75;
/// So many faults of a kind are told in words.
const TOLD: usize = 3;

/// Compares them: what the log says of a call, its rows have to say, too.
pub fn judge(name: &str, log: &Log, rows: &[Row], bytes: Bytes) -> Judged {
    let calls = log.calls.len() as u64;
    let counted: u64 = log.tallies.iter().filter_map(|it| it.count).sum();
    let exact_times = log.calls.iter().any(|it| it.latency.is_some() && !it.loose);
    let mut judged = Judged {
        name: name.to_string(),
        calls: calls + counted,
        bytes,
        exact_times,
        ..Judged::default()
    };
    let mut told = Told::default();
    let mut off = Vec::new();
    judged.client = side("client", log, rows, &mut off, &mut told);
    judged.server = side("server", log, rows, &mut Vec::new(), &mut told);
    // What was measured less well is told where there is nothing better.
    let told_off = off.iter().filter(|(loose, _)| !(exact_times && *loose));
    judged.off = told_off.map(|(_, off)| *off).collect();
    judged.off.sort_unstable();
    judged.faults = told.faults();
    judged.weigh();
    judged
}

/// A table of what was found, to be read.
pub fn table(all: &[Judged]) -> String {
    let mut text = format!(
        "{:22} {:>7} {:>17} {:>17} {:>8} {:>5} {:>5} {:>9} {:>9} {:>7}  {}\n",
        "CASE",
        "CALLS",
        "CLIENT",
        "SERVER",
        "INVENTED",
        "WRONG",
        "CUT",
        "OFF p50",
        "p99",
        "<200us",
        "VERDICT"
    );
    for it in all {
        let found = |side: &Side| match side.expected {
            0 => "-".to_string(),
            of => format!("{}/{} {:.2}%", side.found, of, 100.0 * side.recall()),
        };
        let verdict = if it.is_good() { "good" } else { "WRONG" };
        let line = format!(
            "{:22} {:>7} {:>17} {:>17} {:>8} {:>5} {:>5} {:>9} {:>9} {:>7}  {verdict}",
            it.name,
            it.calls,
            found(&it.client),
            found(&it.server),
            it.client.invented + it.server.invented,
            it.client.wrong + it.server.wrong,
            it.client.truncated + it.server.truncated,
            microseconds(it.off_at(0.5)),
            microseconds(it.off_at(0.99)),
            it.near().map_or("-".into(), |near| format!("{:.1}%", 100.0 * near)),
        );
        text.push_str(line.trim_end());
        text.push('\n');
        for fault in &it.faults {
            let _ = writeln!(text, "    {fault}");
        }
    }
    text
}

impl Side {
    /// Of the rows that there have to be, how many there are: 1 is all.
    pub fn recall(&self) -> f64 {
        if self.expected == 0 { 1.0 } else { self.found as f64 / self.expected as f64 }
    }
}

impl Judged {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.faults.is_empty()
    }

    /// How far rows are off at most, of this share of them, in nanoseconds.
    pub fn off_at(&self, share: f64) -> Option<u64> {
        let last = self.off.len().checked_sub(1)?;
        Some(self.off[(last as f64 * share) as usize])
    }

    /// The share of rows that are as near to what the client measured as they have to be.
    pub fn near(&self) -> Option<f64> {
        let near = self.off.iter().filter(|&&off| off <= NEAR).count();
        (!self.off.is_empty()).then(|| near as f64 / self.off.len() as f64)
    }

    /// The better of this and another try, where the only fault may be the machine's: times that are
    /// off because the client was not given a processor, or rings that ran full as we were not.
    pub fn or_again(self, again: impl FnOnce() -> Result<Judged>) -> Result<Judged> {
        let busy = |fault: &String| fault.contains(FAR) || fault.starts_with(UNTOLD);
        if self.is_good() || !self.faults.iter().any(busy) {
            return Ok(self);
        }
        println!("again: {}: {}", self.name, self.faults.join("; "));
        let other = again()?;
        Ok(if other.is_good() { other } else { self })
    }

    /// Whether every row is right, however far off the times are, which depends on what else runs.
    pub fn is_right(&self) -> bool {
        self.faults.iter().all(|fault| fault.contains(FAR))
    }

    /// Adds a fault that is none of the rows: records that were lost on their way.
    pub(super) fn add_untold(&mut self, said: &str) {
        self.faults.push(format!("{UNTOLD}: {said}"));
    }

    /// Adds what the figures say to the faults. A few missing calls are none.
    fn weigh(&mut self) {
        let missing = |side: &Side| 1.0 - side.recall();
        let few = missing(&self.client).max(missing(&self.server)) <= MAY_MISS;
        if few {
            self.faults.retain(|fault| !fault.starts_with(MISSING));
        }
        if self.client.expected + self.server.expected == 0 {
            self.faults.push("no call was made".into());
        }
        if let Some(near) = self.near().filter(|near| self.exact_times && *near < MOST_NEAR) {
            self.faults.push(format!("{:.1} % {FAR}", 100.0 * (1.0 - near)));
        }
    }
}

/// How a fault begins that is forgiven where it is rare.
const MISSING: &str = "missing";

/// How one is told that a second try may mend.
const FAR: &str = "of latencies are off by more than 200 us";
const UNTOLD: &str = "not told of";

/// Faults by kind, so that a thousand alike are a line.
#[derive(Default)]
struct Told {
    kinds: Vec<(String, usize, Vec<String>)>,
}

impl Told {
    fn add(&mut self, kind: &str, what: impl FnOnce() -> String) {
        let at = self.kinds.iter().position(|(known, ..)| known == kind).unwrap_or_else(|| {
            self.kinds.push((kind.to_string(), 0, vec![]));
            self.kinds.len() - 1
        });
        let (_, count, first) = &mut self.kinds[at];
        *count += 1;
        if first.len() < TOLD {
            first.push(what());
        }
    }

    fn faults(self) -> Vec<String> {
        let line = |(kind, count, first): (String, usize, Vec<String>)| {
            format!("{kind}: {count} times, as {}", first.join("; "))
        };
        self.kinds.into_iter().map(line).collect()
    }
}

type Name<'a> = (&'a str, &'a str, &'a str);

/// One side's rows against the calls.
fn side(role: &str, log: &Log, rows: &[Row], off: &mut Vec<(bool, u64)>, told: &mut Told) -> Side {
    let mut side = Side::default();
    let mut by_name: HashMap<Name, Vec<&Row>> = HashMap::new();
    for row in rows.iter().filter(|row| row.role == role) {
        by_name.entry(row.name()).or_default().push(row);
    }
    let watched = |call: &&Call| role == "client" || !call.one_sided;
    // Those whose ends are known choose first.
    let (known, any): (Vec<&Call>, Vec<&Call>) =
        log.calls.iter().filter(watched).partition(|call| call.client.is_some());
    for call in known.into_iter().chain(any) {
        side.expected += 1;
        let there = by_name.get_mut(&call.name());
        let Some((there, at)) = there.and_then(|there| {
            let same = |row: &Row| {
                row.ends(role) == call.ends() && call.tls.is_none_or(|tls| tls == row.tls)
            };
            let at = there.iter().position(|row| same(row))?;
            Some((there, at))
        }) else {
            told.add(&format!("{MISSING} from the {role}'s side"), || call.words());
            continue;
        };
        let row = there.remove(at);
        side.found += 1;
        // How it went may stand where nothing was copied; then the row says so.
        let unseen = row.truncated && row.status.is_none();
        let right = unseen || row.status.as_deref() == Some(&call.status);
        if !right || row.outcome != "answered" {
            side.wrong += 1;
            told.add(&format!("told wrongly on the {role}'s side"), || {
                format!("{} is {}", call.words(), row.words())
            });
        }
        side.truncated += u64::from(row.truncated);
        match call.latency.zip(row.latency) {
            Some((by_client, latency)) => off.push((call.loose, by_client.abs_diff(latency))),
            None if row.latency.is_none() => {
                side.wrong += 1;
                told.add(&format!("without a latency on the {role}'s side"), || row.words());
            }
            None => {}
        }
    }
    let mut left: Vec<&Row> = by_name.into_values().flatten().collect();
    left.sort_by_key(|row| row.line);
    for tally in &log.tallies {
        let before = left.len() as u64;
        left.retain(|row| {
            let (protocol, operation, resource) = row.name();
            !tally.has(protocol, operation, resource, row.status.as_deref().unwrap_or_default())
        });
        let (Some(count), there) = (tally.count, before - left.len() as u64) else { continue };
        side.expected += count;
        side.found += there.min(count);
        side.invented += there.saturating_sub(count);
        if there < count {
            told.add(&format!("{MISSING} from the {role}'s side"), || {
                format!("{} of {count} {}", count - there, tally.operation)
            });
        } else if there > count {
            told.add(&format!("invented on the {role}'s side"), || {
                format!("{} too many {}", there - count, tally.operation)
            });
        }
    }
    side.invented += left.len() as u64;
    for row in left {
        told.add(&format!("invented on the {role}'s side"), || row.words());
    }
    side
}

impl Call {
    fn name(&self) -> Name<'_> {
        (&self.protocol, &self.operation, &self.resource)
    }

    /// The client's port and the server's.
    fn ends(&self) -> Ends {
        Ends(self.client, self.server)
    }

    fn words(&self) -> String {
        let Call { protocol, operation, resource, status, client, .. } = self;
        let client = client.map_or(String::new(), |port| format!(" from {port}"));
        format!("{protocol} {operation} {resource} {status}{client}")
    }
}

impl Row {
    fn name(&self) -> Name<'_> {
        (&self.protocol, &self.operation, self.resource.as_deref().unwrap_or_default())
    }

    fn ends(&self, role: &str) -> Ends {
        match role {
            "client" => Ends(self.local_port, self.peer_port),
            _ => Ends(self.peer_port, self.local_port),
        }
    }

    fn words(&self) -> String {
        let Row { protocol, operation, outcome, line, .. } = self;
        let resource = self.resource.as_deref().unwrap_or("-");
        let status = self.status.as_deref().unwrap_or("-");
        let cut = if self.truncated { ", truncated" } else { "" };
        format!("{protocol} {operation} {resource} {status} ({outcome}{cut}; line {line})")
    }
}

/// The ports of a connection, the client's first. What is not known is like anything.
struct Ends(Option<u16>, Option<u16>);

impl PartialEq for Ends {
    fn eq(&self, other: &Ends) -> bool {
        let alike =
            |one: Option<u16>, two: Option<u16>| one.is_none() || two.is_none() || one == two;
        alike(self.0, other.0) && alike(self.1, other.1)
    }
}

fn microseconds(time: Option<u64>) -> String {
    time.map_or("-".into(), |time| format!("{} us", time / 1000))
}

#[cfg(test)]
mod tests {
    use super::super::row;
    use super::{Judged, judge};
    use crate::requests::call::Log;

    const CALLS: &str = r#"{"call":{"protocol":"http","operation":"GET","resource":"/a/qbcd","status":"200","time":1,"latency":500000,"client":4000,"server":80}}
{"call":{"protocol":"http","operation":"GET","resource":"/a/qbcf","status":"404","time":2,"latency":500000,"client":4000,"server":80}}
{"tally":{"protocol":"redis","operation":"PING","count":2}}"#;

    fn line(role: &str, protocol: &str, operation: &str, resource: &str, status: &str) -> String {
        let (local, peer) = if role == "client" { (4000, 80) } else { (80, 4000) };
        serde_json::json!({
            "table": "request", "role": role, "protocol": protocol, "operation": operation,
            "resource": resource, "status": status, "outcome": "answered", "latency": 450_000,
            "local_port": local, "peer_port": peer, "truncated": false, "tls": false
        })
        .to_string()
    }

    fn all() -> Vec<String> {
        let of = |role: &'static str| {
            [
                line(role, "http", "GET", "/a/qbcd", "200"),
                line(role, "http", "GET", "/a/qbcf", "404"),
                line(role, "redis", "PING", "", "OK"),
                line(role, "redis", "PING", "", "OK"),
            ]
        };
        [of("client"), of("server")].concat()
    }

    fn judged(lines: &[String]) -> Judged {
        let (rows, bytes) = row::parse(&lines.join("\n")).unwrap();
        judge("it", &Log::parse(CALLS).unwrap(), &rows, bytes)
    }

    #[test]
    fn what_is_all_there_is_good() {
        let found = judged(&all());
        assert!(found.is_good(), "{:?}", found.faults);
        assert_eq!((found.client.expected, found.server.found, found.calls), (4, 4, 4));
        assert_eq!((found.off_at(0.5), found.near()), (Some(50_000), Some(1.0)));
    }

    #[test]
    fn each_fault_is_told() {
        let with = |at: usize, instead: Option<String>| {
            let mut lines = all();
            lines.splice(at..=at, instead);
            judged(&lines)
        };
        let missing = with(0, None);
        assert!(missing.faults[0].starts_with("missing from the client's side"), "{missing:?}");
        assert_eq!(missing.client.recall(), 0.75);
        let fewer = with(7, None);
        assert!(fewer.faults[0].contains("1 of 2 PING"), "{fewer:?}");
        let wrong = with(5, Some(line("server", "http", "GET", "/a/qbcf", "200")));
        assert!(wrong.faults[0].starts_with("told wrongly on the server's side"), "{wrong:?}");
        let another = with(0, Some(line("client", "http", "POST", "/a/qbcd", "200")));
        assert_eq!((another.faults.len(), another.client.invented), (2, 1));
        let elsewhere =
            with(0, Some(line("client", "http", "GET", "/a/qbcd", "200").replace("4000", "4001")));
        assert_eq!((elsewhere.faults.len(), elsewhere.client.invented), (2, 1));
        let twice: Vec<String> = [all(), all()[..1].to_vec()].concat();
        assert!(judged(&twice).faults[0].starts_with("invented"), "a row too many");
        let slow: Vec<String> = all().iter().map(|it| it.replace("450000", "750000")).collect();
        assert!(judged(&slow).faults[0].contains("200 us"), "times that are off");
    }

    #[test]
    fn nothing_is_not_good() {
        let (rows, bytes) = row::parse("").unwrap();
        assert!(!judge("it", &Log::default(), &rows, bytes).is_good());
    }
}
