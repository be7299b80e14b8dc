// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * /sys/class/rtrs-server/<session>/paths/<client>@<server>/
 *
 * Normal operation: a session's directory appears with its first path that has told
 * the name, a path's directory with the path.  The directories are the sessions' and the
 * paths' reference counts; who frees them is decided elsewhere.
 *
 * Failure: a directory that cannot be created costs the path, not the session.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/sysfs.h>

#include "rtrs-srv.h"

/* ---- session ---- */

static struct rtrs_srv_sess *to_sess(struct device *dev)
{
	return container_of(dev, struct rtrs_srv_sess, dev);
}

/* A time is found by its attribute, which points to its entry in the table. */
static unsigned int time_index(struct device_attribute *attr)
{
	struct dev_ext_attribute *ext = container_of(attr, struct dev_ext_attribute, attr);

	return (struct rtrs_time *)ext->var - rtrs_srv_times;
}

static ssize_t time_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_sess(dev)->times[time_index(attr)]));
}

static ssize_t time_store(struct device *dev, struct device_attribute *attr, const char *buf,
			  size_t count)
{
	struct rtrs_srv_sess *sess = to_sess(dev);
	unsigned int index = time_index(attr), value;
	int err;

	err = rtrs_time_parse(&rtrs_srv_times[index], buf, &value);
	if (err) {
		pr_err_ratelimited("<%s>: %s: invalid value '%.32s'\n", sess->name,
				   attr->attr.name, buf);
		return err;
	}
	WRITE_ONCE(sess->times[index], value);
	return count;
}

#define TIME_ATTR_RW(index, name)				\
	static struct dev_ext_attribute name##_attr = {		\
		__ATTR(name, 0644, time_show, time_store),	\
		&rtrs_srv_times[index]				\
	}

TIME_ATTR_RW(RTRS_HB_INTERVAL_MS, heartbeat_interval_ms);
TIME_ATTR_RW(RTRS_HB_MISSED_MAX, heartbeat_missed_max);

static ssize_t clt_hostname_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const char *name = to_sess(dev)->name;

	return sysfs_emit(buf, "%.*s\n", (int)(rtrs_sessname_at(name) - name), name);
}
static DEVICE_ATTR_RO(clt_hostname);

static struct attribute *sess_attrs[] = {
	&heartbeat_interval_ms_attr.attr.attr,
	&heartbeat_missed_max_attr.attr.attr,
	&dev_attr_clt_hostname.attr,
	NULL
};

/* Not every name tells a host. */
static umode_t sess_attr_visible(struct kobject *kobj, struct attribute *attr, int n)
{
	const char *name = to_sess(kobj_to_dev(kobj))->name;

	return attr != &dev_attr_clt_hostname.attr || rtrs_sessname_at(name) ? attr->mode : 0;
}

static const struct attribute_group sess_group = {
	.attrs		= sess_attrs,
	.is_visible	= sess_attr_visible,
};
__ATTRIBUTE_GROUPS(sess);

/* Not a part of the module, which may be gone before the last reference to it. */
static struct class *rtrs_srv_class;

/* ---- path ---- */

static struct rtrs_srv_path *to_path(struct kobject *kobj)
{
	return container_of(kobj, struct rtrs_srv_path, kobj);
}

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", rtrs_srv_path_state(to_path(kobj)) == RTRS_SRV_CONNECTED ?
				       "connected" : "disconnected");
}

static struct kobj_attribute state_attr = __ATTR_RO(state);

static ssize_t cur_latency_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lld ns\n", READ_ONCE(to_path(kobj)->hb.latency_ns));
}

static struct kobj_attribute cur_latency_attr = __ATTR_RO(cur_latency);

static ssize_t hca_name_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", dev_name(&to_path(kobj)->dev->ib_dev->dev));
}

static struct kobj_attribute hca_name_attr = __ATTR_RO(hca_name);

static ssize_t hca_port_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", to_path(kobj)->port_num);
}

static struct kobj_attribute hca_port_attr = __ATTR_RO(hca_port);

static ssize_t emit_addr(const struct sockaddr_storage *addr, char *buf)
{
	char text[RTRS_ADDR_STRLEN];

	rtrs_addr_format(addr, text, sizeof(text));
	return sysfs_emit(buf, "%s\n", text);
}

static ssize_t src_addr_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return emit_addr(&to_path(kobj)->src, buf);
}

static struct kobj_attribute src_addr_attr = __ATTR_RO(src_addr);

static ssize_t dst_addr_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return emit_addr(&to_path(kobj)->dst, buf);
}

static struct kobj_attribute dst_addr_attr = __ATTR_RO(dst_addr);

/* The one value that actions take. */
static int check_one(struct rtrs_srv_path *path, const struct kobj_attribute *attr,
		     const char *buf)
{
	if (sysfs_streq(buf, "1"))
		return 0;

	rtrs_srv_path_err(path, "%s: invalid value '%.32s'\n", attr->attr.name, buf);
	return -EINVAL;
}

static ssize_t disconnect_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "Usage: echo 1 > %s\n", attr->attr.name);
}

/* The file goes at once, the path when its requests have ended. */
static ssize_t disconnect_store(struct kobject *kobj, struct kobj_attribute *attr,
				const char *buf, size_t count)
{
	struct rtrs_srv_path *path = to_path(kobj);
	int err;

	err = check_one(path, attr, buf);
	if (err)
		return err;

	rtrs_srv_path_get(path);
	if (sysfs_remove_file_self(kobj, &attr->attr) && rtrs_srv_path_close(path))
		pr_info("<%s>: path %s: disconnected by the administrator\n", path->label,
			path->name);
	rtrs_srv_path_put(path);
	return count;
}

