// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RNBD server: exported block devices and the access rule.
 *
 * Purpose: know which block device is used by which mappings, of all sessions and
 * under whatever name, and let only as many of them write as the rule allows.
 * Operation: the first mapping that attaches creates the exported device with its
 * directory, the last that detaches removes it.  Everything happens under one mutex,
 * which is never held over the opening or closing of a block device.
 * Failure: an errno for the client; nothing has changed then.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "rnbd-srv.h"

static DEFINE_MUTEX(rnbd_srv_dev_lock);
static LIST_HEAD(devices);

static struct rnbd_srv_dev *dev_find(struct block_device *bdev)
{
	struct rnbd_srv_dev *dev;

	lockdep_assert_held(&rnbd_srv_dev_lock);
	list_for_each_entry(dev, &devices, entry)
		if (dev->bdev == bdev)
			return dev;
	return NULL;
}

/*
 * A disk may be gone while mappings still have it open, and another may have come
 * under its name.
 */
static bool name_taken(const char *name)
{
	struct rnbd_srv_dev *dev;

	lockdep_assert_held(&rnbd_srv_dev_lock);
	list_for_each_entry(dev, &devices, entry)
		if (!strcmp(kobject_name(&dev->kobj), name))
			return true;
	return false;
}

static struct rnbd_srv_dev *dev_create(struct block_device *bdev)
{
	char name[BDEVNAME_SIZE + 8];
	struct rnbd_srv_dev *dev;
	int err;

	snprintf(name, sizeof(name), "%pg", bdev);
	strreplace(name, '/', '!');
	if (name_taken(name))
		return ERR_PTR(-EBUSY);

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->bdev = bdev;
	INIT_LIST_HEAD(&dev->maps);
	err = rnbd_srv_sysfs_dev_add(dev, name);
	if (err)
		return ERR_PTR(err);
	list_add_tail(&dev->entry, &devices);
	return dev;
}

static void dev_remove_if_unused(struct rnbd_srv_dev *dev)
{
	lockdep_assert_held(&rnbd_srv_dev_lock);
	if (!list_empty(&dev->maps))
		return;
	list_del(&dev->entry);
	rnbd_srv_sysfs_dev_remove(dev);
}

/* 5.3: rw wants to be the only writer, migration allows one other */
static int access_check(const struct rnbd_srv_dev *dev, const struct rnbd_srv_map *map,
			enum rnbd_access_mode mode)
{
	unsigned int others = mode == RNBD_ACCESS_MIGRATION ? 1 : 0;

	lockdep_assert_held(&rnbd_srv_dev_lock);
	if (mode == RNBD_ACCESS_RO || dev->writers <= others)
		return 0;
	rnbd_srv_log(pr_err_ratelimited, map->name, map->sess,
		     "access mode %s refused: %s has %u writers\n",
		     rnbd_access_mode_str(mode), kobject_name(&dev->kobj), dev->writers);
	return -EPERM;
}

/*
 * One use of a device per session, and one directory per session name.  A use that is
 * ending waits for its I/O, after which the client can have the device again.
 */
static int check_unused(const struct rnbd_srv_dev *dev, const struct rnbd_srv_sess *sess)
{
	struct rnbd_srv_map *map;

	lockdep_assert_held(&rnbd_srv_dev_lock);
	list_for_each_entry(map, &dev->maps, dev_entry)
		if (map->sess == sess || !strcmp(map->sess->name, sess->name))
			return percpu_ref_is_dying(&map->io_ref) ? -EBUSY : -EEXIST;
	return 0;
}

static int attach(struct rnbd_srv_dev *dev, struct rnbd_srv_map *map,
		  enum rnbd_access_mode mode)
{
	int err;

	err = check_unused(dev, map->sess);
	if (!err)
		err = access_check(dev, map, mode);
	if (err)
		return err;

	map->mode = mode;
	map->dev = dev;
	err = rnbd_srv_sysfs_map_add(map);
	if (err)
		return err;
	list_add_tail(&map->dev_entry, &dev->maps);
	WRITE_ONCE(dev->nr_maps, dev->nr_maps + 1);
	if (mode != RNBD_ACCESS_RO)
		dev->writers++;
	map->sess->nr_maps++;
	return 0;
}

/**
 * rnbd_srv_dev_attach() - a mapping begins to use its block device
 * @map: mapping with an open block device, not visible to anyone
 * @mode: access mode wanted
 *
 * With success the mapping has its directory and counts for the access rule.
 *
 * Context: process, may sleep.
 * Return: 0; -EPERM access rule; -EEXIST the session has the device under another
 * name; -EBUSY it is being closed for the session, or the name belongs to a device that
 * is gone but still in use; -ENOSPC too many devices of the session; -ENOMEM.
 */
int rnbd_srv_dev_attach(struct rnbd_srv_map *map, enum rnbd_access_mode mode)
{
	struct rnbd_srv_dev *dev;
	int err = -ENOSPC;

	mutex_lock(&rnbd_srv_dev_lock);
	if (map->sess->nr_maps >= rnbd_srv_max_sess_devices())
		goto unlock;
	dev = dev_find(map->bdev);
	if (!dev)
		dev = dev_create(map->bdev);
	err = PTR_ERR_OR_ZERO(dev);
	if (err)
		goto unlock;
	err = attach(dev, map, mode);
	if (err)
		dev_remove_if_unused(dev);
unlock:
	mutex_unlock(&rnbd_srv_dev_lock);
	return err;
}

/**
 * rnbd_srv_dev_upgrade() - let a read-only mapping write
 * @map: attached mapping whose block device is open for writing by now
 * @mode: access mode wanted, not read-only
 *
 * Context: process, may sleep.
 * Return: 0 or -EPERM (access rule).
 */
int rnbd_srv_dev_upgrade(struct rnbd_srv_map *map, enum rnbd_access_mode mode)
{
	int err;

	mutex_lock(&rnbd_srv_dev_lock);
	err = access_check(map->dev, map, mode);
	if (!err) {
		map->dev->writers++;
		WRITE_ONCE(map->mode, mode);
	}
	mutex_unlock(&rnbd_srv_dev_lock);
	return err;
}

/**
 * rnbd_srv_dev_detach() - a mapping ends its use of the block device
 * @map: attached mapping without I/O; its block device is still open
 *
 * Context: process, may sleep.
 */
void rnbd_srv_dev_detach(struct rnbd_srv_map *map)
{
	struct rnbd_srv_dev *dev = map->dev;

	mutex_lock(&rnbd_srv_dev_lock);
	rnbd_srv_sysfs_map_remove(map);
	list_del(&map->dev_entry);
	WRITE_ONCE(dev->nr_maps, dev->nr_maps - 1);
	if (map->mode != RNBD_ACCESS_RO)
		dev->writers--;
	map->sess->nr_maps--;
	dev_remove_if_unused(dev);
	mutex_unlock(&rnbd_srv_dev_lock);
}

/**
 * rnbd_srv_dev_local_openers() - who uses the block device beside the mappings?
 * @dev: exported device with an attached mapping
 *
 * Of a whole disk the users of its partitions count, too.
 *
 * Context: any.
 * Return: how many times the device is open on this machine; a momentary value.
 */
unsigned int rnbd_srv_dev_local_openers(const struct rnbd_srv_dev *dev)
{
	int openers = atomic_read(&dev->bdev->bd_openers);

	return max_t(int, 0, openers - (int)READ_ONCE(dev->nr_maps));
}
