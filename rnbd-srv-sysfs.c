// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RNBD server: what the administrator sees below /sys/class/rnbd-server/ctl.
 *
 *	devices/<bdev>/{block_dev,local_openers}
 *	devices/<bdev>/sessions/<session>/{read_only,mapping_path,access_mode,force_close}
 *
 * Operation: an exported device and a mapping have one embedded kobject each, which is
 * their only reference count; its release frees and does nothing else.  Whoever
 * creates or closes an object calls here, nothing here decides about a life, except
 * for the one action, force_close.
 * Failure: adding undoes itself.  Names were checked for duplicates by the caller.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/slab.h>
#include <linux/sysfs.h>
#include <linux/wait_bit.h>

#include "rnbd-srv.h"

/* Not a part of the module, which may be gone before the last reference to it. */
static struct class *rnbd_srv_class;
static struct device *ctl;
static struct kobject *devices_dir;

/* Objects that are not freed yet; the code of their release must not go before them. */
static atomic_t nr_objects;

static void object_freed(void)
{
	if (atomic_dec_and_test(&nr_objects))
		wake_up_var(&nr_objects);
}

static struct rnbd_srv_map *to_map(struct kobject *kobj)
{
	return container_of(kobj, struct rnbd_srv_map, kobj);
}

static ssize_t read_only_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_map(kobj)->mode) == RNBD_ACCESS_RO);
}

static ssize_t mapping_path_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", to_map(kobj)->name);
}

static ssize_t access_mode_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", rnbd_access_mode_str(READ_ONCE(to_map(kobj)->mode)));
}

static ssize_t force_close_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "Usage: echo 1 > %s\n", attr->attr.name);
}

/*
 * Closing removes the directory that this file is in, hence the active protection is
 * broken meanwhile.  Before that it keeps the session: whoever ends the session must
 * either close this mapping, and waits here in kobject_del(), or finds it taken, and
 * waits for the reference that the mapping has on the session.
 */
static ssize_t force_close_store(struct kobject *kobj, struct kobj_attribute *attr,
				 const char *buf, size_t count)
{
	struct rnbd_srv_map *map = to_map(kobj);
	struct kernfs_node *kn;

	if (!sysfs_streq(buf, "1")) {
		rnbd_srv_log(pr_err, map->name, map->sess, "force_close: bad value '%*pE'\n",
			     (int)min_t(size_t, count, 32), buf);
		return -EINVAL;
	}
	if (!rnbd_srv_map_take_this(map))
		return count;
	rnbd_srv_log(pr_info, map->name, map->sess, "force close requested\n");
	kn = sysfs_break_active_protection(kobj, &attr->attr);
	rnbd_srv_map_close(map);
	if (kn)
		sysfs_unbreak_active_protection(kn);
	return count;
}

static struct kobj_attribute read_only_attr = __ATTR_RO(read_only);
static struct kobj_attribute mapping_path_attr = __ATTR_RO(mapping_path);
static struct kobj_attribute access_mode_attr = __ATTR_RO(access_mode);
static struct kobj_attribute force_close_attr = __ATTR_RW(force_close);

static struct attribute *map_attrs[] = {
	&read_only_attr.attr,
	&mapping_path_attr.attr,
	&access_mode_attr.attr,
	&force_close_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(map);

static void map_release(struct kobject *kobj)
{
	struct rnbd_srv_map *map = to_map(kobj);

	percpu_ref_exit(&map->io_ref);
	kfree_rcu(map, rcu);
	object_freed();
}

static const struct kobj_type map_type = {
	.release	= map_release,
	.sysfs_ops	= &kobj_sysfs_ops,
	.default_groups	= map_groups,
};

/**
 * rnbd_srv_sysfs_map_init() - begin the life of a mapping
 * @map: zeroed mapping
 *
 * From here on kobject_put() of &rnbd_srv_map.kobj frees the mapping.
 *
 * Context: any.
 */
void rnbd_srv_sysfs_map_init(struct rnbd_srv_map *map)
{
	atomic_inc(&nr_objects);
	kobject_init(&map->kobj, &map_type);
}

/**
 * rnbd_srv_sysfs_map_add() - make the directory of a mapping
 * @map: mapping with &rnbd_srv_map.dev set; no other mapping of that device has a
 *	session of the same name
 *
 * Context: process, rnbd_srv_dev_lock held.
 * Return: 0 or a negative errno.
 */
int rnbd_srv_sysfs_map_add(struct rnbd_srv_map *map)
{
	return kobject_add(&map->kobj, map->dev->sessions, "%s", map->sess->name);
}

/**
 * rnbd_srv_sysfs_map_remove() - remove the directory of a mapping
 * @map: mapping
 *
 * Context: process, rnbd_srv_dev_lock held; waits for readers of its files.
 */
void rnbd_srv_sysfs_map_remove(struct rnbd_srv_map *map)
{
	kobject_del(&map->kobj);
}

/* Who removes the directory still has the block device open, and waits for us. */
static ssize_t local_openers_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct rnbd_srv_dev *dev = container_of(kobj, struct rnbd_srv_dev, kobj);

