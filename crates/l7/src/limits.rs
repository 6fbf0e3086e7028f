//! How much is held, and how long is waited.

/// Bounds of the engine. Times are nanoseconds, sizes bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once. One more is not read, and its bytes are counted as `refused`.
    pub connections: usize,
    /// Bytes held of all connections together.
    pub held: usize,
    /// Bytes held of one direction of a connection.
    pub held_one_way: usize,
    /// Requests of one connection that wait for their responses.
    pub waiting: usize,
    /// How long a missing position is waited for before it is a gap.
    pub patience: u64,
    /// How long a response waits for a request that was not seen yet, as two threads may be told
    /// of in the wrong order.
    pub early: u64,
    /// How long a response is waited for.
    pub answer: u64,
    /// How long a response of which only the beginning could be read may be silent before it is taken
    /// to be over.
    pub tail: u64,
    /// How long an unnamed connection is given until its one side is believed alone, at a port
    /// where the protocol is usual.
    pub one_sided: u64,
    /// How long a connection may be silent before it is forgotten.
    pub idle: u64,
    /// How often a protocol may be lost in a row before it is looked for anew.
    pub losses: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        const MILLISECOND: u64 = 1_000_000;
        const SECOND: u64 = 1000 * MILLISECOND;
        Limits {
            connections: 65_536,
            held: 64 << 20,
            held_one_way: 64 << 10,
            waiting: 1024,
            patience: 10 * MILLISECOND,
            early: 10 * MILLISECOND,
            answer: 60 * SECOND,
            tail: SECOND,
            one_sided: 2 * SECOND,
            idle: 600 * SECOND,
            losses: 6,
        }
    }
}
