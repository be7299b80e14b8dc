// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Path fence: what a lost path has left at the server must not start any more.
 *
 * Purpose: a request that was sent over a lost path may lie at the server without having
 * been looked at.  Before it is sent again, or before something newer can be sent after
 * it has failed, the server has to put that path out of service.
 *
 * Operation: a path that is lost with requests outstanding leaves a ghost.  The work of
 * the lost path has it fenced over a path that is connected; without one the first path
 * that comes back does so before it carries a request.  Then, and also when the lost path
 * itself was connected anew (the server has forgotten the old one by then), the ghost is
 * gone.  With a server that knows no fences ghosts are let go, as it has always been.
 *
 * A fence stops what has not started.  What runs at the server is waited for in its slot
 * by the same request, sent again.  Where that does not come any more, because a request
 * has ended without an answer, the server has to wait until nothing runs (FENCE_DRAIN).
 *
 * Failure: a fence that is not acknowledged costs the path that was to carry it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/jiffies.h>
#include <linux/slab.h>

#include "rtrs-clt.h"

#define FENCE_WAIT_MS	35000	/* a server gives up after 30 s */

/**
 * struct rtrs_clt_ghost - a lost path that the server may still believe in
 * @entry: on &rtrs_clt.ghosts
 * @uuid: its identity
 */
struct rtrs_clt_ghost {
	struct list_head	entry;
	uuid_t			uuid;
};

/* ---- ghosts ---- */

static bool can_carry(const struct rtrs_clt_path *path, u16 type)
{
	return path->conn.ext_use & (type == RTRS_MSG_FENCE_DRAIN ? RTRS_EXT_FENCE_DRAIN
								  : RTRS_EXT_PATH_FENCE);
}

static bool can_fence(const struct rtrs_clt_path *path)
{
	return can_carry(path, RTRS_MSG_FENCE);
}

/* The path has none on the list: it was connected since, which took that one away. */
static void leave_ghost(struct rtrs_clt_path *path)
{
	struct rtrs_clt *clt = path->clt;

	spin_lock(&clt->ghost_lock);
	if (path->ghost) {
		path->ghost->uuid = path->uuid;
		list_add_tail(&path->ghost->entry, &clt->ghosts);
		path->ghost = NULL;
	}
	spin_unlock(&clt->ghost_lock);
}

static void forget_ghost(struct rtrs_clt *clt, const uuid_t *uuid)
{
	struct rtrs_clt_ghost *ghost, *found = NULL;

	spin_lock(&clt->ghost_lock);
	list_for_each_entry(ghost, &clt->ghosts, entry) {
		if (uuid_equal(&ghost->uuid, uuid)) {
			list_del(&ghost->entry);
			found = ghost;
			break;
		}
	}
	spin_unlock(&clt->ghost_lock);
	kfree(found);
}

/**
 * rtrs_clt_ghosts_free - a session ends
 * @clt: session without paths
 *
 * May sleep.
 */
void rtrs_clt_ghosts_free(struct rtrs_clt *clt)
{
	struct rtrs_clt_ghost *ghost, *next;

	list_for_each_entry_safe(ghost, next, &clt->ghosts, entry)
		kfree(ghost);
}

/* ---- one fence ---- */

static void fence_sent(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_clt_con *con = cq->cq_context;

	if (wc->status != IB_WC_SUCCESS)
		rtrs_clt_con_fail(con, -ECONNRESET);
}

/**
 * rtrs_clt_fence_create - prepare a path to carry and to leave fences
 * @path: path after the INFO exchange
 *
 * May sleep.
 * Return: 0 or -ENOMEM; rtrs_clt_fence_destroy() and rtrs_clt_path_free() undo it.
 */
int rtrs_clt_fence_create(struct rtrs_clt_path *path)
{
	if (!path->ghost)
		path->ghost = kzalloc(sizeof(*path->ghost), GFP_KERNEL);
	if (!path->ghost)
		return -ENOMEM;
	if (!can_fence(path))
		return 0;
	path->fence_msg = rtrs_iu_alloc(path->dev, sizeof(struct rtrs_msg_fence),
					DMA_TO_DEVICE, fence_sent);
	return path->fence_msg ? 0 : -ENOMEM;
}

/**
 * rtrs_clt_fence_destroy - release what a path had on the device
 * @path: path whose queue pairs are gone
 *
 * May sleep.
 */
void rtrs_clt_fence_destroy(struct rtrs_clt_path *path)
{
	rtrs_iu_free(path->fence_msg);
	path->fence_msg = NULL;
}

