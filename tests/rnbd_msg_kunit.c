// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests of the messages in rnbd-common.c: their bytes, what is read back, and
 * what a hostile peer could send.
 */
#include <kunit/test.h>
#include <linux/module.h>
#include <linux/string.h>

#include "rnbd-common.h"

/* ---- OPEN_RSP ---- */

static const struct rnbd_geometry geo_full = {
	.device_id			= 0xfedcba98,
	.nsectors			= 0x123456789a0,
	.max_write_zeroes_sectors	= 0x10000,
	.max_discard_sectors		= 0x20000,
	.discard_granularity		= 65536,
	.discard_alignment		= 4096,
	.physical_block_size		= 8192,
	.logical_block_size		= 4096,
	.secure_discard			= true,
	.fua				= true,
	.writeback			= true,
};

static void open_rsp_bytes(struct kunit *test)
{
	static const u8 want[56] = {
		3, 0, 0, 0,			0x98, 0xba, 0xdc, 0xfe,
		0xa0, 0x89, 0x67, 0x45,		0x23, 0x01, 0, 0,
		0, 4, 0, 0,			0, 0, 1, 0,
		0, 0, 2, 0,			0, 0, 1, 0,
		0, 0x10, 0, 0,			0, 0x20, 0, 0x10,
		0x80, 0, 1, 0,			0, 3,
	};
	struct rnbd_msg_open_rsp msg;

	memset(&msg, 0xff, sizeof(msg));
	rnbd_put_open_rsp(&msg, &geo_full, 1024, 128);
	KUNIT_EXPECT_EQ(test, memcmp(&msg, want, sizeof(want)), 0);
}

static void open_rsp_round_trip(struct kunit *test)
{
	struct rnbd_msg_open_rsp msg;
	struct rnbd_geometry geo;

	rnbd_put_open_rsp(&msg, &geo_full, 1024, 128);
	KUNIT_ASSERT_EQ(test, rnbd_get_open_rsp(&geo, &msg), 0);
	KUNIT_EXPECT_EQ(test, geo.device_id, geo_full.device_id);
	KUNIT_EXPECT_EQ(test, geo.nsectors, geo_full.nsectors);
	KUNIT_EXPECT_EQ(test, geo.max_write_zeroes_sectors, geo_full.max_write_zeroes_sectors);
	KUNIT_EXPECT_EQ(test, geo.max_discard_sectors, geo_full.max_discard_sectors);
	KUNIT_EXPECT_EQ(test, geo.discard_granularity, geo_full.discard_granularity);
	KUNIT_EXPECT_EQ(test, geo.discard_alignment, geo_full.discard_alignment);
	KUNIT_EXPECT_EQ(test, geo.physical_block_size, geo_full.physical_block_size);
	KUNIT_EXPECT_EQ(test, geo.logical_block_size, geo_full.logical_block_size);
	KUNIT_EXPECT_TRUE(test, geo.secure_discard);
	KUNIT_EXPECT_TRUE(test, geo.fua);
	KUNIT_EXPECT_TRUE(test, geo.writeback);
}

static void open_rsp_clamps_block_sizes(struct kunit *test)
{
	struct rnbd_geometry geo = geo_full;
	struct rnbd_msg_open_rsp msg;

	geo.physical_block_size = 65536;
	geo.logical_block_size = 1 << 20;
	rnbd_put_open_rsp(&msg, &geo, 1024, 128);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(msg.physical_block_size), 32768);
	KUNIT_EXPECT_EQ(test, le16_to_cpu(msg.logical_block_size), 32768);
}

/* a device with a capacity of zero and nothing else is legal */
static void open_rsp_minimal(struct kunit *test)
{
	struct rnbd_msg_open_rsp msg = {
		.hdr.type = cpu_to_le16(RNBD_MSG_OPEN_RSP),
		.logical_block_size = cpu_to_le16(512),
	};
	struct rnbd_geometry geo;

	KUNIT_ASSERT_EQ(test, rnbd_get_open_rsp(&geo, &msg), 0);
	KUNIT_EXPECT_EQ(test, geo.nsectors, 0ULL);
	KUNIT_EXPECT_EQ(test, geo.physical_block_size, 512);
	KUNIT_EXPECT_EQ(test, geo.max_discard_sectors, 0);
	KUNIT_EXPECT_FALSE(test, geo.secure_discard);
	KUNIT_EXPECT_FALSE(test, geo.writeback);
}

