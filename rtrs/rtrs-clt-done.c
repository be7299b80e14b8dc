// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The second half of a request's life on the client: answer, completion, fail over.
 *
 * Operation.  A request is done when nobody can touch its memory or its slot any more:
 * the answer is there, the device has finished, and the post that took the chain of
 * work requests has returned.  These come in any order and on any CPU; each sets its bit
 * in the phase of the slot, and whoever completes the set goes on.  For data that were
 * registered going on means to post the invalidate, whose completion is the end.
 *
 * Failure.  Bad completions, and messages that were not asked for, end in the error
 * door of the path.  The path's work drains the queue pairs and then walks over the
 * slots (rtrs_clt_fail_over()): what was answered is completed, the rest is sent on
 * another path, or fails when there is none.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>

#include "rtrs-clt.h"
#include "rtrs-clt-trace.h"

#define RESEND_PAUSE_MS	3	/* when there is no room for a request on another path */

/* ---- completion ---- */

static int phase_errno(u32 phase)
{
	return -(int)((phase & RTRS_CLT_SLOT_ERR_MASK) >> RTRS_CLT_SLOT_ERR_SHIFT);
}

static bool phase_complete(u32 phase)
{
	u32 want = RTRS_CLT_SLOT_POSTED | RTRS_CLT_SLOT_ANSWERED;

	/* A registered request waits for its invalidate, which comes behind the send. */
	if (!(phase & RTRS_CLT_SLOT_REG))
		want |= RTRS_CLT_SLOT_SENT;
	return (phase & want) == want;
}

/* The slot is free from here on, the request still the transport's. */
static struct rtrs_clt_req *slot_take(struct rtrs_clt_slot *slot, int err)
{
	struct rtrs_clt_req *req = slot->req;
	struct rtrs_clt_con *con = slot->con;

	trace_rtrs_clt_req_done(slot, err);
	rtrs_clt_slot_unmap(con->path, req);
	WRITE_ONCE(req->path, NULL);
	atomic_dec(&con->inflight);
	atomic_set_release(&slot->phase, 0);
	return req;
}

static void count_migration(struct rtrs_clt_path *path, unsigned int submit_cpu)
{
	if (submit_cpu == raw_smp_processor_id())
		return;
	atomic_inc(&per_cpu_ptr(path->migration, submit_cpu)->from);
	this_cpu_inc(path->migration->to);
}

static void slot_finish(struct rtrs_clt_slot *slot, u32 phase)
{
	struct rtrs_clt_path *path = slot->con->path;
	struct rtrs_clt_req *req;

	count_migration(path, slot->cpu);
	req = slot_take(slot, phase_errno(phase));
	rtrs_stats_add(path->stats,
		       req->dir == DMA_FROM_DEVICE ? RTRS_STAT_READ : RTRS_STAT_WRITE,
		       req->msg_len + req->data_len);
	req->done(req, phase_errno(phase));
}

/* Behind a lost path the walk over the slots does it: the queue pair is going. */
static void slot_invalidate(struct rtrs_clt_slot *slot)
{
	struct rtrs_clt_con *con = slot->con;
	int err;

	if (!rtrs_clt_path_connected(con->path))
		return;
	err = rtrs_con_post_send(&con->base, &slot->inv_wr);
	if (err)
		rtrs_clt_con_fail(con, err);
}

/* One more event has arrived: @phase is what the slot has now. */
static void slot_proceed(struct rtrs_clt_slot *slot, u32 phase)
{
	if (!phase_complete(phase))
		return;
	if (phase & RTRS_CLT_SLOT_REG)
		slot_invalidate(slot);
	else
		slot_finish(slot, phase);
}

/**
 * rtrs_clt_slot_event - something that a slot waits for has happened
 * @slot: active slot
 * @event: one of RTRS_CLT_SLOT_POSTED and RTRS_CLT_SLOT_SENT, once for each request
 *
 * Any context, inside an RCU read-side section or a completion callback.  The request
 * may be completed and the slot be in use again on return.
 */
