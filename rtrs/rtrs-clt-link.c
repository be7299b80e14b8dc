// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the paths of a session mean for its user: is there a link or not.
 *
 * Operation: paths that are connected, or will be in a moment, are counted.  The user
 * hears of the first and of the last one in a work of its own: it may want to talk to
 * the server from inside the event, which no work of a path may wait for.  Events
 * alternate, so their number tells what they are.
 *
 * Failure: when all paths were lost the server may have forgotten the session, so the
 * next path becomes CONNECTED only after the user has handled the loss, and everybody
 * who was sending has done so.  What a path of the lost link has left does not go out
 * over the next link: it may come to that after the next one is up.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/export.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "rtrs-clt.h"

/* Apart from the paths' workqueue: works of that one wait for works of this one. */
static struct workqueue_struct *link_wq;

/* Of a long backlog only the last one or two matter: the end, and the way to it. */
static bool next_event(struct rtrs_clt *clt, unsigned int *nr)
{
	unsigned int pending;

	spin_lock(&clt->link_lock);
	pending = clt->link_tell ? clt->link_changes - clt->link_told : 0;
	*nr = clt->link_told + (pending ? ((pending - 1) & ~1U) + 1 : 0);
	spin_unlock(&clt->link_lock);
	return pending;
}

static void event_handled(struct rtrs_clt *clt, unsigned int nr)
{
	spin_lock(&clt->link_lock);
	clt->link_told = nr;
	spin_unlock(&clt->link_lock);
}

static void link_work(struct work_struct *work)
{
	struct rtrs_clt *clt = container_of(work, struct rtrs_clt, link_work);
	unsigned int nr;

	while (next_event(clt, &nr)) {
		rtrs_clt_log(pr_info, clt, "%s\n", nr & 1 ? "session connected" : "session lost");
		clt->ops->link_ev(clt->priv, nr & 1 ? RTRS_CLT_LINK_UP : RTRS_CLT_LINK_DOWN);
		/* Who saw the lost link, here or above us, must not meet the next one. */
		if (!(nr & 1))
			synchronize_rcu();
		event_handled(clt, nr);
	}
}

static void link_changed(struct rtrs_clt *clt)
{
	lockdep_assert_held(&clt->link_lock);

	WRITE_ONCE(clt->link_changes, clt->link_changes + 1);
	queue_work(link_wq, &clt->link_work);
}

static bool try_reserve(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;
	bool ok;

	spin_lock(&clt->link_lock);
	ok = clt->nr_up || !clt->link_tell || clt->link_changes == clt->link_told;
	if (ok) {
		clt->nr_up++;
		path->link = clt->link_changes | 1;	/* the one that is, or that comes */
	}
	spin_unlock(&clt->link_lock);
	return ok;
}

/**
 * rtrs_clt_link_reserve - a path is about to become CONNECTED
 * @path: path
 *
 * Called by the path's work; sleeps until the user has handled the loss of the paths
 * before.  rtrs_clt_link_release() follows one day.
 */
void rtrs_clt_link_reserve(struct rtrs_clt_path *path)
{
	while (!try_reserve(path))
		flush_work(&path->clt->link_work);
	path->counted = true;
}

/**
 * rtrs_clt_link_up - a path has become CONNECTED
 * @path: path for which rtrs_clt_link_reserve() was called
 *
 * Called by the path's work.
 */
void rtrs_clt_link_up(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;

	spin_lock(&clt->link_lock);
	if (!(clt->link_changes & 1))
		link_changed(clt);
	spin_unlock(&clt->link_lock);
}

/**
 * rtrs_clt_link_lasts - has there been a path all the time since this one was up
 * @path: path that has been CONNECTED
 *
 * Called by the path's work, inside an RCU read-side section: what is sent in the same
 * section does not go out over a later link.
 * Return: whether the session's link is still the one that the path belonged to.
 */
bool rtrs_clt_link_lasts(const struct rtrs_clt_path *path)
{
	return READ_ONCE(path->clt->link_changes) == path->link;
}

/**
 * rtrs_clt_link_release - a path is not CONNECTED any more, or did not become it
 * @path: path for which rtrs_clt_link_reserve() was called
 *
 * Called by the path's work.
 */
void rtrs_clt_link_release(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;

	path->counted = false;
	spin_lock(&clt->link_lock);
	if (!--clt->nr_up && clt->link_changes & 1)
		link_changed(clt);
	spin_unlock(&clt->link_lock);
}

