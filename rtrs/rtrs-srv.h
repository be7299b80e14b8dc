/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RTRS server: objects and who offers what.  The prototypes are grouped by the file
 * that defines them; a file calls what stands below it here, and rtrs-pri.h:
 * srv > listen > cm > limits > info > path > sess > io > fence > rsp > short > slot > con >
 * buf > state > debug.  sysfs files call state.
 *
 * Objects: the service (struct rtrs_srv) holds sessions, a session holds slots and
 * paths, a path holds connections and its own chunk memory.  Each object has one
 * count, and keeps the one above it:
 *
 *	rtrs_srv	 rtrs_srv_close() and every session
 *	rtrs_srv_sess	 its place in the service, and every path
 *	rtrs_srv_path	 its place in the session (until the end of its end work)
 *	rtrs_srv_con	 part of the path
 *	running request	 &rtrs_srv_path.inflight
 *
 * Locks, outermost first: handler lock of a CM id, rtrs_srv_sess.up_lock,
 * rtrs_srv.lock, rtrs_srv_path.con_lock; innermost and independent of each other
 * the spinlocks rtrs_srv_con.lock > rtrs_srv_sess.park_lock.  A CM id is never
 * destroyed with one of the mutexes held.
 */
#ifndef RTRS_SRV_H
#define RTRS_SRV_H

#include <linux/device.h>
#include <linux/kobject.h>
#include <linux/mutex.h>
#include <linux/percpu-refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "rtrs-pri.h"

#define RTRS_SRV_RECV_BATCH		16	/* empty receives that are posted together */
#define RTRS_SRV_CROWD			16	/* see rtrs_srv_con.crowded */
#define RTRS_SRV_SIGNAL_INTERVAL	32	/* every n-th send asks for a completion */
#define RTRS_SRV_MAX_ANSWER_WRS		4	/* data, invalidate, register, answer */
#define RTRS_SRV_HALF_OPEN_MS		30000	/* longest pause between two connections */
/* Extensions that we know. */
#define RTRS_SRV_EXT	(RTRS_EXT_PATH_FENCE | RTRS_EXT_SHORT_ANSWER | RTRS_EXT_FENCE_DRAIN)
/* Send work requests of connection 0 that take no credits: heartbeats, answer to a fence. */
#define RTRS_SRV_EXTRA_SEND_WRS		(RTRS_HB_SEND_WRS + 1)
#define RTRS_SRV_FENCE_MS		25000	/* a client waits 30 s for INFO_RSP */
#define RTRS_SRV_PATH_FENCE_MS		30000	/* extensions, 3 */

/**
 * struct rtrs_srv_conf - module parameters, constant after load
 * @queue_depth: slots of a session
 * @chunk_size: bytes of a chunk, a power of two
 * @max_hdr_size: bytes of a chunk that clients may use for message and header only
 * @new_rkey: AI mode: every answer carries the key for the next request (9)
 * @revoke_always: the key is revoked before a request is looked at
 * @ext: extensions for clients that know them
 */
struct rtrs_srv_conf {
	u16		queue_depth;
	u32		chunk_size;
	u32		max_hdr_size;
	bool		new_rkey;
	bool		revoke_always;
	u32		ext;
};

/**
 * struct rtrs_srv - the service
 * @ref: rtrs_srv_close() and every session
 * @gone: the last reference is gone
 * @ops: upper layer
 * @port: service port
 * @listen_lock: guards @ip_id, @ib_id and @closing
 * @listen_work: try again what could not listen, after a device has come or memory was short
 * @ip_id: listener for IP addresses or NULL
 * @ib_id: listener for native IB addresses or NULL
 * @closing: nobody may listen any more
 * @lock: guards @sessions, @nr_sessions and of every session the members so marked;
 *	finding or creating session and path is one step under it
 * @sessions: &rtrs_srv_sess.entry
 * @nr_sessions: length of @sessions
 * @leaving: &rtrs_srv_path.entry, paths whose session has forgotten them and that are not
 *	freed yet; guarded by @lock
 * @removals: how many sessions have gone so far; written under @lock
 */
struct rtrs_srv {
	struct kref			ref;
	struct completion		gone;
	const struct rtrs_srv_ops	*ops;
	u16				port;

