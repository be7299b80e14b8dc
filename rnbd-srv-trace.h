/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trace events of the RNBD server, system rnbd_srv.  Field names and order are part
 * of the administrative interface.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM rnbd_srv

#if !defined(RNBD_SRV_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define RNBD_SRV_TRACE_H

#include <linux/tracepoint.h>

#include "rnbd-proto.h"
#include "rnbd-srv.h"

#define show_rnbd_access_mode(mode)				\
	__print_symbolic(mode,					\
			 { RNBD_ACCESS_RO,	  "RO" },	\
			 { RNBD_ACCESS_RW,	  "RW" },	\
			 { RNBD_ACCESS_MIGRATION, "MIGRATION" })

/* the operation is a number, only what stands above it is flags */
#define show_rnbd_op(flags)						\
	__print_symbolic((flags) & 0xff,				\
			 { RNBD_OP_READ,	 "READ" },		\
			 { RNBD_OP_WRITE,	 "WRITE" },		\
			 { RNBD_OP_FLUSH,	 "FLUSH" },		\
			 { RNBD_OP_DISCARD,	 "DISCARD" },		\
			 { RNBD_OP_SECURE_ERASE, "SECURE_ERASE" },	\
			 { RNBD_OP_WRITE_ZEROES, "WRITE_ZEROES" })

#define show_rnbd_rw_flags(flags)				\
	__print_flags((flags) & 0xf00, "|",			\
		      { 0x100, "SYNC" },			\
		      { 0x200, "FUA" },				\
		      { 0x400, "PREFLUSH" },			\
		      { 0x800, "NOUNMAP" })

TRACE_DEFINE_ENUM(RNBD_ACCESS_RO);
TRACE_DEFINE_ENUM(RNBD_ACCESS_RW);
TRACE_DEFINE_ENUM(RNBD_ACCESS_MIGRATION);
TRACE_DEFINE_ENUM(RNBD_OP_READ);
TRACE_DEFINE_ENUM(RNBD_OP_WRITE);
TRACE_DEFINE_ENUM(RNBD_OP_FLUSH);
TRACE_DEFINE_ENUM(RNBD_OP_DISCARD);
TRACE_DEFINE_ENUM(RNBD_OP_SECURE_ERASE);
TRACE_DEFINE_ENUM(RNBD_OP_WRITE_ZEROES);
TRACE_DEFINE_ENUM(DMA_TO_DEVICE);
TRACE_DEFINE_ENUM(DMA_FROM_DEVICE);

#define show_rnbd_dir(dir)					\
	__print_symbolic(dir,					\
			 { DMA_FROM_DEVICE, "READ" },		\
			 { DMA_TO_DEVICE,   "WRITE" })

DECLARE_EVENT_CLASS(rnbd_srv_sess_class,
	TP_PROTO(const struct rnbd_srv_sess *sess),
	TP_ARGS(sess),
	TP_STRUCT__entry(
		__field(int, qdepth)
		__dynamic_array(char, sessname, strlen(sess->name) + 1)
	),
	TP_fast_assign(
		__entry->qdepth = rtrs_srv_sess_queue_depth(sess->rtrs);
		strscpy(__get_str(sessname), sess->name, strlen(sess->name) + 1);
	),
	TP_printk("sessname=%s qdepth=%d", __get_str(sessname), __entry->qdepth)
);

DEFINE_EVENT(rnbd_srv_sess_class, create_sess,
	TP_PROTO(const struct rnbd_srv_sess *sess),
	TP_ARGS(sess)
);

DEFINE_EVENT(rnbd_srv_sess_class, destroy_sess,
	TP_PROTO(const struct rnbd_srv_sess *sess),
	TP_ARGS(sess)
);

