/* threads SECONDS: three threads with names; worker-a takes 70 % of the CPU time, and so on. */
#include "burn.h"
#include <pthread.h>

static double seconds;

static const struct {
	const char *name;
	double share;
} workers[] = { { "worker-a", 0.7 }, { "worker-b", 0.2 }, { "worker-c", 0.1 } };

/* A function for each, so that who does not tell threads apart can be asked, too. */
#define BODY(body, own)                                                   \
	KEEP void *body(void *unused)                                     \
	{                                                                 \
		(void)unused;                                             \
		pthread_setname_np(pthread_self(), workers[own].name);    \
		burn(CLOCK_THREAD_CPUTIME_ID, workers[own].share * seconds); \
		return NULL;                                              \
	}

BODY(body_a, 0)
BODY(body_b, 1)
BODY(body_c, 2)

int main(int argc, char **argv)
{
	void *(*const bodies[])(void *) = { body_a, body_b, body_c };
	pthread_t threads[3];

	(void)argc;
	seconds = atof(argv[1]);
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, bodies[i], NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
