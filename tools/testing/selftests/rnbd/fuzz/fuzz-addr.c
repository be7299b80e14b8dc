// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Addresses of paths (rtrs-addr.c): text of any kind, not terminated.  What is accepted can be
 * written, and read again to the same.
 */
#include "fuzz.h"

#include "rtrs-pri.h"

#define PORT	1234

static bool equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	return rtrs_addr_equal((const struct sockaddr *)a, (const struct sockaddr *)b);
}

static void written(const struct rtrs_addr_pair *pair)
{
	char text[RTRS_PATH_STRLEN], small[4];
	struct rtrs_addr_pair again;
	int len = rtrs_addr_format_path(&pair->src, &pair->dst, text, sizeof(text));

	MUST(len > 0 && (size_t)len == strlen(text) && len < RTRS_PATH_STRLEN - 1);
	MUST(!rtrs_addr_parse_pair(text, len, PORT, &again));
	MUST(equal(&again.dst, &pair->dst));
	if (pair->src.ss_family)
		MUST(equal(&again.src, &pair->src) && again.src.ss_family == again.dst.ss_family);
	else
		MUST(!again.src.ss_family);
	/* a buffer that is too small cuts, and does not overflow */
	len = rtrs_addr_format_path(&pair->src, &pair->dst, small, sizeof(small));
	MUST(len == sizeof(small) - 1 && !memcmp(small, text, len) && !small[len]);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct rtrs_addr_pair pair, untouched;
	struct input in = { data, len };
	char *text = (char *)rest(&in, 512, &len);

	memset(&pair, 0xa5, sizeof(pair));
	untouched = pair;
	if (rtrs_addr_parse_pair(text, len, PORT, &pair)) {
		MUST(!memcmp(&pair, &untouched, sizeof(pair)));
	} else {
		MUST(port_of(&pair.dst) == PORT);
		if (pair.src.ss_family)
			MUST(pair.src.ss_family == pair.dst.ss_family && !port_of(&pair.src));
		written(&pair);
	}
	free(text);
	return 0;
}
