// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The path object, and what a session and its administrator can do with it: add,
 * reconnect, close, destroy.
 *
 * Operation: each of them changes the state of the path through one of the doors of
 * rtrs-clt-state.c and sleeps until the work of the path (rtrs-clt-recover.c) has
 * followed.  Failure: what is outside the control of this side (the peer, the network)
 * is bounded in time by that work, so every wait here ends.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "rtrs-clt.h"
#include "rtrs-clt-trace.h"

/* How long a server may take to close a path whose addresses are used again. */
#define ADD_TRIES	15
#define ADD_PAUSE_MS	200

/* ---- callbacks of what the path uses ---- */

static void hb_lost(struct rtrs_hb *hb, unsigned int silent_ms)
{
	struct rtrs_clt_path *path = container_of(hb, struct rtrs_clt_path, hb);

	rtrs_clt_path_log(pr_err_ratelimited, path, "heartbeat lost after %u ms\n", silent_ms);
	rtrs_clt_con_fail(&path->cons[0], -ETIMEDOUT);
}

static void hb_send_failed(struct rtrs_hb *hb, int err)
{
	rtrs_clt_con_fail(container_of(hb->con, struct rtrs_clt_con, base), err);
}

static const struct rtrs_hb_ops hb_ops = {
	.lost		= hb_lost,
	.send_failed	= hb_send_failed,
};

static void dev_removed(struct rtrs_dev_user *user)
{
	struct rtrs_clt_path *path = container_of(user, struct rtrs_clt_path, dev_user);

	rtrs_clt_path_log(pr_info, path, "RDMA device %s is leaving\n", path->hca_name);
	/* The device is bound for the present attempt.  Later ones wait for its return. */
	rtrs_clt_path_fail(path, READ_ONCE(path->gen), -ECONNABORTED);
}

/* ---- object ---- */

/**
 * rtrs_clt_path_free - last put of a path
 * @path: path, CLOSED or never used
 *
 * The release function of its kobject.
 */
void rtrs_clt_path_free(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;

	trace_rtrs_clt_path_freed(path);
	sysfs_put(path->state_file);
	kfree(path->ghost);
	kvfree(path->slots);
	kvfree(path->chunks);
	kvfree(path->cons);
	free_percpu(path->stats);
	free_percpu(path->migration);
	kfree(path);
	put_device(&clt->dev);
}

static int path_alloc_tables(struct rtrs_clt_path *path)
{
	unsigned int cid, nr = path->clt->con_num;

	path->cons = kvcalloc(nr, sizeof(*path->cons), GFP_KERNEL);
	path->stats = alloc_percpu(struct rtrs_rdma_stats);
	path->migration = alloc_percpu(struct rtrs_clt_migration);
	if (!path->cons || !path->stats || !path->migration)
		return -ENOMEM;

	for (cid = 0; cid < nr; cid++) {
		path->cons[cid].path = path;
		path->cons[cid].base.cid = cid;
		spin_lock_init(&path->cons[cid].poll_lock);
	}
	rtrs_hb_init(&path->hb, &path->cons[0].base, &hb_ops, path->clt->times);
	return 0;
}

static struct rtrs_clt_path *path_create(struct rtrs_clt *clt, const struct rtrs_addr_pair *addrs)
{
	struct rtrs_clt_path *path;

	path = kzalloc(sizeof(*path), GFP_KERNEL);
	if (!path)
		return ERR_PTR(-ENOMEM);

	get_device(&clt->dev);
	path->clt = clt;
	path->state = RTRS_CLT_CONNECTING;
	path->addrs = *addrs;
	path->dev_user.removed = dev_removed;
	uuid_gen(&path->uuid);
	spin_lock_init(&path->state_lock);
	mutex_init(&path->fence_mutex);
	init_waitqueue_head(&path->wait);
	INIT_DELAYED_WORK(&path->work, rtrs_clt_path_work);
	rtrs_addr_format_path(&addrs->src, &addrs->dst, path->name, sizeof(path->name));
	kobject_init(&path->kobj, &rtrs_clt_path_ktype);
	trace_rtrs_clt_path_created(path);

	if (path_alloc_tables(path)) {
		kobject_put(&path->kobj);
		return ERR_PTR(-ENOMEM);
	}
	return path;
}

static bool path_ended(const struct rtrs_clt_path *path)
{
	enum rtrs_clt_state state = rtrs_clt_path_state(path);

	return state == RTRS_CLT_CLOSED || state == RTRS_CLT_DEAD;
}

/* Has an attempt behind number @gen come to its end? */
static bool attempt_ended(const struct rtrs_clt_path *path, unsigned int gen)
{
	/* Pairs with end_attempt(). */
	return (int)(smp_load_acquire(&path->done_gen) - gen) > 0 || path_ended(path);
}

