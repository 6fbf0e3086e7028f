/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The calls asked for through io_uring: no descriptor is told, since a request holds the file itself.
 *
 * First the end of the function that does it, then the tracepoint of completions.
 */
#ifndef FATHOM_SOCKET_URING_BPF_H
#define FATHOM_SOCKET_URING_BPF_H

#include "fathom/uring.bpf.h"
#include "call.bpf.h"

#define ECANCELED 125
#define ERROR_MAX 4095
#define ACCEPT_MULTISHOT 1

SCRATCH(ring_tp_scratch)
SCRATCH(ring_connect_scratch)
SCRATCH(ring_accept_scratch)
SCRATCH(ring_bind_scratch)
SCRATCH(ring_listen_scratch)

/* Accepts that go on after their first connection, by their ring and what the caller calls them. */
struct accept_key {
	__u64 ring;
	__u64 data;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct accept_key);
	__type(value, __u32);
} socket_accepts SEC(".maps");

static __always_inline struct sock *file_sock(struct file *file)
{
	struct socket *socket;

	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return NULL;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

/* The head of a request's record, and what is known of its socket. False if it is not to be told. */
static __always_inline bool request_begins(struct scratch_value *s, struct sock *sk, long result,
					   __u16 kind)
{
	struct socket_call_record *call;

	if (!s || !sk)
		return false;
	call = &s->record.call;
	if (!scope_current(&call->header))
		return false;
	call->call = CALL_IO_URING;
	return call_socket(s, sk, -1, result, kind);
}

/* By its descriptor, which is -1 where it is not known. */
static __always_inline void request_accepted(struct scratch_value *s, struct sock *sk, int fd)
{
	if (!request_begins(s, sk, fd < 0 ? 0 : fd, SOCKET_ACCEPT))
		return;
	s->record.call.fd = fd;
	accepted(s, sk);
}

/* That nobody is waiting is no event, nor that the caller gave up. */
static __always_inline void request_refused(struct scratch_value *s, struct sock *sk, long result)
{
	if (result != -EAGAIN && result != -ECANCELED && request_begins(s, sk, result, SOCKET_ACCEPT))
		accepted(s, sk);
}

static __always_inline bool is_request_for(struct io_kiocb *request, __u8 opcode)
{
	return request && READ(io_kiocb, request, opcode) == opcode;
}

static __always_inline struct sock *request_sock(struct io_kiocb *request)
{
	return file_sock(READ(io_kiocb, request, file));
}

static __always_inline void did_connect(struct scratch_value *s, struct io_kiocb *request)
{
	struct sock *sk = request_sock(request);

	if (request_begins(s, sk, request_result(request), SOCKET_CONNECT))
		connected(s, sk, READ(io_connect, request, addr),
			  READ(io_connect, request, addr_len));
}

static __always_inline void did_accept(struct scratch_value *s, struct io_kiocb *request)
{
	__u32 slot = READ(io_accept, request, file_slot);
	__s32 result = request_result(request);

	if (result < 0)
		request_refused(s, request_sock(request), result);
	else if (slot)
		request_accepted(s, file_sock(ring_file(request, slot == EVERY_SLOT ? result :
							slot - 1)), -1);
	else
		request_accepted(s, current_sock(result), result);
}

static __always_inline void did_bind(struct scratch_value *s, struct io_kiocb *request)
{
	struct sock *sk = request_sock(request);

	if (request_begins(s, sk, request_result(request), SOCKET_BIND))
		bound(s, sk, NULL, 0);
}

static __always_inline void did_listen(struct scratch_value *s, struct io_kiocb *request)
{
	struct sock *sk = request_sock(request);

	if (request_begins(s, sk, request_result(request), SOCKET_LISTEN))
		listens(s, sk, READ(io_listen, request, backlog));
}

SEC("tp_btf/io_uring_complete")
int socket_ring_connect_done(__u64 *ctx)
{
	struct io_kiocb *request = request_done(ctx);

	needs_results();
	if (is_request_for(request, IORING_OP_CONNECT))
		did_connect(ring_tp_scratch(), request);
	return 0;
}

SEC("tp_btf/io_uring_complete")
int socket_ring_bind_done(__u64 *ctx)
{
	struct io_kiocb *request = request_done(ctx);

	needs_results();
	if (is_request_for(request, IORING_OP_BIND))
		did_bind(ring_tp_scratch(), request);
	else if (is_request_for(request, IORING_OP_LISTEN))
		did_listen(ring_tp_scratch(), request);
	return 0;
}

/*
 * One more connection of an accept that goes on: there is no request, only what the caller will read
 * about it.
 */
static __always_inline void one_more(struct scratch_value *s, __u64 ring, __u64 data, __s32 result)
{
	struct accept_key key = { .ring = ring, .data = data };

	if (result >= 0 && bpf_map_lookup_elem(&socket_accepts, &key))
		request_accepted(s, current_sock(result), result);
}

static __always_inline void one_more_classic(struct scratch_value *s, __u64 *ctx)
{
	struct trace_event_raw_io_uring_complete *event = (void *)ctx;

	one_more(s, (__u64)event->ctx, event->user_data, event->res);
}

SEC("tp_btf/io_uring_complete")
int socket_ring_accept_done(__u64 *ctx)
{
	struct io_kiocb *request = request_done(ctx);
	struct scratch_value *s = ring_tp_scratch();
	struct io_uring_cqe *entry;

	needs_results();
	if (is_request_for(request, IORING_OP_ACCEPT)) {
		did_accept(s, request);
	} else if (!request && fathom_told.classic) {
		one_more_classic(s, ctx);
	} else if (!request) {
		entry = (struct io_uring_cqe *)BTF_ARGUMENT(ctx, 2);
		one_more(s, BTF_ARGUMENT(ctx, 0), READ(io_uring_cqe, entry, user_data),
			 READ(io_uring_cqe, entry, res));
	}
	return 0;
}

/* The same before 6.15, which had more arguments; since then the kernel refuses this. */
SEC("tp_btf/io_uring_complete")
int socket_ring_accept_done_before(__u64 *ctx)
{
	struct io_kiocb *request = request_done(ctx);
	struct scratch_value *s = ring_tp_scratch();

	needs_results();
	if (is_request_for(request, IORING_OP_ACCEPT))
		did_accept(s, request);
	else if (!request && fathom_told.classic)
		one_more_classic(s, ctx);
	else if (!request)
		one_more(s, BTF_ARGUMENT(ctx, 0), BTF_ARGUMENT(ctx, 2), BTF_ARGUMENT(ctx, 3));
	return 0;
}

/* An accept that goes on is remembered. */
SEC("tp_btf/io_uring_submit_req")
int socket_ring_accept_asked(__u64 *ctx)
{
	struct io_kiocb *request = request_asked(ctx);
	struct accept_key key = {};
	struct record_header head;
	__u32 one = 1;

	needs_results();
	if (!is_request_for(request, IORING_OP_ACCEPT) ||
	    !(READ(io_accept, request, iou_flags) & ACCEPT_MULTISHOT) ||
	    READ(io_accept, request, file_slot) || !scope_current(&head))
		return 0;
	key.ring = (__u64)READ(io_kiocb, request, ctx);
	key.data = READ(io_kiocb, request, cqe.user_data);
	bpf_map_update_elem(&socket_accepts, &key, &one, BPF_ANY);
	return 0;
}

/*
 * A connect whose success nobody is told is told at once, as one that is in progress. The request
 * has its file only later; until then it holds the number by which to find it.
 */
static __always_inline int silent_connect(struct io_kiocb *request)
{
	struct scratch_value *s = ring_tp_scratch();
	struct socket_call_record *call;
	struct file *file;
	__s32 number;

	needs_results();
	if (!s || !is_request_for(request, IORING_OP_CONNECT) || !request_is_silent(request))
		return 0;
	number = READ(io_kiocb, request, cqe.fd);
	file = (__u32)READ(io_kiocb, request, flags) & REQUEST_FIXED ? ring_file(request, number) :
								       current_file(number);
	if (!request_begins(s, file_sock(file), -EINPROGRESS, SOCKET_CONNECT))
		return 0;
	call = &s->record.call;
	call->ends.marks |= SOCKET_CALLER;
	if (user_end(&s->end, READ(io_connect, request, addr), READ(io_connect, request, addr_len))) {
		__builtin_memcpy(call->ends.peer, s->end.ip, sizeof(s->end.ip));
		call->ends.peer_port = s->end.port;
		call->ends.marks |= SOCKET_PEER_KNOWN;
	}
	if (call->ends.family == AF_UNIX)
		unix_call(s, NULL, READ(io_connect, request, addr),
			  READ(io_connect, request, addr_len));
	else
		submit(&fathom_bulk, &call->header, sizeof(*call));
	return 0;
}

SEC("tp_btf/io_uring_submit_req")
int socket_ring_connect_silent(__u64 *ctx)
{
	return silent_connect(request_asked(ctx));
}

SEC("tp_btf/io_uring_submit_sqe")
int socket_ring_connect_silent_before(__u64 *ctx)
{
	return silent_connect(request_asked_before(ctx));
}

/* The ends of the functions that do it; what gave no result yet will be tried again. */
#define DID(NAME, FUNCTION, SCRATCH, ACT)                                             \
	SEC("fexit/" #FUNCTION)                                                       \
	int BPF_PROG(NAME, struct io_kiocb *request, unsigned int flags, int result)  \
	{                                                                             \
		needs_results();                                                      \
		if (result)                                                           \
			return 0;                                                     \
		hold();                                                               \
		ACT(SCRATCH(), request);                                              \
		let_go();                                                             \
		return 0;                                                             \
	}

DID(socket_ring_connect, io_connect, ring_connect_scratch, did_connect)
DID(socket_ring_bind, io_bind, ring_bind_scratch, did_bind)
DID(socket_ring_listen, io_listen, ring_listen_scratch, did_listen)

#define NR_CONNECT 42
#define NR_ACCEPT 43
#define NR_ACCEPT4 288

/*
 * Every connection that is accepted for a ring, one by one or many by one request. That happens in
 * io_uring_enter, in a worker, or at the end of any other call; so whatever is no accept is a ring's.
 */
SEC("fexit/do_accept")
int BPF_PROG(socket_ring_accept, struct file *listener, void *how, void *peer, void *length, int flags,
	     struct file *made)
{
	long result = (long)made;
	__u16 call = current_call();

	if (call == NR_ACCEPT || call == NR_ACCEPT4)
		return 0;
	hold();
	if (result < 0 && result >= -ERROR_MAX)
		request_refused(ring_accept_scratch(), file_sock(listener), result);
	else
		request_accepted(ring_accept_scratch(), file_sock(made), -1);
	let_go();
	return 0;
}

/* Where requests hold no result. What has to wait is tried again when there is something to tell. */
SEC("fexit/__sys_connect_file")
int BPF_PROG(socket_ring_connect_file, struct file *file, void *address, int length,
	     int flags, int result)
{
	struct scratch_value *s;
	struct sock *sk;

	if (current_call() == NR_CONNECT || result == -EAGAIN || result == -EINPROGRESS)
		return 0;
	hold();
	s = ring_connect_scratch();
	sk = file_sock(file);
	if (request_begins(s, sk, result, SOCKET_CONNECT))
		connected(s, sk, NULL, 0);
	let_go();
	return 0;
}

#endif
