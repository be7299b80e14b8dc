/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of RTRS and RNBD in user space (for a server see server.h), as simple as can be: one
 * thread, everything waits in pump(), which serves the CM, all completion queues and the
 * heartbeats of all paths.
 *
 * Functions that can fail return NULL for success or a text that says what was not as the
 * specification wants it (one static buffer: only the last one counts). Lack of resources on
 * this machine ends the program.
 */
#ifndef PEER_H
#define PEER_H

#include <rdma/rdma_cma.h>

#include "wire.h"

#define WAIT_MS		15000	/* for anything that should happen at once */
#define SLOTS		40	/* requests under way on a path, at most */
#define PAINT		0xa5	/* read buffers before the answer */
#define GUARD		8192	/* painted bytes behind each read buffer */
#define MAX_CONS	8

struct path;

enum con_state { CON_NONE, CON_WAITS, CON_STEPPED, CON_UP, CON_REJECTED, CON_LOST };

struct con {
	struct path *path;
	unsigned int cid;
	enum con_state state;
	struct rdma_cm_id *id;
	struct ibv_cq *cq;
	uint8_t priv[PRIV_LEN];	/* of the accept or reject */
	unsigned int priv_len;
	uint8_t *recv;		/* receive buffers, recv_size each */
	unsigned int recv_size;
	unsigned int sends;	/* posted and not completed */
};

struct chunk {
	uint64_t addr;
	uint32_t key, old_key;
};

enum { USR_MAX = 600 };	/* of a user message; more than servers take */

/* One request. req_read() and req_write() fill it as the specification says. */
struct req {
	struct path *path;
	struct con *con;
	uint32_t msg_id;
	unsigned int slot;
	uint8_t usr[USR_MAX];
	uint32_t usr_len, data_len;
	uint32_t hdr_off;	/* req_off as the immediate says it */
	uint16_t hdr_type, hdr_usr_len, flags, sg_cnt;
	uint64_t desc_addr;
	uint32_t desc_key, desc_len;
	uint32_t chunk_key, imm_id;
	uint8_t *out, *in;
	struct ibv_mw *mw;	/* NEED_INVAL: the key that the server is to invalidate */
	bool remote_inval, done;
	int err;		/* positive, of the answer */
};

struct path {
	struct path *next;
	void (*received)(struct con *con, const struct ibv_wc *wc);
	struct server *server;		/* NULL on a client */
	const char *addr;
	struct conn_req id;	/* template of the connect requests */
	struct conn_rsp accept;
	char name[256];
	unsigned int con_num;
	struct con con[MAX_CONS];
	struct ibv_pd *pd;
	struct ibv_mr *mr;
	uint8_t *arena, *info, *slots;
	size_t arena_len, slot_size;
	uint32_t depth, chunk_size;
	bool ai, ext, connected, silent;
	uint32_t info_len;
	struct chunk *chunk;
	struct req **busy;	/* by msg_id */
	bool slot_used[SLOTS];
	uint32_t next_id;
	unsigned int hb_in, hb_sent, hb_acked, keys_changed, batched, merged;
	uint64_t last_hb;
	uint64_t deaf_until;	/* a disconnect has no answer */
	uint8_t *fence, fence_ack[FENCE_LEN];
	uint32_t fence_seq;
	bool fence_acked;
	char complaint[200];	/* first breach of the protocol by the server */
};

struct dev {
	uint32_t id;
	int err;
	struct open_rsp rsp;
};

/* rnbd I/O of one request */
struct io {
	uint32_t id, rw, bytes, data_len, usr_len;
	uint64_t sector;
	unsigned int cid;
	bool need_inval;
	uint8_t seed;
};

/* conn.c */
extern unsigned int pump_idle_us;	/* how long pump() sleeps when nothing has happened */
extern void (*con_asked)(const struct rdma_cm_event *event);	/* of a server */
uint64_t now_ms(void);
void die(const char *what);
const char *fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void pump(void);
const char *con_connect(struct con *con, const char *addr, const void *priv, unsigned int len);
const char *con_listen(void);
bool con_qp(struct con *con);
void con_close(struct con *con);
void con_post_recv(struct con *con, unsigned int index);
void con_send(struct con *con, struct ibv_send_wr *wr);
void con_send_imm(struct con *con, uint32_t imm);
void con_send_bytes(struct con *con, enum ibv_wr_opcode op, void *buf, unsigned int len);

