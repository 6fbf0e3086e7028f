// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/* The life of processes: fork, exec, failed exec, exit, and those that were there before us. */
#include "fathom/hook.bpf.h"
#include "fathom/inode.bpf.h"
#include "fathom/path.bpf.h"
#include "fathom/scope.bpf.h"
#include "fathom/scratch.bpf.h"
#include "wire.h"

#define ARGS_BYTES 4096
#define ARG_BYTES 1024	/* of one argument, where they are read one by one */
#define OVERLAYFS_SUPER_MAGIC 0x794c7630
#define NR_EXECVE 59
#define NR_EXECVEAT 322

SCRATCH_TYPE(process_exec_record);
SCRATCH(exec_scratch)
SCRATCH(failed_scratch)

/* Makes these types part of the object's BTF, from which Rust reads them. */
const enum process_kind *unused_kind __attribute__((unused));
const enum process_marks *unused_marks __attribute__((unused));
const struct process_fork_record *unused_fork __attribute__((unused));
const struct process_exit_record *unused_exit __attribute__((unused));

/* When a thread's exec began, until it succeeds. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} process_exec_began SEC(".maps");

/*
 * Processes whose exit was reported while they had more than one thread: two threads that end
 * at the same moment may both see themselves as the last one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u32);
} process_exited SEC(".maps");

/* A task's number and namespace where it is innermost: the last of a flexible array. */
static __always_inline struct upid *innermost(struct task_struct *task)
{
	struct pid *pid = READ(task_struct, task, thread_pid);

	return (void *)pid + bpf_core_field_offset(struct pid, numbers) +
	       READ(pid, pid, level) * bpf_core_type_size(struct upid);
}

static __always_inline __u32 own_pid(struct task_struct *task)
{
	return READ(upid, innermost(task), nr);
}

/* The process group's id in the namespace that the task lives in; 0 if it has none there. */
static __always_inline __u32 own_group(struct task_struct *task, struct pid *group)
{
	struct pid *pid = READ(task_struct, task, thread_pid);
	__u32 level = READ(pid, pid, level);
	struct upid *there = (void *)group + bpf_core_field_offset(struct pid, numbers) +
			     level * bpf_core_type_size(struct upid);

	if (READ(pid, group, level) < level)
		return 0;
	return READ(upid, there, ns) == READ(upid, innermost(task), ns) ? READ(upid, there, nr) : 0;
}

static __always_inline __u32 tty_of(struct signal_struct *signal)
{
	struct tty_struct *tty = READ(signal_struct, signal, tty);
	struct tty_driver *driver;
	int minor;

	if (!tty)
		return 0;
	driver = READ(tty_struct, tty, driver);
	minor = READ(tty_driver, driver, minor_start) + READ(tty_struct, tty, index);
	return READ(tty_driver, driver, major) << 20 | minor;
}

