/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzz targets share.  A target gets bytes, takes its parameters from the first of them
 * and hands the rest, in memory of exactly that size, to the code under test: the sanitizer sees
 * every byte that is read beyond.  MUST states what has to be true of the result.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdio.h>

#include "shim.h"

#define MUST(cond)								\
do {										\
	if (!(cond)) {								\
		fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #cond);	\
		abort();							\
	}									\
} while (0)

struct input {
	const u8	*data;
	size_t		len;
};

/* The next @len bytes as a number, zero where the input has ended. */
static inline u64 take(struct input *in, size_t len)
{
	u64 num = 0;
	size_t n = min(len, in->len);

	memcpy(&num, in->data, n);
	in->data += n;
	in->len -= n;
	return num;
}

/* A copy of the rest (at most @max bytes) in memory of its own size, to be freed. */
static inline u8 *rest(struct input *in, size_t max, size_t *len)
{
	u8 *copy;

	*len = min(in->len, max);
	copy = malloc(*len);
	MUST(copy || !*len);
	if (*len)
		memcpy(copy, in->data, *len);
	return copy;
}

/* A terminated copy of up to the next NUL, or the rest; to be freed. */
static inline char *text(struct input *in)
{
	size_t len = strnlen((const char *)in->data, in->len);
	char *copy = malloc(len + 1);

	MUST(copy);
	memcpy(copy, in->data, len);
	copy[len] = '\0';
	in->data += min(len + 1, in->len);
	in->len -= min(len + 1, in->len);
	return copy;
}

static inline u16 port_of(const struct sockaddr_storage *addr)
{
	switch (addr->ss_family) {
	case AF_INET:
		return ntohs(((struct sockaddr_in *)addr)->sin_port);
	case AF_INET6:
		return ntohs(((struct sockaddr_in6 *)addr)->sin6_port);
	default:
		return be64_to_cpu(((struct sockaddr_ib *)addr)->sib_sid);
	}
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

#endif /* FUZZ_H */
