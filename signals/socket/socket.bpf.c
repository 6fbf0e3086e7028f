// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sockets: bind, listen, connect, accept, TCP's states, exchanges of datagrams, and their ends. */
#include "fathom/sock.bpf.h"
#include "fathom/scope.bpf.h"
#include "wire.h"

#define EINPROGRESS 115
#define EAGAIN 11
#define EBADF 9
#define ENOTSOCK 88
#define MSG_LOOK 0x2002		/* MSG_PEEK, MSG_ERRQUEUE */
#define MESSAGES 64		/* of one sendmmsg or recvmmsg */
#define NR_SENDTO 44
#define NR_RECVFROM 45
#define NR_SENDMSG 46
#define NR_RECVMSG 47
#define NR_RECVMMSG 299
#define NR_SENDMMSG 307

/* Makes these types part of the object's BTF, from which Rust reads them. */
const enum socket_kind *unused_kind __attribute__((unused));
const enum socket_role_kind *unused_role __attribute__((unused));
const enum socket_fin_kind *unused_fin __attribute__((unused));
const enum socket_marks *unused_marks __attribute__((unused));
const struct socket_path_record *unused_path __attribute__((unused));
const struct socket_state_record *unused_state __attribute__((unused));
const struct socket_datagram_record *unused_datagram __attribute__((unused));

/* What is remembered of a connection or a listener, from its beginning to its end. */
struct connection {
	struct record_header owner;
	struct socket_ends_record ends;
	__u64 began;
	__u64 established;	/* 0: never, or not seen */
	__u64 entered;		/* when the state of now was entered; 0: not seen */
	__s32 fd;
	__u8 role;
	__u8 first_fin;
	__u8 spare[2];
};

/*
 * The TCP sockets of processes in scope, by the sock's address. TCP goes on in softirq, where
 * the current task is anybody: whether a sock is here says whether it is watched, and whose it is.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct connection);
} socket_connections SEC(".maps");

/*
 * Connections that failed, until their connect(2) tells it: by then the sock has forgotten its
 * peer. Those of non-blocking sockets tell nobody and fall out.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct socket_ends_record);
} socket_failed SEC(".maps");

/*
 * Unix sockets that were bound, connected or accepted. Where no hook sees their end nobody takes
 * them out, so the oldest fall out.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct connection);
} socket_unix SEC(".maps");

/* Datagrams between a socket and a peer. User space takes the idle ones out. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct socket_exchange_key_record);
	__type(value, struct socket_exchange_record);
} socket_exchanges SEC(".maps");

/* UDP sockets that were closed, and when: user space ends all their exchanges. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} socket_gone SEC(".maps");

/* Where records and entries are built that are too large for the stack. */
struct scratch_value {
	struct record_header head;
	struct socket_path_record record;
	struct connection connection;
	struct socket_close_record close;
	struct socket_end end;
	struct socket_exchange_key_record key;
	struct socket_exchange_record exchange;
	struct socket_datagram_record datagram;
	struct mmsghdr message;
};

/* For all programs at the end of system calls: none of them is ever interrupted by another. */
SCRATCH(call_scratch)
SCRATCH(sent4_scratch)
SCRATCH(sent6_scratch)
SCRATCH(received_scratch)
SCRATCH(sent_tp_scratch)
SCRATCH(received_tp_scratch)

/* The owner's head, with a kind and a time of its own. */
static __always_inline void head_of(struct record_header *head, const struct record_header *owner,
				    __u16 kind, __u64 now)
{
	__builtin_memcpy(head, owner, sizeof(*head));
	head->kind = kind;
	head->time = now;
}

/* ---- TCP states and ends --------------------------------------------------------------- */

/* What the connection carried. The peer's FIN counts as a byte received; it is taken off. */
static __always_inline void totals(struct sock *sk, struct socket_close_record *record)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;
	__u64 received = BPF_CORE_READ(tcp, bytes_received);

	if (received && BPF_CORE_READ(sk, __sk_common.skc_flags) & (1UL << SOCK_DONE))
		received--;
	record->bytes_sent = BPF_CORE_READ(tcp, bytes_sent) - BPF_CORE_READ(tcp, bytes_retrans);
	record->bytes_received = received;
	record->packets_sent = BPF_CORE_READ(tcp, segs_out);
	record->packets_received = BPF_CORE_READ(tcp, segs_in);
	record->rtt = BPF_CORE_READ(tcp, srtt_us) >> 3;
	record->retransmits = BPF_CORE_READ(tcp, total_retrans);
}

