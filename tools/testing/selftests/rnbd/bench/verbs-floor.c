// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verbs-floor - the messages of an RTRS request and nothing else.
 *
 * A client and a server thread on one RC connection exchange, for a number of
 * requests at a fixed depth, what RTRS puts on the wire for a read or a write:
 *
 *	read, always-invalidate	C: RDMA WRITE WITH IMM, header
 *				S: RDMA WRITE, data; SEND WITH IMM, 8 bytes
 *	read, otherwise		C: RDMA WRITE WITH IMM, header
 *				S: RDMA WRITE WITH IMM, data
 *	write			C: RDMA WRITE WITH IMM, data and header
 *				S: SEND WITH IMM, 8 bytes
 *
 * Both ends sleep on completion events.  There is no block layer, no registration
 * per request and no disk, but the posts and polls of user space go through system
 * calls with Soft-RoCE: it is the floor for the messages, not for the instructions.
 *
 * Prints one line: `FLOOR <mode> <bytes> qd<depth> lat_ns <mean latency>`.
 */
#include <errno.h>
#include <infiniband/verbs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <rdma/rdma_cma.h>
#include <rdma/rdma_verbs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEADER_BYTES	56
#define ANSWER_BYTES	8
#define MAX_DEPTH	128

enum mode { READ_AI, READ_NOAI, WRITE, NR_MODES };
static const char *const mode_names[NR_MODES] = { "read-ai", "read-noai", "write" };

/* What each end tells the other in the private data. */
struct region {
	uint64_t addr;
	uint32_t rkey;
} __attribute__((packed));

struct end {
	struct rdma_cm_id *id;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_mr *mr;
	char *buf;		/* depth chunks of chunk_bytes */
	struct region peer;
};

static enum mode mode;
static unsigned int io_bytes, depth, requests, chunk_bytes;

