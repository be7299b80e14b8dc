// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The client in sysfs: /sys/class/rtrs-client/<session>/, its paths and their
 * statistics.
 *
 * Operation: files are members of attribute groups and come and go with their
 * directory.  They read state, and write by calling the verbs of session and path.
 * Failure: a value that is not understood is -EINVAL and changes nothing.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kstrtox.h>
#include <linux/nsproxy.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <net/net_namespace.h>

#include "rtrs-clt.h"

static struct rtrs_clt *to_clt(struct device *dev)
{
	return container_of(dev, struct rtrs_clt, dev);
}

static struct rtrs_clt_path *to_path(struct kobject *kobj)
{
	return container_of(kobj, struct rtrs_clt_path, kobj);
}

/* ---- session ---- */

static int bad_value(const struct rtrs_clt *clt, const char *attr, const char *buf, int err)
{
	rtrs_clt_log(pr_err_ratelimited, clt, "%s: bad value '%.*s'\n", attr,
		     (int)strcspn(buf, "\n"), buf);
	return err;
}

static ssize_t add_path_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "Usage: echo [<source>,]<destination> > %s\n\n"
			  "addr ::= [ ip:<ipv4> | ip:<ipv6> | gid:<gid> ]\n", attr->attr.name);
}

static ssize_t add_path_store(struct device *dev, struct device_attribute *attr,
			      const char *buf, size_t count)
{
	struct rtrs_clt *clt = to_clt(dev);
	struct rtrs_addr_pair addrs;
	int err;

	/* The addresses are those of the machine; somewhere else they would mislead. */
	if (!net_eq(current->nsproxy->net_ns, &init_net)) {
		rtrs_clt_log(pr_err_ratelimited, clt,
			     "add_path: only from the initial network namespace\n");
		return -EOPNOTSUPP;
	}
	if (rtrs_addr_parse_pair(buf, strcspn(buf, "\n"), clt->port, &addrs))
		return bad_value(clt, attr->attr.name, buf, -EINVAL);
	err = rtrs_clt_path_add(clt, &addrs);
	return err ?: count;
}
static DEVICE_ATTR_RW(add_path);

static ssize_t max_reconnect_attempts_show(struct device *dev, struct device_attribute *attr,
					   char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_clt(dev)->max_reconnect_attempts));
}

static ssize_t max_reconnect_attempts_store(struct device *dev, struct device_attribute *attr,
					    const char *buf, size_t count)
{
	struct rtrs_clt *clt = to_clt(dev);
	int nr, err;

	err = kstrtoint(buf, 10, &nr);
	if (!err && (nr < RTRS_RECONNECT_FOREVER || nr > 9999))
		err = -EINVAL;
	if (err)
		return bad_value(clt, attr->attr.name, buf, err);
	WRITE_ONCE(clt->max_reconnect_attempts, nr);
	return count;
}
static DEVICE_ATTR_RW(max_reconnect_attempts);

static ssize_t mpath_policy_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const struct rtrs_clt_policy *policy = READ_ONCE(to_clt(dev)->policy);

	return sysfs_emit(buf, "%s (%s: %td)\n", policy->name, policy->abbrev,
			  policy - rtrs_clt_policies);
}

static ssize_t mpath_policy_store(struct device *dev, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	struct rtrs_clt *clt = to_clt(dev);
	int nr = rtrs_clt_policy_parse(buf);

	if (nr < 0)
		return bad_value(clt, attr->attr.name, buf, nr);
	WRITE_ONCE(clt->policy, &rtrs_clt_policies[nr]);
	return count;
}
static DEVICE_ATTR_RW(mpath_policy);
/* The name that documents use. */
static struct device_attribute dev_attr_mp_policy =
	__ATTR(mp_policy, 0644, mpath_policy_show, mpath_policy_store);

/* ---- session: times ---- */

/* A time is found by its attribute, which points to its entry in the table. */
static unsigned int time_index(struct device_attribute *attr)
{
	struct dev_ext_attribute *ext = container_of(attr, struct dev_ext_attribute, attr);

	return (struct rtrs_time *)ext->var - rtrs_clt_times;
}

static ssize_t time_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_clt(dev)->times[time_index(attr)]));
}

static ssize_t time_store(struct device *dev, struct device_attribute *attr, const char *buf,
			  size_t count)
{
	struct rtrs_clt *clt = to_clt(dev);
	unsigned int index = time_index(attr), value;
	int err;

	err = rtrs_time_parse(&rtrs_clt_times[index], buf, &value);
	if (err)
		return bad_value(clt, attr->attr.name, buf, err);
	WRITE_ONCE(clt->times[index], value);
	clt->ops->times_changed(clt->priv);
	return count;
}

