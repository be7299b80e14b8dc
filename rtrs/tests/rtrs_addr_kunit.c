// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit tests of address text: what is accepted and how it is shown again, what is
 * refused, and which addresses count as the same.
 *
 * Every text is handed over in a buffer of its exact length, so that a checker of
 * memory accesses notices when more is read.
 */
#include <kunit/test.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/module.h>
#include <rdma/ib.h>

#include "rtrs-pri.h"

#define PORT	1234

static int parse_bytes(struct kunit *test, const void *text, size_t len,
		       struct rtrs_addr_pair *pair)
{
	char *exact = kunit_kmalloc(test, max_t(size_t, len, 1), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, exact);
	memcpy(exact, text, len);
	return rtrs_addr_parse_pair(exact, len, PORT, pair);
}

static int parse(struct kunit *test, const char *text, struct rtrs_addr_pair *pair)
{
	return parse_bytes(test, text, strlen(text), pair);
}

struct good_case {
	const char *text;
	const char *src;	/* as shown, NULL: none */
	const char *dst;
};

#define LONG_IP4	"ip:255.255.255.255"
#define LONG_IP6	"ip:1111:2222:3333:4444:5555:6666:7777:8888"
#define LONG_GID	"gid:fe80:0000:0000:0000:0002:c903:0010:c0d5"

static const struct good_case good_cases[] = {
	{ "ip:10.0.0.1", NULL, "ip:10.0.0.1" },
	{ LONG_IP4, NULL, LONG_IP4 },
	{ "ip:10.0.0.1,ip:10.0.0.2", "ip:10.0.0.1", "ip:10.0.0.2" },
	{ "ip:10.0.0.1@ip:10.0.0.2", "ip:10.0.0.1", "ip:10.0.0.2" },
	{ "ip:2001:DB8:0:0:0:0:0:1", NULL, "ip:2001:db8::1" },
	{ "ip:::1", NULL, "ip:::1" },
	{ LONG_IP6 "@" LONG_IP6, LONG_IP6, LONG_IP6 },
	{ "ip:2001:db8::1,ip:2001:db8::2", "ip:2001:db8::1", "ip:2001:db8::2" },
	{ "ip:::ffff:10.0.0.1", NULL, "ip:::ffff:10.0.0.1" },
	{ "ip:2001:db8::1%nonsense", NULL, "ip:2001:db8::1" },
	{ "ip:2001:db8::1%zonezonezonezonezonezonezonezonezone", NULL, "ip:2001:db8::1" },
	{ "ip:fe80::1%lo", NULL, "ip:fe80::1" },
	{ "ip:fe80::1%3", NULL, "ip:fe80::1" },
	{ "ip:fe80::1", NULL, "ip:fe80::1" },
	{ "ip:fe80::1%lo@ip:fe80::2%lo", "ip:fe80::1", "ip:fe80::2" },
	{ LONG_GID, NULL, LONG_GID },
	{ "gid:fe80::2:c903:10:c0d5", NULL, LONG_GID },
	{ "gid:fe80::1,gid:fe80::2", "gid:fe80:0000:0000:0000:0000:0000:0000:0001",
	  "gid:fe80:0000:0000:0000:0000:0000:0000:0002" },
};

KUNIT_ARRAY_PARAM_DESC(good, good_cases, text);

static void addr_parse_good_test(struct kunit *test)
{
	const struct good_case *c = test->param_value;
	char shown[RTRS_ADDR_STRLEN];
	struct rtrs_addr_pair pair;

	KUNIT_ASSERT_EQ(test, parse(test, c->text, &pair), 0);

	KUNIT_EXPECT_EQ(test, rtrs_addr_format(&pair.dst, shown, sizeof(shown)),
			strlen(c->dst));
	KUNIT_EXPECT_STREQ(test, shown, c->dst);

	if (!c->src) {
		KUNIT_EXPECT_EQ(test, pair.src.ss_family, AF_UNSPEC);
		return;
	}
	KUNIT_EXPECT_EQ(test, rtrs_addr_format(&pair.src, shown, sizeof(shown)),
			strlen(c->src));
	KUNIT_EXPECT_STREQ(test, shown, c->src);
}

struct bad_text {
	const char *text;
};

