// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RNBD messages that are wrong in themselves (section 13 of its specification): each is to be
 * answered with an errno, and the path goes on.
 */
#include <stdio.h>

#include "peer.h"

/* A message of any content; all other fields of the request are right. */
struct msg {
	uint16_t type;
	uint32_t usr_len, data_len;
	bool read;
	int err;
};

static const char *answered(struct req *req, int err, int other)
{
	req_post(req);
	TRY(req_wait(req));
	EXPECT(req->err == err || req->err == other, "errno %d instead of %d", req->err, err);
	req_free(req);
	return NULL;
}

static const char *message(void)
{
	const struct msg *row = env.arg;
	uint8_t usr[OPEN_LEN] = { 0 };
	struct path *path;
	struct req *req;

	TRY(ready_path(&path));
	put_open(usr, env.dev, RNBD_RO);
	put16(usr, row->type);
	req = req_new(path, 0, usr, row->usr_len);
	if (row->read)
		req_read(req, row->data_len, true);
	else
		req_write(req, row->data_len);
	TRY(answered(req, row->err, row->err));
	return rnbd_sess_info(path, 2, NULL);
}

/* A user message longer than any: RTRS answers, and the path goes on. */
static const char *message_too_long(void)
{
	uint8_t usr[USR_MAX] = { 0 };
	struct path *path;
	struct req *req;

	TRY(ready_path(&path));
	put16(usr, RNBD_CLOSE);
	req = req_new(path, 0, usr, sizeof(usr));
	req_write(req, 0);
	TRY(answered(req, 90, 90));
	return rnbd_sess_info(path, 2, NULL);
}

#define MSG(t, l, d, r) message, (&(const struct msg){ (t), (l), (d), (r), 22 })

/* OPEN with @name of @len bytes and nothing behind it but @fill. */
struct name {
	const char *name;
	uint8_t mode, fill;
	int err;
};

static const char *open_name(void)
{
	const struct name *row = env.arg;
	uint8_t usr[OPEN_LEN];
	struct path *path;
	struct req *req;

	TRY(ready_path(&path));
	put_open(usr, row->name, row->mode);
	if (row->fill)
		memset(usr + 6 + strlen(row->name), row->fill, 255 - strlen(row->name));
	req = req_new(path, 0, usr, OPEN_LEN);
	req_read(req, OPEN_RSP_LEN, true);
	TRY(answered(req, row->err, row->err));
	return rnbd_sess_info(path, 2, NULL);
}

#define NAME(n, m, f, e) open_name, (&(const struct name){ (n), (m), (f), (e) })

/* One I/O message against the disk of the case, with a second errno that is as good. */
struct bad_io {
	struct io io;
	int err, other;
	bool swap_dir;	/* READ for WRITE and the other way round */
	bool at_end;	/* sector counts from the end of the disk */
};

static const char *bad_io(void)
{
	const struct bad_io *row = env.arg;
	struct io io = row->io;
	struct path *path;
	struct req *req;
	struct dev dev;

	TRY(ready_dev(&path, &dev));
	io.id = dev.id + io.id;
	if (row->at_end)
		io.sector += dev.rsp.nsectors;
	req = rnbd_io(path, &io);
	if (row->swap_dir && req->hdr_type == MSG_READ)
		req_write(req, io.data_len);
	else if (row->swap_dir)
		req_read(req, io.data_len, true);
	TRY(answered(req, row->err, row->other ? row->other : row->err));
	return rnbd_verify(path, dev.id, 8, 90);
}

#define BAD(e, o, ...) bad_io, (&(const struct bad_io){ .err = (e), .other = (o), \
	.io = { .need_inval = true, __VA_ARGS__ } })
#define BAD_END(e, o, ...) bad_io, (&(const struct bad_io){ .err = (e), .other = (o), \
	.at_end = true, .io = { .need_inval = true, __VA_ARGS__ } })
#define BAD_DIR(...) bad_io, (&(const struct bad_io){ .err = 22, .swap_dir = true, \
	.io = { __VA_ARGS__ } })
#define BOTH(n) .bytes = (n), .data_len = (n)

/* --- state of the server --- */

