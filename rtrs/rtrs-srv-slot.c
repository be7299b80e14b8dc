// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Slots: at most one request at a time, and the fence between paths.
 *
 * Normal operation: one word says who runs in a slot, the path or nobody.  A request
 * claims an idle slot with one compare-and-exchange and gives it back with another.
 *
 * Failover: the client repeats a request on another path while the server still runs
 * the first copy.  The repetition is parked in the slot; whoever gives the slot back
 * hands it over instead.  So a write of a dead path can never take effect after its
 * repetition was answered (wire specification, 17.10).  Each copy is answered on its own
 * path: without a path fence the copy that comes second may be the one that was late, and
 * an answer on a path that the client has given up does no harm.
 *
 * Failure: a second use of a busy slot on the same path is a violation of the protocol
 * (17.7); the caller closes the path.  A path that closes takes back what it parked.
 */
#include "rtrs-srv.h"
#include "rtrs-srv-trace.h"

#define PARKED	1UL	/* in the owner word: a resend waits; set and cleared under park_lock */

static struct rtrs_srv_path *owner_path(unsigned long owner)
{
	return (struct rtrs_srv_path *)(owner & ~PARKED);
}

static void start_owning(struct rtrs_srv_slot *slot, struct rtrs_srv_con *con, u32 req_off)
{
	slot->con = con;
	slot->req_off = req_off;
	slot->revoked = false;
	rtrs_srv_trace_stamp(&slot->received_ns);
}

/*
 * The last of several resends is kept: the client has given up the paths of the
 * others, or has to do so if it has not.  Returns the connection that lost its place, or
 * NULL.
 */
static struct rtrs_srv_con *put_parked(struct rtrs_srv_slot *slot, struct rtrs_srv_con *con,
				       u32 req_off)
{
	struct rtrs_srv_con *before = slot->parked_con;

	slot->parked_con = con;
	slot->parked_off = req_off;
	return before;
}

/*
 * Decide about a request that met a busy slot.  The owner may end its request at any
 * moment unless PARKED is set, hence the loop; @replaced is who lost its place.
 */
static int claim_busy(struct rtrs_srv_slot *slot, struct rtrs_srv_con *con, u32 req_off,
		      struct rtrs_srv_con **replaced)
{
	unsigned long owner = READ_ONCE(slot->owner);

	lockdep_assert_held(&slot->req.sess->park_lock);

	for (;;) {
		if (owner_path(owner) == con->path)
			return -EPROTO;
		if (!owner) {
			if (try_cmpxchg(&slot->owner, &owner, (unsigned long)con->path))
				return 0;
			continue;
		}
		if (slot->parked_con && slot->parked_con->path == con->path)
			return -EPROTO;
		if ((owner & PARKED) || try_cmpxchg(&slot->owner, &owner, owner | PARKED)) {
			*replaced = put_parked(slot, con, req_off);
			return -EINPROGRESS;
		}
	}
}

/**
 * rtrs_srv_slot_claim - a request has arrived for a slot
 * @slot: slot
 * @con: connection of the request; its path holds a reference for the request
 * @req_off: position of the header in the chunk
 *
 * Context: process or softirq.
 *
 * Return: 0: the slot is the caller's until rtrs_srv_slot_release().  -EINPROGRESS: the
 * request is parked, with its reference, and will be run later.  -EPROTO: the slot is
 * in use on this path; the caller closes it.
 */
int rtrs_srv_slot_claim(struct rtrs_srv_slot *slot, struct rtrs_srv_con *con, u32 req_off)
{
	struct rtrs_srv_sess *sess = con->path->sess;
	struct rtrs_srv_con *replaced = NULL;
	unsigned long flags;
	int ret = 0;

	if (cmpxchg(&slot->owner, 0, (unsigned long)con->path)) {
		spin_lock_irqsave(&sess->park_lock, flags);
		ret = claim_busy(slot, con, req_off, &replaced);
		spin_unlock_irqrestore(&sess->park_lock, flags);
	}
	if (!ret)
		start_owning(slot, con, req_off);
	if (replaced) {
		rtrs_srv_path_fail(replaced->path, "its request was sent again", -ECONNABORTED);
		percpu_ref_put(&replaced->path->inflight);
	}
	return ret;
}

/* The slot changes hands, or its resend was taken back in the meantime. */
static bool hand_over(struct rtrs_srv_slot *slot)
{
	struct rtrs_srv_con *con = slot->parked_con;

	lockdep_assert_held(&slot->req.sess->park_lock);

	slot->parked_con = NULL;
	if (con)
		start_owning(slot, con, slot->parked_off);
	/* what start_owning() wrote comes first; pairs with the claim of the next request */
	smp_store_release(&slot->owner, (unsigned long)(con ? con->path : NULL));
	return con;
}

/**
 * rtrs_srv_slot_release - the request of a slot has ended
 * @slot: slot, owned by the caller; not to be touched afterwards
 *
 * The reference that the request holds on its path stays the caller's.
 *
 * Context: any.
 */
void rtrs_srv_slot_release(struct rtrs_srv_slot *slot)
{
	unsigned long me = (unsigned long)slot->con->path;
	struct rtrs_srv_sess *sess = slot->req.sess;
	unsigned long flags;
	bool handed;

	if (cmpxchg(&slot->owner, me, 0) == me)
		return;

	spin_lock_irqsave(&sess->park_lock, flags);
	handed = hand_over(slot);
	spin_unlock_irqrestore(&sess->park_lock, flags);
	if (handed)
		queue_work(rtrs_srv_io_wq, &slot->resume);
}

/**
 * rtrs_srv_slot_drop - the request of a slot ends without an answer
 * @slot: slot, owned by the caller; not to be touched afterwards
 *
 * Context: any.
 */
void rtrs_srv_slot_drop(struct rtrs_srv_slot *slot)
{
	struct rtrs_srv_path *path = slot->con->path;

	rtrs_srv_slot_release(slot);
	percpu_ref_put(&path->inflight);
}

static bool unpark(struct rtrs_srv_slot *slot, const struct rtrs_srv_path *path)
{
	bool mine;

	spin_lock_irq(&slot->req.sess->park_lock);
	mine = slot->parked_con && slot->parked_con->path == path;
	if (mine) {
		slot->parked_con = NULL;
		/* Only hand_over() changes a word with this bit, and that under the lock. */
		WRITE_ONCE(slot->owner, slot->owner & ~PARKED);
	}
	spin_unlock_irq(&slot->req.sess->park_lock);
	return mine;
}

/**
 * rtrs_srv_slots_unpark - take back what a path has parked
 * @path: path that is closing; no request of it arrives any more
 *
 * Context: process.
 */
void rtrs_srv_slots_unpark(struct rtrs_srv_path *path)
{
	struct rtrs_srv_slot *slots = path->sess->slots;
	unsigned int i;

	for (i = 0; i < rtrs_srv_conf.queue_depth; i++) {
		if (unpark(&slots[i], path))
			percpu_ref_put(&path->inflight);
	}
}
