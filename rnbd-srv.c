// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RNBD server: the module, its sessions, and which message goes where.
 *
 * Purpose: offer block devices of this machine to clients that come over RTRS.
 * Operation: the transport tells of sessions that begin and end, and hands up one
 * request after the other.  I/O is started where it arrives; everything else goes to
 * the workqueue of its session, so that a slow open delays neither heartbeats nor
 * I/O.  Every request is answered exactly once.
 * Failure: a message that makes no sense is answered with an errno.  The end of a
 * session closes its devices; the transport has let all its requests finish before.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/ioprio.h>
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "rnbd-srv.h"
#include "rnbd-srv-trace.h"

MODULE_AUTHOR("RNBD developers");
MODULE_DESCRIPTION("RDMA Network Block Device Server");
MODULE_LICENSE("GPL");

static u16 port_nr = RNBD_DEFAULT_PORT;
module_param(port_nr, ushort, 0444);
MODULE_PARM_DESC(port_nr, "RDMA service port to listen on (default: "
		 __stringify(RNBD_DEFAULT_PORT) ")");

static unsigned int max_sess_devices = 1024;
module_param(max_sess_devices, uint, 0644);
MODULE_PARM_DESC(max_sess_devices,
		 "Most devices that one session may have open, for later opens (default: 1024)");

/* The administrator may change it while clients open devices. */
static DEFINE_MUTEX(search_path_lock);
static char dev_search_path[PATH_MAX] = "/";

static int search_path_set(const char *val, const struct kernel_param *kp)
{
	int err;

	mutex_lock(&search_path_lock);
	err = rnbd_srv_search_path_set(dev_search_path, val);
	if (err)
		pr_err("dev_search_path: longer than %d bytes\n", PATH_MAX - 1);
	else
		pr_info("dev_search_path: %s\n", dev_search_path);
	mutex_unlock(&search_path_lock);
	return err;
}

static int search_path_get(char *buf, const struct kernel_param *kp)
{
	int len;

	mutex_lock(&search_path_lock);
	len = sysfs_emit(buf, "%s\n", dev_search_path);
	mutex_unlock(&search_path_lock);
	return len;
}

static const struct kernel_param_ops search_path_ops = {
	.set	= search_path_set,
	.get	= search_path_get,
};

module_param_cb(dev_search_path, &search_path_ops, NULL, 0644);
__MODULE_PARM_TYPE(dev_search_path, "charp");
MODULE_PARM_DESC(dev_search_path,
		 "Directory that client paths are relative to, for later opens; %SESSNAME% stands for the session name (default: /)");

static const char * const prio_classes[] = {
	[IOPRIO_CLASS_NONE]	= "none",
	[IOPRIO_CLASS_RT]	= "realtime",
	[IOPRIO_CLASS_BE]	= "best-effort",
	[IOPRIO_CLASS_IDLE]	= "idle",
};

static unsigned int max_prio_class = IOPRIO_CLASS_BE;

static int prio_class_set(const char *val, const struct kernel_param *kp)
{
	int class = sysfs_match_string(prio_classes, val);

	if (class < 0) {
		pr_err("max_prio_class: '%s' is none of none, realtime, best-effort, idle\n",
		       val);
		return class;
	}
	WRITE_ONCE(max_prio_class, class);
	return 0;
}

static int prio_class_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", prio_classes[READ_ONCE(max_prio_class)]);
}

static const struct kernel_param_ops prio_class_ops = {
	.set	= prio_class_set,
	.get	= prio_class_get,
};

module_param_cb(max_prio_class, &prio_class_ops, NULL, 0644);
__MODULE_PARM_TYPE(max_prio_class, "charp");
MODULE_PARM_DESC(max_prio_class,
		 "Highest I/O priority class that clients get: realtime, best-effort (default), idle, or none: their priorities are ignored");

/**
 * rnbd_srv_path() - path of a device that a client wants to open
 * @buf: result, %PATH_MAX bytes
 * @sess: session
 * @dev_name: name in the OPEN message, checked
 *
 * Context: process, may sleep.
 * Return: 0 or -EINVAL.
 */
