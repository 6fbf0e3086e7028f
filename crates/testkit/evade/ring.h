/* SPDX-License-Identifier: Apache-2.0 */
/* The same acts through io_uring, one by one, each awaited. */
#ifndef EVADE_RING_H
#define EVADE_RING_H

#include "machine.h"
#include "net.h"

#define IOSQE_DRAIN 2
#define IOSQE_ASYNC 16
#define IOSQE_SILENT 64
#define ANY_SLOT (~0)
#define ACCEPT_MULTISHOT 1
#define SETUP_SQPOLL 2
#define ENTER_GETEVENTS 1
#define ENTER_SQ_WAKEUP 2

enum {
	OP_NOP = 0, OP_ACCEPT = 13, OP_CONNECT = 16, OP_OPENAT = 18, OP_SEND = 26, OP_OPENAT2 = 28,
	OP_RENAMEAT = 35, OP_UNLINKAT = 36, OP_MKDIRAT = 37, OP_SYMLINKAT = 38, OP_LINKAT = 39,
	OP_BIND = 56, OP_LISTEN = 57,
};

struct offsets {
	u32 head, tail, mask, entries, flags_or_overflow, dropped_or_cqes, array_or_flags, spare;
	u64 spare_address;
};

struct parameters {
	u32 sq_entries, cq_entries, flags, sq_cpu, sq_idle, features, wq_fd, spare[3];
	struct offsets sq, cq;
};

struct request {
	u8 op, flags;
	u16 priority;
	s32 fd;
	u64 second, first;
	u32 length, op_flags;
	u64 data;
	u16 buffer, personality;
	s32 last;
	u64 third, spare;
};

struct completion {
	u64 data;
	s32 result;
	u32 flags;
};

static struct parameters ring;
static struct request *requests;
static u8 *sq, *cq, request_flags;
static int ring_fd;

#define SQ(field) ((volatile u32 *)(sq + ring.sq.field))
#define CQ(field) ((volatile u32 *)(cq + ring.cq.field))

static u8 *map(u64 size, u64 offset)
{
	return (u8 *)must("mmap", call6(9, 0, size, 3, 0x8001, ring_fd, offset));
}

static void ring_make(u32 flags)
{
	ring.flags = flags;
	ring.sq_idle = 1000;
	ring_fd = call(425, 8, &ring, 0);
	if (ring_fd < 0) {
		said("unavailable", "-", "-", ring_fd);
		leave(0);
	}
	sq = map(ring.sq.array_or_flags + ring.sq_entries * sizeof(u32), 0);
	cq = map(ring.cq.dropped_or_cqes + ring.cq_entries * sizeof(struct completion), 0x8000000);
	requests = (void *)map(ring.sq_entries * sizeof(struct request), 0x10000000);
}

/* Hands one request over, and whatever it takes to have it begun. */
static void ring_ask(struct request request)
{
	u32 tail = *SQ(tail), slot = tail & *SQ(mask);

	request.flags |= request_flags;
	requests[slot] = request;
	SQ(array_or_flags)[slot] = slot;
	__atomic_store_n((u32 *)SQ(tail), tail + 1, __ATOMIC_SEQ_CST);
	call6(426, ring_fd, 1, 0, ENTER_SQ_WAKEUP, 0, 0);
}

/* Waits for the next completion. */
static struct completion ring_await(void)
{
	struct completion *done = (void *)(cq + ring.cq.dropped_or_cqes), one;
	u32 head = *CQ(head);

	while (__atomic_load_n((u32 *)CQ(tail), __ATOMIC_ACQUIRE) == head)
		call6(426, ring_fd, *SQ(tail) - *SQ(head), 1, ENTER_GETEVENTS | ENTER_SQ_WAKEUP, 0, 0);
	one = done[head & *CQ(mask)];
	__atomic_store_n((u32 *)CQ(head), head + 1, __ATOMIC_RELEASE);
	return one;
}

static long ring_do(struct request request)
{
	ring_ask(request);
	return ring_await().result;
}

/* Has a request done whose success is not told. True if it went well, as far as one can know. */
static int ring_silently(struct request request)
{
	struct request after = { .op = OP_NOP, .flags = IOSQE_DRAIN, .data = 1 };
	int well = 1;

	request.flags |= IOSQE_SILENT;
	ring_ask(request);
	ring_ask(after);
	while (ring_await().data != 1)
		well = 0;
	return well;
}

#define RING(...) ring_do((struct request){ __VA_ARGS__ })
#define AT(path) ((u64)(path))

/* An operation that this kernel's rings do not have is no act. */
static void asked(const char *table, const char *about, long result)
{
	if (result != -22)
		said(table, "io_uring", about, result);
}

static struct open_how ring_how = { .flags = 0102, .mode = 0600 };

