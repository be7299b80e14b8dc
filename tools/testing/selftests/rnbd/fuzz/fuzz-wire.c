// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of the transport (rtrs-wire.c).  The first byte chooses the message.  What a check
 * lets through must be inside the bounds of the wire specification, and encode to a message that
 * decodes to the same.
 */
#include "fuzz.h"

#include "rtrs-pri.h"

static bool same_uuid(const uuid_t *a, const uuid_t *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void conn_req(struct input *in)
{
	struct rtrs_conn_req req, again;
	struct rtrs_msg_conn_req msg;
	size_t len;
	u8 *data = rest(in, 4096, &len);
	int err = rtrs_wire_get_conn_req(&req, data, len);

	MUST(err == 0 || err == -ECONNRESET);
	if (!err) {
		MUST(len >= 56);
		MUST(req.cid < req.cid_num && req.cid_num <= 4096);
		rtrs_wire_put_conn_req(&msg, &req);
		MUST(!rtrs_wire_get_conn_req(&again, &msg, sizeof(msg)));
		MUST(again.cid == req.cid && again.cid_num == req.cid_num);
		MUST(again.recon_cnt == req.recon_cnt && again.first_conn == req.first_conn);
		MUST(again.ext_offer == req.ext_offer);
		MUST(same_uuid(&again.sess_uuid, &req.sess_uuid));
		MUST(same_uuid(&again.paths_uuid, &req.paths_uuid));
	}
	free(data);
}

/* 17.21, and that every byte of every chunk can be addressed by the 28 bits of an immediate */
static void accept_bounds(const struct rtrs_conn_rsp *rsp)
{
	u64 chunk = (u64)rsp->max_io_size + rsp->max_hdr_size;
	unsigned int bits = rtrs_imm_off_bits(rsp->queue_depth);
	u32 imm = rtrs_imm_pack_req(rsp->queue_depth - 1, chunk - 1, bits);

	MUST(rsp->queue_depth >= 1);
	MUST(rsp->max_io_size >= 512);
	MUST(rsp->max_hdr_size >= 24 + RTRS_USR_MSG_MAX);
	MUST(chunk * rsp->queue_depth <= 1ULL << 28);
	MUST(rtrs_imm_req_id(imm, bits) == rsp->queue_depth - 1u);
	MUST(rtrs_imm_req_off(imm, bits) == chunk - 1);
}

static void accept_rsp(struct input *in)
{
	struct rtrs_conn_rsp rsp, again;
	struct rtrs_msg_conn_rsp msg;
	size_t len;
	u8 *data = rest(in, 4096, &len);
	int err = rtrs_wire_get_accept(&rsp, data, len);

	MUST(err == 0 || err == -ECONNRESET || err == -EPROTO);
	if (!err) {
		MUST(len >= 56);
		accept_bounds(&rsp);
		rtrs_wire_put_accept(&msg, &rsp);
		MUST(!rtrs_wire_get_accept(&again, &msg, sizeof(msg)));
		MUST(again.queue_depth == rsp.queue_depth && again.new_rkey == rsp.new_rkey);
		MUST(again.max_io_size == rsp.max_io_size && again.ext_use == rsp.ext_use);
		MUST(again.max_hdr_size == rsp.max_hdr_size);
	}
	free(data);
}

static void reject(struct input *in)
{
	struct rtrs_msg_conn_rsp msg;
	int any = (s16)take(in, 2);
	size_t len;
	u8 *data = rest(in, 4096, &len);
	int err = rtrs_wire_get_reject(data, len);

	MUST(err < 0 && err >= -511);
	rtrs_wire_put_reject(&msg, any);
	err = rtrs_wire_get_reject(&msg, sizeof(msg));
	MUST(err == (any < 0 && any >= -511 ? any : -ECONNRESET));
	free(data);
}

static void name_bounds(const char *name)
{
	size_t len = strlen(name);

	MUST(len >= 1 && len <= 254);
	MUST(!strchr(name, '/') && !strstr(name, "..") && strcmp(name, "."));
	for (size_t i = 0; i < len; i++)
		MUST((u8)name[i] >= 0x20 && name[i] != 0x7f);
}

static void info_req(struct input *in)
{
	struct rtrs_msg_info_req msg;
	size_t len;
	u8 *data = rest(in, 1024, &len);
	const struct rtrs_msg_info_req *got = (void *)data;
	int err = rtrs_wire_get_info_req(got, len);

	MUST(err == 0 || err == -EPROTO || err == -EINVAL);
	if (!err) {
		MUST(len >= 272);
		name_bounds((const char *)got->pathname);
		rtrs_wire_put_info_req(&msg, (const char *)got->pathname);
		MUST(!rtrs_wire_get_info_req(&msg, sizeof(msg)));
		MUST(!strcmp((char *)msg.pathname, (const char *)got->pathname));
	}
	free(data);
}

/* memory of exactly @len bytes, which need not be terminated */
static void sessname(struct input *in)
{
	size_t len;
	u8 *data = rest(in, 512, &len);

	if (!rtrs_sessname_check((char *)data, len)) {
		MUST(memchr(data, '\0', len));
		name_bounds((char *)data);
	}
	free(data);
}

static void info_rsp(struct input *in)
{
	struct rtrs_conn_rsp conn = {
		.queue_depth	= take(in, 2),
		.max_io_size	= take(in, 4),
		.max_hdr_size	= take(in, 4),
	};
	struct rtrs_chunk *chunks;
	u64 size, next = 0;
	size_t len;
	u8 *data;

	/* what an accept can have brought */
	conn.max_hdr_size = 536 + conn.max_hdr_size % 8192;
	conn.max_io_size = 512 + conn.max_io_size % (1 << 20);
	size = (u64)conn.max_io_size + conn.max_hdr_size;
	if (!rtrs_chunks_fit_imm(conn.queue_depth, size))
		conn.queue_depth = 1 + conn.queue_depth % 128;

	chunks = calloc(conn.queue_depth, sizeof(*chunks));
	MUST(chunks);
	data = rest(in, 8192, &len);
	if (!rtrs_wire_get_info_rsp((void *)data, len, &conn, chunks)) {
		for (u32 i = 0; i < conn.queue_depth; i++) {
			MUST(chunks[i].addr + size > chunks[i].addr || chunks[i].addr + size == 0);
			next += size;
		}
		MUST(next == size * conn.queue_depth);
	}
	free(data);
	free(chunks);
}

static void request_bounds(const struct rtrs_wire_req *req, u32 chunk_size, u32 off)
{
	MUST(req->usr_len >= 1);
	MUST((u64)req->data_len + req->usr_len == off && off + 4ULL <= chunk_size);
	if (req->dir == DMA_TO_DEVICE)
		MUST(!req->has_desc && !req->need_inval && !req->desc_len);
	else
		MUST(req->dir == DMA_FROM_DEVICE && off + 8ULL <= chunk_size);
	if (req->has_desc)
		MUST(off + 24ULL <= chunk_size && req->desc_len >= 1 &&
		     req->desc_len <= req->data_len);
	if (req->need_inval)
		MUST(req->has_desc);
}

static void get_req(struct input *in)
{
	u32 off = take(in, 4);
	struct rtrs_wire_req req;
	size_t len;
	u8 *chunk = rest(in, 65536, &len);
	int err = rtrs_wire_get_req(&req, chunk, len, off);

	MUST(err == 0 || err == -EPROTO);
	if (!err)
		request_bounds(&req, len, off);
	free(chunk);
}

/* what the client encodes behind its data is what the server decodes */
static void put_req(struct input *in)
{
	u16 usr_len = 1 + take(in, 2) % RTRS_USR_MSG_MAX;
	u32 data_len = take(in, 2);
	enum dma_data_direction dir = take(in, 1) & 1 ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	struct rtrs_sg_desc desc = {
		.addr = cpu_to_le64(take(in, 8)),
		.key = cpu_to_le32(take(in, 4)),
		.len = cpu_to_le32(data_len),
	};
	bool with_desc = dir == DMA_FROM_DEVICE && data_len && take(in, 1) & 1;
	u8 *chunk = calloc(1, data_len + usr_len + RTRS_MAX_REQ_HDR);
	u8 *usr = calloc(1, usr_len);
	struct rtrs_wire_req req;
	size_t used;

	MUST(chunk && usr);
	for (u16 i = 0; i < usr_len; i++)
		usr[i] = take(in, 1);
	used = rtrs_wire_put_req(chunk + data_len, usr, usr_len, dir, with_desc ? &desc : NULL);
	MUST(used <= usr_len + RTRS_MAX_REQ_HDR);
	MUST(!rtrs_wire_get_req(&req, chunk, data_len + used, data_len + usr_len));
	MUST(req.dir == dir && req.usr_len == usr_len && req.data_len == data_len);
	MUST(req.has_desc == with_desc && !req.need_inval);
	MUST(!memcmp(chunk + req.data_len, usr, usr_len));
	if (with_desc)
		MUST(req.desc_addr == le64_to_cpu(desc.addr) && req.desc_len == data_len &&
		     req.desc_key == le32_to_cpu(desc.key));
	free(usr);
	free(chunk);
}

static void rkey_rsp(struct input *in)
{
	u32 depth = take(in, 2), rkey;
	struct rtrs_msg_rkey_rsp msg;
	u16 id;
	size_t len;
	u8 *data = rest(in, 64, &len);

	if (!rtrs_wire_get_rkey_rsp((void *)data, len, depth, &id, &rkey)) {
		MUST(len == 8 && id < depth);
		rtrs_wire_put_rkey_rsp(&msg, id, rkey);
		MUST(!memcmp(&msg, data, sizeof(msg)));
	}
	free(data);
}

static void fence(struct input *in)
{
	struct rtrs_fence fence;
	struct rtrs_msg_fence msg;
	size_t len;
	u8 *data = rest(in, 64, &len);

	if (!rtrs_wire_get_fence(&fence, data, len)) {
		MUST(len == 24 && fence.err <= 0);
		rtrs_wire_put_fence(&msg, &fence);
		MUST(!memcmp(&msg, data, sizeof(msg)));
	}
	free(data);
}

/* 6: id and errno of an answer come back as they were, and no failure becomes success */
static void imm(struct input *in)
{
	int err = -(int)take(in, 2);
	u32 id = take(in, 2), val = rtrs_imm_pack_rsp(RTRS_IO_RSP_IMM, id, err);
	u32 any = take(in, 4);

	MUST(rtrs_imm_type(val) == RTRS_IO_RSP_IMM);
	MUST(rtrs_imm_rsp_id(val) == id);
	MUST(rtrs_imm_rsp_errno(val) == (err >= -511 ? err : -EIO));
	MUST(rtrs_imm_pack(rtrs_imm_type(any), rtrs_imm_payload(any)) == any);
	MUST(rtrs_imm_rsp_errno(any) <= 0 && rtrs_imm_rsp_errno(any) >= -511);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	static void (*const targets[])(struct input *in) = {
		conn_req, accept_rsp, reject, info_req, sessname, info_rsp, get_req, put_req,
		rkey_rsp, fence, imm,
	};
	struct input in = { data, len };

	targets[take(&in, 1) % ARRAY_SIZE(targets)](&in);
	return 0;
}
