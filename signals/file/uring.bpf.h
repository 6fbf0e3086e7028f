/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The same things, asked for through io_uring. The names are copied when a request is read, since the
 * kernel forgets them when it is done; the row is written when it is.
 *
 * The end of the function that does it comes first: it sees every request, and what the hooks inside
 * stashed for its thread. The tracepoint of completions is the second way.
 */
#ifndef FATHOM_FILE_URING_BPF_H
#define FATHOM_FILE_URING_BPF_H

#include "fathom/uring.bpf.h"

#define EAGAIN 11
#define O_LARGEFILE 0100000	/* io_uring adds it to each open */

SCRATCH(ring_scratch)
SCRATCH(ring_open_scratch)
SCRATCH(ring_change_scratch)

struct io_open___delayed {
	struct delayed_filename filename;
};

struct io_unlink___delayed {
	struct delayed_filename filename;
};

struct io_mkdir___delayed {
	struct delayed_filename filename;
};

struct io_rename___delayed {
	struct delayed_filename oldpath;
	struct delayed_filename newpath;
};

struct io_link___delayed {
	struct delayed_filename oldpath;
	struct delayed_filename newpath;
};

/* The names of a request, one behind the other, each with its NUL. */
struct file_ask {
	__u32 length[2];
	__u64 told;		/* whether its row was written already */
	__u8 names[2 * PATH_BYTES];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct file_ask);
} ask_scratch_map SEC(".maps");

/* By request. One that is never done leaves its entry to be pushed out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, __u64);
	__type(value, struct file_ask);
} file_asks SEC(".maps");

/* Whether the buffer of changes is in use by a task that was preempted. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} ring_change_taken SEC(".maps");

static __always_inline bool touches_files(__u8 opcode)
{
	const __u64 ours = 1ULL << IORING_OP_OPENAT | 1ULL << IORING_OP_OPENAT2 |
			   1ULL << IORING_OP_RENAMEAT | 1ULL << IORING_OP_UNLINKAT |
			   1ULL << IORING_OP_MKDIRAT | 1ULL << IORING_OP_SYMLINKAT |
			   1ULL << IORING_OP_LINKAT;

	return opcode < 64 && ours >> opcode & 1;
}

/* What a request asks for, but for its names. */
static __always_inline void request_arguments(struct io_kiocb *request, struct operation *op)
{
	op->call = CALL_IO_URING;
	switch (READ(io_kiocb, request, opcode)) {
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
		op->kind = FILE_OPEN;
		op->directory[0] = READ(io_open, request, dfd);
		op->flags = READ(io_open, request, how.flags) & ~O_LARGEFILE;
		op->mode = READ(io_open, request, how.mode);
		break;
	case IORING_OP_UNLINKAT:
		op->directory[0] = READ(io_unlink, request, dfd);
		op->flags = READ(io_unlink, request, flags);
		op->kind = op->flags & AT_REMOVEDIR ? FILE_RMDIR : FILE_UNLINK;
		break;
	case IORING_OP_MKDIRAT:
		op->kind = FILE_MKDIR;
		op->directory[0] = READ(io_mkdir, request, dfd);
		op->mode = READ(io_mkdir, request, mode);
		break;
	case IORING_OP_RENAMEAT:
		op->kind = FILE_RENAME;
		op->directory[0] = READ(io_rename, request, old_dfd);
		op->directory[1] = READ(io_rename, request, new_dfd);
		op->flags = READ(io_rename, request, flags);
		break;
	case IORING_OP_LINKAT:
		op->kind = FILE_LINK;
		op->directory[0] = READ(io_link, request, old_dfd);
		op->directory[1] = READ(io_link, request, new_dfd);
		op->flags = READ(io_link, request, flags);
		break;
	case IORING_OP_SYMLINKAT:
		op->kind = FILE_SYMLINK;
		op->directory[1] = READ(io_link, request, new_dfd);
		break;
	}
}

static __always_inline void request_names(struct io_kiocb *request, const void *name[2])
{
	switch (READ(io_kiocb, request, opcode)) {
	case IORING_OP_OPENAT:
	case IORING_OP_OPENAT2:
		name[0] = REQUEST_NAME(io_open, request, filename);
		break;
	case IORING_OP_UNLINKAT:
		name[0] = REQUEST_NAME(io_unlink, request, filename);
		break;
	case IORING_OP_MKDIRAT:
		name[0] = REQUEST_NAME(io_mkdir, request, filename);
		break;
	case IORING_OP_RENAMEAT:
		name[0] = REQUEST_NAME(io_rename, request, oldpath);
		name[1] = REQUEST_NAME(io_rename, request, newpath);
		break;
	case IORING_OP_LINKAT:
	case IORING_OP_SYMLINKAT:
		name[0] = REQUEST_NAME(io_link, request, oldpath);
		name[1] = REQUEST_NAME(io_link, request, newpath);
		break;
	}
}

