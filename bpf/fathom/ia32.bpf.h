/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * 32-bit system calls, which a 64-bit program can make as well, by `int 0x80`: each under the number
 * that the same call has on x86-64, with its arguments where that one has them. What differs beyond
 * that is what user memory holds: pointers of 32 bits.
 */
#ifndef FATHOM_IA32_BPF_H
#define FATHOM_IA32_BPF_H

#include "compat.bpf.h"

#define IA32_CALLS 512
#define IA32_CHOWN 182
#define IA32_FCHOWN 95
#define IA32_LCHOWN 16
#define IA32_TRUNCATE 92
#define IA32_FTRUNCATE 93
#define IA32_TRUNCATE64 193
#define IA32_FTRUNCATE64 194
#define IA32_UMOUNT 22
#define IA32_SOCKETCALL 102

/*
 * The calls that are told, by their numbers there. Only what is read through read_call() may stand
 * here: a program that takes the registers of x86-64 would read something else.
 */
static const __u16 ia32_calls[IA32_CALLS] = {
	[4] = 1,	/* write; read(2) is 0 on x86-64, which here stands for none */
	[5] = 2,	/* open */
	[8] = 85,	/* creat */
	[9] = 86,	/* link */
	[10] = 87,	/* unlink */
	[11] = 59,	/* execve */
	[12] = 80,	/* chdir */
	[15] = 90,	/* chmod */
	[IA32_LCHOWN] = 94,
	[21] = 165,	/* mount */
	[IA32_UMOUNT] = 166,
	[23] = 105,	/* setuid */
	[26] = 101,	/* ptrace */
	[37] = 62,	/* kill */
	[38] = 82,	/* rename */
	[39] = 83,	/* mkdir */
	[40] = 84,	/* rmdir */
	[41] = 32,	/* dup */
	[46] = 106,	/* setgid */
	[52] = 166,	/* umount2 */
	[55] = 72,	/* fcntl */
	[61] = 161,	/* chroot */
	[63] = 33,	/* dup2 */
	[70] = 113,	/* setreuid */
	[71] = 114,	/* setregid */
	[81] = 116,	/* setgroups */
	[83] = 88,	/* symlink */
	[IA32_TRUNCATE] = 76,
	[IA32_FTRUNCATE] = 77,
	[94] = 91,	/* fchmod */
	[IA32_FCHOWN] = 93,
	[120] = 56,	/* clone */
	[128] = 175,	/* init_module */
	[129] = 176,	/* delete_module */
	[133] = 81,	/* fchdir */
	[138] = 122,	/* setfsuid */
	[139] = 123,	/* setfsgid */
	[145] = 19,	/* readv */
	[146] = 20,	/* writev */
	[164] = 117,	/* setresuid */
	[170] = 119,	/* setresgid */
	[172] = 157,	/* prctl */
	[IA32_CHOWN] = 92,
	[185] = 126,	/* capset */
	[187] = 40,	/* sendfile */
	[IA32_TRUNCATE64] = 76,
	[IA32_FTRUNCATE64] = 77,
	[198] = 94,	/* lchown32 */
	[203] = 113,	/* setreuid32 */
	[204] = 114,	/* setregid32 */
	[206] = 116,	/* setgroups32 */
	[207] = 93,	/* fchown32 */
	[208] = 117,	/* setresuid32 */
	[210] = 119,	/* setresgid32 */
	[212] = 92,	/* chown32 */
	[213] = 105,	/* setuid32 */
	[214] = 106,	/* setgid32 */
	[215] = 122,	/* setfsuid32 */
	[216] = 123,	/* setfsgid32 */
	[217] = 155,	/* pivot_root */
	[221] = 72,	/* fcntl64 */
	[238] = 200,	/* tkill */
	[239] = 40,	/* sendfile64 */
	[270] = 234,	/* tgkill */
	[295] = 257,	/* openat */
	[296] = 258,	/* mkdirat */
	[298] = 260,	/* fchownat */
	[301] = 263,	/* unlinkat */
	[302] = 264,	/* renameat */
	[303] = 265,	/* linkat */
	[304] = 266,	/* symlinkat */
	[306] = 268,	/* fchmodat */
	[310] = 272,	/* unshare */
	[313] = 275,	/* splice */
	[330] = 292,	/* dup3 */
	[336] = 298,	/* perf_event_open */
	[337] = 299,	/* recvmmsg */
	[345] = 307,	/* sendmmsg */
	[346] = 308,	/* setns */
	[347] = 310,	/* process_vm_readv */
	[348] = 311,	/* process_vm_writev */
	[350] = 313,	/* finit_module */
	[353] = 316,	/* renameat2 */
	[356] = 319,	/* memfd_create */
	[357] = 321,	/* bpf */
	[358] = 322,	/* execveat */
	[359] = 41,	/* socket */
	[360] = 53,	/* socketpair */
	[361] = 49,	/* bind */
	[362] = 42,	/* connect */
	[363] = 50,	/* listen */
	[364] = 288,	/* accept4 */
	[369] = 44,	/* sendto */
	[370] = 46,	/* sendmsg */
	[371] = 45,	/* recvfrom */
	[372] = 47,	/* recvmsg */
	[374] = 323,	/* userfaultfd */
	[417] = 299,	/* recvmmsg_time64 */
	[424] = 424,	/* pidfd_send_signal */
	[425] = 425,	/* io_uring_setup */
	[426] = 426,	/* io_uring_enter */
	[429] = 429,	/* move_mount */
	[435] = 435,	/* clone3 */
	[437] = 437,	/* openat2 */
	[438] = 438,	/* pidfd_getfd */
	[452] = 452,	/* fchmodat2 */
};

