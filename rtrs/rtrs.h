/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTRS: what an upper protocol (RNBD) may use, and the only header of the
 * transport that it includes.
 *
 * A session carries requests.  A request occupies one slot of its session from
 * rtrs_clt_request() to its done callback; the slot number is the caller's own
 * tag (a blk-mq tag), it is the msg_id on the wire and the chunk number on the
 * server.  The transport has no second allocator and no queue: whoever holds a
 * tag can send.
 */
#ifndef RTRS_H
#define RTRS_H

#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/socket.h>
#include <linux/types.h>

#define RTRS_USR_MSG_MAX	512	/* bytes of a user message, both ends */
#define RTRS_RECONNECT_FOREVER	(-1)

/* ---- addresses: rtrs-addr.c ---- */

/* Room for one address as text, and for `src@dst`. */
#define RTRS_ADDR_STRLEN	80
#define RTRS_PATH_STRLEN	(2 * RTRS_ADDR_STRLEN)

/**
 * struct rtrs_addr_pair - both ends of a path
 * @src: client address; ss_family AF_UNSPEC when routing decides
 * @dst: server address, port included
 */
struct rtrs_addr_pair {
	struct sockaddr_storage src;
	struct sockaddr_storage dst;
};

int rtrs_addr_parse_pair(const char *str, size_t len, u16 port,
			 struct rtrs_addr_pair *pair);
void rtrs_addr_set_port(struct sockaddr_storage *addr, u16 port);
int rtrs_addr_format(const struct sockaddr_storage *addr, char *buf, size_t len);

/* ---- client: rtrs-clt.c, rtrs-clt-io.c ---- */

struct rtrs_clt;
struct rtrs_clt_path;
struct rtrs_clt_con;

enum rtrs_clt_link_ev {
	RTRS_CLT_LINK_UP,	/* the first path is connected */
	RTRS_CLT_LINK_DOWN,	/* no path is connected, and none is about to be */
};

/**
 * struct rtrs_clt_ops - what the transport tells its user
 * @link_ev: the session lost its last path, or has one again.  Called in process
 *	context, may sleep, never concurrently for one session; not called for the
 *	paths of rtrs_clt_open() and not after rtrs_clt_close() was entered.  On LINK_UP
 *	requests are already accepted.  A path that is about to be connected keeps the
 *	link up, so a request can end with -ENOTCONN or -ECONNABORTED, for want of a path,
 *	without a LINK_DOWN; whoever needs it done tries again while the link is up.
 *	Behind a LINK_DOWN comes an RCU grace period before the next path is connected:
 *	what is sent inside a read-side section, by one who did not see the loss, does not
 *	go out over the next link.  Nor is anything sent over it again that was lost with
 *	the last one: that ends with -ECONNABORTED, maybe after LINK_UP.
 * @times_changed: an administrator has written a time that rtrs_clt_query() tells.
 *	Process context, may sleep, not after rtrs_clt_close() has returned.
 */
struct rtrs_clt_ops {
	void (*link_ev)(void *priv, enum rtrs_clt_link_ev ev);
	void (*times_changed)(void *priv);
};

/**
 * struct rtrs_clt_params - how to open a session
 * @sessname: 1..254 characters; copied
 * @paths: addresses, ports included; copied
 * @nr_paths: number of @paths, 1..128
 * @port: service port for paths that are added later
 * @nr_poll_queues: connections with polled completion queues, of each path
 * @max_segments: most scatterlist entries of a request
 * @max_reconnect_attempts: -1 for ever, 0 never
 * @ops: callbacks
 * @priv: first argument of the callbacks
 */
struct rtrs_clt_params {
	const char *sessname;
	const struct rtrs_addr_pair *paths;
	unsigned int nr_paths;
	u16 port;
	unsigned int nr_poll_queues;
	unsigned int max_segments;
	int max_reconnect_attempts;
	const struct rtrs_clt_ops *ops;
	void *priv;
};

