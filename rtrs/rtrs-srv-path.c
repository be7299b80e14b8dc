// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A path on the server: creation and end.
 *
 * Normal operation: the connect request for connection 0 creates it, complete with the
 * memory of its chunks; the requests for the other connections find it.
 *
 * End: two works in named stages.  The error door (rtrs-srv-state.c) queues the first:
 * disconnect, quiet, drain.  The last request that ends queues the second: settle, session
 * down, unlink, free.  So no worker is held while a disk takes its time.  Nobody else takes
 * anything of a path away, so each stage happens once.  A successor need not wait for the
 * last one, which can take an RDMA device with a lost packet a minute.
 *
 * Failure: creation undoes itself; a client that starts to connect and does not go on
 * is closed after a while (17.2).
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include "rtrs-srv.h"
#include "rtrs-srv-debug.h"
#include "rtrs-srv-trace.h"

/* The first connection that closes takes the others with it, promptly (12.2). */
static void disconnect(struct rtrs_srv_path *path)
{
	unsigned int i;

	mutex_lock(&path->con_lock);
	for (i = 0; i < path->nr_cons; i++) {
		if (path->cons[i].base.cm_id)
			rdma_disconnect(path->cons[i].base.cm_id);
	}
	mutex_unlock(&path->con_lock);
}

/*
 * Afterwards nothing of this side starts anything any more: no connection is added since
 * the state has changed, and the works are through.
 */
static void quiet(struct rtrs_srv_path *path)
{
	cancel_delayed_work_sync(&path->half_open);
	cancel_work_sync(&path->up_work);
	cancel_work_sync(&path->fence.work);
	rtrs_hb_stop(&path->hb);
	if (path->published)
		rtrs_srv_sysfs_path_remove(path);
}

/*
 * Afterwards no completion callback runs, nothing waits for one, and no request of the
 * path starts any more.
 */
static void drain(struct rtrs_srv_path *path)
{
	unsigned int i;

	for (i = 0; i < path->nr_cons; i++)
		rtrs_srv_con_stop(&path->cons[i]);
	for (i = 0; i < path->nr_cons; i++)
		rtrs_con_drain(&path->cons[i].base);
	for (i = 0; i < path->nr_cons; i++)
		rtrs_srv_rsp_flush(&path->cons[i]);

	/* A late message may have queued them again; they have found nothing to do. */
	cancel_work_sync(&path->up_work);
	cancel_work_sync(&path->fence.work);

	rtrs_srv_slots_unpark(path);
	rtrs_srv_fence_reached(path);
}

/* Nobody need wait for the requests of the path: the upper layer has answered them all. */
static void settle(struct rtrs_srv_path *path)
{
	struct rtrs_srv_sess *sess = path->sess;

	atomic_dec(&sess->closing);
	wake_up_all(&sess->fence);
}

/*
 * Afterwards a client may connect with the identity and the addresses of the path, of which
 * nothing is left but what it takes (rtrs-srv-limits.c).
 */
static void unlink_path(struct rtrs_srv_path *path)
{
	struct rtrs_srv_sess *sess = path->sess;
	struct rtrs_srv *srv = sess->srv;

	mutex_lock(&srv->lock);
	list_move_tail(&path->entry, &srv->leaving);
	if (!--sess->nr_paths)
		rtrs_srv_sess_remove(sess);
	mutex_unlock(&srv->lock);
}

/* Afterwards nothing of the path is left on the device. */
static void free_resources(struct rtrs_srv_path *path)
{
	struct rtrs_srv *srv = path->sess->srv;
	unsigned int i;

	rtrs_srv_debug_free();
	for (i = 0; i < path->nr_cons; i++)
		rtrs_srv_con_destroy(&path->cons[i]);
	rtrs_srv_fence_destroy(path);
	rtrs_iu_free(path->info_rsp);
	rtrs_iu_free(path->info_req);
	rtrs_srv_bufs_destroy(&path->bufs, path->dev);
	rtrs_dev_put(path->dev, &path->dev_user);

	mutex_lock(&srv->lock);
	list_del(&path->entry);
	mutex_unlock(&srv->lock);
}

/* After the kill the path is not touched: its end may already be under way. */
static void close_work(struct work_struct *work)
{
	struct rtrs_srv_path *path = container_of(work, struct rtrs_srv_path, close_work);

	disconnect(path);
	quiet(path);
	drain(path);
	percpu_ref_kill(&path->inflight);
}

static void end_work(struct work_struct *work)
{
	struct rtrs_srv_path *path = container_of(work, struct rtrs_srv_path, end_work);

	settle(path);
	rtrs_srv_sess_down(path);

	rtrs_srv_path_info(path, "closed\n");
	rtrs_srv_path_set_state(path, RTRS_SRV_CLOSED);
	unlink_path(path);
	free_resources(path);
	rtrs_srv_path_put(path);
}

