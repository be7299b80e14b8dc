// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit tests of the messages of connection set-up and of the session name: what the
 * encoders put on the wire, byte by byte, and that every check refuses what it is
 * there for.
 *
 * Received messages are handed over in buffers of their exact length, so that a
 * checker of memory accesses notices when more is read.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "rtrs-pri.h"

static void *exact_copy(struct kunit *test, const void *data, size_t len)
{
	void *copy = kunit_kmalloc(test, max_t(size_t, len, 1), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, data, len);
	return copy;
}

static void fill_uuid(uuid_t *uuid, u8 first)
{
	unsigned int i;

	for (i = 0; i < UUID_SIZE; i++)
		uuid->b[i] = first + i;
}

/* One field of a message is overwritten with a little-endian number. */
struct poke {
	const char *desc;
	size_t off;
	size_t size;
	u32 value;
	int err;
};

static void poke(void *msg, const struct poke *p)
{
	__le32 value = cpu_to_le32(p->value);

	memcpy(msg + p->off, &value, p->size);
}

/* ---- connect request ---- */

static struct rtrs_conn_req good_conn_req(void)
{
	struct rtrs_conn_req req = { .cid_num = 5, .recon_cnt = 1, .first_conn = true };

	fill_uuid(&req.sess_uuid, 0x10);
	fill_uuid(&req.paths_uuid, 0x40);
	return req;
}

static void conn_req_bytes_test(struct kunit *test)
{
	static const u8 head[] = { 0x00, 0x00, 0xbd, 0x1b, 0x00, 0x02,
				   0x00, 0x00, 0x05, 0x00, 0x01, 0x00 };
	static const u8 zero[11];
	struct rtrs_conn_req req = good_conn_req();
	u8 msg[56];

	memset(msg, 0xee, sizeof(msg));
	rtrs_wire_put_conn_req((struct rtrs_msg_conn_req *)msg, &req);

	KUNIT_EXPECT_MEMEQ(test, msg, head, sizeof(head));
	KUNIT_EXPECT_MEMEQ(test, msg + 12, req.sess_uuid.b, 16);
	KUNIT_EXPECT_MEMEQ(test, msg + 28, req.paths_uuid.b, 16);
	KUNIT_EXPECT_EQ(test, msg[44], 1);
	KUNIT_EXPECT_MEMEQ(test, msg + 45, zero, sizeof(zero));
}

static void conn_req_round_trip_test(struct kunit *test)
{
	struct rtrs_conn_req got, req = good_conn_req();
	u8 field[92] = {};	/* as the CM shows it on IB */

	req.cid = 4095;
	req.cid_num = 4096;
	req.recon_cnt = 65535;
	req.first_conn = false;
	rtrs_wire_put_conn_req((struct rtrs_msg_conn_req *)field, &req);

	KUNIT_ASSERT_EQ(test, rtrs_wire_get_conn_req(&got, field, sizeof(field)), 0);
	KUNIT_EXPECT_EQ(test, got.cid, req.cid);
	KUNIT_EXPECT_EQ(test, got.cid_num, req.cid_num);
	KUNIT_EXPECT_EQ(test, got.recon_cnt, req.recon_cnt);
	KUNIT_EXPECT_EQ(test, got.first_conn, req.first_conn);
	KUNIT_EXPECT_TRUE(test, uuid_equal(&got.sess_uuid, &req.sess_uuid));
	KUNIT_EXPECT_TRUE(test, uuid_equal(&got.paths_uuid, &req.paths_uuid));
}

static const struct poke conn_req_pokes[] = {
	{ "magic", 2, 2, 0x1bbc, -ECONNRESET },
	{ "magic in the other byte order", 2, 2, 0xbd1b, -ECONNRESET },
	{ "major version 1", 4, 2, 0x0100, -ECONNRESET },
	{ "major version 3", 4, 2, 0x0300, -ECONNRESET },
	{ "minor version 7", 4, 2, 0x0207, 0 },
	{ "cid_num 0", 8, 2, 0, -ECONNRESET },
	{ "cid_num 4096", 8, 2, 4096, 0 },
	{ "cid_num 4097", 8, 2, 4097, -ECONNRESET },
	{ "cid_num 65535", 8, 2, 65535, -ECONNRESET },
	{ "last cid", 6, 2, 4, 0 },
	{ "cid == cid_num", 6, 2, 5, -ECONNRESET },
	{ "cid 65535", 6, 2, 65535, -ECONNRESET },
	{ "unknown flags", 44, 1, 0xfe, 0 },
	{ "bytes of the CM", 0, 2, 0xffff, 0 },
	{ "reserved bytes", 52, 4, 0xffffffff, 0 },
};