static const char *read_only(void)
{
	static const uint32_t writes[] = { OP_WRITE, OP_DISCARD, OP_SECURE_ERASE, OP_WRITE_ZEROES };
	struct io io = { .bytes = 4096, .data_len = 4096 };
	struct path *path;
	struct dev dev;
	unsigned int i;
	int err;

	TRY(ready_path(&path));
	TRY(rnbd_open(path, env.dev, RNBD_RO, &dev));
	EXPECT(!dev.err, "OPEN: errno %d", dev.err);
	io.id = dev.id;
	TRY(rnbd_io_expect(path, &io, 0));
	for (i = 0; i < 4; i++) {
		io.rw = writes[i];
		io.data_len = i ? 0 : 4096;
		TRY(rnbd_io_run(path, &io, &err));
		EXPECT(err == 1 || err == 30, "op %u: errno %d", writes[i], err);
	}
	io = (struct io){ .id = dev.id, .rw = OP_FLUSH | OP_FUA, .sector = ~0ULL };
	return rnbd_io_expect(path, &io, 0);
}

/* 13.9: read-only first, then read-write under the same name, while another client writes. */
static const char *mode_by_reopening(void)
{
	struct io io = { .rw = OP_WRITE, .bytes = 4096, .data_len = 4096 };
	struct dev dev, again;
	struct path *path;
	int err;

	TRY(ready_path(&path));
	TRY(rnbd_open(path, env.big, RNBD_RO, &dev));
	EXPECT(!dev.err, "OPEN: errno %d", dev.err);
	TRY(rnbd_open(path, env.big, RNBD_RW, &again));
	io.id = dev.id;
	TRY(rnbd_io_run(path, &io, &err));
	EXPECT(err == 1 || err == 30, "written although another client has the disk: %d, %d",
	       again.err, err);
	return NULL;
}

/* 13.9, and nobody else writes: the same mapping writes from now on. */
static const char *upgrade_by_reopening(void)
{
	struct io io = { .rw = OP_WRITE, .bytes = 4096, .data_len = 4096 };
	struct dev dev, again;
	struct path *path;
	int err;

	TRY(ready_path(&path));
	TRY(rnbd_open(path, env.dev, RNBD_RO, &dev));
	EXPECT(!dev.err, "OPEN: errno %d", dev.err);
	io.id = dev.id;
	TRY(rnbd_io_run(path, &io, &err));
	EXPECT(err == 1 || err == 30, "written read-only: errno %d", err);
	TRY(rnbd_open(path, env.dev, RNBD_RW, &again));
	EXPECT(!again.err && again.id == dev.id, "OPEN again: errno %d, id %u for %u", again.err,
	       again.id, dev.id);
	return rnbd_io_expect(path, &io, 0);
}

/* 5.3, with the disk that the second client has open to write. */
static const char *access_rule(void)
{
	struct path *one, *two;
	struct dev dev;

	TRY(ready_path(&one));
	TRY(rnbd_open(one, env.big, RNBD_RW, &dev));
	EXPECT(dev.err == 1, "second RW: errno %d", dev.err);
	TRY(rnbd_open(one, env.big, RNBD_MIGRATION, &dev));
	EXPECT(!dev.err, "MIGRATION: errno %d", dev.err);
	two = path_new(env.addr2, "peer-two");
	TRY(path_open(two));
	TRY(rnbd_open(two, env.big, RNBD_MIGRATION, &dev));
	EXPECT(dev.err == 1, "second MIGRATION: errno %d", dev.err);
	TRY(rnbd_open(two, env.big, RNBD_RO, &dev));
	EXPECT(!dev.err, "RO: errno %d", dev.err);
	return NULL;
}

/* 10.6.4: must not block; whether it is refused is the server's choice. */
static const char *two_names(void)
{
	struct dev dev, other;
	struct path *path;
	char name[255];

	TRY(ready_path(&path));
	TRY(rnbd_open(path, env.dev, RNBD_RO, &dev));
	EXPECT(!dev.err, "OPEN: errno %d", dev.err);
	snprintf(name, sizeof(name), "/.%s", env.dev);
	TRY(rnbd_open(path, name, RNBD_RO, &other));
	printf("# under a second name: errno %d\n", other.err);
	return rnbd_sess_info(path, 2, NULL);
}

