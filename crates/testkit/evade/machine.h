/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls without a C library, in both of x86-64's ways. The program is linked below 4 GiB, so
 * that its own memory can be named with 32 bits.
 */
#ifndef EVADE_MACHINE_H
#define EVADE_MACHINE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int s32;
typedef unsigned long u64;

#define AT_FDCWD (-100)
#define ARRAY(array) (sizeof(array) / sizeof((array)[0]))

static inline long call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = f;
	long result;

	asm volatile("syscall"
		     : "=a"(result)
		     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return result;
}

#define call(number, a, b, c) call6(number, (long)(a), (long)(b), (long)(c), 0, 0, 0)

/* The 32-bit table: the sixth argument is in ebp, which the compiler may be using. */
static inline s32 ia32_6(u32 number, u32 a, u32 b, u32 c, u32 d, u32 e, u32 f)
{
	s32 result;

	asm volatile("push %%rbp\n\t"
		     "mov %[sixth], %%ebp\n\t"
		     "int $0x80\n\t"
		     "pop %%rbp"
		     : "=a"(result)
		     : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [sixth] "r"(f)
		     : "r8", "r9", "r10", "r11", "memory");
	return result;
}

#define LOW(value) ((u32)(u64)(value))
#define ia32(number, a, b, c, d, e) ia32_6(number, LOW(a), LOW(b), LOW(c), LOW(d), LOW(e), 0)

static inline u64 length(const char *text)
{
	u64 n = 0;

	while (text[n])
		n++;
	return n;
}

static inline void put(const char *text)
{
	call(1, 1, text, length(text));
}

static inline void put_number(long value)
{
	char digits[24], *at = digits + sizeof(digits) - 1;
	u64 left = value < 0 ? -value : value;

	*at = 0;
	do
		*--at = '0' + left % 10;
	while (left /= 10);
	if (value < 0)
		*--at = '-';
	put(at);
}

/* Tells one act: the table and call of the row that it is to make, what it was about, the result. */
static inline void said(const char *table, const char *by, const char *about, long result)
{
	put(table);
	put(" ");
	put(by);
	put(" ");
	put(about);
	put(" ");
	put_number(result);
	put("\n");
}

static inline int same(const char *one, const char *other)
{
	while (*one && *one == *other)
		one++, other++;
	return *one == *other;
}

_Noreturn static inline void leave(int code)
{
	for (;;)
		call(231, code, 0, 0);
}

/* What has to work for the acts to mean anything. */
static inline long must(const char *what, long result)
{
	if (result >= 0)
		return result;
	put("failed ");
	said(what, "-", "-", result);
	leave(1);
}

/* The compiler may call these. */
void *memset(void *to, int value, u64 size)
{
	u8 *bytes = to;

	while (size--)
		*bytes++ = value;
	return to;
}

void *memcpy(void *to, const void *from, u64 size)
{
	u8 *bytes = to;
	const u8 *source = from;

	while (size--)
		*bytes++ = *source++;
	return to;
}

#endif
