// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests of RTRS and their answers, with every check of 8.2 on the answer: its operation, its
 * length, the type of the immediate, the remote invalidation before it, the data.
 *
 * Normal operation: req_new(), req_read() or req_write(), req_post(), req_wait(), req_free().
 * Cases that break the rules change the fields before req_post().
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

/* Soft-RoCE hands the kernel's flag value for "with invalidate" to user space, which is 4. */
#define WC_WITH_INV	(IBV_WC_WITH_INV | 4)

static uint32_t free_id(struct path *path)
{
	uint32_t i, id;

	for (i = 0; i < path->depth; i++) {
		id = path->next_id++ % path->depth;
		if (!path->busy[id])
			return id;
	}
	errno = EBUSY;
	die("no free msg_id");
	return 0;
}

struct req *req_new(struct path *path, unsigned int cid, const void *usr, uint32_t usr_len)
{
	struct req *req = calloc(1, sizeof(*req));
	unsigned int slot = 0;

	while (slot < SLOTS && path->slot_used[slot])
		slot++;
	if (!req || slot == SLOTS)
		die("no free slot");
	path->slot_used[slot] = true;
	req->path = path;
	req->con = &path->con[cid];
	req->slot = slot;
	req->out = path->slots + slot * path->slot_size;
	req->in = req->out + path->chunk_size + 4096;
	req->msg_id = free_id(path);
	req->imm_id = req->msg_id;
	path->busy[req->msg_id] = req;
	req->usr_len = usr_len;
	req->hdr_usr_len = usr_len;
	memcpy(req->usr, usr, usr_len);
	return req;
}

/* A window that the server can invalidate: user regions cannot be with Soft-RoCE. */
static void bind_window(struct req *req)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_BIND_MW };

	req->mw = ibv_alloc_mw(req->path->pd, IBV_MW_TYPE_2);
	if (!req->mw)
		die("ibv_alloc_mw");
	req->desc_key = ibv_inc_rkey(req->mw->rkey);
	wr.bind_mw.mw = req->mw;
	wr.bind_mw.rkey = req->desc_key;
	wr.bind_mw.bind_info = (struct ibv_mw_bind_info){
		.mr = req->path->mr, .addr = (uintptr_t)req->in,
		.length = req->path->chunk_size + GUARD,
		.mw_access_flags = IBV_ACCESS_REMOTE_WRITE,
	};
	con_send(req->con, &wr);
}

/* @len bytes to the client; 0 is a READ without descriptor (8.1). */
void req_read(struct req *req, uint32_t len, bool need_inval)
{
	req->hdr_type = MSG_READ;
	req->data_len = len;
	req->sg_cnt = len ? 1 : 0;
	req->flags = need_inval && len ? RTRS_F_NEED_INVAL : 0;
	req->desc_addr = (uintptr_t)req->in;
	req->desc_len = len;
	req->desc_key = req->path->mr->rkey;
	if (need_inval && len)
		bind_window(req);
	req->hdr_off = len + req->usr_len;
	req->chunk_key = req->path->chunk[req->msg_id].key;
}

/* @len bytes at req->out go to the server, perhaps none. */
void req_write(struct req *req, uint32_t len)
{
	req->hdr_type = MSG_WRITE;
	req->data_len = len;
	req->hdr_off = len + req->usr_len;
	req->chunk_key = req->path->chunk[req->msg_id].key;
}

static unsigned int put_header(const struct req *req, uint8_t *p)
{
	put16(p, req->hdr_type);
	put16(p + 2, req->hdr_usr_len);
	if (req->hdr_type == MSG_WRITE)
		return WRITE_HDR;
	put16(p + 4, req->flags);
	put16(p + 6, req->sg_cnt);
	put_desc(p + READ_HDR, req->desc_addr, req->desc_key, req->desc_len);
	if (req->sg_cnt > 1)
		memcpy(p + READ_HDR + DESC_LEN, p + READ_HDR, DESC_LEN);
	return READ_HDR + DESC_LEN * (req->sg_cnt > 2 ? 2 : req->sg_cnt);
}

/* Lay out user message and header behind the data and send it all with one work request. */
void req_post(struct req *req)
{
	struct path *path = req->path;
	uint32_t start = req->hdr_type == MSG_READ ? req->data_len : 0;
	uint8_t *usr = req->out + req->data_len;
	uint32_t off_bits = 28 - ceil_log2(path->depth);
	struct ibv_sge sge = { (uintptr_t)req->out + start, 0, path->mr->lkey };
	struct ibv_send_wr wr = { .opcode = IBV_WR_RDMA_WRITE_WITH_IMM, .sg_list = &sge,
				  .num_sge = 1 };

	memset(req->in, PAINT, path->chunk_size + GUARD);
	memcpy(usr, req->usr, req->usr_len);
	sge.length = req->data_len - start + req->usr_len +
		     put_header(req, usr + req->usr_len);
	if (start + sge.length > path->chunk_size)
		sge.length = path->chunk_size - start;
	wr.imm_data = htobe32(req->imm_id << off_bits | req->hdr_off);
	wr.wr.rdma.remote_addr = path->chunk[req->msg_id].addr + start;
	wr.wr.rdma.rkey = req->chunk_key;
	con_send(req->con, &wr);
}

