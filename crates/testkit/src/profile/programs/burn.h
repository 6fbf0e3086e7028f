/*
 * Work whose profile is known: main -> rec x 20 -> dispatch -> hot_a|hot_b|hot_c -> leaf, where
 * hot_a makes seven calls of equal work, hot_b two and hot_c one.
 *
 * `noipa` keeps the compiler from cloning, inlining and merging; the empty asm after each call
 * keeps it from jumping where it should call.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef __clang__
#define KEEP __attribute__((noinline))
#else
#define KEEP __attribute__((noipa))
#endif
#define STAY(x) __asm__ volatile("" : "+r"(x))
#define DEPTH 20

/* Some 30 us. Another number makes another file of it, with a build-id of its own. */
#ifndef ROUNDS
#define ROUNDS 20000
#endif

/* What rec calls at its bottom; another program may put something between. */
#ifndef TURN
#define TURN dispatch
#endif

typedef unsigned long word;

word dispatch(int which, word x);
word TURN(int which, word x);

KEEP word leaf(word x)
{
#ifdef FRAMED
	/* A function that calls nobody has no frame pointer otherwise, whatever gcc is told. */
	void *frame = __builtin_frame_address(0);
	STAY(frame);
#endif
	for (int i = 0; i < ROUNDS; i++)
		x = (x ^ (x >> 17)) * 6364136223846793005UL + 1;
	return x;
}

#define HOT(name, calls)                        \
	KEEP word name(word x)                  \
	{                                       \
		for (int i = 0; i < calls; i++) \
			x = leaf(x);            \
		STAY(x);                        \
		return x;                       \
	}

#ifndef OWN_HOT
HOT(hot_a, 7)
HOT(hot_b, 2)
HOT(hot_c, 1)
#else
word hot_a(word x), hot_b(word x), hot_c(word x);
#endif

#ifdef REALIGN
/* Its frame begins wherever the next multiple of 64 is, and ends where `which` says. */
__attribute__((force_align_arg_pointer))
#endif
KEEP word dispatch(int which, word x)
{
#ifdef REALIGN
	_Alignas(64) volatile char aligned[64];
	volatile char *more = __builtin_alloca(40 + 24 * which);
	aligned[0] = (char)x;
	more[0] = aligned[0];
#endif
	switch (which) {
	case 0:
		x = hot_a(x);
		break;
	case 1:
		x = hot_b(x);
		break;
	default:
		x = hot_c(x);
	}
	STAY(x);
	return x;
}

KEEP word rec(int depth, int which, word x)
{
#ifdef FRAME_BYTES
	volatile char big[FRAME_BYTES];
	big[0] = big[FRAME_BYTES - 1] = (char)x;
#endif
	x = depth > 1 ? rec(depth - 1, which, x) : TURN(which, x);
	STAY(x);
	return x;
}

static inline __attribute__((always_inline)) double seconds_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* Whole rounds until so many seconds of CPU time of this clock went by. */
static inline __attribute__((always_inline)) void burn(clockid_t clock, double seconds)
{
	word x = 1;

	for (double end = seconds_of(clock) + seconds; seconds_of(clock) < end;)
		for (int which = 0; which < 3; which++)
			x = rec(DEPTH, which, x);
	STAY(x);
}
