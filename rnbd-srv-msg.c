// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RNBD server: SESS_INFO, OPEN and CLOSE.
 *
 * Purpose: everything a client asks for that is not I/O.
 * Operation: the receive path checks the frame of a message (its length, and that the
 * client takes exactly the answer that the message has) and queues it; the ordered
 * workqueue of the session acts and answers.  The transport's private copy of the
 * message stays until then, the answer is written to the start of the chunk.
 * Failure: the client gets the errno, nothing has changed, and no data travels.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/minmax.h>

#include "rnbd-srv.h"
#include "rnbd-srv-trace.h"

static int handle_sess_info(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req)
{
	const struct rnbd_msg_sess_info *msg = req->msg;
	struct rnbd_msg_sess_info rsp = {
		.hdr.type	= cpu_to_le16(RNBD_MSG_SESS_INFO_RSP),
		.ver		= min_t(u8, msg->ver, RNBD_PROTO_VER_MAJOR),
	};

	trace_process_msg_sess_info(sess, msg->ver, rsp.ver);
	WRITE_ONCE(sess->ver, rsp.ver);
	memcpy_to_page(req->page, 0, (const char *)&rsp, sizeof(rsp));
	return 0;
}

static void get_geometry(struct rnbd_geometry *geo, const struct rnbd_srv_map *map)
{
	struct block_device *bdev = map->bdev;

	*geo = (struct rnbd_geometry) {
		.device_id		= map->id,
		.logical_block_size	= bdev_logical_block_size(bdev),
		.physical_block_size	= bdev_physical_block_size(bdev),
		.max_write_zeroes_sectors = bdev_write_zeroes_sectors(bdev),
		.max_discard_sectors	= bdev_max_discard_sectors(bdev),
		.discard_granularity	= bdev_discard_granularity(bdev),
		.discard_alignment	= bdev_discard_alignment(bdev),
		.secure_discard		= bdev_max_secure_erase_sectors(bdev) != 0,
		.fua			= bdev_fua(bdev),
		.writeback		= bdev_write_cache(bdev),
	};
	/* a tail that is shorter than a block cannot be reached by anyone */
	geo->nsectors = round_down(bdev_nr_sectors(bdev),
				   geo->logical_block_size >> SECTOR_SHIFT);
}

static void put_open_rsp(struct rtrs_srv_req *req, const struct rnbd_srv_map *map)
{
	struct rnbd_msg_open_rsp rsp;
	struct rnbd_geometry geo;

	get_geometry(&geo, map);
	rnbd_put_open_rsp(&rsp, &geo, queue_max_hw_sectors(bdev_get_queue(map->bdev)),
			  min_t(unsigned int, bdev_max_segments(map->bdev), U16_MAX));
	memcpy_to_page(req->page, 0, (const char *)&rsp, sizeof(rsp));
}

static void log_opened(const struct rnbd_srv_map *map)
{
	unsigned int openers = rnbd_srv_dev_local_openers(map->dev);

	rnbd_srv_log(pr_info_ratelimited, map->name, map->sess,
		     "device opened, %pg, id %u, access mode %s\n", map->bdev, map->id,
		     rnbd_access_mode_str(READ_ONCE(map->mode)));
	if (openers)
		rnbd_srv_log(pr_info_ratelimited, map->name, map->sess,
			     "%pg is in use on this machine, too: open %u times\n", map->bdev,
			     openers);
}

static int handle_open(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req)
{
	const struct rnbd_msg_open *msg = req->msg;
	struct rnbd_srv_map *map;
	int err;

	err = rnbd_get_open(msg, req->msg_len);
	if (err) {
		rnbd_srv_sess_log(pr_err_ratelimited, sess, "open refused: bad message\n");
		return err;
	}
	trace_process_msg_open(sess, msg);
	map = rnbd_srv_map_open(sess, msg->dev_name, msg->access_mode);
	if (IS_ERR(map)) {
		rnbd_srv_log(pr_err_ratelimited, msg->dev_name, sess,
			     "open refused, access mode %s: %pe\n",
			     rnbd_access_mode_str(msg->access_mode), map);
		return PTR_ERR(map);
	}
	put_open_rsp(req, map);
	log_opened(map);
	rnbd_srv_map_put(map);
	return 0;
}

static int handle_close(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req)
{
	const struct rnbd_msg_close *msg = req->msg;
	struct rnbd_srv_map *map;

	trace_process_msg_close(sess, le32_to_cpu(msg->device_id));
	map = rnbd_srv_map_take(sess, le32_to_cpu(msg->device_id));
	if (map)
		rnbd_srv_map_close(map);
	return 0;
}

static const struct msg_kind {
	u16 msg_len;	/* bytes, at least */
	u16 rsp_len;	/* bytes, exactly */
	int (*handle)(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req);
} msg_kinds[] = {
	[RNBD_MSG_SESS_INFO] = {
		.msg_len = sizeof(struct rnbd_msg_sess_info),
		.rsp_len = sizeof(struct rnbd_msg_sess_info),
		.handle	 = handle_sess_info,
	},
	[RNBD_MSG_OPEN] = {
		.msg_len = sizeof(struct rnbd_msg_open),
		.rsp_len = sizeof(struct rnbd_msg_open_rsp),
		.handle	 = handle_open,
	},
	[RNBD_MSG_CLOSE] = {
		.msg_len = sizeof(struct rnbd_msg_close),
		.handle	 = handle_close,
	},
};

/*
 * A descriptor that takes more than the answer would send home what the chunk held
 * before, and one that takes less means that the answer does not fit (13.2).
 */
static const struct msg_kind *msg_check(const struct rtrs_srv_req *req)
{
	const struct rnbd_msg_hdr *hdr = req->msg;
	const struct msg_kind *kind;
	unsigned int type;

	if (req->msg_len < sizeof(*hdr))
		return NULL;
	type = le16_to_cpu(hdr->type);
	if (type >= ARRAY_SIZE(msg_kinds))
		return NULL;
	kind = &msg_kinds[type];
	if (!kind->handle || req->msg_len < kind->msg_len || req->rsp_len != kind->rsp_len)
		return NULL;
	if (kind->rsp_len && (req->dir != DMA_FROM_DEVICE || req->data_len < kind->rsp_len))
		return NULL;
	return kind;
}

static void msg_work(struct work_struct *work)
{
	struct rnbd_srv_req *msg = container_of(work, struct rnbd_srv_req, work);
	struct rtrs_srv_req *req = msg->req;
	const struct rnbd_msg_hdr *hdr = req->msg;
	int err;

	err = msg_kinds[le16_to_cpu(hdr->type)].handle(msg->sess, req);
	rtrs_srv_respond(req, err);
}

/**
 * rnbd_srv_msg() - take a message that is not I/O
 * @sess: session
 * @req: request of the transport, answered here or later
 *
 * Context: process, does not sleep for long.
 */
void rnbd_srv_msg(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req)
{
	struct rnbd_srv_req *msg = req->priv;

	if (!msg_check(req)) {
		rnbd_srv_sess_log(pr_err_ratelimited, sess,
				  "bad message: %u bytes, answer %u bytes\n",
				  req->msg_len, req->rsp_len);
		rtrs_srv_respond(req, -EINVAL);
		return;
	}
	msg->req = req;
	msg->sess = sess;
	INIT_WORK(&msg->work, msg_work);
	queue_work(sess->wq, &msg->work);
}
