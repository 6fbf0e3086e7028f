/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * From a frame to its caller, in the kernel, without frame pointers.
 *
 * The agent makes of each binary's .eh_frame a table of blocks of 256 bytes (crates/symbols/src/unwind)
 * and enters the mappings of those processes that were seen on a CPU. One call of profile_step() finds
 * the caller of one frame. It is a global function: the verifier walks it once, by itself, and not
 * once more for each frame, so that the very same program goes as deep on 5.10 as on the newest.
 */
#ifndef FATHOM_PROFILE_UNWIND_BPF_H
#define FATHOM_PROFILE_UNWIND_BPF_H

#include "fathom/hook.bpf.h"
#include "fathom/scope.bpf.h"
#include <bpf/bpf_endian.h>
#include "wire.h"

#define KERNEL_FRAMES 127
#define USER_FRAMES 512
#define FRAMES 1024			/* a power of two, more than both */
#define PAGE 4096
#define COPY_PAGES 6
#define TAIL_WORDS 3584			/* frames, or kernel frames and what was copied */
#define BLOCK 256
#define PF_EXITING 0x00000004
#define PF_USER_WORKER 0x00004000
#define PF_KTHREAD 0x00200000
#define BINARIES 8192
#define PROCESSES 16384
#define MAPPINGS 524288
#define SEARCH_STEPS 17			/* a page of 64 KiB has at most 2^16 rows */

enum unwind_cfa {
	CFA_NONE = 0,
	CFA_END = 1,
	CFA_SP = 2,
	CFA_FP = 3,
	CFA_DEREF_FP = 4,
	CFA_DEREF_SP = 5,
	CFA_PLT = 6,
	CFA_SIGNAL = 7,
	CFA_REGISTER = 8,
	CFA_UNSUPPORTED = 9,
};

enum unwind_fp {
	FP_SAME = 0,
	FP_AT_CFA = 1,
	FP_UNDEFINED = 2,
	FP_AT_FP = 3,
};

enum unwind_mapping_type {
	MAPPING_TABLE = 0,	/* its binary has a table */
	MAPPING_FRAMES = 1,	/* it keeps frame pointers, as far as we know */
};

/* The first block of a table. */
struct unwind_head {
	__u64 start;		/* of the first page of 64 KiB */
	__u32 pages;
	__u32 directory_at;	/* blocks */
	__u32 rules_at;
	__u32 rows_at;
	__u32 rows;
	__u32 rules;
};

struct unwind_rule {
	__u8 cfa;
	__u8 fp;
	__s16 fp_offset;
	__s32 cfa_offset;
};

struct unwind_block {
	union {
		__u8 bytes[BLOCK];
		__u32 words[BLOCK / 4];
		struct unwind_rule rules[BLOCK / 8];
		struct unwind_head head;
	};
};

struct unwind_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, BLOCK);	/* struct unwind_block */
};

/* By the number that the agent gave to a binary. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, BINARIES);
	__type(key, __u32);
	__array(values, struct unwind_table);
} profile_tables SEC(".maps");

/* Mappings of code, cut into aligned powers of two. */
struct unwind_key {
	__u32 prefix;		/* bits of what follows */
	__be32 space;
	__be64 address;
} __attribute__((packed));

struct unwind_mapping {
	__u64 begin;
	__u64 end;
	__u64 bias;		/* what is taken off an address to have the binary's own */
	__u32 binary;
	__u32 type;		/* unwind_mapping_type */
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MAPPINGS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct unwind_key);
	__type(value, struct unwind_mapping);
} profile_mappings SEC(".maps");

/*
 * The processes whose mappings are entered. The number of a space is never used twice, so neither a
 * pid that is used again nor a new image in the same process meets what was entered before.
 */
struct unwind_space {
	__u64 start;
	__u32 space;
	__u32 python;		/* in profile_pythons; 0: no interpreter is known */
	__u64 runtime;		/* where that keeps its threads */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PROCESSES);
	__type(key, __u32);
	__type(value, struct unwind_space);
} profile_spaces SEC(".maps");

/* What the agent tells the programs. */
struct profile_told {
	__u64 period;		/* nanoseconds between two samples of a CPU */
	__u64 wait_period;	/* waits are sampled once in so many nanoseconds of waiting */
	__u32 copies;		/* so many stacks may be copied each second, on each CPU */
	__u32 waits;		/* so many waits may be told each second, on each CPU */
	__u32 every;		/* one tick in so many is sampled */
	__u32 spare;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct profile_told);
} profile_told SEC(".maps");