	struct mutex			listen_lock;	/* listeners */
	struct delayed_work		listen_work;
	struct rdma_cm_id		*ip_id;
	struct rdma_cm_id		*ib_id;
	bool				closing;

	struct mutex			lock;		/* sessions and paths */
	struct list_head		sessions;
	struct list_head		leaving;	/* paths of no session, not freed yet */
	unsigned int			nr_sessions;
	unsigned int			removals;
};

struct rtrs_srv_path;

/**
 * struct rtrs_srv_con - a connection
 * @base: what both sides know; @base.cm_id is NULL while there is no connection
 * @path: path, which contains this
 * @recv_cqe: completion of every empty receive
 * @recv_spent: consumed receives that were not replaced yet; completion context only
 * @lock: guards what follows and is held over every post to the send queue
 * @credits: send work requests that may be posted
 * @unsignalled: send work requests since the last one that asked for a completion
 * @signal_interval: each completion returns so many credits
 * @stopped: nothing is posted any more
 * @drained: the queue pair is dead and nothing is left in it
 * @waiting: &rtrs_srv_slot.entry, answers and invalidations that wait for credits
 * @send_cqe: completion of every send but the next
 * @held: &rtrs_srv_slot.entry, short answers that leave with the next message
 * @answers: answers so far, wraps
 * @answers_then: the same when the last completion of @send_cqe was asked for
 * @crowded: not 0: short answers are gathered, until so many completions found none
 * @short_out: a message of short answers is on its way
 * @short_max: short answers in a message
 * @short_cqe: completion of a message of short answers
 *
 * Lives as long as its path; the end work takes queue pair and CM id away.
 */
struct rtrs_srv_con {
	struct rtrs_con		base;
	struct rtrs_srv_path	*path;

	struct ib_cqe		recv_cqe;
	unsigned int		recv_spent;

	spinlock_t		lock ____cacheline_aligned_in_smp;
	u32			credits;
	u32			unsignalled;
	u32			signal_interval;
	bool			stopped;
	bool			drained;
	struct list_head	waiting;
	struct ib_cqe		send_cqe;
	struct list_head	held;
	u32			answers;
	u32			answers_then;
	u8			crowded;
	bool			short_out;
	u8			short_max;
	struct ib_cqe		short_cqe;
};

/**
 * enum rtrs_srv_wait - what a slot on &rtrs_srv_con.waiting waits for
 * @RTRS_SRV_WAIT_ANSWER: its answer is to be posted
 * @RTRS_SRV_WAIT_REVOKE: the key of its chunk is to be revoked
 */
enum rtrs_srv_wait {
	RTRS_SRV_WAIT_ANSWER,
	RTRS_SRV_WAIT_REVOKE,
};

/**
 * struct rtrs_srv_slot - slot of a session: runs at most one request
 * @req: what the upper layer sees
 * @owner: 0 idle; else the path whose request runs, bit 0: a resend is parked
 * @con: connection of the running request, which gets the answer
 * @req_off: position of the header in the chunk
 * @err: result, 0 or a negative errno
 * @revoked: the key of the chunk on this path was revoked for this request
 * @wait: what is due when the slot is on @entry
 * @entry: on &rtrs_srv_con.waiting
 * @hdr: checked header
 * @on_revoked: called when the key was revoked
 * @revoke_cqe: completion of the revocation
 * @parked_con: connection of the parked resend (another path); guarded by
 *	&rtrs_srv_sess.park_lock
 * @parked_off: its position of the header
 * @resume: runs what was parked
 * @received_ns: the slot was claimed; the stamps are taken while rtrs_srv_req_done is traced
 * @handed_ns: handed up
 * @msg: stable copy of the user message
 *
 * Everything but @owner and the parked resend belongs to who owns the slot.
 */
struct rtrs_srv_slot {
	struct rtrs_srv_req	req;
	unsigned long		owner;
	struct rtrs_srv_con	*con;
	u32			req_off;
	int			err;
	bool			revoked;
	enum rtrs_srv_wait	wait;
	struct list_head	entry;
	struct rtrs_wire_req	hdr;

	void			(*on_revoked)(struct rtrs_srv_req *req);
	struct ib_cqe		revoke_cqe;

	struct rtrs_srv_con	*parked_con;
	u32			parked_off;
	struct work_struct	resume;

	u64			received_ns;
	u64			handed_ns;

	u8			msg[RTRS_USR_MSG_MAX] ____cacheline_aligned;
};