void rtrs_clt_slot_event(struct rtrs_clt_slot *slot, u32 event)
{
	slot_proceed(slot, atomic_fetch_or(event, &slot->phase) | event);
}

static void wc_failed(struct rtrs_clt_con *con, const struct ib_wc *wc, const char *what)
{
	struct rtrs_clt_path *path = con->path;

	if (wc->status != IB_WC_WR_FLUSH_ERR)
		rtrs_clt_path_log(pr_err_ratelimited, path,
				  "%s failed on connection %u [%s:%u]: %s\n", what,
				  con->base.cid, path->hca_name, path->hca_port,
				  ib_wc_status_msg(wc->status));
	rtrs_clt_con_fail(con, wc->status == IB_WC_RETRY_EXC_ERR ? -ETIMEDOUT : -ECONNRESET);
}

static void send_done(struct ib_cq *cq, struct ib_wc *wc)
{
	if (likely(wc->status == IB_WC_SUCCESS))
		rtrs_clt_slot_event(container_of(wc->wr_cqe, struct rtrs_clt_slot, send_cqe),
				    RTRS_CLT_SLOT_SENT);
	else
		wc_failed(cq->cq_context, wc, "request");
}

static void inv_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_clt_slot *slot = container_of(wc->wr_cqe, struct rtrs_clt_slot, inv_cqe);

	if (likely(wc->status == IB_WC_SUCCESS))
		slot_finish(slot, atomic_read(&slot->phase));
	else
		wc_failed(cq->cq_context, wc, "invalidation");
}

/* ---- receive ---- */

/**
 * struct message - what a receive has brought
 * @imm: immediate, host byte order
 * @nr: number of @entries; 0 when no key has come
 * @entries: chunks and their keys; more than one only as short answers
 */
struct message {
	u32				imm;
	unsigned int			nr;
	struct rtrs_msg_rkey_rsp	entries[RTRS_ANSWER_BATCH];
};

/* Bytes of an answer with keys: only AI mode has them, and more than one as short ones. */
static unsigned int answer_size(const struct rtrs_conn_rsp *conn)
{
	unsigned int entries = conn->ext_use & RTRS_EXT_SHORT_ANSWER ? RTRS_ANSWER_BATCH : 1;

	return conn->new_rkey ? entries * sizeof(struct rtrs_msg_rkey_rsp) : 0;
}

/* Checks of wire specification 17.26; must run before the buffer is posted again. */
static int get_message(struct rtrs_clt_path *path, struct rtrs_recv_slot *recv,
		       const struct ib_wc *wc, struct message *msg)
{
	msg->nr = 0;
	msg->imm = 0;
	if (!(wc->wc_flags & IB_WC_WITH_IMM))
		return -EPROTO;
	msg->imm = be32_to_cpu(wc->ex.imm_data);
	if (wc->opcode != IB_WC_RECV)
		return 0;

	if (!wc->byte_len || wc->byte_len > answer_size(&path->conn) ||
	    wc->byte_len % sizeof(msg->entries[0]))
		return -EPROTO;
	msg->nr = wc->byte_len / sizeof(msg->entries[0]);
	memcpy(msg->entries, rtrs_recv_ring_data(recv->ring, recv), wc->byte_len);
	return 0;
}

/* Does the slot wait for an answer on this connection (17.24)? */
static bool phase_awaits(u32 phase, u16 cid)
{
	const u32 mask = RTRS_CLT_SLOT_ACTIVE | RTRS_CLT_SLOT_ANSWERED | RTRS_CLT_SLOT_CID_MASK;

	return (phase & mask) == (RTRS_CLT_SLOT_ACTIVE | cid << RTRS_CLT_SLOT_CID_SHIFT);
}

/*
 * The key is stored before the slot can become free, and only for a slot that waits;
 * without one the old key stays valid.  The loop ends: the other events of a slot are
 * one each.
 */