static void open_rsp_fua_needs_writeback(struct kunit *test)
{
	struct rnbd_msg_open_rsp msg;
	struct rnbd_geometry geo;

	rnbd_put_open_rsp(&msg, &geo_full, 1024, 128);
	msg.cache_policy = RNBD_CACHE_FUA;
	KUNIT_ASSERT_EQ(test, rnbd_get_open_rsp(&geo, &msg), 0);
	KUNIT_EXPECT_FALSE(test, geo.fua);
	msg.cache_policy = 0xfe;
	KUNIT_ASSERT_EQ(test, rnbd_get_open_rsp(&geo, &msg), 0);
	KUNIT_EXPECT_TRUE(test, geo.writeback);
	KUNIT_EXPECT_FALSE(test, geo.fua);
}

static int get_changed(struct rnbd_geometry *geo, u16 logical, u16 physical, u64 nsectors)
{
	struct rnbd_msg_open_rsp msg;

	rnbd_put_open_rsp(&msg, &geo_full, 1024, 128);
	msg.logical_block_size = cpu_to_le16(logical);
	msg.physical_block_size = cpu_to_le16(physical);
	msg.nsectors = cpu_to_le64(nsectors);
	return rnbd_get_open_rsp(geo, &msg);
}

static void open_rsp_hostile(struct kunit *test)
{
	struct rnbd_msg_open_rsp msg;
	struct rnbd_geometry geo;

	KUNIT_EXPECT_EQ(test, get_changed(&geo, 0, 4096, 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_changed(&geo, 256, 4096, 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_changed(&geo, 513, 4096, 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_changed(&geo, 4096, 12288, 8), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_changed(&geo, 4096, 4096, 7), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_changed(&geo, 512, 512, U64_MAX), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_changed(&geo, 512, 512, 1ULL << 54), -EINVAL);
	KUNIT_EXPECT_EQ(test, get_changed(&geo, 512, 512, (1ULL << 54) - 1), 0);
	KUNIT_EXPECT_EQ(test, get_changed(&geo, 4096, 512, 8), 0);
	KUNIT_EXPECT_EQ(test, geo.physical_block_size, 4096);

	rnbd_put_open_rsp(&msg, &geo_full, 1024, 128);
	msg.hdr.type = cpu_to_le16(RNBD_MSG_OPEN);
	KUNIT_EXPECT_EQ(test, rnbd_get_open_rsp(&geo, &msg), -EINVAL);
}

static void open_rsp_odd_discard(struct kunit *test)
{
	struct rnbd_msg_open_rsp msg;
	struct rnbd_geometry geo;

	rnbd_put_open_rsp(&msg, &geo_full, 1024, 128);
	msg.discard_granularity = cpu_to_le32(512);
	KUNIT_ASSERT_EQ(test, rnbd_get_open_rsp(&geo, &msg), 0);
	KUNIT_EXPECT_EQ(test, geo.max_discard_sectors, 0);
	KUNIT_EXPECT_FALSE(test, geo.secure_discard);

	msg.discard_granularity = 0;
	msg.discard_alignment = cpu_to_le32(5000);
	msg.max_discard_sectors = cpu_to_le32(U32_MAX);
	msg.max_write_zeroes_sectors = cpu_to_le32(7);
	KUNIT_ASSERT_EQ(test, rnbd_get_open_rsp(&geo, &msg), 0);
	KUNIT_EXPECT_EQ(test, geo.discard_granularity, 4096);
	KUNIT_EXPECT_EQ(test, geo.discard_alignment, 904);
	KUNIT_EXPECT_EQ(test, geo.max_discard_sectors, U32_MAX - 7);
	KUNIT_EXPECT_EQ(test, geo.max_write_zeroes_sectors, 0);

	msg.max_discard_sectors = cpu_to_le32(7);
	KUNIT_ASSERT_EQ(test, rnbd_get_open_rsp(&geo, &msg), 0);
	KUNIT_EXPECT_EQ(test, geo.max_discard_sectors, 0);
	KUNIT_EXPECT_FALSE(test, geo.secure_discard);
}

/* ---- OPEN ---- */

static void open_checks(struct kunit *test)
{
	struct rnbd_msg_open msg = {
		.hdr.type = cpu_to_le16(RNBD_MSG_OPEN),
		.access_mode = RNBD_ACCESS_RW,
		.dev_name = "sda",
	};
	size_t len;

	KUNIT_EXPECT_EQ(test, rnbd_get_open(&msg, sizeof(msg)), 0);
	KUNIT_EXPECT_EQ(test, rnbd_get_open(&msg, 512), 0);
	for (len = 0; len < sizeof(msg); len++)
		KUNIT_EXPECT_EQ(test, rnbd_get_open(&msg, len), -EINVAL);

	msg.access_mode = RNBD_ACCESS_MIGRATION;
	KUNIT_EXPECT_EQ(test, rnbd_get_open(&msg, sizeof(msg)), 0);
	msg.access_mode = RNBD_ACCESS_NR;
	KUNIT_EXPECT_EQ(test, rnbd_get_open(&msg, sizeof(msg)), -EINVAL);
	msg.access_mode = 255;
	KUNIT_EXPECT_EQ(test, rnbd_get_open(&msg, sizeof(msg)), -EINVAL);

	msg.access_mode = RNBD_ACCESS_RO;
	memset(msg.dev_name, 'x', sizeof(msg.dev_name));
	KUNIT_EXPECT_EQ(test, rnbd_get_open(&msg, sizeof(msg)), -EINVAL);
	msg.dev_name[RNBD_NAME_LEN - 1] = '\0';
	KUNIT_EXPECT_EQ(test, rnbd_get_open(&msg, sizeof(msg)), 0);
	msg.dev_name[0] = '\0';
	KUNIT_EXPECT_EQ(test, rnbd_get_open(&msg, sizeof(msg)), -EINVAL);
}

/* ---- IO ---- */

static struct rnbd_msg_io io_msg(u32 rw, u64 sector, u32 size)
{
	const struct rnbd_io io = {
		.device_id = 0x01020304, .sector = sector, .size = size, .prio = 0x4005,
	};
	struct rnbd_msg_io msg;

	rnbd_put_io(&msg, &io, rw);
	return msg;
}

static void io_bytes(struct kunit *test)
{
	static const u8 want[32] = {
		4, 0, 0, 0,		4, 3, 2, 1,
		0x88, 0x77, 0x66, 0x55,	0x44, 0x33, 0x22, 0x11,
		1, 3, 0, 0,		0, 0x10, 0, 0,
		5, 0x40,
	};
	struct rnbd_msg_io msg = io_msg(0x301, 0x1122334455667788, 4096);

	KUNIT_EXPECT_EQ(test, memcmp(&msg, want, sizeof(want)), 0);
}

static void io_round_trip(struct kunit *test)
{
	struct rnbd_msg_io msg = io_msg(0x301, 0x1122334455667788, 4096);
	struct rnbd_io io;

	KUNIT_ASSERT_EQ(test, rnbd_get_io(&io, &msg, sizeof(msg)), 0);
	KUNIT_EXPECT_EQ(test, io.device_id, 0x01020304);
	KUNIT_EXPECT_EQ(test, io.sector, 0x1122334455667788ULL);
	KUNIT_EXPECT_EQ(test, io.size, 4096);
	KUNIT_EXPECT_EQ(test, io.prio, 0x4005);
	KUNIT_EXPECT_TRUE(test, rnbd_io_has_data(&io));
	KUNIT_EXPECT_FALSE(test, rnbd_io_is_flush(&io));
}

static void io_lengths(struct kunit *test)
{
	struct rnbd_msg_io msg = io_msg(0x100, 8, 512);
	struct rnbd_io io;
	size_t len;

	for (len = 0; len < RNBD_MSG_IO_MIN_LEN; len++)
		KUNIT_EXPECT_EQ(test, rnbd_get_io(&io, &msg, len), -EINVAL);
	for (; len < 512; len++) {
		KUNIT_EXPECT_EQ(test, rnbd_get_io(&io, &msg, len), 0);
		KUNIT_EXPECT_EQ(test, io.prio, len >= 26 ? 0x4005 : 0);
	}
}

static void io_flush(struct kunit *test)
{
	struct rnbd_msg_io msg = io_msg(0x302, U64_MAX, 0);
	struct rnbd_io io;

	KUNIT_ASSERT_EQ(test, rnbd_get_io(&io, &msg, sizeof(msg)), 0);
	KUNIT_EXPECT_TRUE(test, rnbd_io_is_flush(&io));
	KUNIT_EXPECT_FALSE(test, rnbd_io_has_data(&io));
	KUNIT_EXPECT_EQ(test, io.sector, 0ULL);
	KUNIT_EXPECT_EQ(test, rnbd_check_range(&io, 0, 4096), 0);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 0, 0), 0);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 512, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 512, 512), -EINVAL);

	msg = io_msg(0x002, 0, 512);
	KUNIT_EXPECT_EQ(test, rnbd_get_io(&io, &msg, sizeof(msg)), -EINVAL);
}