static void half_open_work(struct work_struct *work)
{
	struct rtrs_srv_path *path =
		container_of(to_delayed_work(work), struct rtrs_srv_path, half_open);

	rtrs_srv_path_fail(path, "client did not finish connecting", -ETIMEDOUT);
}

static void hb_lost(struct rtrs_hb *hb, unsigned int silent_ms)
{
	rtrs_srv_path_fail(container_of(hb, struct rtrs_srv_path, hb),
			   "heartbeat lost", -ETIMEDOUT);
}

static void hb_send_failed(struct rtrs_hb *hb, int err)
{
	rtrs_srv_path_fail(container_of(hb, struct rtrs_srv_path, hb),
			   "heartbeat not sent", err);
}

static const struct rtrs_hb_ops hb_ops = {
	.lost		= hb_lost,
	.send_failed	= hb_send_failed,
};

/*
 * While the path is being created its state does not allow this to close it; then
 * link_path() does, which sets the state first and looks at the flag second.
 */
static void device_removed(struct rtrs_dev_user *user)
{
	struct rtrs_srv_path *path = container_of(user, struct rtrs_srv_path, dev_user);

	WRITE_ONCE(path->dev_removed, true);
	smp_mb();	/* pairs with link_path() */
	rtrs_srv_path_fail(path, "RDMA device removed", -ENODEV);
}

/* Killed, and the last request has ended: wherever that was, the rest may sleep. */
static void inflight_zero(struct percpu_ref *ref)
{
	struct rtrs_srv_path *path = container_of(ref, struct rtrs_srv_path, inflight);

	queue_work(rtrs_srv_close_wq, &path->end_work);
}

static void init_cons(struct rtrs_srv_path *path)
{
	struct rtrs_srv_con *con;
	unsigned int i;

	for (i = 0; i < path->nr_cons; i++) {
		con = &path->cons[i];
		rtrs_srv_con_init(con, path, i);
		con->recv_cqe.done = rtrs_srv_io_recv_done;
		con->send_cqe.done = rtrs_srv_rsp_send_done;
		con->short_cqe.done = rtrs_srv_rsp_short_done;
	}
}

/* Source is the client, destination the server, as on the client. */
static void init_addrs(struct rtrs_srv_path *path, struct rdma_cm_id *id)
{
	path->src = id->route.addr.dst_addr;
	path->dst = id->route.addr.src_addr;
	path->port_num = id->port_num;
	rtrs_addr_format_path(&path->src, &path->dst, path->name, sizeof(path->name));
	path->label = path->name;
}

static int alloc_refs(struct rtrs_srv_path *path)
{
	int err;

	path->stats = alloc_percpu(struct rtrs_rdma_stats);
	if (!path->stats)
		return -ENOMEM;

	err = percpu_ref_init(&path->inflight, inflight_zero, 0, GFP_KERNEL);
	if (err)
		free_percpu(path->stats);
	return err;
}

static void free_refs(struct rtrs_srv_path *path)
{
	percpu_ref_exit(&path->inflight);
	free_percpu(path->stats);
}

static struct rtrs_srv_path *alloc_path(const struct rtrs_conn_req *req)
{
	struct rtrs_srv_path *path;

	path = kvzalloc(struct_size(path, cons, req->cid_num), GFP_KERNEL);
	if (!path)
		return NULL;

	if (alloc_refs(path)) {
		kvfree(path);
		return NULL;
	}

	path->nr_cons = req->cid_num;
	path->joins = !req->first_conn;
	path->ext = req->ext_offer & rtrs_srv_debug_ext(rtrs_srv_conf.ext);
	path->uuid = req->sess_uuid;
	path->recon_cnt = req->recon_cnt;
	path->state = RTRS_SRV_CLOSED;
	path->dev_user.removed = device_removed;
	mutex_init(&path->con_lock);
	INIT_DELAYED_WORK(&path->half_open, half_open_work);
	INIT_WORK(&path->up_work, rtrs_srv_info_work);
	INIT_WORK(&path->close_work, close_work);
	INIT_WORK(&path->end_work, end_work);
	rtrs_srv_fence_init(path);
	init_cons(path);
	return path;
}

static int alloc_messages(struct rtrs_srv_path *path)
{
	struct rtrs_msg_info_rsp *rsp;

	path->info_req = rtrs_iu_alloc(path->dev, sizeof(struct rtrs_msg_info_req),
				       DMA_FROM_DEVICE, rtrs_srv_info_req_done);
	if (!path->info_req)
		return -ENOMEM;

	path->info_rsp = rtrs_iu_alloc(path->dev, struct_size(rsp, desc, path->bufs.nr_mrs),
				       DMA_TO_DEVICE, NULL);
	if (!path->info_rsp || rtrs_srv_fence_create(path)) {
		rtrs_iu_free(path->info_rsp);
		rtrs_iu_free(path->info_req);
		return -ENOMEM;
	}
	return 0;
}

