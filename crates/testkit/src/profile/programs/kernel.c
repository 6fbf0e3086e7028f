/*
 * kernel SECONDS syscalls|vdso: the work is the kernel's, or that of the code that it maps.
 *
 * syscalls: hot_a reads /dev/zero for 1.4 ms of CPU time, hot_b makes the shortest call for
 * 0.4 ms, hot_c stays in user space for 0.2 ms; vdso: each reads the clock, 7, 2 and 1 times as often.
 */
#define OWN_HOT
#include "burn.h"
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char buffer[1 << 14];
static int zero, vdso;

/*
 * Works until this function had its due of CPU time: what one round takes too much, the next
 * takes less. The rounds are short, so that they do not march in step with who looks at them.
 */
#define FOR_US(us) \
	static double due; \
	for (double begun = seconds_of(CLOCK_THREAD_CPUTIME_ID), now = (due += us / 1e6, begun); \
	     now - begun < due || (due -= now - begun, 0); \
	     now = seconds_of(CLOCK_THREAD_CPUTIME_ID))

static inline __attribute__((always_inline)) word clocks(word x, int times)
{
	struct timespec now;

	for (int i = 0; i < times * 10000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		x += now.tv_nsec;
	}
	return x;
}

KEEP word hot_a(word x)
{
	if (vdso)
		return clocks(x, 7);
	FOR_US(1400) {
		for (int i = 0; i < 10; i++)
			x += read(zero, buffer, sizeof(buffer));
	}
	return x;
}

KEEP word hot_b(word x)
{
	if (vdso)
		return clocks(x, 2);
	FOR_US(400) {
		for (int i = 0; i < 100; i++)
			x += syscall(SYS_getppid);
	}
	return x;
}

KEEP word hot_c(word x)
{
	if (vdso)
		return clocks(x, 1);
	FOR_US(200) {
		x = leaf(x);
	}
	return x;
}

int main(int argc, char **argv)
{
	zero = open("/dev/zero", O_RDONLY);
	vdso = argc > 2 && strcmp(argv[2], "vdso") == 0;
	burn(CLOCK_PROCESS_CPUTIME_ID, atof(argv[1]));
	return 0;
}