#define TIME_ATTR_RW(index, name)				\
	static struct dev_ext_attribute name##_attr = {		\
		__ATTR(name, 0644, time_show, time_store),	\
		&rtrs_clt_times[index]				\
	}

TIME_ATTR_RW(RTRS_HB_INTERVAL_MS, heartbeat_interval_ms);
TIME_ATTR_RW(RTRS_HB_MISSED_MAX, heartbeat_missed_max);
TIME_ATTR_RW(RTRS_CLT_RECONNECT_DELAY_MS, reconnect_delay_ms);
TIME_ATTR_RW(RTRS_CLT_HOLD_TIME_MS, hold_time_ms);
TIME_ATTR_RW(RTRS_CLT_REQUEST_TIMEOUT_MS, request_timeout_ms);

/* ---- session: directory ---- */

static ssize_t srv_hostname_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	const char *at = rtrs_sessname_at(to_clt(dev)->name);

	return sysfs_emit(buf, "%s\n", at + 1);
}
static DEVICE_ATTR_RO(srv_hostname);

static struct attribute *rtrs_clt_attrs[] = {
	&dev_attr_add_path.attr,
	&dev_attr_max_reconnect_attempts.attr,
	&dev_attr_mpath_policy.attr,
	&dev_attr_mp_policy.attr,
	&heartbeat_interval_ms_attr.attr.attr,
	&heartbeat_missed_max_attr.attr.attr,
	&reconnect_delay_ms_attr.attr.attr,
	&hold_time_ms_attr.attr.attr,
	&request_timeout_ms_attr.attr.attr,
	&dev_attr_srv_hostname.attr,
	NULL
};

/* Not every name tells a host; names do not change. */
static umode_t rtrs_clt_attr_visible(struct kobject *kobj, struct attribute *attr, int n)
{
	struct rtrs_clt *clt = to_clt(kobj_to_dev(kobj));

	return attr != &dev_attr_srv_hostname.attr || rtrs_sessname_at(clt->name) ? attr->mode : 0;
}

static const struct attribute_group rtrs_clt_group = {
	.attrs		= rtrs_clt_attrs,
	.is_visible	= rtrs_clt_attr_visible,
};
__ATTRIBUTE_GROUPS(rtrs_clt);

/* ---- path: values ---- */

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", rtrs_clt_path_connected(to_path(kobj)) ?
				       "connected" : "disconnected");
}

static struct kobj_attribute state_attr = __ATTR_RO(state);

static ssize_t hca_name_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", to_path(kobj)->hca_name);
}

static struct kobj_attribute hca_name_attr = __ATTR_RO(hca_name);

static ssize_t hca_port_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", to_path(kobj)->hca_port);
}

static struct kobj_attribute hca_port_attr = __ATTR_RO(hca_port);

static ssize_t show_addr(const struct sockaddr_storage *addr, char *buf)
{
	char text[RTRS_ADDR_STRLEN];

	rtrs_addr_format(addr, text, sizeof(text));
	return sysfs_emit(buf, "%s\n", text);
}

static ssize_t src_addr_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return show_addr(&to_path(kobj)->addrs.src, buf);
}

static struct kobj_attribute src_addr_attr = __ATTR_RO(src_addr);

static ssize_t dst_addr_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return show_addr(&to_path(kobj)->addrs.dst, buf);
}

static struct kobj_attribute dst_addr_attr = __ATTR_RO(dst_addr);

static ssize_t cur_latency_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lld ns\n", READ_ONCE(to_path(kobj)->hb.latency_ns));
}

static struct kobj_attribute cur_latency_attr = __ATTR_RO(cur_latency);

static ssize_t last_error_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	int err = READ_ONCE(to_path(kobj)->last_err);

	return err ? sysfs_emit(buf, "%pe\n", ERR_PTR(err)) : sysfs_emit(buf, "none\n");
}

static struct kobj_attribute last_error_attr = __ATTR_RO(last_error);

/* ---- path: actions ---- */

static ssize_t action_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "Usage: echo 1 > %s\n", attr->attr.name);
}

/* Match class exact of sysfs-abi 0.1. */
static int check_one(struct rtrs_clt_path *path, const char *attr, const char *buf)
{
	return sysfs_streq(buf, "1") ? 0 : bad_value(path->clt, attr, buf, -EINVAL);
}

