// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The first half of a request's life on the client: choose a path, build, post.
 *
 * Operation.  A request uses the slot of its number on the path that was picked.  Data
 * that fits the gather list goes out with the message in one signalled work request;
 * otherwise a registration is posted in front of it.  Work requests of one connection
 * are chained in the caller's batch and posted together.  What comes then is in
 * rtrs-clt-done.c.
 *
 * Pages belong to the caller until rtrs_clt_request() returns 0, then to the transport,
 * and again to the caller in its done callback.
 *
 * Failure.  What goes wrong before a request was started is the caller's to see; from
 * then on everything ends in the error door of its path.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ratelimit.h>
#include <linux/rcupdate.h>

#include "rtrs-clt.h"
#include "rtrs-clt-trace.h"
#include "rtrs-fault.h"

#define POLL_BUDGET	64	/* completions at a time: a server can go on for ever */

/* User message and header behind the data of the gather list, if there are any. */
static void put_header(struct rtrs_clt_path *path, struct rtrs_clt_slot *slot,
		       const struct rtrs_clt_req *req)
{
	struct rtrs_sg_desc desc = {
		.addr	= cpu_to_le64(slot->mr->iova),
		.key	= cpu_to_le32(slot->mr->rkey),
		.len	= cpu_to_le32(req->data_len),
	};
	bool with_desc = req->dir == DMA_FROM_DEVICE && req->sg_mapped;
	struct ib_device *ib_dev = path->dev->ib_dev;
	struct rtrs_iu *hdr = slot->hdr;
	struct ib_sge *sge = &slot->sge[slot->rdma_wr.wr.num_sge++];
	size_t len;

	ib_dma_sync_single_for_cpu(ib_dev, hdr->dma, hdr->size, DMA_TO_DEVICE);
	len = rtrs_wire_put_req(hdr->buf, req->msg, req->msg_len, req->dir,
				with_desc ? &desc : NULL);
	ib_dma_sync_single_for_device(ib_dev, hdr->dma, hdr->size, DMA_TO_DEVICE);

	sge->addr = hdr->dma;
	sge->length = len;
	sge->lkey = path->dev_user.pd->local_dma_lkey;
}

/* Where in the chunk the message lands, and how the gather list begins (8.1). */
static void build_message(struct rtrs_clt_path *path, struct rtrs_clt_slot *slot,
			  const struct rtrs_clt_req *req, u32 phase)
{
	const struct rtrs_chunk *chunk = &path->chunks[req->slot];
	struct ib_rdma_wr *wr = &slot->rdma_wr;
	bool reg = phase & RTRS_CLT_SLOT_REG;

	wr->rkey = chunk->rkey;
	wr->remote_addr = chunk->addr;
	wr->wr.num_sge = 0;
	if (req->dir == DMA_FROM_DEVICE)
		wr->remote_addr += req->data_len;
	else
		wr->wr.num_sge = reg ? 1 : req->sg_mapped;
	put_header(path, slot, req);

	wr->wr.next = NULL;
	wr->wr.send_flags = reg ? 0 : IB_SEND_SIGNALED;
	wr->wr.ex.imm_data = cpu_to_be32(rtrs_imm_pack_req(req->slot, req->data_len + req->msg_len,
							   path->off_bits));
}

/* From the release on an answer is accepted. */
static void slot_activate(struct rtrs_clt_slot *slot, struct rtrs_clt_con *con,
			  struct rtrs_clt_req *req, u32 phase)
{
	slot->req = req;
	slot->con = con;
	slot->cpu = raw_smp_processor_id();
	WRITE_ONCE(req->path, con->path);
	atomic_inc(&con->inflight);
	rtrs_clt_trace_stamp(&slot->started_ns);
	trace_rtrs_clt_req_start(slot);
	atomic_set_release(&slot->phase, phase);
}

static void batch_add(struct rtrs_clt_batch *batch, struct rtrs_clt_con *con,
		      struct ib_send_wr *first, struct ib_send_wr *last)
{
	if (batch->con != con)
		rtrs_clt_batch_post(batch);
	if (batch->con)
		batch->last->next = first;
	else
		batch->first = first;
	batch->con = con;
	batch->last = last;
}

static int check_req(const struct rtrs_clt_path *path, const struct rtrs_clt_req *req)
{
	if (req->slot >= path->nr_slots || !req->msg_len || req->msg_len > RTRS_USR_MSG_MAX)
		return -EINVAL;
	return req->data_len <= path->max_io_size ? 0 : -EMSGSIZE;
}

static int start_request(struct rtrs_clt_con *con, struct rtrs_clt_req *req,
			 struct rtrs_clt_batch *batch)
{
	struct rtrs_clt_path *path = con->path;
	struct rtrs_clt_slot *slot = &path->slots[req->slot];
	u32 phase = RTRS_CLT_SLOT_ACTIVE | con->base.cid << RTRS_CLT_SLOT_CID_SHIFT;
	int ret;

	ret = check_req(path, req);
	if (ret)
		return ret;
	if (atomic_read_acquire(&slot->phase))
		return -EBUSY;

	if (rtrs_fault(RTRS_FAULT_QUEUE_FULL))
		return -ENOMEM;

