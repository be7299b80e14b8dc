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
 * new device id.
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
 * Context: any.
 * Return: true until the hold time of a lost link is over.
 */
bool rnbd_clt_holds(const struct rnbd_clt_dev *dev)
{
	return READ_ONCE(dev->sess->hold_ms) && READ_ONCE(dev->hold) != RNBD_CLT_HOLD_OVER &&
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

static void start_holding(struct rnbd_clt_dev *dev)
{
	if (dev->hold != RNBD_CLT_HOLD_MAY || !dev->mapped || dev->state != RNBD_CLT_DEV_CLOSED)
		return;
	WRITE_ONCE(dev->hold, RNBD_CLT_HOLD_ON);
	blk_mq_quiesce_queue_nowait(dev->gd->queue);
}

static void stop_holding(struct rnbd_clt_dev *dev, enum rnbd_clt_hold next)
{
	bool held = dev->hold == RNBD_CLT_HOLD_ON;

	lockdep_assert_held(&dev->sess->lock);
	WRITE_ONCE(dev->hold, next);
	if (held)
		blk_mq_unquiesce_queue(dev->gd->queue);
}

/*
 * A hold time that is set later is for the next loss.  A device that is being mapped or
 * unmapped is not meant.
 */
static void stop_all(struct rnbd_clt_session *sess)
{
	struct rnbd_clt_dev *dev;

	lockdep_assert_held(&sess->lock);
	list_for_each_entry(dev, &sess->devs, entry) {
		if (dev->state != RNBD_CLT_DEV_CLOSED)
			continue;
		if (dev->hold == RNBD_CLT_HOLD_ON)
			rnbd_clt_log(pr_err, dev, "I/O has waited long enough, fails now\n");
		stop_holding(dev, RNBD_CLT_HOLD_OVER);
	}
}

/**
 * rnbd_clt_hold_start() - the link is lost: devices that were open hold from now on
 * @sess: session, whose devices are closed
 * @newly_closed: some of them were open until now
 *
 * Context: the caller holds &rnbd_clt_session.lock.
 */
void rnbd_clt_hold_start(struct rnbd_clt_session *sess, bool newly_closed)
{
	struct rnbd_clt_dev *dev;

	lockdep_assert_held(&sess->lock);
	if (!newly_closed)
		return;
	if (!sess->hold_ms) {
		stop_all(sess);
		return;
	}
	list_for_each_entry(dev, &sess->devs, entry)
		start_holding(dev);
	mod_delayed_work(rnbd_clt_wq, &sess->hold_work, msecs_to_jiffies(sess->hold_ms));
}

/**
 * rnbd_clt_hold_end() - a device is open again, or will not be
 * @dev: device
 * @hold: %RNBD_CLT_HOLD_MAY, for the next loss of the link, or %RNBD_CLT_HOLD_OVER
 *
 * Context: process; does not sleep.
 */
void rnbd_clt_hold_end(struct rnbd_clt_dev *dev, enum rnbd_clt_hold hold)
{
	spin_lock(&dev->sess->lock);
	stop_holding(dev, hold);
	spin_unlock(&dev->sess->lock);
}

/**
 * rnbd_clt_hold_work() - the hold time is over
 * @work: &rnbd_clt_session.hold_work
 *
 * Context: process.
 */
void rnbd_clt_hold_work(struct work_struct *work)
{
	struct rnbd_clt_session *sess = container_of(to_delayed_work(work),
						     struct rnbd_clt_session, hold_work);

	spin_lock(&sess->lock);
	stop_all(sess);
	spin_unlock(&sess->lock);
}
