/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does what an observer of x86-64's system calls would not see: by 32-bit calls, and through
 * io_uring. It prints a line for each act, `TABLE CALL ABOUT RESULT`: the row that it is to make, its
 * paths or the port of the other end, and what came of it.
 *
 *	evade WAY ACTS	WAY is ia32 or socketcall, or ring, worker or poller; ACTS files, sockets, execs,
 *			and for rings odd-files, many-accepts, silent-connect
 */
#include "machine.h"
#include "net.h"
#include "ia32.h"
#include "ring.h"

static void by_ring(const char *way, const char *acts)
{
	request_flags = same(way, "worker") ? IOSQE_ASYNC : 0;
	ring_make(same(way, "poller") ? SETUP_SQPOLL : 0);
	if (same(acts, "files"))
		ring_files();
	else if (same(acts, "sockets"))
		ring_sockets();
	else if (same(acts, "odd-files"))
		ring_odd_files();
	else if (same(acts, "many-accepts"))
		ring_many_accepts();
	else if (same(acts, "silent-connect"))
		ring_silent_connect();
}

static void act(const char *way, const char *acts)
{
	if (!same(way, "ia32") && !same(way, "socketcall"))
		by_ring(way, acts);
	else if (same(acts, "files"))
		ia32_files();
	else if (same(acts, "execs"))
		ia32_execs();
	else if (same(acts, "sockets"))
		ia32_sockets(same(way, "ia32"));
}

_Noreturn void begin(long *stack)
{
	char **words = (char **)(stack + 1);

	/* getpid(2): where there is no 32-bit table, this ends us by a signal. */
	if (stack[0] == 2 && same(words[1], "ia32"))
		ia32(20, 0, 0, 0, 0, 0);
	if (stack[0] >= 3)
		act(words[1], words[2]);
	leave(0);
}

asm(".global _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
