// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RTRS server: module parameters, init and exit, open and close of the service.
 *
 * Normal operation: one service, opened by the upper layer when it is loaded, closed when
 * it is unloaded, whether clients are connected or not.
 *
 * Failure: bad parameters refuse to load; without an RDMA device, or without a port, the
 * service is open and waits for a device.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "rtrs-srv.h"
#include "rtrs-srv-debug.h"

MODULE_DESCRIPTION("RDMA transport, server");
MODULE_AUTHOR("RNBD developers");
MODULE_LICENSE("GPL");

static bool always_invalidate = true;
module_param(always_invalidate, bool, 0444);
MODULE_PARM_DESC(always_invalidate,
		 "Hand out a new key for a buffer with every answer (default: Y)");

static char *invalidate = "auto";
module_param(invalidate, charp, 0444);
MODULE_PARM_DESC(invalidate,
		 "With always_invalidate=Y: revoke a client's key where stable data matter (auto, default) or for every request (always)");

static int max_chunk_size = 128 << 10;
module_param(max_chunk_size, int, 0444);
MODULE_PARM_DESC(max_chunk_size,
		 "Bytes of a buffer, a power of two, at least 8192 (default: 131072)");

static int sess_queue_depth = 512;
module_param(sess_queue_depth, int, 0444);
MODULE_PARM_DESC(sess_queue_depth, "Buffers of a session, 1..65535 (default: 512)");

static bool extensions = true;
module_param(extensions, bool, 0444);
MODULE_PARM_DESC(extensions,
		 "Use extensions of the protocol with clients that know them (default: Y)");

struct rtrs_time rtrs_srv_times[RTRS_HB_NR_TIMES] = { RTRS_HB_TIMES };
module_param_cb(heartbeat_interval_ms, &rtrs_time_param_ops,
		&rtrs_srv_times[RTRS_HB_INTERVAL_MS], 0644);
MODULE_PARM_DESC(heartbeat_interval_ms,
		 "Time between heartbeats, 100..60000, for new sessions (default: 2000)");
module_param_cb(heartbeat_missed_max, &rtrs_time_param_ops,
		&rtrs_srv_times[RTRS_HB_MISSED_MAX], 0644);
MODULE_PARM_DESC(heartbeat_missed_max,
		 "Heartbeats without an answer before a path is lost, 1..100, for new sessions (default: 5)");

struct rtrs_srv_conf rtrs_srv_conf;
struct workqueue_struct *rtrs_srv_up_wq;
struct workqueue_struct *rtrs_srv_close_wq;
struct workqueue_struct *rtrs_srv_io_wq;

/* The service, if it is open: class and session names are those of the module. */
static struct rtrs_srv *service;
static DEFINE_MUTEX(service_lock);	/* guards the pointer; taken before all other locks */

/* ---- RDMA devices ---- */

static struct ib_client device_client;

static void device_event(struct ib_event_handler *handler, struct ib_event *event)
{
	pr_info_ratelimited("device %s port %u: %s\n", dev_name(&handler->device->dev),
			    event->element.port_num, ib_event_msg(event->event));
}

static int device_added(struct ib_device *ib_dev)
{
	struct ib_event_handler *handler;

	handler = kzalloc(sizeof(*handler), GFP_KERNEL);
	if (!handler)
		return -ENOMEM;

	INIT_IB_EVENT_HANDLER(handler, ib_dev, device_event);
	ib_register_event_handler(handler);
	ib_set_client_data(ib_dev, &device_client, handler);

	mutex_lock(&service_lock);
	if (service)
		mod_delayed_work(system_wq, &service->listen_work, 0);
	mutex_unlock(&service_lock);
	return 0;
}

static void device_gone(struct ib_device *ib_dev, void *client_data)
{
	struct ib_event_handler *handler = client_data;

	ib_unregister_event_handler(handler);
	kfree(handler);
}

static struct ib_client device_client = {
	.name	= "rtrs_server",
	.add	= device_added,
	.remove	= device_gone,
};

/* ---- service ---- */

/**
 * rtrs_srv_get - keep the service
 * @srv: service, kept by somebody else at this moment
 *
 * Context: any.
 */
void rtrs_srv_get(struct rtrs_srv *srv)
{
	kref_get(&srv->ref);
}

static void mark_gone(struct kref *ref)
{
	complete(&container_of(ref, struct rtrs_srv, ref)->gone);
}

