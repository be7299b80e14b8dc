// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A connection on the server: sizes, receives, and the credits of its send queue.
 *
 * Normal operation: receives are empty, because the client says everything with an
 * immediate; only those of connection 0 may have room for the messages of a path fence.
 * Every send takes a credit for each work request.  All sends share one completion
 * callback and only every n-th work request asks for a completion, which therefore
 * always returns n credits.  What finds no credit waits on a list of the connection.
 *
 * Failure: a post that fails or a bad completion closes the path; credits do not
 * matter from then on.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/log2.h>
#include <linux/sizes.h>

#include "rtrs-fault.h"
#include "rtrs-srv.h"

/*
 * Send queue of connection 0: administrative requests only, and these may wait for
 * credits; but all registrations and INFO_RSP go out in one chain.
 */
#define SERVICE_SEND_WRS	512

/* What the memory of a connection is estimated by: about what Soft-RoCE takes. */
#define SEND_BYTES	192	/* send work request of the largest kind, without its entries */
#define RECV_BYTES	64	/* receive work request */
#define CQE_BYTES	64	/* completion */
#define OBJECT_BYTES	SZ_8K	/* queue pair, completion queue and CM id */
#define RING_BYTES	(sizeof(struct rtrs_recv_slot) + sizeof(struct rtrs_msg_fence))

/*
 * Work requests that one slot has in the send queue at most, in the usual cases: data,
 * SEND WITH INVALIDATE, answer; with revocation also that and the new registration.
 * Slots for which this does not suffice wait for credits.
 */
static u32 send_wrs_per_slot(void)
{
	return rtrs_srv_conf.revoke_always ? 5 : 3;
}

static u32 wanted_send_wrs(u16 cid, unsigned int nr_mrs)
{
	if (!cid)
		return max_t(u32, nr_mrs + 1, SERVICE_SEND_WRS) + RTRS_SRV_EXTRA_SEND_WRS;

	return rtrs_srv_conf.queue_depth * send_wrs_per_slot() + RTRS_SRV_SIGNAL_INTERVAL;
}

/*
 * A client may have all its slots on one connection; what was consumed and is not yet
 * replaced comes on top.
 */
static u32 nr_recvs(u16 cid)
{
	u32 nr = cid ? rtrs_srv_conf.queue_depth : RTRS_SERVICE_QUEUE_DEPTH;

	return nr + RTRS_SRV_RECV_BATCH;
}

/* One more on connection 0: INFO_REQ. */
static u32 wanted_recv_wrs(u16 cid)
{
	return nr_recvs(cid) + (cid ? 0 : 1);
}

static u32 wanted_send_sge(u32 ext)
{
	return ext & RTRS_EXT_SHORT_ANSWER ? RTRS_ANSWER_BATCH : 1;
}

/* Devices have queues whose length is a power of two. */
static u64 queue_memory(u32 nr, size_t bytes)
{
	return (u64)roundup_pow_of_two(nr) * bytes;
}

static u64 con_memory(u16 cid, u32 ext)
{
	u32 sends = wanted_send_wrs(cid, rtrs_srv_conf.new_rkey ? rtrs_srv_conf.queue_depth : 1);
	u32 recvs = wanted_recv_wrs(cid);
	u32 ring = !cid && ext & RTRS_EXT_PATH_FENCE ? RTRS_SERVICE_QUEUE_DEPTH : 0;

	return sizeof(struct rtrs_srv_con) + OBJECT_BYTES +
	       queue_memory(sends, SEND_BYTES + wanted_send_sge(ext) * sizeof(struct ib_sge)) +
	       queue_memory(recvs, RECV_BYTES) + queue_memory(sends + recvs, CQE_BYTES) +
	       ring * RING_BYTES;
}

/**
 * rtrs_srv_cons_memory - estimate what the connections of a path take
 * @nr: number of connections, at least 1
 * @ext: extensions in force
 *
 * Queues of the sizes that are asked for; a device may have less.
 *
 * Context: any.
 *
 * Return: bytes.
 */