/* What is remembered, as the beginning of its end's record. */
static __always_inline void ended(struct socket_close_record *record, const struct connection *c,
				  __u64 now)
{
	__builtin_memset(record, 0, sizeof(*record));
	head_of(&record->header, &c->owner, SOCKET_CLOSE, now);
	record->ends = c->ends;
	record->began = c->began;
	record->entered = c->entered;
	record->fd = c->fd;
	record->role = c->role;
	record->first_fin = c->first_fin;
}

static __always_inline void tcp_ended(struct socket_close_record *record, struct sock *sk,
				      struct connection *c, __u8 old_state, __u64 now)
{
	ended(record, c, now);
	record->error = BPF_CORE_READ(sk, sk_err);
	record->old_state = old_state;
	totals(sk, record);
	submit(&fathom_bulk, &record->header, sizeof(*record));
}

static __always_inline void tcp_changed(struct connection *c, __u8 old_state, __u8 new_state,
					__u64 now)
{
	struct socket_state_record record = {};

	head_of(&record.header, &c->owner, SOCKET_STATE, now);
	record.ends = c->ends;
	record.entered = c->entered;
	record.old_state = old_state;
	record.new_state = new_state;
	record.role = c->role;
	submit(&fathom_bulk, &record.header, sizeof(record));
}

/* A sock that begins to connect or to listen, in the context of whoever asked for it. */
static __always_inline void tcp_begins(struct sock *sk, __u8 role)
{
	struct connection c = {};
	__u64 key = (__u64)sk;

	if (!scope_current(&c.owner))
		return;
	head_finish(&c.owner, SOCKET_CONNECT);
	sock_ends(sk, &c.ends);
	c.ends.socket = sock_name_typed(sk);
	c.began = c.owner.time;
	c.fd = -1;
	c.role = role;
	if (bpf_map_update_elem(&socket_connections, &key, &c, BPF_ANY))
		count_fate(SOCKET_CLOSE, FATE_TABLE_FULL);
}

static __always_inline void tcp_moves(struct sock *sk, struct connection *c, __u8 old_state,
				      __u8 new_state, __u64 now)
{
	if (old_state == TCP_SYN_SENT) {
		/* Only now the source port is chosen. */
		__u64 name = c->ends.socket;

		sock_ends(sk, &c->ends);
		c->ends.socket = name;
	}
	if (new_state == TCP_ESTABLISHED)
		c->established = now;
	else if (c->first_fin == FIN_NONE && new_state == TCP_FIN_WAIT1)
		c->first_fin = FIN_LOCAL;
	else if (c->first_fin == FIN_NONE && new_state == TCP_CLOSE_WAIT)
		c->first_fin = FIN_REMOTE;
}

/*
 * Called on every change, before the sock forgets its addresses and counters. To SYN_SENT and to
 * LISTEN it is the process itself that goes; afterwards it may be anyone.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_set_state, struct sock *sk, int old_state, int new_state)
{
	__u64 key = (__u64)sk, now;
	struct socket_close_record record;
	struct connection *c;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	if (new_state == TCP_SYN_SENT)
		tcp_begins(sk, ROLE_CLIENT);
	else if (new_state == TCP_LISTEN)
		tcp_begins(sk, ROLE_LISTENER);
	c = bpf_map_lookup_elem(&socket_connections, &key);
	if (!c) {
		/* So that accept(2), which cannot give a cookie, finds one. */
		if (old_state == TCP_SYN_RECV && new_state == TCP_ESTABLISHED)
			sock_name_typed(sk);
		return 0;
	}
	now = bpf_ktime_get_boot_ns();
	tcp_moves(sk, c, old_state, new_state, now);
	if (new_state != TCP_CLOSE) {
		tcp_changed(c, old_state, new_state, now);
		c->entered = now;
		return 0;
	}
	if (old_state == TCP_SYN_SENT)
		bpf_map_update_elem(&socket_failed, &key, &c->ends, BPF_ANY);
	tcp_ended(&record, sk, c, old_state, now);
	bpf_map_delete_elem(&socket_connections, &key);
	return 0;
}

/* ---- The calls: bind, listen, connect, accept ------------------------------------------ */

