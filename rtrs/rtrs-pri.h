/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What client and server of the transport share: the module rtrs-core.  The
 * prototypes are grouped by the file that defines them.  Of these, main may call
 * hb, iu, con and dev, and each of them what follows it; addr, stats, times and wire
 * stand alone, and what addr and wire offer is pure.
 */
#ifndef RTRS_PRI_H
#define RTRS_PRI_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/uuid.h>
#include <linux/workqueue.h>
#include <rdma/ib_verbs.h>
#include <rdma/rdma_cm.h>

#include "rtrs.h"
#include "rtrs-proto.h"

#define RTRS_CM_TIMEOUT_MS	30000	/* each step of a connection set-up */
#define RTRS_CM_RETRY_COUNT	7
#define RTRS_CM_RNR_RETRY	7	/* infinite */

/* ---- rtrs-dev.c: one object per RDMA device ---- */

/**
 * struct rtrs_dev - an RDMA device as the transport sees it
 * @ib_dev: the device
 * @max_send_sge: send scatter/gather entries of one work request
 * @max_fr_pages: 4096-byte pages that one fast registration maps
 * @entry: on the list of all devices in rtrs-dev.c
 * @users: &rtrs_dev_user.entry of those to be told of the removal
 * @ref: one for the device's presence, one for each user
 * @idle: the last reference is gone
 *
 * Created when the device appears, freed when it leaves, which waits for the last user.
 * The last put may happen in any context that may sleep.
 */
struct rtrs_dev {
	struct ib_device	*ib_dev;
	u32			max_send_sge;
	u32			max_fr_pages;

	struct list_head	entry;
	struct list_head	users;
	struct kref		ref;
	struct completion	idle;
};

/**
 * struct rtrs_dev_user - somebody who must let go when the device leaves
 * @pd: protection domain of all that the user has on the device, from rtrs_dev_get() to
 *	rtrs_dev_put().  Every path has its own: a key is valid on connections of the same
 *	domain only, so no peer can use what another one was given, or guess it
 * @entry: on &rtrs_dev.users
 * @removed: the device is leaving.  Process context, under the lock of rtrs_dev_get()
 *	and rtrs_dev_put(): must only start (queue) the release of everything on the
 *	device, and take no lock that is held around those two.  The device waits
 *	until the last rtrs_dev_put().  Called at most once, not after rtrs_dev_put().
 */
struct rtrs_dev_user {
	struct ib_pd		*pd;
	struct list_head	entry;
	void			(*removed)(struct rtrs_dev_user *user);
};

struct rtrs_dev *rtrs_dev_get(struct ib_device *ib_dev, struct rtrs_dev_user *user);
void rtrs_dev_put(struct rtrs_dev *dev, struct rtrs_dev_user *user);
int rtrs_dev_init(void);
void rtrs_dev_exit(void);

/* ---- rtrs-con.c: queue pair and completion queue of one connection ---- */

/**
 * struct rtrs_con_attr - what a connection shall be like
 * @pd: protection domain of its path
 * @max_send_wr: send work requests that may be outstanding; cut to what the device has
 * @max_recv_wr: receive work requests; cut to what the device has
 * @max_send_sge: entries of a send work request; cut to what the device has
 * @comp_vector: completion vector, taken modulo the number of vectors of the device
 * @poll_ctx: where completions run
 * @cq_priv: &ib_cq.cq_context
 */
struct rtrs_con_attr {
	struct ib_pd		*pd;
	u32			max_send_wr;
	u32			max_recv_wr;
	u32			max_send_sge;
	int			comp_vector;
	enum ib_poll_context	poll_ctx;
	void			*cq_priv;
};

/**
 * struct rtrs_con - what both sides know of a connection
 * @cm_id: RDMA CM id
 * @qp: queue pair, NULL before rtrs_con_create() and after rtrs_con_destroy()
 * @cq: completion queue for both directions of @qp
 * @dev: device of @qp; still set after rtrs_con_destroy()
 * @cid: number of the connection in its path
 * @send_wr_max: send work requests that the owner may have outstanding
 * @recv_wr_max: receive work requests that the owner may have outstanding
 *
 * Embedded in the connection objects of both sides, which own it, zero-initialise it
 * and set @cm_id and @cid.  What rtrs_con_drain() needs is on top of the two limits.
 */
struct rtrs_con {
	struct rdma_cm_id	*cm_id;
	struct ib_qp		*qp;
	struct ib_cq		*cq;
	struct rtrs_dev		*dev;
	u16			cid;
	u32			send_wr_max;
	u32			recv_wr_max;
};

