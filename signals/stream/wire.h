/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/* What the stream signal writes: fixed width, no holes, no pointers. */
#ifndef FATHOM_STREAM_WIRE_H
#define FATHOM_STREAM_WIRE_H

#include "fathom/record.h"
#include "fathom/ends.h"

enum stream_kind {
	STREAM_OPENED = 0,	/* a socket moves its first bytes, or the first that are seen */
	STREAM_DATA = 1,	/* a system call moved bytes */
	STREAM_CLOSED = 2,
	STREAM_MAPPED = 3,	/* a library was mapped to be run */
};

enum stream_marks {
	STREAM_OUT = 1,		/* the process sent them; else it received them */
	STREAM_DATAGRAM = 2,	/* each call moves a message of its own */
	STREAM_MIDDLE = 4,	/* bytes went before that were not seen, or may have */
	STREAM_PEER = 8,	/* peer and peer_port mean something */
	STREAM_PLAIN = 16,	/* said inside TLS, read where it is plain; positions are its own */
	STREAM_CLIENT = 32,	/* the process asked for the connection */
	STREAM_SERVER = 64,	/* it took it */
};

/* What user space says of a connection; the kernel knows no protocol. */
enum stream_verdict_kind {
	VERDICT_NONE = 0,	/* nothing yet */
	VERDICT_READ = 1,	/* what is spoken is known and read */
	VERDICT_PASS = 2,	/* it is not read: sizes are enough */
	VERDICT_FRAMED = 3,	/* as READ, and it goes in frames, each of which says how long it is */
};

struct stream_opened_record {
	struct record_header header;
	struct socket_ends_record ends;
	__u8 marks;		/* stream_marks */
	__u8 spare[7];
};

/* Behind it the first `copied` bytes. */
struct stream_data_record {
	struct record_header header;
	__u64 socket;
	__u64 position;		/* how many bytes went this way before */
	__u64 size;		/* how many the call moved; of datagrams what the message had */
	__u8 peer[16];
	__u16 peer_port;
	__u16 copied;
	__u16 call;		/* its number on x86-64 */
	__u8 marks;		/* stream_marks */
	__u8 spare;
};

struct stream_mapped_record {
	struct record_header header;
	__u8 name[32];		/* of the file; a longer one is cut */
};

struct stream_closed_record {
	struct record_header header;	/* of who moved its first bytes */
	__u64 socket;
	__u64 sent;		/* where the next byte of each direction would have stood */
	__u64 received;
};

/* One thing that the first bytes of a call are compared with. */
struct stream_signature_record {
	__u64 mask;
	__u64 value;
	__u32 offset;
	__u32 framed;		/* behind so many bytes there are frames, if a connection begins with it */
};

/*
 * What frames look like whose first nine bytes are their length without these, in three bytes, big
 * endian; what kind they are; and five more.
 */
struct stream_frames_record {
	__u64 never;		/* bits that are not set in the first eight bytes, as they lie in memory */
	__u32 kinds;		/* which there are, a bit each */
	__u32 copied;		/* which are copied whole */
	__u32 first;		/* of others so many bytes are, behind the nine */
	__u32 spare;
};

/*
 * All of them. Those whose first byte is given stand together, by that byte; the rest behind them.
 */
struct stream_signatures_record {
	__u16 begins[256];	/* where those for a first byte begin */
	__u16 count[256];
	__u16 others;		/* where those for any first byte begin */
	__u16 other_count;
	__u32 message_bytes;	/* of a message, this many are copied */
	__u32 second_bytes;	/* of a connection in a second, this many */
	__u32 reads_tls;	/* whether anything is attached to a library of TLS */
	struct stream_frames_record frames;
	struct stream_signature_record signature[256];
};

#endif
