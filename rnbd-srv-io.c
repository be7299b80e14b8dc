// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RNBD server: from IO message to bio to answer.  Nothing else touches bios.
 *
 * Operation: the message is checked against itself, against the data that came with
 * it, and against the device; then the slot's own bio, with the chunk's memory as its
 * one segment, goes down.  Its completion answers the client from whatever context
 * it has.  Nothing is allocated.
 * Who waits for the disk: not the receive path, which serves other disks, heartbeats and
 * the end of the path.  A bio that the disk has no room for comes back at once, and goes
 * down from the workqueue of its mapping, one after the other; what comes behind it, too.
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

static void io_ended(struct bio *bio)
{
	io_answer(container_of(bio, struct rnbd_srv_req, bio),
		  rnbd_status_to_errno(bio->bi_status));
}

static void bio_fill(struct rnbd_srv_req *io_req, const struct rnbd_io *io, blk_opf_t nowait,
		     bio_end_io_t *end_io)
{
	struct bio *bio = &io_req->bio;

	bio_init(bio, io_req->map->bdev, &io_req->bvec, 1, io->opf | nowait);
	bio->bi_iter.bi_sector = io->sector;
	bio->bi_ioprio = io->prio;
	bio->bi_end_io = end_io;
	if (rnbd_io_has_data(io))
		__bio_add_page(bio, io_req->req->page, io->size, 0);
	else
		bio->bi_iter.bi_size = io->size;
}

static u16 clamp_prio(const struct rnbd_srv_sess *sess, u16 prio)
{
	return rnbd_clamp_prio(READ_ONCE(sess->ver) >= 2 ? prio : 0, rnbd_srv_max_prio_class());
}

/* What came back may have been changed on its way, so it is built anew. */
static void io_work(struct work_struct *work)
{
	struct rnbd_srv_req *io_req = container_of(work, struct rnbd_srv_req, work);
	struct rnbd_srv_map *map = io_req->map;
	struct rnbd_io io;

	/* has been checked */
	rnbd_get_io(&io, io_req->req->msg, io_req->req->msg_len);
	io.prio = clamp_prio(map->sess, io.prio);
	bio_uninit(&io_req->bio);
	bio_fill(io_req, &io, 0, io_ended);
	submit_bio(&io_req->bio);
	atomic_dec(&map->waiting);
}

/* The request keeps the mapping, and whoever ends that waits for the workqueue. */
static void io_later(struct rnbd_srv_req *io_req)
{
	atomic_inc(&io_req->map->waiting);
	INIT_WORK(&io_req->work, io_work);
	queue_work(io_req->map->wq, &io_req->work);
}

/* A table of device mapper that knows no REQ_NOWAIT may have come since it was asked. */
static bool came_back(const struct bio *bio)
{
	return bio->bi_opf & REQ_NOWAIT &&
	       (bio->bi_status == BLK_STS_AGAIN || bio->bi_status == BLK_STS_NOTSUPP);
}

static void io_done(struct bio *bio)
{
	if (unlikely(came_back(bio)))
		io_later(container_of(bio, struct rnbd_srv_req, bio));
	else
		io_ended(bio);
}

/*
 * Those that wait already would find each new place taken by somebody who came later.  And
 * what may be split cannot come back as a whole, so it waits from the beginning.
 */
static bool must_wait(const struct rnbd_srv_req *io_req)
{
	return unlikely(atomic_read(&io_req->map->waiting)) ||
	       (!(io_req->bio.bi_opf & REQ_NOWAIT) && bdev_nowait(io_req->map->bdev));
}

static void io_submit_bio(struct rnbd_srv_req *io_req)
{
	if (must_wait(io_req))
		io_later(io_req);
	else
		submit_bio(&io_req->bio);
}

static void io_revoked(struct rtrs_srv_req *req)
{
	io_submit_bio(req->priv);
}

/* Discard and its like may be split, so that a part comes back when another is done. */
static blk_opf_t nowait_flag(const struct rnbd_srv_req *io_req, const struct rnbd_io *io)
{
	if (!bdev_nowait(io_req->map->bdev))
		return 0;
	return rnbd_io_has_data(io) || rnbd_io_is_flush(io) ? REQ_NOWAIT : 0;
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

	bio_fill(io_req, io, nowait_flag(io_req, io), io_done);
	if (needs_stable_data(io_req, io))
		err = rtrs_srv_revoke(io_req->req, io_revoked);
	if (err == -EOPNOTSUPP)
		io_submit_bio(io_req);
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
	io->prio = clamp_prio(sess, io->prio);
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
 * Context: process; sleeps where submit_bio() does in spite of REQ_NOWAIT, or when the
 * device does not know that.
 */
void rnbd_srv_io(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req)
{
	int err = io_start(sess, req);

	if (err)
		rtrs_srv_respond(req, err);
}