static int answer_slot(struct rtrs_clt_con *con, u32 id, int err, const u32 *rkey)
{
	u32 event = RTRS_CLT_SLOT_ANSWERED | (u32)-err << RTRS_CLT_SLOT_ERR_SHIFT;
	struct rtrs_clt_path *path = con->path;
	struct rtrs_clt_slot *slot;
	int phase;

	if (id >= path->nr_slots)
		return -EPROTO;

	slot = &path->slots[id];
	phase = atomic_read_acquire(&slot->phase);
	do {
		if (!phase_awaits(phase, con->base.cid))
			return -EPROTO;
		if (rkey)
			path->chunks[id].rkey = *rkey;
		rtrs_clt_trace_stamp(&slot->answered_ns);
	} while (!atomic_try_cmpxchg(&slot->phase, &phase, phase | event));

	slot_proceed(slot, phase | event);
	return 0;
}

/* -ECONNABORTED is what we say ourselves of a request that no path could bring home. */
static int answer_errno(u32 imm)
{
	int err = rtrs_imm_rsp_errno(imm);

	return err == -ECONNABORTED ? -EIO : err;
}

/* The first entry belongs to the immediate, the others are further successes. */
static int answer_entry(struct rtrs_clt_con *con, const struct message *msg, unsigned int i)
{
	u16 id;
	u32 rkey;
	int err;

	err = rtrs_wire_get_rkey_rsp(&msg->entries[i], sizeof(msg->entries[i]),
				     con->path->conn.queue_depth, &id, &rkey);
	if (err)
		return err;
	if (i)
		return answer_slot(con, id, 0, &rkey);
	if (id != rtrs_imm_rsp_id(msg->imm))
		return -EPROTO;
	return answer_slot(con, id, answer_errno(msg->imm), &rkey);
}

/* In AI mode every answer brings keys, unless short answers are in force. */
static bool keys_must_come(const struct rtrs_conn_rsp *conn)
{
	return conn->new_rkey && !(conn->ext_use & RTRS_EXT_SHORT_ANSWER);
}

static int recv_answer(struct rtrs_clt_con *con, const struct message *msg)
{
	unsigned int i;
	int err = 0;

	if (!msg->nr && keys_must_come(&con->path->conn))
		return -EPROTO;
	if (!msg->nr)
		return answer_slot(con, rtrs_imm_rsp_id(msg->imm), answer_errno(msg->imm), NULL);

	for (i = 0; i < msg->nr && !err; i++)
		err = answer_entry(con, msg, i);
	return err;
}

static int handle_message(struct rtrs_clt_con *con, const struct message *msg)
{
	unsigned int type = rtrs_imm_type(msg->imm);

	switch (type) {
	case RTRS_IO_RSP_IMM:
		return recv_answer(con, msg);
	case RTRS_HB_MSG_IMM:
	case RTRS_HB_ACK_IMM:
		if (msg->nr)
			return -EPROTO;
		rtrs_hb_recv(&con->path->hb, type);
		return 0;
	default:
		/* RTRS_IO_RSP_W_INV_IMM too: no request ever asks for it (17.25) */
		return -EPROTO;
	}
}

/* Is somebody interested?  When a path goes down its receives are not replaced. */
static bool path_listens(const struct rtrs_clt_path *path)
{
	enum rtrs_clt_state state = rtrs_clt_path_state(path);

	return state == RTRS_CLT_CONNECTED || state == RTRS_CLT_CONNECTING;
}

static int recv_message(struct rtrs_clt_con *con, struct rtrs_recv_slot *recv,
			const struct ib_wc *wc)
{
	struct message msg;
	int err;

	err = get_message(con->path, recv, wc, &msg);
	if (!err)
		err = rtrs_recv_ring_repost(recv->ring, recv);
	return err ?: handle_message(con, &msg);
}