KUNIT_ARRAY_PARAM_DESC(conn_req_poke, conn_req_pokes, desc);

static void conn_req_check_test(struct kunit *test)
{
	struct rtrs_conn_req got, req = good_conn_req();
	struct rtrs_msg_conn_req msg;

	rtrs_wire_put_conn_req(&msg, &req);
	poke(&msg, test->param_value);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_conn_req(&got, &msg, sizeof(msg)),
			((const struct poke *)test->param_value)->err);
}

static void conn_req_short_test(struct kunit *test)
{
	struct rtrs_conn_req got, req = good_conn_req();
	struct rtrs_msg_conn_req msg;
	size_t len;

	rtrs_wire_put_conn_req(&msg, &req);
	for (len = 0; len < sizeof(msg); len++)
		KUNIT_EXPECT_EQ(test, rtrs_wire_get_conn_req(&got, exact_copy(test, &msg, len),
							     len), -ECONNRESET);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_conn_req(&got, NULL, 0), -ECONNRESET);
}

/* ---- accept and reject ---- */

static const struct rtrs_conn_rsp default_rsp = {
	.queue_depth = 512, .max_io_size = 126976, .max_hdr_size = 4096, .new_rkey = true,
};

static void accept_bytes_test(struct kunit *test)
{
	static const u8 bytes[56] = { 0xbd, 0x1b, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0xf0,
				      0x01, 0x00, 0x00, 0x10, 0x00, 0x00, 0x02 };
	struct rtrs_msg_conn_rsp msg;
	struct rtrs_conn_rsp got;

	memset(&msg, 0xee, sizeof(msg));
	rtrs_wire_put_accept(&msg, &default_rsp);
	KUNIT_EXPECT_MEMEQ(test, (u8 *)&msg, bytes, sizeof(bytes));

	KUNIT_ASSERT_EQ(test, rtrs_wire_get_accept(&got, &msg, sizeof(msg)), 0);
	KUNIT_EXPECT_EQ(test, got.queue_depth, 512);
	KUNIT_EXPECT_EQ(test, got.max_io_size, 126976U);
	KUNIT_EXPECT_EQ(test, got.max_hdr_size, 4096U);
	KUNIT_EXPECT_TRUE(test, got.new_rkey);
}

/* Extensions count only with their magic, in both directions (extensions, section 1). */
static void extensions_test(struct kunit *test)
{
	struct rtrs_conn_req got_req, req = good_conn_req();
	struct rtrs_conn_rsp got_rsp, rsp = default_rsp;
	struct rtrs_msg_conn_req req_msg;
	struct rtrs_msg_conn_rsp rsp_msg;

	req.ext_offer = 0x80010001;
	rtrs_wire_put_conn_req(&req_msg, &req);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(req_msg.ext_magic), 0x4658);
	KUNIT_ASSERT_EQ(test, rtrs_wire_get_conn_req(&got_req, &req_msg, sizeof(req_msg)), 0);
	KUNIT_EXPECT_EQ(test, got_req.ext_offer, req.ext_offer);
	req_msg.ext_magic = cpu_to_le16(0x5846);
	KUNIT_ASSERT_EQ(test, rtrs_wire_get_conn_req(&got_req, &req_msg, sizeof(req_msg)), 0);
	KUNIT_EXPECT_EQ(test, got_req.ext_offer, 0U);

	rsp.ext_use = 0x00010000;
	rtrs_wire_put_accept(&rsp_msg, &rsp);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(rsp_msg.ext_magic), 0x4658);
	KUNIT_ASSERT_EQ(test, rtrs_wire_get_accept(&got_rsp, &rsp_msg, sizeof(rsp_msg)), 0);
	KUNIT_EXPECT_EQ(test, got_rsp.ext_use, rsp.ext_use);
	rsp_msg.ext_magic = 0;
	KUNIT_ASSERT_EQ(test, rtrs_wire_get_accept(&got_rsp, &rsp_msg, sizeof(rsp_msg)), 0);
	KUNIT_EXPECT_EQ(test, got_rsp.ext_use, 0U);
}

