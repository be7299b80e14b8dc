// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Times that an administrator can set: defaults as module parameters, values as
 * attributes of sessions.
 *
 * Operation: a table of struct rtrs_time has names, limits and defaults; a session has
 * an array of values with the same indices and begins with the defaults.  Failure: what
 * is no number or not within the limits is refused and changes nothing.
 */
#include <linux/export.h>
#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/sysfs.h>

#include "rtrs-pri.h"

/**
 * rtrs_time_parse - read a value that an administrator has written
 * @time: which one
 * @buf: text; a newline at the end is ignored
 * @value: result
 *
 * Context: any.
 *
 * Return: 0, -EINVAL (no number, or not within the limits), -ERANGE (larger than any
 * number).
 */
int rtrs_time_parse(const struct rtrs_time *time, const char *buf, unsigned int *value)
{
	unsigned int nr;
	int err;

	err = kstrtouint(buf, 0, &nr);
	if (!err && (nr < time->min || nr > time->max))
		err = -EINVAL;
	if (!err)
		*value = nr;
	return err;
}
EXPORT_SYMBOL_GPL(rtrs_time_parse);

static int param_set(const char *val, const struct kernel_param *kp)
{
	struct rtrs_time *time = kp->arg;
	unsigned int value;
	int err;

	err = rtrs_time_parse(time, val, &value);
	if (err) {
		pr_err("%s: '%s' is not within %u..%u\n", time->name, val, time->min, time->max);
		return err;
	}
	WRITE_ONCE(time->value, value);
	return 0;
}

static int param_get(char *buf, const struct kernel_param *kp)
{
	const struct rtrs_time *time = kp->arg;

	return sysfs_emit(buf, "%u\n", READ_ONCE(time->value));
}

/* A module parameter whose argument is a struct rtrs_time. */
const struct kernel_param_ops rtrs_time_param_ops = {
	.set	= param_set,
	.get	= param_get,
};
EXPORT_SYMBOL_GPL(rtrs_time_param_ops);

/**
 * rtrs_times_init - give a session the present defaults
 * @values: values of the session
 * @times: table
 * @nr: length of both
 *
 * Context: any.
 */
void rtrs_times_init(unsigned int *values, const struct rtrs_time *times, unsigned int nr)
{
	while (nr--)
		values[nr] = READ_ONCE(times[nr].value);
}
EXPORT_SYMBOL_GPL(rtrs_times_init);
