// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * What is done to files by name: open, rename, unlink, link, symlink, chmod, chown, mkdir, rmdir,
 * mount, umount, truncate.
 *
 * Rows are written at the end of the system call, on every kernel: there the result is known,
 * and the pages that hold the caller's path have just been read. The path as the kernel resolved
 * it comes from kernel objects only: from the opened file itself, or, for what leaves no file
 * behind, from a hook inside the call (resolve.bpf.h) that stashes it until the end.
 */
#include "fathom/hook.bpf.h"
#include "fathom/path.bpf.h"
#include "fathom/scope.bpf.h"
#include "wire.h"

#define STASH_BYTES 4096

SCRATCH_TYPE(file_record);
SCRATCH(open_scratch)
SCRATCH(change_scratch)
SCRATCH(pair_scratch)
SCRATCH(handle_scratch)
SCRATCH(exec_scratch)

/* Makes these types part of the object's BTF, from which Rust reads them. */
const enum file_kind *unused_kind __attribute__((unused));

#define O_WRONLY 01
#define O_CREAT 0100
#define O_TRUNC 01000
#define AT_REMOVEDIR 0x200
#define FMODE_CREATED 0x100000

/* What a call asks for, whichever of its forms was used. */
struct operation {
	const void *path[2];
	const void *extra;
	__s32 directory[2];
	__s32 fd;
	__u32 kind;
	__u32 flags;
	__u32 mode;
	__u32 uid;
	__u32 gid;
	__u64 call;
	__u64 size;
};

#include "resolve.bpf.h"

/* For execve(2), which opens its file without a call that opens. */
#define NR_EXECVE 59

#define ARG1 call.argument[0]
#define ARG2 call.argument[1]
#define ARG3 call.argument[2]
#define ARG4 call.argument[3]
#define ARG5 call.argument[4]

static __always_inline void begin(struct scratch_value *s, const struct operation *op, long result)
{
	s->walk.end = 0;
	s->walk.base_dentry = NULL;
	s->record.inode = s->record.device = s->record.file_mode = s->record.created = 0;
	s->record.size = op->size;
	s->record.error = result < 0 ? result : 0;
	s->record.fd = op->fd;
	s->record.flags = op->flags;
	s->record.mode = op->mode;
	s->record.uid = op->uid;
	s->record.gid = op->gid;
	s->record.extra_length = 0;
	s->record.call = op->call;
	__builtin_memset(s->record.path, 0, sizeof(s->record.path));
}

/* The caller's path; true if it is relative. */
static __always_inline bool given(struct scratch_value *s, int which, const void *from)
{
	__u32 at = ((volatile struct scratch_walk *)&s->walk)->end;

	s->record.path[which].given_length = user_string(s->tail, &s->walk, from);
	return s->record.path[which].given_length && at < SCRATCH_TAIL && s->tail[at] != '/';
}

/* Where a relative path starts from: the working directory or an open one. */
static __always_inline bool base_of(int directory, struct path *base)
{
	struct file *file;

	if (directory == AT_FDCWD) {
		struct fs_struct *fs = READ(task_struct, current_task(), fs);

		base->dentry = READ(fs_struct, fs, pwd.dentry);
		base->mnt = READ(fs_struct, fs, pwd.mnt);
		return true;
	}
	file = current_file(directory);
	base->dentry = READ(file, file, f_path.dentry);
	base->mnt = READ(file, file, f_path.mnt);
	return file && base->dentry;
}

/* The base's own names, for paths that the kernel did not resolve, or resolved elsewhere. */
static __always_inline void base_names(struct scratch_value *s, int which, const struct path *base)
{
	s->walk.base_dentry = NULL;
	s->record.path[which].base_length = path_names(s->tail, &s->walk, base->dentry, base->mnt);
	s->record.path[which].base_marks = s->walk.marks;
}

/* The file that the call left behind. */
static __always_inline void opened(struct scratch_value *s, struct file *file)
{
	struct inode *inode = READ(file, file, f_inode);

	s->record.path[0].resolved_length = path_names(s->tail, &s->walk,
						       READ(file, file, f_path.dentry),
						       READ(file, file, f_path.mnt));
	s->record.path[0].resolved_marks = s->walk.marks;
	s->record.path[0].base_at = s->walk.base_at;
	s->record.inode = READ(inode, inode, i_ino);
	s->record.device = READ(super_block, READ(inode, inode, i_sb), s_dev);
	s->record.file_mode = READ(inode, inode, i_mode);
	s->record.created = !!(READ(file, file, f_mode) & FMODE_CREATED);
}

