// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Paths of the server: connect requests, the INFO exchange, the end.
 *
 * A path ends when one of its connections does (12.2), or when a fault wants it to. It is freed
 * by server_reap(), never inside pump().
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "server.h"

struct path *server_find(const uint8_t *uuid)
{
	struct path *path;

	for (path = paths; path; path = path->next)
		if (!path->server->ending && !memcmp(path->id.sess_uuid, uuid, UUID_LEN))
			return path;
	return NULL;
}

/* Only the chunks can be written by the client, whatever it is told. */
static void alloc_memory(struct path *path, struct ibv_pd *pd)
{
	size_t recv = (size_t)SERVICE_RECVS * INFO_REQ_LEN;
	size_t info = INFO_RSP_HDR + DESC_LEN * SRV_DEPTH + ROOM;
	struct server *srv = path->server;

	path->arena_len = recv + info + (size_t)ROOM * (SRV_DEPTH + 1);
	path->arena = mmap(NULL, path->arena_len, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	srv->chunks = mmap(NULL, (size_t)SRV_CHUNK * SRV_DEPTH, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (path->arena == MAP_FAILED || srv->chunks == MAP_FAILED)
		die("mmap");
	path->mr = ibv_reg_mr(pd, path->arena, path->arena_len, IBV_ACCESS_LOCAL_WRITE);
	srv->chunk_mr = ibv_reg_mr(pd, srv->chunks, (size_t)SRV_CHUNK * SRV_DEPTH,
				   IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	if (!path->mr || !srv->chunk_mr)
		die("ibv_reg_mr");
	path->con[0].recv = path->arena;
	path->con[0].recv_size = INFO_REQ_LEN;
	path->info = path->arena + recv;
	srv->answers = path->info + info;
	srv->spare = srv->answers + (size_t)ROOM * SRV_DEPTH;
}

static struct path *new_path(const struct conn_req *req)
{
	struct path *path = path_new("", "");

	path->server = calloc(1, sizeof(*path->server));
	if (!path->server)
		die("memory");
	path->id = *req;
	path->received = server_received;
	path->con_num = req->cid_num;
	path->depth = SRV_DEPTH;
	path->chunk_size = SRV_CHUNK;
	path->ai = server_mode != MODE_PLAIN;
	if (path->ai && req->ext_magic == RTRS_EXT_MAGIC)
		path->server->ext = req->ext_offer & (RTRS_EXT_FENCE | RTRS_EXT_DRAIN |
				    (server_mode == MODE_SHORT ? RTRS_EXT_SHORT : 0));
	return path;
}

static void put_accept(struct path *path, uint8_t *buf, unsigned int cid)
{
	struct conn_rsp rsp = {
		.magic = RTRS_MAGIC, .version = RTRS_VERSION,
		.queue_depth = SRV_DEPTH, .max_io_size = SRV_IO_SIZE,
		.max_hdr_size = SRV_HDR_SIZE, .flags = path->ai ? RTRS_F_NEW_RKEY : 0,
	};

	if (!cid && path->server->ext) {
		rsp.ext_magic = RTRS_EXT_MAGIC;
		rsp.ext_use = path->server->ext;
	}
	put_conn_rsp(buf, &rsp);
}

static void reject(struct rdma_cm_id *id, const uint8_t *data, unsigned int len)
{
	rdma_reject(id, len ? data : NULL, len);
	rdma_destroy_id(id);
}

static void refuse(struct rdma_cm_id *id, int err)
{
	struct conn_rsp rsp = { .magic = RTRS_MAGIC, .version = RTRS_VERSION, .err = -err };
	uint8_t buf[PRIV_LEN];

	put_conn_rsp(buf, &rsp);
	reject(id, buf, PRIV_LEN);
}

/* False if the client does not want the connection any more. */
static bool prepare(struct con *con)
{
	struct path *path = con->path;
	unsigned int i;

	if (!con_qp(con))
		return false;
	if (!path->arena)
		alloc_memory(path, path->pd);
	for (i = 0; i < (con->cid ? 2 * SRV_DEPTH : SERVICE_RECVS); i++)
		con_post_recv(con, i);
	return true;
}

static void answer(struct con *con, struct outgoing *out)
{
	struct rdma_conn_param param = { .rnr_retry_count = 7 };
	enum act act = fault_apply(out);

	if (act == ACT_REJECT || act == ACT_REJECT_ONE) {
		rdma_reject(con->id, out->len ? out->data : NULL, out->len);
		con->path->server->ending = act == ACT_REJECT;
		return;
	}
	if (act == ACT_DROP) {
		con->path->server->unanswered = true;
		return;
	}
	param.private_data = out->len ? out->data : NULL;
	param.private_data_len = out->len;
	if (rdma_accept(con->id, &param))
		con->path->server->ending = true;
	if (act == ACT_CUT)
		con->path->server->ending = true;
	if (act == ACT_EARLY)
		server_send_info(con->path);
}

/* A connect request (2.3, 2.5): what a client of ours does right is all that is served. */
void server_asked(const struct rdma_cm_event *event)
{
	uint8_t buf[ROOM];
	struct outgoing out = { .stage = AT_ACCEPT, .data = buf, .len = PRIV_LEN };
	struct conn_req req;
	struct path *path;

	if (event->param.conn.private_data_len < PRIV_LEN) {
		refuse(event->id, 104);
		return;
	}
	get_conn_req(&req, event->param.conn.private_data);
	path = server_find(req.sess_uuid);
	if (req.magic != RTRS_MAGIC || req.cid >= req.cid_num || req.cid_num > MAX_CONS ||
	    !path == !!req.cid || (path && path->con[req.cid].id)) {
		refuse(event->id, 104);
		return;
	}
	if (!path)
		path = new_path(&req);
	out.con = &path->con[req.cid];
	out.con->id = event->id;
	out.con->id->context = out.con;
	out.con->state = CON_WAITS;
	if (!prepare(out.con)) {
		out.con->state = CON_LOST;
		return;
	}
	put_accept(path, buf, req.cid);
	answer(out.con, &out);
}

/* Send the bytes of @out, which are in the arena. */
void server_bytes(struct con *con, const struct outgoing *out, enum ibv_wr_opcode op)
{
	struct ibv_sge sge = { (uintptr_t)out->data, out->len, con->path->mr->lkey };
	struct ibv_send_wr wr = { .opcode = op, .sg_list = &sge, .num_sge = out->len ? 1 : 0,
				  .imm_data = htobe32(out->imm) };

	con_send(con, &wr);
}

/* 4.2: one descriptor for each chunk where keys may change, else one for all. */
void server_send_info(struct path *path)
{
	unsigned int i, nr = path->ai ? SRV_DEPTH : 1;
	struct outgoing out = { .stage = AT_INFO, .con = &path->con[0], .data = path->info,
				.len = INFO_RSP_HDR + DESC_LEN * nr,
				.imm = (uint32_t)IMM_HB << 28 };
	enum act act;

	memset(path->info, 0, INFO_RSP_HDR);
	put16(path->info, MSG_INFO_RSP);
	put16(path->info + 2, nr);
	for (i = 0; i < nr; i++)
		put_desc(path->info + INFO_RSP_HDR + i * DESC_LEN,
			 (uintptr_t)path->server->chunks + (size_t)i * SRV_CHUNK,
			 path->server->chunk_mr->rkey, SRV_CHUNK * SRV_DEPTH / nr);
	act = fault_apply(&out);
	path->connected = act != ACT_DROP; /* else it is silent for good: no heartbeats */
	path->last_hb = now_ms();
	if (act == ACT_CUT)
		path->server->ending = true;
	else if (act == ACT_AS_WRITE)
		con_send_imm(&path->con[0], out.imm);
	else if (act != ACT_DROP)
		server_bytes(&path->con[0], &out, act == ACT_WITH_IMM ? IBV_WR_SEND_WITH_IMM :
					    IBV_WR_SEND);
	if (act == ACT_TWICE)
		server_bytes(&path->con[0], &out, IBV_WR_SEND);
}

static void end_path(struct path *path)
{
	struct server *srv = path->server;
	unsigned int i;

	for (i = 0; i < MAX_CONS; i++)
		if (path->con[i].state == CON_UP)
			rdma_disconnect(path->con[i].id);
	if (srv->hit)
		fault_left++;
	for (i = 0; i < MAX_CONS; i++)
		con_close(&path->con[i]);
	if (srv->chunk_mr)
		ibv_dereg_mr(srv->chunk_mr);
	if (srv->chunks)
		munmap(srv->chunks, (size_t)SRV_CHUNK * SRV_DEPTH);
	path_free(path);
	free(srv);
}

static bool is_over(const struct path *path)
{
	unsigned int i;

	if (path->deaf_until > now_ms())
		return false;
	for (i = 0; i < path->con_num; i++)
		if (path->con[i].state == CON_LOST || path->con[i].state == CON_REJECTED)
			return true;
	return path->server->ending;
}

/* Clients of requests that were left without an answer have had their time. */
void server_forget_unanswered(void)
{
	struct path *path;

	for (path = paths; path; path = path->next)
		path->server->ending |= path->server->unanswered;
}

void server_reap(void)
{
	struct path *path, *next;

	for (path = paths; path; path = next) {
		next = path->next;
		if (is_over(path))
			end_path(path);
	}
}
