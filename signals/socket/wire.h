/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the socket signal writes: fixed width, no holes, no pointers. */
#ifndef FATHOM_SOCKET_WIRE_H
#define FATHOM_SOCKET_WIRE_H

#include "fathom/record.h"
#include "fathom/ends.h"

#define UNIX_PATH 108

enum socket_kind {
	SOCKET_BIND = 0,
	SOCKET_LISTEN = 1,
	SOCKET_CONNECT = 2,
	SOCKET_ACCEPT = 3,
	SOCKET_CLOSE = 4,	/* an end, of a connection, a listener or an exchange */
	SOCKET_STATE = 5,	/* a TCP socket changed its state */
	SOCKET_DATAGRAM = 6,	/* the first datagram between a socket and a peer */
	SOCKET_OVER = 7,	/* the end of an exchange that user space found */
};

/* Why user space took an exchange out of the table. */
enum socket_over_kind {
	OVER_CLOSED = 1,	/* its socket was closed */
	OVER_IDLE = 2,		/* there was no datagram for long */
	OVER_OPEN = 3,		/* it is not over; the observation is */
};

/* What the socket was in the conversation. */
enum socket_role_kind {
	ROLE_CLIENT = 1,	/* connected, or sent the first datagram */
	ROLE_SERVER = 2,	/* was accepted, or received the first datagram */
	ROLE_LISTENER = 3,
	ROLE_BOUND = 4,		/* a unix socket that was only bound */
};

/* Who sent the first FIN. */
enum socket_fin_kind {
	FIN_NONE = 0,
	FIN_LOCAL = 1,
	FIN_REMOTE = 2,
};

/* bind, listen, connect, accept. Of a unix socket with its path: a socket_path_record. */
struct socket_call_record {
	struct record_header header;
	struct socket_ends_record ends;
	__u64 latency;		/* nanoseconds from SYN to established; 0 where it is not known */
	__s32 result;		/* what the call returned */
	__s32 fd;		/* of the socket; of accept the new one */
	__u32 backlog;		/* as the kernel took it */
	__u16 path_length;
	__u16 call;		/* its number on x86-64, or record_call */
};

struct socket_path_record {
	struct socket_call_record call;
	__u8 path[UNIX_PATH];	/* an abstract name begins with a NUL */
	__u32 spare;
};

struct socket_state_record {
	struct record_header header;	/* of the owner: who connected, accepted or listened */
	struct socket_ends_record ends;
	__u64 entered;		/* when the old state was entered, as header.time; 0: not known */
	__u8 old_state;
	__u8 new_state;
	__u8 role;		/* socket_role_kind */
	__u8 spare[5];
};

struct socket_close_record {
	struct record_header header;	/* of the owner */
	struct socket_ends_record ends;
	__u64 began;		/* as header.time */
	__u64 entered;		/* when the old state was entered; 0 where it is not known */
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 packets_sent;	/* segments or datagrams */
	__u64 packets_received;
	__u32 rtt;		/* smoothed, microseconds */
	__u32 retransmits;
	__s32 error;		/* sk_err at the end */
	__s32 fd;		/* -1 where it is not known */
	__u16 path_length;	/* of the path behind it */
	__u8 old_state;		/* 0 where no change was seen */
	__u8 role;		/* socket_role_kind */
	__u8 first_fin;		/* socket_fin_kind */
	__u8 spare[3];
};

struct socket_datagram_record {
	struct record_header header;
	struct socket_ends_record ends;
	__u64 bytes;
	__u16 call;		/* its number on x86-64, or record_call */
	__u8 role;		/* socket_role_kind */
	__u8 spare[5];
};

/* One exchange of datagrams, as it stands in the table that user space sweeps. */
struct socket_exchange_key_record {
	__u64 socket;
	__u8 peer[16];
	__u16 peer_port;
	__u16 spare[3];
};

struct socket_exchange_record {
	struct record_header header;	/* of who sent or received the first datagram */
	struct socket_ends_record ends;
	__u64 last;		/* the last datagram, as header.time */
	__u64 bytes_sent;
	__u64 bytes_received;
	__u64 datagrams_sent;
	__u64 datagrams_received;
	__u8 role;		/* socket_role_kind */
	__u8 spare[7];
};

/*
 * What user space writes when it takes an exchange out of the table, so that the end of an exchange
 * is a record like all others and stands in captures.
 */
struct socket_over_record {
	struct record_header header;	/* of who began it, at the time it was taken out */
	struct socket_exchange_record exchange;
	__u64 ended;		/* as header.time */
	__u8 why;		/* socket_over_kind */
	__u8 spare[7];
};

#endif
