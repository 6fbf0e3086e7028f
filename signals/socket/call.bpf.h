/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The calls: bind, listen, connect, accept. */
#ifndef FATHOM_SOCKET_CALL_BPF_H
#define FATHOM_SOCKET_CALL_BPF_H

#include "tcp.bpf.h"

#define EINPROGRESS 115
#define EAGAIN 11
#define EBADF 9
#define ENOTSOCK 88

static __always_inline bool watched_family(__u8 family)
{
	return family == AF_INET || family == AF_INET6 || family == AF_UNIX;
}

/* What is known of the call's socket, and its head finished. False if it is of another family. */
static __always_inline bool call_socket(struct scratch_value *s, struct sock *sk, int fd, long result,
					__u16 kind)
{
	struct socket_call_record *call = &s->record.call;

	sock_ends(sk, &call->ends);
	if (!watched_family(call->ends.family))
		return false;
	call->ends.socket = sock_name(sk);
	call->latency = 0;
	call->result = result;
	call->fd = fd;
	call->backlog = 0;
	call->path_length = 0;
	head_finish(&call->header, kind);
	return true;
}

/*
 * The buffer with the call itself, the head of its record and what is known of the socket, whose sock
 * is put into `sk`. Null if the call is not to be told: out of scope, not a socket, of another family.
 */
static __always_inline struct scratch_value *call_begins(struct sock **sk, struct pt_regs *regs,
							long result, __u16 kind)
{
	struct socket_call_record *call;
	struct scratch_value *s = call_scratch();
	int fd;

	if (!s)
		return NULL;
	call = &s->record.call;
	if (!scope_current(&call->header))
		return NULL;
	if (!read_socket_call(regs, &s->call)) {
		count_fate(kind, FATE_UNREADABLE);
		return NULL;
	}
	/* What accept gives is a new descriptor. */
	fd = kind == SOCKET_ACCEPT && result >= 0 ? result : s->call.argument[0];
	*sk = current_sock(fd);
	if (!*sk) {
		if (result != -EBADF && result != -ENOTSOCK)
			count_fate(kind, FATE_UNREADABLE);
		return NULL;
	}
	call->call = s->call.number;
	return call_socket(s, *sk, fd, result, kind) ? s : NULL;
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

/* The end of a bind; `given` is the caller's address, null where it cannot be had. */
static __always_inline void bound(struct scratch_value *s, struct sock *sk, const void *given,
				  __u32 length)
{
	struct socket_call_record *call = &s->record.call;
	bool failed = call->result;

	if (call->ends.family == AF_UNIX) {
		if (!failed)
			unix_begins(sk, s, ROLE_BOUND);
		unix_call(s, failed ? NULL : sk, given, length);
		return;
	}
	if (failed && user_end(&s->end, given, length)) {
		__builtin_memcpy(call->ends.local, s->end.ip, sizeof(s->end.ip));
		call->ends.local_port = s->end.port;
		call->ends.marks |= SOCKET_LOCAL_KNOWN | SOCKET_CALLER;
	}
	submit(&fathom_bulk, &call->header, sizeof(*call));
}

/* The result is known, and the kernel's own copy of the address is in the sock. */
SEC("tp_btf/sys_exit")
int CALL_END(socket_bind, struct pt_regs *regs, long result)
{
	struct scratch_value *s;
	struct sock *sk;

	s = call_begins(&sk, regs, result, SOCKET_BIND);
	if (s)
		bound(s, sk, (void *)s->call.argument[1], s->call.argument[2]);
	return 0;
}

/* The end of a listen; `wanted` is what the caller asked for. */
static __always_inline void listens(struct scratch_value *s, struct sock *sk, __u32 wanted)
{
	struct socket_call_record *call = &s->record.call;
	bool failed = call->result;
	struct connection *c;
	__u64 key = (__u64)sk;

	call->backlog = failed ? wanted : BPF_CORE_READ(sk, sk_max_ack_backlog);
	if (call->ends.family == AF_UNIX) {
		if (!failed)
			unix_begins(sk, s, ROLE_LISTENER);
		unix_call(s, sk, NULL, 0);
		return;
	}
	c = bpf_map_lookup_elem(&socket_connections, &key);
	if (c)
		c->fd = call->fd;
	submit(&fathom_bulk, &call->header, sizeof(*call));
}

/* The backlog is by now what the kernel made of it. */
SEC("tp_btf/sys_exit")
int CALL_END(socket_listen, struct pt_regs *regs, long result)
{
	struct scratch_value *s;
	struct sock *sk;

	s = call_begins(&sk, regs, result, SOCKET_LISTEN);
	if (s)
		listens(s, sk, s->call.argument[1]);
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

/* The end of a connect to the caller's address `given`. */
static __always_inline void connected(struct scratch_value *s, struct sock *sk, const void *given,
				      __u32 length)
{
	struct socket_call_record *call = &s->record.call;
	bool failed = call->result;
	struct connection *c;
	__u64 key = (__u64)sk;

	if (call->ends.family == AF_UNIX) {
		struct sock *peer = BPF_CORE_READ((struct unix_sock *)sk, peer);

		if (!failed)
			unix_begins(sk, s, ROLE_CLIENT);
		unix_call(s, failed ? NULL : peer, given, length);
		return;
	}
	c = is_tcp(&call->ends) ? bpf_map_lookup_elem(&socket_connections, &key) : NULL;
	if (c) {
		c->fd = call->fd;
		if (!failed && c->established)
			call->latency = c->established - c->began;
	}
	connect_peer(sk, s, given, length);
	submit(&fathom_bulk, &call->header, sizeof(*call));
}

/* When the call returns, the sock holds both its addresses. */
SEC("tp_btf/sys_exit")
int CALL_END(socket_connect, struct pt_regs *regs, long result)
{
	struct scratch_value *s;
	struct sock *sk;

	s = call_begins(&sk, regs, result, SOCKET_CONNECT);
	if (s)
		connected(s, sk, (void *)s->call.argument[1], s->call.argument[2]);
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

	if (!connection_enters(key, c))
		return;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_CLOSE_WAIT) {
		entered = bpf_map_lookup_elem(&socket_connections, &key);
		if (entered)
			entered->first_fin = FIN_REMOTE;
	} else if (state == TCP_CLOSE && connection_leaves(key)) {
		tcp_ended(&s->close, sk, c, 0, c->began);
	}
}

/* The end of an accept: `sk` is the new sock, or the listener where it failed. */
static __always_inline void accepted(struct scratch_value *s, struct sock *sk)
{
	struct socket_call_record *call = &s->record.call;
	bool failed = call->result < 0;

	if (call->ends.family == AF_UNIX) {
		if (!failed)
			unix_begins(sk, s, ROLE_SERVER);
		unix_call(s, sk, NULL, 0);
		return;
	}
	submit(&fathom_bulk, &call->header, sizeof(*call));
	if (!failed && is_tcp(&call->ends))
		tcp_accepted(sk, s);
}

/* The new descriptor is the result. That nobody is waiting is no event. */
SEC("tp_btf/sys_exit")
int CALL_END(socket_accept, struct pt_regs *regs, long result)
{
	struct scratch_value *s;
	struct sock *sk;

	if (result == -EAGAIN)
		return 0;
	s = call_begins(&sk, regs, result, SOCKET_ACCEPT);
	if (s)
		accepted(s, sk);
	return 0;
}

#endif
