// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The client of the transport: module and sessions.
 *
 * Operation: a session appears in sysfs, connects its paths one after the other, and
 * is ready.  From then on its user hears when the last path has gone and when there is
 * one again (rtrs-clt-link.c).
 *
 * Failure: if any path of a new session cannot be connected the whole session is
 * undone.  A session that is lost later stays, and its paths keep trying.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cpumask.h>
#include <linux/kref.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "rtrs-clt.h"
#include "rtrs-clt-trace.h"

MODULE_DESCRIPTION("RTRS: RDMA transport, client");
MODULE_AUTHOR("RNBD developers");
MODULE_LICENSE("GPL");

struct rtrs_time rtrs_clt_times[RTRS_CLT_NR_TIMES] = {
	RTRS_HB_TIMES,
	[RTRS_CLT_RECONNECT_DELAY_MS] = { "reconnect_delay_ms", 1000, 3600000, 2500 },
	[RTRS_CLT_HOLD_TIME_MS]	      = { "hold_time_ms", 0, 3600000, 0 },
	[RTRS_CLT_REQUEST_TIMEOUT_MS] = { "request_timeout_ms", 1000, 3600000, 30000 },
};

module_param_cb(heartbeat_interval_ms, &rtrs_time_param_ops,
		&rtrs_clt_times[RTRS_HB_INTERVAL_MS], 0644);
MODULE_PARM_DESC(heartbeat_interval_ms,
		 "Time between heartbeats, 100..60000, for new sessions (default: 2000)");
module_param_cb(heartbeat_missed_max, &rtrs_time_param_ops,
		&rtrs_clt_times[RTRS_HB_MISSED_MAX], 0644);
MODULE_PARM_DESC(heartbeat_missed_max,
		 "Heartbeats without an answer before a path is lost, 1..100, for new sessions (default: 5)");
module_param_cb(reconnect_delay_ms, &rtrs_time_param_ops,
		&rtrs_clt_times[RTRS_CLT_RECONNECT_DELAY_MS], 0644);
MODULE_PARM_DESC(reconnect_delay_ms,
		 "Longest pause between attempts to reconnect, on average, 1000..3600000, for new sessions (default: 2500)");
module_param_cb(hold_time_ms, &rtrs_time_param_ops,
		&rtrs_clt_times[RTRS_CLT_HOLD_TIME_MS], 0644);
MODULE_PARM_DESC(hold_time_ms,
		 "How long I/O waits while no path is connected, 0..3600000, for new sessions (default: 0, it fails at once)");
module_param_cb(request_timeout_ms, &rtrs_time_param_ops,
		&rtrs_clt_times[RTRS_CLT_REQUEST_TIMEOUT_MS], 0644);
MODULE_PARM_DESC(request_timeout_ms,
		 "Time for the answer to a request before its path is given up, 1000..3600000, for new sessions (default: 30000)");

/* The works of all paths; needed to write back memory. */
struct workqueue_struct *rtrs_clt_wq;

/* Sessions by name; a name is free again when its directory has gone. */
static DEFINE_MUTEX(sessions_mutex);
static LIST_HEAD(sessions);		/* rtrs_clt.entry */

/* The module and each session until its release, which may come late, hold one. */
static struct kref users;
static DECLARE_COMPLETION(unused);

static void last_user(struct kref *ref)
{
	complete(&unused);
}

/* ---- sizes ---- */

static u32 slot_limit(const struct rtrs_clt_path *path)
{
	const struct ib_device_attr *dev = &path->dev->ib_dev->attrs;
	/* One work request and completion of each direction is for draining. */
	u32 by_wr = (dev->max_qp_wr - 1) / RTRS_CLT_SEND_WRS;
	u32 by_cqe = (dev->max_cqe - 2) / (RTRS_CLT_SEND_WRS + RTRS_CLT_RECV_WRS);

	return min3(by_wr, by_cqe, (u32)RTRS_CLT_MAX_SLOTS);
}

