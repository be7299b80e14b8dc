// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests and their answers (8.2), the messages of RNBD, heartbeats, fences.
 *
 * A client that breaks the rules loses its path: this server is here for clients that are right,
 * and for what they do when it is not.
 */
#include <stdio.h>
#include <stdlib.h>

#include "server.h"

struct order {
	struct con *con;
	uint32_t id, data_len, usr_len;
	const uint8_t *usr;
	uint8_t *chunk;
	bool has_desc;
	uint64_t addr;
	uint32_t key, len;
};

static uint8_t *disk_data[DISKS];
static char disk_names[DISKS][256];
static unsigned int id_shift;
unsigned int closes_answered;

static const char *parse(struct order *order, struct con *con, uint32_t imm)
{
	unsigned int off_bits = 28 - ceil_log2(SRV_DEPTH);
	uint32_t off = imm & ((1U << off_bits) - 1);
	const uint8_t *hdr;

	order->con = con;
	order->id = imm >> off_bits & 0xffff;
	EXPECT(imm >> 28 == IMM_REQ && order->id < SRV_DEPTH, "immediate %x", imm);
	EXPECT(off + READ_HDR + DESC_LEN <= SRV_CHUNK, "header at %u", off);
	order->chunk = con->path->server->chunks + (size_t)order->id * SRV_CHUNK;
	hdr = order->chunk + off;
	order->usr_len = get16(hdr + 2);
	EXPECT(order->usr_len <= off && order->usr_len >= CLOSE_LEN, "usr_len %u", order->usr_len);
	order->data_len = off - order->usr_len;
	order->usr = order->chunk + order->data_len;
	EXPECT(get16(hdr) == MSG_READ || get16(hdr) == MSG_WRITE, "header type %u", get16(hdr));
	order->has_desc = get16(hdr) == MSG_READ && get16(hdr + 6);
	if (!order->has_desc)
		return NULL;
	EXPECT(!get16(hdr + 4), "a read with NEED_INVAL");
	order->addr = get64(hdr + READ_HDR);
	order->key = get32(hdr + READ_HDR + 8);
	order->len = get32(hdr + READ_HDR + 12);
	EXPECT(order->len == order->data_len, "descriptor of %u bytes", order->len);
	return NULL;
}

/* ---- answers ---- */

static void send_data(const struct order *order)
{
	struct ibv_sge sge = { (uintptr_t)order->chunk, order->len,
			       order->con->path->server->chunk_mr->lkey };
	struct ibv_send_wr wr = { .opcode = IBV_WR_RDMA_WRITE, .sg_list = &sge, .num_sge = 1 };

	wr.wr.rdma.remote_addr = order->addr;
	wr.wr.rdma.rkey = order->key;
	con_send(order->con, &wr);
}

static void send_answer(const struct outgoing *out, bool with_key)
{
	if (with_key)
		server_bytes(out->con, out, IBV_WR_SEND_WITH_IMM);
	else
		con_send_imm(out->con, out->imm);
}

static void put_key(uint8_t *buf, const struct order *order)
{
	put16(buf, MSG_RKEY_RSP);
	put16(buf + 2, order->id);
	put32(buf + 4, order->con->path->server->chunk_mr->rkey);
}

/* A FENCE_ACK that nobody waits for. */
static void add_fence_ack(struct path *path)
{
	struct outgoing out = { .data = path->server->spare, .len = FENCE_LEN };

	memset(out.data, 0, FENCE_LEN);
	put16(out.data, MSG_FENCE_ACK);
	put32(out.data + 4, 1);
	memcpy(out.data + 8, path->id.sess_uuid, UUID_LEN);
	server_bytes(&path->con[0], &out, IBV_WR_SEND);
}

/* What no client has asked for, in front of an answer. */
static void add_message(const struct order *order, enum act act)
{
	struct path *path = order->con->path;
	struct outgoing out = { .data = path->server->spare, .imm = (uint32_t)IMM_HB << 28 };
	struct ibv_send_wr inval = { .opcode = IBV_WR_SEND_WITH_INV,
				     .invalidate_rkey = order->key };

	put_key(out.data, order);
	if (act == ACT_ADD_HB)
		con_send_imm(order->con, out.imm);
	if (act == ACT_ADD_HB_KEY) {
		out.len = RKEY_RSP_LEN;
		server_bytes(order->con, &out, IBV_WR_SEND_WITH_IMM);
	}
	if (act == ACT_ADD_SEND)
		server_bytes(order->con, &out, IBV_WR_SEND);
	if (act == ACT_ADD_INVAL)
		con_send(order->con, &inval);
	if (act == ACT_ADD_FENCE_ACK)
		add_fence_ack(path);
	if (act == ACT_ADD_INFO)
		con_send_bytes(&path->con[0], IBV_WR_SEND, path->info,
			       INFO_RSP_HDR + DESC_LEN * SRV_DEPTH);
}

