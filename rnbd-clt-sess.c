// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sessions of the client.
 *
 * Purpose: find a session by name or establish it, and tear it down when its last user
 * goes.  All devices mapped under a name share the session.
 *
 * Operation: a session is on the list from the moment somebody starts to establish it
 * until its tear-down has finished, so there is never a second one with its name.  Only
 * a LIVE session can be used; who finds another one waits until it has settled and looks
 * again: the outcome of an establishment is shared, and after a failure or a tear-down
 * the waiter makes its own attempt.
 *
 * Failure: establishing either finishes or undoes itself.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "rnbd-clt.h"

/* Guards the list of sessions; see the order of locks in rnbd-clt.h. */
DEFINE_MUTEX(rnbd_clt_lock);
LIST_HEAD(rnbd_clt_sessions);

/* Counts sessions that came to life or vanished; written under rnbd_clt_lock. */
static unsigned int nr_settled;
static DECLARE_WAIT_QUEUE_HEAD(settled_wq);

static void settled(void)
{
	lockdep_assert_held(&rnbd_clt_lock);
	WRITE_ONCE(nr_settled, nr_settled + 1);
	wake_up_all(&settled_wq);
}

/**
 * rnbd_clt_sess_find() - look a session up
 * @name: name of the session
 *
 * Context: the caller holds rnbd_clt_lock, and the result is valid as long.
 * Return: session in any state, or NULL.
 */
struct rnbd_clt_session *rnbd_clt_sess_find(const char *name)
{
	struct rnbd_clt_session *sess;

	lockdep_assert_held(&rnbd_clt_lock);
	list_for_each_entry(sess, &rnbd_clt_sessions, entry)
		if (!strcmp(sess->name, name))
			return sess;
	return NULL;
}

static void remove_and_free(struct rnbd_clt_session *sess)
{
	mutex_lock(&rnbd_clt_lock);
	list_del(&sess->entry);
	settled();
	mutex_unlock(&rnbd_clt_lock);
	kfree(sess);
}

/*
 * Nobody uses the session any more.  First no more re-opening, then no more messages,
 * and only then the transport may go, which ends the link events.
 */
static void destroy(struct rnbd_clt_session *sess)
{
	spin_lock(&sess->lock);
	sess->running = false;
	spin_unlock(&sess->lock);
	cancel_work_sync(&sess->link_work);
	cancel_work_sync(&sess->tell_work);
	rnbd_clt_left_free(sess);

	rnbd_clt_queues_stop(sess);
	rtrs_clt_close(sess->clt);
	rnbd_clt_queues_free(sess);
	remove_and_free(sess);
}

static void destroy_work(struct work_struct *work)
{
	destroy(container_of(work, struct rnbd_clt_session, destroy_work));
}

static bool put_last(struct rnbd_clt_session *sess)
{
	if (!refcount_dec_and_mutex_lock(&sess->users, &rnbd_clt_lock))
		return false;
	sess->state = RNBD_CLT_SESS_DYING;
	mutex_unlock(&rnbd_clt_lock);
	return true;
}

/**
 * rnbd_clt_sess_put() - drop a reference; the last one tears the session down
 * @sess: session
 *
 * Context: may sleep, and for the last reference does so until the paths are closed.
 */
void rnbd_clt_sess_put(struct rnbd_clt_session *sess)
{
	if (put_last(sess))
		destroy(sess);
}

/**
 * rnbd_clt_sess_put_async() - drop a reference, leave the tear-down to a work
 * @sess: session
 *
 * Context: may sleep, but only for a short time.
 */
void rnbd_clt_sess_put_async(struct rnbd_clt_session *sess)
{
	if (put_last(sess))
		queue_work(rnbd_clt_reap_wq, &sess->destroy_work);
}

static struct rnbd_clt_session *alloc_sess(const char *name)
{
	struct rnbd_clt_session *sess = kzalloc(sizeof(*sess), GFP_KERNEL);

	if (!sess)
		return NULL;
	strscpy(sess->name, name, sizeof(sess->name));
	refcount_set(&sess->users, 1);
	INIT_LIST_HEAD(&sess->devs);
	INIT_LIST_HEAD(&sess->left);
	mutex_init(&sess->left_lock);
	spin_lock_init(&sess->lock);
	sess->link_up = true;
	sess->slow_gen = sess->link_gen - 1;
	INIT_WORK(&sess->link_work, rnbd_clt_link_work);
	INIT_WORK(&sess->tell_work, rnbd_clt_tell_work);
	INIT_WORK(&sess->destroy_work, destroy_work);
	return sess;
}

/* The block layer needs room for a page in each request. */
static int check_attrs(const struct rtrs_clt_attrs *attrs)
{
	if (!attrs->queue_depth || !attrs->nr_irq_queues || !attrs->max_segments ||
	    attrs->max_io_size < PAGE_SIZE)
		return -EINVAL;
	return 0;
}

/* An administrator has changed a time of the RTRS session, or the session goes live. */
static void take_times(void *priv)
{
	static DEFINE_MUTEX(one_at_a_time);	/* so the last one has the latest values */
	struct rnbd_clt_session *sess = priv;
	struct rtrs_clt_attrs attrs;

	if (!READ_ONCE(sess->running))
		return;
	mutex_lock(&one_at_a_time);
	rtrs_clt_query(sess->clt, &attrs);
	spin_lock(&sess->lock);
	/* I/O that waited with the only tag would wait for ever: opening devices needs one. */
	WRITE_ONCE(sess->hold_ms, sess->tag_set.reserved_tags ? attrs.hold_time_ms : 0);
	rnbd_clt_queues_set_timeout(sess, attrs.request_timeout_ms);
	spin_unlock(&sess->lock);
	mutex_unlock(&one_at_a_time);
}

