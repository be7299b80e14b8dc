// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit tests of the immediate value: packing for every kind of queue depth, the
 * examples of the wire specification, and errno values that do not fit.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "rtrs-proto.h"

struct depth_case {
	const char *desc;
	u32 depth;
	unsigned int off_bits;
};

static const struct depth_case depth_cases[] = {
	{ "1", 1, 28 },
	{ "2", 2, 27 },
	{ "3", 3, 26 },
	{ "4", 4, 26 },
	{ "5", 5, 25 },
	{ "511", 511, 19 },
	{ "512", 512, 19 },
	{ "513", 513, 18 },
	{ "32768", 32768, 13 },
	{ "32769", 32769, 12 },
	{ "65535", 65535, 12 },
};

KUNIT_ARRAY_PARAM_DESC(depth, depth_cases, desc);

static void expect_req_round_trip(struct kunit *test, u32 id, u32 off, unsigned int off_bits)
{
	u32 imm = rtrs_imm_pack_req(id, off, off_bits);

	KUNIT_EXPECT_EQ(test, rtrs_imm_type(imm), RTRS_IO_REQ_IMM);
	KUNIT_EXPECT_EQ(test, rtrs_imm_req_id(imm, off_bits), id);
	KUNIT_EXPECT_EQ(test, rtrs_imm_req_off(imm, off_bits), off);
}

static void imm_req_depth_test(struct kunit *test)
{
	const struct depth_case *c = test->param_value;
	u32 off_max = (1U << c->off_bits) - 1;
	u32 ids[] = { 0, c->depth / 2, c->depth - 1 };
	u32 offs[] = { 0, 1, off_max / 2, off_max };
	unsigned int i, k;

	KUNIT_ASSERT_EQ(test, rtrs_imm_off_bits(c->depth), c->off_bits);

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		for (k = 0; k < ARRAY_SIZE(offs); k++)
			expect_req_round_trip(test, ids[i], offs[k], c->off_bits);
}

/* Whatever 32 bits a peer sends, the parts stay within their fields. */
static void imm_req_hostile_test(struct kunit *test)
{
	const struct depth_case *c = test->param_value;
	u32 imms[] = { U32_MAX, 0x0fffffff, 0x80000001, 0x7fffffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(imms); i++) {
		KUNIT_EXPECT_LT(test, rtrs_imm_req_id(imms[i], c->off_bits),
				1U << rtrs_ceil_log2(c->depth));
		KUNIT_EXPECT_LT(test, rtrs_imm_req_off(imms[i], c->off_bits), 1U << c->off_bits);
		KUNIT_EXPECT_LT(test, rtrs_imm_type(imms[i]), 16U);
	}
}

static void imm_spec_examples_test(struct kunit *test)
{
	unsigned int off_bits = rtrs_imm_off_bits(512);

	KUNIT_EXPECT_EQ(test, rtrs_imm_pack_req(5, 4128, off_bits), 0x00281020U);
	KUNIT_EXPECT_EQ(test, rtrs_imm_pack_rsp(RTRS_IO_RSP_IMM, 5, 0), 0x10000005U);
	KUNIT_EXPECT_EQ(test, rtrs_imm_pack_rsp(RTRS_IO_RSP_W_INV_IMM, 5, 0), 0x20000005U);
	KUNIT_EXPECT_EQ(test, rtrs_imm_pack_rsp(RTRS_IO_RSP_IMM, 5, -EIO), 0x10280005U);
	KUNIT_EXPECT_EQ(test, rtrs_imm_pack(RTRS_HB_MSG_IMM, 0), 0x80000000U);
	KUNIT_EXPECT_EQ(test, rtrs_imm_pack(RTRS_HB_ACK_IMM, 0), 0x90000000U);
}

struct errno_case {
	const char *desc;
	int err;
	int seen;	/* by the peer */
};

static const struct errno_case errno_cases[] = {
	{ "success", 0, 0 },
	{ "first", -1, -1 },
	{ "EIO", -EIO, -EIO },
	{ "largest that fits", -511, -511 },
	{ "512 would read as success", -512, -EIO },
	{ "524 would read as 12", -524, -EIO },
	{ "1024 would read as success", -1024, -EIO },
	{ "largest errno", -4095, -EIO },
	{ "INT_MIN", INT_MIN, -EIO },
	{ "positive", EINVAL, -EIO },
	{ "positive multiple of 512", 512, -EIO },
	{ "INT_MAX", INT_MAX, -EIO },
};