static void answer(const struct order *order, int err, enum stage stage)
{
	struct path *path = order->con->path;
	struct outgoing out = {
		.stage = stage, .con = order->con, .err = err, .len = RKEY_RSP_LEN,
		.data = path->server->answers + (size_t)order->id * ROOM,
		.imm = (uint32_t)IMM_RSP << 28 | (uint32_t)err << 19 | order->id,
	};
	bool with_key = path->ai;
	enum act act;

	put_key(out.data, order);
	act = stage == AT_ANSWER ? fault_apply(&out) : ACT_SEND;
	if (act == ACT_CUT)
		path->server->ending = true;
	if (act == ACT_DROP || act == ACT_CUT)
		return;
	if (order->has_desc && !err)
		send_data(order);
	if (act >= ACT_ADD_HB)
		add_message(order, act);
	if (act == ACT_ON_CON_0)
		out.con = &path->con[0];
	if (act == ACT_WITH_KEY || act == ACT_WITHOUT_KEY)
		with_key = act == ACT_WITH_KEY;
	send_answer(&out, with_key);
	if (act == ACT_TWICE)
		send_answer(&out, with_key);
}

/* ---- RNBD ---- */

static unsigned int find_disk(const char *name)
{
	unsigned int i;

	for (i = 0; i < DISKS - 1 && disk_names[i][0]; i++)
		if (!strcmp(disk_names[i], name))
			break;
	snprintf(disk_names[i], sizeof(disk_names[i]), "%s", name);
	if (!disk_data[i])
		disk_data[i] = calloc(DISK_SECTORS, 512);
	if (!disk_data[i])
		die("memory");
	return i;
}

/* From the next OPEN on a disk has another id, one that another disk has had (R13.22). */
void server_shift_ids(void)
{
	id_shift++;
}

/* An answer with a structure of @len bytes, which is at the start of the chunk. */
static enum act answer_struct(struct order *order, enum stage stage, unsigned int len)
{
	struct outgoing out = { .stage = stage, .con = order->con, .data = order->chunk,
				.len = len };
	enum act act = fault_apply(&out);

	if (act == ACT_CUT)
		order->con->path->server->ending = true;
	if (act == ACT_CUT || act == ACT_DROP)
		return act;
	order->len = out.len < order->len ? out.len : order->len;
	if (!order->len)
		order->has_desc = false;
	answer(order, out.err, stage);
	return act;
}

static void do_open(struct order *order)
{
	struct open_rsp rsp = {
		.type = RNBD_OPEN_RSP, .nsectors = DISK_SECTORS, .max_hw_sectors = 1024,
		.max_zeroes = DISK_SECTORS, .max_discard = DISK_SECTORS, .granularity = 4096,
		.physical_block = 4096, .logical_block = 512, .max_segments = 128,
	};
	char name[255];

	memcpy(name, order->usr + 6, sizeof(name));
	name[254] = 0;
	rsp.id = (find_disk(name) + id_shift) % DISKS;
	put_open_rsp(order->chunk, &rsp);
	answer_struct(order, AT_OPEN, OPEN_RSP_LEN);
}

static void do_sess_info(struct order *order)
{
	memset(order->chunk, 0, SESS_INFO_LEN);
	put16(order->chunk, RNBD_SESS_INFO_RSP);
	order->chunk[4] = 2;
	answer_struct(order, AT_SESS_INFO, SESS_INFO_LEN);
}

static void do_close(struct order *order)
{
	enum act act = answer_struct(order, AT_CLOSE, 0);

	if (act != ACT_CUT && act != ACT_DROP)
		closes_answered++;
	if (act == ACT_DEAF)
		order->con->path->deaf_until = now_ms() + DEAF_MS;
}

