// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit tests of the messages that describe memory: the chunks of a path, the headers
 * of requests, and the keys in answers.
 *
 * Received messages are handed over in buffers of their exact length, so that a
 * checker of memory accesses notices when more is read.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/overflow.h>

#include "rtrs-pri.h"

/* ---- INFO_RSP ---- */

#define CHUNK	8192

/* 12 chunks of 8 KiB */
static const struct rtrs_conn_rsp conn = {
	.queue_depth = 12, .max_io_size = CHUNK - 4096, .max_hdr_size = 4096,
};

#define MAX_DESC	13

struct info_rsp_case {
	const char *desc;
	int err;
	u16 type;
	u16 sg_cnt;
	s16 len_diff;		/* bytes received more than sg_cnt tells */
	u32 lens[MAX_DESC];	/* of the descriptors, bytes */
	u64 addr;		/* of the first descriptor */
	u32 every;		/* length of every descriptor, instead of lens */
};

static const struct info_rsp_case info_rsp_cases[] = {
	{ "one region", 0, 1, 1, 0, { 12 * CHUNK } },
	{ "two regions", 0, 1, 2, 0, { 6 * CHUNK, 6 * CHUNK } },
	{ "regions of different sizes", 0, 1, 3, 0, { CHUNK, 8 * CHUNK, 3 * CHUNK } },
	{ "a region for each chunk", 0, 1, 12, 0, .every = CHUNK },
	{ "bytes behind the message", 0, 1, 1, 160, { 12 * CHUNK } },
	{ "up to the end of the address space", 0, 1, 1, 0, { 12 * CHUNK },
	  U64_MAX - 12 * CHUNK },
	{ "wrong type", -EPROTO, 0, 1, 0, { 12 * CHUNK } },
	{ "no descriptor", -EPROTO, 1, 0, 0, {} },
	{ "too many descriptors", -EPROTO, 1, 13, 0, .every = CHUNK },
	{ "sg_cnt does not divide", -EPROTO, 1, 5, 0,
	  { 4 * CHUNK, 2 * CHUNK, 2 * CHUNK, 2 * CHUNK, 2 * CHUNK } },
	{ "sg_cnt beyond the message", -EPROTO, 1, 2, -1, { 6 * CHUNK, 6 * CHUNK } },
	{ "descriptor missing", -EPROTO, 1, 2, -16, { 6 * CHUNK, 6 * CHUNK } },
	{ "header only", -EPROTO, 1, 1, -16, { 12 * CHUNK } },
	{ "not even a header", -EPROTO, 1, 1, -17, { 12 * CHUNK } },
	{ "nothing", -EPROTO, 1, 1, -24, { 12 * CHUNK } },
	{ "empty descriptor", -EPROTO, 1, 2, 0, { 12 * CHUNK, 0 } },
	{ "empty descriptor in front", -EPROTO, 1, 2, 0, { 0, 12 * CHUNK } },
	{ "not a multiple", -EPROTO, 1, 1, 0, { 12 * CHUNK - 1 } },
	{ "not a multiple, half a chunk", -EPROTO, 1, 2, 0,
	  { 6 * CHUNK + 4096, 6 * CHUNK - 4096 } },
	{ "less than a chunk", -EPROTO, 1, 12, 0, .every = CHUNK - 1 },
	{ "one chunk too few", -EPROTO, 1, 1, 0, { 11 * CHUNK } },
	{ "one chunk too many", -EPROTO, 1, 1, 0, { 13 * CHUNK } },
	{ "too many in the last", -EPROTO, 1, 2, 0, { 6 * CHUNK, 7 * CHUNK } },
	{ "full before the last", -EPROTO, 1, 3, 0, { 6 * CHUNK, 6 * CHUNK, CHUNK } },
	{ "longest length", -EPROTO, 1, 1, 0, { U32_MAX } },
	{ "longest multiple", -EPROTO, 1, 1, 0, { U32_MAX & ~(CHUNK - 1U) } },
	{ "sum wraps to the right one", -EPROTO, 1, 2, 0, { 0x80006000, 0x80012000 } },
	{ "address wraps", -EPROTO, 1, 1, 0, { 12 * CHUNK }, U64_MAX - 12 * CHUNK + 1 },
	{ "last address", -EPROTO, 1, 1, 0, { 12 * CHUNK }, U64_MAX },
};

