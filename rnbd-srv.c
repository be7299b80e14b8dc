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
#include <linux/limits.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

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

static char dev_search_path[PATH_MAX] = "/";

static int search_path_set(const char *val, const struct kernel_param *kp)
{
	int err = rnbd_srv_search_path_set(dev_search_path, val);

	if (err)
		pr_err("dev_search_path: longer than %d bytes\n", PATH_MAX - 1);
	else
		pr_info("dev_search_path: %s\n", dev_search_path);
	return err;
}

static int search_path_get(char *buf, const struct kernel_param *kp)
{
	return scnprintf(buf, PAGE_SIZE, "%s\n", dev_search_path);
}

static const struct kernel_param_ops search_path_ops = {
	.set	= search_path_set,
	.get	= search_path_get,
};

module_param_cb(dev_search_path, &search_path_ops, NULL, 0444);
MODULE_PARM_DESC(dev_search_path,
		 "Directory that client paths are relative to; %SESSNAME% stands for the session name (default: /)");

/**
 * rnbd_srv_search_path() - directory that client paths are relative to
 *
 * Return: the text of the module parameter, constant once the module is loaded.
 */
const char *rnbd_srv_search_path(void)
{
	return dev_search_path;
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
