// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Breaches of the protocol (sections 13.1 and 17). The server is to end the path of the sender,
 * with all its connections, and nothing else; the second client of main.c sees to the last.
 */
#include <stdio.h>

#include "peer.h"

/* A request that was right until @spoil changed it, to be answered with the end of the path. */
struct attack {
	uint32_t rw;
	void (*spoil)(struct req *req);
};

static const char *attack(void)
{
	const struct attack *row = env.arg;
	struct io io = { .rw = row->rw, .bytes = 4096, .data_len = 4096, .need_inval = true };
	struct path *path;
	struct req *req;
	struct dev dev;

	TRY(ready_dev(&path, &dev));
	io.id = dev.id;
	req = rnbd_io(path, &io);
	row->spoil(req);
	req_post(req);
	TRY(path_wait_lost(path, WAIT_MS));
	EXPECT(!req->done, "answered with errno %d", req->err);
	EXPECT(all_bytes(req->in, path->chunk_size + GUARD, PAINT), "data came");
	return NULL;
}

static void off_chunk_size(struct req *req)
{
	req->hdr_off = req->path->chunk_size;
}

static void off_largest(struct req *req)
{
	req->hdr_off = (1U << (28 - ceil_log2(req->path->depth))) - 1;
	if (req->hdr_off < req->path->chunk_size)
		req->hdr_off = req->path->chunk_size;
}

static void off_last_byte(struct req *req)
{
	req->hdr_off = req->path->chunk_size - 1;
}

/* The header begins inside of the chunk and would end behind it. */
static void header_crosses_end(struct req *req)
{
	uint32_t room = req->hdr_type == MSG_READ ? 16 : 3;

	req->data_len = req->path->chunk_size - room - req->usr_len;
	req->hdr_off = req->data_len + req->usr_len;
	req->desc_len = 512;
}

static void off_0(struct req *req)
{
	req->hdr_off = 0;
}

static void usr_len_above_off(struct req *req)
{
	req->hdr_usr_len = req->hdr_off + 1;
}

static void usr_len_65535(struct req *req)
{
	req->hdr_usr_len = 65535;
	req->data_len = 0;
	req->hdr_off = req->usr_len;
}

static void usr_len_0(struct req *req)
{
	req->hdr_usr_len = 0;
}

static void type_info(struct req *req)
{
	req->hdr_type = MSG_INFO_REQ;
}

static void type_rkey(struct req *req)
{
	req->hdr_type = MSG_RKEY_RSP;
}

static void type_large(struct req *req)
{
	req->hdr_type = 0xff03;
}

static void sg_cnt_2(struct req *req)
{
	req->sg_cnt = 2;
}

static void sg_cnt_large(struct req *req)
{
	req->sg_cnt = 0xff01;
}

static void need_inval_without_desc(struct req *req)
{
	req->sg_cnt = 0;
}

static void desc_len_0(struct req *req)
{
	req->desc_len = 0;
}

static void desc_len_one_more(struct req *req)
{
	req->desc_len++;
}

static void desc_len_chunk(struct req *req)
{
	req->desc_len = req->path->chunk_size;
}

static void desc_len_largest(struct req *req)
{
	req->desc_len = 0xffffffff;
}

static void desc_wrong_key(struct req *req)
{
	req->desc_key ^= 0x55aa00;
}

static void desc_wrong_addr(struct req *req)
{
	req->desc_addr = 4096;
}

static void wrong_chunk_key(struct req *req)
{
	req->chunk_key ^= 0x5500;
}

#define ATTACK(op, fn) attack, (&(const struct attack){ (op), (fn) })

/* --- other than one spoilt request --- */

static const char *msg_id_too_large(void)
{
	struct io io = { .rw = OP_WRITE, .bytes = 512, .data_len = 512 };
	struct path *path;
	struct req *req;

	TRY(ready_path(&path));
	if (1U << ceil_log2(path->depth) == path->depth)
		return SKIP "every msg_id that can be sent is valid with this depth";
	req = rnbd_io(path, &io);
	req->imm_id = path->depth;
	req_post(req);
	return path_wait_lost(path, WAIT_MS);
}