KUNIT_ARRAY_PARAM_DESC(info_rsp, info_rsp_cases, desc);

static u32 len_of(const struct info_rsp_case *c, unsigned int i)
{
	return c->every ?: c->lens[i];
}

static struct rtrs_msg_info_rsp *build_info_rsp(struct kunit *test, const struct info_rsp_case *c,
						size_t *len)
{
	size_t full = 8 + 16 * c->sg_cnt;
	struct rtrs_msg_info_rsp *msg, *exact;
	u64 addr = c->addr ?: 0x123456789000;
	unsigned int i;

	*len = full + c->len_diff;
	msg = kunit_kzalloc(test, max(full, *len), GFP_KERNEL);
	exact = kunit_kzalloc(test, max_t(size_t, *len, 1), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, msg);
	KUNIT_ASSERT_NOT_NULL(test, exact);

	msg->type = cpu_to_le16(c->type);
	msg->sg_cnt = cpu_to_le16(c->sg_cnt);
	for (i = 0; i < c->sg_cnt; i++) {
		msg->desc[i].addr = cpu_to_le64(addr);
		msg->desc[i].key = cpu_to_le32(0x100 + i);
		msg->desc[i].len = cpu_to_le32(len_of(c, i));
		addr += len_of(c, i) + 0x10000;	/* a gap between the regions */
	}
	memcpy(exact, msg, *len);
	return exact;
}

static void expect_chunks(struct kunit *test, const struct info_rsp_case *c,
			  const struct rtrs_msg_info_rsp *msg, const struct rtrs_chunk *chunks)
{
	unsigned int i, k, nr = 0;

	for (i = 0; i < c->sg_cnt; i++) {
		for (k = 0; k < len_of(c, i) / CHUNK; k++, nr++) {
			KUNIT_EXPECT_EQ(test, chunks[nr].addr,
					le64_to_cpu(msg->desc[i].addr) + k * CHUNK);
			KUNIT_EXPECT_EQ(test, chunks[nr].rkey, 0x100 + i);
		}
	}
	KUNIT_EXPECT_EQ(test, nr, conn.queue_depth);
}

static void info_rsp_test(struct kunit *test)
{
	const struct info_rsp_case *c = test->param_value;
	struct rtrs_msg_info_rsp *msg;
	struct rtrs_chunk *chunks;
	size_t len;

	chunks = kunit_kcalloc(test, conn.queue_depth, sizeof(*chunks), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, chunks);
	msg = build_info_rsp(test, c, &len);

	KUNIT_ASSERT_EQ(test, rtrs_wire_get_info_rsp(msg, len, &conn, chunks), c->err);
	if (!c->err)
		expect_chunks(test, c, msg, chunks);
}

/* 256 MiB in one region: the most that an immediate can address. */
static void info_rsp_largest_test(struct kunit *test)
{
	static const struct rtrs_conn_rsp large = {
		.queue_depth = 2048, .max_io_size = 131072 - 4096, .max_hdr_size = 4096,
	};
	struct rtrs_msg_info_rsp *msg;
	struct rtrs_chunk *chunks;

	chunks = kunit_kcalloc(test, large.queue_depth, sizeof(*chunks), GFP_KERNEL);
	msg = kunit_kzalloc(test, struct_size(msg, desc, 1), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, chunks);
	KUNIT_ASSERT_NOT_NULL(test, msg);

	msg->type = cpu_to_le16(RTRS_MSG_INFO_RSP);
	msg->sg_cnt = cpu_to_le16(1);
	msg->desc[0].len = cpu_to_le32(1U << 28);
	KUNIT_ASSERT_EQ(test, rtrs_wire_get_info_rsp(msg, 24, &large, chunks), 0);
	KUNIT_EXPECT_EQ(test, chunks[2047].addr, 2047 * 131072ULL);
}

