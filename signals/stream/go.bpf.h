/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is said inside TLS by programs in Go, whose crypto/tls has it in plain.
 *
 * Go's functions are called in a way of their own, since 1.17: arguments are in RAX, RBX, RCX …,
 * results too, and R14 is the goroutine. A goroutine goes from thread to thread, and its stack is
 * moved when it has to grow. So calls are known by their goroutine and by how far from the top of
 * its stack they began; and no program may stand at a return, which would leave an address of the
 * kernel's on that stack, but only at the instructions that return. Beginnings are behind the check of the
 * stack, which is passed twice where that grows.
 */
#ifndef FATHOM_STREAM_GO_BPF_H
#define FATHOM_STREAM_GO_BPF_H

#include "tls.bpf.h"

#define WRAPPED 3		/* a connection inside of others: so many are looked into */
#define APPLICATION_DATA 23	/* what is said, as TLS numbers kinds of records */

/* How a goroutine begins. */
struct go_stack {
	__u64 low;
	__u64 high;
};

/* What Go says of a connection: an interface. */
struct go_connection {
	__u64 table;
	__u64 data;
};

/* net.netFD, as far as it tells what it is: its numbers are those of socket(2), in all versions. */
struct go_descriptor {
	__u64 lock[2];
	__s64 number;
	__u64 rest[4];
	__s64 family;
	__s64 kind;
};

struct go_call_key {
	__u64 goroutine;
	__u64 depth;
	__u64 tgid;
};

/* A call of Read. */
struct go_call {
	__u64 session;
	__u64 buffer;
	__u64 sock;
	__u64 inode;			/* the socket's; 0 where none was found */
	bool on_stack;			/* the buffer is: it is given by its distance from the top */
	__u8 spare[7];
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct go_call_key);
	__type(value, struct go_call);
} stream_go_calls SEC(".maps");

/* Which call it is that begins, or ends, and the goroutine's stack by now. */
static __always_inline bool go_call_key(struct pt_regs *regs, struct go_stack *stack, struct go_call_key *key)
{
	key->goroutine = regs->r14;
	key->tgid = bpf_get_current_pid_tgid() >> 32;
	if (bpf_probe_read_user(stack, sizeof(*stack), (void *)key->goroutine))
		return false;
	key->depth = stack->high - regs->sp;
	return true;
}

static __always_inline bool is_socket_of_go(const struct go_descriptor *it)
{
	return it->kind == SOCK_STREAM && it->number >= 0 &&
	       (it->family == AF_INET || it->family == AF_INET6 || it->family == AF_UNIX);
}

/*
 * The descriptor of the socket that carries a session; negative if none is found. A tls.Conn begins with
 * the connection that carries it. One of package net points to a netFD; others often begin with the
 * connection that they wrap. One that is a tls.Conn itself is no carrier: both would be told as one.
 */
static __always_inline int go_carrier(__u64 session)
{
	struct go_descriptor descriptor;
	struct go_connection carrier;
	struct tls_session_key key;
	__u64 inside;
	int i;

#pragma unroll
	for (i = 0; i < WRAPPED; i++) {
		if (bpf_probe_read_user(&carrier, sizeof(carrier), (void *)session) ||
		    bpf_probe_read_user(&inside, sizeof(inside), (void *)carrier.data))
			return -1;
		session = carrier.data;
		if (!bpf_probe_read_user(&descriptor, sizeof(descriptor), (void *)inside) &&
		    is_socket_of_go(&descriptor))
			return descriptor.number;
		key = session_key(session);
		if (bpf_map_lookup_elem(&stream_tls_sessions, &key))
			return -1;
	}
	return -1;
}

/*
 * Makes a session of a connection that has none, with nothing said yet. Go tells nobody when one is over, and
 * another may get its address: then it has another socket.
 */
static __always_inline void go_session_begins(__u64 session, __u64 inode, __u8 marks)
{
	struct tls_session_key key = session_key(session);
	struct stream_socket *known = bpf_map_lookup_elem(&stream_tls_sessions, &key);
	struct stream_socket fresh = { .inode = inode, .marks = STREAM_PLAIN | marks };

	if (inode && (!known || known->inode != inode))
		bpf_map_update_elem(&stream_tls_sessions, &key, &fresh, BPF_ANY);
}