/**
 * struct rtrs_srv_sess - session: all paths of a client that share a paths_uuid
 * @dev: directory in sysfs and the reference count; the last put may sleep
 * @paths_dir: `paths` in it, while published
 * @srv: service
 * @uuid: identity
 * @entry: on &rtrs_srv.sessions
 * @paths: &rtrs_srv_path.entry; guarded by &rtrs_srv.lock
 * @nr_paths: length of @paths; guarded by &rtrs_srv.lock
 * @name: empty until the first INFO_REQ, then constant; guarded by &rtrs_srv.lock
 * @times: what an administrator can set, by index into rtrs_srv_times
 * @up_lock: serialises up and down of the session; guards what follows up to @upper
 * @published: @dev and @paths_dir are in sysfs
 * @nr_up: paths that are connected or were, and whose requests may still run
 * @upper: session of the upper layer; set while @nr_up is not 0
 * @closing: paths whose requests may still run although they are CLOSING
 * @fence: woken when @closing drops, when a path leaves CONNECTING and when another
 *	session has gone
 * @park_lock: guards the parked resends of all slots
 * @slots: queue_depth slots
 * @priv: memory of &rtrs_srv_req.priv
 */
struct rtrs_srv_sess {
	struct device		dev;
	struct kobject		*paths_dir;
	struct rtrs_srv		*srv;
	uuid_t			uuid;

	struct list_head	entry;
	struct list_head	paths;
	unsigned int		nr_paths;
	char			name[RTRS_NAME_LEN];
	unsigned int		times[RTRS_HB_NR_TIMES];

	struct mutex		up_lock;	/* upper session, sysfs */
	bool			published;
	unsigned int		nr_up;
	void			*upper;

	atomic_t		closing;
	wait_queue_head_t	fence;
	spinlock_t		park_lock;	/* parked resends */
	struct rtrs_srv_slot	*slots;
	void			*priv;
};

enum rtrs_srv_path_state {
	RTRS_SRV_CONNECTING,
	RTRS_SRV_CONNECTED,
	RTRS_SRV_CLOSING,
	RTRS_SRV_CLOSED,
	RTRS_SRV_NR_STATES,
};

/**
 * struct rtrs_srv_fence - fences that come by a path, one at a time
 * @work: establishes one
 * @busy: @msg is not answered yet
 * @msg: the message
 * @ack: buffer of the answer
 * @sent: completed while no answer is on its way
 */
struct rtrs_srv_fence {
	struct work_struct	work;
	bool			busy;
	struct rtrs_fence	msg;
	struct rtrs_iu		*ack;
	struct completion	sent;
};

/**
 * struct rtrs_srv_chunk - chunk of a path
 * @page: first of physically contiguous pages
 * @dma: bus address
 */
struct rtrs_srv_chunk {
	struct page	*page;
	dma_addr_t	dma;
};

/**
 * struct rtrs_srv_bufs - chunk memory of a path
 * @chunks: queue_depth chunks
 * @mrs: memory regions, each over as many chunks
 * @nr_mrs: number of @mrs, divides queue_depth
 * @page_size: of the entries of the page lists of @mrs
 * @rkeys: AI mode: queue_depth messages with the current key of each chunk
 */
struct rtrs_srv_bufs {
	struct rtrs_srv_chunk	*chunks;
	struct ib_mr		**mrs;
	unsigned int		nr_mrs;
	u32			page_size;
	struct rtrs_iu		*rkeys;
};