/* ---- request headers ---- */

static void req_bytes_test(struct kunit *test)
{
	static const u8 write[] = { 'a', 'b', 'c', 2, 0, 3, 0 };
	static const u8 read[] = { 'a', 'b', 'c', 3, 0, 3, 0, 0, 0, 0, 0 };
	static const u8 read_desc[] = { 'a', 'b', 'c', 3, 0, 3, 0, 0, 0, 1, 0,
					8, 7, 6, 5, 4, 3, 2, 1, 4, 3, 2, 1, 0, 0x10, 0, 0 };
	const struct rtrs_sg_desc desc = {
		.addr = cpu_to_le64(0x0102030405060708), .key = cpu_to_le32(0x01020304),
		.len = cpu_to_le32(4096),
	};
	u8 buf[3 + RTRS_MAX_REQ_HDR];

	KUNIT_EXPECT_EQ(test, rtrs_wire_put_req(buf, "abc", 3, DMA_TO_DEVICE, NULL),
			sizeof(write));
	KUNIT_EXPECT_MEMEQ(test, buf, write, sizeof(write));
	KUNIT_EXPECT_EQ(test, rtrs_wire_put_req(buf, "abc", 3, DMA_FROM_DEVICE, NULL),
			sizeof(read));
	KUNIT_EXPECT_MEMEQ(test, buf, read, sizeof(read));
	KUNIT_EXPECT_EQ(test, rtrs_wire_put_req(buf, "abc", 3, DMA_FROM_DEVICE, &desc),
			sizeof(read_desc));
	KUNIT_EXPECT_MEMEQ(test, buf, read_desc, sizeof(read_desc));
}

/* A chunk of 64 bytes: data, user message, header; no alignment anywhere. */
#define SMALL	64

struct req_case {
	const char *desc;
	int err;
	u32 req_off;
	u16 type;
	u16 usr_len;
	u16 flags;
	u16 sg_cnt;
	u32 desc_len;
};

