// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests of rnbd-common.c: every operation and flag in both directions, every
 * row of the errno table, and messages as a hostile peer would send them.
 */
#include <kunit/test.h>
#include <linux/ioprio.h>
#include <linux/module.h>
#include <linux/string.h>

#include "rnbd-common.h"

/* ---- access modes ---- */

static void access_mode_names(struct kunit *test)
{
	KUNIT_EXPECT_STREQ(test, rnbd_access_mode_str(RNBD_ACCESS_RO), "ro");
	KUNIT_EXPECT_STREQ(test, rnbd_access_mode_str(RNBD_ACCESS_RW), "rw");
	KUNIT_EXPECT_STREQ(test, rnbd_access_mode_str(RNBD_ACCESS_MIGRATION), "migration");
	KUNIT_EXPECT_STREQ(test, rnbd_access_mode_str(RNBD_ACCESS_NR), "unknown");
	KUNIT_EXPECT_STREQ(test, rnbd_access_mode_str(255), "unknown");
}

static void access_mode_parses(struct kunit *test)
{
	static const char * const bad[] = { "", "RW", "r", "rwx", "ro ", " ro", "migrate" };
	size_t i;
	int mode;

	for (mode = 0; mode < RNBD_ACCESS_NR; mode++)
		KUNIT_EXPECT_EQ(test, rnbd_access_mode_parse(rnbd_access_mode_str(mode)), mode);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		KUNIT_EXPECT_EQ_MSG(test, rnbd_access_mode_parse(bad[i]), -EINVAL,
				    "\"%s\"", bad[i]);
}

/* ---- operations and flags, block layer to wire ---- */

struct to_wire_case {
	const char	*name;
	blk_opf_t	opf;
	u32		rw;
};

/* the values of 7.1 */
static const struct to_wire_case to_wire_cases[] = {
	{ "read",		REQ_OP_READ,				0x100 },
	{ "read sync",		REQ_OP_READ | REQ_SYNC,			0x100 },
	{ "read ahead",		REQ_OP_READ | REQ_RAHEAD,		0x100 },
	{ "read meta",		REQ_OP_READ | REQ_META | REQ_PRIO,	0x100 },
	{ "write",		REQ_OP_WRITE,				0x001 },
	{ "write sync",		REQ_OP_WRITE | REQ_SYNC,		0x101 },
	{ "write direct",	REQ_OP_WRITE | REQ_SYNC | REQ_IDLE,	0x101 },
	{ "write fua",		REQ_OP_WRITE | REQ_FUA,			0x301 },
	{ "write fua sync",	REQ_OP_WRITE | REQ_FUA | REQ_SYNC,	0x301 },
	{ "write preflush",	REQ_OP_WRITE | REQ_PREFLUSH,		0x301 },
	{ "write background",	REQ_OP_WRITE | REQ_BACKGROUND,		0x001 },
	{ "write nowait",	REQ_OP_WRITE | REQ_NOWAIT,		0x001 },
	{ "flush",		REQ_OP_FLUSH | REQ_PREFLUSH,		0x302 },
	{ "flush bare",		REQ_OP_FLUSH,				0x302 },
	{ "discard",		REQ_OP_DISCARD,				0x003 },
	{ "discard sync",	REQ_OP_DISCARD | REQ_SYNC,		0x103 },
	{ "secure erase",	REQ_OP_SECURE_ERASE,			0x004 },
	{ "secure erase sync",	REQ_OP_SECURE_ERASE | REQ_SYNC,		0x104 },
	{ "zeroes",		REQ_OP_WRITE_ZEROES,			0x005 },
	{ "zeroes sync",	REQ_OP_WRITE_ZEROES | REQ_SYNC,		0x105 },
	{ "zeroes no unmap",	REQ_OP_WRITE_ZEROES | REQ_NOUNMAP,	0x005 },
};

