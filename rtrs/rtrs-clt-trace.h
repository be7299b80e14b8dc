/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace events of the client.  Tools know the names and the first fields of the events
 * of class rtrs_clt_path; what was added stands behind them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rtrs_clt

#if !defined(RTRS_CLT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RTRS_CLT_TRACE_H

#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/tracepoint.h>

#include "rtrs-clt.h"

TRACE_DEFINE_ENUM(RTRS_CLT_CONNECTING);
TRACE_DEFINE_ENUM(RTRS_CLT_CONNECTING_ERR);
TRACE_DEFINE_ENUM(RTRS_CLT_RECONNECTING);
TRACE_DEFINE_ENUM(RTRS_CLT_CONNECTED);
TRACE_DEFINE_ENUM(RTRS_CLT_CLOSING);
TRACE_DEFINE_ENUM(RTRS_CLT_CLOSED);
TRACE_DEFINE_ENUM(RTRS_CLT_DEAD);

#define show_rtrs_clt_state(x)					\
	__print_symbolic(x,					\
		{ RTRS_CLT_CONNECTING,		"CONNECTING" },	\
		{ RTRS_CLT_CONNECTING_ERR,	"CONNECTING_ERR" }, \
		{ RTRS_CLT_RECONNECTING,	"RECONNECTING" }, \
		{ RTRS_CLT_CONNECTED,		"CONNECTED" },	\
		{ RTRS_CLT_CLOSING,		"CLOSING" },	\
		{ RTRS_CLT_CLOSED,		"CLOSED" },	\
		{ RTRS_CLT_DEAD,		"DEAD" })

DECLARE_EVENT_CLASS(rtrs_clt_path,
	TP_PROTO(struct rtrs_clt_path *path),

	TP_ARGS(path),

	TP_STRUCT__entry(
		__field(int, state)
		__field(int, reconnect_attempts)
		__field(int, max_reconnect_attempts)
		__field(int, fail_cnt)
		__field(int, success_cnt)
		__array(char, sessname, 255)
		__field(int, err)
		__array(char, path, RTRS_PATH_STRLEN)
	),

	TP_fast_assign(
		__entry->state = READ_ONCE(path->state);
		__entry->reconnect_attempts = path->attempts;
		__entry->max_reconnect_attempts = path->clt->max_reconnect_attempts;
		__entry->fail_cnt = path->fail_cnt;
		__entry->success_cnt = path->success_cnt;
		strscpy(__entry->sessname, path->clt->name, sizeof(__entry->sessname));
		__entry->err = path->err;
		strscpy(__entry->path, path->name, sizeof(__entry->path));
	),

	TP_printk("sessname=%s path=%s state=%s err=%d attempts=%d/%d success=%d fail=%d",
		  __entry->sessname, __entry->path, show_rtrs_clt_state(__entry->state),
		  __entry->err, __entry->reconnect_attempts, __entry->max_reconnect_attempts,
		  __entry->success_cnt, __entry->fail_cnt)
);

#define DEFINE_RTRS_CLT_PATH_EVENT(name)		\
	DEFINE_EVENT(rtrs_clt_path, name,		\
		     TP_PROTO(struct rtrs_clt_path *path), \
		     TP_ARGS(path))

DEFINE_RTRS_CLT_PATH_EVENT(rtrs_clt_reconnect_work);
DEFINE_RTRS_CLT_PATH_EVENT(rtrs_clt_close_conns);
DEFINE_RTRS_CLT_PATH_EVENT(rtrs_rdma_error_recovery);
/* objects come in pairs */
DEFINE_RTRS_CLT_PATH_EVENT(rtrs_clt_path_created);
DEFINE_RTRS_CLT_PATH_EVENT(rtrs_clt_path_freed);

TRACE_EVENT(rtrs_clt_state,
	TP_PROTO(struct rtrs_clt_path *path, enum rtrs_clt_state to),

	TP_ARGS(path, to),

	TP_STRUCT__entry(
		__field(int, from)
		__field(int, to)
		__array(char, sessname, 255)
		__array(char, path, RTRS_PATH_STRLEN)
	),

	TP_fast_assign(
		__entry->from = path->state;
		__entry->to = to;
		strscpy(__entry->sessname, path->clt->name, sizeof(__entry->sessname));
		strscpy(__entry->path, path->name, sizeof(__entry->path));
	),

	TP_printk("sessname=%s path=%s %s -> %s", __entry->sessname, __entry->path,
		  show_rtrs_clt_state(__entry->from), show_rtrs_clt_state(__entry->to))
);

