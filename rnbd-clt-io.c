// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests of the client: from the block layer to the transport and back.
 *
 * Purpose: the blk-mq operations of a session's tag set, for its devices and its admin
 * queue alike.
 *
 * Operation: a tag is a slot, so whoever has a tag can send, and nothing is allocated
 * here.  queue_rq builds the message in the payload, maps the data to the payload's
 * scatterlist and hands both to the transport, chained to the batch of the hardware
 * queue; the last request of a run, or commit_rqs, posts the batch.  A whole plug list
 * (queue_rqs) has its batch on the stack.  The transport calls req_done() in softirq
 * or from the poll operation; blk-mq then completes on the CPU it likes.
 *
 * A batch lives inside one RCU section of blk-mq.  Two CPUs may add to one hardware
 * queue's batch, each inside its own section; since the batch is posted under the lock
 * of the queue, each of them finds its requests posted before its section ends.
 *
 * Failure: a device that is not open, or a session without a path, fails the request
 * at once, unless it may wait (rnbd-clt-hold.c).  A request without an answer times out
 * and has its path reset; it then goes out over another path, and after a second
 * time-out it fails.  It is never completed while the peer could still reach its memory.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blk-mq.h>
#include <linux/delay.h>
#include <linux/ioprio.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "rnbd-clt.h"

/*
 * Admin messages get through although all other tags are in use.  Only one is reserved
 * where the queue is short, and none where there is nothing else.
 */
#define RESERVED_TAGS		2
#define MIN_DEPTH_TO_RESERVE	16

/* How often a polled request is polled for when it times out, about 1 ms apart. */
#define LATE_POLLS		20

#define QUEUE_GONE_MS		10	/* between two looks for queues of disks that go late */

/**
 * struct rnbd_clt_queue - a hardware queue of a device (or of the admin queue)
 * @clt: session of the transport
 * @lock: guards @batch; almost never contended, a queue belongs to a CPU or few
 * @batch: requests taken by the transport and not yet posted
 */
struct rnbd_clt_queue {
	struct rtrs_clt		*clt;
	spinlock_t		lock;	/* batch */
	struct rtrs_clt_batch	batch;
};

static void req_done(struct rtrs_clt_req *req, int err)
{
	struct rnbd_clt_rq *clt_rq = container_of(req, struct rnbd_clt_rq, req);

	clt_rq->err = err;
	blk_mq_complete_request(blk_mq_rq_from_pdu(clt_rq));
}

/* With the end of a request, and not when it is held and sent again. */
static void forget_time_out(struct request *rq)
{
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);

	clt_rq->timed_out = false;
}

static void io_failed(struct rnbd_clt_dev *dev, struct request *rq)
{
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);

	if (clt_rq->err == -ENOTCONN)
		rnbd_clt_dev_unknown(dev, clt_rq->opening);
	if (READ_ONCE(dev->state) == RNBD_CLT_DEV_UNMAPPED)
		clt_rq->err = -EIO;	/* given up, not timed out */
	rnbd_clt_log(pr_info_ratelimited, dev, "%s of %u bytes at sector %llu failed: %d\n",
		     op_is_write(rq->cmd_flags) ? "write" : "read", blk_rq_bytes(rq),
		     (u64)blk_rq_pos(rq), clt_rq->err);
}

/* Returns whether the request waits for the link, and does not end. */
static bool failed(struct request *rq)
{
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);
	struct rnbd_clt_dev *dev = rq->q->queuedata;

	if (dev && clt_rq->err == -ECONNABORTED && rnbd_clt_holds(dev)) {
		rnbd_clt_hold_request(rq);
		return true;
	}
	if (dev)
		io_failed(dev, rq);
	else if (clt_rq->err == -ETIMEDOUT && !clt_rq->timed_out)
		clt_rq->err = -EIO;	/* of the server; ours says that a path was lost for it */
	return false;
}