static __always_inline bool watched_family(__u8 family)
{
	return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

/*
 * The buffer with the head of a call's record and what is known of the socket, whose sock is put
 * into `sk`. Null if the call is not to be told: out of scope, not a socket, of another family.
 */
static __always_inline struct scratch_value *call_begins(struct sock **sk, int fd, long result,
							__u16 kind)
{
	struct socket_call_record *call;
	struct scratch_value *s = call_scratch();

	if (!s)
		return NULL;
	call = &s->record.call;
	if (!scope_current(&call->header))
		return NULL;
	*sk = current_sock(fd);
	if (!*sk) {
		if (result != -EBADF && result != -ENOTSOCK)
			count_fate(kind, FATE_UNREADABLE);
		return NULL;
	}
	sock_ends(*sk, &call->ends);
	if (!watched_family(call->ends.family))
		return NULL;
	call->ends.socket = sock_name(*sk);
	call->latency = 0;
	call->result = result;
	call->fd = fd;
	call->backlog = 0;
	call->path_length = call->spare = 0;
	head_finish(&call->header, kind);
	return s;
}

static __always_inline bool is_tcp(const struct socket_ends_record *ends)
{
	return ends->protocol == IPPROTO_TCP && ends->family != AF_UNIX;
}

/* What is to be remembered of the call's socket. */
static __always_inline struct connection *call_connection(struct scratch_value *s, __u8 role)
{
	struct connection *c = &s->connection;

	__builtin_memset(c, 0, sizeof(*c));
	__builtin_memcpy(&c->owner, &s->record.call.header, sizeof(c->owner));
	c->ends = s->record.call.ends;
	c->began = c->owner.time;
	c->fd = s->record.call.fd;
	c->role = role;
	return c;
}

/* Remembers a unix socket, for the hook that sees its end. */
static __always_inline void unix_begins(struct sock *sk, struct scratch_value *s, __u8 role)
{
	struct connection *c = call_connection(s, role);
	__u64 key = (__u64)sk;

	bpf_map_update_elem(&socket_unix, &key, c, role == ROLE_BOUND ? BPF_NOEXIST : BPF_ANY);
}

/* The path that the kernel keeps of a unix socket; 0 where it has none. */
static __always_inline __u32 unix_path(struct sock *sk, __u8 *path)
{
	struct unix_address *address = BPF_CORE_READ((struct unix_sock *)sk, addr);
	__u32 length;

	if (!address)
		return 0;
	length = BPF_CORE_READ(address, len) - sizeof(__u16);
	if (!length || length > UNIX_PATH)
		return 0;
	if (bpf_probe_read_kernel(path, length, &address->name[0].sun_path))
		return 0;
	return length;
}

/* The path that the caller gave. */
static __always_inline __u32 caller_path(__u8 *path, const void *from, __u32 length)
{
	length -= sizeof(__u16);
	if (!length || length > UNIX_PATH)
		return 0;
	if (bpf_probe_read_user(path, length, from + sizeof(__u16)))
		return 0;
	return length;
}

/* A unix socket's call; `of` is the sock whose path is told, null where the caller's is. */
static __always_inline void unix_call(struct scratch_value *s, struct sock *of, const void *given,
				      __u32 length)
{
	struct socket_path_record *record = &s->record;

	record->spare = 0;
	__builtin_memset(record->path, 0, sizeof(record->path));
	if (of) {
		record->call.path_length = unix_path(of, record->path);
	} else if (given) {
		record->call.path_length = caller_path(record->path, given, length);
		record->call.ends.marks |= SOCKET_CALLER;
	}
	submit(&fathom_bulk, &record->call.header, sizeof(*record));
}

/* The result is known, and the kernel's own copy of the address is in the sock. */
SEC("tp_btf/sys_exit")
int BPF_PROG(socket_bind, struct pt_regs *regs, long result)
{
	struct socket_call_record *call;
	struct scratch_value *s;
	const void *given;
	struct sock *sk;
	__u32 length;

	s = call_begins(&sk, regs->di, result, SOCKET_BIND);
	if (!s)
		return 0;
	call = &s->record.call;
	given = (void *)regs->si;
	length = regs->dx;
	if (call->ends.family == AF_UNIX) {
		if (!result)
			unix_begins(sk, s, ROLE_BOUND);
		unix_call(s, result ? NULL : sk, given, length);
		return 0;
	}
	if (result && user_end(&s->end, given, length)) {
		__builtin_memcpy(call->ends.local, s->end.ip, sizeof(s->end.ip));
		call->ends.local_port = s->end.port;
		call->ends.marks |= SOCKET_LOCAL_KNOWN | SOCKET_CALLER;
	}
	submit(&fathom_bulk, &call->header, sizeof(*call));
	return 0;
}

/* The backlog is by now what the kernel made of it. */
SEC("tp_btf/sys_exit")
int BPF_PROG(socket_listen, struct pt_regs *regs, long result)
{
	struct socket_call_record *call;
	struct scratch_value *s;
	struct connection *c;
	struct sock *sk;
	__u64 key;

	s = call_begins(&sk, regs->di, result, SOCKET_LISTEN);
	if (!s)
		return 0;
	call = &s->record.call;
	call->backlog = result ? regs->si : BPF_CORE_READ(sk, sk_max_ack_backlog);
	if (call->ends.family == AF_UNIX) {
		if (!result)
			unix_begins(sk, s, ROLE_LISTENER);
		unix_call(s, sk, NULL, 0);
		return 0;
	}
	key = (__u64)sk;
	c = bpf_map_lookup_elem(&socket_connections, &key);
	if (c)
		c->fd = call->fd;
	submit(&fathom_bulk, &call->header, sizeof(*call));
	return 0;
}

/* Whether the sock still holds the peer that this connect was for. */
static __always_inline bool peer_kept(long result)
{
	return !result || result == -EINPROGRESS || (result <= -512 && result > -517);
}

/*
 * Whom a connect was for: from the sock while it knows; from what was remembered of the
 * connection that failed; else from the caller.
 */
static __always_inline void connect_peer(struct sock *sk, struct scratch_value *s,
					 const void *given, __u32 length)
{
	struct socket_call_record *call = &s->record.call;
	struct socket_ends_record *failed;
	__u64 key = (__u64)sk;

	if (peer_kept(call->result))
		return;
	failed = bpf_map_lookup_elem(&socket_failed, &key);
	if (failed) {
		call->ends = *failed;
		bpf_map_delete_elem(&socket_failed, &key);
		return;
	}
	call->ends.marks &= ~SOCKET_PEER_KNOWN;
	call->ends.marks |= SOCKET_CALLER;
	if (user_end(&s->end, given, length)) {
		__builtin_memcpy(call->ends.peer, s->end.ip, sizeof(s->end.ip));
		call->ends.peer_port = s->end.port;
		call->ends.marks |= SOCKET_PEER_KNOWN;
	}
}

/* When the call returns, the sock holds both its addresses. */
SEC("tp_btf/sys_exit")
int BPF_PROG(socket_connect, struct pt_regs *regs, long result)
{
	struct socket_call_record *call;
	struct scratch_value *s;
	struct connection *c;
	const void *given;
	struct sock *sk;
	__u64 key;

	s = call_begins(&sk, regs->di, result, SOCKET_CONNECT);
	if (!s)
		return 0;
	call = &s->record.call;
	given = (void *)regs->si;
	if (call->ends.family == AF_UNIX) {
		struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);

		if (!result)
			unix_begins(sk, s, ROLE_CLIENT);
		unix_call(s, result ? NULL : peer, given, regs->dx);
		return 0;
	}
	key = (__u64)sk;
	c = is_tcp(&call->ends) ? bpf_map_lookup_elem(&socket_connections, &key) : NULL;
	if (c) {
		c->fd = call->fd;
		if (!result && c->established)
			call->latency = c->established - c->began;
	}
	connect_peer(sk, s, given, regs->dx);
	submit(&fathom_bulk, &call->header, sizeof(*call));
	return 0;
}

