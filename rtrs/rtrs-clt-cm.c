// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections of a path: RDMA CM, handshake, INFO exchange, and their end.
 *
 * Operation: the path's work connects in straight-line code, connection 0 first, the
 * others one by one or several side by side.  For each step it starts something at the
 * CM and sleeps until the CM's handler has stored how that ended, the path has failed or
 * is to be closed, or time is up.  The handler itself decides nothing.
 *
 * Failure: any error ends the attempt of the whole path.  An established connection
 * that ends enters the error door.  Nobody of this file runs any more once
 * rtrs_clt_cons_destroy() has returned, so events never reach a later attempt.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <net/net_namespace.h>

#include "rtrs-clt.h"

#define RESOLVE_MS		3000	/* the kernel tries no longer by itself */
#define RESOLVES		9	/* together less than a step may take */
#define RESOLVE_AGAIN		1	/* no errno: the end of the step is to ask again */
#define MIN_SGE			2	/* a buffer and the header */
#define DISCONNECT_WAIT_MS	3000	/* for the peer's part of a disconnect */
#define SILENT_WAIT_MS		1000	/* the same, when it did not react before */

/* The attempt goes on until someone changes the state. */
static bool attempt_over(const struct rtrs_clt_path *path)
{
	return rtrs_clt_path_state(path) != RTRS_CLT_CONNECTING;
}

static int attempt_errno(const struct rtrs_clt_path *path)
{
	return READ_ONCE(path->err) ?: -ECONNABORTED;
}

/* ---- CM handler ---- */

static void step_done(struct rtrs_clt_con *con, int err)
{
	con->cm_err = err;
	/* Pairs with step_wait(). */
	smp_store_release(&con->cm_pending, false);
	wake_up_all(&con->path->wait);
}

/* A violation of the protocol shows as a reset (sysfs-abi 1.2.7). */
static int cm_errno(int err)
{
	return err == -EPROTO ? -ECONNRESET : err;
}

static int take_accept(struct rtrs_clt_con *con, const struct rdma_conn_param *param)
{
	struct rtrs_conn_rsp rsp;
	int err;

	con->link = RTRS_CLT_CON_UP;
	err = rtrs_wire_get_accept(&rsp, param->private_data, param->private_data_len);
	if (!err && rsp.ext_use & ~RTRS_CLT_EXT)
		err = -EPROTO;
	if (err) {
		rtrs_clt_path_log(pr_err_ratelimited, con->path,
				  "connection %u: accept cannot be used: %pe\n",
				  con->base.cid, ERR_PTR(err));
		return cm_errno(err);
	}
	/* The accept of connection 0 holds for the path (2.4). */
	if (!con->base.cid)
		con->path->conn = rsp;
	return 0;
}

static int take_reject(struct rtrs_clt_con *con, struct rdma_cm_event *ev)
{
	const void *data;
	u8 len = 0;
	int err;

	con->link = RTRS_CLT_CON_GONE;
	data = rdma_consumer_reject_data(con->base.cm_id, ev, &len);
	err = rtrs_wire_get_reject(data, data ? len : 0);
	if (err == -EBUSY)
		rtrs_clt_path_log(pr_err_ratelimited, con->path,
				  "rejected: the server still removes the old session, retry later\n");
	else
		rtrs_clt_path_log(pr_err_ratelimited, con->path,
				  "connection %u rejected (%s): %pe\n", con->base.cid,
				  rdma_reject_msg(con->base.cm_id, ev->status), ERR_PTR(err));
	return err;
}

/* An established connection has ended, or never will be one. */
static void con_gone(struct rtrs_clt_con *con, const struct rdma_cm_event *ev)
{
	if (rtrs_clt_path_connected(con->path))
		rtrs_clt_path_log(pr_err_ratelimited, con->path, "connection %u: %s (%d)\n",
				  con->base.cid, rdma_event_msg(ev->event), ev->status);
	con->link = RTRS_CLT_CON_GONE;
	rtrs_clt_con_fail(con, -ECONNRESET);
	wake_up_all(&con->path->wait);
}

