/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace events of the RTRS server.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rtrs_srv

#if !defined(RTRS_SRV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RTRS_SRV_TRACE_H

#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
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

/* Objects come in pairs.  A session has no name when it is created, a path no label. */
DECLARE_EVENT_CLASS(rtrs_srv_path,
	TP_PROTO(const struct rtrs_srv_path *path),

	TP_ARGS(path),

	TP_STRUCT__entry(
		__array(u8, uuid, UUID_SIZE)
		__field(unsigned int, con_num)
		__array(char, sessname, RTRS_NAME_LEN)
		__array(char, path, RTRS_PATH_STRLEN)
	),

	TP_fast_assign(
		export_uuid(__entry->uuid, &path->uuid);
		__entry->con_num = path->nr_cons;
		strscpy(__entry->sessname, path->label, RTRS_NAME_LEN);
		strscpy(__entry->path, path->name, RTRS_PATH_STRLEN);
	),

	TP_printk("sess %s path %s uuid %pU con_num %u", __entry->sessname, __entry->path,
		  __entry->uuid, __entry->con_num)
);

DEFINE_EVENT(rtrs_srv_path, rtrs_srv_path_created,
	TP_PROTO(const struct rtrs_srv_path *path),
	TP_ARGS(path)
);
DEFINE_EVENT(rtrs_srv_path, rtrs_srv_path_freed,
	TP_PROTO(const struct rtrs_srv_path *path),
	TP_ARGS(path)
);

DECLARE_EVENT_CLASS(rtrs_srv_sess,
	TP_PROTO(const struct rtrs_srv_sess *sess),

	TP_ARGS(sess),

	TP_STRUCT__entry(
		__array(u8, uuid, UUID_SIZE)
		__field(unsigned int, queue_depth)
		__array(char, sessname, RTRS_NAME_LEN)
	),

	TP_fast_assign(
		export_uuid(__entry->uuid, &sess->uuid);
		__entry->queue_depth = rtrs_srv_conf.queue_depth;
		strscpy(__entry->sessname, sess->name, RTRS_NAME_LEN);
	),

	TP_printk("sess %s uuid %pU queue_depth %u", __entry->sessname, __entry->uuid,
		  __entry->queue_depth)
);

DEFINE_EVENT(rtrs_srv_sess, rtrs_srv_sess_created,
	TP_PROTO(const struct rtrs_srv_sess *sess),
	TP_ARGS(sess)
);
DEFINE_EVENT(rtrs_srv_sess, rtrs_srv_sess_freed,
	TP_PROTO(const struct rtrs_srv_sess *sess),
	TP_ARGS(sess)
);

/* Requests that were handed up, and their answers, come in pairs. */
TRACE_EVENT(rtrs_srv_req_start,
	TP_PROTO(const struct rtrs_srv_slot *slot),

	TP_ARGS(slot),

	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u32, cid)
		__field(u8, dir)
		__field(u32, usr_len)
		__field(u32, data_len)
		__dynamic_array(char, path, strlen(slot->con->path->name) + 1)
		__dynamic_array(char, sessname, strlen(slot->req.sess->name) + 1)
	),

	TP_fast_assign(
		__entry->slot = slot->req.slot;
		__entry->cid = slot->con->base.cid;
		__entry->dir = slot->req.dir;
		__entry->usr_len = slot->req.msg_len;
		__entry->data_len = slot->req.data_len;
		strscpy(__get_str(path), slot->con->path->name, __get_dynamic_array_len(path));
		strscpy(__get_str(sessname), slot->req.sess->name,
			__get_dynamic_array_len(sessname));
	),

	TP_printk("sess %s path %s slot %u cid %u %s usr_len %u data_len %u",
		  __get_str(sessname), __get_str(path), __entry->slot, __entry->cid,
		  show_rtrs_srv_dir(__entry->dir), __entry->usr_len, __entry->data_len)
);

int rtrs_srv_trace_since(void);
extern u64 rtrs_srv_traced_since_ns;

TRACE_EVENT_FN(rtrs_srv_req_done,
	TP_PROTO(const struct rtrs_srv_slot *slot, int err),

	TP_ARGS(slot, err),

	TP_STRUCT__entry(
		__field(u32, slot)
		__field(u32, cid)
		__field(int, err)
		__field(u64, receive_hand_ns)
		__field(u64, hand_answer_ns)
		__dynamic_array(char, path, strlen(slot->con->path->name) + 1)
		__dynamic_array(char, sessname, strlen(slot->req.sess->name) + 1)
	),

	TP_fast_assign(
		u64 since = READ_ONCE(rtrs_srv_traced_since_ns);

		__entry->slot = slot->req.slot;
		__entry->cid = slot->con->base.cid;
		__entry->err = err;
		__entry->receive_hand_ns = rtrs_stage_ns(since, slot->received_ns,
							 slot->handed_ns);
		__entry->hand_answer_ns = rtrs_stage_ns(max(since, slot->received_ns),
							slot->handed_ns, ktime_get_ns());
		strscpy(__get_str(path), slot->con->path->name, __get_dynamic_array_len(path));
		strscpy(__get_str(sessname), slot->req.sess->name,
			__get_dynamic_array_len(sessname));
	),

	TP_printk("sess %s path %s slot %u cid %u err %d receive_hand_ns %llu hand_answer_ns %llu",
		  __get_str(sessname), __get_str(path), __entry->slot, __entry->cid,
		  __entry->err, __entry->receive_hand_ns, __entry->hand_answer_ns),

	rtrs_srv_trace_since, NULL
);

#ifndef TRACE_HEADER_MULTI_READ
/* Costs nothing while nobody listens; then the stamp stays what it was. */
static inline void rtrs_srv_trace_stamp(u64 *stamp_ns)
{
	if (trace_rtrs_srv_req_done_enabled())
		*stamp_ns = ktime_get_ns();
}
#endif

#endif /* RTRS_SRV_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE rtrs-srv-trace
#include <trace/define_trace.h>