/* Sessions come in pairs, too; both ends show the same uuid. */
DECLARE_EVENT_CLASS(rtrs_clt_sess,
	TP_PROTO(const struct rtrs_clt *clt),

	TP_ARGS(clt),

	TP_STRUCT__entry(
		__array(u8, uuid, UUID_SIZE)
		__field(unsigned int, con_num)
		__array(char, sessname, 255)
	),

	TP_fast_assign(
		export_uuid(__entry->uuid, &clt->uuid);
		__entry->con_num = clt->con_num;
		strscpy(__entry->sessname, clt->name, sizeof(__entry->sessname));
	),

	TP_printk("sessname=%s uuid=%pU con_num=%u", __entry->sessname, __entry->uuid,
		  __entry->con_num)
);

DEFINE_EVENT(rtrs_clt_sess, rtrs_clt_sess_created,
	TP_PROTO(const struct rtrs_clt *clt),
	TP_ARGS(clt)
);
DEFINE_EVENT(rtrs_clt_sess, rtrs_clt_sess_freed,
	TP_PROTO(const struct rtrs_clt *clt),
	TP_ARGS(clt)
);

/*
 * Requests come in pairs on a path.  One that is sent again on another path ends on the
 * lost one with -ECONNABORTED and begins anew.
 */
TRACE_DEFINE_ENUM(DMA_TO_DEVICE);
TRACE_DEFINE_ENUM(DMA_FROM_DEVICE);

#define show_rtrs_clt_dir(dir)					\
	__print_symbolic(dir,					\
		{ DMA_FROM_DEVICE,	"READ" },		\
		{ DMA_TO_DEVICE,	"WRITE" })

TRACE_EVENT(rtrs_clt_req_start,
	TP_PROTO(const struct rtrs_clt_slot *slot),

	TP_ARGS(slot),

	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u32, cid)
		__field(u8, dir)
		__field(u32, usr_len)
		__field(u32, data_len)
		__dynamic_array(char, path, strlen(slot->con->path->name) + 1)
		__dynamic_array(char, sessname, strlen(slot->con->path->clt->name) + 1)
	),

	TP_fast_assign(
		__entry->slot = slot->req->slot;
		__entry->cid = slot->con->base.cid;
		__entry->dir = slot->req->dir;
		__entry->usr_len = slot->req->msg_len;
		__entry->data_len = slot->req->data_len;
		strscpy(__get_str(path), slot->con->path->name, __get_dynamic_array_len(path));
		strscpy(__get_str(sessname), slot->con->path->clt->name,
			__get_dynamic_array_len(sessname));
	),

	TP_printk("sessname=%s path=%s slot=%u cid=%u dir=%s usr_len=%u data_len=%u",
		  __get_str(sessname), __get_str(path), __entry->slot, __entry->cid,
		  show_rtrs_clt_dir(__entry->dir), __entry->usr_len, __entry->data_len)
);

int rtrs_clt_trace_since(void);
extern u64 rtrs_clt_traced_since_ns;

TRACE_EVENT_FN(rtrs_clt_req_done,
	TP_PROTO(const struct rtrs_clt_slot *slot, int err),

	TP_ARGS(slot, err),

	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u32, cid)
		__field(int, err)
		__field(u64, start_answer_ns)
		__field(u64, answer_done_ns)
		__dynamic_array(char, path, strlen(slot->con->path->name) + 1)
		__dynamic_array(char, sessname, strlen(slot->con->path->clt->name) + 1)
	),

	TP_fast_assign(
		u64 since = READ_ONCE(rtrs_clt_traced_since_ns);

		__entry->slot = slot->req->slot;
		__entry->cid = slot->con->base.cid;
		__entry->err = err;
		__entry->start_answer_ns = rtrs_stage_ns(since, slot->started_ns,
							 slot->answered_ns);
		__entry->answer_done_ns = rtrs_stage_ns(max(since, slot->started_ns),
							slot->answered_ns, ktime_get_ns());
		strscpy(__get_str(path), slot->con->path->name, __get_dynamic_array_len(path));
		strscpy(__get_str(sessname), slot->con->path->clt->name,
			__get_dynamic_array_len(sessname));
	),

	TP_printk("sessname=%s path=%s slot=%u cid=%u err=%d start_answer_ns=%llu answer_done_ns=%llu",
		  __get_str(sessname), __get_str(path), __entry->slot, __entry->cid,
		  __entry->err, __entry->start_answer_ns, __entry->answer_done_ns),

	rtrs_clt_trace_since, NULL
);

#ifndef TRACE_HEADER_MULTI_READ
/* Costs nothing while nobody listens; then the stamp stays what it was. */
static inline void rtrs_clt_trace_stamp(u64 *stamp_ns)
{
	if (trace_rtrs_clt_req_done_enabled())
		*stamp_ns = ktime_get_ns();
}
#endif

#endif /* RTRS_CLT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE rtrs-clt-trace
#include <trace/define_trace.h>