/* Only where the server takes keys away: the one before the present one must be dead. */
static const char *stale_key(void)
{
	struct io io = { .rw = OP_WRITE, .bytes = 512, .data_len = 512, .seed = 1 };
	struct path *path;
	struct req *req;
	struct dev dev;

	if (!env.always_inval)
		return SKIP "keys are not revoked in this mode";
	TRY(ready_dev(&path, &dev));
	path->next_id = 0;	/* used by SESS_INFO */
	io.id = dev.id;
	req = rnbd_io(path, &io);
	EXPECT(path->chunk[req->msg_id].old_key != req->chunk_key, "the key did not change");
	req->chunk_key = path->chunk[req->msg_id].old_key;
	req_post(req);
	return path_wait_lost(path, WAIT_MS);
}

/*
 * Address and key of a buffer of another client, as that one knows them. What the server finds in our
 * own buffer is the request before, so it has no other reason to close the path.
 */
static const char *chunk_of_another_session(void)
{
	struct io io = { .rw = OP_WRITE, .bytes = 512, .data_len = 512 };
	struct path *path;
	struct req *req;
	struct dev dev;

	TRY(ready_dev(&path, &dev));
	io.id = dev.id;
	path->next_id = 5;
	TRY(rnbd_io_expect(path, &io, 0));
	path->next_id = 5;
	req = rnbd_io(path, &io);
	path->chunk[req->msg_id] = env.good->chunk[env.depth - 1];
	req->chunk_key = path->chunk[req->msg_id].key;
	req_post(req);
	return path_wait_lost(path, WAIT_MS);
}

/* The tag of a request that still runs on the slow disk, again on the same path. */
static const char *busy_tag(void)
{
	struct io io = { .rw = OP_READ, .bytes = 4096, .data_len = 4096, .need_inval = true };
	struct path *path;
	struct req *req;
	struct dev dev;
	uint32_t imm;

	TRY(ready_path(&path));
	TRY(rnbd_open_slow(path, &dev));
	io.id = dev.id;
	req = rnbd_io(path, &io);
	req_post(req);
	imm = req->msg_id << (28 - ceil_log2(path->depth)) | req->hdr_off;
	con_send_imm(&path->con[1], imm);
	TRY(path_wait_lost(path, WAIT_MS));
	EXPECT(!req->done, "answered");
	return NULL;
}

/* The end of a client in the middle of its work; the server waits for the disk by itself. */
static const char *gone_with_io_running(void)
{
	struct io io = { .rw = OP_WRITE, .bytes = 4096, .data_len = 4096 };
	struct path *path;
	struct dev dev;
	unsigned int i;

	TRY(ready_path(&path));
	TRY(rnbd_open_slow(path, &dev));
	io.id = dev.id;
	for (i = 0; i < 8; i++) {
		io.rw = i % 2 ? OP_WRITE : OP_READ;
		io.sector = 8 * i;
		req_post(rnbd_io(path, &io));
	}
	return NULL;
}

struct message {
	unsigned int cid, len;
	enum ibv_wr_opcode op;
	bool before_info;
	uint32_t imm;
};

static const char *message(void)
{
	const struct message *row = env.arg;
	struct ibv_send_wr wr = { .opcode = row->op, .imm_data = htobe32(row->imm) };
	struct path *path = fresh_path();
	struct ibv_sge sge;

	TRY(path_cons(path));
	if (!row->before_info)
		TRY(path_info(path));
	sge = (struct ibv_sge){ (uintptr_t)path->slots, row->len, path->mr->lkey };
	wr.sg_list = &sge;
	wr.num_sge = row->len ? 1 : 0;
	wr.wr.rdma.remote_addr = path->connected ? path->chunk[0].addr : 0;
	wr.wr.rdma.rkey = path->connected ? path->chunk[0].key : 0;
	con_send(&path->con[row->cid], &wr);
	return path_wait_lost(path, WAIT_MS);
}

#define MESSAGE(c, l, o, b, i) message, (&(const struct message){ (c), (l), (o), (b), (i) })

/* Immediates without a meaning may cost the path or be ignored, but then all goes on. */
static const char *unknown_imm(void)
{
	static const unsigned int types[] = { 1, 2, 3, 7, 10, 15 };
	struct path *path;
	unsigned int i, lost = 0;
	const char *why;
	uint64_t end;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		TRY(ready_path(&path));
		con_send_imm(&path->con[i % 3], types[i] << 28 | 1);
		for (end = now_ms() + 300; now_ms() < end && !path_is_lost(path);)
			pump();
		why = path_is_lost(path) ? NULL : rnbd_sess_info(path, 2, NULL);
		if (why && !path_is_lost(path))
			return why;
		lost += path_is_lost(path);
		TRY(path->complaint[0] ? path->complaint : NULL);
		path_free(path);
	}
	printf("# %u of %u ended the path\n", lost, i);
	return NULL;
}