/**
 * struct rtrs_srv_path - path: one (client address, server address) of a session
 * @sess: session
 * @inflight: running and parked requests; killed when the path closes
 * @state: enum rtrs_srv_path_state; written by rtrs-srv-state.c only
 * @bufs: chunk memory
 * @dev: RDMA device
 * @stats: per-CPU counters
 * @hb: heartbeat
 * @ext: extensions in force
 * @nr_cons: number of @cons
 * @joins: the client has another path connected, as far as it knows
 * @kobj: directory in sysfs and the reference count; the last put may sleep
 * @uuid: identity of the path
 * @recon_cnt: which of the client's attempts it is
 * @entry: on &rtrs_srv_sess.paths
 * @dev_user: for @dev
 * @dev_removed: @dev is leaving
 * @con_lock: guards creation of connections against the disconnect of all
 * @half_open: fires when the client does not go on connecting; while CONNECTING pending
 *	as long as that is what is waited for
 * @info_req: the first receive of connection 0
 * @info_rsp: the answer to it
 * @ring: receives of connection 0 with the extension PATH_FENCE, else not used
 * @fence: see there
 * @fenced: no request starts any more; written by @close_work only
 * @up_work: what follows INFO_REQ
 * @close_work: nothing goes on any more but requests that run
 * @end_work: no request runs any more
 * @published: @kobj is in sysfs; guarded by &rtrs_srv_sess.up_lock
 * @counted: part of &rtrs_srv_sess.nr_up; guarded by &rtrs_srv_sess.up_lock
 * @src: client address
 * @dst: server address
 * @port_num: port of @dev
 * @label: name of the session, the addresses before it is known
 * @name: `src@dst`
 * @cons: connections, by cid
 *
 * Created by the first connect request, freed at the end of its end work.  Until it is
 * complete and linked its state is CLOSED, from where nothing leads elsewhere.
 */
struct rtrs_srv_path {
	/* each request */
	struct rtrs_srv_sess		*sess;
	struct percpu_ref		inflight;
	int				state;
	struct rtrs_srv_bufs		bufs;
	struct rtrs_dev			*dev;
	struct rtrs_rdma_stats __percpu	*stats;
	struct rtrs_hb			hb;
	u32				ext;

	/* life of the path */
	u16				nr_cons;
	bool				joins;
	struct kobject			kobj ____cacheline_aligned_in_smp;
	uuid_t				uuid;
	u16				recon_cnt;
	struct list_head		entry;
	struct rtrs_dev_user		dev_user;
	bool				dev_removed;
	struct mutex			con_lock;	/* adding connections */
	struct delayed_work		half_open;
	struct rtrs_iu			*info_req;
	struct rtrs_iu			*info_rsp;
	struct rtrs_recv_ring		ring;
	struct rtrs_srv_fence		fence;
	bool				fenced;
	struct work_struct		up_work;
	struct work_struct		close_work;
	struct work_struct		end_work;
	bool				published;
	bool				counted;

	/* constant */
	struct sockaddr_storage		src;
	struct sockaddr_storage		dst;
	u32				port_num;
	const char			*label;
	char				name[RTRS_PATH_STRLEN];

	struct rtrs_srv_con		cons[];
};

