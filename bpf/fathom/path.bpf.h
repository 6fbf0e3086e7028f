/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Paths as the kernel resolved them. bpf_d_path() is allowed in few hooks, so this walks the
 * dentries itself, leaf first, and writes each name with its NUL; user space puts the names in
 * order. The walk crosses mount points and ends at the root of the mount namespace: what a
 * chroot hides stays visible.
 */
#ifndef FATHOM_PATH_BPF_H
#define FATHOM_PATH_BPF_H

#include "scratch.bpf.h"

#define PATH_BYTES 4096
#define PATH_NAME 256
#define PATH_DEPTH 96		/* names and mount points together */

/* What is to be said of a path beside its names. */
enum path_marks {
	PATH_KNOWN = 1,		/* there is one: without this mark the names mean nothing */
	PATH_TRUNCATED = 2,	/* deeper or longer than what fits: the names nearest the leaf are kept */
	PATH_DELETED = 4,	/* the leaf has no name any more */
	PATH_UNREACHABLE = 8,	/* not below the namespace's root: a memfd, a pipe, a detached mount */
	PATH_HAS_BASE = 16,	/* the walk came through the base, at base_at */
};

static __always_inline struct mount *real_mount(struct vfsmount *mnt)
{
	return (void *)mnt - bpf_core_field_offset(struct mount, mnt);
}

static __always_inline struct vfsmount *mount_point_of(struct mount *mount)
{
	return (void *)mount + bpf_core_field_offset(struct mount, mnt);
}

/* One step up. False at the end: the marks say how it ended. */
static __always_inline bool path_step(__u8 *tail, volatile struct scratch_walk *walk)
{
	struct dentry *dentry = walk->dentry, *parent;
	struct vfsmount *mnt = walk->mnt;
	const unsigned char *name;
	struct mount *mount, *above;
	__u32 end = walk->end;
	long n;

	if (dentry == walk->base_dentry && mnt == walk->base_mnt) {
		walk->marks |= PATH_HAS_BASE;
		walk->base_at = end - walk->start;
		walk->base_dentry = NULL;	/* once is enough */
	}
	if (dentry == walk->root) {
		mount = real_mount(mnt);
		above = READ(mount, mount, mnt_parent);
		if (above == mount) {
			walk->marks &= ~PATH_TRUNCATED;
			/* No namespace, or an error pointer in its place: kernel-internal. */
			if ((__u64)READ(mount, mount, mnt_ns) + 4095 <= 4095)
				walk->marks |= PATH_UNREACHABLE;
			return false;
		}
		walk->dentry = READ(mount, mount, mnt_mountpoint);
		mnt = mount_point_of(above);
		walk->mnt = mnt;
		walk->root = READ(vfsmount, mnt, mnt_root);
		return true;
	}
	parent = READ(dentry, dentry, d_parent);
	name = READ(dentry, dentry, d_name.name);
	if (end - walk->start > PATH_BYTES || end > SCRATCH_TAIL - PATH_NAME)
		return false;
	n = bpf_probe_read_kernel_str(tail + end, PATH_NAME, name);
	if (n <= 0)
		return false;
	walk->end = end + n;
	walk->dentry = parent;
	if (parent != dentry)
		return true;
	walk->marks &= ~PATH_TRUNCATED;
	walk->marks |= PATH_UNREACHABLE;
	return false;
}

/*
 * Writes the names from `dentry` upwards to tail[walk->end..]; walk->end is where they end then.
 * Gives how many bytes were written.
 */
static __always_inline __u32 path_names(__u8 *tail, volatile struct scratch_walk *walk,
					struct dentry *dentry, struct vfsmount *mnt)
{
	walk->start = walk->end;
	walk->dentry = dentry;
	walk->mnt = mnt;
	walk->root = READ(vfsmount, mnt, mnt_root);
	walk->marks = PATH_KNOWN | PATH_TRUNCATED;
	if (!READ(dentry, dentry, d_hash.pprev) && READ(dentry, dentry, d_parent) != dentry)
		walk->marks |= PATH_DELETED;
	FOR_TURNS(turn, PATH_DEPTH, path_step(tail, walk));
	return walk->end - walk->start;
}

/* A NUL-ended string of the kernel's, behind what is there. Gives its length with the NUL. */
static __always_inline __u32 kernel_string(__u8 *tail, volatile struct scratch_walk *walk,
					   const void *from)
{
	__u32 end = walk->end;
	long n;

	if (end > SCRATCH_TAIL - PATH_BYTES)
		return 0;
	n = bpf_probe_read_kernel_str(tail + end, PATH_BYTES, from);
	if (n <= 0)
		return 0;
	walk->end = end + n;
	return n;
}

/* The same from the memory of the current process, which may rewrite it at any time. */
static __always_inline __u32 user_string(__u8 *tail, volatile struct scratch_walk *walk,
					 const void *from)
{
	__u32 end = walk->end;
	long n;

	if (end > SCRATCH_TAIL - PATH_BYTES)
		return 0;
	n = read_user_string(tail + end, PATH_BYTES, from);
	if (n <= 0)
		return 0;
	walk->end = end + n;
	return n;
}

/* The file behind a descriptor of the current process; null where there is none. */
static __always_inline struct file *current_file(int fd)
{
	struct fdtable *table;
	struct file **files, *file = NULL;

	if (fd < 0)
		return NULL;
	table = READ(files_struct, READ(task_struct, current_task(), files), fdt);
	if ((__u32)fd >= READ(fdtable, table, max_fds))
		return NULL;
	files = READ(fdtable, table, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	return file;
}

#endif
