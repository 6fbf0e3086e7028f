/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the scope control writes: which cgroups come and go. */
#ifndef FATHOM_SCOPE_WIRE_H
#define FATHOM_SCOPE_WIRE_H

#include "fathom/record.h"

#define CGROUP_PATH 2048

enum scope_kind {
	SCOPE_CGROUP = 0,	/* counts cgroups that found no room in the scope */
	SCOPE_PID = 1,		/* the same of processes */
	SCOPE_MADE = 2,		/* a cgroup was made */
	SCOPE_GONE = 3,		/* a cgroup was removed */
};

/* Behind it, when made: the path from the hierarchy's root, with its NUL. The head's cgroup is it. */
struct scope_cgroup_record {
	struct record_header header;
	__u32 path_length;
	__u32 entered;		/* whether it is in scope by being below one that is */
};

#endif
