/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RNBD server: its objects, and who offers what to whom.  The prototypes are grouped
 * by the file that defines them; a file may call what stands below it here.
 *
 *	session --- mapping (device id) --- exported device (block device)
 *
 * A mapping is one session's use of one block device.  The session finds it by its
 * device id, the exported device lists it for the access rule and for sysfs.
 *
 * Order of closing, whoever closes: take the mapping out of the table of its session
 * (there is one winner), stop new I/O, wait for running I/O, detach it from the
 * exported device, close the block device.
 *
 * Locks: rnbd_srv_dev_lock (rnbd-srv-dev.c) guards the list of exported devices, their
 * mappings, writers and directories.  It is taken in sleepable context, and block
 * devices are opened and closed outside of it.  OPEN and CLOSE of a session run one
 * at a time on the workqueue of the session; force_close runs beside them.
 */
#ifndef RNBD_SRV_H
#define RNBD_SRV_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/kobject.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/percpu-refcount.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "rnbd-common.h"
#include "rtrs/rtrs.h"

/**
 * struct rnbd_srv_sess - a client session
 * @rtrs: session of the transport
 * @name: name of the session
 * @ver: agreed protocol version; 0 before SESS_INFO
 * @maps: device id to &struct rnbd_srv_map; read under RCU by the I/O path
 * @wq: ordered; SESS_INFO, OPEN and CLOSE run here, outside the receive path
 * @nr_maps: attached mappings, guarded by rnbd_srv_dev_lock
 * @ref: one of the session itself and one of each mapping
 * @released: completed when @ref is gone
 *
 * Created and destroyed by the link events of the transport.  Destruction waits for
 * @released, because an administrator may be closing a mapping at that moment.
 */
struct rnbd_srv_sess {
	/* read for each I/O */
	struct xarray		maps;
	u8			ver;

	struct rtrs_srv_sess	*rtrs;
	const char		*name;
	struct workqueue_struct	*wq;
	unsigned int		nr_maps;
	struct kref		ref;
	struct completion	released;
};

/**
 * struct rnbd_srv_dev - an exported block device
 * @kobj: directory ctl/devices/<bdev>; the only reference count, its release frees
 * @sessions: directory ctl/devices/<bdev>/sessions
 * @bdev: the device; kept open by the mappings
 * @writers: mappings that may write (rw and migration), of all sessions
 * @nr_maps: number of @maps, read without the lock
 * @maps: &rnbd_srv_map.dev_entry, never empty
 * @entry: on the list of exported devices
 *
 * Created by the first mapping that attaches, removed by the last that detaches.  All
 * fields are guarded by rnbd_srv_dev_lock.
 */
struct rnbd_srv_dev {
	struct kobject		kobj;
	struct kobject		*sessions;
	struct block_device	*bdev;
	unsigned int		writers;
	unsigned int		nr_maps;
	struct list_head	maps;
	struct list_head	entry;
};

/**
 * struct rnbd_srv_map - a mapping: one session's use of a block device
 * @io_ref: running I/O, and one until the mapping is stopped; not a lifetime
 * @bdev: block device of @file
 * @mode: access mode; changed under rnbd_srv_dev_lock, read without
 * @waiting: number of I/O requests on @wq
 * @id: device id, set before the mapping can be found
 * @sess: session, valid as long as the mapping is attached or running I/O
 * @dev: exported device, while attached
 * @file: open block device
 * @wq: ordered; brings I/O to the block device that this one had no room for
 * @kobj: directory sessions/<session>; the only reference count, its release frees
 * @dev_entry: on &rnbd_srv_dev.maps
 * @entry: on the list of mappings that are closed together
 * @idle: completed when @io_ref is gone
 * @rcu: readers of &rnbd_srv_sess.maps may still look at the mapping
 * @name: device path as the client sent it
 *
 * Whoever takes it out of &rnbd_srv_sess.maps closes it.
 */
struct rnbd_srv_map {
	/* read for each I/O */
	struct percpu_ref	io_ref;
	struct block_device	*bdev;
	u8			mode;
	atomic_t		waiting;

	u32			id;
	struct rnbd_srv_sess	*sess;
	struct rnbd_srv_dev	*dev;
	struct file		*file;
	struct workqueue_struct	*wq;
	struct kobject		kobj;
	struct list_head	dev_entry;
	struct list_head	entry;
	struct completion	idle;
	struct rcu_head		rcu;
	char			name[RNBD_NAME_LEN];
};