/*
 * A request on an IO connection while the server has no receives there. It arrives when INFO has
 * brought them, and says nothing that makes sense.
 */
static const char *request_before_info(void)
{
	struct path *path = fresh_path();

	TRY(path_cons(path));
	con_send_imm(&path->con[1], 32);
	put_info_req(path->slots, path->name);
	path_info_send(path, INFO_REQ_LEN);
	return path_wait_lost(path, WAIT_MS);
}

/*
 * More heartbeats than the server has receives. It need not answer each of them that come at
 * once, but must live, and answer one that comes alone.
 */
static const char *heartbeat_flood(void)
{
	uint64_t end = now_ms() + WAIT_MS;
	struct path *path;
	unsigned int i;

	TRY(ready_path(&path));
	for (i = 0; i < 2000; i++) {
		con_send_imm(&path->con[0], (uint32_t)IMM_HB << 28);
		while (path->con[0].sends > 300 && now_ms() < end && !path_is_lost(path))
			pump();
	}
	TRY(rnbd_sess_info(path, 2, NULL));
	EXPECT(path->hb_acked, "none answered");
	path->hb_acked = 0;
	con_send_imm(&path->con[0], (uint32_t)IMM_HB << 28);
	while (!path->hb_acked && now_ms() < end && !path_is_lost(path))
		pump();
	EXPECT(path->hb_acked, "the last one was not answered");
	return rnbd_sess_info(path, 2, NULL);
}

/* Connections come and go without INFO_REQ, some with an unfinished path. */
static const char *half_open(void)
{
	unsigned int i, cid;

	for (i = 0; i < 12; i++) {
		struct path *path = fresh_path();

		for (cid = 0; cid < 1 + i % 3; cid++) {
			TRY(path_con(path, cid));
			EXPECT(path->con[cid].state == CON_UP, "attempt %u rejected", i);
		}
		path_free(path);
	}
	return NULL;
}

const struct test hostile_tests[] = {
	{ "msg_id-too-large", msg_id_too_large },
	{ "req_off-chunk-size", ATTACK(OP_WRITE, off_chunk_size) },
	{ "req_off-largest", ATTACK(OP_WRITE, off_largest) },
	{ "req_off-last-byte", ATTACK(OP_WRITE, off_last_byte) },
	{ "req_off-0", ATTACK(OP_WRITE, off_0) },
	{ "write-header-crosses-end", ATTACK(OP_WRITE, header_crosses_end) },
	{ "read-header-crosses-end", ATTACK(OP_READ, header_crosses_end) },
	{ "usr_len-above-req_off", ATTACK(OP_WRITE, usr_len_above_off) },
	{ "usr_len-65535", ATTACK(OP_WRITE, usr_len_65535) },
	{ "usr_len-0", ATTACK(OP_WRITE, usr_len_0) },
	{ "header-type-0", ATTACK(OP_READ, type_info) },
	{ "header-type-4", ATTACK(OP_WRITE, type_rkey) },
	{ "header-type-ff03", ATTACK(OP_READ, type_large) },
	{ "sg_cnt-2", ATTACK(OP_READ, sg_cnt_2) },
	{ "sg_cnt-ff01", ATTACK(OP_READ, sg_cnt_large) },
	{ "need-inval-without-descriptor", ATTACK(OP_READ, need_inval_without_desc) },
	{ "desc-len-0", ATTACK(OP_READ, desc_len_0) },
	{ "desc-len-one-above-data", ATTACK(OP_READ, desc_len_one_more) },
	{ "desc-len-chunk", ATTACK(OP_READ, desc_len_chunk) },
	{ "desc-len-ffffffff", ATTACK(OP_READ, desc_len_largest) },
	{ "desc-wrong-key", ATTACK(OP_READ, desc_wrong_key) },
	{ "desc-wrong-address", ATTACK(OP_READ, desc_wrong_addr) },
	{ "chunk-wrong-key", ATTACK(OP_WRITE, wrong_chunk_key) },
	{ "chunk-stale-key", stale_key },
	{ "chunk-of-another-session", chunk_of_another_session },
	{ "busy-tag", busy_tag },
	{ "gone-with-io-running", gone_with_io_running },
	{ "send-empty-con-0", MESSAGE(0, 0, IBV_WR_SEND, false, 0) },
	{ "send-empty-con-1", MESSAGE(1, 0, IBV_WR_SEND, false, 0) },
	{ "send-8-bytes-con-0", MESSAGE(0, 8, IBV_WR_SEND, false, 0) },
	{ "send-8-bytes-con-1", MESSAGE(1, 8, IBV_WR_SEND, false, 0) },
	{ "second-info-req", MESSAGE(0, INFO_REQ_LEN, IBV_WR_SEND, false, 0) },
	{ "send-with-imm", MESSAGE(1, 0, IBV_WR_SEND_WITH_IMM, false, 32) },
	{ "send-with-imm-con-0", MESSAGE(0, 0, IBV_WR_SEND_WITH_IMM, false, 32) },
	{ "request-before-info", request_before_info },
	{ "request-before-info-con-0", MESSAGE(0, 0, IBV_WR_RDMA_WRITE_WITH_IMM, true, 32) },
	{ "unknown-immediates", unknown_imm },
	{ "heartbeat-flood", heartbeat_flood },
	{ "half-open", half_open },
	{ NULL }
};