u64 rtrs_srv_cons_memory(unsigned int nr, u32 ext)
{
	return con_memory(0, ext) + (nr - 1) * con_memory(1, ext);
}

/**
 * rtrs_srv_con_init - prepare a connection of a new path
 * @con: zeroed
 * @path: path
 * @cid: number
 *
 * The owner sets the completion callbacks.
 *
 * Context: any.
 */
void rtrs_srv_con_init(struct rtrs_srv_con *con, struct rtrs_srv_path *path, u16 cid)
{
	con->path = path;
	con->base.cid = cid;
	spin_lock_init(&con->lock);
	INIT_LIST_HEAD(&con->waiting);
	INIT_LIST_HEAD(&con->held);
}

/*
 * The answer with most links must find room while up to signal_interval - 1 work
 * requests have no completion coming; connection 0 sends INFO_RSP in one chain; and a
 * receive must be left while others wait to be replaced.
 */
static int init_credits(struct rtrs_srv_con *con)
{
	u32 need = 2 * RTRS_SRV_MAX_ANSWER_WRS;

	if (!con->base.cid)
		need = max_t(u32, need, con->path->bufs.nr_mrs + 1) + RTRS_SRV_EXTRA_SEND_WRS;
	if (con->base.send_wr_max < need || con->base.recv_wr_max <= RTRS_SRV_RECV_BATCH) {
		rtrs_srv_path_err(con->path, "queues of the device are too small: %u, %u\n",
				  con->base.send_wr_max, con->base.recv_wr_max);
		return -ENOMEM;
	}

	con->credits = rtrs_fault(RTRS_FAULT_CREDITS) ? need : con->base.send_wr_max;
	if (!con->base.cid)
		con->credits -= RTRS_SRV_EXTRA_SEND_WRS;
	con->short_max = min_t(u32, con->base.dev->max_send_sge, RTRS_ANSWER_BATCH);
	con->signal_interval = min_t(u32, con->credits / 2, RTRS_SRV_SIGNAL_INTERVAL);
	return 0;
}

/**
 * rtrs_srv_con_create - give a connection its queue pair
 * @con: connection without one
 * @id: CM id of a connect request; the connection's from success on
 *
 * On connection 0 the receive for INFO_REQ is posted (4.4).
 *
 * Context: process, may sleep; &rtrs_srv_path.con_lock is held.
 *
 * Return: 0; -EINVAL if @id is on another device than the path; another negative
 * errno.  On failure the connection is as before.
 */
int rtrs_srv_con_create(struct rtrs_srv_con *con, struct rdma_cm_id *id)
{
	struct rtrs_srv_path *path = con->path;
	struct rtrs_con_attr attr = {
		.pd		= path->dev_user.pd,
		.max_send_wr	= wanted_send_wrs(con->base.cid, path->bufs.nr_mrs),
		.max_recv_wr	= wanted_recv_wrs(con->base.cid),
		.max_send_sge	= wanted_send_sge(path->ext),
		.comp_vector	= con->base.cid,
		.poll_ctx	= IB_POLL_WORKQUEUE,
		.cq_priv	= con,
	};
	int err;

	lockdep_assert_held(&path->con_lock);

	if (id->device != path->dev->ib_dev)
		return -EINVAL;

	con->base.cm_id = id;
	err = rtrs_con_create(&con->base, path->dev, &attr);
	if (err)
		goto clear;

	err = init_credits(con);
	if (!err && !con->base.cid)
		err = rtrs_iu_post_recv(&con->base, path->info_req);
	if (err)
		goto destroy;
	return 0;

destroy:
	rtrs_con_destroy(&con->base);
clear:
	con->base.cm_id = NULL;
	return err;
}

/**
 * rtrs_srv_con_cancel - take back what rtrs_srv_con_create() did
 * @con: connection that could not be accepted
 *
 * The CM id is the caller's again.
 *
 * Context: process, may sleep; &rtrs_srv_path.con_lock is held.
 */
