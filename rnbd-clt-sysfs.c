// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the administrator sees of the client.
 *
 * Purpose: the control device with its file map_device and the links in devices/, and
 * the attributes in /sys/block/rnbd<N>/rnbd/ (ABI 1.1 to 1.4).
 *
 * Operation: all files belong to attribute groups that are given to the driver core
 * together with their object, so they are there before user space hears of the object
 * and vanish with it.  devices/ is a group without files; links are added to it.
 *
 * Failure: a write returns the errno and, if it was refused for its form, leaves a line
 * in the log.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/kernfs.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <net/net_namespace.h>

#include "rnbd-clt.h"

#define LINKS_DIR	"devices"
#define DISK_DIR	"rnbd"

/* ---- parameter device_links: how a device is called in ctl/devices (ABI D2) ---- */

enum link_style {
	LINK_PLAIN,	/* device id; with the session if that name is taken */
	LINK_SESSION,	/* device id and session */
	LINK_BOTH,
};

static const char * const link_styles[] = {
	[LINK_PLAIN]	= "plain",
	[LINK_SESSION]	= "session",
	[LINK_BOTH]	= "both",
};

static enum link_style device_links = LINK_PLAIN;

static int link_style_set(const char *val, const struct kernel_param *kp)
{
	int style = sysfs_match_string(link_styles, val);

	if (style < 0) {
		pr_err("device_links: '%s' is none of plain, session, both\n", val);
		return style;
	}
	WRITE_ONCE(device_links, style);
	return 0;
}

static int link_style_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", link_styles[READ_ONCE(device_links)]);
}

static const struct kernel_param_ops link_style_ops = {
	.set = link_style_set,
	.get = link_style_get,
};
module_param_cb(device_links, &link_style_ops, NULL, 0644);
__MODULE_PARM_TYPE(device_links, "charp");
MODULE_PARM_DESC(device_links,
		 "names of later mappings in ctl/devices: plain (default), session, both");

/* ---- links in ctl/devices ---- */

/* Set while the control device exists. */
static struct device *ctl;

static bool is_link_of(const struct rnbd_clt_dev *dev, const char *name)
{
	int i;

	for (i = 0; i < RNBD_CLT_NR_LINKS; i++)
		if (dev->links[i] && !strcmp(dev->links[i], name))
			return true;
	return false;
}

static bool is_link_taken(const char *name)
{
	struct rnbd_clt_session *sess;
	struct rnbd_clt_dev *dev;

	lockdep_assert_held(&rnbd_clt_lock);
	list_for_each_entry(sess, &rnbd_clt_sessions, entry)
		list_for_each_entry(dev, &sess->devs, entry)
			if (is_link_of(dev, name))
				return true;
	return false;
}

/* One more name for the device; a session name has no slash, so only the id changes. */
static int reserve(struct rnbd_clt_dev *dev, enum link_style style)
{
	char **link = dev->links[0] ? &dev->links[1] : &dev->links[0];
	char *name;
	int err = 0;

	if (style == LINK_PLAIN)
		name = kstrdup(dev->path, GFP_KERNEL);
	else
		name = kasprintf(GFP_KERNEL, "%s@%s", dev->path, dev->sess->name);
	if (!name)
		return -ENOMEM;
	strreplace(name, '/', '!');

	if (strlen(name) > NAME_MAX)
		err = -ENAMETOOLONG;
	else if (is_link_taken(name))
		err = -EEXIST;
	if (err)
		kfree(name);
	else
		*link = name;
	return err;
}

/**
 * rnbd_clt_links_reserve() - choose the names of a device in ctl/devices (ABI D2)
 * @dev: device, not on the list of its session yet
 *
 * Context: may sleep; the caller holds rnbd_clt_lock.
 * Return: 0; -ENAMETOOLONG: longer than a file name can be; -EEXIST: another device has
 * the name; -ENOMEM.
 */
int rnbd_clt_links_reserve(struct rnbd_clt_dev *dev)
{
	enum link_style style = READ_ONCE(device_links);
	int err = -EEXIST;

	lockdep_assert_held(&rnbd_clt_lock);
	if (style != LINK_SESSION)
		err = reserve(dev, LINK_PLAIN);
	if (err == -EEXIST || (!err && style == LINK_BOTH))
		err = reserve(dev, LINK_SESSION);
	if (err) {
		rnbd_clt_log(pr_err, dev, "map_device: no name in ctl/devices: %d\n", err);
		rnbd_clt_links_release(dev);
	}
	return err;
}

/**
 * rnbd_clt_links_release() - give the names of a device back
 * @dev: device, without links
 *
 * Context: any that may take rnbd_clt_lock, which the caller holds.
 */
void rnbd_clt_links_release(struct rnbd_clt_dev *dev)
{
	int i;

	lockdep_assert_held(&rnbd_clt_lock);
	for (i = 0; i < RNBD_CLT_NR_LINKS; i++) {
		kfree(dev->links[i]);
		dev->links[i] = NULL;
	}
}