/**
 * struct rnbd_srv_req - what the server keeps per slot (&rtrs_srv_req.priv)
 * @req: request of the transport
 * @map: I/O: mapping, with a reference on &rnbd_srv_map.io_ref
 * @bio: I/O: the one bio of the slot
 * @bvec: I/O: its one segment, the data in the chunk
 * @sess: administrative message: session
 * @work: administrative message: on &rnbd_srv_sess.wq; I/O: on &rnbd_srv_map.wq
 */
struct rnbd_srv_req {
	struct rtrs_srv_req	*req;
	struct rnbd_srv_map	*map;
	struct bio		bio;
	struct bio_vec		bvec;
	struct rnbd_srv_sess	*sess;
	struct work_struct	work;
};

/*
 * Log lines of a device and of a session; the context is part of the administrative
 * interface.  Names come from the peer: what cannot be printed is escaped.
 */
#define rnbd_srv_log(print, path, session, fmt, ...)				\
do {										\
	const char *_path = (path);						\
	const char *_name = (session)->name;					\
										\
	print("<%*pE@%*pE>: " fmt, (int)strlen(_path), _path,			\
	      (int)strlen(_name), _name, ##__VA_ARGS__);			\
} while (0)

#define rnbd_srv_sess_log(print, session, fmt, ...)				\
do {										\
	const char *_name = (session)->name;					\
										\
	print("<%*pE>: " fmt, (int)strlen(_name), _name, ##__VA_ARGS__);	\
} while (0)

/* ---- rnbd-srv.c ---- */

int rnbd_srv_path(char *buf, const struct rnbd_srv_sess *sess, const char *dev_name);
unsigned int rnbd_srv_max_prio_class(void);
unsigned int rnbd_srv_max_sess_devices(void);
void rnbd_srv_sess_put(struct rnbd_srv_sess *sess);

/* ---- rnbd-srv-msg.c ---- */

void rnbd_srv_msg(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req);

/* ---- rnbd-srv-io.c ---- */

void rnbd_srv_io(struct rnbd_srv_sess *sess, struct rtrs_srv_req *req);

/* ---- rnbd-srv-map.c ---- */

struct rnbd_srv_map *rnbd_srv_map_open(struct rnbd_srv_sess *sess, const char *name,
				       enum rnbd_access_mode mode);
struct rnbd_srv_map *rnbd_srv_map_get(struct rnbd_srv_sess *sess, u32 id);
struct rnbd_srv_map *rnbd_srv_map_take(struct rnbd_srv_sess *sess, u32 id);
bool rnbd_srv_map_take_this(struct rnbd_srv_map *map);
void rnbd_srv_map_close(struct rnbd_srv_map *map);
void rnbd_srv_map_close_all(struct rnbd_srv_sess *sess);
void rnbd_srv_map_init(void);

static inline void rnbd_srv_map_put(struct rnbd_srv_map *map)
{
	percpu_ref_put(&map->io_ref);
}

/* ---- rnbd-srv-dev.c ---- */

int rnbd_srv_dev_attach(struct rnbd_srv_map *map, enum rnbd_access_mode mode);
int rnbd_srv_dev_upgrade(struct rnbd_srv_map *map, enum rnbd_access_mode mode);
void rnbd_srv_dev_detach(struct rnbd_srv_map *map);
unsigned int rnbd_srv_dev_local_openers(const struct rnbd_srv_dev *dev);

/* ---- rnbd-srv-sysfs.c ---- */

int rnbd_srv_sysfs_dev_add(struct rnbd_srv_dev *dev, const char *name);
void rnbd_srv_sysfs_dev_remove(struct rnbd_srv_dev *dev);
void rnbd_srv_sysfs_map_init(struct rnbd_srv_map *map);
int rnbd_srv_sysfs_map_add(struct rnbd_srv_map *map);
void rnbd_srv_sysfs_map_remove(struct rnbd_srv_map *map);
int rnbd_srv_sysfs_init(void);
void rnbd_srv_sysfs_exit(void);

/* ---- rnbd-srv-name.c: pure ---- */

int rnbd_srv_path_build(char *buf, const char *search, const char *sessname,
			const char *dev_name);
int rnbd_srv_search_path_set(char *search, const char *val);

#endif /* RNBD_SRV_H */
