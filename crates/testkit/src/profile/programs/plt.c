/* plt SECONDS: hot_a, hot_b and hot_c do nothing but call into a library, through its PLT. */
#define OWN_HOT
#include "burn.h"

word tiny(word x);

#define CALLS 20000
#define CALLING(name, share)                              \
	KEEP word name(word x)                            \
	{                                                 \
		for (int i = 0; i < share * CALLS; i++) { \
			x = tiny(x);                      \
			STAY(x);                          \
		}                                         \
		return x;                                 \
	}

CALLING(hot_a, 7)
CALLING(hot_b, 2)
CALLING(hot_c, 1)

int main(int argc, char **argv)
{
	(void)argc;
	burn(CLOCK_PROCESS_CPUTIME_ID, atof(argv[1]));
	return 0;
}
