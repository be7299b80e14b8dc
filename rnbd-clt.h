/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RNBD client: its objects, and who offers what to whom.  The prototypes are grouped
 * by the file that defines them; a file may call what stands below it here.
 *
 *	session (tag set, admin queue, RTRS session) --- device (disk rnbd<N>)
 *
 * Locks, outer first:
 *	gendisk.open_mutex	nobody opens the disk while its users are counted
 *	rnbd_clt_dev.ctl_lock	one control message of a device at a time; held over
 *				a round trip to the server
 *	rnbd_clt_session.left_lock
 *				devices that were left open on the server; held over a
 *				round trip, too
 *	rnbd_clt_lock		list of sessions, their state, their devices, link names
 *	rnbd_clt_session.lock	(spinlock) link generation, state of the devices; also
 *				taken to change the list of devices
 *
 * The I/O path takes none of them: it reads the state of the device inside the RCU
 * section of blk-mq.  When the link is lost all devices are closed, and the transport
 * waits for these sections before there is a new link, so no request with an old device
 * id is sent over it.
 */
#ifndef RNBD_CLT_H
#define RNBD_CLT_H

#include <linux/blk-mq.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "rnbd-common.h"
#include "rtrs/rtrs.h"

#define RNBD_CLT_MAX_PATHS	128	/* of one map_device line; limit of the protocol */
#define RNBD_CLT_MAX_SEGMENTS	128
#define RNBD_CLT_MAX_NR		16383	/* largest N of rnbd<N> */
#define RNBD_CLT_MINORS		64
#define RNBD_CLT_ABORT_DELAY	(5 * HZ)	/* forced unmap: time for I/O to end by itself */

/**
 * struct rnbd_clt_map_opts - one line of map_device, checked (ABI 1.2)
 * @sessname: name of the session
 * @device_path: device, as the server knows it
 * @access_mode: rw unless given
 * @dest_port: port of the server, 1234 unless given
 * @nr_poll_queues: -1 is already resolved
 * @nr_paths: number of @paths
 * @paths: all with @dest_port, whatever the order of the options was
 * @error: why the line was refused
 * @culprit: option that @error is about, or NULL
 *
 * Large: allocate it.
 */
struct rnbd_clt_map_opts {
	char			sessname[RNBD_NAME_LEN];
	char			device_path[RNBD_NAME_LEN];
	enum rnbd_access_mode	access_mode;
	u16			dest_port;
	unsigned int		nr_poll_queues;
	unsigned int		nr_paths;
	struct rtrs_addr_pair	paths[RNBD_CLT_MAX_PATHS];
	const char		*error;
	const char		*culprit;
};

enum rnbd_clt_sess_state {
	RNBD_CLT_SESS_NEW,	/* being established */
	RNBD_CLT_SESS_LIVE,
	RNBD_CLT_SESS_DYING,	/* being torn down */
};

/**
 * struct rnbd_clt_session - a session and the devices mapped over it
 * @clt: session of the transport
 * @attrs: what it offers
 * @max_sg: scatterlist entries of each request
 * @tag_set: requests of all devices and of @admin_q; a tag is a slot
 * @admin_q: SESS_INFO, OPEN and CLOSE are requests of this queue
 * @name: name of the session
 * @users: each device and each writer of map_device or unmap_device that works with
 *	the session; reaches 0 below rnbd_clt_lock, and whoever drops the last one
 *	tears the session down
 * @state: guarded by rnbd_clt_lock
 * @entry: on the list of sessions, guarded by rnbd_clt_lock
 * @devs: &rnbd_clt_dev.entry; changed under rnbd_clt_lock and @lock
 * @lock: guards the following, and &rnbd_clt_dev.state of @devs
 * @link_gen: counts the losses of the link; device ids of an earlier one are void
 * @link_up: a path is connected
 * @running: @link_work and @tell_work may be queued
 * @slow_gen: link generation that a device was found slow in
 * @hold_ms: how long I/O of devices waits for the link; 0: not at all
 * @left: devices that the server may still have open, see rnbd-clt-left.c
 * @left_lock: guards @left
 * @info_gen: link generation of the last SESS_INFO, used by @link_work only
 * @ver: agreed protocol version
 * @link_work: opens closed devices again
 * @tell_work: tells users of devices that were closed or opened
 * @destroy_work: tears the session down for whoever cannot wait
 *
 * Created by rnbd_clt_sess_get().  Until it is gone from the list of sessions nobody
 * can create another one with its name.
 */
