// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Queue pair and completion queue of one connection.
 *
 * Purpose: the only place that creates, drains and destroys them, and the only
 * caller of the post verbs.
 *
 * Normal operation: one completion queue, large enough for every work request of
 * both directions, serves the queue pair; it cannot overflow while the owner keeps
 * to rtrs_con.send_wr_max and rtrs_con.recv_wr_max.
 *
 * Failure: a work request that fails moves the queue pair to the error state and
 * all others come back flushed.  The owner sees a bad completion or an errno of a
 * post and enters its error door; nothing is repaired here.
 */
#include <linux/delay.h>
#include <linux/export.h>

#include "rtrs-pri.h"

/* rtrs_con_drain() posts one work request to each queue, however full it is. */
#define DRAIN_WRS	1

#define RECV_CHAIN	16	/* receives posted at once */

/*
 * The peer's first message may overtake the CM's ready-to-use message, and that one
 * may be lost: let the CM know that the connection works.  Other events are followed
 * by flushed work requests, which is where the owner notices.
 */
static void qp_event(struct ib_event *event, void *context)
{
	struct rtrs_con *con = context;

	if (event->event == IB_EVENT_COMM_EST)
		rdma_notify(con->cm_id, event->event);
}

static u32 granted_wr(u32 wanted, const struct ib_device *ib_dev)
{
	return min_t(u32, wanted, ib_dev->attrs.max_qp_wr - DRAIN_WRS);
}

static int create_cq(struct rtrs_con *con, const struct rtrs_con_attr *attr)
{
	struct ib_device *ib_dev = con->dev->ib_dev;
	u32 cqes = con->send_wr_max + con->recv_wr_max + 2 * DRAIN_WRS;
	struct ib_cq *cq;

	if (cqes > ib_dev->attrs.max_cqe)
		return -ENOMEM;

	cq = ib_alloc_cq(ib_dev, attr->cq_priv, cqes,
			 attr->comp_vector % ib_dev->num_comp_vectors, attr->poll_ctx);
	if (IS_ERR(cq))
		return PTR_ERR(cq);

	con->cq = cq;
	return 0;
}

static int create_qp(struct rtrs_con *con, const struct rtrs_con_attr *attr)
{
	struct ib_qp_init_attr init = {
		.event_handler		= qp_event,
		.qp_context		= con,
		.send_cq		= con->cq,
		.recv_cq		= con->cq,
		.sq_sig_type		= IB_SIGNAL_REQ_WR,
		.qp_type		= IB_QPT_RC,
		.cap.max_send_wr	= con->send_wr_max + DRAIN_WRS,
		.cap.max_recv_wr	= con->recv_wr_max + DRAIN_WRS,
		.cap.max_send_sge	= min(attr->max_send_sge, con->dev->max_send_sge),
		.cap.max_recv_sge	= 1,
	};
	int err;

	err = rdma_create_qp(con->cm_id, attr->pd, &init);
	if (err)
		return err;

	con->qp = con->cm_id->qp;
	return 0;
}

/**
 * rtrs_con_create - give a connection its completion queue and queue pair
 * @con: connection; @con->cm_id is bound to the device of @dev
 * @dev: device, held by the caller until after rtrs_con_destroy()
 * @attr: sizes
 *
 * Afterwards receives may be posted, and sends once the connection is established.
 * What was granted is in @con->send_wr_max and @con->recv_wr_max.
 *
 * Context: process, may sleep.
 *
 * Return: 0; -EINVAL if the CM id is on another device; another negative errno.
 * On failure there is nothing to destroy.
 */
int rtrs_con_create(struct rtrs_con *con, struct rtrs_dev *dev,
		    const struct rtrs_con_attr *attr)
{
	int err;

	con->dev = dev;
	con->send_wr_max = granted_wr(attr->max_send_wr, dev->ib_dev);
	con->recv_wr_max = granted_wr(attr->max_recv_wr, dev->ib_dev);

	err = create_cq(con, attr);
	if (err)
		return err;

	err = create_qp(con, attr);
	if (err)
		rtrs_con_destroy(con);
	return err;
}
EXPORT_SYMBOL_GPL(rtrs_con_create);

/* The marker behind all work requests of one queue. */
struct drain {
	struct ib_cqe	cqe;
	bool		done;
};

static void drain_done(struct ib_cq *cq, struct ib_wc *wc)
{
	container_of(wc->wr_cqe, struct drain, cqe)->done = true;
}

static void poll_until_drained(struct rtrs_con *con, const struct drain *drain)
{
	while (!drain->done) {
		if (!ib_process_cq_direct(con->cq, -1))
			usleep_range(50, 100);
	}
}

/*
 * The functions of the core sleep for 100 ms before they look at a polled completion
 * queue, twice for each connection.
 * Return: whether it could be done; the core's functions know devices that do not take
 * work requests any more.
 */
