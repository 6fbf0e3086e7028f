// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* Sockets: bind, listen, connect, accept, TCP's states, exchanges of datagrams, and their ends. */
#include "call.bpf.h"
#include "datagram.bpf.h"
#include "uring.bpf.h"

/* Makes these types part of the object's BTF, from which Rust reads them. */
const enum socket_kind *unused_kind __attribute__((unused));
const enum socket_role_kind *unused_role __attribute__((unused));
const enum socket_fin_kind *unused_fin __attribute__((unused));
const enum socket_marks *unused_marks __attribute__((unused));
const struct socket_path_record *unused_path __attribute__((unused));
const struct socket_state_record *unused_state __attribute__((unused));
const struct socket_datagram_record *unused_datagram __attribute__((unused));
const enum socket_over_kind *unused_over_kind __attribute__((unused));
const struct socket_over_record *unused_over __attribute__((unused));

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

/*
 * Other families do without. An observer never denies: always 0. The helper is called without
 * asking whether there is one: a kernel whose tracing programs cannot give cookies then refuses
 * the program, and the hook is told as missing instead of standing there to no effect.
 */
static __always_inline int give_cookie(struct sock *sk, int family)
{
	struct record_header head;

	if (sk && watched_family(family) && scope_current(&head))
		bpf_get_socket_cookie(sk);
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

char LICENSE[] SEC("license") = "Dual BSD/GPL";