/**
 * rnbd_clt_links_add() - create the links of a device
 * @dev: device with a visible disk and reserved names
 *
 * Context: may sleep.  Called by the writer of map_device, hence the control device
 * exists; but its directory of links goes first when the module is unloaded.
 * Return: 0 or a negative errno, then there is none; -ENODEV: module is being unloaded.
 */
int rnbd_clt_links_add(struct rnbd_clt_dev *dev)
{
	struct kobject *disk = &disk_to_dev(dev->gd)->kobj;
	int err;

	while (dev->linked < RNBD_CLT_NR_LINKS && dev->links[dev->linked]) {
		err = sysfs_add_link_to_group(&ctl->kobj, LINKS_DIR, disk,
					      dev->links[dev->linked]);
		if (err) {
			rnbd_clt_links_remove(dev);
			return err == -ENOENT ? -ENODEV : err;
		}
		dev->linked++;
	}
	return 0;
}

/**
 * rnbd_clt_links_remove() - remove the links of a device
 * @dev: device
 *
 * Context: may sleep.  The links of a control device that is gone went with it.
 */
void rnbd_clt_links_remove(struct rnbd_clt_dev *dev)
{
	while (ctl && dev->linked)
		sysfs_remove_link_from_group(&ctl->kobj, LINKS_DIR,
					     dev->links[--dev->linked]);
}

/* ---- values ---- */

/* Match class "strip" of the ABI: white space on both sides does not count. */
static bool is_word(const char *buf, const char *word)
{
	size_t len = strlen(word);

	buf = skip_spaces(buf);
	return !strncmp(buf, word, len) && !*skip_spaces(buf + len);
}

static int bad_value(struct rnbd_clt_dev *dev, struct device_attribute *attr, const char *buf)
{
	rnbd_clt_log(pr_err, dev, "%s: '%.*s' is not a valid value\n", attr->attr.name,
		     (int)strcspn(buf, "\n"), buf);
	return -EINVAL;
}

static struct rnbd_clt_dev *to_dev(struct device *disk)
{
	return dev_to_disk(disk)->private_data;
}

/* ---- /sys/block/rnbd<N>/rnbd/: values ---- */

static ssize_t state_show(struct device *disk, struct device_attribute *attr, char *buf)
{
	bool open = READ_ONCE(to_dev(disk)->state) == RNBD_CLT_DEV_OPEN;

	return sysfs_emit(buf, "%s\n", open ? "open" : "closed");
}
static DEVICE_ATTR_RO(state);

static ssize_t session_show(struct device *disk, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", to_dev(disk)->sess->name);
}
static DEVICE_ATTR_RO(session);

static ssize_t mapping_path_show(struct device *disk, struct device_attribute *attr,
				 char *buf)
{
	return sysfs_emit(buf, "%s\n", to_dev(disk)->path);
}
static DEVICE_ATTR_RO(mapping_path);

static ssize_t access_mode_show(struct device *disk, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", rnbd_access_mode_str(to_dev(disk)->access_mode));
}
static DEVICE_ATTR_RO(access_mode);

static ssize_t nr_poll_queues_show(struct device *disk, struct device_attribute *attr,
				   char *buf)
{
	return sysfs_emit(buf, "%d\n", to_dev(disk)->sess->attrs.nr_poll_queues);
}
static DEVICE_ATTR_RO(nr_poll_queues);

/* ---- /sys/block/rnbd<N>/rnbd/: actions ---- */

static ssize_t resize_show(struct device *disk, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "Usage: echo <new size in 512-byte sectors> > %s\n",
			  attr->attr.name);
}

static ssize_t resize_store(struct device *disk, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct rnbd_clt_dev *dev = to_dev(disk);
	u64 nsectors;
	int err;

	err = kstrtou64(buf, 0, &nsectors);
	if (err) {
		bad_value(dev, attr, buf);
		return err;
	}
	err = rnbd_clt_resize(dev, nsectors);
	return err ?: count;
}
static DEVICE_ATTR_RW(resize);

static ssize_t remap_device_show(struct device *disk, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "Usage: echo <1> > %s\n", attr->attr.name);
}

static ssize_t remap_device_store(struct device *disk, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	struct rnbd_clt_dev *dev = to_dev(disk);
	int err;

	if (!is_word(buf, "1"))
		return bad_value(dev, attr, buf);
	err = rnbd_clt_remap(dev);
	return err ?: count;
}
static DEVICE_ATTR_RW(remap_device);

static ssize_t unmap_device_show(struct device *disk, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "Usage: echo <normal|force> > %s\n", attr->attr.name);
}

/*
 * The disk cannot go while a writer is inside one of its files, so a file that removes
 * its disk has to remove itself first.  The helper for that looks the file up in the
 * directory of a kobject.  Ours is in the directory of a group, which has none: lend it
 * a handle, of which only the directory is used.
 */
static void remove_self(struct device *disk, struct device_attribute *attr)
{
	struct kobject dir = {
		.sd = kernfs_find_and_get(disk->kobj.sd, DISK_DIR),
	};

	sysfs_remove_file_self(&dir, &attr->attr);
	kernfs_put(dir.sd);
}

