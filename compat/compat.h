/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What kernels older than 6.12 lack, one block for each item.  Force-included by
 * out-of-tree builds only (kbuild.mk); the HAVE_ symbols come from probe.sh, which
 * looks for each item in the headers of the target.  With a 6.12 target next to nothing is
 * left of this file.
 */
#ifndef RNBD_COMPAT_H
#define RNBD_COMPAT_H

/*
 * The sources define it before their first include, and this file is in front of that.
 * Token for token the same definition, so that the compiler accepts both.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

/* ---- disk open and release: by disk and blk_mode_t instead of bdev and fmode_t ---- */

#ifndef HAVE_BLK_MODE_T
#include <linux/fs.h>

typedef fmode_t blk_mode_t;
#define BLK_OPEN_READ	FMODE_READ
#define BLK_OPEN_WRITE	FMODE_WRITE
#define BLK_OPEN_EXCL	FMODE_EXCL
#define BLK_OPEN_NDELAY	FMODE_NDELAY
#endif

#ifndef HAVE_BLK_OPEN_DISK
/* Everything that blkdev.h includes, so that the two macros below reach it alone. */
#include <linux/bio.h>
#include <linux/blk_types.h>
#include <linux/blkzoned.h>
#include <linux/device.h>
#include <linux/percpu-refcount.h>
#include <linux/sbitmap.h>
#include <linux/srcu.h>
#include <linux/uuid.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

/*
 * Gives the two members of struct block_device_operations their new types.  The old
 * types remain as members without size, hence the layout stays what the kernel expects.
 */
#define open	open)(struct gendisk *, blk_mode_t), (*compat_open[0]
#define release	release)(struct gendisk *), (*compat_release[0]
#include <linux/blkdev.h>
#undef open
#undef release

/**
 * struct compat_fops - operations that the kernel may call, and those of the driver
 * @kernel: copy of @driver with open and release replaced
 * @driver: operations as the driver wrote them
 */
struct compat_fops {
	struct block_device_operations kernel;
	const struct block_device_operations *driver;
};

static inline const struct block_device_operations *compat_fops(struct gendisk *disk)
{
	return container_of(disk->fops, struct compat_fops, kernel)->driver;
}

static inline int compat_disk_open(struct block_device *bdev, fmode_t mode)
{
	return compat_fops(bdev->bd_disk)->open(bdev->bd_disk, mode);
}

static inline void compat_disk_release(struct gendisk *disk, fmode_t mode)
{
	compat_fops(disk)->release(disk);
}

static inline void compat_fops_set(struct gendisk *disk, struct compat_fops *fops)
{
	if (fops->driver != disk->fops) {
		fops->kernel = *disk->fops;
		if (fops->kernel.open)
			fops->kernel.open = (void *)compat_disk_open;
		if (fops->kernel.release)
			fops->kernel.release = (void *)compat_disk_release;
		fops->driver = disk->fops;
	}
	disk->fops = &fops->kernel;
}

/* One call site serves one kind of disk, so its operations are set up once, statically. */
#define device_add_disk(parent, disk, groups) ({			\
	static struct compat_fops __compat_fops;			\
	static DEFINE_MUTEX(__compat_fops_lock);			\
									\
	mutex_lock(&__compat_fops_lock);				\
	compat_fops_set(disk, &__compat_fops);				\
	mutex_unlock(&__compat_fops_lock);				\
	device_add_disk(parent, disk, groups);				\
})
#endif

/* ---- block devices opened as files ---- */

#ifndef HAVE_BDEV_FILE
#include <linux/blkdev.h>
#include <linux/file.h>
#include <linux/slab.h>

struct blk_holder_ops;

/* Stands in for the struct file; nothing but the functions below looks inside. */
struct compat_bdev_file {
	struct block_device	*bdev;
	fmode_t			mode;
};

static inline struct block_device *file_bdev(struct file *file)
{
	return ((struct compat_bdev_file *)file)->bdev;
}

static inline struct file *bdev_file_open_by_path(const char *path, blk_mode_t mode,
						  void *holder,
						  const struct blk_holder_ops *hops)
{
	struct compat_bdev_file *file = kmalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return ERR_PTR(-ENOMEM);
	file->mode = mode | (holder ? FMODE_EXCL : 0);
	file->bdev = blkdev_get_by_path(path, file->mode, holder);
	if (IS_ERR(file->bdev)) {
		int err = PTR_ERR(file->bdev);

		kfree(file);
		return ERR_PTR(err);
	}
	return (struct file *)file;
}

static inline void compat_bdev_close(struct file *file)
{
	blkdev_put(file_bdev(file), ((struct compat_bdev_file *)file)->mode);
	kfree(file);
}

