// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * What sockets carry: the bytes that system calls moved, with their places in the stream.
 *
 * All is seen at the end of the call, when the bytes are where the caller wanted them and their number is
 * known. No protocol is known here: there is a table of first bytes that are worth more than a
 * glance, and user space says of a connection whether it is read.
 */
#include "socket.bpf.h"
#include "moved.bpf.h"
#include "tls.bpf.h"
#include "go.bpf.h"

/* Makes these types part of the object's BTF, from which Rust reads them. */
const enum stream_kind *unused_kind __attribute__((unused));
const enum stream_marks *unused_marks __attribute__((unused));
const enum socket_marks *unused_socket_marks __attribute__((unused));
const enum stream_verdict_kind *unused_verdict __attribute__((unused));
const struct stream_data_record *unused_data __attribute__((unused));
const struct stream_closed_record *unused_closed __attribute__((unused));
const struct stream_mapped_record *unused_mapped __attribute__((unused));

#define MSG_OOB 0x1
#define MSG_PEEK 0x2
#define MSG_TRUNC 0x20
#define MSG_ERRQUEUE 0x2000
#define MESSAGES 64		/* of one sendmmsg or recvmmsg */
#define NR_WRITE 1
#define NR_SENDTO 44
#define NR_RECVFROM 45
#define NR_SENDMSG 46
#define NR_RECVMSG 47
#define NR_SENDFILE 40

/* The buffer with the call, if its caller is watched and it moved something. */
static __always_inline struct scratch_value *call_begins(struct pt_regs *regs, long result)
{
	struct scratch_value *s;

	if (result <= 0)
		return NULL;
	s = stream_scratch();
	if (!s || !scope_current(&s->record.header))
		return NULL;
	s->owner = bpf_get_current_pid_tgid();
	if (!read_socket_call(regs, &s->call)) {
		count_fate(STREAM_DATA, FATE_UNREADABLE);
		return NULL;
	}
	return s;
}

/* Bytes that lie in one place. */
static __always_inline void one_buffer(struct scratch_value *s, long result, bool out)
{
	const struct call *call = &s->call;
	struct stream_socket *known = moving(s, call->argument[0], result, out);
	__u32 length = call->argument[5];

	if (!known)
		return;
	s->vector = NULL;
	s->single.iov_base = (void *)call->argument[1];
	s->single.iov_len = call->argument[2];
	s->peer.known = false;
	if (known->marks & STREAM_DATAGRAM && call->number != NR_WRITE && call->number) {
		if (!out && bpf_probe_read_user(&length, sizeof(length), (void *)call->argument[5]))
			length = 0;
		user_end(&s->peer, (void *)call->argument[4], length);
	}
	moved(s, known, result, out);
}

/* write and sendto. A flag of sendto that matters here is only MSG_OOB. */
SEC("tp_btf/sys_exit")
int CALL_END(stream_sent, struct pt_regs *regs, long result)
{
	struct scratch_value *s = call_begins(regs, result);

	if (!s || (s->call.number == NR_SENDTO && s->call.argument[3] & MSG_OOB))
		return 0;
	one_buffer(s, result, true);
	return 0;
}

/* read and recvfrom. To look at what waits, or at an error, is to receive nothing. */
SEC("tp_btf/sys_exit")
int CALL_END(stream_received, struct pt_regs *regs, long result)
{
	struct scratch_value *s = call_begins(regs, result);

	if (!s)
		return 0;
	if (s->call.number == NR_RECVFROM) {
		if (s->call.argument[3] & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB))
			return 0;
		/* TCP throws the bytes away then; of a datagram there may be more than was copied. */
		s->discards = s->call.argument[3] & MSG_TRUNC;
	}
	one_buffer(s, result, false);
	s->discards = false;
	return 0;
}

/* Bytes that lie in several places; the call may have a message's header around them. */
static __always_inline void many_buffers(struct scratch_value *s, long result, bool out)
{
	const struct call *call = &s->call;
	struct stream_socket *known = moving(s, call->argument[0], result, out);
	struct user_msghdr *header = &s->message.msg_hdr;

	if (!known)
		return;
	s->peer.known = false;
	if (call->number == NR_SENDMSG || call->number == NR_RECVMSG) {
		if (!user_header(header, (void *)call->argument[1], call->ia32)) {
			count_fate(STREAM_DATA, FATE_UNREADABLE);
			header->msg_iovlen = 0;
		}
		s->vector = header->msg_iov;
		s->vectors = header->msg_iovlen;
		if (known->marks & STREAM_DATAGRAM)
			user_end(&s->peer, header->msg_name, header->msg_namelen);
	} else {
		s->vector = (void *)call->argument[1];
		s->vectors = call->argument[2];
	}
	moved(s, known, result, out);
}

/* writev and sendmsg */
SEC("tp_btf/sys_exit")
int CALL_END(stream_sent_vector, struct pt_regs *regs, long result)
{
	struct scratch_value *s = call_begins(regs, result);

	if (s && !(s->call.number == NR_SENDMSG && s->call.argument[2] & MSG_OOB))
		many_buffers(s, result, true);
	return 0;
}