static const struct req_case req_cases[] = {
	{ "WRITE", 0, 25, RTRS_MSG_WRITE, 8 },
	{ "WRITE without data", 0, 8, RTRS_MSG_WRITE, 8 },
	{ "WRITE at the end of the chunk", 0, 60, RTRS_MSG_WRITE, 8 },
	{ "WRITE crosses the end", -EPROTO, 61, RTRS_MSG_WRITE, 8 },
	{ "WRITE in the last byte", -EPROTO, 63, RTRS_MSG_WRITE, 8 },
	{ "WRITE behind the chunk", -EPROTO, 64, RTRS_MSG_WRITE, 8 },
	{ "WRITE far behind", -EPROTO, 1 << 27, RTRS_MSG_WRITE, 8 },
	{ "WRITE at the largest offset", -EPROTO, U32_MAX, RTRS_MSG_WRITE, 8 },
	{ "WRITE where offset and header wrap", -EPROTO, U32_MAX - 3, RTRS_MSG_WRITE, 8 },
	{ "usr_len 0", -EPROTO, 25, RTRS_MSG_WRITE, 0 },
	{ "usr_len 1", 0, 25, RTRS_MSG_WRITE, 1 },
	{ "usr_len == req_off", 0, 25, RTRS_MSG_WRITE, 25 },
	{ "usr_len > req_off", -EPROTO, 25, RTRS_MSG_WRITE, 26 },
	{ "usr_len 65535", -EPROTO, 25, RTRS_MSG_WRITE, 65535 },
	{ "req_off 0", -EPROTO, 0, RTRS_MSG_WRITE, 8 },
	{ "READ", 0, 25, RTRS_MSG_READ, 8, 0, 1, 17 },
	{ "READ, one byte", 0, 25, RTRS_MSG_READ, 8, 0, 1, 1 },
	{ "READ with NEED_INVAL", 0, 25, RTRS_MSG_READ, 8, 1, 1, 17 },
	{ "READ with unknown flags", 0, 25, RTRS_MSG_READ, 8, 0xfffe, 1, 17 },
	{ "READ without descriptor", 0, 25, RTRS_MSG_READ, 8, 0, 0 },
	{ "NEED_INVAL without descriptor", -EPROTO, 25, RTRS_MSG_READ, 8, 1, 0 },
	{ "READ, sg_cnt 2", -EPROTO, 25, RTRS_MSG_READ, 8, 0, 2, 17 },
	{ "READ, sg_cnt 65535", -EPROTO, 25, RTRS_MSG_READ, 8, 0, 65535, 17 },
	{ "READ, desc.len 0", -EPROTO, 25, RTRS_MSG_READ, 8, 0, 1, 0 },
	{ "READ, desc.len > data_len", -EPROTO, 25, RTRS_MSG_READ, 8, 0, 1, 18 },
	{ "READ, desc.len of a whole chunk", -EPROTO, 25, RTRS_MSG_READ, 8, 0, 1, SMALL },
	{ "READ, desc.len 2^32 - 1", -EPROTO, 25, RTRS_MSG_READ, 8, 0, 1, U32_MAX },
	{ "READ, data wanted but no room for it", -EPROTO, 8, RTRS_MSG_READ, 8, 0, 1, 1 },
	{ "READ at the end of the chunk", 0, 40, RTRS_MSG_READ, 8, 0, 1, 32 },
	{ "READ, descriptor crosses the end", -EPROTO, 41, RTRS_MSG_READ, 8, 0, 1, 32 },
	{ "READ, header at the end", 0, 56, RTRS_MSG_READ, 8, 0, 0 },
	{ "READ, header at the end, descriptor behind", -EPROTO, 56, RTRS_MSG_READ, 8, 0, 1, 1 },
	{ "READ, header crosses the end", -EPROTO, 57, RTRS_MSG_READ, 8, 0, 0 },
	{ "READ, type and usr_len at the end", -EPROTO, 60, RTRS_MSG_READ, 8, 0, 0 },
	{ "type INFO_REQ", -EPROTO, 25, RTRS_MSG_INFO_REQ, 8 },
	{ "type RKEY_RSP", -EPROTO, 25, RTRS_MSG_RKEY_RSP, 8 },
	{ "type of an extension", -EPROTO, 25, 0x100, 8 },
	{ "type 65535", -EPROTO, 25, 65535, 8 },
};

KUNIT_ARRAY_PARAM_DESC(req, req_cases, desc);

#define DESC_ADDR	0xfedcba9876543210ULL
#define DESC_KEY	0x89abcdefU

/* The chunk as the peer leaves it; what would be behind its end is not there. */
static u8 *build_chunk(struct kunit *test, const struct req_case *c)
{
	const __le16 head[] = { cpu_to_le16(c->type), cpu_to_le16(c->usr_len),
				cpu_to_le16(c->flags), cpu_to_le16(c->sg_cnt) };
	const struct rtrs_sg_desc desc = {
		.addr = cpu_to_le64(DESC_ADDR), .key = cpu_to_le32(DESC_KEY),
		.len = cpu_to_le32(c->desc_len),
	};
	u8 hdr[sizeof(head) + sizeof(desc)];
	u8 *chunk = kunit_kzalloc(test, SMALL, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, chunk);
	memcpy(hdr, head, sizeof(head));
	memcpy(hdr + sizeof(head), &desc, sizeof(desc));
	if (c->req_off < SMALL)
		memcpy(chunk + c->req_off, hdr, min_t(size_t, sizeof(hdr), SMALL - c->req_off));
	return chunk;
}

