// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Per-CPU counters of a path.
 *
 * Writers only touch the counters of their own CPU and take no lock; a sum is as
 * exact as a sum of moving counters can be.  Nothing here can fail.
 */
#include <linux/export.h>
#include <linux/string.h>

#include "rtrs-pri.h"

/**
 * rtrs_stats_sum - add up the counters of all CPUs
 * @stats: counters
 * @sum: result
 *
 * Context: any.
 */
void rtrs_stats_sum(struct rtrs_rdma_stats __percpu *stats, struct rtrs_rdma_stats *sum)
{
	const struct rtrs_rdma_stats *one;
	unsigned int cpu, dir;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu) {
		one = per_cpu_ptr(stats, cpu);
		for (dir = 0; dir < ARRAY_SIZE(sum->ops); dir++) {
			sum->ops[dir] += READ_ONCE(one->ops[dir]);
			sum->bytes[dir] += READ_ONCE(one->bytes[dir]);
		}
		sum->failover += READ_ONCE(one->failover);
	}
}
EXPORT_SYMBOL_GPL(rtrs_stats_sum);

/**
 * rtrs_stats_reset - set the counters of all CPUs to zero
 * @stats: counters
 *
 * A request that another CPU counts at this moment may survive or undo the reset of
 * that CPU's counter; nothing but the display depends on it.
 *
 * Context: any.
 */
void rtrs_stats_reset(struct rtrs_rdma_stats __percpu *stats)
{
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(stats, cpu), 0, sizeof(*stats));
}
EXPORT_SYMBOL_GPL(rtrs_stats_reset);