static void complete_rq(struct request *rq)
{
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);

	if (unlikely(clt_rq->err) && failed(rq))
		return;
	forget_time_out(rq);
	blk_mq_end_request(rq, rnbd_errno_to_status(clt_rq->err));
}

/* Data of a read or write goes into the payload's scatterlist; others have none. */
static void map_data(struct rnbd_clt_rq *clt_rq, struct request *rq)
{
	struct rtrs_clt_req *req = &clt_rq->req;

	switch (req_op(rq)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		req->nents = blk_rq_map_sg(rq->q, rq, clt_rq->sgl);
		req->data_len = blk_rq_bytes(rq);
		req->sgl = clt_rq->sgl;
		break;
	default:
		req->nents = 0;
		req->data_len = 0;
		req->sgl = NULL;
	}
}

static blk_status_t prepare_io(struct rnbd_clt_dev *dev, struct request *rq)
{
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);
	enum req_op op = req_op(rq);
	struct rnbd_io io = {
		.sector	= op == REQ_OP_FLUSH ? U64_MAX : blk_rq_pos(rq),
		.size	= op == REQ_OP_FLUSH ? 0 : blk_rq_bytes(rq),
		.prio	= req_get_ioprio(rq),
	};
	u32 rw;

	/* Pairs with the release in rnbd_clt_dev_open(): the id comes before the state. */
	if (smp_load_acquire(&dev->state) != RNBD_CLT_DEV_OPEN)
		return rnbd_clt_holds(dev) ? BLK_STS_RESOURCE : BLK_STS_IOERR;
	/* Pairs with the release in publish(): the id is not older than the opening. */
	clt_rq->opening = smp_load_acquire(&dev->opening);
	io.device_id = READ_ONCE(dev->device_id);
	if (rnbd_op_to_wire(rq->cmd_flags, &rw))
		return BLK_STS_NOTSUPP;
	rnbd_put_io(&clt_rq->io, &io, rw);

	clt_rq->req.queue = rq->mq_hctx->queue_num;
	clt_rq->req.dir = op == REQ_OP_READ || op == REQ_OP_FLUSH ? DMA_FROM_DEVICE
								  : DMA_TO_DEVICE;
	clt_rq->req.msg = &clt_rq->io;
	clt_rq->req.msg_len = sizeof(clt_rq->io);
	map_data(clt_rq, rq);
	return BLK_STS_OK;
}

/* The sender has filled in all but the slot (rnbd-clt-msg.c). */
static blk_status_t prepare_admin(struct rnbd_clt_session *sess, struct request *rq)
{
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);

	if (clt_rq->link_gen == READ_ONCE(sess->link_gen))
		return BLK_STS_OK;
	clt_rq->err = -ECONNABORTED;
	return BLK_STS_IOERR;
}

static blk_status_t prepare(struct request *rq)
{
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);
	blk_status_t status;

	if (blk_rq_is_passthrough(rq))
		status = prepare_admin(rq->q->tag_set->driver_data, rq);
	else
		status = prepare_io(rq->q->queuedata, rq);
	clt_rq->req.slot = rq->tag;
	clt_rq->req.fate = RTRS_CLT_RESEND;
	return status;
}

static blk_status_t send(struct request *rq, struct rtrs_clt_batch *batch)
{
	struct rnbd_clt_queue *queue = rq->mq_hctx->driver_data;
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);
	int err = rtrs_clt_request(queue->clt, &clt_rq->req, batch);

	if (likely(!err))
		return BLK_STS_OK;
	if (err == -ENOMEM)
		return BLK_STS_RESOURCE;
	if (err == -ENOTCONN && rq->q->queuedata && rnbd_clt_holds(rq->q->queuedata))
		return BLK_STS_RESOURCE;
	clt_rq->err = err == -ENOTCONN ? -ECONNABORTED : err;
	return BLK_STS_IOERR;
}