/*
 * Takes an accepted connection in. It may have ended before it was accepted: whoever takes it
 * out of the table tells its end, this or the change to CLOSE on another CPU.
 */
static __always_inline void tcp_accepted(struct sock *sk, struct scratch_value *s)
{
	struct connection *c = call_connection(s, ROLE_SERVER);
	struct connection *entered;
	__u64 key = (__u64)sk;
	__u8 state;

	if (bpf_map_update_elem(&socket_connections, &key, c, BPF_ANY)) {
		count_fate(SOCKET_CLOSE, FATE_TABLE_FULL);
		return;
	}
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_CLOSE_WAIT) {
		entered = bpf_map_lookup_elem(&socket_connections, &key);
		if (entered)
			entered->first_fin = FIN_REMOTE;
	} else if (state == TCP_CLOSE && !bpf_map_delete_elem(&socket_connections, &key)) {
		tcp_ended(&s->close, sk, c, 0, c->began);
	}
}

/* The new descriptor is the result. That nobody is waiting is no event. */
SEC("tp_btf/sys_exit")
int BPF_PROG(socket_accept, struct pt_regs *regs, long result)
{
	struct socket_call_record *call;
	struct scratch_value *s;
	struct sock *sk;

	if (result == -EAGAIN)
		return 0;
	s = call_begins(&sk, result < 0 ? (int)regs->di : (int)result, result,
			SOCKET_ACCEPT);
	if (!s)
		return 0;
	call = &s->record.call;
	if (call->ends.family == AF_UNIX) {
		if (result >= 0)
			unix_begins(sk, s, ROLE_SERVER);
		unix_call(s, sk, NULL, 0);
		return 0;
	}
	submit(&fathom_bulk, &call->header, sizeof(*call));
	if (result >= 0 && is_tcp(&call->ends))
		tcp_accepted(sk, s);
	return 0;
}

