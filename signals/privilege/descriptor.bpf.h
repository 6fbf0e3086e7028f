/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* Descriptors that are not opened by a path: copies, memfds, rings, BPF objects, sockets. */
#ifndef FATHOM_PRIVILEGE_DESCRIPTOR_BPF_H
#define FATHOM_PRIVILEGE_DESCRIPTOR_BPF_H

#include "target.bpf.h"

#define F_DUPFD 0
#define F_DUPFD_CLOEXEC 1030
#define O_CLOEXEC 02000000

BUFFER(dup_buffer, privilege_dup_record)

/* What is behind a descriptor. */
static __always_inline void describe(struct dup_buffer_value *s, struct file *file)
{
	struct inode *inode = READ(file, file, f_inode);
	struct sock *sk;

	s->record.inode = READ(inode, inode, i_ino);
	s->record.filesystem = READ(super_block, READ(inode, inode, i_sb), s_magic);
	s->record.file_mode = READ(inode, inode, i_mode);
	if ((s->record.file_mode & S_IFMT) != S_IFSOCK) {
		s->record.path_length = path_names(s->tail, &s->walk,
						   READ(file, file, f_path.dentry),
						   READ(file, file, f_path.mnt));
		s->record.path_marks = s->walk.marks;
		return;
	}
	sk = READ(socket, READ(file, file, private_data), sk);
	if (!sk)
		return;
	sock_ends(sk, &s->record.ends);
	s->record.ends.socket = sock_name(sk);
}

/*
 * dup, dup2, dup3, fcntl where it does the same, and pidfd_getfd, which copies another process's:
 * the copy leads to the very file.
 */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_dup, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	unsigned long number = call.number, command = (__u32)call.argument[1];
	struct dup_buffer_value *s;
	struct file *file = NULL;

	if (number == 72 && command != F_DUPFD && command != F_DUPFD_CLOEXEC)
		return 0;
	s = dup_buffer();
	if (!s || !begins(&s->record.call, &call, result))
		return 0;
	s->walk.end = 0;
	s->walk.base_dentry = NULL;
	__builtin_memset(&s->record.ends, 0, sizeof(s->record.ends));
	s->record.inode = s->record.filesystem = s->record.file_mode = 0;
	s->record.path_length = s->record.path_marks = s->record.spare = 0;
	s->record.source_start = s->record.source_tgid = s->record.flags = 0;
	s->record.old_fd = number == 438 ? call.argument[1] : call.argument[0];
	if (number == 292)
		s->record.flags = call.argument[2];
	else if (number == 438 || (number == 72 && command == F_DUPFD_CLOEXEC))
		s->record.flags = O_CLOEXEC;
	if (number == 438)
		name_target(&s->record.source_start, &s->record.source_tgid,
			    task_of(pid_of_descriptor(call.argument[0])));
	if (result >= 0)
		file = current_file(result);
	else if (number != 438)
		file = current_file(s->record.old_fd);
	if (file)
		describe(s, file);
	return tell_in_bulk(&s->record.call, with_tail(sizeof(s->record), &s->walk),
			    PRIVILEGE_DUP);
}

/* The name is the kernel's own copy; where there is no file, the caller's. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_memfd, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_memfd_record record = {};
	struct file *file = NULL;

	if (!begins(&record.call, &call, result))
		return 0;
	record.flags = call.argument[1];
	if (result >= 0)
		file = current_file(result);
	if (file)
		bpf_probe_read_kernel_str(record.name, sizeof(record.name),
					  READ(dentry, READ(file, file, f_path.dentry), d_name.name));
	else
		read_user_string(record.name, sizeof(record.name), (void *)call.argument[0]);
	return tell(&record.call, sizeof(record), PRIVILEGE_MEMFD);
}

/* The ring itself says what it became; where there is none, the caller says what was asked for. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_uring, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_uring_record record = {};
	struct io_uring_params asked = {};
	struct io_ring_ctx *ring = NULL;

	if (!begins(&record.call, &call, result))
		return 0;
	if (result >= 0)
		ring = READ(file, current_file(result), private_data);
	if (ring) {
		record.entries = READ(io_ring_ctx, ring, sq_entries);
		record.flags = READ(io_ring_ctx, ring, flags);
	} else {
		bpf_probe_read_user(&asked, sizeof(asked), (void *)call.argument[1]);
		record.entries = call.argument[0];
		record.flags = asked.flags;
	}
	return tell(&record.call, sizeof(record), PRIVILEGE_URING);
}

#define SOCK_TYPE_MASK 0xf

/* The socket behind a new descriptor says what it is, whatever the caller asked for. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_socket, struct pt_regs *regs, long result)
{
	struct privilege_socket_record record = { .fd = -1, .second_fd = -1 };
	int pair[2] = { -1, -1 };
	struct sock *sk = NULL;
	struct call call;
	__u32 protocol;

	if (!scope_current(&record.call.header))
		return 0;
	if (!read_socket_call(regs, &call)) {
		count_fate(PRIVILEGE_SOCKET, FATE_UNREADABLE);
		return 0;
	}
	if (!begins(&record.call, &call, result))
		return 0;
	record.family = call.argument[0];
	record.socket_type = call.argument[1];
	record.protocol = call.argument[2];
	if (call.number == 41) {
		record.fd = result;
	} else if (!result && !bpf_probe_read_user(pair, sizeof(pair), (void *)call.argument[3])) {
		record.fd = pair[0];
		record.second_fd = pair[1];
		sk = current_sock(record.second_fd);
		record.second_socket = sk ? sock_name(sk) : 0;
	}
	sk = result < 0 ? NULL : current_sock(record.fd);
	if (sk) {
		record.socket = sock_name(sk);
		record.family = BPF_CORE_READ(sk, __sk_common.skc_family);
		record.socket_type = (record.socket_type & ~SOCK_TYPE_MASK) | BPF_CORE_READ(sk, sk_type);
		protocol = BPF_CORE_READ(sk, sk_protocol);
		/* Some families keep theirs elsewhere. */
		record.protocol = protocol ? protocol : record.protocol;
	}
	return tell_in_bulk(&record.call, sizeof(record), PRIVILEGE_SOCKET);
}

#define PERF_CONFIG 8	/* where perf_event_attr has what is measured; its type is at 0 */

/* perf_event_open, userfaultfd: the descriptor itself says nothing. */
SEC("tp_btf/sys_exit")
int CALL_END(privilege_feature, struct pt_regs *regs, long result)
{
	struct call call = call_of(regs);
	struct privilege_feature_record record = { .cpu = -1 };
	const void *attr = (void *)call.argument[0];

	if (!begins(&record.call, &call, result))
		return 0;
	if (call.number == 323) {
		record.flags = call.argument[0];
	} else {
		bpf_probe_read_user(&record.event_type, sizeof(record.event_type), attr);
		bpf_probe_read_user(&record.config, sizeof(record.config), attr + PERF_CONFIG);
		record.target_pid = call.argument[1];
		record.cpu = call.argument[2];
		record.flags = call.argument[4];
		name_target(&record.target_start, &record.target_tgid,
			    record.target_pid ? task_of(pid_numbered(record.target_pid)) :
						current_task());
	}
	return tell(&record.call, sizeof(record), PRIVILEGE_FEATURE);
}

#endif