int rtrs_con_create(struct rtrs_con *con, struct rtrs_dev *dev,
		    const struct rtrs_con_attr *attr);
void rtrs_con_drain(struct rtrs_con *con);
void rtrs_con_destroy(struct rtrs_con *con);
int rtrs_con_post_send(struct rtrs_con *con, struct ib_send_wr *first);
int rtrs_con_post_recv(struct rtrs_con *con, struct ib_recv_wr *first);
int rtrs_con_post_recv_empty(struct rtrs_con *con, struct ib_cqe *cqe, unsigned int nr);
int rtrs_con_post_imm_empty(struct rtrs_con *con, struct ib_cqe *cqe, u32 imm);

/* ---- rtrs-iu.c: message buffers ---- */

/**
 * struct rtrs_iu - a DMA-mapped message buffer with its completion entry
 * @cqe: completion callback; container_of() leads back to the buffer
 * @buf: memory, zeroed at allocation
 * @dma: bus address
 * @size: bytes
 * @dir: DMA direction
 * @dev: device of the mapping
 */
struct rtrs_iu {
	struct ib_cqe		cqe;
	void			*buf;
	dma_addr_t		dma;
	size_t			size;
	enum dma_data_direction	dir;
	struct rtrs_dev		*dev;
};

struct rtrs_iu *rtrs_iu_alloc(struct rtrs_dev *dev, size_t size, enum dma_data_direction dir,
			      void (*done)(struct ib_cq *cq, struct ib_wc *wc));
void rtrs_iu_free(struct rtrs_iu *iu);
void rtrs_iu_sync_cpu(struct rtrs_iu *iu);
int rtrs_iu_post_recv(struct rtrs_con *con, struct rtrs_iu *iu);
int rtrs_iu_post_send(struct rtrs_con *con, struct rtrs_iu *iu, size_t len);

struct rtrs_recv_ring;

/**
 * struct rtrs_recv_slot - one receive of a ring
 * @cqe: completion callback; container_of() leads from &ib_wc.wr_cqe to the slot
 * @ring: ring of the slot
 * @buf: its part of a page, NULL for an empty receive
 * @dma: bus address of @buf
 */
struct rtrs_recv_slot {
	struct ib_cqe		cqe;
	struct rtrs_recv_ring	*ring;
	void			*buf;
	dma_addr_t		dma;
};

/**
 * struct rtrs_recv_ring - many small receive buffers of one connection
 * @con: connection
 * @slots: one for each receive
 * @nr: number of receives
 * @size: bytes of a buffer, a multiple of 8, at most a page; 0 for empty receives (no
 *	memory)
 *
 * Embedded in the connection objects of a side.  Zero-initialised it may be destroyed.
 */
struct rtrs_recv_ring {
	struct rtrs_con		*con;
	struct rtrs_recv_slot	*slots;
	unsigned int		nr;
	unsigned int		size;
};

int rtrs_recv_ring_create(struct rtrs_recv_ring *ring, struct rtrs_con *con, unsigned int nr,
			  unsigned int size, void (*done)(struct ib_cq *cq, struct ib_wc *wc));
void rtrs_recv_ring_destroy(struct rtrs_recv_ring *ring);
int rtrs_recv_ring_post_all(struct rtrs_recv_ring *ring);
int rtrs_recv_ring_repost(struct rtrs_recv_ring *ring, struct rtrs_recv_slot *slot);
const void *rtrs_recv_ring_data(struct rtrs_recv_ring *ring, struct rtrs_recv_slot *slot);

/* ---- rtrs-times.c: what an administrator can set ---- */

/**
 * struct rtrs_time - a time, or another number, that an administrator can set
 * @name: of module parameter and attribute
 * @min: smallest value allowed
 * @max: largest value allowed
 * @value: for new sessions; the module parameter
 */
struct rtrs_time {
	const char	*name;
	unsigned int	min;
	unsigned int	max;
	unsigned int	value;
};

/* Both sides have these; their tables begin with them. */
enum {
	RTRS_HB_INTERVAL_MS,
	RTRS_HB_MISSED_MAX,
	RTRS_HB_NR_TIMES
};

/* A silent peer is noticed after missed + 1 to missed + 2 intervals: 12 to 14 s. */
#define RTRS_HB_TIMES								\
	[RTRS_HB_INTERVAL_MS] = { "heartbeat_interval_ms", 100, 60000, 2000 },	\
	[RTRS_HB_MISSED_MAX]  = { "heartbeat_missed_max", 1, 100, 5 }

extern const struct kernel_param_ops rtrs_time_param_ops;

