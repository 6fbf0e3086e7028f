//! How the agent's hooks stand, and what a log expects only where one stands well enough.
//!
//! A workload cannot know by which mechanism it is watched. Where rungs differ it says what each
//! has to tell, and asks for the hook by the words with which `fathom doctor` lists it; the
//! comparison reads that report. A hook that the report does not list is taken to tell all, so
//! that a name which went out of date asks for too much and not for too little.

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The cookie of every socket, from its beginning.
pub const COOKIES: &str = "cookies from the beginning";
/// The cookie of the other end of a unix connection.
pub const ACCEPTED_UNIX_COOKIES: &str = "cookies of accepted unix sockets";
/// The end of a unix socket.
pub const UNIX_CLOSE: &str = "close of unix sockets";
/// The end of a UDP socket; each family has its own.
pub const UDP_CLOSE: [&str; 2] = ["close of UDP sockets, IPv4", "close of UDP sockets, IPv6"];
/// Who a datagram came from, also to who did not ask.
pub const RECEIVED: &str = "datagrams received";
/// The kernel's own word on whom a datagram went to.
pub const SENT_TO: &str = "to whom datagrams are sent";
/// The kernel's own word on whom a datagram came from.
pub const RECEIVED_FROM: &str = "from whom datagrams are received";

/// How a hook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stand {
    /// It tells all that it is for.
    Available,
    /// It stands on a lesser rung.
    Degraded,
    /// No rung of it works here.
    Missing,
}

/// Something that is so only where a hook stands in a certain way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// The hook, in the words of `fathom doctor`.
    pub hook: Cow<'static, str>,
    /// The ways to stand in which it is so.
    pub stands: Vec<Stand>,
}

impl When {
    /// Where the hook tells all that it is for.
    pub fn full(hook: &'static str) -> When {
        When { hook: hook.into(), stands: vec![Stand::Available] }
    }

    /// Where it does not.
    pub fn lesser(hook: &'static str) -> When {
        When { hook: hook.into(), stands: vec![Stand::Degraded, Stand::Missing] }
    }

    /// Where it stands on any rung.
    pub fn standing(hook: &'static str) -> When {
        When { hook: hook.into(), stands: vec![Stand::Available, Stand::Degraded] }
    }
}

/// The hooks of one agent on one kernel.
#[derive(Debug, Clone, Default)]
pub struct Hooks(BTreeMap<String, Stand>);

impl Hooks {
    /// Reads what `fathom doctor --format json` printed.
    pub fn of_doctor(report: &Value) -> anyhow::Result<Hooks> {
        let listed = report["capabilities"].as_array().context("the report lists no hooks")?;
        let hook = |listed: &Value| -> anyhow::Result<(String, Stand)> {
            let what = listed["what"].as_str().context("a hook has no name")?;
            let stand = serde_json::from_value(listed["state"].clone())
                .with_context(|| format!("how the hook `{what}` stands"))?;
            Ok((what.to_owned(), stand))
        };
        listed.iter().map(hook).collect::<anyhow::Result<_>>().map(Hooks)
    }

    /// How `hook` stands.
    pub fn stand(&self, hook: &str) -> Stand {
        self.0.get(hook).copied().unwrap_or(Stand::Available)
    }

    /// Whether it is so here.
    pub fn meet(&self, when: &When) -> bool {
        when.stands.contains(&self.stand(&when.hook))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hooks_are_read_from_the_report_and_unknown_ones_tell_all() {
        let report = json!({"capabilities": [
            {"what": UNIX_CLOSE, "state": "missing"},
            {"what": RECEIVED, "state": "degraded"},
        ]});
        let hooks = Hooks::of_doctor(&report).unwrap();
        assert!(!hooks.meet(&When::standing(UNIX_CLOSE)) && hooks.meet(&When::lesser(UNIX_CLOSE)));
        assert!(hooks.meet(&When::standing(RECEIVED)) && !hooks.meet(&When::full(RECEIVED)));
        assert!(hooks.meet(&When::full(SENT_TO)));
        let odd = json!({"capabilities": [{"what": RECEIVED, "state": "so so"}]});
        assert!(Hooks::of_doctor(&odd).is_err() && Hooks::of_doctor(&json!({})).is_err());
    }
}
