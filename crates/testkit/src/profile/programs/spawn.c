/*
 * spawn SECONDS fork|vfork|exec|posix [PROGRAM]: children of a tenth of a second each, one after
 * the other, until together they took so much CPU time.
 *
 * fork, vfork: the child works itself, after vfork in its parent's memory; exec, posix: it is
 * PROGRAM 0.1, started by vfork and exec or by posix_spawn.
 */
#include "burn.h"
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static double of_children(void)
{
	struct rusage used;

	getrusage(RUSAGE_CHILDREN, &used);
	return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
	       (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	double seconds = atof(argv[1]);
	char *words[] = { argc > 3 ? argv[3] : NULL, "0.1", NULL };
	static int exec; /* not on the stack, which a child of vfork shares */

	exec = strcmp(argv[2], "exec") == 0;
	if (argc < 4 && (exec || strcmp(argv[2], "posix") == 0))
		return 2;
	while (of_children() < seconds) {
		pid_t child;

		if (strcmp(argv[2], "posix") == 0) {
			if (posix_spawn(&child, words[0], NULL, NULL, words, environ))
				return 1;
		} else {
			child = strcmp(argv[2], "fork") == 0 ? fork() : vfork();
			if (child == 0) {
				if (exec)
					execv(words[0], words);
				else
					burn(CLOCK_PROCESS_CPUTIME_ID, 0.1);
				_exit(exec);
			}
		}
		if (child < 0 || waitpid(child, NULL, 0) < 0)
			return 1;
	}
	return 0;
}
