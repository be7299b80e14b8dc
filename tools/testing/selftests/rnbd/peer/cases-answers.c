// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Answers: the table of 8.2 in success and in error (req.c checks the form of each), keys that
 * change, many requests at a time, and the extension "short answers".
 */
#include <stdio.h>

#include "peer.h"

#define DEPTH 32

/* Errors of reads: behind the end of the disk, so that the errno is 5 or 22 and nothing else. */
static const char *failing(uint32_t rw, bool need_inval)
{
	struct io io = { .rw = rw, .bytes = 4096, .data_len = 4096, .need_inval = need_inval };
	struct path *path;
	struct dev dev;
	int err, i;

	TRY(ready_dev(&path, &dev));
	io.id = dev.id;
	io.sector = dev.rsp.nsectors;
	for (i = 0; i < 5; i++) {
		TRY(rnbd_io_run(path, &io, &err));
		EXPECT(err == 5, "errno %d", err);
	}
	return rnbd_verify(path, dev.id, 0, 40);
}

static const char *read_error_ni(void)
{
	return failing(OP_READ, true);
}

static const char *read_error(void)
{
	return failing(OP_READ, false);
}

static const char *write_error(void)
{
	return failing(OP_WRITE, false);
}

/* desc.addr has any alignment; the bytes around it stay. */
static const char *unaligned_read(void)
{
	struct io io = { .bytes = 4096, .data_len = 4096, .seed = 31, .rw = OP_WRITE };
	struct path *path;
	struct dev dev;
	unsigned int shift;

	TRY(ready_dev(&path, &dev));
	io.id = dev.id;
	TRY(rnbd_io_expect(path, &io, 0));
	io.rw = OP_READ;
	for (shift = 1; shift < 4000; shift = shift * 3 + 2) {
		struct req *req;

		io.need_inval = shift & 4;
		req = rnbd_io(path, &io);
		req->desc_addr += shift;
		req_post(req);
		TRY(rnbd_io_wait(req, &io));
		EXPECT(!req->err, "errno %d", req->err);
		req_free(req);
	}
	return NULL;
}

/* Every chunk twice, so that each key handed out by an answer is used. */
static const char *every_tag(void)
{
	struct path *path;
	struct dev dev;
	uint32_t i;

	TRY(ready_dev(&path, &dev));
	for (i = 0; i < 2 * path->depth; i++) {
		struct io io = { .id = dev.id, .sector = i % 64, .bytes = 512, .data_len = 512,
				 .seed = 1 + i % 200, .rw = OP_WRITE, .cid = 1 + i % 2 };
		struct req *req = rnbd_io(path, &io);

		EXPECT(req->msg_id == (i + 2) % path->depth, "case is wrong: tag %u", req->msg_id);
		req_post(req);
		TRY(req_wait(req));
		EXPECT(!req->err, "tag %u: errno %d", req->msg_id, req->err);
		req_free(req);
	}
	EXPECT(!env.always_inval || path->keys_changed >= 2 * path->depth, "%u keys changed",
	       path->keys_changed);
	EXPECT(env.ai || !path->keys_changed, "%u keys changed", path->keys_changed);
	return NULL;
}

/* DEPTH requests of one kind at a time, over @cons connections. */
static const char *many(struct path *path, const struct io *like, unsigned int cons)
{
	struct req *reqs[DEPTH];
	struct io ios[DEPTH];
	unsigned int i;

	for (i = 0; i < DEPTH; i++) {
		ios[i] = *like;
		ios[i].sector = i * 8;
		ios[i].cid = 1 + i % cons;
		reqs[i] = rnbd_io(path, &ios[i]);
	}
	for (i = 0; i < DEPTH; i++)
		req_post(reqs[i]);
	for (i = 0; i < DEPTH; i++) {
		TRY(rnbd_io_wait(reqs[i], &ios[i]));
		EXPECT(!reqs[i]->err, "request %u: errno %d", i, reqs[i]->err);
	}
	for (i = 0; i < DEPTH; i++)
		req_free(reqs[i]);
	return NULL;
}

