/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Datagrams: exchanges between a socket and a peer, their first datagram and their end. */
#ifndef FATHOM_SOCKET_DATAGRAM_BPF_H
#define FATHOM_SOCKET_DATAGRAM_BPF_H

#include "connection.bpf.h"
#include "fathom/message.bpf.h"

#define MSG_LOOK 0x2002		/* MSG_PEEK, MSG_ERRQUEUE */
#define MESSAGES 64		/* of one sendmmsg or recvmmsg */
#define NR_SENDTO 44
#define NR_RECVFROM 45
#define NR_SENDMSG 46
#define NR_RECVMSG 47
#define NR_RECVMMSG 299
#define NR_SENDMMSG 307

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

SCRATCH(sent4_scratch)
SCRATCH(sent6_scratch)
SCRATCH(received_scratch)
SCRATCH(sent_tp_scratch)
SCRATCH(received_tp_scratch)

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
static __always_inline void exchange_begins(struct scratch_value *s, __u64 bytes,
					    __u16 call)
{
	struct socket_datagram_record *record = &s->datagram;

	__builtin_memset(record, 0, sizeof(*record));
	__builtin_memcpy(&record->header, &s->exchange.header, sizeof(record->header));
	record->ends = s->exchange.ends;
	record->bytes = bytes;
	record->call = call;
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
				     __u8 marks, __u64 bytes, __u16 call, bool out)
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
		exchange_begins(s, bytes, call);
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
static __always_inline void udp_sent(struct scratch_value *s, struct sock *sk, struct msghdr *msg,
				    int result, bool v6)
{
	__u32 length;
	void *name;

	if (result < 0 || !s || !scope_current(&s->head))
		return;
	name = BPF_CORE_READ(msg, msg_name);
	length = BPF_CORE_READ(msg, msg_namelen);
	if (v6 && name && length < sizeof(struct given_end))
		return;
	s->end.known = false;
	if (!kernel_end(&s->end, name, length) && v6)
		BPF_CORE_READ_INTO(&s->end.ip, sk, __sk_common.skc_v6_daddr);
	if (v6 && is_mapped(s->end.ip))
		return;
	datagram(s, sk, sock_name_typed(sk), 0, result, current_call(), true);
	return;
}

/* On return: the result is known, and the message's address is the kernel's copy. */
SEC("fexit/udp_sendmsg")
int BPF_PROG(socket_udp_sent4, struct sock *sk, struct msghdr *msg, size_t length, int result)
{
	hold();
	udp_sent(sent4_scratch(), sk, msg, result, false);
	let_go();
	return 0;
}