/* A walk, in a buffer; the verifier knows nothing of what is read from it, so all turns look alike. */
struct walk {
	struct profile_stack_record record;
	__u64 tail[TAIL_WORDS];
	struct unwind_mapping mapping;
	struct pt_regs regs;
	__u64 pc;
	__u64 sp;
	__u64 fp;
	__u32 at;		/* words of the tail that are used */
	__u32 low;		/* the search's bounds */
	__u32 high;
	__u32 exact;		/* the pc is where the thread stopped, not behind a call */
	__u32 by_pointer;	/* a frame pointer led here */
	__u32 pad;
	__u64 second;		/* which second the copies are counted for */
	__u32 copies;
	__u32 ticks;
};

/* One for each program that walks: they may interrupt each other. */
enum walker {
	WALKER_CLOCK = 0,
	WALKER_WAIT = 1,
	WALKER_SWITCH = 2,
	WALKERS = 3,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WALKERS);
	__type(key, __u32);
	__type(value, struct walk);
} profile_walks SEC(".maps");

static __always_inline struct unwind_block *block_of(void *table, __u32 number)
{
	return bpf_map_lookup_elem(table, &number);
}

static __always_inline bool read_word(__u64 *to, __u64 address)
{
	return !bpf_probe_read_user(to, sizeof(*to), (void *)address);
}

/* Ends the walk. */
static __always_inline int stop(struct walk *w, __u16 why)
{
	w->record.end = why;
	return 1;
}

/* Where the rule's numbers are for what the DWARF numbers of registers stand for. */
static __always_inline __u64 register_of(const struct pt_regs *regs, __u32 number)
{
	switch (number) {
	case 0: return regs->ax;
	case 1: return regs->dx;
	case 2: return regs->cx;
	case 3: return regs->bx;
	case 4: return regs->si;
	case 5: return regs->di;
	case 6: return regs->bp;
	case 7: return regs->sp;
	case 8: return regs->r8;
	case 9: return regs->r9;
	case 10: return regs->r10;
	case 11: return regs->r11;
	case 12: return regs->r12;
	case 13: return regs->r13;
	case 14: return regs->r14;
	case 15: return regs->r15;
	}
	return 0;
}

/* Finds the mapping of an address; false where there is none. */
static __always_inline bool find_mapping(struct walk *w, __u64 address)
{
	struct unwind_key key = {
		.prefix = 96,
		.space = bpf_htonl(w->record.space),
		.address = bpf_cpu_to_be64(address),
	};
	struct unwind_mapping *found;

	if (address - w->mapping.begin < w->mapping.end - w->mapping.begin)
		return true;
	found = bpf_map_lookup_elem(&profile_mappings, &key);
	if (!found)
		return false;
	w->mapping = *found;
	return true;
}

/*
 * The rule for an address, given as the binary counts; the rule "nothing" where it has none. False
 * where there is no table.
 */
static __always_inline bool find_rule(struct walk *w, __u64 address, struct unwind_rule *rule)
{
	void *table = bpf_map_lookup_elem(&profile_tables, &w->mapping.binary);
	struct unwind_block *block;
	__u32 page, row, rules_at, rows_at, directory_at, i;
	volatile __u32 *low = &w->low, *high = &w->high;

	__builtin_memset(rule, 0, sizeof(*rule));
	block = table ? block_of(table, 0) : NULL;
	if (!block)
		return false;
	/* An empty table is that of a binary without one: its frame pointers are tried. */
	if (address < block->head.start || (address - block->head.start) >> 16 >= block->head.pages)
		return true;
	page = (address - block->head.start) >> 16;
	rules_at = block->head.rules_at;
	rows_at = block->head.rows_at;
	directory_at = block->head.directory_at;

	block = block_of(table, directory_at + page / (BLOCK / 4));
	if (!block)
		return true;
	*low = block->words[page % (BLOCK / 4)];
	page++;
	block = block_of(table, directory_at + page / (BLOCK / 4));
	if (!block)
		return true;
	*high = block->words[page % (BLOCK / 4)];
	if (*low >= *high)
		return true;
	/* The last row at or below; the page's first is at 0. */
	for (i = 0; i < SEARCH_STEPS; i++) {
		__u32 from = *low, to = *high, middle = (from + to) / 2;

		if (to - from <= 1)
			break;
		block = block_of(table, rows_at + middle / (BLOCK / 4));
		if (!block)
			return true;
		row = block->words[middle % (BLOCK / 4)];
		if ((__u16)row <= (__u16)address)
			*low = middle;
		else
			*high = middle;
	}
	row = *low;
	block = block_of(table, rows_at + row / (BLOCK / 4));
	if (!block)
		return true;
	row = block->words[row % (BLOCK / 4)] >> 16;
	block = block_of(table, rules_at + row / (BLOCK / 8));
	if (block)
		*rule = block->rules[row % (BLOCK / 8)];
	return true;
}

