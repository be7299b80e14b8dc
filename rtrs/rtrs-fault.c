// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rare events that tests bring about.  Only in builds with CONFIG_INFINIBAND_RTRS_DEBUG, for
 * kernels with CONFIG_FAULT_INJECTION_DEBUG_FS.
 *
 * Operation: a directory in /sys/kernel/debug/rtrs_fault for each of enum rtrs_fault, with
 * the files that all fault points of the kernel have (probability, interval, times, ...);
 * and delay_ms, how long a request or a path is delayed.
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/fault-inject.h>

#include "rtrs-fault.h"

static struct {
	const char		*name;
	struct fault_attr	attr;
} points[] = {
	[RTRS_FAULT_QUEUE_FULL]	= { "queue_full", FAULT_ATTR_INITIALIZER },
	[RTRS_FAULT_MR]		= { "mr", FAULT_ATTR_INITIALIZER },
	[RTRS_FAULT_HEARTBEAT]	= { "heartbeat", FAULT_ATTR_INITIALIZER },
	[RTRS_FAULT_ANSWER]	= { "answer", FAULT_ATTR_INITIALIZER },
	[RTRS_FAULT_DELAY]	= { "delay", FAULT_ATTR_INITIALIZER },
	[RTRS_FAULT_ENTER]	= { "enter", FAULT_ATTR_INITIALIZER },
	[RTRS_FAULT_FAIL_OVER]	= { "fail_over", FAULT_ATTR_INITIALIZER },
	[RTRS_FAULT_CREDITS]	= { "credits", FAULT_ATTR_INITIALIZER },
};

static struct dentry *dir;
static u32 delay_ms = 100;

/**
 * rtrs_fault - shall it happen now?
 * @what: event
 *
 * Context: any.
 *
 * Return: true if so.
 */
bool rtrs_fault(enum rtrs_fault what)
{
	return should_fail(&points[what].attr, 1);
}
EXPORT_SYMBOL_GPL(rtrs_fault);

/**
 * rtrs_fault_delay - sleep, if it shall happen now
 * @what: event
 *
 * Context: process, may sleep.
 */
void rtrs_fault_delay(enum rtrs_fault what)
{
	if (rtrs_fault(what))
		msleep(READ_ONCE(delay_ms));
}
EXPORT_SYMBOL_GPL(rtrs_fault_delay);

/**
 * rtrs_fault_init - show the events
 *
 * Context: module initialisation.
 */
void rtrs_fault_init(void)
{
	size_t i;

	dir = debugfs_create_dir("rtrs_fault", NULL);
	for (i = 0; i < ARRAY_SIZE(points); i++)
		fault_create_debugfs_attr(points[i].name, dir, &points[i].attr);
	debugfs_create_u32("delay_ms", 0600, dir, &delay_ms);
}

/**
 * rtrs_fault_exit - take them away
 *
 * Context: module exit.
 */
void rtrs_fault_exit(void)
{
	debugfs_remove(dir);
}