	return sysfs_emit(buf, "%u\n", rnbd_srv_dev_local_openers(dev));
}

static struct kobj_attribute local_openers_attr = __ATTR_RO(local_openers);

static struct attribute *dev_attrs[] = {
	&local_openers_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(dev);

static void dev_release(struct kobject *kobj)
{
	kfree(container_of(kobj, struct rnbd_srv_dev, kobj));
	object_freed();
}

static const struct kobj_type dev_type = {
	.release	= dev_release,
	.sysfs_ops	= &kobj_sysfs_ops,
	.default_groups	= dev_groups,
};

/**
 * rnbd_srv_sysfs_dev_add() - begin the life of an exported device, make its directory
 * @dev: zeroed exported device with &rnbd_srv_dev.bdev set; freed on failure
 * @name: name of the directory, not in use
 *
 * Context: process, rnbd_srv_dev_lock held.
 * Return: 0 or a negative errno.
 */
int rnbd_srv_sysfs_dev_add(struct rnbd_srv_dev *dev, const char *name)
{
	int err;

	atomic_inc(&nr_objects);
	err = kobject_init_and_add(&dev->kobj, &dev_type, devices_dir, "%s", name);
	if (err)
		goto put_dev;
	err = sysfs_create_link(&dev->kobj, bdev_kobj(dev->bdev), "block_dev");
	if (err)
		goto del_dev;
	err = -ENOMEM;
	dev->sessions = kobject_create_and_add("sessions", &dev->kobj);
	if (!dev->sessions)
		goto remove_link;
	return 0;

remove_link:
	sysfs_remove_link(&dev->kobj, "block_dev");
del_dev:
	kobject_del(&dev->kobj);
put_dev:
	kobject_put(&dev->kobj);
	return err;
}

/**
 * rnbd_srv_sysfs_dev_remove() - remove the directory of an exported device, end its life
 * @dev: exported device without mappings; gone afterwards
 *
 * Context: process, rnbd_srv_dev_lock held.
 */
void rnbd_srv_sysfs_dev_remove(struct rnbd_srv_dev *dev)
{
	kobject_del(dev->sessions);
	kobject_put(dev->sessions);
	sysfs_remove_link(&dev->kobj, "block_dev");
	kobject_del(&dev->kobj);
	kobject_put(&dev->kobj);
}

/**
 * rnbd_srv_sysfs_init() - make the control device with its empty directory
 *
 * Context: module load.
 * Return: 0 or a negative errno.
 */
int rnbd_srv_sysfs_init(void)
{
	int err;

	rnbd_srv_class = class_create("rnbd-server");
	if (IS_ERR(rnbd_srv_class))
		return PTR_ERR(rnbd_srv_class);
	ctl = device_create(rnbd_srv_class, NULL, MKDEV(0, 0), NULL, "ctl");
	if (IS_ERR(ctl)) {
		err = PTR_ERR(ctl);
		goto destroy_class;
	}
	err = -ENOMEM;
	devices_dir = kobject_create_and_add("devices", &ctl->kobj);
	if (!devices_dir)
		goto unregister_ctl;
	return 0;

unregister_ctl:
	device_unregister(ctl);
destroy_class:
	class_destroy(rnbd_srv_class);
	return err;
}

/**
 * rnbd_srv_sysfs_exit() - remove the control device
 *
 * Waits until the release functions of all objects have run.
 *
 * Context: module unload, no session left.
 */
void rnbd_srv_sysfs_exit(void)
{
	wait_var_event(&nr_objects, !atomic_read(&nr_objects));
	kobject_del(devices_dir);
	kobject_put(devices_dir);
	device_unregister(ctl);
	class_destroy(rnbd_srv_class);
}
