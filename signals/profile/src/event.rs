//! The tables of the profile signal: the only place where their columns are named.

use std::net::IpAddr;

use schema::{Event, ProcessKey};

/// A moment of a thread's life: what it ran on a CPU, or what it waited for.
#[derive(Event)]
#[event(table = "profile_sample", since = "0.1")]
pub struct ProfileSample<'a> {
    /// `cpu` or `wait`.
    #[event(kind = Text)]
    pub kind: &'static str,
    /// The time that the sample stands for; add these up.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub weight: u64,
    /// The stack's number; its frames are in `stack`.
    #[event(kind = Uint)]
    pub stack: u64,
    /// The innermost function.
    #[event(kind = Text)]
    pub function: Option<&'a str>,
    /// The innermost function in user space, which called the kernel where the sample hit that.
    #[event(kind = Text)]
    pub user_function: Option<&'a str>,
    /// Whether the sample hit the kernel.
    #[event(kind = Bool)]
    pub in_kernel: bool,
    /// The CPU.
    #[event(kind = Uint)]
    pub cpu: u32,
    /// Why the stack is not whole; null where it is.
    #[event(kind = Text)]
    pub cut: Option<&'static str>,
    /// The binary in which it was cut.
    #[event(kind = Text)]
    pub cut_in: Option<&'a str>,
    /// How long the thread waited, this once; null on a CPU, as all that follows.
    #[event(kind = Duration, unit = Nanoseconds)]
    pub waited: Option<u64>,
    /// What it waited for: `futex`, `sleep`, `disk`, `socket`, `pipe`, `device`, `file`, `poll`,
    /// `child`, `signal`, `lock`, `queue`, `uring`, `fault`, `kernel` or `other`.
    #[event(kind = Text)]
    pub reason: Option<&'static str>,
    /// The system call in which it waited; null in a page fault.
    #[event(kind = Text)]
    pub call: Option<&'a str>,
    /// The process that ended the wait; null where an interrupt did.
    #[event(kind = Process)]
    pub waker: Option<ProcessKey>,
    /// Its process id.
    #[event(kind = Pid)]
    pub waker_pid: Option<u32>,
    /// Its thread's id.
    #[event(kind = Pid)]
    pub waker_tid: Option<u32>,
    /// The other end of the socket that was waited for.
    #[event(kind = Ip)]
    pub peer_ip: Option<IpAddr>,
    /// Its port.
    #[event(kind = Port)]
    pub peer_port: Option<u16>,
    /// The peer's pod; null where it is none.
    #[event(kind = Peer(PeerPart::Pod))]
    pub peer_pod: Option<&'a str>,
    /// The namespace of the peer's pod or service.
    #[event(kind = Peer(PeerPart::Namespace))]
    pub peer_namespace: Option<&'a str>,
    /// What the peer's pod belongs to.
    #[event(kind = Peer(PeerPart::Workload))]
    pub peer_workload: Option<&'a str>,
    /// The service at the peer's address.
    #[event(kind = Peer(PeerPart::Service))]
    pub peer_service: Option<&'a str>,
}

/// One frame of a stack. A stack is told when it is first met, and again each hour that it is met in.
#[derive(Event)]
#[event(table = "stack", since = "0.1")]
pub struct Stack<'a> {
    /// The stack's number, the same wherever the same stack is met; it has 53 bits at most.
    #[event(kind = Uint)]
    pub stack: u64,
    /// 0 for the innermost frame.
    #[event(kind = Uint)]
    pub depth: u32,
    /// The frame's number; more of it is in `frame`.
    #[event(kind = Uint)]
    pub frame: u64,
    /// The function.
    #[event(kind = Text)]
    pub function: &'a str,
    /// The file that the code is from, `[kernel]`, or a kernel module.
    #[event(kind = Text)]
    pub binary: Option<&'a str>,
}

/// A place in a program that stacks pass through.
#[derive(Event)]
#[event(table = "frame", since = "0.1")]
pub struct Frame<'a> {
    /// The frame's number, the same wherever the same place is met; it has 53 bits at most.
    #[event(kind = Uint)]
    pub frame: u64,
    /// The function; `[unknown]` where nothing names it.
    #[event(kind = Text)]
    pub function: &'a str,
    /// `native`, `kernel`, `python`, `jit` or `unknown`.
    #[event(kind = Text)]
    pub kind: &'static str,
    /// The file that the code is from, `[kernel]`, or a kernel module.
    #[event(kind = Text)]
    pub binary: Option<&'a str>,
    /// The binary's build id, in hexadecimal digits.
    #[event(kind = Text)]
    pub build_id: Option<&'a str>,
    /// The address as the binary itself counts.
    #[event(kind = Uint)]
    pub address: u64,
    /// Whether the compiler put it into the function that comes after it in a stack.
    #[event(kind = Bool)]
    pub inlined: bool,
    /// The source file, where that is known without reading debug information.
    #[event(kind = Path)]
    pub file: Option<&'a [u8]>,
    /// The line in it.
    #[event(kind = Uint)]
    pub line: Option<u32>,
}