struct rnbd_clt_session {
	/* read for each I/O, constant */
	struct rtrs_clt		*clt;
	struct rtrs_clt_attrs	attrs;
	unsigned int		max_sg;
	struct blk_mq_tag_set	tag_set;

	struct request_queue	*admin_q;
	char			name[RNBD_NAME_LEN];
	refcount_t		users;
	enum rnbd_clt_sess_state state;
	struct list_head	entry;
	struct list_head	devs;

	spinlock_t		lock;		/* link and states of devices */
	u32			link_gen;
	u32			slow_gen;
	bool			link_up;
	bool			running;
	unsigned int		hold_ms;

	struct list_head	left;
	struct mutex		left_lock;	/* see above */

	u32			info_gen;
	u8			ver;
	struct work_struct	link_work;
	struct work_struct	tell_work;
	struct work_struct	destroy_work;
};

enum rnbd_clt_dev_state {
	RNBD_CLT_DEV_INIT,	/* not opened yet */
	RNBD_CLT_DEV_OPEN,	/* the only state that takes I/O */
	RNBD_CLT_DEV_CLOSED,	/* the link was lost, or the server refused to open again */
	RNBD_CLT_DEV_UNMAPPED,	/* final */
};

/* What becomes of requests that cannot be sent, see rnbd-clt-hold.c. */
enum rnbd_clt_hold {
	RNBD_CLT_HOLD_MAY,	/* they may wait for the link, if the session has a hold time */
	RNBD_CLT_HOLD_ON,	/* they wait: the queue is quiesced */
	RNBD_CLT_HOLD_OVER,	/* they fail */
};

/* One link in ctl/devices, two with device_links=both. */
#define RNBD_CLT_NR_LINKS	2

/**
 * struct rnbd_clt_dev - a mapped device
 * @state: written under &rnbd_clt_session.lock
 * @device_id: handle at the server, valid while @state is OPEN
 * @opening: how often it was opened; a server may give out an id again
 * @sess: session, with a reference
 * @gd: disk; its count is the only one of the device, and its release frees both
 * @open_gen: link generation of @device_id, guarded by &rnbd_clt_session.lock
 * @tried_gen: link generation of the last try to open it again, ditto
 * @slow: the first that the server did not open in time over a link, ditto
 * @mapped: everything is in place, the device may be unmapped, ditto
 * @tell: what users have not been told yet, %RNBD_CLT_TELL_..., ditto
 * @hold: see there, ditto
 * @hold_work: its I/O has waited long enough; queued under &rnbd_clt_session.lock
 * @unknown_opening: @opening whose device id the server does not know any more
 * @unknown_work: closes the device if it was not opened since
 * @entry: on &rnbd_clt_session.devs, until the server has been told to close
 * @geo: as of the first mapping; block sizes and features stay what they were
 * @access_mode: as asked for
 * @nr: N of rnbd<N>
 * @path: device, as the server knows it
 * @links: names in ctl/devices that belong to the device; guarded by rnbd_clt_lock
 * @linked: number of @links that exist
 * @left: the server may have it open; guarded by @ctl_lock once it is mapped
 * @ctl_lock: see above
 * @abort_work: forced unmap: ends what the server does not answer
 * @unmap_work: module unload
 */
struct rnbd_clt_dev {
	/* read for each I/O */
	enum rnbd_clt_dev_state	state;
	u32			device_id;
	u32			opening;

