/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The functions that a Python interpreter runs, in whose stack in C they do not show. CPython keeps
 * for each of its threads a list of frames; where those lists are the agent knows from the binary
 * (crates/symbols/src/python), and enters it for the binary and for each process.
 *
 * What a function is called is told once, when it is first met, so that it is known even where the
 * process has gone by then. All of it is memory of the process: it may hold anything, so every walk is
 * bounded, and what cannot be read ends it.
 */
#ifndef FATHOM_PROFILE_PYTHON_BPF_H
#define FATHOM_PROFILE_PYTHON_BPF_H

#include "unwind.bpf.h"

#define PYTHONS 256
#define PYTHON_CODES 32768
#define PYTHON_FRAMES 128
#define PYTHON_STEPS 256		/* frames of an interpreter's own are passed over */
#define PYTHON_THREADS 256		/* thread states that are looked at */
#define PYTHON_NAME_BYTES 256		/* of a function's or file's name */
#define PYTHON_TABLE_BYTES 1024
#define PYTHON_TOLD 1000		/* functions told in a second, by each program on each CPU */
#define PYTHON_TAIL 3072		/* what the masks below let through */
#define PYTHON_FRAME_WORDS 16
#define PYTHON_CODE_WORDS 32
#define PYTHON_OWNED_BY_C 3		/* from here on a frame stands for an entry from C */
#define PYTHON_TAGS 7			/* bits of a reference that are not of its address */
#define PYTHON_TEXT_COMPACT 8		/* of the state of a text, behind the kind */
#define PYTHON_TEXT_ASCII 16
#define PYTHON_TEXT_MAX (1 << 20)
#define PYTHON_NONE 0xffffffff		/* there is no such field */

/* Where in an interpreter's structs things are, in bytes; the agent writes it. */
struct python_offsets {
	__u32 interpreters;	/* in _PyRuntime: the first interpreter */
	__u32 interpreter_next;
	__u32 threads;		/* in an interpreter: its first thread */
	__u32 thread_next;
	__u32 thread_id;	/* what pthread_self() gives, which is where its %fs points */
	__u32 current;		/* in a thread: its innermost frame, or what that is behind */
	__u32 current_behind;	/* in that; PYTHON_NONE where the thread has it itself */
	__u32 frame_bytes;	/* so much of a frame is read */
	__u32 previous;
	__u32 executable;
	__u32 instruction;
	__u32 owner;
	__u32 entry;		/* whether C entered here; PYTHON_NONE where a frame of its own says so */
	__u32 code_bytes;	/* so much of a code object is read */
	__u32 first_line;
	__u32 name;
	__u32 file;
	__u32 table;
	__u32 instructions;	/* in a code object: the first */
	__u32 bytes_size;	/* in a bytes object */
	__u32 bytes_data;
	__u32 text_length;	/* in a str object */
	__u32 text_state;
	__u32 text_kind;	/* the first bit of the kind in the state */
	__u32 text_ascii;	/* the data of one that is ASCII */
	__u32 text_other;	/* the data of one that is not */
};

/* By the number that the agent gave to a binary; 0 is none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PYTHONS);
	__type(key, __u32);
	__type(value, struct python_offsets);
} profile_pythons SEC(".maps");

struct python_code_key {
	__u64 code;
	__u32 space;
	__u32 spare;
};

/* The functions that were told, with what tells one from another at the same address. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PYTHON_CODES);
	__type(key, struct python_code_key);
	__type(value, __u64);
} profile_codes SEC(".maps");

/* A thread whose state took long to find, or was not found in this second. */
struct python_thread {
	__u64 thread;
	__u64 second;
	__u32 space;
	__u32 spare;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct python_thread);
} profile_python_threads SEC(".maps");

