/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* TCP states and ends. */
#ifndef FATHOM_SOCKET_TCP_BPF_H
#define FATHOM_SOCKET_TCP_BPF_H

#include "connection.bpf.h"

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

	if (!scope_current(&c.owner))
		return;
	head_finish(&c.owner, SOCKET_CONNECT);
	sock_ends(sk, &c.ends);
	c.ends.socket = sock_name_typed(sk);
	c.began = c.owner.time;
	c.fd = -1;
	c.role = role;
	connection_enters((__u64)sk, &c);
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

static __always_inline void state_set(struct sock *sk, int old_state, int new_state)
{
	__u64 key = (__u64)sk, now;
	struct socket_close_record record;
	struct connection *c;

	if (new_state == TCP_SYN_SENT)
		tcp_begins(sk, ROLE_CLIENT);
	else if (new_state == TCP_LISTEN)
		tcp_begins(sk, ROLE_LISTENER);
	c = *slot_of(key) ? bpf_map_lookup_elem(&socket_connections, &key) : NULL;
	if (!c) {
		/* So that accept(2), which cannot give a cookie, finds one. */
		if (old_state == TCP_SYN_RECV && new_state == TCP_ESTABLISHED)
			sock_name_typed(sk);
		return;
	}
	now = bpf_ktime_get_boot_ns();
	tcp_moves(sk, c, old_state, new_state, now);
	if (new_state != TCP_CLOSE) {
		tcp_changed(c, old_state, new_state, now);
		c->entered = now;
		return;
	}
	if (old_state == TCP_SYN_SENT)
		bpf_map_update_elem(&socket_failed, &key, &c->ends, BPF_ANY);
	tcp_ended(&record, sk, c, old_state, now);
	connection_leaves(key);
}

/*
 * Called on every change, before the sock forgets its addresses and counters. To SYN_SENT and to
 * LISTEN it is the process itself that goes; afterwards it may be anyone. Not on the classic
 * tracepoint, where a change in softirq would be lost whenever it comes upon any program.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(socket_set_state, struct sock *sk, int old_state, int new_state)
{
	unsigned long flags;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	hold_interrupts(&flags);
	state_set(sk, old_state, new_state);
	let_interrupts_go(&flags);
	return 0;
}

#endif