	struct rnbd_clt_session	*sess;
	struct gendisk		*gd;
	u32			open_gen;
	u32			tried_gen;
	bool			slow;
	bool			mapped;
	unsigned int		tell;
	enum rnbd_clt_hold	hold;
	struct delayed_work	hold_work;
	u32			unknown_opening;
	struct work_struct	unknown_work;
	struct list_head	entry;
	struct rnbd_geometry	geo;
	enum rnbd_access_mode	access_mode;
	int			nr;
	char			path[RNBD_NAME_LEN];
	char			*links[RNBD_CLT_NR_LINKS];
	unsigned int		linked;
	bool			left;
	struct mutex		ctl_lock;	/* one control message at a time */
	struct delayed_work	abort_work;
	struct work_struct	unmap_work;
};

/**
 * struct rnbd_clt_rq - payload of each request
 * @req: request of the transport
 * @io: message of an I/O; administrative messages live with their sender
 * @opening: &rnbd_clt_dev.opening that the device id in @io is of
 * @link_gen: administrative message: link generation that it belongs to
 * @err: result; 0 or a negative errno
 * @timed_out: it has cost a path already
 * @sgl: &rnbd_clt_session.max_sg entries
 */
struct rnbd_clt_rq {
	struct rtrs_clt_req	req;
	struct rnbd_msg_io	io;
	u32			opening;
	u32			link_gen;
	int			err;
	bool			timed_out;
	struct scatterlist	sgl[];
};

enum rnbd_clt_unmap_mode {
	RNBD_CLT_UNMAP_NORMAL,	/* only if nobody uses the device */
	RNBD_CLT_UNMAP_FORCE,
};

/* Log lines of a device; the context is part of the administrative interface. */
#define rnbd_clt_log(print, dev, fmt, ...) do {				\
	const struct rnbd_clt_dev *__dev = (dev);				\
										\
	print("<%s@%s> " fmt, __dev->path, __dev->sess->name, ##__VA_ARGS__);	\
} while (0)

/* ---- rnbd-clt-sysfs.c ---- */

extern const struct attribute_group *rnbd_clt_disk_groups[];

int rnbd_clt_ctl_create(void);
void rnbd_clt_ctl_destroy(void);
int rnbd_clt_links_reserve(struct rnbd_clt_dev *dev);
void rnbd_clt_links_release(struct rnbd_clt_dev *dev);
int rnbd_clt_links_add(struct rnbd_clt_dev *dev);
void rnbd_clt_links_remove(struct rnbd_clt_dev *dev);

/* ---- rnbd-clt-nr.c ---- */

int rnbd_clt_nr_get(void);
void rnbd_clt_nr_put(int nr);

/* ---- rnbd-clt-opts.c ---- */

int rnbd_clt_opts_parse(char *line, struct rnbd_clt_map_opts *opts);

/* ---- rnbd-clt.c ---- */

extern struct workqueue_struct *rnbd_clt_wq;
extern struct workqueue_struct *rnbd_clt_reap_wq;
extern int rnbd_clt_major;

/* ---- rnbd-clt-dev.c ---- */

int rnbd_clt_map(const struct rnbd_clt_map_opts *opts);
int rnbd_clt_unmap_begin(struct rnbd_clt_dev *dev, enum rnbd_clt_unmap_mode mode);
void rnbd_clt_unmap_finish(struct rnbd_clt_dev *dev, enum rnbd_clt_unmap_mode mode);
void rnbd_clt_unmap_all(void);
int rnbd_clt_remap(struct rnbd_clt_dev *dev);
int rnbd_clt_resize(struct rnbd_clt_dev *dev, sector_t nsectors);
void rnbd_clt_dev_free(struct rnbd_clt_dev *dev);

/* ---- rnbd-clt-disk.c ---- */