SEC("fexit/udpv6_sendmsg")
int BPF_PROG(socket_udp_sent6, struct sock *sk, struct msghdr *msg, size_t length, int result)
{
	hold();
	udp_sent(sent6_scratch(), sk, msg, result, true);
	let_go();
	return 0;
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

static __always_inline void udp_received(struct scratch_value *s, struct sock *sk,
					 struct sk_buff *skb, int length)
{
	if (length < 0 || !s || !scope_current(&s->head))
		return;
	if (!length && BPF_CORE_READ(skb, users.refs.counter) > 1)
		return;
	skb_end(skb, &s->end);
	datagram(s, sk, sock_name_typed(sk), 0, length, current_call(), false);
}

/*
 * The datagram has been copied to its receiver and is about to be freed: its headers say where
 * it came from, also to a receiver that did not ask. After a look with MSG_PEEK the length is
 * negative; of an empty datagram that looks the same, but it is in the queue still.
 */
SEC("fentry/skb_consume_udp")
int BPF_PROG(socket_udp_received, struct sock *sk, struct sk_buff *skb, int length)
{
	hold();
	udp_received(received_scratch(), sk, skb, length);
	let_go();
	return 0;
}

/*
 * Whether it is one of the calls that take or give an address: those are told at their end, by
 * the programs below.
 */
static __always_inline bool is_message_call(__u16 number, bool out)
{
	if (out)
		return number == NR_SENDTO || number == NR_SENDMSG || number == NR_SENDMMSG;
	return number == NR_RECVFROM || number == NR_RECVMSG || number == NR_RECVMMSG;
}

/* For tracepoints that know the sock and the length but no address. */
static __always_inline void udp_moved(struct scratch_value *s, struct sock *sk, int length, bool out)
{
	__u16 call = current_call();
	bool told = is_message_call(call, out);

	/* The programs below cannot give a cookie; after the first datagram there is one. */
	if (length < 0 || (told && sk->__sk_common.skc_cookie.counter))
		return;
	if (!s || !scope_current(&s->head))
		return;
	if (told) {
		sock_name_typed(sk);
		return;
	}
	s->end.known = false;
	datagram(s, sk, sock_name_typed(sk), 0, length, call, out);
	return;
}

/* Since 6.3, for every protocol: TCP is told apart by one load. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(socket_udp_sent_tp, struct sock *sk, int result)
{
	if (sk->sk_protocol != IPPROTO_UDP || !is_udp(sk))
		return 0;
	hold();
	udp_moved(sent_tp_scratch(), sk, result, true);
	let_go();
	return 0;
}

SEC("tp_btf/sock_recv_length")
int BPF_PROG(socket_udp_received_tp, struct sock *sk, int result, int flags)
{
	if (sk->sk_protocol != IPPROTO_UDP || !is_udp(sk) || flags & MSG_LOOK)
		return 0;
	hold();
	udp_moved(received_tp_scratch(), sk, result, false);
	let_go();
	return 0;
}

/* One message of a call: `address` is where the caller has the peer's address, or null. */
static __always_inline void message(struct scratch_value *s, struct sock *sk, const void *address,
				    __u32 length, __u64 bytes, __u16 call, bool out)
{
	s->end.known = false;
	user_end(&s->end, address, length);
	datagram(s, sk, sock_name(sk), SOCKET_CALLER, bytes, call, out);
}

/*
 * One message of the call's vector: the kernel wrote its length behind it. By itself, so that the
 * verifier walks through it once and not for every message.
 */
__noinline int socket_message(__u32 number, __u64 socket, __u32 out)
{
	struct scratch_value *s = call_scratch();
	const void *vector;
	struct mmsghdr *one;
	__u32 size;

	if (!s)
		return 0;
	one = &s->message;
	size = s->call.ia32 ? sizeof(struct ia32_mmsghdr) : sizeof(struct mmsghdr);
	vector = (void *)s->call.argument[1];
	if (!user_message(one, vector + number * size, s->call.ia32))
		return 0;
	message(s, (struct sock *)socket, one->msg_hdr.msg_name, one->msg_hdr.msg_namelen, one->msg_len,
		s->call.number, out);
	return 1;
}

static __always_inline void messages(struct sock *sk, long count, bool out)
{
	int i;

	for (i = 0; i < MESSAGES && i < count; i++)
		if (!socket_message(i, (__u64)sk, out))
			break;
	if (i < count)
		count_fate(SOCKET_DATAGRAM, FATE_UNREADABLE);
}

static __always_inline void message_call(struct scratch_value *s, struct sock *sk, long result,
					 bool out)
{
	struct user_msghdr *msg = &s->message.msg_hdr;
	__u32 number = s->call.number;
	__u64 sixth = s->call.argument[5];
	__u32 length = sixth;

	if (number == NR_SENDTO || number == NR_RECVFROM) {
		/* recvfrom has a pointer to the length. */
		if (!out && bpf_probe_read_user(&length, sizeof(length), (void *)sixth))
			length = 0;
		message(s, sk, (void *)s->call.argument[4], length, result, number, out);
	} else if (number == NR_SENDMSG || number == NR_RECVMSG) {
		if (!user_header(msg, (void *)s->call.argument[1], s->call.ia32))
			count_fate(SOCKET_DATAGRAM, FATE_UNREADABLE);
		else
			message(s, sk, msg->msg_name, msg->msg_namelen, result, number, out);
	} else {
		messages(sk, result, out);
	}
}

/* To look at what waits, or at an error, is to receive nothing. */
static __always_inline bool looks_only(const struct call *call)
{
	return call->argument[call->number == NR_RECVMSG ? 2 : 3] & MSG_LOOK;
}

static __always_inline int message_calls(struct pt_regs *regs, long result, bool out)
{
	struct scratch_value *s = call_scratch();
	struct sock *sk;

	if (result < 0 || !s || !scope_current(&s->head))
		return 0;
	if (!read_socket_call(regs, &s->call)) {
		count_fate(SOCKET_DATAGRAM, FATE_UNREADABLE);
		return 0;
	}
	sk = current_sock(s->call.argument[0]);
	if (sk && is_udp(sk) && (out || !looks_only(&s->call)))
		message_call(s, sk, result, out);
	return 0;
}

/* sendto, sendmsg, sendmmsg: nothing but the caller's memory says whom to. */
SEC("tp_btf/sys_exit")
int CALL_END(socket_messages_sent, struct pt_regs *regs, long result)
{
	return message_calls(regs, result, true);
}

/* recvfrom, recvmsg, recvmmsg: the kernel has written there whom from, if it was asked. */
SEC("tp_btf/sys_exit")
int CALL_END(socket_messages_received, struct pt_regs *regs, long result)
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

#endif
