// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mapped devices: map, unmap, remap, resize.
 *
 * Purpose: the life of a device from the line in map_device to the last close.
 *
 * Operation: a device is on its session's list from before the server opens it until
 * after the server was told to close it, so the same path is never opened and closed at
 * the same time (the server would answer with the same id).  Its links in ctl/devices
 * appear after the disk and go before it.  The disk holds the only reference count; a
 * disk that somebody has open stays behind as a dead one, and keeps its number and the
 * session until the last close.
 *
 * Unmapping has two halves.  rnbd_clt_unmap_begin() decides, atomically, who unmaps;
 * from then on nothing is sent any more.  rnbd_clt_unmap_finish() cannot fail.
 *
 * Failure: mapping either finishes or undoes itself, the session included.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "rnbd-clt.h"

static struct rnbd_clt_dev *find(struct rnbd_clt_session *sess, const char *path)
{
	struct rnbd_clt_dev *dev;

	lockdep_assert_held(&rnbd_clt_lock);
	list_for_each_entry(dev, &sess->devs, entry)
		if (!strcmp(dev->path, path))
			return dev;
	return NULL;
}

static bool is_mapped(const struct rnbd_clt_map_opts *opts)
{
	struct rnbd_clt_session *sess;
	bool mapped;

	mutex_lock(&rnbd_clt_lock);
	sess = rnbd_clt_sess_find(opts->sessname);
	mapped = sess && find(sess, opts->device_path);
	mutex_unlock(&rnbd_clt_lock);
	if (mapped)
		pr_err("map_device: <%s@%s> is mapped already\n", opts->device_path,
		       opts->sessname);
	return mapped;
}

/* The device gets a number, a place on the list, and its names in ctl/devices. */
static int insert(struct rnbd_clt_dev *dev)
{
	struct rnbd_clt_session *sess = dev->sess;
	int err = -EEXIST;

	mutex_lock(&rnbd_clt_lock);
	if (find(sess, dev->path))
		rnbd_clt_log(pr_err, dev, "map_device: is mapped already\n");
	else
		err = rnbd_clt_links_reserve(dev);
	if (!err) {
		spin_lock(&sess->lock);
		dev->open_gen = sess->link_gen - 1;
		dev->tried_gen = sess->link_gen - 1;
		list_add_tail(&dev->entry, &sess->devs);
		spin_unlock(&sess->lock);
	}
	mutex_unlock(&rnbd_clt_lock);
	return err;
}

static void remove(struct rnbd_clt_dev *dev)
{
	mutex_lock(&rnbd_clt_lock);
	spin_lock(&dev->sess->lock);
	list_del(&dev->entry);
	spin_unlock(&dev->sess->lock);
	rnbd_clt_links_release(dev);
	mutex_unlock(&rnbd_clt_lock);
	cancel_delayed_work_sync(&dev->hold_work);
}

/*
 * RTRS cannot give up a single request, so what the server does not answer costs the
 * session its path.  Repeated for what was on its way to the transport the first time.
 */
static void abort_work(struct work_struct *work)
{
	struct rnbd_clt_dev *dev = container_of(to_delayed_work(work), struct rnbd_clt_dev,
						abort_work);

	rnbd_clt_queues_abort(dev);
	queue_delayed_work(rnbd_clt_wq, &dev->abort_work, RNBD_CLT_ABORT_DELAY);
}

static void unmap_work(struct work_struct *work)
{
	struct rnbd_clt_dev *dev = container_of(work, struct rnbd_clt_dev, unmap_work);

	if (!rnbd_clt_unmap_begin(dev, RNBD_CLT_UNMAP_FORCE))
		rnbd_clt_unmap_finish(dev, RNBD_CLT_UNMAP_FORCE);
}

