//! What is kept of each query: who asked what, and what came of it.

use std::time::Duration;

use schema::Event;

/// One query, once it has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Audit {
    /// The token's name, the client certificate's, or `loopback`.
    pub who: String,
    /// `http` or `flight`.
    pub door: &'static str,
    /// The statement.
    pub sql: String,
    /// Rows that were sent.
    pub rows: u64,
    /// Bytes that were sent, as they were encoded and before TLS.
    pub bytes: u64,
    /// From the asking to the last row.
    pub duration: Duration,
    /// `answered`, or the kind of trouble.
    pub outcome: String,
}

/// A query that was asked of the agent, when it ended.
#[derive(Event)]
#[event(table = "agent_query", since = "0.1")]
pub struct AgentQuery<'a> {
    /// Who asked: the name of their token, of their client certificate, or `loopback`.
    #[event(kind = Text)]
    pub who: &'a str,
    /// The door: `http` or `flight`.
    #[event(kind = Text)]
    pub door: &'a str,
    /// The statement; what is longer than 16 KiB is cut.
    #[event(kind = Text, personal)]
    pub sql: &'a str,
    /// Rows that were sent.
    #[event(kind = Uint, unit = Count)]
    pub rows: u64,
    /// Bytes that were sent, before TLS.
    #[event(kind = Uint, unit = Bytes)]
    pub bytes: u64,
    /// From the asking to the last row.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub duration: u64,
    /// What came of it: `answered`, or the kind of trouble (`sql`, `too_long`, `cancelled` …).
    #[event(kind = Text)]
    pub outcome: &'a str,
}

/// A longer statement is cut in its row.
const SQL_MOST: usize = 16 << 10;

impl Audit {
    /// The row of it.
    pub fn event(&self) -> AgentQuery<'_> {
        let Audit { who, door, sql, rows, bytes, duration, outcome } = self;
        AgentQuery {
            who,
            door,
            sql: &sql[..sql.floor_char_boundary(SQL_MOST)],
            rows: *rows,
            bytes: *bytes,
            duration: duration.as_nanos().try_into().unwrap_or(u64::MAX),
            outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_statement_is_cut_between_letters() {
        let sql = "ä".repeat(SQL_MOST);
        let audit = Audit {
            who: "loopback".into(),
            door: "http",
            sql,
            rows: 0,
            bytes: 0,
            duration: Duration::MAX,
            outcome: "answered".into(),
        };
        assert_eq!(audit.event().sql.len(), SQL_MOST);
        assert_eq!(audit.event().duration, u64::MAX);
    }
}
