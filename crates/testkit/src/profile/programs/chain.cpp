// chain SECONDS: as chain.c, but leaf, hot_a, hot_b and hot_c are no functions of their own:
// what they are called stands only in the DWARF tables of inlined calls.
#include <cstdlib>
#include <ctime>

#define KEEP __attribute__((noipa))
#define INLINED __attribute__((always_inline)) inline
#define STAY(x) __asm__ volatile("" : "+r"(x))

namespace work {

using word = unsigned long;
constexpr int depth = 20;

struct Mixer {
	word state;
	INLINED void leaf()
	{
		for (int i = 0; i < 20000; i++)
			state = (state ^ (state >> 17)) * 6364136223846793005UL + 1;
	}
};

template <int calls> INLINED word repeat(word x)
{
	Mixer mixer{x};
	for (int i = 0; i < calls; i++)
		mixer.leaf();
	return mixer.state;
}

INLINED word hot_a(word x) { return repeat<7>(x); }
INLINED word hot_b(word x) { return repeat<2>(x); }
INLINED word hot_c(word x) { return repeat<1>(x); }

KEEP word dispatch(int which, word x)
{
	switch (which) {
	case 0:
		return hot_a(x);
	case 1:
		return hot_b(x);
	default:
		return hot_c(x);
	}
}

KEEP word rec(int left, int which, word x)
{
	x = left > 1 ? rec(left - 1, which, x) : dispatch(which, x);
	STAY(x);
	return x;
}

} // namespace work

int main(int argc, char **argv)
{
	double end = argc > 1 ? std::atof(argv[1]) : 1;
	work::word x = 1;
	while (std::clock() < end * CLOCKS_PER_SEC)
		for (int which = 0; which < 3; which++)
			x = work::rec(work::depth, which, x);
	STAY(x);
	return 0;
}