/* path.c */
extern struct path *paths;
void new_uuid(uint8_t uuid[UUID_LEN]);
struct path *path_new(const char *addr, const char *name);
const char *path_con(struct path *path, unsigned int cid);
const char *path_cons(struct path *path);
void path_info_post(struct path *path, unsigned int len);
const char *path_info_wait(struct path *path);
const char *path_info_send(struct path *path, unsigned int len);
const char *path_info(struct path *path);
const char *path_open(struct path *path);
const char *path_disconnect(struct path *path);
void path_free(struct path *path);
bool path_is_lost(const struct path *path);
const char *path_wait_lost(struct path *path, unsigned int ms);
void path_received(struct con *con, const struct ibv_wc *wc);
void path_heartbeat(struct path *path);
void complain(struct path *path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* req.c */
struct req *req_new(struct path *path, unsigned int cid, const void *usr, uint32_t usr_len);
void req_read(struct req *req, uint32_t len, bool need_inval);
void req_write(struct req *req, uint32_t len);
void req_post(struct req *req);
const char *req_wait(struct req *req);
void req_free(struct req *req);
const char *req_answered(struct con *con, const struct ibv_wc *wc, const uint8_t *payload);
const char *req_invalidated(struct con *con, const struct ibv_wc *wc);

/* rnbd.c */
const char *rnbd_sess_info(struct path *path, uint8_t ver, uint8_t *agreed);
const char *rnbd_open(struct path *path, const char *name, uint8_t mode, struct dev *dev);
const char *rnbd_open_slow(struct path *path, struct dev *dev);
const char *rnbd_open_again(struct path *path, const char *name, struct dev *dev);
const char *rnbd_close(struct path *path, uint32_t id);
struct req *rnbd_io(struct path *path, const struct io *io);
const char *rnbd_io_wait(struct req *req, const struct io *io);
const char *rnbd_io_run(struct path *path, const struct io *io, int *err);
const char *rnbd_io_expect(struct path *path, const struct io *io, int err);
const char *rnbd_verify(struct path *path, uint32_t id, uint64_t sector, uint8_t seed);
void pattern(uint8_t *p, size_t len, uint64_t sector, uint8_t seed);

/* cases: main.c runs the tables */
struct env {
	const char *addr, *addr2;	/* of the server; addr2 is on another RDMA device */
	const char *dev, *big;		/* to open; big has 4 KiB blocks */
	const char *slow, *stable;	/* both answer late, stable wants stable writes */
	unsigned int late_ms;		/* by so much */
	unsigned int depth, chunk_size;
	bool ai, ext, always_inval;
	struct path *good;		/* a client that behaves, checked after every case */
	struct dev good_dev;
	unsigned int serial;
	const void *arg;		/* of the running test */
};

extern struct env env;

struct test {
	const char *name;
	const char *(*run)(void);
	const void *arg;
};

struct path *fresh_path(void);
const char *ready_path(struct path **path);
const char *ready_dev(struct path **path, struct dev *dev);

extern const struct test interop_tests[], answer_tests[], refuse_tests[], limit_tests[];
extern const struct test half_open_tests[], info_tests[], hostile_tests[], rnbd_tests[];
extern const struct test slow_tests[], fence_tests[], stable_tests[], stuck_tests[];

/* What a case returns that cannot be tested with these parameters begins so. */
#define SKIP	"skip: "

#define TRY(expr)				\
	do {					\
		const char *why_ = (expr);	\
						\
		if (why_)			\
			return why_;		\
	} while (0)

#define EXPECT(cond, ...)			\
	do {					\
		if (!(cond))			\
			return fail(__VA_ARGS__);	\
	} while (0)

#endif
