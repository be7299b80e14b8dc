// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A session on the server: its slots, its name, and its life towards the upper layer.
 *
 * Normal operation: created by the first connect request with an unknown identity,
 * removed with its last path.  The upper layer knows it from the moment its first path
 * connects until the requests of the last connected one have ended.
 *
 * Fence: a new path does not become connected while requests of closing paths run; a
 * client that has lost them all and repeats a request would otherwise be answered while
 * the first copy may still write.
 *
 * Failure: a path that cannot join is closed; the session and its other paths stay.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>

#include "rtrs-srv.h"
#include "rtrs-srv-debug.h"
#include "rtrs-srv-trace.h"

static void free_sess(struct rtrs_srv_sess *sess)
{
	kvfree(sess->priv);
	kvfree(sess->slots);
	kfree(sess);
}

static void release(struct device *dev)
{
	struct rtrs_srv_sess *sess = container_of(dev, struct rtrs_srv_sess, dev);
	struct rtrs_srv *srv = sess->srv;

	trace_rtrs_srv_sess_freed(sess);
	free_sess(sess);
	rtrs_srv_put(srv);
}

static void init_slots(struct rtrs_srv_sess *sess, size_t priv_size)
{
	struct rtrs_srv_slot *slot;
	unsigned int i;

	for (i = 0; i < rtrs_srv_conf.queue_depth; i++) {
		slot = &sess->slots[i];
		slot->req.sess = sess;
		slot->req.slot = i;
		slot->req.msg = slot->msg;
		slot->req.priv = priv_size ? sess->priv + i * priv_size : NULL;
		slot->revoke_cqe.done = rtrs_srv_rsp_revoke_done;
		INIT_WORK(&slot->resume, rtrs_srv_io_resume_work);
	}
}

/* Neighbouring slots run on different CPUs, so they do not share cache lines. */
static int alloc_slots(struct rtrs_srv_sess *sess, size_t priv_size)
{
	priv_size = ALIGN(priv_size, SMP_CACHE_BYTES);

	sess->slots = kvcalloc(rtrs_srv_conf.queue_depth, sizeof(*sess->slots), GFP_KERNEL);
	if (!sess->slots)
		return -ENOMEM;

	if (priv_size) {
		sess->priv = kvcalloc(rtrs_srv_conf.queue_depth, priv_size, GFP_KERNEL);
		if (!sess->priv)
			return -ENOMEM;
	}
	init_slots(sess, priv_size);
	return 0;
}

/**
 * rtrs_srv_sess_create - create a session without paths
 * @srv: service
 * @uuid: identity, unknown until now
 *
 * Context: process, may sleep; &rtrs_srv.lock is held.
 *
 * Return: the session, kept by the service until rtrs_srv_sess_remove(), or
 * ERR_PTR(-ENOMEM).
 */
struct rtrs_srv_sess *rtrs_srv_sess_create(struct rtrs_srv *srv, const uuid_t *uuid)
{
	struct rtrs_srv_sess *sess;

	lockdep_assert_held(&srv->lock);

	sess = kzalloc(sizeof(*sess), GFP_KERNEL);
	if (!sess)
		return ERR_PTR(-ENOMEM);

	if (alloc_slots(sess, srv->ops->req_priv_size)) {
		free_sess(sess);
		return ERR_PTR(-ENOMEM);
	}

	sess->uuid = *uuid;
	rtrs_times_init(sess->times, rtrs_srv_times, RTRS_HB_NR_TIMES);
	sess->srv = srv;
	INIT_LIST_HEAD(&sess->paths);
	mutex_init(&sess->up_lock);
	init_waitqueue_head(&sess->fence);
	spin_lock_init(&sess->park_lock);
	rtrs_srv_sysfs_sess_init(sess, release);
	trace_rtrs_srv_sess_created(sess);

	rtrs_srv_get(srv);
	list_add_tail(&sess->entry, &srv->sessions);
	srv->nr_sessions++;
	return sess;
}