/* ---- Unix sockets: their end ------------------------------------------------------------ */

static __always_inline int unix_ended(struct socket *socket)
{
	struct socket_close_path_record {
		struct socket_close_record close;
		__u8 path[UNIX_PATH];
		__u32 spare;
	} record = {};
	struct sock *sk = BPF_CORE_READ(socket, sk);
	__u64 key = (__u64)sk;
	struct connection *c = bpf_map_lookup_elem(&socket_unix, &key);

	if (!c)
		return 0;
	ended(&record.close, c, bpf_ktime_get_boot_ns());
	record.close.path_length = unix_path(sk, record.path);
	submit(&fathom_bulk, &record.close.header, sizeof(record));
	bpf_map_delete_elem(&socket_unix, &key);
	return 0;
}

/* The last descriptor is gone; the sock still has its address. */
SEC("fentry/unix_release")
int BPF_PROG(socket_unix_release_fentry, struct socket *socket)
{
	return unix_ended(socket);
}

SEC("kprobe/unix_release")
int BPF_KPROBE(socket_unix_release_kprobe, struct socket *socket)
{
	return unix_ended(socket);
}

/* ---- Cookies from the beginning --------------------------------------------------------- */

/* Other families do without. An observer never denies: always 0. */
static __always_inline int give_cookie(struct sock *sk, int family)
{
	struct record_header head;

	if (sk && watched_family(family) && scope_current(&head))
		sock_name_typed(sk);
	return 0;
}

/* The sock is made and nobody has its descriptor: no row of it can have been written yet. */
SEC("lsm/socket_post_create")
int BPF_PROG(socket_made_lsm, struct socket *socket, int family)
{
	return give_cookie(socket->sk, family);
}

SEC("fentry/security_socket_post_create")
int BPF_PROG(socket_made_fentry, struct socket *socket, int family)
{
	return give_cookie(socket->sk, family);
}

/* The other end of a unix connection comes from no socket(2); accept(2) will give it out. */
SEC("lsm/unix_stream_connect")
int BPF_PROG(socket_unix_made_lsm, struct sock *sk, struct sock *other, struct sock *made)
{
	return give_cookie(made, AF_UNIX);
}

SEC("fentry/security_unix_stream_connect")
int BPF_PROG(socket_unix_made_fentry, struct sock *sk, struct sock *other, struct sock *made)
{
	return give_cookie(made, AF_UNIX);
}

/* ---- Datagrams -------------------------------------------------------------------------- */

static __always_inline bool is_udp(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return BPF_CORE_READ(sk, sk_protocol) == IPPROTO_UDP &&
	       (family == AF_INET || family == AF_INET6);
}

static __always_inline void exchange_key(struct socket_exchange_key_record *key, __u64 socket,
					 const __u8 *peer, __u16 port)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->socket = socket;
	__builtin_memcpy(key->peer, peer, sizeof(key->peer));
	key->peer_port = port;
}

/* Tells the first datagram of an exchange. */
static __always_inline void exchange_begins(struct scratch_value *s, __u64 bytes)
{
	struct socket_datagram_record *record = &s->datagram;

	__builtin_memset(record, 0, sizeof(*record));
	__builtin_memcpy(&record->header, &s->exchange.header, sizeof(record->header));
	record->ends = s->exchange.ends;
	record->bytes = bytes;
	record->role = s->exchange.role;
	submit(&fathom_bulk, &record->header, sizeof(*record));
}

