//! What was watched, and what was lost of it: the rows that let an answer say how complete it is.

use schema::Event;

/// A stretch of time that the agent watched; where there is a reason, what it lost in it.
#[derive(Event)]
#[event(table = "agent_coverage", since = "0.1")]
pub struct AgentCoverage<'a> {
    /// When the stretch began; `time` is when it ended.
    #[event(kind = Time)]
    pub begun: i64,
    /// The stage that lost rows; null where the row says only that the agent watched.
    #[event(kind = Text)]
    pub stage: Option<&'a str>,
    /// The table that the lost rows belong to, or `record`, `program`, `system_call` where it is
    /// not known.
    #[event(kind = Text)]
    pub subject: Option<&'a str>,
    /// Why they were lost.
    #[event(kind = Text)]
    pub reason: Option<&'a str>,
    /// How many were lost in this stretch.
    #[event(kind = Uint, unit = Count)]
    pub lost: u64,
}
