// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of RNBD as requests of RTRS, section R2: sessions, devices, and I/O with data that
 * tell by themselves where they belong.
 */
#include <stdio.h>

#include "peer.h"

void pattern(uint8_t *p, size_t len, uint64_t sector, uint8_t seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = seed + (sector + i / 512) * 7 + i * 13;
}

const char *rnbd_sess_info(struct path *path, uint8_t ver, uint8_t *agreed)
{
	uint8_t msg[SESS_INFO_LEN];
	struct req *req;
	const char *why;

	put_sess_info(msg, ver);
	req = req_new(path, 0, msg, SESS_INFO_LEN);
	req_read(req, SESS_INFO_LEN, true);
	req_post(req);
	why = req_wait(req);
	if (!why && (req->err || get16(req->in) != RNBD_SESS_INFO_RSP ||
		     !all_bytes(req->in + 5, 31, 0)))
		why = fail("SESS_INFO: errno %d, type %u", req->err, get16(req->in));
	if (agreed)
		*agreed = req->in[4];
	req_free(req);
	return why;
}

/* dev->err is the errno of the server, or 0 and dev->rsp is filled. */
const char *rnbd_open(struct path *path, const char *name, uint8_t mode, struct dev *dev)
{
	uint8_t msg[OPEN_LEN];
	struct req *req;
	const char *why;

	put_open(msg, name, mode);
	req = req_new(path, 0, msg, OPEN_LEN);
	req_read(req, OPEN_RSP_LEN, true);
	req_post(req);
	why = req_wait(req);
	dev->err = req->err;
	if (!why && !req->err) {
		get_open_rsp(&dev->rsp, req->in);
		dev->id = dev->rsp.id;
		if (dev->rsp.type != RNBD_OPEN_RSP || !dev->rsp.reserved_zero)
			why = fail("OPEN_RSP: type %u", dev->rsp.type);
	}
	req_free(req);
	return why;
}

/* A disk that may be in use by a path that the server is still closing. */
const char *rnbd_open_again(struct path *path, const char *name, struct dev *dev)
{
	uint64_t end = now_ms() + WAIT_MS;

	do
		TRY(rnbd_open(path, name, RNBD_RW, dev));
	while (dev->err == 1 && now_ms() < end);
	EXPECT(!dev->err, "OPEN: errno %d", dev->err);
	return NULL;
}

const char *rnbd_open_slow(struct path *path, struct dev *dev)
{
	return rnbd_open_again(path, env.slow, dev);
}

const char *rnbd_close(struct path *path, uint32_t id)
{
	uint8_t msg[CLOSE_LEN];
	struct req *req;
	const char *why;

	put_close(msg, id);
	req = req_new(path, 0, msg, CLOSE_LEN);
	req_write(req, 0);
	req_post(req);
	why = req_wait(req);
	if (!why && req->err)
		why = fail("CLOSE: errno %d", req->err);
	req_free(req);
	return why;
}

static bool brings_data(const struct io *io)
{
	return (io->rw & 0xff) == OP_WRITE;
}

/* Fill a request for this I/O, ready to be posted or to be spoilt first. */
struct req *rnbd_io(struct path *path, const struct io *io)
{
	uint8_t msg[IO_LEN] = { 0 };
	struct req *req;

	put16(msg, RNBD_IO);
	put32(msg + 4, io->id);
	put64(msg + 8, io->sector);
	put32(msg + 16, io->rw);
	put32(msg + 20, io->bytes);
	req = req_new(path, io->cid ? io->cid : 1, msg, io->usr_len ? io->usr_len : IO_LEN);
	if (brings_data(io)) {
		pattern(req->out, io->data_len, io->sector, io->seed);
		req_write(req, io->data_len);
	} else if ((io->rw & 0xff) == OP_READ || (io->rw & 0xff) == OP_FLUSH) {
		req_read(req, io->data_len, io->need_inval);
	} else {
		req_write(req, io->data_len);
	}
	return req;
}

/* Wait; data of a read that succeeded must be the pattern of io->seed, unless that is 0. */
const char *rnbd_io_wait(struct req *req, const struct io *io)
{
	static uint8_t want[1 << 20];
	uint64_t shift = req->desc_addr - (uintptr_t)req->in;

	TRY(req_wait(req));
	if (req->err || (io->rw & 0xff) != OP_READ || !io->seed)
		return NULL;
	pattern(want, req->desc_len, io->sector, io->seed);
	EXPECT(!memcmp(req->in + shift, want, req->desc_len), "data at sector %llu are wrong",
	       (unsigned long long)io->sector);
	return NULL;
}

const char *rnbd_io_run(struct path *path, const struct io *io, int *err)
{
	struct req *req = rnbd_io(path, io);
	const char *why;

	req_post(req);
	why = rnbd_io_wait(req, io);
	*err = req->err;
	req_free(req);
	return why;
}

const char *rnbd_io_expect(struct path *path, const struct io *io, int err)
{
	int got;

	TRY(rnbd_io_run(path, io, &got));
	EXPECT(got == err, "errno %d instead of %d", got, err);
	return NULL;
}

/* Write 4 KiB and read them back, with and without remote invalidation. */
const char *rnbd_verify(struct path *path, uint32_t id, uint64_t sector, uint8_t seed)
{
	struct io io = { .id = id, .sector = sector, .bytes = 4096, .data_len = 4096,
			 .seed = seed, .rw = OP_WRITE };

	TRY(rnbd_io_expect(path, &io, 0));
	io.rw = OP_READ | OP_SYNC;
	TRY(rnbd_io_expect(path, &io, 0));
	io.need_inval = true;
	io.cid = 2;
	return rnbd_io_expect(path, &io, 0);
}