static blk_status_t queue_rq(struct blk_mq_hw_ctx *hctx, const struct blk_mq_queue_data *bd)
{
	struct rnbd_clt_queue *queue = hctx->driver_data;
	blk_status_t status = prepare(bd->rq);

	if (!status)
		blk_mq_start_request(bd->rq);
	spin_lock(&queue->lock);
	if (!status)
		status = send(bd->rq, &queue->batch);
	if (bd->last)
		rtrs_clt_batch_post(&queue->batch);
	spin_unlock(&queue->lock);
	if (status && status != BLK_STS_RESOURCE)
		forget_time_out(bd->rq);
	return status;
}

static void commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct rnbd_clt_queue *queue = hctx->driver_data;

	spin_lock(&queue->lock);
	rtrs_clt_batch_post(&queue->batch);
	spin_unlock(&queue->lock);
}

/* A request of a plug list that could not be sent; it must not stay on the list. */
static void not_sent(struct request *rq, blk_status_t status)
{
	if (status == BLK_STS_RESOURCE) {
		blk_mq_requeue_request(rq, false);
		blk_mq_delay_kick_requeue_list(rq->q, 3);
	} else {
		forget_time_out(rq);
		blk_mq_end_request(rq, status);
	}
}

static void rnbd_clt_queue_rqs(struct rq_list *rqlist)
{
	struct rtrs_clt_batch batch = {};

	while (!rq_list_empty(rqlist)) {
		struct request *rq = rq_list_pop(rqlist);
		blk_status_t status = prepare(rq);

		if (!status) {
			blk_mq_start_request(rq);
			status = send(rq, &batch);
		}
		if (status)
			not_sent(rq, status);
	}
	rtrs_clt_batch_post(&batch);
}

static int poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)
{
	struct rnbd_clt_queue *queue = hctx->driver_data;

	return rtrs_clt_poll(queue->clt, hctx->queue_num);
}

/*
 * The answer may be there and nobody polls for it; then the path is not to blame.  What
 * the answer sets off, an invalidation, ends a little later.  Returns whether the
 * request has ended.
 */
static bool ended_by_polling(struct request *rq)
{
	bool found = false;
	unsigned int i;

	for (i = 0; i < LATE_POLLS; i++) {
		found |= poll(rq->mq_hctx, NULL) > 0;
		if (blk_mq_rq_state(rq) != MQ_RQ_IN_FLIGHT)
			return true;
		if (!found)
			return false;
		usleep_range(500, 1000);
	}
	return false;
}

/*
 * A message is not sent again.  A server that answers heartbeats and no message waits for
 * a disk, and would cost the session the next path, too: that of all other devices.  I/O
 * has a second try; then only what changes the disk does harm when it takes effect after
 * it was given up.
 */
static enum rtrs_clt_fate fate_of(struct request *rq)
{
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);
	struct rnbd_clt_dev *dev = rq->q->queuedata;

	if (!dev)
		return RTRS_CLT_ABANDON;
	if (!clt_rq->timed_out)
		return RTRS_CLT_RESEND;
	if (!op_is_write(req_op(rq)) || READ_ONCE(dev->state) == RNBD_CLT_DEV_UNMAPPED)
		return RTRS_CLT_ABANDON;
	return RTRS_CLT_FAIL;
}

/*
 * The request stays with the transport until its path has been drained, so the timer is
 * set anew: should the request be sent again over another path, its time counts from
 * here.  Process context.
 */
static enum blk_eh_timer_return timed_out(struct request *rq)
{
	struct rnbd_clt_session *sess = rq->q->tag_set->driver_data;
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);
	enum rtrs_clt_fate fate = fate_of(rq);

	if (rq->mq_hctx->type == HCTX_TYPE_POLL && ended_by_polling(rq))
		return BLK_EH_DONE;
	clt_rq->timed_out = true;
	rtrs_clt_timed_out(sess->clt, &clt_rq->req, fate);
	return BLK_EH_RESET_TIMER;
}