/**
 * struct rtrs_clt_attrs - what a session offers
 * @queue_depth: number of slots; fixed for the life of the session
 * @max_io_size: most bytes of data of a request, on every path
 * @max_segments: most scatterlist entries of a request, page-size entries
 *	behind a 4096-byte virtual boundary assumed
 * @nr_irq_queues: queues 0 .. nr_irq_queues-1 complete by interrupt
 * @nr_poll_queues: the queues behind them complete by rtrs_clt_poll()
 * @hold_time_ms: how long requests shall wait while no path is connected, ms; up to the
 *	caller, as the transport itself holds nothing
 * @request_timeout_ms: when rtrs_clt_timed_out() shall be called, ms
 */
struct rtrs_clt_attrs {
	u16 queue_depth;
	u32 max_io_size;
	u16 max_segments;
	u16 nr_irq_queues;
	u16 nr_poll_queues;
	unsigned int hold_time_ms;
	unsigned int request_timeout_ms;
};

#define RTRS_CLT_ADMIN_QUEUE	U16_MAX	/* the service connection */

/* What becomes of a request when its path is lost before the answer. */
enum rtrs_clt_fate {
	RTRS_CLT_RESEND,	/* sent again on another path; fails when there is none */
	RTRS_CLT_FAIL,		/* fails with -ETIMEDOUT when the server is done with it */
	RTRS_CLT_ABANDON,	/* fails with -ETIMEDOUT; no harm if it takes effect later */
};

/**
 * struct rtrs_clt_req - one request
 * @slot: the caller's tag, below the queue depth, not in use by another request
 * @queue: IO queue (see &struct rtrs_clt_attrs) or %RTRS_CLT_ADMIN_QUEUE
 * @dir: DMA_TO_DEVICE: @sgl goes to the server (wire: WRITE);
 *	DMA_FROM_DEVICE: the server fills @sgl (wire: READ); nents may be 0 in both
 * @msg_len: bytes of @msg, 1..%RTRS_USR_MSG_MAX
 * @nents: entries of @sgl
 * @data_len: bytes of @sgl
 * @sgl: data, or NULL
 * @msg: user message; must stay valid until @done
 * @done: called exactly once after rtrs_clt_request() returned 0: @err is 0, the
 *	negative errno of the server, -ECONNABORTED (path lost, no other) or
 *	-EIO (protocol).  Softirq, poll or process context; must not sleep.  When it
 *	is called nobody can touch the data any more: the peer's key is invalid, the
 *	HCA has finished with the memory, the DMA mapping is gone.
 * @path: private to the transport
 * @sg_mapped: private to the transport
 * @fate: set to %RTRS_CLT_RESEND by the caller, then private to the transport
 * @lost: private to the transport
 *
 * Allocated by the caller together with the tag (blk-mq payload).  The fields up to
 * @done are set by the caller and constant until @done.
 */
struct rtrs_clt_req {
	u16 slot;
	u16 queue;
	enum dma_data_direction dir;
	u16 msg_len;
	u16 nents;
	u32 data_len;
	struct scatterlist *sgl;
	const void *msg;
	void (*done)(struct rtrs_clt_req *req, int err);

	struct rtrs_clt_path *path;
	int sg_mapped;
	enum rtrs_clt_fate fate;
	struct list_head lost;
};

/**
 * struct rtrs_clt_batch - requests that are posted together
 * @con: connection of the chain, NULL when the batch is empty; private to the transport
 * @first: head of the chain; private to the transport
 * @last: tail of the chain; private to the transport
 *
 * Zero-initialised by the caller.  Work requests of consecutive requests on one
 * connection are chained and go out with one post (one doorbell).  A batch lives
 * inside one RCU read-side section: what rtrs_clt_request() took with it must be
 * posted by rtrs_clt_batch_post() before the section ends.
 */