/* The caller by the frame pointer: what code without a table may have kept. */
static __always_inline int step_by_frame_pointer(struct walk *w)
{
	__u64 saved[2], fp = w->fp;

	/* The first frame of a thread has none above it; one that was lost on the way says nothing. */
	if (!fp)
		return stop(w, w->by_pointer ? PROFILE_END_BOTTOM : PROFILE_END_NO_RULE);
	if (fp < w->sp || fp & 7)
		return stop(w, PROFILE_END_NO_RULE);
	if (bpf_probe_read_user(saved, sizeof(saved), (void *)fp))
		return stop(w, PROFILE_END_UNREADABLE);
	if (!saved[1])
		return stop(w, PROFILE_END_BOTTOM);
	w->fp = saved[0];
	w->pc = saved[1];
	w->sp = fp + sizeof(saved);
	w->exact = 0;
	w->by_pointer = 1;
	return 0;
}

/* The caller of a signal's handler: what the signal interrupted, as it was. */
static __always_inline int step_over_signal(struct walk *w, __s32 offset)
{
	__u64 saved[7];		/* bp bx dx ax cx sp ip, from the tenth general register on */

	if (bpf_probe_read_user(saved, sizeof(saved), (void *)(w->sp + offset + 10 * sizeof(__u64))))
		return stop(w, PROFILE_END_UNREADABLE);
	w->fp = saved[0];
	w->sp = saved[5];
	w->pc = saved[6];
	w->exact = 1;
	return 0;
}

static __always_inline int step_by_rule(struct walk *w, const struct unwind_rule *rule)
{
	__s16 low = (__s16)rule->cfa_offset, high = rule->cfa_offset >> 16;
	__u64 cfa, caller, fp = w->fp;

	switch (rule->cfa) {
	case CFA_NONE:
		return step_by_frame_pointer(w);
	case CFA_END:
		return stop(w, PROFILE_END_BOTTOM);
	case CFA_SP:
		cfa = w->sp + rule->cfa_offset;
		break;
	case CFA_FP:
		cfa = fp + rule->cfa_offset;
		break;
	case CFA_DEREF_FP:
		if (!read_word(&cfa, fp + low))
			return stop(w, PROFILE_END_UNREADABLE);
		cfa += high;
		break;
	case CFA_DEREF_SP:
		if (!read_word(&cfa, w->sp + low))
			return stop(w, PROFILE_END_UNREADABLE);
		cfa += high;
		break;
	case CFA_PLT:
		cfa = w->sp + 8 + ((w->pc & 15) >= rule->cfa_offset ? 8 : 0);
		break;
	case CFA_SIGNAL:
		return step_over_signal(w, rule->cfa_offset);
	case CFA_REGISTER:
		if (w->record.user_frames != 1)
			return stop(w, PROFILE_END_UNSUPPORTED);
		cfa = register_of(&w->regs, high) + low;
		break;
	default:
		return stop(w, PROFILE_END_UNSUPPORTED);
	}
	if (cfa <= w->sp)
		return stop(w, PROFILE_END_STUCK);
	if (!read_word(&caller, cfa - 8))
		return stop(w, PROFILE_END_UNREADABLE);
	/* Without its frame pointer a caller may still be found: most rules do not need it. */
	if (rule->fp == FP_AT_CFA && !read_word(&w->fp, cfa + rule->fp_offset))
		w->fp = 0;
	if (rule->fp == FP_AT_FP && !read_word(&w->fp, fp + rule->fp_offset))
		w->fp = 0;
	if (rule->fp == FP_UNDEFINED)
		w->fp = 0;
	if (!caller)
		return stop(w, PROFILE_END_BOTTOM);
	w->pc = caller;
	w->sp = cfa;
	w->exact = 0;
	w->by_pointer = 0;
	return 0;
}

