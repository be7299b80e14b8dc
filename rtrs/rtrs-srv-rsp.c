// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Answers, and everything else that waits for send credits.
 *
 * Normal operation: the upper layer answers from any context.  The answer is a chain
 * built back to front from optional links [data][SEND WITH INVALIDATE][registration]
 * [answer] (wire specification, 8.2) and posted at once.  The slot is idle before that:
 * the client may use it again before the post returns.  Without credits the slot stays
 * busy and waits on a list of its connection.
 *
 * Revocation: a local invalidation of the chunk's key, posted on the connection of the
 * request; the answer then registers the chunk again under the next key.
 *
 * Failure: a bad post or completion closes the path.  When the connections are drained
 * what waits is flushed: answers are dropped, revocations count as done, because no queue
 * pair of the path takes anything from the client any more.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>

#include "rtrs-fault.h"
#include "rtrs-srv.h"
#include "rtrs-srv-trace.h"

/**
 * struct answer - the work requests of one answer
 * @first: head of the chain
 * @nr: length of the chain
 * @data_sge: data of a READ
 * @data: RDMA WRITE of them
 * @inval: SEND WITH INVALIDATE of the client's key
 * @reg: registration of the chunk under its new key
 * @rkey_sge: message with the key of the chunk
 * @rsp: the answer itself
 *
 * On the stack: posting copies all of it.
 */
struct answer {
	struct ib_send_wr	*first;
	unsigned int		nr;
	struct ib_sge		data_sge;
	struct ib_rdma_wr	data;
	struct ib_send_wr	inval;
	struct ib_reg_wr	reg;
	struct ib_sge		rkey_sge;
	struct ib_rdma_wr	rsp;
};

static bool has_data(const struct rtrs_srv_slot *slot)
{
	return !slot->err && slot->hdr.has_desc;
}

/* Does the answer bring a key?  Short answers leave out one that stays as it is. */
static bool has_key(const struct rtrs_srv_slot *slot)
{
	return rtrs_srv_conf.new_rkey &&
	       (slot->revoked || !(slot->con->path->ext & RTRS_EXT_SHORT_ANSWER));
}

/* Data and immediate can be one message when nothing has to come between them. */
static bool data_with_imm(const struct rtrs_srv_slot *slot)
{
	return has_data(slot) && !slot->hdr.need_inval && !has_key(slot);
}

static unsigned int nr_answer_wrs(const struct rtrs_srv_slot *slot)
{
	return (has_data(slot) && !data_with_imm(slot)) + slot->hdr.need_inval +
	       slot->revoked + 1;
}

static void push(struct answer *answer, struct ib_send_wr *wr)
{
	wr->next = answer->first;
	answer->first = wr;
	answer->nr++;
}

static void fill_data(struct answer *answer, struct ib_rdma_wr *wr,
		      const struct rtrs_srv_slot *slot)
{
	answer->data_sge = (struct ib_sge) {
		.addr	= rtrs_srv_slot_chunk(slot)->dma,
		.length	= slot->hdr.desc_len,
		.lkey	= slot->con->path->dev_user.pd->local_dma_lkey,
	};
	wr->wr.sg_list = &answer->data_sge;
	wr->wr.num_sge = 1;
	wr->remote_addr = slot->hdr.desc_addr;
	wr->rkey = slot->hdr.desc_key;
}

static void push_rsp(struct answer *answer, const struct rtrs_srv_slot *slot)
{
	enum rtrs_imm_type type = slot->hdr.need_inval ? RTRS_IO_RSP_W_INV_IMM : RTRS_IO_RSP_IMM;
	struct rtrs_srv_path *path = slot->con->path;
	u32 imm = rtrs_imm_pack_rsp(type, slot->req.slot, slot->err);

	answer->rsp = (struct ib_rdma_wr) {
		.wr.opcode	= IB_WR_RDMA_WRITE_WITH_IMM,
		.wr.ex.imm_data	= cpu_to_be32(imm),
	};
	if (data_with_imm(slot)) {
		fill_data(answer, &answer->rsp, slot);
	} else if (rtrs_srv_conf.new_rkey) {
		rtrs_srv_bufs_rkey_sge(&path->bufs, slot->req.slot, &answer->rkey_sge);
		answer->rkey_sge.lkey = path->dev_user.pd->local_dma_lkey;
		answer->rsp.wr.opcode = IB_WR_SEND_WITH_IMM;
		answer->rsp.wr.sg_list = &answer->rkey_sge;
		answer->rsp.wr.num_sge = 1;
	}
	push(answer, &answer->rsp.wr);
}

