/* SPDX-License-Identifier: Apache-2.0 */
/* The same acts through the 32-bit table, each call by each of its forms. */
#ifndef EVADE_IA32_H
#define EVADE_IA32_H

#include "machine.h"
#include "net.h"

struct open_how {
	u64 flags, mode, resolve;
};

static struct open_how how = { .flags = 0102, .mode = 0600 };
static u32 arguments[3];

static void ia32_names(void)
{
	said("file_link", "link", "made one", ia32(9, "made", "one", 0, 0, 0));
	said("file_link", "linkat", "made two", ia32(303, AT_FDCWD, "made", AT_FDCWD, "two", 0));
	said("file_rename", "rename", "one three", ia32(38, "one", "three", 0, 0, 0));
	said("file_rename", "renameat", "three four",
	     ia32(302, AT_FDCWD, "three", AT_FDCWD, "four", 0));
	said("file_rename", "renameat2", "four five",
	     ia32(353, AT_FDCWD, "four", AT_FDCWD, "five", 1));
	said("file_symlink", "symlink", "link", ia32(83, "made", "link", 0, 0, 0));
	said("file_symlink", "symlinkat", "other", ia32(304, "made", AT_FDCWD, "other", 0, 0));
	said("file_mkdir", "mkdir", "folder", ia32(39, "folder", 0700, 0, 0, 0));
	said("file_mkdir", "mkdirat", "second", ia32(296, AT_FDCWD, "second", 0700, 0, 0));
	said("file_rmdir", "rmdir", "folder", ia32(40, "folder", 0, 0, 0, 0));
	said("file_rmdir", "unlinkat", "second", ia32(301, AT_FDCWD, "second", 0x200, 0, 0));
	said("file_unlink", "unlink", "two", ia32(10, "two", 0, 0, 0, 0));
	said("file_unlink", "unlinkat", "five", ia32(301, AT_FDCWD, "five", 0, 0, 0));
	said("file_unlink", "unlink", "absent", ia32(10, "absent", 0, 0, 0, 0));
}

static void ia32_attributes(int fd)
{
	said("file_chmod", "chmod", "made", ia32(15, "made", 0640, 0, 0, 0));
	said("file_chmod", "fchmodat", "made", ia32(306, AT_FDCWD, "made", 0600, 0, 0));
	said("file_chmod", "fchmod", "-", ia32(94, fd, 0644, 0, 0, 0));
	said("file_chown", "chown", "made", ia32(182, "made", 0xffff, 7, 0, 0));
	said("file_chown", "lchown", "made", ia32(16, "made", 8, 0xffff, 0, 0));
	said("file_chown", "fchown", "-", ia32(95, fd, 9, 0xffff, 0, 0));
	said("file_chown", "chown", "made", ia32(212, "made", 100000, -1, 0, 0));
	said("file_chown", "lchown", "made", ia32(198, "made", -1, 100001, 0, 0));
	said("file_chown", "fchown", "-", ia32(207, fd, 0, 0, 0, 0));
	said("file_chown", "fchownat", "made", ia32(298, AT_FDCWD, "made", 0, 0, 0));
	said("file_truncate", "truncate", "made", ia32(92, "made", 10, 0, 0, 0));
	said("file_truncate", "ftruncate", "-", ia32(93, fd, 20, 0, 0, 0));
	said("file_truncate", "truncate", "made", ia32(193, "made", 5, 1, 0, 0));
	said("file_truncate", "ftruncate", "-", ia32(194, fd, 6, 1, 0, 0));
	said("file_truncate", "truncate", "made", ia32(92, "made", -1, 0, 0, 0));
}

static void ia32_files(void)
{
	int fd = ia32(5, "made", 0102, 0600, 0, 0);

	said("file_open", "open", "made", fd);
	said("file_open", "creat", "created", ia32(8, "created", 0600, 0, 0, 0));
	said("file_open", "openat", "made", ia32(295, AT_FDCWD, "made", 0, 0, 0));
	said("file_open", "openat2", "fresh", ia32(437, AT_FDCWD, "fresh", &how, sizeof(how), 0));
	said("file_open", "open", "/nonexistent/file", ia32(5, "/nonexistent/file", 0, 0, 0, 0));
	ia32_names();
	ia32_attributes(fd);
	said("file_mount", "mount", "absent", ia32(21, "here", "absent", "none", 0x1000, 0));
	said("file_mount", "move_mount", "absent",
	     ia32(429, AT_FDCWD, "here", AT_FDCWD, "absent", 0));
	said("file_umount", "umount2", "absent", ia32(22, "absent", 0, 0, 0, 0));
	said("file_umount", "umount2", "absent", ia32(52, "absent", 2, 0, 0, 0));
}