static void die(const char *what)
{
	fprintf(stderr, "verbs-floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void end_create(struct end *end)
{
	struct ibv_qp_init_attr attr = {
		.cap = { .max_send_wr = 4 * MAX_DEPTH, .max_recv_wr = 2 * MAX_DEPTH,
			 .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
	};
	size_t len = (size_t)depth * chunk_bytes;

	end->channel = ibv_create_comp_channel(end->id->verbs);
	if (!end->channel)
		die("ibv_create_comp_channel");
	end->cq = ibv_create_cq(end->id->verbs, 8 * MAX_DEPTH, NULL, end->channel, 0);
	if (!end->cq || ibv_req_notify_cq(end->cq, 0))
		die("completion queue");
	attr.send_cq = end->cq;
	attr.recv_cq = end->cq;
	if (rdma_create_qp(end->id, NULL, &attr))
		die("rdma_create_qp");
	end->buf = aligned_alloc(4096, (len + 4095) & ~4095UL);
	if (!end->buf)
		die("memory");
	memset(end->buf, 0x5a, len);
	end->mr = ibv_reg_mr(end->id->pd, end->buf, len,
			     IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	if (!end->mr)
		die("ibv_reg_mr");
}

static void post_recv(struct end *end, unsigned int slot)
{
	struct ibv_sge sge = { (uintptr_t)end->buf + (size_t)slot * chunk_bytes + io_bytes +
			       HEADER_BYTES, ANSWER_BYTES, end->mr->lkey };
	struct ibv_recv_wr wr = { .wr_id = slot, .sg_list = &sge, .num_sge = 1 }, *bad;

	errno = ibv_post_recv(end->id->qp, &wr, &bad);
	if (errno)
		die("ibv_post_recv");
}

static void fill_wr(struct end *end, struct ibv_send_wr *wr, struct ibv_sge *sge,
		    enum ibv_wr_opcode opcode, unsigned int slot, unsigned int len)
{
	*sge = (struct ibv_sge){ (uintptr_t)end->buf + (size_t)slot * chunk_bytes, len,
				 end->mr->lkey };
	*wr = (struct ibv_send_wr){ .sg_list = sge, .num_sge = 1, .opcode = opcode,
				    .imm_data = htobe32(slot) };
	wr->wr.rdma.remote_addr = end->peer.addr + (uint64_t)slot * chunk_bytes;
	wr->wr.rdma.rkey = end->peer.rkey;
}

static void post_request(struct end *end, unsigned int slot)
{
	unsigned int len = mode == WRITE ? io_bytes + HEADER_BYTES : HEADER_BYTES;
	struct ibv_send_wr wr, *bad;
	struct ibv_sge sge;

	fill_wr(end, &wr, &sge, IBV_WR_RDMA_WRITE_WITH_IMM, slot, len);
	wr.send_flags = IBV_SEND_SIGNALED;
	errno = ibv_post_send(end->id->qp, &wr, &bad);
	if (errno)
		die("ibv_post_send");
}

static void post_answer(struct end *end, unsigned int slot)
{
	struct ibv_send_wr data, answer, *first = &answer, *bad;
	struct ibv_sge data_sge, answer_sge;

	if (mode == READ_NOAI) {
		fill_wr(end, &answer, &answer_sge, IBV_WR_RDMA_WRITE_WITH_IMM, slot, io_bytes);
	} else {
		fill_wr(end, &answer, &answer_sge, IBV_WR_SEND_WITH_IMM, slot, ANSWER_BYTES);
		if (mode == READ_AI) {
			fill_wr(end, &data, &data_sge, IBV_WR_RDMA_WRITE, slot, io_bytes);
			data.next = &answer;
			first = &data;
		}
	}
	answer.send_flags = IBV_SEND_SIGNALED;
	errno = ibv_post_send(end->id->qp, first, &bad);
	if (errno)
		die("ibv_post_send");
}

/* Sleep until completions are there; call @received for each received message. */
static void serve_completions(struct end *end, void (*received)(struct end *, unsigned int))
{
	struct ibv_wc wc[16];
	struct ibv_cq *cq;
	void *ctx;
	int n, i;

	if (ibv_get_cq_event(end->channel, &cq, &ctx))
		die("ibv_get_cq_event");
	ibv_ack_cq_events(cq, 1);
	if (ibv_req_notify_cq(cq, 0))
		die("ibv_req_notify_cq");
	while ((n = ibv_poll_cq(cq, 16, wc)) > 0) {
		for (i = 0; i < n; i++) {
			if (wc[i].status != IBV_WC_SUCCESS) {
				errno = EIO;
				die(ibv_wc_status_str(wc[i].status));
			}
			if (!(wc[i].opcode & IBV_WC_RECV))	/* our own send is through */
				continue;
			post_recv(end, wc[i].wr_id);
			received(end, be32toh(wc[i].imm_data));
		}
	}
}

static unsigned int issued, finished, answered;

static void answer_received(struct end *end, unsigned int slot)
{
	finished++;
	if (issued < requests) {
		issued++;
		post_request(end, slot);
	}
}

static void request_received(struct end *end, unsigned int slot)
{
	answered++;
	post_answer(end, slot);
}

static void *server(void *arg)
{
	struct end *end = arg;

	while (answered < requests)
		serve_completions(end, request_received);
	return NULL;
}

static void post_all_recvs(struct end *end)
{
	unsigned int slot;

	for (slot = 0; slot < depth; slot++)
		post_recv(end, slot);
}

static struct rdma_cm_event *expect(struct rdma_event_channel *channel,
				    enum rdma_cm_event_type type)
{
	struct rdma_cm_event *event;

	if (rdma_get_cm_event(channel, &event))
		die("rdma_get_cm_event");
	if (event->event != type) {
		errno = ECONNREFUSED;
		die(rdma_event_str(event->event));
	}
	return event;
}

static void connect_ends(const char *addr, struct end *client, struct end *srv)
{
	struct rdma_event_channel *lch = rdma_create_event_channel();
	struct rdma_event_channel *cch = rdma_create_event_channel();
	struct rdma_addrinfo hints = { .ai_port_space = RDMA_PS_TCP, .ai_flags = RAI_PASSIVE }, *ai;
	struct rdma_conn_param param = { .rnr_retry_count = 7, .retry_count = 7 };
	struct rdma_cm_id *listener;
	struct rdma_cm_event *event;
	struct region mine;

	if (rdma_getaddrinfo(addr, NULL, &hints, &ai) ||
	    rdma_create_id(lch, &listener, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(listener, ai->ai_src_addr) || rdma_listen(listener, 1))
		die("listen");
	((struct sockaddr_in *)ai->ai_src_addr)->sin_port = rdma_get_src_port(listener);
	if (rdma_create_id(cch, &client->id, NULL, RDMA_PS_TCP) ||
	    rdma_resolve_addr(client->id, NULL, ai->ai_src_addr, 2000))
		die("resolve");
	rdma_ack_cm_event(expect(cch, RDMA_CM_EVENT_ADDR_RESOLVED));
	if (rdma_resolve_route(client->id, 2000))
		die("rdma_resolve_route");
	rdma_ack_cm_event(expect(cch, RDMA_CM_EVENT_ROUTE_RESOLVED));
	end_create(client);
	mine = (struct region){ (uintptr_t)client->buf, client->mr->rkey };
	param.private_data = &mine;
	param.private_data_len = sizeof(mine);
	if (rdma_connect(client->id, &param))
		die("rdma_connect");

	event = expect(lch, RDMA_CM_EVENT_CONNECT_REQUEST);
	srv->id = event->id;
	memcpy(&srv->peer, event->param.conn.private_data, sizeof(srv->peer));
	rdma_ack_cm_event(event);
	end_create(srv);
	post_all_recvs(srv);
	mine = (struct region){ (uintptr_t)srv->buf, srv->mr->rkey };
	if (rdma_accept(srv->id, &param))
		die("rdma_accept");

	event = expect(cch, RDMA_CM_EVENT_ESTABLISHED);
	memcpy(&client->peer, event->param.conn.private_data, sizeof(client->peer));
	rdma_ack_cm_event(event);
	post_all_recvs(client);
}

int main(int argc, char **argv)
{
	struct end client = { 0 }, srv = { 0 };
	struct timespec t0, t1;
	pthread_t thread;
	int64_t ns;

	if (argc != 6) {
		fprintf(stderr, "usage: verbs-floor ADDRESS read-ai|read-noai|write BYTES DEPTH COUNT\n");
		return 2;
	}
	for (mode = 0; mode < NR_MODES && strcmp(argv[2], mode_names[mode]); mode++)
		;
	io_bytes = atoi(argv[3]);
	depth = atoi(argv[4]);
	requests = atoi(argv[5]);
	if (mode == NR_MODES || !io_bytes || !depth || depth > MAX_DEPTH || requests < depth) {
		fprintf(stderr, "verbs-floor: bad argument\n");
		return 2;
	}
	chunk_bytes = (io_bytes + HEADER_BYTES + ANSWER_BYTES + 4095) & ~4095U;
	connect_ends(argv[1], &client, &srv);
	if (pthread_create(&thread, NULL, server, &srv))
		die("pthread_create");

	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (issued = 0; issued < depth; issued++)
		post_request(&client, issued);
	while (finished < requests)
		serve_completions(&client, answer_received);
	clock_gettime(CLOCK_MONOTONIC, &t1);

	ns = (t1.tv_sec - t0.tv_sec) * 1000000000LL + t1.tv_nsec - t0.tv_nsec;
	printf("FLOOR %s %u qd%u lat_ns %lld\n", mode_names[mode], io_bytes, depth,
	       (long long)(ns * depth / requests));
	fflush(stdout);
	_exit(0);	/* the server thread may wait for send completions for ever */
}