static ssize_t reconnect_store(struct kobject *kobj, struct kobj_attribute *attr,
			       const char *buf, size_t count)
{
	struct rtrs_clt_path *path = to_path(kobj);
	int err;

	err = check_one(path, attr->attr.name, buf);
	if (!err)
		err = rtrs_clt_path_reconnect(path);
	return err ?: count;
}

static struct kobj_attribute reconnect_attr =
	__ATTR(reconnect, 0644, action_show, reconnect_store);

static ssize_t disconnect_store(struct kobject *kobj, struct kobj_attribute *attr,
				const char *buf, size_t count)
{
	struct rtrs_clt_path *path = to_path(kobj);
	int err;

	err = check_one(path, attr->attr.name, buf);
	if (err)
		return err;
	rtrs_clt_path_log(pr_info, path, "disconnect requested\n");
	rtrs_clt_path_close(path);
	return count;
}

static struct kobj_attribute disconnect_attr =
	__ATTR(disconnect, 0644, action_show, disconnect_store);

/*
 * The file goes first, so that the directory can go while this function runs.  Who
 * comes second returns when the file has gone.
 */
static ssize_t remove_path_store(struct kobject *kobj, struct kobj_attribute *attr,
				 const char *buf, size_t count)
{
	struct rtrs_clt_path *path = to_path(kobj);
	int err;

	err = check_one(path, attr->attr.name, buf);
	if (err)
		return err;
	kobject_get(kobj);
	if (sysfs_remove_file_self(kobj, &attr->attr)) {
		rtrs_clt_path_log(pr_info, path, "remove requested\n");
		rtrs_clt_path_destroy(path);
	}
	kobject_put(kobj);
	return count;
}

static struct kobj_attribute remove_path_attr =
	__ATTR(remove_path, 0644, action_show, remove_path_store);

static struct attribute *path_attrs[] = {
	&state_attr.attr,
	&hca_name_attr.attr,
	&hca_port_attr.attr,
	&src_addr_attr.attr,
	&dst_addr_attr.attr,
	&cur_latency_attr.attr,
	&last_error_attr.attr,
	&reconnect_attr.attr,
	&disconnect_attr.attr,
	&remove_path_attr.attr,
	NULL
};

static const struct attribute_group path_group = {
	.attrs = path_attrs,
};

/* ---- path: statistics ---- */

static ssize_t reset_stats(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			   size_t count, void (*reset)(struct rtrs_clt_path *path))
{
	int err;

	err = check_one(to_path(kobj), attr->attr.name, buf);
	if (err)
		return err;
	reset(to_path(kobj));
	return count;
}

static ssize_t rdma_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct rtrs_clt_path *path = to_path(kobj);
	struct rtrs_rdma_stats sum;

	rtrs_stats_sum(path->stats, &sum);
	return sysfs_emit(buf, "%llu %llu %llu %llu %u %llu\n",
			  sum.ops[RTRS_STAT_READ], sum.bytes[RTRS_STAT_READ],
			  sum.ops[RTRS_STAT_WRITE], sum.bytes[RTRS_STAT_WRITE],
			  rtrs_clt_inflight(path), sum.failover);
}

static void reset_rdma(struct rtrs_clt_path *path)
{
	rtrs_stats_reset(path->stats);
}

static ssize_t rdma_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			  size_t count)
{
	return reset_stats(kobj, attr, buf, count, reset_rdma);
}

static struct kobj_attribute rdma_attr = __ATTR_RW(rdma);

static ssize_t reconnects_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u %u\n", READ_ONCE(to_path(kobj)->success_cnt),
			  READ_ONCE(to_path(kobj)->fail_cnt));
}

static void reset_reconnects(struct rtrs_clt_path *path)
{
	WRITE_ONCE(path->success_cnt, 0);
	WRITE_ONCE(path->fail_cnt, 0);
}

static ssize_t reconnects_store(struct kobject *kobj, struct kobj_attribute *attr,
				const char *buf, size_t count)
{
	return reset_stats(kobj, attr, buf, count, reset_reconnects);
}

static struct kobj_attribute reconnects_attr = __ATTR_RW(reconnects);

static ssize_t cpu_migration_from_show(struct kobject *kobj, struct kobj_attribute *attr,
				       char *buf)
{
	struct rtrs_clt_path *path = to_path(kobj);
	int cpu, len = 0;

	for_each_possible_cpu(cpu)
		len += sysfs_emit_at(buf, len, "%d ",
				     atomic_read(&per_cpu_ptr(path->migration, cpu)->from));
	return len + sysfs_emit_at(buf, len, "\n");
}