struct python_walk {
	__u64 own;		/* what pthread_self() gives */
	__u64 interpreter;
	__u64 thread;
	__u64 frame;
	__u64 code;
	__u64 fingerprint;
	__u64 second;		/* which second `told` is counted for */
	__u32 told;
	__u32 python;
	union {
		__u64 words[PYTHON_FRAME_WORDS];
		__u8 bytes[PYTHON_FRAME_WORDS * 8];
	} in_frame;
	union {
		__u64 words[PYTHON_CODE_WORDS];
		__u32 halves[PYTHON_CODE_WORDS * 2];
	} in_code;
	struct profile_code_record record;
	__u8 tail[PYTHON_TAIL];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WALKERS);
	__type(key, __u32);
	__type(value, struct python_walk);
} profile_python_walks SEC(".maps");

/*
 * Copies a str to the tail at `at`: as it is in memory, of one, two or four bytes a letter. Of a long
 * one the begin, or the end. Gives the bytes.
 */
static __always_inline __u32 read_text(struct python_walk *p, const struct python_offsets *o,
				       __u64 text, __u32 at, bool end, __u8 *kind)
{
	__u64 length = 0, from;
	__u32 state = 0, bytes;

	*kind = 0;
	if (!read_word(&length, text + o->text_length) || length > PYTHON_TEXT_MAX)
		return 0;
	if (bpf_probe_read_user(&state, sizeof(state), (void *)(text + o->text_state)))
		return 0;
	state >>= o->text_kind & 31;
	if (!(state & PYTHON_TEXT_COMPACT))
		return 0;
	from = text + (state & PYTHON_TEXT_ASCII ? o->text_ascii : o->text_other);
	length *= state & 7;
	bytes = length < PYTHON_NAME_BYTES ? length : PYTHON_NAME_BYTES;
	if (end)
		from += length - bytes;
	bytes &= 2 * PYTHON_NAME_BYTES - 1;
	if (bpf_probe_read_user(p->tail + (at & 1023), bytes, (void *)from))
		return 0;
	*kind = state & 7;
	return bytes;
}

/* Tells what the function at hand is called, and which lines its instructions are from. */
__attribute__((noinline)) int profile_code(__u32 walker)
{
	struct walk *w = bpf_map_lookup_elem(&profile_walks, &walker);
	struct python_walk *p = bpf_map_lookup_elem(&profile_python_walks, &walker);
	struct python_offsets *o = p ? bpf_map_lookup_elem(&profile_pythons, &p->python) : NULL;
	struct python_code_key key = {};
	__u64 table, size = 0;
	__u32 at, bytes;

	if (!w || !p || !o)
		return 0;
	/* A process may make up functions without end. */
	if (p->second != w->record.header.time >> 30) {
		p->second = w->record.header.time >> 30;
		p->told = 0;
	}
	if (p->told >= PYTHON_TOLD) {
		count_fate(PROFILE_CODE, FATE_BUDGET);
		return 0;
	}
	p->told++;
	p->record.header = w->record.header;
	p->record.header.kind = PROFILE_CODE;
	p->record.code = key.code = p->code;
	p->record.space = key.space = w->record.space;
	p->record.spare = 0;
	p->record.first_line = p->in_code.halves[o->first_line / 4 & (PYTHON_CODE_WORDS * 2 - 1)];
	at = read_text(p, o, p->in_code.words[o->name / 8 & (PYTHON_CODE_WORDS - 1)], 0, false,
		       &p->record.name_kind);
	p->record.name_bytes = at;
	/* It may be in memory the next time that it is met. */
	if (!p->record.name_kind) {
		count_fate(PROFILE_CODE, FATE_UNREADABLE);
		return 0;
	}
	bytes = read_text(p, o, p->in_code.words[o->file / 8 & (PYTHON_CODE_WORDS - 1)], at, true,
			  &p->record.file_kind);
	p->record.file_bytes = bytes;
	at += bytes;
	table = p->in_code.words[o->table / 8 & (PYTHON_CODE_WORDS - 1)];
	if (!read_word(&size, table + o->bytes_size))
		size = 0;
	p->record.table_size = size < PYTHON_TEXT_MAX ? size : PYTHON_TEXT_MAX;
	bytes = size < PYTHON_TABLE_BYTES ? size : PYTHON_TABLE_BYTES;
	bytes &= 2 * PYTHON_TABLE_BYTES - 1;
	if (bpf_probe_read_user(p->tail + (at & 1023), bytes, (void *)(table + o->bytes_data)))
		bytes = 0;
	p->record.table_bytes = bytes;
	bytes = sizeof(p->record) + at + bytes;
	if (bytes > sizeof(p->record) + sizeof(p->tail))
		return 0;
	/* What did not arrive is told again when it is met again. */
	if (submit_to(&fathom_bulk, worker_of(&p->record.header), &p->record.header, bytes,
		      BPF_RB_NO_WAKEUP))
		bpf_map_update_elem(&profile_codes, &key, &p->fingerprint, BPF_ANY);
	return 0;
}