/**
 * rtrs_srv_put - let go of the service
 * @srv: service
 *
 * Context: any.
 */
void rtrs_srv_put(struct rtrs_srv *srv)
{
	kref_put(&srv->ref, mark_gone);
}

static struct rtrs_srv *create(const struct rtrs_srv_ops *ops, u16 port)
{
	struct rtrs_srv *srv;

	srv = kzalloc(sizeof(*srv), GFP_KERNEL);
	if (!srv)
		return NULL;

	kref_init(&srv->ref);
	init_completion(&srv->gone);
	srv->ops = ops;
	srv->port = port;
	rtrs_srv_listen_init(srv);
	mutex_init(&srv->lock);
	INIT_LIST_HEAD(&srv->sessions);
	INIT_LIST_HEAD(&srv->leaving);
	return srv;
}

/**
 * rtrs_srv_open - start to serve
 * @ops: upper layer; must stay until rtrs_srv_close()
 * @port: service port
 *
 * Succeeds without any RDMA device, and also if the port cannot be had, which is logged
 * and tried again when an RDMA device appears.
 *
 * Context: process, may sleep.  Callbacks may start before it returns.
 *
 * Return: the service; ERR_PTR(-EBUSY) if there is one already; ERR_PTR(-ENOMEM).
 */
struct rtrs_srv *rtrs_srv_open(const struct rtrs_srv_ops *ops, u16 port)
{
	struct rtrs_srv *srv;

	mutex_lock(&service_lock);
	if (service) {
		srv = ERR_PTR(-EBUSY);
		goto unlock;
	}
	srv = create(ops, port);
	if (!srv) {
		srv = ERR_PTR(-ENOMEM);
		goto unlock;
	}
	service = srv;
unlock:
	mutex_unlock(&service_lock);

	if (!IS_ERR(srv))
		rtrs_srv_listen(srv);
	return srv;
}
EXPORT_SYMBOL_GPL(rtrs_srv_open);

static void close_paths(struct rtrs_srv *srv)
{
	struct rtrs_srv_sess *sess;
	struct rtrs_srv_path *path;

	mutex_lock(&srv->lock);
	list_for_each_entry(sess, &srv->sessions, entry) {
		list_for_each_entry(path, &sess->paths, entry)
			rtrs_srv_path_close(path);
	}
	mutex_unlock(&srv->lock);
}

/**
 * rtrs_srv_close - stop to serve
 * @srv: service, from rtrs_srv_open()
 *
 * Closes every path, with or without clients, and waits for the requests that run.
 * No callback runs when it returns.
 *
 * Context: process, may sleep.
 */
void rtrs_srv_close(struct rtrs_srv *srv)
{
	mutex_lock(&service_lock);
	service = NULL;
	mutex_unlock(&service_lock);

	rtrs_srv_unlisten(srv);
	close_paths(srv);

	rtrs_srv_put(srv);
	wait_for_completion(&srv->gone);
	flush_workqueue(rtrs_srv_close_wq);
	flush_workqueue(rtrs_srv_io_wq);
	kfree(srv);
}
EXPORT_SYMBOL_GPL(rtrs_srv_close);

/**
 * rtrs_srv_sess_name - name of a session
 * @sess: session that is up
 *
 * Context: any.
 *
 * Return: the name that the client gave it, 1..254 characters, checked.
 */
const char *rtrs_srv_sess_name(const struct rtrs_srv_sess *sess)
{
	return sess->name;
}
EXPORT_SYMBOL_GPL(rtrs_srv_sess_name);

/**
 * rtrs_srv_sess_queue_depth - number of slots of a session
 * @sess: session
 *
 * Context: any.
 *
 * Return: 1..65535.
 */
u16 rtrs_srv_sess_queue_depth(const struct rtrs_srv_sess *sess)
{
	return rtrs_srv_conf.queue_depth;
}
EXPORT_SYMBOL_GPL(rtrs_srv_sess_queue_depth);

/* ---- module ---- */