static void req_check_test(struct kunit *test)
{
	const struct req_case *c = test->param_value;
	bool has_desc = c->type == RTRS_MSG_READ && c->sg_cnt;
	struct rtrs_wire_req req;

	memset(&req, 0xee, sizeof(req));
	KUNIT_ASSERT_EQ(test, rtrs_wire_get_req(&req, build_chunk(test, c), SMALL, c->req_off),
			c->err);
	if (c->err)
		return;

	KUNIT_EXPECT_EQ(test, req.dir,
			c->type == RTRS_MSG_READ ? DMA_FROM_DEVICE : DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, req.usr_len, c->usr_len);
	KUNIT_EXPECT_EQ(test, req.data_len, c->req_off - c->usr_len);
	KUNIT_EXPECT_EQ(test, req.need_inval, c->flags & 1);
	KUNIT_EXPECT_EQ(test, req.has_desc, has_desc);
	KUNIT_EXPECT_EQ(test, req.desc_addr, has_desc ? DESC_ADDR : 0);
	KUNIT_EXPECT_EQ(test, req.desc_key, has_desc ? DESC_KEY : 0);
	KUNIT_EXPECT_EQ(test, req.desc_len, has_desc ? c->desc_len : 0);
}

/* What the client writes the server reads, wherever the header comes to lie. */
static void req_round_trip_test(struct kunit *test)
{
	const struct rtrs_sg_desc desc = {
		.addr = cpu_to_le64(DESC_ADDR), .key = cpu_to_le32(DESC_KEY),
		.len = cpu_to_le32(100),
	};
	struct rtrs_wire_req req;
	u8 *chunk, usr[16] = "user message";
	u32 data_len;
	u16 usr_len;
	size_t len;

	chunk = kunit_kzalloc(test, 256, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, chunk);
	for (data_len = 100; data_len < 108; data_len++) {
		for (usr_len = 1; usr_len < sizeof(usr); usr_len++) {
			len = rtrs_wire_put_req(chunk + data_len, usr, usr_len, DMA_FROM_DEVICE,
						&desc);
			KUNIT_ASSERT_EQ(test, len, usr_len + RTRS_MAX_REQ_HDR);
			KUNIT_ASSERT_EQ(test, rtrs_wire_get_req(&req, chunk, data_len + len,
								data_len + usr_len), 0);
			KUNIT_EXPECT_EQ(test, req.data_len, data_len);
			KUNIT_EXPECT_EQ(test, req.usr_len, usr_len);
			KUNIT_EXPECT_EQ(test, req.desc_len, 100U);
			KUNIT_EXPECT_FALSE(test, req.need_inval);
			KUNIT_EXPECT_MEMEQ(test, chunk + req.data_len, usr, usr_len);
		}
	}
}

/* ---- RKEY_RSP ---- */

struct rkey_case {
	const char *desc;
	int err;
	u16 type;
	u16 buf_id;
	u32 depth;
	size_t len;
};

static const struct rkey_case rkey_cases[] = {
	{ "good", 0, 4, 0, 512, 8 },
	{ "last chunk", 0, 4, 511, 512, 8 },
	{ "only chunk", 0, 4, 0, 1, 8 },
	{ "last of 65535", 0, 4, 65534, 65535, 8 },
	{ "behind the last", -EPROTO, 4, 512, 512, 8 },
	{ "behind the only one", -EPROTO, 4, 1, 1, 8 },
	{ "behind 65535", -EPROTO, 4, 65535, 65535, 8 },
	{ "wrong type", -EPROTO, 3, 0, 512, 8 },
	{ "type in the other byte order", -EPROTO, 0x400, 0, 512, 8 },
	{ "too short", -EPROTO, 4, 0, 512, 7 },
	{ "empty", -EPROTO, 4, 0, 512, 0 },
	{ "too long", -EPROTO, 4, 0, 512, 9 },
};

KUNIT_ARRAY_PARAM_DESC(rkey, rkey_cases, desc);

static void rkey_rsp_test(struct kunit *test)
{
	const struct rkey_case *c = test->param_value;
	const struct rtrs_msg_rkey_rsp msg = {
		.type = cpu_to_le16(c->type), .buf_id = cpu_to_le16(c->buf_id),
		.rkey = cpu_to_le32(0x12345678),
	};
	u16 buf_id = 7;
	u32 rkey = 7;

	KUNIT_ASSERT_EQ(test, rtrs_wire_get_rkey_rsp(&msg, c->len, c->depth, &buf_id, &rkey),
			c->err);
	KUNIT_EXPECT_EQ(test, buf_id, c->err ? 7 : c->buf_id);
	KUNIT_EXPECT_EQ(test, rkey, c->err ? 7 : 0x12345678);
}

