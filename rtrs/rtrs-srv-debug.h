/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Knobs for tests, rtrs-srv-debug.c; nothing at all without CONFIG_INFINIBAND_RTRS_DEBUG.
 */
#ifndef RTRS_SRV_DEBUG_H
#define RTRS_SRV_DEBUG_H

#include "rtrs-srv.h"

#ifdef CONFIG_INFINIBAND_RTRS_DEBUG
void rtrs_srv_debug_init(void);
void rtrs_srv_debug_exit(void);
void rtrs_srv_debug_stall(const struct rtrs_srv_con *con);
void rtrs_srv_debug_free(void);
struct rtrs_srv_slot *rtrs_srv_debug_slot(struct rtrs_srv_slot *slot,
					  const struct rtrs_srv_path *path);
bool rtrs_srv_debug_no_wait(void);
u32 rtrs_srv_debug_ext(u32 ext);
#else
static inline void rtrs_srv_debug_init(void) {}
static inline void rtrs_srv_debug_exit(void) {}
static inline void rtrs_srv_debug_stall(const struct rtrs_srv_con *con) {}
static inline void rtrs_srv_debug_free(void) {}

static inline struct rtrs_srv_slot *rtrs_srv_debug_slot(struct rtrs_srv_slot *slot,
							const struct rtrs_srv_path *path)
{
	return slot;
}

static inline bool rtrs_srv_debug_no_wait(void)
{
	return false;
}

static inline u32 rtrs_srv_debug_ext(u32 ext)
{
	return ext;
}
#endif

#endif /* RTRS_SRV_DEBUG_H */