static void io_empty_write_is_flush(struct kunit *test)
{
	struct rnbd_msg_io msg = io_msg(0x301, 77, 0);
	struct rnbd_io io;

	KUNIT_ASSERT_EQ(test, rnbd_get_io(&io, &msg, sizeof(msg)), 0);
	KUNIT_EXPECT_TRUE(test, rnbd_io_is_flush(&io));
	KUNIT_EXPECT_FALSE(test, !!(io.opf & REQ_FUA));
	KUNIT_EXPECT_EQ(test, io.sector, 0ULL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 512, 0), -EINVAL);
}

/* a later client may ask for the flush with the data (10.8) */
static void io_write_with_preflush(struct kunit *test)
{
	struct rnbd_msg_io msg = io_msg(0x701, 8, 4096);
	struct rnbd_io io;

	KUNIT_ASSERT_EQ(test, rnbd_get_io(&io, &msg, sizeof(msg)), 0);
	KUNIT_EXPECT_FALSE(test, rnbd_io_is_flush(&io));
	KUNIT_EXPECT_TRUE(test, rnbd_io_has_data(&io));
	KUNIT_EXPECT_TRUE(test, !!(io.opf & REQ_PREFLUSH));
	KUNIT_EXPECT_TRUE(test, !!(io.opf & REQ_FUA));
	KUNIT_EXPECT_EQ(test, io.sector, 8ULL);
	KUNIT_EXPECT_EQ(test, rnbd_check_range(&io, 8, 512), -EIO);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 4096, 0), 0);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 4096, 4096), -EINVAL);
}