/* A request was read: keeps its names. */
static __always_inline int asked(struct io_kiocb *request)
{
	const void *name[2] = {};
	struct record_header head;
	struct file_ask *ask;
	__u64 key = (__u64)request;
	__u32 zero = 0;
	long n;

	needs_results();
	if (!touches_files(READ(io_kiocb, request, opcode)) || !scope_current(&head))
		return 0;
	ask = bpf_map_lookup_elem(&ask_scratch_map, &zero);
	if (!ask)
		return 0;
	ask->told = 0;
	request_names(request, name);
	n = bpf_probe_read_kernel_str(ask->names, PATH_BYTES, name[0]);
	if (n < 0 || n > PATH_BYTES)
		n = 0;
	ask->length[0] = n;
	n = bpf_probe_read_kernel_str(ask->names + n, PATH_BYTES, name[1]);
	ask->length[1] = n < 0 ? 0 : n;
	if (bpf_map_update_elem(&file_asks, &key, ask, BPF_ANY))
		count_fate(FILE_OPEN, FATE_TABLE_FULL);
	return 0;
}

SEC("tp_btf/io_uring_submit_req")
int file_ring_asked(__u64 *ctx)
{
	return asked(request_asked(ctx));
}

SEC("tp_btf/io_uring_submit_sqe")
int file_ring_asked_before(__u64 *ctx)
{
	return asked(request_asked_before(ctx));
}

/* The names that were kept, as the given paths; true for each that is relative. */
static __always_inline void kept_names(struct scratch_value *s, const struct file_ask *ask,
				       bool relative[2])
{
	__u32 first = ask->length[0], both = first + ask->length[1];

	if (first > PATH_BYTES || both > 2 * PATH_BYTES)
		return;
	bpf_probe_read_kernel(s->tail, both, ask->names);
	s->record.path[0].given_length = first;
	s->record.path[1].given_length = both - first;
	s->walk.end = both;
	relative[0] = first && s->tail[0] != '/';
	relative[1] = both > first && s->tail[first] != '/';
}

/* The file that a request opened, by its descriptor or in the ring's own table. */
static __always_inline struct file *request_opened(struct io_kiocb *request, struct scratch_value *s,
						   long result)
{
	__u32 slot = READ(io_open, request, file_slot);

	if (result < 0)
		return NULL;
	if (slot)
		return ring_file(request, slot == EVERY_SLOT ? result : slot - 1);
	s->record.fd = result;
	return current_file(result);
}

/*
 * Writes the row of a request. The head is the current thread's, in scope. One that is not done yet
 * is told without a result.
 */
static __always_inline int tell_request(struct scratch_value *s, struct io_kiocb *request,
					const struct file_ask *ask, bool done)
{
	struct operation op = { .directory = { AT_FDCWD, AT_FDCWD }, .fd = -1 };
	long result = done ? request_result(request) : 0;
	bool relative[2] = {};
	struct path base = {};
	struct file *file = NULL;

	request_arguments(request, &op);
	begin(s, &op, result);
	if (ask)
		kept_names(s, ask, relative);
	if (op.kind == FILE_SYMLINK)
		relative[0] = false;
	if (op.kind != FILE_OPEN)
		take_stash(s, op.kind);
	else if (done)
		file = request_opened(request, s, result);
	if (file)
		opened(s, file);
	if (relative[0] && base_of(op.directory[0], &base))
		base_names(s, 0, &base);
	if (relative[1] && base_of(op.directory[1], &base))
		base_names(s, 1, &base);
	return finish(s, op.kind);
}

/* A request is done, here by its completion. */
SEC("tp_btf/io_uring_complete")
int file_ring_done(__u64 *ctx)
{
	struct io_kiocb *request = request_done(ctx);
	struct scratch_value *s = ring_scratch();
	struct file_ask *ask;
	__u64 key = (__u64)request;

	needs_results();
	if (!request || !s || !touches_files(READ(io_kiocb, request, opcode)))
		return 0;
	if (!scope_current(&s->record.header))
		return 0;
	ask = bpf_map_lookup_elem(&file_asks, &key);
	if (!ask || !ask->told)
		tell_request(s, request, ask, true);
	bpf_map_delete_elem(&file_asks, &key);
	return 0;
}