int rtrs_time_parse(const struct rtrs_time *time, const char *buf, unsigned int *value);
void rtrs_times_init(unsigned int *values, const struct rtrs_time *times, unsigned int nr);

/* ---- stage times of requests in trace events ---- */

/*
 * Stamps are taken only while an event wants them, so a stamp may be left from a request
 * long ago: it counts if the event was switched on before (@since) and if the stages are in
 * order.  0 is unknown.
 */
static inline u64 rtrs_stage_ns(u64 since, u64 from, u64 to)
{
	return from >= since && to >= from ? to - from : 0;
}

/* ---- rtrs-hb.c: heartbeat of one path ---- */

/* Heartbeat sends that may be outstanding: part of the send queue of connection 0. */
#define RTRS_HB_SEND_WRS	4

struct rtrs_hb;

/**
 * struct rtrs_hb_ops - what a heartbeat tells its owner
 * @lost: the peer was silent for too long (ms); at most once per rtrs_hb_start().
 *	Process context, inside the heartbeat's work: must not call rtrs_hb_stop()
 * @send_failed: a heartbeat could not be sent (negative errno).  Softirq or process
 *	context, must not sleep; not for work requests that a closing connection flushes
 */
struct rtrs_hb_ops {
	void	(*lost)(struct rtrs_hb *hb, unsigned int silent_ms);
	void	(*send_failed)(struct rtrs_hb *hb, int err);
};

/**
 * struct rtrs_hb - heartbeat
 * @con: connection 0 of the path
 * @ops: callbacks
 * @times: values of the session, by %RTRS_HB_INTERVAL_MS (time between ticks) and
 *	%RTRS_HB_MISSED_MAX (ticks without a sign of life before it is lost); may change
 *	at any time
 * @work: the tick
 * @cqe: completion of every heartbeat send
 * @sends: outstanding sends, at most %RTRS_HB_SEND_WRS
 * @missed: ticks since the last sign of life
 * @sent_at: time of the HB_MSG that awaits its HB_ACK, 0 if none does
 * @latency_ns: last round trip, ns; 0 before the first
 *
 * Embedded in the path, which stops it before connection 0 is drained.
 */
struct rtrs_hb {
	struct rtrs_con		*con;
	const struct rtrs_hb_ops *ops;
	const unsigned int	*times;

	struct delayed_work	work;
	struct ib_cqe		cqe;
	atomic_t		sends;
	unsigned int		missed;
	ktime_t			sent_at;
	s64			latency_ns;
};

int rtrs_hb_wq_create(void);
void rtrs_hb_wq_destroy(void);
void rtrs_hb_init(struct rtrs_hb *hb, struct rtrs_con *con, const struct rtrs_hb_ops *ops,
		  const unsigned int *times);
void rtrs_hb_start(struct rtrs_hb *hb);
void rtrs_hb_stop(struct rtrs_hb *hb);
void rtrs_hb_recv(struct rtrs_hb *hb, unsigned int imm_type);

/*
 * The peer is alive.  Called for every message, hence a write only when there is
 * something to change.
 */
static inline void rtrs_hb_alive(struct rtrs_hb *hb)
{
	if (READ_ONCE(hb->missed))
		WRITE_ONCE(hb->missed, 0);
}

/* ---- rtrs-stats.c: per-CPU counters ---- */

/**
 * struct rtrs_rdma_stats - requests of a path, one per CPU
 * @ops: finished requests, index: 0 read, 1 write
 * @bytes: user message and data, bytes
 * @failover: requests sent again on another path
 */
struct rtrs_rdma_stats {
	u64 ops[2];
	u64 bytes[2];
	u64 failover;
};

enum { RTRS_STAT_READ, RTRS_STAT_WRITE };

/* Count a finished request; @dir is RTRS_STAT_READ or RTRS_STAT_WRITE.  Any context. */
static inline void rtrs_stats_add(struct rtrs_rdma_stats __percpu *stats, unsigned int dir,
				  u32 bytes)
{
	this_cpu_inc(stats->ops[dir]);
	this_cpu_add(stats->bytes[dir], bytes);
}

void rtrs_stats_sum(struct rtrs_rdma_stats __percpu *stats, struct rtrs_rdma_stats *sum);
void rtrs_stats_reset(struct rtrs_rdma_stats __percpu *stats);

/* ---- rtrs-addr.c: pure; the public part is in rtrs.h ---- */

bool rtrs_addr_equal(const struct sockaddr *a, const struct sockaddr *b);
int rtrs_addr_format_path(const struct sockaddr_storage *src, const struct sockaddr_storage *dst,
			  char *buf, size_t len);

/* ---- rtrs-wire.c: pure encoders and checks of received messages ---- */

