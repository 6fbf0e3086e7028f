/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the system calls that it is told on its command line, one for each word, and nothing else.
 * What the words mean is said in src/calls.rs. At the end it prints the results.
 */
typedef unsigned long u64;
typedef unsigned int u32;

#define BUFFERS 8
#define CALLS 96
#define KEEP __attribute__((used))

/* Below 4 GiB, all of it: 32-bit calls reach no further. */
static char buffers[BUFFERS][4096];
static char texts[16384];
static u64 texts_end;
static long results[CALLS];

static long call(u64 number, u64 *a)
{
	register u64 r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
	long result;

	__asm__ volatile("syscall" : "=a"(result)
			 : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

/* The same by the 32-bit table. */
static long call_ia32(u64 number, u64 *a)
{
	int result;

	__asm__ volatile("push %%rbp\n\t"
			 "mov %[sixth], %%ebp\n\t"
			 "int $0x80\n\t"
			 "pop %%rbp"
			 : "=a"(result)
			 : "a"((u32)number), "b"((u32)a[0]), "c"((u32)a[1]), "d"((u32)a[2]),
			   "S"((u32)a[3]), "D"((u32)a[4]), [sixth] "r"((u32)a[5])
			 : "r8", "r9", "r10", "r11", "memory");
	return result;
}

static u64 number(const char **at)
{
	int negative = **at == '-';
	u64 value = 0;

	for (*at += negative; **at >= '0' && **at <= '9'; (*at)++)
		value = value * 10 + (u64)(**at - '0');
	return negative ? -value : value;
}

/* The address that `N` or `N+OFFSET` means. */
static char *place(const char **at)
{
	u64 buffer = number(at) % BUFFERS, offset = 0;

	if (**at == '+') {
		++*at;
		offset = number(at);
	}
	return buffers[buffer] + offset % (sizeof(buffers[0]) - 8);
}

/* One value; a text reaches to the next quotation mark. */
static u64 value(const char **at)
{
	char *text;

	switch (**at) {
	case 'r':
		++*at;
		return (u64)results[number(at) % CALLS];
	case '@':
		++*at;
		return (u64)place(at);
	case '*':
		++*at;
		return *(u32 *)place(at);
	case '\'':
		text = texts + texts_end;
		for (++*at; **at && **at != '\'' && texts_end < sizeof(texts) - 1; ++*at)
			texts[texts_end++] = **at;
		texts_end++;	/* the NUL is there */
		*at += **at == '\'';
		return (u64)text;
	}
	return number(at);
}

static void run(const char *word, int which)
{
	u64 given[7] = { 0 };
	char kind = *word;
	int count = 0;

	/* `?N`: only where call N gave 0, as a fork does in the child; `!N`: only elsewhere. */
	for (; kind == '?' || kind == '!'; kind = *++word) {
		word++;
		if ((results[number(&word) % CALLS] == 0) != (kind == '?'))
			return;
	}
	/* `=` writes a number of 32 bits, `#` one of 64, to a place; `%` is a 32-bit call. */
	if (kind == '=' || kind == '#' || kind == '%')
		word++;
	while (*word && count < 7) {
		given[count++] = value(&word);
		while (*word == ' ')
			word++;
	}
	if (kind == '=')
		*(u32 *)given[0] = (u32)given[1];
	else if (kind == '#')
		*(u64 *)given[0] = given[1];
	else if (kind == '%')
		results[which] = call_ia32(given[0], given + 1);
	else
		results[which] = call(given[0], given + 1);
}

static void print(long result)
{
	u64 rest = result < 0 ? -(u64)result : (u64)result;
	u64 a[6] = { 1 };
	char text[24];
	int at = sizeof(text);

	text[--at] = '\n';
	do {
		text[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	if (result < 0)
		text[--at] = '-';
	a[1] = (u64)(text + at);
	a[2] = sizeof(text) - (u64)at;
	call(1 /* write */, a);
}

KEEP static void start(long *stack)
{
	int count = (int)stack[0] - 1, at;
	char **words = (char **)(stack + 2);
	u64 a[6] = { 0 };

	for (at = 0; at < count && at < CALLS; at++)
		run(words[at], at);
	for (at = 0; at < count && at < CALLS; at++)
		print(results[at]);
	call(231 /* exit_group */, a);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start\n");
