/*
 * load SECONDS late ONE        three tenths in hot_a, then a library is loaded and does the rest
 * load SECONDS swap ONE TWO    two libraries in turn, each loaded and unloaded: 70 to 30
 */
#define OWN_HOT
#include "burn.h"
#include <dlfcn.h>
#include <string.h>

typedef word hot(word x, int calls);

static hot *plugin;
static int calls;

KEEP word hot_a(word x)
{
	for (int i = 0; i < calls; i++)
		x = leaf(x);
	STAY(x);
	return x;
}

/* In the plugin, so that its functions come right under dispatch's callee. */
KEEP word hot_b(word x)
{
	x = plugin(x, calls);
	STAY(x);
	return x;
}

KEEP word hot_c(word x)
{
	return x;
}

static void *load(const char *path, const char *name)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	plugin = library ? (hot *)dlsym(library, name) : NULL;
	if (!plugin) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return library;
}

int main(int argc, char **argv)
{
	const clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;
	double seconds = atof(argv[1]), begun = seconds_of(clock);
	word x = 1;

	if (argc > 3 && strcmp(argv[2], "late") == 0) {
		calls = 10;
		while (seconds_of(clock) < begun + 0.3 * seconds)
			x = rec(DEPTH, 0, x);
		load(argv[3], "one_hot");
		while (seconds_of(clock) < begun + seconds)
			x = rec(DEPTH, 1, x);
	} else if (argc > 4) {
		while (seconds_of(clock) < begun + seconds) {
			for (int second = 0; second < 2; second++) {
				void *library = load(argv[3 + second], second ? "two_hot" : "one_hot");

				calls = second ? 300 : 700;
				for (int i = 0; i < 5; i++)
					x = rec(DEPTH, 1, x);
				dlclose(library);
			}
		}
	}
	STAY(x);
	return 0;
}