/**
 * struct rtrs_conn_req - decoded connect request, host byte order
 * @cid: number of the connection
 * @cid_num: connections of the path
 * @recon_cnt: attempt
 * @sess_uuid: identity of the path
 * @paths_uuid: identity of the session
 * @first_conn: the session may be created
 * @ext_offer: extensions that the client knows; only looked at with connection 0
 */
struct rtrs_conn_req {
	u16	cid;
	u16	cid_num;
	u16	recon_cnt;
	uuid_t	sess_uuid;
	uuid_t	paths_uuid;
	bool	first_conn;
	u32	ext_offer;
};

/**
 * struct rtrs_conn_rsp - decoded accept, host byte order
 * @queue_depth: number of chunks, 1..65535
 * @max_io_size: bytes of data of a request
 * @max_hdr_size: bytes for user message and header
 * @new_rkey: AI mode
 * @ext_use: extensions in force; only looked at with connection 0
 */
struct rtrs_conn_rsp {
	u16	queue_depth;
	u32	max_io_size;
	u32	max_hdr_size;
	bool	new_rkey;
	u32	ext_use;
};

/**
 * struct rtrs_chunk - a chunk as the client addresses it
 * @addr: remote address
 * @rkey: current key on this path
 */
struct rtrs_chunk {
	u64	addr;
	u32	rkey;
};

/**
 * struct rtrs_wire_req - decoded and checked request header, host byte order
 * @dir: DMA_TO_DEVICE for WRITE, DMA_FROM_DEVICE for READ
 * @usr_len: bytes of the user message, which starts at chunk byte @data_len
 * @data_len: bytes of data in front of it
 * @need_inval: client wants SEND WITH INVALIDATE of @desc_key
 * @has_desc: READ with one descriptor
 * @desc_addr: where the data goes
 * @desc_key: with which key
 * @desc_len: how much, 1..@data_len
 */
struct rtrs_wire_req {
	enum dma_data_direction dir;
	u16	usr_len;
	u32	data_len;
	bool	need_inval;
	bool	has_desc;
	u64	desc_addr;
	u32	desc_key;
	u32	desc_len;
};

/**
 * struct rtrs_fence - decoded message of a path fence, host byte order
 * @type: RTRS_MSG_FENCE, RTRS_MSG_FENCE_DRAIN or RTRS_MSG_FENCE_ACK
 * @err: 0 or a negative errno
 * @seq: number of the fence
 * @uuid: path to fence
 */
struct rtrs_fence {
	u16	type;
	int	err;
	u32	seq;
	uuid_t	uuid;
};

void rtrs_wire_put_conn_req(struct rtrs_msg_conn_req *msg, const struct rtrs_conn_req *req);
int rtrs_wire_get_conn_req(struct rtrs_conn_req *req, const void *data, size_t len);
void rtrs_wire_put_accept(struct rtrs_msg_conn_rsp *msg, const struct rtrs_conn_rsp *rsp);
void rtrs_wire_put_reject(struct rtrs_msg_conn_rsp *msg, int err);
int rtrs_wire_get_accept(struct rtrs_conn_rsp *rsp, const void *data, size_t len);
int rtrs_wire_get_reject(const void *data, size_t len);
void rtrs_wire_put_info_req(struct rtrs_msg_info_req *msg, const char *name);
int rtrs_wire_get_info_req(const struct rtrs_msg_info_req *msg, size_t len);
int rtrs_wire_get_info_rsp(const struct rtrs_msg_info_rsp *msg, size_t len,
			   const struct rtrs_conn_rsp *conn, struct rtrs_chunk *chunks);
size_t rtrs_wire_put_req(void *buf, const void *usr_msg, u16 usr_len,
			 enum dma_data_direction dir, const struct rtrs_sg_desc *desc);
int rtrs_wire_get_req(struct rtrs_wire_req *req, const void *chunk, u32 chunk_size, u32 req_off);
void rtrs_wire_put_rkey_rsp(struct rtrs_msg_rkey_rsp *msg, u16 buf_id, u32 rkey);
int rtrs_wire_get_rkey_rsp(const struct rtrs_msg_rkey_rsp *msg, size_t len, u32 queue_depth,
			   u16 *buf_id, u32 *rkey);
void rtrs_wire_put_fence(struct rtrs_msg_fence *msg, const struct rtrs_fence *fence);
int rtrs_wire_get_fence(struct rtrs_fence *fence, const void *data, size_t len);
int rtrs_sessname_check(const char *name, size_t size);
const char *rtrs_sessname_at(const char *name);

#endif /* RTRS_PRI_H */
