// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the users of a disk are told when its device is closed, opened again, or has
 * another size: uevents.
 *
 * Purpose: nothing that opens a device again waits for a uevent.  Sending one takes a
 * lock of the whole kernel, under which memory is allocated; whoever holds it may be
 * waiting for memory, and that for the very disk that is to be opened.
 * Operation: whoever closes or opens a device notes what there is to tell, and a work of
 * the session tells it.  What has become of a device meanwhile counts: the last event is
 * always that of the state it is in.
 * Failure: a uevent that is not sent for want of memory is lost, as ever.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>

#include "rnbd-clt.h"

static void send(struct rnbd_clt_dev *dev, enum kobject_action action, char *word)
{
	char *env[2] = { word };

	kobject_uevent_env(&disk_to_dev(dev->gd)->kobj, action, env);
}

static void tell(struct rnbd_clt_dev *dev, unsigned int what, bool open)
{
	bool closed = what & (RNBD_CLT_TELL_LOST | RNBD_CLT_TELL_OFFLINE);

	if (what & RNBD_CLT_TELL_LOST)
		rnbd_clt_log(pr_err, dev, "disconnected\n");
	if (closed && open)
		send(dev, KOBJ_OFFLINE, NULL);
	if (what & RNBD_CLT_TELL_RESIZED)
		send(dev, KOBJ_CHANGE, "RESIZE=1");
	if (what & RNBD_CLT_TELL_ONLINE)
		send(dev, KOBJ_ONLINE, NULL);
	if (closed && !open)
		send(dev, KOBJ_OFFLINE, NULL);
}

/* A device with something to tell, which is taken from it, with a reference on its disk. */
static struct rnbd_clt_dev *pick(struct rnbd_clt_session *sess, unsigned int *what, bool *open)
{
	struct rnbd_clt_dev *dev, *found = NULL;

	spin_lock(&sess->lock);
	list_for_each_entry(dev, &sess->devs, entry) {
		if (!dev->tell || dev->state == RNBD_CLT_DEV_UNMAPPED)
			continue;
		*what = dev->tell;
		*open = dev->state == RNBD_CLT_DEV_OPEN;
		dev->tell = 0;
		get_device(disk_to_dev(dev->gd));
		found = dev;
		break;
	}
	spin_unlock(&sess->lock);
	return found;
}

/**
 * rnbd_clt_tell_work() - send the uevents that are due
 * @work: &rnbd_clt_session.tell_work
 *
 * Context: process.
 */
void rnbd_clt_tell_work(struct work_struct *work)
{
	struct rnbd_clt_session *sess = container_of(work, struct rnbd_clt_session, tell_work);
	struct rnbd_clt_dev *dev;
	unsigned int what;
	bool open;

	while ((dev = pick(sess, &what, &open))) {
		tell(dev, what, open);
		put_disk(dev->gd);
	}
}

/**
 * rnbd_clt_tell() - users of a disk shall be told
 * @dev: device; of one that is still being mapped there is nothing to tell
 * @what: %RNBD_CLT_TELL_...
 *
 * Context: the caller holds &rnbd_clt_session.lock.
 */
void rnbd_clt_tell(struct rnbd_clt_dev *dev, unsigned int what)
{
	struct rnbd_clt_session *sess = dev->sess;

	lockdep_assert_held(&sess->lock);
	if (!dev->mapped)
		return;
	dev->tell |= what;
	if (sess->running)
		queue_work(rnbd_clt_reap_wq, &sess->tell_work);
}

/**
 * rnbd_clt_tell_flush() - wait until all has been told so far
 * @sess: session
 *
 * Context: may sleep; not on the way to an open device.
 */
void rnbd_clt_tell_flush(struct rnbd_clt_session *sess)
{
	flush_work(&sess->tell_work);
}