static struct rnbd_clt_dev *create(struct rnbd_clt_session *sess,
				   const struct rnbd_clt_map_opts *opts)
{
	struct rnbd_clt_dev *dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	int nr;

	if (!dev)
		return ERR_PTR(-ENOMEM);
	nr = rnbd_clt_nr_get();
	if (nr < 0) {
		pr_err("map_device: <%s@%s> gets none of the %u device numbers: %d\n",
		       opts->device_path, opts->sessname, RNBD_CLT_MAX_NR + 1, nr);
		kfree(dev);
		return ERR_PTR(nr);
	}
	dev->nr = nr;
	strscpy(dev->path, opts->device_path, sizeof(dev->path));
	dev->access_mode = opts->access_mode;
	mutex_init(&dev->ctl_lock);
	INIT_DELAYED_WORK(&dev->hold_work, rnbd_clt_hold_work);
	INIT_DELAYED_WORK(&dev->abort_work, abort_work);
	INIT_WORK(&dev->unmap_work, unmap_work);
	INIT_WORK(&dev->unknown_work, rnbd_clt_dev_unknown_work);
	refcount_inc(&sess->users);
	dev->sess = sess;
	return dev;
}

/**
 * rnbd_clt_dev_free() - end a device
 * @dev: device, on no list any more
 *
 * Context: may sleep for a short time.  Release of the disk, or undoing a mapping whose
 * disk was never added.
 */
void rnbd_clt_dev_free(struct rnbd_clt_dev *dev)
{
	rnbd_clt_nr_put(dev->nr);
	mutex_destroy(&dev->ctl_lock);
	rnbd_clt_sess_put_async(dev->sess);
	kfree(dev);
}

static void set_unmapped(struct rnbd_clt_dev *dev)
{
	spin_lock(&dev->sess->lock);
	WRITE_ONCE(dev->state, RNBD_CLT_DEV_UNMAPPED);
	spin_unlock(&dev->sess->lock);
}

/* The disk is live, the device UNMAPPED.  The device may be gone afterwards. */
static void take_down(struct rnbd_clt_dev *dev)
{
	del_gendisk(dev->gd);
	cancel_delayed_work_sync(&dev->abort_work);
	cancel_work_sync(&dev->unknown_work);
	rnbd_clt_dev_close(dev);
	remove(dev);
	rnbd_clt_log(pr_info, dev, "unmapped\n");
	put_disk(dev->gd);
}

/*
 * Everything is in place: from here on the device can be unmapped by others.  If the link was
 * lost meanwhile the block layer may have looked for partitions in vain.
 */
static int set_mapped(struct rnbd_clt_dev *dev)
{
	struct rnbd_clt_session *sess = dev->sess;
	bool open;

	spin_lock(&sess->lock);
	open = dev->state == RNBD_CLT_DEV_OPEN;
	if (open) {
		WRITE_ONCE(dev->mapped, true);
		/* It may have been changed since the disk was made. */
		blk_queue_rq_timeout(dev->gd->queue, sess->tag_set.timeout);
		rnbd_clt_tell(dev, RNBD_CLT_TELL_ONLINE);
	}
	spin_unlock(&sess->lock);
	if (!open)
		return -ECONNABORTED;
	rnbd_clt_tell_flush(sess);
	return 0;
}

static void log_mapped(struct rnbd_clt_dev *dev)
{
	const struct rnbd_geometry *geo = &dev->geo;

	rnbd_clt_log(pr_info, dev,
		     "mapped as %s: %llu sectors, block size %u logical, %u physical, discard %u sectors by %u bytes%s, write zeroes %u sectors, %u segments, %s%s\n",
		     dev->gd->disk_name, geo->nsectors, geo->logical_block_size,
		     geo->physical_block_size, geo->max_discard_sectors,
		     geo->discard_granularity, geo->secure_discard ? " (secure too)" : "",
		     geo->max_write_zeroes_sectors, dev->sess->attrs.max_segments,
		     geo->writeback ? "write back" : "write through",
		     geo->fua ? ", FUA" : "");
}

static int open_first(struct rnbd_clt_dev *dev)
{
	struct rnbd_geometry geo;
	int err;

	rnbd_clt_left_take(dev);
	err = rnbd_clt_dev_open(dev, &geo);
	if (err) {
		rnbd_clt_log(pr_err, dev, "map_device: cannot be opened on the server: %d\n", err);
		return err;
	}
	dev->geo = geo;
	return 0;
}

