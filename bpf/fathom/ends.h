/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* A socket and its two ends, as records carry them. */
#ifndef FATHOM_ENDS_H
#define FATHOM_ENDS_H

enum socket_marks {
	SOCKET_LOCAL_KNOWN = 1,	/* local and local_port mean something */
	SOCKET_PEER_KNOWN = 2,	/* peer and peer_port mean something */
	SOCKET_CALLER = 4,	/* the end that was asked for was read from the caller's memory */
};

/* IPv4 addresses are mapped into IPv6; ports are in the host's order, 0 where there is none. */
struct socket_ends_record {
	__u64 socket;		/* its cookie, or its inode number with the top bit set */
	__u8 local[16];
	__u8 peer[16];
	__u16 local_port;
	__u16 peer_port;
	__u8 family;		/* AF_*, of the socket: an IPv6 one may talk to IPv4 */
	__u8 kind;		/* SOCK_* */
	__u8 protocol;		/* IPPROTO_*, cut to a byte */
	__u8 marks;		/* socket_marks */
};

#endif