/* readv and recvmsg */
SEC("tp_btf/sys_exit")
int CALL_END(stream_received_vector, struct pt_regs *regs, long result)
{
	struct scratch_value *s = call_begins(regs, result);

	if (!s)
		return 0;
	if (s->call.number == NR_RECVMSG) {
		if (s->call.argument[2] & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB))
			return 0;
		s->discards = s->call.argument[2] & MSG_TRUNC;
	}
	many_buffers(s, result, false);
	s->discards = false;
	return 0;
}

/* One message of a vector of them: the kernel wrote its length behind it. */
static __always_inline int one_message(__u32 number, bool out)
{
	struct scratch_value *s = stream_scratch();
	struct stream_socket *known;
	struct mmsghdr *message;
	__u32 size;

	if (!s)
		return 0;
	message = &s->message;
	size = s->call.ia32 ? sizeof(struct ia32_mmsghdr) : sizeof(struct mmsghdr);
	if (!user_message(message, (void *)s->call.argument[1] + number * size, s->call.ia32)) {
		count_fate(STREAM_DATA, FATE_UNREADABLE);
		return 0;
	}
	known = moving(s, s->call.argument[0], message->msg_len, out);
	if (!known)
		return 0;
	s->vector = message->msg_hdr.msg_iov;
	s->vectors = message->msg_hdr.msg_iovlen;
	s->peer.known = false;
	if (known->marks & STREAM_DATAGRAM)
		user_end(&s->peer, message->msg_hdr.msg_name, message->msg_hdr.msg_namelen);
	moved(s, known, message->msg_len, out);
	return 1;
}

/* Programs by themselves: the verifier walks each once, and not for every message. */
__noinline int stream_message_sent(__u32 number)
{
	return one_message(number, true);
}

__noinline int stream_message_received(__u32 number)
{
	return one_message(number, false);
}

static __always_inline void many_messages(long count, bool out)
{
	__u32 i;

	for (i = 0; i < MESSAGES && i < count; i++) {
		if (!(out ? stream_message_sent(i) : stream_message_received(i)))
			return;
	}
	if (i < count)
		count_fate(STREAM_DATA, FATE_BUDGET);
}

SEC("tp_btf/sys_exit")
int CALL_END(stream_sent_many, struct pt_regs *regs, long result)
{
	if (call_begins(regs, result))
		many_messages(result, true);
	return 0;
}

SEC("tp_btf/sys_exit")
int CALL_END(stream_received_many, struct pt_regs *regs, long result)
{
	struct scratch_value *s = call_begins(regs, result);

	if (s && !(s->call.argument[3] & (MSG_PEEK | MSG_ERRQUEUE)))
		many_messages(result, false);
	return 0;
}

/* What goes from a file or a pipe to a socket, or from one to a pipe, never comes to user memory. */
static __always_inline void passed(struct scratch_value *s, int fd, long result, bool out)
{
	struct stream_socket *known = moving(s, fd, result, out);

	if (!known)
		return;
	s->vector = NULL;
	s->single.iov_len = 0;
	s->peer.known = false;
	moved(s, known, result, out);
}

/* sendfile and splice */
SEC("tp_btf/sys_exit")
int CALL_END(stream_passed, struct pt_regs *regs, long result)
{
	struct scratch_value *s = call_begins(regs, result);

	if (!s)
		return 0;
	if (s->call.number == NR_SENDFILE) {
		passed(s, s->call.argument[0], result, true);
	} else {
		passed(s, s->call.argument[2], result, true);
		passed(s, s->call.argument[0], result, false);
	}
	return 0;
}

static __always_inline void state_set(struct sock *sk, int old_state, int new_state)
{
	struct stream_closed_record record;
	struct stream_socket *known;
	__u64 key = (__u64)sk;
	__u8 side = 0;

	if (new_state == TCP_SYN_SENT)
		side = STREAM_CLIENT;
	else if (old_state == TCP_SYN_RECV && new_state == TCP_ESTABLISHED)
		side = STREAM_SERVER;
	if (side) {
		/* So that the programs above, which cannot give a cookie, find one. */
		sock_name_typed(sk);
		bpf_map_update_elem(&stream_sides, &key, &side, BPF_ANY);
	}
	if (new_state != TCP_CLOSE)
		return;
	bpf_map_delete_elem(&stream_sides, &key);
	known = bpf_map_lookup_elem(&stream_sockets, &key);
	if (!known)
		return;
	if (known->name) {
		__builtin_memcpy(&record.header, &known->owner, sizeof(record.header));
		record.header.time = bpf_ktime_get_boot_ns();
		record.header.kind = STREAM_CLOSED;
		record.socket = known->name;
		record.sent = known->position[1];
		record.received = known->position[0];
		submit_to(&fathom_bulk, worker_of_socket(known->name), &record.header, sizeof(record),
			  BPF_RB_NO_WAKEUP);
	}
	bpf_map_delete_elem(&stream_sockets, &key);
}

/*
 * The beginning and the end of TCP connections, in anybody's context. Those that nobody closes are
 * forgotten by user space when they have been silent for long, and here when there are too many.
 */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(stream_set_state, struct sock *sk, int old_state, int new_state)
{
	unsigned long flags;

	if (sk->sk_protocol != IPPROTO_TCP)
		return 0;
	hold_interrupts(&flags);
	state_set(sk, old_state, new_state);
	let_interrupts_go(&flags);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