/* --- what takes half a minute --- */

/*
 * A client that is silent is given up at the 7th heartbeat of the server (11), every 2 s; one
 * that never gets ready 30 s after its last connection (17.2).
 */
static const char *silence(void)
{
	struct path *silent, *half = fresh_path();
	uint64_t start = now_ms(), took;

	TRY(ready_path(&silent));
	silent->silent = true;
	TRY(path_cons(half));
	TRY(path_wait_lost(silent, 60000));
	took = now_ms() - start;
	printf("# the silent path is gone after %llu ms\n", (unsigned long long)took);
	EXPECT(took > 11000, "the silent path went after less than 11 s");
	TRY(path_wait_lost(half, 60000));
	took = now_ms() - start;
	printf("# both are gone after %llu ms\n", (unsigned long long)took);
	EXPECT(took > 28000, "the half-open path went after less than 28 s");
	return NULL;
}

/* Change the data of a write that the server has, and that still waits for the disk. */
static const char *change_in_flight(struct path **path, const char *disk)
{
	struct io io = { .rw = OP_WRITE, .bytes = 4096, .data_len = 4096 };
	struct ibv_send_wr wr = { .opcode = IBV_WR_RDMA_WRITE, .num_sge = 1 };
	uint64_t end = now_ms() + 500;
	struct ibv_sge sge;
	struct req *req;
	struct dev dev;

	TRY(ready_path(path));
	TRY(rnbd_open_again(*path, disk, &dev));
	io.id = dev.id;
	req = rnbd_io(*path, &io);
	req_post(req);
	while (now_ms() < end && !path_is_lost(*path))
		pump();
	EXPECT(!path_is_lost(*path), "path lost");
	EXPECT(!req->done, "case is wrong: the write was not slow, errno %d", req->err);

	sge = (struct ibv_sge){ (uintptr_t)req->out, io.data_len, (*path)->mr->lkey };
	wr.sg_list = &sge;
	wr.wr.rdma.remote_addr = (*path)->chunk[req->msg_id].addr;
	wr.wr.rdma.rkey = req->chunk_key;
	con_send(req->con, &wr);
	return NULL;
}

/* Where nobody wants stable data the key lives on: what the sender damages is its own. */
static const char *change_slow(void)
{
	struct path *path;

	TRY(change_in_flight(&path, env.slow));
	return rnbd_sess_info(path, 2, NULL);
}

/* A disk that computes something from the data gets them when nobody can change them any more. */
static const char *change_stable(void)
{
	struct path *path;

	TRY(change_in_flight(&path, env.stable));
	return path_wait_lost(path, 2000);	/* the answer comes later */
}

const struct test stable_tests[] = {
	{ "change-in-flight", change_slow },
	{ "change-in-flight-of-stable-write", change_stable },
	{ NULL }
};

const struct test slow_tests[] = {
	{ "silence", silence },
	{ NULL }
};
