// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections: CM, queue pair, posting, and pump(), in which everything waits.
 *
 * Normal operation: CM events move the state of a connection, completions of receives go to
 * path.c. Failure: a connection that ended in whatever way is CON_LOST.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

#define PORT		1234
#define SEND_ID		(1ULL << 32)
#define SEND_WRS	512

unsigned int pump_idle_us = 200;
void (*con_asked)(const struct rdma_cm_event *event);

static struct rdma_event_channel *channel;

uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

void die(const char *what)
{
	printf("# cannot go on: %s: %s\n", what, strerror(errno));
	exit(1);
}

const char *fail(const char *fmt, ...)
{
	static char text[400], last[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	memcpy(last, text, sizeof(last));
	return last;
}

static struct rdma_event_channel *cm_channel(void)
{
	if (!channel) {
		channel = rdma_create_event_channel();
		if (!channel || fcntl(channel->fd, F_SETFL, O_NONBLOCK))
			die("rdma_create_event_channel");
	}
	return channel;
}

static void keep_priv(struct con *con, const struct rdma_conn_param *param)
{
	con->priv_len = param->private_data_len;
	memset(con->priv, 0, sizeof(con->priv));
	if (param->private_data && con->priv_len >= PRIV_LEN)
		memcpy(con->priv, param->private_data, PRIV_LEN);
}

static void cm_event(struct con *con, const struct rdma_cm_event *event)
{
	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_RESOLVED:
	case RDMA_CM_EVENT_ROUTE_RESOLVED:
		con->state = CON_STEPPED;
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		keep_priv(con, &event->param.conn);
		con->state = CON_UP;
		break;
	case RDMA_CM_EVENT_REJECTED:
		keep_priv(con, &event->param.conn);
		con->state = CON_REJECTED;
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
		if (con->path->deaf_until <= now_ms())
			rdma_disconnect(con->id);
		con->state = CON_LOST;
		break;
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		break;
	default:
		con->state = CON_LOST;
	}
}

static bool pump_cm(void)
{
	struct rdma_cm_event *event;
	bool any = false;

	while (!rdma_get_cm_event(cm_channel(), &event)) {
		struct con *con = event->id->context;

		any = true;
		if (event->event == RDMA_CM_EVENT_CONNECT_REQUEST)
			con_asked(event);
		else
			cm_event(con, event);
		rdma_ack_cm_event(event);
	}
	return any;
}

static bool pump_con(struct con *con)
{
	struct ibv_wc wc[16];
	int i, n;

	n = ibv_poll_cq(con->cq, 16, wc);
	for (i = 0; i < n; i++) {
		if (wc[i].wr_id >= SEND_ID)
			con->sends--;
		else if (wc[i].status == IBV_WC_SUCCESS)
			con->path->received(con, &wc[i]);
	}
	return n > 0;
}

/* One round of everything that can happen; sleeps a little when nothing did. */
void pump(void)
{
	struct path *path;
	unsigned int i;
	bool any;

	any = pump_cm();
	for (path = paths; path; path = path->next) {
		for (i = 0; i < path->con_num; i++)
			if (path->con[i].cq)
				any |= pump_con(&path->con[i]);
		path_heartbeat(path);
	}
	if (!any)
		usleep(pump_idle_us);
}

static const char *con_step(struct con *con, const char *what)
{
	uint64_t end = now_ms() + WAIT_MS;

	while (con->state == CON_WAITS && now_ms() < end)
		pump();
	if (con->state == CON_WAITS || con->state == CON_LOST)
		return fail("cid %u: %s failed or took too long", con->cid, what);
	return NULL;
}