static ssize_t cpu_migration_to_show(struct kobject *kobj, struct kobj_attribute *attr,
				     char *buf)
{
	struct rtrs_clt_path *path = to_path(kobj);
	int cpu, len = 0;

	for_each_possible_cpu(cpu)
		len += sysfs_emit_at(buf, len, "%u ",
				     READ_ONCE(per_cpu_ptr(path->migration, cpu)->to));
	return len + sysfs_emit_at(buf, len, "\n");
}

static void reset_migration(struct rtrs_clt_path *path)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		atomic_set(&per_cpu_ptr(path->migration, cpu)->from, 0);
		WRITE_ONCE(per_cpu_ptr(path->migration, cpu)->to, 0);
	}
}

static ssize_t cpu_migration_store(struct kobject *kobj, struct kobj_attribute *attr,
				   const char *buf, size_t count)
{
	return reset_stats(kobj, attr, buf, count, reset_migration);
}

static struct kobj_attribute cpu_migration_from_attr =
	__ATTR(cpu_migration_from, 0644, cpu_migration_from_show, cpu_migration_store);
static struct kobj_attribute cpu_migration_to_attr =
	__ATTR(cpu_migration_to, 0644, cpu_migration_to_show, cpu_migration_store);

static ssize_t reset_all_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "Usage: echo 1 > %s\n", attr->attr.name);
}

static void reset_everything(struct rtrs_clt_path *path)
{
	reset_rdma(path);
	reset_reconnects(path);
	reset_migration(path);
}

static ssize_t reset_all_store(struct kobject *kobj, struct kobj_attribute *attr,
			       const char *buf, size_t count)
{
	return reset_stats(kobj, attr, buf, count, reset_everything);
}

static struct kobj_attribute reset_all_attr = __ATTR_RW(reset_all);

static struct attribute *stats_attrs[] = {
	&rdma_attr.attr,
	&reconnects_attr.attr,
	&cpu_migration_from_attr.attr,
	&cpu_migration_to_attr.attr,
	&reset_all_attr.attr,
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
	rtrs_clt_path_free(to_path(kobj));
}

const struct kobj_type rtrs_clt_path_ktype = {
	.sysfs_ops	= &kobj_sysfs_ops,
	.default_groups	= path_groups,
	.release	= path_release,
};

/* ---- session directory ---- */

/* Not a part of the module, which may be gone before the last reference to it. */
static struct class *rtrs_clt_class;

/**
 * rtrs_clt_sysfs_init - create the class
 *
 * Context: module initialisation.
 *
 * Return: 0 or a negative errno.
 */
int rtrs_clt_sysfs_init(void)
{
	rtrs_clt_class = class_create("rtrs-client");
	if (IS_ERR(rtrs_clt_class))
		return PTR_ERR(rtrs_clt_class);
	rtrs_clt_class->dev_groups = rtrs_clt_groups;
	return 0;
}

/**
 * rtrs_clt_sysfs_exit - remove the class
 *
 * Context: module exit; no session is left.
 */
void rtrs_clt_sysfs_exit(void)
{
	class_destroy(rtrs_clt_class);
}

/**
 * rtrs_clt_sysfs_add - publish a session
 * @clt: session with a name that nobody else has
 *
 * May sleep.  User space hears of it when everything is there.
 * Return: 0 or a negative errno; then nothing is visible.
 */
int rtrs_clt_sysfs_add(struct rtrs_clt *clt)
{
	int err;

	clt->dev.class = rtrs_clt_class;
	dev_set_uevent_suppress(&clt->dev, true);
	err = device_add(&clt->dev);
	if (err)
		return err;
	clt->paths_dir = kobject_create_and_add("paths", &clt->dev.kobj);
	if (!clt->paths_dir) {
		device_del(&clt->dev);
		return -ENOMEM;
	}
	dev_set_uevent_suppress(&clt->dev, false);
	kobject_uevent(&clt->dev.kobj, KOBJ_ADD);
	return 0;
}

/**
 * rtrs_clt_sysfs_remove - undo rtrs_clt_sysfs_add()
 * @clt: session without paths
 *
 * May sleep; waits for writers of its files.
 */
void rtrs_clt_sysfs_remove(struct rtrs_clt *clt)
{
	kobject_del(clt->paths_dir);
	kobject_put(clt->paths_dir);
	device_del(&clt->dev);
}