struct rtrs_clt_batch {
	struct rtrs_clt_con *con;
	struct ib_send_wr *first;
	struct ib_send_wr *last;
};

struct rtrs_clt *rtrs_clt_open(const struct rtrs_clt_params *params);
void rtrs_clt_close(struct rtrs_clt *clt);
void rtrs_clt_query(struct rtrs_clt *clt, struct rtrs_clt_attrs *attrs);
int rtrs_clt_request(struct rtrs_clt *clt, struct rtrs_clt_req *req,
		     struct rtrs_clt_batch *batch);
void rtrs_clt_batch_post(struct rtrs_clt_batch *batch);
int rtrs_clt_poll(struct rtrs_clt *clt, u16 queue);
void rtrs_clt_timed_out(struct rtrs_clt *clt, struct rtrs_clt_req *req,
			enum rtrs_clt_fate fate);
void rtrs_clt_link_flush(struct rtrs_clt *clt);

/* ---- server: rtrs-srv.c, rtrs-srv-io.c ---- */

struct rtrs_srv;
struct rtrs_srv_sess;

/**
 * struct rtrs_srv_req - one request on the server
 * @sess: session of the request
 * @slot: slot number
 * @dir: DMA_TO_DEVICE: the client brought @data_len bytes in @data (wire: WRITE);
 *	DMA_FROM_DEVICE: the client wants data (wire: READ)
 * @msg_len: bytes of @msg
 * @data_len: bytes of data the client brought, or has room for in the chunk
 * @rsp_len: READ: bytes that the client's descriptor takes; 0 without descriptor;
 *	never larger than @data_len
 * @msg: stable copy of the user message
 * @page: first page of the chunk; physically contiguous memory; the data starts at
 *	its byte 0.  The client may change the bytes at any time unless
 *	rtrs_srv_revoke() was used or the module runs with always_invalidate.
 * @priv: area of &rtrs_srv_ops.req_priv_size bytes, lives as long as the session,
 *	zeroed once at allocation
 *
 * Belongs to the upper layer from &rtrs_srv_ops.request to rtrs_srv_respond().
 */
struct rtrs_srv_req {
	struct rtrs_srv_sess *sess;
	u16 slot;
	enum dma_data_direction dir;
	u16 msg_len;
	u32 data_len;
	u32 rsp_len;
	const void *msg;
	struct page *page;
	void *priv;
};

/**
 * struct rtrs_srv_ops - the upper layer of the server
 * @req_priv_size: bytes of &rtrs_srv_req.priv for each slot
 * @sess_up: a session has its first connected path.  Process context, may sleep.
 *	Returns the upper layer's session or an ERR_PTR, which refuses the path.
 *	The name (rtrs_srv_sess_name()) is set.
 * @sess_down: the session has no connected path any more.  Process context, may
 *	sleep; no request of the session is running and none will start.
 * @request: a request has arrived.  Process context (workqueue of the completion
 *	queue); may sleep briefly but delays other requests of the connection.  Must
 *	cause exactly one rtrs_srv_respond(), now or later.
 */
struct rtrs_srv_ops {
	size_t req_priv_size;
	void *(*sess_up)(struct rtrs_srv_sess *sess);
	void (*sess_down)(void *upper_sess);
	void (*request)(void *upper_sess, struct rtrs_srv_req *req);
};

struct rtrs_srv *rtrs_srv_open(const struct rtrs_srv_ops *ops, u16 port);
void rtrs_srv_close(struct rtrs_srv *srv);
void rtrs_srv_respond(struct rtrs_srv_req *req, int err);
int rtrs_srv_revoke(struct rtrs_srv_req *req, void (*revoked)(struct rtrs_srv_req *req));
const char *rtrs_srv_sess_name(const struct rtrs_srv_sess *sess);
u16 rtrs_srv_sess_queue_depth(const struct rtrs_srv_sess *sess);

#endif /* RTRS_H */