KUNIT_ARRAY_PARAM_DESC(errno, errno_cases, desc);

static void imm_rsp_errno_test(struct kunit *test)
{
	const struct errno_case *c = test->param_value;
	u32 ids[] = { 0, 1, 65534 };
	unsigned int i;
	u32 imm;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		imm = rtrs_imm_pack_rsp(RTRS_IO_RSP_IMM, ids[i], c->err);
		KUNIT_EXPECT_EQ(test, rtrs_imm_type(imm), RTRS_IO_RSP_IMM);
		KUNIT_EXPECT_EQ(test, rtrs_imm_rsp_id(imm), ids[i]);
		KUNIT_EXPECT_EQ(test, rtrs_imm_rsp_errno(imm), c->seen);
	}
}

/* Every answer that can arrive decodes to 0 or an errno of nine bits. */
static void imm_rsp_hostile_test(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, rtrs_imm_rsp_errno(0x1fffffff), -511);
	KUNIT_EXPECT_EQ(test, rtrs_imm_rsp_id(0x1fffffff), 0x7ffffU);
	KUNIT_EXPECT_EQ(test, rtrs_imm_rsp_errno(U32_MAX), -511);
	KUNIT_EXPECT_EQ(test, rtrs_imm_rsp_errno(0x10000000), 0);
}

struct fit_case {
	const char *desc;
	u32 depth;
	u64 chunk_size;
	bool fits;
};

static const struct fit_case fit_cases[] = {
	{ "defaults", 512, 131072, true },
	{ "largest for 512 chunks", 512, 1 << 19, true },
	{ "one byte too large", 512, (1 << 19) + 1, false },
	{ "one chunk too many", 513, 1 << 19, false },
	{ "odd chunk size", 512, 131072 + 4096, true },
	{ "one chunk of everything", 1, 1 << 28, true },
	{ "one chunk of more", 1, (1 << 28) + 1, false },
	{ "65535 chunks of 4 KiB", 65535, 4096, true },
	{ "65535 chunks of 8 KiB", 65535, 8192, false },
	{ "no chunks", 0, 131072, false },
	{ "empty chunks", 512, 0, false },
	{ "4 GiB chunks", 1, 1ULL << 32, false },
	{ "most that two 32-bit sizes add up to", 1, 2ULL * U32_MAX, false },
};

KUNIT_ARRAY_PARAM_DESC(fit, fit_cases, desc);

static void imm_chunks_fit_test(struct kunit *test)
{
	const struct fit_case *c = test->param_value;

	KUNIT_EXPECT_EQ(test, rtrs_chunks_fit_imm(c->depth, c->chunk_size), c->fits);
}

static void imm_ceil_log2_test(struct kunit *test)
{
	unsigned int bits;

	KUNIT_EXPECT_EQ(test, rtrs_ceil_log2(1), 0U);
	for (bits = 1; bits < 31; bits++) {
		KUNIT_EXPECT_EQ(test, rtrs_ceil_log2(1U << bits), bits);
		KUNIT_EXPECT_EQ(test, rtrs_ceil_log2((1U << bits) + 1), bits + 1);
	}
}

static struct kunit_case imm_test_cases[] = {
	KUNIT_CASE(imm_ceil_log2_test),
	KUNIT_CASE_PARAM(imm_chunks_fit_test, fit_gen_params),
	KUNIT_CASE_PARAM(imm_req_depth_test, depth_gen_params),
	KUNIT_CASE_PARAM(imm_req_hostile_test, depth_gen_params),
	KUNIT_CASE(imm_spec_examples_test),
	KUNIT_CASE_PARAM(imm_rsp_errno_test, errno_gen_params),
	KUNIT_CASE(imm_rsp_hostile_test),
	{}
};

static struct kunit_suite imm_test_suite = {
	.name = "rtrs_imm",
	.test_cases = imm_test_cases,
};

kunit_test_suite(imm_test_suite);

MODULE_DESCRIPTION("KUnit tests of the RTRS immediate value");
MODULE_LICENSE("GPL");
