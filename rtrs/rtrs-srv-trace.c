// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bodies of the server's trace events, and since when stage times of requests are
 * traced: stamps from before are not to be trusted.
 */
#include <linux/timekeeping.h>

#include "rtrs-srv.h"

#define CREATE_TRACE_POINTS
#include "rtrs-srv-trace.h"

u64 rtrs_srv_traced_since_ns;

/**
 * rtrs_srv_trace_since - rtrs_srv_req_done is about to be switched on
 *
 * Return: 0.
 */
int rtrs_srv_trace_since(void)
{
	WRITE_ONCE(rtrs_srv_traced_since_ns, ktime_get_ns());
	return 0;
}
