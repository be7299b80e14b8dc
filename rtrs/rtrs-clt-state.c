// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * State of a path.
 *
 * This file owns rtrs_clt_path.state.  The work of the path (rtrs-clt-path.c) walks
 * through the states; everybody else has four doors: the path shall begin
 * (rtrs_clt_path_start()), something failed (rtrs_clt_path_fail()), the path shall end
 * (rtrs_clt_path_shut()), the path shall try again now (rtrs_clt_path_kick()).  A door
 * looks at the state, changes it and queues the work, in one step: nothing is queued for
 * a path that is DEAD.  Who comes second, or with news of an attempt that is over,
 * changes nothing.
 */
#include <linux/workqueue.h>

#include "rtrs-clt.h"
#include "rtrs-clt-trace.h"

const char *const rtrs_clt_state_names[RTRS_CLT_STATE_NUM] = {
	[RTRS_CLT_CONNECTING]	  = "CONNECTING",
	[RTRS_CLT_CONNECTING_ERR] = "CONNECTING_ERR",
	[RTRS_CLT_RECONNECTING]	  = "RECONNECTING",
	[RTRS_CLT_CONNECTED]	  = "CONNECTED",
	[RTRS_CLT_CLOSING]	  = "CLOSING",
	[RTRS_CLT_CLOSED]	  = "CLOSED",
	[RTRS_CLT_DEAD]		  = "DEAD",
};

static bool set_state(struct rtrs_clt_path *path, enum rtrs_clt_state state)
{
	lockdep_assert_held(&path->state_lock);

	if (!rtrs_clt_state_may_follow(path->state, state))
		return false;
	trace_rtrs_clt_state(path, state);
	/* Pairs with rtrs_clt_path_state(). */
	smp_store_release(&path->state, state);
	return true;
}

static void queue_run(struct rtrs_clt_path *path)
{
	lockdep_assert_held(&path->state_lock);

	mod_delayed_work(rtrs_clt_wq, &path->work, 0);
}

/**
 * rtrs_clt_path_set_state - go to the next state
 * @path: path
 * @state: where to
 *
 * Any context.
 * Return: whether the table allows it and it was done.
 */
bool rtrs_clt_path_set_state(struct rtrs_clt_path *path, enum rtrs_clt_state state)
{
	unsigned long flags;
	bool changed;

	spin_lock_irqsave(&path->state_lock, flags);
	changed = set_state(path, state);
	spin_unlock_irqrestore(&path->state_lock, flags);
	if (changed)
		wake_up_all(&path->wait);
	return changed;
}

/**
 * rtrs_clt_path_start - let a new path make its first attempt
 * @path: path that was put on the list of its session
 *
 * Any context.  Nothing happens to a path that somebody has closed before.
 */
void rtrs_clt_path_start(struct rtrs_clt_path *path)
{
	unsigned long flags;

	spin_lock_irqsave(&path->state_lock, flags);
	if (path->state == RTRS_CLT_CONNECTING)
		queue_run(path);
	spin_unlock_irqrestore(&path->state_lock, flags);
}

/* A connected path is lost; a connecting one fails its attempt. */
static bool set_failed(struct rtrs_clt_path *path)
{
	if (path->state == RTRS_CLT_CONNECTED)
		return set_state(path, RTRS_CLT_RECONNECTING);
	return set_state(path, RTRS_CLT_CONNECTING_ERR);
}

/**
 * rtrs_clt_path_fail - the door for every error
 * @path: path
 * @gen: attempt in which it happened; of another one it is stale and dropped
 * @err: negative errno
 *
 * Any context.  A connected path starts recovery, a connection attempt ends.
 */
void rtrs_clt_path_fail(struct rtrs_clt_path *path, unsigned int gen, int err)
{
	unsigned long flags;
	bool changed;

	spin_lock_irqsave(&path->state_lock, flags);
	changed = gen == path->gen && set_failed(path);
	if (changed) {
		path->err = err;
		path->last_err = err;
		queue_run(path);
	}
	spin_unlock_irqrestore(&path->state_lock, flags);
	if (!changed)
		return;

	trace_rtrs_rdma_error_recovery(path);
	wake_up_all(&path->wait);
}

/**
 * rtrs_clt_path_shut - end the path, no reconnect
 * @path: path
 * @err: reason, for those who wait for a connection
 *
 * Any context; the path becomes CLOSED later.  Nothing happens to a path that is
 * closing or closed.
 */
void rtrs_clt_path_shut(struct rtrs_clt_path *path, int err)
{
	unsigned long flags;
	bool changed;

	spin_lock_irqsave(&path->state_lock, flags);
	changed = set_state(path, RTRS_CLT_CLOSING);
	if (changed) {
		path->err = err;
		queue_run(path);
	}
	spin_unlock_irqrestore(&path->state_lock, flags);
	if (!changed)
		return;

	trace_rtrs_clt_close_conns(path);
	wake_up_all(&path->wait);
}

/* An attempt that has failed is still being undone in CONNECTING_ERR. */
static bool may_kick(struct rtrs_clt_path *path)
{
	lockdep_assert_held(&path->state_lock);

	return path->state == RTRS_CLT_RECONNECTING ||
	       (path->state != RTRS_CLT_CONNECTING_ERR && set_state(path, RTRS_CLT_RECONNECTING));
}

/**
 * rtrs_clt_path_kick - start an attempt now
 * @path: path that is connected, waiting or closed
 * @gen: latest attempt, as the caller knows it
 *
 * Any context.  A connected path is torn down first.
 * Return: 0, the attempt behind @gen comes; -EBUSY when the path is connecting, closing
 * or being removed; -EAGAIN when there was another attempt meanwhile.
 */
int rtrs_clt_path_kick(struct rtrs_clt_path *path, unsigned int gen)
{
	unsigned long flags;
	int err = 0;

	spin_lock_irqsave(&path->state_lock, flags);
	if (gen != path->gen) {
		err = -EAGAIN;
	} else if (!may_kick(path)) {
		err = -EBUSY;
	} else {
		WRITE_ONCE(path->hurry, true);
		queue_run(path);
	}
	spin_unlock_irqrestore(&path->state_lock, flags);
	if (!err)
		wake_up_all(&path->wait);
	return err;
}
