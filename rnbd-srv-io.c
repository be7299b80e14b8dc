// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RNBD server: from IO message to bio to answer.  Nothing else touches bios.
 *
 * Operation: the message is checked against itself, against the data that came with
 * it, and against the device; then the slot's own bio, with the chunk's memory as its
 * one segment, goes down.  Its completion answers the client from whatever context
 * it has.  Nothing is allocated.
 * Who owns the data: the request is ours from the transport's call to
 * rtrs_srv_respond(), and with it slot, bio and chunk; a client that goes on writing
 * into the chunk can only spoil its own data.  Where that is not good enough, because
 * the device wants to look twice at the same bytes, the client's key is revoked
 * first.
 * Failure: a message that fails a check is answered with an errno and never
 * becomes a bio; a failed bio is answered with the errno of its status.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/blk-integrity.h>

#include "rnbd-srv.h"
#include "rnbd-srv-trace.h"

/*
 * The mapping is let go first: with the answer the client may send CLOSE, and the slot
 * may carry the next request.
 */
static void io_answer(struct rnbd_srv_req *io_req, int err)
{
	struct rtrs_srv_req *req = io_req->req;

	bio_uninit(&io_req->bio);
	rnbd_srv_map_put(io_req->map);
	rtrs_srv_respond(req, err);
}

static void io_done(struct bio *bio)
{
	io_answer(container_of(bio, struct rnbd_srv_req, bio),
		  rnbd_status_to_errno(bio->bi_status));
}

static void io_revoked(struct rtrs_srv_req *req)
{
	struct rnbd_srv_req *io_req = req->priv;

	submit_bio(&io_req->bio);
}

static void bio_fill(struct rnbd_srv_req *io_req, const struct rnbd_io *io)
{
	struct bio *bio = &io_req->bio;

	bio_init(bio, io_req->map->bdev, &io_req->bvec, 1, io->opf);
	bio->bi_iter.bi_sector = io->sector;
	bio->bi_ioprio = io->prio;
	bio->bi_end_io = io_done;
	if (rnbd_io_has_data(io))
		__bio_add_page(bio, io_req->req->page, io->size, 0);
	else
		bio->bi_iter.bi_size = io->size;
}

/*
 * Integrity data of a disk are compared with what was read, behind the disk; a disk that
 * is found wrong too often may be taken out of an array that others use.
 */
static bool needs_stable_data(const struct rnbd_srv_req *io_req, const struct rnbd_io *io)
{
	struct block_device *bdev = io_req->map->bdev;

	if (!rnbd_io_has_data(io))
		return false;
	return op_is_write(io->opf) ? bdev_stable_writes(bdev) : !!bdev_get_integrity(bdev);
}

/*
 * Where the administrator has switched off all revoking, the transport says that it
 * does not do it, and the request goes down as it is.
 */
static void io_submit(struct rnbd_srv_req *io_req, const struct rnbd_io *io)
{
	int err = -EOPNOTSUPP;

	bio_fill(io_req, io);
	if (needs_stable_data(io_req, io))
		err = rtrs_srv_revoke(io_req->req, io_revoked);
	if (err == -EOPNOTSUPP)
		submit_bio(&io_req->bio);
	else if (err)
		io_answer(io_req, err);
}

/*
 * May this go to the device?  Whether the device knows the operation at all is left
 * to the block layer, which ends the bio as not supported.
 */
static int io_check_map(const struct rnbd_io *io, const struct rnbd_srv_map *map)
{
	struct block_device *bdev = map->bdev;

	if (op_is_write(io->opf) && !rnbd_io_is_flush(io) &&
	    (READ_ONCE(map->mode) == RNBD_ACCESS_RO || bdev_read_only(bdev)))
		return -EROFS;
	return rnbd_check_range(io, bdev_nr_sectors(bdev), bdev_logical_block_size(bdev));
}

/* Everything that can be said about a message without knowing its device. */
static int io_check_msg(struct rnbd_io *io, const struct rnbd_srv_sess *sess,
			const struct rtrs_srv_req *req)
{
	int err;

	err = rnbd_get_io(io, req->msg, req->msg_len);
	if (err)
		return err;
	trace_process_rdma(sess, req, req->msg, io->prio);
	io->prio = rnbd_clamp_prio(READ_ONCE(sess->ver) >= 2 ? io->prio : 0,
				   rnbd_srv_max_prio_class());
	return rnbd_check_io_data(io, req->dir, req->data_len, req->rsp_len);
}

static int io_start(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req)
{
	struct rnbd_srv_req *io_req = req->priv;
	struct rnbd_srv_map *map;
	struct rnbd_io io;
	int err;

	err = io_check_msg(&io, sess, req);
	if (err) {
		rnbd_srv_sess_log(pr_err_ratelimited, sess,
				  "bad I/O message: %u bytes, data %u bytes, errno %d\n",
				  req->msg_len, req->data_len, err);
		return err;
	}
	map = rnbd_srv_map_get(sess, io.device_id);
	if (!map) {
		rnbd_srv_sess_log(pr_err_ratelimited, sess, "I/O for unknown device id %u\n",
				  io.device_id);
		return -ENOTCONN;
	}
	err = io_check_map(&io, map);
	if (err) {
		rnbd_srv_log(pr_err_ratelimited, map->name, sess,
			     "I/O refused: sector %llu, %u bytes, errno %d\n",
			     io.sector, io.size, err);
		rnbd_srv_map_put(map);
		return err;
	}
	io_req->req = req;
	io_req->map = map;
	io_submit(io_req, &io);
	return 0;
}

/**
 * rnbd_srv_io() - start the I/O that a message asks for (7.2)
 * @sess: session
 * @req: request of the transport, answered here or by the completion of the bio
 *
 * Context: process, may sleep where submit_bio() does.
 */
void rnbd_srv_io(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req)
{
	int err = io_start(sess, req);

	if (err)
		rtrs_srv_respond(req, err);
}