static const char *double_close(void)
{
	struct io io = { .bytes = 512, .data_len = 512 };
	uint8_t msg[CLOSE_LEN];
	struct req *reqs[4];
	struct path *path;
	struct dev dev;
	unsigned int i;

	TRY(ready_dev(&path, &dev));
	put_close(msg, dev.id);
	for (i = 0; i < 4; i++) {
		reqs[i] = req_new(path, i % 3, msg, CLOSE_LEN);
		req_write(reqs[i], 0);
	}
	for (i = 0; i < 4; i++)
		req_post(reqs[i]);
	for (i = 0; i < 4; i++) {
		TRY(req_wait(reqs[i]));
		EXPECT(!reqs[i]->err, "CLOSE %u: errno %d", i, reqs[i]->err);
		req_free(reqs[i]);
	}
	io.id = dev.id;
	TRY(rnbd_io_expect(path, &io, 107));
	TRY(rnbd_close(path, dev.id));
	TRY(rnbd_close(path, 0xffffffff));
	TRY(rnbd_open(path, env.dev, RNBD_RW, &dev));
	EXPECT(!dev.err && dev.id != io.id, "OPEN: errno %d, id %u used again", dev.err, dev.id);
	return rnbd_verify(path, dev.id, 0, 44);
}

/*
 * 13.5 and rtrs 17.3: the chunk holds what the client wrote before. A read with a shorter
 * descriptor gets only its own bytes from the disk.
 */
static const char *short_descriptor(void)
{
	struct io io = { .rw = OP_WRITE, .bytes = 4096, .data_len = 4096, .seed = 21 };
	struct path *path;
	struct req *req;
	struct dev dev;

	TRY(ready_dev(&path, &dev));
	io.id = dev.id;
	TRY(rnbd_io_expect(path, &io, 0));
	io.rw = OP_READ;
	io.need_inval = true;
	req = rnbd_io(path, &io);
	req->desc_len = 512;
	req_post(req);
	TRY(rnbd_io_wait(req, &io));
	EXPECT(!req->err || req->err == 22, "errno %d", req->err);
	printf("# descriptor shorter than the data: errno %d\n", req->err);
	return rnbd_verify(path, dev.id, 0, 22);
}

/* CLOSE waits for the I/O that runs; that of other disks goes on meanwhile. */
static const char *close_while_io_runs(void)
{
	struct io io = { .bytes = 4096, .data_len = 4096, .need_inval = true };
	uint8_t msg[CLOSE_LEN];
	struct req *read, *close;
	struct dev dev, other;
	struct path *path;
	uint64_t end = now_ms() + WAIT_MS;

	TRY(ready_dev(&path, &other));
	do
		TRY(rnbd_open(path, env.slow, RNBD_RW, &dev));
	while (dev.err == 1 && now_ms() < end);
	io.id = dev.id;
	read = rnbd_io(path, &io);
	req_post(read);
	put_close(msg, dev.id);
	close = req_new(path, 0, msg, CLOSE_LEN);
	req_write(close, 0);
	req_post(close);
	TRY(rnbd_verify(path, other.id, 0, 55));
	EXPECT(!read->done, "case is wrong: the read was not slow, errno %d", read->err);
	EXPECT(!close->done, "CLOSE did not wait");
	TRY(req_wait(close));
	EXPECT(read->done && !read->err && !close->err, "read: %d, errno %d", read->done, read->err);
	return NULL;
}