/* All that is put so is a file of bdev_file_open_by_path(). */
#define __fput_sync(file)	compat_bdev_close(file)
#endif

/* ---- lists of requests with a type of their own ---- */

#ifndef HAVE_RQ_LIST
#ifdef CONFIG_CFI_CLANG
#error "the type of blk_mq_ops.queue_rqs differs, which this kernel would notice"
#endif

/* The older kernel hands over the address of what is the first member here. */
struct rq_list {
	struct request *head;
};

/* As above: a new type for one member, the layout stays. */
#define queue_rqs	queue_rqs)(struct rq_list *), (*compat_queue_rqs[0]
#include <linux/blk-mq.h>
#undef queue_rqs
#undef rq_list_empty
#undef rq_list_pop

static inline int rq_list_empty(const struct rq_list *list)
{
	return !list->head;
}

static inline struct request *rq_list_pop(struct rq_list *list)
{
	struct request *rq = list->head;

	if (rq) {
		list->head = rq->rq_next;
		rq->rq_next = NULL;
	}
	return rq;
}
#endif

/* ---- queue limits and features handed over when the queue is made ---- */

#ifndef HAVE_BLK_FEATURES
#include <linux/blk-mq.h>

#define BLK_FEAT_WRITE_CACHE	BIT(0)
#define BLK_FEAT_FUA		BIT(1)
#define BLK_FEAT_ROTATIONAL	BIT(2)
#define BLK_FEAT_ADD_RANDOM	BIT(3)
#define BLK_FEAT_STABLE_WRITES	BIT(5)

/* The members that a driver sets; 0 leaves the default. */
struct compat_queue_limits {
	unsigned int	features;
	unsigned long	virt_boundary_mask;
	unsigned int	max_hw_sectors;
	unsigned int	max_segment_size;
	unsigned int	physical_block_size;
	unsigned int	logical_block_size;
	unsigned int	io_min;
	unsigned int	io_opt;
	unsigned int	max_hw_discard_sectors;
	unsigned int	max_secure_erase_sectors;
	unsigned int	max_write_zeroes_sectors;
	unsigned int	discard_granularity;
	unsigned int	discard_alignment;
	unsigned int	dma_alignment;
	unsigned short	max_segments;
	unsigned short	max_discard_segments;
};

static inline void compat_set_flag(struct request_queue *q, unsigned int flag, bool on)
{
	if (on)
		blk_queue_flag_set(flag, q);
	else
		blk_queue_flag_clear(flag, q);
}

static inline void compat_apply_features(struct request_queue *q, unsigned int feat)
{
	blk_queue_write_cache(q, feat & BLK_FEAT_WRITE_CACHE, feat & BLK_FEAT_FUA);
	compat_set_flag(q, QUEUE_FLAG_NONROT, !(feat & BLK_FEAT_ROTATIONAL));
	compat_set_flag(q, QUEUE_FLAG_ADD_RANDOM, feat & BLK_FEAT_ADD_RANDOM);
	compat_set_flag(q, QUEUE_FLAG_STABLE_WRITES, feat & BLK_FEAT_STABLE_WRITES);
}

static inline void compat_apply_sizes(struct request_queue *q,
				      const struct compat_queue_limits *lim)
{
	if (lim->logical_block_size)
		blk_queue_logical_block_size(q, lim->logical_block_size);
	if (lim->physical_block_size)
		blk_queue_physical_block_size(q, lim->physical_block_size);
	if (lim->io_min)
		blk_queue_io_min(q, lim->io_min);
	if (lim->io_opt)
		blk_queue_io_opt(q, lim->io_opt);
	if (lim->max_hw_sectors)
		blk_queue_max_hw_sectors(q, lim->max_hw_sectors);
	if (lim->max_segments)
		blk_queue_max_segments(q, lim->max_segments);
	/* a virt boundary implies segments of any size, hence comes last */
	if (lim->max_segment_size && !lim->virt_boundary_mask)
		blk_queue_max_segment_size(q, lim->max_segment_size);
	if (lim->virt_boundary_mask)
		blk_queue_virt_boundary(q, lim->virt_boundary_mask);
	if (lim->dma_alignment)
		blk_queue_dma_alignment(q, lim->dma_alignment);
}

static inline void compat_apply_discard(struct request_queue *q,
					const struct compat_queue_limits *lim)
{
	q->limits.discard_granularity = lim->discard_granularity;
	q->limits.discard_alignment = lim->discard_alignment;
	blk_queue_max_discard_sectors(q, lim->max_hw_discard_sectors);
	if (lim->max_discard_segments)
		blk_queue_max_discard_segments(q, lim->max_discard_segments);
	blk_queue_max_secure_erase_sectors(q, lim->max_secure_erase_sectors);
	blk_queue_max_write_zeroes_sectors(q, lim->max_write_zeroes_sectors);
}

