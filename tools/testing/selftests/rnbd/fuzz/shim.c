// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the pure code calls of the kernel.  Addresses and numbers are parsed by the kernel's own
 * functions, which the build takes from its source.
 */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "shim.h"

unsigned int nr_cpu_ids = 4;
struct net init_net;

ssize_t strscpy(char *dst, const char *src, size_t size)
{
	size_t len = strnlen(src, size);

	if (!size)
		return -E2BIG;
	if (len == size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = '\0';
		return -E2BIG;
	}
	memcpy(dst, src, len + 1);
	return len;
}

char *strim(char *s)
{
	size_t len = strlen(s);

	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	s[len] = '\0';
	while (isspace((unsigned char)*s))
		s++;
	return s;
}

int hex_to_bin(unsigned char c)
{
	if (!isxdigit(c))
		return -1;
	return isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
}

/* One interface, which has the index 7. */
struct net_device *dev_get_by_name(struct net *net, const char *name)
{
	static struct net_device eth0 = { 7 };

	return strcmp(name, "eth0") ? NULL : &eth0;
}

static void put_ip6(const u8 *addr, bool compressed, char *text)
{
	int i;

	if (compressed) {
		inet_ntop(AF_INET6, addr, text, INET6_ADDRSTRLEN);
		return;
	}
	for (i = 0; i < 16; i += 2)
		text += sprintf(text, "%s%02x%02x", i ? ":" : "", addr[i], addr[i + 1]);
}

/* Knows the three forms of addresses and nothing else. */
int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	char text[64];
	size_t used = 0;
	va_list args;

	va_start(args, fmt);
	while (*fmt) {
		if (!strncmp(fmt, "%pI4", 4)) {
			inet_ntop(AF_INET, va_arg(args, void *), text, sizeof(text));
			fmt += 4;
		} else if (!strncmp(fmt, "%pI6", 4)) {
			put_ip6(va_arg(args, void *), fmt[4] == 'c', text);
			fmt += fmt[4] == 'c' ? 5 : 4;
		} else {
			assert(*fmt != '%');
			text[0] = *fmt++;
			text[1] = '\0';
		}
		for (const char *c = text; *c && used + 1 < size; c++)
			buf[used++] = *c;
	}
	va_end(args);
	if (size)
		buf[used] = '\0';
	return used;
}
