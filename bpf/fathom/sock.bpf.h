/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Sockets as the kernel holds them: from a descriptor to the sock, what names it, and the
 * addresses of its two ends. A caller's sockaddr is read only where the kernel keeps none.
 */
#ifndef FATHOM_SOCK_BPF_H
#define FATHOM_SOCK_BPF_H

#include "path.bpf.h"
#include "ends.h"
#include <bpf/bpf_endian.h>

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define PROTOCOL_MPTCP 254	/* 262 to the kernel, too large for a record's byte */
#define SURROGATE (1ULL << 63)

/* One end as a caller or a msghdr gives it; the beginning of every IP sockaddr. */
struct given_end {
	__u16 family;
	__be16 port;
	__be32 v4;		/* in IPv6: the flow label */
	__u8 v6[16];
};

/* One end as records carry it. */
struct socket_end {
	__u8 ip[16];
	__u16 port;
	__u16 known;
	__u32 spare;
};

/*
 * What stands for a cookie where none was given: the socket's inode number, which /proc/PID/fd and
 * `ss -e` show, with the top bit set, which no cookie has.
 */
static __always_inline __u64 sock_surrogate(struct sock *sk)
{
	struct socket *socket = BPF_CORE_READ(sk, sk_socket);
	struct socket_alloc *both = (void *)socket - bpf_core_field_offset(struct socket_alloc, socket);

	return SURROGATE | (socket ? BPF_CORE_READ(both, vfs_inode.i_ino) : 0);
}

/* The sock's cookie if it has one, else its surrogate. For any pointer, typed or not. */
static __always_inline __u64 sock_name(struct sock *sk)
{
	__u64 cookie = BPF_CORE_READ(sk, __sk_common.skc_cookie.counter);

	return cookie ? cookie : sock_surrogate(sk);
}

/*
 * The same for a pointer whose type the verifier knows: gives the sock a cookie if it has none,
 * as getsockopt(SO_COOKIE) would. Tracing programs may since 5.12; what 5.13 brought stands in
 * for it, since the helper's number alone is older.
 */
static __always_inline __u64 sock_name_typed(struct sock *sk)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_for_each_map_elem))
		return bpf_get_socket_cookie(sk);
	return sock_name(sk);
}

/* The sock behind a descriptor of the current process; null where it is no socket. */
static __always_inline struct sock *current_sock(int fd)
{
	struct file *file = current_file(fd);
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

static __always_inline void ip_from_v4(__u8 *ip, __be32 v4)
{
	__u32 *words = (__u32 *)ip;

	words[0] = words[1] = 0;
	words[2] = bpf_htonl(0xffff);
	words[3] = v4;
}

/* What the socket is, and both ends of it, if it is an IP socket. */
static __always_inline void sock_ends(struct sock *sk, struct socket_ends_record *ends)
{
	bool bound = false;
	__u64 pair;

	ends->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	ends->kind = BPF_CORE_READ(sk, sk_type);
	pair = BPF_CORE_READ(sk, sk_protocol);
	ends->protocol = pair > 255 ? PROTOCOL_MPTCP : pair;
	ends->marks = 0;
	ends->local_port = ends->peer_port = 0;
	if (ends->family == AF_INET) {
		pair = BPF_CORE_READ(sk, __sk_common.skc_addrpair);
		ip_from_v4(ends->peer, (__be32)pair);
		ip_from_v4(ends->local, pair >> 32);
		bound = pair >> 32;
	} else if (ends->family == AF_INET6) {
		BPF_CORE_READ_INTO(&ends->peer, sk, __sk_common.skc_v6_daddr);
		BPF_CORE_READ_INTO(&ends->local, sk, __sk_common.skc_v6_rcv_saddr);
		bound = *(__u64 *)ends->local | *(__u64 *)(ends->local + 8);
	} else {
		return;
	}
	/* Not skc_num: a closed sock has given that back. */
	ends->local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	ends->peer_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (ends->local_port || bound)
		ends->marks |= SOCKET_LOCAL_KNOWN;
	if (ends->peer_port)
		ends->marks |= SOCKET_PEER_KNOWN;
}

/* The sock's own peer. False, and all zeros, where it has none. */
static __always_inline bool sock_peer(struct sock *sk, struct socket_end *end)
{
	end->port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (!end->port)
		__builtin_memset(end->ip, 0, sizeof(end->ip));
	else if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET)
		ip_from_v4(end->ip, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	else
		BPF_CORE_READ_INTO(&end->ip, sk, __sk_common.skc_v6_daddr);
	return end->port;
}

/* False if what was given holds no IP address. */
static __always_inline bool end_from_given(struct socket_end *end, const struct given_end *given,
					   __u32 length)
{
	end->port = bpf_ntohs(given->port);
	if (given->family == AF_INET)
		ip_from_v4(end->ip, given->v4);
	else if (given->family == AF_INET6 && length >= sizeof(*given))
		__builtin_memcpy(end->ip, given->v6, sizeof(end->ip));
	else
		return false;
	end->known = true;
	return true;
}

/* How much of a sockaddr to read; 0 if it is too short for any IP address. */
static __always_inline __u32 given_length(const void *from, __u32 length)
{
	if (!from || length < 8)
		return 0;
	return length < sizeof(struct given_end) ? 8 : sizeof(struct given_end);
}

/* A caller's sockaddr, which the caller may rewrite at any time. False if it holds no IP. */
static __always_inline bool user_end(struct socket_end *end, const void *from, __u32 length)
{
	struct given_end given;

	length = given_length(from, length);
	if (!length || bpf_probe_read_user(&given, length, from))
		return false;
	return end_from_given(end, &given, length);
}

/* The same from the kernel's own copy. */
static __always_inline bool kernel_end(struct socket_end *end, const void *from, __u32 length)
{
	struct given_end given;

	length = given_length(from, length);
	if (!length || bpf_probe_read_kernel(&given, length, from))
		return false;
	return end_from_given(end, &given, length);
}

#endif
