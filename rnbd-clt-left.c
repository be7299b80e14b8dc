// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Devices that the server may still have open although nobody has them mapped.
 *
 * Purpose: a device that was unmapped, or whose mapping failed, while no message could
 * reach the server.  If the server's session has survived, on a path that only the server
 * still believed in, the device would stay open there as long as the session lives.
 *
 * Operation: the session remembers such devices, and the link work closes them when the
 * link is back.  The old device id is of no use: a server that has lost the session may
 * have given it to another device since.  So the device is opened by its path, which in
 * a session that has survived finds what is open, and closed by the id in the answer.
 * Read-only is always allowed and counts as no writer, should nothing have survived.
 * Who maps the device again takes it over.
 *
 * Failure: what the server refuses to open it does not have open.  What it does not open
 * in time is given up, or it would cost the session its paths again and again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "rnbd-clt.h"

/**
 * struct left - a device that was left open
 * @entry: on &rnbd_clt_session.left
 * @path: device, as the server knows it
 */
struct left {
	struct list_head	entry;
	char			path[RNBD_NAME_LEN];
};

static void forget(struct left *left)
{
	list_del(&left->entry);
	kfree(left);
}

/**
 * rnbd_clt_left_add() - remember that the server may have a device open
 * @dev: device on the list of its session, not to be opened again
 *
 * Context: may sleep; bounded.
 */
void rnbd_clt_left_add(struct rnbd_clt_dev *dev)
{
	struct rnbd_clt_session *sess = dev->sess;
	struct left *left;

	left = kzalloc(sizeof(*left), GFP_KERNEL | __GFP_NOFAIL);
	strscpy(left->path, dev->path, sizeof(left->path));
	mutex_lock(&sess->left_lock);
	list_add_tail(&left->entry, &sess->left);
	mutex_unlock(&sess->left_lock);

	spin_lock(&sess->lock);
	if (sess->running)	/* the link may be back by now */
		queue_work(rnbd_clt_wq, &sess->link_work);
	spin_unlock(&sess->lock);
}

/**
 * rnbd_clt_left_take() - a device is mapped again: it is not left over any more
 * @dev: device on the list of its session, not opened yet
 *
 * Context: may sleep; bounded.  Behind this nobody closes the device but its owner.
 */
void rnbd_clt_left_take(struct rnbd_clt_dev *dev)
{
	struct rnbd_clt_session *sess = dev->sess;
	struct left *left, *next;

	mutex_lock(&sess->left_lock);
	list_for_each_entry_safe(left, next, &sess->left, entry) {
		if (strcmp(left->path, dev->path))
			continue;
		dev->left = true;
		forget(left);
	}
	mutex_unlock(&sess->left_lock);
}

static int close_left(struct rnbd_clt_session *sess, const struct left *left, u32 link_gen)
{
	struct rnbd_geometry geo;
	int err;

	err = rnbd_clt_msg_open(sess, left->path, RNBD_ACCESS_RO, link_gen, &geo);
	if (!err)
		err = rnbd_clt_msg_close(sess, link_gen, geo.device_id);
	if (!err)
		pr_info("<%s@%s> is closed on the server, too\n", left->path, sess->name);
	else if (err == -ETIMEDOUT)
		pr_err("<%s@%s> may stay open on the server, which takes too long\n", left->path,
		       sess->name);
	return err;
}

/**
 * rnbd_clt_left_close() - have the server close what was left open
 * @sess: session that the server knows
 * @link_gen: link generation
 *
 * Context: may sleep; bounded.  For the link work.
 * Return: -ECONNABORTED if a path was lost meanwhile, -ETIMEDOUT if the server took too
 * long; anything else: nothing is left to do.
 */
int rnbd_clt_left_close(struct rnbd_clt_session *sess, u32 link_gen)
{
	struct left *left, *next;
	int err = 0;

	mutex_lock(&sess->left_lock);
	list_for_each_entry_safe(left, next, &sess->left, entry) {
		err = close_left(sess, left, link_gen);
		if (err == -ECONNABORTED)
			break;
		forget(left);
		if (err == -ETIMEDOUT)
			break;
	}
	mutex_unlock(&sess->left_lock);
	return err;
}

/**
 * rnbd_clt_left_free() - forget everything: the session ends, on the server too
 * @sess: session without devices and link work
 *
 * Context: any.
 */
void rnbd_clt_left_free(struct rnbd_clt_session *sess)
{
	struct left *left, *next;

	list_for_each_entry_safe(left, next, &sess->left, entry)
		forget(left);
}
