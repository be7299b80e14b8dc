// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Paths: the connections of one, the INFO exchange, received messages, heartbeats, the end.
 *
 * Normal operation: path_new(), path_open(), requests (req.c), path_disconnect(), path_free().
 * Failure: what the server does against the specification at an unexpected time is kept as the
 * complaint of the path and reported by the case that waits for the path next.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "peer.h"

#define INFO_RECV_ID	0x80000000U
#define RECV_BYTES	(BATCH_MAX * RKEY_RSP_LEN)
#define HB_MS		5000

struct path *paths;

void new_uuid(uint8_t uuid[UUID_LEN])
{
	if (getrandom(uuid, UUID_LEN, 0) != UUID_LEN)
		die("getrandom");
}

void complain(struct path *path, const char *fmt, ...)
{
	va_list args;

	if (path->complaint[0])
		return;
	va_start(args, fmt);
	vsnprintf(path->complaint, sizeof(path->complaint), fmt, args);
	va_end(args);
}

struct path *path_new(const char *addr, const char *name)
{
	struct path *path = calloc(1, sizeof(*path));
	unsigned int i;

	if (!path)
		die("memory");
	path->addr = addr;
	path->received = path_received;
	snprintf(path->name, sizeof(path->name), "%s", name);
	path->con_num = 3;
	path->id = (struct conn_req){ .magic = RTRS_MAGIC, .version = RTRS_VERSION,
				      .cid_num = 3, .recon_cnt = 1, .flags = RTRS_F_FIRST };
	new_uuid(path->id.sess_uuid);
	new_uuid(path->id.paths_uuid);
	for (i = 0; i < MAX_CONS; i++) {
		path->con[i].path = path;
		path->con[i].cid = i;
	}
	path->next = paths;
	paths = path;
	return path;
}

/* Connect one connection; what the server answered is in its state and private data. */
const char *path_con(struct path *path, unsigned int cid)
{
	uint8_t priv[PRIV_LEN];

	path->id.cid = cid;
	put_conn_req(priv, &path->id);
	if (cid)	/* extensions are offered with cid 0 only */
		memset(priv + 46, 0, 6);
	return con_connect(&path->con[cid], path->addr, priv, PRIV_LEN);
}