static int check_sizes(void)
{
	if (sess_queue_depth < 1 || sess_queue_depth > RTRS_MAX_QUEUE_DEPTH) {
		pr_err("sess_queue_depth %d: must be 1..%d\n", sess_queue_depth,
		       RTRS_MAX_QUEUE_DEPTH);
		return -EINVAL;
	}
	if (max_chunk_size < RTRS_MIN_CHUNK_SIZE || !is_power_of_2(max_chunk_size) ||
	    max_chunk_size > KMALLOC_MAX_SIZE) {
		pr_err("max_chunk_size %d: must be a power of two, %d..%lu\n", max_chunk_size,
		       RTRS_MIN_CHUNK_SIZE, KMALLOC_MAX_SIZE);
		return -EINVAL;
	}
	if (!rtrs_chunks_fit_imm(sess_queue_depth, max_chunk_size)) {
		pr_err("sess_queue_depth %d and max_chunk_size %d: %u + %u bits, more than %u\n",
		       sess_queue_depth, max_chunk_size, rtrs_ceil_log2(sess_queue_depth),
		       rtrs_ceil_log2(max_chunk_size), RTRS_IMM_PAYLOAD_BITS);
		return -EINVAL;
	}
	return 0;
}

static int check_invalidate(void)
{
	if (strcmp(invalidate, "auto") && strcmp(invalidate, "always")) {
		pr_err("invalidate '%s': must be auto or always\n", invalidate);
		return -EINVAL;
	}
	return 0;
}

/* A page is kept for headers, but never more than half of a chunk. */
static int read_params(void)
{
	int err = check_sizes() ?: check_invalidate();

	if (err)
		return err;

	rtrs_srv_conf = (struct rtrs_srv_conf) {
		.queue_depth		= sess_queue_depth,
		.chunk_size		= max_chunk_size,
		.max_hdr_size		= min_t(u32, PAGE_SIZE, max_chunk_size / 2),
		.new_rkey		= always_invalidate,
		.revoke_always		= always_invalidate && !strcmp(invalidate, "always"),
		.ext			= extensions ? RTRS_SRV_EXT : 0,
	};
	return rtrs_srv_limits_init();
}

static void destroy_workqueues(void)
{
	if (rtrs_srv_io_wq)
		destroy_workqueue(rtrs_srv_io_wq);
	if (rtrs_srv_close_wq)
		destroy_workqueue(rtrs_srv_close_wq);
	if (rtrs_srv_up_wq)
		destroy_workqueue(rtrs_srv_up_wq);
}

/*
 * Three, because works of one kind wait for the end of others: closing for coming up,
 * coming up for closing and for requests.  Parked requests wait for nobody.  Paths that come
 * up hold a worker each while they wait, so as many may run as a workqueue allows.
 */
static int create_workqueues(void)
{
	rtrs_srv_up_wq = alloc_workqueue("rtrs_srv_up", WQ_UNBOUND, WQ_MAX_ACTIVE);
	rtrs_srv_close_wq = alloc_workqueue("rtrs_srv_close", WQ_UNBOUND, 0);
	rtrs_srv_io_wq = alloc_workqueue("rtrs_srv_io", WQ_HIGHPRI | WQ_MEM_RECLAIM, 0);
	if (rtrs_srv_up_wq && rtrs_srv_close_wq && rtrs_srv_io_wq)
		return 0;

	destroy_workqueues();
	return -ENOMEM;
}

static int __init rtrs_srv_module_init(void)
{
	int err;

	err = read_params();
	if (err)
		return err;

	err = create_workqueues();
	if (err)
		return err;

	err = rtrs_srv_sysfs_init();
	if (err)
		goto destroy_wqs;

	rtrs_srv_debug_init();
	err = ib_register_client(&device_client);
	if (err)
		goto debug_exit;

	pr_info("protocol %u.%u, max_chunk_size %d (data %u, header %u), sess_queue_depth %d, always_invalidate %c (%s)\n",
		RTRS_PROTO_VER_MAJOR, RTRS_PROTO_VER_MINOR, max_chunk_size,
		rtrs_srv_conf.chunk_size - rtrs_srv_conf.max_hdr_size, rtrs_srv_conf.max_hdr_size,
		sess_queue_depth, always_invalidate ? 'Y' : 'N', invalidate);
	return 0;

debug_exit:
	rtrs_srv_debug_exit();
	rtrs_srv_sysfs_exit();
destroy_wqs:
	destroy_workqueues();
	return err;
}

static void __exit rtrs_srv_module_exit(void)
{
	ib_unregister_client(&device_client);
	rtrs_srv_debug_exit();
	rtrs_srv_sysfs_exit();
	destroy_workqueues();
}

late_initcall(rtrs_srv_module_init);
module_exit(rtrs_srv_module_exit);