static const struct bad_text bad_texts[] = {
	{ "10.0.0.1" },
	{ "foo:1" },
	{ "IP:10.0.0.1" },
	{ "ip" },
	{ "ip:" },
	{ "gid:" },
	{ "gid" },
	{ "ip:1.2.3" },
	{ "ip:1.2.3." },
	{ "ip:1.2.3.4." },
	{ "ip:1.2.3.4.5" },
	{ "ip:1.2.3.256" },
	{ "ip:1.2.3.4x" },
	{ "ip:1..3.4" },
	{ "ip:1.2.3.a" },
	{ "ip:-1.2.3.4" },
	{ "ip:1.2.3.4%lo" },
	{ "ip:0000000001.2.3.4" },
	{ "ip:host.example" },
	{ "ip:1:2" },
	{ "ip::" },
	{ "ip::::" },
	{ "ip:1::2::3" },
	{ "ip:12345::1" },
	{ "ip:1:2:3:4:5:6:7" },
	{ "ip:1:2:3:4:5:6:7:8:9" },
	{ "ip:fe80::g" },
	{ "ip:fe80::1%" },
	{ "ip:2001:db8::1%" },
	{ "ip:fe80::1%no-such-if" },
	{ "ip:fe80::1%+1" },
	{ "ip:fe80::1%-1" },
	{ "ip:fe80::1%0x1" },
	{ "ip:fe80::1%4294967296" },
	{ "ip:fe80::1%lo%lo" },
	{ "ip:fe80::1%averyverylongname" },
	{ "ip:2001:db8::1%zonezonezonezonezonezonezonezonezone+" },
	{ "gid:zz" },
	{ "gid:10.0.0.1" },
	{ "gid:fe80::1%lo" },
	{ "," },
	{ "@" },
	{ ",ip:1.2.3.4" },
	{ "@ip:1.2.3.4" },
	{ "ip:1.2.3.4," },
	{ "ip:1.2.3.4@" },
	{ "ip:1.2.3.4,@ip:1.2.3.5" },
	{ "ip:1.2.3.4@,ip:1.2.3.5" },
	{ "ip:1.2.3.4,ip:1.2.3.5,ip:1.2.3.6" },
	{ "ip:1.2.3.4@ip:1.2.3.5@ip:1.2.3.6" },
	{ "ip:1.2.3.4@ip:1.2.3.5,ip:1.2.3.6" },
	{ "ip:1.2.3.4,ip:::1" },
	{ "ip:::1,ip:1.2.3.4" },
	{ "gid:::1,ip:::1" },
	{ "ip:::1,gid:::1" },
};

KUNIT_ARRAY_PARAM_DESC(bad_text, bad_texts, text);

/* What would spoil a line of the report, or cannot be in a string. */
struct bad_bytes {
	const char *desc;
	const char *bytes;
	size_t len;
};

static const struct bad_bytes bad_bytes[] = {
	{ "nothing", "", 0 },
	{ "space behind the prefix", "ip: 1.2.3.4", 11 },
	{ "space behind a GID", "gid:fe80::1 ", 12 },
	{ "line end", "ip:1.2.3.4\n", 11 },
	{ "tab", "ip:1.2.3.4\t", 11 },
	{ "space in front", " ip:1.2.3.4", 11 },
	{ "space behind", "ip:1.2.3.4 ", 11 },
	{ "line end behind IPv6", "ip:::1\n", 7 },
	{ "line end in a zone", "ip:fe80::1%1\n", 13 },
	{ "NUL behind an IPv4 address", "ip:1.2.3.4\0", 11 },
	{ "NUL and text behind it", "ip:1.2.3.4\0x", 12 },
	{ "NUL behind an IPv6 address", "ip:::1\0", 7 },
	{ "NUL in a zone", "ip:fe80::1%lo\0", 14 },
	{ "NUL alone", "\0", 1 },
	{ "bytes above ASCII", "ip:\xff\xfe\x80", 6 },
};

KUNIT_ARRAY_PARAM_DESC(bad_bytes, bad_bytes, desc);

static void expect_refused(struct kunit *test, const void *bytes, size_t len)
{
	struct rtrs_addr_pair pair, before;

	memset(&before, 0x5a, sizeof(before));
	pair = before;

	KUNIT_EXPECT_EQ(test, parse_bytes(test, bytes, len, &pair), -EINVAL);
	KUNIT_EXPECT_MEMEQ(test, &pair, &before, sizeof(pair));
}

static void addr_parse_bad_text_test(struct kunit *test)
{
	const struct bad_text *c = test->param_value;

	expect_refused(test, c->text, strlen(c->text));
}

static void addr_parse_bad_bytes_test(struct kunit *test)
{
	const struct bad_bytes *c = test->param_value;

	expect_refused(test, c->bytes, c->len);
}