static bool drain_polled(struct rtrs_con *con)
{
	struct ib_qp_attr attr = { .qp_state = IB_QPS_ERR };
	struct drain rdrain = { .cqe.done = drain_done };
	struct drain sdrain = { .cqe.done = drain_done };
	struct ib_recv_wr rwr = { .wr_cqe = &rdrain.cqe };
	struct ib_rdma_wr swr = {
		.wr.wr_cqe	= &sdrain.cqe,
		.wr.opcode	= IB_WR_RDMA_WRITE,
		.wr.send_flags	= IB_SEND_SIGNALED,
	};

	if (ib_modify_qp(con->qp, &attr, IB_QP_STATE) || rtrs_con_post_recv(con, &rwr))
		return false;
	poll_until_drained(con, &rdrain);
	if (rtrs_con_post_send(con, &swr.wr))
		return false;
	poll_until_drained(con, &sdrain);
	return true;
}

/**
 * rtrs_con_drain - wait until every posted work request has completed
 * @con: connection, created or not
 *
 * Moves the queue pair to the error state.  When it returns the callbacks of all work
 * requests have run.  Receives go first: their callbacks may still post sends, which
 * are then drained as well.  Nobody else may post meanwhile, and no callback may post
 * another receive for one that did not succeed.
 *
 * Context: process, may sleep.  Not from a completion callback.
 */
void rtrs_con_drain(struct rtrs_con *con)
{
	if (!con->qp)
		return;
	if (con->cq->poll_ctx == IB_POLL_DIRECT && drain_polled(con))
		return;

	ib_drain_rq(con->qp);
	ib_drain_sq(con->qp);
}
EXPORT_SYMBOL_GPL(rtrs_con_drain);

/**
 * rtrs_con_destroy - take queue pair and completion queue away
 * @con: connection, created or not, drained if anything was ever posted
 *
 * The CM id stays.  May be called twice.
 *
 * Context: process, may sleep.
 */
void rtrs_con_destroy(struct rtrs_con *con)
{
	if (con->qp) {
		rdma_destroy_qp(con->cm_id);
		con->qp = NULL;
	}
	if (con->cq) {
		ib_free_cq(con->cq);
		con->cq = NULL;
	}
}
EXPORT_SYMBOL_GPL(rtrs_con_destroy);

/**
 * rtrs_con_post_send - post a chain of send work requests
 * @con: connection
 * @first: chain; copied, may be reused at once
 *
 * Context: any.
 *
 * Return: 0 or a negative errno, after which an unknown part of the chain was posted
 * and the connection must be given up.
 */
int rtrs_con_post_send(struct rtrs_con *con, struct ib_send_wr *first)
{
	return ib_post_send(con->qp, first, NULL);
}
EXPORT_SYMBOL_GPL(rtrs_con_post_send);

/**
 * rtrs_con_post_recv - post a chain of receives
 * @con: connection
 * @first: chain; copied, may be reused at once
 *
 * Context: any.
 *
 * Return: as rtrs_con_post_send().
 */
int rtrs_con_post_recv(struct rtrs_con *con, struct ib_recv_wr *first)
{
	return ib_post_recv(con->qp, first, NULL);
}
EXPORT_SYMBOL_GPL(rtrs_con_post_recv);

/**
 * rtrs_con_post_recv_empty - post receives without memory
 * @con: connection
 * @cqe: completion of all of them
 * @nr: how many
 *
 * Context: any.
 *
 * Return: as rtrs_con_post_send().
 */
int rtrs_con_post_recv_empty(struct rtrs_con *con, struct ib_cqe *cqe, unsigned int nr)
{
	struct ib_recv_wr wrs[RECV_CHAIN] = {};
	unsigned int i, chain;
	int err = 0;

	while (nr && !err) {
		chain = min_t(unsigned int, nr, RECV_CHAIN);
		for (i = 0; i < chain; i++) {
			wrs[i].wr_cqe = cqe;
			wrs[i].next = i + 1 < chain ? &wrs[i + 1] : NULL;
		}
		err = rtrs_con_post_recv(con, wrs);
		nr -= chain;
	}
	return err;
}
EXPORT_SYMBOL_GPL(rtrs_con_post_recv_empty);

/**
 * rtrs_con_post_imm_empty - send an immediate value and nothing else
 * @con: connection
 * @cqe: completion; the work request is signalled
 * @imm: immediate, host byte order
 *
 * An RDMA WRITE of no bytes: the peer does not look at address and key (8.2).
 *
 * Context: any.
 *
 * Return: 0 or a negative errno.
 */
int rtrs_con_post_imm_empty(struct rtrs_con *con, struct ib_cqe *cqe, u32 imm)
{
	struct ib_rdma_wr wr = {
		.wr.wr_cqe	= cqe,
		.wr.opcode	= IB_WR_RDMA_WRITE_WITH_IMM,
		.wr.send_flags	= IB_SEND_SIGNALED,
		.wr.ex.imm_data	= cpu_to_be32(imm),
	};

	return rtrs_con_post_send(con, &wr.wr);
}
EXPORT_SYMBOL_GPL(rtrs_con_post_imm_empty);