static void map_queues(struct blk_mq_tag_set *set)
{
	struct rnbd_clt_session *sess = set->driver_data;
	struct blk_mq_queue_map *map = &set->map[HCTX_TYPE_DEFAULT];

	map->nr_queues = sess->attrs.nr_irq_queues;
	blk_mq_map_queues(map);
	if (set->nr_maps <= HCTX_TYPE_POLL)
		return;
	set->map[HCTX_TYPE_READ].nr_queues = 0;
	map = &set->map[HCTX_TYPE_POLL];
	map->nr_queues = sess->attrs.nr_poll_queues;
	map->queue_offset = sess->attrs.nr_irq_queues;
	blk_mq_map_queues(map);
}

static int init_hctx(struct blk_mq_hw_ctx *hctx, void *data, unsigned int hctx_idx)
{
	struct rnbd_clt_session *sess = data;
	struct rnbd_clt_queue *queue;

	queue = kzalloc_node(sizeof(*queue), GFP_KERNEL, hctx->numa_node);
	if (!queue)
		return -ENOMEM;
	queue->clt = sess->clt;
	spin_lock_init(&queue->lock);
	hctx->driver_data = queue;
	return 0;
}

static void exit_hctx(struct blk_mq_hw_ctx *hctx, unsigned int hctx_idx)
{
	kfree(hctx->driver_data);
	hctx->driver_data = NULL;
}

static int init_request(struct blk_mq_tag_set *set, struct request *rq, unsigned int hctx_idx,
			unsigned int numa_node)
{
	struct rnbd_clt_session *sess = set->driver_data;
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);

	clt_rq->req.done = req_done;
	sg_init_table(clt_rq->sgl, sess->max_sg);
	return 0;
}

static const struct blk_mq_ops mq_ops = {
	.queue_rq	= queue_rq,
	.commit_rqs	= commit_rqs,
	.queue_rqs	= rnbd_clt_queue_rqs,
	.complete	= complete_rq,
	.timeout	= timed_out,
	.poll		= poll,
	.map_queues	= map_queues,
	.init_hctx	= init_hctx,
	.exit_hctx	= exit_hctx,
	.init_request	= init_request,
};

/*
 * Inside a request all segments but the first start, and all but the last end, on a
 * 4 KiB boundary.  So besides its first and last one a request of max_io_size bytes has
 * at most max_io_size / 4096 - 1 segments, one more if that does not divide.
 */
static unsigned int max_sg(const struct rtrs_clt_attrs *attrs)
{
	return min_t(unsigned int, attrs->max_segments,
		     DIV_ROUND_UP(attrs->max_io_size, 4096) + 1);
}

static void init_tag_set(struct rnbd_clt_session *sess)
{
	struct blk_mq_tag_set *set = &sess->tag_set;
	const struct rtrs_clt_attrs *attrs = &sess->attrs;

	set->ops = &mq_ops;
	set->nr_hw_queues = attrs->nr_irq_queues + attrs->nr_poll_queues;
	set->nr_maps = attrs->nr_poll_queues ? HCTX_MAX_TYPES : 1;
	set->queue_depth = attrs->queue_depth;
	set->reserved_tags = set->queue_depth >= MIN_DEPTH_TO_RESERVE ? RESERVED_TAGS :
			     set->queue_depth > 1;
	set->numa_node = NUMA_NO_NODE;
	set->cmd_size = struct_size_t(struct rnbd_clt_rq, sgl, sess->max_sg);
	set->timeout = msecs_to_jiffies(attrs->request_timeout_ms);
	set->driver_data = sess;
	set->flags = BLK_MQ_F_SHOULD_MERGE | BLK_MQ_F_TAG_HCTX_SHARED;
	/* Tags shared by the queues would otherwise count as a single queue. */
	if (set->nr_hw_queues > 1)
		set->flags |= BLK_MQ_F_NO_SCHED_BY_DEFAULT;
}

