/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rare events that tests bring about, rtrs-fault.c; nothing at all without
 * CONFIG_INFINIBAND_RTRS_DEBUG and the kernel's CONFIG_FAULT_INJECTION_DEBUG_FS.
 */
#ifndef RTRS_FAULT_H
#define RTRS_FAULT_H

#include <linux/types.h>

/**
 * enum rtrs_fault - what can be made to happen
 * @RTRS_FAULT_QUEUE_FULL: client: there is no room for a request at the moment
 * @RTRS_FAULT_MR: client: the memory of a request cannot be registered
 * @RTRS_FAULT_HEARTBEAT: either end: a heartbeat or its acknowledgment is not seen
 * @RTRS_FAULT_ANSWER: server: the answer to a request gets lost
 * @RTRS_FAULT_DELAY: server: a request is handed up later
 * @RTRS_FAULT_ENTER: client: a path that has everything becomes CONNECTED later
 * @RTRS_FAULT_FAIL_OVER: client: what a lost path has left is taken care of later
 * @RTRS_FAULT_CREDITS: server: a new connection has as few send credits as it can do with
 */
enum rtrs_fault {
	RTRS_FAULT_QUEUE_FULL,
	RTRS_FAULT_MR,
	RTRS_FAULT_HEARTBEAT,
	RTRS_FAULT_ANSWER,
	RTRS_FAULT_DELAY,
	RTRS_FAULT_ENTER,
	RTRS_FAULT_FAIL_OVER,
	RTRS_FAULT_CREDITS,
};

#if defined(CONFIG_INFINIBAND_RTRS_DEBUG) && defined(CONFIG_FAULT_INJECTION_DEBUG_FS)
void rtrs_fault_init(void);
void rtrs_fault_exit(void);
bool rtrs_fault(enum rtrs_fault what);
void rtrs_fault_delay(enum rtrs_fault what);
#else
static inline void rtrs_fault_init(void) {}
static inline void rtrs_fault_exit(void) {}
static inline void rtrs_fault_delay(enum rtrs_fault what) {}

static inline bool rtrs_fault(enum rtrs_fault what)
{
	return false;
}
#endif

#endif /* RTRS_FAULT_H */