static int cm_handler(struct rdma_cm_id *cm_id, struct rdma_cm_event *ev)
{
	struct rtrs_clt_con *con = cm_id->context;
	int err;

	switch (ev->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		step_done(con, 0);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		step_done(con, take_accept(con, &ev->param.conn));
		break;
	case RDMA_CM_EVENT_REJECTED:
		err = take_reject(con, ev);
		/* Whoever waits, for this connection or another one, gets the same errno. */
		rtrs_clt_con_fail(con, err);
		step_done(con, err);
		break;
	case RDMA_CM_EVENT_ADDR_ERROR:
		step_done(con, ev->status == -ETIMEDOUT ? RESOLVE_AGAIN : -EHOSTUNREACH);
		break;
	case RDMA_CM_EVENT_ROUTE_ERROR:
		step_done(con, -EHOSTUNREACH);
		break;
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_CONNECT_ERROR:
		con->link = RTRS_CLT_CON_GONE;
		step_done(con, ev->status == -ETIMEDOUT ? -ETIMEDOUT : -ECONNRESET);
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		con->link = RTRS_CLT_CON_GONE;
		rtrs_clt_con_fail(con, -ECONNABORTED);
		break;
	default:
		con_gone(con, ev);
	}
	return 0;
}

/* ---- connect ---- */

static void step_start(struct rtrs_clt_con *con)
{
	con->cm_err = 0;
	WRITE_ONCE(con->cm_pending, true);
}

static bool step_pending(struct rtrs_clt_con *con)
{
	/* Pairs with step_done(). */
	return smp_load_acquire(&con->cm_pending);
}

static int step_wait(struct rtrs_clt_con *con)
{
	struct rtrs_clt_path *path = con->path;

	wait_event_timeout(path->wait, !step_pending(con) || attempt_over(path),
			   msecs_to_jiffies(RTRS_CM_TIMEOUT_MS));
	/* What has ended the attempt came first, and the server may have ended this step for it. */
	if (attempt_over(path))
		return attempt_errno(path);
	return step_pending(con) ? -ETIMEDOUT : con->cm_err;
}

static int create_id(struct rtrs_clt_con *con)
{
	struct rtrs_clt_path *path = con->path;
	struct rdma_cm_id *cm_id;

	con->link = RTRS_CLT_CON_IDLE;
	con->gen = path->gen;
	cm_id = rdma_create_id(&init_net, cm_handler, con,
			       path->addrs.dst.ss_family == AF_IB ? RDMA_PS_IB : RDMA_PS_TCP,
			       IB_QPT_RC);
	if (IS_ERR(cm_id))
		return PTR_ERR(cm_id);
	con->base.cm_id = cm_id;
	return 0;
}

static int ask_addr(struct rtrs_clt_con *con)
{
	struct rtrs_addr_pair *addrs = &con->path->addrs;
	struct sockaddr *src = addrs->src.ss_family == AF_UNSPEC ?
			       NULL : (struct sockaddr *)&addrs->src;

	int err;

	err = rdma_resolve_addr(con->base.cm_id, src, (struct sockaddr *)&addrs->dst, RESOLVE_MS);
	/* No RDMA device has the source address. */
	return err == -ENODEV ? -EHOSTUNREACH : err;
}

static int resolve_addr(struct rtrs_clt_con *con)
{
	return create_id(con) ?: ask_addr(con);
}

/*
 * Connection 0 decides which device and which source address the path has; all others
 * have to go the same way (2.1).
 */
