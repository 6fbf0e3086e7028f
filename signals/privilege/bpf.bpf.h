/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* bpf(2): programs, maps and links, made, had, pinned and attached by others than us. */
#ifndef FATHOM_PRIVILEGE_BPF_BPF_H
#define FATHOM_PRIVILEGE_BPF_BPF_H

#include "call.bpf.h"

/* Where the members of union bpf_attr lie that are read; the system call's interface. */
#define ATTR_TYPE 0		/* PROG_LOAD, MAP_CREATE */
#define ATTR_PROGRAM_NAME 48	/* PROG_LOAD */
#define ATTR_MAP_NAME 28	/* MAP_CREATE */
#define ATTR_PATH 0		/* OBJ_PIN, OBJ_GET */
#define ATTR_PINNED 8		/* OBJ_PIN */
#define ATTR_ATTACHED 4		/* PROG_ATTACH, PROG_DETACH */
#define ATTR_LINKED 0		/* LINK_CREATE, LINK_UPDATE, LINK_DETACH */
#define ATTR_LINK_PROGRAM 4	/* LINK_UPDATE */
#define ATTR_ATTACH_TYPE 8	/* PROG_ATTACH, PROG_DETACH, LINK_CREATE */
#define ATTR_TRACEPOINT 0	/* RAW_TRACEPOINT_OPEN: its name */
#define ATTR_TRACED 8		/* RAW_TRACEPOINT_OPEN */

/*
 * Reading and writing of elements, test runs, and questions: an agent makes thousands a second of
 * them. 1 to 4 MAP_*_ELEM, GET_NEXT_KEY; 10 PROG_TEST_RUN; 11, 12 GET_NEXT_ID; 15 INFO_BY_FD;
 * 16 PROG_QUERY; 20 TASK_FD_QUERY; 21 LOOKUP_AND_DELETE; 23 BTF_GET_NEXT_ID; 24 to 27 BATCH;
 * 31 LINK_GET_NEXT_ID; 37 PROG_STREAM_READ.
 */
#define QUIET_COMMANDS 0x208fb19c1eULL

static __always_inline __u32 attr_number(const void *attr, __u32 at)
{
	__u32 number = 0;

	bpf_probe_read_user(&number, sizeof(number), attr + at);
	return number;
}

static __always_inline void attr_text(char *to, __u32 size, const void *attr, __u32 at)
{
	const void *text = NULL;

	if (!bpf_probe_read_user(&text, sizeof(text), attr + at) && text)
		read_user_string(to, size, text);
}

static __always_inline void program(struct privilege_bpf_record *record, struct bpf_prog *prog)
{
	struct bpf_prog_aux *aux = READ(bpf_prog, prog, aux);

	record->object_type = READ(bpf_prog, prog, type);
	record->id = READ(bpf_prog_aux, aux, id);
	bpf_probe_read_kernel(record->name, sizeof(record->name),
			      (void *)aux + bpf_core_field_offset(struct bpf_prog_aux, name));
}

/* What the kernel calls the files of bpf(2)'s: "bpf-prog", "bpf-map", "bpf_link" or "bpf-link". */
#define PROGRAM_FILE 0x676f72702d667062ULL
#define MAP_FILE 0x70616d2d667062ULL
#define LINK_FILE 0x6b6e696c5f667062ULL
#define LINK_FILE_DASH 0x6b6e696c2d667062ULL

static __always_inline void object_of(struct privilege_bpf_record *record, int fd)
{
	struct file *file = current_file(fd);
	struct bpf_map *map;
	const void *name;
	__u64 start = 0;
	void *object;

	if (!file)
		return;
	name = READ(dentry, READ(file, file, f_path.dentry), d_name.name);
	object = READ(file, file, private_data);
	if (bpf_probe_read_kernel(&start, sizeof(start), name))
		return;
	if (start == PROGRAM_FILE) {
		record->object = OBJECT_PROGRAM;
		program(record, object);
	} else if (start == LINK_FILE || start == LINK_FILE_DASH) {
		record->object = OBJECT_LINK;
		program(record, READ(bpf_link, object, prog));
	} else if (start == MAP_FILE) {
		map = object;
		record->object = OBJECT_MAP;
		record->object_type = READ(bpf_map, map, map_type);
		record->id = READ(bpf_map, map, id);
		bpf_probe_read_kernel(record->name, sizeof(record->name),
				      (void *)map + bpf_core_field_offset(struct bpf_map, name));
	}
}

/* MAP_CREATE (0) and PROG_LOAD (5): what a call that failed had asked for. */
static __always_inline void asked_for(struct privilege_bpf_record *record, const void *attr)
{
	record->object = record->command ? OBJECT_PROGRAM : OBJECT_MAP;
	record->object_type = attr_number(attr, ATTR_TYPE);
	bpf_probe_read_user(record->name, sizeof(record->name),
			    attr + (record->command ? ATTR_PROGRAM_NAME : ATTR_MAP_NAME));
}

/* The result is known, and the objects are behind their descriptors. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_bpf, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	const void *attr = (void *)call.argument[1];
	struct privilege_bpf_record record = {};
	unsigned long command = call.argument[0];
	int object = result < 0 ? -1 : result;

	if (command < 64 && QUIET_COMMANDS >> command & 1)
		return 0;
	if (!begins(&record.call, &call, result))
		return 0;
	record.command = command;
	switch (command) {
	case 6: /* OBJ_PIN */
		attr_text(record.path, sizeof(record.path), attr, ATTR_PATH);
		object = attr_number(attr, ATTR_PINNED);
		break;
	case 7: /* OBJ_GET */
		attr_text(record.path, sizeof(record.path), attr, ATTR_PATH);
		break;
	case 8: /* PROG_ATTACH */
	case 9: /* PROG_DETACH */
		object = attr_number(attr, ATTR_ATTACHED);
		record.attach_type = attr_number(attr, ATTR_ATTACH_TYPE);
		break;
	case 17: /* RAW_TRACEPOINT_OPEN */
		attr_text(record.path, sizeof(record.path), attr, ATTR_TRACEPOINT);
		object = attr_number(attr, ATTR_TRACED);
		break;
	case 28: /* LINK_CREATE */
		object = attr_number(attr, ATTR_LINKED);
		record.attach_type = attr_number(attr, ATTR_ATTACH_TYPE);
		break;
	case 29: /* LINK_UPDATE */
		object = attr_number(attr, ATTR_LINK_PROGRAM);
		break;
	case 22: /* MAP_FREEZE */
	case 34: /* LINK_DETACH */
		object = attr_number(attr, 0);
		break;
	}
	if (result < 0 && (!command || command == 5))
		asked_for(&record, attr);
	else
		object_of(&record, object);
	return tell(&record.call, sizeof(record), PRIVILEGE_BPF);
}

#endif