/* an I/O request arrived; the caller has checked that the message is long enough */
TRACE_EVENT(process_rdma,
	TP_PROTO(const struct rnbd_srv_sess *sess, const struct rtrs_srv_req *req,
		 const struct rnbd_msg_io *msg, u16 prio),
	TP_ARGS(sess, req, msg, prio),
	TP_STRUCT__entry(
		__dynamic_array(char, sessname, strlen(sess->name) + 1)
		__field(u8, dir)
		__field(u8, ver)
		__field(u32, device_id)
		__field(u64, sector)
		__field(u32, flags)
		__field(u32, bi_size)
		__field(u16, ioprio)
		__field(u32, datalen)
		__field(size_t, usrlen)
	),
	TP_fast_assign(
		strscpy(__get_str(sessname), sess->name, strlen(sess->name) + 1);
		__entry->dir = req->dir;
		__entry->ver = READ_ONCE(sess->ver);
		__entry->device_id = le32_to_cpu(msg->device_id);
		__entry->sector = le64_to_cpu(msg->sector);
		__entry->flags = le32_to_cpu(msg->rw);
		__entry->bi_size = le32_to_cpu(msg->bi_size);
		__entry->ioprio = prio;
		__entry->datalen = req->data_len;
		__entry->usrlen = req->msg_len;
	),
	TP_printk("sessname=%s dir=%s ver=%d device_id=%u sector=%llu flags=%s%s%s bi_size=%u ioprio=%u datalen=%u usrlen=%zu",
		  __get_str(sessname), show_rnbd_dir(__entry->dir), __entry->ver,
		  __entry->device_id, __entry->sector,
		  show_rnbd_op(__entry->flags), __entry->flags & 0xf00 ? "|" : "",
		  show_rnbd_rw_flags(__entry->flags),
		  __entry->bi_size, __entry->ioprio, __entry->datalen, __entry->usrlen)
);

TRACE_EVENT(process_msg_sess_info,
	TP_PROTO(const struct rnbd_srv_sess *sess, u8 clt_ver, u8 ver),
	TP_ARGS(sess, clt_ver, ver),
	TP_STRUCT__entry(
		__field(u8, proto_ver)
		__field(u8, clt_ver)
		__field(u8, srv_ver)
		__dynamic_array(char, sessname, strlen(sess->name) + 1)
	),
	TP_fast_assign(
		__entry->proto_ver = ver;
		__entry->clt_ver = clt_ver;
		__entry->srv_ver = RNBD_PROTO_VER_MAJOR;
		strscpy(__get_str(sessname), sess->name, strlen(sess->name) + 1);
	),
	TP_printk("sessname=%s proto_ver=%u clt_ver=%u srv_ver=%u", __get_str(sessname),
		  __entry->proto_ver, __entry->clt_ver, __entry->srv_ver)
);

TRACE_EVENT(process_msg_open,
	TP_PROTO(const struct rnbd_srv_sess *sess, const struct rnbd_msg_open *msg),
	TP_ARGS(sess, msg),
	TP_STRUCT__entry(
		__field(u8, access_mode)
		__dynamic_array(char, sessname, strlen(sess->name) + 1)
		__dynamic_array(char, dev_name, strlen(msg->dev_name) + 1)
	),
	TP_fast_assign(
		__entry->access_mode = msg->access_mode;
		strscpy(__get_str(sessname), sess->name, strlen(sess->name) + 1);
		strscpy(__get_str(dev_name), msg->dev_name, strlen(msg->dev_name) + 1);
	),
	TP_printk("sessname=%s dev_name=%s access_mode=%s", __get_str(sessname),
		  __get_str(dev_name), show_rnbd_access_mode(__entry->access_mode))
);

TRACE_EVENT(process_msg_close,
	TP_PROTO(const struct rnbd_srv_sess *sess, u32 device_id),
	TP_ARGS(sess, device_id),
	TP_STRUCT__entry(
		__field(u32, device_id)
		__dynamic_array(char, sessname, strlen(sess->name) + 1)
	),
	TP_fast_assign(
		__entry->device_id = device_id;
		strscpy(__get_str(sessname), sess->name, strlen(sess->name) + 1);
	),
	TP_printk("sessname=%s device_id=%u", __get_str(sessname), __entry->device_id)
);

#endif /* RNBD_SRV_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE rnbd-srv-trace
#include <trace/define_trace.h>