static ssize_t unmap_device_store(struct device *disk, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	struct rnbd_clt_dev *dev = to_dev(disk);
	enum rnbd_clt_unmap_mode mode;
	int err;

	if (is_word(buf, "normal"))
		mode = RNBD_CLT_UNMAP_NORMAL;
	else if (is_word(buf, "force"))
		mode = RNBD_CLT_UNMAP_FORCE;
	else
		return bad_value(dev, attr, buf);

	/* Without its file nothing else would keep the module while we are in here. */
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	err = rnbd_clt_unmap_begin(dev, mode);
	if (!err) {
		remove_self(disk, attr);
		rnbd_clt_unmap_finish(dev, mode);
	}
	module_put(THIS_MODULE);
	return err ?: count;
}
static DEVICE_ATTR_RW(unmap_device);

static struct attribute *disk_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_session.attr,
	&dev_attr_mapping_path.attr,
	&dev_attr_access_mode.attr,
	&dev_attr_nr_poll_queues.attr,
	&dev_attr_unmap_device.attr,
	&dev_attr_remap_device.attr,
	&dev_attr_resize.attr,
	NULL
};

static const struct attribute_group disk_group = {
	.name = DISK_DIR,
	.attrs = disk_attrs,
};

/* Of each disk. */
const struct attribute_group *rnbd_clt_disk_groups[] = {
	&disk_group,
	NULL
};

/* ---- control device ---- */

static ssize_t map_device_show(struct device *device, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf,
			  "Usage: echo \"sessname=<session name> path=<[srcaddr,]dstaddr> [path=<[srcaddr,]dstaddr>] device_path=<path of the device on the server> [access_mode=<ro|rw|migration>] [dest_port=<port of the server>] [nr_poll_queues=<-1..number of CPUs>]\" > %s\n\naddr ::= [ ip:<ipv4> | ip:<ipv6> | gid:<gid> ]\n",
			  attr->attr.name);
}

static int map_line(char *line, struct rnbd_clt_map_opts *opts)
{
	int err = rnbd_clt_opts_parse(line, opts);

	if (!err)
		return rnbd_clt_map(opts);
	if (opts->culprit)
		pr_err("map_device: '%s': %s\n", opts->culprit, opts->error);
	else
		pr_err("map_device: %s\n", opts->error);
	return err;
}

static ssize_t map_device_store(struct device *device, struct device_attribute *attr,
				const char *buf, size_t count)
{
	struct rnbd_clt_map_opts *opts;
	char *line;
	int err = -ENOMEM;

	/* The addresses are those of the machine; somewhere else they would mislead. */
	if (!net_eq(current->nsproxy->net_ns, &init_net)) {
		pr_err("map_device: only from the initial network namespace\n");
		return -EOPNOTSUPP;
	}
	opts = kvmalloc(sizeof(*opts), GFP_KERNEL);
	line = kstrndup(buf, count, GFP_KERNEL);
	if (opts && line)
		err = map_line(line, opts);
	kfree(line);
	kvfree(opts);
	return err ?: count;
}
static DEVICE_ATTR_RW(map_device);

static struct attribute *ctl_attrs[] = {
	&dev_attr_map_device.attr,
	NULL
};

static const struct attribute_group ctl_group = {
	.attrs = ctl_attrs,
};

static struct attribute *no_attrs[] = {
	NULL
};

static const struct attribute_group links_group = {
	.name = LINKS_DIR,
	.attrs = no_attrs,
};

/* The directory comes first: who sees map_device may use it. */
static const struct attribute_group *ctl_groups[] = {
	&links_group,
	&ctl_group,
	NULL
};

/* Not a part of the module, which may be gone before the last reference to it. */
static struct class *ctl_class;
/* The code of ctl_release() is, and has to wait for it. */
static DECLARE_COMPLETION(ctl_released);

static void ctl_release(struct device *device)
{
	kfree(device);
	complete(&ctl_released);
}

/* @ctl is set before the device is added: a writer may come at once. */
static int ctl_add(void)
{
	int err;

	device_initialize(ctl);
	ctl->class = ctl_class;
	ctl->release = ctl_release;
	err = dev_set_name(ctl, "ctl");
	if (!err)
		err = device_add(ctl);
	if (err) {
		put_device(ctl);
		wait_for_completion(&ctl_released);
	}
	return err;
}

/**
 * rnbd_clt_ctl_create() - create class and control device (ABI 1.1)
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int rnbd_clt_ctl_create(void)
{
	int err;

	ctl_class = class_create("rnbd-client");
	if (IS_ERR(ctl_class))
		return PTR_ERR(ctl_class);
	ctl_class->dev_groups = ctl_groups;
	ctl = kzalloc(sizeof(*ctl), GFP_KERNEL);
	err = ctl ? ctl_add() : -ENOMEM;
	if (err) {
		ctl = NULL;
		class_destroy(ctl_class);
	}
	return err;
}

/**
 * rnbd_clt_ctl_destroy() - remove the control device with all links
 *
 * Context: may sleep; waits for the writers of map_device and the last reference.
 */
void rnbd_clt_ctl_destroy(void)
{
	device_unregister(ctl);
	ctl = NULL;
	wait_for_completion(&ctl_released);
	class_destroy(ctl_class);
}
