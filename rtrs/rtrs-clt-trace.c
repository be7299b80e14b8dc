// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bodies of the client's trace events, and since when stage times of requests are
 * traced: stamps from before are not to be trusted.
 */
#include <linux/timekeeping.h>

#define CREATE_TRACE_POINTS
#include "rtrs-clt-trace.h"

u64 rtrs_clt_traced_since_ns;

/**
 * rtrs_clt_trace_since - rtrs_clt_req_done is about to be switched on
 *
 * Return: 0.
 */
int rtrs_clt_trace_since(void)
{
	WRITE_ONCE(rtrs_clt_traced_since_ns, ktime_get_ns());
	return 0;
}