/* A request whose success nobody is told is told at once: whether it came to be is not known. */
static __always_inline int silent(struct io_kiocb *request)
{
	struct scratch_value *s = ring_scratch();
	struct file_ask *ask;
	__u64 key = (__u64)request;

	needs_results();
	if (!s || !touches_files(READ(io_kiocb, request, opcode)) || !request_is_silent(request))
		return 0;
	ask = bpf_map_lookup_elem(&file_asks, &key);
	if (!ask || !scope_current(&s->record.header))
		return 0;
	tell_request(s, request, ask, false);
	ask->told = 1;
	return 0;
}

SEC("tp_btf/io_uring_submit_req")
int file_ring_silent(__u64 *ctx)
{
	return silent(request_asked(ctx));
}

SEC("tp_btf/io_uring_submit_sqe")
int file_ring_silent_before(__u64 *ctx)
{
	return silent(request_asked_before(ctx));
}

/* A request is done, here by the end of the function that did it. */
static __always_inline void did(struct scratch_value *s, struct io_kiocb *request)
{
	__u64 key = (__u64)request;
	struct file_ask *ask;

	if (!s || !scope_current(&s->record.header))
		return;
	ask = bpf_map_lookup_elem(&file_asks, &key);
	tell_request(s, request, ask, true);
	/* Its completion may be seen as well, where another operation has no better hook. */
	if (ask)
		ask->told = 1;
}

/* Unless it did: what would have had to wait is tried again by a worker. */
SEC("fexit/io_openat2")
int BPF_PROG(file_ring_open, struct io_kiocb *request, unsigned int flags, int result)
{
	needs_results();
	if (result)
		return 0;
	hold();
	did(ring_open_scratch(), request);
	let_go();
	return 0;
}

static __always_inline int changed(struct io_kiocb *request, int result)
{
	__u32 zero = 0;
	__u64 *taken = bpf_map_lookup_elem(&ring_change_taken, &zero);

	needs_results();
	if (result || !taken)
		return 0;
	hold();
	if (*taken) {
		count_fate(FILE_UNLINK, FATE_TABLE_FULL);
	} else {
		*taken = 1;
		did(ring_change_scratch(), request);
		*taken = 0;
	}
	let_go();
	return 0;
}

#define CHANGED(NAME, FUNCTION)                                                       \
	SEC("fexit/" #FUNCTION)                                                       \
	int BPF_PROG(NAME, struct io_kiocb *request, unsigned int flags, int result)  \
	{                                                                             \
		return changed(request, result);                                      \
	}

CHANGED(file_ring_unlink, io_unlinkat)
CHANGED(file_ring_rename, io_renameat)
CHANGED(file_ring_mkdir, io_mkdirat)
CHANGED(file_ring_symlink, io_symlinkat)
CHANGED(file_ring_link, io_linkat)

/* Where requests hold no result: the file, by whatever way it is opened, with the kernel's own name. */
SEC("fexit/do_filp_open")
int BPF_PROG(file_ring_filp, int directory, struct filename *name, const struct open_flags *how,
	     struct file *file)
{
	struct operation op = { .kind = FILE_OPEN, .call = CALL_IO_URING, .fd = -1 };
	long result = (long)file;
	struct scratch_value *s;
	struct path base = {};

	if (current_call() != CALL_IO_URING || result == -EAGAIN)
		return 0;
	hold();
	s = ring_open_scratch();
	if (!s || !scope_current(&s->record.header))
		goto out;
	op.flags = BPF_CORE_READ(how, open_flag) & ~O_LARGEFILE;
	op.mode = BPF_CORE_READ(how, mode);
	begin(s, &op, result < 0 && result >= -4095 ? result : 0);
	s->record.path[0].given_length = kernel_string(s->tail, &s->walk, BPF_CORE_READ(name, name));
	if (!s->record.error)
		opened(s, file);
	if (s->record.path[0].given_length && s->tail[0] != '/' && base_of(directory, &base))
		base_names(s, 0, &base);
	finish(s, FILE_OPEN);
out:
	let_go();
	return 0;
}

#endif
