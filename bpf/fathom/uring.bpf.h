/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Operations of io_uring: what is asked for is in the kernel's own request, and so is its result.
 * Whoever does it, the caller, a worker or the thread that polls for it, is a thread of the process
 * that asked.
 */
#ifndef FATHOM_URING_BPF_H
#define FATHOM_URING_BPF_H

#include "path.bpf.h"
#include "hook.bpf.h"

/* The success of this one is told to nobody, its failure is. */
#define REQUEST_SILENT (1 << IOSQE_CQE_SKIP_SUCCESS_BIT)
/* Its number is one in the ring's own table. */
#define REQUEST_FIXED (1 << IOSQE_FIXED_FILE_BIT)
#define EVERY_SLOT (~0U)	/* in place of a slot's number: any that is free */

/* Since 7.0 names stand in a struct of their own. */
struct delayed_filename {
	struct filename *__incomplete_filename;
};

/* The kernel's copy of a name in a request: the caller cannot rewrite it. */
#define REQUEST_NAME(TYPE, request, field)                                            \
	({                                                                            \
		struct TYPE##___delayed *delayed_ = (void *)(request);                \
		struct filename *name_;                                               \
                                                                                      \
		if (bpf_core_field_exists(((struct TYPE *)0)->field))                 \
			name_ = READ(TYPE, request, field);                           \
		else                                                                  \
			name_ = BPF_CORE_READ(delayed_, field.__incomplete_filename); \
		READ(filename, name_, name);                                          \
	})

/* A request that was read and is being handed on. */
static __always_inline struct io_kiocb *request_asked(__u64 *ctx)
{
	if (fathom_told.classic)
		return ((struct trace_event_raw_io_uring_submit_req *)ctx)->req;
	return (struct io_kiocb *)BTF_ARGUMENT(ctx, 0);
}

/* The same before 6.4, under another name. */
static __always_inline struct io_kiocb *request_asked_before(__u64 *ctx)
{
	return (struct io_kiocb *)BTF_ARGUMENT(ctx, 0);
}

/* A request that is done; null for one more completion of a request that goes on. */
static __always_inline struct io_kiocb *request_done(__u64 *ctx)
{
	if (fathom_told.classic)
		return ((struct trace_event_raw_io_uring_complete *)ctx)->req;
	return (struct io_kiocb *)BTF_ARGUMENT(ctx, 1);
}

/*
 * Before 5.19 requests hold no result and tracepoints tell no request: such a kernel refuses the
 * program for reading this without asking whether it is there, and the hook is told as missing.
 */
static __always_inline void needs_results(void)
{
	asm volatile("" : : "r"(bpf_core_field_offset(struct io_kiocb, cqe)));
}

static __always_inline __s32 request_result(struct io_kiocb *request)
{
	return READ(io_kiocb, request, cqe.res);
}

static __always_inline bool request_is_silent(struct io_kiocb *request)
{
	return (__u32)READ(io_kiocb, request, flags) & REQUEST_SILENT;
}

struct io_fixed_file {
	unsigned long file_ptr;
};

struct io_file_table___flat {
	struct io_fixed_file *files;
};

struct io_ring_ctx___flat {
	struct io_file_table___flat file_table;
};

/* A file in a ring's own table, which no descriptor leads to. Pointers there have marks in them. */
static __always_inline struct file *ring_file(struct io_kiocb *request, __u32 slot)
{
	struct io_ring_ctx *ring = READ(io_kiocb, request, ctx);
	struct io_ring_ctx___flat *flat = (void *)ring;
	struct io_fixed_file *files;
	struct io_rsrc_node **nodes, *node = NULL;
	unsigned long file = 0;

	if (bpf_core_field_exists(ring->file_table.data)) {
		nodes = READ(io_ring_ctx, ring, file_table.data.nodes);
		bpf_probe_read_kernel(&node, sizeof(node), nodes + slot);
		file = READ(io_rsrc_node, node, file_ptr);
	} else {
		files = BPF_CORE_READ(flat, file_table.files);
		bpf_probe_read_kernel(&file, sizeof(file), files + slot);
	}
	return (struct file *)(file & ~7UL);
}

#endif
