// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * I/O waits for a while instead of failing when the link is lost.
 *
 * Purpose: the administrator may give a session a hold time (attribute hold_time_ms of
 * the RTRS session, 0 unless set).  Requests of its devices then wait that long for the
 * link to come back.
 *
 * Operation: a lost link closes the devices as ever, and their queues are quiesced.  What
 * the transport gives back because no path is left goes on the requeue list.  A device
 * that was opened again gets its queue back, and every request is built anew, with the
 * new device id.  Each device has its own time, which begins when it is closed: others
 * may come back meanwhile and be lost again.
 *
 * Failure: when the time is over, when the server does not open the device again, or when
 * it is unmapped, the queue runs again and the requests find the device closed.
 */
#include <linux/blk-mq.h>

#include "rnbd-clt.h"

#define RETRY_MS	3	/* for what comes back before or after the queue is quiesced */

/**
 * rnbd_clt_holds() - may a request of a device wait that cannot be sent now?
 * @dev: device
 *
 * Who maps a device waits for a path as long as the link is not given up, and no longer:
 * nobody else has asked for what is read then, and the mapping can be tried again.
 *
 * Context: any.
 * Return: true until the hold time of a lost link is over.
 */
bool rnbd_clt_holds(const struct rnbd_clt_dev *dev)
{
	if (!READ_ONCE(dev->mapped))
		return READ_ONCE(dev->state) == RNBD_CLT_DEV_OPEN;
	return READ_ONCE(dev->sess->hold_ms) &&
	       READ_ONCE(dev->hold) != RNBD_CLT_HOLD_OVER &&
	       READ_ONCE(dev->state) != RNBD_CLT_DEV_UNMAPPED;
}

/**
 * rnbd_clt_hold_request() - let a request that came back from the transport wait
 * @rq: started request of a device that holds
 *
 * Context: any.
 */
void rnbd_clt_hold_request(struct request *rq)
{
	struct request_queue *q = rq->q;

	blk_mq_requeue_request(rq, false);
	blk_mq_delay_kick_requeue_list(q, RETRY_MS);
}

/**
 * rnbd_clt_hold_end() - a device is open again, or will not be
 * @dev: device
 * @hold: %RNBD_CLT_HOLD_MAY, for the next loss of the link, or %RNBD_CLT_HOLD_OVER
 *
 * Context: the caller holds &rnbd_clt_session.lock.
 */
void rnbd_clt_hold_end(struct rnbd_clt_dev *dev, enum rnbd_clt_hold hold)
{
	bool held = dev->hold == RNBD_CLT_HOLD_ON;

	lockdep_assert_held(&dev->sess->lock);
	cancel_delayed_work(&dev->hold_work);
	WRITE_ONCE(dev->hold, hold);
	if (held)
		blk_mq_unquiesce_queue(dev->gd->queue);
}

/**
 * rnbd_clt_hold_over() - what waits for a device shall fail
 * @dev: device that will not be open again, for the present at least
 *
 * Context: process; does not sleep.
 */
void rnbd_clt_hold_over(struct rnbd_clt_dev *dev)
{
	spin_lock(&dev->sess->lock);
	rnbd_clt_hold_end(dev, RNBD_CLT_HOLD_OVER);
	spin_unlock(&dev->sess->lock);
}

/**
 * rnbd_clt_hold_start() - a device was closed with the link: it holds from now on
 * @dev: device that was open until now
 *
 * A hold time that is set later is for the next loss.
 *
 * Context: the caller holds &rnbd_clt_session.lock.
 */
void rnbd_clt_hold_start(struct rnbd_clt_dev *dev)
{
	struct rnbd_clt_session *sess = dev->sess;

	lockdep_assert_held(&sess->lock);
	if (!sess->hold_ms || !dev->mapped) {
		rnbd_clt_hold_end(dev, RNBD_CLT_HOLD_OVER);
		return;
	}
	queue_delayed_work(rnbd_clt_wq, &dev->hold_work, msecs_to_jiffies(sess->hold_ms));
	WRITE_ONCE(dev->hold, RNBD_CLT_HOLD_ON);
	blk_mq_quiesce_queue_nowait(dev->gd->queue);
}

/**
 * rnbd_clt_hold_work() - the hold time of a device is over
 * @work: &rnbd_clt_dev.hold_work
 *
 * Context: process.
 */
void rnbd_clt_hold_work(struct work_struct *work)
{
	struct rnbd_clt_dev *dev = container_of(to_delayed_work(work), struct rnbd_clt_dev,
						hold_work);

	spin_lock(&dev->sess->lock);
	/* Pending: it has been opened and closed again just now. */
	if (dev->state == RNBD_CLT_DEV_CLOSED && !delayed_work_pending(&dev->hold_work)) {
		if (dev->hold == RNBD_CLT_HOLD_ON)
			rnbd_clt_log(pr_err, dev, "I/O has waited long enough, fails now\n");
		rnbd_clt_hold_end(dev, RNBD_CLT_HOLD_OVER);
	}
	spin_unlock(&dev->sess->lock);
}