/*
 * Notes the frame at hand and goes on to its caller. Not 0 where there is none to go to; why is in the
 * record.
 */
__attribute__((noinline)) int profile_step(__u32 walker)
{
	struct walk *w = bpf_map_lookup_elem(&profile_walks, &walker);
	struct unwind_rule rule;
	__u64 address;

	if (!w)
		return 1;
	if (w->record.user_frames >= USER_FRAMES)
		return stop(w, PROFILE_END_DEEP);
	w->tail[w->at & (FRAMES - 1)] = w->pc;
	w->at++;
	w->record.user_frames++;
	/* A caller stands behind its call, which may be its function's last instruction. */
	address = w->pc - !w->exact;
	if (!w->record.space)
		return stop(w, PROFILE_END_UNKNOWN);
	if (!find_mapping(w, address))
		return stop(w, PROFILE_END_UNMAPPED);
	if (w->mapping.type == MAPPING_FRAMES)
		return step_by_frame_pointer(w);
	if (!find_rule(w, address - w->mapping.bias, &rule))
		return stop(w, PROFILE_END_NO_TABLE);
	return step_by_rule(w, &rule);
}

/*
 * The bytes of the stack themselves in place of its frames, where the walk did not know its way: the
 * agent then finds it. Not more often than it was told, and not where the stack is plain broken.
 */
static __always_inline void copy_stack(struct walk *w, const struct profile_told *told)
{
	__u64 now = w->record.header.time >> 30;	/* about a second */
	__u32 first = PAGE - (w->record.sp & (PAGE - 1)), frames = w->record.kernel_frames, at = 0, i;

	if (w->record.end < PROFILE_END_UNKNOWN || w->record.end > PROFILE_END_NO_TABLE)
		return;
	if (w->second != now) {
		w->second = now;
		w->copies = 0;
	}
	if (w->copies >= told->copies || frames > KERNEL_FRAMES)
		return;
	w->copies++;
	for (i = 0; i < COPY_PAGES; i++) {
		__u32 size = i ? PAGE : first;

		if (size > PAGE || at > (COPY_PAGES - 1) * PAGE)
			break;
		if (bpf_probe_read_user((__u8 *)&w->tail[frames] + at, size,
					(void *)(w->record.sp + at)))
			break;
		at += size;
	}
	if (!at)
		return;
	/* Whole words: there is more behind it. */
	w->record.copied = at & ~7u;
	w->record.user_frames = 0;
	w->at = frames;
}

/* Threads that never are in user space: the kernel's own, and its workers in processes. */
static __always_inline bool in_kernel_only(struct task_struct *task)
{
	return READ(task_struct, task, flags) & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER);
}

/* Walks up the user stack of the current thread. */
static __always_inline void walk_user(struct walk *w, __u32 walker)
{
	struct pt_regs *regs = entry_registers();
	struct unwind_space *known;
	int i;

	w->record.user_frames = 0;
	w->record.copied = 0;
	w->record.space = 0;
	w->record.end = PROFILE_END_NO_USER;
	if (in_kernel_only(current_task()))
		return;
	if (bpf_probe_read_kernel(&w->regs, sizeof(w->regs), regs))
		return;
	w->record.ip = w->pc = w->regs.ip;
	w->record.sp = w->sp = w->regs.sp;
	w->record.fp = w->fp = w->regs.bp;
	w->exact = 1;
	w->by_pointer = 0;
	w->mapping.begin = w->mapping.end = 0;
	known = bpf_map_lookup_elem(&profile_spaces, &w->record.header.tgid);
	if (known && known->start == w->record.header.start)
		w->record.space = known->space;
	for (i = 0; i <= USER_FRAMES; i++)
		if (profile_step(walker))
			break;
}

/* Sends the record with what stands behind it. */
static __always_inline void send_walk(struct walk *w)
{
	__u32 size = sizeof(w->record) + w->at * sizeof(__u64) + w->record.copied;

	if (size <= sizeof(w->record) + sizeof(w->tail))
		submit(&fathom_bulk, &w->record.header, size);
}

#endif