static int disk_io(const struct order *order)
{
	uint32_t id = get32(order->usr + 4), bytes = get32(order->usr + 20);
	uint64_t sector = get64(order->usr + 8);
	unsigned int op = get32(order->usr + 16) & 0xff;
	unsigned int i = (id + DISKS - id_shift % DISKS) % DISKS;
	uint8_t *p;

	if (op == OP_FLUSH)
		return 0;
	if (id >= DISKS || !disk_data[i])
		return 107;
	if (sector >= DISK_SECTORS || bytes > (DISK_SECTORS - sector) * 512)
		return 5;
	p = disk_data[i] + sector * 512;
	if ((op == OP_READ || op == OP_WRITE) && bytes != order->data_len)
		return 22;
	if (op == OP_READ)
		memcpy(order->chunk, p, bytes);
	else if (op == OP_WRITE)
		memcpy(p, order->chunk, bytes);
	else
		memset(p, 0, bytes);
	return 0;
}

static const char *serve(struct order *order)
{
	unsigned int type = get16(order->usr);

	switch (type) {
	case RNBD_SESS_INFO:
		EXPECT(order->usr_len == SESS_INFO_LEN && order->len == SESS_INFO_LEN, "SESS_INFO");
		do_sess_info(order);
		return NULL;
	case RNBD_OPEN:
		EXPECT(order->usr_len == OPEN_LEN && order->len == OPEN_RSP_LEN, "OPEN");
		do_open(order);
		return NULL;
	case RNBD_IO:
		EXPECT(order->usr_len == IO_LEN, "IO of %u bytes", order->usr_len);
		if (fault_cuts_first())
			order->con->path->server->ending = true;
		else
			answer(order, disk_io(order), AT_ANSWER);
		return NULL;
	case RNBD_CLOSE:
		do_close(order);
		return NULL;
	default:
		return fail("message of type %u", type);
	}
}

/* ---- service connection ---- */

static void heartbeat(struct con *con)
{
	struct outgoing out = { .stage = AT_HEARTBEAT, .con = con,
				.data = con->path->server->spare,
				.imm = (uint32_t)IMM_HB_ACK << 28 };

	if (fault_apply(&out) == ACT_DROP)
		con->path->silent = true;
	else
		con_send_imm(con, out.imm);
}

/* X3: the path is out of service before the acknowledgment leaves. */
static void fence(struct con *con, const uint8_t *msg)
{
	struct outgoing out = { .stage = AT_FENCE, .con = con, .data = con->path->server->spare,
				.len = FENCE_LEN };
	struct path *fenced = server_find(msg + 8);
	enum act act;

	if (fenced && fenced != con->path)
		fenced->server->ending = true;
	memcpy(out.data, msg, FENCE_LEN);
	put16(out.data, MSG_FENCE_ACK);
	act = fault_apply(&out);
	if (act == ACT_CUT)
		con->path->server->ending = true;
	if (act == ACT_CUT || act == ACT_DROP)
		return;
	server_bytes(con, &out, act == ACT_WITH_IMM ? IBV_WR_SEND_WITH_IMM : IBV_WR_SEND);
	if (act == ACT_TWICE)
		server_bytes(con, &out, IBV_WR_SEND);
}

static const char *plain_message(struct con *con, const struct ibv_wc *wc)
{
	const uint8_t *msg = con->recv + wc->wr_id * con->recv_size;

	EXPECT(!con->cid, "a SEND of %u bytes on cid %u", wc->byte_len, con->cid);
	if (wc->byte_len == INFO_REQ_LEN && get16(msg) == MSG_INFO_REQ) {
		if (!con->path->connected)
			server_send_info(con->path);
		return NULL;
	}
	EXPECT(wc->byte_len == FENCE_LEN && (get16(msg) == MSG_FENCE ||
	       get16(msg) == MSG_FENCE_DRAIN), "a SEND of %u bytes", wc->byte_len);
	fence(con, msg);
	return NULL;
}

static const char *immediate(struct con *con, uint32_t imm)
{
	struct order order = { 0 };

	if (imm >> 28 == IMM_HB || imm >> 28 == IMM_HB_ACK) {
		if (imm >> 28 == IMM_HB && !con->path->silent)
			heartbeat(con);
		return NULL;
	}
	if (con->path->silent)
		return NULL;
	TRY(parse(&order, con, imm));
	return serve(&order);
}

void server_received(struct con *con, const struct ibv_wc *wc)
{
	struct path *path = con->path;
	bool has_imm = wc->wc_flags & IBV_WC_WITH_IMM || wc->opcode == IBV_WC_RECV_RDMA_WITH_IMM;
	const char *why;

	if (path->server->ending)
		return;
	why = has_imm ? immediate(con, be32toh(wc->imm_data)) : plain_message(con, wc);
	if (why) {
		printf("# the client breaks the rules: %s\n", why);
		path->server->ending = true;
		return;
	}
	if (!path->server->ending)
		con_post_recv(con, wc->wr_id);
}
