/* A program that calls in all the ways that unwinding has to know. */
#include <alloca.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEEP __attribute__((noinline, noclone))

static volatile unsigned long sink;
static volatile unsigned long interrupts;
static int signals = 1;

KEEP unsigned long leaf(unsigned long n)
{
	for (unsigned long i = 0; i < 3; i++)
		n = n * 6364136223846793005ul + 1442695040888963407ul;
	return n;
}

/* A frame of more than 32 KiB. */
KEEP unsigned long large(unsigned long n)
{
	volatile char room[50000];
	room[n % sizeof(room)] = (char)n;
	return leaf(n) + (unsigned long)room[n % sizeof(room)];
}

/* A frame whose size is known only when it runs. */
KEEP unsigned long variable(unsigned long n)
{
	char *room = alloca(64 + n % 512);
	memset(room, (int)n, 64);
	return leaf(n) + (unsigned char)room[n % 64];
}

/* A realigned stack, with a variable size on top. */
KEEP unsigned long aligned(unsigned long n, unsigned long m)
{
	volatile __attribute__((aligned(64))) unsigned long room[16];
	volatile char *more = alloca(16 + m % 64);
	more[0] = (char)n;
	room[n % 16] = leaf(n);
	return room[n % 16] + (unsigned long)more[0];
}

static int compare(const void *left, const void *right)
{
	unsigned long l = leaf(*(const unsigned long *)left), r = leaf(*(const unsigned long *)right);
	return l < r ? -1 : l > r;
}

KEEP unsigned long sorted(unsigned long n)
{
	unsigned long numbers[6] = {n, n * 3, n * 5, n * 7, n * 11, n * 13};
	qsort(numbers, 6, sizeof(numbers[0]), compare);
	return numbers[0];
}

static void interrupted(int number)
{
	interrupts += leaf((unsigned long)number);
}

KEEP unsigned long recursive(unsigned long depth, unsigned long n)
{
	if (depth > 0)
		return leaf(recursive(depth - 1, leaf(n)));
	char text[64];
	snprintf(text, sizeof(text), "%lu %s %g", n, "words", 0.5);
	n += strlen(text) + large(n) + variable(n) + aligned(n, n * 3) + sorted(n);
	if (signals)
		raise(SIGUSR1);
	return n;
}

static void *other(void *argument)
{
	(void)argument;
	for (;;)
		sink += recursive(10, sink);
}

int main(int argc, char **argv)
{
	(void)argv;
	signal(SIGUSR1, interrupted);
	puts("ready");
	fflush(stdout);
	getchar();
	pthread_t thread;
	if (argc > 1) {
		signals = 0;
		pthread_create(&thread, NULL, other, NULL);
	}
	for (;;)
		sink += recursive(20, sink);
}
