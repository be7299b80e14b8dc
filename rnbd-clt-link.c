// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A session's link, and what it does to the devices.
 *
 * Purpose: the only place where a device becomes OPEN or CLOSED: at the first mapping,
 * when the link goes, when it comes back, when the server does not know the device any
 * more, and on request of the administrator.
 *
 * Operation: every loss of the link starts a new link generation.  A device id belongs
 * to the generation in which the server gave it out.  rnbd_clt_link_ev() closes all
 * devices, the transport waits for senders that still saw them open; the work, when the
 * link is up again, sends SESS_INFO and opens the devices anew.
 *
 * Failure: an answer that belongs to a generation that is over is worth nothing and
 * counts as -ECONNABORTED.  A device that the server does not open again, or that came
 * back as something else, stays closed until remap_device or the next link up.  The link
 * up behind a loss that an administrative message has caused, by its time-out, is none
 * for the devices whose opening has timed out: they would cause the next loss.  A path
 * can be lost while the next one, which keeps the link up, is not connected yet: what is
 * sent in between fails like that, too, and no event follows, so it is tried again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/sched/mm.h>

#include "rnbd-clt.h"

#define RETRY_MS	100	/* between two attempts to open devices over the same link */

static void close_all(struct rnbd_clt_session *sess)
{
	struct rnbd_clt_dev *dev;

	lockdep_assert_held(&sess->lock);
	list_for_each_entry(dev, &sess->devs, entry) {
		if (dev->state != RNBD_CLT_DEV_OPEN)
			continue;
		WRITE_ONCE(dev->state, RNBD_CLT_DEV_CLOSED);
		rnbd_clt_tell(dev, RNBD_CLT_TELL_LOST);
		rnbd_clt_hold_start(dev);
	}
}

/**
 * rnbd_clt_link_ev() - the session lost its last path, or has one again
 * @priv: session
 * @ev: which of the two
 *
 * Context: process context, never concurrently for one session.  Does not wait for
 * requests: those of the lost link may still be outstanding when the next one is up.
 */
void rnbd_clt_link_ev(void *priv, enum rtrs_clt_link_ev ev)
{
	struct rnbd_clt_session *sess = priv;

	spin_lock(&sess->lock);
	sess->link_up = ev == RTRS_CLT_LINK_UP;
	if (!sess->link_up) {
		WRITE_ONCE(sess->link_gen, sess->link_gen + 1);
		close_all(sess);
	}
	if (sess->running)
		queue_work(rnbd_clt_wq, &sess->link_work);
	spin_unlock(&sess->lock);
}

/*
 * A closed device not yet tried over the link of @link_gen, with a reference on its disk;
 * none if that link is gone.
 */
static struct rnbd_clt_dev *pick_closed(struct rnbd_clt_session *sess, u32 link_gen)
{
	struct rnbd_clt_dev *dev, *found = NULL;

	spin_lock(&sess->lock);
	list_for_each_entry(dev, &sess->devs, entry) {
		if (!dev->mapped || dev->state != RNBD_CLT_DEV_CLOSED ||
		    dev->tried_gen == link_gen || sess->link_gen != link_gen)
			continue;
		dev->tried_gen = link_gen;
		get_device(disk_to_dev(dev->gd));
		found = dev;
		break;
	}
	spin_unlock(&sess->lock);
	return found;
}

/*
 * If that has cost the last path, it is not for the sake of slow devices that the link
 * comes back.
 */
static void message_timed_out(struct rnbd_clt_session *sess)
{
	struct rnbd_clt_dev *dev;

	rtrs_clt_link_flush(sess->clt);
	spin_lock(&sess->lock);
	list_for_each_entry(dev, &sess->devs, entry)
		if (dev->slow)
			dev->tried_gen = sess->link_gen;
	spin_unlock(&sess->lock);
}

static int tell_server(struct rnbd_clt_session *sess, u32 link_gen)
{
	int err;

	if (sess->info_gen == link_gen)
		return 0;
	err = rnbd_clt_msg_sess_info(sess, link_gen);
	if (!err) {
		sess->info_gen = link_gen;
		pr_info("%s: session is connected again, opening its devices\n", sess->name);
	} else if (err != -ECONNABORTED) {
		pr_err_ratelimited("%s: session information refused: %d\n", sess->name, err);
	}
	return err;
}