static __always_inline void exchange_adds(struct socket_exchange_record *x, __u64 bytes, bool out,
					  __u64 now)
{
	x->last = now;
	if (out) {
		__sync_fetch_and_add(&x->bytes_sent, bytes);
		__sync_fetch_and_add(&x->datagrams_sent, 1);
	} else {
		__sync_fetch_and_add(&x->bytes_received, bytes);
		__sync_fetch_and_add(&x->datagrams_received, 1);
	}
}

/*
 * Counts one datagram of the socket `name`. s->head is the current thread's, in scope; s->end
 * whom it went to or came from where that was said, else it is the sock's own peer, if any.
 */
static __always_inline void datagram(struct scratch_value *s, struct sock *sk, __u64 name,
				     __u8 marks, __u64 bytes, bool out)
{
	struct socket_exchange_record *fresh = &s->exchange, *x;
	__u64 now;

	if (s->end.known)
		marks |= SOCKET_PEER_KNOWN;
	else
		marks = sock_peer(sk, &s->end) ? SOCKET_PEER_KNOWN : 0;
	exchange_key(&s->key, name, s->end.ip, s->end.port);
	x = bpf_map_lookup_elem(&socket_exchanges, &s->key);
	now = bpf_ktime_get_boot_ns();
	if (x) {
		exchange_adds(x, bytes, out, now);
		return;
	}
	sock_ends(sk, &fresh->ends);
	fresh->ends.socket = name;
	__builtin_memcpy(fresh->ends.peer, s->end.ip, sizeof(s->end.ip));
	fresh->ends.peer_port = s->end.port;
	fresh->ends.marks &= ~SOCKET_PEER_KNOWN;
	fresh->ends.marks |= marks;
	__builtin_memcpy(&fresh->header, &s->head, sizeof(s->head));
	head_finish(&fresh->header, SOCKET_DATAGRAM);
	fresh->header.time = fresh->last = now;
	fresh->bytes_sent = out ? bytes : 0;
	fresh->bytes_received = out ? 0 : bytes;
	fresh->datagrams_sent = out;
	fresh->datagrams_received = !out;
	fresh->role = out ? ROLE_CLIENT : ROLE_SERVER;
	if (!bpf_map_update_elem(&socket_exchanges, &s->key, fresh, BPF_NOEXIST)) {
		exchange_begins(s, bytes);
		return;
	}
	/* Another CPU was first, or there is no room. */
	x = bpf_map_lookup_elem(&socket_exchanges, &s->key);
	if (x)
		exchange_adds(x, bytes, out, now);
	else
		count_fate(SOCKET_DATAGRAM, FATE_TABLE_FULL);
}