static void rkey_rsp_bytes_test(struct kunit *test)
{
	static const u8 bytes[] = { 4, 0, 0xfe, 0xff, 0x78, 0x56, 0x34, 0x12 };
	struct rtrs_msg_rkey_rsp msg;

	rtrs_wire_put_rkey_rsp(&msg, 65534, 0x12345678);
	KUNIT_EXPECT_MEMEQ(test, (u8 *)&msg, bytes, sizeof(bytes));
}

/* ---- path fence ---- */

static void fence_bytes_test(struct kunit *test)
{
	static const u8 bytes[] = {
		0x01, 0x01, 110, 0, 0x78, 0x56, 0x34, 0x12,
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	};
	struct rtrs_fence fence = {
		.type = RTRS_MSG_FENCE_ACK, .err = -ETIMEDOUT, .seq = 0x12345678,
	};
	struct rtrs_msg_fence msg;
	struct rtrs_fence got = {};
	unsigned int i;

	for (i = 0; i < UUID_SIZE; i++)
		fence.uuid.b[i] = i;
	rtrs_wire_put_fence(&msg, &fence);
	KUNIT_EXPECT_MEMEQ(test, (u8 *)&msg, bytes, sizeof(bytes));

	KUNIT_ASSERT_EQ(test, rtrs_wire_get_fence(&got, &msg, sizeof(msg)), 0);
	KUNIT_EXPECT_EQ(test, got.type, fence.type);
	KUNIT_EXPECT_EQ(test, got.err, fence.err);
	KUNIT_EXPECT_EQ(test, got.seq, fence.seq);
	KUNIT_EXPECT_TRUE(test, uuid_equal(&got.uuid, &fence.uuid));
}

static void fence_length_test(struct kunit *test)
{
	struct rtrs_msg_fence msg = {};
	struct rtrs_fence fence;

	KUNIT_EXPECT_EQ(test, rtrs_wire_get_fence(&fence, &msg, 0), -EPROTO);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_fence(&fence, &msg, sizeof(msg) - 1), -EPROTO);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_fence(&fence, &msg, sizeof(msg) + 1), -EPROTO);
}

static void fence_errno_test(struct kunit *test)
{
	struct rtrs_msg_fence msg = { .errno_le = cpu_to_le16(RTRS_IMM_ERRNO_MAX) };
	struct rtrs_fence fence;

	KUNIT_EXPECT_EQ(test, rtrs_wire_get_fence(&fence, &msg, sizeof(msg)), 0);
	KUNIT_EXPECT_EQ(test, fence.err, -RTRS_IMM_ERRNO_MAX);
	msg.errno_le = cpu_to_le16(RTRS_IMM_ERRNO_MAX + 1);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_fence(&fence, &msg, sizeof(msg)), -EPROTO);
	msg.errno_le = cpu_to_le16(0xffff);
	KUNIT_EXPECT_EQ(test, rtrs_wire_get_fence(&fence, &msg, sizeof(msg)), -EPROTO);
}

static struct kunit_case wire_io_test_cases[] = {
	KUNIT_CASE_PARAM(info_rsp_test, info_rsp_gen_params),
	KUNIT_CASE(info_rsp_largest_test),
	KUNIT_CASE(req_bytes_test),
	KUNIT_CASE_PARAM(req_check_test, req_gen_params),
	KUNIT_CASE(req_round_trip_test),
	KUNIT_CASE_PARAM(rkey_rsp_test, rkey_gen_params),
	KUNIT_CASE(rkey_rsp_bytes_test),
	KUNIT_CASE(fence_bytes_test),
	KUNIT_CASE(fence_length_test),
	KUNIT_CASE(fence_errno_test),
	{}
};

static struct kunit_suite wire_io_test_suite = {
	.name = "rtrs_wire_io",
	.test_cases = wire_io_test_cases,
};

kunit_test_suite(wire_io_test_suite);

MODULE_DESCRIPTION("KUnit tests of RTRS request, chunk and key messages");
MODULE_LICENSE("GPL");