static const struct poke accept_pokes[] = {
	{ "magic", 0, 2, 0, -ECONNRESET },
	{ "major version", 2, 2, 0x0100, -ECONNRESET },
	{ "minor version", 2, 2, 0x02ff, 0 },
	{ "errno set", 4, 2, 0xff98, -ECONNRESET },
	{ "positive errno", 4, 2, 1, -ECONNRESET },
	{ "queue_depth 0", 6, 2, 0, -EPROTO },
	{ "queue_depth 1", 6, 2, 1, 0 },
	{ "queue_depth beyond the immediate", 6, 2, 2049, -EPROTO },
	{ "queue_depth at the limit", 6, 2, 2048, 0 },
	{ "queue_depth 65535", 6, 2, 65535, -EPROTO },
	{ "max_io_size 0", 8, 4, 0, -EPROTO },
	{ "max_io_size 511", 8, 4, 511, -EPROTO },
	{ "max_io_size 512", 8, 4, 512, 0 },
	{ "max_io_size odd", 8, 4, 1001, 0 },
	{ "max_io_size wrapped below 0", 8, 4, 0xfffff000, -EPROTO },
	{ "sum wraps to a small number", 8, 4, 0xfffffe00, -EPROTO },
	{ "max_io_size 2^32 - 1", 8, 4, U32_MAX, -EPROTO },
	{ "max_hdr_size 0", 12, 4, 0, -EPROTO },
	{ "max_hdr_size too small by one", 12, 4, RTRS_USR_MSG_MAX + 23, -EPROTO },
	{ "max_hdr_size just enough", 12, 4, RTRS_USR_MSG_MAX + 24, 0 },
	{ "max_hdr_size 64 KiB", 12, 4, 65536, 0 },
	{ "max_hdr_size absurd", 12, 4, 1 << 28, -EPROTO },
	{ "max_hdr_size 2^32 - 1", 12, 4, U32_MAX, -EPROTO },
	{ "flags 0", 16, 4, 0, 0 },
	{ "unknown flags", 16, 4, U32_MAX, 0 },
	{ "reserved bytes", 24, 4, U32_MAX, 0 },
};

KUNIT_ARRAY_PARAM_DESC(accept_poke, accept_pokes, desc);

static void accept_check_test(struct kunit *test)
{
	struct rtrs_msg_conn_rsp msg;
	struct rtrs_conn_rsp got;

	rtrs_wire_put_accept(&msg, &default_rsp);
	poke(&msg, test->param_value);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_accept(&got, &msg, sizeof(msg)),
			((const struct poke *)test->param_value)->err);
}

static void accept_short_test(struct kunit *test)
{
	struct rtrs_msg_conn_rsp msg;
	struct rtrs_conn_rsp got;
	void *copy;
	size_t len;

	rtrs_wire_put_accept(&msg, &default_rsp);
	for (len = 0; len < sizeof(msg); len++) {
		copy = exact_copy(test, &msg, len);
		KUNIT_EXPECT_EQ(test, rtrs_wire_get_accept(&got, copy, len), -ECONNRESET);
		KUNIT_EXPECT_EQ(test, rtrs_wire_get_reject(copy, len), -ECONNRESET);
	}
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_accept(&got, NULL, 0), -ECONNRESET);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_reject(NULL, 0), -ECONNRESET);
}

static void reject_bytes_test(struct kunit *test)
{
	static const u8 bytes[56] = { 0xbd, 0x1b, 0x00, 0x02, 0x98, 0xff };
	struct rtrs_msg_conn_rsp msg;

	memset(&msg, 0xee, sizeof(msg));
	rtrs_wire_put_reject(&msg, -104);
	KUNIT_EXPECT_MEMEQ(test, (u8 *)&msg, bytes, sizeof(bytes));
}

struct reject_case {
	const char *desc;
	int err;
	int seen;
};

