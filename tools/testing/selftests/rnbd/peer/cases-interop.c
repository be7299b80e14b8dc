// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a mainline client does in its life: handshake, INFO, SESS_INFO, OPEN, I/O, heartbeats,
 * reconnect, a second path, the end. Extensions are not offered but where the case says so.
 */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "peer.h"

/* 2.4: every byte of the accepts of all connections. */
static const char *accept_bytes(void)
{
	struct path *path = fresh_path();
	uint8_t want[PRIV_LEN] = { 0 };
	unsigned int cid;

	put16(want, RTRS_MAGIC);
	put16(want + 2, RTRS_VERSION);
	put16(want + 6, env.depth);
	put32(want + 8, env.chunk_size - sysconf(_SC_PAGESIZE));
	put32(want + 12, sysconf(_SC_PAGESIZE));
	put32(want + 16, env.ai ? RTRS_F_NEW_RKEY : 0);
	TRY(path_cons(path));
	for (cid = 0; cid < path->con_num; cid++) {
		unsigned int i;

		for (i = 0; i < PRIV_LEN; i++)
			EXPECT(path->con[cid].priv[i] == want[i], "cid %u byte %u: %02x, not %02x",
			       cid, i, path->con[cid].priv[i], want[i]);
	}
	return NULL;
}

/* 5: regions of one chunk each when keys can change; path_open() has checked the rest. */
static const char *info_rsp(void)
{
	struct path *path;
	uint32_t cnt;

	TRY(ready_path(&path));
	cnt = get16(path->info + 2);
	EXPECT(path->ai == env.ai && path->depth == env.depth, "mode");
	EXPECT(!env.always_inval || cnt == path->depth, "%u regions", cnt);
	return path_disconnect(path);
}

static const char *minor_version(void)
{
	struct path *path = fresh_path();

	path->id.version = 0x0207;
	TRY(path_open(path));
	return path_disconnect(path);
}

static const char *one_con_more(void)
{
	struct path *path = fresh_path();

	path->con_num = 2;
	path->id.cid_num = 2;
	TRY(path_open(path));
	return path_disconnect(path);
}

static const char *sess_info(void)
{
	struct path *path;
	uint8_t ver;

	TRY(ready_path(&path));
	TRY(rnbd_sess_info(path, 2, &ver));
	EXPECT(ver == 2, "version %u for 2", ver);
	TRY(rnbd_sess_info(path, 1, &ver));
	EXPECT(ver == 1, "version %u for 1", ver);
	TRY(rnbd_sess_info(path, 9, &ver));
	EXPECT(ver == 2, "version %u for 9", ver);
	return NULL;
}

static const char *open_geometry(void)
{
	struct path *path;
	struct dev dev, again;
	uint64_t bytes;
	int fd, block, phys;

	TRY(ready_dev(&path, &dev));
	fd = open(env.dev, O_RDONLY);
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) || ioctl(fd, BLKSSZGET, &block) ||
	    ioctl(fd, BLKPBSZGET, &phys))
		die(env.dev);
	close(fd);
	EXPECT(dev.rsp.nsectors == bytes / 512, "%llu sectors", (unsigned long long)dev.rsp.nsectors);
	EXPECT(dev.rsp.logical_block == block && dev.rsp.physical_block == phys, "blocks of %u, %u",
	       dev.rsp.logical_block, dev.rsp.physical_block);
	EXPECT(dev.rsp.max_discard && dev.rsp.max_hw_sectors && dev.rsp.max_segments, "limits");
	EXPECT(dev.rsp.secure_discard <= 1 && dev.rsp.cache_policy & 2, "flags");
	TRY(rnbd_open(path, env.dev, RNBD_RW, &again));
	EXPECT(!again.err && again.id == dev.id, "second OPEN: errno %d, id %u", again.err, again.id);
	return rnbd_close(path, dev.id);
}