static __always_inline int finish(struct scratch_value *s, __u32 kind)
{
	__u32 end = ((volatile struct scratch_walk *)&s->walk)->end;

	head_finish(&s->record.header, kind);
	if (end <= SCRATCH_TAIL)
		submit(&fathom_bulk, &s->record.header, sizeof(struct file_record) + end);
	return 0;
}

static __always_inline void open_arguments(struct pt_regs *regs, struct operation *op)
{
	struct open_how how = {};
	struct call call;

	read_call(regs, &call);
	op->call = call.number;
	switch (op->call) {
	case 2: /* open */
		op->path[0] = (void *)ARG1;
		op->flags = ARG2;
		op->mode = ARG3;
		break;
	case 85: /* creat */
		op->path[0] = (void *)ARG1;
		op->flags = O_CREAT | O_WRONLY | O_TRUNC;
		op->mode = ARG2;
		break;
	case 257: /* openat */
		op->directory[0] = ARG1;
		op->path[0] = (void *)ARG2;
		op->flags = ARG3;
		op->mode = ARG4;
		break;
	case 437: /* openat2 */
		op->directory[0] = ARG1;
		op->path[0] = (void *)ARG2;
		bpf_probe_read_user(&how, sizeof(how), (void *)ARG3);
		op->flags = how.flags;
		op->mode = how.mode;
		break;
	}
}

/* open, creat, openat, openat2: the new descriptor leads to the very file that was opened. */
SEC("tp_btf/sys_exit")
int CALL_END(file_open, struct pt_regs *regs, long result)
{
	struct operation op = { .directory = { AT_FDCWD, AT_FDCWD }, .fd = -1 };
	struct scratch_value *s = open_scratch();
	struct file *file = NULL;
	struct path base = {};
	bool relative;

	if (!s || !scope_current(&s->record.header))
		return 0;
	open_arguments(regs, &op);
	if (op.flags & O_TRUNC)
		forget_stash();
	op.fd = result < 0 ? -1 : result;
	begin(s, &op, result);
	relative = given(s, 0, op.path[0]) && base_of(op.directory[0], &base);
	if (result >= 0)
		file = current_file(result);
	if (file) {
		s->walk.base_dentry = base.dentry;
		s->walk.base_mnt = base.mnt;
		opened(s, file);
	}
	if (relative && !(s->record.path[0].resolved_marks & PATH_HAS_BASE))
		base_names(s, 0, &base);
	return finish(s, FILE_OPEN);
}

static __always_inline void change_arguments(struct pt_regs *regs, struct operation *op)
{
	struct call call;

	read_call(regs, &call);
	op->call = call.number;
	switch (op->call) {
	case 87: /* unlink */
		op->kind = FILE_UNLINK;
		break;
	case 263: /* unlinkat */
		op->flags = ARG3;
		op->kind = op->flags & AT_REMOVEDIR ? FILE_RMDIR : FILE_UNLINK;
		goto at;
	case 84: /* rmdir */
		op->kind = FILE_RMDIR;
		break;
	case 83: /* mkdir */
		op->kind = FILE_MKDIR;
		op->mode = ARG2;
		break;
	case 258: /* mkdirat */
		op->kind = FILE_MKDIR;
		op->mode = ARG3;
		goto at;
	case 90: /* chmod */
		op->kind = FILE_CHMOD;
		op->mode = ARG2;
		break;
	case 452: /* fchmodat2 */
		op->flags = ARG4;
		/* fallthrough */
	case 268: /* fchmodat */
		op->kind = FILE_CHMOD;
		op->mode = ARG3;
		goto at;
	case 92: /* chown */
	case 94: /* lchown */
		op->kind = FILE_CHOWN;
		op->uid = ARG2;
		op->gid = ARG3;
		break;
	case 260: /* fchownat */
		op->kind = FILE_CHOWN;
		op->uid = ARG3;
		op->gid = ARG4;
		op->flags = ARG5;
		goto at;
	case 76: /* truncate */
		op->kind = FILE_TRUNCATE;
		op->size = ARG2;
		break;
	case 166: /* umount2 */
		op->kind = FILE_UMOUNT;
		op->flags = ARG2;
		break;
	}
	op->path[0] = (void *)ARG1;
	return;
at:
	op->directory[0] = ARG1;
	op->path[0] = (void *)ARG2;
}

/* Calls with one path that leave no file behind. */
SEC("tp_btf/sys_exit")
int CALL_END(file_change, struct pt_regs *regs, long result)
{
	struct operation op = { .directory = { AT_FDCWD, AT_FDCWD }, .fd = -1 };
	struct scratch_value *s = change_scratch();
	struct path base = {};
	bool relative;

	if (!s || !scope_current(&s->record.header))
		return 0;
	change_arguments(regs, &op);
	begin(s, &op, result);
	relative = given(s, 0, op.path[0]);
	take_stash(s, op.kind);
	if (relative && base_of(op.directory[0], &base))
		base_names(s, 0, &base);
	return finish(s, op.kind);
}