static const struct reject_case reject_cases[] = {
	{ "ENXIO", -6, -6 },
	{ "ENOMEM", -12, -12 },
	{ "EEXIST", -17, -17 },
	{ "ECONNRESET", -104, -104 },
	{ "first", -1, -1 },
	{ "last", -511, -511 },
	{ "none", 0, -ECONNRESET },
	{ "positive", 1, -ECONNRESET },
	{ "internal to the kernel", -512, -ECONNRESET },
	{ "would be cut to 0", -65536, -ECONNRESET },
	{ "would be cut to a positive one", -65535, -ECONNRESET },
	{ "INT_MIN", INT_MIN, -ECONNRESET },
	{ "INT_MAX", INT_MAX, -ECONNRESET },
};

KUNIT_ARRAY_PARAM_DESC(reject, reject_cases, desc);

static void reject_errno_test(struct kunit *test)
{
	const struct reject_case *c = test->param_value;
	u8 field[148] = {};	/* as the CM shows it on IB */

	rtrs_wire_put_reject((struct rtrs_msg_conn_rsp *)field, c->err);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_reject(field, sizeof(field)), c->seen);
}

static const struct poke reject_pokes[] = {
	{ "magic", 0, 2, 0, -ECONNRESET },
	{ "version", 2, 2, 0x0300, -ECONNRESET },
	{ "errno 0", 4, 2, 0, -ECONNRESET },
	{ "errno 1", 4, 2, 1, -ECONNRESET },
	{ "errno 32767", 4, 2, 0x7fff, -ECONNRESET },
	{ "errno -32768", 4, 2, 0x8000, -ECONNRESET },
	{ "errno -512, which restarts system calls", 4, 2, 0xfe00, -ECONNRESET },
	{ "errno -1", 4, 2, 0xffff, -EPERM },
	{ "errno -16", 4, 2, 0xfff0, -EBUSY },
};

KUNIT_ARRAY_PARAM_DESC(reject_poke, reject_pokes, desc);

static void reject_check_test(struct kunit *test)
{
	struct rtrs_msg_conn_rsp msg;

	rtrs_wire_put_reject(&msg, -EEXIST);
	poke(&msg, test->param_value);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_reject(&msg, sizeof(msg)),
			((const struct poke *)test->param_value)->err);
}

/* ---- session name, INFO_REQ ---- */

struct name_case {
	const char *desc;
	const char *name;
	int err;
};

static const struct name_case name_cases[] = {
	{ "one character", "a", 0 },
	{ "host and volume", "host-1@store_2", 0 },
	{ "dots", "a.b.example", 0 },
	{ "dot in front", ".a", 0 },
	{ "dot behind", "a.", 0 },
	{ "space", "a b", 0 },
	{ "UTF-8", "spei\xc3\xa8r", 0 },
	{ "empty", "", -EINVAL },
	{ "dot", ".", -EINVAL },
	{ "two dots", "..", -EINVAL },
	{ "three dots", "...", -EINVAL },
	{ "two dots inside", "a..b", -EINVAL },
	{ "two dots in front", "..a", -EINVAL },
	{ "two dots behind", "a..", -EINVAL },
	{ "slash", "/", -EINVAL },
	{ "slash inside", "a/b", -EINVAL },
	{ "slash in front", "/a", -EINVAL },
	{ "slash behind", "a/", -EINVAL },
	{ "line end", "a\n", -EINVAL },
	{ "tab", "a\tb", -EINVAL },
	{ "escape", "\x1b[2J", -EINVAL },
	{ "delete", "a\x7f", -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(name, name_cases, desc);

static void sessname_test(struct kunit *test)
{
	const struct name_case *c = test->param_value;
	size_t len = strlen(c->name);

	KUNIT_EXPECT_EQ(test, rtrs_sessname_check(exact_copy(test, c->name, len + 1), len + 1),
			c->err);
	/* without its NUL no name is good */
	KUNIT_EXPECT_EQ(test, rtrs_sessname_check(exact_copy(test, c->name, len), len), -EINVAL);
}

static const struct {
	const char *name;
	int at;		/* -1: none */
} host_cases[] = {
	{ "client@server", 6 },
	{ "a@b", 1 },
	{ "c.example@10.0.0.1", 9 },
	{ "server", -1 },
	{ "@server", -1 },
	{ "client@", -1 },
	{ "@", -1 },
	{ "a@b@c", -1 },
	{ "a@@", -1 },
};

static void sessname_hosts_test(struct kunit *test)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(host_cases); i++) {
		const char *name = host_cases[i].name;

		KUNIT_EXPECT_PTR_EQ_MSG(test, rtrs_sessname_at(name),
					host_cases[i].at < 0 ? NULL : name + host_cases[i].at,
					"%s", name);
	}
}