static void set_sizes(struct rtrs_clt_path *path)
{
	const struct rtrs_conn_rsp *conn = &path->conn;
	u32 pages = DIV_ROUND_UP(conn->max_io_size, RTRS_CLT_MR_PAGE_SIZE) + 1;

	/* Data may begin anywhere in its first page. */
	path->mr_pages = min(path->dev->max_fr_pages, pages);
	path->max_io_size = min(conn->max_io_size,
				(path->mr_pages - 1) * RTRS_CLT_MR_PAGE_SIZE);
	path->off_bits = rtrs_imm_off_bits(conn->queue_depth);
}

/*
 * The first path ever decides the number of slots.  Every path may lower the sizes until
 * the user has asked for them; who builds requests by them has to find room for these on
 * each path.
 */
static int agree(struct rtrs_clt *clt, struct rtrs_clt_path *path)
{
	u32 limit = min_t(u32, path->conn.queue_depth, slot_limit(path));
	u16 segments = min_t(u32, clt->max_segments_asked, path->mr_pages);
	/* What a request of single pages reaches: sysfs-abi 1.6. */
	u32 io_size = min_t(u32, path->max_io_size, segments * RTRS_CLT_MR_PAGE_SIZE);

	lockdep_assert_held(&clt->paths_mutex);

	if (!clt->queue_depth) {
		clt->queue_depth = path->conn.queue_depth;
		clt->nr_slots = limit;
		clt->max_segments = segments;
		clt->max_io_size = io_size;
	}
	if (clt->queue_depth != path->conn.queue_depth || clt->nr_slots > limit)
		return -EINVAL;
	if (clt->sizes_told && (segments < clt->max_segments || io_size < clt->max_io_size))
		return -EINVAL;

	clt->max_segments = min(clt->max_segments, segments);
	clt->max_io_size = min(clt->max_io_size, io_size);
	path->nr_slots = clt->nr_slots;
	return 0;
}

/**
 * rtrs_clt_adopt - do the values of a path go with those of its session
 * @path: path whose connection 0 was accepted
 *
 * Called by the path's work.  Sets the sizes of the path and of the session.
 * Return: 0, or -EINVAL: the queue depth is another than before, requests are smaller
 * than before, or the device is too small; a device without room for registrations gives
 * -EOPNOTSUPP.  The path is not to try again by itself then (2.6).
 */
int rtrs_clt_adopt(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;
	int err;

	set_sizes(path);
	if (path->mr_pages < 2 || !slot_limit(path))
		return -EOPNOTSUPP;

	mutex_lock(&clt->paths_mutex);
	err = agree(clt, path);
	mutex_unlock(&clt->paths_mutex);
	if (!err)
		return 0;

	path->give_up = true;
	rtrs_clt_path_log(pr_err, path,
			  "queue depth %u, requests of %u bytes, but %u, %u before: no automatic reconnect\n",
			  path->conn.queue_depth, path->max_io_size, clt->queue_depth,
			  clt->max_io_size);
	return err;
}

/* ---- session object ---- */

static void clt_release(struct device *dev)
{
	struct rtrs_clt *clt = container_of(dev, struct rtrs_clt, dev);

	trace_rtrs_clt_sess_freed(clt);
	rtrs_clt_ghosts_free(clt);
	free_percpu(clt->rr_pos);
	kfree(clt);
	kref_put(&users, last_user);
}