/* Give the CM id of a connection its queue pair; false if the request for it was withdrawn. */
bool con_qp(struct con *con)
{
	struct path *path = con->path;
	unsigned int recvs = con->cid ? 2 * path->depth : SERVICE_RECVS;
	struct ibv_qp_init_attr attr = {
		.cap = { .max_send_wr = SEND_WRS, .max_recv_wr = recvs + 2,
			 .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
	};

	if (!path->pd)
		path->pd = ibv_alloc_pd(con->id->verbs);
	con->cq = ibv_create_cq(con->id->verbs, recvs + SEND_WRS + 16, NULL, NULL, 0);
	if (!path->pd || !con->cq)
		die("protection domain or completion queue");
	attr.send_cq = con->cq;
	attr.recv_cq = con->cq;
	if (!rdma_create_qp(con->id, con->id->verbs == path->pd->context ? path->pd : NULL, &attr))
		return true;
	if (errno != EINVAL)
		die("rdma_create_qp");
	return false;
}

/* Take connections on all IPv4 addresses; con_asked is called for each. */
const char *con_listen(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct rdma_cm_id *id;

	if (rdma_create_id(cm_channel(), &id, NULL, RDMA_PS_TCP))
		die("rdma_create_id");
	if (rdma_bind_addr(id, (struct sockaddr *)&any) || rdma_listen(id, 64))
		return fail("listen: %s", strerror(errno));
	return NULL;
}

/*
 * Connect with these bytes as private data. NULL when it came to an answer: the state is then
 * CON_UP or CON_REJECTED.
 */
const char *con_connect(struct con *con, const char *addr, const void *priv, unsigned int len)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct rdma_conn_param param = {
		.private_data = priv, .private_data_len = len,
		.retry_count = 7, .rnr_retry_count = 7,
	};

	inet_pton(AF_INET, addr, &to.sin_addr);
	if (rdma_create_id(cm_channel(), &con->id, con, RDMA_PS_TCP))
		die("rdma_create_id");
	con->state = CON_WAITS;
	if (rdma_resolve_addr(con->id, NULL, (struct sockaddr *)&to, WAIT_MS))
		die("rdma_resolve_addr");
	TRY(con_step(con, "address resolution"));
	con->state = CON_WAITS;
	if (rdma_resolve_route(con->id, WAIT_MS))
		die("rdma_resolve_route");
	TRY(con_step(con, "route resolution"));
	if (!con_qp(con))
		die("rdma_create_qp");
	con->state = CON_WAITS;
	if (rdma_connect(con->id, &param))
		die("rdma_connect");
	return con_step(con, "connect");
}

void con_close(struct con *con)
{
	if (!con->id)
		return;
	if (con->id->qp)
		rdma_destroy_qp(con->id);
	if (con->cq && ibv_destroy_cq(con->cq))
		die("ibv_destroy_cq");
	rdma_destroy_id(con->id);
	con->id = NULL;
	con->cq = NULL;
	con->sends = 0;
	con->state = CON_NONE;
}

void con_post_recv(struct con *con, unsigned int index)
{
	struct ibv_sge sge = { 0 };
	struct ibv_recv_wr wr = { .wr_id = index, .sg_list = &sge }, *bad;

	if (con->recv_size) {
		sge.addr = (uintptr_t)con->recv + (size_t)index * con->recv_size;
		sge.length = con->recv_size;
		sge.lkey = con->path->mr->lkey;
		wr.num_sge = 1;
	}
	if (ibv_post_recv(con->id->qp, &wr, &bad) && con->state == CON_UP)
		die("ibv_post_recv");
}

/* A post that fails because the connection is gone already is no matter. */
void con_send(struct con *con, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;
	int err;

	wr->wr_id = SEND_ID;
	err = ibv_post_send(con->id->qp, wr, &bad);
	if (!err)
		con->sends++;
	else if (con->state == CON_UP)
		printf("# post on cid %u: %s\n", con->cid, strerror(err));
}

void con_send_imm(struct con *con, uint32_t imm)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_RDMA_WRITE_WITH_IMM,
				  .imm_data = htobe32(imm) };

	con_send(con, &wr);
}

/* A SEND; @buf is in the arena of the path, or NULL for none. */
void con_send_bytes(struct con *con, enum ibv_wr_opcode op, void *buf, unsigned int len)
{
	struct ibv_sge sge = { (uintptr_t)buf, len, con->path->mr->lkey };
	struct ibv_send_wr wr = { .opcode = op, .sg_list = &sge, .num_sge = buf ? 1 : 0 };

	con_send(con, &wr);
}