static void push_data(struct answer *answer, const struct rtrs_srv_slot *slot)
{
	answer->data = (struct ib_rdma_wr) { .wr.opcode = IB_WR_RDMA_WRITE };
	fill_data(answer, &answer->data, slot);
	push(answer, &answer->data.wr);
}

static void push_inval(struct answer *answer, const struct rtrs_srv_slot *slot)
{
	answer->inval = (struct ib_send_wr) {
		.opcode			= IB_WR_SEND_WITH_INV,
		.ex.invalidate_rkey	= slot->hdr.desc_key,
	};
	push(answer, &answer->inval);
}

static void push_reg(struct answer *answer, const struct rtrs_srv_slot *slot)
{
	rtrs_srv_mr_reg_wr(slot->con->path->bufs.mrs[slot->req.slot], &answer->reg);
	push(answer, &answer->reg.wr);
}

/* Back to front: the last link first. */
static void build(struct answer *answer, const struct rtrs_srv_slot *slot)
{
	answer->first = NULL;
	answer->nr = 0;

	push_rsp(answer, slot);
	if (slot->revoked)
		push_reg(answer, slot);
	if (slot->hdr.need_inval)
		push_inval(answer, slot);
	if (has_data(slot) && !data_with_imm(slot))
		push_data(answer, slot);
}

/* The slot is idle, or another's, before the first work request leaves. */
static void post_answer(struct rtrs_srv_con *con, struct rtrs_srv_slot *slot)
{
	struct answer answer;
	int err;

	lockdep_assert_held(&con->lock);

	if (slot->revoked)
		rtrs_srv_bufs_rekey(&con->path->bufs, con->path->dev, slot->req.slot);
	build(&answer, slot);
	if (!has_data(slot))
		trace_send_io_resp_imm(slot, answer.nr);
	rtrs_srv_slot_release(slot);
	if (rtrs_fault(RTRS_FAULT_ANSWER))
		return;

	err = rtrs_srv_con_post(con, answer.first);
	if (err)
		rtrs_srv_path_fail(con->path, "posting an answer failed", err);
}

static void post_revoke(struct rtrs_srv_con *con, struct rtrs_srv_slot *slot)
{
	struct ib_send_wr wr = {
		.wr_cqe			= &slot->revoke_cqe,
		.opcode			= IB_WR_LOCAL_INV,
		.send_flags		= IB_SEND_SIGNALED,
		.ex.invalidate_rkey	= con->path->bufs.mrs[slot->req.slot]->rkey,
	};
	int err;

	lockdep_assert_held(&con->lock);

	/* Returned by its own completion, hence not counted by rtrs_srv_con_post(). */
	con->credits--;
	err = rtrs_con_post_send(&con->base, &wr);
	if (!err)
		return;

	list_add_tail(&slot->entry, &con->waiting);
	rtrs_srv_path_fail(con->path, "posting a revocation failed", err);
}

static unsigned int wrs_due(const struct rtrs_srv_slot *slot)
{
	return slot->wait == RTRS_SRV_WAIT_ANSWER ? nr_answer_wrs(slot) : 1;
}

/*
 * Post what is due for a slot, or let it wait for credits or for the flush.  Returns
 * the number of requests that have ended.
 */
static unsigned int post_or_wait(struct rtrs_srv_con *con, struct rtrs_srv_slot *slot)
{
	lockdep_assert_held(&con->lock);

	if (con->stopped || !list_empty(&con->waiting) || con->credits < wrs_due(slot)) {
		list_add_tail(&slot->entry, &con->waiting);
		return 0;
	}
	if (slot->wait == RTRS_SRV_WAIT_REVOKE) {
		post_revoke(con, slot);
		return 0;
	}
	post_answer(con, slot);
	return 1;
}