static int reopen(struct rnbd_clt_dev *dev, u32 link_gen)
{
	struct rnbd_clt_session *sess = dev->sess;
	int err;

	mutex_lock(&dev->ctl_lock);
	err = rnbd_clt_dev_reopen(dev);
	if (err == -ECONNABORTED) {
		spin_lock(&sess->lock);
		dev->tried_gen = link_gen - 1;
		spin_unlock(&sess->lock);
	} else if (err) {
		rnbd_clt_log(pr_err, dev, "not opened again: %d\n", err);
		rnbd_clt_hold_over(dev);
	}
	mutex_unlock(&dev->ctl_lock);
	return err;
}

/* Returns whether all is done that can be; otherwise a path was lost meanwhile. */
static bool reopen_all(struct rnbd_clt_session *sess)
{
	u32 link_gen = READ_ONCE(sess->link_gen);
	struct rnbd_clt_dev *dev;
	int err;

	err = tell_server(sess, link_gen);
	while (!err && (dev = pick_closed(sess, link_gen))) {
		err = reopen(dev, link_gen);
		put_disk(dev->gd);
		if (err != -ECONNABORTED)	/* the others are not concerned */
			err = 0;
	}
	if (!err)
		err = rnbd_clt_left_close(sess, link_gen);
	if (err == -ETIMEDOUT) {
		message_timed_out(sess);
		err = -ECONNABORTED;	/* there is more to do, if there is a link */
	}
	return err != -ECONNABORTED;
}

/**
 * rnbd_clt_link_work() - follow up a link event
 * @work: &rnbd_clt_session.link_work
 *
 * Memory reclaim may be waiting for the devices, hence no allocation in here may wait
 * for I/O.
 */
void rnbd_clt_link_work(struct work_struct *work)
{
	struct rnbd_clt_session *sess = container_of(work, struct rnbd_clt_session, link_work);
	unsigned int noio = memalloc_noio_save();

	while (READ_ONCE(sess->link_up) && READ_ONCE(sess->running) && !reopen_all(sess))
		msleep(RETRY_MS);
	memalloc_noio_restore(noio);
}

/* From here on I/O is accepted. */
static int publish(struct rnbd_clt_dev *dev, u32 device_id, u32 link_gen)
{
	struct rnbd_clt_session *sess = dev->sess;
	int err = 0;

	spin_lock(&sess->lock);
	if (link_gen != sess->link_gen) {
		err = -ECONNABORTED;
	} else if (dev->state == RNBD_CLT_DEV_UNMAPPED) {
		err = -ENODEV;
	} else {
		WRITE_ONCE(dev->device_id, device_id);
		/* Pairs with the acquire in prepare_io(). */
		smp_store_release(&dev->opening, dev->opening + 1);
		dev->open_gen = link_gen;
		/* Pairs with the acquire in prepare_io(). */
		smp_store_release(&dev->state, RNBD_CLT_DEV_OPEN);
		rnbd_clt_hold_end(dev, RNBD_CLT_HOLD_MAY);
		dev->slow = false;
	}
	spin_unlock(&sess->lock);
	return err;
}

/*
 * What the block layer was told at the first mapping has to stay true: users have laid
 * out their data by it (13, item 20).
 */
static bool same_geometry(struct rnbd_clt_dev *dev, const struct rnbd_geometry *geo)
{
	const struct rnbd_geometry *old = &dev->geo;

	if (!old->logical_block_size)
		return true;
	return geo->logical_block_size == old->logical_block_size &&
	       geo->physical_block_size == old->physical_block_size &&
	       geo->writeback == old->writeback && geo->fua == old->fua;
}

/* Does nobody know what the server has made of a message, or was it not sent at all? */
static bool unanswered(int err)
{
	return err == -ECONNABORTED || err == -ETIMEDOUT;
}

/* What was not answered can be made up for when the link is back. */
static int close_id(struct rnbd_clt_dev *dev, u32 link_gen, u32 device_id)
{
	int err = rnbd_clt_msg_close(dev->sess, link_gen, device_id);

	dev->left = unanswered(err);
	return err;
}