/* The calls behind socketcall(2), which has their arguments in memory: how many, and the number. */
struct ia32_socket_call {
	__u16 arguments;
	__u16 number;		/* 0: one that is not told */
};

#define IA32_SOCKET_CALLS 32

static const struct ia32_socket_call ia32_socket_calls[IA32_SOCKET_CALLS] = {
	[1] = { 3, 41 },	/* socket */
	[2] = { 3, 49 },	/* bind */
	[3] = { 3, 42 },	/* connect */
	[4] = { 2, 50 },	/* listen */
	[5] = { 3, 43 },	/* accept */
	[8] = { 4, 53 },	/* socketpair */
	[9] = { 4, 44 },	/* send: sendto without an address */
	[10] = { 4, 45 },	/* recv: recvfrom without one */
	[11] = { 6, 44 },	/* sendto */
	[12] = { 6, 45 },	/* recvfrom */
	[16] = { 3, 46 },	/* sendmsg */
	[17] = { 3, 47 },	/* recvmsg */
	[18] = { 4, 288 },	/* accept4 */
	[19] = { 5, 299 },	/* recvmmsg */
	[20] = { 4, 307 },	/* sendmmsg */
};

/* As user memory holds them. */
struct ia32_msghdr {
	__u32 msg_name;
	__u32 msg_namelen;
	__u32 msg_iov;
	__u32 msg_iovlen;
	__u32 rest[3];
};

struct ia32_mmsghdr {
	struct ia32_msghdr msg_hdr;
	__u32 msg_len;
};

/*
 * The call behind socketcall(2), by its first argument. In assembly, since the compiler would look
 * up by another copy of the number than the one that was found to be small.
 */
static __always_inline const struct ia32_socket_call *ia32_socket_call(__u32 which)
{
	__u64 place = which < IA32_SOCKET_CALLS ? which : 0;

	asm volatile("%0 &= %1" : "+r"(place) : "i"(IA32_SOCKET_CALLS - 1));
	return &ia32_socket_calls[place];
}

/* The number on x86-64 of a 32-bit call; 0 (which is read there) if it is not told. */
static __always_inline __u32 ia32_number(__u64 number, __u32 first)
{
	if (number >= IA32_CALLS)
		return 0;
	if (number == IA32_SOCKETCALL)
		return ia32_socket_call(first)->number;
	asm volatile("%0 &= %1" : "+r"(number) : "i"(IA32_CALLS - 1));
	return ia32_calls[number];
}

#endif
