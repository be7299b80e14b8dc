// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * INFO exchange: how a path becomes connected (wire specification, 4.4).
 *
 * Normal operation: the client sends its name when all its connections are up.  A work
 * takes it from there, because the upper layer and the fence may take their time:
 * receives, name, fence, session up, CONNECTED, heartbeat, and last one chain that
 * registers all memory and sends INFO_RSP.  Nothing else is on connection 0 before.
 *
 * Failure: no answer; the path is closed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include "rtrs-srv.h"

/**
 * rtrs_srv_info_req_done - the first message of connection 0
 * @cq: completion queue of the connection
 * @wc: completion
 *
 * Context: process (workqueue of the completion queue).
 */
void rtrs_srv_info_req_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_srv_con *con = cq->cq_context;
	struct rtrs_srv_path *path = con->path;
	int err = -EPROTO;

	if (wc->status != IB_WC_SUCCESS) {
		rtrs_srv_path_fail_wc(path, "receive of INFO_REQ", wc);
		return;
	}

	rtrs_iu_sync_cpu(path->info_req);
	if (wc->opcode == IB_WC_RECV && !(wc->wc_flags & IB_WC_WITH_IMM))
		err = rtrs_wire_get_info_req(path->info_req->buf, wc->byte_len);
	if (err)
		rtrs_srv_path_fail(path, "bad INFO_REQ", err);
	else
		queue_work(rtrs_srv_up_wq, &path->up_work);
}

static int post_recvs(struct rtrs_srv_path *path)
{
	unsigned int i;
	int err = 0;

	lockdep_assert_held(&path->con_lock);

	for (i = 0; i < path->nr_cons && !err; i++) {
		if (path->cons[i].base.cm_id)
			err = rtrs_srv_con_post_recvs(&path->cons[i]);
		else
			err = -ENOTCONN;
	}
	return err;
}

/*
 * The client has connected everything in time, and all of it is still there.  No
 * connection can start the timer again, because all numbers are in use.
 */
static int prepare_cons(struct rtrs_srv_path *path)
{
	int err = -ECONNRESET;

	mutex_lock(&path->con_lock);
	if (rtrs_srv_path_state(path) == RTRS_SRV_CONNECTING)
		err = post_recvs(path);
	if (!err)
		cancel_delayed_work(&path->half_open);
	mutex_unlock(&path->con_lock);
	return err;
}

static int set_name(struct rtrs_srv_path *path)
{
	const struct rtrs_msg_info_req *msg = path->info_req->buf;

	return rtrs_srv_sess_set_name(path, (const char *)msg->pathname);
}

static int set_connected(struct rtrs_srv_path *path)
{
	if (!rtrs_srv_path_set_state(path, RTRS_SRV_CONNECTED))
		return -ECONNRESET;

	rtrs_srv_sysfs_path_state(path);
	return 0;
}

static struct ib_send_wr *chain_regs(struct rtrs_srv_path *path, struct ib_reg_wr *regs,
				     struct ib_send_wr *last)
{
	unsigned int i = path->bufs.nr_mrs;

	while (i--) {
		rtrs_srv_mr_reg_wr(path->bufs.mrs[i], &regs[i]);
		regs[i].wr.next = last;
		last = &regs[i].wr;
	}
	return last;
}

static int post_chain(struct rtrs_srv_con *con, struct ib_send_wr *first)
{
	int err = -ECONNRESET;

	spin_lock_irq(&con->lock);
	if (!con->stopped)
		err = rtrs_srv_con_post(con, first);
	spin_unlock_irq(&con->lock);
	return err;
}

static int send_info_rsp(struct rtrs_srv_path *path)
{
	struct rtrs_iu *iu = path->info_rsp;
	struct ib_sge sge = {
		.addr	= iu->dma,
		.length	= iu->size,
		.lkey	= path->dev_user.pd->local_dma_lkey,
	};
	struct ib_send_wr send = {
		.sg_list	= &sge,
		.num_sge	= 1,
		.opcode		= IB_WR_SEND,
	};
	struct ib_reg_wr *regs;
	int err;

	regs = kvcalloc(path->bufs.nr_mrs, sizeof(*regs), GFP_KERNEL);
	if (!regs)
		return -ENOMEM;

	rtrs_srv_bufs_describe(&path->bufs, iu->buf);
	ib_dma_sync_single_for_device(path->dev->ib_dev, iu->dma, iu->size, DMA_TO_DEVICE);
	err = post_chain(&path->cons[0], chain_regs(path, regs, &send));
	kvfree(regs);
	return err;
}

/* A client has a receive for INFO_RSP only, until that has come (4.4). */
static int start_heartbeat(struct rtrs_srv_path *path)
{
	rtrs_hb_start(&path->hb);
	return 0;
}

static const struct {
	int (*run)(struct rtrs_srv_path *path);
	const char *failed;
} steps[] = {
	{ prepare_cons,			"connections are not complete" },
	{ set_name,			"name of the session refused" },
	{ rtrs_srv_sess_wait_fence,	"requests of a lost path still run" },
	{ rtrs_srv_sess_up,		"session refused" },
	{ set_connected,		"closed while connecting" },
	{ send_info_rsp,		"INFO_RSP could not be sent" },
	{ start_heartbeat,		"closed while connecting" },
};

/**
 * rtrs_srv_info_work - connect a path whose client has sent INFO_REQ
 * @work: &rtrs_srv_path.up_work
 *
 * Context: process, may sleep.
 */
void rtrs_srv_info_work(struct work_struct *work)
{
	struct rtrs_srv_path *path = container_of(work, struct rtrs_srv_path, up_work);
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		err = rtrs_srv_path_state(path) < RTRS_SRV_CLOSING ? steps[i].run(path)
								    : -ECONNRESET;
		if (err) {
			rtrs_srv_path_fail(path, steps[i].failed, err);
			return;
		}
	}
	rtrs_srv_path_info(path, "connected, %u connections\n", path->nr_cons);
}