static __always_inline void pair_arguments(struct pt_regs *regs, struct operation *op)
{
	struct call call;

	read_call(regs, &call);
	op->call = call.number;
	switch (op->call) {
	case 82: /* rename */
		op->kind = FILE_RENAME;
		break;
	case 316: /* renameat2 */
		op->flags = ARG5;
		/* fallthrough */
	case 264: /* renameat */
		op->kind = FILE_RENAME;
		goto at;
	case 86: /* link */
		op->kind = FILE_LINK;
		break;
	case 265: /* linkat */
		op->kind = FILE_LINK;
		op->flags = ARG5;
		goto at;
	case 429: /* move_mount */
		op->kind = FILE_MOUNT;
		op->flags = 0;
		goto at;
	case 165: /* mount */
		op->kind = FILE_MOUNT;
		op->extra = (void *)ARG3;
		op->flags = ARG4;
		break;
	case 88: /* symlink: first what it is to point to, which is text, then the link */
		op->kind = FILE_SYMLINK;
		break;
	case 266: /* symlinkat */
		op->kind = FILE_SYMLINK;
		op->path[0] = (void *)ARG1;
		op->directory[1] = ARG2;
		op->path[1] = (void *)ARG3;
		return;
	}
	op->path[0] = (void *)ARG1;
	op->path[1] = (void *)ARG2;
	return;
at:
	op->directory[0] = ARG1;
	op->path[0] = (void *)ARG2;
	op->directory[1] = ARG3;
	op->path[1] = (void *)ARG4;
}

/* Calls with two paths. */
SEC("tp_btf/sys_exit")
int CALL_END(file_pair, struct pt_regs *regs, long result)
{
	struct operation op = { .directory = { AT_FDCWD, AT_FDCWD }, .fd = -1 };
	struct scratch_value *s = pair_scratch();
	bool relative[2];
	struct path base = {};

	if (!s || !scope_current(&s->record.header))
		return 0;
	pair_arguments(regs, &op);
	begin(s, &op, result);
	relative[0] = given(s, 0, op.path[0]);
	if (op.extra)
		s->record.extra_length = user_string(s->tail, &s->walk, op.extra);
	relative[1] = given(s, 1, op.path[1]);
	take_stash(s, op.kind);
	/* A symlink's text and a mount's source are not looked up from anywhere. */
	if (relative[0] && op.kind != FILE_SYMLINK && op.kind != FILE_MOUNT &&
	    base_of(op.directory[0], &base))
		base_names(s, 0, &base);
	if (relative[1] && base_of(op.directory[1], &base))
		base_names(s, 1, &base);
	return finish(s, op.kind);
}

/* Calls on an open file: the kernel's own path is all there is. */
SEC("tp_btf/sys_exit")
int CALL_END(file_handle, struct pt_regs *regs, long result)
{
	struct scratch_value *s = handle_scratch();
	struct operation op = {};
	struct file *file;
	struct call call;

	if (!s || !scope_current(&s->record.header))
		return 0;
	read_call(regs, &call);
	op.call = call.number;
	op.fd = ARG1;
	switch (call.number) {
	case 91: /* fchmod */
		op.kind = FILE_CHMOD;
		op.mode = ARG2;
		break;
	case 93: /* fchown */
		op.kind = FILE_CHOWN;
		op.uid = ARG2;
		op.gid = ARG3;
		break;
	case 77: /* ftruncate */
		op.kind = FILE_TRUNCATE;
		op.size = ARG2;
		break;
	}
	begin(s, &op, result);
	forget_stash();
	file = current_file(op.fd);
	if (file)
		opened(s, file);
	return finish(s, op.kind);
}

/* An exec opens its file without a system call of its own. */
SEC("tp_btf/sched_process_exec")
int file_exec(__u64 *ctx)
{
	struct operation op = { .fd = -1, .call = NR_EXECVE };
	struct scratch_value *s = exec_scratch();
	struct path base = {};

	if (!s || !scope_current(&s->record.header))
		return 0;
	begin(s, &op, 0);
	s->record.path[0].given_length = kernel_string(s->tail, &s->walk, exec_filename(ctx));
	base_of(AT_FDCWD, &base);
	s->walk.base_dentry = base.dentry;
	s->walk.base_mnt = base.mnt;
	opened(s, READ(mm_struct, READ(task_struct, current_task(), mm), exe_file));
	if (!(s->record.path[0].resolved_marks & PATH_HAS_BASE) && s->tail[0] != '/')
		base_names(s, 0, &base);
	return finish(s, FILE_EXEC);
}

#include "uring.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
