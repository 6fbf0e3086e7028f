// SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only)
/*
 * What gives, changes or takes power: one process acting upon another, modules, namespaces,
 * credentials, capabilities, the place in the file system, and descriptors that no path leads to.
 *
 * All rows are written at the end of the system call, where the result is known and the kernel's
 * own objects say what was done.
 */
#include "target.bpf.h"
#include "module.bpf.h"
#include "self.bpf.h"
#include "descriptor.bpf.h"
#include "bpf.bpf.h"

/* Makes these types part of the object's BTF, from which Rust reads them. */
const enum privilege_kind *unused_kind __attribute__((unused));
const enum bpf_object_kind *unused_object __attribute__((unused));
const enum socket_marks *unused_marks __attribute__((unused));
const struct privilege_target_record *unused_target __attribute__((unused));
const struct privilege_namespace_record *unused_namespace __attribute__((unused));
const struct privilege_credential_record *unused_credential __attribute__((unused));
const struct privilege_prctl_record *unused_prctl __attribute__((unused));
const struct privilege_memfd_record *unused_memfd __attribute__((unused));
const struct privilege_uring_record *unused_uring __attribute__((unused));
const struct privilege_bpf_record *unused_bpf __attribute__((unused));
const struct privilege_feature_record *unused_feature __attribute__((unused));
const struct privilege_socket_record *unused_socket __attribute__((unused));

char LICENSE[] SEC("license") = "Dual BSD/GPL";