const struct test rnbd_tests[] = {
	{ "sess-info-35-bytes", MSG(RNBD_SESS_INFO, 35, 36, true) },
	{ "sess-info-area-35", MSG(RNBD_SESS_INFO, 36, 35, true) },
	{ "sess-info-as-write", MSG(RNBD_SESS_INFO, 36, 36, false) },
	{ "sess-info-without-area", MSG(RNBD_SESS_INFO, 36, 0, true) },
	{ "open-263-bytes", MSG(RNBD_OPEN, 263, 56, true) },
	{ "open-4-bytes", MSG(RNBD_OPEN, 4, 56, true) },
	{ "open-area-55", MSG(RNBD_OPEN, 264, 55, true) },
	{ "open-without-area", MSG(RNBD_OPEN, 264, 0, true) },
	{ "open-as-write", MSG(RNBD_OPEN, 264, 56, false) },
	{ "close-7-bytes", MSG(RNBD_CLOSE, 7, 0, false) },
	{ "io-23-bytes", MSG(RNBD_IO, 23, 512, true) },
	{ "1-byte", MSG(RNBD_IO, 1, 0, false) },
	{ "3-bytes", MSG(RNBD_IO, 3, 0, false) },
	{ "longer-than-any", message_too_long },
	{ "type-1", MSG(RNBD_SESS_INFO_RSP, 36, 36, true) },
	{ "type-3", MSG(RNBD_OPEN_RSP, 264, 56, true) },
	{ "type-6", MSG(6, 36, 0, false) },
	{ "type-65535", MSG(65535, 36, 36, true) },
	{ "open-no-nul", NAME("/dev/nullb0", 0, 'x', 22) },
	{ "open-empty-name", NAME("", 0, 0, 22) },
	{ "open-dot-dot", NAME("../dev/nullb0", 0, 0, 22) },
	{ "open-dot-dot-inside", NAME("/dev/null..b0", 0, 0, 22) },
	{ "open-missing", NAME("/dev/no-such-disk", 0, 0, 2) },
	{ "open-directory", NAME("/dev", 0, 0, 15) },
	{ "open-character-device", NAME("/dev/null", 0, 0, 15) },
	{ "open-mode-3", NAME("/dev/nullb0", 3, 0, 22) },
	{ "open-mode-255", NAME("/dev/nullb0", 255, 0, 22) },
	{ "unknown-op-6", BAD(95, 22, .rw = 6, BOTH(4096)) },
	{ "unknown-op-255", BAD(95, 22, .rw = 255, .bytes = 4096) },
	{ "fua-on-read", BAD(0, 0, .rw = OP_READ | OP_FUA, BOTH(4096)) },
	{ "unknown-flags", BAD(0, 0, .rw = OP_READ | 0xfffff400, BOTH(4096)) },
	{ "unknown-device", BAD(107, 0, .id = 7777, .rw = OP_READ, BOTH(4096)) },
	{ "read-behind-end", BAD_END(5, 0, .rw = OP_READ, BOTH(512)) },
	{ "read-across-end", BAD_END(5, 0, .rw = OP_READ, .sector = -1ULL, BOTH(1024)) },
	{ "write-across-end", BAD_END(5, 0, .rw = OP_WRITE, .sector = -1ULL, BOTH(1024)) },
	{ "discard-across-end", BAD_END(5, 0, .rw = OP_DISCARD, .sector = -1ULL, .bytes = 1024) },
	{ "sector-overflow", BAD(5, 22, .rw = OP_READ, .sector = ~0ULL, BOTH(4096)) },
	{ "sector-overflow-bytes", BAD(5, 22, .rw = OP_WRITE, .sector = 1ULL << 55, BOTH(4096)) },
	{ "discard-4-gib", BAD(5, 22, .rw = OP_DISCARD, .sector = 8, .bytes = 0xfffffe00) },
	{ "half-a-sector", BAD(22, 5, .rw = OP_READ, BOTH(256)) },
	{ "sector-and-a-byte", BAD(22, 5, .rw = OP_WRITE, BOTH(513)) },
	{ "bi_size-above-data_len", BAD(22, 0, .rw = OP_READ, .bytes = 8192, .data_len = 4096) },
	{ "bi_size-below-data_len", BAD(22, 0, .rw = OP_WRITE, .bytes = 512, .data_len = 4096) },
	{ "bi_size-0", BAD(22, 0, .rw = OP_WRITE, .data_len = 4096) },
	{ "read-without-data", BAD(22, 0, .rw = OP_READ, .bytes = 4096) },
	{ "write-without-data", BAD(22, 0, .rw = OP_WRITE, .bytes = 4096) },
	{ "flush-with-length", BAD(22, 0, .rw = OP_FLUSH, .bytes = 4096) },
	{ "flush-with-data", BAD(22, 0, .rw = OP_FLUSH, BOTH(4096)) },
	{ "discard-with-data", BAD(22, 0, .rw = OP_DISCARD, BOTH(4096)) },
	{ "discard-of-nothing", BAD(22, 0, .rw = OP_DISCARD) },
	{ "secure-erase", BAD(95, 0, .rw = OP_SECURE_ERASE, .bytes = 4096) },
	{ "write-as-read", BAD_DIR(.rw = OP_WRITE, BOTH(4096)) },
	{ "read-as-write", BAD_DIR(.rw = OP_READ, BOTH(4096)) },
	{ "abi71-read-only-mapping", read_only },
	{ "mode-by-reopening", mode_by_reopening },
	{ "upgrade-by-reopening", upgrade_by_reopening },
	{ "access-rule", access_rule },
	{ "two-names", two_names },
	{ "double-close", double_close },
	{ "short-descriptor", short_descriptor },
	{ "close-while-io-runs", close_while_io_runs },
	{ NULL }
};
