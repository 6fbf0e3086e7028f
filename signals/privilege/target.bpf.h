/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * From the number that a caller gives to the task that the kernel means by it. The kernel keeps the
 * numbers of a pid namespace in a radix tree, which is walked here as find_vpid() does: the call
 * that would do it for us, bpf_task_from_vpid(), is there only since 6.14. The program runs under
 * RCU, so what the tree leads to stays.
 */
#ifndef FATHOM_PRIVILEGE_TARGET_BPF_H
#define FATHOM_PRIVILEGE_TARGET_BPF_H

#include "call.bpf.h"

#define TREE_DEPTH 6		/* 64 children each: more than a pid has bits */
#define TREE_MASK 63
#define PID_FS_MAGIC 0x50494446	/* "PIDF": since 6.9 */
#define PIDFD_NAME 0x5d64666469705bULL	/* "[pidfd]", what such files were called before */

/* A pid's number and namespace where it is innermost: the last of a flexible array. */
static __always_inline struct upid *innermost(struct pid *pid)
{
	return (void *)pid + bpf_core_field_offset(struct pid, numbers) +
	       READ(pid, pid, level) * bpf_core_type_size(struct upid);
}

/* The current process's number as it sees itself. */
static __always_inline int own_number(void)
{
	struct task_struct *leader = READ(task_struct, current_task(), group_leader);

	return READ(upid, innermost(READ(task_struct, leader, thread_pid)), nr);
}

static __always_inline struct pid *pid_numbered(int number)
{
	struct pid *own = READ(task_struct, current_task(), thread_pid), *found;
	struct pid_namespace *names = READ(upid, innermost(own), ns);
	__u64 entry = (__u64)READ(pid_namespace, names, idr.idr_rt.xa_head);
	struct xa_node *node;
	__u64 slot;
	int i;

	if (number <= 0)
		return NULL;
	for (i = 0; i < TREE_DEPTH && (entry & 3) == 2; i++) {
		node = (struct xa_node *)(entry - 2);
		slot = (__u32)number >> (READ(xa_node, node, shift) & 31);
		/* Larger than all that are there, or the place of a child. */
		if (!i && slot > TREE_MASK)
			return NULL;
		entry = 0;
		bpf_probe_read_kernel(&entry, sizeof(entry),
				      (void *)node + bpf_core_field_offset(struct xa_node, slots) +
					      (slot & TREE_MASK) * sizeof(entry));
	}
	found = (struct pid *)entry;
	if (!entry || entry & 3 || READ(upid, innermost(found), nr) != number)
		return NULL;
	return found;
}

/* The pid behind a descriptor of pidfd_open(2)'s; null for another. */
static __always_inline struct pid *pid_of_descriptor(int fd)
{
	struct file *file = current_file(fd);
	struct inode *inode = READ(file, file, f_inode);
	const unsigned char *name;
	char start[8] = {};

	if (!file)
		return NULL;
	if (READ(super_block, READ(inode, inode, i_sb), s_magic) == PID_FS_MAGIC)
		return READ(inode, inode, i_private);
	name = READ(dentry, READ(file, file, f_path.dentry), d_name.name);
	bpf_probe_read_kernel_str(start, sizeof(start), name);
	if (*(__u64 *)start != PIDFD_NAME)
		return NULL;
	return READ(file, file, private_data);
}

/* The thread that has this pid; null once it was reaped. */
static __always_inline struct task_struct *task_of(struct pid *pid)
{
	void *link = pid ? READ(pid, pid, tasks[PIDTYPE_PID].first) : NULL;

	return link ? link - bpf_core_field_offset(struct task_struct, pid_links) : NULL;
}

static __always_inline void name_target(__u64 *start, __u32 *tgid, struct task_struct *task)
{
	if (!task)
		return;
	*tgid = READ(task_struct, task, tgid);
	*start = process_start(task);
}

#define PTRACE_TRACEME 0
#define PTRACE_NEW 0x4200	/* where the newer requests begin */

/*
 * Requests that read or step: a debugger makes thousands a second. 1-3 PEEK*, 7 CONT,
 * 9 SINGLESTEP, 12 GETREGS, 14 GETFPREGS, 18 GETFPXREGS, 24 SYSCALL, 25 GET_THREAD_AREA, 31 SYSEMU,
 * 32 SYSEMU_SINGLESTEP, 33 SINGLEBLOCK; 0x4200 and 1 GETEVENTMSG, 2 GETSIGINFO, 4 GETREGSET,
 * 7 INTERRUPT, 8 LISTEN, 9 PEEKSIGINFO, 10 GETSIGMASK, 12 SECCOMP_GET_FILTER,
 * 13 SECCOMP_GET_METADATA, 14 GET_SYSCALL_INFO, 15 GET_RSEQ_CONFIGURATION.
 */
#define QUIET_OLD 0x38304528eULL
#define QUIET_NEW 0xf796ULL

static __always_inline bool only_looks(unsigned long request)
{
	if (request < 64)
		return QUIET_OLD >> request & 1;
	return request - PTRACE_NEW < 64 && QUIET_NEW >> (request - PTRACE_NEW) & 1;
}

/* The result is known; on success the target is there, since only its tracer could let it go. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_ptrace, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_target_record record = {};
	unsigned long request = call.argument[0];
	struct task_struct *target = current_task();

	if (only_looks(request) || !begins(&record.call, &call, result))
		return 0;
	record.request = request;
	if (request != PTRACE_TRACEME) {
		record.target_pid = call.argument[1];
		target = task_of(pid_numbered(record.target_pid));
	}
	name_target(&record.target_start, &record.target_tgid, target);
	return tell(&record.call, sizeof(record), PRIVILEGE_PTRACE);
}

/* process_vm_readv, process_vm_writev: the result is how many bytes went over. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_memory, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_target_record record = {};

	if (!begins(&record.call, &call, result))
		return 0;
	record.target_pid = call.argument[0];
	name_target(&record.target_start, &record.target_tgid,
		    task_of(pid_numbered(record.target_pid)));
	return tell(&record.call, sizeof(record), PRIVILEGE_MEMORY);
}

/*
 * kill, tkill, tgkill, pidfd_send_signal. Runtimes signal their own threads all the time, by tkill
 * and tgkill: that is no event. A target that died of the signal is still there unless its parent
 * was quicker than this call's end.
 */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_kill, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_target_record record = {};
	unsigned long number = call.number;
	struct pid *pid;

	if (number == 234 && (int)call.argument[0] == own_number())
		return 0;
	if (!begins(&record.call, &call, result))
		return 0;
	record.request = number == 234 ? call.argument[2] : call.argument[1];
	if (number == 424) {
		pid = pid_of_descriptor(call.argument[0]);
	} else {
		record.target_pid = call.argument[0];
		pid = pid_numbered(number == 234 ? (int)call.argument[1] : record.target_pid);
	}
	name_target(&record.target_start, &record.target_tgid, task_of(pid));
	if (number == 200 && record.target_tgid == record.call.header.tgid)
		return 0;
	return tell(&record.call, sizeof(record), PRIVILEGE_KILL);
}

#endif
