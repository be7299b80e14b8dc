// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Heartbeat of one path (wire specification, section 11).
 *
 * Normal operation: one delayed work per path.  At a tick that follows a sign of life
 * it asks the peer for the next one (HB_MSG); the peer answers with HB_ACK, and any
 * other message counts as well.
 *
 * The interval is ours to choose: a peer acknowledges at once, whatever its own is.
 *
 * Failure: every further tick without a sign of life is counted, and when too many
 * have passed the owner is told once and the ticking ends.  A heartbeat that cannot
 * be sent is reported at once.
 */
#include <linux/export.h>

#include "rtrs-fault.h"
#include "rtrs-pri.h"

/* Below swap like the paths it watches, hence with a rescuer. */
static struct workqueue_struct *hb_wq;

static void send_done(struct ib_cq *cq, struct ib_wc *wc)
{
	struct rtrs_hb *hb = container_of(wc->wr_cqe, struct rtrs_hb, cqe);

	atomic_dec(&hb->sends);
	if (wc->status != IB_WC_SUCCESS && wc->status != IB_WC_WR_FLUSH_ERR)
		hb->ops->send_failed(hb, -EIO);
}

/*
 * A peer that asks faster than its acknowledgments leave gets fewer of them: it sees
 * signs of life anyway, and must not fill the send queue.
 */
static void send(struct rtrs_hb *hb, enum rtrs_imm_type type)
{
	int err;

	if (!atomic_add_unless(&hb->sends, 1, RTRS_HB_SEND_WRS))
		return;

	err = rtrs_con_post_imm_empty(hb->con, &hb->cqe, rtrs_imm_pack(type, 0));
	if (err) {
		atomic_dec(&hb->sends);
		hb->ops->send_failed(hb, err);
	}
}

/* Count before sending: the answer may arrive before the post returns. */
static void ask(struct rtrs_hb *hb)
{
	WRITE_ONCE(hb->missed, 1);
	WRITE_ONCE(hb->sent_at, ktime_get());
	send(hb, RTRS_HB_MSG_IMM);
}

static unsigned int interval_ms(const struct rtrs_hb *hb)
{
	return READ_ONCE(hb->times[RTRS_HB_INTERVAL_MS]);
}

static void tick_later(struct rtrs_hb *hb)
{
	queue_delayed_work(hb_wq, &hb->work, msecs_to_jiffies(interval_ms(hb)));
}

static void tick(struct work_struct *work)
{
	struct rtrs_hb *hb = container_of(to_delayed_work(work), struct rtrs_hb, work);
	unsigned int missed = READ_ONCE(hb->missed);

	if (missed > READ_ONCE(hb->times[RTRS_HB_MISSED_MAX])) {
		hb->ops->lost(hb, missed * interval_ms(hb));
		return;
	}

	if (missed)	/* unless rtrs_hb_alive() has just cleared it */
		cmpxchg(&hb->missed, missed, missed + 1);
	else
		ask(hb);

	tick_later(hb);
}

/**
 * rtrs_hb_init - prepare the heartbeat of a path
 * @hb: heartbeat
 * @con: connection 0 of the path
 * @ops: callbacks
 * @times: see &rtrs_hb.times
 *
 * Context: any.
 */
void rtrs_hb_init(struct rtrs_hb *hb, struct rtrs_con *con, const struct rtrs_hb_ops *ops,
		  const unsigned int *times)
{
	*hb = (struct rtrs_hb) {
		.con		= con,
		.ops		= ops,
		.times		= times,
		.cqe.done	= send_done,
	};
	INIT_DELAYED_WORK(&hb->work, tick);
}
EXPORT_SYMBOL_GPL(rtrs_hb_init);

/**
 * rtrs_hb_start - the path is connected: start to tick, one interval from now
 * @hb: heartbeat, stopped
 *
 * Context: any.
 */
void rtrs_hb_start(struct rtrs_hb *hb)
{
	WRITE_ONCE(hb->missed, 0);
	WRITE_ONCE(hb->sent_at, 0);
	tick_later(hb);
}
EXPORT_SYMBOL_GPL(rtrs_hb_start);

/**
 * rtrs_hb_stop - stop ticking
 * @hb: heartbeat, started or not
 *
 * When it returns the tick is neither running nor queued.  Acknowledgments are still
 * sent as long as HB_MSG arrive; they end with rtrs_con_drain() of all connections.
 *
 * Context: process, may sleep; not from &rtrs_hb_ops.lost.
 */
void rtrs_hb_stop(struct rtrs_hb *hb)
{
	cancel_delayed_work_sync(&hb->work);
}
EXPORT_SYMBOL_GPL(rtrs_hb_stop);

static void take_latency(struct rtrs_hb *hb)
{
	ktime_t sent_at = READ_ONCE(hb->sent_at);

	if (!sent_at)	/* an acknowledgment that nobody asked for */
		return;

	WRITE_ONCE(hb->sent_at, 0);
	WRITE_ONCE(hb->latency_ns, ktime_to_ns(ktime_sub(ktime_get(), sent_at)));
}

/**
 * rtrs_hb_recv - a heartbeat immediate has arrived
 * @hb: heartbeat of the path
 * @imm_type: %RTRS_HB_MSG_IMM, which is acknowledged, or %RTRS_HB_ACK_IMM
 *
 * Context: any, on the completion queue of a connection of the path.
 */
void rtrs_hb_recv(struct rtrs_hb *hb, unsigned int imm_type)
{
	if (rtrs_fault(RTRS_FAULT_HEARTBEAT))
		return;
	rtrs_hb_alive(hb);
	if (imm_type == RTRS_HB_MSG_IMM)
		send(hb, RTRS_HB_ACK_IMM);
	else
		take_latency(hb);
}
EXPORT_SYMBOL_GPL(rtrs_hb_recv);

/**
 * rtrs_hb_wq_create - what all heartbeats share
 *
 * Context: module initialisation.
 *
 * Return: 0 or -ENOMEM.
 */
int rtrs_hb_wq_create(void)
{
	hb_wq = alloc_workqueue("rtrs_hb", WQ_MEM_RECLAIM, 0);
	return hb_wq ? 0 : -ENOMEM;
}

/**
 * rtrs_hb_wq_destroy - undo rtrs_hb_wq_create()
 *
 * Context: module exit; all heartbeats are stopped.
 */
void rtrs_hb_wq_destroy(void)
{
	destroy_workqueue(hb_wq);
}
