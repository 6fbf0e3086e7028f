/* chain SECONDS [unlink | replace FILE]: burns; its own file may go, or be another's, meanwhile. */
#include "burn.h"
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char own[4096] = "";

	if (argc > 2) {
		if (readlink("/proc/self/exe", own, sizeof(own) - 1) < 0)
			return 1;
		if (strcmp(argv[2], "unlink") == 0 ? unlink(own) : rename(argv[3], own))
			return 1;
	}
	burn(CLOCK_PROCESS_CPUTIME_ID, atof(argv[1]));
	return 0;
}