static int alloc_resources(struct rtrs_srv_path *path)
{
	int err;

	err = rtrs_srv_bufs_create(&path->bufs, path->dev, path->dev_user.pd);
	if (err)
		return err;

	err = alloc_messages(path);
	if (err)
		rtrs_srv_bufs_destroy(&path->bufs, path->dev);
	return err;
}

/**
 * rtrs_srv_path_await_client - the client has to go on connecting, and soon
 * @path: path, CONNECTING or about to be
 *
 * Context: any.
 */
void rtrs_srv_path_await_client(struct rtrs_srv_path *path)
{
	mod_delayed_work(system_wq, &path->half_open, msecs_to_jiffies(RTRS_SRV_HALF_OPEN_MS));
}

/* From here on the path can close; it is unlinked under the lock held here. */
static void link_path(struct rtrs_srv_path *path, struct rtrs_srv_sess *sess)
{
	lockdep_assert_held(&sess->srv->lock);

	get_device(&sess->dev);
	list_add_tail(&path->entry, &sess->paths);
	sess->nr_paths++;
	rtrs_srv_path_await_client(path);
	WRITE_ONCE(path->state, RTRS_SRV_CONNECTING);
	smp_mb();	/* pairs with device_removed() */
	if (READ_ONCE(path->dev_removed))
		rtrs_srv_path_fail(path, "RDMA device removed", -ENODEV);
}

/**
 * rtrs_srv_path_create - create a path for a connect request
 * @sess: session; nr_paths and identities were checked
 * @id: CM id of the request
 * @req: the request, of connection 0
 *
 * The path is CONNECTING and goes away by itself if the client does not go on.
 *
 * Context: process, may sleep; &rtrs_srv.lock is held.
 *
 * Return: the path, kept by its session, or an ERR_PTR.
 */
struct rtrs_srv_path *rtrs_srv_path_create(struct rtrs_srv_sess *sess, struct rdma_cm_id *id,
					   const struct rtrs_conn_req *req)
{
	struct rtrs_srv_path *path;
	int err;

	lockdep_assert_held(&sess->srv->lock);

	path = alloc_path(req);
	if (!path)
		return ERR_PTR(-ENOMEM);

	path->sess = sess;
	rtrs_hb_init(&path->hb, &path->cons[0].base, &hb_ops, sess->times);
	init_addrs(path, id);
	path->dev = rtrs_dev_get(id->device, &path->dev_user);
	if (IS_ERR(path->dev)) {
		err = PTR_ERR(path->dev);
		goto free_path;
	}

	err = alloc_resources(path);
	if (err)
		goto put_dev;

	kobject_init(&path->kobj, &rtrs_srv_path_ktype);
	trace_rtrs_srv_path_created(path);
	link_path(path, sess);
	return path;

put_dev:
	rtrs_dev_put(path->dev, &path->dev_user);
free_path:
	free_refs(path);
	kvfree(path);
	return ERR_PTR(err);
}

/**
 * rtrs_srv_path_find - look a path up
 * @sess: session
 * @uuid: identity of the path
 *
 * Context: process; &rtrs_srv.lock is held.
 *
 * Return: the path, in any state, or NULL.
 */
struct rtrs_srv_path *rtrs_srv_path_find(struct rtrs_srv_sess *sess, const uuid_t *uuid)
{
	struct rtrs_srv_path *path;

	lockdep_assert_held(&sess->srv->lock);

	list_for_each_entry(path, &sess->paths, entry) {
		if (uuid_equal(&path->uuid, uuid))
			return path;
	}
	return NULL;
}

/**
 * rtrs_srv_path_get - keep a path
 * @path: path, kept by somebody else at this moment
 *
 * Context: any.
 */
void rtrs_srv_path_get(struct rtrs_srv_path *path)
{
	kobject_get(&path->kobj);
}

/**
 * rtrs_srv_path_put - let go of a path
 * @path: path
 *
 * Context: process, may sleep.
 */
void rtrs_srv_path_put(struct rtrs_srv_path *path)
{
	kobject_put(&path->kobj);
}

/**
 * rtrs_srv_path_free - release function of a path
 * @path: path; its end work is through
 *
 * Context: process, may sleep.
 */
void rtrs_srv_path_free(struct rtrs_srv_path *path)
{
	struct rtrs_srv_sess *sess = path->sess;

	trace_rtrs_srv_path_freed(path);
	free_refs(path);
	kvfree(path);
	put_device(&sess->dev);
}