static const struct rtrs_clt_ops link_ops = {
	.link_ev	= rnbd_clt_link_ev,
	.times_changed	= take_times,
};

static struct rtrs_clt *connect_paths(struct rnbd_clt_session *sess,
				      const struct rnbd_clt_map_opts *opts)
{
	const struct rtrs_clt_params params = {
		.sessname		= sess->name,
		.paths			= opts->paths,
		.nr_paths		= opts->nr_paths,
		.port			= opts->dest_port,
		.nr_poll_queues		= opts->nr_poll_queues,
		.max_segments		= RNBD_CLT_MAX_SEGMENTS,
		.max_reconnect_attempts	= RTRS_RECONNECT_FOREVER,
		.ops			= &link_ops,
		.priv			= sess,
	};

	return rtrs_clt_open(&params);
}

/* Link events that were missed until now are made up for by the work. */
static void go_live(struct rnbd_clt_session *sess)
{
	mutex_lock(&rnbd_clt_lock);
	sess->state = RNBD_CLT_SESS_LIVE;
	spin_lock(&sess->lock);
	sess->running = true;
	if (sess->link_gen != sess->info_gen)
		queue_work(rnbd_clt_wq, &sess->link_work);
	spin_unlock(&sess->lock);
	take_times(sess);
	settled();
	mutex_unlock(&rnbd_clt_lock);
}

static int establish(struct rnbd_clt_session *sess, const struct rnbd_clt_map_opts *opts)
{
	u32 link_gen;
	int err;

	sess->clt = connect_paths(sess, opts);
	if (IS_ERR(sess->clt))
		return PTR_ERR(sess->clt);
	rtrs_clt_query(sess->clt, &sess->attrs);
	err = check_attrs(&sess->attrs);
	if (err)
		goto close;
	err = rnbd_clt_queues_create(sess);
	if (err)
		goto close;

	link_gen = READ_ONCE(sess->link_gen);
	err = rnbd_clt_msg_sess_info(sess, link_gen);
	if (err)
		goto stop;
	sess->info_gen = link_gen;
	go_live(sess);
	return 0;

stop:
	rnbd_clt_queues_stop(sess);
	rtrs_clt_close(sess->clt);
	rnbd_clt_queues_free(sess);
	return err;
close:
	rtrs_clt_close(sess->clt);
	return err;
}

/* The new session is on the list; nobody can use it before it is LIVE. */
static struct rnbd_clt_session *create(struct rnbd_clt_session *sess,
				       const struct rnbd_clt_map_opts *opts)
{
	int err = establish(sess, opts);

	if (!err)
		return sess;
	pr_err("%s: session cannot be established: %d\n", sess->name, err);
	if (err == -ECONNRESET && strchr(sess->name, '.'))
		pr_err("%s: some servers refuse a session name with the character '.'\n",
		       sess->name);
	remove_and_free(sess);
	return ERR_PTR(err);
}

/* Poll queues are fixed when a session is made, and such a session serves one device. */
static struct rnbd_clt_session *use(struct rnbd_clt_session *sess,
				    const struct rnbd_clt_map_opts *opts)
{
	lockdep_assert_held(&rnbd_clt_lock);
	if (sess->state != RNBD_CLT_SESS_LIVE)
		return ERR_PTR(-EAGAIN);
	if (opts->nr_poll_queues || sess->attrs.nr_poll_queues) {
		pr_err("map_device: %s: session exists, poll queues need a session of their own\n",
		       sess->name);
		return ERR_PTR(-EINVAL);
	}
	refcount_inc(&sess->users);
	return sess;
}

/*
 * Returns the session with a reference, @new when that one was put on the list and has
 * to be established, or an error; -EAGAIN: look again when something has settled.
 */
static struct rnbd_clt_session *find_or_insert(struct rnbd_clt_session *new,
					       const struct rnbd_clt_map_opts *opts)
{
	struct rnbd_clt_session *sess;

	lockdep_assert_held(&rnbd_clt_lock);
	sess = rnbd_clt_sess_find(new->name);
	if (sess)
		return use(sess, opts);
	if (!opts->nr_paths)
		return ERR_PTR(-ENXIO);
	list_add_tail(&new->entry, &rnbd_clt_sessions);
	return new;
}

/**
 * rnbd_clt_sess_get() - find a session or establish it (ABI 1.2.6, step 2)
 * @opts: name; paths, port and poll queues are used for a new session only
 *
 * Context: may sleep, for the time of connecting all paths.  Waits uninterruptibly
 * while another writer establishes or tears down a session of this name.
 * Return: session with a reference, or ERR_PTR: -ENXIO: no such session and no paths
 * given; -EINVAL: poll queues (1.2.7); else what the transport or the server said.
 */
struct rnbd_clt_session *rnbd_clt_sess_get(const struct rnbd_clt_map_opts *opts)
{
	struct rnbd_clt_session *new = alloc_sess(opts->sessname);
	struct rnbd_clt_session *sess;
	unsigned int seen;

	if (!new)
		return ERR_PTR(-ENOMEM);
	for (;;) {
		mutex_lock(&rnbd_clt_lock);
		seen = nr_settled;
		sess = find_or_insert(new, opts);
		mutex_unlock(&rnbd_clt_lock);
		if (sess != ERR_PTR(-EAGAIN))
			break;
		wait_event(settled_wq, READ_ONCE(nr_settled) != seen);
	}
	if (sess == new)
		return create(new, opts);
	kfree(new);
	return sess;
}

/**
 * rnbd_clt_sess_wait_none() - wait until the last session is gone
 *
 * Context: may sleep.  For module unload; nothing creates sessions any more.
 */
void rnbd_clt_sess_wait_none(void)
{
	wait_event(settled_wq, list_empty(&rnbd_clt_sessions));
}