static bool is_fence_ack(const struct rtrs_clt_con *con, const struct ib_wc *wc)
{
	return !con->base.cid && wc->opcode == IB_WC_RECV && !(wc->wc_flags & IB_WC_WITH_IMM) &&
	       con->path->conn.ext_use & RTRS_EXT_PATH_FENCE;
}

static int recv_fence_ack(struct rtrs_clt_con *con, struct rtrs_recv_slot *recv,
			  const struct ib_wc *wc)
{
	int err;

	err = rtrs_clt_fence_recv(con->path, rtrs_recv_ring_data(recv->ring, recv),
				  wc->byte_len);
	return err ?: rtrs_recv_ring_repost(recv->ring, recv);
}

static void recv_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_recv_slot *recv = container_of(wc->wr_cqe, struct rtrs_recv_slot, cqe);
	struct rtrs_clt_con *con = cq->cq_context;
	struct rtrs_clt_path *path = con->path;
	int err;

	if (unlikely(wc->status != IB_WC_SUCCESS)) {
		wc_failed(con, wc, "receive");
		return;
	}
	if (unlikely(!path_listens(path)))
		return;

	rtrs_hb_alive(&path->hb);
	err = is_fence_ack(con, wc) ? recv_fence_ack(con, recv, wc)
				    : recv_message(con, recv, wc);
	if (unlikely(err)) {
		rtrs_clt_path_log(pr_err_ratelimited, path,
				  "bad message on connection %u: opcode %d, immediate %#x, %u bytes: %pe\n",
				  con->base.cid, wc->opcode, be32_to_cpu(wc->ex.imm_data),
				  wc->byte_len, ERR_PTR(err));
		rtrs_clt_con_fail(con, err);
	}
}

/* Bytes of a receive after the INFO exchange. */
static unsigned int recv_size(const struct rtrs_clt_con *con)
{
	const struct rtrs_conn_rsp *conn = &con->path->conn;
	unsigned int size = answer_size(conn);

	if (!con->base.cid && conn->ext_use & RTRS_EXT_PATH_FENCE)
		size = max_t(unsigned int, size, sizeof(struct rtrs_msg_fence));
	return size;
}

/**
 * rtrs_clt_recv_start - post the receives of a connection
 * @con: connection after the INFO exchange, before the first request
 *
 * May sleep.
 * Return: 0 or a negative errno; the ring is destroyed with the connection.
 */
int rtrs_clt_recv_start(struct rtrs_clt_con *con)
{
	struct rtrs_clt_path *path = con->path;
	unsigned int nr = RTRS_CLT_RECV_WRS *
			  (con->base.cid ? path->nr_slots : RTRS_SERVICE_QUEUE_DEPTH);
	int err;

	err = rtrs_recv_ring_create(&con->ring, &con->base, nr, recv_size(con), recv_done);
	return err ?: rtrs_recv_ring_post_all(&con->ring);
}

/**
 * rtrs_clt_slot_init - set what is the same in all requests of a slot
 * @slot: slot with its registration
 *
 * Any context.
 */
void rtrs_clt_slot_init(struct rtrs_clt_slot *slot)
{
	slot->send_cqe.done = send_done;
	slot->inv_cqe.done = inv_done;
	slot->reg_wr = (struct ib_reg_wr) {
		.wr.opcode	= IB_WR_REG_MR,
		.wr.wr_cqe	= &slot->send_cqe,
		.wr.next	= &slot->rdma_wr.wr,
		.mr		= slot->mr,
	};
	slot->rdma_wr = (struct ib_rdma_wr) {
		.wr.opcode	= IB_WR_RDMA_WRITE_WITH_IMM,
		.wr.wr_cqe	= &slot->send_cqe,
		.wr.sg_list	= slot->sge,
	};
	slot->inv_wr = (struct ib_send_wr) {
		.opcode		= IB_WR_LOCAL_INV,
		.wr_cqe		= &slot->inv_cqe,
		.send_flags	= IB_SEND_SIGNALED,
	};
}

/* ---- failure ---- */