/* Log lines of a path: session (or addresses), path, port of the HCA. */
#define rtrs_srv_path_err(path, fmt, ...)						\
	pr_err_ratelimited("<%s>: path %s [%s:%u]: " fmt, READ_ONCE((path)->label),	\
			   (path)->name, dev_name(&(path)->dev->ib_dev->dev),		\
			   (path)->port_num, ##__VA_ARGS__)
#define rtrs_srv_path_info(path, fmt, ...)						\
	pr_info_ratelimited("<%s>: path %s [%s:%u]: " fmt, READ_ONCE((path)->label),	\
			    (path)->name, dev_name(&(path)->dev->ib_dev->dev),		\
			    (path)->port_num, ##__VA_ARGS__)

/* ---- rtrs-srv.c ---- */

extern struct rtrs_srv_conf rtrs_srv_conf;
extern struct rtrs_time rtrs_srv_times[RTRS_HB_NR_TIMES];
extern struct workqueue_struct *rtrs_srv_up_wq;		/* INFO_REQ, fence; wait for requests */
extern struct workqueue_struct *rtrs_srv_close_wq;	/* ends of paths; wait for coming up */
extern struct workqueue_struct *rtrs_srv_io_wq;		/* parked requests; wait for nobody */

void rtrs_srv_get(struct rtrs_srv *srv);
void rtrs_srv_put(struct rtrs_srv *srv);

/* ---- rtrs-srv-listen.c ---- */

void rtrs_srv_listen_init(struct rtrs_srv *srv);
void rtrs_srv_listen(struct rtrs_srv *srv);
void rtrs_srv_unlisten(struct rtrs_srv *srv);

/* ---- rtrs-srv-cm.c ---- */

int rtrs_srv_cm_handler(struct rdma_cm_id *id, struct rdma_cm_event *event);

/* ---- rtrs-srv-limits.c ---- */

/**
 * struct rtrs_srv_limit - a limit that a connect request meets
 * @name: module parameter
 * @err: errno for the reject
 */
struct rtrs_srv_limit {
	const char	*name;
	int		err;
};

int rtrs_srv_limits_init(void);
const struct rtrs_srv_limit *rtrs_srv_limit_path(const struct rtrs_srv *srv,
						 const struct sockaddr *client,
						 const struct rtrs_conn_req *req);
const struct rtrs_srv_limit *rtrs_srv_limit_sess(const struct rtrs_srv *srv,
						 const struct sockaddr *client);
const struct rtrs_srv_limit *rtrs_srv_limit_sess_paths(const struct rtrs_srv_sess *sess);
const struct rtrs_srv_limit *rtrs_srv_limit_cons(unsigned int nr);

/* ---- rtrs-srv-info.c ---- */

void rtrs_srv_info_req_done(struct ib_cq *cq, struct ib_wc *wc);
void rtrs_srv_info_work(struct work_struct *work);

/* ---- rtrs-srv-sess.c ---- */

struct rtrs_srv_sess *rtrs_srv_sess_find(struct rtrs_srv *srv, const uuid_t *uuid);
struct rtrs_srv_sess *rtrs_srv_sess_create(struct rtrs_srv *srv, const uuid_t *uuid);
void rtrs_srv_sess_remove(struct rtrs_srv_sess *sess);
int rtrs_srv_sess_set_name(struct rtrs_srv_path *path, const char *name);
int rtrs_srv_sess_wait_idle(struct rtrs_srv_path *path, enum rtrs_srv_path_state state,
			    long left);
int rtrs_srv_sess_wait_fence(struct rtrs_srv_path *path);
int rtrs_srv_sess_up(struct rtrs_srv_path *path);
void rtrs_srv_sess_down(struct rtrs_srv_path *path);

/* ---- rtrs-srv-path.c ---- */

struct rtrs_srv_path *rtrs_srv_path_find(struct rtrs_srv_sess *sess, const uuid_t *uuid);
void rtrs_srv_path_await_client(struct rtrs_srv_path *path);
struct rtrs_srv_path *rtrs_srv_path_create(struct rtrs_srv_sess *sess, struct rdma_cm_id *id,
					   const struct rtrs_conn_req *req);
void rtrs_srv_path_get(struct rtrs_srv_path *path);
void rtrs_srv_path_put(struct rtrs_srv_path *path);
void rtrs_srv_path_free(struct rtrs_srv_path *path);

/* ---- rtrs-srv-io.c ---- */

void rtrs_srv_io_recv_done(struct ib_cq *cq, struct ib_wc *wc);
void rtrs_srv_io_service_done(struct ib_cq *cq, struct ib_wc *wc);
void rtrs_srv_io_resume_work(struct work_struct *work);

/* ---- rtrs-srv-fence.c ---- */

void rtrs_srv_fence_init(struct rtrs_srv_path *path);
int rtrs_srv_fence_create(struct rtrs_srv_path *path);
void rtrs_srv_fence_destroy(struct rtrs_srv_path *path);
void rtrs_srv_fence_recv(struct rtrs_srv_path *path, const void *data, size_t len);
void rtrs_srv_fence_reached(struct rtrs_srv_path *path);

/* ---- rtrs-srv-rsp.c; and what rtrs.h offers to answer and to revoke ---- */

void rtrs_srv_rsp_send_done(struct ib_cq *cq, struct ib_wc *wc);
void rtrs_srv_rsp_short_done(struct ib_cq *cq, struct ib_wc *wc);
void rtrs_srv_rsp_revoke_done(struct ib_cq *cq, struct ib_wc *wc);
void rtrs_srv_rsp_flush(struct rtrs_srv_con *con);

/* ---- rtrs-srv-short.c ---- */

bool rtrs_srv_short_fits(const struct rtrs_srv_slot *slot);
unsigned int rtrs_srv_short_post(struct rtrs_srv_con *con);

/* ---- rtrs-srv-slot.c ---- */

int rtrs_srv_slot_claim(struct rtrs_srv_slot *slot, struct rtrs_srv_con *con, u32 req_off);
void rtrs_srv_slot_release(struct rtrs_srv_slot *slot);
void rtrs_srv_slot_drop(struct rtrs_srv_slot *slot);
void rtrs_srv_slots_unpark(struct rtrs_srv_path *path);

static inline struct rtrs_srv_slot *rtrs_srv_req_slot(struct rtrs_srv_req *req)
{
	return container_of(req, struct rtrs_srv_slot, req);
}

/* The chunk that holds the request of an owned slot: that of the path it came by. */
static inline const struct rtrs_srv_chunk *rtrs_srv_slot_chunk(const struct rtrs_srv_slot *slot)
{
	return &slot->con->path->bufs.chunks[slot->req.slot];
}

/* ---- rtrs-srv-con.c ---- */

void rtrs_srv_con_init(struct rtrs_srv_con *con, struct rtrs_srv_path *path, u16 cid);
u64 rtrs_srv_cons_memory(unsigned int nr, u32 ext);
int rtrs_srv_con_create(struct rtrs_srv_con *con, struct rdma_cm_id *id);
void rtrs_srv_con_cancel(struct rtrs_srv_con *con);
int rtrs_srv_con_post_recvs(struct rtrs_srv_con *con);
int rtrs_srv_con_replace_recv(struct rtrs_srv_con *con);
int rtrs_srv_con_post(struct rtrs_srv_con *con, struct ib_send_wr *first);
void rtrs_srv_con_stop(struct rtrs_srv_con *con);
void rtrs_srv_con_destroy(struct rtrs_srv_con *con);

/* ---- rtrs-srv-buf.c ---- */

int rtrs_srv_bufs_create(struct rtrs_srv_bufs *bufs, struct rtrs_dev *dev, struct ib_pd *pd);
void rtrs_srv_bufs_destroy(struct rtrs_srv_bufs *bufs, struct rtrs_dev *dev);
void rtrs_srv_bufs_describe(const struct rtrs_srv_bufs *bufs, struct rtrs_msg_info_rsp *msg);
void rtrs_srv_mr_reg_wr(struct ib_mr *mr, struct ib_reg_wr *wr);
void rtrs_srv_bufs_rekey(struct rtrs_srv_bufs *bufs, struct rtrs_dev *dev, u16 nr);
void rtrs_srv_bufs_rkey_sge(const struct rtrs_srv_bufs *bufs, u16 nr, struct ib_sge *sge);

/* ---- rtrs-srv-state.c ---- */

bool rtrs_srv_path_set_state(struct rtrs_srv_path *path, enum rtrs_srv_path_state to);
bool rtrs_srv_path_close(struct rtrs_srv_path *path);
void rtrs_srv_path_fail(struct rtrs_srv_path *path, const char *what, int err);
void rtrs_srv_path_fail_wc(struct rtrs_srv_path *path, const char *what,
			   const struct ib_wc *wc);

/* May a path go from state @from to state @to (12.2)?  It is born CONNECTING.  Pure. */
static inline bool rtrs_srv_state_may_follow(enum rtrs_srv_path_state from,
					     enum rtrs_srv_path_state to)
{
	static const unsigned int allowed_from[RTRS_SRV_NR_STATES] = {
		[RTRS_SRV_CONNECTED]	= BIT(RTRS_SRV_CONNECTING),
		[RTRS_SRV_CLOSING]	= BIT(RTRS_SRV_CONNECTING) | BIT(RTRS_SRV_CONNECTED),
		[RTRS_SRV_CLOSED]	= BIT(RTRS_SRV_CLOSING),
	};

	return allowed_from[to] & BIT(from);
}

static inline enum rtrs_srv_path_state rtrs_srv_path_state(const struct rtrs_srv_path *path)
{
	return smp_load_acquire(&path->state);	/* rtrs_srv_path_set_state() */
}

/* ---- rtrs-srv-sysfs.c ---- */

extern const struct kobj_type rtrs_srv_path_ktype;

int rtrs_srv_sysfs_init(void);
void rtrs_srv_sysfs_exit(void);
void rtrs_srv_sysfs_sess_init(struct rtrs_srv_sess *sess, void (*release)(struct device *dev));
int rtrs_srv_sysfs_sess_add(struct rtrs_srv_sess *sess);
void rtrs_srv_sysfs_sess_remove(struct rtrs_srv_sess *sess);
int rtrs_srv_sysfs_path_add(struct rtrs_srv_path *path);
void rtrs_srv_sysfs_path_state(struct rtrs_srv_path *path);
void rtrs_srv_sysfs_path_remove(struct rtrs_srv_path *path);

#endif /* RTRS_SRV_H */