/*
 * The session of a call, with the name of its socket. (That is forgotten when it is closed, which may be before
 * its last bytes are taken.)
 */
static __always_inline struct stream_socket *go_session(const struct go_call *call)
{
	struct tls_session_key key = session_key(call->session);
	struct stream_socket *known = bpf_map_lookup_elem(&stream_tls_sessions, &key);
	struct stream_socket *carrier;
	__u64 sock = call->sock;

	if (!known || known->inode != call->inode)
		return NULL;
	if (known->name)
		return known;
	carrier = bpf_map_lookup_elem(&stream_sockets, &sock);
	if (!carrier || carrier->inode != call->inode)
		return NULL;
	known->name = carrier->name;
	return known->name ? known : NULL;
}

/* Tells what the session of a call took or gave; `call` says where it lies by now. */
static __always_inline void go_said(const struct go_call *call, __u64 size, bool out)
{
	struct record_header head = {};
	struct stream_socket *known;
	struct scratch_value *s;

	if (!scope_current(&head))
		return;
	known = go_session(call);
	if (!known) {
		if (!call->inode)
			count_fate(STREAM_DATA, FATE_NO_SOCKET);
		return;
	}
	s = scratch_inside();
	if (!s)
		return;
	__builtin_memcpy(&s->record.header, &head, sizeof(head));
	said(s, known, call->buffer, size, out);
	scratch_done(s);
}

/*
 * Read begins: (connection, buffer, its length, its capacity). The socket is looked for here, while its
 * descriptor is sure to be its own. Where the handshake was not seen, a session begins here, and what is
 * written before is not told: its answer may be waited for in a Read whose beginning was not seen, and the
 * next one would be taken for it.
 */
SEC("uprobe.multi")
int stream_go_begins(struct pt_regs *regs)
{
	struct go_call call = { .session = regs->ax, .buffer = regs->bx };
	struct record_header head;
	struct go_call_key key;
	struct go_stack stack;

	if (!scope_current(&head) || !go_call_key(regs, &stack, &key))
		return 0;
	call.sock = (__u64)socket_of(go_carrier(call.session), &call.inode);
	call.on_stack = call.buffer >= stack.low && call.buffer < stack.high;
	if (call.on_stack)
		call.buffer = stack.high - call.buffer;
	go_session_begins(call.session, call.inode, STREAM_MIDDLE);
	bpf_map_update_elem(&stream_go_calls, &key, &call, BPF_ANY);
	return 0;
}

/* Read returns. There may be both a number of bytes and an error: they were read all the same. */
SEC("uprobe.multi")
int stream_go_read(struct pt_regs *regs)
{
	struct go_call call, *begun;
	struct go_call_key key;
	struct go_stack stack;
	long size = regs->ax;

	if (!go_call_key(regs, &stack, &key))
		return 0;
	begun = bpf_map_lookup_elem(&stream_go_calls, &key);
	if (!begun)
		return 0;
	call = *begun;
	bpf_map_delete_elem(&stream_go_calls, &key);
	if (call.on_stack)
		call.buffer = stack.high - call.buffer;
	if (size > 0)
		go_said(&call, size, false);
	return 0;
}

/*
 * writeRecordLocked begins, of which Write consists: (connection, what kind, what, its length, its capacity). It is
 * told before it is sent: a goroutine that waits for a processor may come back from Write when another has
 * read the answer already. What fails on its way was told too much; nothing follows it.
 */
SEC("uprobe.multi")
int stream_go_written(struct pt_regs *regs)
{
	struct go_call call = { .session = regs->ax, .buffer = regs->cx };
	struct record_header head;
	long size = regs->di;

	if ((__u8)regs->bx != APPLICATION_DATA || size <= 0 || !scope_current(&head))
		return 0;
	call.sock = (__u64)socket_of(go_carrier(call.session), &call.inode);
	go_said(&call, size, true);
	return 0;
}

/* clientHandshake, serverHandshake: nothing was said before, unless it is done anew. */
SEC("uprobe.multi")
int stream_go_shakes(struct pt_regs *regs)
{
	struct record_header head;
	__u64 inode = 0;

	if (!scope_current(&head))
		return 0;
	socket_of(go_carrier(regs->ax), &inode);
	go_session_begins(regs->ax, inode, 0);
	return 0;
}

#endif
