/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the kernel resolved, for calls that leave no file behind. The LSM hooks see the very
 * directories and names that the call is about to act on, after lookup and permission checks;
 * what they say is kept until the call's end, when the result is known.
 *
 * Each hook comes three times, as LSM program, as fentry of the function that calls the LSMs, and
 * as kprobe of it; the loader takes the first that works.
 */
#ifndef FATHOM_FILE_RESOLVE_BPF_H
#define FATHOM_FILE_RESOLVE_BPF_H

struct file_stash {
	struct file_stash_record record;
	__u8 names[STASH_BYTES];
};

/* Its own buffer: the hooks run inside the call, long before its end. All of them share it. */
struct stash_scratch_value {
	__u64 taken_by;		/* the thread that builds something here, which may be preempted; or 0 */
	struct scratch_walk walk;
	struct file_stash_record record;
	__u8 tail[SCRATCH_TAIL];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stash_scratch_value);
} stash_scratch_map SEC(".maps");

/* By thread. One that dies inside the call leaves its entry to be pushed out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 512);
	__type(key, __u64);
	__type(value, struct file_stash);
} file_stashes SEC(".maps");

static __always_inline struct stash_scratch_value *stash_begin(__u32 kind)
{
	struct stash_scratch_value *s;
	struct record_header head;
	__u32 zero = 0;

	if (!scope_current(&head))
		return NULL;
	s = bpf_map_lookup_elem(&stash_scratch_map, &zero);
	if (!s)
		return NULL;
	hold();
	if (s->taken_by) {
		let_go();
		count_fate(kind, FATE_TABLE_FULL);
		return NULL;
	}
	s->taken_by = bpf_get_current_pid_tgid();
	s->walk.end = 0;
	s->walk.base_dentry = NULL;
	s->record.kind = kind;
	s->record.length[0] = s->record.length[1] = 0;
	s->record.marks[0] = s->record.marks[1] = 0;
	return s;
}

static __always_inline void stash_path(struct stash_scratch_value *s, int which,
				       struct dentry *dentry, struct vfsmount *mnt)
{
	s->record.length[which] = path_names(s->tail, &s->walk, dentry, mnt);
	/* A name that is about to be made is not deleted, and one about to go not yet. */
	s->record.marks[which] = s->walk.marks & ~PATH_DELETED;
}

static __always_inline void stash_end(struct stash_scratch_value *s, __u32 kind)
{
	__u64 thread = bpf_get_current_pid_tgid();

	/* Too long for the stash: better not known than half known. */
	if (((volatile struct scratch_walk *)&s->walk)->end > STASH_BYTES)
		s->record.length[0] = s->record.length[1] = s->record.marks[0] = s->record.marks[1] = 0;
	if (bpf_map_update_elem(&file_stashes, &thread, &s->record, BPF_ANY))
		count_fate(kind, FATE_TABLE_FULL);
	s->taken_by = 0;
	let_go();
}

/* One existing path, or a name in a directory: the walk is the same. */
static __always_inline int stash_one(__u32 kind, int which, struct dentry *dentry,
				     struct vfsmount *mnt)
{
	struct stash_scratch_value *s = stash_begin(kind);

	if (!s)
		return 0;
	stash_path(s, which, dentry, mnt);
	stash_end(s, kind);
	return 0;
}

static __always_inline int stash_two(__u32 kind, struct dentry *first, struct vfsmount *first_mnt,
				     struct dentry *second, struct vfsmount *second_mnt)
{
	struct stash_scratch_value *s = stash_begin(kind);

	if (!s)
		return 0;
	stash_path(s, 0, first, first_mnt);
	stash_path(s, 1, second, second_mnt);
	stash_end(s, kind);
	return 0;
}

/* At the call's end: what was stashed for it, copied behind what is there. */
static __always_inline void take_stash(struct scratch_value *s, __u32 kind)
{
	volatile struct scratch_walk *walk = &s->walk;
	__u64 thread = bpf_get_current_pid_tgid();
	struct file_stash *stash = bpf_map_lookup_elem(&file_stashes, &thread);
	__u32 length, end = walk->end;

	if (!stash)
		return;
	length = stash->record.length[0] + stash->record.length[1];
	if (stash->record.kind == kind && length <= STASH_BYTES &&
	    end <= SCRATCH_TAIL - 2 * STASH_BYTES) {
		bpf_probe_read_kernel(s->tail + end, length & (2 * STASH_BYTES - 1), stash->names);
		walk->end = end + length;
		s->record.path[0].resolved_length = stash->record.length[0];
		s->record.path[0].resolved_marks = stash->record.marks[0];
		s->record.path[1].resolved_length = stash->record.length[1];
		s->record.path[1].resolved_marks = stash->record.marks[1];
	}
	bpf_map_delete_elem(&file_stashes, &thread);
}

/* What calls that take no stash may have left in it must not be taken for the next call's. */
static __always_inline int forget_stash(void)
{
	__u64 thread = bpf_get_current_pid_tgid();

	bpf_map_delete_elem(&file_stashes, &thread);
	return 0;
}