void rtrs_srv_con_cancel(struct rtrs_srv_con *con)
{
	lockdep_assert_held(&con->path->con_lock);

	rtrs_con_drain(&con->base);
	rtrs_con_destroy(&con->base);
	con->base.cm_id = NULL;
}

/* With room for the messages of a fence. */
static int post_service_recvs(struct rtrs_srv_con *con)
{
	struct rtrs_recv_ring *ring = &con->path->ring;
	int err;

	err = rtrs_recv_ring_create(ring, &con->base, RTRS_SERVICE_QUEUE_DEPTH,
				    sizeof(struct rtrs_msg_fence), rtrs_srv_io_service_done);
	return err ?: rtrs_recv_ring_post_all(ring);
}

/**
 * rtrs_srv_con_post_recvs - post the receives for requests
 * @con: connection whose client has sent INFO_REQ
 *
 * Context: process, may sleep.
 *
 * Return: 0 or a negative errno; then the path must be closed.
 */
int rtrs_srv_con_post_recvs(struct rtrs_srv_con *con)
{
	if (!con->base.cid && con->path->ext & RTRS_EXT_PATH_FENCE)
		return post_service_recvs(con);
	return rtrs_con_post_recv_empty(&con->base, &con->recv_cqe,
					min(nr_recvs(con->base.cid), con->base.recv_wr_max));
}

/**
 * rtrs_srv_con_replace_recv - a receive was consumed
 * @con: connection
 *
 * Receives are replaced several at a time; so many more than needed were posted.
 *
 * Context: completion of @con.
 *
 * Return: 0 or a negative errno; then the path must be closed.
 */
int rtrs_srv_con_replace_recv(struct rtrs_srv_con *con)
{
	if (++con->recv_spent < RTRS_SRV_RECV_BATCH)
		return 0;

	con->recv_spent = 0;
	return rtrs_con_post_recv_empty(&con->base, &con->recv_cqe, RTRS_SRV_RECV_BATCH);
}

/**
 * rtrs_srv_con_post - post a chain of sends against credits
 * @con: connection, not stopped, with a credit for each work request
 * @first: chain; completion and signalling of its work requests are set here
 *
 * The lock is held over the post: the queue must see the work requests in the order
 * in which they were counted, or a completion would return credits too early.
 *
 * Context: any; @con->lock is held.
 *
 * Return: 0 or a negative errno; then the path must be closed.
 */
int rtrs_srv_con_post(struct rtrs_srv_con *con, struct ib_send_wr *first)
{
	struct ib_send_wr *wr;

	lockdep_assert_held(&con->lock);

	for (wr = first; wr; wr = wr->next) {
		wr->wr_cqe = &con->send_cqe;
		con->credits--;
		if (++con->unsignalled < con->signal_interval)
			continue;
		wr->send_flags |= IB_SEND_SIGNALED;
		con->unsignalled = 0;
		WRITE_ONCE(con->answers_then, con->answers);
	}
	return rtrs_con_post_send(&con->base, first);
}

/**
 * rtrs_srv_con_stop - post nothing more
 * @con: connection, created or not
 *
 * Context: process.
 */
void rtrs_srv_con_stop(struct rtrs_srv_con *con)
{
	spin_lock_irq(&con->lock);
	con->stopped = true;
	spin_unlock_irq(&con->lock);
}

/**
 * rtrs_srv_con_destroy - take queue pair and CM id away
 * @con: connection, drained, or never created
 *
 * Context: process, may sleep; no mutex of this module is held, because the handler of
 * the CM id may be waiting for it.
 */
void rtrs_srv_con_destroy(struct rtrs_srv_con *con)
{
	if (!con->base.cm_id)
		return;

	rtrs_con_destroy(&con->base);
	rdma_destroy_id(con->base.cm_id);
	con->base.cm_id = NULL;
}