/* With @dev on the list: open it and show it.  On failure nothing of that is left. */
static int bring_up(struct rnbd_clt_dev *dev)
{
	int err;

	err = open_first(dev);
	if (err)
		goto close;
	err = rnbd_clt_disk_create(dev);
	if (err)
		goto close;
	err = rnbd_clt_disk_add(dev);
	if (err)
		goto put_disk;
	return 0;

put_disk:
	put_disk(dev->gd);
close:
	set_unmapped(dev);
	rnbd_clt_dev_close(dev);
	return err;
}

/* With the disk there: give it its names, and to its users. */
static int show(struct rnbd_clt_dev *dev)
{
	int err;

	err = rnbd_clt_links_add(dev);
	if (err)
		return err;
	log_mapped(dev);
	err = set_mapped(dev);
	if (err) {
		rnbd_clt_log(pr_err, dev, "map_device: was closed meanwhile\n");
		rnbd_clt_links_remove(dev);
	}
	return err;
}

static int map_over(struct rnbd_clt_session *sess, const struct rnbd_clt_map_opts *opts)
{
	struct rnbd_clt_dev *dev = create(sess, opts);
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	err = insert(dev);
	if (err)
		goto free;
	err = bring_up(dev);
	if (err)
		goto remove;
	err = show(dev);
	if (err) {
		set_unmapped(dev);
		take_down(dev);
	}
	return err;

remove:
	remove(dev);
free:
	rnbd_clt_dev_free(dev);
	return err;
}

/**
 * rnbd_clt_map() - map a device (ABI 1.2.6)
 * @opts: what to map
 *
 * Context: may sleep; for a new session as long as its paths take to connect.
 * Return: 0 or the errno of ABI 1.2.7.
 */
int rnbd_clt_map(const struct rnbd_clt_map_opts *opts)
{
	struct rnbd_clt_session *sess;
	int err;

	pr_info("<%s@%s> mapping requested: access %s, %u poll queues\n", opts->device_path,
		opts->sessname, rnbd_access_mode_str(opts->access_mode), opts->nr_poll_queues);
	if (is_mapped(opts))
		return -EEXIST;
	sess = rnbd_clt_sess_get(opts);
	if (IS_ERR(sess))
		return PTR_ERR(sess);
	err = map_over(sess, opts);
	rnbd_clt_sess_put(sess);
	return err;
}

static int claim(struct rnbd_clt_dev *dev, enum rnbd_clt_unmap_mode mode)
{
	unsigned int users = disk_openers(dev->gd);
	int err = 0;

	spin_lock(&dev->sess->lock);
	if (dev->state == RNBD_CLT_DEV_UNMAPPED)
		err = -EALREADY;
	else if (!dev->mapped)
		err = -EBUSY;
	else if (mode == RNBD_CLT_UNMAP_NORMAL && (users || mutex_is_locked(&dev->ctl_lock)))
		err = -EBUSY;
	else
		WRITE_ONCE(dev->state, RNBD_CLT_DEV_UNMAPPED);
	spin_unlock(&dev->sess->lock);

	if (err == -EBUSY)
		rnbd_clt_log(pr_err, dev, "not unmapped: in use, %u users\n", users);
	return err;
}

/**
 * rnbd_clt_unmap_begin() - decide that a device is unmapped, and by whom (ABI 1.4)
 * @dev: device
 * @mode: whether its users count
 *
 * Context: may sleep.
 * Return: 0: the caller has to call rnbd_clt_unmap_finish(), and @dev stays valid until
 * then; the links in ctl/devices are gone, nothing is sent any more.  -EBUSY: in use, or
 * still being mapped; -EALREADY: somebody else unmaps it.
 */
int rnbd_clt_unmap_begin(struct rnbd_clt_dev *dev, enum rnbd_clt_unmap_mode mode)
{
	int err;

	rnbd_clt_log(pr_info, dev, "unmap requested (%s)\n",
		     mode == RNBD_CLT_UNMAP_NORMAL ? "normal" : "force");
	/* The users cannot change while they are counted; by force they do not matter. */
	if (mode == RNBD_CLT_UNMAP_NORMAL) {
		mutex_lock(&dev->gd->open_mutex);
		err = claim(dev, mode);
		mutex_unlock(&dev->gd->open_mutex);
	} else {
		err = claim(dev, mode);
	}
	if (!err)
		rnbd_clt_links_remove(dev);
	return err;
}