/* The key goes before the memory is given back. */
static void slot_abort(struct rtrs_clt_path *path, struct rtrs_clt_slot *slot,
		       struct list_head *lost)
{
	u32 phase = atomic_read_acquire(&slot->phase);
	bool answered = phase & RTRS_CLT_SLOT_ANSWERED;
	struct rtrs_clt_req *req;

	if (!phase)
		return;
	if (phase & RTRS_CLT_SLOT_REG)
		rtrs_clt_slot_dereg(slot);
	req = slot_take(slot, answered ? phase_errno(phase) : -ECONNABORTED);
	if (answered)
		req->done(req, phase_errno(phase));
	else
		list_add_tail(&req->lost, lost);
}

/* Over its own link only: the server may have forgotten what the request speaks of. */
static int send_again(struct rtrs_clt_path *path, struct rtrs_clt_req *req)
{
	struct rtrs_clt_batch batch = {};
	int err = -ECONNABORTED;

	rcu_read_lock();
	if (rtrs_clt_link_lasts(path))
		err = rtrs_clt_request(path->clt, req, &batch);
	rtrs_clt_batch_post(&batch);
	rcu_read_unlock();
	return err;
}

/* Room that is short for a moment is waited for, at most until the request times out. */
static int resend(struct rtrs_clt_path *path, struct rtrs_clt_req *req)
{
	int err;

	while ((err = send_again(path, req)) == -ENOMEM &&
	       READ_ONCE(req->fate) == RTRS_CLT_RESEND)
		msleep(RESEND_PAUSE_MS);
	if (!err)
		this_cpu_inc(path->stats->failover);
	return err;
}

/* Those that were abandoned end.  The others go out again, or come to @given_up. */
static void resend_lost(struct rtrs_clt_path *path, struct list_head *lost,
			struct list_head *given_up, int err)
{
	struct rtrs_clt_req *req, *next;
	enum rtrs_clt_fate fate;

	list_for_each_entry_safe(req, next, lost, lost) {
		fate = READ_ONCE(req->fate);
		if (fate == RTRS_CLT_ABANDON)
			req->done(req, -ETIMEDOUT);
		else if (fate == RTRS_CLT_FAIL || err || resend(path, req))
			list_add_tail(&req->lost, given_up);
	}
}

static void end_given_up(struct list_head *given_up)
{
	struct rtrs_clt_req *req, *next;

	list_for_each_entry_safe(req, next, given_up, lost)
		req->done(req, READ_ONCE(req->fate) == RTRS_CLT_RESEND ? -ECONNABORTED
								       : -ETIMEDOUT);
}

/**
 * rtrs_clt_fail_over - find another way for everything outstanding on a path
 * @path: path that is not CONNECTED, RCU readers waited out, queue pairs drained
 *
 * May sleep, until the server has put the path out of service, and is done with requests
 * that are given up.  Afterwards all slots are idle.
 */
void rtrs_clt_fail_over(struct rtrs_clt_path *path)
{
	LIST_HEAD(given_up);
	LIST_HEAD(lost);
	unsigned int i;
	int err;

	if (!path->slots)
		return;
	for (i = 0; i < path->nr_slots; i++)
		slot_abort(path, &path->slots[i], &lost);
	if (list_empty(&lost))
		return;

	err = rtrs_clt_fence_lost(path);
	resend_lost(path, &lost, &given_up, err);
	if (!err && !list_empty(&given_up))
		err = rtrs_clt_fence_drain(path);
	if (!err)
		rtrs_clt_fence_forget(path);
	end_given_up(&given_up);
}

/**
 * rtrs_clt_inflight - count the requests on a path
 * @path: path
 *
 * Any context.
 * Return: their number, as exact as a moving number can be.
 */
unsigned int rtrs_clt_inflight(const struct rtrs_clt_path *path)
{
	unsigned int i, nr = 0;

	for (i = 0; i < path->nr_slots; i++)
		nr += !!atomic_read(&path->slots[i].phase);
	return nr;
}
