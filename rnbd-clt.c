// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RNBD client: block devices of other machines over RDMA.
 *
 * Purpose: module init and exit, in order and back again.
 * Operation: loading needs no RDMA device and creates the control device; everything
 * else begins with a write to its file map_device (rnbd-clt-sysfs.c).
 * Failure: what was done is undone.  Unloading is refused while somebody has a disk
 * open; otherwise it unmaps all devices and waits for the last session.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blkdev.h>
#include <linux/module.h>

#include "rnbd-clt.h"

/* Follows up link events and ends forced I/O: memory reclaim may depend on it. */
struct workqueue_struct *rnbd_clt_wq;

/* Takes devices and sessions down and sends uevents, which wait for all kinds of other work. */
struct workqueue_struct *rnbd_clt_reap_wq;

/* Of all disks; dynamic. */
int rnbd_clt_major;

static int __init create_workqueues(void)
{
	rnbd_clt_wq = alloc_workqueue("rnbd_client", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!rnbd_clt_wq)
		return -ENOMEM;
	rnbd_clt_reap_wq = alloc_workqueue("rnbd_client_reap", WQ_UNBOUND, 0);
	if (!rnbd_clt_reap_wq) {
		destroy_workqueue(rnbd_clt_wq);
		return -ENOMEM;
	}
	return 0;
}

static void destroy_workqueues(void)
{
	destroy_workqueue(rnbd_clt_reap_wq);
	destroy_workqueue(rnbd_clt_wq);
}

static int __init rnbd_clt_init(void)
{
	int err;

	err = create_workqueues();
	if (err)
		return err;
	rnbd_clt_major = register_blkdev(0, "rnbd");
	if (rnbd_clt_major < 0) {
		err = rnbd_clt_major;
		goto workqueues;
	}
	err = rnbd_clt_ctl_create();
	if (err)
		goto blkdev;
	return 0;

blkdev:
	unregister_blkdev(rnbd_clt_major, "rnbd");
workqueues:
	destroy_workqueues();
	pr_err("cannot be loaded: %d\n", err);
	return err;
}

static void __exit rnbd_clt_exit(void)
{
	/* Ends all writes to map_device, and takes the links away. */
	rnbd_clt_ctl_destroy();
	rnbd_clt_unmap_all();
	rnbd_clt_sess_wait_none();
	unregister_blkdev(rnbd_clt_major, "rnbd");
	destroy_workqueues();
}

/* Built in, this has to wait for the RDMA core. */
late_initcall(rnbd_clt_init);
module_exit(rnbd_clt_exit);

MODULE_AUTHOR("RNBD developers");
MODULE_DESCRIPTION("RDMA Network Block Device Client");
MODULE_LICENSE("GPL");