static int bind_path(struct rtrs_clt_path *path, struct rdma_cm_id *cm_id)
{
	struct rtrs_dev *dev;

	dev = rtrs_dev_get(cm_id->device, &path->dev_user);
	if (IS_ERR(dev))
		return PTR_ERR(dev) == -ENODEV ? -ECONNABORTED : PTR_ERR(dev);

	path->dev = dev;
	path->max_sge = min_t(u32, dev->max_send_sge, RTRS_CLT_MAX_SGE);
	path->hca_port = cm_id->port_num;
	strscpy(path->hca_name, dev_name(&cm_id->device->dev), sizeof(path->hca_name));
	if (path->addrs.src.ss_family == AF_UNSPEC) {
		path->addrs.src = cm_id->route.addr.src_addr;
		rtrs_addr_set_port(&path->addrs.src, 0);
		rtrs_addr_format_path(&path->addrs.src, &path->addrs.dst, path->name,
				      sizeof(path->name));
	}
	return path->max_sge < MIN_SGE ? -EOPNOTSUPP : 0;
}

static int resolve_route(struct rtrs_clt_con *con)
{
	struct rdma_cm_id *cm_id = con->base.cm_id;
	int err = 0;

	if (!con->base.cid)
		err = bind_path(con->path, cm_id);
	else if (cm_id->device != con->path->dev->ib_dev)
		err = -EHOSTUNREACH;
	return err ?: rdma_resolve_route(cm_id, RTRS_CM_TIMEOUT_MS);
}

/*
 * Connection 0 is created before the queue depth is known: it has the requests of the
 * administrative queue, of which only a few are outstanding at a time, the heartbeats,
 * the INFO exchange, and a fence.
 */
static int create_queues(struct rtrs_clt_con *con)
{
	struct rtrs_clt_path *path = con->path;
	u16 cid = con->base.cid;
	struct rtrs_con_attr attr = {
		.pd		= path->dev_user.pd,
		.max_send_sge	= path->max_sge,
		.comp_vector	= cid ? cid - 1 : 0,
		.poll_ctx	= cid > path->clt->nr_irq_queues ? IB_POLL_DIRECT :
								   IB_POLL_SOFTIRQ,
		.cq_priv	= con,
	};
	int err;

	if (cid) {
		attr.max_send_wr = RTRS_CLT_SEND_WRS * path->nr_slots;
		attr.max_recv_wr = RTRS_CLT_RECV_WRS * path->nr_slots;
	} else {
		attr.max_send_wr = RTRS_CLT_SEND_WRS * RTRS_SERVICE_QUEUE_DEPTH +
				   RTRS_HB_SEND_WRS + 2;
		attr.max_recv_wr = RTRS_CLT_RECV_WRS * RTRS_SERVICE_QUEUE_DEPTH + 1;
	}
	err = rtrs_con_create(&con->base, path->dev, &attr);
	/* No attribute of a device tells how much of both fits its queues together. */
	while (err == -ENOMEM && cid && path->max_sge > MIN_SGE) {
		path->max_sge = max(path->max_sge / 2, MIN_SGE);
		attr.max_send_sge = path->max_sge;
		err = rtrs_con_create(&con->base, path->dev, &attr);
	}
	return err;
}

static int handshake(struct rtrs_clt_con *con)
{
	struct rtrs_clt_path *path = con->path;
	struct rtrs_conn_req req = {
		.cid		= con->base.cid,
		.cid_num	= path->clt->con_num,
		.recon_cnt	= con->gen,
		.sess_uuid	= path->uuid,
		.paths_uuid	= path->clt->uuid,
		.first_conn	= con->base.cid || path->first_conn,
		.ext_offer	= con->base.cid ? 0 : RTRS_CLT_EXT,
	};
	struct rtrs_msg_conn_req msg;
	struct rdma_conn_param param = {
		.retry_count		= RTRS_CM_RETRY_COUNT,
		.rnr_retry_count	= RTRS_CM_RNR_RETRY,
		.private_data		= &msg,
		.private_data_len	= sizeof(msg),
	};
	int err;

	err = create_queues(con);
	if (err)
		return err;
	rtrs_wire_put_conn_req(&msg, &req);
	con->link = RTRS_CLT_CON_STARTED;
	return rdma_connect(con->base.cm_id, &param);
}