/* Somebody may wait for the name of a session that was removed. */
static void tell_removal(struct rtrs_srv *srv)
{
	struct rtrs_srv_sess *sess;

	lockdep_assert_held(&srv->lock);

	WRITE_ONCE(srv->removals, srv->removals + 1);
	list_for_each_entry(sess, &srv->sessions, entry)
		wake_up_all(&sess->fence);
}

/**
 * rtrs_srv_sess_remove - remove a session that has no paths
 * @sess: session; not to be touched afterwards
 *
 * Its directory goes before its name is free for another session.
 *
 * Context: process, may sleep; &rtrs_srv.lock is held.
 */
void rtrs_srv_sess_remove(struct rtrs_srv_sess *sess)
{
	lockdep_assert_held(&sess->srv->lock);

	if (sess->published)
		rtrs_srv_sysfs_sess_remove(sess);
	list_del(&sess->entry);
	sess->srv->nr_sessions--;
	tell_removal(sess->srv);
	put_device(&sess->dev);
}

/**
 * rtrs_srv_sess_find - look a session up
 * @srv: service
 * @uuid: identity
 *
 * Context: process; &rtrs_srv.lock is held.
 *
 * Return: the session or NULL.
 */
struct rtrs_srv_sess *rtrs_srv_sess_find(struct rtrs_srv *srv, const uuid_t *uuid)
{
	struct rtrs_srv_sess *sess;

	lockdep_assert_held(&srv->lock);

	list_for_each_entry(sess, &srv->sessions, entry) {
		if (uuid_equal(&sess->uuid, uuid))
			return sess;
	}
	return NULL;
}

static struct rtrs_srv_sess *name_owner(const struct rtrs_srv_sess *sess, const char *name)
{
	struct rtrs_srv_sess *other;

	lockdep_assert_held(&sess->srv->lock);

	list_for_each_entry(other, &sess->srv->sessions, entry) {
		if (other != sess && !strcmp(other->name, name))
			return other;
	}
	return NULL;
}

/* Closing paths are all that it has: its name is about to be free. */
static bool is_leaving(const struct rtrs_srv_sess *sess)
{
	const struct rtrs_srv_path *path;

	lockdep_assert_held(&sess->srv->lock);

	list_for_each_entry(path, &sess->paths, entry) {
		if (rtrs_srv_path_state(path) < RTRS_SRV_CLOSING)
			return false;
	}
	return true;
}

/* -EAGAIN: the session that has the name is leaving. */
static int take_name(struct rtrs_srv_sess *sess, const char *name)
{
	struct rtrs_srv_sess *owner;

	lockdep_assert_held(&sess->srv->lock);

	if (sess->name[0])
		return strcmp(sess->name, name) ? -EPROTO : 0;

	owner = name_owner(sess, name);
	if (owner)
		return is_leaving(owner) ? -EAGAIN : -EEXIST;

	strscpy(sess->name, name, sizeof(sess->name));
	return 0;
}

static bool worth_another_try(const struct rtrs_srv_path *path, unsigned int removals)
{
	return READ_ONCE(path->sess->srv->removals) != removals ||
	       rtrs_srv_path_state(path) != RTRS_SRV_CONNECTING;
}

/**
 * rtrs_srv_sess_set_name - the client has told the name of the session
 * @path: path that told it
 * @name: name, checked
 *
 * A client that closes a session and opens one of the same name is served: the old one
 * may not be gone here yet, and is waited for.
 *
 * Context: process, sleeps for up to RTRS_SRV_FENCE_MS.
 *
 * Return: 0; -EEXIST if another session has the name; -EPROTO if this one has another.
 */
int rtrs_srv_sess_set_name(struct rtrs_srv_path *path, const char *name)
{
	long left = msecs_to_jiffies(RTRS_SRV_FENCE_MS);
	struct rtrs_srv_sess *sess = path->sess;
	unsigned int removals;
	int err;

	do {
		mutex_lock(&sess->srv->lock);
		removals = sess->srv->removals;
		err = take_name(sess, name);
		mutex_unlock(&sess->srv->lock);

		if (err == -EAGAIN)
			left = wait_event_timeout(sess->fence, worth_another_try(path, removals),
						  left);
	} while (err == -EAGAIN && left &&
		 rtrs_srv_path_state(path) == RTRS_SRV_CONNECTING);

	if (!err)
		WRITE_ONCE(path->label, sess->name);
	return err == -EAGAIN ? -EEXIST : err;
}