static bool fence_pending(const struct rtrs_clt_path *path)
{
	/* Pairs with rtrs_clt_fence_recv(). */
	return smp_load_acquire(&path->fence_pending);
}

static int post_fence(struct rtrs_clt_path *path, const uuid_t *lost, u16 type)
{
	struct rtrs_iu *iu = path->fence_msg;

	path->fence = (struct rtrs_fence) {
		.type	= type,
		.seq	= path->fence.seq + 1,
		.uuid	= *lost,
	};
	rtrs_wire_put_fence(iu->buf, &path->fence);
	ib_dma_sync_single_for_device(path->dev->ib_dev, iu->dma, iu->size, DMA_TO_DEVICE);
	WRITE_ONCE(path->fence_pending, true);
	return rtrs_iu_post_send(&path->cons[0].base, iu, iu->size);
}

/*
 * In @state the path has its queue pair and, within an RCU section, does not lose it.  It may
 * have been connected anew since it was chosen, to a server that knows less.
 */
static int start_fence(struct rtrs_clt_path *path, enum rtrs_clt_state state,
		       const uuid_t *lost, u16 type)
{
	int err = -ENOTCONN;

	rcu_read_lock();
	if (rtrs_clt_path_state(path) == state && can_carry(path, type))
		err = post_fence(path, lost, type);
	rcu_read_unlock();
	return err;
}

static int wait_ack(struct rtrs_clt_path *path, enum rtrs_clt_state state)
{
	wait_event_timeout(path->wait, !fence_pending(path) || rtrs_clt_path_state(path) != state,
			   msecs_to_jiffies(FENCE_WAIT_MS));
	if (!fence_pending(path))
		return path->fence.err;
	return rtrs_clt_path_state(path) == state ? -ETIMEDOUT : -ECONNABORTED;
}

/* @state: in which @path is, and which it does not leave unless something fails. */
static int fence_over(struct rtrs_clt_path *path, enum rtrs_clt_state state, const uuid_t *lost,
		      u16 type)
{
	int err;

	mutex_lock(&path->fence_mutex);
	err = start_fence(path, state, lost, type);
	if (!err)
		err = wait_ack(path, state);
	mutex_unlock(&path->fence_mutex);

	if (err)
		rtrs_clt_path_log(pr_err_ratelimited, path, "fencing %pU failed: %pe\n", lost,
				  ERR_PTR(err));
	return err;
}

static int check_ack(const struct rtrs_clt_path *path, const struct rtrs_fence *ack)
{
	if (ack->type != RTRS_MSG_FENCE_ACK || !fence_pending(path) ||
	    ack->seq != path->fence.seq || !uuid_equal(&ack->uuid, &path->fence.uuid))
		return -EPROTO;
	return 0;
}

/**
 * rtrs_clt_fence_recv - a message without immediate has arrived on connection 0
 * @path: path
 * @data: message
 * @len: its bytes
 *
 * Completion context.
 * Return: 0, or -EPROTO when it is not the answer that is awaited.
 */
int rtrs_clt_fence_recv(struct rtrs_clt_path *path, const void *data, size_t len)
{
	struct rtrs_fence ack;
	int err;

	err = rtrs_wire_get_fence(&ack, data, len);
	if (!err)
		err = check_ack(path, &ack);
	if (err)
		return err;

	path->fence.err = ack.err;
	/* Pairs with fence_pending(). */
	smp_store_release(&path->fence_pending, false);
	wake_up_all(&path->wait);
	return 0;
}

/* ---- a path is lost ---- */

/* Some connected path, one that can fence if there is one.  The caller puts it. */
static struct rtrs_clt_path *get_connected(struct rtrs_clt *clt)
{
	struct rtrs_clt_path *path, *found = NULL;

	/* Whoever becomes CONNECTED behind our back has seen the ghost: next_ghost(). */
	spin_lock(&clt->ghost_lock);
	rcu_read_lock();
	list_for_each_entry_rcu(path, &clt->paths, entry)
		if (rtrs_clt_path_connected(path) && (!found || can_fence(path)))
			found = path;
	if (found && !kobject_get_unless_zero(&found->kobj))
		found = NULL;
	rcu_read_unlock();
	spin_unlock(&clt->ghost_lock);
	return found;
}

