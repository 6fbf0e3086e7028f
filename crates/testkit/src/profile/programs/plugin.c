/*
 * A library that is loaded late. With -DSECOND its functions stand in another order and have
 * other names, but the file is as large, so that it may be mapped where the first was.
 */
#define KEEP __attribute__((noipa))

#define LEAF(name)                                                                 \
	KEEP unsigned long name(unsigned long x)                                   \
	{                                                                          \
		for (int i = 0; i < 20000; i++)                                    \
			x = (x ^ (x >> 17)) * 6364136223846793005UL + 1;           \
		return x;                                                          \
	}
#define HOT(name, leaf)                                              \
	unsigned long leaf(unsigned long x);                         \
	KEEP unsigned long name(unsigned long x, int calls)          \
	{                                                            \
		for (int i = 0; i < calls; i++)                      \
			x = leaf(x);                                 \
		__asm__ volatile("" : "+r"(x));                      \
		return x;                                            \
	}

#ifdef SECOND
HOT(two_hot, two_leaf)
KEEP unsigned long two_pad(unsigned long x) { return x * 5 + x / 7; }
LEAF(two_leaf)
#else
LEAF(one_leaf)
HOT(one_hot, one_leaf)
KEEP unsigned long one_pad(unsigned long x) { return x * 5 + x / 7; }
#endif
