/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client of the transport: sessions, their paths, the connections of a path,
 * and its slots.  Prototypes are grouped by the file that defines them.
 *
 * Ownership: a session (struct device) is created by rtrs_clt_open() and given up by
 * rtrs_clt_close(); each of its paths holds a reference on it.  A path (struct kobject)
 * is created by rtrs_clt_path_add() and given up by rtrs_clt_path_destroy(); its
 * connections and slots are part of it.
 *
 * Threads: everything that brings a path up or down runs in the one work of the path,
 * one thing after another, without a lock.  All others only change the state (below
 * rtrs_clt_path.state_lock) and queue that work.  Requests, completions and polling run
 * inside RCU read-side sections and act on a path only while it is CONNECTED, so after
 * a change of state and synchronize_rcu() the work has the path for itself.
 *
 * Locks: rtrs_clt.paths_mutex and rtrs_clt_path.fence_mutex, then rtrs_clt.ghost_lock,
 * then rtrs_clt.link_lock or rtrs_clt_path.state_lock, which are leaves.  Nobody waits
 * for a path's work with a lock held.
 */
#ifndef RTRS_CLT_H
#define RTRS_CLT_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cache.h>
#include <linux/device.h>
#include <linux/kobject.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "rtrs-pri.h"

#define RTRS_CLT_MAX_SGE	32	/* gather entries of a request, header included */
#define RTRS_CLT_MAX_SLOTS	8192	/* of one session, whatever the server offers */
#define RTRS_CLT_MR_PAGE_SIZE	4096	/* page size of client registrations, bytes */
#define RTRS_CLT_HDR_SIZE	ALIGN(RTRS_USR_MSG_MAX + RTRS_MAX_REQ_HDR, 8)

/* Extensions that this client knows. */
#define RTRS_CLT_EXT		(RTRS_EXT_PATH_FENCE | RTRS_EXT_SHORT_ANSWER | RTRS_EXT_FENCE_DRAIN)

/* Work requests that one slot may have in the send queue: register, write, invalidate. */
#define RTRS_CLT_SEND_WRS	3
/* Receives for each slot: one for the answer, one for a message that may precede it. */
#define RTRS_CLT_RECV_WRS	2