static void ring_files(void)
{
	asked("file_open", "made", RING(OP_OPENAT, .fd = AT_FDCWD, .first = AT("made"),
					.length = 0600, .op_flags = 0102));
	asked("file_open", "fresh", RING(OP_OPENAT2, .fd = AT_FDCWD, .first = AT("fresh"),
					 .second = AT(&ring_how), .length = sizeof(ring_how)));
	asked("file_symlink", "link", RING(OP_SYMLINKAT, .fd = AT_FDCWD, .first = AT("made"),
					   .second = AT("link")));
	asked("file_open", "link", RING(OP_OPENAT, .fd = AT_FDCWD, .first = AT("link")));
	asked("file_open", "/etc/hostname",
	      RING(OP_OPENAT, .fd = AT_FDCWD, .first = AT("/etc/hostname")));
	asked("file_open", "/nonexistent/file",
	      RING(OP_OPENAT, .fd = AT_FDCWD, .first = AT("/nonexistent/file")));
	asked("file_link", "made one", RING(OP_LINKAT, .fd = AT_FDCWD, .first = AT("made"),
					    .length = AT_FDCWD, .second = AT("one")));
	asked("file_rename", "made two", RING(OP_RENAMEAT, .fd = AT_FDCWD, .first = AT("made"),
					      .length = AT_FDCWD, .second = AT("two")));
	asked("file_mkdir", "folder",
	      RING(OP_MKDIRAT, .fd = AT_FDCWD, .first = AT("folder"), .length = 0700));
	asked("file_rmdir", "folder",
	      RING(OP_UNLINKAT, .fd = AT_FDCWD, .first = AT("folder"), .op_flags = 0x200));
	asked("file_unlink", "two", RING(OP_UNLINKAT, .fd = AT_FDCWD, .first = AT("two")));
	asked("file_unlink", "absent", RING(OP_UNLINKAT, .fd = AT_FDCWD, .first = AT("absent")));
}

static void ring_sockets(void)
{
	int listener = socket_of(2, 1, 0), client = socket_of(2, 1, 0), other = socket_of(2, 1, 0);
	long result;

	here.port = 0;
	result = RING(OP_BIND, .fd = listener, .first = AT(&here), .second = sizeof(here));
	asked("socket_bind", port_text(listener), result);
	if (result)
		bind_somewhere(listener);
	result = RING(OP_LISTEN, .fd = listener, .length = 5);
	asked("socket_listen", port_text(listener), result);
	if (result) {
		must("listen", call(50, listener, 5, 0));
		said("socket_listen", "listen", port_text(listener), 0);
	}
	result = RING(OP_CONNECT, .fd = client, .first = AT(&here), .second = sizeof(here));
	asked("socket_connect", port_text(listener), result);
	result = RING(OP_ACCEPT, .fd = listener);
	asked("socket_accept", port_text(client), result);
	port_text(listener);
	call(3, listener, 0, 0);
	result = RING(OP_CONNECT, .fd = other, .first = AT(&here), .second = sizeof(here));
	asked("socket_connect", port_text(-1), result);
}

/* Room for files in the ring's own table, where no descriptor leads to them. */
static int ring_table(void)
{
	static struct { u32 count, flags; u64 spare, data, tags; } table = { 4, 1, 0, 0, 0 };

	return !call6(427, ring_fd, 13, (long)&table, sizeof(table), 0, 0);
}

static void ring_odd_files(void)
{
	struct request open = { OP_OPENAT, .fd = AT_FDCWD, .first = AT("made"), .length = 0600,
				.op_flags = 0102 };

	if (ring_table()) {
		open.last = 2;
		asked("file_open", "made", ring_do(open));
		open.last = ANY_SLOT;
		asked("file_open", "made", ring_do(open));
		open.last = 0;
	}
	open.first = AT("silent");
	if (ring_silently(open))
		said("file_open", "io_uring", "silent", 0);
	if (ring_silently((struct request){ OP_UNLINKAT, .fd = AT_FDCWD, .first = AT("silent") }))
		said("file_unlink", "io_uring", "silent", 0);
}

static void ring_many_accepts(void)
{
	int listener = socket_of(2, 1, 0), client, round;
	struct completion one;

	bind_somewhere(listener);
	must("listen", call(50, listener, 5, 0));
	said("socket_listen", "listen", port_text(listener), 0);
	ring_ask((struct request){ OP_ACCEPT, .priority = ACCEPT_MULTISHOT, .fd = listener });
	for (round = 0; round < 3; round++) {
		client = socket_of(2, 1, 0);
		port_text(listener);
		must("connect", call(42, client, &here, sizeof(here)));
		said("socket_connect", "connect", port_text(listener), 0);
		one = ring_await();
		if (one.result < 0) {
			said("unavailable", "-", "-", one.result);
			leave(0);
		}
		said("socket_accept", "io_uring", port_text(client), one.result);
	}
}

static void ring_silent_connect(void)
{
	int listener = socket_of(2, 1, 0), client = socket_of(2, 1, 0);

	bind_somewhere(listener);
	must("listen", call(50, listener, 5, 0));
	said("socket_listen", "listen", port_text(listener), 0);
	if (ring_silently((struct request){ OP_CONNECT, .fd = client, .first = AT(&here),
					    .second = sizeof(here) }))
		said("socket_connect", "io_uring", port_text(listener), 0);
}

#endif
