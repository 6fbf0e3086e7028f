/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets on loopback, made by plain calls: they are what the acts are done to. */
#ifndef EVADE_NET_H
#define EVADE_NET_H

#include "machine.h"

struct address {
	u16 family, port;
	u32 ip;
	u64 rest;
};

static struct address here = { .family = 2, .ip = 0x0100007f };
static char bytes[64];

static int socket_of(int family, int kind, int protocol)
{
	return must("socket", call(41, family, kind, protocol));
}

/* The port of a socket as text, and `here` as its address; of a closed one as it was last. */
static const char *port_text(int fd)
{
	static char text[8];
	struct address local = {};
	u32 size = sizeof(local), port, n = 0, divisor;

	if (call(51, fd, &local, &size) >= 0 && local.port)
		here.port = local.port;
	port = (here.port & 0xff) << 8 | here.port >> 8;
	for (divisor = 10000; divisor; divisor /= 10)
		if (n || port >= divisor || divisor == 1)
			text[n++] = '0' + port / divisor % 10;
	text[n] = 0;
	return text;
}

static void bind_somewhere(int fd)
{
	here.port = 0;
	must("bind", call(49, fd, &here, sizeof(here)));
	said("socket_bind", "bind", port_text(fd), 0);
}

#endif
