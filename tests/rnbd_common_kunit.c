// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests of the conversions in rnbd-common.c: every operation and flag in both
 * directions, every row of the errno table, access modes, priorities.
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
	{ "zeroes no unmap",	REQ_OP_WRITE_ZEROES | REQ_NOUNMAP,	0x805 },
	{ "zeroes all",		REQ_OP_WRITE_ZEROES | REQ_NOUNMAP | REQ_SYNC, 0x905 },
	{ "discard no unmap",	REQ_OP_DISCARD | REQ_NOUNMAP,		0x003 },
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
	{ "write preflush",	0x401, REQ_OP_WRITE | REQ_PREFLUSH },
	{ "write preflush fua",	0x601, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA },
	{ "read preflush",	0x400, REQ_OP_READ },
	{ "write no unmap",	0x801, REQ_OP_WRITE },
	{ "discard later bits",	0xc03, REQ_OP_DISCARD },
	{ "zeroes no unmap",	0x805, REQ_OP_WRITE_ZEROES | REQ_NOUNMAP },
	{ "zeroes later bits",	0xd05, REQ_OP_WRITE_ZEROES | REQ_NOUNMAP | REQ_SYNC },
	{ "unknown flags",	0xfffff001, REQ_OP_WRITE },
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

/* ---- priority ---- */

struct prio_case {
	const char	*name;
	unsigned int	max_class;
	u16		prio;
	u16		clamped;
};

static const struct prio_case prio_cases[] = {
	{ "none",		IOPRIO_CLASS_BE,   0x0000, 0x0000 },
	{ "none, level",	IOPRIO_CLASS_BE,   0x0003, 0x0000 },
	{ "rt to be",		IOPRIO_CLASS_BE,   0x2000, 0x4000 },
	{ "rt 7 to be",		IOPRIO_CLASS_BE,   0x2007, 0x4000 },
	{ "be",			IOPRIO_CLASS_BE,   0x4004, 0x4004 },
	{ "be with hints",	IOPRIO_CLASS_BE,   0x4ffc, 0x4004 },
	{ "idle",		IOPRIO_CLASS_BE,   0x6003, 0x6000 },
	{ "unknown class",	IOPRIO_CLASS_BE,   0x8004, 0x0000 },
	{ "rt allowed",		IOPRIO_CLASS_RT,   0x2003, 0x2003 },
	{ "rt, be",		IOPRIO_CLASS_RT,   0x4003, 0x4003 },
	{ "rt, none",		IOPRIO_CLASS_RT,   0x0000, 0x0000 },
	{ "idle, rt",		IOPRIO_CLASS_IDLE, 0x2003, 0x6000 },
	{ "idle, be",		IOPRIO_CLASS_IDLE, 0x4003, 0x6000 },
	{ "idle, none",		IOPRIO_CLASS_IDLE, 0x0000, 0x6000 },
	{ "idle, idle",		IOPRIO_CLASS_IDLE, 0x6000, 0x6000 },
	{ "ignored, rt",	IOPRIO_CLASS_NONE, 0x2003, 0x0000 },
	{ "ignored, idle",	IOPRIO_CLASS_NONE, 0x6000, 0x0000 },
};

static void prio_desc(const struct prio_case *param, char *desc)
{
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(prio, prio_cases, prio_desc);

static void prio_clamped(struct kunit *test)
{
	const struct prio_case *param = test->param_value;

	KUNIT_EXPECT_EQ(test, rnbd_clamp_prio(param->prio, param->max_class), param->clamped);
}

/* never above what is allowed, never a class that does not exist, never a hint */
static void prio_all(struct kunit *test)
{
	unsigned int max_class;
	u32 prio;

	for (max_class = IOPRIO_CLASS_RT; max_class <= IOPRIO_CLASS_IDLE; max_class++)
		for (prio = 0; prio <= U16_MAX; prio++) {
			u16 got = rnbd_clamp_prio(prio, max_class);
			unsigned int class = IOPRIO_PRIO_CLASS(got);

			if ((got & 0x1ff8) || class > IOPRIO_CLASS_IDLE ||
			    (class && class < max_class))
				KUNIT_FAIL(test, "prio %#x, class %u: %#x", prio, max_class, got);
		}
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
	KUNIT_CASE_PARAM(prio_clamped, prio_gen_params),
	KUNIT_CASE(prio_all),
	{}
};

static struct kunit_suite rnbd_common_suite = {
	.name = "rnbd-common",
	.test_cases = rnbd_common_cases,
};

kunit_test_suite(rnbd_common_suite);

MODULE_DESCRIPTION("KUnit tests of the conversions of RNBD");
MODULE_LICENSE("GPL");