static void path_alloc(struct path *path)
{
	size_t info = (INFO_RSP_HDR + DESC_LEN * (size_t)path->depth + 4095) & ~4095UL;
	size_t recv = ((size_t)2 * path->depth + SERVICE_RECVS) * RECV_BYTES;
	unsigned int i;

	if (path->arena)
		return;
	path->slot_size = 2 * (size_t)path->chunk_size + 4096 + GUARD;
	path->arena_len = info + recv * MAX_CONS + path->slot_size * SLOTS + 4096;
	path->arena = mmap(NULL, path->arena_len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (path->arena == MAP_FAILED)
		die("mmap");
	path->mr = ibv_reg_mr(path->pd, path->arena, path->arena_len, IBV_ACCESS_LOCAL_WRITE |
			      IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_MW_BIND);
	path->chunk = calloc(path->depth, sizeof(*path->chunk));
	path->busy = calloc(path->depth, sizeof(*path->busy));
	if (!path->mr || !path->chunk || !path->busy)
		die("ibv_reg_mr");
	path->info = path->arena;
	for (i = 0; i < MAX_CONS; i++)
		path->con[i].recv = path->arena + info + i * recv;
	path->slots = path->arena + info + recv * MAX_CONS;
	path->fence = path->slots + path->slot_size * SLOTS;
}

static const char *take_accept(struct path *path)
{
	struct conn_rsp *rsp = &path->accept;

	get_conn_rsp(rsp, path->con[0].priv);
	EXPECT(path->con[0].priv_len >= PRIV_LEN && rsp->magic == RTRS_MAGIC &&
	       rsp->version >> 8 == 2 && !rsp->err, "malformed accept");
	path->depth = rsp->queue_depth;
	path->chunk_size = rsp->max_io_size + rsp->max_hdr_size;
	EXPECT(path->depth && path->chunk_size >= 8192, "accept: sizes");
	path->ai = rsp->flags & RTRS_F_NEW_RKEY;
	path->ext = path->ai && rsp->ext_magic == RTRS_EXT_MAGIC && rsp->ext_use & RTRS_EXT_SHORT;
	path_alloc(path);
	return NULL;
}

/* Connect all connections that are not yet, each after the one before it. */
const char *path_cons(struct path *path)
{
	unsigned int cid;

	for (cid = 0; cid < path->con_num; cid++) {
		struct con *con = &path->con[cid];

		if (con->state != CON_UP)
			TRY(path_con(path, cid));
		if (con->state == CON_REJECTED)
			return fail("cid %u rejected: errno %d", cid,
				    con->priv_len >= PRIV_LEN ? (int16_t)get16(con->priv + 4) : 0);
		if (!cid)
			TRY(take_accept(path));
		else
			EXPECT(!memcmp(con->priv, path->con[0].priv, 20),
			       "accept of cid %u differs from that of cid 0", cid);
	}
	return NULL;
}

/* 4.4 step 7 */
static const char *take_info(struct path *path)
{
	const uint8_t *info = path->info, *desc = info + INFO_RSP_HDR;
	uint32_t k = 0, d, j, cnt = get16(info + 2);

	EXPECT(path->info_len >= INFO_RSP_HDR && get16(info) == MSG_INFO_RSP, "INFO_RSP type");
	EXPECT(cnt && !(path->depth % cnt), "INFO_RSP: sg_cnt %u", cnt);
	EXPECT(path->info_len == INFO_RSP_HDR + DESC_LEN * cnt, "INFO_RSP length");
	EXPECT(all_bytes(info + 4, 4, 0), "INFO_RSP: reserved bytes");
	EXPECT(ceil_log2(cnt) + ceil_log2(path->chunk_size) <= 28, "INFO_RSP: too many");
	for (d = 0; d < cnt; d++, desc += DESC_LEN) {
		uint32_t len = get32(desc + 12);

		EXPECT(len && !(len % path->chunk_size) && len / path->chunk_size <= path->depth - k,
		       "INFO_RSP: descriptor %u has length %u", d, len);
		for (j = 0; j < len / path->chunk_size; j++, k++) {
			path->chunk[k].addr = get64(desc) + (uint64_t)j * path->chunk_size;
			path->chunk[k].key = get32(desc + 8);
			path->chunk[k].old_key = path->chunk[k].key;
		}
	}
	EXPECT(k == path->depth, "INFO_RSP: %u chunks of %u", k, path->depth);
	return NULL;
}

static void post_receives(struct path *path)
{
	unsigned int cid, i;

	for (cid = 0; cid < path->con_num; cid++) {
		path->con[cid].recv_size = !path->ai ? 0 : path->ext ? RECV_BYTES : RKEY_RSP_LEN;
		if (!cid && path->accept.ext_use & RTRS_EXT_FENCE)
			path->con[cid].recv_size = RECV_BYTES;
		for (i = 0; i < (cid ? 2 * path->depth : SERVICE_RECVS); i++)
			con_post_recv(&path->con[cid], i);
	}
}

static void post_info_recv(struct path *path)
{
	struct ibv_sge sge = { (uintptr_t)path->info, INFO_RSP_HDR + DESC_LEN * path->depth,
			       path->mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = INFO_RECV_ID, .sg_list = &sge, .num_sge = 1 }, *bad;

	if (ibv_post_recv(path->con[0].id->qp, &wr, &bad))
		die("ibv_post_recv");
}

/* Send @len bytes of the first slot as INFO_REQ. */
void path_info_post(struct path *path, unsigned int len)
{
	path->info_len = 0;
	post_info_recv(path);
	con_send_bytes(&path->con[0], IBV_WR_SEND, path->slots, len);
}

const char *path_info_wait(struct path *path)
{
	uint64_t end = now_ms() + WAIT_MS;

	while (!path->info_len && !path_is_lost(path) && now_ms() < end)
		pump();
	EXPECT(path->info_len, "no INFO_RSP: %s", path_is_lost(path) ? "path lost" : "silence");
	return NULL;
}

/* Send it and wait for what comes of it. */
const char *path_info_send(struct path *path, unsigned int len)
{
	path_info_post(path, len);
	return path_info_wait(path);
}

const char *path_info(struct path *path)
{
	put_info_req(path->slots, path->name);
	TRY(path_info_send(path, INFO_REQ_LEN));
	TRY(take_info(path));
	post_receives(path);
	path->connected = true;
	path->last_hb = now_ms();
	return NULL;
}

const char *path_open(struct path *path)
{
	TRY(path_cons(path));
	return path_info(path);
}

static void heartbeat_received(struct con *con, const struct ibv_wc *wc, unsigned int type)
{
	struct path *path = con->path;

	if (wc->opcode != IBV_WC_RECV_RDMA_WITH_IMM || wc->byte_len || con->cid)
		complain(path, "heartbeat of the wrong form on cid %u", con->cid);
	if (type == IMM_HB_ACK) {
		path->hb_acked++;
		return;
	}
	path->hb_in++;
	if (!path->silent)
		con_send_imm(con, (uint32_t)IMM_HB_ACK << 28);
}

/* Called for each receive that completed well; puts a new one in its place. */
void path_received(struct con *con, const struct ibv_wc *wc)
{
	uint8_t *payload = con->recv + wc->wr_id * con->recv_size;
	bool has_imm = wc->wc_flags & IBV_WC_WITH_IMM || wc->opcode == IBV_WC_RECV_RDMA_WITH_IMM;
	unsigned int type = be32toh(wc->imm_data) >> 28;
	struct path *path = con->path;
	const char *why = NULL;

	if (wc->wr_id == INFO_RECV_ID) {
		path->info_len = wc->byte_len;
		if (has_imm)
			complain(path, "INFO_RSP with an immediate");
		return;
	}
	if (!has_imm && !con->cid && wc->byte_len == FENCE_LEN && !path->fence_acked) {
		memcpy(path->fence_ack, payload, FENCE_LEN);
		path->fence_acked = true;
	} else if (!has_imm)
		why = req_invalidated(con, wc);
	else if (type == IMM_HB || type == IMM_HB_ACK)
		heartbeat_received(con, wc, type);
	else if (type == IMM_RSP || type == IMM_RSP_INV)
		why = req_answered(con, wc, payload);
	else
		complain(path, "immediate of type %u", type);
	if (why)
		complain(path, "%s", why);
	con_post_recv(con, wc->wr_id);
}

void path_heartbeat(struct path *path)
{
	uint64_t now = now_ms();

	if (!path->connected || path->silent || now < path->last_hb + HB_MS)
		return;
	path->last_hb = now;
	if (path->con[0].state != CON_UP)
		return;
	con_send_imm(&path->con[0], (uint32_t)IMM_HB << 28);
	path->hb_sent++;
}

bool path_is_lost(const struct path *path)
{
	unsigned int i;

	for (i = 0; i < path->con_num; i++)
		if (path->con[i].state == CON_LOST)
			return true;
	return false;
}

/* The server is to disconnect every connection of the path (12.2). */
const char *path_wait_lost(struct path *path, unsigned int ms)
{
	uint64_t end = now_ms() + ms;
	unsigned int i;

	for (i = 0; i < path->con_num; i++) {
		while (path->con[i].state == CON_UP && now_ms() < end)
			pump();
		EXPECT(path->con[i].state != CON_UP, "the server keeps cid %u", i);
	}
	path->connected = false;
	return NULL;
}

/* An orderly end: disconnect all connections, wait until the server has done so too. */
const char *path_disconnect(struct path *path)
{
	unsigned int i;

	for (i = 0; i < path->con_num; i++)
		if (path->con[i].state == CON_UP)
			rdma_disconnect(path->con[i].id);
	TRY(path_wait_lost(path, WAIT_MS));
	for (i = 0; i < path->con_num; i++)
		con_close(&path->con[i]);
	return path->complaint[0] ? path->complaint : NULL;
}

void path_free(struct path *path)
{
	struct path **p;
	unsigned int i;

	for (i = 0; path->busy && i < path->depth; i++)
		if (path->busy[i])
			req_free(path->busy[i]);
	for (i = 0; i < MAX_CONS; i++)
		con_close(&path->con[i]);
	for (p = &paths; *p != path; p = &(*p)->next)
		;
	*p = path->next;
	if (path->mr)
		ibv_dereg_mr(path->mr);
	if (path->pd)
		ibv_dealloc_pd(path->pd);
	if (path->arena)
		munmap(path->arena, path->arena_len);
	free(path->chunk);
	free(path->busy);
	free(path);
}
