// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * RNBD server: mappings, their device ids, and the block devices behind them.
 *
 * Purpose: the life of a mapping from OPEN to CLOSE, force_close or the end of its
 * session.
 * Operation: device ids come from one counter for the whole server that starts at
 * random and is not reused: a client that missed the loss of its session gets an
 * errno for its old ids, never another disk.  I/O finds a mapping under RCU and holds
 * a per-CPU reference.  Closing goes in stages: taken out of the table, stopped (no
 * new I/O), drained, detached, block device closed, let go.
 * Failure: an errno for the client; a half-made mapping is undone here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/file.h>
#include <linux/limits.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "rnbd-srv.h"

#define MAX_BLOCK_SIZE	32768	/* bytes; what OPEN_RSP can tell */

static atomic_t last_id;

static struct file *backing_open(const struct rnbd_srv_sess *sess, const char *name,
				 enum rnbd_access_mode mode)
{
	blk_mode_t blk_mode = BLK_OPEN_READ;
	struct file *file;
	char *path;
	int err;

	if (mode != RNBD_ACCESS_RO)
		blk_mode |= BLK_OPEN_WRITE;
	path = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!path)
		return ERR_PTR(-ENOMEM);
	err = rnbd_srv_path(path, sess, name);
	if (err)
		file = ERR_PTR(err);
	else
		file = bdev_file_open_by_path(path, blk_mode, NULL, NULL);
	kfree(path);
	return file;
}

/*
 * Not bdev_fput(): workers and tasks put that off, and the block device must be free when
 * the client has its answer.
 */
static void backing_close(struct file *file)
{
	__fput_sync(file);
}

static void map_idle(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct rnbd_srv_map, io_ref)->idle);
}

static struct rnbd_srv_map *map_alloc(struct rnbd_srv_sess *sess, const char *name)
{
	struct rnbd_srv_map *map;

	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return ERR_PTR(-ENOMEM);
	rnbd_srv_sysfs_map_init(map);
	map->wq = alloc_ordered_workqueue("rnbd_srv_io", 0);
	if (!map->wq)
		goto put_map;
	if (percpu_ref_init(&map->io_ref, map_idle, 0, GFP_KERNEL))
		goto destroy_wq;
	init_completion(&map->idle);
	strscpy(map->name, name, sizeof(map->name));
	kref_get(&sess->ref);
	map->sess = sess;
	return map;

destroy_wq:
	destroy_workqueue(map->wq);
put_map:
	kobject_put(&map->kobj);
	return ERR_PTR(-ENOMEM);
}

static void map_put_last(struct rnbd_srv_map *map)
{
	struct rnbd_srv_sess *sess = map->sess;

	destroy_workqueue(map->wq);
	kobject_put(&map->kobj);
	rnbd_srv_sess_put(sess);
}

/* Holds the place of the id in the table, so that publishing cannot fail. */
static int id_reserve(struct rnbd_srv_map *map)
{
	int err;

	do {
		map->id = atomic_inc_return(&last_id);
		err = xa_insert(&map->sess->maps, map->id, NULL, GFP_KERNEL);
	} while (err == -EBUSY);
	return err;
}

static int backing_attach(struct rnbd_srv_map *map, enum rnbd_access_mode mode)
{
	int err = -EINVAL;

	map->file = backing_open(map->sess, map->name, mode);
	if (IS_ERR(map->file))
		return PTR_ERR(map->file);
	map->bdev = file_bdev(map->file);
	if (bdev_logical_block_size(map->bdev) <= MAX_BLOCK_SIZE)
		err = rnbd_srv_dev_attach(map, mode);
	if (err)
		backing_close(map->file);
	return err;
}

/* Returns the mapping with a reference for running I/O. */
static struct rnbd_srv_map *map_create(struct rnbd_srv_sess *sess, const char *name,
				       enum rnbd_access_mode mode)
{
	struct rnbd_srv_map *map;
	int err;

	map = map_alloc(sess, name);
	if (IS_ERR(map))
		return map;
	err = id_reserve(map);
	if (err)
		goto put_map;
	err = backing_attach(map, mode);
	if (err)
		goto release_id;

	percpu_ref_get(&map->io_ref);
	xa_store(&sess->maps, map->id, map, GFP_KERNEL);
	return map;

release_id:
	xa_release(&sess->maps, map->id);
put_map:
	map_put_last(map);
	return ERR_PTR(err);
}

static struct rnbd_srv_map *map_get_by_name(struct rnbd_srv_sess *sess, const char *name)
{
	struct rnbd_srv_map *map, *found = NULL;
	unsigned long id;

	rcu_read_lock();
	xa_for_each(&sess->maps, id, map) {
		if (strcmp(map->name, name))
			continue;
		if (percpu_ref_tryget_live(&map->io_ref))
			found = map;
		break;
	}
	rcu_read_unlock();
	return found;
}