static __always_inline bool is_mapped(const __u8 *ip)
{
	const __u32 *words = (const __u32 *)ip;

	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

/*
 * One datagram sent: the address is the kernel's own copy. The IPv6 function hands what goes to
 * an IPv4 address to the IPv4 one, before 6.6 having put a shorter address into the message.
 */
static __always_inline int udp_sent(struct scratch_value *s, struct sock *sk, struct msghdr *msg,
				    int result, bool v6)
{
	__u32 length;
	void *name;

	if (result < 0 || !s || !scope_current(&s->head))
		return 0;
	name = BPF_CORE_READ(msg, msg_name);
	length = BPF_CORE_READ(msg, msg_namelen);
	if (v6 && name && length < sizeof(struct given_end))
		return 0;
	s->end.known = false;
	if (!kernel_end(&s->end, name, length) && v6)
		BPF_CORE_READ_INTO(&s->end.ip, sk, __sk_common.skc_v6_daddr);
	if (v6 && is_mapped(s->end.ip))
		return 0;
	datagram(s, sk, sock_name_typed(sk), 0, result, true);
	return 0;
}

/* On return: the result is known, and the message's address is the kernel's copy. */
SEC("fexit/udp_sendmsg")
int BPF_PROG(socket_udp_sent4, struct sock *sk, struct msghdr *msg, size_t length, int result)
{
	return udp_sent(sent4_scratch(), sk, msg, result, false);
}

SEC("fexit/udpv6_sendmsg")
int BPF_PROG(socket_udp_sent6, struct sock *sk, struct msghdr *msg, size_t length, int result)
{
	return udp_sent(sent6_scratch(), sk, msg, result, true);
}

/* Where a received datagram came from, by its own headers. */
static __always_inline void skb_end(struct sk_buff *skb, struct socket_end *end)
{
	unsigned char *head = BPF_CORE_READ(skb, head);
	void *network = head + BPF_CORE_READ(skb, network_header);
	void *transport = head + BPF_CORE_READ(skb, transport_header);
	__be16 port = 0;
	__be32 v4 = 0;

	if (BPF_CORE_READ(skb, protocol) == bpf_htons(0x0800)) {
		bpf_probe_read_kernel(&v4, sizeof(v4), &((struct iphdr *)network)->saddr);
		ip_from_v4(end->ip, v4);
	} else {
		bpf_probe_read_kernel(end->ip, sizeof(end->ip), &((struct ipv6hdr *)network)->saddr);
	}
	bpf_probe_read_kernel(&port, sizeof(port), &((struct udphdr *)transport)->source);
	end->port = bpf_ntohs(port);
	end->known = true;
}

/*
 * The datagram has been copied to its receiver and is about to be freed: its headers say where
 * it came from, also to a receiver that did not ask. After a look with MSG_PEEK the length is
 * negative; of an empty datagram that looks the same, but it is in the queue still.
 */
SEC("fentry/skb_consume_udp")
int BPF_PROG(socket_udp_received, struct sock *sk, struct sk_buff *skb, int length)
{
	struct scratch_value *s = received_scratch();

	if (length < 0 || !s || !scope_current(&s->head))
		return 0;
	if (!length && BPF_CORE_READ(skb, users.refs.counter) > 1)
		return 0;
	skb_end(skb, &s->end);
	datagram(s, sk, sock_name_typed(sk), 0, length, false);
	return 0;
}

/*
 * Whether the current thread is in one of the calls that take or give an address: those are told
 * at their end, by the programs below.
 */
static __always_inline bool in_message_call(bool out)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	unsigned long number = BPF_CORE_READ(regs, orig_ax);

	if (out)
		return number == NR_SENDTO || number == NR_SENDMSG || number == NR_SENDMMSG;
	return number == NR_RECVFROM || number == NR_RECVMSG || number == NR_RECVMMSG;
}

/* For tracepoints that know the sock and the length but no address. */
static __always_inline int udp_moved(struct scratch_value *s, struct sock *sk, int length, bool out)
{
	bool told = in_message_call(out);

	/* The programs below cannot give a cookie; after the first datagram there is one. */
	if (length < 0 || (told && sk->__sk_common.skc_cookie.counter))
		return 0;
	if (!s || !scope_current(&s->head))
		return 0;
	if (told) {
		sock_name_typed(sk);
		return 0;
	}
	s->end.known = false;
	datagram(s, sk, sock_name_typed(sk), 0, length, out);
	return 0;
}

/* Since 6.3, for every protocol: TCP is told apart by one load. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(socket_udp_sent_tp, struct sock *sk, int result)
{
	if (sk->sk_protocol != IPPROTO_UDP || !is_udp(sk))
		return 0;
	return udp_moved(sent_tp_scratch(), sk, result, true);
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(socket_udp_received_tp, struct sock *sk, int result, int flags)
{
	if (sk->sk_protocol != IPPROTO_UDP || !is_udp(sk) || flags & MSG_LOOK)
		return 0;
	return udp_moved(received_tp_scratch(), sk, result, false);
}

/* One message of a call: `address` is where the caller has the peer's address, or null. */
static __always_inline void message(struct scratch_value *s, struct sock *sk, const void *address,
				    __u32 length, __u64 bytes, bool out)
{
	s->end.known = false;
	user_end(&s->end, address, length);
	datagram(s, sk, sock_name(sk), SOCKET_CALLER, bytes, out);
}

/* The messages of a vector: the kernel wrote each one's length behind it. */
static __always_inline void messages(struct scratch_value *s, struct sock *sk,
				     struct mmsghdr *vector, long count, bool out)
{
	struct mmsghdr *one = &s->message;
	int i;

	for (i = 0; i < MESSAGES && i < count; i++) {
		if (bpf_probe_read_user(one, sizeof(*one), vector + i))
			break;
		message(s, sk, one->msg_hdr.msg_name, one->msg_hdr.msg_namelen, one->msg_len, out);
	}
	if (i < count)
		count_fate(SOCKET_DATAGRAM, FATE_UNREADABLE);
}