static unsigned int post_waiting(struct rtrs_srv_con *con)
{
	struct rtrs_srv_slot *slot;
	unsigned int ended = 0;

	lockdep_assert_held(&con->lock);

	while (!con->stopped && !list_empty(&con->waiting)) {
		slot = list_first_entry(&con->waiting, struct rtrs_srv_slot, entry);
		if (con->credits < wrs_due(slot))
			break;
		list_del(&slot->entry);
		if (slot->wait == RTRS_SRV_WAIT_REVOKE) {
			post_revoke(con, slot);
			break;	/* it may wait again; its completion comes back here */
		}
		post_answer(con, slot);
		ended++;
	}
	return ended;
}

/* Credits have come back; the completion queue keeps the connection. */
static void return_credits(struct rtrs_srv_con *con, u32 credits)
{
	unsigned int ended;
	unsigned long flags;

	spin_lock_irqsave(&con->lock, flags);
	con->credits += credits;
	ended = post_waiting(con);
	ended += rtrs_srv_short_post(con);
	spin_unlock_irqrestore(&con->lock, flags);
	if (ended)
		percpu_ref_put_many(&con->path->inflight, ended);
}

/**
 * rtrs_srv_rsp_send_done - every n-th send, or one that has failed
 * @cq: completion queue of the connection
 * @wc: completion
 *
 * Context: process (workqueue of the completion queue).
 */
void rtrs_srv_rsp_send_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_srv_con *con = container_of(wc->wr_cqe, struct rtrs_srv_con, send_cqe);

	if (unlikely(wc->status != IB_WC_SUCCESS)) {
		rtrs_srv_path_fail_wc(con->path, "send", wc);
		return;
	}
	/* More answers have left before the device was through with this one. */
	if (READ_ONCE(con->answers) != READ_ONCE(con->answers_then))
		WRITE_ONCE(con->crowded, RTRS_SRV_CROWD);
	return_credits(con, con->signal_interval);
}

/**
 * rtrs_srv_rsp_short_done - a message of short answers has arrived, or failed
 * @cq: completion queue of the connection
 * @wc: completion
 *
 * Context: process (workqueue of the completion queue).
 */
void rtrs_srv_rsp_short_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_srv_con *con = container_of(wc->wr_cqe, struct rtrs_srv_con, short_cqe);

	if (unlikely(wc->status != IB_WC_SUCCESS)) {
		rtrs_srv_path_fail_wc(con->path, "send", wc);
		return;
	}
	/* Only cleared here; set under the lock, by whoever sees it clear. */
	WRITE_ONCE(con->short_out, false);
	if (con->crowded && list_empty_careful(&con->held))
		WRITE_ONCE(con->crowded, con->crowded - 1);
	return_credits(con, 1);
}

static void start_revoke(struct rtrs_srv_slot *slot, void (*revoked)(struct rtrs_srv_req *req))
{
	struct rtrs_srv_con *con = slot->con;
	unsigned long flags;
	bool drained;

	slot->on_revoked = revoked;
	slot->wait = RTRS_SRV_WAIT_REVOKE;

	spin_lock_irqsave(&con->lock, flags);
	drained = con->drained;
	if (!drained)
		post_or_wait(con, slot);
	spin_unlock_irqrestore(&con->lock, flags);

	if (drained)
		revoked(&slot->req);
}

static void revoke_failed(struct rtrs_srv_slot *slot, const struct ib_wc *wc)
{
	struct rtrs_srv_con *con = slot->con;
	unsigned long flags;

	rtrs_srv_path_fail_wc(con->path, "revocation", wc);

	/* The flush, which follows the completions of the queue pair, goes on with it. */
	spin_lock_irqsave(&con->lock, flags);
	list_add_tail(&slot->entry, &con->waiting);
	spin_unlock_irqrestore(&con->lock, flags);
}

/**
 * rtrs_srv_rsp_revoke_done - the key of a chunk was revoked
 * @cq: completion queue of the connection
 * @wc: completion
 *
 * Context: process (workqueue of the completion queue).
 */
void rtrs_srv_rsp_revoke_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_srv_slot *slot = container_of(wc->wr_cqe, struct rtrs_srv_slot, revoke_cqe);

	if (unlikely(wc->status != IB_WC_SUCCESS)) {
		revoke_failed(slot, wc);
		return;
	}
	slot->revoked = true;
	return_credits(slot->con, 1);
	slot->on_revoked(&slot->req);
}