/**
 * rnbd_clt_dev_open() - open a device on the server and let I/O in
 * @dev: device, INIT or CLOSED
 * @geo: geometry, set on success
 *
 * Context: may sleep; bounded.  One caller at a time: first mapping or ctl_lock.
 * Return: 0; -EINVAL if block sizes or features are not those of the first mapping (the
 * server is told to close); -ECONNABORTED if the link is or went down; -ENODEV if the
 * device is being unmapped; or the errno of the server.
 */
int rnbd_clt_dev_open(struct rnbd_clt_dev *dev, struct rnbd_geometry *geo)
{
	u32 link_gen = READ_ONCE(dev->sess->link_gen);
	int err;

	err = rnbd_clt_msg_open(dev->sess, dev->path, dev->access_mode, link_gen, geo);
	if (!err || unanswered(err))
		dev->left = true;
	if (err)
		return err;
	if (!same_geometry(dev, geo)) {
		rnbd_clt_log(pr_err, dev,
			     "block sizes %u/%u or cache %d/%d differ from %u/%u, %d/%d as mapped; stays closed\n",
			     geo->logical_block_size, geo->physical_block_size,
			     geo->writeback, geo->fua, dev->geo.logical_block_size,
			     dev->geo.physical_block_size, dev->geo.writeback, dev->geo.fua);
		err = -EINVAL;
	} else {
		err = publish(dev, geo->device_id, link_gen);
	}
	if (err)
		close_id(dev, link_gen, geo->device_id);
	return err;
}

/*
 * It stays closed until it is opened by hand, or the link was lost for another cause.
 * The server opens one device after the other: those behind the first one waited for it.
 */
static void set_slow(struct rnbd_clt_dev *dev, u32 link_gen)
{
	struct rnbd_clt_session *sess = dev->sess;

	spin_lock(&sess->lock);
	if (sess->slow_gen != link_gen) {
		sess->slow_gen = link_gen;
		dev->slow = true;
	}
	spin_unlock(&sess->lock);
	message_timed_out(sess);
}

/**
 * rnbd_clt_dev_set_size() - change the size of the disk
 * @dev: device that has been OPEN
 * @nsectors: 512-byte sectors
 *
 * A disk that is unmapped by force beside us has none, and keeps none.
 *
 * Context: process, does not sleep; users are told later.
 */
void rnbd_clt_dev_set_size(struct rnbd_clt_dev *dev, sector_t nsectors)
{
	sector_t old = get_capacity(dev->gd);

	spin_lock(&dev->sess->lock);
	if (dev->state != RNBD_CLT_DEV_UNMAPPED) {
		set_capacity(dev->gd, nsectors);
		if (old && nsectors && nsectors != old)
			rnbd_clt_tell(dev, RNBD_CLT_TELL_RESIZED);
	}
	spin_unlock(&dev->sess->lock);
}

/* Unless the link is lost again, and that may have been told already. */
static void tell_online(struct rnbd_clt_dev *dev)
{
	spin_lock(&dev->sess->lock);
	if (dev->state == RNBD_CLT_DEV_OPEN)
		rnbd_clt_tell(dev, RNBD_CLT_TELL_ONLINE);
	spin_unlock(&dev->sess->lock);
}

/**
 * rnbd_clt_dev_reopen() - open a closed device again
 * @dev: device; does nothing unless CLOSED
 *
 * Context: may sleep; bounded.  The caller holds ctl_lock.
 * Return: 0, or as rnbd_clt_dev_open().
 */