static void ia32_execs(void)
{
	arguments[0] = LOW("one");
	arguments[1] = LOW("two");
	said("process_exec", "execve", "/nonexistent/program",
	     ia32(11, "/nonexistent/program", arguments, 0, 0, 0));
	said("process_exec", "execveat", "absent",
	     ia32(358, AT_FDCWD, "absent", arguments, 0, 0));
	arguments[1] = LOW("leave");
	said("process_exec", "execve", "/proc/self/exe", 0);
	must("execve", ia32(11, "/proc/self/exe", arguments, 0, 0, 0));
}

/* By socketcall(2), which has its arguments in memory, or by the call itself. */
static s32 by_either(int direct, u32 number, u32 which, u32 a, u32 b, u32 c, u32 d, u32 e, u32 f)
{
	static u32 words[6];

	if (direct)
		return ia32_6(number, a, b, c, d, e, f);
	words[0] = a, words[1] = b, words[2] = c, words[3] = d, words[4] = e, words[5] = f;
	return ia32(102, which, words, 0, 0, 0);
}

struct message {
	u32 name, name_length, vector, vectors, control, control_length, flags;
};

static void ia32_datagrams(int direct)
{
	static struct { u32 base, length; } vector;
	static struct { struct message header; u32 length; } one;
	static struct address from;
	static u32 from_length;
	int to = socket_of(2, 2, 0), by = socket_of(2, 2, 0);
	s32 result;

	bind_somewhere(to);
	result = by_either(direct, 369, 11, by, LOW("0123456789"), 10, 0, LOW(&here), sizeof(here));
	said("socket_datagram", "sendto", port_text(to), result);
	from_length = sizeof(from);
	result = by_either(direct, 371, 12, to, LOW(bytes), 64, 0, LOW(&from), LOW(&from_length));
	said("socket_datagram", "recvfrom", port_text(by), result);
	call(3, by, 0, 0);

	by = socket_of(2, 2, 0);
	port_text(to);
	vector.base = LOW("0123456789"), vector.length = 7;
	one.header.name = LOW(&here), one.header.name_length = sizeof(here);
	one.header.vector = LOW(&vector), one.header.vectors = 1;
	result = by_either(direct, 370, 16, by, LOW(&one), 0, 0, 0, 0);
	said("socket_datagram", "sendmsg", port_text(to), result);
	one.header.name = LOW(&from), one.header.name_length = sizeof(from);
	vector.base = LOW(bytes);
	result = by_either(direct, 372, 17, to, LOW(&one), 0, 0, 0, 0);
	said("socket_datagram", "recvmsg", port_text(by), result);
	call(3, by, 0, 0);

	by = socket_of(2, 2, 0);
	port_text(to);
	one.header.name = LOW(&here), one.header.name_length = sizeof(here);
	must("sendmmsg", by_either(direct, 345, 20, by, LOW(&one), 1, 0, 0, 0));
	said("socket_datagram", "sendmmsg", port_text(to), one.length);
	one.header.name = LOW(&from), one.header.name_length = sizeof(from);
	must("recvmmsg", by_either(direct, 337, 19, to, LOW(&one), 1, 0, 0, 0));
	said("socket_datagram", "recvmmsg", port_text(by), one.length);
}

static void ia32_sockets(int direct)
{
	int listener = socket_of(2, 1, 0), client = socket_of(2, 1, 0), other = socket_of(2, 1, 0);
	s32 result;

	here.port = 0;
	result = by_either(direct, 361, 2, listener, LOW(&here), sizeof(here), 0, 0, 0);
	said("socket_bind", "bind", port_text(listener), result);
	result = by_either(direct, 363, 4, listener, 5, 0, 0, 0, 0);
	said("socket_listen", "listen", port_text(listener), result);
	result = by_either(direct, 362, 3, client, LOW(&here), sizeof(here), 0, 0, 0);
	said("socket_connect", "connect", port_text(listener), result);
	result = by_either(direct, 364, 18, listener, 0, 0, 0, 0, 0);
	said("socket_accept", "accept4", port_text(client), result);
	if (!direct) {
		port_text(listener);
		must("connect", call(42, other, &here, sizeof(here)));
		said("socket_connect", "connect", port_text(listener), 0);
		result = by_either(0, 0, 5, listener, 0, 0, 0, 0, 0);
		said("socket_accept", "accept", port_text(other), result);
		other = socket_of(2, 1, 0);
	}
	port_text(listener);
	call(3, listener, 0, 0);
	result = by_either(direct, 362, 3, other, LOW(&here), sizeof(here), 0, 0, 0);
	said("socket_connect", "connect", port_text(-1), result);
	ia32_datagrams(direct);
}

#endif