/**
 * rtrs_srv_revoke - take the client's access to the chunk of a request away
 * @req: request, owned by the caller
 * @revoked: called exactly once if 0 is returned, possibly before the return: nobody
 *	but the caller can change the data from now on.  Process context, may sleep
 *	briefly.  Also called when the path is lost meanwhile.
 *
 * The client gets a new key with the answer.
 *
 * Context: process.
 *
 * Return: 0; -EOPNOTSUPP if the module runs with always_invalidate=N, then @revoked is
 * not called.
 */
int rtrs_srv_revoke(struct rtrs_srv_req *req, void (*revoked)(struct rtrs_srv_req *req))
{
	struct rtrs_srv_slot *slot = rtrs_srv_req_slot(req);

	if (!rtrs_srv_conf.new_rkey)
		return -EOPNOTSUPP;

	if (slot->revoked)
		revoked(req);
	else
		start_revoke(slot, revoked);
	return 0;
}
EXPORT_SYMBOL_GPL(rtrs_srv_revoke);

static unsigned int take_answer(struct rtrs_srv_con *con, struct rtrs_srv_slot *slot)
{
	lockdep_assert_held(&con->lock);

	WRITE_ONCE(con->answers, con->answers + 1);
	if (!READ_ONCE(con->crowded) || !rtrs_srv_short_fits(slot))
		return post_or_wait(con, slot);

	list_add_tail(&slot->entry, &con->held);
	return rtrs_srv_short_post(con);
}

/**
 * rtrs_srv_respond - answer a request
 * @req: request, owned by the caller until now; not to be touched afterwards
 * @err: 0 or a negative errno; what does not fit the wire becomes EIO (17.12)
 *
 * Successful READs send @req->rsp_len bytes of the chunk.  The answer is dropped if the
 * path has gone.
 *
 * Context: any.
 */
void rtrs_srv_respond(struct rtrs_srv_req *req, int err)
{
	struct rtrs_srv_slot *slot = rtrs_srv_req_slot(req);
	struct rtrs_srv_con *con = slot->con;
	struct rtrs_srv_path *path = con->path;
	unsigned int ended = 0;
	unsigned long flags;
	bool drained;

	trace_rtrs_srv_req_done(slot, err);
	slot->err = err;
	slot->wait = RTRS_SRV_WAIT_ANSWER;
	rtrs_stats_add(path->stats, req->dir == DMA_TO_DEVICE ? RTRS_STAT_WRITE : RTRS_STAT_READ,
		       slot->req_off);
	if (has_data(slot))
		ib_dma_sync_single_for_device(path->dev->ib_dev, rtrs_srv_slot_chunk(slot)->dma,
					      slot->hdr.desc_len, DMA_BIDIRECTIONAL);

	spin_lock_irqsave(&con->lock, flags);
	drained = con->drained;
	if (!drained)
		ended = take_answer(con, slot);
	spin_unlock_irqrestore(&con->lock, flags);

	if (drained)
		rtrs_srv_slot_drop(slot);
	else if (ended)
		percpu_ref_put_many(&path->inflight, ended);
}
EXPORT_SYMBOL_GPL(rtrs_srv_respond);

/**
 * rtrs_srv_rsp_flush - end what waits on a connection
 * @con: connection, drained like all others of its path, or never created
 *
 * Context: process, may sleep.
 */
void rtrs_srv_rsp_flush(struct rtrs_srv_con *con)
{
	struct rtrs_srv_slot *slot, *next;
	LIST_HEAD(waiting);

	spin_lock_irq(&con->lock);
	con->drained = true;
	list_splice_init(&con->waiting, &waiting);
	list_splice_tail_init(&con->held, &waiting);
	spin_unlock_irq(&con->lock);

	list_for_each_entry_safe(slot, next, &waiting, entry) {
		list_del(&slot->entry);
		if (slot->wait == RTRS_SRV_WAIT_REVOKE)
			slot->on_revoked(&slot->req);
		else
			rtrs_srv_slot_drop(slot);
	}
}