int rnbd_clt_dev_reopen(struct rnbd_clt_dev *dev)
{
	u32 link_gen = READ_ONCE(dev->sess->link_gen);
	struct rnbd_geometry geo;
	sector_t old;
	int err;

	lockdep_assert_held(&dev->ctl_lock);
	if (READ_ONCE(dev->state) != RNBD_CLT_DEV_CLOSED)
		return 0;
	err = rnbd_clt_dev_open(dev, &geo);
	if (err == -ETIMEDOUT)
		set_slow(dev, link_gen);
	if (err)
		return err;

	old = get_capacity(dev->gd);
	if (geo.nsectors < old)
		rnbd_clt_log(pr_err, dev,
			     "shrunk on the server from %llu to %llu sectors; data may be out of reach\n",
			     (u64)old, geo.nsectors);
	else if (geo.nsectors > old)
		rnbd_clt_log(pr_info, dev, "grown on the server from %llu to %llu sectors\n",
			     (u64)old, geo.nsectors);
	rnbd_clt_dev_set_size(dev, geo.nsectors);
	rnbd_clt_log(pr_info, dev, "open again\n");
	tell_online(dev);
	return 0;
}

static bool link_lasts(struct rnbd_clt_session *sess, u32 link_gen)
{
	bool lasts;

	spin_lock(&sess->lock);
	lasts = sess->link_up && link_gen == sess->link_gen;
	spin_unlock(&sess->lock);
	return lasts;
}

/**
 * rnbd_clt_dev_close() - tell the server that an unmapped device is no longer used
 * @dev: device, UNMAPPED, its disk is gone or never was there
 *
 * If the device was not open when it was unmapped the server has probably closed it,
 * when it lost the link; that is left to be seen when the link is back.
 *
 * Context: may sleep; bounded.
 */
void rnbd_clt_dev_close(struct rnbd_clt_dev *dev)
{
	struct rnbd_clt_session *sess = dev->sess;
	u32 open_gen;
	bool left;

	mutex_lock(&dev->ctl_lock);
	open_gen = dev->open_gen;
	/* A path may be lost while the one that keeps the link up is not connected yet. */
	while (dev->left && link_lasts(sess, open_gen) &&
	       close_id(dev, open_gen, dev->device_id) == -ECONNABORTED)
		msleep(RETRY_MS);
	left = dev->left;
	mutex_unlock(&dev->ctl_lock);
	if (left)
		rnbd_clt_left_add(dev);
}

/**
 * rnbd_clt_dev_unknown() - the server has answered that it does not know a device id
 * @dev: device that the request was for
 * @opening: opening of the device that the request was for
 *
 * The administrator of the server has closed the device under us (force_close), or the
 * server has lost the session while we have not.
 *
 * Context: any; a request of @dev has not ended yet.
 */
void rnbd_clt_dev_unknown(struct rnbd_clt_dev *dev, u32 opening)
{
	if (READ_ONCE(dev->opening) != opening)
		return;
	WRITE_ONCE(dev->unknown_opening, opening);
	queue_work(rnbd_clt_wq, &dev->unknown_work);
}

/*
 * No try to open it again over the present link: that would undo what the server's
 * administrator did.  And no CLOSE for it: the id may belong to another device by now.
 */
static bool close_unknown(struct rnbd_clt_dev *dev)
{
	struct rnbd_clt_session *sess = dev->sess;
	bool closed = false;

	spin_lock(&sess->lock);
	if (dev->state == RNBD_CLT_DEV_OPEN && dev->opening == READ_ONCE(dev->unknown_opening)) {
		WRITE_ONCE(dev->state, RNBD_CLT_DEV_CLOSED);
		WRITE_ONCE(dev->hold, RNBD_CLT_HOLD_OVER);
		dev->open_gen = sess->link_gen - 1;
		dev->tried_gen = sess->link_gen;
		rnbd_clt_tell(dev, RNBD_CLT_TELL_OFFLINE);
		closed = true;
	}
	spin_unlock(&sess->lock);
	return closed;
}

/**
 * rnbd_clt_dev_unknown_work() - close a device that the server has closed
 * @work: &rnbd_clt_dev.unknown_work
 *
 * Context: process.
 */
void rnbd_clt_dev_unknown_work(struct work_struct *work)
{
	struct rnbd_clt_dev *dev = container_of(work, struct rnbd_clt_dev, unknown_work);

	/* whoever opens it again, by remap_device, tells so after us */
	mutex_lock(&dev->ctl_lock);
	if (close_unknown(dev)) {
		dev->left = false;
		rnbd_clt_log(pr_err, dev, "closed by the server\n");
	}
	mutex_unlock(&dev->ctl_lock);
}
