// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit tests of the path states of client and server: every pair of states against the
 * tables of the wire specification (12.2, 12.3), written down here a second time.  And of
 * the times of stages that trace events show.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "rtrs-clt.h"
#include "rtrs-srv.h"

struct step {
	unsigned int from;
	unsigned int to;
};

static const struct step clt_steps[] = {
	{ RTRS_CLT_RECONNECTING,   RTRS_CLT_CONNECTING },
	{ RTRS_CLT_CONNECTING,	   RTRS_CLT_CONNECTED },
	{ RTRS_CLT_CONNECTING,	   RTRS_CLT_CONNECTING_ERR },
	{ RTRS_CLT_CONNECTED,	   RTRS_CLT_RECONNECTING },
	{ RTRS_CLT_CONNECTING_ERR, RTRS_CLT_RECONNECTING },
	{ RTRS_CLT_CLOSED,	   RTRS_CLT_RECONNECTING },
	{ RTRS_CLT_CONNECTING,	   RTRS_CLT_CLOSING },
	{ RTRS_CLT_CONNECTING_ERR, RTRS_CLT_CLOSING },
	{ RTRS_CLT_RECONNECTING,   RTRS_CLT_CLOSING },
	{ RTRS_CLT_CONNECTED,	   RTRS_CLT_CLOSING },
	{ RTRS_CLT_CLOSING,	   RTRS_CLT_CLOSED },
	{ RTRS_CLT_CLOSED,	   RTRS_CLT_DEAD },
};

static const struct step srv_steps[] = {
	{ RTRS_SRV_CONNECTING, RTRS_SRV_CONNECTED },
	{ RTRS_SRV_CONNECTING, RTRS_SRV_CLOSING },
	{ RTRS_SRV_CONNECTED,  RTRS_SRV_CLOSING },
	{ RTRS_SRV_CLOSING,    RTRS_SRV_CLOSED },
};

static bool is_step(const struct step *steps, size_t nr, unsigned int from, unsigned int to)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (steps[i].from == from && steps[i].to == to)
			return true;
	}
	return false;
}

static void clt_state_test(struct kunit *test)
{
	unsigned int from, to;

	for (from = 0; from < RTRS_CLT_STATE_NUM; from++) {
		for (to = 0; to < RTRS_CLT_STATE_NUM; to++)
			KUNIT_EXPECT_EQ_MSG(test, rtrs_clt_state_may_follow(from, to),
					    is_step(clt_steps, ARRAY_SIZE(clt_steps), from, to),
					    "from %u to %u", from, to);
	}
}

static void srv_state_test(struct kunit *test)
{
	unsigned int from, to;

	for (from = 0; from < RTRS_SRV_NR_STATES; from++) {
		for (to = 0; to < RTRS_SRV_NR_STATES; to++)
			KUNIT_EXPECT_EQ_MSG(test, rtrs_srv_state_may_follow(from, to),
					    is_step(srv_steps, ARRAY_SIZE(srv_steps), from, to),
					    "from %u to %u", from, to);
	}
}

static void stage_test(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, rtrs_stage_ns(10, 10, 15), 5);
	KUNIT_EXPECT_EQ(test, rtrs_stage_ns(10, 12, 12), 0);
	KUNIT_EXPECT_EQ(test, rtrs_stage_ns(10, 9, 15), 0);	/* begun before */
	KUNIT_EXPECT_EQ(test, rtrs_stage_ns(10, 15, 12), 0);	/* left from another request */
	KUNIT_EXPECT_EQ(test, rtrs_stage_ns(10, 0, 0), 0);
}

static struct kunit_case state_test_cases[] = {
	KUNIT_CASE(clt_state_test),
	KUNIT_CASE(srv_state_test),
	KUNIT_CASE(stage_test),
	{}
};

static struct kunit_suite state_test_suite = {
	.name = "rtrs_state",
	.test_cases = state_test_cases,
};

kunit_test_suite(state_test_suite);

MODULE_DESCRIPTION("KUnit tests of the states of RTRS paths");
MODULE_LICENSE("GPL");