/* Cut at any length, nothing is read behind the end; the checker of accesses tells. */
static void addr_parse_cut_test(struct kunit *test)
{
	static const char text[] = "ip:fe80::1%lo,ip:fe80::2%lo";
	struct rtrs_addr_pair pair;
	size_t len;

	for (len = 0; len < sizeof(text); len++)
		parse_bytes(test, text, len, &pair);
	KUNIT_EXPECT_EQ(test, parse_bytes(test, text, strlen(text), &pair), 0);
}

static void addr_port_test(struct kunit *test)
{
	const struct sockaddr_in6 *sin6;
	const struct sockaddr_in *sin;
	struct rtrs_addr_pair pair;

	KUNIT_ASSERT_EQ(test, parse(test, "ip:10.0.0.1,ip:10.0.0.2", &pair), 0);
	sin = (const struct sockaddr_in *)&pair.src;
	KUNIT_EXPECT_EQ(test, ntohs(sin->sin_port), 0);
	sin = (const struct sockaddr_in *)&pair.dst;
	KUNIT_EXPECT_EQ(test, ntohs(sin->sin_port), PORT);

	KUNIT_ASSERT_EQ(test, parse(test, "ip:::1,ip:::2", &pair), 0);
	sin6 = (const struct sockaddr_in6 *)&pair.src;
	KUNIT_EXPECT_EQ(test, ntohs(sin6->sin6_port), 0);
	sin6 = (const struct sockaddr_in6 *)&pair.dst;
	KUNIT_EXPECT_EQ(test, ntohs(sin6->sin6_port), PORT);
}

static void addr_service_id_test(struct kunit *test)
{
	const struct sockaddr_ib *sib;
	struct rtrs_addr_pair pair;

	KUNIT_ASSERT_EQ(test, parse(test, "gid:fe80::1,gid:fe80::2", &pair), 0);
	sib = (const struct sockaddr_ib *)&pair.dst;
	KUNIT_EXPECT_EQ(test, be64_to_cpu(sib->sib_sid), 0x13f0000ULL | PORT);
	KUNIT_EXPECT_EQ(test, be64_to_cpu(sib->sib_sid_mask), U64_MAX);
	KUNIT_EXPECT_EQ(test, be16_to_cpu(sib->sib_pkey), 0xffff);
	sib = (const struct sockaddr_ib *)&pair.src;
	KUNIT_EXPECT_EQ(test, be64_to_cpu(sib->sib_sid), 0x13f0000ULL);

	/* a port with its highest bit set stays a port */
	rtrs_addr_set_port(&pair.dst, 65535);
	sib = (const struct sockaddr_ib *)&pair.dst;
	KUNIT_EXPECT_EQ(test, be64_to_cpu(sib->sib_sid), 0x13fffffULL);
}

static void addr_zone_test(struct kunit *test)
{
	const struct sockaddr_in6 *dst;
	struct rtrs_addr_pair pair;

	dst = (const struct sockaddr_in6 *)&pair.dst;

	KUNIT_ASSERT_EQ(test, parse(test, "ip:fe80::1%lo", &pair), 0);
	KUNIT_EXPECT_EQ(test, dst->sin6_scope_id, 1U);
	KUNIT_ASSERT_EQ(test, parse(test, "ip:fe80::1%77", &pair), 0);
	KUNIT_EXPECT_EQ(test, dst->sin6_scope_id, 77U);
	KUNIT_ASSERT_EQ(test, parse(test, "ip:fe80::1", &pair), 0);
	KUNIT_EXPECT_EQ(test, dst->sin6_scope_id, 0U);
	KUNIT_ASSERT_EQ(test, parse(test, "ip:2001:db8::1%lo", &pair), 0);
	KUNIT_EXPECT_EQ(test, dst->sin6_scope_id, 0U);
}

struct equal_case {
	const char *a;
	const char *b;
	bool equal;
};

static const struct equal_case equal_cases[] = {
	{ "ip:10.0.0.1", "ip:10.0.0.1", true },
	{ "ip:10.0.0.1", "ip:10.0.0.2", false },
	{ "ip:2001:db8::1", "ip:2001:db8:0::1", true },
	{ "ip:2001:db8::1", "ip:2001:db8::2", false },
	{ "ip:fe80::1%1", "ip:fe80::1%2", true },
	{ "gid:fe80::1", "gid:fe80::1", true },
	{ "gid:fe80::1", "gid:fe80::2", false },
	{ "ip:fe80::1", "gid:fe80::1", false },
	{ "ip:::1", "ip:0.0.0.1", false },
	{ "ip:::ffff:10.0.0.1", "ip:10.0.0.1", false },
};

