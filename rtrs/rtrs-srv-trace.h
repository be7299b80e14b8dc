/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace events of the RTRS server.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rtrs_srv

#if !defined(RTRS_SRV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RTRS_SRV_TRACE_H

#include <linux/tracepoint.h>

struct rtrs_srv_path;
struct rtrs_srv_slot;

TRACE_DEFINE_ENUM(RTRS_SRV_CONNECTING);
TRACE_DEFINE_ENUM(RTRS_SRV_CONNECTED);
TRACE_DEFINE_ENUM(RTRS_SRV_CLOSING);
TRACE_DEFINE_ENUM(RTRS_SRV_CLOSED);

#define show_rtrs_srv_state(state)				\
	__print_symbolic(state,					\
			 { RTRS_SRV_CONNECTING,	"CONNECTING" },	\
			 { RTRS_SRV_CONNECTED,	"CONNECTED" },	\
			 { RTRS_SRV_CLOSING,	"CLOSING" },	\
			 { RTRS_SRV_CLOSED,	"CLOSED" })

#define show_rtrs_srv_dir(dir)					\
	__print_symbolic(dir,					\
			 { DMA_FROM_DEVICE,	"READ" },	\
			 { DMA_TO_DEVICE,	"WRITE" })

TRACE_EVENT(send_io_resp_imm,
	TP_PROTO(const struct rtrs_srv_slot *slot, int wr_cnt),

	TP_ARGS(slot, wr_cnt),

	TP_STRUCT__entry(
		__field(u8, dir)
		__field(bool, need_inval)
		__field(bool, always_invalidate)
		__field(u32, msg_id)
		__field(int, wr_cnt)
		__field(u32, signal_interval)
		__field(int, state)
		__field(int, errno)
		__array(char, sessname, RTRS_NAME_LEN)
	),

	TP_fast_assign(
		__entry->dir = slot->req.dir;
		__entry->need_inval = slot->hdr.need_inval;
		__entry->always_invalidate = rtrs_srv_conf.new_rkey;
		__entry->msg_id = slot->req.slot;
		__entry->wr_cnt = wr_cnt;
		__entry->signal_interval = slot->con->signal_interval;
		__entry->state = slot->con->path->state;
		__entry->errno = slot->err;
		strscpy(__entry->sessname, slot->con->path->label, RTRS_NAME_LEN);
	),

	TP_printk("sess %s %s slot %u err %d need_inval %d always_invalidate %d wrs %d signal %u state %s",
		  __entry->sessname, show_rtrs_srv_dir(__entry->dir), __entry->msg_id,
		  __entry->errno, __entry->need_inval, __entry->always_invalidate,
		  __entry->wr_cnt, __entry->signal_interval, show_rtrs_srv_state(__entry->state))
);

TRACE_EVENT(rtrs_srv_path_state,
	TP_PROTO(const struct rtrs_srv_path *path, int from, int to),

	TP_ARGS(path, from, to),

	TP_STRUCT__entry(
		__field(int, from)
		__field(int, to)
		__array(char, sessname, RTRS_NAME_LEN)
		__array(char, path, RTRS_PATH_STRLEN)
	),

	TP_fast_assign(
		__entry->from = from;
		__entry->to = to;
		strscpy(__entry->sessname, path->label, RTRS_NAME_LEN);
		strscpy(__entry->path, path->name, RTRS_PATH_STRLEN);
	),

	TP_printk("sess %s path %s %s -> %s", __entry->sessname, __entry->path,
		  show_rtrs_srv_state(__entry->from), show_rtrs_srv_state(__entry->to))
);

#endif /* RTRS_SRV_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE rtrs-srv-trace
#include <trace/define_trace.h>
