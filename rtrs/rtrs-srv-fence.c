// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Path fence: a client has another path of its session put out of service for good.
 *
 * Normal operation: FENCE arrives on connection 0 of a path that carries requests.  A
 * work closes the path that it names and waits until none of its requests can start any
 * more, then acknowledges.  FENCE_DRAIN waits also for the requests that run, of that path
 * and of all others that are closing: a client that gave up requests asks for this, because
 * no repetition of them will wait in their slots.
 *
 * Failure: a message that makes no sense closes the path that it came by.  So does a
 * fence that could not be established in time, after the answer.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "rtrs-srv.h"

/* Whatever a path has on the device is there as long as it is found under the lock. */
static struct rtrs_srv_path *close_path(struct rtrs_srv_sess *sess, const uuid_t *uuid)
{
	struct rtrs_srv_path *path;

	mutex_lock(&sess->srv->lock);
	path = rtrs_srv_path_find(sess, uuid);
	if (path) {
		rtrs_srv_path_get(path);
		rtrs_srv_path_fail(path, "fenced by the client", -ECONNABORTED);
	}
	mutex_unlock(&sess->srv->lock);
	return path;
}

static bool is_fenced(const struct rtrs_srv_path *me, const struct rtrs_srv_path *other)
{
	/* Pairs with rtrs_srv_fence_reached(). */
	return smp_load_acquire(&other->fenced) ||
	       rtrs_srv_path_state(me) != RTRS_SRV_CONNECTED;
}

/* @left: jiffies that the fence may take, reduced by what this has taken. */
static int wait_fenced(struct rtrs_srv_path *me, struct rtrs_srv_path *other, long *left)
{
	*left = wait_event_timeout(me->sess->fence, is_fenced(me, other), *left);
	if (!*left)
		return -ETIMEDOUT;
	return READ_ONCE(other->fenced) ? 0 : -ECONNABORTED;
}

/* A path that is not there cannot start anything. */
static int fence_path(struct rtrs_srv_path *me, const uuid_t *uuid, long *left)
{
	struct rtrs_srv_path *other = close_path(me->sess, uuid);
	int err;

	if (!other)
		return 0;
	err = wait_fenced(me, other, left);
	rtrs_srv_path_put(other);
	return err;
}

static int establish(struct rtrs_srv_path *path, const struct rtrs_fence *msg)
{
	long left = msecs_to_jiffies(RTRS_SRV_PATH_FENCE_MS);
	int err;

	if (uuid_equal(&msg->uuid, &path->uuid))
		return -EINVAL;
	err = fence_path(path, &msg->uuid, &left);
	if (!err && msg->type == RTRS_MSG_FENCE_DRAIN)
		err = rtrs_srv_sess_wait_idle(path, RTRS_SRV_CONNECTED, left);
	return err;
}

/* The answer before this one has left when the client sends the next message, or soon. */
static int acknowledge(struct rtrs_srv_path *path, const struct rtrs_fence *msg, int err)
{
	struct rtrs_srv_fence *fence = &path->fence;
	struct rtrs_fence ack = *msg;

	if (!wait_for_completion_timeout(&fence->sent, msecs_to_jiffies(RTRS_SRV_PATH_FENCE_MS)))
		return -ETIMEDOUT;
	ack.type = RTRS_MSG_FENCE_ACK;
	ack.err = err;
	rtrs_wire_put_fence(fence->ack->buf, &ack);
	ib_dma_sync_single_for_device(path->dev->ib_dev, fence->ack->dma, fence->ack->size,
				      DMA_TO_DEVICE);
	/* From here on the client may send the next one. */
	smp_store_release(&fence->busy, false);

	err = rtrs_iu_post_send(&path->cons[0].base, fence->ack, fence->ack->size);
	if (err)
		complete(&fence->sent);
	return err;
}

static void fence_work(struct work_struct *work)
{
	struct rtrs_srv_path *path = container_of(work, struct rtrs_srv_path, fence.work);
	struct rtrs_fence msg = path->fence.msg;
	int err, ack_err;

	err = establish(path, &msg);
	if (rtrs_srv_path_state(path) != RTRS_SRV_CONNECTED)
		return;
	ack_err = acknowledge(path, &msg, err);
	if (err == -ETIMEDOUT || ack_err)
		rtrs_srv_path_fail(path, "path fence", ack_err ?: err);
}

static void ack_sent(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_srv_con *con = cq->cq_context;

	complete(&con->path->fence.sent);
	if (wc->status != IB_WC_SUCCESS)
		rtrs_srv_path_fail_wc(con->path, "answer to a fence", wc);
}

static int take(struct rtrs_srv_path *path, const void *data, size_t len)
{
	struct rtrs_srv_fence *fence = &path->fence;
	struct rtrs_fence msg;
	int err;

	err = rtrs_wire_get_fence(&msg, data, len);
	if (err)
		return err;
	if (msg.err || (msg.type != RTRS_MSG_FENCE &&
			!(msg.type == RTRS_MSG_FENCE_DRAIN && path->ext & RTRS_EXT_FENCE_DRAIN)))
		return -EPROTO;
	/* Pairs with acknowledge(); completions of a connection come one at a time. */
	if (smp_load_acquire(&fence->busy))
		return -EPROTO;

	fence->busy = true;
	fence->msg = msg;
	queue_work(rtrs_srv_up_wq, &fence->work);
	return 0;
}

/**
 * rtrs_srv_fence_recv - a message without immediate has arrived on connection 0
 * @path: path, CONNECTED, with the extension in force
 * @data: message
 * @len: its bytes
 *
 * Context: completion of connection 0.
 */
void rtrs_srv_fence_recv(struct rtrs_srv_path *path, const void *data, size_t len)
{
	int err = take(path, data, len);

	if (err)
		rtrs_srv_path_fail(path, "bad fence message", err);
}

/**
 * rtrs_srv_fence_reached - no request of a closing path starts any more
 * @path: path
 *
 * Context: any.
 */
void rtrs_srv_fence_reached(struct rtrs_srv_path *path)
{
	/* Pairs with is_fenced(). */
	smp_store_release(&path->fenced, true);
	wake_up_all(&path->sess->fence);
}

/**
 * rtrs_srv_fence_init - prepare what a path needs to take fences
 * @path: new path
 *
 * Context: any.
 */
void rtrs_srv_fence_init(struct rtrs_srv_path *path)
{
	INIT_WORK(&path->fence.work, fence_work);
	init_completion(&path->fence.sent);
	complete(&path->fence.sent);
}

/**
 * rtrs_srv_fence_create - allocate it
 * @path: path with its device
 *
 * Context: process, may sleep.
 *
 * Return: 0 or -ENOMEM; undone by rtrs_srv_fence_destroy().
 */
int rtrs_srv_fence_create(struct rtrs_srv_path *path)
{
	if (!(path->ext & RTRS_EXT_PATH_FENCE))
		return 0;

	path->fence.ack = rtrs_iu_alloc(path->dev, sizeof(struct rtrs_msg_fence),
					DMA_TO_DEVICE, ack_sent);
	return path->fence.ack ? 0 : -ENOMEM;
}

/**
 * rtrs_srv_fence_destroy - undo rtrs_srv_fence_create()
 * @path: path whose connections are drained, or were never there
 *
 * Context: process, may sleep.
 */
void rtrs_srv_fence_destroy(struct rtrs_srv_path *path)
{
	rtrs_iu_free(path->fence.ack);
	rtrs_recv_ring_destroy(&path->ring);
}