/**
 * rnbd_clt_queues_create() - make tag set and admin queue of a session
 * @sess: session, connected; not used by others yet
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int rnbd_clt_queues_create(struct rnbd_clt_session *sess)
{
	int err;

	sess->max_sg = max_sg(&sess->attrs);
	init_tag_set(sess);
	err = blk_mq_alloc_tag_set(&sess->tag_set);
	if (err)
		return err;
	sess->admin_q = blk_mq_alloc_queue(&sess->tag_set, NULL, NULL);
	if (IS_ERR(sess->admin_q)) {
		err = PTR_ERR(sess->admin_q);
		blk_mq_free_tag_set(&sess->tag_set);
		return err;
	}
	pr_info("%s: %u slots, hardware queues default/read/poll: %u/0/%u\n", sess->name,
		sess->attrs.queue_depth, sess->attrs.nr_irq_queues, sess->attrs.nr_poll_queues);
	return 0;
}

/**
 * rnbd_clt_queues_stop() - no more requests; wait for those of the admin queue
 * @sess: session without devices; the transport is still there
 *
 * Context: may sleep; bounded by the request time-out.
 */
void rnbd_clt_queues_stop(struct rnbd_clt_session *sess)
{
	blk_mq_destroy_queue(sess->admin_q);
}

static bool has_queues(struct blk_mq_tag_set *set)
{
	bool has;

	mutex_lock(&set->tag_list_lock);
	has = !list_empty(&set->tag_list);
	mutex_unlock(&set->tag_list_lock);
	return has;
}

/**
 * rnbd_clt_queues_free() - undo rnbd_clt_queues_create()
 * @sess: session, stopped
 *
 * The queue of a disk that could not be added leaves the tag set with the last reference
 * to the disk.  Whoever looks through the disks of the machine may have one for a moment.
 *
 * Context: may sleep.
 */
void rnbd_clt_queues_free(struct rnbd_clt_session *sess)
{
	blk_put_queue(sess->admin_q);
	while (has_queues(&sess->tag_set))
		msleep(QUEUE_GONE_MS);
	blk_mq_free_tag_set(&sess->tag_set);
}

static bool abort_rq(struct request *rq, void *data)
{
	struct rnbd_clt_dev *dev = data;
	struct rnbd_clt_rq *clt_rq = blk_mq_rq_to_pdu(rq);

	if (rq->q == dev->gd->queue)
		rtrs_clt_timed_out(dev->sess->clt, &clt_rq->req, RTRS_CLT_ABANDON);
	return true;
}

/**
 * rnbd_clt_queues_abort() - end what the transport still has of a device
 * @dev: device that takes no new requests
 *
 * RTRS cannot call back a single request, so this costs the session the path of each
 * of them; but none of them is sent again.  What still runs at the server is waited for
 * by the CLOSE of the device.
 *
 * Context: may sleep; does not wait for the requests.
 */
void rnbd_clt_queues_abort(struct rnbd_clt_dev *dev)
{
	blk_mq_tagset_busy_iter(&dev->sess->tag_set, abort_rq, dev);
}

/**
 * rnbd_clt_queues_set_timeout() - how long a request may take, from now on
 * @sess: session with queues
 * @timeout_ms: milliseconds
 *
 * Context: the caller holds &rnbd_clt_session.lock.
 */
void rnbd_clt_queues_set_timeout(struct rnbd_clt_session *sess, unsigned int timeout_ms)
{
	unsigned int timeout_jiffies = msecs_to_jiffies(timeout_ms);
	struct rnbd_clt_dev *dev;

	lockdep_assert_held(&sess->lock);
	sess->tag_set.timeout = timeout_jiffies;
	blk_queue_rq_timeout(sess->admin_q, timeout_jiffies);
	list_for_each_entry(dev, &sess->devs, entry)
		if (dev->mapped)
			blk_queue_rq_timeout(dev->gd->queue, timeout_jiffies);
}