/*
 * A client that had the device read-only wants to write (13.9): its session survived
 * but the mapping on its side did not.  I/O knows the block device only, so that
 * another file can take the place of the first.
 */
static int map_upgrade(struct rnbd_srv_map *map, enum rnbd_access_mode mode)
{
	struct file *file;
	int err = -EBUSY;

	if (mode == RNBD_ACCESS_RO || map->mode != RNBD_ACCESS_RO)
		return 0;
	file = backing_open(map->sess, map->name, mode);
	if (IS_ERR(file))
		return PTR_ERR(file);
	if (file_bdev(file) == map->bdev)
		err = rnbd_srv_dev_upgrade(map, mode);
	if (!err)
		swap(map->file, file);
	backing_close(file);
	return err;
}

/**
 * rnbd_srv_map_open() - open a device for a session (5.1)
 * @sess: session
 * @name: device path as the client sent it
 * @mode: access mode
 *
 * A name that is open already gives the same mapping again; the mode then counts only
 * if it is stronger than what the mapping has.
 *
 * Context: workqueue of @sess.
 * Return: mapping with a reference for running I/O, which the caller gives back by
 * rnbd_srv_map_put(), or an ERR_PTR with the errno for the client.
 */
struct rnbd_srv_map *rnbd_srv_map_open(struct rnbd_srv_sess *sess, const char *name,
				       enum rnbd_access_mode mode)
{
	struct rnbd_srv_map *map = map_get_by_name(sess, name);
	int err;

	if (!map)
		return map_create(sess, name, mode);
	err = map_upgrade(map, mode);
	if (!err)
		return map;
	rnbd_srv_map_put(map);
	return ERR_PTR(err);
}

/**
 * rnbd_srv_map_get() - find a mapping for I/O
 * @sess: session
 * @id: device id
 *
 * Context: any.
 * Return: mapping with a reference for running I/O, or NULL.
 */
struct rnbd_srv_map *rnbd_srv_map_get(struct rnbd_srv_sess *sess, u32 id)
{
	struct rnbd_srv_map *map;

	rcu_read_lock();
	map = xa_load(&sess->maps, id);
	if (map && !percpu_ref_tryget_live(&map->io_ref))
		map = NULL;
	rcu_read_unlock();
	return map;
}

/**
 * rnbd_srv_map_take() - take a mapping out of its session, by device id
 * @sess: session
 * @id: device id
 *
 * Context: process; not beside an OPEN of the session.
 * Return: the mapping, which the caller must close, or NULL.
 */
struct rnbd_srv_map *rnbd_srv_map_take(struct rnbd_srv_sess *sess, u32 id)
{
	return xa_erase(&sess->maps, id);
}

/**
 * rnbd_srv_map_take_this() - take a mapping out of its session
 * @map: mapping that cannot go away; it may still be on its way into the table
 *
 * Context: process.
 * Return: true if the caller must close the mapping now.
 */
bool rnbd_srv_map_take_this(struct rnbd_srv_map *map)
{
	return xa_cmpxchg(&map->sess->maps, map->id, map, NULL, GFP_KERNEL) == map;
}

static void map_stop(struct rnbd_srv_map *map)
{
	percpu_ref_kill(&map->io_ref);
}

static void map_finish(struct rnbd_srv_map *map)
{
	wait_for_completion(&map->idle);
	/* Who submits a bio may still be in the block layer when it has ended. */
	flush_workqueue(map->wq);
	rnbd_srv_dev_detach(map);
	backing_close(map->file);
	rnbd_srv_log(pr_info_ratelimited, map->name, map->sess, "device closed, id %u\n", map->id);
	map_put_last(map);
}

/**
 * rnbd_srv_map_close() - close a mapping that was taken out of its session
 * @map: mapping; gone afterwards
 *
 * Context: process, sleeps until running I/O of the mapping is finished.
 */
void rnbd_srv_map_close(struct rnbd_srv_map *map)
{
	map_stop(map);
	map_finish(map);
}

/**
 * rnbd_srv_map_close_all() - close all mappings of a session
 * @sess: session without OPEN or CLOSE
 *
 * All are stopped before the first is waited for: many devices take one grace period.
 *
 * Context: process, sleeps.
 */
void rnbd_srv_map_close_all(struct rnbd_srv_sess *sess)
{
	struct rnbd_srv_map *map, *next;
	LIST_HEAD(stopped);
	unsigned long id;

	xa_for_each(&sess->maps, id, map) {
		map = rnbd_srv_map_take(sess, id);
		if (!map)
			continue;
		map_stop(map);
		list_add_tail(&map->entry, &stopped);
	}
	list_for_each_entry_safe(map, next, &stopped, entry)
		map_finish(map);
}

/**
 * rnbd_srv_map_init() - choose where device ids begin
 *
 * Context: module load.
 */
void rnbd_srv_map_init(void)
{
	atomic_set(&last_id, get_random_u32());
}
