/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* The headers of messages as callers have them in their memory, whatever the caller's word size. */
#ifndef FATHOM_MESSAGE_BPF_H
#define FATHOM_MESSAGE_BPF_H

#include "ia32.bpf.h"

/* A header in the form of 64 bits. */
static __always_inline void widen_header(struct user_msghdr *header, const struct ia32_msghdr *narrow)
{
	header->msg_name = (void *)(__u64)narrow->msg_name;
	header->msg_namelen = narrow->msg_namelen;
	header->msg_iov = (void *)(__u64)narrow->msg_iov;
	header->msg_iovlen = narrow->msg_iovlen;
}

/* One header of a vector, or the only one, from where the caller has it. */
static __always_inline bool user_message(struct mmsghdr *message, const void *from, bool ia32)
{
	struct ia32_mmsghdr narrow;

	if (!ia32)
		return !bpf_probe_read_user(message, sizeof(*message), from);
	if (bpf_probe_read_user(&narrow, sizeof(narrow), from))
		return false;
	widen_header(&message->msg_hdr, &narrow.msg_hdr);
	message->msg_len = narrow.msg_len;
	return true;
}

/* The same where no length stands behind it. */
static __always_inline bool user_header(struct user_msghdr *header, const void *from, bool ia32)
{
	struct ia32_msghdr narrow;

	if (!ia32)
		return !bpf_probe_read_user(header, sizeof(*header), from);
	if (bpf_probe_read_user(&narrow, sizeof(narrow), from))
		return false;
	widen_header(header, &narrow);
	return true;
}

#endif