static inline void compat_apply_limits(struct request_queue *q,
				       const struct compat_queue_limits *lim)
{
	if (!lim)
		return;
	compat_apply_features(q, lim->features);
	compat_apply_sizes(q, lim);
	compat_apply_discard(q, lim);
}

#undef blk_mq_alloc_disk
#define blk_mq_alloc_disk(set, lim, queuedata) ({			\
	static struct lock_class_key __compat_key;			\
	struct gendisk *__disk = __blk_mq_alloc_disk(set, queuedata,	\
						     &__compat_key);	\
									\
	if (!IS_ERR(__disk))						\
		compat_apply_limits(__disk->queue, lim);		\
	__disk;								\
})

static inline struct request_queue *
blk_mq_alloc_queue(struct blk_mq_tag_set *set, const struct compat_queue_limits *lim,
		   void *queuedata)
{
	struct request_queue *q = blk_mq_init_queue(set);

	if (!IS_ERR(q)) {
		q->queuedata = queuedata;
		compat_apply_limits(q, lim);
	}
	return q;
}

/*
 * blk_mq_destroy_queue() puts the queue in some of these kernels (6.1 before 6.1.168), in
 * others its caller has to.  Only the caller holds a reference on a queue without a disk,
 * so one more tells.
 */
static inline void compat_blk_mq_destroy_queue(struct request_queue *q)
{
	kobject_get(&q->kobj);
	blk_mq_destroy_queue(q);
	if (kref_read(&q->kobj.kref) > 1)
		blk_put_queue(q);
}

#define blk_mq_destroy_queue compat_blk_mq_destroy_queue

/* From here on the name means ours; the kernel's headers have had theirs. */
#define queue_limits compat_queue_limits
#endif

/* ---- quiescing all queues of a tag set ---- */

#ifndef HAVE_QUIESCE_TAGSET
#include <linux/blk-mq.h>

static inline void blk_mq_quiesce_tagset(struct blk_mq_tag_set *set)
{
	struct request_queue *q;

	mutex_lock(&set->tag_list_lock);
	list_for_each_entry(q, &set->tag_list, tag_set_list)
		blk_mq_quiesce_queue(q);
	mutex_unlock(&set->tag_list_lock);
}

static inline void blk_mq_unquiesce_tagset(struct blk_mq_tag_set *set)
{
	struct request_queue *q;

	mutex_lock(&set->tag_list_lock);
	list_for_each_entry(q, &set->tag_list, tag_set_list)
		blk_mq_unquiesce_queue(q);
	mutex_unlock(&set->tag_list_lock);
}
#endif

/* ---- block status codes: the nearest that the kernel knows ---- */

#ifndef HAVE_BLK_STS_DURATION_LIMIT
#define BLK_STS_DURATION_LIMIT	BLK_STS_IOERR
#endif

#ifndef HAVE_BLK_STS_INVAL
#define BLK_STS_INVAL		BLK_STS_IOERR
#endif

#ifndef HAVE_BLK_STS_RESV_CONFLICT
#define BLK_STS_RESV_CONFLICT	BLK_STS_NEXUS
#endif

/* ---- class_create() without the module ---- */

#ifndef HAVE_CLASS_CREATE_NAME
#include <linux/device.h>

#undef class_create
#define class_create(name) ({						\
	static struct lock_class_key __compat_key;			\
									\
	__class_create(THIS_MODULE, name, &__compat_key);		\
})
#endif

/* ---- strscpy() that knows the size of an array ---- */

#ifndef HAVE_STRSCPY_ARRAY
#include <linux/kernel.h>
#include <linux/string.h>

#define compat_strscpy0(dst, src, ...)	\
	strscpy(dst, src, sizeof(dst) + __must_be_array(dst))
#define compat_strscpy1(dst, src, size)	strscpy(dst, src, size)
#define strscpy(dst, src, ...)	\
	CONCATENATE(compat_strscpy, COUNT_ARGS(__VA_ARGS__))(dst, src, __VA_ARGS__)

#define compat_strscpy_pad0(dst, src, ...)	\
	strscpy_pad(dst, src, sizeof(dst) + __must_be_array(dst))
#define compat_strscpy_pad1(dst, src, size)	strscpy_pad(dst, src, size)
#define strscpy_pad(dst, src, ...)	\
	CONCATENATE(compat_strscpy_pad, COUNT_ARGS(__VA_ARGS__))(dst, src, __VA_ARGS__)
#endif

#endif /* RNBD_COMPAT_H */