/* 10.6 and rnbd 3: bytes without meaning are garbage in mainline. */
static const char *garbage_in_padding(void)
{
	struct io io = { .rw = OP_READ, .bytes = 4096, .data_len = 4096 };
	struct path *path;
	uint8_t msg[OPEN_LEN];
	struct req *req;
	const char *why;

	TRY(ready_path(&path));
	put_open(msg, env.dev, RNBD_RW);
	msg[2] = 0x77;
	msg[5] = 0xff;
	memset(msg + 6 + strlen(env.dev) + 1, 0xee, OPEN_LEN - 7 - strlen(env.dev));
	req = req_new(path, 0, msg, OPEN_LEN);
	req_read(req, OPEN_RSP_LEN, true);
	req_post(req);
	TRY(req_wait(req));
	EXPECT(!req->err, "OPEN: errno %d", req->err);
	io.id = get32(req->in + 4);
	req_free(req);
	req = rnbd_io(path, &io);
	memset(req->usr + 26, 0xdd, 6);
	req->usr[2] = 0x55;
	req_post(req);
	why = req_wait(req);
	EXPECT(why || !req->err, "read: errno %d", req->err);
	return why;
}

static const char *io_without_sess_info(void)
{
	struct path *path;
	struct dev dev;

	TRY(ready_path(&path));
	TRY(rnbd_open(path, env.dev, RNBD_RW, &dev));
	EXPECT(!dev.err, "OPEN: errno %d", dev.err);
	return rnbd_verify(path, dev.id, 0, 3);
}

/* A different amount of data with each size, both kinds of reads, on each IO connection. */
static const char *write_and_read(void)
{
	const uint32_t sizes[] = { 512, 1024, 4096, 12800, 65536, env.chunk_size - 4096 };
	struct path *path;
	struct dev dev;
	unsigned int i;

	TRY(ready_dev(&path, &dev));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct io io = { .id = dev.id, .sector = 64 + i, .bytes = sizes[i],
				 .data_len = sizes[i], .seed = 11 + i, .cid = 1 + i % 2 };

		io.rw = i % 2 ? OP_WRITE : OP_WRITE | OP_SYNC | OP_FUA;
		TRY(rnbd_io_expect(path, &io, 0));
		io.rw = OP_READ | OP_SYNC;
		TRY(rnbd_io_expect(path, &io, 0));
		io.need_inval = true;
		TRY(rnbd_io_expect(path, &io, 0));
	}
	return path_disconnect(path);
}

/* Administrative and other requests are served on any connection. */
static const char *io_on_con_0(void)
{
	struct io io = { .rw = OP_WRITE, .bytes = 4096, .data_len = 4096, .seed = 99 };
	struct path *path;
	struct req *req;
	struct dev dev;

	TRY(ready_dev(&path, &dev));
	io.id = dev.id;
	req = rnbd_io(path, &io);
	req->con = &path->con[0];
	req_post(req);
	TRY(rnbd_io_wait(req, &io));
	EXPECT(!req->err, "errno %d", req->err);
	io.rw = OP_READ;
	return rnbd_io_expect(path, &io, 0);
}

static const char *other_operations(void)
{
	struct io io = { .sector = 1024, .bytes = 65536, .data_len = 65536, .seed = 5 };
	static const uint32_t flush[] = { OP_FLUSH | OP_SYNC | OP_FUA, OP_FLUSH, OP_FLUSH | 0x700 };
	static const uint32_t clear[] = { OP_DISCARD | OP_SYNC, OP_DISCARD, OP_WRITE_ZEROES,
					  OP_WRITE_ZEROES | OP_SYNC | 0x800 };
	uint32_t i, supported;
	struct path *path;
	struct dev dev;

	TRY(ready_dev(&path, &dev));
	for (i = 0; i < sizeof(flush) / sizeof(flush[0]); i++) {
		struct io f = { .id = dev.id, .sector = ~0ULL, .rw = flush[i] };

		TRY(rnbd_io_expect(path, &f, 0));
	}
	io.id = dev.id;
	for (i = 0; i < sizeof(clear) / sizeof(clear[0]); i++) {
		struct io c = { .id = dev.id, .sector = 1024, .bytes = 65536, .rw = clear[i] };
		struct req *req;

		io.rw = OP_WRITE;
		TRY(rnbd_io_expect(path, &io, 0));
		supported = (clear[i] & 0xff) == OP_DISCARD ? dev.rsp.max_discard : dev.rsp.max_zeroes;
		TRY(rnbd_io_expect(path, &c, supported ? 0 : 95));
		if (!supported)
			continue;
		io.rw = OP_READ;
		io.need_inval = true;
		req = rnbd_io(path, &io);
		req_post(req);
		TRY(req_wait(req));
		EXPECT(!req->err && all_bytes(req->in, 65536, 0), "rw %x clears nothing", clear[i]);
		req_free(req);
	}
	return NULL;
}

