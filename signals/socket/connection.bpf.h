/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What is remembered of sockets between their beginning and their end, and where records are built. */
#ifndef FATHOM_SOCKET_CONNECTION_BPF_H
#define FATHOM_SOCKET_CONNECTION_BPF_H

#include "fathom/hook.bpf.h"
#include "fathom/sock.bpf.h"
#include "fathom/scope.bpf.h"
#include "wire.h"

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
 * How many watched socks share each slot, by a hash of their addresses: for a sock that nobody
 * watches, which is most of them on a busy node, one load instead of a search in the table.
 */
#define SLOTS (1 << 14)
__u32 socket_watched[SLOTS];

/* The verifier lets no one calculate with a typed pointer; a copy of its lower half is a number. */
static __always_inline __u32 *slot_of(__u64 sk)
{
	__u32 half;

	asm volatile("%0 = %1" : "=w"(half) : "w"((__u32)sk));
	return &socket_watched[half * 0x9E3779B1u >> (32 - 14)];
}

/* Enters a sock. Its slot comes first, so that no change of state is overlooked. */
static __always_inline bool connection_enters(__u64 sk, const struct connection *c)
{
	__sync_fetch_and_add(slot_of(sk), 1);
	if (!bpf_map_update_elem(&socket_connections, &sk, c, BPF_NOEXIST))
		return true;
	__sync_fetch_and_add(slot_of(sk), -1);
	/* There already, if an end of it was missed. */
	if (!bpf_map_update_elem(&socket_connections, &sk, c, BPF_EXIST))
		return true;
	count_fate(SOCKET_CLOSE, FATE_TABLE_FULL);
	return false;
}

/* Takes a sock out; false if somebody else did. */
static __always_inline bool connection_leaves(__u64 sk)
{
	if (bpf_map_delete_elem(&socket_connections, &sk))
		return false;
	__sync_fetch_and_add(slot_of(sk), -1);
	return true;
}

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

/* The owner's head, with a kind and a time of its own. */
static __always_inline void head_of(struct record_header *head, const struct record_header *owner,
				    __u16 kind, __u64 now)
{
	__builtin_memcpy(head, owner, sizeof(*head));
	head->kind = kind;
	head->time = now;
}

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
	struct call call;
};

/* For all programs at the end of system calls: none of them is ever interrupted by another. */
SCRATCH(call_scratch)

#endif