static bool is_idle(const struct rtrs_srv_path *path, enum rtrs_srv_path_state state)
{
	return !atomic_read(&path->sess->closing) || rtrs_srv_path_state(path) != state;
}

/**
 * rtrs_srv_sess_wait_idle - wait until no request of a closing path runs
 * @path: path that waits
 * @state: its state; waiting ends when it leaves that
 * @left: jiffies to wait at most
 *
 * Context: process, sleeps.
 *
 * Return: 0, -ECONNABORTED (another state) or -ETIMEDOUT.
 */
int rtrs_srv_sess_wait_idle(struct rtrs_srv_path *path, enum rtrs_srv_path_state state,
			    long left)
{
	if (!wait_event_timeout(path->sess->fence, is_idle(path, state), left))
		return -ETIMEDOUT;
	return rtrs_srv_path_state(path) == state ? 0 : -ECONNABORTED;
}

/**
 * rtrs_srv_sess_wait_fence - wait for the requests of closing paths
 * @path: path that wants to connect
 *
 * Context: process, sleeps for up to RTRS_SRV_FENCE_MS.
 *
 * Return: as rtrs_srv_sess_wait_idle().
 */
int rtrs_srv_sess_wait_fence(struct rtrs_srv_path *path)
{
	if (rtrs_srv_debug_no_wait())
		return 0;
	return rtrs_srv_sess_wait_idle(path, RTRS_SRV_CONNECTING,
				       msecs_to_jiffies(RTRS_SRV_FENCE_MS));
}

/* The directory of the session comes with its first path and stays until the last. */
static int publish(struct rtrs_srv_sess *sess, struct rtrs_srv_path *path)
{
	int err;

	if (!sess->published) {
		err = rtrs_srv_sysfs_sess_add(sess);
		if (err)
			return err;
		sess->published = true;
	}

	err = rtrs_srv_sysfs_path_add(path);
	if (!err)
		path->published = true;
	return err;
}

static int count_up(struct rtrs_srv_sess *sess, struct rtrs_srv_path *path)
{
	void *upper;

	/* The client goes on with what it had, and all of that is gone since it began. */
	if (!sess->nr_up && path->joins)
		return -ESTALE;
	if (!sess->nr_up) {
		upper = sess->srv->ops->sess_up(sess);
		if (IS_ERR(upper))
			return PTR_ERR(upper);
		sess->upper = upper;
	}
	sess->nr_up++;
	path->counted = true;
	return 0;
}

/**
 * rtrs_srv_sess_up - a path is about to be connected
 * @path: path of the session, which has its name
 *
 * Undone by rtrs_srv_sess_down(), also after a failure.
 *
 * Context: process, may sleep.
 *
 * Return: 0 or a negative errno; then the path must be closed.
 */
int rtrs_srv_sess_up(struct rtrs_srv_path *path)
{
	struct rtrs_srv_sess *sess = path->sess;
	int err;

	mutex_lock(&sess->up_lock);
	err = publish(sess, path);
	if (!err)
		err = count_up(sess, path);
	mutex_unlock(&sess->up_lock);
	return err;
}

/**
 * rtrs_srv_sess_down - a path has gone
 * @path: path of the session; none of its requests runs any more
 *
 * Context: process, may sleep.
 */
void rtrs_srv_sess_down(struct rtrs_srv_path *path)
{
	struct rtrs_srv_sess *sess = path->sess;

	mutex_lock(&sess->up_lock);
	if (path->counted && !--sess->nr_up) {
		sess->srv->ops->sess_down(sess->upper);
		sess->upper = NULL;
	}
	path->counted = false;
	mutex_unlock(&sess->up_lock);
}