static void sessname_length_test(struct kunit *test)
{
	char name[512];

	memset(name, 'x', sizeof(name));
	KUNIT_EXPECT_EQ(test, rtrs_sessname_check(name, sizeof(name)), -EINVAL);
	name[256] = '\0';
	KUNIT_EXPECT_EQ(test, rtrs_sessname_check(name, sizeof(name)), -EINVAL);
	name[255] = '\0';
	KUNIT_EXPECT_EQ(test, rtrs_sessname_check(name, sizeof(name)), -EINVAL);
	name[254] = '\0';
	KUNIT_EXPECT_EQ(test, rtrs_sessname_check(name, sizeof(name)), 0);
	KUNIT_EXPECT_EQ(test, rtrs_sessname_check(name, 255), 0);
	KUNIT_EXPECT_EQ(test, rtrs_sessname_check(name, 254), -EINVAL);
	KUNIT_EXPECT_EQ(test, rtrs_sessname_check(name, 0), -EINVAL);
}

static void info_req_bytes_test(struct kunit *test)
{
	u8 bytes[272] = { 0, 0, 'b', 'l', 'y', 'a' };
	struct rtrs_msg_info_req msg;

	memset(&msg, 0xee, sizeof(msg));
	rtrs_wire_put_info_req(&msg, "blya");
	KUNIT_EXPECT_MEMEQ(test, (u8 *)&msg, bytes, sizeof(bytes));
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_info_req(&msg, sizeof(msg)), 0);
}

static void info_req_longest_test(struct kunit *test)
{
	struct rtrs_msg_info_req msg;
	char name[RTRS_NAME_LEN];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	rtrs_wire_put_info_req(&msg, name);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_info_req(&msg, sizeof(msg)), 0);
	KUNIT_EXPECT_STREQ(test, (const char *)msg.pathname, name);
}

static void info_req_check_test(struct kunit *test)
{
	struct rtrs_msg_info_req msg;

	rtrs_wire_put_info_req(&msg, "name");
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_info_req(&msg, sizeof(msg) - 1), -EPROTO);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_info_req(&msg, 0), -EPROTO);

	msg.type = cpu_to_le16(RTRS_MSG_INFO_RSP);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_info_req(&msg, sizeof(msg)), -EPROTO);

	rtrs_wire_put_info_req(&msg, "");
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_info_req(&msg, sizeof(msg)), -EINVAL);

	/* no NUL in the field, and none behind it either */
	memset_startat(&msg, 'x', pathname);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_info_req(&msg, sizeof(msg)), -EINVAL);
}

static struct kunit_case wire_test_cases[] = {
	KUNIT_CASE(conn_req_bytes_test),
	KUNIT_CASE(conn_req_round_trip_test),
	KUNIT_CASE_PARAM(conn_req_check_test, conn_req_poke_gen_params),
	KUNIT_CASE(conn_req_short_test),
	KUNIT_CASE(accept_bytes_test),
	KUNIT_CASE(extensions_test),
	KUNIT_CASE_PARAM(accept_check_test, accept_poke_gen_params),
	KUNIT_CASE(accept_short_test),
	KUNIT_CASE(reject_bytes_test),
	KUNIT_CASE_PARAM(reject_errno_test, reject_gen_params),
	KUNIT_CASE_PARAM(reject_check_test, reject_poke_gen_params),
	KUNIT_CASE_PARAM(sessname_test, name_gen_params),
	KUNIT_CASE(sessname_length_test),
	KUNIT_CASE(sessname_hosts_test),
	KUNIT_CASE(info_req_bytes_test),
	KUNIT_CASE(info_req_longest_test),
	KUNIT_CASE(info_req_check_test),
	{}
};

static struct kunit_suite wire_test_suite = {
	.name = "rtrs_wire",
	.test_cases = wire_test_cases,
};

kunit_test_suite(wire_test_suite);

MODULE_DESCRIPTION("KUnit tests of RTRS connection set-up messages");
MODULE_LICENSE("GPL");
