/*
 * waits SECONDS sleep|futex|socket|pipe|disk|lock TOLD [FILE]: waits in wait_a and wait_b, three
 * to one unless it is a disk's time or a lock's, and writes `wait_a SECONDS TIMES` into TOLD.
 *
 * The thread that waits is named `waiter`; who makes it go on is named `waker` and sleeps in
 * between. main does nothing but join.
 */
#define OWN_HOT
#include "burn.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SLEEP, FUTEX, SOCKET, PIPE, DISK, LOCK };
static const char *const ways[] = { "sleep", "futex", "socket", "pipe", "disk", "lock" };

static int way;
static double seconds;
static int order[2], answer[2], disk;
static volatile int flag;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static volatile int stop;
static struct {
	double seconds;
	long times;
} told[2];

static void pause_ms(int ms)
{
	struct timespec time = { .tv_nsec = ms * 1000000L };

	nanosleep(&time, NULL);
}

/* The waker's other end: a socket or a pipe, or a word of memory. */
static void wake(void)
{
	if (way == FUTEX) {
		flag = 1;
		syscall(SYS_futex, &flag, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	} else if (write(answer[1], "x", 1) != 1) {
		exit(1);
	}
}

static void *waker(void *unused)
{
	char which;

	(void)unused;
	pthread_setname_np(pthread_self(), "waker");
	if (way == LOCK) {
		while (!stop) {
			pthread_mutex_lock(&lock);
			flag = 1;
			pause_ms(20);
			flag = 0;
			pthread_mutex_unlock(&lock);
			pause_ms(5);
		}
		return NULL;
	}
	while (read(order[0], &which, 1) == 1) {
		pause_ms(which == 'a' ? 30 : 10);
		wake();
	}
	return NULL;
}

static inline __attribute__((always_inline)) void wait_once(int which)
{
	static _Alignas(4096) char page[1 << 16];
	char got, ask = which ? 'b' : 'a';
	double begun;

	if (way != LOCK)
		flag = 0;
	if ((way == FUTEX || way == SOCKET || way == PIPE) && write(order[1], &ask, 1) != 1)
		exit(1);
	begun = seconds_of(CLOCK_MONOTONIC);
	switch (way) {
	case SLEEP:
		pause_ms(which ? 10 : 30);
		break;
	case FUTEX:
		while (!flag)
			syscall(SYS_futex, &flag, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
		break;
	case SOCKET:
	case PIPE:
		if (read(answer[0], &got, 1) != 1)
			exit(1);
		break;
	case DISK:
		page[0]++;
		if (which) {
			if (pwrite(disk, page, sizeof(page), 1 << 20) < 0 || fsync(disk))
				exit(1);
		} else if (pwrite(disk, page, sizeof(page), 0) < 0 || fdatasync(disk)) {
			exit(1);
		}
		break;
	case LOCK:
		while (!flag)
			pause_ms(1);
		pthread_mutex_lock(&lock);
		pthread_mutex_unlock(&lock);
		break;
	}
	told[which].seconds += seconds_of(CLOCK_MONOTONIC) - begun;
	told[which].times++;
}

KEEP void wait_a(void)
{
	wait_once(0);
	__asm__ volatile("");
}

KEEP void wait_b(void)
{
	wait_once(1);
	__asm__ volatile("");
}

KEEP word hot_a(word x)
{
	wait_a();
	return x + 1;
}

KEEP word hot_b(word x)
{
	wait_b();
	return x + 1;
}

KEEP word hot_c(word x)
{
	return x;
}

KEEP void *waiter(void *unused)
{
	double end = seconds_of(CLOCK_MONOTONIC) + seconds;
	word x = 1;

	(void)unused;
	pthread_setname_np(pthread_self(), "waiter");
	while (seconds_of(CLOCK_MONOTONIC) < end)
		for (int which = 0; which < 2; which++)
			x = rec(DEPTH, which, x);
	STAY(x);
	return NULL;
}

/* Two ends of a connection over loopback: one to write to, one to read from. */
static int connected(int ends[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (void *)&at, size) || listen(listener, 1) ||
	    getsockname(listener, (void *)&at, &size))
		return -1;
	ends[1] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(ends[1], (void *)&at, size))
		return -1;
	ends[0] = accept(listener, NULL, NULL);
	return ends[0];
}

int main(int argc, char **argv)
{
	pthread_t threads[2];
	FILE *log;

	seconds = atof(argv[1]);
	while (way < LOCK && strcmp(ways[way], argv[2]) != 0)
		way++;
	if (argc < 4 || pipe(order) || (way == SOCKET ? connected(answer) < 0 : pipe(answer)))
		return 1;
	if (way == DISK) {
		disk = argc > 4 ? open(argv[4], O_RDWR | O_CREAT | O_DIRECT, 0600) : -1;
		if (disk < 0)
			return 1;
	}
	pthread_create(&threads[0], NULL, waker, NULL);
	pthread_create(&threads[1], NULL, waiter, NULL);
	pthread_join(threads[1], NULL);
	stop = 1;
	close(order[1]);
	pthread_join(threads[0], NULL);
	log = fopen(argv[3], "w");
	if (!log)
		return 1;
	for (int i = 0; i < 2; i++)
		fprintf(log, "wait_%c %.6f %ld\n", 'a' + i, told[i].seconds, told[i].times);
	return fclose(log) != 0;
}
