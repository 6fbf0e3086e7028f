/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What a process changes about itself: namespaces, credentials, capabilities, prctl, places. */
#ifndef FATHOM_PRIVILEGE_SELF_BPF_H
#define FATHOM_PRIVILEGE_SELF_BPF_H

#include "target.bpf.h"

#define NSFS_MAGIC 0x6e736673
#define CLONE_NEW 0x7e020000	/* all kinds of namespaces but time's, which no clone makes */

/* Which namespace a descriptor names. */
static __always_inline void namespace_of(struct privilege_namespace_record *record)
{
	struct file *file = current_file(record->fd);
	struct inode *inode = READ(file, file, f_inode);
	const struct proc_ns_operations *kind;
	struct ns_common *common;

	if (!file)
		return;
	if (READ(super_block, READ(inode, inode, i_sb), s_magic) != NSFS_MAGIC) {
		name_target(&record->target_start, &record->target_tgid,
			    task_of(pid_of_descriptor(record->fd)));
		return;
	}
	record->inode = READ(inode, inode, i_ino);
	common = READ(inode, inode, i_private);
	kind = READ(ns_common, common, ops);
	bpf_probe_read_kernel_str(record->name, sizeof(record->name),
				  READ(proc_ns_operations, kind, name));
}

/* setns, unshare; clone and clone3 where they make a namespace. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_namespace, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_namespace_record record = { .fd = -1, .flags = call.argument[0] };
	unsigned long number = call.number;
	__u64 flags = 0;

	if (number == 435 /* clone3 */) {
		bpf_probe_read_user(&flags, sizeof(flags), (void *)call.argument[0]);
		record.flags = flags;
	}
	/* A child returns from the call as well, with 0. */
	if ((number == 435 || number == 56) && (!result || !(record.flags & CLONE_NEW)))
		return 0;
	if (!begins(&record.call, &call, result))
		return 0;
	if (number == 308) {
		record.fd = call.argument[0];
		record.flags = call.argument[1];
		namespace_of(&record);
	} else if (number != 272 && result > 0) {
		name_target(&record.target_start, &record.target_tgid,
			    task_of(pid_numbered(result)));
	}
	return tell(&record.call, sizeof(record), PRIVILEGE_NAMESPACE);
}

/* 6.3 made the two words of a capability set one number; both are 64 bits in place. */
#define CAPABILITIES(cred, set)                                                \
	({                                                                      \
		__u64 bits_ = 0;                                                \
                                                                                \
		if (bpf_core_field_exists((cred)->set.val))                     \
			bits_ = READ(cred, cred, set.val);                      \
		else                                                            \
			bpf_probe_read_kernel(&bits_, sizeof(bits_), &(cred)->set); \
		bits_;                                                          \
	})

/* What the caller has now: of the kernel's own, whatever was asked for. */
static __always_inline void credentials(struct privilege_credential_record *record)
{
	const struct cred *cred = READ(task_struct, current_task(), cred);

	record->uid = READ(cred, cred, uid.val);
	record->euid = READ(cred, cred, euid.val);
	record->gid = READ(cred, cred, gid.val);
	record->egid = READ(cred, cred, egid.val);
	record->effective = CAPABILITIES(cred, cap_effective);
	record->permitted = CAPABILITIES(cred, cap_permitted);
	record->inheritable = CAPABILITIES(cred, cap_inheritable);
}

/* Whether the ids are of 16 bits: the first forms of these calls, in the 32-bit table. */
static __always_inline bool has_narrow_ids(__u32 ia32)
{
	switch (ia32) {
	case 23: /* setuid */
	case 46: /* setgid */
	case 70: /* setreuid */
	case 71: /* setregid */
	case 138: /* setfsuid */
	case 139: /* setfsgid */
	case 164: /* setresuid */
	case 170: /* setresgid */
		return true;
	}
	return false;
}

/* setuid, setgid, setreuid, setregid, setresuid, setresgid, setfsuid, setfsgid, setgroups. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_credential, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_credential_record record = {};

	if (!begins(&record.call, &call, result))
		return 0;
	record.asked[0] = call.argument[0];
	record.asked[1] = call.argument[1];
	record.asked[2] = call.argument[2];
	if (has_narrow_ids(call.ia32)) {
		record.asked[0] = wide_id(record.asked[0]);
		record.asked[1] = wide_id(record.asked[1]);
		record.asked[2] = wide_id(record.asked[2]);
	}
	credentials(&record);
	return tell(&record.call, sizeof(record), PRIVILEGE_CREDENTIAL);
}

/* capset: only one's own can be set, whatever the header's pid. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_capability, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_credential_record record = {};
	struct __user_cap_header_struct head = {};

	if (!begins(&record.call, &call, result))
		return 0;
	bpf_probe_read_user(&head, sizeof(head), (void *)call.argument[0]);
	record.target_pid = head.pid;
	credentials(&record);
	return tell(&record.call, sizeof(record), PRIVILEGE_CAPABILITY);
}

/* Options of prctl(2) that change what a process may do or seems to be; the rest is not told. */
static __always_inline bool option_told(unsigned long option, unsigned long value)
{
	switch (option) {
	case 4: /* PR_SET_DUMPABLE */
	case 8: /* PR_SET_KEEPCAPS */
	case 15: /* PR_SET_NAME */
	case 22: /* PR_SET_SECCOMP */
	case 28: /* PR_SET_SECUREBITS */
	case 35: /* PR_SET_MM */
	case 38: /* PR_SET_NO_NEW_PRIVS */
	case 0x59616d61: /* PR_SET_PTRACER */
		return true;
	case 47: /* PR_CAP_AMBIENT; 1 only asks */
		return value != 1;
	}
	return false;
}

SEC("tp_btf/sys_exit")
int CALL_END(privilege_prctl, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_prctl_record record = {};

	if (!option_told(call.argument[0], call.argument[1]) || !begins(&record.call, &call, result))
		return 0;
	record.option = call.argument[0];
	record.value = call.argument[1];
	record.second = call.argument[2];
	return tell(&record.call, sizeof(record), PRIVILEGE_PRCTL);
}

BUFFER(chdir_buffer, privilege_chdir_record)

/* chdir, fchdir, chroot, pivot_root: where the caller is when they end, by the kernel's word. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_chdir, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct fs_struct *fs = READ(task_struct, current_task(), fs);
	struct chdir_buffer_value *s = chdir_buffer();
	unsigned long number = call.number;
	bool root = number == 161 || number == 155;

	if (!s || !begins(&s->record.call, &call, result))
		return 0;
	s->walk.end = 0;
	s->walk.base_dentry = NULL;
	s->record.fd = number == 81 ? (int)call.argument[0] : -1;
	s->record.given_length = s->record.second_length = s->record.spare = 0;
	s->record.resolved_length = s->record.resolved_marks = 0;
	if (number != 81)
		s->record.given_length = user_string(s->tail, &s->walk, (void *)call.argument[0]);
	if (number == 155)
		s->record.second_length = user_string(s->tail, &s->walk, (void *)call.argument[1]);
	if (!result) {
		s->record.resolved_length = path_names(
			s->tail, &s->walk,
			root ? READ(fs_struct, fs, root.dentry) : READ(fs_struct, fs, pwd.dentry),
			root ? READ(fs_struct, fs, root.mnt) : READ(fs_struct, fs, pwd.mnt));
		s->record.resolved_marks = s->walk.marks;
	}
	return tell(&s->record.call, with_tail(sizeof(s->record), &s->walk), PRIVILEGE_CHDIR);
}

#endif