static int fence_over_any(struct rtrs_clt_path *lost, u16 type)
{
	struct rtrs_clt_path *path;
	unsigned int gen;
	int err = -ENOTCONN;

	while (err && (path = get_connected(lost->clt))) {
		gen = READ_ONCE(path->gen);
		err = 0;
		if (can_carry(path, type))
			err = fence_over(path, RTRS_CLT_CONNECTED, &lost->uuid, type);
		if (err)	/* it is not picked again */
			rtrs_clt_path_fail(path, gen, err);
		kobject_put(&path->kobj);
	}
	return err ? -ECONNABORTED : 0;
}

/**
 * rtrs_clt_fence_lost - keep the server from starting what a lost path has left
 * @lost: path that is not CONNECTED, its queue pairs drained, with requests outstanding
 *
 * Called by the path's work; sleeps for a round trip, or as long as the server takes.
 * What the path has left at the server is held against others until
 * rtrs_clt_fence_forget().
 * Return: 0: the requests can be sent again; -ECONNABORTED: there is no path to do so.
 */
int rtrs_clt_fence_lost(struct rtrs_clt_path *lost)
{
	leave_ghost(lost);
	return fence_over_any(lost, RTRS_MSG_FENCE);
}

/**
 * rtrs_clt_fence_drain - wait until the server is done with all that lost paths have left
 * @lost: path after rtrs_clt_fence_lost()
 *
 * For requests that end without an answer and may have been sent over several paths that
 * are lost by now.  Called by the path's work; sleeps as long as they run at the server.
 * A server that does not bring them to an end loses one path after the other.
 * Return: 0; -ECONNABORTED: there is no path left, and none comes up before that.
 */
int rtrs_clt_fence_drain(struct rtrs_clt_path *lost)
{
	return fence_over_any(lost, RTRS_MSG_FENCE_DRAIN);
}

/**
 * rtrs_clt_fence_forget - nothing that a lost path has left can do harm any more
 * @lost: path
 *
 * Any context that may take a spinlock.
 */
void rtrs_clt_fence_forget(struct rtrs_clt_path *lost)
{
	forget_ghost(lost->clt, &lost->uuid);
}

/* ---- a path comes back ---- */

static bool other_connected(const struct rtrs_clt_path *path)
{
	struct rtrs_clt_path *other;
	bool found = false;

	rcu_read_lock();
	list_for_each_entry_rcu(other, &path->clt->paths, entry)
		found |= other != path && rtrs_clt_path_connected(other);
	rcu_read_unlock();
	return found;
}

/*
 * What is there to fence before the path may be CONNECTED?  With another connected path
 * nothing: who is lost uses that one, and keeps its requests meanwhile.  Otherwise the
 * change of state and the look at the list are one step, so whoever leaves a ghost after
 * it finds this path connected.
 */
static bool next_ghost(struct rtrs_clt_path *path, uuid_t *uuid)
{
	struct rtrs_clt *clt = path->clt;
	struct rtrs_clt_ghost *ghost;

	spin_lock(&clt->ghost_lock);
	ghost = list_first_entry_or_null(&clt->ghosts, struct rtrs_clt_ghost, entry);
	if (ghost && other_connected(path))
		ghost = NULL;
	if (ghost)
		*uuid = ghost->uuid;
	else
		rtrs_clt_path_set_state(path, RTRS_CLT_CONNECTED);
	spin_unlock(&clt->ghost_lock);
	return ghost;
}

/**
 * rtrs_clt_fence_enter - make a path CONNECTED when nothing stands behind it
 * @path: path, CONNECTING, with everything ready
 *
 * Called by the path's work; sleeps for a round trip for each ghost, or as long as
 * requests of ghosts still run at the server.
 * Return: 0, or a negative errno; the attempt has failed then.
 */
int rtrs_clt_fence_enter(struct rtrs_clt_path *path)
{
	u16 type = can_carry(path, RTRS_MSG_FENCE_DRAIN) ? RTRS_MSG_FENCE_DRAIN
							 : RTRS_MSG_FENCE;
	uuid_t uuid;
	int err = 0;

	/* The server has forgotten what this path was before. */
	forget_ghost(path->clt, &path->uuid);
	while (!err && next_ghost(path, &uuid)) {
		if (can_fence(path))
			err = fence_over(path, RTRS_CLT_CONNECTING, &uuid, type);
		if (!err)
			forget_ghost(path->clt, &uuid);
	}
	if (!err && !rtrs_clt_path_connected(path))
		err = READ_ONCE(path->err) ?: -ECONNRESET;
	return err;
}