/* The steps of each connection; the CM tells how one has ended before the next starts. */
static int (* const con_steps[])(struct rtrs_clt_con *con) = {
	resolve_addr,
	resolve_route,
	handshake,
};

/*
 * The kernel asks for a neighbour three times, a second apart, and not again before it is
 * asked to.  A host or a link that comes back later shall not be missed until the end of
 * the step.
 */
static int step_end(struct rtrs_clt_con *con)
{
	unsigned int resolves = RESOLVES;
	int err;

	err = step_wait(con);
	while (err == RESOLVE_AGAIN && --resolves) {
		step_start(con);
		err = ask_addr(con) ?: step_wait(con);
	}
	return err == RESOLVE_AGAIN ? -EHOSTUNREACH : err;
}

static int take_step(struct rtrs_clt_path *path, unsigned int step, unsigned int from,
		     unsigned int nr)
{
	unsigned int cid;
	int err = 0;

	for (cid = from; !err && cid < from + nr; cid++) {
		step_start(&path->cons[cid]);
		err = con_steps[step](&path->cons[cid]);
	}
	for (cid = from; !err && cid < from + nr; cid++)
		err = step_end(&path->cons[cid]);
	return err;
}

/**
 * rtrs_clt_cons_connect - establish some connections, side by side
 * @path: path
 * @from: number of the first, which has nothing to destroy; 0 before all others
 * @nr: how many
 *
 * Called by the path's work; sleeps up to three times %RTRS_CM_TIMEOUT_MS.
 * Return: 0 or a negative errno as sysfs-abi 1.2.7 lists them; in both cases
 * rtrs_clt_cons_destroy() has to follow one day.
 */
int rtrs_clt_cons_connect(struct rtrs_clt_path *path, unsigned int from, unsigned int nr)
{
	unsigned int step;
	int err = 0;

	for (step = 0; !err && step < ARRAY_SIZE(con_steps); step++)
		err = take_step(path, step, from, nr);
	return err;
}

/* ---- INFO exchange ---- */

static void info_completed(struct rtrs_clt_path *path)
{
	/* Completions of one queue come one at a time.  Pairs with info_pending(). */
	smp_store_release(&path->info_left, path->info_left - 1);
	wake_up_all(&path->wait);
}

static bool info_pending(struct rtrs_clt_path *path)
{
	/* Pairs with info_completed(). */
	return smp_load_acquire(&path->info_left);
}

static void info_failed(struct rtrs_clt_con *con, const struct ib_wc *wc)
{
	if (wc->status != IB_WC_WR_FLUSH_ERR)
		rtrs_clt_path_log(pr_err_ratelimited, con->path, "INFO exchange: %s\n",
				  ib_wc_status_msg(wc->status));
	rtrs_clt_con_fail(con, -ECONNRESET);
}

static void info_req_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_clt_con *con = cq->cq_context;

	if (wc->status == IB_WC_SUCCESS)
		info_completed(con->path);
	else
		info_failed(con, wc);
}

static void info_rsp_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_clt_con *con = cq->cq_context;

	if (wc->status != IB_WC_SUCCESS) {
		info_failed(con, wc);
		return;
	}
	con->path->info_len = wc->opcode == IB_WC_RECV ? wc->byte_len : 0;
	info_completed(con->path);
}

static int info_post(struct rtrs_clt_path *path)
{
	struct rtrs_con *con = &path->cons[0].base;
	size_t len = struct_size_t(struct rtrs_msg_info_rsp, desc, path->conn.queue_depth);
	int err;

	path->info_left = 2;
	path->info_req = rtrs_iu_alloc(path->dev, sizeof(struct rtrs_msg_info_req),
				       DMA_TO_DEVICE, info_req_done);
	path->info_rsp = rtrs_iu_alloc(path->dev, len, DMA_FROM_DEVICE, info_rsp_done);
	if (!path->info_req || !path->info_rsp)
		return -ENOMEM;

	rtrs_wire_put_info_req(path->info_req->buf, path->clt->name);
	err = rtrs_iu_post_recv(con, path->info_rsp);
	return err ?: rtrs_iu_post_send(con, path->info_req, sizeof(struct rtrs_msg_info_req));
}