int rnbd_srv_path(char *buf, const struct rnbd_srv_sess *sess, const char *dev_name)
{
	int err;

	mutex_lock(&search_path_lock);
	err = rnbd_srv_path_build(buf, dev_search_path, sess->name, dev_name);
	mutex_unlock(&search_path_lock);
	return err;
}

/**
 * rnbd_srv_max_prio_class() - highest I/O priority class that a client gets
 *
 * Return: IOPRIO_CLASS_...; IOPRIO_CLASS_NONE: clients have no priorities.
 */
unsigned int rnbd_srv_max_prio_class(void)
{
	return READ_ONCE(max_prio_class);
}

/**
 * rnbd_srv_max_sess_devices() - most devices that one session may have open
 *
 * Return: the module parameter.
 */
unsigned int rnbd_srv_max_sess_devices(void)
{
	return READ_ONCE(max_sess_devices);
}

static void sess_release(struct kref *ref)
{
	complete(&container_of(ref, struct rnbd_srv_sess, ref)->released);
}

/**
 * rnbd_srv_sess_put() - a mapping lets go of its session
 * @sess: session
 *
 * Context: process.
 */
void rnbd_srv_sess_put(struct rnbd_srv_sess *sess)
{
	kref_put(&sess->ref, sess_release);
}

static void *sess_up(struct rtrs_srv_sess *rtrs)
{
	struct rnbd_srv_sess *sess;
	int err;

	sess = kzalloc(sizeof(*sess), GFP_KERNEL);
	if (!sess)
		return ERR_PTR(-ENOMEM);
	sess->rtrs = rtrs;
	xa_init(&sess->maps);
	kref_init(&sess->ref);
	init_completion(&sess->released);

	err = -ENOMEM;
	sess->name = kstrdup(rtrs_srv_sess_name(rtrs), GFP_KERNEL);
	if (!sess->name)
		goto free_sess;
	sess->wq = alloc_ordered_workqueue("rnbd_srv_msg", 0);
	if (!sess->wq)
		goto free_name;

	trace_create_sess(sess);
	return sess;

free_name:
	kfree(sess->name);
free_sess:
	kfree(sess);
	return ERR_PTR(err);
}

/*
 * No request is left.  What may still run: the last instructions of a message worker,
 * and an administrator's force_close.
 */
static void sess_down(void *upper_sess)
{
	struct rnbd_srv_sess *sess = upper_sess;

	trace_destroy_sess(sess);
	destroy_workqueue(sess->wq);
	rnbd_srv_map_close_all(sess);
	rnbd_srv_sess_put(sess);
	wait_for_completion(&sess->released);
	rnbd_srv_sess_log(pr_info_ratelimited, sess, "session disconnected\n");
	xa_destroy(&sess->maps);
	kfree(sess->name);
	kfree(sess);
}

static void request(void *upper_sess, struct rtrs_srv_req *req)
{
	struct rnbd_srv_sess *sess = upper_sess;
	const struct rnbd_msg_hdr *hdr = req->msg;

	if (req->msg_len >= sizeof(*hdr) && hdr->type == cpu_to_le16(RNBD_MSG_IO))
		rnbd_srv_io(sess, req);
	else
		rnbd_srv_msg(sess, req);
}

static const struct rtrs_srv_ops rtrs_ops = {
	.req_priv_size	= sizeof(struct rnbd_srv_req),
	.sess_up	= sess_up,
	.sess_down	= sess_down,
	.request	= request,
};

static struct rtrs_srv *rtrs;

static int __init rnbd_srv_init(void)
{
	int err;

	rnbd_srv_map_init();
	err = rnbd_srv_sysfs_init();
	if (err)
		return err;
	rtrs = rtrs_srv_open(&rtrs_ops, port_nr);
	if (IS_ERR(rtrs)) {
		err = PTR_ERR(rtrs);
		pr_err("cannot open the transport service: errno %d\n", err);
		rnbd_srv_sysfs_exit();
	}
	return PTR_ERR_OR_ZERO(rtrs);
}

static void __exit rnbd_srv_exit(void)
{
	rtrs_srv_close(rtrs);
	rnbd_srv_sysfs_exit();
}

/* Built in: after the RDMA core, which block drivers precede. */
late_initcall(rnbd_srv_init);
module_exit(rnbd_srv_exit);