static __always_inline void message_call(struct scratch_value *s, struct sock *sk,
					 struct pt_regs *regs, long result, bool out)
{
	unsigned long number = regs->orig_ax;
	struct user_msghdr *msg = &s->message.msg_hdr;
	void *second = (void *)regs->si;
	__u64 sixth = regs->r9;
	__u32 length = sixth;

	if (number == NR_SENDTO || number == NR_RECVFROM) {
		/* recvfrom has a pointer to the length. */
		if (!out && bpf_probe_read_user(&length, sizeof(length), (void *)sixth))
			length = 0;
		message(s, sk, (void *)regs->r8, length, result, out);
	} else if (number == NR_SENDMSG || number == NR_RECVMSG) {
		if (bpf_probe_read_user(msg, sizeof(*msg), second))
			count_fate(SOCKET_DATAGRAM, FATE_UNREADABLE);
		else
			message(s, sk, msg->msg_name, msg->msg_namelen, result, out);
	} else {
		messages(s, sk, second, result, out);
	}
}

/* To look at what waits, or at an error, is to receive nothing. */
static __always_inline bool looks_only(struct pt_regs *regs)
{
	if (regs->orig_ax == NR_RECVMSG)
		return regs->dx & MSG_LOOK;
	return regs->r10 & MSG_LOOK;
}

static __always_inline int message_calls(struct pt_regs *regs, long result, bool out)
{
	struct scratch_value *s = call_scratch();
	struct sock *sk;

	if (result < 0 || !s || !scope_current(&s->head))
		return 0;
	sk = current_sock(regs->di);
	if (sk && is_udp(sk) && (out || !looks_only(regs)))
		message_call(s, sk, regs, result, out);
	return 0;
}

/* sendto, sendmsg, sendmmsg: nothing but the caller's memory says whom to. */
SEC("tp_btf/sys_exit")
int BPF_PROG(socket_messages_sent, struct pt_regs *regs, long result)
{
	return message_calls(regs, result, true);
}

/* recvfrom, recvmsg, recvmmsg: the kernel has written there whom from, if it was asked. */
SEC("tp_btf/sys_exit")
int BPF_PROG(socket_messages_received, struct pt_regs *regs, long result)
{
	return message_calls(regs, result, false);
}

/* The exchange with the peer that the socket is connected to ends with the socket. */
static __always_inline void connected_ended(struct sock *sk, __u64 name, __u64 now)
{
	struct socket_close_record record = {};
	struct socket_exchange_key_record key;
	struct socket_exchange_record *x;
	struct socket_ends_record ends;

	sock_ends(sk, &ends);
	exchange_key(&key, name, ends.peer, ends.peer_port);
	x = bpf_map_lookup_elem(&socket_exchanges, &key);
	if (!x)
		return;
	head_of(&record.header, &x->header, SOCKET_CLOSE, now);
	record.ends = x->ends;
	record.began = x->header.time;
	record.bytes_sent = x->bytes_sent;
	record.bytes_received = x->bytes_received;
	record.packets_sent = x->datagrams_sent;
	record.packets_received = x->datagrams_received;
	record.fd = -1;
	record.role = x->role;
	submit(&fathom_bulk, &record.header, sizeof(record));
	bpf_map_delete_elem(&socket_exchanges, &key);
}

static __always_inline int udp_ended(struct sock *sk, __u64 name)
{
	__u64 now = bpf_ktime_get_boot_ns();
	struct record_header head;

	if (!scope_current(&head))
		return 0;
	connected_ended(sk, name, now);
	bpf_map_update_elem(&socket_gone, &name, &now, BPF_ANY);
	return 0;
}

/* The socket is being closed and still knows its peer. */
SEC("fentry/udp_destroy_sock")
int BPF_PROG(socket_udp_destroy4_fentry, struct sock *sk)
{
	return udp_ended(sk, sock_name(sk));
}

SEC("fentry/udpv6_destroy_sock")
int BPF_PROG(socket_udp_destroy6_fentry, struct sock *sk)
{
	return udp_ended(sk, sock_name(sk));
}

SEC("kprobe/udp_destroy_sock")
int BPF_KPROBE(socket_udp_destroy4_kprobe, struct sock *sk)
{
	return udp_ended(sk, sock_name(sk));
}

SEC("kprobe/udpv6_destroy_sock")
int BPF_KPROBE(socket_udp_destroy6_kprobe, struct sock *sk)
{
	return udp_ended(sk, sock_name(sk));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
