// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Unit tests of the numbers of devices (ABI 1.5): all of them, which no machine of the tests has
 * memory for as devices.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "rnbd-clt.h"

static void all_numbers(struct kunit *test)
{
	int nr;

	for (nr = 0; nr <= RNBD_CLT_MAX_NR; nr++)
		KUNIT_ASSERT_EQ(test, rnbd_clt_nr_get(), nr);
	KUNIT_EXPECT_EQ(test, rnbd_clt_nr_get(), -ENOSPC);

	/* one that is given back is the next one, whichever it was */
	rnbd_clt_nr_put(RNBD_CLT_MAX_NR);
	KUNIT_EXPECT_EQ(test, rnbd_clt_nr_get(), RNBD_CLT_MAX_NR);
	rnbd_clt_nr_put(7000);
	rnbd_clt_nr_put(7);
	KUNIT_EXPECT_EQ(test, rnbd_clt_nr_get(), 7);
	KUNIT_EXPECT_EQ(test, rnbd_clt_nr_get(), 7000);
	KUNIT_EXPECT_EQ(test, rnbd_clt_nr_get(), -ENOSPC);

	for (nr = 0; nr <= RNBD_CLT_MAX_NR; nr++)
		rnbd_clt_nr_put(nr);
	KUNIT_EXPECT_EQ(test, rnbd_clt_nr_get(), 0);
	rnbd_clt_nr_put(0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(all_numbers),
	{}
};

static struct kunit_suite suite = {
	.name = "rnbd_clt_nr",
	.test_cases = cases,
};

kunit_test_suite(suite);

MODULE_DESCRIPTION("Unit tests of the numbers of devices");
MODULE_LICENSE("GPL");