static void io_hostile(struct kunit *test)
{
	struct rnbd_msg_io msg;
	struct rnbd_io io;
	u32 op;

	for (op = 0; op <= RNBD_OP_MASK; op++) {
		msg = io_msg(op, 0, 0);
		if (op == RNBD_OP_WRITE || op == RNBD_OP_FLUSH)
			KUNIT_EXPECT_EQ(test, rnbd_get_io(&io, &msg, sizeof(msg)), 0);
		else
			KUNIT_EXPECT_LT(test, rnbd_get_io(&io, &msg, sizeof(msg)), 0);
	}
	msg = io_msg(6, 0, 512);
	KUNIT_EXPECT_EQ(test, rnbd_get_io(&io, &msg, sizeof(msg)), -EOPNOTSUPP);
}

static struct rnbd_io io_of(u32 rw, u64 sector, u32 size)
{
	struct rnbd_msg_io msg = io_msg(rw, sector, size);
	struct rnbd_io io = {};

	rnbd_get_io(&io, &msg, sizeof(msg));
	return io;
}

static void io_data_read(struct kunit *test)
{
	struct rnbd_io io = io_of(0x100, 0, 4096);

	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 4096, 4096), 0);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 4096, 512), 0);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 4096, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 4096, 4097), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 512, 512), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 8192, 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 4096, 0), -EINVAL);
}

static void io_data_write(struct kunit *test)
{
	struct rnbd_io io = io_of(0x001, 0, 4096);

	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 4096, 0), 0);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 4095, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 8192, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 0, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 4096, 4096), -EINVAL);
	KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 4096, 0), -EINVAL);
}