static int first_connect(struct rtrs_clt_path *path)
{
	int err;

	rtrs_clt_path_start(path);
	err = wait_event_interruptible(path->wait, attempt_ended(path, 0));
	if (err)
		return err;
	return path->established ? 0 : READ_ONCE(path->err) ?: -ECONNABORTED;
}

static bool is_duplicate(struct rtrs_clt_path *path)
{
	bool found;

	mutex_lock(&path->clt->paths_mutex);
	found = rtrs_clt_paths_check_name(path);
	mutex_unlock(&path->clt->paths_mutex);
	return found;
}

/* @again: the attempt is in doubt, or the server has not let go of a removed path yet. */
static int add_once(struct rtrs_clt *clt, const struct rtrs_addr_pair *addrs, bool *again)
{
	struct rtrs_clt_path *path;
	int err;

	path = path_create(clt, addrs);
	if (IS_ERR(path))
		return PTR_ERR(path);

	kobject_get(&path->kobj);	/* for the list */
	err = rtrs_clt_paths_insert(clt, path);
	if (err) {
		kobject_put(&path->kobj);
		goto put_path;
	}
	err = first_connect(path);
	*again = (err == -EAGAIN && path->in_doubt) || (err == -EEXIST && !is_duplicate(path));
	if (err)
		rtrs_clt_path_destroy(path);
put_path:
	kobject_put(&path->kobj);
	return err;
}

/**
 * rtrs_clt_path_add - add a path to a session and connect it
 * @clt: session
 * @addrs: addresses, ports included; copied
 *
 * Sleeps until the path is connected or has failed; a signal ends the attempt.
 * Return: 0; -EEXIST, -ENODEV, -ENOMEM, -ERESTARTSYS, or why it could not be
 * connected (sysfs-abi 1.2.7).  On failure nothing remains.
 */
int rtrs_clt_path_add(struct rtrs_clt *clt, const struct rtrs_addr_pair *addrs)
{
	unsigned int tries;
	int err;

	for (tries = 0; tries < ADD_TRIES; tries++) {
		bool again = false;

		err = add_once(clt, addrs, &again);
		if (!again)
			break;
		if (msleep_interruptible(ADD_PAUSE_MS))
			return -ERESTARTSYS;
	}
	return err;
}

/**
 * rtrs_clt_path_reconnect - try to connect now, from scratch
 * @path: path, referenced by the caller
 *
 * Sleeps until the attempt has ended, or for a signal.
 * Return: 0 when connected; -ENOTCONN; -EBUSY when it is connecting, closing or being
 * removed; -ERESTARTSYS.
 */
int rtrs_clt_path_reconnect(struct rtrs_clt_path *path)
{
	unsigned int gen;
	int err;

	do {
		gen = READ_ONCE(path->gen);
		err = rtrs_clt_path_kick(path, gen);
	} while (err == -EAGAIN);
	if (!err)
		err = wait_event_interruptible(path->wait, attempt_ended(path, gen));
	if (err)
		return err;
	return rtrs_clt_path_connected(path) ? 0 : -ENOTCONN;
}

/**
 * rtrs_clt_path_close - disconnect a path for good
 * @path: path, referenced by the caller
 *
 * Sleeps until it is done; bounded also with a silent peer.  Somebody else may have told
 * it to connect again meanwhile.
 */
void rtrs_clt_path_close(struct rtrs_clt_path *path)
{
	unsigned int cnt = READ_ONCE(path->closed_cnt);

	rtrs_clt_path_shut(path, -ECONNABORTED);
	wait_event(path->wait, READ_ONCE(path->closed_cnt) != cnt ||
		   rtrs_clt_path_state(path) != RTRS_CLT_CLOSING);
}

/**
 * rtrs_clt_path_destroy - close a path and remove it from its session
 * @path: path on the list, referenced by the caller
 *
 * Sleeps.  May be called by several at once; on return the path is off the list.
 */
void rtrs_clt_path_destroy(struct rtrs_clt_path *path)
{
	do {
		rtrs_clt_path_close(path);	/* again, if it was revived meanwhile */
		if (rtrs_clt_path_state(path) == RTRS_CLT_DEAD) {
			wait_event(path->wait, READ_ONCE(path->unlisted));
			return;
		}
	} while (!rtrs_clt_path_set_state(path, RTRS_CLT_DEAD));

	if (path->published)
		kobject_del(&path->kobj);
	rtrs_clt_paths_remove(path);
	cancel_delayed_work_sync(&path->work);
	WRITE_ONCE(path->unlisted, true);
	wake_up_all(&path->wait);
	kobject_put(&path->kobj);	/* of the list */
}