static const char *rounds(struct path *path, uint32_t id, unsigned int cons)
{
	struct io io = { .id = id, .bytes = 4096, .data_len = 4096 };
	unsigned int round;

	for (round = 0; round < 6; round++) {
		io.seed = 60 + round;
		io.rw = OP_WRITE;
		TRY(many(path, &io, cons));
		io.rw = OP_READ;
		io.need_inval = false;
		TRY(many(path, &io, cons));
		io.need_inval = true;
		TRY(many(path, &io, cons));
	}
	return NULL;
}

/* A stream of small writes, DEPTH at a time without a pause, so that answers can pile up. */
static const char *stream(struct path *path, uint32_t id, unsigned int count)
{
	struct io io = { .id = id, .bytes = 512, .data_len = 512, .rw = OP_WRITE };
	struct req *reqs[DEPTH] = { NULL };
	unsigned int i;

	for (i = 0; i < count + DEPTH; i++) {
		struct req **req = &reqs[i % DEPTH];

		if (*req) {
			TRY(req_wait(*req));
			EXPECT(!(*req)->err, "request %u: errno %d", i - DEPTH, (*req)->err);
			req_free(*req);
		}
		io.sector = i % DEPTH;
		io.seed = i;
		*req = i < count ? rnbd_io(path, &io) : NULL;
		if (*req)
			req_post(*req);
	}
	return NULL;
}

static const char *many_at_a_time(void)
{
	struct path *path;
	struct dev dev;

	TRY(ready_dev(&path, &dev));
	TRY(rounds(path, dev.id, 1));
	TRY(rounds(path, dev.id, 2));
	TRY(stream(path, dev.id, 500));
	EXPECT(!path->batched, "answers in one message, but that was not agreed on");
	return path_disconnect(path);
}

/* Connect with this offer; @use is what must be in force. */
static const char *offer(struct path **result, uint16_t magic, uint32_t bits, uint32_t use)
{
	struct path *path = fresh_path();
	struct conn_rsp later;

	path->id.ext_magic = magic;
	path->id.ext_offer = bits;
	TRY(path_cons(path));
	EXPECT(path->accept.ext_use == use, "ext_use %x", path->accept.ext_use);
	EXPECT(path->accept.ext_magic == RTRS_EXT_MAGIC ||
	       (!path->accept.ext_magic && !use), "ext_magic %x", path->accept.ext_magic);
	EXPECT(path->accept.reserved_zero, "reserved bytes of the accept");
	get_conn_rsp(&later, path->con[1].priv);
	EXPECT(!later.ext_magic && !later.ext_use, "extensions in the accept of cid 1");
	*result = path;
	return path_info(path);
}

static const char *ext_wrong_magic(void)
{
	struct path *path;

	TRY(offer(&path, 0x1234, RTRS_EXT_SHORT, 0));
	return rnbd_sess_info(path, 2, NULL);
}

static const char *ext_unknown_bits(void)
{
	struct path *path;

	TRY(offer(&path, RTRS_EXT_MAGIC, 0xfffc0000 | 0x7ffe, 0));
	return rnbd_sess_info(path, 2, NULL);
}

static const char *ext_short_answers(void)
{
	struct path *path;
	struct dev dev;

	TRY(offer(&path, RTRS_EXT_MAGIC, 0xffffffff,
		  env.ext ? RTRS_EXT_FENCE | RTRS_EXT_SHORT | RTRS_EXT_DRAIN : 0));
	TRY(rnbd_open(path, env.dev, RNBD_RW, &dev));
	EXPECT(!dev.err, "OPEN: errno %d", dev.err);
	TRY(rounds(path, dev.id, 1));
	TRY(rounds(path, dev.id, 2));
	TRY(stream(path, dev.id, 2000));
	printf("# %u answers batched, %u merged with data, %u keys changed\n", path->batched,
	       path->merged, path->keys_changed);
	EXPECT(!path->ext || env.always_inval || path->merged, "no short answer");
	return path_disconnect(path);
}

const struct test answer_tests[] = {
	{ "read-error-with-invalidation", read_error_ni },
	{ "read-error", read_error },
	{ "write-error", write_error },
	{ "unaligned-read", unaligned_read },
	{ "every-tag-twice", every_tag },
	{ "many-at-a-time", many_at_a_time },
	{ "extension-wrong-magic", ext_wrong_magic },
	{ "extension-unknown-bits", ext_unknown_bits },
	{ "extension-short-answers", ext_short_answers },
	{ NULL, NULL }
};