static void set_params(struct rtrs_clt *clt, const struct rtrs_clt_params *params)
{
	strscpy(clt->name, params->sessname, sizeof(clt->name));
	clt->port = params->port;
	rtrs_times_init(clt->times, rtrs_clt_times, RTRS_CLT_NR_TIMES);
	clt->max_reconnect_attempts = params->max_reconnect_attempts;
	clt->max_segments_asked = min_t(unsigned int, params->max_segments, U16_MAX);
	clt->nr_irq_queues = min_t(unsigned int, num_online_cpus(), RTRS_MAX_CON_NUM / 2);
	clt->nr_poll_queues = min_t(unsigned int, params->nr_poll_queues,
				    RTRS_MAX_CON_NUM - 1 - clt->nr_irq_queues);
	clt->con_num = 1 + clt->nr_irq_queues + clt->nr_poll_queues;
	clt->ops = params->ops;
	clt->priv = params->priv;
}

static struct rtrs_clt *clt_create(const struct rtrs_clt_params *params)
{
	struct rtrs_clt *clt;

	clt = kzalloc(sizeof(*clt), GFP_KERNEL);
	if (!clt)
		return ERR_PTR(-ENOMEM);

	kref_get(&users);
	device_initialize(&clt->dev);
	clt->dev.release = clt_release;
	INIT_LIST_HEAD(&clt->paths);
	INIT_LIST_HEAD(&clt->entry);
	mutex_init(&clt->paths_mutex);
	spin_lock_init(&clt->ghost_lock);
	INIT_LIST_HEAD(&clt->ghosts);
	rtrs_clt_link_init(clt);
	uuid_gen(&clt->uuid);
	clt->policy = &rtrs_clt_policies[RTRS_CLT_POLICY_DEFAULT];
	set_params(clt, params);
	trace_rtrs_clt_sess_created(clt);

	clt->rr_pos = alloc_percpu(u32);
	if (!clt->rr_pos || dev_set_name(&clt->dev, "%s", clt->name)) {
		put_device(&clt->dev);
		return ERR_PTR(-ENOMEM);
	}
	return clt;
}

static bool name_in_use(const char *name)
{
	struct rtrs_clt *clt;

	lockdep_assert_held(&sessions_mutex);

	list_for_each_entry(clt, &sessions, entry)
		if (!strcmp(clt->name, name))
			return true;
	return false;
}

static int claim_name(struct rtrs_clt *clt)
{
	int err = 0;

	mutex_lock(&sessions_mutex);
	if (name_in_use(clt->name))
		err = -EEXIST;
	else
		list_add_tail(&clt->entry, &sessions);
	mutex_unlock(&sessions_mutex);
	return err;
}

static void release_name(struct rtrs_clt *clt)
{
	mutex_lock(&sessions_mutex);
	list_del_init(&clt->entry);
	mutex_unlock(&sessions_mutex);
}

static int clt_publish(struct rtrs_clt *clt)
{
	int err;

	err = claim_name(clt);
	if (err)
		return err;
	err = rtrs_clt_sysfs_add(clt);
	if (err)
		release_name(clt);
	return err;
}

/* From here on no path is added; add_path that is under way fails. */
static void close_paths(struct rtrs_clt *clt)
{
	struct rtrs_clt_path *path;

	mutex_lock(&clt->paths_mutex);
	clt->closing = true;
	list_for_each_entry(path, &clt->paths, entry)
		rtrs_clt_path_shut(path, -ENODEV);	/* all at once */
	mutex_unlock(&clt->paths_mutex);

	while ((path = rtrs_clt_paths_first_get(clt))) {
		rtrs_clt_path_destroy(path);
		kobject_put(&path->kobj);
	}
}

static int connect_paths(struct rtrs_clt *clt, const struct rtrs_clt_params *params)
{
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < params->nr_paths; i++)
		err = rtrs_clt_path_add(clt, &params->paths[i]);
	return err;
}

static int check_params(const struct rtrs_clt_params *params)
{
	if (!params->nr_paths || params->nr_paths > RTRS_MAX_PATHS_NUM || !params->max_segments)
		return -EINVAL;
	return rtrs_sessname_check(params->sessname,
				   strnlen(params->sessname, RTRS_NAME_LEN) + 1);
}