static __always_inline int python_stop(struct walk *w, __u16 why)
{
	w->record.code_end = why;
	return 1;
}

/* Where the next frame is noted: behind all that the record has. Past the end where there is no room. */
static __always_inline __u32 python_place(const struct walk *w)
{
	return w->at + w->record.copied / sizeof(__u64);
}

/*
 * Notes the Python frame at hand and goes on to its caller. Not 0 where there is none to go to; why is
 * in the record.
 */
__attribute__((noinline)) int profile_python_step(__u32 walker)
{
	struct walk *w = bpf_map_lookup_elem(&profile_walks, &walker);
	struct python_walk *p = bpf_map_lookup_elem(&profile_python_walks, &walker);
	struct python_offsets *o = p ? bpf_map_lookup_elem(&profile_pythons, &p->python) : NULL;
	struct python_code_key key = {};
	__u64 *known, instruction;
	__u32 place, marks = 0;

	if (!w || !p || !o)
		return 1;
	if (!p->frame)
		return python_stop(w, PROFILE_CODE_END_BOTTOM);
	if (bpf_probe_read_user(&p->in_frame, o->frame_bytes & (sizeof(p->in_frame) - 1),
				(void *)p->frame))
		return python_stop(w, PROFILE_CODE_END_UNREADABLE);
	p->frame = p->in_frame.words[o->previous / 8 & (PYTHON_FRAME_WORDS - 1)];
	place = python_place(w);
	if (o->entry == PYTHON_NONE) {
		/* C enters by a frame of its own, which stands above the callee's. */
		if (p->in_frame.bytes[o->owner & (sizeof(p->in_frame) - 1)] >= PYTHON_OWNED_BY_C) {
			if (w->record.code_frames && place - 1 < TAIL_WORDS)
				w->tail[place - 1] |= PROFILE_CODE_ENTRY;
			return 0;
		}
	} else if (p->in_frame.bytes[o->entry & (sizeof(p->in_frame) - 1)]) {
		marks = PROFILE_CODE_ENTRY;
	}
	if (w->record.code_frames >= PYTHON_FRAMES || place >= TAIL_WORDS - 1)
		return python_stop(w, PROFILE_CODE_END_DEEP);
	p->code = p->in_frame.words[o->executable / 8 & (PYTHON_FRAME_WORDS - 1)] &
		  ~(__u64)PYTHON_TAGS;
	if (bpf_probe_read_user(&p->in_code, o->code_bytes & (sizeof(p->in_code) - 1),
				(void *)p->code))
		return python_stop(w, PROFILE_CODE_END_UNREADABLE);
	instruction = p->in_frame.words[o->instruction / 8 & (PYTHON_FRAME_WORDS - 1)] -
		      (p->code + o->instructions);
	if (instruction >> 32) {
		/* One that has not begun stands before its first. */
		marks |= PROFILE_CODE_NO_PLACE;
		instruction = 0;
	}
	w->tail[place] = p->code;
	place++;
	if (place < TAIL_WORDS)
		w->tail[place] = instruction << 8 | marks;
	w->at += 2;
	w->record.code_frames++;

	p->fingerprint = p->in_code.words[o->name / 8 & (PYTHON_CODE_WORDS - 1)] +
			 0x9E3779B97F4A7C15ull *
				 p->in_code.halves[o->first_line / 4 & (PYTHON_CODE_WORDS * 2 - 1)];
	key.code = p->code;
	key.space = w->record.space;
	known = bpf_map_lookup_elem(&profile_codes, &key);
	if (!known || *known != p->fingerprint)
		profile_code(walker);
	return 0;
}

