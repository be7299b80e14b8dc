/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace events of the client.  Tools know the names and the first fields of the events
 * of class rtrs_clt_path; what was added stands behind them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rtrs_clt

#if !defined(RTRS_CLT_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RTRS_CLT_TRACE_H

#include <linux/string.h>
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

#endif /* RTRS_CLT_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE rtrs-clt-trace
#include <trace/define_trace.h>