/* io_uring acts inside io_uring_enter, through the same hooks and without an end of its own. */
SEC("tp_btf/sys_exit")
int BPF_PROG(file_forget)
{
	return forget_stash();
}

/*
 * The three forms of one hook; ACT uses the parameters by their names. An observer never denies:
 * the LSM form returns 0, which leaves the verdict to the others.
 */
#define TWINS1(NAME, HOOK, A, ACT)                                          \
	SEC("lsm/" #HOOK)                                                   \
	int BPF_PROG(NAME##_lsm, A) { ACT; return 0; }                      \
	SEC("fentry/security_" #HOOK)                                       \
	int BPF_PROG(NAME##_fentry, A) { return ACT; }                      \
	SEC("kprobe/security_" #HOOK)                                       \
	int BPF_KPROBE(NAME##_kprobe, A) { return ACT; }

#define TWINS2(NAME, HOOK, A, B, ACT)                                       \
	SEC("lsm/" #HOOK)                                                   \
	int BPF_PROG(NAME##_lsm, A, B) { ACT; return 0; }                   \
	SEC("fentry/security_" #HOOK)                                       \
	int BPF_PROG(NAME##_fentry, A, B) { return ACT; }                   \
	SEC("kprobe/security_" #HOOK)                                       \
	int BPF_KPROBE(NAME##_kprobe, A, B) { return ACT; }

#define TWINS3(NAME, HOOK, A, B, C, ACT)                                    \
	SEC("lsm/" #HOOK)                                                   \
	int BPF_PROG(NAME##_lsm, A, B, C) { ACT; return 0; }                \
	SEC("fentry/security_" #HOOK)                                       \
	int BPF_PROG(NAME##_fentry, A, B, C) { return ACT; }                \
	SEC("kprobe/security_" #HOOK)                                       \
	int BPF_KPROBE(NAME##_kprobe, A, B, C) { return ACT; }

#define TWINS4(NAME, HOOK, A, B, C, D, ACT)                                 \
	SEC("lsm/" #HOOK)                                                   \
	int BPF_PROG(NAME##_lsm, A, B, C, D) { ACT; return 0; }             \
	SEC("fentry/security_" #HOOK)                                       \
	int BPF_PROG(NAME##_fentry, A, B, C, D) { return ACT; }             \
	SEC("kprobe/security_" #HOOK)                                       \
	int BPF_KPROBE(NAME##_kprobe, A, B, C, D) { return ACT; }

#define MNT(path) BPF_CORE_READ(path, mnt)
#define DENTRY(path) BPF_CORE_READ(path, dentry)

TWINS2(resolve_unlink, path_unlink, struct path *dir, struct dentry *dentry,
       stash_one(FILE_UNLINK, 0, dentry, MNT(dir)))
TWINS2(resolve_rmdir, path_rmdir, struct path *dir, struct dentry *dentry,
       stash_one(FILE_RMDIR, 0, dentry, MNT(dir)))
TWINS3(resolve_mkdir, path_mkdir, struct path *dir, struct dentry *dentry, umode_t mode,
       stash_one(FILE_MKDIR, 0, dentry, MNT(dir)))
TWINS3(resolve_symlink, path_symlink, struct path *dir, struct dentry *dentry, const char *old,
       stash_one(FILE_SYMLINK, 1, dentry, MNT(dir)))
/* A link cannot cross mounts, so the old name lies on the new one's. */
TWINS3(resolve_link, path_link, struct dentry *old, struct path *dir, struct dentry *dentry,
       stash_two(FILE_LINK, old, MNT(dir), dentry, MNT(dir)))
TWINS2(resolve_chmod, path_chmod, struct path *path, umode_t mode,
       stash_one(FILE_CHMOD, 0, DENTRY(path), MNT(path)))
TWINS3(resolve_chown, path_chown, struct path *path, u64 uid, u64 gid,
       stash_one(FILE_CHOWN, 0, DENTRY(path), MNT(path)))
TWINS1(resolve_truncate, path_truncate, struct path *path,
       stash_one(FILE_TRUNCATE, 0, DENTRY(path), MNT(path)))
TWINS4(resolve_rename, path_rename, struct path *old_dir, struct dentry *old_dentry,
       struct path *new_dir, struct dentry *new_dentry,
       stash_two(FILE_RENAME, old_dentry, MNT(old_dir), new_dentry, MNT(new_dir)))
TWINS2(resolve_umount, sb_umount, struct vfsmount *mnt, int flags,
       stash_one(FILE_UMOUNT, 0, BPF_CORE_READ(mnt, mnt_root), mnt))
TWINS3(resolve_mount, sb_mount, const char *source, struct path *path, const char *type,
       stash_one(FILE_MOUNT, 1, DENTRY(path), MNT(path)))
TWINS2(resolve_move_mount, move_mount, struct path *from, struct path *to,
       stash_two(FILE_MOUNT, DENTRY(from), MNT(from), DENTRY(to), MNT(to)))

#endif
