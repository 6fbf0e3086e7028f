/*
 * signal SECONDS sync|alternate|entry|async: the work is done in a signal handler.
 *
 * sync: the signal comes at the end of a system call that `interrupt` makes itself; alternate: on
 * a stack of its own; entry: at the very first instruction of `interrupt_entry`, before which
 * another function ends; async: wherever the timer finds `interrupt`.
 */
#define TURN interrupt
#include "burn.h"
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static enum { SYNC, ENTRY, ASYNC } way;
static volatile int turn;
static volatile word state;
static volatile int done;

KEEP void on_signal(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;

	(void)number;
	(void)info;
	/* A timer's signal is worth the time that it took to come. */
	for (int i = 0; i < (way == ASYNC ? 60 : 1); i++)
		state = dispatch(turn, state);
	if (way == ENTRY)
		at->uc_mcontext.gregs[REG_RIP] += 2;
	done = 1;
}

__attribute__((naked, noinline)) void interrupt_entry(void)
{
	__asm__ volatile("ud2; ret");
}

KEEP word interrupt(int which, word x)
{
	long result = SYS_tgkill;

	turn = which;
	state = x;
	done = 0;
	if (way == SYNC) {
		__asm__ volatile("syscall"
				 : "+a"(result)
				 : "D"((long)getpid()), "S"(syscall(SYS_gettid)), "d"(SIGUSR1)
				 : "rcx", "r11", "memory");
	} else if (way == ENTRY) {
		interrupt_entry();
	} else {
		struct itimerval soon = { .it_value.tv_usec = 1000 };

		setitimer(ITIMER_REAL, &soon, NULL);
		while (!done)
			__builtin_ia32_pause();
	}
	x = state;
	STAY(x);
	return x;
}

int main(int argc, char **argv)
{
	const char *word_of_way = argc > 2 ? argv[2] : "sync";
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	stack_t stack = { .ss_sp = malloc(1 << 16), .ss_size = 1 << 16 };

	if (strcmp(word_of_way, "entry") == 0)
		way = ENTRY;
	if (strcmp(word_of_way, "async") == 0)
		way = ASYNC;
	if (strcmp(word_of_way, "alternate") == 0) {
		sigaltstack(&stack, NULL);
		action.sa_flags |= SA_ONSTACK;
	}
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGILL, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	burn(CLOCK_PROCESS_CPUTIME_ID, atof(argv[1]));
	return 0;
}
