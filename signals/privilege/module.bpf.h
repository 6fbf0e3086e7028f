/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The kernel's modules. */
#ifndef FATHOM_PRIVILEGE_MODULE_BPF_H
#define FATHOM_PRIVILEGE_MODULE_BPF_H

#include "call.bpf.h"

BUFFER(module_buffer, privilege_module_record)

struct module_name {
	char text[MODULE_NAME];
};

/* What the module is called that a thread loads or unloads, until its call's end. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 128);
	__type(key, __u64);
	__type(value, struct module_name);
} privilege_modules SEC(".maps");

static __always_inline int module_named(struct module *module)
{
	__u64 thread = bpf_get_current_pid_tgid();
	struct module_name name = {};
	struct record_header head;

	if (!scope_current(&head))
		return 0;
	bpf_probe_read_kernel_str(name.text, sizeof(name.text), module->name);
	bpf_map_update_elem(&privilege_modules, &thread, &name, BPF_ANY);
	return 0;
}

/* The module is linked and named, and its own code has not run. */
SEC("tp_btf/module_load")
int BPF_PROG(privilege_module_loaded, struct module *module)
{
	return module_named(module);
}

/* It is about to be given up: the last moment at which it has a name. */
SEC("tp_btf/module_free")
int BPF_PROG(privilege_module_freed, struct module *module)
{
	return module_named(module);
}

/* init_module, finit_module, delete_module. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_module, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct module_buffer_value *s = module_buffer();
	__u64 thread = bpf_get_current_pid_tgid();
	struct module_name *name;
	struct file *file = NULL;

	if (!s || !begins(&s->record.call, &call, result))
		return 0;
	s->walk.end = 0;
	s->walk.base_dentry = NULL;
	s->record.fd = -1;
	s->record.flags = 0;
	s->record.args_length = s->record.path_length = s->record.path_marks = 0;
	name = bpf_map_lookup_elem(&privilege_modules, &thread);
	s->record.name_length = name ? kernel_string(s->tail, &s->walk, name->text) : 0;
	switch (call.number) {
	case 175: /* init_module */
		s->record.args_length = user_string(s->tail, &s->walk, (void *)call.argument[2]);
		break;
	case 313: /* finit_module */
		s->record.fd = call.argument[0];
		s->record.flags = call.argument[2];
		s->record.args_length = user_string(s->tail, &s->walk, (void *)call.argument[1]);
		file = current_file(s->record.fd);
		break;
	case 176: /* delete_module */
		s->record.flags = call.argument[1];
		if (!name)
			s->record.name_length = user_string(s->tail, &s->walk, (void *)call.argument[0]);
		break;
	}
	bpf_map_delete_elem(&privilege_modules, &thread);
	if (file) {
		s->record.path_length = path_names(s->tail, &s->walk,
						   READ(file, file, f_path.dentry),
						   READ(file, file, f_path.mnt));
		s->record.path_marks = s->walk.marks;
	}
	return tell(&s->record.call, with_tail(sizeof(s->record), &s->walk), PRIVILEGE_MODULE);
}

#endif