KUNIT_ARRAY_PARAM_DESC(equal, equal_cases, a);

static void addr_equal_test(struct kunit *test)
{
	const struct equal_case *c = test->param_value;
	struct rtrs_addr_pair a, b;

	KUNIT_ASSERT_EQ(test, parse(test, c->a, &a), 0);
	KUNIT_ASSERT_EQ(test, parse(test, c->b, &b), 0);
	rtrs_addr_set_port(&b.dst, 4321);

	KUNIT_EXPECT_EQ(test, rtrs_addr_equal((struct sockaddr *)&a.dst,
					      (struct sockaddr *)&b.dst), c->equal);
	KUNIT_EXPECT_EQ(test, rtrs_addr_equal((struct sockaddr *)&b.dst,
					      (struct sockaddr *)&a.dst), c->equal);
}

static void addr_unknown_family_test(struct kunit *test)
{
	struct sockaddr_storage addr = { .ss_family = AF_UNIX };
	struct sockaddr_storage before = addr;
	char shown[RTRS_ADDR_STRLEN];

	KUNIT_EXPECT_EQ(test, rtrs_addr_format(&addr, shown, sizeof(shown)), -EAFNOSUPPORT);
	KUNIT_EXPECT_STREQ(test, shown, "unknown");
	KUNIT_EXPECT_FALSE(test, rtrs_addr_equal((struct sockaddr *)&addr,
						 (struct sockaddr *)&addr));
	rtrs_addr_set_port(&addr, PORT);
	KUNIT_EXPECT_MEMEQ(test, &addr, &before, sizeof(addr));
}

static void addr_format_path_test(struct kunit *test)
{
	struct sockaddr_storage none = {};
	struct rtrs_addr_pair pair;
	char shown[RTRS_PATH_STRLEN];

	KUNIT_ASSERT_EQ(test, parse(test, LONG_GID "," LONG_GID, &pair), 0);
	KUNIT_EXPECT_EQ(test, rtrs_addr_format_path(&pair.src, &pair.dst, shown, sizeof(shown)),
			strlen(LONG_GID "@" LONG_GID));
	KUNIT_EXPECT_STREQ(test, shown, LONG_GID "@" LONG_GID);

	KUNIT_EXPECT_EQ(test, rtrs_addr_format_path(&none, &pair.dst, shown, sizeof(shown)),
			strlen(LONG_GID));
	KUNIT_EXPECT_STREQ(test, shown, LONG_GID);

	KUNIT_EXPECT_EQ(test, rtrs_addr_format_path(&pair.src, &none, shown, sizeof(shown)),
			-EAFNOSUPPORT);
}

/* However small the buffer, the text is terminated inside it. */
static void addr_format_small_buffer_test(struct kunit *test)
{
	struct rtrs_addr_pair pair;
	char *shown;
	size_t len;

	KUNIT_ASSERT_EQ(test, parse(test, LONG_IP6 "," LONG_IP6, &pair), 0);
	for (len = 1; len < RTRS_PATH_STRLEN; len++) {
		shown = kunit_kmalloc(test, len, GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, shown);
		memset(shown, 'x', len);
		rtrs_addr_format_path(&pair.src, &pair.dst, shown, len);
		KUNIT_EXPECT_LT(test, strnlen(shown, len), len);
	}
}

static struct kunit_case addr_test_cases[] = {
	KUNIT_CASE_PARAM(addr_parse_good_test, good_gen_params),
	KUNIT_CASE_PARAM(addr_parse_bad_text_test, bad_text_gen_params),
	KUNIT_CASE_PARAM(addr_parse_bad_bytes_test, bad_bytes_gen_params),
	KUNIT_CASE(addr_parse_cut_test),
	KUNIT_CASE(addr_port_test),
	KUNIT_CASE(addr_service_id_test),
	KUNIT_CASE(addr_zone_test),
	KUNIT_CASE_PARAM(addr_equal_test, equal_gen_params),
	KUNIT_CASE(addr_unknown_family_test),
	KUNIT_CASE(addr_format_path_test),
	KUNIT_CASE(addr_format_small_buffer_test),
	{}
};

static struct kunit_suite addr_test_suite = {
	.name = "rtrs_addr",
	.test_cases = addr_test_cases,
};

kunit_test_suite(addr_test_suite);

MODULE_DESCRIPTION("KUnit tests of RTRS addresses");
MODULE_LICENSE("GPL");