/**
 * rtrs_clt_lone_get - may this path connect now
 * @path: path
 *
 * A server that does not know our extensions may create a session twice (quirk 14.4): as
 * long as none is up only one path at a time connects to it.  The others would have to
 * wait for an attempt that gets no answer, so with our own server, which finds or creates
 * in one step, each path is on its own.  With one that is up the server must know the
 * session: if it had to create it, it would know nothing of what the user has there.
 * Process context.
 * Return: whether it may; rtrs_clt_lone_put() follows.
 */
bool rtrs_clt_lone_get(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;
	bool alone, ok;

	spin_lock(&clt->link_lock);
	path->first_conn = !clt->nr_up;
	alone = path->first_conn && !path->conn.ext_use;	/* of the attempt before */
	ok = !alone || !clt->lone_path;
	if (ok && alone)
		clt->lone_path = path;
	spin_unlock(&clt->link_lock);
	return ok;
}

/**
 * rtrs_clt_lone_put - the attempt of a path has ended
 * @path: path, whatever rtrs_clt_lone_get() said
 *
 * Process context.
 */
void rtrs_clt_lone_put(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;

	spin_lock(&clt->link_lock);
	if (clt->lone_path == path)
		clt->lone_path = NULL;
	spin_unlock(&clt->link_lock);
}

/**
 * rtrs_clt_lone_check - the server has accepted the path's first connection
 * @path: path that rtrs_clt_lone_get() let connect
 *
 * The request may have been on its way for long.  If another path came up meanwhile, and
 * the server restarted after that, it has created the session for this one.  And a server
 * that knew our extensions at the attempt before may not know them any more, so that this
 * one should have been alone.  Process context.
 * Return: 0, or -EAGAIN: the attempt is in doubt, the next one is not.
 */
int rtrs_clt_lone_check(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;

	spin_lock(&clt->link_lock);
	path->in_doubt = path->first_conn &&
			 (clt->nr_up || (!path->conn.ext_use && clt->lone_path != path));
	spin_unlock(&clt->link_lock);
	return path->in_doubt ? -EAGAIN : 0;
}

/**
 * rtrs_clt_link_forgotten - the server does not know the session any more
 * @clt: session
 *
 * It has restarted, or has lost all paths, before this side did.  What is still taken for
 * connected is dead, and has to go before the session can begin anew, so that the user
 * hears of it.  Process context.
 */
void rtrs_clt_link_forgotten(struct rtrs_clt *clt)
{
	struct rtrs_clt_path *path;

	rcu_read_lock();
	list_for_each_entry_rcu(path, &clt->paths, entry) {
		if (rtrs_clt_path_connected(path))
			rtrs_clt_path_fail(path, READ_ONCE(path->gen), -ECONNRESET);
	}
	rcu_read_unlock();
}

/**
 * rtrs_clt_link_flush - wait until the user has handled all events so far
 * @clt: session
 *
 * A request that ends for want of a path does so behind the loss of the last one, so its
 * sender knows after this whether that loss was an event.  May sleep; not from inside an
 * event.
 */
void rtrs_clt_link_flush(struct rtrs_clt *clt)
{
	flush_work(&clt->link_work);
}
EXPORT_SYMBOL_GPL(rtrs_clt_link_flush);

/**
 * rtrs_clt_link_init - prepare the events of a new session
 * @clt: session
 */
void rtrs_clt_link_init(struct rtrs_clt *clt)
{
	spin_lock_init(&clt->link_lock);
	INIT_WORK(&clt->link_work, link_work);
}

/**
 * rtrs_clt_link_start - tell the user from now on
 * @clt: session whose paths were connected
 *
 * The user takes it to be up; if it is not any more, that is the first event.
 */
void rtrs_clt_link_start(struct rtrs_clt *clt)
{
	spin_lock(&clt->link_lock);
	clt->link_told = 1;
	clt->link_tell = true;
	spin_unlock(&clt->link_lock);
	queue_work(link_wq, &clt->link_work);
}

/**
 * rtrs_clt_link_stop - tell the user nothing any more
 * @clt: session
 *
 * May sleep, until an event that is being handled has been.  The work may still run,
 * without effect, until the last path has gone.
 */
void rtrs_clt_link_stop(struct rtrs_clt *clt)
{
	spin_lock(&clt->link_lock);
	clt->link_tell = false;
	spin_unlock(&clt->link_lock);
	flush_work(&clt->link_work);
}

/**
 * rtrs_clt_link_wq_create - what the events of all sessions share
 *
 * Return: 0 or -ENOMEM.
 */
int rtrs_clt_link_wq_create(void)
{
	link_wq = alloc_workqueue("rtrs_client_link", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return link_wq ? 0 : -ENOMEM;
}

/**
 * rtrs_clt_link_wq_destroy - undo rtrs_clt_link_wq_create()
 */
void rtrs_clt_link_wq_destroy(void)
{
	destroy_workqueue(link_wq);
}