static void io_data_none(struct kunit *test)
{
	static const u32 ops[] = { RNBD_OP_DISCARD, RNBD_OP_SECURE_ERASE, RNBD_OP_WRITE_ZEROES };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		struct rnbd_io io = io_of(ops[i], 0, 0xfffffe00);

		KUNIT_EXPECT_FALSE(test, rnbd_io_has_data(&io));
		KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 0, 0), 0);
		KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 0, 0), 0);
		KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_TO_DEVICE, 512, 0), -EINVAL);
		KUNIT_EXPECT_EQ(test, rnbd_check_io_data(&io, DMA_FROM_DEVICE, 512, 512),
				-EINVAL);
	}
}

struct range_case {
	const char	*name;
	u64		sector;
	u32		size;
	u64		nsectors;
	u32		block_size;
	int		err;
};

static const struct range_case range_cases[] = {
	{ "first block",	0, 512, 1, 512, 0 },
	{ "last block",		99, 512, 100, 512, 0 },
	{ "one too far",	100, 512, 100, 512, -EIO },
	{ "tail too far",	99, 1024, 100, 512, -EIO },
	{ "empty device",	0, 512, 0, 512, -EIO },
	{ "longer than device",	0, 0xfffffe00, 100, 512, -EIO },
	{ "largest",		0, 0xfffffe00, 0x7fffff, 512, 0 },
	{ "sum overflows",	U64_MAX, 512, 100, 512, -EIO },
	{ "last possible",	U64_MAX - 8, 4096, U64_MAX, 512, 0 },
	{ "sum wraps to 0",	U64_MAX - 7, 4096, U64_MAX, 512, -EIO },
	{ "sum wraps past 0",	U64_MAX - 6, 4096, U64_MAX, 512, -EIO },
	{ "4k block",		8, 4096, 16, 4096, 0 },
	{ "4k half block",	8, 2048, 16, 4096, -EINVAL },
	{ "4k odd start",	1, 4096, 16, 4096, -EINVAL },
	{ "odd size",		0, 513, 16, 512, -EINVAL },
	{ "less than sector",	0, 1, 16, 512, -EINVAL },
};

static void range_desc(const struct range_case *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(range, range_cases, range_desc);

static void io_range(struct kunit *test)
{
	const struct range_case *param = test->param_value;
	struct rnbd_io io = io_of(0x001, param->sector, param->size);

	KUNIT_EXPECT_EQ(test, rnbd_check_range(&io, param->nsectors, param->block_size),
			param->err);
	io = io_of(0x003, param->sector, param->size);
	KUNIT_EXPECT_EQ(test, rnbd_check_range(&io, param->nsectors, param->block_size),
			param->err);
}

static struct kunit_case rnbd_msg_cases[] = {
	KUNIT_CASE(open_rsp_bytes),
	KUNIT_CASE(open_rsp_round_trip),
	KUNIT_CASE(open_rsp_clamps_block_sizes),
	KUNIT_CASE(open_rsp_minimal),
	KUNIT_CASE(open_rsp_fua_needs_writeback),
	KUNIT_CASE(open_rsp_hostile),
	KUNIT_CASE(open_rsp_odd_discard),
	KUNIT_CASE(open_checks),
	KUNIT_CASE(io_bytes),
	KUNIT_CASE(io_round_trip),
	KUNIT_CASE(io_lengths),
	KUNIT_CASE(io_flush),
	KUNIT_CASE(io_empty_write_is_flush),
	KUNIT_CASE(io_write_with_preflush),
	KUNIT_CASE(io_hostile),
	KUNIT_CASE(io_data_read),
	KUNIT_CASE(io_data_write),
	KUNIT_CASE(io_data_none),
	KUNIT_CASE_PARAM(io_range, range_gen_params),
	{}
};

static struct kunit_suite rnbd_msg_suite = {
	.name = "rnbd-msg",
	.test_cases = rnbd_msg_cases,
};

kunit_test_suite(rnbd_msg_suite);

MODULE_DESCRIPTION("KUnit tests of the messages of RNBD");
MODULE_LICENSE("GPL");