	ret = rtrs_clt_slot_map(path, slot, req);
	if (ret < 0)
		return ret;
	if (ret)
		phase |= RTRS_CLT_SLOT_REG;
	build_message(path, slot, req, phase);
	slot_activate(slot, con, req, phase);
	batch_add(batch, con, ret ? &slot->reg_wr.wr : &slot->rdma_wr.wr, &slot->rdma_wr.wr);
	return 0;
}

/**
 * rtrs_clt_request - send a request
 * @clt: session
 * @req: request; after a return of 0 the transport's until its done callback
 * @batch: work requests that were not posted yet
 *
 * Any context, softirq included, inside an RCU read-side section that also holds the
 * rtrs_clt_batch_post().  Allocates nothing and takes no lock.
 *
 * Return: 0: done is called exactly once, perhaps before this function returns;
 * -ENOTCONN: no path is connected; -EMSGSIZE: too long for the path; another negative
 * errno: not started, done is not called.
 */
int rtrs_clt_request(struct rtrs_clt *clt, struct rtrs_clt_req *req,
		     struct rtrs_clt_batch *batch)
{
	u16 cid = req->queue == RTRS_CLT_ADMIN_QUEUE ? 0 : req->queue + 1;
	struct rtrs_clt_path *path;

	if (cid >= clt->con_num)
		return -EINVAL;
	path = READ_ONCE(clt->policy)->pick(clt, cid);
	if (!path)
		return -ENOTCONN;
	return start_request(&path->cons[cid], req, batch);
}
EXPORT_SYMBOL_GPL(rtrs_clt_request);

/**
 * rtrs_clt_batch_post - post what a batch has gathered
 * @batch: batch; empty afterwards
 *
 * Context as rtrs_clt_request().  A failure shows as failure of the path.
 */
void rtrs_clt_batch_post(struct rtrs_clt_batch *batch)
{
	struct rtrs_clt_con *con = batch->con;
	struct ib_send_wr *wr = batch->first, *next;
	int err;

	if (!con)
		return;
	*batch = (struct rtrs_clt_batch) {};

	err = rtrs_con_post_send(&con->base, wr);
	if (unlikely(err)) {
		rtrs_clt_path_log(pr_err_ratelimited, con->path,
				  "posting on connection %u failed: %pe\n",
				  con->base.cid, ERR_PTR(err));
		rtrs_clt_con_fail(con, err);
		return;
	}

	/* A slot that was told may be in use again, with another next. */
	for (; wr; wr = next) {
		next = wr->next;
		if (wr->opcode == IB_WR_RDMA_WRITE_WITH_IMM)
			rtrs_clt_slot_event(container_of(wr, struct rtrs_clt_slot, rdma_wr.wr),
					    RTRS_CLT_SLOT_POSTED);
	}
}
EXPORT_SYMBOL_GPL(rtrs_clt_batch_post);

static int poll_con(struct rtrs_clt_con *con)
{
	int nr;

	if (!spin_trylock(&con->poll_lock))
		return 0;
	nr = ib_process_cq_direct(con->base.cq, POLL_BUDGET);
	spin_unlock(&con->poll_lock);
	return nr;
}

/**
 * rtrs_clt_poll - look for completions of a polled queue
 * @clt: session
 * @queue: queue, see &struct rtrs_clt_attrs
 *
 * Process context; the done callbacks run in it.
 * Return: number of completions handled.
 */
int rtrs_clt_poll(struct rtrs_clt *clt, u16 queue)
{
	struct rtrs_clt_path *path;
	int nr = 0;

	if (queue < clt->nr_irq_queues || queue + 1 >= clt->con_num)
		return 0;
	rcu_read_lock();
	list_for_each_entry_rcu(path, &clt->paths, entry)
		if (rtrs_clt_path_connected(path))
			nr += poll_con(&path->cons[queue + 1]);
	rcu_read_unlock();
	return nr;
}
EXPORT_SYMBOL_GPL(rtrs_clt_poll);

static void time_out(struct rtrs_clt_path *path, struct rtrs_clt_req *req)
{
	struct rtrs_clt_slot *slot = &path->slots[req->slot];

	if (!atomic_read_acquire(&slot->phase) || READ_ONCE(slot->req) != req)
		return;
	rtrs_clt_path_log(pr_err_ratelimited, path, "request %u was not answered in time\n",
			  req->slot);
	rtrs_clt_con_fail(slot->con, -ETIMEDOUT);
}

/**
 * rtrs_clt_timed_out - a request takes too long
 * @clt: session
 * @req: request that was started
 * @fate: what shall become of it
 *
 * Any context.  The path of the request is given up; the done callback comes as ever.  A
 * request that is between two paths only learns its fate, which can only get worse.
 */
void rtrs_clt_timed_out(struct rtrs_clt *clt, struct rtrs_clt_req *req,
			enum rtrs_clt_fate fate)
{
	enum rtrs_clt_fate old = READ_ONCE(req->fate);
	struct rtrs_clt_path *path;

	while (old < fate && !try_cmpxchg(&req->fate, &old, fate))
		;
	rcu_read_lock();
	path = READ_ONCE(req->path);
	if (path)
		time_out(path, req);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(rtrs_clt_timed_out);