static __always_inline void namespaces(struct task_struct *task, struct process_facts_record *facts)
{
	struct nsproxy *all = READ(task_struct, task, nsproxy);

	facts->ns_mnt = READ(mnt_namespace, READ(nsproxy, all, mnt_ns), ns.inum);
	facts->ns_net = READ(net, READ(nsproxy, all, net_ns), ns.inum);
	facts->ns_uts = READ(uts_namespace, READ(nsproxy, all, uts_ns), ns.inum);
	facts->ns_ipc = READ(ipc_namespace, READ(nsproxy, all, ipc_ns), ns.inum);
	facts->ns_cgroup = READ(cgroup_namespace, READ(nsproxy, all, cgroup_ns), ns.inum);
	facts->ns_time = 0;
	if (bpf_core_field_exists(all->time_ns))
		facts->ns_time = READ(time_namespace, READ(nsproxy, all, time_ns), ns.inum);
	/* Not nsproxy's: that one is where children will live. */
	facts->ns_pid = READ(pid_namespace, READ(upid, innermost(task), ns), ns.inum);
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

static __always_inline void credentials(struct task_struct *task, struct process_facts_record *facts)
{
	const struct cred *cred = READ(task_struct, task, cred);

	facts->uid = READ(cred, cred, uid.val);
	facts->gid = READ(cred, cred, gid.val);
	facts->euid = READ(cred, cred, euid.val);
	facts->egid = READ(cred, cred, egid.val);
	facts->cap_permitted = CAPABILITIES(cred, cap_permitted);
	facts->cap_effective = CAPABILITIES(cred, cap_effective);
	facts->cap_inheritable = CAPABILITIES(cred, cap_inheritable);
	facts->loginuid = READ(task_struct, task, loginuid.val);
	facts->ns_user = READ(user_namespace, READ(cred, cred, user_ns), ns.inum);
}

/* All but the executable. */
static __always_inline void describe(struct task_struct *task, struct process_facts_record *facts)
{
	struct task_struct *parent = READ(task_struct, task, real_parent);
	struct signal_struct *signal = READ(task_struct, task, signal);
	struct pid *group = READ(signal_struct, signal, pids[PIDTYPE_PGID]);

	facts->parent_tgid = READ(task_struct, parent, tgid);
	facts->parent_start = process_start(parent);
	facts->vpid = own_pid(READ(task_struct, task, group_leader));
	facts->session = READ(pid, READ(signal_struct, signal, pids[PIDTYPE_SID]), numbers[0].nr);
	facts->pgid = READ(pid, group, numbers[0].nr);
	facts->vpgid = own_group(task, group);
	facts->tty = tty_of(signal);
	credentials(task, facts);
	namespaces(task, facts);
}

/*
 * An overlay's inode is followed in memory by the dentry of its upper file, if it has one: the
 * struct itself is a module's, whose types the kernel's BTF may lack.
 */
static __always_inline bool upper_layer(struct inode *inode, struct super_block *filesystem)
{
	struct dentry *upper = NULL;

	if (READ(super_block, filesystem, s_magic) != OVERLAYFS_SUPER_MAGIC)
		return false;
	bpf_probe_read_kernel(&upper, sizeof(upper),
			      (void *)inode + bpf_core_type_size(struct inode));
	return upper;
}

static __always_inline void executable(struct file *file, struct process_exec_record *record)
{
	struct inode *inode = READ(file, file, f_inode);
	struct super_block *filesystem = READ(inode, inode, i_sb);

	record->facts.exe_inode = READ(inode, inode, i_ino);
	record->facts.exe_device = READ(super_block, filesystem, s_dev);	/* major << 20 | minor */
	record->facts.exe_mode = READ(inode, inode, i_mode);
	record->facts.exe_links = READ(inode, inode, i_nlink);
	record->facts.exe_ctime = INODE_TIME(inode, i_ctime);
	record->facts.exe_mtime = INODE_TIME(inode, i_mtime);
	if (upper_layer(inode, filesystem))
		record->marks |= PROCESS_OVERLAY_UPPER;
}

/* The executable's and the working directory's names. */
static __always_inline void places(struct task_struct *task, struct file *file,
				   struct scratch_value *s)
{
	struct fs_struct *fs = READ(task_struct, task, fs);

	s->walk.end = 0;
	s->walk.base_dentry = NULL;
	s->record.exe_marks = s->record.exe_length = 0;
	if (file) {
		s->record.exe_length = path_names(s->tail, &s->walk,
						  READ(file, file, f_path.dentry),
						  READ(file, file, f_path.mnt));
		s->record.exe_marks = s->walk.marks;
	}
	s->record.cwd_length = path_names(s->tail, &s->walk, READ(fs_struct, fs, pwd.dentry),
					  READ(fs_struct, fs, pwd.mnt));
	s->record.cwd_marks = s->walk.marks;
}

/* The argument vector as the kernel laid it down; nobody has run in this memory yet. */
static __always_inline void new_args(struct task_struct *task, struct scratch_value *s)
{
	struct mm_struct *mm = READ(task_struct, task, mm);
	unsigned long start = READ(mm_struct, mm, arg_start);
	__u64 length = READ(mm_struct, mm, arg_end) - start;
	__u32 end = ((volatile struct scratch_walk *)&s->walk)->end;

	s->record.args_length = 0;
	if (length > ARGS_BYTES) {
		length = ARGS_BYTES;
		s->record.marks |= PROCESS_ARGS_TRUNCATED;
	}
	if (end > SCRATCH_TAIL - 2 * ARGS_BYTES)
		return;
	if (bpf_probe_read_user(s->tail + end, length & (2 * ARGS_BYTES - 1), (void *)start)) {
		s->record.marks |= PROCESS_ARGS_UNREADABLE;
		return;
	}
	s->record.args_length = length;
	s->walk.end = end + length;
}

/* The record's size; 0 if it cannot be, which tells the verifier what it may be. */
static __always_inline __u32 exec_size(struct scratch_value *s)
{
	__u32 end = ((volatile struct scratch_walk *)&s->walk)->end;

	return end > SCRATCH_TAIL ? 0 : sizeof(struct process_exec_record) + end;
}

static __always_inline void send_exec(struct scratch_value *s)
{
	__u32 size = exec_size(s);

	if (size)
		submit(&fathom_facts, &s->record.header, size);
}

static __always_inline void forked(struct task_struct *child)
{
	struct process_fork_record record = {};
	struct task_struct *real_parent;
	struct fathom_config *cfg = agent_config();
	__u32 tgid = READ(task_struct, child, tgid);

	if (!cfg || READ(task_struct, child, pid) != (int)tgid)
		return;	/* a thread: no process came to be */
	record.header.tgid = record.header.tid = tgid;
	record.header.start = process_start(child);
	record.header.cgroup = task_cgroup(child);
	if (!scope_has(cfg, tgid, record.header.start, record.header.cgroup))
		return;
	real_parent = READ(task_struct, child, real_parent);
	record.parent_tgid = READ(task_struct, real_parent, tgid);
	record.parent_start = process_start(real_parent);
	record.vpid = own_pid(child);
	head_finish(&record.header, PROCESS_FORK);
	BPF_CORE_READ_STR_INTO(&record.header.comm, child, comm);
	submit(&fathom_facts, &record.header, sizeof(record));
}

/*
 * After copy_process() and before the child runs: its cgroup and namespaces are final, and
 * whoever follows processes knows it before its first instruction.
 */
SEC("tp_btf/sched_process_fork")
int process_fork(__u64 *ctx)
{
	struct task_struct *child = forked_child(ctx);

	if (!child)
		return 0;
	forked(child);
	forked_child_done(child);
	return 0;
}

static __always_inline int exec_began(void)
{
	struct record_header head;
	__u64 now = bpf_ktime_get_boot_ns();

	if (scope_current(&head))
		bpf_map_update_elem(&process_exec_began, &head.tid, &now, BPF_ANY);
	return 0;
}

/* The credentials are prepared first of all: the earliest moment that a hook can see. */
SEC("lsm/bprm_creds_for_exec")
int BPF_PROG(process_exec_began_lsm, struct linux_binprm *bprm)
{
	return exec_began();
}

SEC("fentry/security_bprm_creds_for_exec")
int BPF_PROG(process_exec_began_fentry)
{
	return exec_began();
}

/* Just before the old image is given up: later than the above, and only since 6.10. */
SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(process_exec_began_tp)
{
	return exec_began();
}

SEC("kprobe/security_bprm_creds_for_exec")
int BPF_KPROBE(process_exec_began_kprobe)
{
	return exec_began();
}

/*
 * The new image is in place and has not run: the file, the arguments and the credentials are
 * the kernel's own and cannot have been rewritten.
 */
SEC("tp_btf/sched_process_exec")
int process_exec(__u64 *ctx)
{
	struct task_struct *task = current_task();
	struct scratch_value *s = exec_scratch();
	__u32 tid = exec_caller(ctx);
	struct file *file;
	__u64 *began;

	if (!s || !scope_current(&s->record.header))
		return 0;
	s->record.marks = s->record.error = 0;
	s->record.call = NR_EXECVE;	/* execveat(2) looks the same from here */
	describe(task, &s->record.facts);
	file = READ(mm_struct, READ(task_struct, task, mm), exe_file);
	executable(file, &s->record);
	places(task, file, s);
	s->record.given_length = kernel_string(s->tail, &s->walk, exec_filename(ctx));
	new_args(task, s);
	head_finish(&s->record.header, PROCESS_EXEC);
	began = bpf_map_lookup_elem(&process_exec_began, &tid);
	s->record.latency = began ? s->record.header.time - *began : 0;
	send_exec(s);
	return 0;
}

/*
 * One more argument of a user's vector, whose pointers have as many bytes as walk->base_at says: there
 * the verifier does not know them, and walks the loop but once. False at its end, or where no more
 * can be had.
 */
static __always_inline bool user_arg(struct scratch_value *s, volatile struct scratch_walk *walk,
				     const void *argv, int i)
{
	__u32 end = walk->end, width = walk->base_at;
	__u64 arg = 0;
	long n;

	if (width > sizeof(arg) || bpf_probe_read_user(&arg, width, argv + i * width)) {
		s->record.marks |= PROCESS_ARGS_UNREADABLE;
		return false;
	}
	if (!arg) {
		if (!walk->marks)
			s->record.marks &= ~PROCESS_ARGS_TRUNCATED;
		return false;
	}
	if (end - walk->start >= ARGS_BYTES || end > SCRATCH_TAIL - ARG_BYTES)
		return false;
	n = read_user_string(s->tail + end, ARG_BYTES, (void *)arg);
	if (n <= 0) {
		s->record.marks |= PROCESS_ARGS_UNREADABLE;
		return false;
	}
	if (n == ARG_BYTES)
		walk->marks = 1;	/* cut, most likely */
	walk->end = end + n;
	return true;
}

/* Joins a user's argument vector, whose pointers have `width` bytes, up to about ARGS_BYTES. */
static __always_inline void user_args(struct scratch_value *s, const void *argv, __u32 width)
{
	volatile struct scratch_walk *walk = &s->walk;

	walk->start = walk->end;
	walk->marks = 0;
	walk->base_at = width;
	s->record.marks |= PROCESS_ARGS_TRUNCATED;
	FOR_TURNS(number, 128, user_arg(s, walk, argv, number));
	s->record.args_length = walk->end - walk->start;
}

/*
 * A failed exec leaves the old image and its memory, so the caller's arguments can still be
 * read; a thread of it may have rewritten them meanwhile.
 */
SEC("tp_btf/sys_exit")
int CALL_END(process_exec_failed, struct pt_regs *regs, long result)
{
	struct scratch_value *s = failed_scratch();
	struct task_struct *task = current_task();
	struct call call;
	__u64 *argument;

	if (result >= 0 || !s || !scope_current(&s->record.header))
		return 0;
	s->record.marks = 0;
	read_call(regs, &call);
	s->record.call = call.number;
	argument = call.number == NR_EXECVEAT ? &call.argument[1] : call.argument;
	s->record.error = result;
	s->record.latency = 0;
	describe(task, &s->record.facts);
	executable(BPF_CORE_READ(task, mm, exe_file), &s->record);
	places(task, BPF_CORE_READ(task, mm, exe_file), s);
	s->record.given_length = user_string(s->tail, &s->walk, (void *)argument[0]);
	user_args(s, (void *)argument[1], call.ia32 ? sizeof(__u32) : sizeof(__u64));
	head_finish(&s->record.header, PROCESS_EXEC_FAILED);
	send_exec(s);
	return 0;
}

/* Whether this thread is the one to report its process's end, and no other did. */
static __always_inline bool last_thread(struct signal_struct *signal, __u64 start)
{
	__u32 one = 1;

	if (READ(signal_struct, signal, live.counter))
		return false;
	/* Alone by now: the others have passed here, and one of them may have reported. */
	if (READ(signal_struct, signal, nr_threads) <= 1)
		return !bpf_map_lookup_elem(&process_exited, &start);
	return !bpf_map_update_elem(&process_exited, &start, &one, BPF_NOEXIST);
}

/* What wait(2) will say: the group's code if the group was ended as one, else the leader's. */
static __always_inline __u32 exit_status(struct task_struct *task, struct signal_struct *signal)
{
	if (READ(signal_struct, signal, flags) & 0x4 /* SIGNAL_GROUP_EXIT */)
		return READ(signal_struct, signal, group_exit_code);
	return READ(task_struct, READ(task_struct, task, group_leader), exit_code);
}

/* In do_exit(), after the thread was counted out and before its parent can reap it. */
SEC("tp_btf/sched_process_exit")
int process_exit(__u64 *ctx)
{
	struct task_struct *task = current_task();
	struct process_exit_record record;
	struct signal_struct *signal;

	if (!scope_current(&record.header))
		return 0;
	signal = READ(task_struct, task, signal);
	if (!last_thread(signal, record.header.start))
		return 0;
	record.status = exit_status(task, signal);
	record.spare = 0;
	record.user_time = READ(signal_struct, signal, utime) + READ(task_struct, task, utime);
	record.system_time = READ(signal_struct, signal, stime) + READ(task_struct, task, stime);
	head_finish(&record.header, PROCESS_EXIT);
	submit(&fathom_facts, &record.header, sizeof(record));
	return 0;
}

#include "seen.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