int rnbd_clt_disk_create(struct rnbd_clt_dev *dev);
int rnbd_clt_disk_add(struct rnbd_clt_dev *dev);

/* ---- rnbd-clt-sess.c ---- */

extern struct mutex rnbd_clt_lock;
extern struct list_head rnbd_clt_sessions;

struct rnbd_clt_session *rnbd_clt_sess_get(const struct rnbd_clt_map_opts *opts);
void rnbd_clt_sess_put(struct rnbd_clt_session *sess);
void rnbd_clt_sess_put_async(struct rnbd_clt_session *sess);
struct rnbd_clt_session *rnbd_clt_sess_find(const char *name);
void rnbd_clt_sess_wait_none(void);

/* ---- rnbd-clt-link.c ---- */

void rnbd_clt_link_ev(void *priv, enum rtrs_clt_link_ev ev);
void rnbd_clt_link_work(struct work_struct *work);
int rnbd_clt_dev_open(struct rnbd_clt_dev *dev, struct rnbd_geometry *geo);
void rnbd_clt_dev_set_size(struct rnbd_clt_dev *dev, sector_t nsectors);
int rnbd_clt_dev_reopen(struct rnbd_clt_dev *dev);
void rnbd_clt_dev_close(struct rnbd_clt_dev *dev);
void rnbd_clt_dev_unknown(struct rnbd_clt_dev *dev, u32 opening);
void rnbd_clt_dev_unknown_work(struct work_struct *work);

/* ---- rnbd-clt-left.c ---- */

void rnbd_clt_left_add(struct rnbd_clt_dev *dev);
void rnbd_clt_left_take(struct rnbd_clt_dev *dev);
int rnbd_clt_left_close(struct rnbd_clt_session *sess, u32 link_gen);
void rnbd_clt_left_free(struct rnbd_clt_session *sess);

/* ---- rnbd-clt-tell.c ---- */

#define RNBD_CLT_TELL_LOST	BIT(0)	/* closed with the link */
#define RNBD_CLT_TELL_OFFLINE	BIT(1)	/* closed for another cause */
#define RNBD_CLT_TELL_RESIZED	BIT(2)
#define RNBD_CLT_TELL_ONLINE	BIT(3)

void rnbd_clt_tell(struct rnbd_clt_dev *dev, unsigned int what);
void rnbd_clt_tell_flush(struct rnbd_clt_session *sess);
void rnbd_clt_tell_work(struct work_struct *work);

/* ---- rnbd-clt-hold.c ---- */

bool rnbd_clt_holds(const struct rnbd_clt_dev *dev);
void rnbd_clt_hold_request(struct request *rq);
void rnbd_clt_hold_start(struct rnbd_clt_dev *dev);
void rnbd_clt_hold_end(struct rnbd_clt_dev *dev, enum rnbd_clt_hold hold);
void rnbd_clt_hold_over(struct rnbd_clt_dev *dev);
void rnbd_clt_hold_work(struct work_struct *work);

/* ---- rnbd-clt-msg.c ---- */

int rnbd_clt_msg_sess_info(struct rnbd_clt_session *sess, u32 link_gen);
int rnbd_clt_msg_open(struct rnbd_clt_session *sess, const char *path,
		      enum rnbd_access_mode mode, u32 link_gen, struct rnbd_geometry *geo);
int rnbd_clt_msg_close(struct rnbd_clt_session *sess, u32 link_gen, u32 device_id);

/* ---- rnbd-clt-io.c ---- */

int rnbd_clt_queues_create(struct rnbd_clt_session *sess);
void rnbd_clt_queues_stop(struct rnbd_clt_session *sess);
void rnbd_clt_queues_free(struct rnbd_clt_session *sess);
void rnbd_clt_queues_abort(struct rnbd_clt_dev *dev);
void rnbd_clt_queues_set_timeout(struct rnbd_clt_session *sess, unsigned int timeout_ms);

#endif /* RNBD_CLT_H */