#define rtrs_clt_log(print, clt, fmt, ...) \
	print("<%s>: " fmt, (clt)->name, ##__VA_ARGS__)
#define rtrs_clt_path_log(print, path, fmt, ...)				\
do {									\
	const struct rtrs_clt_path *path_ = (path);			\
									\
	print("<%s>: %s: " fmt, path_->clt->name, path_->name, ##__VA_ARGS__); \
} while (0)

/* What an administrator can set for a session; the table is in rtrs-clt.c. */
enum rtrs_clt_time {
	RTRS_CLT_RECONNECT_DELAY_MS = RTRS_HB_NR_TIMES,
	RTRS_CLT_HOLD_TIME_MS,
	RTRS_CLT_REQUEST_TIMEOUT_MS,
	RTRS_CLT_NR_TIMES
};

/* States of a path (12.3); the names are in rtrs-clt-state.c. */
enum rtrs_clt_state {
	RTRS_CLT_CONNECTING,
	RTRS_CLT_CONNECTING_ERR,
	RTRS_CLT_RECONNECTING,
	RTRS_CLT_CONNECTED,
	RTRS_CLT_CLOSING,
	RTRS_CLT_CLOSED,
	RTRS_CLT_DEAD,
	RTRS_CLT_STATE_NUM
};

/* Life of the CM connection below a connection, within one attempt. */
enum rtrs_clt_con_link {
	RTRS_CLT_CON_IDLE,	/* nothing was sent to the peer */
	RTRS_CLT_CON_STARTED,	/* connect request is out */
	RTRS_CLT_CON_UP,	/* established */
	RTRS_CLT_CON_GONE,	/* the peer knows of the end, or will never tell */
};

/**
 * struct rtrs_clt_con - one connection of a path
 * @base: queue pair, completion queue, CM id
 * @path: path that it is a part of
 * @gen: attempt that it belongs to, see &rtrs_clt_path.gen
 * @link: written by the CM handler, and by the path's work before that can run
 * @cm_pending: the path's work waits for the CM handler
 * @cm_err: how the step ended; valid when @cm_pending is clear
 * @ring: receives after the INFO exchange
 * @poll_lock: one poller at a time (polled connections)
 * @inflight: requests between build and completion
 */
struct rtrs_clt_con {
	struct rtrs_con		base;
	struct rtrs_clt_path	*path;
	unsigned int		gen;
	enum rtrs_clt_con_link	link;
	bool			cm_pending;
	int			cm_err;
	struct rtrs_recv_ring	ring;
	spinlock_t		poll_lock;	/* nothing but being the poller */

	/* written for each request */
	atomic_t		inflight ____cacheline_aligned_in_smp;
};

/*
 * Phase of a slot, one word, so that whoever completes the set of awaited events knows
 * it: 0 is idle; else ACTIVE, the events so far, the connection, and the errno of the
 * answer.  Set up by rtrs_clt_request(), changed only by atomic operations until it is
 * 0 again.
 */
#define RTRS_CLT_SLOT_ACTIVE	BIT(0)
#define RTRS_CLT_SLOT_REG	BIT(1)	/* the data is registered and needs an invalidate */
#define RTRS_CLT_SLOT_POSTED	BIT(2)	/* the post has returned: chain no longer in use */
#define RTRS_CLT_SLOT_ANSWERED	BIT(3)
#define RTRS_CLT_SLOT_SENT	BIT(4)	/* the device has finished with the message */
#define RTRS_CLT_SLOT_ERR_SHIFT	5
#define RTRS_CLT_SLOT_ERR_MASK	(RTRS_IMM_ERRNO_MAX << RTRS_CLT_SLOT_ERR_SHIFT)
#define RTRS_CLT_SLOT_CID_SHIFT	16
#define RTRS_CLT_SLOT_CID_MASK	GENMASK(30, RTRS_CLT_SLOT_CID_SHIFT)

/**
 * struct rtrs_clt_slot - what one path needs to carry one request
 * @phase: see RTRS_CLT_SLOT_ACTIVE
 * @cpu: submitted here
 * @req: request, valid while @phase is not 0
 * @con: connection of the request, valid while @phase is not 0
 * @hdr: user message and header
 * @mr: registration of the data, when it needs one
 * @send_cqe: completions of @reg_wr and @rdma_wr
 * @inv_cqe: completion of @inv_wr
 * @reg_wr: registers the data
 * @rdma_wr: carries the message
 * @inv_wr: takes the registration back
 * @sge: gather list of @rdma_wr
 * @started_ns: built; the stamps are taken while rtrs_clt_req_done is traced
 * @answered_ns: the answer has arrived
 *
 * @hdr and @mr live from the accept of an attempt to the end of that attempt.
 */
struct rtrs_clt_slot {
	atomic_t		phase;
	unsigned int		cpu;
	struct rtrs_clt_req	*req;
	struct rtrs_clt_con	*con;
	struct rtrs_iu		*hdr;
	struct ib_mr		*mr;
	struct ib_cqe		send_cqe;
	struct ib_cqe		inv_cqe;
	struct ib_reg_wr	reg_wr;
	struct ib_rdma_wr	rdma_wr;
	struct ib_send_wr	inv_wr;
	struct ib_sge		sge[RTRS_CLT_MAX_SGE];
	u64			started_ns;
	u64			answered_ns;
};

/* Completions on another CPU than the submitting one; one of these per CPU. */
struct rtrs_clt_migration {
	atomic_t	from;		/* submitted here, completed elsewhere */
	unsigned int	to;		/* completed here, submitted elsewhere */
};

/*
 * One path of a session.
 *
 * Created by rtrs_clt_path_add(), which also owns it until it is on the list of the
 * session; given up by the one caller of rtrs_clt_path_destroy() that makes it DEAD.
 * @kobj is the only reference count; the last put may happen in any sleepable context.
 */
struct rtrs_clt_path {
	/* I/O path; constant while CONNECTED */
	enum rtrs_clt_state	state;		/* rtrs-clt-state.c */
	u16			nr_slots;
	u16			max_sge;	/* gather entries, header included */
	u8			off_bits;	/* of an immediate */
	u32			max_io_size;	/* bytes */
	struct rtrs_clt		*clt;
	struct rtrs_clt_slot	*slots;
	struct rtrs_chunk	*chunks;	/* keys change with each answer in AI mode */
	struct rtrs_clt_con	*cons;
	struct rtrs_dev		*dev;
	struct rtrs_rdma_stats __percpu	  *stats;
	struct rtrs_clt_migration __percpu *migration;
	struct rtrs_conn_rsp	conn;		/* latest accept of connection 0 */

	/* object */
	struct list_head	entry;		/* rtrs_clt.paths, RCU */
	struct kobject		kobj;		/* paths/<src>@<dst> */
	bool			published;	/* @kobj was added */
	struct kernfs_node	*state_file;	/* of @kobj, once it was added */
	bool			unlisted;	/* taken off the list; wakes @wait */
	uuid_t			uuid;
	struct rtrs_addr_pair	addrs;
	char			name[RTRS_PATH_STRLEN];
	char			hca_name[IB_DEVICE_NAME_MAX];
	u32			hca_port;

	/* state and the work that follows it */
	spinlock_t		state_lock;	/* state, gen, err */
	unsigned int		gen;		/* number of the attempt, from 1 */
	int			err;		/* why the last attempt or the path failed */
	int			last_err;	/* the same for administrators: stays */
	wait_queue_head_t	wait;		/* state, CM steps, counts below, unlisted */
	struct delayed_work	work;
	struct rtrs_dev_user	dev_user;
	struct rtrs_hb		hb;

	/* only the work writes these */
	unsigned int		done_gen;	/* latest attempt that has ended */
	unsigned int		closed_cnt;	/* how often it became CLOSED */
	bool			live;		/* connections exist */
	bool			counted;	/* in rtrs_clt.nr_up */
	unsigned int		link;		/* rtrs_clt.link_changes while it is up */
	bool			established;	/* was CONNECTED at least once */
	bool			first_conn;	/* none was up: the server may create the session */
	bool			in_doubt;	/* says nothing about the next attempt */
	bool			give_up;	/* further attempts cannot succeed */
	u32			mr_pages;	/* of a registration */
	unsigned long		settled_at;	/* jiffies: not earlier even in a hurry */
	unsigned long		retry_at;	/* jiffies */
	unsigned int		attempts;	/* since it was last connected */
	int			logged_err;	/* of the last failed attempt in the log */
	bool			hurry;		/* also: administrator wants an attempt now */
	unsigned int		success_cnt;	/* reconnects */
	unsigned int		fail_cnt;

	/* INFO exchange */
	struct rtrs_iu		*info_req;
	struct rtrs_iu		*info_rsp;
	size_t			info_len;
	unsigned int		info_left;	/* completions awaited */

	/* fences, rtrs-clt-fence.c */
	struct mutex		fence_mutex;	/* one fence at a time; the fields below */
	struct rtrs_iu		*fence_msg;
	struct rtrs_fence	fence;		/* that is awaited; err: how it ended */
	bool			fence_pending;
	struct rtrs_clt_ghost	*ghost;		/* to be left behind */
};

/**
 * struct rtrs_clt_policy - how a path is picked
 * @name: as administrators read and write it
 * @abbrev: two letters
 * @pick: choose a connected path for connection @cid, NULL when there is none; RCU
 *	read-side section, any context
 */
struct rtrs_clt_policy {
	const char *name;
	const char *abbrev;
	struct rtrs_clt_path *(*pick)(struct rtrs_clt *clt, u16 cid);
};

/*
 * A session.
 *
 * @dev is the only reference count; the last put may happen in any sleepable context.
 */
struct rtrs_clt {
	/* I/O path, read-mostly */
	struct list_head	paths;		/* of rtrs_clt_path.entry */
	const struct rtrs_clt_policy *policy;
	u32 __percpu		*rr_pos;	/* round-robin */
	u16			con_num;	/* of each path */
	u16			nr_irq_queues;
	u16			nr_poll_queues;

	struct device		dev;
	struct list_head	entry;		/* rtrs-clt.c: all sessions */
	struct kobject		*paths_dir;
	char			name[RTRS_NAME_LEN];
	uuid_t			uuid;
	u16			port;
	unsigned int		times[RTRS_CLT_NR_TIMES];
	int			max_reconnect_attempts;
	u16			max_segments_asked;
	const struct rtrs_clt_ops *ops;
	void			*priv;

	struct mutex		paths_mutex;	/* writers of paths, and: */
	bool			closing;
	bool			sizes_told;	/* the user goes by those below */
	u16			queue_depth;	/* of the server; 0 before the first accept */
	u16			nr_slots;	/* that we use, not more than queue_depth */
	u16			max_segments;
	u32			max_io_size;

	/* rtrs-clt-fence.c */
	spinlock_t		ghost_lock;	/* ghosts */
	struct list_head	ghosts;		/* lost paths that are not fenced yet */

	/* rtrs-clt-link.c */
	spinlock_t		link_lock;	/* the fields below */
	unsigned int		nr_up;		/* paths that are or are about to be CONNECTED */
	unsigned int		link_changes;	/* events so far; the odd ones are LINK_UP */
	unsigned int		link_told;	/* so many of them the user has handled */
	bool			link_tell;	/* the user wants to hear of them */
	struct rtrs_clt_path	*lone_path;	/* attempts alone, see rtrs_clt_lone_get() */
	struct work_struct	link_work;
};

/* ---- rtrs-clt.c ---- */
extern struct workqueue_struct *rtrs_clt_wq;
extern struct rtrs_time rtrs_clt_times[RTRS_CLT_NR_TIMES];

int rtrs_clt_adopt(struct rtrs_clt_path *path);

/* ---- rtrs-clt-link.c ---- */
int rtrs_clt_link_wq_create(void);
void rtrs_clt_link_wq_destroy(void);
void rtrs_clt_link_init(struct rtrs_clt *clt);
void rtrs_clt_link_start(struct rtrs_clt *clt);
void rtrs_clt_link_stop(struct rtrs_clt *clt);
void rtrs_clt_link_reserve(struct rtrs_clt_path *path);
void rtrs_clt_link_up(struct rtrs_clt_path *path);
bool rtrs_clt_link_lasts(const struct rtrs_clt_path *path);
void rtrs_clt_link_release(struct rtrs_clt_path *path);
bool rtrs_clt_lone_get(struct rtrs_clt_path *path);
void rtrs_clt_lone_put(struct rtrs_clt_path *path);
int rtrs_clt_lone_check(struct rtrs_clt_path *path);
void rtrs_clt_link_forgotten(struct rtrs_clt *clt);

/* ---- rtrs-clt-sysfs.c ---- */
extern const struct kobj_type rtrs_clt_path_ktype;

int rtrs_clt_sysfs_init(void);
void rtrs_clt_sysfs_exit(void);
int rtrs_clt_sysfs_add(struct rtrs_clt *clt);
void rtrs_clt_sysfs_remove(struct rtrs_clt *clt);

/* ---- rtrs-clt-path.c ---- */
int rtrs_clt_path_add(struct rtrs_clt *clt, const struct rtrs_addr_pair *addrs);
int rtrs_clt_path_reconnect(struct rtrs_clt_path *path);
void rtrs_clt_path_close(struct rtrs_clt_path *path);
void rtrs_clt_path_destroy(struct rtrs_clt_path *path);
void rtrs_clt_path_free(struct rtrs_clt_path *path);

/* ---- rtrs-clt-recover.c ---- */
void rtrs_clt_path_work(struct work_struct *work);

/* ---- rtrs-clt-cm.c ---- */
int rtrs_clt_cons_connect(struct rtrs_clt_path *path, unsigned int from, unsigned int nr);
void rtrs_clt_cons_stop(struct rtrs_clt_path *path);
void rtrs_clt_cons_destroy(struct rtrs_clt_path *path);
int rtrs_clt_info_exchange(struct rtrs_clt_path *path);

/* ---- rtrs-clt-fence.c ---- */
struct rtrs_clt_ghost;

int rtrs_clt_fence_create(struct rtrs_clt_path *path);
void rtrs_clt_fence_destroy(struct rtrs_clt_path *path);
int rtrs_clt_fence_recv(struct rtrs_clt_path *path, const void *data, size_t len);
int rtrs_clt_fence_lost(struct rtrs_clt_path *lost);
int rtrs_clt_fence_drain(struct rtrs_clt_path *lost);
void rtrs_clt_fence_forget(struct rtrs_clt_path *lost);
int rtrs_clt_fence_enter(struct rtrs_clt_path *path);
void rtrs_clt_ghosts_free(struct rtrs_clt *clt);

/* ---- rtrs-clt-io.c: public functions only, in rtrs.h ---- */

/* ---- rtrs-clt-done.c ---- */
void rtrs_clt_slot_event(struct rtrs_clt_slot *slot, u32 event);
int rtrs_clt_recv_start(struct rtrs_clt_con *con);
void rtrs_clt_slot_init(struct rtrs_clt_slot *slot);
void rtrs_clt_fail_over(struct rtrs_clt_path *path);
unsigned int rtrs_clt_inflight(const struct rtrs_clt_path *path);

/* ---- rtrs-clt-mr.c ---- */
int rtrs_clt_slots_create(struct rtrs_clt_path *path);
void rtrs_clt_slots_destroy(struct rtrs_clt_path *path);
int rtrs_clt_slot_map(struct rtrs_clt_path *path, struct rtrs_clt_slot *slot,
		      struct rtrs_clt_req *req);
void rtrs_clt_slot_unmap(struct rtrs_clt_path *path, struct rtrs_clt_req *req);
void rtrs_clt_slot_dereg(struct rtrs_clt_slot *slot);

/* ---- rtrs-clt-mpath.c ---- */
#define RTRS_CLT_POLICY_NUM	3
#define RTRS_CLT_POLICY_DEFAULT	1	/* min-inflight */
extern const struct rtrs_clt_policy rtrs_clt_policies[RTRS_CLT_POLICY_NUM];

int rtrs_clt_policy_parse(const char *text);
int rtrs_clt_paths_insert(struct rtrs_clt *clt, struct rtrs_clt_path *path);
int rtrs_clt_paths_check_name(struct rtrs_clt_path *path);
void rtrs_clt_paths_remove(struct rtrs_clt_path *path);
struct rtrs_clt_path *rtrs_clt_paths_first_get(struct rtrs_clt *clt);

/* ---- rtrs-clt-state.c ---- */
extern const char *const rtrs_clt_state_names[RTRS_CLT_STATE_NUM];

bool rtrs_clt_path_set_state(struct rtrs_clt_path *path, enum rtrs_clt_state state);
void rtrs_clt_path_start(struct rtrs_clt_path *path);
void rtrs_clt_path_fail(struct rtrs_clt_path *path, unsigned int gen, int err);
void rtrs_clt_path_shut(struct rtrs_clt_path *path, int err);
int rtrs_clt_path_kick(struct rtrs_clt_path *path, unsigned int gen);

/* Who sees CONNECTED sees a complete path. */
static inline enum rtrs_clt_state rtrs_clt_path_state(const struct rtrs_clt_path *path)
{
	/* Pairs with set_state() of rtrs-clt-state.c. */
	return smp_load_acquire(&path->state);
}

static inline bool rtrs_clt_path_connected(const struct rtrs_clt_path *path)
{
	return rtrs_clt_path_state(path) == RTRS_CLT_CONNECTED;
}

/* Every failure of a connection: completions, CM events, protocol violations. */
static inline void rtrs_clt_con_fail(struct rtrs_clt_con *con, int err)
{
	rtrs_clt_path_fail(con->path, con->gen, err);
}

/* May a path go from state @from to state @to (12.3)?  Pure. */
static inline bool rtrs_clt_state_may_follow(enum rtrs_clt_state from, enum rtrs_clt_state to)
{
	static const unsigned int allowed_from[RTRS_CLT_STATE_NUM] = {
		[RTRS_CLT_CONNECTING]	  = BIT(RTRS_CLT_RECONNECTING),
		[RTRS_CLT_CONNECTED]	  = BIT(RTRS_CLT_CONNECTING),
		[RTRS_CLT_CONNECTING_ERR] = BIT(RTRS_CLT_CONNECTING),
		[RTRS_CLT_RECONNECTING]	  = BIT(RTRS_CLT_CONNECTED) |
					    BIT(RTRS_CLT_CONNECTING_ERR) |
					    BIT(RTRS_CLT_CLOSED),
		[RTRS_CLT_CLOSING]	  = BIT(RTRS_CLT_CONNECTING) |
					    BIT(RTRS_CLT_CONNECTING_ERR) |
					    BIT(RTRS_CLT_RECONNECTING) |
					    BIT(RTRS_CLT_CONNECTED),
		[RTRS_CLT_CLOSED]	  = BIT(RTRS_CLT_CLOSING),
		[RTRS_CLT_DEAD]		  = BIT(RTRS_CLT_CLOSED),
	};

	return allowed_from[to] & BIT(from);
}

#endif /* RTRS_CLT_H */