static void to_wire_desc(const struct to_wire_case *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(to_wire, to_wire_cases, to_wire_desc);

static void op_to_wire(struct kunit *test)
{
	const struct to_wire_case *param = test->param_value;
	u32 rw = 0xdeadbeef;

	KUNIT_EXPECT_EQ(test, rnbd_op_to_wire(param->opf, &rw), 0);
	KUNIT_EXPECT_EQ(test, rw, param->rw);
}

/* every operation there can be: six have a message, no other has */
static void op_to_wire_all(struct kunit *test)
{
	unsigned int op;
	u32 rw;

	for (op = 0; op < 1 << REQ_OP_BITS; op++) {
		blk_opf_t opf = (__force blk_opf_t)op;
		bool known = opf == REQ_OP_READ || opf == REQ_OP_WRITE ||
			     opf == REQ_OP_FLUSH || opf == REQ_OP_DISCARD ||
			     opf == REQ_OP_SECURE_ERASE || opf == REQ_OP_WRITE_ZEROES;

		KUNIT_EXPECT_EQ_MSG(test, rnbd_op_to_wire(opf, &rw), known ? 0 : -EOPNOTSUPP,
				    "op %u", op);
	}
}

/* ---- operations and flags, wire to block layer ---- */

struct from_wire_case {
	const char	*name;
	u32		rw;
	blk_opf_t	opf;
};

static const struct from_wire_case from_wire_cases[] = {
	{ "read",		0x000, REQ_OP_READ },
	{ "read sync",		0x100, REQ_OP_READ | REQ_SYNC },
	{ "read fua",		0x200, REQ_OP_READ },
	{ "read sync fua",	0x300, REQ_OP_READ | REQ_SYNC },
	{ "write",		0x001, REQ_OP_WRITE },
	{ "write sync",		0x101, REQ_OP_WRITE | REQ_SYNC | REQ_IDLE },
	{ "write fua",		0x201, REQ_OP_WRITE | REQ_FUA },
	{ "write sync fua",	0x301, REQ_OP_WRITE | REQ_SYNC | REQ_IDLE | REQ_FUA },
	{ "flush",		0x002, REQ_OP_WRITE | REQ_PREFLUSH },
	{ "flush mainline",	0x302, REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC },
	{ "flush later bits",	0x702, REQ_OP_WRITE | REQ_PREFLUSH | REQ_SYNC },
	{ "discard",		0x003, REQ_OP_DISCARD },
	{ "discard sync",	0x103, REQ_OP_DISCARD | REQ_SYNC },
	{ "discard fua",	0x203, REQ_OP_DISCARD },
	{ "erase",		0x004, REQ_OP_SECURE_ERASE },
	{ "erase sync fua",	0x304, REQ_OP_SECURE_ERASE | REQ_SYNC },
	{ "zeroes",		0x005, REQ_OP_WRITE_ZEROES },
	{ "zeroes sync fua",	0x305, REQ_OP_WRITE_ZEROES | REQ_SYNC },
	{ "zeroes later bits",	0x805, REQ_OP_WRITE_ZEROES },
	{ "unknown flags",	0xfffffc01, REQ_OP_WRITE },
};

static void from_wire_desc(const struct from_wire_case *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(from_wire, from_wire_cases, from_wire_desc);

static void op_from_wire(struct kunit *test)
{
	const struct from_wire_case *param = test->param_value;
	blk_opf_t opf = 0;

	KUNIT_EXPECT_EQ(test, rnbd_op_from_wire(param->rw, &opf), 0);
	KUNIT_EXPECT_EQ(test, (__force u32)opf, (__force u32)param->opf);
}

static void op_from_wire_unknown(struct kunit *test)
{
	blk_opf_t opf;
	u32 op;

	for (op = RNBD_OP_WRITE_ZEROES + 1; op <= RNBD_OP_MASK; op++) {
		KUNIT_EXPECT_EQ(test, rnbd_op_from_wire(op, &opf), -EOPNOTSUPP);
		KUNIT_EXPECT_EQ(test, rnbd_op_from_wire(op | 0x300, &opf), -EOPNOTSUPP);
	}
}

/* whatever the peer sends, the block layer never sees a flush flag on anything but a write */
static void op_from_wire_flags_are_legal(struct kunit *test)
{
	blk_opf_t opf;
	u32 rw;

	for (rw = 0; rw < 1 << 12; rw++) {
		if (rnbd_op_from_wire(rw, &opf))
			continue;
		if (op_is_flush(opf))
			KUNIT_EXPECT_TRUE(test, (opf & REQ_OP_MASK) == REQ_OP_WRITE);
	}
}

/* ---- errno and status ---- */

struct status_case {
	const char	*name;
	blk_status_t	status;
	int		err;
};

static const struct status_case status_cases[] = {
	{ "ok",			BLK_STS_OK,			0 },
	{ "not supported",	BLK_STS_NOTSUPP,		-95 },
	{ "timeout",		BLK_STS_TIMEOUT,		-110 },
	{ "no space",		BLK_STS_NOSPC,			-28 },
	{ "transport",		BLK_STS_TRANSPORT,		-67 },
	{ "target",		BLK_STS_TARGET,			-121 },
	{ "reservation",	BLK_STS_RESV_CONFLICT,		-52 },
	{ "medium",		BLK_STS_MEDIUM,			-61 },
	{ "protection",		BLK_STS_PROTECTION,		-84 },
	{ "resource",		BLK_STS_RESOURCE,		-12 },
	{ "device resource",	BLK_STS_DEV_RESOURCE,		-16 },
	{ "would block",	BLK_STS_AGAIN,			-11 },
	{ "offline",		BLK_STS_OFFLINE,		-19 },
	{ "zone open",		BLK_STS_ZONE_OPEN_RESOURCE,	-109 },
	{ "zone active",	BLK_STS_ZONE_ACTIVE_RESOURCE,	-75 },
	{ "io error",		BLK_STS_IOERR,			-5 },
};

static void status_desc(const struct status_case *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(status, status_cases, status_desc);

static void status_both_ways(struct kunit *test)
{
	const struct status_case *param = test->param_value;

	KUNIT_EXPECT_EQ(test, rnbd_status_to_errno(param->status), param->err);
	KUNIT_EXPECT_EQ(test, (__force u8)rnbd_errno_to_status(param->err),
			(__force u8)param->status);
}

/* statuses that older kernels lack: either their own errno or EIO, and never success */
static void status_of_newer_kernels(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, (__force u8)rnbd_errno_to_status(-62),
			(__force u8)BLK_STS_DURATION_LIMIT);
	KUNIT_EXPECT_EQ(test, (__force u8)rnbd_errno_to_status(-22),
			(__force u8)BLK_STS_INVAL);
	KUNIT_EXPECT_TRUE(test, rnbd_errno_to_status(rnbd_status_to_errno(BLK_STS_DURATION_LIMIT))
			  == BLK_STS_DURATION_LIMIT);
	KUNIT_EXPECT_TRUE(test, rnbd_errno_to_status(rnbd_status_to_errno(BLK_STS_INVAL))
			  == BLK_STS_INVAL);
}

static void status_every_other_errno(struct kunit *test)
{
	int err;

	for (err = 1; err <= 511; err++) {
		blk_status_t status = rnbd_errno_to_status(-err);

		KUNIT_EXPECT_TRUE(test, status != BLK_STS_OK);
		if (status != BLK_STS_IOERR)
			KUNIT_EXPECT_EQ(test, rnbd_status_to_errno(status), -err);
	}
	KUNIT_EXPECT_TRUE(test, rnbd_errno_to_status(-78) == BLK_STS_IOERR);
	KUNIT_EXPECT_TRUE(test, rnbd_errno_to_status(-103) == BLK_STS_IOERR);
	KUNIT_EXPECT_TRUE(test, rnbd_errno_to_status(-107) == BLK_STS_IOERR);
	KUNIT_EXPECT_TRUE(test, rnbd_errno_to_status(1) == BLK_STS_IOERR);
}

static void status_unknown_is_an_error(struct kunit *test)
{
	unsigned int status;

	for (status = 1; status < 256; status++)
		KUNIT_EXPECT_LT(test, rnbd_status_to_errno((__force blk_status_t)status), 0);
	KUNIT_EXPECT_EQ(test, rnbd_status_to_errno(BLK_STS_DM_REQUEUE), -EIO);
}

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

static void prio_clamped(struct kunit *test)
{
	u32 prio;

	KUNIT_EXPECT_EQ(test, rnbd_clamp_prio(0), 0);
	KUNIT_EXPECT_EQ(test, rnbd_clamp_prio(0x2000), 0x4000);	/* RT 0 */
	KUNIT_EXPECT_EQ(test, rnbd_clamp_prio(0x2007), 0x4000);	/* RT 7 */
	KUNIT_EXPECT_EQ(test, rnbd_clamp_prio(0x4004), 0x4004);	/* BE 4 */
	KUNIT_EXPECT_EQ(test, rnbd_clamp_prio(0x4ffc), 0x4004);	/* BE 4 with hints */
	KUNIT_EXPECT_EQ(test, rnbd_clamp_prio(0x6003), 0x6000);	/* idle */
	for (prio = 0; prio <= U16_MAX; prio++)
		if (IOPRIO_PRIO_CLASS(rnbd_clamp_prio(prio)) == IOPRIO_CLASS_RT ||
		    IOPRIO_PRIO_CLASS(rnbd_clamp_prio(prio)) > IOPRIO_CLASS_IDLE ||
		    (rnbd_clamp_prio(prio) & 0x1ff8))
			KUNIT_FAIL(test, "prio %#x", prio);
}

static struct kunit_case rnbd_common_cases[] = {
	KUNIT_CASE(access_mode_names),
	KUNIT_CASE(access_mode_parses),
	KUNIT_CASE_PARAM(op_to_wire, to_wire_gen_params),
	KUNIT_CASE(op_to_wire_all),
	KUNIT_CASE_PARAM(op_from_wire, from_wire_gen_params),
	KUNIT_CASE(op_from_wire_unknown),
	KUNIT_CASE(op_from_wire_flags_are_legal),
	KUNIT_CASE_PARAM(status_both_ways, status_gen_params),
	KUNIT_CASE(status_of_newer_kernels),
	KUNIT_CASE(status_every_other_errno),
	KUNIT_CASE(status_unknown_is_an_error),
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
	KUNIT_CASE(io_hostile),
	KUNIT_CASE(io_data_read),
	KUNIT_CASE(io_data_write),
	KUNIT_CASE(io_data_none),
	KUNIT_CASE_PARAM(io_range, range_gen_params),
	KUNIT_CASE(prio_clamped),
	{}
};

static struct kunit_suite rnbd_common_suite = {
	.name = "rnbd-common",
	.test_cases = rnbd_common_cases,
};

kunit_test_suite(rnbd_common_suite);

MODULE_DESCRIPTION("KUnit tests of the code that RNBD client and server share");
MODULE_LICENSE("GPL");
