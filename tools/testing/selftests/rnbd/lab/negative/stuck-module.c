// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module without an exit function: once loaded it stays. The lab must notice such a leftover.
 * It carries the name of one of the project's modules while it is built (see negative.py).
 */
#include <linux/init.h>
#include <linux/module.h>

static int __init stuck_init(void)
{
	return 0;
}
module_init(stuck_init);

MODULE_DESCRIPTION("Module that cannot be unloaded, for a test of the test lab");
MODULE_LICENSE("GPL");