static int info_wait(struct rtrs_clt_path *path)
{
	wait_event_timeout(path->wait, !info_pending(path) || attempt_over(path),
			   msecs_to_jiffies(RTRS_CM_TIMEOUT_MS));
	if (attempt_over(path))
		return attempt_errno(path);
	return info_pending(path) ? -ETIMEDOUT : 0;
}

static void info_free(struct rtrs_clt_path *path)
{
	rtrs_iu_free(path->info_req);
	rtrs_iu_free(path->info_rsp);
	path->info_req = NULL;
	path->info_rsp = NULL;
}

/**
 * rtrs_clt_info_exchange - tell the server our name and learn its chunks (4)
 * @path: path with all connections established
 *
 * Called by the path's work; sleeps up to %RTRS_CM_TIMEOUT_MS.
 * Return: 0, -ECONNRESET when the server does not like the name or speaks nonsense,
 * -ETIMEDOUT, -ENOMEM.
 */
int rtrs_clt_info_exchange(struct rtrs_clt_path *path)
{
	int err;

	err = info_post(path);
	if (!err)
		err = info_wait(path);
	if (err)
		return err;

	rtrs_iu_sync_cpu(path->info_rsp);
	err = rtrs_wire_get_info_rsp(path->info_rsp->buf, path->info_len, &path->conn,
				     path->chunks);
	if (err)
		rtrs_clt_path_log(pr_err_ratelimited, path, "INFO response cannot be used\n");
	info_free(path);
	return cm_errno(err);
}

/* ---- end ---- */

/**
 * rtrs_clt_cons_stop - disconnect, and wait until the device has finished with all
 * @path: path that is not CONNECTED, RCU readers waited out
 *
 * Called by the path's work.  On return no completion callback of the path runs any
 * more.
 */
void rtrs_clt_cons_stop(struct rtrs_clt_path *path)
{
	unsigned int cid;

	for (cid = 0; cid < path->clt->con_num; cid++)
		if (path->cons[cid].link != RTRS_CLT_CON_IDLE)
			rdma_disconnect(path->cons[cid].base.cm_id);
	for (cid = 0; cid < path->clt->con_num; cid++)
		if (path->cons[cid].link != RTRS_CLT_CON_IDLE)
			rtrs_con_drain(&path->cons[cid].base);
}

static bool all_gone(struct rtrs_clt_path *path)
{
	unsigned int cid;

	for (cid = 0; cid < path->clt->con_num; cid++)
		if (READ_ONCE(path->cons[cid].link) == RTRS_CLT_CON_UP)
			return false;
	return true;
}

static void con_destroy(struct rtrs_clt_con *con)
{
	if (!con->base.cm_id)
		return;
	rtrs_con_destroy(&con->base);
	rtrs_recv_ring_destroy(&con->ring);
	rdma_destroy_id(con->base.cm_id);
	con->base.cm_id = NULL;
	con->link = RTRS_CLT_CON_IDLE;
}

/**
 * rtrs_clt_cons_destroy - destroy all connections of a path
 * @path: path after rtrs_clt_cons_stop()
 *
 * Called by the path's work.  Gives the peer a bounded time to take part, so that it
 * has forgotten this attempt when the next one comes.  On return no CM handler runs.
 */
void rtrs_clt_cons_destroy(struct rtrs_clt_path *path)
{
	bool silent = READ_ONCE(path->err) == -ETIMEDOUT;
	unsigned int cid;

	wait_event_timeout(path->wait, all_gone(path),
			   msecs_to_jiffies(silent ? SILENT_WAIT_MS : DISCONNECT_WAIT_MS));
	for (cid = 0; cid < path->clt->con_num; cid++)
		con_destroy(&path->cons[cid]);
	info_free(path);
	rtrs_clt_fence_destroy(path);
}