static struct kobj_attribute disconnect_attr = __ATTR_RW(disconnect);

static ssize_t rdma_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct rtrs_rdma_stats sum;

	rtrs_stats_sum(to_path(kobj)->stats, &sum);
	return sysfs_emit(buf, "%llu %llu %llu %llu\n",
			  sum.ops[RTRS_STAT_READ], sum.bytes[RTRS_STAT_READ],
			  sum.ops[RTRS_STAT_WRITE], sum.bytes[RTRS_STAT_WRITE]);
}

static ssize_t rdma_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			  size_t count)
{
	struct rtrs_srv_path *path = to_path(kobj);
	int err;

	err = check_one(path, attr, buf);
	if (err)
		return err;

	rtrs_stats_reset(path->stats);
	return count;
}

static struct kobj_attribute rdma_attr = __ATTR_RW(rdma);

static struct attribute *path_attrs[] = {
	&state_attr.attr,
	&cur_latency_attr.attr,
	&hca_name_attr.attr,
	&hca_port_attr.attr,
	&src_addr_attr.attr,
	&dst_addr_attr.attr,
	&disconnect_attr.attr,
	NULL
};

static const struct attribute_group path_group = {
	.attrs = path_attrs,
};

static struct attribute *stats_attrs[] = {
	&rdma_attr.attr,
	NULL
};

static const struct attribute_group stats_group = {
	.name	= "stats",
	.attrs	= stats_attrs,
};

static const struct attribute_group *path_groups[] = {
	&path_group,
	&stats_group,
	NULL
};

static void path_release(struct kobject *kobj)
{
	rtrs_srv_path_free(to_path(kobj));
}

const struct kobj_type rtrs_srv_path_ktype = {
	.release	= path_release,
	.sysfs_ops	= &kobj_sysfs_ops,
	.default_groups	= path_groups,
};

/**
 * rtrs_srv_sysfs_sess_init - make the device of a session its reference count
 * @sess: session
 * @release: frees the session
 *
 * Context: process.
 */
void rtrs_srv_sysfs_sess_init(struct rtrs_srv_sess *sess, void (*release)(struct device *dev))
{
	device_initialize(&sess->dev);
	sess->dev.class = rtrs_srv_class;
	sess->dev.release = release;
}

/**
 * rtrs_srv_sysfs_sess_add - create the directory of a session
 * @sess: session that has its name
 *
 * User space hears of it when `paths` is there.
 *
 * Context: process, may sleep.
 *
 * Return: 0 or a negative errno; then there is no directory.
 */
int rtrs_srv_sysfs_sess_add(struct rtrs_srv_sess *sess)
{
	struct device *dev = &sess->dev;
	int err;

	err = dev_set_name(dev, "%s", sess->name);
	if (err)
		return err;

	dev_set_uevent_suppress(dev, true);
	err = device_add(dev);
	if (err)
		return err;

	sess->paths_dir = kobject_create_and_add("paths", &dev->kobj);
	if (!sess->paths_dir) {
		device_del(dev);
		return -ENOMEM;
	}

	dev_set_uevent_suppress(dev, false);
	kobject_uevent(&dev->kobj, KOBJ_ADD);
	return 0;
}

/**
 * rtrs_srv_sysfs_sess_remove - remove the directory of a session
 * @sess: session without paths, added
 *
 * Context: process, may sleep.
 */
void rtrs_srv_sysfs_sess_remove(struct rtrs_srv_sess *sess)
{
	kobject_del(sess->paths_dir);
	kobject_put(sess->paths_dir);
	device_del(&sess->dev);
}

/**
 * rtrs_srv_sysfs_path_add - create the directory of a path
 * @path: path of a session that was added
 *
 * Context: process, may sleep.
 *
 * Return: 0 or a negative errno; then there is no directory.
 */
int rtrs_srv_sysfs_path_add(struct rtrs_srv_path *path)
{
	return kobject_add(&path->kobj, path->sess->paths_dir, "%s", path->name);
}

/**
 * rtrs_srv_sysfs_path_state - tell who polls it that the state of a path has changed
 * @path: path, added
 *
 * Context: process, may sleep.
 */
void rtrs_srv_sysfs_path_state(struct rtrs_srv_path *path)
{
	sysfs_notify(&path->kobj, NULL, "state");
}

/**
 * rtrs_srv_sysfs_path_remove - remove the directory of a path
 * @path: path, added, not connected any more
 *
 * Afterwards no reader or writer of its files is left.
 *
 * Context: process, may sleep; not from a file of the path.
 */
void rtrs_srv_sysfs_path_remove(struct rtrs_srv_path *path)
{
	rtrs_srv_sysfs_path_state(path);
	kobject_del(&path->kobj);
}

/**
 * rtrs_srv_sysfs_init - create the class
 *
 * Context: module initialisation.
 *
 * Return: 0 or a negative errno.
 */
int rtrs_srv_sysfs_init(void)
{
	rtrs_srv_class = class_create("rtrs-server");
	if (IS_ERR(rtrs_srv_class))
		return PTR_ERR(rtrs_srv_class);
	rtrs_srv_class->dev_groups = sess_groups;
	return 0;
}

/**
 * rtrs_srv_sysfs_exit - remove the class
 *
 * Context: module exit; no session is left.
 */
void rtrs_srv_sysfs_exit(void)
{
	class_destroy(rtrs_srv_class);
}