/**
 * rtrs_clt_open - create a session and connect its paths
 * @params: what it shall be; not used after the return
 *
 * Process context; sleeps for the connection set-up, which a signal ends.  Link events
 * may come before the function has returned.
 *
 * Return: the session, to be closed by rtrs_clt_close(), or an ERR_PTR: -EINVAL (name,
 * numbers), -EEXIST (a session of that name exists, or the server has such a path),
 * -ENOMEM, -ERESTARTSYS, or why a path could not be connected (sysfs-abi 1.2.7);
 * nothing remains then.
 */
struct rtrs_clt *rtrs_clt_open(const struct rtrs_clt_params *params)
{
	struct rtrs_clt *clt;
	int err;

	err = check_params(params);
	if (err)
		return ERR_PTR(err);
	clt = clt_create(params);
	if (IS_ERR(clt))
		return clt;

	err = clt_publish(clt);
	if (err) {
		put_device(&clt->dev);
		return ERR_PTR(err);
	}
	err = connect_paths(clt, params);
	if (err) {
		rtrs_clt_close(clt);
		return ERR_PTR(err);
	}
	rtrs_clt_link_start(clt);
	return clt;
}
EXPORT_SYMBOL_GPL(rtrs_clt_open);

/**
 * rtrs_clt_close - end a session
 * @clt: session; must not be used any more by anybody
 *
 * Process context, sleeps; bounded also with a silent peer.  Requests that are still
 * outstanding end with -ECONNABORTED before it returns.  Not from inside link_ev.
 */
void rtrs_clt_close(struct rtrs_clt *clt)
{
	rtrs_clt_link_stop(clt);
	close_paths(clt);
	cancel_work_sync(&clt->link_work);
	rtrs_clt_sysfs_remove(clt);
	release_name(clt);
	put_device(&clt->dev);
}
EXPORT_SYMBOL_GPL(rtrs_clt_close);

/**
 * rtrs_clt_query - what a session offers
 * @clt: session
 * @attrs: result
 *
 * Process context, may sleep.  From the first time on the sizes stay what they are.
 */
void rtrs_clt_query(struct rtrs_clt *clt, struct rtrs_clt_attrs *attrs)
{
	mutex_lock(&clt->paths_mutex);
	clt->sizes_told = true;
	attrs->queue_depth = clt->nr_slots;
	attrs->max_io_size = clt->max_io_size;
	attrs->max_segments = clt->max_segments;
	attrs->nr_irq_queues = clt->nr_irq_queues;
	attrs->nr_poll_queues = clt->nr_poll_queues;
	attrs->hold_time_ms = READ_ONCE(clt->times[RTRS_CLT_HOLD_TIME_MS]);
	attrs->request_timeout_ms = READ_ONCE(clt->times[RTRS_CLT_REQUEST_TIMEOUT_MS]);
	mutex_unlock(&clt->paths_mutex);
}
EXPORT_SYMBOL_GPL(rtrs_clt_query);

/* ---- module ---- */

static int __init rtrs_clt_init(void)
{
	int err = -ENOMEM;

	kref_init(&users);
	rtrs_clt_wq = alloc_workqueue("rtrs_client", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!rtrs_clt_wq)
		return err;
	err = rtrs_clt_link_wq_create();
	if (err)
		goto destroy_wq;
	err = rtrs_clt_sysfs_init();
	if (err)
		goto destroy_link_wq;
	return 0;

destroy_link_wq:
	rtrs_clt_link_wq_destroy();
destroy_wq:
	destroy_workqueue(rtrs_clt_wq);
	return err;
}

static void __exit rtrs_clt_exit(void)
{
	kref_put(&users, last_user);
	wait_for_completion(&unused);
	rtrs_clt_sysfs_exit();
	rtrs_clt_link_wq_destroy();
	destroy_workqueue(rtrs_clt_wq);
}

late_initcall(rtrs_clt_init);
module_exit(rtrs_clt_exit);
