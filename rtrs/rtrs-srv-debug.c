// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Knobs for tests: each switches off one of the rules that keep data safe when a path is
 * lost, or holds up a path.  Only in builds with CONFIG_INFINIBAND_RTRS_DEBUG.
 *
 * Operation: files in /sys/kernel/debug/rtrs_server.
 *
 *	no_slot_fence		a request for a busy slot that comes by another path runs at
 *				once, in a spare slot, instead of waiting for the first one
 *	no_new_path_wait	a path becomes connected while requests of closing ones run
 *	no_path_fence		PATH_FENCE and FENCE_DRAIN are in force on no new path
 *	stall_path		name of a path: its requests are received and not looked at,
 *				until the name is taken away or the path closes; connection 0
 *				goes on, so that nobody misses a heartbeat
 *	stalled			how many receives are held up at the moment (read only)
 *	hold_free		closed paths keep their queue pairs and memory, as if the RDMA
 *				device did not let go of them
 *	held_free		how many do at the moment (read only)
 *
 * Failure: data get lost, which is what the knobs are for; the kernel stays well.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/llist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "rtrs-srv-debug.h"

#define POLL_MS		10

/**
 * struct spare - a slot beside those of its session
 * @entry: on spares
 * @slot: the slot
 * @priv: of the upper layer
 *
 * Used once.  Who answers a request does not look at its slot afterwards, but nobody says
 * when that is; so it is freed with the module.
 */
struct spare {
	struct llist_node	entry;
	struct rtrs_srv_slot	slot;
	u8			priv[] __aligned(SMP_CACHE_BYTES);
};

static struct dentry *dir;
static bool no_slot_fence;
static bool no_new_path_wait;
static bool no_path_fence;
static LLIST_HEAD(spares);

static DEFINE_SPINLOCK(stall_lock);	/* guards the name */
static char stall_name[RTRS_PATH_STRLEN];
static atomic_t stalled;
static bool hold_free;
static atomic_t held_free;

/* ---- no_slot_fence ---- */

static struct rtrs_srv_slot *spare_create(const struct rtrs_srv_slot *slot)
{
	size_t priv_size = slot->req.sess->srv->ops->req_priv_size;
	struct spare *spare;

	spare = kzalloc(struct_size(spare, priv, priv_size), GFP_KERNEL);
	if (!spare)
		return NULL;

	spare->slot.req.sess = slot->req.sess;
	spare->slot.req.slot = slot->req.slot;
	spare->slot.req.msg = spare->slot.msg;
	spare->slot.req.priv = priv_size ? spare->priv : NULL;
	spare->slot.revoke_cqe = slot->revoke_cqe;
	INIT_WORK(&spare->slot.resume, slot->resume.func);
	llist_add(&spare->entry, &spares);
	return &spare->slot;
}

/**
 * rtrs_srv_debug_slot - choose the slot that a request runs in
 * @slot: the one that it asks for
 * @path: path by which it came
 *
 * Context: process, may sleep.
 *
 * Return: @slot; with no_slot_fence a spare slot of the same number if another path's
 * request runs in it.
 */
struct rtrs_srv_slot *rtrs_srv_debug_slot(struct rtrs_srv_slot *slot,
					  const struct rtrs_srv_path *path)
{
	unsigned long owner = READ_ONCE(slot->owner) & ~1UL;

	if (!READ_ONCE(no_slot_fence) || !owner || owner == (unsigned long)path)
		return slot;
	return spare_create(slot) ?: slot;
}

static void spares_free(void)
{
	struct spare *spare, *next;

	llist_for_each_entry_safe(spare, next, llist_del_all(&spares), entry)
		kfree(spare);
}

/* ---- no_new_path_wait, no_path_fence ---- */

/**
 * rtrs_srv_debug_no_wait - does a new path not wait for requests of closing ones?
 *
 * Context: any.
 *
 * Return: no_new_path_wait.
 */
bool rtrs_srv_debug_no_wait(void)
{
	return READ_ONCE(no_new_path_wait);
}

/**
 * rtrs_srv_debug_ext - choose extensions for a new path
 * @ext: those that could be in force
 *
 * Context: any.
 *
 * Return: @ext, with no_path_fence without the fence.
 */
u32 rtrs_srv_debug_ext(u32 ext)
{
	return READ_ONCE(no_path_fence) ? ext & ~(RTRS_EXT_PATH_FENCE | RTRS_EXT_FENCE_DRAIN)
					: ext;
}

/* ---- stall_path ---- */

static bool is_stalled(const struct rtrs_srv_path *path)
{
	bool named;

	spin_lock(&stall_lock);
	named = !strcmp(stall_name, path->name);
	spin_unlock(&stall_lock);
	return named && rtrs_srv_path_state(path) == RTRS_SRV_CONNECTED;
}

/**
 * rtrs_srv_debug_stall - a request was received, and nobody has looked at it
 * @con: connection by which it came
 *
 * Context: process, sleeps while the path is held up.
 */
void rtrs_srv_debug_stall(const struct rtrs_srv_con *con)
{
	if (!con->base.cid || !is_stalled(con->path))
		return;

	atomic_inc(&stalled);
	while (is_stalled(con->path))
		msleep(POLL_MS);
	atomic_dec(&stalled);
}

static ssize_t stall_path_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	char text[RTRS_PATH_STRLEN + 1];
	int len;

	spin_lock(&stall_lock);
	len = scnprintf(text, sizeof(text), "%s\n", stall_name);
	spin_unlock(&stall_lock);
	return simple_read_from_buffer(buf, count, pos, text, len);
}

static ssize_t stall_path_write(struct file *file, const char __user *buf, size_t count,
				loff_t *pos)
{
	char *text;

	if (count > RTRS_PATH_STRLEN)
		return -EINVAL;
	text = memdup_user_nul(buf, count);
	if (IS_ERR(text))
		return PTR_ERR(text);

	spin_lock(&stall_lock);
	strscpy(stall_name, strim(text), sizeof(stall_name));
	spin_unlock(&stall_lock);
	kfree(text);
	return count;
}

static const struct file_operations stall_path_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.read	= stall_path_read,
	.write	= stall_path_write,
};

/* ---- hold_free ---- */

/**
 * rtrs_srv_debug_free - a path is about to be taken from its RDMA device
 *
 * Context: process, sleeps while hold_free is set.
 */
void rtrs_srv_debug_free(void)
{
	atomic_inc(&held_free);
	while (READ_ONCE(hold_free))
		msleep(POLL_MS);
	atomic_dec(&held_free);
}

/* ---- init and exit ---- */

/**
 * rtrs_srv_debug_init - show the knobs
 *
 * Context: process, may sleep.
 */
void rtrs_srv_debug_init(void)
{
	dir = debugfs_create_dir("rtrs_server", NULL);
	debugfs_create_bool("no_slot_fence", 0600, dir, &no_slot_fence);
	debugfs_create_bool("no_new_path_wait", 0600, dir, &no_new_path_wait);
	debugfs_create_bool("no_path_fence", 0600, dir, &no_path_fence);
	debugfs_create_file("stall_path", 0600, dir, NULL, &stall_path_fops);
	debugfs_create_atomic_t("stalled", 0400, dir, &stalled);
	debugfs_create_bool("hold_free", 0600, dir, &hold_free);
	debugfs_create_atomic_t("held_free", 0400, dir, &held_free);
	pr_warn("built with debugging knobs, not for use\n");
}

/**
 * rtrs_srv_debug_exit - take them away
 *
 * Context: process, may sleep; no session exists any more.
 */
void rtrs_srv_debug_exit(void)
{
	debugfs_remove(dir);
	spares_free();
}