/* 3.6: messages of 24, 28 and 32 bytes, and a longer one, are all right. */
static const char *io_message_lengths(void)
{
	static const uint32_t lengths[] = { 24, 25, 26, 28, 32, 40 };
	struct path *path;
	struct dev dev;
	unsigned int i;

	TRY(ready_dev(&path, &dev));
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct io io = { .id = dev.id, .rw = OP_WRITE, .bytes = 512, .data_len = 512,
				 .seed = 50 + i, .usr_len = lengths[i], .sector = i };
		struct req *req = rnbd_io(path, &io);

		memset(req->usr + 24, 0, 16);
		req_post(req);
		TRY(req_wait(req));
		EXPECT(!req->err, "usr_len %u: errno %d", lengths[i], req->err);
		req_free(req);
		io.rw = OP_READ;
		TRY(rnbd_io_expect(path, &io, 0));
	}
	return NULL;
}

/* Two heartbeats of each side: both must hear each other. */
static const char *heartbeats(void)
{
	uint64_t start = now_ms();
	struct path *path;

	TRY(ready_path(&path));
	while (!(path->hb_in >= 2 && path->hb_sent >= 2 && path->hb_acked == path->hb_sent) &&
	       now_ms() < start + 60000 && !path_is_lost(path))
		pump();
	EXPECT(!path_is_lost(path), "path lost");
	EXPECT(!path->complaint[0], "%s", path->complaint);
	EXPECT(path->hb_in >= 2, "%u heartbeats in a minute", path->hb_in);
	EXPECT(path->hb_acked == path->hb_sent && path->hb_sent >= 2, "%u of %u answered",
	       path->hb_acked, path->hb_sent);
	return path_disconnect(path);
}

/* The same uuids again: -104 until the server has closed the old path, then as before. */
static const char *reconnect(void)
{
	uint64_t end = now_ms() + WAIT_MS;
	struct path *path;
	struct dev dev;
	const char *why;

	TRY(ready_dev(&path, &dev));
	TRY(rnbd_verify(path, dev.id, 0, 17));
	TRY(path_disconnect(path));
	do {
		path->id.recon_cnt++;
		why = path_cons(path);
		if (why && strcmp(why, "cid 0 rejected: errno -104"))
			return why;
		if (why)
			con_close(&path->con[0]);
	} while (why && now_ms() < end);
	TRY(why);
	TRY(path_info(path));
	TRY(rnbd_sess_info(path, 2, NULL));
	TRY(rnbd_open(path, env.dev, RNBD_RW, &dev));
	EXPECT(!dev.err, "OPEN after reconnect: errno %d", dev.err);
	return rnbd_verify(path, dev.id, 0, 19);
}

/* One session, one device table: what one path writes the other one reads, also alone. */
static const char *second_path(void)
{
	struct io io = { .sector = 256, .bytes = 8192, .data_len = 8192, .seed = 77,
			 .rw = OP_WRITE };
	struct path *one, *two;
	struct dev dev;

	TRY(ready_dev(&one, &dev));
	two = path_new(env.addr2, one->name);
	memcpy(two->id.paths_uuid, one->id.paths_uuid, UUID_LEN);
	two->id.flags = 0;	/* 2.3: cid 0 of a further path does not say "first" */
	TRY(path_open(two));
	two->next_id = one->depth / 2;
	io.id = dev.id;
	TRY(rnbd_io_expect(one, &io, 0));
	io.rw = OP_READ;
	io.need_inval = true;
	TRY(rnbd_io_expect(two, &io, 0));
	TRY(path_disconnect(one));
	TRY(rnbd_io_expect(two, &io, 0));
	TRY(rnbd_verify(two, dev.id, 256, 78));
	return path_disconnect(two);
}

const struct test interop_tests[] = {
	{ "accept-bytes", accept_bytes },
	{ "info-rsp", info_rsp },
	{ "minor-version", minor_version },
	{ "two-connections", one_con_more },
	{ "sess-info", sess_info },
	{ "open-geometry", open_geometry },
	{ "garbage-in-padding", garbage_in_padding },
	{ "io-without-sess-info", io_without_sess_info },
	{ "write-and-read", write_and_read },
	{ "io-on-con-0", io_on_con_0 },
	{ "flush-discard-zeroes", other_operations },
	{ "io-message-lengths", io_message_lengths },
	{ "reconnect", reconnect },
	{ "second-path", second_path },
	{ "heartbeats", heartbeats },
	{ NULL, NULL }
};