/**
 * rnbd_clt_unmap_finish() - take down what rnbd_clt_unmap_begin() claimed
 * @dev: device; may be gone afterwards
 * @mode: as it was claimed
 *
 * By force users see a dead disk at once, and what the server still works on is ended
 * after a grace period, at the cost of the path.
 *
 * Context: may sleep: for the requests in flight (bounded), the close message, and
 * usually for the tear-down of the session if this was its last device.
 */
void rnbd_clt_unmap_finish(struct rnbd_clt_dev *dev, enum rnbd_clt_unmap_mode mode)
{
	struct rnbd_clt_session *sess = dev->sess;

	/* The last reference of the session shall be ours, not that of the disk. */
	refcount_inc(&sess->users);
	rnbd_clt_hold_over(dev);
	if (mode == RNBD_CLT_UNMAP_FORCE) {
		queue_delayed_work(rnbd_clt_wq, &dev->abort_work, RNBD_CLT_ABORT_DELAY);
		blk_mark_disk_dead(dev->gd);
	}
	take_down(dev);
	rnbd_clt_sess_put(sess);
}

/**
 * rnbd_clt_unmap_all() - start to unmap all devices, in parallel
 *
 * Context: may sleep; does not wait.  For module unload: nobody has a device open, and
 * nothing is mapped or unmapped by others any more.
 */
void rnbd_clt_unmap_all(void)
{
	struct rnbd_clt_session *sess;
	struct rnbd_clt_dev *dev;

	mutex_lock(&rnbd_clt_lock);
	list_for_each_entry(sess, &rnbd_clt_sessions, entry)
		list_for_each_entry(dev, &sess->devs, entry)
			queue_work(rnbd_clt_reap_wq, &dev->unmap_work);
	mutex_unlock(&rnbd_clt_lock);
}

static int remap_errno(struct rnbd_clt_dev *dev)
{
	switch (READ_ONCE(dev->state)) {
	case RNBD_CLT_DEV_OPEN:
		return -EALREADY;
	case RNBD_CLT_DEV_UNMAPPED:
		return -ENODEV;
	default:
		return 0;
	}
}

/**
 * rnbd_clt_remap() - ask the server to open a closed device again (ABI 1.4)
 * @dev: device
 *
 * Context: may sleep; bounded.
 * Return: 0; -EALREADY: it is open; -EBUSY: still being mapped; -ENODEV: being
 * unmapped; -ECONNABORTED: no path is connected; else the errno of the server.
 */
int rnbd_clt_remap(struct rnbd_clt_dev *dev)
{
	unsigned int noio;
	int err;

	/* Not behind the lock: who maps may wait for this very write to return. */
	if (!READ_ONCE(dev->mapped))
		return -EBUSY;
	/* Memory reclaim may be waiting for the device. */
	noio = memalloc_noio_save();
	mutex_lock(&dev->ctl_lock);
	err = remap_errno(dev);
	if (!err)
		err = rnbd_clt_dev_reopen(dev);
	mutex_unlock(&dev->ctl_lock);
	memalloc_noio_restore(noio);
	rnbd_clt_tell_flush(dev->sess);
	return err;
}

/**
 * rnbd_clt_resize() - set the local size of a device (ABI 1.4)
 * @dev: device
 * @nsectors: 512-byte sectors; not checked against the server
 *
 * Context: may sleep.
 * Return: 0; -ENOENT: the device is not open; -ERANGE: more than a disk can have.
 */
int rnbd_clt_resize(struct rnbd_clt_dev *dev, sector_t nsectors)
{
	sector_t old = get_capacity(dev->gd);

	if (READ_ONCE(dev->state) != RNBD_CLT_DEV_OPEN)
		return -ENOENT;
	if (nsectors > S64_MAX >> SECTOR_SHIFT)
		return -ERANGE;
	if (nsectors == old)
		return 0;
	rnbd_clt_log(pr_info, dev, "size changes from %llu to %llu sectors\n", (u64)old,
		     (u64)nsectors);
	rnbd_clt_dev_set_size(dev, nsectors);
	rnbd_clt_tell_flush(dev->sess);
	return 0;
}