/* All bytes behind those that the server should have sent are as they were. */
static const char *check_paint(const struct req *req)
{
	uint32_t used = req->err || req->hdr_type != MSG_READ || !req->sg_cnt ? 0 : req->desc_len;
	uint64_t shift = req->desc_addr ? req->desc_addr - (uintptr_t)req->in : 0;

	if (shift > GUARD)
		return NULL;
	EXPECT(all_bytes(req->in, shift, PAINT) &&
	       all_bytes(req->in + shift + used, req->path->chunk_size + GUARD - shift - used, PAINT),
	       "bytes outside of the wanted %u were written", used);
	return NULL;
}

const char *req_wait(struct req *req)
{
	uint64_t end = now_ms() + WAIT_MS;
	struct path *path = req->path;

	while (!req->done && !path_is_lost(path) && !path->complaint[0] && now_ms() < end)
		pump();
	EXPECT(!path->complaint[0], "%s", path->complaint);
	if (!req->done)
		return fail(path_is_lost(path) ? "path lost" : "no answer");
	return check_paint(req);
}

void req_free(struct req *req)
{
	struct path *path = req->path;

	if (path->busy[req->msg_id] == req)
		path->busy[req->msg_id] = NULL;
	path->slot_used[req->slot] = false;
	if (req->mw)
		ibv_dealloc_mw(req->mw);
	free(req);
}

/* A SEND without immediate: it must be the invalidation of a read that wants it. */
const char *req_invalidated(struct con *con, const struct ibv_wc *wc)
{
	struct path *path = con->path;
	uint32_t id;

	EXPECT(wc->wc_flags & WC_WITH_INV && !wc->byte_len, "SEND of %u bytes, flags %x",
	       wc->byte_len, wc->wc_flags);
	for (id = 0; id < path->depth; id++) {
		struct req *req = path->busy[id];

		if (!req || !req->mw || req->con != con || req->desc_key != wc->invalidated_rkey)
			continue;
		EXPECT(!req->remote_inval && !req->done, "key invalidated twice or late");
		req->remote_inval = true;
		return NULL;
	}
	return fail("SEND WITH INVALIDATE of a key that is not asked for");
}

/* One entry of RKEY_RSP: store the key. */
static const char *take_key(struct path *path, const uint8_t *rsp)
{
	uint32_t id = get16(rsp + 2);

	EXPECT(get16(rsp) == MSG_RKEY_RSP && id < path->depth, "RKEY_RSP type %u chunk %u",
	       get16(rsp), id);
	if (path->chunk[id].key != get32(rsp + 4))
		path->keys_changed++;
	path->chunk[id].old_key = path->chunk[id].key;
	path->chunk[id].key = get32(rsp + 4);
	return NULL;
}

/* Answers without errno that came in the same message as another one. */
static const char *take_batch(struct con *con, const struct ibv_wc *wc, const uint8_t *rsp)
{
	unsigned int len;

	for (len = RKEY_RSP_LEN; len < wc->byte_len; len += RKEY_RSP_LEN) {
		uint32_t id = get16(rsp + len + 2);
		struct req *req = id < con->path->depth ? con->path->busy[id] : NULL;

		EXPECT(req && req->con == con && !req->done && !req->mw, "batch: chunk %u", id);
		TRY(take_key(con->path, rsp + len));
		req->done = true;
		con->path->batched++;
	}
	return NULL;
}

/* The form of an answer: 8.2, or short answers where they are in force. */
static const char *check_form(const struct req *req, const struct ibv_wc *wc, const uint8_t *rsp)
{
	struct path *path = req->path;
	bool one_message = req->hdr_type == MSG_READ && req->sg_cnt && !req->mw && !req->err;

	if (wc->opcode == IBV_WC_RECV_RDMA_WITH_IMM) {
		EXPECT(!path->ai || (path->ext && one_message), "AI: answer without a key");
		EXPECT(!wc->byte_len || (one_message && wc->byte_len == req->desc_len),
		       "answer of %u bytes", wc->byte_len);
		path->merged += wc->byte_len ? 1 : 0;
		return NULL;
	}
	EXPECT(path->ai, "answer with a key, but keys never change");
	EXPECT(wc->byte_len == RKEY_RSP_LEN ||
	       (path->ext && !(wc->byte_len % RKEY_RSP_LEN) && wc->byte_len),
	       "RKEY_RSP of %u bytes", wc->byte_len);
	EXPECT(get16(rsp + 2) == req->msg_id, "RKEY_RSP of chunk %u for %u", get16(rsp + 2),
	       req->msg_id);
	TRY(take_key(path, rsp));
	return take_batch(req->con, wc, rsp);
}

const char *req_answered(struct con *con, const struct ibv_wc *wc, const uint8_t *payload)
{
	uint32_t imm = be32toh(wc->imm_data), id = imm & 0x7ffff;
	struct req *req = id < con->path->depth ? con->path->busy[id] : NULL;
	bool wants_inval;

	EXPECT(req && !req->done, "answer for idle msg_id %u", id);
	EXPECT(req->con == con, "answer on cid %u instead of %u", con->cid, req->con->cid);
	req->err = imm >> 19 & 0x1ff;
	wants_inval = req->mw && req->sg_cnt == 1;
	EXPECT(imm >> 28 == (wants_inval ? IMM_RSP_INV : IMM_RSP), "type %u, errno %d",
	       imm >> 28, req->err);
	EXPECT(req->remote_inval == wants_inval, "type 2 without SEND WITH INVALIDATE");
	TRY(check_form(req, wc, payload));
	req->done = true;
	return NULL;
}
