// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Administrative messages of a session: SESS_INFO, OPEN, CLOSE.
 *
 * Purpose: send one, wait for its answer, check the answer.
 * Operation: a message is a request of the session's admin queue.  That queue shares
 * the tags of the devices and has a few reserved ones, so it gets through however busy
 * the devices are.  Message and answer live in one small allocation, which is zeroed:
 * nothing old travels, and an answer that never came is no valid answer.
 * Failure: the server's errno, -ECONNABORTED if the link that the message belongs to
 * is gone, -EINVAL for an answer that makes no sense.  The wait is bounded by the
 * request time-out; -ETIMEDOUT if that was over, which costs the path.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blk-mq.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "rnbd-clt.h"

/*
 * One administrative exchange.  rsp_len 0: there is no answer but the errno.  The
 * answer is written by the HCA, so it has cache lines of its own.
 */
struct exchange {
	union {
		struct rnbd_msg_sess_info info;
		struct rnbd_msg_open	open;
		struct rnbd_msg_close	close;
	} msg;
	u16 msg_len;
	u16 rsp_len;
	struct scatterlist sg;
	union {
		struct rnbd_msg_sess_info info;
		struct rnbd_msg_open_rsp open;
	} rsp ____cacheline_aligned;
};

static struct exchange *exchange_alloc(u16 msg_len, u16 rsp_len)
{
	/* May be part of the recovery that memory reclaim is waiting for. */
	struct exchange *ex = kzalloc(sizeof(*ex), GFP_NOIO);

	if (ex) {
		ex->msg_len = msg_len;
		ex->rsp_len = rsp_len;
		sg_init_one(&ex->sg, &ex->rsp, sizeof(ex->rsp));
	}
	return ex;
}

static void fill_request(struct rnbd_clt_rq *clt_rq, struct exchange *ex, u32 link_gen)
{
	clt_rq->link_gen = link_gen;
	clt_rq->err = -EIO;
	clt_rq->req.queue = RTRS_CLT_ADMIN_QUEUE;
	clt_rq->req.dir = ex->rsp_len ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	clt_rq->req.msg = &ex->msg;
	clt_rq->req.msg_len = ex->msg_len;
	clt_rq->req.data_len = ex->rsp_len;
	clt_rq->req.nents = ex->rsp_len ? 1 : 0;
	clt_rq->req.sgl = ex->rsp_len ? &ex->sg : NULL;
	ex->sg.length = ex->rsp_len;
}

static int exchange_run(struct rnbd_clt_session *sess, struct exchange *ex, u32 link_gen)
{
	enum req_op op = ex->rsp_len ? REQ_OP_DRV_IN : REQ_OP_DRV_OUT;
	struct rnbd_clt_rq *clt_rq;
	struct request *rq;
	int err;

	rq = blk_mq_alloc_request(sess->admin_q, op,
				  sess->tag_set.reserved_tags ? BLK_MQ_REQ_RESERVED : 0);
	if (IS_ERR(rq))
		return PTR_ERR(rq);
	clt_rq = blk_mq_rq_to_pdu(rq);
	fill_request(clt_rq, ex, link_gen);
	blk_execute_rq(rq, false);
	err = clt_rq->err;
	blk_mq_free_request(rq);
	return err;
}

/**
 * rnbd_clt_msg_sess_info() - agree on the protocol version (4)
 * @sess: session; &rnbd_clt_session.ver is set on success
 * @link_gen: link generation that the message belongs to
 *
 * Context: may sleep; bounded.
 * Return: 0, -EINVAL for a bad answer, or another negative errno.
 */
int rnbd_clt_msg_sess_info(struct rnbd_clt_session *sess, u32 link_gen)
{
	struct exchange *ex = exchange_alloc(sizeof(ex->msg.info), sizeof(ex->rsp.info));
	int err;

	if (!ex)
		return -ENOMEM;
	ex->msg.info.hdr.type = cpu_to_le16(RNBD_MSG_SESS_INFO);
	ex->msg.info.ver = RNBD_PROTO_VER_MAJOR;
	err = exchange_run(sess, ex, link_gen);
	if (!err && ex->rsp.info.hdr.type != cpu_to_le16(RNBD_MSG_SESS_INFO_RSP))
		err = -EINVAL;
	if (!err)
		sess->ver = min_t(u8, ex->rsp.info.ver, RNBD_PROTO_VER_MAJOR);
	kfree(ex);
	return err;
}

/*
 * What the server opened cannot be used: close it again.  Its id is worth nothing if
 * the answer has the wrong type.
 */
static void close_refused(struct rnbd_clt_session *sess, u32 link_gen,
			  const struct rnbd_msg_open_rsp *rsp)
{
	if (rsp->hdr.type == cpu_to_le16(RNBD_MSG_OPEN_RSP))
		rnbd_clt_msg_close(sess, link_gen, le32_to_cpu(rsp->device_id));
}

/**
 * rnbd_clt_msg_close() - close a device on the server (6)
 * @sess: session
 * @link_gen: link generation of @device_id
 * @device_id: from OPEN
 *
 * Context: may sleep; bounded.
 * Return: 0, -ECONNABORTED if the link generation is over (then nothing was sent), or
 * another negative errno.
 */
int rnbd_clt_msg_close(struct rnbd_clt_session *sess, u32 link_gen, u32 device_id)
{
	struct exchange *ex = exchange_alloc(sizeof(ex->msg.close), 0);
	int err;

	if (!ex)
		return -ENOMEM;
	ex->msg.close.hdr.type = cpu_to_le16(RNBD_MSG_CLOSE);
	ex->msg.close.device_id = cpu_to_le32(device_id);
	err = exchange_run(sess, ex, link_gen);
	kfree(ex);
	return err;
}

/**
 * rnbd_clt_msg_open() - open a device on the server (5)
 * @sess: session
 * @path: device, as the server knows it
 * @mode: access mode
 * @link_gen: link generation that the message belongs to
 * @geo: geometry, set on success
 *
 * Context: may sleep; bounded.
 * Return: 0, the errno of the server, -EINVAL if its answer is not usable (the device
 * is closed again), or another negative errno.
 */
int rnbd_clt_msg_open(struct rnbd_clt_session *sess, const char *path,
		      enum rnbd_access_mode mode, u32 link_gen, struct rnbd_geometry *geo)
{
	struct exchange *ex = exchange_alloc(sizeof(ex->msg.open), sizeof(ex->rsp.open));
	int err;

	if (!ex)
		return -ENOMEM;
	ex->msg.open.hdr.type = cpu_to_le16(RNBD_MSG_OPEN);
	ex->msg.open.access_mode = mode;
	strscpy(ex->msg.open.dev_name, path, sizeof(ex->msg.open.dev_name));
	err = exchange_run(sess, ex, link_gen);
	if (!err) {
		err = rnbd_get_open_rsp(geo, &ex->rsp.open);
		if (err) {
			pr_err("<%s@%s> server's answer has no usable geometry\n", path,
			       sess->name);
			close_refused(sess, link_gen, &ex->rsp.open);
		}
	}
	kfree(ex);
	return err;
}
