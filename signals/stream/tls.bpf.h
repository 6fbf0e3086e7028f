/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is said inside TLS, where libraries have it in plain: at the return of the functions that take
 * and give it. Their arguments are the same in all of them: the session, a buffer, a length, and for
 * some a place for how much it was. User space attaches these where it finds such functions.
 */
#ifndef FATHOM_STREAM_TLS_BPF_H
#define FATHOM_STREAM_TLS_BPF_H

#include "moved.bpf.h"

#define PROT_EXEC 4

/* A call into a library, from its beginning to its end; by thread. */
struct tls_call {
	__u64 session;
	__u64 buffer;
	__u64 length_at;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct tls_call);
} stream_tls_calls SEC(".maps");

struct tls_session_key {
	__u64 session;		/* its address */
	__u32 tgid;
	__u32 spare;
};

/* Sessions, with the name of the socket that carries each. Positions are of what is plain. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct tls_session_key);
	__type(value, struct stream_socket);
} stream_tls_sessions SEC(".maps");

static __always_inline struct tls_session_key session_key(__u64 session)
{
	struct tls_session_key key = {
		.session = session,
		.tgid = bpf_get_current_pid_tgid() >> 32,
	};

	return key;
}

/* The socket that the thread moved bytes of last; 0 where none is known. */
static __always_inline __u64 last_socket(void)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 *name = bpf_map_lookup_elem(&stream_last, &thread);

	return name ? *name : 0;
}

/*
 * Says which socket carries a session: the one that the thread moved bytes of last, whether from
 * within the library or, where the program does that itself, before it gave the library what came.
 */
static __always_inline struct stream_socket *bind_session(struct scratch_value *s, __u64 session, __u8 marks)
{
	struct tls_session_key key = session_key(session);
	struct stream_socket *known = bpf_map_lookup_elem(&stream_tls_sessions, &key);
	__u64 name = last_socket();

	if (known && (!name || known->name == name))
		return known;
	if (!name)
		return NULL;
	__builtin_memset(&s->fresh, 0, sizeof(s->fresh));
	s->fresh.name = name;
	s->fresh.marks = STREAM_PLAIN | marks;
	bpf_map_update_elem(&stream_tls_sessions, &key, &s->fresh, BPF_ANY);
	return bpf_map_lookup_elem(&stream_tls_sessions, &key);
}

/* The call that ends, copied; false where its beginning was not seen. */
static __always_inline bool call_ends(struct tls_call *call)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct tls_call *begun = bpf_map_lookup_elem(&stream_tls_calls, &thread);

	if (!begun)
		return false;
	*call = *begun;
	bpf_map_delete_elem(&stream_tls_calls, &thread);
	return true;
}

/* Tells what a session gave or took in plain. */
static __always_inline void said(struct scratch_value *s, struct stream_socket *known, __u64 buffer, __u64 size,
				 bool out)
{
	s->vector = NULL;
	s->single.iov_base = (void *)buffer;
	s->single.iov_len = size;
	s->peer.known = false;
	s->discards = 0;
	s->call.number = CALL_UNKNOWN;
	s->record.position = known->position[out];
	known->position[out] += size;
	moved(s, known, size, out);
}

/*
 * A buffer for a program that stands on a function. A task may be preempted in there, and others come to the
 * same place, so there are several; and where two came upon one all the same, tell() sees it. (To forbid it is
 * not allowed around functions of their own, from 6.10 to 6.12.)
 */
static __always_inline struct scratch_value *scratch_inside(void)
{
	struct scratch_value *s;
	__u32 place;

#pragma unroll
	for (place = 1; place < SCRATCHES; place++) {
		s = stream_scratch_at(place);
		if (s && !s->owner) {
			s->owner = bpf_get_current_pid_tgid();
			s->place = place;
			return s;
		}
	}
	count_fate(STREAM_DATA, FATE_NO_SCRATCH);
	return NULL;
}

static __always_inline void scratch_done(struct scratch_value *s)
{
	if (s->owner == bpf_get_current_pid_tgid())
		s->owner = 0;
}