/* Whether the thread state at hand is the current thread's; else goes on to the next. */
__attribute__((noinline)) int profile_python_thread(__u32 walker)
{
	struct python_walk *p = bpf_map_lookup_elem(&profile_python_walks, &walker);
	struct python_offsets *o = p ? bpf_map_lookup_elem(&profile_pythons, &p->python) : NULL;
	__u64 id = 0;

	if (!p || !o)
		return 1;
	if (!p->thread) {
		if (!p->interpreter)
			return 1;
		if (!read_word(&p->thread, p->interpreter + o->threads) ||
		    !read_word(&p->interpreter, p->interpreter + o->interpreter_next))
			p->thread = p->interpreter = 0;
		return 0;
	}
	if (!read_word(&id, p->thread + o->thread_id)) {
		p->thread = 0;
		return 1;
	}
	if (id == p->own)
		return 1;
	if (!read_word(&p->thread, p->thread + o->thread_next))
		p->thread = 0;
	return 0;
}

/* Finds the current thread's state; false where it has none. */
static __always_inline bool find_python_thread(struct walk *w, struct python_walk *p,
					       const struct python_offsets *o, __u64 runtime,
					       __u32 walker)
{
	__u32 tid = w->record.header.tid, i;
	struct python_thread found = {}, *known = bpf_map_lookup_elem(&profile_python_threads, &tid);
	__u64 second = w->record.header.time >> 30, id = 0;

	p->own = READ(task_struct, current_task(), thread.fsbase);
	p->thread = p->interpreter = 0;
	if (known && known->space == w->record.space) {
		if (!known->thread && known->second == second)
			return false;
		if (known->thread && read_word(&id, known->thread + o->thread_id) && id == p->own) {
			p->thread = known->thread;
			return true;
		}
	}
	if (!read_word(&p->interpreter, runtime + o->interpreters))
		return false;
	for (i = 0; i < PYTHON_THREADS; i++)
		if (profile_python_thread(walker))
			break;
	if (i == PYTHON_THREADS)
		p->thread = 0;
	if (i > 16) {
		found.thread = p->thread;
		found.second = second;
		found.space = w->record.space;
		bpf_map_update_elem(&profile_python_threads, &tid, &found, BPF_ANY);
	}
	return p->thread;
}

/* Walks up the frames of the Python interpreter that the current thread is in, if any. */
static __always_inline void walk_python(struct walk *w, __u32 walker)
{
	struct unwind_space *known = bpf_map_lookup_elem(&profile_spaces, &w->record.header.tgid);
	struct python_walk *p = bpf_map_lookup_elem(&profile_python_walks, &walker);
	struct python_offsets *o;
	__u32 i;

	if (!w->record.space || !known || !known->python || !p)
		return;
	p->python = known->python;
	o = bpf_map_lookup_elem(&profile_pythons, &p->python);
	if (!o)
		return;
	if (!find_python_thread(w, p, o, known->runtime, walker)) {
		w->record.code_end = PROFILE_CODE_END_NO_THREAD;
		return;
	}
	w->record.code_end = PROFILE_CODE_END_UNREADABLE;
	if (!read_word(&p->frame, p->thread + o->current))
		return;
	if (o->current_behind != PYTHON_NONE && !read_word(&p->frame, p->frame + o->current_behind))
		return;
	for (i = 0; i < PYTHON_STEPS; i++)
		if (profile_python_step(walker))
			return;
	w->record.code_end = PROFILE_CODE_END_DEEP;
}

#endif