static __always_inline void plain(const struct tls_call *call, long size, bool out)
{
	struct tls_session_key key = session_key(call->session);
	struct stream_socket *known;
	struct record_header head = {};
	struct scratch_value *s;

	if (size <= 0 || !scope_current(&head))
		return;
	s = scratch_inside();
	if (!s)
		return;
	__builtin_memcpy(&s->record.header, &head, sizeof(head));
	/* What is written is carried by the socket that the session was read from, or made on. */
	known = out ? bpf_map_lookup_elem(&stream_tls_sessions, &key) : NULL;
	/* Its handshake was not seen, so something may have been said before. */
	if (!known)
		known = bind_session(s, call->session, STREAM_MIDDLE);
	if (known)
		said(s, known, call->buffer, size, out);
	else
		count_fate(STREAM_DATA, FATE_NO_SOCKET);
	scratch_done(s);
}

/* The beginning of any of them. */
SEC("uprobe.multi")
int BPF_KPROBE(stream_tls_begins, __u64 session, __u64 buffer, __u64 length, __u64 length_at)
{
	struct tls_call call = { .session = session, .buffer = buffer, .length_at = length_at };
	__u64 thread = bpf_get_current_pid_tgid();
	struct record_header head;

	if (scope_current(&head))
		bpf_map_update_elem(&stream_tls_calls, &thread, &call, BPF_ANY);
	return 0;
}

static __always_inline int plain_ended(int result, bool out, bool has_place)
{
	struct tls_call call;
	__u64 size = result;

	if (!call_ends(&call) || result <= 0)
		return 0;
	if (has_place && bpf_probe_read_user(&size, sizeof(size), (void *)call.length_at))
		return 0;
	plain(&call, size, out);
	return 0;
}

/* SSL_read, gnutls_record_recv: they give how much it was. */
SEC("uretprobe.multi")
int BPF_KRETPROBE(stream_tls_read, int result)
{
	return plain_ended(result, false, false);
}

/* SSL_write, gnutls_record_send */
SEC("uretprobe.multi")
int BPF_KRETPROBE(stream_tls_written, int result)
{
	return plain_ended(result, true, false);
}

/* SSL_read_ex: it gives 1, and puts into a place how much it was. */
SEC("uretprobe.multi")
int BPF_KRETPROBE(stream_tls_read_ex, int result)
{
	return plain_ended(result, false, true);
}

/* SSL_write_ex */
SEC("uretprobe.multi")
int BPF_KRETPROBE(stream_tls_written_ex, int result)
{
	return plain_ended(result, true, true);
}

/* SSL_do_handshake, SSL_connect, SSL_accept: by now the thread has moved bytes of the right socket. */
SEC("uretprobe.multi")
int BPF_KRETPROBE(stream_tls_shaken, int result)
{
	struct record_header head;
	struct scratch_value *s;
	struct tls_call call;

	if (!call_ends(&call) || !scope_current(&head))
		return 0;
	s = scratch_inside();
	if (!s)
		return 0;
	bind_session(s, call.session, 0);
	scratch_done(s);
	return 0;
}

/* SSL_free, gnutls_deinit: another session may get the same address. */
SEC("uprobe.multi")
int BPF_KPROBE(stream_tls_freed, __u64 session)
{
	struct tls_session_key key = session_key(session);

	bpf_map_delete_elem(&stream_tls_sessions, &key);
	return 0;
}

/* A library was mapped to be run: user space looks whether it is one of those. */
SEC("tp_btf/sys_exit")
int CALL_END(stream_mapped, struct pt_regs *regs, long result)
{
	struct stream_mapped_record record = {};
	struct call call;
	struct file *file;

	if (result < 0 || !scope_current(&record.header))
		return 0;
	read_call(regs, &call);
	if (!(call.argument[2] & PROT_EXEC))
		return 0;
	file = current_file(call.argument[4]);
	if (!file)
		return 0;
	bpf_probe_read_kernel_str(record.name, sizeof(record.name),
				  BPF_CORE_READ(file, f_path.dentry, d_name.name));
	head_finish(&record.header, STREAM_MAPPED);
	submit(&fathom_facts, &record.header, sizeof(record));
	return 0;
}

#endif
